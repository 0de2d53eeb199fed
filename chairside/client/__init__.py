"""A small client of the hub, for programs: commands over REST or Socket.IO, live events.

:class:`HubClient` speaks REST, :class:`LiveClient` Socket.IO; both offer the same
:class:`Commands`. :class:`ChangeStream` follows channels over plain HTTP, :class:`SlotCache`
answers "what is free" from memory. Events arrive exactly once and in order, however the
network behaves. Nothing here knows the hub's code: it rests on the documented contract alone.
"""

from chairside.client.channels import ChannelAnswer, HubEvent, Position
from chairside.client.commands import Commands
from chairside.client.errors import ClientClosed, ClientError, ConnectionLost, HubError
from chairside.client.live import LiveClient
from chairside.client.rest import HubClient
from chairside.client.retry import RetryPolicy
from chairside.client.slot_cache import CacheSettings, Free, SlotCache
from chairside.client.slot_table import FreeSlot
from chairside.client.stream import ChangeStream

__all__ = [
    "CacheSettings",
    "ChangeStream",
    "ChannelAnswer",
    "ClientClosed",
    "ClientError",
    "Commands",
    "ConnectionLost",
    "Free",
    "FreeSlot",
    "HubClient",
    "HubError",
    "HubEvent",
    "LiveClient",
    "Position",
    "RetryPolicy",
    "SlotCache",
]
