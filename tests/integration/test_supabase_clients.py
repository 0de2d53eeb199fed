"""Unmodified Supabase clients of every release line: what users rely on (criterion 7.1)."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from actors.ports.events import Broadcaster, EventRecord
from tests.integration.supabase_world import OpenClinic
from tests.integration.supabase_world import clinic as clinic  # a fixture
from tests.integration.supabase_world import logs as logs
from tests.integration.supabase_world import open_clinic as open_clinic
from tests.integration.supabase_world import template as template
from tests.support.clinic import Clinic, appointments_of, availability_of
from tests.support.database import FORGET_EVENTS, execute
from tests.support.ports import free_port
from tests.support.running import Template, config_for, running_hub
from tests.support.supabase_clients import KINDS, RealClient, real_client
from tests.support.supabase_wire import raw_supabase
from tests.support.tokens import token

APPOINTMENTS = {"schema": "public", "table": "appointments"}
REJOIN_S = 12.0
"""Clients retry after 1 s or 2 s, realtime-py 2.30 after 4 s."""

every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
async def test_a_broadcast_contains_the_event_with_its_position(clinic: Clinic, kind: str) -> None:
    dentist = clinic.dentists[0]
    screen = await clinic.screen(dentist)
    async with real_client(kind, clinic.url, dentist.token) as client:
        await client.join(appointments_of(dentist), broadcasts=["appointment.created"])
        booked = await clinic.book(clinic.patients[0])
        report = await client.event("appointment.created", id=booked["id"])
        same = await screen.event("appointment.created", id=booked["id"])
    assert report.message["payload"] == same.data, "the same envelope as over Socket.IO"
    assert report.message["meta"] == {"id": same.data["id"]}


@every_kind
async def test_table_changes_arrive_as_filtered_rows(clinic: Clinic, kind: str) -> None:
    """A topic of the client's own name carries the rows that the database would show."""
    dentist, other, patient = clinic.dentists[0], clinic.dentists[2], clinic.patients[0]
    mine = {"event": "*", **APPOINTMENTS, "filter": f"dentist_id=eq.{dentist.id}"}
    never = {"event": "*", **APPOINTMENTS, "filter": f"dentist_id=eq.{other.id}"}
    async with real_client(kind, clinic.url, patient.token) as client:
        await client.join("my-page", changes=[mine], name="mine")
        await client.join("my-other-page", changes=[never], name="never")
        held = await clinic.hold(patient, "09:00")
        inserted = await client.change("INSERT")
        assert inserted["new"]["id"] == held["id"]
        assert inserted["new"]["status"] == "held"
        api = clinic.api(patient)
        await api.post("/api/appointments", {"reservation_id": held["id"]})
        updated = await client.change("UPDATE")
        assert (updated["new"]["status"], updated["new"]["version"]) == ("confirmed", 2)
        assert updated["old"] == {"id": held["id"]}
        since = client.mark()
        await api.delete(f"/api/appointments/{held['id']}")
        cancelled = await client.change("UPDATE", since=since)
        assert cancelled["new"]["status"] == "cancelled"
        again = await clinic.hold(patient, "10:00")
        await api.delete(f"/api/reservations/{again['id']}")
        deleted = await client.change("DELETE")
        assert (deleted["new"], deleted["old"]) == ({}, {"id": again["id"]})
        await clinic.book(clinic.patients[1], "11:00")  # another patient of the same dentist
        await clinic.hold(patient, "12:00")
        await client.until(lambda each: client.changes().count("INSERT") == 3)
    assert client.changes() == ["INSERT", "UPDATE", "UPDATE", "INSERT", "DELETE", "INSERT"]
    assert {each.name for each in client.reports if each.type == "change"} == {"mine"}


FILTERS = {
    "all of it": "status=eq.confirmed,version=gte.1,notes=ilike.caf%",
    "in quotes": 'notes=eq."Café, (crown)",overbooked=is.false',
    "negated": "status=not.in.( held , cancelled ),notes=not.match.^x",
    "in small letters": "notes=imatch.CROWN",
    "other": "status=eq.confirmed,notes=like.x%",
}


@every_kind
async def test_filters_of_the_whole_grammar_select_rows(clinic: Clinic, kind: str) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    async with real_client(kind, clinic.url, dentist.token) as client:
        for name, text in FILTERS.items():
            change = {"event": "INSERT", **APPOINTMENTS, "filter": text}
            await client.join(f"page {name}", changes=[change], name=name)
        body = {**clinic.slot("09:00"), "notes": "Café, (crown)"}
        await clinic.api(patient).post("/api/appointments", body)
        await client.until(lambda _: len(client.changes()) == len(FILTERS) - 1)
    assert {each.name for each in client.reports if each.type == "change"} == FILTERS.keys() - {
        "other"
    }


@every_kind
async def test_a_filter_that_is_not_offered_is_refused_with_a_reason(
    clinic: Clinic, kind: str
) -> None:
    async with real_client(kind, clinic.url, clinic.dentists[0].token) as client:
        change = {"event": "INSERT", **APPOINTMENTS, "filter": r"notes=match.\bcrown"}
        await client.do("join", name="page", topic="page", config={}, changes=[change])
        refused = await client.status("CHANNEL_ERROR", name="page")
        assert "not offered in a pattern" in (refused.error or "")


@pytest.mark.parametrize("kind", KINDS[:2])
async def test_filters_of_the_builder_of_realtime_js_select_rows(clinic: Clinic, kind: str) -> None:
    """The combinations of Supabase Realtime's own end-to-end checks."""
    notes, dentist, patient = '50% "off", (a_b) ', clinic.dentists[0], clinic.patients[0]
    passing = [
        [["eq", "notes", notes.strip()]],
        [["neq", "notes", "x"], ["not", "notes", "like", "skip%"]],
        [["gte", "start", "2020-01-01"], ["lte", "start", "2100-01-01T00:00:00Z"]],
        [["in", "notes", ["x, y", notes.strip()]], ["like", "notes", "50%"]],
        [["is", "cancel_reason", None], ["ilike", "notes", '50% "OFF%']],
        [["match", "notes", "^50.{1,20}b\\)$"], ["imatch", "notes", "OFF"]],
        [["isDistinct", "cancel_reason", "practice"], ["not", "notes", "is", None]],
        [["eq", "version", 1], ["eq", "overbooked", False], ["lt", "version", 2]],
        [["in", "dentist_id", [dentist.id.upper()]], ["gt", "version", 0]],
        [],
    ]
    failing = [
        [["neq", "notes", notes.strip()]],
        [["like", "notes", "50%"], ["eq", "created_via", "x"]],
        [["not", "status", "in", ["confirmed", "held"]]],
        [["not", "cancel_reason", "is", None]],
    ]
    async with real_client(kind, clinic.url, dentist.token) as client:
        for number, steps in enumerate([*passing, *failing]):
            change = {"event": "INSERT", **APPOINTMENTS, "steps": steps, "select": ["version"]}
            await client.join(f"page-{number}", changes=[change], name=str(number))
        await clinic.api(patient).post(
            "/api/appointments", {**clinic.slot("09:00"), "notes": notes}
        )
        await client.until(lambda _: len(client.changes()) == len(passing))
    changed = [each for each in client.reports if each.type == "change"]
    assert sorted(int(each.name) for each in changed) == list(range(len(passing)))
    assert all(each.message["new"].keys() == {"id", "version"} for each in changed)


@every_kind
async def test_presence_is_seen_in_both_directions(clinic: Clinic, kind: str) -> None:
    dentist = clinic.dentists[0]
    channel = appointments_of(dentist)
    topic = f"realtime:{channel}"
    async with (
        real_client(kind, clinic.url, dentist.token) as client,
        raw_supabase(clinic.session, clinic.url, dentist.token) as other,
    ):
        await other.joined(channel, presence={"key": "other", "enabled": True})
        tracked = {"event": "track", "payload": {"room": 1}}
        assert (await other.request(topic, "presence", tracked)).status == "ok"
        config = {"presence": {"key": "own", "enabled": True}}
        await client.join(channel, presence=True, config=config)
        await client.until(lambda each: _rooms(each) == {"other": [1]})
        await client.do("track", name=channel, meta={"room": 2})
        await client.until(lambda each: _rooms(each) == {"other": [1], "own": [2]})
        diff = await other.until("presence_diff")
        while not diff.payload["joins"].get("own"):
            diff = await other.until("presence_diff")
        await other.request(topic, "presence", {"event": "untrack"})
        await client.until(lambda each: _rooms(each) == {"own": [2]})
        await client.do("leave", name=channel)
        gone = await other.until("presence_diff", 3.0)
        while not gone.payload["leaves"].get("own"):
            gone = await other.until("presence_diff", 3.0)


def _rooms(report: Any) -> dict[str, list[int]] | None:
    if report.type != "presence":
        return None
    return {key: [each["room"] for each in metas] for key, metas in report.message.items() if metas}


@every_kind
async def test_events_since_a_time_are_replayed_before_live_ones(clinic: Clinic, kind: str) -> None:
    dentist = clinic.dentists[0]
    await clinic.book(clinic.patients[0], "08:00")
    await asyncio.sleep(0.005)  # the client's clock has milliseconds
    since_ms = time.time_ns() // 1_000_000
    await clinic.book(clinic.patients[1], "09:00")
    await clinic.book(clinic.patients[2], "10:00")
    async with real_client(kind, clinic.url, dentist.token) as client:
        replay = {"broadcast": {"replay": {"since": since_ms}}}
        await client.join(
            appointments_of(dentist), broadcasts=["appointment.created"], config=replay
        )
        await clinic.book(clinic.patients[3], "11:00")
        await client.until(lambda _: len(client.broadcasts()) == 3)
    broadcasts = client.broadcasts()
    assert [each["payload"]["offset"] for each in broadcasts] == [2, 3, 4]
    assert [each["meta"].get("replayed") for each in broadcasts] == [True, True, None]


@every_kind
async def test_a_new_token_keeps_the_subscription(clinic: Clinic, kind: str) -> None:
    dentist = clinic.dentists[0]
    short = token("dentist", "dentist-0", ttl_s=1.5)
    async with real_client(kind, clinic.url, dentist.token, token=short) as client:
        await client.join(appointments_of(dentist), broadcasts=["appointment.created"])
        ends = time.monotonic() + 1.5
        await client.do("auth", token=token("dentist", "dentist-0"))
        await asyncio.sleep(ends - time.monotonic() + 0.2)
        booked = await clinic.book(clinic.patients[0])
        await client.event("appointment.created", id=booked["id"])
        assert [each.message for each in client.reports if each.type == "status"] == ["SUBSCRIBED"]


@every_kind
async def test_channels_of_others_are_refused_with_a_reason(clinic: Clinic, kind: str) -> None:
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    async with real_client(kind, clinic.url, patient.token) as client:
        for channel in (appointments_of(dentist), appointments_of(clinic.patients[1])):
            await client.do("join", name=channel, topic=channel, config={})
            refused = await client.status("CHANNEL_ERROR", name=channel)
            assert "Unauthorized" in (refused.error or "")
        await client.join(availability_of(dentist))  # a public channel: the socket is still open


@every_kind
async def test_a_broadcast_of_a_client_is_refused(clinic: Clinic, kind: str) -> None:
    dentist = clinic.dentists[0]
    channel = appointments_of(dentist)
    screen = await clinic.screen(dentist)
    async with (
        real_client(kind, clinic.url, dentist.token) as sender,
        raw_supabase(clinic.session, clinic.url, dentist.token) as victim,
    ):
        await victim.joined(channel)
        config = {"broadcast": {"ack": True, "self": True}}
        await sender.join(channel, broadcasts=["appointment.created"], config=config)
        forged = {"id": "x", "type": "appointment.created", "data": {}}
        await sender.do("send", name=channel, event="appointment.created", payload=forged)
        answer = await sender.until(lambda each: each.type == "sent")
        assert answer.message == "error"
        booked = await clinic.book(clinic.patients[0])
        first = await victim.until("broadcast")
        assert first.payload["payload"]["data"]["id"] == booked["id"]
        await screen.event("appointment.created", id=booked["id"])
    assert len(screen.events(channel)) == 1


async def test_all_clients_reconnect_after_a_restart_of_the_hub(
    template: Template, tmp_path: Path
) -> None:
    port = free_port()
    config = config_for(template.copy_to(tmp_path))
    async with AsyncExitStack() as clients, aiohttp.ClientSession() as session:
        async with running_hub(config, port=port) as hub:
            clinic = Clinic(hub.url, template.people, session, clients, tmp_path)
            dentist = clinic.dentists[0]
            running = [
                await clients.enter_async_context(real_client(kind, hub.url, dentist.token))
                for kind in KINDS
            ]
            for client in running:
                await client.join(appointments_of(dentist), broadcasts=["appointment.created"])
        marks = [client.mark() for client in running]
        async with running_hub(config, port=port):
            await asyncio.gather(
                *(_resubscribed(each, at) for each, at in zip(running, marks, strict=True))
            )
            booked = await clinic.book(clinic.patients[0])
            for client in running:
                await client.event("appointment.created", id=booked["id"])


class FailingBroadcaster:
    """Fails for every event of one type."""

    def __init__(self, real: Broadcaster, type: str) -> None:
        self._real, self._type = real, type
        self.refused = asyncio.Event()

    async def broadcast(self, records: Sequence[EventRecord]) -> int:
        if any(record.type == self._type for record in records):
            self.refused.set()
            raise ConnectionError("no event of this type is broadcast")
        return await self._real.broadcast(records)


async def test_all_clients_join_again_after_phx_error(open_clinic: OpenClinic) -> None:
    """Missed events that are no longer in the log end the topic with ``phx_error``."""
    failing: list[FailingBroadcaster] = []

    def wrap(real: Broadcaster) -> Broadcaster:
        failing.append(FailingBroadcaster(real, "reservation.created"))
        return failing[0]

    async with (
        open_clinic(overrides={"wrap_broadcaster": wrap}) as clinic,
        AsyncExitStack() as clients,
    ):
        dentist = clinic.dentists[0]
        running = [
            await clients.enter_async_context(real_client(kind, clinic.url, dentist.token))
            for kind in KINDS
        ]
        for client in running:
            await client.join(appointments_of(dentist), broadcasts=["appointment.created"])
        marks = [client.mark() for client in running]
        await clinic.hold(clinic.patients[1], "15:00")
        await failing[0].refused.wait()
        execute(clinic.database, *FORGET_EVENTS)
        await asyncio.gather(
            *(_resubscribed(each, at) for each, at in zip(running, marks, strict=True))
        )
        booked = await clinic.book(clinic.patients[0])
        for client in running:
            await client.event("appointment.created", id=booked["id"])


@pytest.mark.parametrize("kind", KINDS[:3])  # 2.30 rejoins with its first token
async def test_a_client_rejoins_with_a_new_token_after_expiry(clinic: Clinic, kind: str) -> None:
    dentist = clinic.dentists[0]
    short = token("dentist", "dentist-0", ttl_s=3)
    async with real_client(kind, clinic.url, dentist.token, token=short) as client:
        await client.join(appointments_of(dentist), broadcasts=["appointment.created"])
        mark = client.mark()
        await client.status("CHANNEL_ERROR")
        await client.do("auth", token=token("dentist", "dentist-0"))
        await _resubscribed(client, mark)
        booked = await clinic.book(clinic.patients[0])
        await client.event("appointment.created", id=booked["id"])


async def _resubscribed(client: RealClient, since: int) -> None:
    await client.status("SUBSCRIBED", REJOIN_S, since=since)
