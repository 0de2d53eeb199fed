"""Messages of the hub to a Supabase client, except events; pure."""

from typing import Final

from api.realtime.rooms.frames import Frame
from api.realtime.supabase.frames import ClientMessage, Ref, Vsn, message_frame

PREFIX: Final = "realtime:"
"""Each topic on the wire begins with it; the name of the channel follows."""


def ok_reply(vsn: Vsn, message: ClientMessage, response: object = None) -> Frame:
    return _reply(vsn, message, "ok", {} if response is None else response)


def error_reply(vsn: Vsn, message: ClientMessage, reason: str) -> Frame:
    """Refuses a message; clients repeat a refused join after a while."""
    return _reply(vsn, message, "error", {"reason": reason})


def _reply(vsn: Vsn, message: ClientMessage, status: str, response: object) -> Frame:
    content = {"status": status, "response": response}
    return message_frame(
        vsn, message.topic, "phx_reply", content, ref=message.ref, join_ref=message.join_ref
    )


def system_message(
    vsn: Vsn, topic: str, *, join_ref: Ref, extension: str, status: str, message: str
) -> Frame:
    content = {
        "extension": extension,
        "status": status,
        "message": message,
        "channel": topic.removeprefix(PREFIX),
    }
    return message_frame(vsn, topic, "system", content, join_ref=join_ref)
