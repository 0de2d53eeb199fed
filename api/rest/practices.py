"""``/api/practices``: where dentists and staff work, and when that is closed."""

import orjson

from actors.domain.ids import PracticeId, ProfileId
from actors.domain.practice import Practice
from actors.domain.refusals import IdempotencyMismatch
from actors.services.requests import NewPractice, PatientLink, PracticeChange, RemarkChange
from api.cursors import after_name
from api.rest.responses import Resource, list_page
from api.rest.route import Call, Result, Route, Routes
from api.schemas.practices import (
    CHANGE_PRACTICE,
    CREATE_PRACTICE,
    LINK_PATIENT,
    PRACTICE,
    PRACTICE_PATIENT,
    REMARK,
)
from api.schemas.queries import PAGE, PageQuery

_COLLECTION = "/api/practices"


@Route("GET", _COLLECTION, "The practices of the hub, by name", response="PracticePage", query=PAGE)
async def page(call: Call[PageQuery, None]) -> Result:
    practices = await call.services.practices.every()
    after = after_name(_COLLECTION, call.query)
    rest = [each for each in practices if after is None or (each.name, each.id) > after]
    found = rest[: call.query.limit]
    last = (found[-1].name, found[-1].id) if len(rest) > len(found) else None
    shown = [PRACTICE.dump(each) for each in found]
    return list_page(_COLLECTION, call.query, shown, last=last, total=len(practices))


@Route(
    "GET",
    f"{_COLLECTION}/{{id}}",
    "One practice, for anyone who is signed in",
    other_statuses=(304,),
    response="Practice",
)
async def show(call: Call[None, None]) -> Result:
    practice = await call.services.practices.find(_id(call))
    return _shown(practice)


@Route(
    "POST",
    _COLLECTION,
    "A new practice, by an admin",
    status=201,
    response="Practice",
    body=CREATE_PRACTICE,
    refusals=(IdempotencyMismatch,),
    example={"name": "Dental practice on the square", "time_zone": "Europe/Vienna"},
)
async def create(call: Call[None, NewPractice]) -> Result:
    return await call.services.practices.create(call.caller, call.body)


@Route(
    "PUT",
    f"{_COLLECTION}/{{id}}",
    "Change a practice, by an admin; its phone and closures also by its staff",
    description=(
        "On a day of `closures` (local dates of each calendar, `end_date` included) no calendar of"
        " the practice offers anything, and nothing can be booked. What is booked stays."
    ),
    response="Practice",
    body=CHANGE_PRACTICE,
    takes_version=True,
    refusals=(IdempotencyMismatch,),
    example={"closures": [{"start_date": "2027-12-24", "end_date": "2027-12-26"}]},
)
async def change(call: Call[None, PracticeChange]) -> Result:
    return await call.services.practices.change(
        call.caller, _id(call), call.body, expected_version=call.expected_version
    )


@Route(
    "POST",
    f"{_COLLECTION}/{{id}}/patients",
    "Make someone who is known to the hub a patient of the practice, by its dentists or staff",
    description=(
        "The practice's staff then see the patient's contact data, and the practice may book. The"
        " patient is notified with `practice.linked`. Linking again changes nothing."
    ),
    response="Linked",
    body=LINK_PATIENT,
    refusals=(IdempotencyMismatch,),
    example={"patient_id": "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"},
)
async def link(call: Call[None, PatientLink]) -> Result:
    return await call.services.practices.link(call.caller, _id(call), call.body.patient_id)


_PATIENT = f"{_COLLECTION}/{{id}}/patients/{{patientId}}"


@Route(
    "GET",
    _PATIENT,
    "What the practice keeps of a patient for itself, for its dentists and staff",
    other_statuses=(304,),
    response="PracticePatient",
)
async def show_patient(call: Call[None, None]) -> Result:
    found = await call.services.practice_patients.show(call.caller, _id(call), _patient(call))
    return Resource(orjson.dumps(PRACTICE_PATIENT.dump(found)), found.version)


@Route(
    "PUT",
    _PATIENT,
    "Replace the practice's remark about a patient, by its dentists and staff",
    description=(
        "The patient and other practices never see it. Screens of the practice get"
        " `patient.updated`, without the remark."
    ),
    response="PracticePatient",
    body=REMARK,
    takes_version=True,
    refusals=(IdempotencyMismatch,),
    example={"remark": "Prefers mornings"},
)
async def change_patient(call: Call[None, RemarkChange]) -> Result:
    return await call.services.practice_patients.change(
        call.caller,
        _id(call),
        _patient(call),
        call.body,
        expected_version=call.expected_version,
    )


def _patient(call: Call[object, object]) -> ProfileId:
    return ProfileId(call.path_id("patientId", "patient"))


def _id(call: Call[object, object]) -> PracticeId:
    return PracticeId(call.path_id("id", "practice"))


def _shown(practice: Practice) -> Resource:
    return Resource(orjson.dumps(PRACTICE.dump(practice)), practice.version)


ROUTES: Routes = (page, show, create, change, link, show_patient, change_patient)
