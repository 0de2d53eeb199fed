"""The web application: its routes, and the middleware around them."""

from itertools import chain
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from api.deps import DEPS, AppDeps
from api.middleware import OPENAPI_PATH, Middleware
from api.openapi import openapi_json
from api.plain_pages import front_door
from api.rest import health
from api.rest.chat.chat import CHAT_DEPS, ChatDeps
from api.rest.headers import content_tag, not_modified
from api.rest.pages import BUILT, page_routes, sign_in_pages, visit_page
from api.rest.responses import json_response
from api.rest.route_table import ROUTES
from api.sign_in.deps import SIGN_IN, SignInDeps
from api.sign_in.openid_routes import openid_routes
from api.sign_in.routes import closed_routes, sign_in_routes
from api.visits.deps import VISITS, VisitDeps
from api.visits.routes import visit_routes

MAX_LINE_BYTES: Final = 32 * 1024
"""``max_line_size`` and ``max_field_size`` of the runner: a hundred channels with their
positions fit into one request."""


def create_app(
    deps: AppDeps,
    chat: ChatDeps,
    sign_in: SignInDeps | None = None,
    visits: VisitDeps | None = None,
    *,
    screens: Path = BUILT,
) -> web.Application:
    """The application of a hub, with all its routes; ``screens``: the folder of built pages.

    Without ``sign_in``, nobody signs in at the hub itself; without ``visits``, no link leads to a
    visit.

    Its runner must be given :data:`MAX_LINE_BYTES`, and no access log of aiohttp's:
    the middleware writes one.
    """
    middlewares, size = (Middleware(deps).handle,), deps.settings.max_body_bytes
    app = web.Application(middlewares=middlewares, client_max_size=size)
    app[DEPS], app[CHAT_DEPS] = deps, chat
    for served in chain.from_iterable(ROUTES.values()):
        route = served.route
        app.router.add_route(route.method, route.path, served.handle)
        if route.method == "GET":  # RFC 9110 §9.1: a server with GET has HEAD
            app.router.add_route("HEAD", route.path, served.handle)
    app.router.add_get(OPENAPI_PATH, _document())
    app.router.add_get("/health", health.health)
    app.router.add_get("/health/live", health.live)
    app.router.add_get("/health/ready", health.ready)
    app.router.add_get("/metrics", health.metrics)
    if sign_in:
        app[SIGN_IN] = sign_in
        app.router.add_routes((*sign_in_pages(), *sign_in_routes(), *openid_routes()))
    else:
        app.router.add_routes(closed_routes())
    if visits:
        app[VISITS] = visits
        app.router.add_routes((visit_page(), *visit_routes()))
    app.router.add_routes((front_door(signs_in=sign_in is not None),))
    app.router.add_routes(page_routes(screens, deps.settings.frame_origins))

    async def end_streams(_: web.Application) -> None:
        await deps.streams.close()

    app.on_shutdown.append(end_streams)
    return app


def _document() -> Handler:
    text = openapi_json()
    headers = {"ETag": content_tag(text), "Cache-Control": "no-cache"}

    async def respond(request: web.Request) -> web.Response:
        response = json_response(text)
        response.headers.update(headers)
        return not_modified(request, response)

    return respond
