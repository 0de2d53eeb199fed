"""``/api/profiles``, ``/api/dentists``, ``/api/patients``: who is who (criterion 4.6)."""

import orjson
from aiohttp import web

from actors.domain.ids import ProfileId
from actors.domain.profile import PublicCard
from actors.domain.refusals import Forbidden, IdempotencyMismatch, NotFound, VersionConflict
from actors.ports.profiles import ProfilePage
from actors.services.requests import NewProfile, ProfileChange
from api.cursors import after_name, next_cursor
from api.rest.responses import json_response, reply_response, resource_response
from api.rest.route import Call, Route
from api.schemas import page_json
from api.schemas.bodies import CHANGE_PROFILE, CREATE_PROFILE
from api.schemas.pages import Item, card_data, found_patient_data, profile_data
from api.schemas.queries import PAGE, PATIENTS, PageQuery, PatientPageQuery

_COLLECTION = "/api/profiles"
_TAG = "People"


async def me(call: Call[None, None]) -> web.Response:
    profile = await call.services.people.me(call.caller)
    return resource_response(orjson.dumps(profile_data(profile)), profile.version)


async def update_me(call: Call[None, ProfileChange]) -> web.Response:
    reply = await call.services.people.update_me(
        call.caller, call.body, expected_version=call.expected_version
    )
    return reply_response(reply)


async def show(call: Call[None, None]) -> web.Response:
    """A dentist's public card has no version to match, and nothing to change."""
    profile_id = ProfileId(call.path_id("id", "profile"))
    found = await call.services.people.view(call.caller, profile_id)
    if isinstance(found, PublicCard):
        return json_response(orjson.dumps(card_data(found)))
    return resource_response(orjson.dumps(profile_data(found)), found.version)


async def create(call: Call[None, NewProfile]) -> web.Response:
    return reply_response(await call.services.people.create(call.caller, call.body), _COLLECTION)


async def disconnect(call: Call[None, None]) -> web.Response:
    await call.services.people.disconnect(call.caller, ProfileId(call.path_id("id", "profile")))
    return web.Response(status=204)


async def dentists(call: Call[PageQuery, None]) -> web.Response:
    page = await call.services.people.dentists(
        call.caller, limit=call.query.limit, after=_after(call)
    )
    return _page(call, page, [card_data(profile) for profile in page.profiles])


async def patients(call: Call[PatientPageQuery, None]) -> web.Response:
    """Contact data of one's own patients only; of others, that they exist."""
    page = await call.services.people.patients(
        call.caller, call.query.q, limit=call.query.limit, after=_after(call)
    )
    shown = [
        profile_data(profile) if profile.id in page.own else found_patient_data(profile)
        for profile in page.profiles
    ]
    return _page(call, page, shown)


def _page(call: Call[PageQuery, None], page: ProfilePage, shown: list[Item]) -> web.Response:
    body = page_json(
        shown,
        limit=call.query.limit,
        next_cursor=next_cursor(call.request.path, call.query, page.next_after),
        total=page.total,
        position=None,
    )
    return json_response(body)


def _after(call: Call[PageQuery, None]) -> tuple[str, ProfileId] | None:
    last = after_name(call.request.path, call.query)
    return None if last is None else (last[0], ProfileId(last[1]))


ROUTES = (
    Route(
        method="GET",
        path=f"{_COLLECTION}/me",
        handler=me,
        tag=_TAG,
        summary="One's own profile",
        response="Profile",
        refusals=(NotFound,),
    ),
    Route(
        method="PUT",
        path=f"{_COLLECTION}/me",
        handler=update_me,
        tag=_TAG,
        summary="Change one's own profile: only what is sent changes",
        response="Profile",
        body=CHANGE_PROFILE,
        takes_version=True,
        refusals=(NotFound, VersionConflict, IdempotencyMismatch),
        example={"phone": "+43 1 234 5678"},
    ),
    Route(
        method="GET",
        path=f"{_COLLECTION}/{{id}}",
        handler=show,
        tag=_TAG,
        summary="A dentist's public card, or one of a dentist's own patients",
        response="ProfileOrCard",
        refusals=(NotFound,),
    ),
    Route(
        method="POST",
        path=_COLLECTION,
        handler=create,
        tag=_TAG,
        summary="A new dentist or patient: by an admin; a patient also by a dentist or chatbot",
        status=201,
        response="Profile",
        body=CREATE_PROFILE,
        refusals=(Forbidden, IdempotencyMismatch),
        example={"role": "patient", "name": "Ada Example", "phone": "+43 1 234 5678"},
    ),
    Route(
        method="DELETE",
        path=f"{_COLLECTION}/{{id}}/connections",
        handler=disconnect,
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
        handler=dentists,
        tag=_TAG,
        summary="Every dentist: the public card, by name",
        response="DentistPage",
        query=PAGE,
    ),
    Route(
        method="GET",
        path="/api/patients",
        handler=patients,
        tag=_TAG,
        summary="A dentist's own patients; an exact telephone number or e-mail finds anybody",
        response="PatientPage",
        query=PATIENTS,
        refusals=(Forbidden,),
    ),
)
