"""``/sign-in``: a browser's session becomes access tokens, and ends."""

from collections.abc import Iterator
from contextlib import suppress

import orjson
from aiohttp import web

from actors.domain.refusals import InvalidToken
from actors.domain.sign_in import CODE_LIFE, TOKEN_LIFE
from actors.services.sign_ins import SignedIn
from api.deps import DEPS
from api.http.forwarded import counted_as
from api.middleware import REQUEST_ID
from api.rest.parser import load_body
from api.rest.responses import json_response
from api.schemas.sign_in import CODE_ANSWER, CODE_WANTED, NEWCOMER, PASSKEY_ANSWER, PASSKEY_WANTED
from api.sign_in.browser import (
    admit,
    ceremony_cookie,
    code_cookie,
    drop_ceremony,
    drop_code,
    drop_session,
    keep_ceremony,
    keep_code,
    keep_session,
    session_cookie,
)
from api.sign_in.deps import SIGN_IN, SignInDeps


def sign_in_routes() -> Iterator[web.RouteDef]:
    yield web.get("/.well-known/jwks.json", key_set)
    yield web.get("/sign-in/ways", ways)
    yield web.post("/sign-in/token", token)
    yield web.post("/sign-in/passkey/options", passkey_options)
    yield web.post("/sign-in/passkey/verify", passkey_verify)
    yield web.post("/sign-in/sign-out", sign_out)
    yield web.post("/sign-in/code", code)
    yield web.post("/sign-in/register", register)
    yield web.post("/sign-in/verify", verify)


def closed_routes() -> Iterator[web.RouteDef]:
    """Where nobody signs in: pages ask once, without a token of their host."""
    yield web.post("/sign-in/token", no_token)


async def no_token(_: web.Request) -> web.Response:
    return web.Response(status=204)


async def key_set(request: web.Request) -> web.Response:
    """The keys that verify the hub's tokens (RFC 7517), for programs that the hub's users call."""
    response = json_response(request.app[SIGN_IN].issuer.key_set)
    response.headers["Cache-Control"] = "public, max-age=60"
    return response


async def token(request: web.Request) -> web.Response:
    """A new access token for the browser's session, whose secret is replaced."""
    deps = admit(request)
    cookie = session_cookie(request, deps)
    signed_in = await deps.sign_ins.renew(cookie, request_id=request[REQUEST_ID])
    return signed_in_response(request, signed_in)


async def sign_out(request: web.Request) -> web.Response:
    """End the browser's session; without one, nothing changes."""
    deps = admit(request)
    await end_session(request, deps)
    response = web.Response(status=204)
    drop_session(response, deps)
    return response


async def ways(request: web.Request) -> web.Response:
    """Which ways in there are, for the page."""
    deps = request.app[SIGN_IN]
    offered = {
        "passkey": True,
        "code": deps.mail_codes is not None,
        "registration": deps.mail_codes is not None and deps.mail_codes.registers,
        "links": deps.accepts_links,
        "provider": deps.provider.name if deps.provider else None,
    }
    return json_response(orjson.dumps(offered))


async def passkey_options(request: web.Request) -> web.Response:
    """A challenge for the browser's authenticator; with an invitation, for a new passkey."""
    deps = admit(request)
    wanted = await load_body(request, PASSKEY_WANTED)
    begun = await deps.passkeys.begin(wanted.invitation)
    response = json_response(orjson.dumps(deps.webauthn.options(begun)))
    keep_ceremony(response, deps, begun.cookie)
    return response


async def passkey_verify(request: web.Request) -> web.Response:
    """Sign in with the authenticator's answer. Whatever session the browser had ends."""
    deps = admit(request)
    answer = await load_body(request, PASSKEY_ANSWER)
    signed_in = await deps.passkeys.finish(
        ceremony_cookie(request, deps),
        answer.credential,
        answer.invitation,
        device=request.headers.get("User-Agent", ""),
        request_id=request[REQUEST_ID],
    )
    await end_session(request, deps)
    response = signed_in_response(request, signed_in)
    drop_ceremony(response, deps)
    return response


async def code(request: web.Request) -> web.Response:
    """Send a code and a link by mail. The answer is the same for every address."""
    deps = admit(request)
    if deps.mail_codes is None:
        raise web.HTTPNotFound
    wanted = await load_body(request, CODE_WANTED)
    cookie = await deps.mail_codes.begin(wanted.email, request_id=request[REQUEST_ID])
    return _code_sent(deps, cookie)


async def register(request: web.Request) -> web.Response:
    """Send a code to the address of a new patient. The answer is the same for every address."""
    deps = admit(request)
    if deps.mail_codes is None or not deps.mail_codes.registers:
        raise web.HTTPNotFound
    deps.newcomers.take(counted_as(request.remote or ""))
    person = await load_body(request, NEWCOMER)
    cookie = await deps.mail_codes.register(person, request_id=request[REQUEST_ID])
    return _code_sent(deps, cookie)


def _code_sent(deps: SignInDeps, cookie: str) -> web.Response:
    life_s = int(CODE_LIFE.total_seconds())
    response = json_response(orjson.dumps({"expires_in": life_s}), status=202)
    keep_code(response, deps, cookie)
    return response


async def verify(request: web.Request) -> web.Response:
    """Sign in with a mailed code or link, in the browser that asked for it."""
    deps = admit(request)
    if deps.mail_codes is None:
        raise web.HTTPNotFound
    answer = await load_body(request, CODE_ANSWER)
    signed_in = await deps.mail_codes.finish(
        code_cookie(request, deps),
        code=answer.code,
        link=answer.link,
        device=request.headers.get("User-Agent", ""),
        request_id=request[REQUEST_ID],
    )
    await end_session(request, deps)
    response = signed_in_response(request, signed_in)
    drop_code(response, deps)
    return response


async def end_session(request: web.Request, deps: SignInDeps) -> None:
    """End the session of the browser's cookie, if there is one."""
    with suppress(InvalidToken):
        cookie = session_cookie(request, deps)
        await deps.sign_ins.sign_out(cookie, request_id=request[REQUEST_ID])


def signed_in_response(request: web.Request, signed_in: SignedIn) -> web.Response:
    """An access token, and the cookie that leads to the next one."""
    deps = request.app[SIGN_IN]
    issued = deps.issuer.sign(signed_in.account, signed_in.session, signed_in.role)
    body = {
        "access_token": issued,
        "token_type": "Bearer",
        "expires_in": int(TOKEN_LIFE.total_seconds()),
        "role": str(signed_in.role),
    }
    response = json_response(orjson.dumps(body))
    keep_session(response, deps, signed_in, request.app[DEPS].clock.now())
    return response
