"""Socket.IO: namespaces, commands with acks, channels that lose nothing (DESIGN §6, §8)."""

from api.realtime.deps import RealtimeDeps as RealtimeDeps
from api.realtime.deps import RealtimeSettings as RealtimeSettings
from api.realtime.service import Realtime as Realtime
