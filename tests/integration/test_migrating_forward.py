"""An old, populated database becomes a new one without loss: from every revision, everywhere."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from actors.domain.channels import dentist_channel
from actors.domain.ids import AppointmentId, DentistId, ProfileId
from actors.domain.principal import Principal, Role
from actors.domain.webhook import DisabledReason
from actors.ports.appointments import AppointmentQuery
from actors.services.delivery_rights import DeliveryRights
from store.engine import Store, open_store
from store.migrations.migrate import plan, upgrade
from store.settings import DatabaseSettings
from store.sql.schema import event_channels, hub, metadata, realtime_events
from store.transfer.dump import TABLES
from store.transfer.maintenance import reading, writing
from tests.contract.clinic import Postbox, render
from tests.support.clock import FakeClock
from tests.support.database import ENGINES
from tests.support.ids import SerialIds
from tests.support.postgres import ADMIN, postgres_server

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
REVISIONS = tuple(f"{number:04}" for number in range(1, 35))
"""What was once the newest. A new migration adds the one before it here."""
DENTIST = Principal(role=Role.DENTIST, subject="sub-d", person=ProfileId("d"))
MINE = DentistId(ProfileId("d"))
SEEN = datetime(2027, 3, 1, 9, 0, 0, 123456, tzinfo=UTC)
COUNT = 300


@pytest.fixture(params=ENGINES)
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Of an empty database: the hub's own, and whose login may change the schema."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'clinic.db'}"
        yield url, url
        return
    server = postgres_server()
    name = server.create()
    yield server.url(name), server.url(name, ADMIN)
    server.drop(name)


def test_every_revision_but_the_newest_is_tried(tmp_path: Path) -> None:
    every = [step.id for step in plan(f"sqlite:///{tmp_path / 'none.db'}").pending]
    assert [*REVISIONS] == every[:-1]


@pytest.mark.parametrize("revision", REVISIONS)
async def test_an_old_populated_database_is_brought_forward_without_loss(
    urls: tuple[str, str], revision: str
) -> None:
    url, owner = urls
    upgrade(url, migrate_url=owner, to=revision)
    writing(owner, _populate)
    before = reading(owner, _contents)
    done = upgrade(url, migrate_url=owner)
    assert [step.id for step in done.pending] == _after(revision)
    _same_rows(before, reading(owner, _contents))
    if revision > "0002":
        await _it_works(url, populated="realtime_events" in before)


def test_step_by_step_is_the_same_as_at_once(urls: tuple[str, str]) -> None:
    """Each version's own rows, written when it was the newest, are there at the end."""
    url, owner = urls
    for revision in REVISIONS:
        upgrade(url, migrate_url=owner, to=revision)
        writing(owner, _populate)
    before = reading(owner, _contents)
    upgrade(url, migrate_url=owner)
    _same_rows(before, reading(owner, _contents))
    writing(owner, _populate)
    assert {*reading(owner, _contents)} == {"hub", *_ROWS}, "nothing was left out"


async def test_webhooks_of_an_unknown_key_get_an_expiry_and_are_to_be_suspended(
    urls: tuple[str, str],
) -> None:
    url, owner = urls
    upgrade(url, migrate_url=owner, to="0009")
    writing(owner, _populate)
    upgrade(url, migrate_url=owner)
    async with _opened(url) as store:
        (target,) = await store.webhooks.active(after=None, limit=10, now=SEEN)
        webhook = target.view.webhook
        assert webhook.key_id is None
        assert webhook.expires_at is not None
        assert timedelta(days=89) < webhook.expires_at - datetime.now(UTC) <= timedelta(days=90)
        clock, unused = FakeClock(SEEN - timedelta(days=1)), cast("Any", None)
        rights = DeliveryRights(unused, unused, NoKeys(), clock)
        assert await rights.lapsed(webhook) is DisabledReason.KEY_REMOVED


class NoKeys:
    async def accepts(self, key_id: str | None) -> bool:
        return key_id is not None


def test_people_are_matched_by_the_subjects_that_they_had(urls: tuple[str, str]) -> None:
    url, owner = urls
    upgrade(url, migrate_url=owner, to="0023")
    writing(owner, _populate)
    upgrade(url, migrate_url=owner)
    (known,) = reading(owner, _contents)["identities"]
    assert known.pop("created_at") <= datetime.now(UTC)
    assert known == {"issuer": "auth", "subject": "sub-d", "profile_id": "d"}


def test_contacts_and_zones_get_the_form_in_which_they_are_compared(urls: tuple[str, str]) -> None:
    url, owner = urls
    upgrade(url, migrate_url=owner, to="0010")
    writing(owner, _populate)
    people = metadata.tables["profiles"]
    newer = {"phone_key", "practice_id", "active", "merged_into"}
    newer |= {"date_of_birth", "language", "consent"}
    old = [column.name for column in people.c if column.name not in newer]
    rows = [
        _person("e1", "patient", "A", email="Pat@Straße.example", email_key="pat@strasse.example"),
        _person("e2", "patient", "B", phone="+43 (0)1 234-5678", time_zone="right/Europe/Vienna"),
        _person("e3", "patient", "C", phone="01/2345678", time_zone="localtime"),
        _person("e4", "patient", "D", time_zone="US/Pacific"),
    ]
    calendar = _ROWS["calendars"][0]
    schedule = calendar["schedule"].replace("Europe/Berlin", "posix/Europe/Berlin")

    def fill(connection: Connection) -> None:
        connection.execute(insert(people), [{name: row[name] for name in old} for row in rows])
        connection.execute(update(metadata.tables["calendars"]).values(schedule=schedule))

    writing(owner, fill)
    upgrade(url, migrate_url=owner)
    after = reading(owner, _contents)
    found = {row["id"]: row for row in after["profiles"]}
    assert found["e1"]["email_key"] == "pat@xn--strae-oqa.example"
    assert found["p"]["email_key"] == "p@x"
    numbers = {id_: found[id_]["phone_key"] for id_ in ("e1", "e2", "e3", "q")}
    assert numbers == {"e1": None, "e2": "+4312345678", "e3": "012345678", "q": "+1"}
    zones = [found[id_]["time_zone"] for id_ in ("d", "e2", "e3", "e4")]
    assert zones == ["Europe/Berlin", "Europe/Vienna", "UTC", "US/Pacific"]
    assert after["calendars"] == [calendar]


async def test_everyone_who_is_known_belongs_to_one_practice(urls: tuple[str, str]) -> None:
    url, owner = urls
    upgrade(url, migrate_url=owner, to="0014")
    writing(owner, _populate)
    upgrade(url, migrate_url=owner)
    after = reading(owner, _contents)
    (practice,) = after["practices"]
    assert (practice["time_zone"], practice["closures"]) == ("Europe/Berlin", "[]")
    assert practice["dentists_see"] == "own"
    works_at = {row["id"]: row["practice_id"] for row in after["profiles"]}
    assert works_at == {"d": practice["id"], "p": None, "q": None}
    assert all(row["active"] for row in after["profiles"])
    members = {(row["practice_id"], row["patient_id"]) for row in after["practice_patients"]}
    assert members == {(practice["id"], "p"), (practice["id"], "q")}
    async with _opened(url) as store:
        loaded = await store.calendars.open(MINE, live_after=SEEN)
        assert loaded
        assert (loaded.practice_id, loaded.active) == (practice["id"], True)
        assert await store.practices.dentists_at(practice["id"]) == ("d",)
    staff = _person("s", "staff", "Sue", practice_id=practice["id"])
    people = metadata.tables["profiles"]
    writing(owner, lambda connection: connection.execute(insert(people), [staff]))


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
def test_a_table_that_cannot_be_extended_stops_the_migration(urls: tuple[str, str]) -> None:
    url, owner = urls
    upgrade(url, migrate_url=owner, to="0015")
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'role IN (', 'role  IN (')"
            " WHERE name = 'profiles'"
        )
        database.commit()
    with pytest.raises(RuntimeError, match="profiles has no CHECK"):
        upgrade(url, migrate_url=owner)


def test_an_empty_database_gets_no_practice(urls: tuple[str, str]) -> None:
    url, owner = urls
    upgrade(url, migrate_url=owner)
    assert "practices" not in reading(owner, _contents)


@pytest.mark.parametrize("urls", ["postgres"], indirect=True)
def test_what_breaks_a_new_rule_stops_the_migration_and_is_not_dropped(
    urls: tuple[str, str],
) -> None:
    """PostgreSQL's rule against overlaps is younger than its appointments (0005)."""
    url, owner = urls
    upgrade(url, migrate_url=owner, to="0004")
    writing(owner, _populate)
    writing(owner, _overlap)
    before = reading(owner, _contents)
    with pytest.raises(DBAPIError, match="appointments_dentist_overlap"):
        upgrade(url, migrate_url=owner)
    assert plan(owner).current == "0004"
    assert reading(owner, _contents) == before
    rows = metadata.tables["appointments"]
    writing(owner, lambda connection: connection.execute(delete(rows).where(rows.c.id == "extra")))
    assert upgrade(url, migrate_url=owner).pending


_DERIVED = {"search_text"}
"""It is derived from other columns, anew when its form changes."""


def _same_rows(before: Rows, after: Rows) -> None:
    """The columns that there were have the values that they had."""
    for table, rows in before.items():
        columns = rows[0].keys() - _DERIVED
        kept = [{name: row[name] for name in columns} for row in after[table]]
        assert kept == [{name: row[name] for name in columns} for row in rows], table


def _after(revision: str) -> list[str]:
    return [step for step in (*REVISIONS, _newest()) if step > revision]


def _newest() -> str:
    return plan("sqlite:///nowhere.db").head


def _opened(url: str) -> AbstractAsyncContextManager[Store]:
    return open_store(
        DatabaseSettings(url=url),
        render=render,
        publisher=Postbox(),
        new_id=SerialIds(),
        clock=FakeClock(),
    )


async def _it_works(url: str, *, populated: bool) -> None:
    """The new version reads what the old one wrote."""
    async with _opened(url) as store:
        page = await store.appointments.page(DENTIST, AppointmentQuery(statuses=frozenset()))
        assert page.total == COUNT
        assert (page.rows[0].notes, page.rows[0].start) == ("nöte 0 ✓", SEEN)
        found = await store.appointments.get(DENTIST, AppointmentId("a7"))
        assert found
        assert found[1] == {"d": "Dr Ünal", "p": "Pát"}
        loaded = await store.calendars.open(MINE, live_after=SEEN - timedelta(days=1))
        assert loaded
        assert len(loaded.rows) == COUNT
        if populated:
            events = await store.events.read(
                dentist_channel(MINE), after=0, up_to=COUNT, limit=500, max_bytes=10**7, by=DENTIST
            )
            assert [event.payload for event in events] == [_payload(n) for n in range(COUNT)]


# --- what was in it ----------------------------------------------------------------------


def _payload(n: int) -> bytes:
    return b'{"n":%d,"name":"\xc3\x9c"}' % n


_CHANNELS = Table(
    "channels",
    MetaData(),
    Column("channel", Text),
    Column("epoch", BigInteger),
    Column("offset", BigInteger),
)
"""Until revision 0014; then the heads are the largest offsets."""
_HEADS = (
    select(
        event_channels.c.channel,
        select(hub.c.first_epoch).scalar_subquery().label("epoch"),
        func.max(event_channels.c.offset).label("offset"),
    )
    .group_by(event_channels.c.channel)
    .order_by(event_channels.c.channel)
)
_KNOWN = {table.name: table for table in (*TABLES, _CHANNELS, realtime_events)}
_KEYS = {
    "channels": ("channel",),
    "realtime_events": ("channel", "offset"),
    "idempotency_keys": ("scope", "key"),
}


def _key(table: Table) -> Sequence[Column[Any]]:
    """That of every revision."""
    names = _KEYS.get(table.name)
    return [table.c[name] for name in names] if names else list(table.primary_key)


def _contents(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Of each table that there is and has rows, each column that there is."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, columns in _present(connection).items():
        table = _KNOWN[name]
        query = select(*(table.c[each] for each in columns)).order_by(*_key(table))
        if rows := [dict(row) for row in connection.execute(query).mappings()]:
            found[name] = rows
    if "event_channels" in found:
        found["channels"] = [dict(row) for row in connection.execute(_HEADS).mappings()]
    return found


def _populate(connection: Connection) -> None:
    """Fill every table and column that an older revision lacks."""
    connection.execute(update(hub).values(first_epoch=7))
    for name, columns in _present(connection).items():
        table = _KNOWN[name]
        if name == "hub" or connection.execute(select(*_key(table)).limit(1)).first():
            continue
        rows = [{key: value for key, value in row.items() if key in columns} for row in _ROWS[name]]
        connection.execute(insert(table), rows)


def _present(connection: Connection) -> dict[str, list[str]]:
    inspector = inspect(connection)
    known = {*inspector.get_table_names(), *inspector.get_view_names()}
    return {
        name: [column["name"] for column in inspector.get_columns(name)]
        for name in _KNOWN
        if name in known
    }


def _overlap(connection: Connection) -> None:
    columns = _present(connection)["appointments"]
    row = {**_appointment(1), "id": "extra", "patient_id": "q"}
    older = {key: value for key, value in row.items() if key in columns}
    connection.execute(insert(metadata.tables["appointments"]), [older])


def _person(id_: str, role: str, name: str, **rest: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("subject", "email", "phone", "time_zone", "created_by", "email_key"))
    return {**empty, "id": id_, "role": role, "name": name, "version": 1, "search_text": ""} | rest


def _appointment(n: int) -> dict[str, Any]:
    return {
        "id": f"a{n}",
        "dentist_id": "d",
        "patient_id": "p",
        "appointment_type_id": "t",
        "starts_at": SEEN + timedelta(hours=n),
        "ends_at": SEEN + timedelta(hours=n, minutes=30),
        "buffer_before_minutes": 5,
        "buffer_after_minutes": 0,
        "status": "confirmed",
        "expires_at": None,
        "version": n + 1,
        "overbooked": n % 7 == 0,
        "created_via": "chatbot",
        "notes": f"nöte {n} ✓",
        "cancel_reason": None,
        "patient_confirmed_at": None if n % 2 else SEEN,
        "created_at": SEEN,
        "updated_at": SEEN + timedelta(microseconds=n),
        "changed_by": "sub-d",
        "on_behalf_of": "d",
    }


def _event(n: int) -> dict[str, Any]:
    return {
        "channel": "appointments:dentist:d",
        "offset": n + 1,
        "epoch": 7,
        "event_id": f"e{n}",
        "type": "appointment.created",
        "payload": _payload(n),
        "created_at": SEEN,
        "status": ("sent", "failed", "pending")[n % 3],
        "broadcast_at": SEEN if n % 3 == 0 else None,
        "latency_ms": 0.25 if n % 3 == 0 else None,
        "attempts": 0 if n % 3 == 2 else n % 5,
        "recipients": None,
        "error": "x" if n % 3 == 1 else None,
    }


def _logged(n: int) -> dict[str, Any]:
    event = _event(n)
    names = ("epoch", "event_id", "type", "payload", "created_at")
    return {"id": n + 1, **{name: event[name] for name in names}}


def _delivered(n: int) -> dict[str, Any]:
    event = _event(n)
    names = ("channel", "status", "broadcast_at", "latency_ms", "attempts", "recipients", "error")
    return {"event": n + 1, **{name: event[name] for name in names}}


def _reply(n: int) -> dict[str, Any]:
    return {
        "scope": "patient:p|",
        "key": f"k{n}",
        "fingerprint": "f",
        "internal": n % 2 == 0,
        "dentist_id": "d" if n % 3 else None,
        "outcome": "created",
        "resource_id": f"a{n}",
        "version": 1,
        "body": bytes(range(256)),
        "created_at": SEEN,
    }


def _audited(n: int) -> dict[str, Any]:
    times = ("old_starts_at", "old_ends_at", "new_starts_at", "new_ends_at")
    return {
        "id": n + 1,
        "at": SEEN,
        "action": "appointment.booked",
        "role": "patient",
        "subject": "sub",
        "acting": None,
        "on_behalf_of": "p",
        "resource_kind": "appointment",
        "resource_id": f"a{n}",
        "dentist_id": "d",
        "patient_id": "p",
        "old_status": "held",
        "new_status": "confirmed",
        **dict.fromkeys(times, SEEN),
        "version": 2,
        "found": None,
        "request_id": "r",
    }


_ROWS: Rows = {
    "practices": [
        {
            "id": "s1",
            "name": "Österreich",
            "time_zone": "Europe/Vienna",
            "region": "AT",
            "address": None,
            "phone": "1",
            "email": None,
            "website": None,
            "closures": '[["2027-12-24", "2027-12-26", null]]',
            "version": 2,
        }
    ],
    "practice_patients": [
        {"practice_id": "s1", "patient_id": "p", "source": "linked", "since": SEEN}
    ],
    "profiles": [
        _person("d", "dentist", "Dr Ünal", subject="sub-d", time_zone="Europe/Berlin"),
        _person("p", "patient", "Pát", email="P@x", email_key="p@x", created_by="d"),
        _person(
            "q",
            "patient",
            "Quin",
            phone="+1",
            date_of_birth="1980-03-08",
            language="de",
            consent='{"email": [false, null, null], "sms": [false, null, null]}',
        ),
    ],
    "passkeys": [
        {
            "id": "k",
            "account_id": "o",
            "public_key": b"\xa5",
            "sign_count": 3,
            "created_at": SEEN,
            "used_at": None,
        }
    ],
    "provider_subjects": [
        {
            "issuer": "https://login.example",
            "subject": "öz",
            "account_id": "o",
            "created_at": SEEN,
        }
    ],
    "accounts": [{"id": "o", "role": "admin", "name": "Öz", "created_at": SEEN}],
    "identities": [{"issuer": "auth", "subject": "sub-d", "profile_id": "d", "created_at": SEEN}],
    "calendars": [
        {
            "dentist_id": "d",
            "fence": 3,
            "owner": None,
            "schedule": '{"time_zone":"Europe/Berlin","slot_step_minutes":15,'
            '"min_notice_minutes":0,"horizon_days":90,"rules":[["monday",540,1020]],'
            '"overrides":[]}',
            "schedule_version": 4,
        }
    ],
    "appointment_types": [
        {
            "id": "t",
            "name": "Check-up",
            "duration_minutes": 30,
            "buffer_before_minutes": 5,
            "buffer_after_minutes": 0,
            "version": 2,
            "description": "A look",
            "sort_order": 4,
            "color": "#1f7a8c",
            "bookable_by": '["staff"]',
            "reminder_hours": "[24]",
            "active": False,
            "practice_id": None,
        }
    ],
    "appointments": [_appointment(n) for n in range(COUNT)],
    "channels": [
        {"channel": "appointments:dentist:d", "epoch": 7, "offset": COUNT},
        {"channel": "profiles:user:p", "epoch": 7, "offset": 4},  # its events are forgotten
    ],
    "realtime_events": [_event(n) for n in range(COUNT)],
    "event_log": [_logged(n) for n in range(COUNT)],
    "event_channels": [
        {"event": n + 1, "channel": "appointments:dentist:d", "offset": n + 1} for n in range(COUNT)
    ],
    "deliveries": [_delivered(n) for n in range(COUNT) if n % 3 < 2],
    "idempotency_keys": [_reply(n) for n in range(COUNT)],
    "audit_log": [_audited(n) for n in range(COUNT)],
    "webhooks": [
        {
            "id": "w",
            "owner": "bot",
            "scope": "patient:p|bot",
            "role": "patient",
            "subject": "bot",
            "acting": "bot",
            "patient_id": "p",
            "rights_until": SEEN,
            "url": "https://example.org/hook",
            "description": None,
            "channels": '["appointments:patient:p"]',
            "status": "active",
            "disabled_reason": None,
            "disabled_at": None,
            "version": 1,
            "created_at": SEEN,
            "updated_at": SEEN,
        }
    ],
    "webhook_secrets": [{"webhook_id": "w", "number": 1, "secret": "s", "expires_at": None}],
    "webhook_cursors": [
        {
            "webhook_id": "w",
            "channel": "appointments:patient:p",
            "epoch": 1,
            "offset": 3,
            "moves": 2,
            "attempts": 1,
            "failing_since": SEEN,
            "next_attempt_at": SEEN,
        }
    ],
    "webhook_deliveries": [
        {
            "webhook_id": "w",
            "channel": "appointments:patient:p",
            "epoch": 1,
            "offset": 3,
            "event_id": "e3",
            "type": "appointment.created",
            "delivered": False,
            "attempts": 1,
            "first_at": SEEN,
            "last_at": SEEN,
            "response_status": 500,
            "duration_ms": 1.5,
            "error": "500",
        }
    ],
    "consents": [
        {
            "id": "c",
            "patient_id": "p",
            "party": "bot",
            "given_at": SEEN,
            "given_by": "patient:sub-p",
            "expires_at": SEEN,
            "ended_at": None,
            "version": 1,
        }
    ],
    "messages": [
        {
            "id": "m",
            "kind": "reminder",
            "channel": "email",
            "practice_id": None,
            "dentist_id": "d",
            "patient_id": "p",
            "appointment_id": "a1",
            "visit_start": SEEN,
            "lead_minutes": 180,
            "address": None,
            "content": None,
            "state": "queued",
            "attempts": 2,
            "error": "deferred",
            "created_at": SEEN,
            "expires_at": SEEN,
            "next_attempt_at": SEEN,
            "claimed_until": None,
            "sent_at": None,
            "version": 3,
        }
    ],
    "visit_links": [
        {
            "token_hash": "t",
            "message_id": "m",
            "appointment_id": "a1",
            "patient_id": "p",
            "practice_id": None,
            "created_at": SEEN,
            "expires_at": SEEN,
            "revoked_at": SEEN,
        }
    ],
}
