"""The composition root: the one place that builds everything.

The lifetimes of the parts nest: the store, the core (calendars and the relay of their events),
the cluster, the edge, and the background work. At the end the server closes all connections
first. Then the parts end in the opposite order, and each answers everything that waits for it
(criterion 6.4).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from actors.calendar.alarms import Alarms
from actors.domain.sign_in import TOKEN_LIFE
from actors.ports.clock import Clock, NewId
from actors.relay.committed_events import CommittedEvents
from actors.services.services import Services
from actors.tasks import Work
from api.issuer import LEEWAY_MAX
from api.schemas import render
from hub import clock as system
from hub.background import every, running
from hub.bootstrap_cluster import open_cluster
from hub.bootstrap_core import Base, Core, WrapBroadcaster, open_core
from hub.bootstrap_edge import Edge, open_edge
from hub.bootstrap_messages import open_messages
from hub.bootstrap_services import build_services
from hub.cluster.cluster import Cluster
from hub.cluster.local_node import local_node
from hub.cluster.members.succession import Succession
from hub.config import Config
from hub.messages.sender import MessageSender
from hub.messages.settings import channels_of
from hub.telemetry.figures import StatusFigures
from hub.telemetry.metrics import Metrics
from hub.telemetry.recent_errors import RecentErrors
from store.engine import open_store

_SWEEP_EVERY_S = 0.5
_STATUS_EVERY_S = 1.0
_KEY_CHECK_EVERY_S = 0.5
"""How often the age of the key set is checked; ``auth.jwks_refresh_s`` limits it."""

_SIGN_IN_EVERY_S = 600.0
_SESSIONS_KEPT = timedelta(days=30)
"""How long the record of a session is kept after its end."""

_CONSENT_CHECK_EVERY_S = 10.0
"""How often connections of chatbots are checked for a consent that has expired."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hub:
    """A running hub; ``edge.app`` is to be served, the services may be called directly."""

    core: Core
    services: Services
    edge: Edge
    cluster: Cluster | None
    """This node's part in the cluster, if it is one of several."""
    messages: MessageSender | None
    """Sends messages, if there is a mail server or a provider of text messages."""

    async def drain(self) -> None:
        """Move calendars and live connections to the other nodes, if there are any.

        To be called when readiness is off. Requests are answered meanwhile and afterwards:
        they are forwarded.
        """
        if self.cluster is not None:
            drain_s = self.core.base.config.cluster.drain_s
            await asyncio.gather(
                self.cluster.drain(),
                self.edge.realtime.retire(drain_s),
                self.edge.supabase.retire(drain_s),
                self.edge.streams.retire(drain_s),
                asyncio.sleep(drain_s),
            )

    def status(self) -> StatusFigures:
        """The figures of ``hub:status``, of the whole hub; call it once per interval."""
        own = self.edge.figures.take()
        return own if self.cluster is None else self.cluster.figures.publish(own)


@asynccontextmanager
async def open_hub(
    config: Config,
    *,
    clock: Clock | None = None,
    new_id: NewId = system.new_id,
    wrap_broadcaster: WrapBroadcaster | None = None,
    errors: RecentErrors | None = None,
) -> AsyncIterator[Hub]:
    """A hub on a migrated database, working until the block ends.

    Tests pass their own clock, ids and a failing broadcaster; ``errors`` are the last errors of
    this process's log, for the status page. Raises what :func:`store.engine.open_store` raises,
    and ValueError without a key to verify tokens with.
    """
    clock, metrics, committed = clock or system.SystemClock(), Metrics(), CommittedEvents()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            open_store(
                config.database,
                render=render,
                publisher=committed,
                new_id=new_id,
                clock=clock,
                region=config.practice.region,
                message_channels=channels_of(config.messages, config.mail, config.sms),
                on_commit=metrics.commit,
            )
        )
        base = Base(config=config, clock=clock, new_id=new_id, metrics=metrics, store=store)
        alarms, node, cluster = Alarms(clock), None, None
        if config.is_clustered:
            node = local_node(config.cluster, config.redis, store.calendars, clock)
        core = await stack.enter_async_context(
            open_core(base, committed, alarms, node, wrap_broadcaster)
        )
        if node:
            cluster = await stack.enter_async_context(open_cluster(core, node))
        services = _services(core, cluster)
        edge = await stack.enter_async_context(open_edge(core, services, errors or RecentErrors()))
        messages = await stack.enter_async_context(open_messages(base))
        hub = Hub(core=core, services=services, edge=edge, cluster=cluster, messages=messages)
        await _start(hub)
        await stack.enter_async_context(running(*_background(hub)))
        yield hub


def _services(core: Core, cluster: Cluster | None) -> Services:
    if cluster is None:
        return build_services(core, core.registry, core.context.revocations)
    return build_services(core, cluster.router, cluster.connections)


async def _start(hub: Hub) -> None:
    """Resume what an earlier process left: holds to expire, and events to broadcast."""
    core, is_alone = hub.core, hub.cluster is None
    if core.issuer is not None:
        await core.issuer.start()
        since = core.base.clock.now() - TOKEN_LIFE - LEEWAY_MAX
        for session in await core.base.store.sessions.ended_since(since):
            core.issuer.end_session(session)
    if is_alone:  # in a cluster, each node has the holds of its own calendars
        for due in await core.base.store.calendars.live_holds():
            core.alarms.add(due)
    await core.relay.start(recovers=is_alone)


def _background(hub: Hub) -> tuple[Work, ...]:
    core, cluster = hub.core, hub.cluster
    base, retention = core.base, core.base.config.retention

    async def delete_expired_rows() -> None:
        if cluster is None or cluster.membership.is_placed_here("retention"):
            await base.store.retention.forget(base.clock.now(), retention)

    async def tend_sign_in() -> None:
        if core.issuer is not None:
            await core.issuer.rotate()
            await base.store.passkeys.forget(base.clock.now())
            await base.store.sessions.forget(base.clock.now() - _SESSIONS_KEPT)

    work = (
        core.alarms.run(hub.services.bookings.expire),
        every(_SWEEP_EVERY_S, core.registry.sweep),
        every(_KEY_CHECK_EVERY_S, core.verifier.keep_fresh),
        every(_CONSENT_CHECK_EVERY_S, core.context.revocations.check_delegated),
        every(base.config.realtime.position_interval_s, hub.edge.realtime.send_positions),
        every(_STATUS_EVERY_S, lambda: hub.edge.realtime.publish_status(hub.status())),
        every(retention.sweep_minutes * 60, delete_expired_rows),
        every(_SIGN_IN_EVERY_S, tend_sign_in),
    )
    sending: tuple[Work, ...] = ()
    if hub.messages and cluster is None:
        sending = (hub.messages.run(),)
    elif hub.messages and cluster:
        seat = Succession(cluster.membership, "messages")
        sending = (hub.messages.run(seat.is_mine, seat.is_inherited),)
    if cluster is None:  # a commit whose answer was lost is broadcast by the repair
        return *work, core.dispatcher.run(), core.repair().run(), *sending
    deliveries = core.dispatcher.run(
        cluster.membership.is_placed_here, sync_every_s=cluster.repair_s
    )
    return *work, deliveries, *sending, *cluster.background()
