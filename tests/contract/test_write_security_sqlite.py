"""What a commit may write, on SQLite: its own calendar, and for whom it concerns."""

# ruff: noqa: S608  # names of tables, out of the schema, and attacks, which are the matter

import asyncio

import pytest

from actors.ports.commits import ConstraintViolated
from store.sql.prepared import Done, Plan
from store.sql.writer import single_job
from store.sqlite.writer import SqliteWriter
from tests.contract.clinic import DAY, booked, patient
from tests.contract.security_world import MAY_SEE, World
from tests.contract.security_world import world as world

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


async def written(world: World, sql: str, *declared: str) -> None:
    """Execute one statement on the writer's connection, past every plan."""
    writer = world.clinic.store._writer
    assert isinstance(writer, SqliteWriter)

    def plan() -> Plan[Done[None]]:
        assert writer._connection
        writer._connection.execute(sql)
        yield from ()
        return Done(None)

    await writer.run(single_job(plan, declares=declared))


async def test_write_for_another_person_is_refused(world: World) -> None:
    clinic, ann = world.clinic, world.ann
    row = clinic.row(ann, world.eve, clinic.clock.now() + 30 * DAY)
    loaded = await clinic.open(ann)
    with pytest.raises(ConstraintViolated, match="row security"):
        await clinic.commit(loaded, clinic.turn(booked(row), by=patient(world.pia)))
    assert await clinic.stored(row) is None
    await clinic.commit(loaded, clinic.turn(booked(row), by=patient(world.eve)))
    stolen = f"UPDATE appointments SET on_behalf_of = '{world.pia.id}' WHERE id = '{row.id}'"
    with pytest.raises(ConstraintViolated, match="row security"):
        await written(world, stolen, ann.id)
    await written(world, stolen.replace(world.pia.id, "system"), ann.id)


async def test_only_a_declared_patient_joins_a_declared_practice(world: World) -> None:
    here, ann = world.sue.practice_id, world.ann
    assert here

    def joining(who: str) -> str:
        return f"INSERT INTO practice_patients VALUES ('{here}', '{who}', 'booked', 0, NULL, 1)"

    for who, declared in (
        (world.pat.id, (ann.id,)),
        (world.pat.id, (here,)),
        (world.pat.id, (here, ann.id)),
        (world.pat.id, (ann.id, world.pat.id)),
    ):
        with pytest.raises(ConstraintViolated, match="row security"):
            await written(world, joining(who), *declared)
    await written(world, joining(world.pat.id), here, world.pat.id)
    remark = "UPDATE practice_patients SET remark = 'x'"
    await written(world, f"{remark} WHERE patient_id = '{world.pat.id}'", here, world.pat.id)
    for change, named in (
        (remark, (here, ann.id)),
        (remark, (ann.id, world.pat.id)),
        (f"UPDATE practice_patients SET patient_id = '{world.eve.id}'", (here, world.pat.id)),
        ("DELETE FROM practice_patients", (here, ann.id, world.pat.id)),
    ):
        with pytest.raises(ConstraintViolated, match="row security"):
            await written(world, change, *named)


async def test_only_declared_people_get_and_lose_identities(world: World) -> None:
    pat, eve = world.pat.id, world.eve.id
    adding = f"INSERT INTO identities VALUES ('hub', 'new', '{pat}', 0)"
    moving = f"UPDATE identities SET profile_id = '{eve}' WHERE profile_id = '{pat}'"
    removing = f"DELETE FROM identities WHERE profile_id = '{pat}'"
    for sql, declared in (
        (adding, (eve,)),
        (moving, (eve,)),
        (moving, (pat,)),
        (removing, (eve,)),
    ):
        with pytest.raises(ConstraintViolated, match="row security"):
            await written(world, sql, *declared)
    await written(world, adding, pat)
    await written(world, removing, pat)


async def test_only_a_merged_patient_leaves_a_practice(world: World) -> None:
    here, mel, pat = world.sue.practice_id, world.mel, world.pat
    assert here
    for who in (mel, pat):
        row = f"('{here}', '{who.id}', 'created', 0, NULL, 1)"
        await written(world, f"INSERT INTO practice_patients VALUES {row}", here, who.id)
    leaving = "DELETE FROM practice_patients WHERE patient_id = '{}'"
    for who, declared in ((pat, (here, pat.id)), (mel, (here,)), (mel, (mel.id,))):
        with pytest.raises(ConstraintViolated, match="row security"):
            await written(world, leaving.format(who.id), *declared)
    await written(world, leaving.format(mel.id), here, mel.id)


PENDING = "(event, channel) NOT IN (SELECT event, channel FROM deliveries)"


async def test_a_commit_writes_into_no_calendar_it_did_not_declare(world: World) -> None:
    ann, bob = world.ann, world.bob
    before = {table: world.all_rows(table) for table in MAY_SEE}
    for sql in (
        f"UPDATE appointments SET dentist_id = '{bob.id}' WHERE dentist_id = '{ann.id}'",
        f"UPDATE appointments SET notes = 'x' WHERE dentist_id = '{bob.id}'",
        (
            f"INSERT INTO appointments SELECT 'new', dentist_id, patient_id, appointment_type_id,"
            f" starts_at + 9000000000, ends_at + 9000000000, 0, 0, status, expires_at, 1, 0,"
            " 'x', '', '', 0, 0, 'x', 'system', NULL FROM appointments"
            f" WHERE dentist_id = '{bob.id}' LIMIT 1"
        ),
        f"DELETE FROM appointments WHERE dentist_id = '{ann.id}'",
        f"UPDATE calendars SET fence = 9 WHERE dentist_id = '{bob.id}'",
        f"DELETE FROM calendars WHERE dentist_id = '{ann.id}'",
        f"UPDATE profiles SET name = 'x' WHERE id = '{bob.id}'",
        f"UPDATE visit_links SET patient_id = '{world.eve.id}'",
        "UPDATE visit_links SET expires_at = 9000000000",
        f"DELETE FROM profiles WHERE id = '{world.eve.id}'",
        (
            'INSERT INTO event_channels (event, channel, "offset")'
            f" VALUES (9, 'appointments:dentist:{bob.id}', 99)"
        ),
        'UPDATE event_channels SET "offset" = 9',
        f"UPDATE event_channels SET event = 0 WHERE {PENDING}",
        f"DELETE FROM event_channels WHERE {PENDING}",
        "UPDATE event_log SET payload = x''",
        "DELETE FROM event_log",
        "UPDATE deliveries SET channel = 'x'",
        "DELETE FROM deliveries",
        (
            "INSERT INTO idempotency_keys SELECT 99, 'x', key, fingerprint, internal,"
            f" '{bob.id}', outcome, resource_id, version, body, created_at FROM idempotency_keys"
            " LIMIT 1"
        ),
        "UPDATE idempotency_keys SET body = x''",
        (
            "INSERT INTO audit_log"
            " (at, action, role, subject, resource_kind, dentist_id, request_id)"
            f" VALUES (0, 'a', 'r', 's', 'k', '{bob.id}', 'r')"
        ),
        "UPDATE audit_log SET action = 'x'",
        "DELETE FROM audit_log",
    ):
        with pytest.raises(ConstraintViolated, match="row security"):
            await written(world, sql, ann.id)
    assert {table: world.all_rows(table) for table in MAY_SEE} == before
    await written(world, f"UPDATE profiles SET name = 'x' WHERE id = '{bob.id}'", ann.id, bob.id)


async def test_what_one_job_declared_counts_for_no_other(world: World) -> None:
    sql = f"UPDATE profiles SET name = 'x' WHERE id = '{world.ann.id}'"
    results = await asyncio.gather(
        written(world, sql, world.ann.id),
        written(world, sql),
        written(world, sql, world.bob.id),
        return_exceptions=True,
    )
    assert results[0] is None
    assert all(isinstance(result, ConstraintViolated) for result in results[1:])
