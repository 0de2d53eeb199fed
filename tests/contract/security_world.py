"""Two practices with a dentist, a desk and patients, and who may see what: once more, in Python."""

# ruff: noqa: S608  # names of tables, out of the schema, and attacks, which are the matter

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest

from actors.domain.appointment import Status
from actors.domain.channels import Channel, may_join
from actors.domain.events import PatientsMerged, ProfileSaved, RowEvent
from actors.domain.ids import DentistId
from actors.domain.principal import Principal, Role
from actors.domain.profile import MessageConsent, MessageConsents, Profile
from actors.ports.events import Delivery
from store.sql.schema import metadata
from tests.contract.clinic import (
    ADMIN,
    DAY,
    Clinic,
    booked,
    client_key,
    dentist,
    held,
    moved,
    patient,
    staff,
)
from tests.contract.engines import Database
from tests.contract.hooks import add_consent, add_message, add_webhook

BOT = Principal(role=Role.CHATBOT, subject="bot")
OTHER_BOT = Principal(role=Role.CHATBOT, subject="other bot")
Row = dict[str, Any]


@dataclass
class World:
    """Two practices and their patients; all that may be known, as the writer sees it."""

    clinic: Clinic
    database: Database
    ann: Profile
    bob: Profile
    pat: Profile  # at Ann and at Bob
    pia: Profile  # at Bob only
    hal: Profile  # holds a slot at Ann, was never booked
    eve: Profile  # entered by Ann, has no appointment
    sue: Profile  # the desk of Ann's practice
    tom: Profile  # the desk of Bob's
    mel: Profile  # was booked at Ann, then merged into Pat
    kim: Profile  # a dentist of Ann's practice who sees all its patients

    @property
    def principals(self) -> dict[str, Principal | None]:
        return {
            "ann": dentist(self.ann),
            "bob": dentist(self.bob),
            "kim": self.of_practice(self.kim),
            "pat": patient(self.pat),
            "pia": patient(self.pia),
            "hal": patient(self.hal),
            "eve": patient(self.eve),
            "sue": staff(self.sue, self.ann),
            "tom": staff(self.tom, self.bob),
            "staff without practice": Principal(role=Role.STAFF, subject="?"),
            "pat, signed in here": replace(patient(self.pat), subject="chairside:one"),
            "pat of an equal subject": replace(patient(self.pat), subject="one"),
            "admin": ADMIN,
            "bot": BOT,
            "bot for pat": acting(BOT, self.pat),
            "dentist without profile": Principal(role=Role.DENTIST, subject="?"),
            "nobody": None,
        }

    def of_practice(self, who: Profile) -> Principal:
        """A dentist who sees all patients of Ann's practice."""
        colleagues = (DentistId(self.ann.id), DentistId(self.kim.id))
        return replace(dentist(who), colleagues=colleagues)

    def all_rows(self, table: str) -> list[Row]:
        columns = [name for _, name, *_ in self.database.query(f'PRAGMA table_info("{table}")')]
        return [
            dict(zip(columns, row, strict=True))
            for row in self.database.query(f'SELECT * FROM "{table}"')
        ]

    async def query(self, who: Principal | None, sql: str, *params: Any) -> list[Row]:
        """Raw SQL on a caller's connection."""
        store = self.clinic.store
        async with store._readers.caller(who or BOT) as connection:
            if who is None:
                connection.info["guard"].bind(None)
            return [dict(r._mapping) for r in await connection.exec_driver_sql(sql, params)]


def acting(bot: Principal, for_whom: Profile) -> Principal:
    """A chatbot's service token on behalf of a patient."""
    return Principal(role=Role.PATIENT, subject=bot.subject, person=for_whom.id, acting=bot.subject)


@pytest.fixture
async def world(clinic: Clinic, database: Database) -> World:
    here, there = await clinic.add_practice("Here"), await clinic.add_practice("There")
    ann = await clinic.add_dentist(
        "Dr Ann", email="ann@example.org", phone="1", practice_id=here.id
    )
    bob = await clinic.add_dentist("Dr Bob", subject="sub-bob", practice_id=there.id)
    sue = await clinic.add_staff("Sue", here, subject="sub-sue", email="sue@example.org")
    tom = await clinic.add_staff("Tom", there)
    kim = await clinic.add_dentist("Dr Kim", practice_id=here.id)
    record: dict[str, Any] = {
        "date_of_birth": date(1980, 3, 8),
        "language": "de-AT",
        "consent": MessageConsents(sms=MessageConsent(given=True, at=clinic.clock.now())),
    }
    pat = await clinic.add_patient(
        "Pat", subject="sub-pat", email="pat@example.org", phone="2", **record
    )
    pia = await clinic.add_patient(
        "Pia", subject="sub-pia", email="pia@example.org", phone="3", **record
    )
    hal = await clinic.add_patient("Hal", email="hal@example.org", phone="4", **record)
    eve = await clinic.add_patient("Eve", joins=here.id, email="eve@example.org", created_by=ann.id)
    renamed = replace(sue, name="Sue Ann", version=2)
    await clinic.save(ProfileSaved(before=sue, after=renamed))
    now = clinic.clock.now()
    rows: dict[Profile, list[RowEvent]] = {
        ann: [
            booked(clinic.row(ann, pat, now + DAY, notes="of Pat and Ann")),
            held(clinic.row(ann, hal, now + 2 * DAY, status=Status.HELD)),
        ],
        bob: [
            booked(clinic.row(bob, pat, now + 3 * DAY, notes="of Pat and Bob")),
            booked(clinic.row(bob, pia, now + 4 * DAY, notes="of Pia and Bob")),
        ],
    }
    for one, events in rows.items():
        turns = [
            clinic.turn(event, key=client_key(event.after.id, scope=by.scope), by=by)
            for event in events
            for by in [Principal(role=Role.PATIENT, subject="p", person=event.after.patient_id)]
        ]
        await clinic.commit(await clinic.open(one), *turns)
    left = clinic.row(ann, pat, now + 9 * DAY, notes="of Pat, from Ann to Bob")
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(left)))
    await clinic.commit(await clinic.open(bob), clinic.turn(moved(left, bob)))
    for owner in (BOT, acting(BOT, pat), acting(OTHER_BOT, pat), ADMIN):
        await add_webhook(clinic, owner)
    for each in (pat, pia, hal):
        await add_consent(clinic, each)
    for event in (*rows[ann][:1], *rows[bob]):
        await add_message(clinic, event.after)
    await add_message(clinic)
    mel, pat = await _merged(clinic, ann, pat)
    await _deliver_some(clinic)
    _share(database)
    return World(clinic, database, ann, bob, pat, pia, hal, eve, renamed, tom, mel, kim)


async def _merged(clinic: Clinic, ann: Profile, pat: Profile) -> tuple[Profile, Profile]:
    """Someone else's record of Pat, with a visit at Ann, and Pat as both are now."""
    mel = await clinic.add_patient("Mel", email="mel@example.org", phone="5", created_by=ann.id)
    visit = clinic.row(ann, mel, clinic.clock.now() + 5 * DAY, notes="of Mel and Ann")
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(visit)))
    after = replace(pat, version=pat.version + 1)
    event = PatientsMerged(
        merged=mel, before=pat, after=after, dentists=(DentistId(ann.id),), practices=()
    )
    await clinic.save(event)
    return event.ended, after


async def _deliver_some(clinic: Clinic) -> None:
    pending = await clinic.store.events.pending(limit=1_000)
    ids = sorted({record.event_id for record in pending})
    delivered = ids[: len(ids) // 2]
    await clinic.store.events.mark(
        [
            Delivery(
                channel=record.channel,
                position=record.position,
                sent=True,
                at=clinic.clock.now(),
                latency_ms=float(number),
                attempts=1,
                recipients=0,
            )
            for number, record in enumerate(pending, 1)
            if record.event_id in delivered
        ]
    )


def _share(database: Database) -> None:
    """As if nodes shared it, on either engine: something to hide."""
    at = "to_timestamp(0)" if database.url.startswith("postgresql") else "0"
    for each in ("one", "two"):
        database.query(f"INSERT INTO accounts VALUES ('{each}', 'patient', NULL, {at})")
        values = f"'{each}', '{each}', 'passkey', 'x', {at}, {at}, {at}, NULL"
        database.query(f"INSERT INTO sessions VALUES ({values})")
        secrets = f"'{each}', 'handle of {each}', 'x', NULL, 'x', {at}"
        database.query(f"INSERT INTO session_secrets VALUES ({secrets})")
        empty = "decode('', 'hex')" if at != "0" else "x''"
        database.query(f"INSERT INTO passkeys VALUES ('{each}', '{each}', {empty}, 0, {at}, NULL)")
        database.query(f"INSERT INTO mail_codes VALUES ('{each}', NULL, 'x', 'x', 0, {at})")
        database.query(f"INSERT INTO provider_sign_ins VALUES ('{each}', NULL, NULL, {at})")
        database.query(f"INSERT INTO provider_subjects VALUES ('x', '{each}', '{each}', {at})")
        database.query(f"INSERT INTO wrong_codes VALUES ('{each}', {at}, 1)")
        waiting = f"'{each}', 'x', 'x', 'x', '1980-01-01', NULL, {at}"
        database.query(f"INSERT INTO registrations VALUES ({waiting})")
        database.query(f"INSERT INTO address_tries VALUES ('{each}', {at}, 1)")
        database.query(f"INSERT INTO ceremonies VALUES ('{each}', 'x', NULL, NULL, {at})")
        invited = f"'{each}', 'patient', NULL, NULL, NULL, '{each}', {at}, {at}, NULL"
        database.query(f"INSERT INTO invitations VALUES ({invited})")
    database.query(
        "INSERT INTO invitations SELECT 'of ' || id, 'patient', NULL, NULL, id, id, "
        f"{at}, {at}, NULL FROM practices"
    )
    database.query(
        f"INSERT INTO visit_links SELECT id, 'm', id, patient_id, NULL, {at}, {at}, NULL"
        " FROM appointments"
    )
    database.query("INSERT INTO wrong_birth_dates SELECT id, 1 FROM profiles")
    database.query(f"INSERT INTO signing_keys VALUES ('k', 'x', 'x', {at})")
    database.query("INSERT INTO cluster (id, epoch, key) VALUES (1, 1, 'a secret')")
    database.query(
        "INSERT INTO nodes (id, name, address, state, version, joined_at, lease_until)"
        f" VALUES ('n', 'n', 'http://n', 'live', '1', {at}, {at})"
    )


def _webhook(world: World, who: Principal, row: Row) -> bool:
    """An admin and the patient whom it concerns may end it."""
    is_patient = who.role is Role.PATIENT and who.acting is None
    concerns = is_patient and row["patient_id"] == who.person
    return who.role is Role.ADMIN or concerns or _own_webhook(world, who, row)


def _consent(world: World, who: Principal, row: Row) -> bool:
    """The patient, the patient's dentists and their practices, and admins."""
    is_patient = who.role is Role.PATIENT and who.acting is None
    of_ann, of_bob = {world.pat.id}, {world.pat.id, world.pia.id}
    booked_at = {
        world.ann.id: of_ann,
        world.bob.id: of_bob,
        world.sue.id: of_ann,
        world.tom.id: of_bob,
    }
    return (
        who.role is Role.ADMIN
        or (is_patient and row["patient_id"] == who.person)
        or row["patient_id"] in booked_at.get(who.person or world.pat.id, set())
    )


def _own_webhook(world: World, who: Principal, row: Row) -> bool:
    """Of the party that created it, for the same person."""
    scopes = dict(world.database.query("SELECT id, scope FROM webhooks"))
    return bool(scopes[row.get("webhook_id") or row["id"]] == who.scope)


# --- what they may see ---------------------------------------------------------------


def _own_appointment(world: World, who: Principal, row: Row) -> bool:
    if who.role is Role.STAFF:
        return row["dentist_id"] in who.calendars
    column = {Role.DENTIST: "dentist_id", Role.PATIENT: "patient_id"}.get(who.role)
    return bool(column and who.person and row[column] == who.person)


def _own_history(world: World, who: Principal, row: Row) -> bool:
    """Of an appointment that is one's own now, wherever it was before."""
    found = world.database.query("SELECT id, dentist_id, patient_id FROM appointments")
    now = {of: {"dentist_id": at, "patient_id": whose} for of, at, whose in found}
    place = now.get(row["resource_id"])
    return place is not None and _own_appointment(world, who, place)


def _message(_: World, who: Principal, row: Row) -> bool:
    """About a visit, of the dentist and the practice; codes are shown to no one."""
    is_own = who.role in (Role.DENTIST, Role.STAFF) and (
        row["dentist_id"] in who.calendars or row["dentist_id"] == who.person
    )
    return row["appointment_id"] is not None and (who.role is Role.ADMIN or is_own)


def _profile(world: World, who: Principal, row: Row) -> bool:
    of_ann = {world.pat.id, world.hal.id, world.eve.id}
    of_bob = {world.pat.id, world.pia.id}
    known_to = {
        world.ann.id: of_ann | {world.sue.id},
        world.bob.id: of_bob | {world.tom.id},
        world.sue.id: of_ann,
        world.tom.id: of_bob,
        world.kim.id: {world.pat.id, world.eve.id, world.sue.id},
    }
    known = known_to.get(who.person or world.pat.id, set())
    return row["role"] == "dentist" or row["id"] == who.person or row["id"] in known


MAY_SEE: dict[str, Callable[[World, Principal, Row], bool]] = {
    "alembic_version": lambda *_: False,
    "appointment_types": lambda *_: True,
    "appointments": _own_appointment,
    "audit_log": _own_history,
    "calendars": lambda *_: False,
    "cluster": lambda *_: False,
    "deliveries": lambda *_: False,
    "event_channels": lambda _, who, row: may_join(who, Channel(row["channel"])),
    "event_log": lambda *_: False,
    "hub": lambda *_: True,
    "mail_codes": lambda *_: False,
    "provider_sign_ins": lambda *_: False,
    "provider_subjects": lambda *_: False,
    "wrong_codes": lambda *_: False,
    "registrations": lambda *_: False,
    "address_tries": lambda *_: False,
    "wrong_birth_dates": lambda *_: False,
    "ceremonies": lambda *_: False,
    "passkeys": lambda *_: False,
    "invitations": lambda _, who, row: (
        who.role == "admin"
        or (who.role == "staff" and row["practice_id"] in {who.practice} - {None})
    ),
    "accounts": lambda *_: False,
    "session_secrets": lambda *_: False,
    "sessions": lambda _, who, row: who.role == "admin" or row["account_id"] == who.account,
    "signing_keys": lambda *_: False,
    "identities": lambda *_: False,
    "idempotency_keys": lambda _, who, row: row["scope"] == who.scope,
    "messages": _message,
    "visit_links": lambda *_: False,
    "nodes": lambda *_: False,
    "practices": lambda *_: True,
    "patient_words": lambda _, who, row: who.works_at_practice and row["practice_id"] == who.sight,
    "practice_patients": lambda _, who, row: (
        who.works_at_practice and row["practice_id"] == who.sight
    ),
    "profiles": _profile,
    "realtime_events": lambda _, who, row: may_join(who, Channel(row["channel"])),
    "webhook_cursors": _own_webhook,
    "webhook_deliveries": _own_webhook,
    "consents": _consent,
    "webhook_secrets": lambda *_: False,
    "webhooks": _webhook,
}


def key_of(table: str) -> list[str]:
    if table == "alembic_version":
        return ["version_num"]
    if table in ("event_channels", "realtime_events"):  # the ids of events are not shown
        return ["channel", "offset"]
    return [column.name for column in metadata.tables[table].columns if column.primary_key]


def keys(table: str, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    return sorted(tuple(row[name] for name in key_of(table)) for row in rows)


def expected(world: World, table: str, who: Principal | None) -> list[tuple[Any, ...]]:
    rows = world.all_rows(table)
    assert rows, f"nothing to hide in {table}: the test would be vacuous"
    return keys(table, [row for row in rows if who and MAY_SEE[table](world, who, row)])
