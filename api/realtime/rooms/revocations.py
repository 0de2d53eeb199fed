"""Ends live connections whose key, person or permission is gone.

A connection is admitted with a verified token and the person it stands for. It ends as soon
as it would no longer be admitted:

* the key that signed its token has left the key set;
* the patient ended the consent to the chatbot, or it has expired;
* its person, or the patient that a chatbot acts for, was deleted, has another role, is not
  active any more, or belongs to another token;
* a dentist has got a practice, staff work at another one, or theirs has another calendar;
* the session in which its token was issued has ended;
* an admin ends all connections of the person.

Which channels a connection may join follows from its principal alone. So a connection whose
principal is unchanged keeps all its channels.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

import structlog

from actors.domain.channels import PRACTICE_PREFIX, USER_PROFILE_PREFIX
from actors.domain.ids import ProfileId
from actors.domain.principal import Principal
from actors.domain.refusals import ConsentRequired, Forbidden, NotFound, Unavailable
from actors.domain.sign_in import SessionId
from actors.ports.commits import StoreUnavailable
from actors.ports.events import EventRecord
from actors.services.identity import Claims, Identity
from actors.tasks import Spawn
from api.auth import TokenVerifier

log = structlog.get_logger(__name__)

RETRY_S: Final = 1.0
"""The wait before a failed query of the database is repeated."""


class LiveConnection(Protocol):
    """A connection of any protocol, or a channel of one, compared by identity."""

    @property
    def claims(self) -> Claims:
        """Of its current token."""
        ...

    @property
    def principal(self) -> Principal: ...

    @property
    def on_behalf_of(self) -> str | None: ...


class Revocations:
    """Implements :class:`actors.ports.profiles.Connections` for this process."""

    def __init__(
        self,
        verifier: TokenVerifier,
        identity: Identity,
        spawn: Spawn,
        *,
        retry_s: float = RETRY_S,
    ) -> None:
        self._verifier, self._identity, self._spawn = verifier, identity, spawn
        self._retry_s = retry_s
        self._due: dict[ProfileId, set[LiveConnection]] = {}
        """The connections of each person that must be checked."""
        self._checking: set[ProfileId] = set()
        """People whose connections a task is checking."""
        self._ends: dict[LiveConnection, Callable[[], None]] = {}
        self._of: dict[ProfileId, set[LiveConnection]] = {}
        verifier.on_rotation(self.keys_changed)

    def watch(self, connection: LiveConnection, end: Callable[[], None]) -> None:
        """Watch a connection until ``forget``; ``end`` is called at most once, and not here."""
        self._ends[connection] = end
        if person := connection.principal.person:
            self._of.setdefault(person, set()).add(connection)
            # The person may have lost rights during admission.
            self._check_soon(person, {connection})
        if not self._verifier.trusts(connection.claims):  # the keys, too, may have changed
            self._revoke(connection, "key")

    def forget(self, connection: LiveConnection) -> None:
        self._ends.pop(connection, None)
        person = connection.principal.person
        if person is not None and (connections := self._of.get(person)) is not None:
            connections.discard(connection)
            self._due.get(person, set()).discard(connection)
            if not connections:
                del self._of[person]

    def keys_changed(self) -> None:
        """End the connections whose key is no longer trusted."""
        for connection in list(self._ends):
            if not self._verifier.trusts(connection.claims):
                self._revoke(connection, "key")

    def events_committed(self, records: Sequence[EventRecord]) -> None:
        """A listener of the relay: after an event of a person's profile, check the person.

        After one of a practice's people, check those who work there: staff have rights on the
        calendars of the practice.
        """
        for record in records:
            if record.channel.startswith(USER_PROFILE_PREFIX):
                self._check_soon(ProfileId(record.channel.removeprefix(USER_PROFILE_PREFIX)))
            elif record.type == "people.updated":
                self._check_practice(record.channel.removeprefix(PRACTICE_PREFIX))

    def _check_practice(self, practice: str) -> None:
        for person in self._people(lambda each: each.practice == practice):
            self._check_soon(person)

    def _people(self, which: Callable[[Principal], bool]) -> set[ProfileId]:
        """The people of connections whose principal is one of these."""
        found = {each.principal.person for each in self._ends if which(each.principal)}
        return {person for person in found if person}

    def _check_soon(
        self, person: ProfileId, connections: Collection[LiveConnection] | None = None
    ) -> None:
        """Check these connections of the person, or all."""
        wanted = self._of.get(person, ()) if connections is None else connections
        if not wanted:
            return
        self._due.setdefault(person, set()).update(wanted)
        if person not in self._checking:
            self._checking.add(person)
            self._spawn(self._check(person))

    async def end(self, person: ProfileId) -> None:
        """End all connections in this person's name, also those of a chatbot that acts for them."""
        for connection in list(self._of.get(person, ())):
            self._revoke(connection, "dismissed")

    async def end_session(self, session: SessionId) -> None:
        """End the connections whose token was issued in this session; accept its tokens no more."""
        self._verifier.end_session(session)
        for connection in list(self._ends):
            if connection.claims.session == session:
                self._revoke(connection, "session")

    async def recheck(self, person: ProfileId) -> None:
        """End the connections in this person's name whose right is gone; read it again first."""
        self._identity.forget(person)
        try:
            await self._check_once(person)
        except StoreUnavailable as error:
            raise Unavailable from error

    async def check_delegated(self) -> None:
        """End the connections of chatbots whose consent has expired."""
        for person in self._people(lambda each: each.acting is not None):
            await self._check_once(person)

    async def _check(self, person: ProfileId) -> None:
        """Check until nothing is due: new events and failed queries make it due again."""
        is_logged = False
        try:
            while due := self._due.get(person):
                connection = due.pop()
                try:
                    await self._end_unless_admitted(connection)
                except Exception:  # a database outage must not end connections
                    if not is_logged:
                        log.exception("rights_unknown", person=person)
                        is_logged = True
                    if connection in self._ends:
                        due.add(connection)
                    await asyncio.sleep(self._retry_s)
        finally:
            self._checking.discard(person)
            self._due.pop(person, None)

    async def _check_once(self, person: ProfileId) -> None:
        for connection in list(self._of.get(person, ())):
            await self._end_unless_admitted(connection)

    async def _end_unless_admitted(self, connection: LiveConnection) -> None:
        if not await self._still_admitted(connection):
            self._revoke(connection, "person")

    async def _still_admitted(self, connection: LiveConnection) -> bool:
        try:
            principal = await self._identity.principal(
                connection.claims, connection.on_behalf_of, create=False
            )
        except (Forbidden, ConsentRequired, NotFound):
            return False
        return principal == connection.principal

    def _revoke(self, connection: LiveConnection, why: str) -> None:
        end = self._ends.get(connection)
        self.forget(connection)
        if end is not None:
            log.info("rights_lost", why=why, role=connection.principal.role)
            asyncio.get_running_loop().call_soon(end)
