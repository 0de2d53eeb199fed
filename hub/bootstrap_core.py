"""The calendars of this process and the services over them, put together."""

from dataclasses import dataclass
from datetime import timedelta

from actors.calendar.alarms import Alarms
from actors.calendar.registry import Calendars, Registry
from actors.ports.calendars import CalendarStore
from actors.ports.clock import Clock, NewId
from actors.ports.webhooks import WebhookDispatcher
from actors.services.availability import Availability
from actors.services.bookings import Bookings
from actors.services.catalog import Catalog
from actors.services.changes import Changes
from actors.services.directory import Directory
from actors.services.identity import Identity
from actors.services.people import People
from actors.services.records import Records
from actors.services.replays import Replays
from actors.services.services import Services
from actors.services.webhooks import Webhooks
from hub.cluster.calendars.ownership import ClaimingStore
from hub.cluster.wiring import Meeting
from hub.config import Config
from store.engine import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Core:
    clock: Clock
    new_id: NewId
    directory: Directory
    alarms: Alarms
    registry: Registry
    services: Services
    meeting: Meeting

    def forget_caches(self) -> None:
        """Nothing that was read before now is believed."""
        self.directory.people.clear()
        self.directory.subjects.clear()
        self.services.catalog.cache.clear()
        for actor in self.registry.actors():
            actor.types_stale = True


def build_core(
    config: Config,
    store: Store,
    directory: Directory,
    dispatcher: WebhookDispatcher,
    clock: Clock,
    new_id: NewId,
) -> Core:
    """``dispatcher`` delivers what the webhooks of :class:`Services` ask for."""
    records = Records(store.records, clock, new_id)
    catalog = Catalog(store.calendars.load_types, records)
    meeting = Meeting()
    alarms = Alarms(clock, lambda due: bookings.expire(due))
    own: CalendarStore = store.calendars
    if config.is_clustered:
        own = meeting.claims = ClaimingStore(store.calendars, alarms.add)
    registry = Registry(own, clock, config.actors, config.reservations, on_hold=alarms.add)
    asked: Calendars = meeting if config.is_clustered else registry
    bookings = Bookings(asked, store.appointments, directory, clock, new_id)
    services = Services(
        identity=Identity(store.profiles, directory, records),
        people=People(store.profiles, directory, records, meeting),
        catalog=catalog,
        availability=Availability(asked, catalog, directory, store.profiles, clock, new_id),
        bookings=bookings,
        changes=Changes(store.events),
        replays=Replays(store.events, clock, kept=timedelta(days=config.retention.events_days)),
        webhooks=Webhooks(
            reads=store.webhooks,
            queue=store.webhooks,
            records=records,
            events=store.events,
            dispatcher=dispatcher,
            clock=clock,
            old_secret_kept=timedelta(hours=config.webhooks.old_secret_hours),
        ),
    )
    return Core(
        meeting=meeting,
        clock=clock,
        new_id=new_id,
        directory=directory,
        alarms=alarms,
        registry=registry,
        services=services,
    )
