"""Invitations: the front desk invites patients of its practice, an admin everybody else."""

import secrets
from datetime import datetime
from typing import Protocol

from actors.domain.ids import PatientId, ProfileId
from actors.domain.message import (
    Message,
    MessageChannel,
    MessageId,
    MessageKind,
    Recipient,
)
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
from actors.domain.values import value
from actors.ports.clock import Clock, NewId
from actors.ports.commits import CommitFailure
from actors.ports.sign_in import InvitationPage, InvitationStore
from actors.services.caller import Caller
from actors.services.directory import Directory
from actors.services.mail_codes import Allowance
from actors.services.practices import Practices
from actors.services.requests import NewInvitation


def invitation_url(public_url: str, token: str) -> str:
    """The token stands in the fragment, which browsers send to no server."""
    return f"{public_url}/sign-in#invitation={token}"


class InvitationLetter(Protocol):
    def __call__(self, token: str, place: str | None, language: str | None) -> str:
        """The content of a message with the link; ``place``: the practice that invites."""
        ...


@value
class InvitationMail:
    """How invitations are sent, and to one patient how often."""

    letter: InvitationLetter
    allowance: Allowance


class Invitations:
    """Each is for one person, works once, and for 72 hours."""

    def __init__(
        self,
        store: InvitationStore,
        directory: Directory,
        practices: Practices,
        clock: Clock,
        new_id: NewId,
        mail: InvitationMail | None = None,
    ) -> None:
        """``mail``: ``None`` where no mails are sent."""
        self._mail = mail
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
        address = self._address(invited) if new.send else None
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
        message = None
        if address and invited:
            message = await self._message(invitation, invited, address, secret_text(token))
        try:
            await self._store.add(by, caller.request_id, invitation, message)
        except CommitFailure as error:
            raise Unavailable from error
        return invitation, secret_text(token)

    async def page(
        self, caller: Caller, *, limit: int, after: tuple[datetime, InvitationId] | None
    ) -> InvitationPage:
        """The open ones: of the front desk's practice, or all for an admin."""
        by = caller.principal
        if by.role not in (Role.ADMIN, Role.STAFF):
            raise Forbidden
        return await self._store.visible(by, self._clock.now(), limit=limit, after=after)

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

    def _address(self, invited: Profile | None) -> str:
        """Where the link is sent: to patients only. Mail alone gives nobody the rights of staff."""
        if self._mail is None:
            raise ValidationFailed.of("send", "this hub sends no mails")
        if invited is None or invited.role is not Role.PATIENT:
            raise ValidationFailed.of("send", "is for patients: give others the link yourself")
        consents = invited.message_consents
        recipient = Recipient(email=invited.email, phone=None, consents=consents)
        if address := recipient.address(MessageChannel.EMAIL):
            return address
        raise ValidationFailed.of("send", "the patient has no e-mail address, or wants no messages")

    async def _message(
        self, invitation: Invitation, invited: Profile, address: str, token: str
    ) -> Message:
        """With the id of the invitation, so that it is withdrawn with it. Raises RateLimited."""
        assert self._mail, "the address was checked"
        self._mail.allowance.take(invited.id)
        place = invitation.practice_id
        practice = await self._practices.find(place) if place else None
        name = practice.name if practice else None
        return Message(
            id=MessageId(invitation.id),
            kind=MessageKind.INVITATION,
            channel=MessageChannel.EMAIL,
            practice_id=place,
            address=address,
            content=self._mail.letter(token, name, invited.language),
            created_at=invitation.created_at,
            expires_at=invitation.expires_at,
            next_attempt_at=invitation.created_at,
        )

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
