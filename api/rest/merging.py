"""``/api/patients/{id}/…``: two records of one patient."""

import orjson

from actors.domain.ids import ProfileId
from actors.domain.refusals import IdempotencyMismatch, MergeConflict
from actors.services.requests import PatientMerge
from api.rest.responses import Resource
from api.rest.route import Call, Result, Route, Routes
from api.schemas.practices import MERGE_PATIENT
from api.schemas.resources import SUSPECTS

_PATIENT = "/api/patients/{id}"


@Route(
    "POST",
    f"{_PATIENT}/merge",
    "Merge a patient into another one, by the staff of their only practice or an admin",
    description=(
        "All appointments, reservations and history are then the survivor's; what the survivor"
        " lacks is filled from the merged patient, whose consents and webhooks end. The merged id"
        " answers with the survivor. `MERGE_CONFLICT` lists live appointments that overlap."
    ),
    response="Survivor",
    body=MERGE_PATIENT,
    refusals=(IdempotencyMismatch, MergeConflict),
    example={"into": "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"},
)
async def merge(call: Call[None, PatientMerge]) -> Result:
    merged = ProfileId(call.path_id("id", "patient"))
    return await call.services.merging.merge(call.caller, merged, call.body.into)


@Route(
    "GET",
    f"{_PATIENT}/duplicates",
    "Patients who may be the same person, for dentists and staff who see the patient",
    description=(
        "`reasons`: the same telephone number, e-mail address, name and date of birth; or the same"
        " name, where one has no date of birth. At most 50, the most alike first."
    ),
    response="Suspects",
)
async def duplicates(call: Call[None, None]) -> Result:
    patient = ProfileId(call.path_id("id", "patient"))
    found = await call.services.duplicates.suspects(call.caller, patient)
    return Resource(orjson.dumps({"data": SUSPECTS.dump(found)}))


ROUTES: Routes = (duplicates, merge)
