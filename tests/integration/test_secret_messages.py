"""Codes and invitations: sent also where visits cause no messages, and erased then."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from actors.domain.events import MessageSaved
from actors.domain.message import Message, MessageChannel, MessageId, MessageKind
from actors.domain.principal import SYSTEM
from actors.services.caller import Caller
from hub.bootstrap import Hub
from tests.support.api import Api
from tests.support.clinic import ADMIN, found_clinic
from tests.support.database import rows
from tests.support.eventually import eventually
from tests.support.mail_server import mail_server
from tests.support.running import config_for, migrated, running_hub

CODE = {
    "sender_name": "Clinic\r\nBcc: all@example.org",
    "subject": "Your code\r\nBcc: all@example.org",
    "text": "123456",
    "html": "<p>123456</p>",
}


async def queue_code(hub: Hub) -> None:
    now = datetime.now(UTC)
    message = Message(
        id=MessageId(hub.core.base.new_id()),
        kind=MessageKind.CODE,
        channel=MessageChannel.EMAIL,
        address="eve@example.org",
        content=json.dumps(CODE),
        created_at=now,
        expires_at=now + timedelta(minutes=10),
        next_attempt_at=now,
    )
    caller, records = Caller(principal=SYSTEM, request_id="r"), hub.core.records
    key = records.key(caller, "code:send", {})
    await records.save(caller, key, MessageSaved(before=None, after=message), None)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_a_code_is_sent_erased_and_shown_to_no_one(engine: str, tmp_path: Path) -> None:
    database = migrated(tmp_path, engine)
    async with mail_server() as server:
        config = config_for(database, mail=server.settings())
        async with running_hub(config) as running, aiohttp.ClientSession() as session:
            people = await found_clinic(session, running.url, patients=1)
            await queue_code(running.hub)
            (mail,) = await server.until(1)
            assert (mail.to, mail.text().strip()) == ("eve@example.org", "123456")
            assert mail.content["Bcc"] is None
            stored = "SELECT state, content FROM messages"
            await eventually(lambda: rows(database, stored)[0]["state"] == "sent", 5.0)
            assert rows(database, stored) == [{"state": "sent", "content": None}]
            for reader in (ADMIN, people.staff[0].token):
                listed = await Api(session, running.url, reader).get("/api/messages")
                assert listed.body["data"] == []
            logged = rows(database, "SELECT type FROM event_log WHERE type LIKE 'message.%'")
            assert logged == []
