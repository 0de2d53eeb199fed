"""The composition root: the one place that builds everything and wires it together.

Lifetimes nest: store, relay, calendars, sockets, background work. They end in the
opposite order, and whoever ends answers everyone who waits (criterion 6.4).
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiohttp import web

from actors.alarms import Alarms
from actors.calendar_actor import CalendarActor
from actors.ports import (
    Broadcaster,
    CalendarStore,
    Clock,
    EventRecord,
    NewId,
)
from actors.registry import Calendars, Registry
from actors.services.availability import Availability
from actors.services.bookings import Bookings
from actors.services.catalog import Catalog
from actors.services.changes import Changes
from actors.services.directory import Directory
from actors.services.identity import Identity
from actors.services.people import People
from actors.services.records import Records
from actors.services.replays import Replays
from actors.services.webhooks import Rights, Webhooks
from api.app import create_app
from api.auth import TokenVerifier
from api.deps import AppDeps, ChatDeps
from api.ratelimit import RateLimiter
from api.realtime import Realtime, RealtimeDeps
from api.realtime.streams import Streams
from api.realtime.supabase import Supabase, SupabaseDeps, SupabaseSettings
from api.realtime.supabase.exchange import SAY_EVERY_S
from api.schemas import render
from hub import clock as system
from hub.background import every, running
from hub.chat import chat_deps
from hub.cluster.cluster import Cluster, Parts
from hub.cluster.fanout import Fanout
from hub.cluster.ownership import ClaimingStore
from hub.cluster.wiring import Meeting, OtherNodes, join
from hub.config import Config
from hub.figures import About, Figures, busiest
from hub.health import Health
from hub.metrics import CalendarFigures, Gauges, Metrics
from hub.part_settings import (
    actor_settings,
    api_settings,
    kept,
    postgres_settings,
    realtime_settings,
    relay_settings,
    stream_settings,
)
from hub.recent_errors import RecentErrors
from hub.relay import Relay
from hub.webhooks.delivery import Observers
from hub.webhooks.dispatcher import Dispatcher
from hub.webhooks.opening import open_delivering
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
    identity: Identity
    people: People
    catalog: Catalog
    availability: Availability
    bookings: Bookings
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
                config.database.url,
                render=render,
                outbox=outbox,
                new_id=new_id,
                clock=clock,
                read_pool_size=config.database.readers,
                busy_timeout_ms=config.database.lock_timeout_ms,
                postgres=postgres_settings(config),
                on_commit=lambda turns, calendars, seconds: metrics.commit(turns, seconds),
            )
        )
        core = _core(config, store, clock, new_id)
        dispatcher = await stack.enter_async_context(
            open_delivering(
                config.webhooks,
                queue=store.webhooks,
                events=store.events,
                may_tell=Rights(core.directory, clock),
                clock=clock,
                new_id=new_id,
                observers=Observers(
                    on_attempt=metrics.webhook_attempt, on_disabled=metrics.webhook_disabled
                ),
            )
        )
        outbox.first = relay = Relay(
            events=store.events,
            clock=clock,
            listeners=(
                core.directory.forget,
                core.catalog.forget,
                core.registry.forget,
                dispatcher.announced,
            ),
            on_delivery=metrics.delivered,
            is_ours=outbox.is_ours if config.is_clustered else None,
            settings=relay_settings(config),
        )
        stack.push_async_callback(relay.stop)
        stack.push_async_callback(core.registry.close)  # its last events still find the relay
        chat = await stack.enter_async_context(chat_deps(config))
        cluster = None
        if config.is_clustered:
            cluster = await stack.enter_async_context(_join(config, store, core, relay))
            outbox.first = cluster.fanout
            metrics.watch_cluster(cluster.counters, cluster.gauges)
            dispatcher.share(cluster.router.is_placed_here, sync_s=config.cluster.repair_s)
        errors = errors or RecentErrors()
        hub = _edge(config, store, core, relay, metrics, dispatcher, errors, chat, cluster)
        stack.push_async_callback(hub.close)
        if cluster is None:
            for due in await store.calendars.live_holds():
                core.alarms.add(due)
        relay.listen(hub.realtime.rights.heard)
        broadcaster, rooms = hub.realtime.broadcaster, hub.realtime.rooms
        await relay.start(
            wrap_broadcaster(broadcaster) if wrap_broadcaster else broadcaster,
            on_failure=hub.realtime.position_changed,
            is_heard=None if wrap_broadcaster else lambda channel: bool(rooms.members(channel)),
            alone=cluster is None,
        )
        hub.realtime.start()
        await stack.enter_async_context(running(*_background(config, hub, core), dispatcher.run()))
        yield hub


@dataclass(frozen=True, kw_only=True, slots=True)
class _Core:
    """The calendars of this process and the services over them."""

    clock: Clock
    new_id: NewId
    directory: Directory
    catalog: Catalog
    alarms: Alarms
    registry: Registry
    bookings: Bookings
    availability: Availability
    people: People
    identity: Identity
    changes: Changes
    records: Records
    meeting: Meeting

    def forget_caches(self) -> None:
        """Nothing that was read before now is believed."""
        self.directory.people.clear()
        self.directory.subjects.clear()
        self.catalog.cache.clear()
        for actor in self.registry.actors():
            actor.types_stale = True


def _core(config: Config, store: Store, clock: Clock, new_id: NewId) -> _Core:
    directory = Directory(store.profiles)
    records = Records(store.records, clock, new_id)
    catalog = Catalog(store.calendars.load_types, records)
    meeting = Meeting()
    alarms = Alarms(clock, lambda due: bookings.expire(due))
    own: CalendarStore = store.calendars
    if config.is_clustered:
        own = meeting.claims = ClaimingStore(store.calendars, alarms.add)
    registry = Registry(own, clock, actor_settings(config), on_hold=alarms.add)
    asked: Calendars = meeting if config.is_clustered else registry
    bookings = Bookings(asked, store.appointments, directory, clock, new_id)
    return _Core(
        meeting=meeting,
        clock=clock,
        new_id=new_id,
        directory=directory,
        catalog=catalog,
        alarms=alarms,
        registry=registry,
        bookings=bookings,
        availability=Availability(asked, catalog, directory, store.profiles, clock, new_id),
        people=People(store.profiles, directory, records, meeting),
        identity=Identity(store.profiles, directory, records),
        changes=Changes(store.events),
        records=records,
    )


def _join(
    config: Config, store: Store, core: _Core, relay: Relay
) -> AbstractAsyncContextManager[Cluster]:
    return join(
        config,
        postgres_settings(config),
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
    )


def _edge(
    config: Config,
    store: Store,
    core: _Core,
    relay: Relay,
    metrics: Metrics,
    dispatcher: Dispatcher,
    errors: RecentErrors,
    chat: ChatDeps,
    cluster: Cluster | None,
) -> Hub:
    """REST and Socket.IO over the same services, the same verifier and the same limits."""
    clock = core.clock
    verifier = TokenVerifier(config.auth.settings(), clock)
    limiter = RateLimiter(
        rate_per_s=config.api.rate_per_s,
        burst=config.api.rate_burst,
        monotonic=clock.monotonic,
    )
    wired = _realtime_deps(config, core, relay, metrics, verifier, limiter)
    realtime = core.meeting.realtime = Realtime(wired)
    supabase = core.meeting.supabase = _supabase(config, store, wired, realtime)
    if cluster is not None:
        supabase.share_presence(OtherNodes(cluster))
    streams = _streams(config, core, realtime, metrics)
    gauges = _gauges(core, realtime, supabase, streams, dispatcher)
    metrics.watch(gauges)
    health = Health(
        clock=clock,
        ping=store.ping,
        ping_timeout_s=config.database.ping_timeout_s,
        connections=gauges.connections,
    )
    app = create_app(
        AppDeps(
            verifier=verifier,
            limiter=limiter,
            identity=core.identity,
            bookings=core.bookings,
            availability=core.availability,
            people=core.people,
            catalog=core.catalog,
            changes=core.changes,
            streams=streams,
            webhooks=_webhooks(config, store, core, dispatcher),
            health=health,
            clock=clock,
            new_id=core.new_id,
            settings=api_settings(config),
            chat=chat,
            metrics=metrics.render,
            on_request=metrics.request,
        )
    )
    realtime.attach(app)
    supabase.attach(app)
    return Hub(
        app=app,
        health=health,
        realtime=realtime,
        supabase=supabase,
        streams=streams,
        relay=relay,
        figures=Figures(
            metrics,
            gauges,
            clock,
            health=health,
            about=About(node=_node(), engine=config.database.engine),
            errors=errors,
        ),
        verifier=verifier,
        store=store,
        identity=core.identity,
        people=core.people,
        catalog=core.catalog,
        availability=core.availability,
        bookings=core.bookings,
        clock=clock,
        new_id=core.new_id,
        cluster=cluster,
    )


def _realtime_deps(
    config: Config,
    core: _Core,
    relay: Relay,
    metrics: Metrics,
    verifier: TokenVerifier,
    limiter: RateLimiter,
) -> RealtimeDeps:
    return RealtimeDeps(
        verifier=verifier,
        identity=core.identity,
        bookings=core.bookings,
        availability=core.availability,
        people=core.people,
        changes=core.changes,
        clock=core.clock,
        new_id=core.new_id,
        positions=relay.positions,
        limiter=limiter,
        settings=realtime_settings(config),
        on_command=metrics.command,
        on_slow=metrics.slow_reader,
    )


def _supabase(config: Config, store: Store, wired: RealtimeDeps, realtime: Realtime) -> Supabase:
    kept = timedelta(days=config.retention.events_days)
    return Supabase(
        SupabaseDeps(
            realtime=wired,
            sending=realtime.sending,
            rooms=realtime.rooms,
            joins=realtime.joins,
            rights=realtime.rights,
            replays=Replays(store.events, wired.clock, kept=kept),
            settings=SupabaseSettings(
                keys=config.realtime.supabase_keys,
                idle_timeout_s=config.realtime.idle_timeout_s,
                messages_per_s=config.api.rate_per_s,
                messages_burst=config.api.rate_burst,
            ),
        )
    )


def _streams(config: Config, core: _Core, realtime: Realtime, metrics: Metrics) -> Streams:
    return Streams(
        rooms=realtime.rooms,
        joins=realtime.joins,
        rights=realtime.rights,
        clock=core.clock,
        settings=stream_settings(config),
        on_end=metrics.stream_ended,
        on_slow=metrics.slow_reader,
    )


def _webhooks(config: Config, store: Store, core: _Core, courier: Dispatcher) -> Webhooks:
    return Webhooks(
        reads=store.webhooks,
        queue=store.webhooks,
        records=core.records,
        events=store.events,
        courier=courier,
        clock=core.clock,
        old_secret_kept=timedelta(hours=config.webhooks.old_secret_hours),
    )


def _gauges(
    core: _Core,
    realtime: Realtime,
    supabase: Supabase,
    streams: Streams,
    dispatcher: Dispatcher,
) -> Gauges:
    registry = core.registry
    return Gauges(
        live_calendars=lambda: len(registry.actors()),
        deepest_mailbox=lambda: max((len(a.mailbox) for a in registry.actors()), default=0),
        holds=lambda: sum(actor.holds for actor in registry.actors()),
        connections=lambda: {
            **realtime.connections(),
            **supabase.connections(),
            "stream": len(streams),
        },
        webhooks=lambda: len(dispatcher),
        webhooks_failing=lambda: dispatcher.failing,
        busiest=lambda: busiest([_calendar_figures(actor) for actor in registry.actors()]),
        cache_lookups=lambda: {
            "people": core.directory.people.lookups,
            "subjects": core.directory.subjects.lookups,
            "appointment_types": core.catalog.cache.lookups,
        },
    )


def _calendar_figures(actor: CalendarActor) -> CalendarFigures:
    return CalendarFigures(
        dentist_id=actor.dentist_id,
        waiting=len(actor.mailbox),
        turn_ms=round(actor.turn_s * 1_000, 2),
        holds=actor.holds,
    )


def _background(config: Config, hub: Hub, core: _Core) -> tuple[Coroutine[Any, Any, None], ...]:
    keep = kept(config)

    async def forget() -> None:
        if hub.cluster is None or hub.cluster.router.is_placed_here("retention"):
            await hub.store.retention.forget(hub.clock.now(), keep)

    return (
        core.alarms.run(),
        every(_SWEEP_EVERY_S, core.registry.sweep),
        every(_KEYS_EVERY_S, hub.verifier.keep_fresh),
        every(_STATUS_EVERY_S, lambda: hub.realtime.publish_status(hub.status())),
        every(config.retention.sweep_minutes * 60, forget),
        *(_among_others(hub, hub.cluster) if hub.cluster else ()),
    )


def _among_others(hub: Hub, cluster: Cluster) -> tuple[Coroutine[Any, Any, None], ...]:
    return *cluster.background(), every(SAY_EVERY_S, hub.supabase.say_presence)


def _node() -> str:
    """A name for this process among those of the clinic."""
    return f"{socket.gethostname()}-{os.getpid()}"


class _Outbox:
    """The store needs an outbox, the relay needs the store's log: the knot between them."""

    first: Relay | Fanout
    """Who takes what was committed: the relay, or what also tells the other nodes."""

    def announce(self, records: Sequence[EventRecord]) -> None:
        self.first.announce(records)

    def is_ours(self, record: EventRecord) -> bool:
        return isinstance(self.first, Fanout) and self.first.is_own(record)
