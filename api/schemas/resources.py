"""The resources in responses and events, as marshmallow schemas.

REST, Socket.IO and the event log all render resources with them. Appointments are rendered
as :class:`Shown`: the row with the names of its people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from marshmallow import fields

from actors.domain.appointment import Appointment, Status
from actors.domain.cancel_reason import CancelReason
from actors.domain.ids import ProfileId
from actors.domain.principal import Role
from actors.ports.rendering import Names
from api.schemas.fields import Id, InstantField, OneOf, Text, TimeZone, Whole
from api.schemas.strict import Strict


@dataclass(frozen=True, slots=True)
class Shown:
    """A row and the names of the people it concerns."""

    row: Appointment
    names: Names


class PersonField(fields.Field[ProfileId]):
    """``{"id", "name"}`` of one of the two people of a row."""

    def __init__(self, id_attribute: str) -> None:
        super().__init__(dump_only=True, attribute=id_attribute)

    def _serialize(
        self, value: ProfileId | None, attr: str | None, obj: Shown, **kwargs: object
    ) -> Mapping[str, str | None]:
        assert value is not None, "both people of a row are known"
        return {"id": value, "name": obj.names.get(value)}


class RowSchema(Strict):
    def get_attribute(self, obj: Shown, attr: str, default: object) -> object:
        return getattr(obj.row, attr, default)


class AppointmentSchema(RowSchema):
    id = Id()
    dentist_id = Id()
    patient_id = Id()
    appointment_type_id = Id()
    start = InstantField()
    end = InstantField()
    status = OneOf(tuple(Status))
    version = fields.Raw(metadata={"type": "integer", "example": 3})
    overbooked = fields.Raw(metadata={"type": "boolean"})
    created_via = fields.Raw(metadata={"type": "string", "example": "patient"})
    notes = fields.Raw(
        allow_none=True,
        metadata={"type": "string", "description": "Shared by the dentist and the patient"},
    )
    cancel_reason = OneOf(tuple(CancelReason), allow_none=True)
    created_at = InstantField()
    updated_at = InstantField()
    patient = PersonField("patient_id")
    dentist = PersonField("dentist_id")


class HeldAppointmentSchema(AppointmentSchema):
    """A row that is or was a reservation, with the end of its hold time."""

    expires_at = InstantField(allow_none=True)


class ReservationSchema(RowSchema):
    id = Id()
    dentist_id = Id()
    patient_id = Id()
    appointment_type_id = Id()
    start = InstantField()
    end = InstantField()
    expires_at = InstantField(allow_none=True)
    status = OneOf(tuple(Status))
    version = fields.Raw(metadata={"type": "integer"})
    patient = PersonField("patient_id")
    dentist = PersonField("dentist_id")


class HistoryEntrySchema(Strict):
    """One change of an appointment, without names or notes."""

    at = InstantField()
    action = fields.Raw(metadata={"type": "string", "example": "appointment.booked"})
    by = OneOf(tuple(Role))
    via = OneOf(tuple(Role))
    old_status = OneOf(tuple(Status), allow_none=True)
    new_status = OneOf(tuple(Status))
    old_start = InstantField(allow_none=True)
    new_start = InstantField()
    old_end = InstantField(allow_none=True)
    new_end = InstantField()
    version = fields.Raw(metadata={"type": "integer"})


class AppointmentTypeSchema(Strict):
    id = Id()
    name = Text(max_chars=200)
    duration_minutes = Whole(low=1, high=1440)
    buffer_before_minutes = Whole(low=0, high=1440)
    buffer_after_minutes = Whole(low=0, high=1440)
    version = fields.Raw(metadata={"type": "integer"})


class ProfileSchema(Strict):
    id = Id()
    role = OneOf((Role.DENTIST, Role.PATIENT))
    name = Text(max_chars=200)
    email = Text(max_chars=254, allow_none=True)
    phone = Text(max_chars=40, allow_none=True)
    time_zone = TimeZone(allow_none=True)
    version = fields.Raw(metadata={"type": "integer"})


class PublicCardSchema(Strict):
    id = Id()
    name = Text(max_chars=200)
    time_zone = TimeZone(allow_none=True)


class FoundPatientSchema(Strict):
    """Another dentist's patient, found by an exact telephone number or e-mail."""

    id = Id()
    name = Text(max_chars=200)


class TimeBlockSchema(Strict):
    start = InstantField()
    end = InstantField()
    buffer_before_minutes = Whole(low=0, high=1440)
    buffer_after_minutes = Whole(low=0, high=1440)


class IntervalSchema(Strict):
    start = InstantField()
    end = InstantField()


class SlotsChangedSchema(Strict):
    dentist_id = Id()
    taken = fields.List(fields.Nested(TimeBlockSchema))
    freed = fields.List(fields.Nested(TimeBlockSchema))
    refetch = fields.List(fields.Nested(IntervalSchema))


class AvailabilityChangedSchema(Strict):
    dentist_id = Id()
    version = fields.Raw(metadata={"type": "integer"})


APPOINTMENT: Final = AppointmentSchema()
HELD_APPOINTMENT: Final = HeldAppointmentSchema()
RESERVATION: Final = ReservationSchema()
HISTORY: Final = HistoryEntrySchema(many=True)
APPOINTMENT_TYPE: Final = AppointmentTypeSchema()
PROFILE: Final = ProfileSchema()
PUBLIC_CARD: Final = PublicCardSchema()
FOUND_PATIENT: Final = FoundPatientSchema()
SLOTS_CHANGED: Final = SlotsChangedSchema()
AVAILABILITY_CHANGED: Final = AvailabilityChangedSchema()


def appointment_data(row: Appointment, names: Names) -> dict[str, object]:
    """Shows ``expires_at`` for rows that are, or ended as, a reservation."""
    schema = APPOINTMENT if row.expires_at is None else HELD_APPOINTMENT
    shown: dict[str, object] = schema.dump(Shown(row, names))
    return shown
