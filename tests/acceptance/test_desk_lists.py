"""What a front desk lists: visits of several calendars, what changed, and times it may book."""

from typing import Any

import pytest

from tests.support.clinic import Clinic, Person, schedule

LIST, FREE = "/api/appointments", "/api/slots"


async def ids(clinic: Clinic, person: Person, **filters: Any) -> set[str]:
    page = await clinic.api(person).get(LIST, **filters)
    assert page.status == 200, page.body
    return {row["id"] for row in page.body["data"]}


def starts(body: Any) -> set[tuple[str, str]]:
    return {(each["dentist_id"], each["start"]) for each in body["data"]}


async def test_a_desk_lists_some_calendars_in_some_statuses(clinic: Clinic) -> None:
    desk, (first, second, third) = clinic.staff[0], clinic.dentists
    one = await clinic.book(clinic.patients[0], "09:00", dentist=first)
    two = await clinic.book(clinic.patients[1], "09:00", dentist=second)
    gone = await clinic.book(clinic.patients[2], "11:00", dentist=first)
    missed = await clinic.visit(clinic.patients[3], dentist=second)
    await clinic.api(desk).delete(f"{LIST}/{gone['id']}")
    await clinic.api(desk).put(f"{LIST}/{missed['id']}", {"status": "no_show"})
    await clinic.book(clinic.patients[4], "09:00", dentist=third)
    both = [first.id, second.id]
    everyone = {one["id"], two["id"], gone["id"], missed["id"]}
    assert await ids(clinic, desk, dentist_id=both) == everyone
    assert await ids(clinic, desk, dentist_id=[*both, third.id]) == everyone
    ended = ["cancelled", "no_show"]
    assert await ids(clinic, desk, dentist_id=both, status=ended) == {gone["id"], missed["id"]}
    assert await ids(clinic, desk, dentist_id=second.id, status=ended) == {missed["id"]}
    assert await ids(clinic, desk, dentist_id=third.id) == set()
    for asked, known in (
        (both, both),
        ([second.id, third.id], [second.id]),
        ([third.id], []),
    ):
        page = (await clinic.api(desk).get(LIST, dentist_id=asked)).body
        channels = [each["channel"] for each in page["positions"]]
        assert channels == [f"appointments:dentist:{each}" for each in sorted(known)]
    many = [first.id] * 101
    assert (await clinic.api(desk).get(LIST, dentist_id=many)).code == "VALIDATION_ERROR"
    first_page = (await clinic.api(desk).get(LIST, dentist_id=both, limit=1)).body
    cursor = first_page["pagination"]["next_cursor"]
    other = await clinic.api(desk).get(LIST, dentist_id=first.id, limit=1, cursor=cursor)
    assert other.code == "VALIDATION_ERROR"


@pytest.mark.parametrize("who", ["staff", "dentists", "patients"])
async def test_a_list_has_what_changed_since_an_instant(clinic: Clinic, who: str) -> None:
    person: Person = getattr(clinic, who)[0]
    patient = clinic.patients[0]
    old = await clinic.book(patient, "09:00")
    new = await clinic.book(patient, "11:00")
    assert await ids(clinic, person, updated_since=old["updated_at"]) == {old["id"], new["id"]}
    assert await ids(clinic, person, updated_since=new["updated_at"]) == {new["id"]}
    assert (await clinic.api(patient).delete(f"{LIST}/{old['id']}")).status == 204
    changed = (await clinic.api(person).get(f"{LIST}/{old['id']}")).body["updated_at"]
    assert await ids(clinic, person, updated_since=changed) == {old["id"]}
    assert await ids(clinic, person, updated_since=changed, status="confirmed") == set()
    for wrong in ("yesterday", "2027-03-08T09:00:00"):
        refused = await clinic.api(person).get(LIST, updated_since=wrong)
        assert refused.error["details"][0]["field"] == "updated_since"


async def test_staff_are_listed_the_times_that_only_they_may_book(clinic: Clinic) -> None:
    dentist, desk = clinic.dentists[0], clinic.staff[0]
    kept = [
        {"weekday": day["weekday"], "start": "08:00", "end": "10:00", "opens_minutes_before": 0}
        for day in schedule()["rules"]
    ]
    hours = schedule(
        min_notice_minutes=60 * 24 * 30,
        horizon_days=1,
        appointment_type_ids=[],
        reserved_blocks=kept,
    )
    assert (await clinic.api(dentist).put(f"/api/availability/{dentist.id}", hours)).status == 200
    day = clinic.day_of(dentist)
    kind = f"/api/appointment-types/{clinic.types['check-up']}"
    assert (await clinic.admin.put(kind, {"bookable_by": ["staff"]})).status == 200
    screens = [await clinic.screen(each) for each in (desk, dentist)]
    for person, screen in zip((desk, dentist), screens, strict=True):
        caller = clinic.api(person)
        seen = {"as": "staff"}
        for more in ({}, {"ignore_notice": "true"}, {"ignore_horizon": "true"}):
            assert (await caller.get(FREE, **day, **seen, **more)).body["data"] == []
        everything = {**seen, "ignore_notice": "true", "ignore_horizon": "true"}
        listed = await caller.get(FREE, **day, **everything)
        assert listed.status == 200, listed.body
        assert (dentist.id, clinic.at("08:00")) in starts(listed.body), "also kept back"
        channels = [each["channel"] for each in listed.body["positions"]]
        assert channels == [f"availability:dentist:{dentist.id}"]
        data = {**day, "as": "staff", "ignore_notice": True, "ignore_horizon": True}
        assert await screen.ok("slots:list", data) == listed.body
        assert (await caller.get(FREE, **day)).body["data"] == []
    body = {**clinic.slot("08:00"), "patient_id": clinic.patients[0].id}
    assert (await clinic.api(desk).post(LIST, body)).status == 201
    again = await clinic.api(desk).get(FREE, **day, **everything)
    assert (dentist.id, clinic.at("08:00")) not in starts(again.body)


async def test_a_search_for_staff_is_of_the_calendars_that_they_manage(clinic: Clinic) -> None:
    first, second, third = clinic.dentists
    desk, stranger = clinic.staff
    day = {**clinic.day_of(first), "as": "staff"}
    everywhere = {key: value for key, value in day.items() if key != "dentist_id"}
    for person, known in (
        (desk, {first.id, second.id}),
        (first, {first.id}),
        (stranger, {third.id}),
    ):
        page = (await clinic.api(person).get(FREE, **everywhere)).body
        channels = {each["channel"] for each in page["positions"]}
        assert channels == {f"availability:dentist:{each}" for each in known}
    for person in (stranger, second, clinic.patients[0]):
        assert (await clinic.api(person).get(FREE, **day)).code == "FORBIDDEN"
        screen = await clinic.screen(person)
        assert (await screen.refused("slots:list", day))["code"] == "FORBIDDEN"
    assert (await clinic.chatbot(clinic.patients[0]).get(FREE, **day)).code == "FORBIDDEN"
    assert (await clinic.admin.get(FREE, **day)).code == "FORBIDDEN"
    unknown = {**day, "dentist_id": clinic.patients[0].id}
    assert (await clinic.api(desk).get(FREE, **unknown)).code == "NOT_FOUND"
    for wrong in (
        {"as": "patient"},
        {"ignore_notice": "true"},
        {"as": "staff", "ignore_notice": 1},
    ):
        plain = {key: value for key, value in day.items() if key != "as"}
        refused = await clinic.api(desk).get(FREE, **plain, **wrong)
        assert refused.code == "VALIDATION_ERROR"
