"""A small client of the hub, for programs: commands over REST or Socket.IO, live events.

:class:`HubClient` speaks REST, :class:`LiveClient` Socket.IO; both offer the same
:class:`Commands`. Events arrive exactly once and in order, however the network behaves.
Nothing here knows the hub's code: it rests on the documented contract alone.
"""

from api.client.channels import ChannelAnswer, HubEvent, Place
from api.client.commands import Commands
from api.client.errors import ClientClosed, ClientError, ConnectionLost, HubError
from api.client.live import LiveClient
from api.client.rest import HubClient
from api.client.retry import RetryPolicy

__all__ = [
    "ChannelAnswer",
    "ClientClosed",
    "ClientError",
    "Commands",
    "ConnectionLost",
    "HubClient",
    "HubError",
    "HubEvent",
    "LiveClient",
    "Place",
    "RetryPolicy",
]
