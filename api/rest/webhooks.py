"""``/api/webhooks``: events to servers that cannot hold a stream."""

from datetime import datetime

from actors.domain.refusals import IdempotencyMismatch
from actors.domain.webhook import WebhookId
from actors.services.requests import NewWebhook, SecretRotation, WebhookChange, WebhookReplay
from api.cursors import after_name
from api.middleware import CLAIMS
from api.rest.responses import Resource, list_page
from api.rest.route import AnyCall, Call, Result, Route, Routes
from api.schemas.queries import PAGE, PageQuery
from api.schemas.webhooks import (
    CHANGE_WEBHOOK,
    CREATE_WEBHOOK,
    DELIVERIES,
    REPLAY,
    ROTATE_SECRET,
    DeliveriesQuery,
    attempt_json,
    deliveries_json,
    webhook_data,
    webhook_json,
)

_COLLECTION = "/api/webhooks"
_ONE = f"{_COLLECTION}/{{id}}"
_URL = "https://bot.example/chairside"


@Route(
    "GET", _COLLECTION, "One's own webhooks, the oldest first", response="WebhookPage", query=PAGE
)
async def page(call: Call[PageQuery, None]) -> Result:
    after = after_name(_COLLECTION, call.query)
    found = await call.services.webhooks.page(
        call.caller.principal,
        limit=call.query.limit,
        after=WebhookId(after[1]) if after else None,
    )
    shown = [webhook_data(view.webhook, view.progress) for view in found.webhooks]
    last = ("", found.next_after) if found.next_after else None
    return list_page(_COLLECTION, call.query, shown, last=last, total=found.total)


@Route("GET", _ONE, "One webhook, and how far it is in each channel", response="Webhook")
async def get(call: Call[None, None]) -> Result:
    view = await call.services.webhooks.get(call.caller.principal, _id(call))
    return Resource(webhook_json(view.webhook, view.progress), view.webhook.version)


@Route(
    "POST",
    _COLLECTION,
    "Be told by POST requests, by a chatbot or an admin; shows the secret once",
    status=201,
    response="Webhook",
    body=CREATE_WEBHOOK,
    refusals=(IdempotencyMismatch,),
    example={"url": _URL, "channels": ["availability:all"]},
)
async def create(call: Call[None, NewWebhook]) -> Result:
    return await call.services.webhooks.create(
        call.caller, call.body, rights_until=_rights_until(call)
    )


@Route(
    "PUT",
    _ONE,
    "Change it, stop it, or start it again; also renews a delegation",
    response="Webhook",
    body=CHANGE_WEBHOOK,
    takes_version=True,
    refusals=(IdempotencyMismatch,),
    example={"status": "active"},
)
async def change(call: Call[None, WebhookChange]) -> Result:
    return await call.services.webhooks.change(
        call.caller,
        _id(call),
        call.body,
        rights_until=_rights_until(call),
        expected_version=call.expected_version,
    )


@Route(
    "DELETE",
    _ONE,
    "End it, with all its deliveries",
    status=204,
    takes_version=True,
    refusals=(IdempotencyMismatch,),
)
async def delete(call: Call[None, None]) -> Result:
    return await call.services.webhooks.delete(
        call.caller, _id(call), expected_version=call.expected_version
    )


@Route(
    "POST",
    f"{_ONE}/rotate-secret",
    "A new secret; the old one signs along for a day",
    response="Webhook",
    body=ROTATE_SECRET,
    refusals=(IdempotencyMismatch,),
    example={},
)
async def rotate(call: Call[None, SecretRotation]) -> Result:
    return await call.services.webhooks.rotate(call.caller, _id(call), call.body)


@Route(
    "POST",
    f"{_ONE}/replay",
    "Deliver a channel again from a position on",
    response="Webhook",
    body=REPLAY,
    refusals=(IdempotencyMismatch,),
    example={"channel": "availability:all", "since": "1795411990.42"},
)
async def replay(call: Call[None, WebhookReplay]) -> Result:
    return await call.services.webhooks.replay(call.caller, _id(call), call.body)


@Route(
    "POST",
    f"{_ONE}/ping",
    "Send a test event now, and say how that went",
    response="WebhookAttempt",
)
async def ping(call: Call[None, None]) -> Result:
    return Resource(attempt_json(await call.services.webhooks.ping(call.caller, _id(call))))


@Route(
    "GET",
    f"{_ONE}/deliveries",
    "What became of the latest events, the newest first",
    response="WebhookDeliveries",
    query=DELIVERIES,
)
async def deliveries(call: Call[DeliveriesQuery, None]) -> Result:
    found = await call.services.webhooks.deliveries(
        call.caller.principal, _id(call), limit=call.query.limit
    )
    return Resource(deliveries_json(found))


def _id(call: AnyCall) -> WebhookId:
    return WebhookId(call.path_id("id", "webhook"))


def _rights_until(call: AnyCall) -> datetime | None:
    """A delegation by token (``act``) lasts as long as the token."""
    claims = call.request[CLAIMS]
    return claims.expires_at if claims.actor is not None else None


ROUTES: Routes = (page, create, get, change, delete, deliveries, ping, replay, rotate)
