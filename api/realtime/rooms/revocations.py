"""What live connections may lose: their token's key, and who they are (DESIGN §6).

A token is verified and its person resolved when a connection begins. This is where the
connection ends when that would no longer succeed: the key that signed its token has been
taken out of the key set, or its person (or the patient a chatbot acts for) has gone, has
another role, or belongs to another token. It also ends when an admin wants it to. What a
connection may join follows from its principal alone, so whose principal still holds keeps
all of its channels.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from actors.domain.channels import user_profile_channel
from actors.domain.ids import ProfileId
from actors.domain.principal import Principal
from actors.domain.refusals import Forbidden, NotFound
from actors.ports.events import EventRecord
from actors.services.identity import Claims, Identity
from actors.tasks import Spawn, Work
from api.auth import TokenVerifier

log = structlog.get_logger(__name__)

_PREFIX = user_profile_channel(ProfileId(""))
AGAIN_S: Final = 1.0
"""When the database could not be asked, it is asked again after so long."""


class Holder(Protocol):
    """A live connection, of whatever protocol, compared by identity."""

    @property
    def claims(self) -> Claims:
        """Of its present token."""
        ...

    @property
    def principal(self) -> Principal: ...

    @property
    def on_behalf_of(self) -> str | None: ...


Lost = Callable[[], Work]
"""Ends the connection."""


class Rights:
    """``watch`` a connection from its beginning to its end.

    ``heard`` is a listener of the relay: whatever is told about a person makes that
    person's connections be looked at again.
    """

    def __init__(
        self,
        verifier: TokenVerifier,
        identity: Identity,
        spawn: Spawn,
        *,
        again_s: float = AGAIN_S,
    ) -> None:
        self._verifier, self._identity, self._spawn = verifier, identity, spawn
        self._again_s = again_s
        self._due: set[ProfileId] = set()
        """Whose connections are to be looked at."""
        self._looking: set[ProfileId] = set()
        """Whose connections a task looks at."""
        self._lost: dict[Holder, Lost] = {}
        self._of: dict[ProfileId, set[Holder]] = {}
        verifier.on_rotation(self.keys_changed)

    def watch(self, holder: Holder, lost: Lost) -> None:
        """``lost`` is called, at most once, in a task of its own."""
        self._lost[holder] = lost
        if person := holder.principal.person:
            self._of.setdefault(person, set()).add(holder)
        if not self._verifier.trusts(holder.claims):  # the keys changed while it came in
            self._end(holder, "key")

    def forget(self, holder: Holder) -> None:
        self._lost.pop(holder, None)
        person = holder.principal.person
        if person is not None and (holders := self._of.get(person)) is not None:
            holders.discard(holder)
            if not holders:
                del self._of[person]

    def keys_changed(self) -> None:
        """Whose key is no longer there must come again with another token."""
        for holder in list(self._lost):
            if not self._verifier.trusts(holder.claims):
                self._end(holder, "key")

    def heard(self, record: EventRecord) -> None:
        if record.channel.startswith(_PREFIX):
            person = ProfileId(record.channel.removeprefix(_PREFIX))
            if person not in self._of:
                return
            self._due.add(person)
            if person not in self._looking:
                self._looking.add(person)
                self._spawn(self._look_again(person))

    def dismiss(self, person: ProfileId) -> None:
        """End everything that goes on in this person's name, whoever acts for them."""
        for holder in list(self._of.get(person, ())):
            self._end(holder, "dismissed")

    async def _look_again(self, person: ProfileId) -> None:
        """Until nothing is due, be it told meanwhile or not answered by the database."""
        unanswered = 0
        try:
            while person in self._due and person in self._of:
                self._due.discard(person)
                try:
                    await self._end_those_of(person)
                except Exception:  # a database that is away takes nobody's rights
                    unanswered += 1
                    if unanswered == 1:
                        log.exception("rights_unknown")
                    self._due.add(person)
                    await asyncio.sleep(self._again_s)
        finally:
            self._looking.discard(person)
            self._due.discard(person)

    async def _end_those_of(self, person: ProfileId) -> None:
        for holder in list(self._of.get(person, ())):
            if not await self._still_holds(holder):
                self._end(holder, "person")

    async def _still_holds(self, holder: Holder) -> bool:
        try:
            now = await self._identity.principal(holder.claims, holder.on_behalf_of, create=False)
        except (Forbidden, NotFound):
            return False
        return now == holder.principal

    def _end(self, holder: Holder, why: str) -> None:
        lost = self._lost.get(holder)
        self.forget(holder)
        if lost is not None:
            log.info("rights_lost", why=why, role=holder.principal.role)
            self._spawn(lost())
