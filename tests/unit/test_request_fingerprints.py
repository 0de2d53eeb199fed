"""Fingerprints of requests stay the same, so that stored idempotency keys stay valid."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest

from actors.domain.appointment import AppointmentType
from actors.domain.channels import Channel
from actors.domain.ids import AppointmentId, AppointmentTypeId, DentistId, PatientId, ProfileId
from actors.domain.outcome import Outcome
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.webhook import DeliveryProgress, Webhook, WebhookId
from actors.ports.commits import IdempotencyKey, Reply, Turn
from actors.ports.webhooks import WebhookView
from actors.services.availability import Availability
from actors.services.bookings import Bookings
from actors.services.caller import Caller
from actors.services.catalog import Catalog
from actors.services.channel_access import ChannelAccess
from actors.services.people import People
from actors.services.records import Records
from actors.services.requests import WebhookGrant
from actors.services.stored_bytes import StoredBytes
from actors.services.webhooks import Webhooks
from actors.turns import Turns
from api.schemas import load
from api.schemas.appointment_types import CHANGE_TYPE, CREATE_TYPE
from api.schemas.bodies import (
    BOOK,
    CHANGE_APPOINTMENT,
    CHANGE_PROFILE,
    CREATE_PROFILE,
    HOLD,
)
from api.schemas.queries import CANCEL
from api.schemas.schedule import SCHEDULE
from api.schemas.webhooks import CHANGE_WEBHOOK, CREATE_WEBHOOK, REPLAY, ROTATE_SECRET
from tests.support.clock import FakeClock

DENTIST = DentistId(ProfileId("01976f2e-0000-7000-8000-00000000000d"))
PATIENT = PatientId(ProfileId("01976f2e-0000-7000-8000-00000000000a"))
TYPE = AppointmentTypeId("01976f2e-0000-7000-8000-000000000007")
ROW = AppointmentId("01976f2e-0000-7000-8000-000000000001")
HOOK = WebhookId(ROW)
URL = "https://a.example/x"
CHANNEL = Channel("availability:all")
SLOT = {"dentist_id": DENTIST, "appointment_type_id": TYPE, "start": "2027-03-08T10:00:00+01:00"}

REPLY = Reply(outcome=Outcome.CREATED, resource_id=ROW, version=1, body=b"{}")
PROFILE = Profile(id=PATIENT, role=Role.PATIENT, name="Pat")
BOT = Principal(role=Role.CHATBOT, subject=Role.CHATBOT)


def caller(role: Role, person: ProfileId | None = None) -> Caller:
    principal = Principal(role=role, subject=role, person=person)
    return Caller(principal=principal, request_id="r", idempotency_key="k")


PAT, DEN = caller(Role.PATIENT, PATIENT), caller(Role.DENTIST, DENTIST)
ADMIN, CHATBOT = caller(Role.ADMIN), caller(Role.CHATBOT)

GRANT = WebhookGrant(key_id="key-1", rights_until=None)


class Rows:
    async def get(self, *_: object) -> object:
        return SimpleNamespace(dentist_id=DENTIST), {}


class World:
    """Stubs of calendars, stores and directory that keep the last idempotency key."""

    def __init__(self) -> None:
        self.key: IdempotencyKey | None = None
        self.clock = FakeClock()
        stand_in, new_id = cast("Any", self), lambda: str(ROW)
        stored = StoredBytes(0, self.clock.monotonic)
        records = Records(stand_in, self.clock, new_id, stored)
        self.catalog = Catalog(self.types, records, stand_in)
        self.bookings = Bookings(
            stand_in, cast("Any", Rows()), stand_in, stand_in, self.clock, new_id, stored
        )
        self.availability = Availability(
            stand_in,
            self.catalog,
            stand_in,
            stand_in,
            stand_in,
            self.clock,
            new_id,
            stored,
            Turns(),
        )
        self.people = People(stand_in, stand_in, stand_in, records, stand_in, stand_in)
        self.webhooks = Webhooks(
            reads=stand_in,
            queue=stand_in,
            records=records,
            access=ChannelAccess(stand_in),
            events=stand_in,
            dispatcher=stand_in,
            clock=self.clock,
            old_secret_kept=timedelta(days=1),
            lifetime=timedelta(days=90),
        )

    async def execute(self, *_: object, key: IdempotencyKey, request_id: str) -> Reply:
        self.key = key
        return REPLY

    async def commit_record(self, turn: Turn) -> Reply:
        self.key = turn.key
        return REPLY

    async def types(self) -> list[AppointmentType]:
        return [AppointmentType(id=TYPE, name="Check-up", duration_minutes=30)]

    async def dentist(self, dentist_id: DentistId) -> DentistId:
        return dentist_id

    async def patient(self, patient_id: PatientId) -> PatientId:
        return patient_id

    async def person(self, _: object) -> Profile:
        return PROFILE

    async def by_id(self, _: object) -> Profile:
        return PROFILE

    async def only_one(self) -> None: ...

    def drop(self, _: object) -> None: ...

    async def get(self, *_: object) -> object:
        webhook = Webhook(
            id=HOOK,
            owner=BOT,
            url=URL,
            channels=(CHANNEL,),
            description=None,
            rights_until=None,
            key_id="key-1",
            expires_at=self.clock.now() + timedelta(days=90),
            created_at=self.clock.now(),
            updated_at=self.clock.now(),
        )
        progress = DeliveryProgress(channel=CHANNEL, position=Position(1, 5))
        return WebhookView(webhook=webhook, progress=(progress,))

    async def heads(self, channels: list[Channel], by: object) -> Mapping[Channel, Position]:
        return dict.fromkeys(channels, Position(1, 50))

    async def oldest(self, _: object) -> int:
        return 1

    async def check(self, _: object) -> None: ...

    def changed(self, _: object) -> None: ...


CHANGES = {
    "start": "2027-03-08T10:00Z",
    "appointment_type_id": TYPE,
    "status": "cancelled",
    "notes": "n",
    "cancel_reason": "patient_ill",
    "overbook": False,
}
HOURS = {
    "time_zone": "Europe/Vienna",
    "rules": [{"weekday": "monday", "start": "09:00", "end": "17:00"}],
    "appointment_type_ids": [TYPE],
}

CALLS: Final[Mapping[str, tuple[str, Callable[[World], Awaitable[Reply]]]]] = {
    "hold": ("7a24496ad9feb13a5d93778c8d5b3bd6", lambda w: w.bookings.hold(PAT, load(HOLD, SLOT))),
    "release": ("5b50e96e444d303f0cb7767a5bc46a36", lambda w: w.bookings.release(PAT, ROW)),
    "book a reservation": (
        "33db53c856849f630426c539a56c2bb3",
        lambda w: w.bookings.book(PAT, load(BOOK, {"reservation_id": ROW})),
    ),
    "book a reservation with notes": (
        "b2e9bae823d684919f9334095359ff0e",
        lambda w: w.bookings.book(PAT, load(BOOK, {"reservation_id": ROW, "notes": "x"})),
    ),
    "book a slot": (
        "35ebaf7263bc7aa1452b4ba85a74ae21",
        lambda w: w.bookings.book(PAT, load(BOOK, SLOT)),
    ),
    "book a slot for a patient": (
        "2c82b608107e0c67128cc1b1389b1a5e",
        lambda w: w.bookings.book(
            DEN, load(BOOK, {**SLOT, "patient_id": PATIENT, "notes": "é", "overbook": True})
        ),
    ),
    "change notes": (
        "0485e313f11fc6b1af626a4851beae6c",
        lambda w: w.bookings.change(DEN, ROW, load(CHANGE_APPOINTMENT, {"notes": None})),
    ),
    "change all": (
        "a03a6ea97bcf219386c2b5a3a81d851c",
        lambda w: w.bookings.change(
            DEN, ROW, load(CHANGE_APPOINTMENT, CHANGES), expected_version=3
        ),
    ),
    "cancel": (
        "ab39b1c6d79d286c440ff0deef447ffd",
        lambda w: w.bookings.cancel(
            DEN, ROW, load(CANCEL, {"reason": "patient_ill"}), expected_version=3
        ),
    ),
    "cancel without reason": (
        "3b5debc2e2cd05a602e0a75f36eb329f",
        lambda w: w.bookings.cancel(DEN, ROW, load(CANCEL, {})),
    ),
    "replace a schedule": (
        "adedc043b14ae1f42656adff0741e81d",
        lambda w: w.availability.replace(
            DEN, DENTIST, load(SCHEDULE, HOURS), expected_version=2, dry_run=True
        ),
    ),
    "create a type": (
        "345c1f1c55d9ed6ceb1442042f01c32b",
        lambda w: w.catalog.create(ADMIN, load(CREATE_TYPE, {"name": "A", "duration_minutes": 30})),
    ),
    "change a type": (
        "a1297ff33ec76f3dd72dcf38ce6d9228",
        lambda w: w.catalog.change(
            ADMIN, TYPE, load(CHANGE_TYPE, {"name": "A"}), expected_version=1
        ),
    ),
    "create a profile": (
        "5790d383453117e6b0974a8490af609d",
        lambda w: w.people.create(
            ADMIN, load(CREATE_PROFILE, {"role": "patient", "name": "A", "email": None})
        ),
    ),
    "change a profile": (
        "921a674e4c5be39f966fd309924ce39b",
        lambda w: w.people.update_me(PAT, load(CHANGE_PROFILE, {"phone": None, "name": "B"})),
    ),
    "create a webhook": (
        "5d8f714f22a49f00fd9b1a4e85ea59f4",
        lambda w: w.webhooks.create(CHATBOT, load(CREATE_WEBHOOK, {"url": URL}), GRANT),
    ),
    "change a webhook": (
        "0f664cf936271d4d1c754567e8c5f721",
        lambda w: w.webhooks.change(
            CHATBOT,
            HOOK,
            load(CHANGE_WEBHOOK, {"channels": [CHANNEL], "status": "active", "description": None}),
            GRANT,
        ),
    ),
    "rotate a secret": (
        "22958c585da15cd105d1ae4f34398332",
        lambda w: w.webhooks.rotate(CHATBOT, HOOK, load(ROTATE_SECRET, {})),
    ),
    "replay": (
        "b852dc8b5d89c99fdadc979a4a62f2e1",
        lambda w: w.webhooks.replay(
            CHATBOT, HOOK, load(REPLAY, {"channel": CHANNEL, "since": "1.42"})
        ),
    ),
    "delete a webhook": (
        "0a16cf978e0ae73cc5e558480fce1395",
        lambda w: w.webhooks.delete(CHATBOT, HOOK, expected_version=1),
    ),
}


@pytest.mark.parametrize(("fingerprint", "call"), CALLS.values(), ids=CALLS)
async def test_the_fingerprint_of_a_request_never_changes(
    fingerprint: str, call: Callable[[World], Awaitable[Reply]]
) -> None:
    world = World()
    await call(world)
    assert world.key is not None
    assert world.key.fingerprint == fingerprint
