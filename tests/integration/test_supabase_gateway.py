"""The Supabase gateway, frame by frame: guarantees, limits and invalid input."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from actors.domain.channels import Channel
from actors.domain.ids import EventId
from actors.domain.position import Position
from actors.ports.events import Broadcaster, EventRecord
from api.auth import AuthSettings
from api.realtime.rooms.settings import RealtimeSettings
from api.settings import ApiSettings
from store.settings import RetentionSettings
from tests.acceptance.test_live_rights import NEW, OLD, signed, write_keys
from tests.integration.supabase_world import OpenClinic
from tests.integration.supabase_world import clinic as clinic  # a fixture
from tests.integration.supabase_world import logs as logs
from tests.integration.supabase_world import open_clinic as open_clinic
from tests.integration.supabase_world import template as template
from tests.integration.test_supabase_clients import FailingBroadcaster
from tests.support.clinic import ADMIN, CHATBOT, Clinic, appointments_of, availability_of
from tests.support.database import execute
from tests.support.eventually import eventually
from tests.support.logs import Logs
from tests.support.running import Template, config_for, running_hub
from tests.support.supabase_wire import (
    BINDING,
    RawSupabase,
    ServerMessage,
    client_broadcast,
    raw_supabase,
)
from tests.support.tokens import SECRET, token

BASES = ("/realtime/v1", "/socket")


def connect(clinic: Clinic, key: str, **options: Any) -> Any:
    return raw_supabase(clinic.session, clinic.url, key, **options)


async def offset_of_next(raw: RawSupabase, within_s: float = 3.0) -> int:
    message = await raw.until("broadcast", within_s)
    return int(message.payload["payload"]["offset"])


# --- handshakes -------------------------------------------------------------------------


async def refused(clinic: Clinic, path: str = "/realtime/v1/websocket", **request: Any) -> Any:
    """The answer to a refused handshake: status, error code, headers."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        **request.pop("headers", {}),
    }
    async with clinic.session.get(clinic.url + path, headers=headers, **request) as answer:
        assert answer.content_type == "application/json"
        error = (await answer.json())["error"]
        assert error.keys() == {"code", "message", "timestamp", "request_id", "details"}
        return answer.status, error["code"], answer.headers


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_both_paths_are_served_in_both_versions(clinic: Clinic, base: str, vsn: str) -> None:
    path = f"{base}/websocket"
    async with connect(clinic, clinic.patients[0].token, path=path, vsn=vsn) as raw:
        await raw.alive()


async def test_version_1_is_the_default_and_the_key_may_be_a_header(clinic: Clinic) -> None:
    url, headers = clinic.url + "/socket/websocket", {"x-api-key": clinic.patients[0].token}
    async with clinic.session.ws_connect(url, headers=headers) as ws:
        await RawSupabase(ws, "1.0.0").alive()


@pytest.mark.parametrize(
    "key", ["", "nonsense", token("patient", "x", ttl_s=-5), token("patient", "x", secret="y" * 64)]
)
async def test_a_handshake_without_a_valid_key_gets_401(clinic: Clinic, key: str) -> None:
    status, code, _ = await refused(clinic, params={"apikey": key} if key else {})
    assert (status, code) == (401, "UNAUTHORIZED")


async def test_unknown_versions_people_and_origins_get_403(clinic: Clinic) -> None:
    good = {"apikey": clinic.patients[0].token}
    for params, headers in (
        (good | {"vsn": "3.0.0"}, {}),
        ({"apikey": token("dentist", "nobody-knows")}, {}),
        (good, {"Origin": "https://elsewhere.example"}),
    ):
        status, code, _ = await refused(clinic, params=params, headers=headers)
        assert (status, code) == (403, "FORBIDDEN")


async def test_pages_of_allowed_origins_may_connect(
    open_clinic: OpenClinic,
) -> None:
    origin = "https://clinic.example"
    async with open_clinic(api=ApiSettings(cors_origins=(origin,))) as clinic:
        url = clinic.url + "/realtime/v1/websocket"
        params = {"apikey": clinic.patients[0].token}
        for page in (origin, clinic.url):
            async with clinic.session.ws_connect(url, params=params, headers={"Origin": page}):
                pass


async def test_too_many_handshakes_get_429_with_retry_after(
    open_clinic: OpenClinic,
) -> None:
    async with open_clinic(api=ApiSettings(rate_per_s=0.1, rate_burst=2)) as clinic:
        key = clinic.patients[0].token
        async with connect(clinic, key), connect(clinic, key):
            status, code, headers = await refused(clinic, params={"apikey": key})
        assert (status, code, headers["Retry-After"]) == (429, "RATE_LIMITED", "10")
        async with connect(clinic, clinic.patients[1].token) as other:
            await other.alive()


async def test_a_request_without_upgrade_gets_400(clinic: Clinic) -> None:
    path = "/realtime/v1/websocket"
    answer = await clinic.with_token(None).get(path, apikey=clinic.patients[0].token)
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")


async def test_a_public_key_opens_a_socket_and_grants_nothing(open_clinic: OpenClinic) -> None:
    """It is like the ``anon`` key of Supabase; users' tokens come with each join."""
    async with open_clinic(realtime=RealtimeSettings(supabase_keys=("our-front-end",))) as clinic:
        dentist = clinic.dentists[0]
        async with connect(clinic, "our-front-end") as raw:
            for channel in (appointments_of(dentist), availability_of(dentist), "page"):
                refusal = await raw.join(channel, changes=[BINDING])
                assert (refusal.status, refusal.reason) == ("error", "Unauthorized: Invalid token")
            await raw.joined(appointments_of(dentist), dentist.token)


async def test_broadcasting_over_http_is_not_offered(clinic: Clinic) -> None:
    for base in BASES:
        for path in ("/api/broadcast", "/api/broadcast/x/events/y"):
            answer = await clinic.api(clinic.dentists[0]).post(base + path, {"messages": []})
            assert (answer.status, answer.code) == (404, "NOT_FOUND")


# --- guarantees -------------------------------------------------------------------------


async def test_every_event_after_ok_arrives_once(
    clinic: Clinic,
) -> None:
    """Joins repeatedly during bookings: after each ``ok``, every offset arrives."""
    dentist, api = clinic.dentists[0], clinic.api(clinic.patients[0])
    channel = appointments_of(dentist)

    async def holds() -> None:
        for quarter in range(24):
            slot = clinic.slot(f"{8 + quarter // 4:02}:{quarter % 4 * 15:02}")
            assert (await api.post("/api/reservations", slot)).status == 201

    async with connect(clinic, dentist.token) as raw:
        work = asyncio.create_task(holds())
        rounds: list[list[int]] = []
        while not work.done():
            await raw.joined(channel)
            rounds.append([await offset_of_next(raw) for _ in range(2) if not work.done()])
        await work
        head = (await clinic.screen(dentist)).ready[channel]["offset"]
        await raw.alive()
        rest = [m for m in raw.kept if m.event == "broadcast"]
    offsets = [o for each in rounds for o in each] + [m.payload["payload"]["offset"] for m in rest]
    assert len(rounds) > 3
    assert len(set(offsets)) == len(offsets), "no duplicates"
    assert offsets == sorted(offsets)
    assert offsets[-1] == head
    last = rounds[-1][0] if rounds[-1] else offsets[-1]
    assert [o for o in offsets if o >= last] == list(range(last, head + 1)), "no gap after ok"


async def test_bindings_are_confirmed_and_changes_name_matching_ones(
    clinic: Clinic,
) -> None:
    dentist = clinic.dentists[0]
    bindings = [
        {**BINDING, "event": "UPDATE"},
        {**BINDING, "filter": f"dentist_id=eq.{dentist.id}", "select": ["id"]},
        {**BINDING, "filter": "status=in.(cancelled,completed)"},
    ]
    async with connect(clinic, dentist.token) as raw:
        reply = await raw.joined(appointments_of(dentist), changes=bindings)
        answered = reply.payload["response"]["postgres_changes"]
        ids = [each.pop("id") for each in answered]
        assert answered == bindings
        assert all(isinstance(each, int) and each > 0 for each in ids)
        system = await raw.until("system")
        assert system.payload == {
            "extension": "postgres_changes",
            "status": "ok",
            "message": "Subscribed to PostgreSQL",
            "channel": appointments_of(dentist),
        }
        booked = await clinic.book(clinic.patients[0])
        inserted = await raw.until("postgres_changes")
        assert inserted.payload["ids"] == [ids[1]]
        assert inserted.payload["data"]["record"] == {"id": booked["id"]}, "as selected"
        api = clinic.api(clinic.patients[0])
        await api.put(f"/api/appointments/{booked['id']}", {"notes": "x"})
        whole, selected = await raw.until("postgres_changes"), await raw.until("postgres_changes")
        assert (whole.payload["ids"], selected.payload["ids"]) == ([ids[0]], [ids[1]])
        assert whole.payload["data"]["record"] == {**booked, **_changed(whole)}
        await api.delete(f"/api/appointments/{booked['id']}")
        cancelled = await raw.until("postgres_changes")
        assert cancelled.payload["ids"] == [ids[0], ids[2]]
        assert cancelled.payload["data"]["record"]["status"] == "cancelled"


def _changed(message: ServerMessage) -> dict[str, Any]:
    record = message.payload["data"]["record"]
    return {name: record[name] for name in ("notes", "version", "updated_at")}


async def test_filters_select_rows_by_the_whole_grammar(clinic: Clinic) -> None:
    """One binding for each filter; the ids of a change name those whose filter it passes."""
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    passing = [
        f"status=eq.confirmed,dentist_id=eq.{dentist.id.upper()}",
        f"status=in.( held , confirmed ) , patient_id=in.({patient.id.upper()})",
        'notes=eq."a, \\"b\\" (c)"',
        "notes=like.a%b%",
        "notes=ilike.A_ %",
        'notes=match."^a.*\\\\(c\\\\)$"',
        'notes=imatch."B.{1,9}C"',
        "cancel_reason=is.null,overbooked=is.false",
        "cancel_reason=isdistinct.practice",
        "version=not.in.(2,3),start=gte.2020-01-01,overbooked=not.eq.t",
    ]
    failing = [
        f"status=neq.held,dentist_id=eq.{clinic.dentists[2].id}",
        "status=eq. confirmed",
        "notes=like.b%",
        "notes=not.match.a",
        "cancel_reason=neq.practice",
        "cancel_reason=not.eq.practice",
        "start=lt.2020-01-01",
    ]
    filters = [*passing, *failing]
    bindings = [{**BINDING, "event": "insert", "filter": each} for each in filters]
    async with connect(clinic, patient.token) as raw:
        reply = await raw.joined("my-page", changes=bindings)
        answered = reply.payload["response"]["postgres_changes"]
        ids = {each.pop("id"): each["filter"] for each in answered}
        assert answered == bindings, "unchanged, in order"
        body = {**clinic.slot("09:00"), "notes": 'a, "b" (c)'}
        assert (await clinic.api(patient).post("/api/appointments", body)).status == 201
        change = await raw.until("postgres_changes")
    assert [ids[each] for each in change.payload["ids"]] == filters[: len(passing)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"filter": "status=eq.held,"}, "extra commas"),
        ({"filter": "status=fts.held"}, "operator of eq, neq"),
        ({"filter": "notes=match.(?=a)"}, "lookaround"),
        ({"filter": r"notes=match.(a)\1"}, "not offered"),
        ({"filter": r"notes=match.\bfoo"}, "not offered"),
        ({"filter": "notes=match.(a{200}){200}"}, "not a valid pattern"),
        ({"filter": 'notes=match."' + "x{0,250}" * 20 + '"'}, "too large"),
        ({"filter": "notes=match.a{1,2}"}, "bounds in a pattern"),  # the comma ends it
        ({"filter": "version=like.1%"}, "text column"),
        ({"filter": "status=in.()"}, "at least one value"),
        ({"event": "TRUNCATE"}, "event must be"),
        ({"select": ["password"]}, "no column"),
    ],
)
async def test_a_filter_that_is_not_offered_is_refused_at_the_join(
    clinic: Clinic, change: dict[str, Any], reason: str
) -> None:
    async with connect(clinic, clinic.patients[0].token) as raw:
        refusal = await raw.join("my-page", changes=[{**BINDING, **change}])
        assert refusal.status == "error"
        assert refusal.reason.startswith("Invalid join: postgres_changes: ")
        assert reason in refusal.reason
        await raw.joined("my-page", changes=[BINDING])


async def test_the_patterns_of_a_socket_are_bounded_together(clinic: Clinic) -> None:
    large = {**BINDING, "filter": 'notes=match.".{0,50}x.{0,20}y"'}
    async with connect(clinic, clinic.patients[0].token) as raw:
        await raw.joined("page-1", changes=[large])
        refusal = await raw.join("page-2", changes=[large])
        assert refusal.reason.startswith("ChannelRateLimitReached: The patterns")
        await raw.joined("page-1", changes=[large])  # it replaces itself
        await raw.joined("page-2", changes=[{**BINDING, "filter": "notes=ilike.%x%"}])


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_a_delete_is_filtered_by_the_last_row(clinic: Clinic, vsn: str) -> None:
    patient = clinic.patients[0]
    held = {**BINDING, "event": "delete", "filter": "status=eq.held,notes=is.null"}
    other = {**BINDING, "event": "DELETE", "filter": "status=not.eq.held"}
    async with connect(clinic, patient.token, vsn=vsn) as raw:
        reply = await raw.joined("my-page", changes=[held, other])
        ids = [each["id"] for each in reply.payload["response"]["postgres_changes"]]
        reservation = await clinic.hold(patient)
        await clinic.api(patient).delete(f"/api/reservations/{reservation['id']}")
        change = await raw.until("postgres_changes")
        assert change.payload["ids"] == [ids[0]]
        assert change.payload["data"]["old_record"] == {"id": reservation["id"]}


async def test_rows_of_others_never_arrive(
    clinic: Clinic,
) -> None:
    """As with row-level security, for any topic and filter: an admin gets no rows at all."""
    patient, other, dentist = clinic.patients[0], clinic.patients[1], clinic.dentists[0]
    every = [BINDING, {**BINDING, "filter": f"patient_id=eq.{other.id}"}]
    async with (
        connect(clinic, patient.token) as raw,
        connect(clinic, ADMIN) as admin,
        connect(clinic, CHATBOT) as chatbot,
    ):
        for each in (raw, admin, chatbot):
            for topic in ("page", f"public:appointments:patient:{other.id}", "appointments"):
                await each.joined(topic, changes=every)
            await each.joined(availability_of(dentist), changes=every)
        await clinic.book(other, "09:00")
        mine = await clinic.book(patient, "10:00")
        for _ in range(4):
            message = await raw.until("postgres_changes")
            assert message.payload["data"]["record"]["id"] == mine["id"]
        for each in (raw, admin, chatbot):
            await each.alive()
            assert [m for m in each.kept if m.event == "postgres_changes"] == []


async def test_a_replay_with_a_limit_contains_the_newest_events(clinic: Clinic) -> None:
    dentist = clinic.dentists[0]
    for hour in ("08:00", "09:00", "10:00"):
        await clinic.book(clinic.patients[0], hour)
    async with connect(clinic, dentist.token) as raw:
        await raw.joined(appointments_of(dentist), replay={"since": 0, "limit": 2})
        assert [await offset_of_next(raw), await offset_of_next(raw)] == [2, 3]
        await raw.alive()
        assert not [m for m in raw.kept if m.event == "broadcast"]


async def test_an_incomplete_replay_is_refused(open_clinic: OpenClinic) -> None:
    """The log has lost its first event, and keeps events for one second only."""
    keep = RetentionSettings(events_days=1 / 86_400, sweep_minutes=60)
    async with open_clinic(retention=keep) as clinic:
        dentist = clinic.dentists[0]
        for hour in ("08:00", "09:00"):
            await clinic.book(clinic.patients[0], hour)
        execute(clinic.database, 'DELETE FROM event_channels WHERE "offset" = 1')
        async with connect(clinic, dentist.token) as raw:
            refusal = await raw.join(appointments_of(dentist), replay={"since": 0})
            assert refusal.status == "error"
            assert refusal.reason.startswith("UnableToReplayMessages")
            for channel in ("page", "hub:status"):
                assert (await raw.join(channel, replay={"since": 0})).status == "error"
            await raw.joined(appointments_of(dentist))
            await clinic.book(clinic.patients[0], "10:00")
            assert await offset_of_next(raw) == 3


async def test_an_event_of_a_failed_broadcast_arrives_later(open_clinic: OpenClinic) -> None:
    """The hub notices the gap and sends the missing events in order."""
    failing: list[FailingBroadcaster] = []

    def wrap(real: Broadcaster) -> Broadcaster:
        failing.append(FailingBroadcaster(real, "reservation.created"))
        return failing[0]

    async with open_clinic(overrides={"wrap_broadcaster": wrap}) as clinic:
        dentist, patient = clinic.dentists[0], clinic.patients[0]
        async with (
            connect(clinic, dentist.token) as raw,
            connect(clinic, patient.token, vsn="1.0.0") as page,
        ):
            await raw.joined(appointments_of(dentist), changes=[BINDING])
            await page.joined("page", changes=[BINDING])
            held = await clinic.hold(patient)
            await clinic.api(patient).post("/api/appointments", {"reservation_id": held["id"]})
            assert [await offset_of_next(raw), await offset_of_next(raw)] == [1, 2]
            for each in (raw, page):
                kinds = [(await each.until("postgres_changes")).payload["data"]["type"]]
                kinds += [(await each.until("postgres_changes")).payload["data"]["type"]]
                assert kinds == ["INSERT", "UPDATE"]


async def test_an_admin_receives_hub_status(clinic: Clinic) -> None:
    async with connect(clinic, ADMIN) as raw, connect(clinic, clinic.patients[0].token) as other:
        assert (await other.join("hub:status")).status == "error"
        await raw.joined("hub:status")
        figures = await raw.until("broadcast", 3.0)
        assert figures.payload["event"] == "hub.status"
        connections = figures.payload["payload"]["data"]["connections"]
        assert connections["supabase"] == 2


async def test_health_and_metrics_count_the_sockets(clinic: Clinic) -> None:
    async with connect(clinic, clinic.patients[0].token) as raw:
        await raw.joined("availability:all")
        report = (await clinic.admin.get("/health")).body
        assert report["realtime"]["connections"] == 1
        metrics = (await clinic.admin.get("/metrics")).body
        assert 'chairside_connections{namespace="supabase"} 1.0' in metrics
        labels = 'event="join",namespace="supabase",outcome="ok"'
        assert f"chairside_socket_command_seconds_count{{{labels}}} 1.0" in metrics


# --- tokens, leaving, joining again -----------------------------------------------------


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_a_leave_gets_ok_and_then_phx_close(clinic: Clinic, vsn: str) -> None:
    dentist = clinic.dentists[0]
    topic = f"realtime:{appointments_of(dentist)}"
    async with connect(clinic, dentist.token, vsn=vsn) as raw:
        joined = await raw.joined(appointments_of(dentist))
        assert (await raw.request(topic, "phx_leave")).status == "ok"
        closed = await raw.read()
        assert (closed.event, closed.ref, closed.payload) == ("phx_close", joined.ref, {})
        await clinic.book(clinic.patients[0])
        await raw.alive()
        assert raw.kept == []
        assert (
            await raw.request(topic, "presence", {"event": "track"})
        ).reason == "unmatched topic"


async def test_a_second_join_ends_the_first_even_if_refused(clinic: Clinic) -> None:
    dentist = clinic.dentists[0]
    channel = appointments_of(dentist)
    async with connect(clinic, dentist.token) as raw:
        first = await raw.joined(channel)
        second = await raw.joined(channel)
        closed = await raw.until("phx_close")
        assert (closed.join_ref, closed.ref) == (first.ref, first.ref)
        await clinic.book(clinic.patients[0], "09:00")
        await raw.until("broadcast")
        stale = {"access_token": "nonsense"}
        await raw.push(f"realtime:{channel}", "access_token", stale, join_ref=first.ref)
        await raw.push(f"realtime:{channel}", "phx_leave", join_ref=first.ref)
        await raw.alive()
        assert raw.kept == [], "one copy of the event, and no message of the ended join"
        assert (await raw.join(channel, clinic.patients[0].token)).status == "error"
        assert (await raw.until("phx_close")).ref == second.ref
        await clinic.book(clinic.patients[0], "10:00")
        await raw.alive()
        assert raw.kept == []


async def test_an_invalid_new_token_closes_only_its_topic(clinic: Clinic) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    mine, public = appointments_of(dentist), availability_of(dentist)
    async with connect(clinic, dentist.token) as raw:
        for bad in ("nonsense", token("dentist", "dentist-0", ttl_s=-1), patient.token):
            joined = await raw.joined(mine)
            await raw.joined(public)
            await raw.push(f"realtime:{mine}", "access_token", {"access_token": bad})
            message = await raw.until("system")
            assert (message.payload["status"], message.payload["channel"]) == ("error", mine)
            closed = await raw.until("phx_close", topic=f"realtime:{mine}")
            assert closed.ref == joined.ref
        open_topic = f"realtime:{public}"
        await raw.push(open_topic, "access_token", {"access_token": patient.token})
        await raw.push(open_topic, "access_token", {"access_token": None})
        await clinic.book(patient)
        assert (await raw.until("broadcast")).topic == open_topic
        await raw.alive()
        assert not [m for m in raw.kept if m.event in ("system", "broadcast")]


async def test_a_token_of_another_person_changes_the_rows(
    clinic: Clinic,
) -> None:
    ada, ben = clinic.patients[0], clinic.patients[1]
    async with connect(clinic, ada.token) as raw:
        await raw.joined("page", changes=[BINDING])
        await raw.push("realtime:page", "access_token", {"access_token": ben.token})
        await raw.alive()
        await clinic.book(ada, "09:00")
        bens = await clinic.book(ben, "10:00")
        message = await raw.until("postgres_changes")
        assert message.payload["data"]["record"]["id"] == bens["id"]


async def test_a_subscription_ends_when_its_token_expires(clinic: Clinic) -> None:
    dentist = clinic.dentists[0]
    async with connect(clinic, dentist.token) as raw:
        short = token("dentist", "dentist-0", ttl_s=0.4)
        joined = await raw.joined(appointments_of(dentist), short)
        assert (await raw.until("system")).payload["status"] == "error"
        assert (await raw.until("phx_error")).ref == joined.ref, "the client joins again"
        await clinic.book(clinic.patients[0])
        await raw.alive()
        assert not [m for m in raw.kept if m.event == "broadcast"]
        refusal = await raw.join(appointments_of(dentist), short)
        assert refusal.reason == "Unauthorized: Invalid token"


async def test_a_removed_key_ends_the_topics_of_its_tokens(
    open_clinic: OpenClinic, tmp_path: Path
) -> None:
    keys = tmp_path / "jwks.json"
    write_keys(keys, old=OLD, new=NEW)
    auth = AuthSettings(secret=SECRET, jwks=str(keys), jwks_refresh_s=0.2)
    async with open_clinic(auth=auth) as clinic:
        dentist, patient = clinic.dentists[0], clinic.patients[0]
        old = signed(OLD, "old", "dentist", "dentist-0")
        async with connect(clinic, patient.token) as raw:
            await raw.joined(appointments_of(dentist), old)
            kept = await raw.joined(appointments_of(patient))
            write_keys(keys, new=NEW)
            ended = await raw.until("phx_error")
            assert ended.topic == f"realtime:{appointments_of(dentist)}"
            assert (await raw.join(appointments_of(dentist), old)).status == "error"
            await clinic.book(patient)
            assert (await raw.until("broadcast")).topic == kept.topic


async def test_a_chatbot_may_use_a_patients_own_token(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    acting = token("patient", "patient-0", act={"sub": "bot"})
    async with connect(clinic, acting) as raw:
        await raw.joined(appointments_of(patient))
        assert (await raw.join(appointments_of(clinic.patients[1]))).status == "error"


# --- presence ---------------------------------------------------------------------------


async def test_only_channels_of_one_person_carry_presence(clinic: Clinic) -> None:
    """In public channels, presence would reveal users and let them write to all."""
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    track = {"event": "track", "payload": {"name": "Ada"}}
    async with connect(clinic, patient.token) as raw:
        for channel in (availability_of(dentist), "availability:all", "page"):
            await raw.joined(channel, changes=[BINDING], presence={"enabled": True})
            assert (await raw.until("presence_state")).payload == {}
            refusal = await raw.request(f"realtime:{channel}", "presence", track)
            assert (refusal.status, refusal.reason.split(":")[0]) == ("error", "FORBIDDEN")


async def test_presence_is_bounded_and_ends_with_the_socket(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    channel = appointments_of(patient)
    topic = f"realtime:{channel}"
    async with connect(clinic, patient.token, vsn="1.0.0") as one:
        await one.joined(channel, presence={"key": "one", "enabled": True})
        large = {"event": "track", "payload": {"text": "x" * 5_000}}
        assert (await one.request(topic, "presence", large)).status == "error"
        async with connect(clinic, patient.token) as two:
            await two.joined(channel)  # without presence: tracking enables it
            assert (await two.request(topic, "presence", {"event": "track"})).status == "ok"
            ((key, entry),) = (await one.until("presence_diff")).payload["joins"].items()
            assert len(key) == 36, "an empty key gets a UUID"
            assert entry["metas"][0]["phx_ref"]
        gone = await one.until("presence_diff")
        assert gone.payload == {"joins": {}, "leaves": {key: entry}}


# --- invalid input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vsn", "frame"),
    [
        ("1.0.0", "no json"),
        ("1.0.0", "[]"),
        ("1.0.0", b"\x03"),
        ("2.0.0", "{}"),
        ("2.0.0", '["1","2","topic"]'),
        ("2.0.0", "[" * 100_000),
        ("2.0.0", b""),
        ("2.0.0", b"\x03\xff\xff\xff\xff\xff\x01"),
        ("2.0.0", b"\x04\x00\x00\x00\x01{}"),
    ],
)
async def test_a_malformed_frame_closes_only_its_socket(
    clinic: Clinic, vsn: str, frame: str | bytes
) -> None:
    dentist = clinic.dentists[0]
    async with (
        connect(clinic, dentist.token, vsn=vsn) as raw,
        connect(clinic, dentist.token) as other,
    ):
        await other.joined(appointments_of(dentist))
        await raw.joined(appointments_of(dentist))
        await raw.send(frame)
        assert await raw.close_code() == 1002
        await clinic.book(clinic.patients[0])
        await offset_of_next(other)


async def test_a_message_that_is_too_large_closes_its_socket(open_clinic: OpenClinic) -> None:
    async with (
        open_clinic(realtime=RealtimeSettings(max_message_bytes=2_048)) as clinic,
        connect(clinic, clinic.patients[0].token) as raw,
    ):
        await raw.push("phoenix", "heartbeat", {"text": "x" * 3_000})
        assert await raw.close_code() == 1009


@pytest.mark.parametrize(
    "channel",
    [
        "appointments:dentist:{other}",
        "appointments:patient:{patient}",
        "appointments:dentist:",
        "appointments:dentist:{me} ",
        "appointments:dentist:{me}/../{other}",
        "appointments:dentist:%s",
        "profiles:user:{other}",
        "profiles:dentist:{other}",
        "availability:dentist:",
        "availability:everything",
        "hub:status",
        "hub:secrets",
        "realtime:appointments:dentist:{other}",
        "APPOINTMENTS:dentist:{other}",
        "page",
    ],
)
async def test_no_other_name_leads_to_a_channel_of_others(clinic: Clinic, channel: str) -> None:
    """Names like those of the hub are refused; other names carry no broadcasts."""
    me, other = clinic.dentists[0], clinic.dentists[2]
    name = channel.format(me=me.id, other=other.id, patient=clinic.patients[0].id)
    async with connect(clinic, me.token) as raw:
        refusal = await raw.join(name)
        assert refusal.status == "error"
        assert refusal.reason.startswith("Unauthorized: You do not have permissions to read from")


async def test_a_name_like_a_channel_carries_no_broadcast(clinic: Clinic) -> None:
    other = clinic.dentists[2]
    async with connect(clinic, clinic.dentists[0].token) as raw:
        for name in (f"realtime:{appointments_of(other)}", appointments_of(other).upper()):
            await raw.joined(name, changes=[BINDING])
        await clinic.book(clinic.patients[0], dentist=other)
        await raw.alive()
        assert not [m for m in raw.kept if m.event in ("broadcast", "postgres_changes")]


async def test_broadcasts_of_clients_are_dropped(clinic: Clinic, logs: Logs) -> None:
    dentist = clinic.dentists[0]
    channel = appointments_of(dentist)
    topic = f"realtime:{channel}"
    broadcast = {"type": "broadcast", "event": "appointment.cancelled", "payload": {"id": "x"}}
    async with (
        connect(clinic, dentist.token) as raw,
        connect(clinic, dentist.token) as victim,
    ):
        await victim.joined(channel)
        without_ack = await raw.joined(channel)
        await raw.push(topic, "broadcast", broadcast)
        await raw.send(
            client_broadcast(topic, "appointment.cancelled", {}, join_ref=without_ack.ref)
        )
        await raw.alive()
        assert raw.kept == []
        with_ack = await raw.joined(channel, ack=True)
        assert (await raw.request(topic, "broadcast", broadcast)).status == "error"
        await raw.send(client_broadcast(topic, "x", {}, join_ref=with_ack.ref, ref="77"))
        assert (await raw.until("phx_reply", ref="77")).reason.startswith("Unauthorized: only")
        await victim.alive()
        assert victim.kept == []
    refusals = [e for e in logs.lines("socket_command") if e.get("command") == "forged"]
    assert len(refusals) == 4


async def test_an_invalid_join_is_refused_and_the_socket_stays_open(
    clinic: Clinic,
) -> None:
    dentist = clinic.dentists[0]
    values = ",".join(str(number) for number in range(2_000))
    async with connect(clinic, dentist.token) as raw:
        for changes in (
            [{**BINDING, "table": "profiles"}],
            [{**BINDING, "filter": f"version=in.({values})"}],
            [{**BINDING, "filter": "id=in.(" + "x" * 100_000 + ")"}],
            [BINDING] * 40,
            ["appointments"],
        ):
            refusal = await raw.join(appointments_of(dentist), changes=changes)
            assert refusal.status == "error"
            assert refusal.reason.startswith("Invalid join: ")
            assert len(refusal.reason) < 200
        await raw.joined(appointments_of(dentist))


async def test_too_many_topics_of_a_socket_are_refused(clinic: Clinic) -> None:
    async with connect(clinic, clinic.patients[0].token) as raw:
        for number in range(100):
            await raw.joined(f"page-{number}", changes=[BINDING])
        refusal = await raw.join("one-too-many", changes=[BINDING])
        assert refusal.reason.startswith("ChannelRateLimitReached")
        await raw.joined("page-7", changes=[BINDING])  # it replaces itself
    async with connect(clinic, clinic.patients[0].token) as raw:
        for number in range(6):
            await raw.joined(f"page-{number}", changes=[BINDING] * 32)
        refusal = await raw.join("page-6", changes=[BINDING] * 9)
        assert refusal.reason.startswith("ChannelRateLimitReached")
        await raw.joined("page-6", changes=[BINDING] * 8)


async def test_joins_and_messages_are_rate_limited(
    open_clinic: OpenClinic,
) -> None:
    async with open_clinic(api=ApiSettings(rate_per_s=0.1, rate_burst=6)) as clinic:
        patient = clinic.patients[0]
        async with connect(clinic, patient.token) as raw:
            for _ in range(5):
                await raw.joined("availability:all")
            refusal = await raw.join("availability:all")
            assert refusal.reason.startswith("ClientJoinRateLimitReached")
            await raw.push("phoenix", "heartbeat")
            assert await raw.close_code() == 1008
        async with connect(clinic, clinic.patients[1].token) as other:
            await other.alive()


async def test_an_idle_socket_is_closed(open_clinic: OpenClinic) -> None:
    async with (
        open_clinic(realtime=RealtimeSettings(idle_timeout_s=0.3)) as clinic,
        connect(clinic, clinic.patients[0].token) as raw,
    ):
        began = time.monotonic()
        for _ in range(3):
            await asyncio.sleep(0.15)
            await raw.alive()
        assert await raw.close_code() == 1013
        assert time.monotonic() - began < 2


async def test_a_client_that_does_not_read_is_disconnected(
    template: Template, tmp_path: Path, logs: Logs
) -> None:
    config = config_for(
        template.copy_to(tmp_path), realtime=RealtimeSettings(max_buffer_bytes=262_144)
    )
    dentist = template.people.dentists[0]
    channel = Channel(appointments_of(dentist))
    async with running_hub(config) as running, aiohttp.ClientSession() as session:
        broadcaster, supabase = running.hub.core.context.broadcaster, running.hub.edge.supabase
        async with (
            raw_supabase(session, running.url, dentist.token) as reader,
            _unreading_client(running.url, dentist.token, f"realtime:{channel}"),
        ):
            await reader.joined(channel)
            assert await eventually(lambda: len(logs.lines("socket_command")) == 2, 3.0)
            for offset in range(1, 2_000):
                assert await broadcaster.broadcast([_large(channel, offset)]) in (1, 2)
                assert await offset_of_next(reader) == offset
                if logs.lines("socket_too_slow"):
                    break
            (slow,) = logs.lines("socket_too_slow")
            assert 262_144 < slow["waiting_bytes"] < 262_144 + 2 * LARGE_BYTES
            assert await eventually(lambda: supabase.connections() == {"supabase": 1}, 3.0)


LARGE_BYTES = 20_000


def _large(channel: Channel, offset: int) -> EventRecord:
    return EventRecord(
        channel=channel,
        position=Position(9_999_999_999, offset),
        event_id=EventId(f"event-{offset}"),
        type="appointment.updated",
        time=datetime.now(UTC),
        payload=json.dumps({"notes": "x" * LARGE_BYTES}).encode(),
    )


@asynccontextmanager
async def _unreading_client(url: str, key: str, topic: str) -> AsyncIterator[None]:
    """A client with a small buffer that joins and never reads."""
    address = urlsplit(url)
    _, writer = await asyncio.open_connection(address.hostname, address.port, limit=1_024)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    head = (
        f"GET /realtime/v1/websocket?apikey={key} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    join = json.dumps({"topic": topic, "event": "phx_join", "payload": {}, "ref": "1"}).encode()
    assert 126 <= len(join) < 65_536
    frame = bytes((0x81, 0x80 | 126)) + len(join).to_bytes(2) + bytes(4) + join  # masked by zeros
    writer.write(head.encode() + frame)
    try:
        yield
    finally:
        writer.transport.abort()


async def test_a_stopping_hub_closes_sockets_with_1012(open_clinic: OpenClinic) -> None:
    """After 1000 or 1001 some clients do not reconnect."""
    async with aiohttp.ClientSession() as session:
        async with open_clinic() as clinic:
            url, dentist = clinic.url, clinic.dentists[0]
            ws = await session.ws_connect(
                url + "/realtime/v1/websocket", params={"apikey": dentist.token}
            )
            await RawSupabase(ws, "1.0.0").joined(appointments_of(dentist))
            reading = asyncio.create_task(RawSupabase(ws, "1.0.0").close_code())
            began = time.monotonic()
        assert await reading == 1012
        assert time.monotonic() - began < 2


async def test_no_token_is_ever_logged(clinic: Clinic, logs: Logs) -> None:
    patient = clinic.patients[0]
    async with connect(clinic, patient.token) as raw:
        await raw.joined(appointments_of(patient), patient.token)
        topic = f"realtime:{appointments_of(patient)}"
        await raw.push(topic, "access_token", {"access_token": patient.token + "x"})
        await raw.until("phx_close")
        await raw.send(json.dumps({"access_token": patient.token}))
        await raw.close_code()
    bad = token("patient", "x", ttl_s=-5)
    await refused(clinic, params={"apikey": bad})
    text = logs.getvalue()
    assert "socket_refused" in text
    for secret in (patient.token, bad):
        assert secret not in text
        assert secret.rsplit(".", 1)[1] not in text
