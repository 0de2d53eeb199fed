"""Socket.IO: namespaces, commands with acks, channels that lose nothing (DESIGN §6, §8)."""

from api.realtime.rooms.deps import RealtimeDeps as RealtimeDeps
from api.realtime.socketio.service import Realtime as Realtime
