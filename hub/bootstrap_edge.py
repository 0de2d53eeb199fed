"""What the world sees of a hub, put together: REST, sockets of every kind, streams, figures."""

import os
import socket
from dataclasses import dataclass

from aiohttp import web

from actors.calendar.calendar_actor import CalendarActor
from actors.ports.clock import Clock
from actors.relay.relay import Relay
from api.app import create_app
from api.auth import TokenVerifier
from api.deps import AppDeps
from api.ratelimit import RateLimiter
from api.realtime.socketio import Realtime, RealtimeDeps
from api.realtime.sse.streams import Streams
from api.realtime.supabase import Supabase, SupabaseDeps
from api.rest.chat.deps import ChatDeps
from hub.bootstrap_core import Core
from hub.cluster.cluster import Cluster
from hub.cluster.wiring import OtherNodes
from hub.config import Config
from hub.telemetry.figures import About, Figures, busiest
from hub.telemetry.health import Health
from hub.telemetry.metrics import CalendarFigures, Gauges, Metrics
from hub.telemetry.recent_errors import RecentErrors
from hub.webhooks.dispatcher import Dispatcher
from store.engine import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """``app`` is to be served; the rest is what is attached to it."""

    app: web.Application
    health: Health
    realtime: Realtime
    supabase: Supabase
    streams: Streams
    figures: Figures
    verifier: TokenVerifier


def build_edge(
    config: Config,
    store: Store,
    core: Core,
    relay: Relay,
    metrics: Metrics,
    dispatcher: Dispatcher,
    errors: RecentErrors,
    chat: ChatDeps,
    cluster: Cluster | None,
) -> Edge:
    """REST and Socket.IO over the same services, the same verifier and the same limits."""
    clock = core.clock
    verifier = TokenVerifier(config.auth, clock)
    limiter = _limiter(config, clock)
    wired = _realtime_deps(config, core, relay, metrics, verifier, limiter)
    realtime = core.meeting.realtime = Realtime(wired)
    supabase = core.meeting.supabase = _supabase(config, wired, realtime, cluster)
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
            services=core.services,
            verifier=verifier,
            limiter=limiter,
            streams=streams,
            health=health,
            clock=clock,
            new_id=core.new_id,
            settings=config.api,
            metrics=metrics.render,
            on_request=metrics.request,
        ),
        chat,
    )
    realtime.attach(app)
    supabase.attach(app)
    return Edge(
        app=app,
        health=health,
        realtime=realtime,
        supabase=supabase,
        streams=streams,
        verifier=verifier,
        figures=Figures(
            metrics,
            gauges,
            clock,
            health=health,
            about=About(node=_node(), engine=config.database.engine),
            errors=errors,
        ),
    )


def _limiter(config: Config, clock: Clock) -> RateLimiter:
    return RateLimiter(
        rate_per_s=config.api.rate_per_s, burst=config.api.rate_burst, monotonic=clock.monotonic
    )


def _realtime_deps(
    config: Config,
    core: Core,
    relay: Relay,
    metrics: Metrics,
    verifier: TokenVerifier,
    limiter: RateLimiter,
) -> RealtimeDeps:
    return RealtimeDeps(
        services=core.services,
        verifier=verifier,
        clock=core.clock,
        new_id=core.new_id,
        positions=relay.positions,
        limiter=limiter,
        settings=config.realtime,
        cors_origins=config.api.cors_origins,
        on_command=metrics.command,
        on_slow=metrics.slow_reader,
    )


def _supabase(
    config: Config, wired: RealtimeDeps, realtime: Realtime, cluster: Cluster | None
) -> Supabase:
    return Supabase(
        SupabaseDeps(
            realtime=wired,
            context=realtime.context,
            peers=OtherNodes(cluster) if cluster is not None else None,
            message_limiter=_limiter(config, wired.clock),
        )
    )


def _streams(config: Config, core: Core, realtime: Realtime, metrics: Metrics) -> Streams:
    return Streams(
        context=realtime.context,
        clock=core.clock,
        settings=config.realtime,
        leeway_s=config.auth.leeway_s,
        on_end=metrics.stream_ended,
        on_slow=metrics.slow_reader,
    )


def _gauges(
    core: Core,
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
            "appointment_types": core.services.catalog.cache.lookups,
        },
    )


def _calendar_figures(actor: CalendarActor) -> CalendarFigures:
    return CalendarFigures(
        dentist_id=actor.dentist_id,
        waiting=len(actor.mailbox),
        turn_ms=round(actor.last_batch_s * 1_000, 2),
        holds=actor.holds,
    )


def _node() -> str:
    """A name for this process among those of the clinic."""
    return f"{socket.gethostname()}-{os.getpid()}"
