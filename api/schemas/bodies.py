"""Request bodies: of REST, and the same fields as data of Socket.IO commands."""

from typing import ClassVar, Final

from marshmallow import ValidationError

from actors.domain.appointment import Status
from actors.domain.cancel_reason import CancelReason
from actors.domain.contact import MAX_PHONE_CHARS, PHONE_FORM
from actors.domain.principal import Role
from actors.services import requests
from api.schemas import fields
from api.schemas.strict import ChangeSchema, Loaded, RequestSchema, Strict

# A schema copies its fields, so several may declare the same one.
_NAME = fields.Name()
_NEEDED_NAME = fields.Name(required=True)
_NOTES = fields.Text(max_chars=2_000, many_lines=True, allow_none=True)
EMAIL = fields.Email(allow_none=True)
PHONE_EXPECTED = "must be a telephone number: digits, spaces and + ( ) . / - only"
PHONE = fields.Text(
    max_chars=MAX_PHONE_CHARS,
    pattern=PHONE_FORM,
    expected=PHONE_EXPECTED,
    allow_none=True,
)
_BORN = fields.BirthDate(
    allow_none=True,
    metadata={"description": "Of a patient, who may enter it once; then the practice changes it"},
)
_LANGUAGE = fields.Language(allow_none=True)
_FOR_WHOM = fields.Id(metadata={"description": "By a dentist or staff: for whom"})
_OVERBOOK = fields.Flag(
    metadata={"description": "By a dentist or staff: although the time is taken"}
)
_MISSING = "is needed, unless there is a reservation_id"
_SLOT = ("dentist_id", "appointment_type_id", "start")


class HoldSchema(RequestSchema[requests.HoldRequest]):
    dentist_id = fields.Id(required=True)
    appointment_type_id = fields.Id(required=True)
    start = fields.WholeMinute(required=True)


class BookReservationSchema(Strict):
    reservation_id = fields.Id(required=True)
    notes = _NOTES


class BookSlotSchema(Strict):
    dentist_id = fields.Id(required=True)
    appointment_type_id = fields.Id(required=True)
    start = fields.WholeMinute(required=True)
    patient_id = _FOR_WHOM
    notes = _NOTES
    overbook = _OVERBOOK


class BookSchema(RequestSchema[requests.BookingRequest]):
    """Either a reservation, or a slot: the fields of both together are refused."""

    alternatives: ClassVar = (BookReservationSchema, BookSlotSchema)

    reservation_id = fields.Id()
    dentist_id = fields.Id()
    appointment_type_id = fields.Id()
    start = fields.WholeMinute()
    patient_id = _FOR_WHOM
    notes = _NOTES
    overbook = _OVERBOOK

    def make(self, data: Loaded) -> requests.BookingRequest:
        if "reservation_id" in data:
            if also := [key for key in data if key not in ("reservation_id", "notes")]:
                raise ValidationError({key: ["does not go with reservation_id"] for key in also})
            return requests.BookReservationRequest(**data)
        if missing := [key for key in _SLOT if key not in data]:
            raise ValidationError({key: [_MISSING] for key in missing})
        return requests.BookSlotRequest(**data)


class ChangeAppointmentSchema(ChangeSchema[requests.AppointmentChange]):
    dentist_id = fields.Id(
        metadata={
            "description": "Move it to this dentist; by a patient, or by staff within the practice"
        }
    )
    start = fields.WholeMinute()
    appointment_type_id = fields.Id()
    status = fields.OneOf(Status)
    notes = _NOTES
    cancel_reason = fields.OneOf(CancelReason, allow_none=True)
    overbook = fields.Flag()


class ConsentAnswersSchema(RequestSchema[requests.ConsentAnswers]):
    """Whether a patient agrees to messages; the hub adds when, and who entered it."""

    email = fields.Flag()
    sms = fields.Flag()


_CONSENT = fields.Nested(ConsentAnswersSchema)


class ChangeProfileSchema(ChangeSchema[requests.ProfileChange]):
    name = _NAME
    email = EMAIL
    phone = PHONE
    time_zone = fields.TimeZone(allow_none=True)
    date_of_birth = _BORN
    language = _LANGUAGE
    consent = _CONSENT


class ChangePersonSchema(ChangeSchema[requests.PersonChange]):
    name = _NAME
    email = EMAIL
    phone = PHONE
    time_zone = fields.TimeZone(allow_none=True)
    date_of_birth = _BORN
    language = _LANGUAGE
    consent = _CONSENT
    practice_id = fields.Id(
        metadata={"description": "By an admin: where staff work; of a dentist only the first one"}
    )
    active = fields.Flag()


class CreateProfileSchema(RequestSchema[requests.NewProfile]):
    role = fields.OneOf((Role.DENTIST, Role.STAFF, Role.PATIENT), required=True)
    name = _NEEDED_NAME
    subject = fields.Text(
        min_chars=1,
        max_chars=fields.MAX_SUBJECT_CHARS,
        allow_none=True,
        metadata={"description": "The `sub` of this person's tokens"},
    )
    email = EMAIL
    phone = PHONE
    time_zone = fields.TimeZone(allow_none=True)
    date_of_birth = _BORN
    language = _LANGUAGE
    consent = _CONSENT
    practice_id = fields.Id(
        metadata={"description": "By an admin; not needed where there is one practice"}
    )
    allow_duplicate = fields.Flag(
        metadata={"description": "Although the practice has a patient like this one"}
    )


class LookUpSchema(RequestSchema[requests.PatientIdentifiers]):
    """One contact and the date of birth; with both contacts it is not clear which one counts."""

    form: ClassVar = {"oneOf": [{"required": ["phone"]}, {"required": ["email"]}]}

    phone = fields.Text(max_chars=MAX_PHONE_CHARS, pattern=PHONE_FORM, expected=PHONE_EXPECTED)
    email = fields.Email()
    date_of_birth = fields.BirthDate(required=True)

    def make(self, data: Loaded) -> requests.PatientIdentifiers:
        if ("phone" in data) == ("email" in data):
            raise ValidationError("either phone or email is needed, and not both", "phone")
        return super().make(data)


LOOK_UP: Final = LookUpSchema()
HOLD: Final = HoldSchema()
BOOK: Final = BookSchema()
CHANGE_APPOINTMENT: Final = ChangeAppointmentSchema()
CHANGE_PROFILE: Final = ChangeProfileSchema()
CHANGE_PERSON: Final = ChangePersonSchema()
CREATE_PROFILE: Final = CreateProfileSchema()
