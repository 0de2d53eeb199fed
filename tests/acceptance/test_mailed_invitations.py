"""Invitations by mail: to patients only, erased once sent, and shown to no one."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.sign_in_letter import INVITATIONS_PER_DAY
from tests.support.api import Answer
from tests.support.clinic import Person
from tests.support.database import rows
from tests.support.eventually import eventually
from tests.support.mail_server import ENABLED, MailServer, ReceivedMail, mail_server
from tests.support.running import Template
from tests.support.sign_in import ORIGIN, SignInWorld, sign_in_world

LINK = re.compile(rf"{re.escape(ORIGIN)}/sign-in#invitation=(\S{{43}})")


@pytest.fixture
async def mails() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
async def world(
    template: Template, tmp_path: Path, mails: MailServer
) -> AsyncIterator[SignInWorld]:
    sections: dict[str, Any] = {"messages": ENABLED, "mail": mails.settings(timeout_s=2.0)}
    async with sign_in_world(template, tmp_path, **sections) as world:
        yield world


async def invited(world: SignInWorld, person: Person, *, by: int = 0) -> Answer:
    desk = world.clinic.api(world.clinic.staff[by])
    return await desk.post("/api/invitations", {"profile_id": person.id, "send": True})


def token_of(mail: ReceivedMail) -> str:
    (token,) = LINK.findall(mail.text())
    return str(token)


def states(world: SignInWorld) -> list[tuple[str, str | None]]:
    query = "SELECT state, error, content FROM messages ORDER BY created_at, id"
    found = rows(world.clinic.database, query)
    assert all(row["content"] is None for row in found if row["state"] != "queued")
    return [(row["state"], row["error"]) for row in found]


async def opens(world: SignInWorld, token: str) -> int:
    answer = await world.browser().post("/sign-in/passkey/options", {"invitation": token})
    return answer.status


@pytest.fixture
async def patient(world: SignInWorld) -> Person:
    """Of the practice of the first desk."""
    await world.clinic.book(world.clinic.patients[0])
    await eventually(lambda: states(world) == [("sent", None)], 10.0)
    return world.clinic.patients[0]


async def test_a_patient_gets_the_link_by_mail_and_no_one_else_sees_it(
    world: SignInWorld, mails: MailServer, patient: Person
) -> None:
    screen = await world.clinic.screen(world.clinic.staff[0])
    made = await invited(world, patient)
    assert made.status == 201, made.body
    mail = (await mails.until(2))[1]
    token = token_of(mail)
    assert made.body["url"].endswith(token)
    assert (mail.to, mail.subject) == ("patient-0@example.org", "Your access to First practice")
    assert await opens(world, token) == 200
    await eventually(lambda: states(world)[1] == ("sent", None), 10.0)
    desk = world.clinic.api(world.clinic.staff[0])
    assert [each["kind"] for each in (await desk.get("/api/messages")).body["data"]] == [
        "confirmation"
    ]
    assert (await desk.post(f"/api/messages/{made.body['id']}/resend", None)).status == 404
    assert token not in str(rows(world.clinic.database, "SELECT * FROM messages"))
    assert not [event for event in screen.events() if event.event.startswith("message.")]
    query = "SELECT action FROM audit_log WHERE resource_kind = 'invitation' ORDER BY id"
    assert [row["action"] for row in rows(world.clinic.database, query)] == [
        "invitation.created",
        "invitation.mailed",
    ]


async def test_an_ended_invitation_is_not_sent_any_more(
    world: SignInWorld, mails: MailServer, patient: Person
) -> None:
    mails.refused["patient-0@example.org"] = "451 try again later"
    first = await invited(world, patient)
    second = await invited(world, patient)
    desk = world.clinic.api(world.clinic.staff[0])
    assert (await desk.delete(f"/api/invitations/{second.body['id']}")).status == 204
    assert states(world)[1:] == [("expired", "replaced")] * 2
    mails.refused.clear()
    third = await invited(world, patient)
    mail = (await mails.until(2))[1]
    assert third.body["url"].endswith(token_of(mail))
    assert len(mails.mails) == 2, "the ended ones were never sent"
    assert await opens(world, first.body["url"].rpartition("=")[2]) == 401


async def test_only_patients_with_an_address_who_want_it_get_mails(
    world: SignInWorld, mails: MailServer, patient: Person
) -> None:
    clinic = world.clinic
    foreign = await invited(world, patient, by=1)
    assert foreign.status == 404
    for who in (clinic.dentists[0].id, clinic.staff[0].id):
        refused = await clinic.admin.post("/api/invitations", {"profile_id": who, "send": True})
        assert (refused.status, refused.error["details"][0]["field"]) == (400, "send")
    admin = await clinic.admin.post("/api/invitations", {"name": "Ada", "send": True})
    assert (admin.status, admin.error["details"][0]["field"]) == (400, "send")
    own = clinic.api(patient)
    for change in ({"consent": {"email": False}}, {"consent": {"email": True}, "email": None}):
        assert (await own.put("/api/profiles/me", change)).status == 200
        refused = await invited(world, patient)
        assert (refused.status, refused.error["details"][0]["field"]) == (400, "send")
    assert rows(clinic.database, "SELECT * FROM invitations") == []
    assert len(mails.mails) == 1, "of the booking"


async def test_mails_to_one_patient_are_limited_and_their_headers_are_the_hubs(
    world: SignInWorld, mails: MailServer, patient: Person
) -> None:
    clinic = world.clinic
    practice = clinic.practices[0]
    name = {"name": "First, <b>practice</b> {token} {{ 7 * 7 }}"}
    assert (await clinic.admin.put(f"/api/practices/{practice}", name)).status == 200
    answers = [await invited(world, patient) for _ in range(INVITATIONS_PER_DAY + 1)]
    assert [each.status for each in answers] == [201] * INVITATIONS_PER_DAY + [429]
    mail = (await mails.until(2))[-1]
    assert "<b>" not in mail.text("html")
    assert "{token} {{ 7 * 7 }} invites you" in mail.text()
    assert str(mail.content["From"]).endswith("<desk@practice.example>")


async def test_a_hub_without_mails_sends_none(template: Template, tmp_path: Path) -> None:
    async with sign_in_world(template, tmp_path) as world:
        await world.clinic.book(world.clinic.patients[0])
        refused = await invited(world, world.clinic.patients[0])
        assert (refused.status, refused.error["details"][0]["field"]) == (400, "send")
