"""Socket.IO: namespaces, commands with acknowledgements, channels with catch-up."""

from api.realtime.rooms.deps import RealtimeDeps as RealtimeDeps
from api.realtime.socketio.service import Realtime as Realtime
