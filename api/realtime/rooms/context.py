"""The parts that connections of every protocol share."""

from dataclasses import dataclass

from actors.tasks import Spawn
from api.realtime.rooms.broadcaster import RoomBroadcaster
from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.rooms.fairness import TimeSlice
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


def rooms_context(deps: RealtimeDeps, spawn: Spawn) -> RoomsContext:
    """Build the shared parts."""
    rooms, time_slice = Rooms(), TimeSlice()
    return RoomsContext(
        rooms=rooms,
        joins=Joins(rooms, deps.services.changes, deps.positions),
        broadcaster=RoomBroadcaster(rooms, time_slice),
        revocations=Revocations(deps.verifier, deps.services.identity, spawn),
        send_policy=SendPolicy(
            time_slice=time_slice,
            max_bytes=deps.settings.max_buffer_bytes,
            deflate_from_bytes=deps.settings.compress_from_bytes or None,
        ),
    )
