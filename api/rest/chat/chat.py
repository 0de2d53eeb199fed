"""``POST /api/chat``: one message of a patient to the hub's own chatbot, and its replies.

The conversation's state travels with the client, signed (:mod:`chairside.chatbot.sealing`). The
response names the channels to follow; the client sends their events to the same route.
"""

from dataclasses import dataclass, field

import orjson
from aiohttp import web

from actors.domain.principal import Role
from actors.domain.refusals import Forbidden, ValidationFailed
from api.deps import DEPS
from api.ratelimit import RateLimiter
from api.rest.chat.in_process import InProcessHub
from api.rest.responses import Resource
from api.rest.route import Call, Result, Route, Routes
from api.schemas.chat import CHAT, ChatRequest, ReceivedEvent
from chairside.chatbot.conversation import Conversation
from chairside.chatbot.dialogue.state import ChatReply, DialogueState, LiveChange
from chairside.chatbot.language_model import LanguageModel
from chairside.chatbot.live_events import live_change, offering
from chairside.chatbot.patient_calendar import PatientCalendar
from chairside.chatbot.sealing import sealed, unsealed
from chairside.client.channels import availability_channel


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatDeps:
    """What the hub's own chatbot needs beside the services."""

    key: bytes = field(repr=False)
    """Signs conversations; every process that answers the same clients has the same."""
    model: LanguageModel | None = None
    limiter: RateLimiter
    """Of messages; what they cost is more than other requests."""


CHAT_DEPS = web.AppKey("chat", ChatDeps)


@Route(
    "POST",
    "/api/chat",
    "Say something to the chatbot that books, moves and cancels; it answers at once",
    response="ChatAnswer",
    body=CHAT,
    example={"message": "I need a cleaning next Tuesday after 3"},
)
async def chat(call: Call[None, ChatRequest]) -> Result:
    """For patients, and for chatbots that act for one; other roles have no appointments."""
    principal = call.caller.principal
    if principal.role is not Role.PATIENT or principal.person is None:
        raise Forbidden("The chat is for patients")
    app, body = call.request.app, call.body
    deps, own = app[DEPS], app[CHAT_DEPS]
    if body.event is None:  # events are forwarded at the hub's pace, and nothing is understood
        own.limiter.take(principal.scope, principal.party)
    now, key = deps.clock.now(), own.key
    state = unsealed(body.state, principal.person, key, now) if body.state else None
    hub = InProcessHub.acting(call.services, principal, call.caller.request_id)
    conversation = Conversation(
        PatientCalendar(hub, deps.clock.now, deps.clock.monotonic),
        deps.clock.now,
        state or DialogueState(id=deps.new_id()),
        own.model,
    )
    replies = await _replies(conversation, body, is_lost=bool(body.state) and state is None)
    response = {
        "replies": replies,
        "state": sealed(conversation.state, principal.person, key, deps.clock.now()),
        "watch": [availability_channel(one) for one in offering(conversation.state.task)],
    }
    return Resource(orjson.dumps(response))


async def _replies(
    conversation: Conversation, request: ChatRequest, *, is_lost: bool
) -> tuple[ChatReply, ...]:
    if request.event is not None:
        change = _change(request.event)
        return () if change is None or is_lost else await conversation.notify(change)
    first = (ChatReply(text="It’s been a while, so let’s begin again."),) if is_lost else ()
    if request.message is None:
        return first + await conversation.greeting()
    return first + await conversation.answer(request.message)


def _change(event: ReceivedEvent) -> LiveChange | None:
    try:
        return live_change(event.type, event.data)
    except ValueError:
        raise ValidationFailed.of("event.data", "must be the event's data as it came") from None


ROUTES: Routes = (chat,)
