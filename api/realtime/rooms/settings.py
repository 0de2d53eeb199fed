"""The settings of live connections: section ``[realtime]`` of ``config.toml``."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from actors.bounds import Count, NotNegative, Positive


@dataclass(frozen=True, kw_only=True, slots=True)
class RealtimeSettings:
    """Times and limits of Socket.IO, event streams and Supabase clients."""

    ping_interval_s: Positive = 25.0
    ping_timeout_s: Positive = 20.0
    connect_timeout_s: Positive = 45.0
    """How long a connection may stay in no namespace, as in the reference server."""
    max_message_bytes: Annotated[int, Ge(1024)] = 262_144
    max_buffer_bytes: Annotated[int, Ge(1024)] = 1_048_576
    """A connection with more unread bytes is closed; it buffers at most this and one frame."""
    compress_from_bytes: Annotated[int, Ge(0)] = 0
    """Frames of this size or more are compressed (permessage-deflate) for clients that offer
    it; 0 turns compression off."""
    position_interval_s: Positive = 10.0
    """Between two ``channel:position`` messages of a socket."""
    expiring_notice_s: NotNegative = 60.0
    idle_timeout_s: Positive = 90.0
    """A Supabase client that is silent for so long is closed; clients send every 25 s."""
    supabase_keys: tuple[str, ...] = ()
    """Public keys of Supabase front ends: like a project's ``anon`` key, they open a socket
    and give no rights. A user's token opens a socket, too."""
    stream_heartbeat_s: Positive = 10.0
    """An event stream that is silent for so long gets a comment."""
    stream_write_timeout_s: Positive = 30.0
    streams_per_user: Count = 100
    sockets_per_user: Annotated[int, Ge(0)] = 50
    """Socket.IO clients and Supabase sockets of one user together; 0: no limit."""

    def __post_init__(self) -> None:
        # an answer may repeat the message, so it must fit into the buffer
        if self.max_buffer_bytes < self.max_message_bytes:
            raise ValueError(
                "max_buffer_bytes must be realtime.max_message_bytes or more"
                f" ({self.max_message_bytes}), not {self.max_buffer_bytes}"
            )
