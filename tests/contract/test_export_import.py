"""Export and import: a clinic moves between databases and engines, and nothing is lost."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from actors.domain.appointment import Status
from actors.domain.events import RowEvent
from actors.domain.principal import Role
from actors.domain.provider import ProviderLink
from actors.domain.schedule import Closure
from actors.domain.sign_in import Account, AccountId, Invitation, InvitationId, Passkey
from actors.ports.commits import StoreUnavailable
from actors.ports.sign_in import Acceptance
from store.engine import open_store
from store.migrations import seal
from store.migrations.migrate import check_schema
from store.migrations.seal import DatabaseSealed
from store.sql.lockfile import DatabaseInUse
from store.transfer.dump import UnusableDump
from store.transfer.exporting import DumpSummary, export, reopen
from store.transfer.importing import DatabaseNotEmpty, import_
from tests.contract.clinic import ADMIN as ADMIN_USER
from tests.contract.clinic import DAY, Clinic, Postbox, booked, client_key, held, render
from tests.contract.engines import (
    ENGINES,
    Database,
    PostgresDatabase,
    fresh_database,
    postgres_template,
    sqlite_template,
)
from tests.contract.hooks import add_consent, add_message, add_visit_link, add_webhook
from tests.contract.test_event_log import delivered
from tests.support.clock import FakeClock
from tests.support.ids import SerialIds
from tests.support.postgres import ADMIN

NewDatabase = Callable[[str], Database]


def admin(database: Database) -> str:
    """The login that dumps and imports."""
    server = getattr(database, "server", None)
    url: str = server.url(database.name, ADMIN) if server else database.url  # type: ignore[attr-defined]  # PostgreSQL's
    return url


@pytest.fixture
def new_database(tmp_path: Path) -> Iterator[NewDatabase]:
    """A migrated, empty database of either engine."""
    with ExitStack() as stack:
        made = 0

        def new(engine: str) -> Database:
            nonlocal made
            made += 1
            folder = tmp_path / f"database-{made}"
            folder.mkdir()
            template = postgres_template() if engine == "postgres" else sqlite_template(folder)
            return stack.enter_context(fresh_database(template, folder))

        yield new


def quiet(*_: object) -> None:
    return


def dumped(
    database: Database, clock: FakeClock, *, sealing: bool = False
) -> tuple[bytes, DumpSummary]:
    out = io.BytesIO()
    done = export(admin(database), out, now=clock.now(), sealing=sealing, progress=quiet)
    return out.getvalue(), done


def read(database: Database, dump: bytes, clock: FakeClock, *, move: bool = False) -> DumpSummary:
    return import_(admin(database), io.BytesIO(dump), now=clock.now(), move=move, progress=quiet)


def content(dump: bytes) -> list[bytes]:
    """All but the header, which contains the time of the export."""
    return dump.splitlines()[1:]


async def fill(database: Database, clock: FakeClock, *, people: int = 3) -> None:
    """A clinic with something in every table; the hub on it is gone afterwards."""
    postbox, new_id = Postbox(), SerialIds()
    async with open_store(
        database.settings, render=render, publisher=postbox, new_id=new_id, clock=clock
    ) as store:
        clinic = Clinic(store, clock, new_id, postbox)
        await clinic.found()
        feast = Closure(start_date=date(2027, 12, 24), end_date=date(2027, 12, 26), reason="🎄")
        practice = await clinic.add_practice("Zahnärzte", region="AT", closures=(feast,))
        ann = await clinic.add_dentist(
            "Dr Ann Çelik",
            subject="sub-ann",
            email="Ann@Example.org",
            practice_id=practice.id,
        )
        await clinic.add_staff("Sue", practice, active=False)
        pats = [
            await clinic.add_patient(
                f"Pat “{n}” 🦷", practice.id, email=f"p{n}@example.org", created_by=ann.id
            )
            for n in range(people)
        ]
        loaded, now = await clinic.open(ann), clock.now()
        turns = [
            clinic.turn(
                booked(clinic.row(ann, pat, now + n * DAY, notes='a "note"\n\\ end')),
                key=client_key(f"k{n}"),
            )
            for n, pat in enumerate(pats, start=1)
        ]
        await clinic.commit(loaded, *turns)
        hold = clinic.row(ann, pats[0], now + 99 * DAY, status=Status.HELD)
        await clinic.commit(loaded, clinic.turn(held(hold)))
        summary = postbox.records[:-1]
        await store.events.mark([delivered(record, clinic) for record in summary])
        await store.profiles.record_search(ADMIN_USER, "r", 1)
        await add_webhook(clinic, ADMIN_USER)
        await add_consent(clinic, pats[0])
        admin_of_hub = Account(
            id=AccountId(new_id()), role=Role.ADMIN, name="Özge", created_at=clock.now()
        )
        await store.accounts.add(admin_of_hub, None)
        invited = Invitation(
            id=InvitationId("i"),
            role=Role.ADMIN,
            token_hash="h",
            created_at=clock.now(),
            expires_at=clock.now() + DAY,
        )
        await store.invitations.add(ADMIN_USER, "r", invited)
        accepted = Acceptance(
            invitation_id=invited.id,
            account=admin_of_hub,
            person=None,
            is_new=False,
            passkey=Passkey(
                id="k",
                account_id=admin_of_hub.id,
                public_key=b"\xa5",
                sign_count=3,
                created_at=clock.now(),
            ),
            at=clock.now(),
        )
        await store.passkeys.accept("r", accepted)
        linked = ProviderLink(
            issuer="https://login.example",
            subject="özge",
            account=admin_of_hub,
            person=None,
            is_new=False,
            at=clock.now(),
        )
        await store.providers.link("r", linked)
        row = turns[0].events[0]
        assert isinstance(row, RowEvent)
        await add_visit_link(clinic, await add_message(clinic, row.after), b"token")
        await add_message(clinic)  # a code


@pytest.fixture
async def source(database: Database, clock: FakeClock) -> Database:
    await fill(database, clock)
    return database


@pytest.mark.parametrize("target", ENGINES)
async def test_a_clinic_moves_there_and_back_and_is_the_same(
    source: Database, target: str, engine: str, new_database: NewDatabase, clock: FakeClock
) -> None:
    first, summary = dumped(source, clock, sealing=True)
    assert summary.sealed
    assert all(summary.rows.values()), "every table has something to lose"
    there, back = new_database(target), new_database(engine)
    assert read(there, first, clock, move=True) == summary
    second, _ = dumped(there, clock, sealing=True)
    assert read(back, second, clock, move=True).sha256 == summary.sha256
    third, _ = dumped(back, clock)
    assert content(first) == content(second) == content(third)


async def test_a_dump_with_a_zone_of_one_machine_is_refused(
    source: Database, new_database: NewDatabase, engine: str, clock: FakeClock
) -> None:
    there = new_database(engine)
    for table, column, old, odd in (
        ("calendars", "schedule", "UTC", "localtime"),
        ("profiles", "time_zone", None, "right/UTC"),
    ):
        before = source.query(f"SELECT {column} FROM {table} LIMIT 1")[0][0]  # noqa: S608  # ours
        changed = before.replace(old, odd) if old else odd
        source.query(f"UPDATE {table} SET {column} = '{changed}'")  # noqa: S608  # ours
        dump, _ = dumped(source, clock)
        with pytest.raises(UnusableDump, match=odd):
            read(there, dump, clock)
        source.query(f"UPDATE {table} SET {column} = " + (f"'{before}'" if before else "NULL"))  # noqa: S608  # ours


async def test_a_moved_clinic_goes_on(
    source: Database, new_database: NewDatabase, engine: str, clock: FakeClock
) -> None:
    """Audit rows are counted on, offsets follow, positions are kept."""
    dump, _ = dumped(source, clock, sealing=True)
    there = new_database(engine)
    read(there, dump, clock, move=True)
    before = there.query("SELECT max(id) FROM audit_log")[0][0]
    for positions in (
        "SELECT first_epoch FROM hub",
        'SELECT channel, max("offset") FROM event_channels GROUP BY channel ORDER BY channel',
    ):
        assert there.query(positions) == source.query(positions)
    new_id = SerialIds(start=1_000_000)
    async with open_store(
        there.settings, render=render, publisher=Postbox(), new_id=new_id, clock=clock
    ) as store:
        clinic = Clinic(store, clock, new_id, Postbox())
        await clinic.found()
        await clinic.add_patient("Later")
    assert there.query("SELECT max(id) FROM audit_log")[0][0] > before


async def test_without_move_every_position_is_lost_and_nothing_else(
    source: Database, new_database: NewDatabase, engine: str, clock: FakeClock
) -> None:
    dump, summary = dumped(source, clock)
    there = new_database(engine)
    assert read(there, dump, clock).rows == summary.rows
    ((old,),) = source.query("SELECT first_epoch FROM hub")
    ((new,),) = there.query("SELECT first_epoch FROM hub")
    assert new == max(old + 1, int(clock.now().timestamp()))
    assert there.query("SELECT count(*) FROM realtime_events WHERE status = 'pending'") == [(0,)]
    again, _ = dumped(there, clock)
    changed = ('{"chairside_dump"', '["hub"', '["deliveries"', '{"end"')
    kept = [line for line in content(dump) if not line.startswith(tuple(map(str.encode, changed)))]
    assert kept == [
        line for line in content(again) if not line.startswith(tuple(map(str.encode, changed)))
    ]


async def test_only_a_sealed_source_can_be_moved(
    source: Database, new_database: NewDatabase, engine: str, clock: FakeClock
) -> None:
    dump, _ = dumped(source, clock)
    with pytest.raises(UnusableDump, match="export --seal"):
        read(new_database(engine), dump, clock, move=True)


async def test_no_hub_starts_on_a_sealed_database_until_it_is_opened_again(
    source: Database, clock: FakeClock
) -> None:
    first, _ = dumped(source, clock, sealing=True)
    with pytest.raises(DatabaseSealed, match="moved"):
        check_schema(source.url)
    with pytest.raises(DatabaseSealed):
        async with open_store(
            source.settings, render=render, publisher=Postbox(), new_id=SerialIds(), clock=clock
        ):
            pass
    again, _ = dumped(source, clock, sealing=True)
    assert content(first) == content(again), "a sealed database may be dumped once more"
    epochs = source.query("SELECT first_epoch FROM hub")
    reopen(admin(source), now=clock.now())
    check_schema(source.url)
    assert source.query("SELECT first_epoch FROM hub")[0][0] > epochs[0][0]


async def test_a_session_that_ends_a_moment_after_its_hub_is_waited_for(
    source: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(source, PostgresDatabase):
        pytest.skip("SQLite has no sessions: the hub holds a lock on the file")
    session = psycopg.connect(source.url)
    monkeypatch.setattr(seal, "sleep", lambda _seconds: session.close())
    dumped(source, clock, sealing=True)
    with pytest.raises(DatabaseSealed):
        check_schema(source.url)


async def test_a_dump_that_fails_leaves_no_seal(source: Database, clock: FakeClock) -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        export(admin(source), Full(), now=clock.now(), sealing=True, progress=quiet)
    check_schema(source.url)


async def test_a_dump_can_be_made_while_the_hub_runs(
    clinic: Clinic, database: Database, clock: FakeClock
) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded = await clinic.open(ann)
    await clinic.commit(loaded, clinic.turn(booked(clinic.row(ann, pat))))
    _, summary = dumped(database, clock)
    assert summary.rows["appointments"] == 1
    with pytest.raises((StoreUnavailable, DatabaseInUse), match="use"):
        dumped(database, clock, sealing=True)
    check_schema(database.url)


def _without(word: str) -> Callable[[bytes], bytes]:
    return lambda dump: b"".join(
        line for line in dump.splitlines(keepends=True) if word.encode() not in line
    )


DAMAGES: Sequence[tuple[Callable[[bytes], bytes], str]] = (
    (lambda dump: b"", "cut off"),
    (lambda dump: b"hello\n", "not a dump"),
    (lambda dump: b"[1]\n", "not a dump"),
    (lambda dump: dump[:-20], "cut off"),
    (lambda dump: dump + b"\n", "follows the end"),
    (lambda dump: dump.replace(b"Dr Ann", b"Dr Eve", 1), "checksum"),
    (lambda dump: dump.replace(b'["audit_log"', b'["elsewhere"', 1), "no known table"),
    (_without('"end"'), "cut off"),
    (_without('["idempotency_keys"'), "checksum"),
    (lambda dump: dump.replace(b'"schema":"', b'"schema":"x', 1), "has schema x"),
    (lambda dump: dump.replace(b'"subject"', b'"sub"', 1), "other tables or columns"),
    (lambda dump: dump.replace(b'"chairside_dump":1', b'"chairside_dump":2'), "version"),
    (lambda dump: dump.replace(b'["profiles",', b'["profiles",1,', 1), "cannot be read"),
)


async def test_of_a_damaged_dump_nothing_is_imported(
    source: Database, new_database: NewDatabase, engine: str, clock: FakeClock
) -> None:
    dump, _ = dumped(source, clock)
    there = new_database(engine)
    empty = content(dumped(there, clock)[0])
    for damage, message in DAMAGES:
        with pytest.raises(UnusableDump, match=message):
            read(there, damage(dump), clock)
    assert content(dumped(there, clock)[0]) == empty
    read(there, dump, clock)


async def test_nothing_is_imported_where_a_clinic_lives(source: Database, clock: FakeClock) -> None:
    dump, _ = dumped(source, clock)
    with pytest.raises(DatabaseNotEmpty, match="is not empty"):
        read(source, dump, clock)
    assert content(dumped(source, clock)[0]) == content(dump)


async def test_codes_are_not_exported(source: Database, clock: FakeClock) -> None:
    dump, done = dumped(source, clock)
    assert done.rows["messages"] == 1
    assert b"eve@example.org" not in dump
    assert b"Your code" not in dump


async def test_progress_covers_every_table_and_ends_at_the_total(
    source: Database, new_database: NewDatabase, engine: str, clock: FakeClock
) -> None:
    out, summary = io.BytesIO(), list[tuple[str, int, int]]()
    done = export(
        admin(source),
        out,
        now=clock.now(),
        sealing=False,
        progress=lambda *step: summary.append(step),
    )
    total = sum(done.rows.values())
    assert {table for table, _, _ in summary} == set(done.rows)
    assert summary[-1][1:] == (total, total)
    header = json.loads(out.getvalue().splitlines()[0])
    assert {name: table["rows"] for name, table in header["tables"].items()} == done.rows
    summary.clear()
    out.seek(0)
    import_(
        admin(new_database(engine)),
        out,
        now=clock.now(),
        move=False,
        progress=lambda *step: summary.append(step),
    )
    assert summary[-1][1:] == (total, total)
