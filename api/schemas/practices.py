"""Practices: requests, and how they and those who work there are shown."""

import re
from datetime import timedelta
from typing import Any, ClassVar, Final

from marshmallow import ValidationError, post_load, validates_schema
from marshmallow import fields as plain

from actors.domain.contact import is_region, regions
from actors.domain.principal import Role
from actors.domain.schedule import Closure
from actors.services.requests import (
    NewPractice,
    PatientLink,
    PatientMerge,
    PracticeChange,
    RemarkChange,
)
from api.schemas import fields
from api.schemas.bodies import EMAIL, PHONE
from api.schemas.strict import ChangeSchema, Loaded, RequestSchema, Strict

CLOSURES_MAX: Final = 400
CLOSURE_DAYS_MAX: Final = 366
_WEBSITE: Final = re.compile(r"https?://[^\s]{1,290}")


class Region(fields.JsonField[str]):
    """ISO 3166 code of a country whose telephone numbers are known, e.g. ``AT``."""

    form: ClassVar = {"type": "string", "enum": regions(), "example": "AT"}

    def read(self, value: object) -> str:
        if isinstance(value, str) and is_region(value):
            return value
        raise ValidationError("must be a country as two capital letters, such as AT")


class ClosureSchema(Strict):
    start_date = fields.LocalDate(required=True)
    end_date = fields.LocalDate(required=True, metadata={"description": "Included"})
    reason = fields.Text(max_chars=200, allow_none=True)

    @validates_schema
    def check_order(self, data: Loaded, **_: object) -> None:
        if not {"start_date", "end_date"} <= data.keys():
            return
        if data["end_date"] < data["start_date"]:
            raise ValidationError("must not be before start_date", "end_date")
        if data["end_date"] - data["start_date"] >= timedelta(days=CLOSURE_DAYS_MAX):
            raise ValidationError(f"at most {CLOSURE_DAYS_MAX} days", "end_date")

    @post_load
    def make(self, data: Loaded, **_: object) -> Closure:
        return Closure(**data)


# A schema copies its fields, so several may declare the same one.
_ADDRESS = fields.Text(max_chars=500, many_lines=True, allow_none=True)
_SITE = fields.Text(
    max_chars=300,
    pattern=_WEBSITE,
    expected="must be an address that begins with http:// or https://",
    allow_none=True,
)
_REGION = Region(allow_none=True)
_CLOSURES: fields.Items[Any] = fields.Items(
    plain.Nested(ClosureSchema), what="closures", most=CLOSURES_MAX
)


class CreatePracticeSchema(RequestSchema[NewPractice]):
    name = fields.Name(required=True)
    time_zone = fields.TimeZone(required=True)
    region = _REGION
    address = _ADDRESS
    phone = PHONE
    email = EMAIL
    website = _SITE
    closures = _CLOSURES


class ChangePracticeSchema(ChangeSchema[PracticeChange]):
    name = fields.Name()
    time_zone = fields.TimeZone()
    region = _REGION
    address = _ADDRESS
    phone = PHONE
    email = EMAIL
    website = _SITE
    closures = _CLOSURES


class PracticeSchema(Strict):
    id = fields.Id()
    name = fields.Text(max_chars=200)
    time_zone = fields.TimeZone()
    region = Region(allow_none=True)
    address = fields.Text(max_chars=500, many_lines=True, allow_none=True)
    phone = fields.Text(max_chars=40, allow_none=True)
    email = fields.Text(max_chars=254, allow_none=True)
    website = fields.Text(max_chars=300, allow_none=True)
    closures = plain.List(plain.Nested(ClosureSchema))
    version = fields.Raw(metadata={"type": "integer"})


class PersonSchema(Strict):
    """A dentist or staff of the practice, without contact data."""

    id = fields.Id()
    role = fields.OneOf((Role.DENTIST, Role.STAFF))
    name = fields.Text(max_chars=200)
    practice_id = fields.Id(allow_none=True)
    active = fields.Raw(metadata={"type": "boolean"})
    version = fields.Raw(metadata={"type": "integer"})


class PatientChangedSchema(Strict):
    patient_id = fields.Id()
    version = fields.Raw(metadata={"type": "integer"})


class MergedSchema(Strict):
    patient_id = fields.Id()
    merged_into = fields.Id()
    version = fields.Raw(metadata={"type": "integer", "description": "Of the survivor"})


class LinkedSchema(Strict):
    practice_id = fields.Id()
    patient_id = fields.Id()
    name = fields.Text(max_chars=200, metadata={"description": "Of the patient"})


class MergePatientSchema(RequestSchema[PatientMerge]):
    into = fields.Id(required=True, metadata={"description": "The patient who stays"})


class PracticePatientSchema(Strict):
    """What a practice keeps of one of its patients for itself."""

    practice_id = fields.Id()
    patient_id = fields.Id()
    remark = fields.Text(max_chars=2_000, many_lines=True, allow_none=True)
    source = fields.Text(
        max_chars=20,
        metadata={
            "description": "`created`, `linked`, `migrated` or `booked`",
            "example": "linked",
        },
    )
    since = fields.InstantField()
    version = fields.Raw(metadata={"type": "integer"})


class RemarkSchema(RequestSchema[RemarkChange]):
    remark = fields.Text(max_chars=2_000, many_lines=True, allow_none=True, required=True)


class LinkPatientSchema(RequestSchema[PatientLink]):
    patient_id = fields.Id(required=True)


PRACTICE_PATIENT: Final = PracticePatientSchema()
REMARK: Final = RemarkSchema()
LINKED: Final = LinkedSchema()
LINK_PATIENT: Final = LinkPatientSchema()
MERGE_PATIENT: Final = MergePatientSchema()
CREATE_PRACTICE: Final = CreatePracticeSchema()
CHANGE_PRACTICE: Final = ChangePracticeSchema()
PRACTICE: Final = PracticeSchema()
PERSON: Final = PersonSchema()
MERGED: Final = MergedSchema()
PATIENT_CHANGED: Final = PatientChangedSchema()
