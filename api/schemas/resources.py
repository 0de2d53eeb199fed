"""The resources in responses and events, as marshmallow schemas.

REST, Socket.IO and the event log all render resources with them. Appointments are rendered
as :class:`Shown`: the row with the names of its people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from actors.domain.appointment import Appointment, Status
from actors.domain.author import Author
from actors.domain.cancel_reason import CancelReason
from actors.domain.ids import ProfileId
from actors.domain.likeness import Likeness
from actors.domain.principal import Role
from actors.domain.profile import ConsentSource, Profile
from actors.ports.rendering import Names
from api.schemas import fields
from api.schemas.strict import Strict


@dataclass(frozen=True, slots=True)
class Shown:
    """A row and the names of the people it concerns."""

    row: Appointment
    names: Names


_PERSON: Final = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": fields.Id.form,
        "name": {"type": "string", "nullable": True},
    },
}


class PersonField(fields.Field[ProfileId]):
    """``{"id", "name"}`` of one of the two people of a row."""

    def __init__(self, id_attribute: str) -> None:
        super().__init__(dump_only=True, attribute=id_attribute, metadata=_PERSON)

    def _serialize(
        self, value: ProfileId | None, attr: str | None, obj: Shown, **kwargs: object
    ) -> Mapping[str, str | None]:
        assert value is not None, "both people of a row are known"
        return {"id": value, "name": obj.names.get(value)}


class RowSchema(Strict):
    """What appointments and reservations have in common."""

    id = fields.Id()
    dentist_id = fields.Id()
    patient_id = fields.Id()
    appointment_type_id = fields.Id()
    start = fields.InstantField()
    end = fields.InstantField()
    status = fields.OneOf(Status)
    patient = PersonField("patient_id")
    dentist = PersonField("dentist_id")
    expires_at = fields.InstantField(allow_none=True)

    def path(self, attribute: str) -> str:
        return f"row.{attribute}"


class AppointmentSchema(RowSchema):
    version = fields.Raw(metadata={"type": "integer", "example": 3})
    overbooked = fields.Raw(metadata={"type": "boolean"})
    created_via = fields.Raw(metadata={"type": "string", "example": "patient"})
    notes = fields.Raw(
        allow_none=True,
        metadata={"type": "string", "description": "Shared by the dentist and the patient"},
    )
    cancel_reason = fields.OneOf(CancelReason, allow_none=True)
    patient_confirmed_at = fields.InstantField(
        allow_none=True, metadata={"description": "When the patient answered that they will come"}
    )
    created_at = fields.InstantField()
    updated_at = fields.InstantField()


class ReservationSchema(RowSchema):
    version = fields.Raw(metadata={"type": "integer"})


AUTHOR: Final = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {"type": "string", "enum": [str(role) for role in Role]},
        "id": {**fields.Id.form, "nullable": True},
        "name": {"type": "string", "nullable": True},
    },
    "additionalProperties": False,
    "description": "Whose rights applied; patients are shown the role only",
}


class AuthorField(fields.Field[Author]):
    """``{"role", "id", "name"}``, or only the role."""

    def __init__(self) -> None:
        super().__init__(dump_only=True, metadata=AUTHOR)

    def _serialize(
        self, value: Author | None, attr: str | None, obj: object, **kwargs: object
    ) -> Mapping[str, str | None]:
        assert value is not None, "someone changed it"
        return author_data(value)


def author_data(author: Author) -> Mapping[str, str | None]:
    shown: dict[str, str | None] = {"role": author.role}
    return shown if author.id is None else {"id": author.id, "name": author.name, **shown}


class HistoryEntrySchema(Strict):
    """One change of an appointment, without notes."""

    at = fields.InstantField()
    action = fields.Raw(metadata={"type": "string", "example": "appointment.booked"})
    by = AuthorField()
    via = fields.OneOf(Role)
    old_status = fields.OneOf(Status, allow_none=True)
    new_status = fields.OneOf(Status)
    old_start = fields.InstantField(allow_none=True)
    new_start = fields.InstantField()
    old_end = fields.InstantField(allow_none=True)
    new_end = fields.InstantField()
    version = fields.Raw(metadata={"type": "integer"})


class MessageConsentSchema(Strict):
    given = fields.Raw(metadata={"type": "boolean"})
    at = fields.InstantField(
        allow_none=True, metadata={"description": "`null`: the patient was not asked"}
    )
    source = fields.OneOf(ConsentSource, allow_none=True)


class MessageConsentsSchema(Strict):
    """A patient's consent to messages of the practice."""

    email = fields.Nested(MessageConsentSchema)
    sms = fields.Nested(MessageConsentSchema)


class ProfileSchema(Strict):
    id = fields.Id()
    role = fields.OneOf((Role.DENTIST, Role.STAFF, Role.PATIENT))
    name = fields.Text(max_chars=200)
    email = fields.Text(max_chars=254, allow_none=True)
    phone = fields.Text(max_chars=40, allow_none=True)
    time_zone = fields.TimeZone(allow_none=True)
    practice_id = fields.Id(allow_none=True)
    active = fields.Raw(metadata={"type": "boolean"})
    date_of_birth = fields.BirthDate(allow_none=True)
    language = fields.Language(allow_none=True)
    consent = fields.Nested(MessageConsentsSchema, attribute="message_consents")
    version = fields.Raw(metadata={"type": "integer"})


class SurvivorSchema(ProfileSchema):
    """The patient whom another one, whose id was sent, was merged into."""

    merged_into = fields.Id(metadata={"description": "The survivor's id"})


class PublicCardSchema(Strict):
    id = fields.Id()
    name = fields.Text(max_chars=200)
    time_zone = fields.TimeZone(allow_none=True)
    practice_id = fields.Id(allow_none=True)
    active = fields.Raw(metadata={"type": "boolean"})


class LookupResultSchema(Strict):
    """Whom two identifiers found; id and name are `null` if no one."""

    found = fields.Raw(metadata={"type": "boolean"})
    id = fields.Id(allow_none=True)
    name = fields.Text(max_chars=200, allow_none=True)


class SuspectSchema(Strict):
    """A patient who may be the same person as another one."""

    id = fields.Id()
    name = fields.Text(max_chars=200)
    date_of_birth = fields.BirthDate(allow_none=True)
    email = fields.Text(max_chars=254, allow_none=True)
    phone = fields.Text(max_chars=40, allow_none=True)
    reasons = fields.List(fields.OneOf(Likeness))

    def path(self, attribute: str) -> str:
        return attribute if attribute == "reasons" else f"profile.{attribute}"


class IntervalSchema(Strict):
    start = fields.InstantField()
    end = fields.InstantField()


class TimeBlockSchema(IntervalSchema):
    buffer_before_minutes = fields.Whole(low=0, high=1440)
    buffer_after_minutes = fields.Whole(low=0, high=1440)


class PositionSchema(Strict):
    channel = fields.Raw(metadata={"type": "string"})
    epoch = fields.Raw(metadata={"type": "integer"})
    offset = fields.Raw(metadata={"type": "integer"})


class SlotsChangedSchema(Strict):
    dentist_id = fields.Id()
    taken = fields.List(fields.Nested(TimeBlockSchema))
    freed = fields.List(fields.Nested(TimeBlockSchema))
    refetch = fields.List(fields.Nested(IntervalSchema))


class AvailabilityChangedSchema(Strict):
    dentist_id = fields.Id()
    version = fields.Raw(metadata={"type": "integer"})


HELD_APPOINTMENT: Final = AppointmentSchema()
"""A row that is or was a reservation, with the end of its hold time."""
APPOINTMENT: Final = AppointmentSchema(exclude=["expires_at"])
RESERVATION: Final = ReservationSchema()
HISTORY: Final = HistoryEntrySchema(many=True)
PROFILE: Final = ProfileSchema()
SUSPECTS: Final = SuspectSchema(many=True)
PUBLIC_CARD: Final = PublicCardSchema()
SLOTS_CHANGED: Final = SlotsChangedSchema()
AVAILABILITY_CHANGED: Final = AvailabilityChangedSchema()


def survivor_data(profile: Profile) -> dict[str, object]:
    shown: dict[str, object] = PROFILE.dump(profile)
    return shown | {"merged_into": profile.id}


def appointment_data(row: Appointment, names: Names) -> dict[str, object]:
    """Shows ``expires_at`` for rows that are, or ended as, a reservation."""
    schema = APPOINTMENT if row.expires_at is None else HELD_APPOINTMENT
    shown: dict[str, object] = schema.dump(Shown(row, names))
    return shown


def found_patient(patient: Profile | None) -> Mapping[str, object]:
    """The result of a look-up, by :class:`LookupResultSchema`."""
    known = {"id": patient.id, "name": patient.name} if patient else {"id": None, "name": None}
    return {"found": patient is not None, **known}
