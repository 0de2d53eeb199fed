"""The parts that connections of every protocol share."""

from dataclasses import dataclass

from api.realtime.rooms.broadcaster import RoomBroadcaster
from api.realtime.rooms.joins import Joins
from api.realtime.rooms.revocations import Revocations
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.send_buffer import SendPolicy


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomsContext:
    """Subscriptions, catch-up, broadcasts, revocations and send limits of one hub."""

    rooms: Rooms
    joins: Joins
    broadcaster: RoomBroadcaster
    revocations: Revocations
    send_policy: SendPolicy
