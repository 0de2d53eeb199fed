"""The HTTP server around a hub, from the open port to the last answer."""

import asyncio
import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from api.app import MAX_LINE_BYTES
from hub.bootstrap import Hub, open_hub
from hub.config import Config
from hub.config_reader import ConfigError
from hub.telemetry.recent_errors import RecentErrors

log = structlog.get_logger(__name__)

BACKLOG = 1024
"""Connections that may wait to be accepted: a fleet of screens reconnects at once."""

YOUNG_OBJECTS_MAX = 20_000
"""Made and not freed since the last look for garbage in cycles. At Python's 700 every
booking is followed by one, and calendars and caches are looked through again and again."""

Ready = Callable[[str, Hub], Awaitable[None]]
"""Called with the hub's address once requests are answered."""

_FORCED = 130
"""The exit code of a process that an interrupt ended."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises :class:`ConfigError` that says why there is none.

    Done before anything else is started, so that a port in use costs nothing.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(_why_not(error, host, port)) from None


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use; stop what uses it, or choose another with --port"
    if error.errno == errno.EACCES:
        return f"Port {port} needs rights this user does not have; choose one above 1023"
    return f"Cannot listen on {host}, port {port}: {error.strerror}"


def url_of(listener: socket.socket) -> str:
    """Where a browser on this machine finds the listener."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(
    config: Config, listener: socket.socket, ready: Ready, *, errors: RecentErrors | None = None
) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is in flight. One of several nodes
    goes on answering until its calendars and its sockets went to the others.

    A second signal ends the process at once: what was acknowledged is on disk. ``errors``
    is what the log of this process notes, for the status page.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _stop_or_force, stop)
    async with open_hub(config, errors=errors) as hub:
        runner = web.AppRunner(
            hub.app,
            access_log=None,
            shutdown_timeout=config.server.shutdown_grace_s,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
        )
        await runner.setup()
        _spare_what_lasts()
        try:
            await web.SockSite(runner, listener, backlog=BACKLOG).start()
            log.info("hub_started", url=url_of(listener))
            await ready(url_of(listener), hub)
            await stop.wait()
            log.info("hub_stopping", grace_s=config.server.shutdown_grace_s)
            hub.health.accepting(accepts=False)
            await hub.drain()
        finally:
            hub.health.accepting(accepts=False)
            await runner.cleanup()
    log.info("hub_stopped")


def _spare_what_lasts() -> None:
    """What is there when the hub starts stays until it ends: no garbage is looked for in it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, 20, 20)


def _stop_or_force(stop: asyncio.Event) -> None:
    if stop.is_set():
        log.warning("hub_forced_to_stop")
        sys.stdout.flush()
        os._exit(_FORCED)
    stop.set()
