"""The state machine of a socket's topics: an action for each message; pure.

::

    (nothing) --phx_join--> Join --ok--> joined --phx_leave--> Leave
                              |            |  presence, broadcast, access_token: their actions
                              +--error     +  phx_join again: Join, which ends the first

The caller keeps the joined topics, executes the action and replies to the message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from api.realtime.rooms.frames import Frame
from api.realtime.supabase.frames import (
    NAME_BYTES_MAX,
    PREFIX,
    ClientMessage,
    Ref,
    Vsn,
    error_reply,
    ok_reply,
)
from api.realtime.supabase.joining import InvalidJoin, JoinRequest, parse_join, token_of

HEARTBEAT_TOPIC: Final = "phoenix"


@dataclass(frozen=True, slots=True)
class Respond:
    """Sends the frame, if there is one; nothing else happens."""

    frame: Frame | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """Joins a topic; an earlier join of it ends."""

    name: ClassVar = "join"
    message: ClientMessage
    request: JoinRequest

    @property
    def join_ref(self) -> Ref:
        """The join's own ref if the client named none, as in version 1.0.0."""
        return self.message.ref if self.message.join_ref is None else self.message.join_ref


@dataclass(frozen=True, slots=True)
class Leave:
    """Leaves a joined topic."""

    name: ClassVar = "leave"
    message: ClientMessage


@dataclass(frozen=True, slots=True)
class RenewToken:
    """Gives a joined topic a new token; there is no reply if the token is valid."""

    name: ClassVar = "renew"
    message: ClientMessage
    token: str


@dataclass(frozen=True, slots=True)
class Track:
    """Sets the client's presence meta in a joined topic."""

    name: ClassVar = "track"
    message: ClientMessage
    meta: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Untrack:
    """Removes the client's presence meta."""

    name: ClassVar = "untrack"
    message: ClientMessage


@dataclass(frozen=True, slots=True)
class RejectBroadcast:
    """Drops a client's broadcast: only the hub publishes events."""

    name: ClassVar = "forged"
    message: ClientMessage
    reply: Frame | None


TopicCommand = Join | Leave | RenewToken | Track | Untrack | RejectBroadcast
"""Actions that are logged and counted, under their ``name``."""


def decide(vsn: Vsn, message: ClientMessage, join: Join | None) -> Respond | TopicCommand:
    """The action for a message of a topic that is joined by ``join``, if at all; raises nothing."""
    if message.topic == HEARTBEAT_TOPIC and message.event == "heartbeat":
        return Respond(ok_reply(vsn, message))
    if message.event == "phx_join":
        return _join(vsn, message)
    if join is None:
        if message.event == "phx_leave":  # the topic has been left already
            return Respond(ok_reply(vsn, message))
        return _refuse(vsn, message, "unmatched topic")
    if vsn is Vsn.TWO and message.join_ref not in (None, join.join_ref):
        return Respond()  # it belongs to a join that has ended
    return _in_topic(vsn, message, join)


def _join(vsn: Vsn, message: ClientMessage) -> Respond | Join:
    topic = message.topic
    if not topic.startswith(PREFIX) or topic == PREFIX:
        return _refuse(vsn, message, "unmatched topic")
    if len(topic.encode(errors="replace")) > NAME_BYTES_MAX:
        return _refuse(vsn, message, f"a topic has at most {NAME_BYTES_MAX} bytes")
    try:
        return Join(message, parse_join(message.payload))
    except InvalidJoin as invalid:
        return _refuse(vsn, message, f"Invalid join: {invalid}")


def _in_topic(vsn: Vsn, message: ClientMessage, join: Join) -> Respond | TopicCommand:
    match message.event:
        case "phx_leave":
            return Leave(message)
        case "access_token":
            token = token_of(message.payload)
            return Respond() if token is None else RenewToken(message, token)
        case "presence":
            return _presence(vsn, message)
        case "broadcast":
            reason = "Unauthorized: only the hub broadcasts on its channels"
            reply = error_reply(vsn, message, reason) if join.request.ack else None
            return RejectBroadcast(message, reply)
        case _:
            return _refuse(vsn, message, "unknown event")


def _presence(vsn: Vsn, message: ClientMessage) -> Respond | Track | Untrack:
    meta = message.payload.get("payload")
    match message.payload.get("event"):
        case "track" if meta is None or isinstance(meta, Mapping):
            return Track(message, meta or {})
        case "untrack":
            return Untrack(message)
        case _:
            return _refuse(vsn, message, "presence must be track, with an object, or untrack")


def _refuse(vsn: Vsn, message: ClientMessage, reason: str) -> Respond:
    return Respond(error_reply(vsn, message, reason))
