"""Links without sign-in: a patient confirms, moves or cancels one visit, and no other."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import icalendar
import pytest

from api.http.settings import ServerSettings
from api.visits.deps import VISIT_CHANGES_PER_HOUR
from tests.acceptance.conftest import OpenClinic
from tests.support.api import Answer
from tests.support.clinic import Clinic, schedule
from tests.support.database import execute, rows
from tests.support.eventually import eventually
from tests.support.logs import Logs
from tests.support.mail_server import ENABLED, MailServer, ReceivedMail, mail_server
from tests.support.sign_in import ORIGIN, Browser

OPEN, TIMES, CALENDAR = "/visit/open", "/visit/times", "/visit/calendar"
CONFIRM, MOVE, CANCEL = "/visit/confirm", "/visit/move", "/visit/cancel"
LINK = re.compile(rf"{re.escape(ORIGIN)}/visit#(\S{{43}})")


def token_of(mail: ReceivedMail) -> str:
    (token,) = LINK.findall(mail.text())
    assert f"/visit#{token}" in mail.text("html")
    return str(token)


@dataclass(frozen=True)
class Linked:
    """A clinic whose first patient has a visit, and the link in the mail about it."""

    clinic: Clinic
    mails: MailServer
    visit: dict[str, Any]
    token: str

    async def post(self, path: str, token: str | None = None, **body: Any) -> Answer:
        return await self.browser.post(path, {"token": token or self.token, **body})

    @property
    def browser(self) -> Browser:
        return Browser(self.clinic.session, self.clinic.url)

    async def staff(self, **change: Any) -> Answer:
        desk = self.clinic.api(self.clinic.staff[0])
        return await desk.put(f"/api/appointments/{self.visit['id']}", change)

    async def now(self) -> dict[str, Any]:
        desk = self.clinic.api(self.clinic.staff[0])
        found: dict[str, Any] = (await desk.get(f"/api/appointments/{self.visit['id']}")).body
        return found

    def stored(self) -> Sequence[Any]:
        """What changes with a command."""
        tables = ("appointments", "event_log", "audit_log", "visit_links", "idempotency_keys")
        return [rows(self.clinic.database, f"SELECT * FROM {table}") for table in tables]  # noqa: S608  # our own names


@pytest.fixture
async def linked(open_clinic: OpenClinic) -> AsyncIterator[Linked]:
    async with (
        mail_server() as mails,
        open_clinic(
            messages=ENABLED,
            mail=mails.settings(timeout_s=2.0),
            server=ServerSettings(public_url=ORIGIN),
        ) as clinic,
    ):
        visit = await clinic.book(clinic.patients[0], "09:00")
        (mail,) = await mails.until(1)
        yield Linked(clinic, mails, visit, token_of(mail))


async def test_a_link_shows_its_visit_and_changes_nothing(linked: Linked) -> None:
    sent = "SELECT id FROM messages WHERE state = 'sent'"
    await eventually(lambda: bool(rows(linked.clinic.database, sent)), 10.0)
    before = linked.stored()
    shown = await linked.post(OPEN)
    assert shown.status == 200, shown.body
    assert (shown.body["start"], shown.body["status"]) == (linked.visit["start"], "confirmed")
    assert shown.body["practice"]["name"] == "First practice"
    assert shown.body["dentist"] == linked.clinic.dentists[0].name
    assert shown.body["appointment_type"] is None, "it may tell about a patient's health"
    assert shown.body["patient"]["email"] == "p•••@e•••.org"
    assert "patient-0" not in str(shown.body)
    assert (await linked.post(TIMES)).status == 200
    assert (await linked.post(CALENDAR)).status == 200
    assert linked.stored() == before


async def test_a_confirmation_is_shown_to_the_practice_and_the_patient(linked: Linked) -> None:
    clinic = linked.clinic
    dashboard = await clinic.screen(clinic.dentists[0])
    phone = await clinic.screen(clinic.patients[0])
    confirmed = await linked.post(CONFIRM, version=linked.visit["version"])
    assert (confirmed.status, confirmed.body["can_be_confirmed"]) == (200, False)
    at = confirmed.body["patient_confirmed_at"]
    for screen in (dashboard, phone):
        event = await screen.event("appointment.updated", 2.0, id=linked.visit["id"])
        assert event.data["data"]["patient_confirmed_at"] == at
    assert (await linked.now())["patient_confirmed_at"] == at
    again = await linked.post(CONFIRM, version=linked.visit["version"])
    assert (again.status, again.body["version"]) == (200, confirmed.body["version"])
    (entry,) = rows(
        clinic.database,
        "SELECT role, subject, on_behalf_of FROM audit_log WHERE action = 'appointment.changed'",
    )
    (message,) = rows(clinic.database, "SELECT id FROM messages")
    assert entry["role"] == "patient"
    assert entry["subject"] == f"chairside:visit-link:{message['id']}"
    assert entry["on_behalf_of"] == clinic.patients[0].id


async def test_moving_a_visit_clears_its_confirmation(linked: Linked) -> None:
    await linked.post(CONFIRM, version=linked.visit["version"])
    assert (await linked.staff(notes="By bicycle")).body["patient_confirmed_at"] is not None
    moved = await linked.staff(start=linked.clinic.at("15:00"))
    assert (moved.status, moved.body["patient_confirmed_at"]) == (200, None)
    shown = await linked.post(OPEN)
    assert (shown.body["start"], shown.body["can_be_confirmed"]) == (moved.body["start"], True)


async def test_a_patient_moves_a_visit_to_a_free_time(linked: Linked) -> None:
    clinic = linked.clinic
    await clinic.book(clinic.patients[1], "10:00")
    times = (await linked.post(TIMES)).body
    assert clinic.at("10:00") not in times["starts"]
    assert len(times["starts"]) == 60
    more = (await linked.post(TIMES, after=times["next_after"])).body["starts"]
    assert more[0] > times["starts"][-1] == times["next_after"]
    taken = await linked.post(MOVE, version=1, start=clinic.at("10:00"))
    assert (taken.status, taken.code) == (409, "SLOT_TAKEN")
    moved = await linked.post(MOVE, version=1, start=clinic.at("11:00"))
    assert (moved.status, moved.body["start"]) == (200, clinic.at("11:00"))
    mails = await linked.mails.until(3)
    (changed,) = (mail for mail in mails if mail.subject.endswith("has changed"))
    stale = await linked.post(MOVE, version=1, start=clinic.at("12:00"))
    assert (stale.status, stale.code) == (412, "VERSION_CONFLICT")
    later = await linked.post(MOVE, token_of(changed), version=2, start=clinic.at("12:00"))
    assert later.status == 200, later.body


async def test_a_cancelled_visit_is_shown_as_cancelled(linked: Linked) -> None:
    before = icalendar.Calendar.from_ical((await calendar(linked)).encode()).walk("VEVENT")[0]
    done = await linked.post(CANCEL, version=1, reason="patient_ill")
    assert (done.status, done.body["status"]) == (200, "cancelled")
    assert (await linked.now())["cancel_reason"] == "patient_ill"
    shown = await linked.post(OPEN)
    assert shown.body["status"] == "cancelled"
    assert (shown.body["can_be_confirmed"], shown.body["changeable_until"]) == (False, None)
    entry = icalendar.Calendar.from_ical((await calendar(linked)).encode())
    after = entry.walk("VEVENT")[0]
    assert (str(entry["METHOD"]), str(after["STATUS"])) == ("CANCEL", "CANCELLED")
    assert str(after["UID"]) == str(before["UID"])
    assert after.decoded("SEQUENCE") > before.decoded("SEQUENCE")
    for path, body in ((CONFIRM, {}), (MOVE, {"start": linked.clinic.at("11:00")})):
        refused = await linked.post(path, version=2, **body)
        assert (refused.status, refused.code) == (409, "INVALID_TRANSITION")
    mails = await linked.mails.until(2)
    assert not LINK.search(mails[-1].text()), "there is nothing to confirm any more"


async def calendar(linked: Linked) -> str:
    sent = {"token": linked.token}
    url, headers = f"{linked.clinic.url}{CALENDAR}", {"Origin": ORIGIN}
    async with linked.clinic.session.post(url, json=sent, headers=headers) as response:
        assert response.headers["Content-Type"] == "text/calendar; charset=utf-8"
        return await response.text()


async def test_the_rules_of_the_practice_hold_for_links(linked: Linked) -> None:
    clinic = linked.clinic
    desk = clinic.api(clinic.staff[0])
    strict = schedule(cancel_notice_minutes=60 * 24 * 30)
    path = f"/api/availability/{clinic.dentists[0].id}"
    assert (await desk.put(path, strict)).status == 200
    for path, body in ((CANCEL, {}), (MOVE, {"start": clinic.at("11:00")})):
        refused = await linked.post(path, version=1, **body)
        assert (refused.status, refused.code) == (422, "TOO_LATE"), refused.body
    shown = await linked.post(OPEN)
    assert shown.body["changeable_until"] < linked.visit["created_at"]
    assert (await linked.post(CONFIRM, version=1)).status == 200, "it is never too late to come"


async def test_tokens_that_are_not_of_an_open_link_are_refused_alike(linked: Linked) -> None:
    last = "B" if linked.token[-1] == "A" else "A"
    (hidden,) = rows(linked.clinic.database, "SELECT token_hash FROM visit_links")
    foreign = linked.clinic.patients[0].token
    wrong = ["A" * 43, linked.token[:-1] + last, linked.token + "A", hidden["token_hash"], foreign]
    answers = [await linked.post(OPEN, token[:100]) for token in wrong]
    execute(linked.clinic.database, "UPDATE visit_links SET expires_at = created_at")
    version = {"version": 1}
    every: Mapping[str, Mapping[str, Any]] = {
        **{path: {} for path in (OPEN, TIMES, CALENDAR)},
        **dict.fromkeys((CONFIRM, CANCEL), version),
        MOVE: {**version, "start": linked.clinic.at("11:00")},
    }
    answers += [await linked.post(path, **body) for path, body in every.items()]
    assert {(each.status, each.code, each.error["message"]) for each in answers} == {
        (401, "UNAUTHORIZED", "Invalid token")
    }
    assert (await linked.now())["version"] == 1


async def test_the_practice_revokes_links(linked: Linked) -> None:
    clinic, path = linked.clinic, f"/api/appointments/{linked.visit['id']}/links"
    for person in (clinic.patients[0], clinic.patients[1], clinic.staff[1]):
        assert (await clinic.api(person).delete(path)).status in (403, 404)
    assert (await linked.post(OPEN)).status == 200
    assert (await clinic.api(clinic.staff[0]).delete(path)).status == 204
    assert (await linked.post(OPEN)).status == 401
    assert (await linked.post(CONFIRM, version=1)).status == 401
    (entry,) = rows(
        clinic.database,
        "SELECT action, resource_id FROM audit_log WHERE resource_kind = 'visit_link'",
    )
    assert entry == {"action": "visit_link.revoked", "resource_id": linked.visit["id"]}
    await linked.staff(start=clinic.at("15:00"))
    mails = await linked.mails.until(2)
    assert (await linked.post(OPEN, token_of(mails[-1]))).status == 200, "it is a new link"


@pytest.mark.parametrize("by", ["merge", "practice", "deactivation"])
async def test_a_link_ends_when_its_patient_or_practice_is_another_one(
    linked: Linked, by: str
) -> None:
    clinic, patient = linked.clinic, linked.clinic.patients[0]
    if by == "merge":
        other = {"role": "patient", "name": "Pat", "practice_id": clinic.practices[0]}
        survivor = (await clinic.admin.post("/api/profiles", other)).body["id"]
        path = f"/api/patients/{patient.id}/merge"
        done = await clinic.admin.post(path, {"into": survivor})
    elif by == "practice":
        body = {"dentist_id": clinic.dentists[2].id, "start": clinic.at("15:00")}
        done = await clinic.api(patient).put(f"/api/appointments/{linked.visit['id']}", body)
    else:
        done = await clinic.admin.put(f"/api/profiles/{patient.id}", {"active": False})
    assert done.status == 200, done.body
    assert (await linked.post(OPEN)).status == 401


async def test_a_page_of_another_origin_cannot_use_a_link(linked: Linked) -> None:
    body = {"token": linked.token, "version": 1}
    for origin in ("https://evil.example", None, "null", f"{ORIGIN}.evil.example"):
        refused = await linked.browser.post(CANCEL, body, origin=origin)
        assert (refused.status, refused.code) == (403, "FORBIDDEN")
    refused = await linked.browser.post(CANCEL, body, Sec_Fetch_Site="cross-site")
    assert refused.status == 403
    for path in (OPEN, CONFIRM, MOVE, CANCEL, CALENDAR):
        url = f"{linked.clinic.url}{path}?token={linked.token}"
        async with linked.clinic.session.get(url, headers={"Origin": ORIGIN}) as response:
            assert response.status == 405, "a link or an image changes nothing"
    assert (await linked.now())["status"] == "confirmed"


async def test_a_token_is_in_no_log_and_in_no_row(linked: Linked, logs: Logs) -> None:
    for token in (linked.token, "A" * 43):
        for path in (OPEN, CONFIRM):
            await linked.post(path, token, version=1)
    strange = await linked.post(OPEN, appointment_id=linked.visit["id"])
    assert strange.status == 400, "a link leads to its own visit"
    database, tables = linked.clinic.database, ("messages", "visit_links", "audit_log", "event_log")
    stored = [rows(database, f"SELECT * FROM {table}") for table in tables]  # noqa: S608  # our own names
    assert linked.token not in str(stored)
    assert linked.token not in str(logs.lines())
    assert "A" * 43 not in str(logs.lines())
    async with linked.clinic.session.get(f"{linked.clinic.url}/visit") as page:
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]


async def test_changes_of_one_visit_are_limited(linked: Linked) -> None:
    for number in range(VISIT_CHANGES_PER_HOUR):
        start = linked.clinic.at("11:00" if number % 2 else "12:00")
        moved = await linked.post(MOVE, version=number + 1, start=start)
        assert moved.status == 200, moved.body
    refused = await linked.post(CANCEL, version=VISIT_CHANGES_PER_HOUR + 1)
    assert (refused.status, refused.code) == (429, "RATE_LIMITED")
    assert (await linked.post(OPEN)).status == 200
