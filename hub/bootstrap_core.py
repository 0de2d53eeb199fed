"""Builds what decides and what is decided on: calendars, their events, and the services."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from actors.calendar.alarms import Alarms
from actors.calendar.registry import Calendars, Registry
from actors.domain.channels import Channel
from actors.domain.principal import Role
from actors.domain.sign_in import SignInMethod
from actors.ports.clock import Clock, NewId
from actors.ports.events import Broadcaster, EventRecord
from actors.ports.profiles import Connections
from actors.relay.committed_events import CommittedEvents
from actors.relay.relay import Listener, Relay
from actors.services.availability import Availability
from actors.services.bookings import Bookings
from actors.services.catalog import Catalog
from actors.services.changes import Changes
from actors.services.channel_access import ChannelAccess
from actors.services.consents import ConsentCheck, Consents
from actors.services.delivery_rights import DeliveryRights
from actors.services.directory import Directory
from actors.services.duplicates import Duplicates
from actors.services.identity import Identity
from actors.services.invitations import Invitations
from actors.services.linked_visits import LinkedVisits
from actors.services.merging import Merging
from actors.services.messages import CalendarEntries, Messages
from actors.services.own_passkeys import OwnPasskeys
from actors.services.patient_import import PatientImport
from actors.services.patient_lookups import PatientLookups
from actors.services.people import People
from actors.services.practice_patients import PracticePatients
from actors.services.practices import Practices
from actors.services.records import Records
from actors.services.replays import Replays
from actors.services.services import Services
from actors.services.sign_ins import SignIns
from actors.services.stored_bytes import StoredBytes
from actors.services.suspension import Suspension
from actors.services.webhooks import Webhooks
from actors.tasks import Spawn, Tasks
from actors.turns import Turns
from api.auth import TokenVerifier
from api.issuer import Issuer
from api.ratelimit import RateLimiter
from api.realtime.rooms.broadcaster import RoomBroadcaster
from api.realtime.rooms.deps import RoomsContext
from api.realtime.rooms.fairness import TimeSlice
from api.realtime.rooms.joins import Joins
from api.realtime.rooms.revocations import Revocations
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.send_buffer import SendPolicy
from api.realtime.supabase.presence_registry import PresenceRegistry
from api.sign_in.authenticators import WebAuthn
from hub.cluster.local_node import LocalNode
from hub.cluster.stream.repair import ChannelRepair
from hub.config import Config
from hub.messages.calendar_file import VisitCalendars
from hub.sign_in_letter import invitation_mail
from hub.telemetry.metrics import Metrics
from hub.webhooks.dispatcher import Dispatcher
from store.engine import Store

IMPORTED_DAYS: Final = 10
"""How many days' allowance of stored bytes the imports of one user have in a day."""

_NEVER_BY_MAIL: Final = frozenset({Role.STAFF, Role.DENTIST, Role.ADMIN})
"""Their rights are worth more than a mailbox; a demo has no mailboxes."""

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


def build_services(core: Core, calendars: Calendars, connections: Connections) -> Services:
    """The services over the calendars of this process, or of all nodes together."""
    config, store = core.base.config, core.base.store
    clock, new_id = core.base.clock, core.base.new_id
    directory, catalog, records = core.directory, core.catalog, core.records
    practices, access, turns = core.practices, ChannelAccess(directory), Turns()
    duplicates = Duplicates(store.profiles, practices, config.practice.region)
    suspension = Suspension(store.webhooks, core.dispatcher, clock)
    files, mail = VisitCalendars(config.messages), invitation_mail(config, clock)
    sign_ins = _sign_ins(core, connections)
    bookings = Bookings(
        calendars,
        store.appointments,
        directory,
        practices,
        clock,
        new_id,
        core.stored,
        require_contact=config.practice.require_contact,
    )
    availability = Availability(
        calendars,
        catalog,
        directory,
        store.profiles,
        store.appointments,
        clock,
        new_id,
        core.stored,
        turns,
    )
    entries = CalendarEntries(bookings, directory, practices, catalog, files)
    return Services(
        identity=core.identity,
        access=access,
        people=People(store.profiles, directory, practices, records, connections, duplicates),
        lookups=_lookups(core),
        practices=practices,
        duplicates=duplicates,
        merging=Merging(directory, practices, store.practices, records, connections),
        imports=_imports(core, connections, duplicates, turns),
        practice_patients=PracticePatients(store.practices, store.profiles, directory, records),
        catalog=catalog,
        availability=availability,
        turns=turns,
        bookings=bookings,
        messages=Messages(store.messages, bookings, records),
        calendar_entries=entries,
        linked_visits=LinkedVisits(
            store.visit_links, bookings, availability, directory, practices, catalog, entries, clock
        ),
        changes=Changes(store.events),
        replays=Replays(store.events, clock, kept=timedelta(days=config.retention.events_days)),
        webhooks=_webhooks(core, access),
        suspension=suspension,
        consents=_consents(core, connections, suspension),
        sign_ins=sign_ins,
        own_passkeys=_own_passkeys(core, sign_ins),
        invitations=Invitations(store.invitations, directory, practices, clock, new_id, mail),
    )


def _lookups(core: Core) -> PatientLookups:
    config, clock = core.base.config, core.base.clock
    return PatientLookups(
        core.base.store.profiles,
        core.practices,
        clock,
        people=_per_hour(config.practice.lookups_per_hour, clock),
        chatbots=_per_hour(config.chatbot.lookups_per_hour, clock),
    )


def _imports(
    core: Core, connections: Connections, duplicates: Duplicates, turns: Turns
) -> PatientImport:
    """With an allowance of its own of what one person may store."""
    config, store, clock = core.base.config, core.base.store, core.base.clock
    allowance = StoredBytes(IMPORTED_DAYS * config.api.stored_bytes_per_day, clock.monotonic)
    records = Records(store.records, clock, core.base.new_id, allowance)
    people = People(
        store.profiles, core.directory, core.practices, records, connections, duplicates
    )
    return PatientImport(store.profiles, people, core.practices, turns, config.practice.region)


def _webhooks(core: Core, access: ChannelAccess) -> Webhooks:
    config, store = core.base.config, core.base.store
    return Webhooks(
        reads=store.webhooks,
        queue=store.webhooks,
        records=core.records,
        access=access,
        events=store.events,
        dispatcher=core.dispatcher,
        clock=core.base.clock,
        old_secret_kept=timedelta(hours=config.webhooks.old_secret_hours),
        lifetime=timedelta(days=config.webhooks.lifetime_days),
    )


def _sign_ins(core: Core, connections: Connections) -> SignIns:
    base, settings = core.base, core.base.config.sign_in
    is_demo = base.config.server.is_demo
    needs_passkey = frozenset(map(Role, settings.passkey_roles))
    return SignIns(
        base.store.sessions,
        base.store.accounts,
        core.directory,
        connections,
        base.clock,
        base.new_id,
        idle=timedelta(hours=settings.idle_hours),
        life=timedelta(days=settings.session_days),
        barred={
            SignInMethod.CODE: needs_passkey | (frozenset() if is_demo else _NEVER_BY_MAIL),
            SignInMethod.PROVIDER: () if base.config.openid.replaces_passkey else needs_passkey,
        },
    )


def _own_passkeys(core: Core, sign_ins: SignIns) -> OwnPasskeys:
    store, config = core.base.store, core.base.config
    return OwnPasskeys(
        store.passkeys,
        store.sessions,
        sign_ins,
        core.directory,
        WebAuthn.at(config.server.public_url),
        core.base.clock,
        has_codes=config.sign_in.email_codes,
    )


def _consents(core: Core, connections: Connections, suspension: Suspension) -> Consents:
    store = core.base.store
    return Consents(
        reads=store.consents,
        profiles=store.profiles,
        directory=core.directory,
        records=core.records,
        connections=connections,
        suspension=suspension,
        clock=core.base.clock,
        settings=core.base.config.chatbot,
    )


def _per_hour(most: int, clock: Clock) -> RateLimiter:
    return RateLimiter(rate_per_s=most / 3_600, burst=most, monotonic=clock.monotonic)
