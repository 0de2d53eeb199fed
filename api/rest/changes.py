"""``/api/changes``: what was missed in some channels, as JSON (DESIGN §6)."""

from aiohttp import web

from actors.domain.channels import Channel
from actors.domain.refusals import Forbidden, ValidationFailed
from api.rest.answers import json_answer
from api.rest.route import Call, Route
from api.schemas import channels_json
from api.schemas.queries import CHANGES

_STREAM = "text/event-stream"


async def missed(call: Call) -> web.Response:
    accept = call.request.headers.get("Accept", "*/*")
    if _STREAM in accept and "json" not in accept and "*/*" not in accept:
        raise ValidationFailed.of("Accept", "must allow application/json")
    channels = (Channel(name) for name in call.query["channels"])
    wanted = list(zip(channels, call.query["since"], strict=True))
    answers = await call.deps.changes.read(call.caller.principal, wanted)
    return json_answer(channels_json(answers))


ROUTES = (
    Route(
        method="GET",
        path="/api/changes",
        answer=missed,
        tag="Changes",
        summary="Missed events since a position; recovered: false asks to fetch again",
        shows="Changes",
        query=CHANGES,
        refusals=(Forbidden,),
    ),
)
