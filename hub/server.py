"""Serves a hub over HTTP, from the open port to the last answer."""

import asyncio
import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import structlog

from api.app import MAX_LINE_BYTES
from api.deps import DEPS
from api.http.connections import ConnectionTable
from api.http.refusals import HttpRefusals
from api.http.site import Limits, serving
from hub.bootstrap import Hub, open_hub
from hub.config import Config
from hub.config_reader import ConfigError
from hub.telemetry.recent_errors import RecentErrors

log = structlog.get_logger(__name__)

BACKLOG = 1024
"""Connections that may wait to be accepted, for example when all screens reconnect at once."""

YOUNG_OBJECTS_MAX = 20_000
"""The threshold of the garbage collector. With Python's 700, each booking causes a collection,
and most of these scan all calendars and caches."""

Ready = Callable[[str, Hub], Awaitable[None]]
"""Called with the hub's address before it answers the first request.

Connections are possible: they wait until it returns. So what it writes, for example the links
of the demo, exists when ``/health`` answers.
"""

_FORCED = 130
"""The exit code of an interrupted process."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises :class:`ConfigError` with the reason if there is none.

    To be called before anything else is started, so that a port in use has no effect.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(_bind_problem(error, host, port)) from None


def _bind_problem(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use; stop the program that uses it, or choose another"
            " with --port"
        )
    if error.errno == errno.EACCES:
        return f"Port {port} needs permissions that this user does not have; choose one above 1023"
    return f"Cannot listen on {host}, port {port}: {error.strerror}"


def url_of(listener: socket.socket) -> str:
    """The address of the listener for a browser on this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(
    config: Config, listener: socket.socket, ready: Ready, *, errors: RecentErrors | None = None
) -> None:
    """Serve until SIGINT or SIGTERM, then complete the requests in flight.

    A node of a cluster first hands its calendars and connections over to other nodes, and
    answers requests meanwhile. A second signal ends the process at once; acknowledged writes
    are on disk. ``errors`` are the last errors of the log, for the status page.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _stop_or_force, stop)
    async with open_hub(config, errors=errors) as hub:
        try:
            log.info("hub_started", url=url_of(listener))
            await ready(url_of(listener), hub)
            async with serving_hub(hub, listener, config.server.shutdown_grace_s):
                tune_garbage_collection()
                await stop.wait()
                log.info("hub_stopping", grace_s=config.server.shutdown_grace_s)
                hub.edge.health.accepting(accepts=False)
                await hub.drain()
        finally:
            hub.edge.health.accepting(accepts=False)
    log.info("hub_stopped")


def serving_hub(
    hub: Hub, listener: socket.socket, shutdown_s: float
) -> AbstractAsyncContextManager[ConnectionTable]:
    """Answers requests until the block ends; the requests in flight then have ``shutdown_s``."""
    app, deps = hub.edge.app, hub.edge.app[DEPS]
    return serving(
        app,
        listener,
        Limits.of(hub.core.base.config.server),
        HttpRefusals(deps.clock, deps.new_id, deps.on_request),
        max_line_bytes=MAX_LINE_BYTES,
        shutdown_s=shutdown_s,
    )


def tune_garbage_collection() -> None:
    """Exclude what exists when the hub starts from collections: it stays until the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, 20, 20)


def _stop_or_force(stop: asyncio.Event) -> None:
    if stop.is_set():
        log.warning("hub_forced_to_stop")
        sys.stdout.flush()
        os._exit(_FORCED)
    stop.set()
