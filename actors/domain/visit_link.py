"""Links with which a patient confirms, moves or cancels one visit, without signing in.

Each mail about a visit to come has a link of its own. Its token is random; the hub stores a hash.
A link ends with the time that the mail names, and earlier when the visit is over, when its
patient or its practice is another one, and when the practice revokes the links of the visit. Of a
cancelled visit it shows that it is cancelled.
"""

from datetime import datetime
from typing import Final

from actors.domain.appointment import LONGEST, Appointment
from actors.domain.ids import AppointmentId, PatientId, PracticeId, ProfileId
from actors.domain.issuers import HUB_SUBJECT_PREFIX
from actors.domain.message import REMINDERS, Message, MessageId, MessageKind
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.sign_in import hashed
from actors.domain.values import value

LINKED_KINDS: Final = frozenset({MessageKind.CONFIRMATION, MessageKind.CHANGE, *REMINDERS})
"""Kinds of messages that have a link: those about a visit to come."""


@value
class VisitLink:
    """One row of ``visit_links``."""

    token_hash: str
    message_id: MessageId
    """The message that it was sent in."""
    appointment_id: AppointmentId
    patient_id: PatientId
    practice_id: PracticeId | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    @property
    def principal(self) -> Principal:
        """The patient, by this link; no token of an issuer has such a subject."""
        return Principal(
            role=Role.PATIENT,
            subject=f"{HUB_SUBJECT_PREFIX}visit-link:{self.message_id}",
            person=ProfileId(self.patient_id),
        )

    def is_open(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at

    def leads_to(
        self, row: Appointment, patient: Profile, practice_id: PracticeId | None, now: datetime
    ) -> bool:
        """Whether the visit is still what the link was made for, and not over."""
        is_same = row.patient_id == self.patient_id and practice_id == self.practice_id
        return is_same and patient.active and not patient.merged_into and now < row.end


def new_visit_link(message: Message, token: bytes, now: datetime) -> VisitLink:
    """The link of a message about a visit to come."""
    assert message.kind in LINKED_KINDS, "there is something to confirm, move or cancel"
    assert message.appointment_id, "it is about a visit"
    assert message.patient_id, "which has a patient"
    assert message.visit_start, "and a time"
    return VisitLink(
        token_hash=hashed(token),
        message_id=message.id,
        appointment_id=message.appointment_id,
        patient_id=message.patient_id,
        practice_id=message.practice_id,
        created_at=now,
        expires_at=message.visit_start + LONGEST,
    )
