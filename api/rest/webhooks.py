"""``/api/webhooks``: events to servers that cannot hold a stream."""

from datetime import datetime

from aiohttp import web

from actors.domain.refusals import (
    IdempotencyMismatch,
    ValidationFailed,
    VersionConflict,
)
from actors.domain.webhook import WebhookId
from api.cursors import after_name, next_cursor
from api.middleware import CLAIMS
from api.rest.responses import json_answer, reply_answer, resource_answer
from api.rest.route import Call, Route
from api.schemas import page_json
from api.schemas.queries import PAGE
from api.schemas.webhooks import (
    CHANGE_WEBHOOK,
    CREATE_WEBHOOK,
    DELIVERIES,
    REPLAY,
    ROTATE_SECRET,
    attempt_json,
    deliveries_json,
    webhook_data,
    webhook_json,
)

_COLLECTION = "/api/webhooks"
_ONE = f"{_COLLECTION}/{{id}}"
_TAG = "Webhooks"
_URL = "https://bot.example/chairside"


async def page(call: Call) -> web.Response:
    limit = call.query["limit"]
    last = after_name(call.request.path, call.query)
    found = await call.services.webhooks.page(
        call.caller.principal, limit=limit, after=WebhookId(last[1]) if last else None
    )
    after = ("", found.next_after) if found.next_after else None
    body = page_json(
        [webhook_data(view.webhook, view.progress) for view in found.webhooks],
        limit=limit,
        next_cursor=next_cursor(call.request.path, call.query, after),
        total=found.total,
        position=None,
    )
    return json_answer(body)


async def get(call: Call) -> web.Response:
    view = await call.services.webhooks.get(call.caller.principal, _id(call))
    return resource_answer(webhook_json(view.webhook, view.progress), view.webhook.version)


async def create(call: Call) -> web.Response:
    reply = await call.services.webhooks.create(
        call.caller, rights_until=_rights_until(call), **call.body
    )
    return reply_answer(reply, _COLLECTION)


async def change(call: Call) -> web.Response:
    reply = await call.services.webhooks.change(
        call.caller,
        _id(call),
        rights_until=_rights_until(call),
        expected_version=call.expected_version,
        **call.body,
    )
    return reply_answer(reply)


async def delete(call: Call) -> web.Response:
    reply = await call.services.webhooks.delete(
        call.caller, _id(call), expected_version=call.expected_version
    )
    return reply_answer(reply)


async def rotate(call: Call) -> web.Response:
    return reply_answer(await call.services.webhooks.rotate(call.caller, _id(call), **call.body))


async def replay(call: Call) -> web.Response:
    since = call.body["since"]
    if since is None:
        raise ValidationFailed.of("since", "must be a position like 1.42 (epoch.offset)")
    reply = await call.services.webhooks.replay(
        call.caller, _id(call), channel=call.body["channel"], since=since
    )
    return reply_answer(reply)


async def ping(call: Call) -> web.Response:
    return json_answer(attempt_json(await call.services.webhooks.ping(call.caller, _id(call))))


async def deliveries(call: Call) -> web.Response:
    found = await call.services.webhooks.deliveries(
        call.caller.principal, _id(call), limit=call.query["limit"]
    )
    return json_answer(deliveries_json(found))


def _id(call: Call) -> WebhookId:
    return WebhookId(call.path_id("id", "webhook"))


def _rights_until(call: Call) -> datetime | None:
    """A delegation by token (``act``) lasts as long as the token."""
    claims = call.request[CLAIMS]
    return claims.expires_at if claims.actor is not None else None


ROUTES = (
    Route(
        method="GET",
        path=_COLLECTION,
        answer=page,
        tag=_TAG,
        summary="One's own webhooks, the oldest first",
        shows="WebhookPage",
        query=PAGE,
    ),
    Route(
        method="POST",
        path=_COLLECTION,
        answer=create,
        tag=_TAG,
        summary="Be told by POST requests, by a chatbot or an admin; shows the secret once",
        status=201,
        shows="Webhook",
        body=CREATE_WEBHOOK,
        refusals=(IdempotencyMismatch,),
        example={"url": _URL, "channels": ["availability:all"]},
    ),
    Route(
        method="GET",
        path=_ONE,
        answer=get,
        tag=_TAG,
        summary="One webhook, and how far it is in each channel",
        shows="Webhook",
    ),
    Route(
        method="PUT",
        path=_ONE,
        answer=change,
        tag=_TAG,
        summary="Change it, stop it, or start it again; also renews a delegation",
        shows="Webhook",
        body=CHANGE_WEBHOOK,
        takes_version=True,
        refusals=(VersionConflict, IdempotencyMismatch),
        example={"status": "active"},
    ),
    Route(
        method="DELETE",
        path=_ONE,
        answer=delete,
        tag=_TAG,
        summary="End it, with all its deliveries",
        status=204,
        takes_version=True,
        refusals=(VersionConflict, IdempotencyMismatch),
    ),
    Route(
        method="GET",
        path=f"{_ONE}/deliveries",
        answer=deliveries,
        tag=_TAG,
        summary="What became of the latest events, the newest first",
        shows="WebhookDeliveries",
        query=DELIVERIES,
    ),
    Route(
        method="POST",
        path=f"{_ONE}/ping",
        answer=ping,
        tag=_TAG,
        summary="Send a test event now, and say how that went",
        shows="WebhookAttempt",
    ),
    Route(
        method="POST",
        path=f"{_ONE}/replay",
        answer=replay,
        tag=_TAG,
        summary="Deliver a channel again from a position on",
        shows="Webhook",
        body=REPLAY,
        refusals=(IdempotencyMismatch,),
        example={"channel": "availability:all", "since": "1795411990.42"},
    ),
    Route(
        method="POST",
        path=f"{_ONE}/rotate-secret",
        answer=rotate,
        tag=_TAG,
        summary="A new secret; the old one signs along for a day",
        shows="Webhook",
        body=ROTATE_SECRET,
        refusals=(IdempotencyMismatch,),
        example={},
    ),
)
