"""Appointments: lists and single rows as the caller; what is not theirs does not exist."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from actors.domain.appointment import Appointment, AppointmentType, Status
from actors.domain.channels import dentist_channel, patient_channel
from actors.domain.events import AppointmentTypeSaved
from actors.domain.ids import AppointmentTypeId, DentistId, PatientId
from actors.domain.position import Position
from actors.domain.principal import SYSTEM, Principal, Role
from actors.domain.profile import Profile
from actors.ports.appointments import AppointmentPage, AppointmentQuery
from tests.contract.clinic import (
    ADMIN,
    DAY,
    HOUR,
    MINUTE,
    Clinic,
    booked,
    dentist,
    held,
    patient,
)

DEFAULT = AppointmentQuery(statuses=frozenset())


@dataclass
class Week:
    """Two dentists, two patients, an appointment each way."""

    ann: Profile
    bob: Profile
    pat: Profile
    pia: Profile
    rows: dict[str, Appointment]


@pytest.fixture
async def week(clinic: Clinic) -> Week:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    pat, pia = await clinic.add_patient("Pat"), await clinic.add_patient("Pia")
    now = clinic.clock.now()
    rows = {
        "ann-pat": clinic.row(ann, pat, now + DAY),
        "ann-pia": clinic.row(ann, pia, now + 2 * DAY),
        "bob-pat": clinic.row(bob, pat, now + 3 * DAY),
        "bob-pia": clinic.row(bob, pia, now + 4 * DAY),
    }
    for one in (ann, bob):
        turns = [clinic.turn(booked(row)) for row in rows.values() if row.dentist_id == one.id]
        await clinic.commit(await clinic.open(one), *turns)
    return Week(ann, bob, pat, pia, rows)


async def listed(clinic: Clinic, who: Principal, query: AppointmentQuery = DEFAULT) -> list[str]:
    return [row.id for row in (await clinic.store.appointments.page(who, query)).rows]


async def test_callers_see_their_own_rows_only(clinic: Clinic, week: Week) -> None:
    ids = {name: row.id for name, row in week.rows.items()}
    assert await listed(clinic, dentist(week.ann)) == [ids["ann-pat"], ids["ann-pia"]]
    assert await listed(clinic, dentist(week.bob)) == [ids["bob-pat"], ids["bob-pia"]]
    assert await listed(clinic, patient(week.pat)) == [ids["ann-pat"], ids["bob-pat"]]
    assert await listed(clinic, patient(week.pia)) == [ids["ann-pia"], ids["bob-pia"]]


@pytest.mark.parametrize(
    "principal",
    [
        ADMIN,
        SYSTEM,
        Principal(role=Role.CHATBOT, subject="bot"),
        Principal(role=Role.DENTIST, subject="without a profile"),
        Principal(role=Role.PATIENT, subject="without a profile"),
    ],
    ids=lambda who: f"{who.role}",
)
async def test_other_principals_see_nothing(
    clinic: Clinic, week: Week, principal: Principal
) -> None:
    page = await clinic.store.appointments.page(principal, DEFAULT)
    assert (page.rows, page.total, page.position, dict(page.names)) == ((), 0, None, {})
    for row in week.rows.values():
        assert await clinic.store.appointments.get(principal, row.id) is None


async def test_a_role_does_not_lend_its_id_to_another(clinic: Clinic, week: Week) -> None:
    """A patient who claimed a dentist's id would still be no dentist."""
    assert await listed(clinic, replace(patient(week.pat), person=week.ann.id)) == []
    assert await listed(clinic, replace(dentist(week.ann), person=week.pat.id)) == []


async def test_filters_narrow_and_never_widen(clinic: Clinic, week: Week) -> None:
    rows, who = week.rows, patient(week.pat)
    at_bob = replace(DEFAULT, dentist_ids=(DentistId(week.bob.id),))
    assert await listed(clinic, who, at_bob) == [rows["bob-pat"].id]
    of_pia = replace(DEFAULT, patient_id=PatientId(week.pia.id))
    assert await listed(clinic, who, of_pia) == []
    start = rows["bob-pat"].start
    assert await listed(clinic, who, replace(DEFAULT, starts_from=start)) == [rows["bob-pat"].id]
    assert await listed(clinic, who, replace(DEFAULT, starts_before=start)) == [rows["ann-pat"].id]
    other = AppointmentType(
        id=AppointmentTypeId(clinic.new_id()), name="Other", duration_minutes=15
    )
    await clinic.save(AppointmentTypeSaved(before=None, after=other))
    of_other = replace(DEFAULT, appointment_type_id=other.id)
    assert await listed(clinic, who, of_other) == []


async def test_a_single_row_comes_with_both_names(clinic: Clinic, week: Week) -> None:
    row = week.rows["ann-pat"]
    for who in (dentist(week.ann), patient(week.pat)):
        found = await clinic.store.appointments.get(who, row.id)
        assert found == (row, {week.ann.id: "Dr Ann", week.pat.id: "Pat"})
    assert await clinic.store.appointments.get(dentist(week.bob), row.id) is None
    assert await clinic.store.appointments.get(patient(week.pia), row.id) is None


async def test_a_page_brings_names_total_and_the_position_of_the_own_channel(
    clinic: Clinic, week: Week
) -> None:
    page = await clinic.store.appointments.page(dentist(week.ann), replace(DEFAULT, limit=1))
    assert page.total == 2
    assert page.names[week.ann.id] == "Dr Ann"
    assert page.names[week.pat.id] == "Pat"
    assert page.position
    channel, position = page.position
    assert channel == dentist_channel(DentistId(week.ann.id))
    assert position.offset == 2
    fresh = await clinic.add_patient("Fresh")
    nothing = await clinic.store.appointments.page(patient(fresh), DEFAULT)
    assert nothing.position
    assert nothing.position == (
        patient_channel(PatientId(fresh.id)),
        Position(position.epoch, 0),
    )


async def all_pages(
    clinic: Clinic, who: Principal, query: AppointmentQuery
) -> Sequence[AppointmentPage]:
    pages = [await clinic.store.appointments.page(who, query)]
    while pages[-1].next_after:
        after = replace(query, after=pages[-1].next_after)
        pages.append(await clinic.store.appointments.page(who, after))
    return pages


@pytest.mark.parametrize("descending", [False, True])
async def test_pages_hold_every_row_once_in_order(clinic: Clinic, descending: bool) -> None:
    """Overbooked rows share a start: the id decides among them."""
    ann = await clinic.add_dentist()
    people = [await clinic.add_patient(f"Pat {n}") for n in range(7)]
    start = clinic.clock.now() + DAY
    rows = [clinic.row(ann, one, start, overbooked=True) for one in people]
    rows += [clinic.row(ann, one, start + HOUR, overbooked=True) for one in people]
    await clinic.commit(await clinic.open(ann), *(clinic.turn(booked(row)) for row in rows))
    query = replace(DEFAULT, limit=4, descending=descending)
    pages = await all_pages(clinic, dentist(ann), query)
    assert [len(page.rows) for page in pages] == [4, 4, 4, 2]
    assert {page.total for page in pages} == {14}
    seen = [row for page in pages for row in page.rows]
    expected = sorted(rows, key=lambda row: (row.start, row.id), reverse=descending)
    assert seen == expected
    exact = await all_pages(clinic, dentist(ann), replace(query, limit=7))
    assert len(exact) == 2


async def test_a_row_inserted_while_paging_shifts_nothing(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, now = await clinic.open(ann), clinic.clock.now()
    rows = [clinic.row(ann, pat, now + n * DAY) for n in (2, 3, 4)]
    await clinic.commit(loaded, *(clinic.turn(booked(row)) for row in rows))
    query = replace(DEFAULT, limit=2)
    first = await clinic.store.appointments.page(patient(pat), query)
    await clinic.commit(loaded, clinic.turn(booked(clinic.row(ann, pat, now + DAY))))
    second = await clinic.store.appointments.page(
        patient(pat), replace(query, after=first.next_after)
    )
    assert [*first.rows, *second.rows] == rows


async def test_lists_omit_reservations_by_default(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    now, loaded = clinic.clock.now(), await clinic.open(ann)
    rows = {
        status: clinic.row(ann, pat, now + n * DAY, status=status)
        for n, status in enumerate(Status, start=1)
    }
    await clinic.commit(loaded, *(clinic.turn(booked(row)) for row in rows.values()))
    page = await clinic.store.appointments.page(patient(pat), DEFAULT)
    assert {row.status for row in page.rows} == {
        *(Status.CONFIRMED, Status.ARRIVED, Status.CHECKED_IN),
        *(Status.COMPLETED, Status.CANCELLED, Status.NO_SHOW),
    }
    wanted = replace(DEFAULT, statuses=frozenset({Status.HELD, Status.EXPIRED}))
    page = await clinic.store.appointments.page(patient(pat), wanted)
    assert {row.status for row in page.rows} == {Status.HELD, Status.EXPIRED}


async def test_overdue_hold_is_not_listed_before_its_timer_runs(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    hold = clinic.row(ann, pat, status=Status.HELD)
    await clinic.commit(await clinic.open(ann), clinic.turn(held(hold)))
    wanted = replace(DEFAULT, statuses=frozenset({Status.HELD}))
    assert await listed(clinic, patient(pat), wanted) == [hold.id]
    clinic.clock.advance(5 * MINUTE)
    page = await clinic.store.appointments.page(patient(pat), wanted)
    assert (page.rows, page.total) == ((), 0)
    found = await clinic.store.appointments.get(patient(pat), hold.id)
    assert found
    assert found[0] == hold
