"""``/api/profiles``, ``/api/dentists``, ``/api/patients``: who is who (criterion 4.6)."""

import orjson
from aiohttp import web

from actors.domain.ids import ProfileId
from actors.domain.profile import PublicCard
from actors.domain.refusals import Forbidden, IdempotencyMismatch, NotFound, VersionConflict
from actors.ports.profiles import ProfilePage
from api.cursors import after_name, next_cursor
from api.rest.responses import json_answer, reply_answer, resource_answer
from api.rest.route import Call, Route
from api.schemas import page_json
from api.schemas.bodies import CHANGE_PROFILE, CREATE_PROFILE
from api.schemas.pages import Item, card_data, found_patient_data, profile_data
from api.schemas.queries import PAGE, PATIENTS

_COLLECTION = "/api/profiles"
_TAG = "People"


async def me(call: Call) -> web.Response:
    profile = await call.services.people.me(call.caller)
    return resource_answer(orjson.dumps(profile_data(profile)), profile.version)


async def update_me(call: Call) -> web.Response:
    reply = await call.services.people.update_me(
        call.caller, expected_version=call.expected_version, **call.body
    )
    return reply_answer(reply)


async def show(call: Call) -> web.Response:
    """A dentist's public card has no version to match, and nothing to change."""
    profile_id = ProfileId(call.path_id("id", "profile"))
    found = await call.services.people.view(call.caller, profile_id)
    if isinstance(found, PublicCard):
        return json_answer(orjson.dumps(card_data(found)))
    return resource_answer(orjson.dumps(profile_data(found)), found.version)


async def create(call: Call) -> web.Response:
    return reply_answer(await call.services.people.create(call.caller, **call.body), _COLLECTION)


async def disconnect(call: Call) -> web.Response:
    await call.services.people.disconnect(call.caller, ProfileId(call.path_id("id", "profile")))
    return web.Response(status=204)


async def dentists(call: Call) -> web.Response:
    page = await call.services.people.dentists(
        call.caller, limit=call.query["limit"], after=_after(call)
    )
    return _page(call, page, [card_data(profile) for profile in page.profiles])


async def patients(call: Call) -> web.Response:
    """Contact data of one's own patients only; of others, that they exist."""
    page = await call.services.people.patients(
        call.caller, call.query["q"], limit=call.query["limit"], after=_after(call)
    )
    shown = [
        profile_data(profile) if profile.id in page.own else found_patient_data(profile)
        for profile in page.profiles
    ]
    return _page(call, page, shown)


def _page(call: Call, page: ProfilePage, shown: list[Item]) -> web.Response:
    body = page_json(
        shown,
        limit=call.query["limit"],
        next_cursor=next_cursor(call.request.path, call.query, page.next_after),
        total=page.total,
        position=None,
    )
    return json_answer(body)


def _after(call: Call) -> tuple[str, ProfileId] | None:
    last = after_name(call.request.path, call.query)
    return None if last is None else (last[0], ProfileId(last[1]))


ROUTES = (
    Route(
        method="GET",
        path=f"{_COLLECTION}/me",
        answer=me,
        tag=_TAG,
        summary="One's own profile",
        shows="Profile",
        refusals=(NotFound,),
    ),
    Route(
        method="PUT",
        path=f"{_COLLECTION}/me",
        answer=update_me,
        tag=_TAG,
        summary="Change one's own profile: only what is sent changes",
        shows="Profile",
        body=CHANGE_PROFILE,
        takes_version=True,
        refusals=(NotFound, VersionConflict, IdempotencyMismatch),
        example={"phone": "+43 1 234 5678"},
    ),
    Route(
        method="GET",
        path=f"{_COLLECTION}/{{id}}",
        answer=show,
        tag=_TAG,
        summary="A dentist's public card, or one of a dentist's own patients",
        shows="ProfileOrCard",
        refusals=(NotFound,),
    ),
    Route(
        method="POST",
        path=_COLLECTION,
        answer=create,
        tag=_TAG,
        summary="A new dentist or patient: by an admin; a patient also by a dentist or chatbot",
        status=201,
        shows="Profile",
        body=CREATE_PROFILE,
        refusals=(Forbidden, IdempotencyMismatch),
        example={"role": "patient", "name": "Ada Example", "phone": "+43 1 234 5678"},
    ),
    Route(
        method="DELETE",
        path=f"{_COLLECTION}/{{id}}/connections",
        answer=disconnect,
        tag=_TAG,
        summary="End every live connection of a person, by an admin",
        description=(
            "Sockets of every kind and streams, at whichever node, also those of chatbots that"
            " act for the person. A token that is still valid may connect again: withdraw it"
            " first. 503: a node did not answer, so ask again; the others have done it."
        ),
        status=204,
        refusals=(Forbidden, NotFound),
    ),
    Route(
        method="GET",
        path="/api/dentists",
        answer=dentists,
        tag=_TAG,
        summary="Every dentist: the public card, by name",
        shows="DentistPage",
        query=PAGE,
    ),
    Route(
        method="GET",
        path="/api/patients",
        answer=patients,
        tag=_TAG,
        summary="A dentist's own patients; an exact telephone number or e-mail finds anybody",
        shows="PatientPage",
        query=PATIENTS,
        refusals=(Forbidden,),
    ),
)
