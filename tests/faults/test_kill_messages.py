"""A hub that is killed while messages are due: each arrives, and none more than once too often."""

# ruff: noqa: S608  # ids of our own

import asyncio
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import execute, rows
from tests.support.eventually import eventually
from tests.support.mail_server import SENDER, mail_server
from tests.support.ports import free_port
from tests.support.process import UNLIMITED, hub_process
from tests.support.running import Template

MESSAGES, MESSAGES_LONG = 60, 1_000
KILLS = 3
REFUSED = "patient-7@example.org"
UNDER_WAY = 4
"""Attempts at a time. Each may have been accepted, and not be saved yet, when the hub is killed."""
_APPOINTMENT = (
    "id, dentist_id, patient_id, appointment_type_id, starts_at, ends_at, buffer_before_minutes,"
    " buffer_after_minutes, status, version, overbooked, created_via, created_at, updated_at,"
    " changed_by, on_behalf_of"
)
_MESSAGE = (
    "id, kind, channel, practice_id, dentist_id, patient_id, appointment_id, visit_start, state,"
    " attempts, created_at, expires_at, next_attempt_at, version"
)


@pytest.mark.timeout(180)
async def test_messages_survive_kills(template: Template, tmp_path: Path) -> None:
    await killed_while_sending(template, tmp_path, MESSAGES)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_thousand_messages_survive_kills(template: Template, tmp_path: Path) -> None:
    await killed_while_sending(template, tmp_path, MESSAGES_LONG)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_thousand_messages_survive_kills_and_a_bad_server(
    template: Template, tmp_path: Path
) -> None:
    """It is away at first, then slow, refuses a recipient, and cuts connections.

    Its log has each message once, except those that it cut after it accepted them, and those that
    were under way when the hub was killed. The refused ones are known as such.
    """
    database, port, cuts = template.copy_to(tmp_path), free_port(), 20
    queue(database, template, MESSAGES_LONG)
    settings = settings_for(port)
    async with hub_process(database, tmp_path, **UNLIMITED, **settings) as hub:
        await eventually(lambda: bool(waiting_for(database, "unreachable")), 30.0)
        await hub.kill()
        async with mail_server(port) as server:
            server.refused[REFUSED] = "550 no such mailbox"
            await hub.start()
            await server.until(MESSAGES_LONG // 10, 120.0)
            server.is_open.clear()
            await asyncio.sleep(2)  # a slow server: what it has is neither accepted nor refused
            server.is_open.set()
            await server.until(MESSAGES_LONG // 5, 120.0)
            server.cuts = cuts
            await eventually(lambda: server.cuts == 0, 120.0)
            assert server.cuts == 0
            await hub.kill()
            await hub.start()
            await eventually(lambda: not waiting_for(database), 300.0)
            assert waiting_for(database) == []
        assert await hub.stop() == 0
    refused = {each["id"] for each in unsent(database)}
    assert {each["error"] for each in unsent(database)} == {"mailbox_unknown"}
    assert len(refused) == MESSAGES_LONG // len(template.people.patients)
    arrived = Counter(mail.message_id for mail in server.mails)
    assert len(arrived) == MESSAGES_LONG - len(refused), "none is lost"
    assert max(arrived.values()) <= 3, "once, and again for a cut and a kill"
    repeated = sum(count - 1 for count in arrived.values())
    assert 0 < repeated <= cuts + 2 * UNDER_WAY, arrived


def waiting_for(database: Path, error: str | None = None) -> list[dict[str, Any]]:
    """Messages that are still to be sent, of which an attempt failed so."""
    queued = "SELECT id FROM messages WHERE state = 'queued'"
    return rows(database, f"{queued} AND error = '{error}'" if error else queued)


def queue(database: Path, template: Template, messages: int) -> None:
    """So many visits to come, each with a confirmation that is due."""
    dentist, kind = template.people.dentists[0].id, template.people.types["check-up"]
    practice, now = template.people.practices[0], int(time.time() * 1_000_000)
    statements = []
    for number in range(messages):
        patient = template.people.patients[number % len(template.people.patients)].id
        start = now + (96 * 60 + 30 * number) * 60_000_000
        visit = (
            f"('a{number}', '{dentist}', '{patient}', '{kind}', {start}, {start + 1_800_000_000},"
            f" 0, 0, 'confirmed', 1, 0, 'patient', {now}, {now}, 'p', '{patient}')"
        )
        message = (
            f"('m{number:04}', 'confirmation', 'email', '{practice}', '{dentist}', '{patient}',"
            f" 'a{number}', {start}, 'queued', 0, {now}, {start}, {now}, 1)"
        )
        statements.append(f"INSERT INTO appointments ({_APPOINTMENT}) VALUES {visit}")
        statements.append(f"INSERT INTO messages ({_MESSAGE}) VALUES {message}")
    execute(database, *statements)


def settings_for(port: int) -> dict[str, str]:
    """Of a hub that sends to the mail server at this port, and repeats soon."""
    return {
        "CHAIRSIDE_MESSAGES_ENABLED": "true",
        "CHAIRSIDE_MESSAGES_PER_RECIPIENT_PER_DAY": "1000",
        "CHAIRSIDE_MESSAGES_PER_PRACTICE_PER_DAY": "100000",
        "CHAIRSIDE_MESSAGES_RETRY_FIRST_S": "0.2",
        "CHAIRSIDE_MESSAGES_RETRY_LONGEST_S": "0.5",
        "CHAIRSIDE_MAIL_SERVER": "127.0.0.1",
        "CHAIRSIDE_MAIL_PORT": str(port),
        "CHAIRSIDE_MAIL_TLS": "none",
        "CHAIRSIDE_MAIL_SENDER": SENDER,
    }


def unsent(database: Path) -> list[dict[str, Any]]:
    return rows(database, "SELECT id, state, error FROM messages WHERE state <> 'sent'")


async def killed_while_sending(template: Template, folder: Path, messages: int) -> None:
    database, chance = template.copy_to(folder), random.Random(1)
    async with mail_server() as server:
        settings = settings_for(server.port)
        queue(database, template, messages)
        async with hub_process(database, folder, **UNLIMITED, **settings) as hub:
            for number in range(1, KILLS + 1):
                begun = number * messages // (KILLS + 2)
                await server.until(begun, 60.0)
                await asyncio.sleep(chance.uniform(0, 0.05))  # anywhere in its work
                await hub.kill()
                await hub.start()
            await eventually(lambda: not unsent(database), 120.0)
            assert unsent(database) == []
            assert await hub.stop() == 0
        arrived = Counter(mail.message_id for mail in server.mails)
        assert len(arrived) == messages, "none is lost"
        assert max(arrived.values()) <= 2
        repeated = sum(count - 1 for count in arrived.values())
        assert repeated <= KILLS * UNDER_WAY, arrived
