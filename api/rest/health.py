"""``/health`` and ``/metrics``: the state of the hub (criterion 10.3)."""

import orjson
from aiohttp import web

from actors.domain.principal import Role
from actors.domain.refusals import Forbidden
from api.auth import bearer
from api.deps import DEPS
from api.middleware import identify
from api.rest.responses import json_response


async def health(request: web.Request) -> web.Response:
    """The public report; with an admin's token also the figures."""
    deps, header = request.app[DEPS], request.headers.get("Authorization")
    claims = await deps.verifier.verify(bearer(header)) if header else None
    detailed = claims is not None and claims.role is Role.ADMIN
    report = await deps.health.report(detailed=detailed)
    status = 503 if report["status"] == "down" else 200
    return json_response(orjson.dumps(report), status=status)


async def live(request: web.Request) -> web.Response:
    """The process runs; nothing else is checked."""
    return json_response(b'{"status":"ok"}')


async def ready(request: web.Request) -> web.Response:
    if await request.app[DEPS].health.ready():
        return json_response(b'{"status":"ready"}')
    return json_response(b'{"status":"not_ready"}', status=503)


async def metrics(request: web.Request) -> web.Response:
    deps = request.app[DEPS]
    if deps.settings.metrics == "off":
        raise web.HTTPNotFound
    if deps.settings.metrics == "admin" and (await identify(request, deps)).role is not Role.ADMIN:
        raise Forbidden
    text, content_type = deps.metrics()
    return web.Response(body=text, headers={"Content-Type": content_type})
