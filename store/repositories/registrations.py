"""New patients who registered: see :mod:`actors.ports.sign_in`."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select

from actors.domain.contact import email_key
from actors.domain.ids import ProfileId
from actors.domain.principal import Role
from actors.domain.sign_in import Account
from actors.ports.sign_in import NewPatient
from store.commit.event_rows import CommitContext
from store.commit.registration_commit import registering
from store.sql.readers import Lookup, Readers
from store.sql.schema import identities, profiles
from store.sql.writer import Writer, single_job

_p = profiles.c
_RECORDS_MAX: Final = 50
"""Of one address, that are looked at."""


class RegistrationRepository:
    """Implements :class:`actors.ports.sign_in.RegistrationStore`."""

    def __init__(self, writer: Writer, readers: Readers, context: CommitContext) -> None:
        self._writer, self._readers, self._context = writer, readers, context

    async def register(self, new: NewPatient) -> Account | None:
        email = new.profile.email or ""
        known = await self._unlinked(email)
        plan = registering(new, email_key(email) or email, known, self._context)
        declares = (new.profile.id, *known)
        return await self._writer.run(single_job(plan, turns=1, declares=declares))

    async def _unlinked(self, email: str) -> Sequence[ProfileId]:
        """Records that may be taken over; the commit looks again."""
        signed_in = select(identities.c.profile_id).where(identities.c.profile_id == _p.id)
        query = (
            select(_p.id)
            .where(
                _p.email_key == email_key(email),
                _p.role == Role.PATIENT.value,
                _p.active,
                ~signed_in.exists(),
            )
            .order_by(_p.id)
            .limit(_RECORDS_MAX)
        )
        async with self._readers.hub(Lookup(exact=email)) as connection:
            return [ProfileId(id_) for (id_,) in await connection.execute(query)]
