"""``/sign-in/oidc``: a browser goes to the identity provider, and comes back signed in.

The provider leads the browser back by GET, as its protocol has it; so the way out may be a link,
too. Errors lead to the sign-in page, which explains them.
"""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlencode

import orjson
import structlog
from aiohttp import web

from actors.domain.principal import Role
from actors.domain.provider import ProviderProblem, ProviderRefused
from actors.domain.refusals import InvalidToken, Unavailable
from actors.services.provider_sign_ins import ProviderReturn
from api.deps import DEPS
from api.http.forwarded import counted_as
from api.middleware import REQUEST_ID
from api.rest.parser import load_body
from api.rest.responses import json_response
from api.schemas.sign_in import PROVIDER_WANTED
from api.sign_in.browser import (
    PROVIDER_PATH,
    admit,
    drop_provider,
    keep_provider,
    keep_session,
    provider_cookie,
)
from api.sign_in.deps import SIGN_IN, OfferedProvider, SignInDeps
from api.sign_in.routes import end_session

log = structlog.get_logger(__name__)

CALLBACK: Final = f"{PROVIDER_PATH}/callback"
_START: Final = f"{PROVIDER_PATH}/start"
_PAGE: Final = "/sign-in"
_PLACES: Final[Mapping[Role, str]] = {
    Role.PATIENT: "/patient",
    Role.DENTIST: "/dentist",
    Role.STAFF: "/desk",
    Role.ADMIN: "/status",
}
"""Where people go."""
_PAGES: Final = frozenset({*_PLACES.values(), "/chat", "/passkeys"})


def openid_routes() -> Iterator[web.RouteDef]:
    yield web.get(_START, start)
    yield web.post(_START, start_by_page)
    yield web.get(CALLBACK, callback)


async def start(request: web.Request) -> web.Response:
    """Lead the browser to the provider. Pages of others lead to the sign-in page only."""
    deps, offered = _offered(request)
    deps.limiter.take(counted_as(request.remote or ""))
    wanted = _own_page(request.query.get("next"))
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return _to(_PAGE, next=wanted)
    try:
        cookie, address = await offered.sign_ins.begin(None, wanted)
    except Unavailable:
        return _to(_PAGE, problem=ProviderProblem.UNAVAILABLE, next=wanted)
    response = _to(address)
    keep_provider(response, deps, cookie)
    return response


async def start_by_page(request: web.Request) -> web.Response:
    """The same for the page, which may have an invitation: no address contains that."""
    deps, (_, offered) = admit(request), _offered(request)
    wanted = await load_body(request, PROVIDER_WANTED)
    begun = await offered.sign_ins.begin(wanted.invitation, _own_page(wanted.next))
    response = json_response(orjson.dumps({"location": begun[1]}))
    keep_provider(response, deps, begun[0])
    return response


async def callback(request: web.Request) -> web.Response:
    """The browser comes back. It is signed in, or the page explains why not."""
    deps, offered = _offered(request)
    deps.limiter.take(counted_as(request.remote or ""))
    try:
        signed_in, wanted = await offered.sign_ins.finish(_returned(request, deps))
    except ProviderRefused as refused:
        log.warning(
            "provider_sign_in_refused",
            problem=str(refused.problem),
            reason=refused.reason,
            request_id=request[REQUEST_ID],
        )
        response = _to(_PAGE, problem=refused.problem)
        if refused.problem is not ProviderProblem.ENDED:  # else the sign-in of a browser goes on
            drop_provider(response, deps)
        return response
    await end_session(request, deps)
    response = _to(wanted or _PLACES[signed_in.role])
    keep_session(response, deps, signed_in, request.app[DEPS].clock.now())
    drop_provider(response, deps)
    return response


def _offered(request: web.Request) -> tuple[SignInDeps, OfferedProvider]:
    deps = request.app[SIGN_IN]
    if deps.provider is None:
        raise web.HTTPNotFound
    return deps, deps.provider


def _returned(request: web.Request, deps: SignInDeps) -> ProviderReturn:
    """Raises ProviderRefused without the cookies of a sign-in."""
    try:
        cookie = provider_cookie(request, deps)
    except InvalidToken as error:
        raise ProviderRefused(ProviderProblem.ENDED, error.reason) from error
    query = request.query
    return ProviderReturn(
        cookie=cookie,
        state=query.get("state", ""),
        code=None if "error" in query else query.get("code"),
        issuer=query.get("iss"),
        device=request.headers.get("User-Agent", ""),
        request_id=request[REQUEST_ID],
    )


def _own_page(wanted: str | None) -> str | None:
    """A screen of the hub; an address in a link leads nowhere else."""
    return wanted if wanted in _PAGES else None


def _to(address: str, **query: str | None) -> web.Response:
    sent = urlencode({name: value for name, value in query.items() if value})
    return web.Response(status=303, headers={"Location": f"{address}?{sent}" if sent else address})
