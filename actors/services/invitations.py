"""Invitations: the front desk invites patients of its practice, an admin everybody else."""

import secrets
from collections.abc import Sequence

from actors.domain.ids import PatientId, ProfileId
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.refusals import (
    Forbidden,
    InvalidToken,
    NotFound,
    Unavailable,
    ValidationFailed,
)
from actors.domain.sign_in import (
    INVITATION_LIFE,
    SECRET_BYTES,
    Invitation,
    InvitationId,
    hashed,
    secret_of,
    secret_text,
)
from actors.ports.clock import Clock, NewId
from actors.ports.commits import CommitFailure
from actors.ports.sign_in import InvitationStore
from actors.services.caller import Caller
from actors.services.directory import Directory
from actors.services.practices import Practices
from actors.services.requests import NewInvitation


class Invitations:
    """Each is for one person, works once, and for 72 hours."""

    def __init__(
        self,
        store: InvitationStore,
        directory: Directory,
        practices: Practices,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store, self._directory, self._practices = store, directory, practices
        self._clock, self._new_id = clock, new_id

    async def create(self, caller: Caller, new: NewInvitation) -> tuple[Invitation, str]:
        """A new invitation and its token, which is stored nowhere.

        An earlier one of the same person ends. Raises Forbidden, NotFound, ValidationFailed.
        """
        by = caller.principal
        if by.role not in (Role.ADMIN, Role.STAFF):
            raise Forbidden
        invited = await self._invited(by, new)
        token, now = secrets.token_bytes(SECRET_BYTES), self._clock.now()
        invitation = Invitation(
            id=InvitationId(self._new_id()),
            role=invited.role if invited else Role.ADMIN,
            profile_id=invited.id if invited else None,
            name=None if invited else new.name,
            practice_id=by.practice,
            token_hash=hashed(token),
            created_at=now,
            expires_at=now + INVITATION_LIFE,
        )
        try:
            await self._store.add(by, caller.request_id, invitation)
        except CommitFailure as error:
            raise Unavailable from error
        return invitation, secret_text(token)

    async def page(self, caller: Caller) -> Sequence[Invitation]:
        """The open ones: of the front desk's practice, or all for an admin."""
        by = caller.principal
        if by.role not in (Role.ADMIN, Role.STAFF):
            raise Forbidden
        return await self._store.visible(by, self._clock.now())

    async def revoke(self, caller: Caller, invitation_id: InvitationId) -> None:
        """End an open invitation. Raises NotFound for one that is over, or of others."""
        by = caller.principal
        if by.role not in (Role.ADMIN, Role.STAFF):
            raise Forbidden
        try:
            now = self._clock.now()
            found = await self._store.revoke(by, caller.request_id, invitation_id, now)
        except CommitFailure as error:
            raise Unavailable from error
        if not found:
            raise NotFound("invitation")

    async def opened(self, token: str) -> tuple[Invitation, Profile | None]:
        """The open invitation of a token, and its person, ``None`` for an admin.

        Raises InvalidToken for all others alike.
        """
        secret = secret_of(token)
        return await self.opened_by(hashed(secret) if secret else "")

    async def opened_by(self, token_hash: str) -> tuple[Invitation, Profile | None]:
        """The same, by the hash of its token."""
        found = await self._store.of_token(token_hash) if token_hash else None
        if found is None or not found.is_open(self._clock.now()):
            raise InvalidToken("no open invitation")
        if found.profile_id is None:
            return found, None
        person = await self._directory.current(found.profile_id)
        if not person.active or person.role is not found.role:
            raise InvalidToken("the invited person is not active any more")
        place = found.practice_id if found.role is Role.PATIENT else None
        if place and await self._practices.is_shared(place, PatientId(person.id)):
            raise InvalidToken("others rely on the invited patient meanwhile")
        return found, person

    async def _invited(self, by: Principal, new: NewInvitation) -> Profile | None:
        """The person; ``None`` for an admin, who has no profile."""
        if new.profile_id is None:
            if by.role is not Role.ADMIN:
                raise ValidationFailed.of("profile_id", "is required")
            if new.name is None:
                raise ValidationFailed.of("name", "is required, or profile_id")
            return None
        if new.name is not None:
            raise ValidationFailed.of("name", "is that of the profile")
        person = await self._directory.current(ProfileId(new.profile_id))
        if by.role is Role.STAFF:
            await self._check_patient(by, person)
        if not person.active:
            raise ValidationFailed.of("profile_id", "is not active any more")
        return person

    async def _check_patient(self, by: Principal, person: Profile) -> None:
        """Raise NotFound unless it is a patient of the front desk's practice.

        Raises Forbidden if others rely on the patient's record, too: who has the invitation sees
        what the patient sees, at all practices.
        """
        is_patient = person.role is Role.PATIENT and by.practice is not None
        if not is_patient or by.practice is None:
            raise NotFound("profile")
        if not await self._practices.has_patient(by.practice, PatientId(person.id)):
            raise NotFound("profile")
        if await self._practices.is_shared(by.practice, PatientId(person.id)):
            raise Forbidden("A patient of several practices is invited by an administrator")
