"""Principals: the effective person of a request, and the party acting for them."""

from dataclasses import field
from enum import StrEnum

from actors.domain.ids import DentistId, PracticeId, ProfileId
from actors.domain.issuers import HUB_SUBJECT_PREFIX
from actors.domain.refusals import Forbidden
from actors.domain.values import value


class Role(StrEnum):
    PATIENT = "patient"
    DENTIST = "dentist"
    STAFF = "staff"  # the front desk of a practice
    CHATBOT = "chatbot"
    ADMIN = "admin"
    SYSTEM = "system"  # the hub itself, for instance its alarms; never the role of a token


@value
class Principal:
    """The party whose rights apply to a request.

    A chatbot acting for a patient is that patient (``role`` and ``person``) with
    ``acting`` naming the chatbot (RFC 8693 ``act``, or a service token with
    ``On-Behalf-Of``); it has exactly the patient's rights.
    """

    role: Role
    subject: str
    """The ``sub`` of the verified token: the party that authenticated."""
    person: ProfileId | None = None
    """``profiles.id`` of the effective person; ``None`` for admins and plain chatbots."""
    acting: str | None = None
    """The chatbot that acts for ``person``, or ``None``."""
    practice: PracticeId | None = None
    """The practice at which a dentist or staff works."""
    calendars: tuple[DentistId, ...] = ()
    """Of staff: the calendars of the practice, in order of id."""

    colleagues: tuple[DentistId, ...] = field(default=(), compare=False)
    """Of a dentist who sees all patients of the practice: its dentists, themselves included."""

    @property
    def account(self) -> str | None:
        """The id of the account that signed in at the hub itself."""
        if not self.subject.startswith(HUB_SUBJECT_PREFIX):
            return None
        return self.subject.removeprefix(HUB_SUBJECT_PREFIX)

    @property
    def sight(self) -> PracticeId | None:
        """The practice of which all patients are shown."""
        return self.practice if self.role is Role.STAFF or self.colleagues else None

    @property
    def scope(self) -> str:
        """The scope of its idempotency keys and rate limits: person and acting party.

        Of staff also the practice: who has moved gets no reply of the old one again.
        """
        place = f"@{self.practice}" if self.role is Role.STAFF else ""
        return f"{self.role}:{self.person or self.subject}{place}|{self.acting or ''}"

    @property
    def party(self) -> str | None:
        """The chatbot that sends the request, for a person or for itself."""
        return self.subject if self.role is Role.CHATBOT else self.acting

    @property
    def created_via(self) -> str:
        """The value of ``created_via`` in rows: ``chatbot`` if one acted, else the role."""
        return Role.CHATBOT if self.acting else self.role

    @property
    def works_at_practice(self) -> bool:
        """Whether it is a dentist or staff. A dentist may work at none yet (``practice``)."""
        return self.role is Role.DENTIST or self.role is Role.STAFF

    def manages(self, dentist_id: ProfileId) -> bool:
        """Whether the dentist's calendar is its own, or one of its practice.

        The calendar decides at each command: :meth:`Calendar.managed_by`.
        """
        if self.role is Role.DENTIST:
            return dentist_id == self.person
        return self.role is Role.STAFF and dentist_id in self.calendars

    def require(self, *roles: Role) -> ProfileId:
        """The effective person; raises :class:`Forbidden` unless the role is in ``roles``."""
        if self.role not in roles or self.person is None:
            raise Forbidden
        return self.person


SYSTEM = Principal(role=Role.SYSTEM, subject="system")
