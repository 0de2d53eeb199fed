"""``/api/messages``: what became of messages to patients."""

from dataclasses import replace

from actors.domain.message import MessageId
from actors.domain.refusals import IdempotencyMismatch, MessageOutdated
from api.cursors import after_start
from api.rest.responses import list_page
from api.rest.route import Call, Result, Route, Routes
from api.schemas.messages import MESSAGE, MESSAGES, MessagePageQuery

_COLLECTION = "/api/messages"


@Route(
    "GET",
    _COLLECTION,
    "Messages about visits, the newest first, for dentists, staff and admins",
    description="Of the caller's calendars; without their texts and addresses.",
    response="MessagePage",
    query=MESSAGES,
)
async def page(call: Call[MessagePageQuery, None]) -> Result:
    query = call.query
    if last := after_start(_COLLECTION, query):
        query = replace(query, after=(last[0], MessageId(last[1])))
    found = await call.services.messages.page(call.caller, query)
    return list_page(
        _COLLECTION,
        call.query,
        [MESSAGE.dump(each) for each in found.messages],
        last=found.next_after,
        total=found.total,
    )


@Route(
    "POST",
    f"{_COLLECTION}/{{id}}/resend",
    "Send a message once more, by the dentist or the staff",
    description=(
        "Queues a new message, with what holds of the visit now; one that is still queued stays as"
        " it is. `MESSAGE_OUTDATED`: the visit has begun, or is not as the message says any more."
    ),
    response="Message",
    refusals=(IdempotencyMismatch, MessageOutdated),
)
async def resend(call: Call[None, None]) -> Result:
    message_id = MessageId(call.path_id("id", "message"))
    return await call.services.messages.resend(call.caller, message_id)


ROUTES: Routes = (page, resend)
