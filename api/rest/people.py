"""``/api/profiles``, ``/api/dentists``, ``/api/patients``: who is who (criterion 4.6)."""

import orjson
from aiohttp import web

from actors.domain.ids import ProfileId
from actors.domain.profile import PublicCard
from actors.domain.refusals import DuplicatePatient, IdempotencyMismatch
from actors.services.requests import NewProfile, PatientIdentifiers, PersonChange, ProfileChange
from api.cursors import after_name
from api.rest.responses import Resource, list_page
from api.rest.route import Call, Result, Route, Routes
from api.schemas.bodies import CHANGE_PERSON, CHANGE_PROFILE, CREATE_PROFILE, LOOK_UP
from api.schemas.queries import PAGE, PATIENTS, PageQuery, PatientPageQuery
from api.schemas.resources import PROFILE, PUBLIC_CARD, found_patient, survivor_data

_COLLECTION = "/api/profiles"
_DENTISTS, _PATIENTS = "/api/dentists", "/api/patients"


@Route(
    "GET",
    f"{_COLLECTION}/me",
    "One's own profile",
    other_statuses=(304,),
    response="Profile",
)
async def me(call: Call[None, None]) -> Result:
    profile = await call.services.people.me(call.caller)
    return Resource(orjson.dumps(PROFILE.dump(profile)), profile.version)


@Route(
    "PUT",
    f"{_COLLECTION}/me",
    "Change one's own profile: only what is sent changes",
    response="Profile",
    body=CHANGE_PROFILE,
    takes_version=True,
    refusals=(IdempotencyMismatch,),
    example={"phone": "+43 1 234 5678"},
)
async def update_me(call: Call[None, ProfileChange]) -> Result:
    return await call.services.people.update_me(
        call.caller, call.body, expected_version=call.expected_version
    )


@Route(
    "GET",
    f"{_COLLECTION}/{{id}}",
    "A dentist's public card, a patient of one's own, a colleague",
    other_statuses=(304,),
    response="ProfileOrCard",
)
async def show(call: Call[None, None]) -> Result:
    """A dentist's public card has no version to match, and nothing to change."""
    profile_id = ProfileId(call.path_id("id", "profile"))
    found = await call.services.people.view(call.caller, profile_id)
    if isinstance(found, PublicCard):
        return Resource(orjson.dumps(PUBLIC_CARD.dump(found)))
    shown = PROFILE.dump(found) if found.id == profile_id else survivor_data(found)
    return Resource(orjson.dumps(shown), found.version)


@Route(
    "POST",
    _COLLECTION,
    "A new person, by an admin; a patient also by a dentist, staff or chatbot",
    status=201,
    response="Profile",
    description=(
        "409 `DUPLICATE_PATIENT` if the practice has a patient with this telephone number, e-mail"
        " address, or name and date of birth. `allow_duplicate: true` goes on."
    ),
    body=CREATE_PROFILE,
    refusals=(DuplicatePatient, IdempotencyMismatch),
    example={"role": "patient", "name": "Ada Example", "phone": "+43 1 234 5678"},
)
async def create(call: Call[None, NewProfile]) -> Result:
    return await call.services.people.create(call.caller, call.body)


@Route(
    "PUT",
    f"{_COLLECTION}/{{id}}",
    "Change someone's profile: anyone's by an admin, a patient's of the practice also by staff",
    description=(
        "Who is not `active` any more may do nothing: their connections end at every node, and"
        " nothing new can be booked with or for them; what is booked stays. Staff who are moved"
        " to another practice lose the rights at the old one. A dentist stays at"
        " the practice; one without a practice can get one. 503: a node did not answer, so send"
        " it again; the others have done it."
    ),
    response="Profile",
    body=CHANGE_PERSON,
    takes_version=True,
    refusals=(IdempotencyMismatch,),
    example={"active": False},
)
async def change(call: Call[None, PersonChange]) -> Result:
    return await call.services.people.update(
        call.caller,
        ProfileId(call.path_id("id", "profile")),
        call.body,
        expected_version=call.expected_version,
    )


@Route(
    "DELETE",
    f"{_COLLECTION}/{{id}}/connections",
    "End every live connection of a person, by an admin",
    description=(
        "Sockets of every kind and streams, at whichever node, also those of chatbots that"
        " act for the person. A token that is still valid may connect again: withdraw it"
        " first. 503: a node did not answer, so ask again; the others have done it."
    ),
    status=204,
)
async def disconnect(call: Call[None, None]) -> Result:
    await call.services.people.disconnect(call.caller, ProfileId(call.path_id("id", "profile")))
    return web.Response(status=204)


@Route(
    "GET",
    _DENTISTS,
    "The dentists: public cards, by name; those who are not active only for those who work here",
    response="DentistPage",
    leads_to=("/api/availability/{dentistId}",),
    query=PAGE,
)
async def dentists(call: Call[PageQuery, None]) -> Result:
    after = _after(_DENTISTS, call.query)
    page = await call.services.people.dentists(call.caller, limit=call.query.limit, after=after)
    shown = [PUBLIC_CARD.dump(profile) for profile in page.profiles]
    return list_page(_DENTISTS, call.query, shown, last=page.next_after, total=page.total)


@Route(
    "GET",
    _PATIENTS,
    "The patients whom one sees: of the practice, or a dentist's own",
    description=(
        "With `q` the best match comes first: the whole name, then whole words, then beginnings."
        " A search finds 500 patients at most, which `total` counts. Without `q`: all, by name."
    ),
    response="PatientPage",
    query=PATIENTS,
)
async def patients(call: Call[PatientPageQuery, None]) -> Result:
    page = await call.services.people.patients(
        call.caller,
        call.query.q,
        limit=call.query.limit,
        after=_after(_PATIENTS, call.query),
    )
    shown = [PROFILE.dump(profile) for profile in page.profiles]
    return list_page(_PATIENTS, call.query, shown, last=page.next_after, total=page.total)


@Route(
    "POST",
    f"{_PATIENTS}/lookup",
    "Find a patient by a telephone number or e-mail address and the date of birth",
    description=(
        "By dentists, staff, and a chatbot's service token without `On-Behalf-Of`. It finds one"
        " active patient who has both, of any practice, and answers with no more than the name."
        " Limited for each caller, and audited. Who found a patient may link them to the practice"
        " within an hour: `POST /api/practices/{id}/patients`."
    ),
    response="LookupResult",
    body=LOOK_UP,
    example={"phone": "+43 1 234 5678", "date_of_birth": "1980-03-08"},
)
async def look_up(call: Call[None, PatientIdentifiers]) -> Result:
    found = await call.services.lookups.find(call.caller, call.body)
    return Resource(orjson.dumps(found_patient(found)))


def _after(path: str, query: PageQuery) -> tuple[str, ProfileId] | None:
    last = after_name(path, query)
    return None if last is None else (last[0], ProfileId(last[1]))


ROUTES: Routes = (me, update_me, show, create, change, disconnect, dentists, patients, look_up)
