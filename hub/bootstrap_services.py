"""Puts the services together, over the parts of a hub's core."""

from datetime import timedelta
from typing import Final

from actors.calendar.registry import Calendars
from actors.domain.principal import Role
from actors.domain.sign_in import SignInMethod
from actors.ports.clock import Clock
from actors.ports.profiles import Connections
from actors.services.availability import Availability
from actors.services.bookings import Bookings
from actors.services.changes import Changes
from actors.services.channel_access import ChannelAccess
from actors.services.consents import Consents
from actors.services.duplicates import Duplicates
from actors.services.invitations import Invitations
from actors.services.linked_visits import LinkedVisits
from actors.services.merging import Merging
from actors.services.messages import CalendarEntries, Messages
from actors.services.own_passkeys import OwnPasskeys
from actors.services.patient_import import PatientImport
from actors.services.patient_lookups import PatientLookups
from actors.services.people import People
from actors.services.practice_patients import PracticePatients
from actors.services.records import Records
from actors.services.replays import Replays
from actors.services.services import Services
from actors.services.sign_ins import SignIns
from actors.services.stored_bytes import StoredBytes
from actors.services.suspension import Suspension
from actors.services.webhooks import Webhooks
from actors.turns import Turns
from api.ratelimit import RateLimiter
from api.sign_in.authenticators import WebAuthn
from hub.bootstrap_core import Core
from hub.messages.calendar_file import VisitCalendars
from hub.sign_in_letter import invitation_mail

IMPORTED_DAYS: Final = 10
"""How many days' allowance of stored bytes the imports of one user have in a day."""

_NEVER_BY_MAIL: Final = frozenset({Role.STAFF, Role.DENTIST, Role.ADMIN})
"""Their rights are worth more than a mailbox; a demo has no mailboxes."""


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
    bookings, availability = _bookings(core, calendars), _availability(core, calendars, turns)
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


def _bookings(core: Core, calendars: Calendars) -> Bookings:
    base = core.base
    return Bookings(
        calendars,
        base.store.appointments,
        core.directory,
        core.practices,
        base.clock,
        base.new_id,
        core.stored,
        require_contact=base.config.practice.require_contact,
    )


def _availability(core: Core, calendars: Calendars, turns: Turns) -> Availability:
    base = core.base
    return Availability(
        calendars,
        core.catalog,
        core.directory,
        base.store.profiles,
        base.store.appointments,
        base.clock,
        base.new_id,
        core.stored,
        turns,
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
