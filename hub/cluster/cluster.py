"""All of a node's part in the cluster, put together; built only where ``[redis] url`` is set."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web

from actors.calendar.alarms import Alarms
from actors.calendar.registry import Registry
from actors.domain.channels import Channel
from actors.domain.ids import ProfileId
from actors.ports.calendars import CalendarStore, DueHold
from actors.ports.clock import Clock, NewId
from actors.ports.events import EventLog
from actors.relay.relay import Relay
from actors.tasks import Tasks
from hub.background import every
from hub.cluster.calendars.ownership import ClaimingStore, Ownership
from hub.cluster.calendars.router import ASK, LOOK, Router
from hub.cluster.figures import merged
from hub.cluster.internal.disconnects import DISMISS, Dismissals
from hub.cluster.internal.node_client import Link
from hub.cluster.internal.node_server import internal_app
from hub.cluster.members.membership import Membership
from hub.cluster.settings import ClusterSettings, RedisSettings
from hub.cluster.stream.fanout import Fanout, HearPresence
from store.postgres.nodes import Nodes
from store.sql.url import parse_url

log = structlog.get_logger(__name__)

_SWEEP_S = 15.0
_HOLDS_S = 10.0
_DEFAULT_PORT = 5432


@dataclass(slots=True)
class Cluster:
    """A node among others; ``router`` takes the registry's place for the services."""

    settings: ClusterSettings
    redis: RedisSettings
    membership: Membership
    ownership: Ownership
    router: Router
    fanout: Fanout
    dismissals: Dismissals
    link: Link
    claims: ClaimingStore
    clock: Clock
    holds: "_Holds"

    # --- figures ---

    def counters(self) -> Mapping[str, float]:
        """Since the start, for metrics."""
        router, fanout = self.router.stats, self.fanout
        return {
            "moves": self.ownership.moves,
            "claims": self.claims.claims,
            "hops": router.hops,
            "redirects": router.redirects,
            "unanswered": router.unanswered,
            "served": router.served,
            "buried": self.membership.buried,
            "lives": self.membership.lives,
            "repairs": fanout.repairs,
            "stream_breaks": fanout.breaks,
            "stream_sent": fanout.stream.sent,
            "stream_received": fanout.stream.received,
            "stream_dropped": fanout.stream.dropped,
        }

    def gauges(self) -> Mapping[str, float]:
        return {
            "nodes": len(self.membership.view.nodes),
            "lease_left_seconds": self.membership.lease.left_s(self.clock.monotonic()),
            "stream_up": float(self.fanout.stream.up),
            "stream_lag_seconds": self.fanout.lag_ms / 1_000,
            "stream_waiting": self.fanout.stream.waiting,
        }

    def publish(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Tell the others how this node is; answers how the whole hub is."""
        members = self.membership
        said = {**own, "cluster": {**self.counters(), **self.gauges()}}
        self.fanout.beat(said)
        others = {n: told for n, (_, told) in self.fanout.figures.items() if n != members.me}
        whole = merged(own, others.values())
        whole["redis"] = {"status": "ok" if self.fanout.stream.up else "away"}
        whole["cluster"] = {
            "node": members.me,
            "epoch": members.view.epoch,
            "nodes": [
                self._shown(node.id, node.name, said if node.id == members.me else None)
                for node in members.roster.nodes
            ],
        }
        return whole

    def _shown(self, node_id: str, name: str, own: Mapping[str, Any] | None) -> dict[str, Any]:
        at_s, told = self.fanout.figures.get(node_id, (0.0, {}))
        told = own or told
        return {
            "id": node_id,
            "name": name,
            "leaving": node_id in self.membership.view.leaving,
            "heard_s_ago": 0.0
            if own
            else round(self.clock.monotonic() - at_s, 1)
            if at_s
            else None,
            "calendars": told.get("calendars"),
            "connections": sum((told.get("connections") or {}).values()),
            **{k: v for k, v in (told.get("cluster") or {}).items() if k in _SHOWN},
        }

    # --- lifetime ---

    def background(self) -> Sequence[Coroutine[Any, Any, None]]:
        """Work for as long as the hub serves."""
        return (
            self.ownership.run(),
            self.fanout.repair(),
            every(_SWEEP_S, self.fanout.sweep),
            self.holds.run(),
        )

    async def drain(self) -> None:
        """Give every calendar away, while requests are still answered: they go one hop on.

        Whatever fails here, the lease ends by itself.
        """
        try:
            await self.membership.begin_to_leave()
            await self.ownership.give_all()
        except Exception as error:  # e.g. the database is away
            log.warning("drain_incomplete", error=str(error))


_SHOWN = ("moves", "hops", "repairs", "stream_up", "stream_lag_seconds", "lease_left_seconds")


class _Holds:
    """Holds whose calendar nobody asks for: they run out where it belongs (criterion 8.3)."""

    def __init__(
        self, store: CalendarStore, alarms: Alarms, is_here: Callable[[str], bool]
    ) -> None:
        self._store, self._alarms, self._is_here = store, alarms, is_here
        self._known: set[DueHold] = set()
        self._changed = asyncio.Event()

    def members_changed(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        """Look now and then, and soon after somebody came or went."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HOLDS_S):
                    await self._changed.wait()
            self._changed.clear()
            try:
                await self.look()
            except Exception as error:  # e.g. the database is away: the next look finds them
                log.warning("holds_unread", error=str(error))
                await asyncio.sleep(1.0)
                self._changed.set()

    async def look(self) -> None:
        due = {hold for hold in await self._store.live_holds() if self._is_here(hold.dentist_id)}
        for hold in due - self._known:
            self._alarms.add(hold)
        self._known = due


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What a cluster is built around."""

    nodes: Nodes
    registry: Registry
    store: CalendarStore
    claims: ClaimingStore
    events: EventLog
    relay: Relay
    alarms: Alarms
    channels: Callable[[], Sequence[Channel]]
    forget_caches: Callable[[], None]
    dismiss: Callable[[ProfileId], None]
    """Ends this node's connections of a person."""
    hear_presence: HearPresence
    clock: Clock
    new_id: NewId


@asynccontextmanager
async def open_cluster(
    settings: ClusterSettings,
    redis: RedisSettings,
    parts: Parts,
    *,
    database_url: str,
    deadline_s: float,
) -> AsyncIterator[Cluster]:
    """Join; leave at the end. Raises what the database raises."""
    link = Link()
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(_listen(settings, database_url))
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        address = settings.advertise or f"http://{shown}:{port}"
        _warn_if_public(host)
        cluster = _build(settings, redis, parts, link, address, deadline_s)
        stack.push_async_callback(link.close)
        runner = web.AppRunner(
            internal_app(
                link,
                {
                    ASK: cluster.router.serve_ask,
                    LOOK: cluster.router.serve_look,
                    DISMISS: cluster.dismissals.serve,
                },
            ),
            access_log=None,
            shutdown_timeout=2.0,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.push_async_callback(cluster.router.close)
        await web.SockSite(runner, listener).start()
        await cluster.membership.join()
        stack.push_async_callback(_leave, cluster)
        lasting = (
            cluster.membership.run(),
            cluster.fanout.stream.write(),
            cluster.fanout.stream.read(),
        )
        tasks = Tasks()
        for each in lasting:
            tasks.start(each)
        stack.push_async_callback(tasks.finish)
        stack.push_async_callback(cluster.fanout.stream.flush)
        stack.push_async_callback(parts.registry.close)  # what it accepted, it commits and tells
        yield cluster


def _build(
    settings: ClusterSettings,
    redis: RedisSettings,
    parts: Parts,
    link: Link,
    address: str,
    deadline_s: float,
) -> Cluster:
    def changed() -> None:
        link.me, link.key = membership.me, membership.key
        ownership.members_changed()
        holds.members_changed()

    membership = Membership(
        parts.nodes,
        parts.clock,
        parts.new_id,
        name=settings.name or address.partition("//")[2],
        address=address,
        lease_s=settings.lease_s,
        renew_s=settings.renew_s,
        on_lost=parts.registry.abandon,
        on_change=changed,
        key=settings.key,
    )
    parts.claims.membership = membership
    ownership = Ownership(parts.registry, parts.nodes, membership)
    router = Router(
        parts.registry,
        parts.store,
        membership,
        ownership,
        link,
        parts.clock,
        deadline_s=deadline_s,
    )
    holds = _Holds(parts.store, parts.alarms, router.is_placed_here)
    return Cluster(
        settings=settings,
        redis=redis,
        membership=membership,
        ownership=ownership,
        router=router,
        fanout=_fanout(settings, redis, parts, membership, router),
        dismissals=Dismissals(membership, link, parts.dismiss),
        link=link,
        claims=parts.claims,
        clock=parts.clock,
        holds=holds,
    )


def _fanout(
    settings: ClusterSettings,
    redis: RedisSettings,
    parts: Parts,
    membership: Membership,
    router: Router,
) -> Fanout:
    return Fanout(
        stream_url=redis.url,
        relay=parts.relay,
        events=parts.events,
        clock=parts.clock,
        membership=membership,
        channels=parts.channels,
        forget_caches=parts.forget_caches,
        hear_presence=parts.hear_presence,
        is_placed_here=router.is_placed_here,
        repair_s=settings.repair_s,
        stream_name=redis.stream,
        stream_keep=redis.keep_entries,
    )


async def _leave(cluster: Cluster) -> None:
    try:
        await cluster.membership.leave()
    except Exception as error:  # the lease ends by itself
        log.warning("node_left_without_a_word", error=str(error))


def _listen(settings: ClusterSettings, database_url: str) -> socket.socket:
    host = settings.host or _seen_by_the_database(database_url)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, settings.port), family=family, backlog=256)


def _seen_by_the_database(url: str) -> str:
    """This machine's address on the way to PostgreSQL; nothing is sent to find it out."""
    database = parse_url(url)
    host, port = database.host or "127.0.0.1", database.port or _DEFAULT_PORT
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
