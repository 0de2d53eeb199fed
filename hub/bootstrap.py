"""The composition root: the one place that builds everything and wires it together.

``bootstrap_core.py`` makes what decides, ``bootstrap_edge.py`` what the world sees. Lifetimes
nest: store, relay, calendars, sockets, background work. They end in the opposite order, and
whoever ends answers everyone who waits (criterion 6.4).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from actors.ports.clock import Clock, NewId
from actors.ports.events import Broadcaster, EventRecord
from actors.relay.relay import Relay
from actors.services.delivery_rights import DeliveryRights
from actors.services.directory import Directory
from actors.services.services import Services
from api.auth import TokenVerifier
from api.realtime.socketio import Realtime
from api.realtime.sse.streams import Streams
from api.realtime.supabase import Supabase
from api.realtime.supabase.presence_sync import PUBLISH_EVERY_S
from api.schemas import render
from hub import clock as system
from hub.background import every, running
from hub.bootstrap_core import Core, build_core
from hub.bootstrap_edge import Edge, build_edge
from hub.chat import chat_deps
from hub.cluster.cluster import Cluster, Parts
from hub.cluster.stream.fanout import Fanout
from hub.cluster.wiring import join
from hub.config import Config
from hub.telemetry.figures import Figures
from hub.telemetry.health import Health
from hub.telemetry.metrics import Metrics
from hub.telemetry.recent_errors import RecentErrors
from hub.webhooks.dispatcher import Dispatcher, open_dispatcher
from store.engine import Store, open_store

_SWEEP_EVERY_S = 0.5
_STATUS_EVERY_S = 1.0
_KEYS_EVERY_S = 0.5
"""How often is looked whether the key set is old; ``auth.jwks_refresh_s`` says when it is."""

WrapBroadcaster = Callable[[Broadcaster], Broadcaster]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hub:
    """A running hub; ``app`` is to be served, the services may be called directly."""

    app: web.Application
    health: Health
    realtime: Realtime
    supabase: Supabase
    streams: Streams
    relay: Relay
    figures: Figures
    verifier: TokenVerifier
    store: Store
    services: Services
    clock: Clock
    new_id: NewId
    cluster: Cluster | None = None
    """This node's part in it, if it is one of several."""

    async def drain(self) -> None:
        """Readiness is off: let calendars and sockets go to the other nodes, if there are any.

        Requests are answered meanwhile and afterwards, one hop on.
        """
        if self.cluster is not None:
            wait_s = self.cluster.settings.drain_s
            await asyncio.gather(
                self.cluster.drain(),
                self.realtime.retire(wait_s),
                self.supabase.retire(wait_s),
                self.streams.retire(wait_s),
                asyncio.sleep(wait_s),
            )

    def status(self) -> dict[str, Any]:
        """The figures of ``hub:status``, of the whole hub; call it once per interval."""
        own = self.figures.take()
        return own if self.cluster is None else self.cluster.publish(own)

    async def close(self) -> None:
        """Say goodbye to every socket; before it, the server took its last request."""
        await self.supabase.close()
        await self.realtime.close()
        await self.verifier.close()


@asynccontextmanager
async def open_hub(
    config: Config,
    *,
    clock: Clock | None = None,
    new_id: NewId = system.new_id,
    wrap_broadcaster: WrapBroadcaster | None = None,
    errors: RecentErrors | None = None,
) -> AsyncIterator[Hub]:
    """A hub on a database that was migrated, working until the block ends.

    Tests put their own clock, ids and a failing broadcaster in; ``errors`` is what this
    process's log noted, for the status page. Raises what
    :func:`store.engine.open_store` raises, and ValueError for impossible token settings.
    """
    clock = clock or system.SystemClock()
    metrics = Metrics()
    outbox = _Outbox()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            open_store(
                config.database,
                render=render,
                publisher=outbox,
                new_id=new_id,
                clock=clock,
                on_commit=lambda turns, calendars, seconds: metrics.commit(turns, seconds),
            )
        )
        directory = Directory(store.profiles)
        dispatcher = await stack.enter_async_context(
            open_dispatcher(
                config.webhooks,
                queue=store.webhooks,
                events=store.events,
                may_deliver=DeliveryRights(directory, clock),
                clock=clock,
                new_id=new_id,
                metrics=metrics,
            )
        )
        core = build_core(config, store, directory, dispatcher, clock, new_id)
        outbox.first = relay = Relay(
            events=store.events,
            clock=clock,
            listeners=(
                core.directory.forget,
                core.services.catalog.forget,
                core.registry.on_event,
                dispatcher.on_event,
            ),
            on_delivery=metrics.delivered,
            is_ours=outbox.is_ours if config.is_clustered else None,
            settings=config.relay,
        )
        stack.push_async_callback(relay.stop)
        stack.push_async_callback(core.registry.close)  # its last events still find the relay
        chat = await stack.enter_async_context(
            chat_deps(config.chat, auth_secret=config.auth.secret)
        )
        cluster = None
        if config.is_clustered:
            cluster = await stack.enter_async_context(_join(config, store, core, relay))
            outbox.first = cluster.fanout
            metrics.watch_cluster(cluster.counters, cluster.gauges)
        errors = errors or RecentErrors()
        edge = build_edge(config, store, core, relay, metrics, dispatcher, errors, chat, cluster)
        hub = _hub(store, core, relay, edge, cluster)
        stack.push_async_callback(hub.close)
        if cluster is None:
            for due in await store.calendars.live_holds():
                core.alarms.add(due)
        relay.add_listener(hub.realtime.context.revocations.event_committed)
        broadcaster, rooms = hub.realtime.context.broadcaster, hub.realtime.context.rooms
        await relay.start(
            wrap_broadcaster(broadcaster) if wrap_broadcaster else broadcaster,
            on_failure=hub.realtime.position_changed,
            has_subscribers=lambda channel: bool(wrap_broadcaster or rooms.members(channel)),
            recovers=cluster is None,
        )
        hub.realtime.start()
        delivering = _delivering(config, dispatcher, cluster)
        await stack.enter_async_context(running(*_background(config, hub, core), delivering))
        yield hub


def _hub(store: Store, core: Core, relay: Relay, edge: Edge, cluster: Cluster | None) -> Hub:
    return Hub(
        app=edge.app,
        health=edge.health,
        realtime=edge.realtime,
        supabase=edge.supabase,
        streams=edge.streams,
        figures=edge.figures,
        verifier=edge.verifier,
        relay=relay,
        store=store,
        services=core.services,
        clock=core.clock,
        new_id=core.new_id,
        cluster=cluster,
    )


def _join(
    config: Config, store: Store, core: Core, relay: Relay
) -> AbstractAsyncContextManager[Cluster]:
    return join(
        config.cluster,
        config.redis,
        config.database,
        core.meeting,
        lambda nodes: Parts(
            nodes=nodes,
            registry=core.registry,
            store=store.calendars,
            claims=core.meeting.claims,
            events=store.events,
            relay=relay,
            alarms=core.alarms,
            channels=core.meeting.channels,
            forget_caches=core.forget_caches,
            dismiss=core.meeting.dismiss,
            hear_presence=core.meeting.hear_presence,
            clock=core.clock,
            new_id=core.new_id,
        ),
        deadline_s=config.actors.command_deadline_s,
    )


def _background(config: Config, hub: Hub, core: Core) -> tuple[Coroutine[Any, Any, None], ...]:
    async def forget() -> None:
        if hub.cluster is None or hub.cluster.router.is_placed_here("retention"):
            await hub.store.retention.forget(hub.clock.now(), config.retention)

    return (
        core.alarms.run(),
        every(_SWEEP_EVERY_S, core.registry.sweep),
        every(_KEYS_EVERY_S, hub.verifier.keep_fresh),
        every(_STATUS_EVERY_S, lambda: hub.realtime.publish_status(hub.status())),
        every(config.retention.sweep_minutes * 60, forget),
        *(_among_others(hub, hub.cluster) if hub.cluster else ()),
    )


def _among_others(hub: Hub, cluster: Cluster) -> tuple[Coroutine[Any, Any, None], ...]:
    return *cluster.background(), every(PUBLISH_EVERY_S, hub.supabase.publish_presence)


def _delivering(
    config: Config, dispatcher: Dispatcher, cluster: Cluster | None
) -> Coroutine[Any, Any, None]:
    """Each webhook is delivered by the node where its id is placed."""
    if cluster is None:
        return dispatcher.run()
    return dispatcher.run(cluster.router.is_placed_here, sync_every_s=config.cluster.repair_s)


class _Outbox:
    """The store needs an outbox, the relay needs the store's log: the knot between them."""

    first: Relay | Fanout
    """Who takes what was committed: the relay, or what also tells the other nodes."""

    def publish(self, records: Sequence[EventRecord]) -> None:
        self.first.publish(records)

    def is_ours(self, record: EventRecord) -> bool:
        return isinstance(self.first, Fanout) and self.first.is_own(record)
