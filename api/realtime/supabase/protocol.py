"""What a message of a client comes to: the state machine of one socket's topics; pure.

::

    (nothing) ──phx_join──▶ Join ──ok──▶ joined ──phx_leave──▶ Leave
                              │            │ presence, broadcast, access_token: their actions
                              └──refused   └ phx_join again: Join, which ends the first

The caller keeps the memberships, does what the action says, and answers the message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from api.realtime.rooms.frames import Frame
from api.realtime.supabase import messages
from api.realtime.supabase.frames import BYTE_MAX, Message, Ref, Vsn
from api.realtime.supabase.joining import BadJoin, JoinRequest, parse_join, token_of

HEARTBEAT_TOPIC: Final = "phoenix"


@dataclass(frozen=True, kw_only=True, slots=True)
class Membership:
    """A topic that is joined, and by which message."""

    topic: str
    ref: Ref
    join_ref: Ref
    """The join's own ref if it named none, as in version 1.0.0."""
    ack: bool
    """Whether its broadcasts are answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Write this and be done; ``None``: nothing at all."""

    frame: Frame | None = None


@dataclass(frozen=True, slots=True)
class Join:
    message: Message
    request: JoinRequest

    @property
    def membership(self) -> Membership:
        message = self.message
        return Membership(
            topic=message.topic,
            ref=message.ref,
            join_ref=message.ref if message.join_ref is None else message.join_ref,
            ack=self.request.ack,
        )


@dataclass(frozen=True, slots=True)
class Leave:
    message: Message


@dataclass(frozen=True, slots=True)
class Renew:
    """A new token for a joined topic; not answered when it is good."""

    message: Message
    token: str


@dataclass(frozen=True, slots=True)
class Track:
    message: Message
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Untrack:
    message: Message


@dataclass(frozen=True, slots=True)
class Forged:
    """A client's broadcast: only the hub announces anything."""

    message: Message
    answer: Frame | None


Action = Answer | Join | Leave | Renew | Track | Untrack | Forged


def decide(vsn: Vsn, message: Message, joined: Mapping[str, Membership]) -> Action:
    """Raises nothing, whatever the message."""
    topic = message.topic
    if topic == HEARTBEAT_TOPIC and message.event == "heartbeat":
        return Answer(messages.ok(vsn, message))
    if message.event == "phx_join":
        return _join(vsn, message)
    membership = joined.get(topic)
    if membership is None:
        if message.event == "phx_leave":  # left already, as far as both are concerned
            return Answer(messages.ok(vsn, message))
        return _refused(vsn, message, "unmatched topic")
    if vsn is Vsn.TWO and message.join_ref not in (None, membership.join_ref):
        return Answer()  # of a join that has ended
    return _in_topic(vsn, message, membership)


def _join(vsn: Vsn, message: Message) -> Action:
    topic = message.topic
    if not topic.startswith(messages.PREFIX) or topic == messages.PREFIX:
        return _refused(vsn, message, "unmatched topic")
    if len(topic.encode(errors="replace")) > BYTE_MAX:
        return _refused(vsn, message, f"a topic has at most {BYTE_MAX} bytes")
    try:
        return Join(message, parse_join(message.payload))
    except BadJoin as bad:
        return _refused(vsn, message, f"Invalid join: {bad}")


def _in_topic(vsn: Vsn, message: Message, membership: Membership) -> Action:
    match message.event:
        case "phx_leave":
            return Leave(message)
        case "access_token":
            token = token_of(message.payload)
            return Answer() if token is None else Renew(message, token)
        case "presence":
            return _presence(vsn, message)
        case "broadcast":
            reason = "Unauthorized: only the hub broadcasts on its channels"
            answer = messages.refused(vsn, message, reason) if membership.ack else None
            return Forged(message, answer)
        case _:
            return _refused(vsn, message, "unknown event")


def _presence(vsn: Vsn, message: Message) -> Action:
    said = message.payload.get("payload")
    match message.payload.get("event"):
        case "track" if said is None or isinstance(said, Mapping):
            return Track(message, said or {})
        case "untrack":
            return Untrack(message)
        case _:
            return _refused(vsn, message, "presence is track, with an object, or untrack")


def _refused(vsn: Vsn, message: Message, reason: str) -> Answer:
    return Answer(messages.refused(vsn, message, reason))
