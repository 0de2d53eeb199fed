"""What a browser sends and keeps: origins, and the cookie of a session.

The cookie is read by few routes only, and no script of a page sees it. Its name begins with
``__Host-``, so a browser takes it only from this host, over TLS, for all paths: another host of
the domain cannot plant one. On http://localhost browsers may refuse such a name.
"""

from datetime import datetime
from typing import Final

from aiohttp import web

from actors.domain.provider import PROVIDER_SIGN_IN_LIFE
from actors.domain.refusals import InvalidToken
from actors.domain.sign_in import CEREMONY_LIFE, CODE_LIFE
from actors.services.sign_ins import SignedIn
from api.http.forwarded import counted_as
from api.own_pages import check_own_page
from api.sign_in.deps import SIGN_IN, SignInDeps

SESSION: Final = "chairside-session"
CEREMONY: Final = "chairside-sign-in"
CODE: Final = "chairside-code"
PROVIDER: Final = "chairside-openid"
PROVIDER_HOST: Final = "chairside-openid-host"
PROVIDER_PATH: Final = "/sign-in/oidc"
_AT_HOST, _AT_PATH = "__Host-", "__Secure-"


def admit(request: web.Request) -> SignInDeps:
    """Check that a page of this hub sends the request, and how many its address sends.

    Raises Forbidden and RateLimited.
    """
    deps = request.app[SIGN_IN]
    check_own_page(request, deps.public_url, "Only pages of this hub may sign in")
    deps.limiter.take(counted_as(request.remote or ""))
    return deps


def session_cookie(request: web.Request, deps: SignInDeps) -> str:
    return _cookie(request, deps, SESSION)


def ceremony_cookie(request: web.Request, deps: SignInDeps) -> str:
    return _cookie(request, deps, CEREMONY)


def provider_cookie(request: web.Request, deps: SignInDeps) -> str:
    """Raises InvalidToken unless the cookie of the path and that of the host are the same.

    Another host of the domain can plant the first one, and then lead a person into a sign-in of
    its own. It cannot plant the second.
    """
    found = _cookie(request, deps, PROVIDER, _AT_PATH)
    if found != _cookie(request, deps, PROVIDER_HOST):
        raise InvalidToken("the cookies differ")
    return found


def _cookie(request: web.Request, deps: SignInDeps, name: str, kind: str = _AT_HOST) -> str:
    """Raises InvalidToken without one, and for several: one of them is not the hub's."""
    prefix = f"{_prefixed(name, deps, kind)}="
    sent = ";".join(request.headers.getall("Cookie", [])).split(";")
    values = [pair.strip().removeprefix(prefix) for pair in sent if pair.strip().startswith(prefix)]
    if len(values) != 1:
        raise InvalidToken(f"no {name}" if not values else f"several {name}s")
    return values[0]


def keep_session(
    response: web.Response, deps: SignInDeps, signed_in: SignedIn, now: datetime
) -> None:
    life_s = (signed_in.session.ends_at - now).total_seconds()
    _set(response, deps, SESSION, signed_in.cookie, max_age=max(0, int(life_s)))


def drop_session(response: web.Response, deps: SignInDeps) -> None:
    _set(response, deps, SESSION, "", max_age=0)


def keep_ceremony(response: web.Response, deps: SignInDeps, cookie: str) -> None:
    _set(response, deps, CEREMONY, cookie, max_age=int(CEREMONY_LIFE.total_seconds()))


def drop_ceremony(response: web.Response, deps: SignInDeps) -> None:
    _set(response, deps, CEREMONY, "", max_age=0)


def code_cookie(request: web.Request, deps: SignInDeps) -> str:
    return _cookie(request, deps, CODE)


def keep_code(response: web.Response, deps: SignInDeps, cookie: str) -> None:
    _set(response, deps, CODE, cookie, max_age=int(CODE_LIFE.total_seconds()))


def drop_code(response: web.Response, deps: SignInDeps) -> None:
    _set(response, deps, CODE, "", max_age=0)


def keep_provider(response: web.Response, deps: SignInDeps, cookie: str) -> None:
    """The provider leads the browser back, so these two are sent then (``SameSite=Lax``)."""
    _set_provider(response, deps, cookie, int(PROVIDER_SIGN_IN_LIFE.total_seconds()))


def drop_provider(response: web.Response, deps: SignInDeps) -> None:
    _set_provider(response, deps, "", 0)


def _set_provider(response: web.Response, deps: SignInDeps, cookie: str, max_age: int) -> None:
    for name, kind, path in (
        (PROVIDER, _AT_PATH, PROVIDER_PATH),
        (PROVIDER_HOST, _AT_HOST, "/"),
    ):
        response.set_cookie(
            _prefixed(name, deps, kind),
            cookie,
            max_age=max_age,
            path=path,
            secure=deps.is_secure,
            httponly=True,
            samesite="Lax",
        )


def _prefixed(name: str, deps: SignInDeps, kind: str = _AT_HOST) -> str:
    return f"{kind}{name}" if deps.is_secure else name


def _set(response: web.Response, deps: SignInDeps, name: str, value: str, *, max_age: int) -> None:
    response.set_cookie(
        _prefixed(name, deps),
        value,
        max_age=max_age,
        path="/",
        secure=deps.is_secure,
        httponly=True,
        samesite="Strict",
    )
