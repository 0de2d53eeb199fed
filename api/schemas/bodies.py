"""Request bodies: of REST, and the same fields as data of Socket.IO commands."""

from typing import Final

from marshmallow import ValidationError, pre_load, validates_schema

from actors.domain.appointment import MAX_MINUTES, Status
from actors.domain.cancel_reason import CancelReason
from actors.domain.principal import Role
from actors.services.requests import (
    AppointmentChange,
    AppointmentTypeChange,
    BookingRequest,
    BookReservationRequest,
    BookSlotRequest,
    HoldRequest,
    NewAppointmentType,
    NewProfile,
    ProfileChange,
)
from api.schemas.fields import (
    MAX_SUBJECT_CHARS,
    Flag,
    Id,
    OneOf,
    Text,
    TimeZone,
    Whole,
    WholeMinute,
    email_text,
    name_text,
    notes_text,
    phone_text,
)
from api.schemas.strict import Loaded, RequestSchema, T

_MISSING = "is needed, unless there is a reservation_id"
_SLOT = ("dentist_id", "appointment_type_id", "start")


class HoldSchema(RequestSchema[HoldRequest]):
    dentist_id = Id(required=True)
    appointment_type_id = Id(required=True)
    start = WholeMinute(required=True)


class BookSchema(RequestSchema[BookingRequest]):
    """Either a reservation, or a slot: the fields of both together are refused."""

    reservation_id = Id()
    dentist_id = Id()
    appointment_type_id = Id()
    start = WholeMinute()
    patient_id = Id(metadata={"description": "By a dentist: for whom"})
    notes = notes_text()
    overbook = Flag(metadata={"description": "By a dentist: although the time is taken"})

    @validates_schema
    def check_form(self, data: Loaded, **_: object) -> None:
        if "reservation_id" in data:
            also = [key for key in (*_SLOT, "patient_id", "overbook") if key in data]
            if also:
                raise ValidationError({key: ["does not go with reservation_id"] for key in also})
            return
        if missing := [key for key in _SLOT if key not in data]:
            raise ValidationError({key: [_MISSING] for key in missing})

    def make(self, data: Loaded) -> BookingRequest:
        if "reservation_id" in data:
            return BookReservationRequest(**data)
        return BookSlotRequest(**data)


class ChangeSchema(RequestSchema[T]):
    """Only what is sent changes; sending nothing is a mistake."""

    @pre_load
    def check_not_empty(self, data: object, **_: object) -> object:
        if data == {}:
            raise ValidationError("at least one field to change is needed")
        return data


class ChangeAppointmentSchema(ChangeSchema[AppointmentChange]):
    start = WholeMinute()
    appointment_type_id = Id()
    status = OneOf(tuple(Status))
    notes = notes_text()
    cancel_reason = OneOf(tuple(CancelReason), allow_none=True)
    overbook = Flag()


class ChangeProfileSchema(ChangeSchema[ProfileChange]):
    name = name_text()
    email = email_text()
    phone = phone_text()
    time_zone = TimeZone(allow_none=True)


class CreateProfileSchema(RequestSchema[NewProfile]):
    role = OneOf((Role.DENTIST, Role.PATIENT), required=True)
    name = name_text(required=True)
    subject = Text(
        min_chars=1,
        max_chars=MAX_SUBJECT_CHARS,
        allow_none=True,
        metadata={"description": "The `sub` of this person's tokens"},
    )
    email = email_text()
    phone = phone_text()
    time_zone = TimeZone(allow_none=True)


class CreateTypeSchema(RequestSchema[NewAppointmentType]):
    name = name_text(required=True)
    duration_minutes = Whole(low=1, high=MAX_MINUTES, required=True)
    buffer_before_minutes = Whole(low=0, high=MAX_MINUTES)
    buffer_after_minutes = Whole(low=0, high=MAX_MINUTES)


class ChangeTypeSchema(ChangeSchema[AppointmentTypeChange]):
    name = name_text()
    duration_minutes = Whole(low=1, high=MAX_MINUTES)
    buffer_before_minutes = Whole(low=0, high=MAX_MINUTES)
    buffer_after_minutes = Whole(low=0, high=MAX_MINUTES)


HOLD: Final = HoldSchema()
BOOK: Final = BookSchema()
CHANGE_APPOINTMENT: Final = ChangeAppointmentSchema()
CHANGE_PROFILE: Final = ChangeProfileSchema()
CREATE_PROFILE: Final = CreateProfileSchema()
CREATE_TYPE: Final = CreateTypeSchema()
CHANGE_TYPE: Final = ChangeTypeSchema()
