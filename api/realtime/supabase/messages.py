"""What the hub says to a Supabase client, besides events; pure."""

from typing import Any, Final

from api.realtime.rooms.frames import Frame
from api.realtime.supabase.frames import Message, Ref, Vsn, text

PREFIX: Final = "realtime:"
"""Every topic on the wire begins with it; the rest is the name of a channel."""

EVENT_REPLY: Final = "phx_reply"


def ok(vsn: Vsn, message: Message, response: Any = None) -> Frame:
    return _reply(vsn, message, "ok", {} if response is None else response)


def refused(vsn: Vsn, message: Message, reason: str) -> Frame:
    """No, and why; a join that is refused is tried again by the clients after a while."""
    return _reply(vsn, message, "error", {"reason": reason})


def _reply(vsn: Vsn, message: Message, status: str, response: Any) -> Frame:
    content = {"status": status, "response": response}
    return text(
        vsn, message.topic, EVENT_REPLY, content, ref=message.ref, join_ref=message.join_ref
    )


def closed(vsn: Vsn, topic: str, *, ref: Ref, join_ref: Ref) -> Frame:
    """The subscription has ended for good: the client does not come back by itself."""
    return text(vsn, topic, "phx_close", {}, ref=ref, join_ref=join_ref)


def failed(vsn: Vsn, topic: str, *, ref: Ref, join_ref: Ref) -> Frame:
    """The subscription has ended for now: the client joins again after 1, 2, 5, 10 s."""
    return text(vsn, topic, "phx_error", {}, ref=ref, join_ref=join_ref)


def system(
    vsn: Vsn, topic: str, *, join_ref: Ref, extension: str, status: str, message: str
) -> Frame:
    content = {
        "extension": extension,
        "status": status,
        "message": message,
        "channel": topic.removeprefix(PREFIX),
    }
    return text(vsn, topic, "system", content, join_ref=join_ref)
