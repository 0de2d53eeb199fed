"""Python client of a Chairside hub (``docs/clients.md``).

::

    async with aiohttp.ClientSession() as session:
        hub = HubClient("https://hub.example", token=token, session=session)
        held = await hub.hold(dentist_id=..., appointment_type_id=..., start=...)
        booked = await hub.book_reservation(held["id"])

- :class:`HubClient` sends commands and queries over REST.
- :class:`LiveClient` sends the same commands over Socket.IO, and follows channels.
- :class:`ChangeStream` follows channels over plain HTTP.
- :class:`SlotCache` answers from memory which slots are free.

Events are delivered exactly once and in order, over reconnections and restarts of the hub.
Commands carry an idempotency key, so a retry never executes one twice. All errors are
:class:`ClientError`.
"""

from chairside.client.channels import (
    CatchUp,
    HubEvent,
    Position,
    availability_channel,
    canonical_id,
)
from chairside.client.commands import Commands, RestCommands
from chairside.client.errors import ClientClosed, ClientError, ConnectionLost, HubError
from chairside.client.live import LiveClient
from chairside.client.rest import HubClient
from chairside.client.retry import RetryPolicy
from chairside.client.slot_cache import Free, SlotCache
from chairside.client.slot_table import FreeSlot
from chairside.client.stream import ChangeStream

__all__ = [
    "CatchUp",
    "ChangeStream",
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
    "RestCommands",
    "RetryPolicy",
    "SlotCache",
    "availability_channel",
    "canonical_id",
]
