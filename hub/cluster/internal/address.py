"""Where the other nodes reach this one."""

import ipaddress
import socket

import structlog
from sqlalchemy import URL

from hub.cluster.settings import ClusterSettings

log = structlog.get_logger(__name__)

_BACKLOG = 256
_POSTGRESQL_PORT = 5432


def internal_listener(settings: ClusterSettings, database: URL) -> socket.socket:
    """A listening socket for the other nodes; warns if its address may be public."""
    host = settings.host or _address_towards(database)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, settings.port), family=family, backlog=_BACKLOG)
    _warn_if_public(listener.getsockname()[0])
    return listener


def advertised_address(settings: ClusterSettings, listener: socket.socket) -> str:
    """The base of the URLs that other nodes use, e.g. ``http://10.0.0.7:8090``."""
    if settings.advertise:
        return settings.advertise
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _address_towards(database: URL) -> str:
    """This machine's address on the way to PostgreSQL; nothing is sent to find it."""
    host, port = database.host or "127.0.0.1", database.port or _POSTGRESQL_PORT
    try:
        family, kind, *_, peer = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(peer)
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"


def _warn_if_public(host: str) -> None:
    try:
        known = ipaddress.ip_address(host)
    except ValueError:
        return
    if not known.is_private or known.is_unspecified:
        log.warning("internal_listener_not_private", host=host)
