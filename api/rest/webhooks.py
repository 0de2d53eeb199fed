"""``/api/webhooks``: events to servers that cannot hold a stream."""

from actors.domain.refusals import IdempotencyMismatch
from actors.domain.webhook import WebhookId
from actors.services.requests import (
    NewWebhook,
    SecretRotation,
    WebhookChange,
    WebhookGrant,
    WebhookReplay,
)
from api.cursors import after_name
from api.middleware import CLAIMS
from api.rest.responses import Resource, list_page
from api.rest.route import AnyCall, Call, Result, Route, Routes
from api.schemas.webhooks import (
    CHANGE_WEBHOOK,
    CREATE_WEBHOOK,
    DELIVERIES,
    DISABLE,
    REPLAY,
    ROTATE_SECRET,
    WEBHOOKS,
    DeliveriesQuery,
    DisableRequest,
    WebhookPageQuery,
    attempt_json,
    deliveries_json,
    disabled_json,
    webhook_data,
    webhook_json,
)

_COLLECTION = "/api/webhooks"
_ONE = f"{_COLLECTION}/{{id}}"
_URL = "https://bot.example/chairside"


@Route(
    "GET",
    _COLLECTION,
    "One's own webhooks, the oldest first",
    description=(
        "A patient gets those that concern them. An admin gets everyone's with `all=true`, and"
        " those of one party with `party`. Of another owner's webhook, `url` is the origin only."
    ),
    response="WebhookPage",
    query=WEBHOOKS,
)
async def page(call: Call[WebhookPageQuery, None]) -> Result:
    after = after_name(_COLLECTION, call.query)
    principal = call.caller.principal
    found = await call.services.webhooks.page(
        principal,
        limit=call.query.limit,
        after=WebhookId(after[1]) if after else None,
        party=call.query.party,
        everyones=call.query.everyones,
    )
    shown = [webhook_data(view.webhook, view.progress, reader=principal) for view in found.webhooks]
    last = ("", found.next_after) if found.next_after else None
    return list_page(_COLLECTION, call.query, shown, last=last, total=found.total)


@Route(
    "GET",
    _ONE,
    "One webhook, and how far it is in each channel",
    other_statuses=(304,),
    response="Webhook",
)
async def get(call: Call[None, None]) -> Result:
    principal = call.caller.principal
    view = await call.services.webhooks.get(principal, _id(call))
    return Resource(webhook_json(view, reader=principal), view.webhook.version, has_more=True)


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
    return await call.services.webhooks.create(call.caller, call.body, _grant(call))


@Route(
    "PUT",
    _ONE,
    "Change it, stop it, or start it again; also renews it",
    description=(
        "From now on it depends on the key of this request's token, and it lasts"
        " `webhooks.lifetime_days` longer. An admin may stop everyone's."
    ),
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
        _grant(call),
        expected_version=call.expected_version,
    )


@Route(
    "DELETE",
    _ONE,
    "End it, with all its deliveries; also by the patient whom it concerns",
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


@Route(
    "POST",
    f"{_COLLECTION}/disable",
    "Disable the webhooks of a party, by an admin",
    description="Of all its patients, or of one. Only an admin can start them again.",
    response="DisabledWebhooks",
    body=DISABLE,
    example={"party": "chatbot:bot-1"},
)
async def disable(call: Call[None, DisableRequest]) -> Result:
    count = await call.services.suspension.by_admin(
        call.caller, call.body.party, call.body.patient_id
    )
    return Resource(disabled_json(count))


def _id(call: AnyCall) -> WebhookId:
    return WebhookId(call.path_id("id", "webhook"))


def _grant(call: AnyCall) -> WebhookGrant:
    """A delegation by token (``act``) lasts as long as the token."""
    claims = call.request[CLAIMS]
    rights_until = claims.expires_at if claims.actor is not None else None
    return WebhookGrant(key_id=claims.key, rights_until=rights_until)


ROUTES: Routes = (page, create, get, change, delete, deliveries, ping, replay, rotate, disable)
