"""Patients get messages about their visits, in order and once, whatever the mail server does."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import icalendar
import pytest

from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import Clinic
from tests.support.database import rows
from tests.support.eventually import eventually
from tests.support.mail_server import ENABLED, SENDER, MailServer, mail_server
from tests.support.running import Template
from tests.support.text_provider import text_provider

MAIL_OF = "patient-{}@example.org"


@pytest.fixture
async def mails() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
async def mailing(open_clinic: OpenClinic, mails: MailServer) -> AsyncIterator[Clinic]:
    """A clinic that sends messages to the server."""
    async with open_clinic(messages=ENABLED, mail=mails.settings(timeout_s=2.0)) as clinic:
        yield clinic


def stored(clinic: Clinic) -> list[tuple[str, str, str | None]]:
    """Kind, state and error of all messages, the oldest first."""
    found = rows(clinic.database, "SELECT kind, state, error FROM messages ORDER BY created_at, id")
    return [(row["kind"], row["state"], row["error"]) for row in found]


async def states(clinic: Clinic, *expected: str) -> None:
    await eventually(lambda: tuple(state for _, state, _ in stored(clinic)) == expected, 10.0)
    assert tuple(state for _, state, _ in stored(clinic)) == expected, stored(clinic)


async def test_a_patient_is_informed_of_each_change_of_a_visit(
    mailing: Clinic, mails: MailServer
) -> None:
    patient = mailing.patients[0]
    visit = await mailing.book(patient, "09:00")
    await mails.until(1)
    await states(mailing, "sent")
    path = f"/api/appointments/{visit['id']}"
    moved = await mailing.api(patient).put(path, {"start": mailing.at("10:00")})
    assert moved.status == 200
    await mails.until(2)
    await states(mailing, "sent", "sent")
    assert (await mailing.api(mailing.dentists[0]).delete(path)).status == 204
    await mails.until(3)
    await states(mailing, "sent", "sent", "sent")
    assert [mail.to for mail in mails.mails] == [MAIL_OF.format(0)] * 3
    assert [mail.subject for mail in mails.mails] == [
        "Your appointment at First practice",
        "Your appointment at First practice has changed",
        "Your appointment at First practice is cancelled",
    ]
    events = [mail.calendar.walk("VEVENT")[0] for mail in mails.mails]
    assert len({str(event["UID"]) for event in events}) == 1
    numbers = [event.decoded("SEQUENCE") for event in events]
    assert numbers == sorted(set(numbers)), "each is newer than the one before"


async def test_a_reservation_and_a_note_are_no_reason_for_a_message(
    mailing: Clinic, mails: MailServer
) -> None:
    patient = mailing.api(mailing.patients[0])
    assert (await patient.post("/api/reservations", mailing.slot("09:00"))).status == 201
    visit = await mailing.book(mailing.patients[1], "10:00")
    changed = await mailing.api(mailing.patients[1]).put(
        f"/api/appointments/{visit['id']}", {"notes": "By bicycle"}
    )
    assert changed.status == 200
    await mails.until(1)
    await states(mailing, "sent")


async def test_what_was_not_sent_yet_is_replaced_by_what_holds_now(
    mailing: Clinic, mails: MailServer
) -> None:
    mails.refused[MAIL_OF.format(0)] = "451 try again later"
    visit = await mailing.book(mailing.patients[0], "09:00")
    await eventually(lambda: mails.attempts[MAIL_OF.format(0)] > 0, 10.0)
    path = f"/api/appointments/{visit['id']}"
    assert (await mailing.api(mailing.patients[0]).delete(path)).status == 204
    await eventually(lambda: ("confirmation", "expired", "replaced") in stored(mailing), 10.0)
    mails.refused.clear()
    (mail,) = await mails.until(1)
    assert mail.subject.endswith("is cancelled")
    await states(mailing, "expired", "sent")


async def test_one_refused_recipient_delays_no_other(mailing: Clinic, mails: MailServer) -> None:
    mails.refused[MAIL_OF.format(0)] = "550 no such mailbox"
    await mailing.book(mailing.patients[0], "09:00")
    await mailing.book(mailing.patients[1], "10:00")
    await mails.until(1)
    await states(mailing, "failed", "sent")
    assert stored(mailing)[0] == ("confirmation", "failed", "mailbox_unknown")
    counted = (await mailing.admin.get("/metrics")).body
    for outcome in ("sent", "mailbox_unknown"):
        assert f'chairside_messages_total{{channel="email",outcome="{outcome}"}} 1.0' in counted
    assert mails.attempts == {MAIL_OF.format(0): 1, MAIL_OF.format(1): 1}


async def test_a_cut_after_accepting_is_followed_by_one_repeat(
    mailing: Clinic, mails: MailServer
) -> None:
    mails.cuts = 1
    await mailing.book(mailing.patients[0], "09:00")
    await mailing.book(mailing.patients[1], "10:00")
    await states(mailing, "sent", "sent")
    assert sorted(Counter(mail.message_id for mail in mails.mails).values()) == [1, 2]


async def test_messages_wait_for_a_slow_server_and_one_that_is_away(
    open_clinic: OpenClinic,
) -> None:
    async with mail_server() as server:
        port, settings = server.port, server.settings(timeout_s=0.5)
    async with open_clinic(messages=ENABLED, mail=settings) as clinic:
        for number, clock in enumerate(("09:00", "10:00", "11:00")):
            await clinic.book(clinic.patients[number], clock)
        await eventually(lambda: {e for _, _, e in stored(clinic)} == {"unreachable"}, 10.0)
        assert {(state, error) for _, state, error in stored(clinic)} == {("queued", "unreachable")}
        async with mail_server(port) as server:
            await server.until(3)
            await states(clinic, "sent", "sent", "sent")
            assert set(Counter(mail.message_id for mail in server.mails).values()) == {1}


async def test_more_than_the_daily_limit_is_not_sent(
    open_clinic: OpenClinic, mails: MailServer
) -> None:
    limited = replace(ENABLED, per_recipient_per_day=2)
    async with open_clinic(messages=limited, mail=mails.settings()) as clinic:
        for clock in ("09:00", "10:00", "11:00"):
            await clinic.book(clinic.patients[0], clock)
        await states(clinic, "sent", "sent", "failed")
        assert stored(clinic)[2][2] == "daily_limit"
        assert len(mails.mails) == 2


async def test_each_practice_has_its_limit_and_its_sender(
    open_clinic: OpenClinic, mails: MailServer, template: Template
) -> None:
    limited, own = replace(ENABLED, per_practice_per_day=2), "first@practice.example"
    senders = (f"{template.people.practices[0]}={own}",)
    async with open_clinic(messages=limited, mail=mails.settings(senders=senders)) as clinic:
        for number, clock in enumerate(("09:00", "10:00", "11:00")):
            await clinic.book(clinic.patients[number], clock)
            await states(clinic, *("sent", "sent", "failed")[: number + 1])
        assert stored(clinic)[2][2] == "daily_limit"
        await clinic.book(clinic.patients[3], "09:00", dentist=clinic.dentists[2])
        await states(clinic, "sent", "sent", "failed", "sent")
        froms = [str(mail.content["From"]) for mail in mails.mails]
        assert froms == [f"First practice <{own}>"] * 2 + [f"Second practice <{SENDER}>"]
        assert mails.senders == [own, own, SENDER], "of the envelopes"


async def test_who_refuses_messages_gets_none(mailing: Clinic, mails: MailServer) -> None:
    patient = mailing.patients[0]
    refused = await mailing.api(patient).put("/api/profiles/me", {"consent": {"email": False}})
    assert refused.status == 200, refused.body
    await mailing.book(patient, "09:00")
    await mailing.book(mailing.patients[1], "10:00")
    await mails.until(1)
    await states(mailing, "sent")
    assert mails.mails[0].to == MAIL_OF.format(1)


async def test_staff_list_what_became_of_messages_and_send_them_again(
    mailing: Clinic, mails: MailServer
) -> None:
    desk, other = mailing.api(mailing.staff[0]), mailing.api(mailing.staff[1])
    mails.refused[MAIL_OF.format(0)] = "550 no such mailbox"
    visit = await mailing.book(mailing.patients[0], "09:00")
    await states(mailing, "failed")
    (failed,) = (await desk.get("/api/messages", appointment_id=visit["id"])).body["data"]
    assert (failed["state"], failed["error"], failed["attempts"]) == (
        "failed",
        "mailbox_unknown",
        1,
    )
    assert (failed["appointment_id"], failed["patient_id"]) == (visit["id"], mailing.patients[0].id)
    assert (await other.get("/api/messages")).body["data"] == []
    assert (await other.post(f"/api/messages/{failed['id']}/resend", None)).status == 404
    mails.refused.clear()
    again = await desk.post(f"/api/messages/{failed['id']}/resend", None)
    assert (again.status, again.body["state"]) == (200, "queued")
    assert again.body["id"] != failed["id"]
    await states(mailing, "failed", "sent")
    (mail,) = mails.mails
    assert mail.message_id.startswith(f"<{again.body['id']}@")
    sent = await desk.get("/api/messages", state="sent")
    assert [each["id"] for each in sent.body["data"]] == [again.body["id"]]
    assert "@" not in str(sent.body), "no address is shown"
    for kind, count in (("confirmation", 2), ("confirmation_request,reminder", 0)):
        assert len((await desk.get("/api/messages", kind=kind)).body["data"]) == count
    assert (await desk.get("/api/messages", kind="code")).status == 400


async def test_a_message_that_is_not_true_any_more_is_not_sent_again(
    mailing: Clinic, mails: MailServer
) -> None:
    desk, patient = mailing.api(mailing.staff[0]), mailing.api(mailing.patients[0])
    visit = await mailing.book(mailing.patients[0], "09:00")
    await mails.until(1)
    await states(mailing, "sent")
    (first,) = (await desk.get("/api/messages")).body["data"]
    assert (await patient.delete(f"/api/appointments/{visit['id']}")).status == 204
    await states(mailing, "sent", "sent")
    refused = await desk.post(f"/api/messages/{first['id']}/resend", None)
    assert (refused.status, refused.code) == (409, "MESSAGE_OUTDATED")
    second = (await desk.get("/api/messages")).body["data"][0]
    assert second["kind"] == "cancellation"
    assert (await desk.post(f"/api/messages/{second['id']}/resend", None)).status == 200


async def test_messages_come_in_pages(mailing: Clinic, mails: MailServer) -> None:
    for number, clock in enumerate(("09:00", "10:00", "11:00")):
        await mailing.book(mailing.patients[number], clock)
    await states(mailing, "sent", "sent", "sent")
    desk = mailing.api(mailing.staff[0])
    first = (await desk.get("/api/messages", limit=2)).body
    assert (len(first["data"]), first["pagination"]["total"]) == (2, 3)
    rest = await desk.get("/api/messages", limit=2, cursor=first["pagination"]["next_cursor"])
    assert rest.body["pagination"]["next_cursor"] is None
    times = [each["created_at"] for each in (*first["data"], *rest.body["data"])]
    assert times == sorted(times, reverse=True)
    assert len(times) == 3
    odd = await desk.get("/api/messages", state="lost")
    assert (odd.status, odd.error["details"][0]["field"]) == (400, "state")


async def test_screens_of_the_practice_see_what_becomes_of_a_message(
    mailing: Clinic, mails: MailServer
) -> None:
    desk, patient = await mailing.screen(mailing.staff[0]), mailing.patients[0]
    own = await mailing.screen(patient)
    visit = await mailing.book(patient, "09:00")
    for kind, state in (("message.queued", "queued"), ("message.sent", "sent")):
        event = await desk.event(kind, 10.0, appointment_id=visit["id"])
        assert event.data["data"]["state"] == state
        assert "@" not in str(event.data)
    assert {event.event for event in own.events()} & {"message.queued", "message.sent"} == set()


async def test_a_visit_is_a_calendar_file_for_those_who_may_read_it(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    visit = await clinic.book(patient, "09:00")
    path = f"/api/appointments/{visit['id']}/calendar.ics"
    mine, desk = await clinic.api(patient).get(path), await clinic.api(clinic.staff[0]).get(path)
    assert mine.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert (await clinic.api(clinic.patients[1]).get(path)).status == 404
    assert MAIL_OF.format(0) in mine.body
    assert "@example.org" not in desk.body, "staff see contact data elsewhere, if they may"
    assert (await clinic.api(patient).delete(f"/api/appointments/{visit['id']}")).status == 204
    cancelled = await clinic.api(patient).get(path)
    entry = icalendar.Calendar.from_ical(cancelled.body)
    assert str(entry["METHOD"]) == "CANCEL"
    before = icalendar.Calendar.from_ical(mine.body).walk("VEVENT")[0]
    after = entry.walk("VEVENT")[0]
    assert str(after["UID"]) == str(before["UID"])
    assert after.decoded("SEQUENCE") > before.decoded("SEQUENCE")
    held = await clinic.api(patient).post("/api/reservations", clinic.slot("10:00"))
    hold = f"/api/appointments/{held.body['id']}/calendar.ics"
    assert (await clinic.api(patient).get(hold)).status == 404


async def test_who_has_no_mail_gets_a_text_message(
    open_clinic: OpenClinic, mails: MailServer
) -> None:
    settings = replace(ENABLED, sms_regions=("AT",))
    async with (
        text_provider() as provider,
        open_clinic(messages=settings, mail=mails.settings(), sms=provider.settings) as clinic,
    ):
        patient = clinic.patients[0]
        changed = {"email": None, "phone": "+43 664 1234567"}
        assert (await clinic.api(patient).put("/api/profiles/me", changed)).status == 200
        await clinic.book(patient, "09:00")
        await clinic.book(clinic.patients[1], "10:00")
        await states(clinic, "sent", "sent")
        (text,) = provider.texts
        assert text["To"] == "+436641234567"
        assert text["Body"].startswith("First practice: Your appointment is booked.")
        assert [mail.to for mail in mails.mails] == [MAIL_OF.format(1)]


async def test_a_slow_server_gets_each_message_once(mailing: Clinic, mails: MailServer) -> None:
    mails.is_open.clear()
    for number, clock in enumerate(("09:00", "10:00", "11:00")):
        await mailing.book(mailing.patients[number], clock)
    await eventually(lambda: mails.attempts.total() >= 2, 10.0)
    mails.is_open.set()
    await states(mailing, "sent", "sent", "sent")
    assert len(mails.mails) == 3
