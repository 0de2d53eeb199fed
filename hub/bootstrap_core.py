"""Builds what decides and what is decided on: calendars, their events, and who may see them."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from actors.calendar.alarms import Alarms
from actors.calendar.registry import Registry
from actors.domain.channels import Channel
from actors.ports.clock import Clock, NewId
from actors.ports.events import Broadcaster, EventRecord
from actors.relay.committed_events import CommittedEvents
from actors.relay.relay import Listener, Relay
from actors.relay.repair import ChannelRepair
from actors.services.catalog import Catalog
from actors.services.changes import Changes
from actors.services.consents import ConsentCheck
from actors.services.delivery_rights import DeliveryRights
from actors.services.directory import Directory
from actors.services.identity import Identity
from actors.services.practices import Practices
from actors.services.records import Records
from actors.services.stored_bytes import StoredBytes
from actors.tasks import Spawn, Tasks
from api.auth import TokenVerifier
from api.issuer import Issuer
from api.realtime.rooms.broadcaster import RoomBroadcaster
from api.realtime.rooms.deps import RoomsContext
from api.realtime.rooms.fairness import TimeSlice
from api.realtime.rooms.joins import Joins
from api.realtime.rooms.revocations import Revocations
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.send_buffer import SendPolicy
from api.realtime.supabase.presence_registry import PresenceRegistry
from hub.cluster.local_node import LocalNode
from hub.config import Config
from hub.telemetry.metrics import Metrics
from hub.webhooks.dispatcher import Dispatcher
from store.engine import Store

WrapBroadcaster = Callable[[Broadcaster], Broadcaster]


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """What every part of a hub is built on."""

    config: Config
    clock: Clock
    new_id: NewId
    metrics: Metrics
    store: Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Core:
    """The calendars of this process, the relay of their events, and the rooms it reaches."""

    base: Base
    directory: Directory
    records: Records
    stored: StoredBytes
    catalog: Catalog
    practices: Practices
    identity: Identity
    consents: ConsentCheck
    verifier: TokenVerifier
    issuer: Issuer | None
    alarms: Alarms
    registry: Registry
    dispatcher: Dispatcher
    relay: Relay
    context: RoomsContext
    presence: PresenceRegistry

    def followed_channels(self) -> Sequence[Channel]:
        """The channels with a subscriber at this process."""
        return self.context.rooms.channels

    def repair(self) -> ChannelRepair:
        """Broadcasts what was committed without this process being told."""
        repair_s = self.base.config.cluster.repair_s
        events = self.base.store.events
        return ChannelRepair(self.relay, events, self.followed_channels, repair_s=repair_s)

    def clear_caches(self) -> None:
        """Read again what may have changed unnoticed."""
        self.directory.people.clear()
        self.directory.identities.clear()
        self.consents.cache.clear()
        self.catalog.cache.clear()
        self.practices.clear()
        for actor in self.registry.actors():
            actor.types_stale = True


@asynccontextmanager
async def open_core(
    base: Base,
    committed: CommittedEvents,
    alarms: Alarms,
    node: LocalNode | None,
    wrap_broadcaster: WrapBroadcaster | None,
) -> AsyncIterator[Core]:
    """Ready to work until the block ends; then the calendars complete what they accepted,
    and the relay broadcasts the events of that."""
    async with AsyncExitStack() as stack:
        tasks = Tasks()
        stack.push_async_callback(tasks.finish)
        core = _core(base, alarms, node, tasks.start, wrap_broadcaster)
        stack.push_async_callback(core.dispatcher.close)
        stack.push_async_callback(core.verifier.close)
        stack.push_async_callback(core.relay.stop)
        stack.push_async_callback(core.registry.close)
        if node:
            committed.subscribe(node.publisher.publish_events)
        committed.subscribe(core.relay.publish)
        yield core


def _core(
    base: Base,
    alarms: Alarms,
    node: LocalNode | None,
    spawn: Spawn,
    wrap_broadcaster: WrapBroadcaster | None,
) -> Core:
    config, store, clock = base.config, base.store, base.clock
    stored = StoredBytes(config.api.stored_bytes_per_day, clock.monotonic)
    directory = Directory(store.profiles)
    records = Records(store.records, clock, base.new_id, stored)
    consents = ConsentCheck(store.consents, clock, config.chatbot)
    practices = Practices(
        store.practices, directory, records, dentists_see=config.practice.dentists_see
    )
    catalog = Catalog(store.calendars.load_types, records, practices)
    identity = Identity(
        store.profiles,
        directory,
        practices,
        records,
        consents,
        adopt_by_email=config.adopts_by_email,
    )
    issuer = _issuer(base)
    verifier = TokenVerifier(config.auth, clock, issuer)
    revocations = Revocations(verifier, identity, spawn)
    dispatcher = _dispatcher(base, DeliveryRights(directory, consents, verifier, clock))
    verifier.on_rotation(dispatcher.recheck)
    calendars = node.claims if node else store.calendars
    registry = Registry(calendars, clock, config.actors, config.reservations, on_hold=alarms.add)
    caches = (directory.forget, catalog.forget, practices.forget)
    listeners = (*caches, registry.on_events, dispatcher.on_events)
    relay, context = _relay(
        base,
        revocations,
        listeners=(*listeners, revocations.events_committed),
        wrap_broadcaster=wrap_broadcaster,
        is_ours=node.publisher.take_own if node else None,
    )
    return Core(
        base=base,
        directory=directory,
        records=records,
        stored=stored,
        catalog=catalog,
        practices=practices,
        identity=identity,
        consents=consents,
        verifier=verifier,
        issuer=issuer,
        alarms=alarms,
        registry=registry,
        dispatcher=dispatcher,
        relay=relay,
        context=context,
        presence=PresenceRegistry(base.new_id),
    )


def _issuer(base: Base) -> Issuer | None:
    """The hub as an issuer of tokens, if people sign in there."""
    settings = base.config.sign_in
    if not settings.enabled:
        return None
    return Issuer(
        base.config.server.public_url,
        base.store.signing_keys,
        base.clock,
        key_life=timedelta(days=settings.key_days),
        password=settings.key_password,
    )


def _dispatcher(base: Base, rights: DeliveryRights) -> Dispatcher:
    return Dispatcher(
        base.config.webhooks,
        queue=base.store.webhooks,
        events=base.store.events,
        rights=rights,
        clock=base.clock,
        new_id=base.new_id,
        metrics=base.metrics,
    )


def _relay(
    base: Base,
    revocations: Revocations,
    *,
    listeners: Sequence[Listener],
    wrap_broadcaster: WrapBroadcaster | None,
    is_ours: Callable[[EventRecord], bool] | None,
) -> tuple[Relay, RoomsContext]:
    """The relay, and the rooms that it broadcasts to."""
    realtime, events = base.config.realtime, base.store.events
    rooms, time_slice = Rooms(), TimeSlice()
    broadcaster = RoomBroadcaster(rooms, time_slice)
    relay = Relay(
        events=events,
        clock=base.clock,
        broadcaster=wrap_broadcaster(broadcaster) if wrap_broadcaster else broadcaster,
        on_failure=broadcaster.notify_position,
        has_subscribers=(lambda _: True) if wrap_broadcaster else rooms.has_members,
        listeners=listeners,
        on_deliveries=base.metrics.delivered,
        is_ours=is_ours,
        settings=base.config.relay,
    )
    context = RoomsContext(
        rooms=rooms,
        joins=Joins(rooms, Changes(events), relay.positions),
        broadcaster=broadcaster,
        revocations=revocations,
        send_policy=SendPolicy(
            time_slice=time_slice,
            max_bytes=realtime.max_buffer_bytes,
            deflate_from_bytes=realtime.compress_from_bytes or None,
        ),
    )
    return relay, context
