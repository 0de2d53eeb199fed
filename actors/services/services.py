"""The services of a hub, in one object for everything that calls them."""

from dataclasses import dataclass, field

from actors.services.availability import Availability
from actors.services.bookings import Bookings
from actors.services.catalog import Catalog
from actors.services.changes import Changes
from actors.services.channel_access import ChannelAccess
from actors.services.consents import Consents
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
from actors.services.replays import Replays
from actors.services.sign_ins import SignIns
from actors.services.suspension import Suspension
from actors.services.webhooks import Webhooks
from actors.turns import Turns


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """Every use case of the hub: REST, sockets and the chatbot call the same ones."""

    identity: Identity
    access: ChannelAccess
    people: People
    lookups: PatientLookups
    practices: Practices
    merging: Merging
    imports: PatientImport
    duplicates: Duplicates
    practice_patients: PracticePatients
    catalog: Catalog
    availability: Availability
    bookings: Bookings
    changes: Changes
    replays: Replays
    webhooks: Webhooks
    suspension: Suspension
    consents: Consents
    sign_ins: SignIns
    messages: Messages
    calendar_entries: CalendarEntries
    linked_visits: LinkedVisits
    invitations: Invitations
    own_passkeys: OwnPasskeys
    turns: Turns = field(default_factory=Turns)
    """Of long computations, also those of the caller."""
