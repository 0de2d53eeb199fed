"""``/api/passkeys``: with what the caller signs in at the hub."""

from typing import Final

from aiohttp import web

from actors.domain.refusals import NotFound
from api.middleware import CLAIMS
from api.rest.responses import Resource, json_response
from api.rest.route import Call, Result, Route, Routes
from api.schemas.passkeys import (
    NEW_PASSKEY,
    NewPasskey,
    ceremony_json,
    passkey_json,
    passkeys_json,
)

_COLLECTION: Final = "/api/passkeys"
_ID_MAX_CHARS: Final = 1_400
_FRESH: Final = "Within 15 minutes after signing in; later, 403."


@Route(
    "GET",
    _COLLECTION,
    "The passkeys of the caller",
    description="Of the account with which the caller signed in at the hub; the oldest first.",
    response="Passkeys",
)
async def page(call: Call[None, None]) -> Result:
    return Resource(passkeys_json(await call.services.own_passkeys.page(call.caller)))


@Route(
    "POST",
    f"{_COLLECTION}/options",
    "Begin to add a passkey",
    description=f"{_FRESH} The answer of the authenticator is sent within five minutes.",
    response="PasskeyCeremony",
)
async def options(call: Call[None, None]) -> Result:
    session = call.request[CLAIMS].session
    ceremony, found = await call.services.own_passkeys.begin(call.caller, session)
    return json_response(ceremony_json(ceremony, found))


@Route(
    "POST",
    _COLLECTION,
    "Add a passkey",
    description=f"{_FRESH} An account has 20 at most.",
    status=201,
    response="Passkey",
    body=NEW_PASSKEY,
    example={
        "ceremony": "3vJp8Yb0mYl8eUq1oGm4b2n1c0k9TtQwXxZr5sAaBcD",
        "credential": {"id": "AbCd", "rawId": "AbCd", "type": "public-key", "response": {}},
    },
)
async def add(call: Call[None, NewPasskey]) -> Result:
    sent, session = call.body, call.request[CLAIMS].session
    made = await call.services.own_passkeys.add(
        call.caller, session, sent.ceremony, sent.credential
    )
    return json_response(passkey_json(made), status=201)


@Route(
    "DELETE",
    f"{_COLLECTION}/{{id}}",
    "Remove a passkey",
    description=(
        f"{_FRESH} All other sessions of the caller end, at every node; 503: a node did not"
        " answer, so end them with `DELETE /api/sessions/{id}`. The last way in stays: 400."
    ),
    status=204,
)
async def remove(call: Call[None, None]) -> Result:
    passkey_id = call.request.match_info["id"]
    if len(passkey_id) > _ID_MAX_CHARS or not passkey_id.isascii():
        raise NotFound("passkey")
    session = call.request[CLAIMS].session
    await call.services.own_passkeys.remove(call.caller, session, passkey_id)
    return web.Response(status=204)


ROUTES: Routes = (page, options, add, remove)
