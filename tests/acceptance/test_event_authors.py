"""``by`` of events: the person in the channels of calendars, in others the role at most."""

from typing import Any

from tests.support.clinic import Clinic, Person


def author(person: Person, role: str) -> dict[str, str]:
    return {"id": person.id, "name": person.name, "role": role}


async def missed(clinic: Clinic, reader: Person, channel: str) -> list[dict[str, Any]]:
    """The whole channel, as the reader catches it up."""
    found = await clinic.api(reader).get("/api/changes", channel=channel, since="1.0")
    since = found.body["channels"][channel]
    begin = f"{since['epoch']}.0"
    again = await clinic.api(reader).get("/api/changes", channel=channel, since=begin)
    events: list[dict[str, Any]] = again.body["channels"][channel]["events"]
    return events


async def test_a_calendar_names_who_made_a_change_and_patients_are_shown_the_role(
    clinic: Clinic,
) -> None:
    dentist, patient, desk = clinic.dentists[0], clinic.patients[0], clinic.staff[0]
    screens = [await clinic.screen(each) for each in (dentist, desk, patient)]
    body = {**clinic.slot("09:00"), "patient_id": patient.id}
    booked = (await clinic.api(desk).post("/api/appointments", body)).body
    path = f"/api/appointments/{booked['id']}"
    await clinic.api(dentist).put(path, {"notes": "seen"})
    await clinic.chatbot(patient).delete(path)
    full = [
        ("appointment.created", author(desk, "staff")),
        ("appointment.updated", author(dentist, "dentist")),
        ("appointment.cancelled", author(patient, "patient")),
    ]
    roles = [(type_, {"role": by["role"]}) for type_, by in full]
    for screen, wanted in zip(screens, (full, full, roles), strict=True):
        for type_, by in wanted:
            assert (await screen.event(type_, 1.0, id=booked["id"])).data["by"] == by
    calendar, own = f"appointments:dentist:{dentist.id}", f"appointments:patient:{patient.id}"
    for reader, channel, wanted in ((dentist, calendar, full), (patient, own, roles)):
        found = await missed(clinic, reader, channel)
        assert [(each["type"], each["by"]) for each in found] == wanted


async def test_what_the_hub_does_itself_and_what_everyone_reads(clinic: Clinic) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    screen = await clinic.screen(dentist)
    held = await clinic.hold(patient, "09:00")
    assert (await screen.event("reservation.created", 1.0, id=held["id"])).data["by"] == author(
        patient, "patient"
    )
    assert "by" not in (await screen.event("slots.changed", 1.0)).data
    await clinic.book(patient, "10:00")
    saved = await clinic.api(patient).put("/api/profiles/me", {"phone": "+49 176 5550199"})
    assert saved.status == 200, saved.body
    desk = await missed(clinic, clinic.staff[0], f"practices:{clinic.practices[0]}")
    of_patient = [each for each in desk if each["data"].get("patient_id") == patient.id]
    updated = of_patient[-1]
    assert (updated["type"], updated["by"]) == ("patient.updated", {"role": "patient"})
    for each in await missed(clinic, dentist, f"availability:dentist:{dentist.id}"):
        assert "by" not in each
