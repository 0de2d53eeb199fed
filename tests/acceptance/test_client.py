"""The Python client on a running hub: exactly once and in order over a bad network."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from actors.ports.events import Broadcaster, EventRecord
from api.settings import ApiSettings
from chairside.client import (
    ConnectionLost,
    HubClient,
    HubError,
    HubEvent,
    LiveClient,
    Position,
    RetryPolicy,
)
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import CHATBOT, Clinic, appointments_of, availability_of
from tests.support.eventually import eventually
from tests.support.proxy import network_to
from tests.support.tokens import token

QUICK = RetryPolicy(attempts=8, first_delay_s=0.02, longest_delay_s=0.2)


@asynccontextmanager
async def live(
    clinic: Clinic, got: list[HubEvent], *, url: str | None = None, **options: Any
) -> AsyncIterator[LiveClient]:
    """The first dentist's live client."""
    settings: dict[str, Any] = {
        "namespace": "/dentist",
        "token": clinic.dentists[0].token,
        "retry": QUICK,
        **options,
    }
    async with LiveClient(url or clinic.url, on_event=got.append, **settings) as client:
        yield client


def offsets(got: list[HubEvent], channel: str) -> list[int | None]:
    return [event.offset for event in got if event.channel == channel]


CLOCKS = [f"{hour:02}:{minute}" for hour in range(8, 17) for minute in ("00", "30")]


async def test_events_of_own_and_followed_channels_arrive_in_order(clinic: Clinic) -> None:
    got: list[HubEvent] = []
    other = availability_of(clinic.dentists[1])
    async with live(clinic, got) as client:
        await client.follow(other)
        for clock in CLOCKS[:5]:
            await clinic.book(clinic.patients[0], clock)
        await clinic.book(clinic.patients[1], "09:00", dentist=clinic.dentists[1])
        assert await eventually(lambda: offsets(got, other), 2.0)
    channel = appointments_of(clinic.dentists[0])
    assert offsets(got, channel) == [1, 2, 3, 4, 5]


async def test_reconnections_lose_and_repeat_no_event(clinic: Clinic) -> None:
    """Repeatedly: book, cut every connection, book while the client is away, reconnect."""
    got: list[HubEvent] = []
    refetched: list[str] = []
    channel = appointments_of(clinic.dentists[0])
    async with (
        network_to(clinic.url) as network,
        live(
            clinic, got, url=network.url, on_refetch=lambda name, _position: refetched.append(name)
        ) as client,
    ):
        refetched.clear()  # the first connection had no positions
        booked = 0
        for turn in range(6):
            await clinic.book(clinic.patients[turn], CLOCKS[3 * turn])
            network.down = True
            network.cut()
            await eventually(lambda: not client.connected, 2.0)
            await clinic.book(clinic.patients[turn], CLOCKS[3 * turn + 1])
            network.down = False
            await client.ready()
            await clinic.book(clinic.patients[turn], CLOCKS[3 * turn + 2])
            booked += 3
        assert await eventually(lambda: len(offsets(got, channel)) >= booked, 3.0)
        assert offsets(got, channel) == list(range(1, booked + 1))
        assert client.connections >= 7
        assert refetched == [], "history reached back every time"


async def test_a_command_is_retried_with_its_key_after_a_cut(clinic: Clinic) -> None:
    got: list[HubEvent] = []
    patient = clinic.patients[0]
    async with (
        network_to(clinic.url) as network,
        live(clinic, got, url=network.url, namespace="/patient", token=patient.token) as client,
    ):
        slot = clinic.slot()
        for _ in range(5):
            command = asyncio.create_task(
                client.book_slot(
                    dentist_id=slot["dentist_id"],
                    appointment_type_id=slot["appointment_type_id"],
                    start=slot["start"],
                    key="the-same",
                )
            )
            await asyncio.sleep(0)  # the command is in flight
            network.cut()
            row = await command
            assert row["status"] == "confirmed"
    page = await clinic.api(patient).get("/api/appointments")
    assert len(page.body["data"]) == 1


async def test_a_failed_broadcast_is_recovered_by_a_catch_up(open_clinic: OpenClinic) -> None:
    class LossyBroadcaster:
        """Offset 2 of the dentist's appointments is never broadcast."""

        def __init__(self, real: Broadcaster) -> None:
            self._real = real

        async def broadcast(self, records: Sequence[EventRecord]) -> int:
            for record in records:
                in_channel = record.channel.startswith("appointments:dentist:")
                if in_channel and record.position.offset == 2:
                    raise ConnectionError("not delivered")
            return await self._real.broadcast(records)

    got: list[HubEvent] = []
    async with (
        open_clinic(overrides={"wrap_broadcaster": LossyBroadcaster}) as clinic,
        live(clinic, got) as client,
    ):
        channel = appointments_of(clinic.dentists[0])
        for clock in CLOCKS[:4]:
            await clinic.book(clinic.patients[0], clock)
        assert await eventually(lambda: len(offsets(got, channel)) >= 4, 4.0)
        assert offsets(got, channel) == [1, 2, 3, 4]
        assert client.trackers[channel].gaps == 1


async def test_a_client_catches_up_page_by_page(
    open_clinic: OpenClinic,
) -> None:
    """It missed more events than one answer contains."""
    async with open_clinic(api=ApiSettings(rate_per_s=1_000, rate_burst=1_000)) as clinic:
        await _page_through(clinic)


async def _page_through(clinic: Clinic) -> None:
    channel = appointments_of(clinic.dentists[0])
    rows = [await clinic.book(clinic.patients[0], clock) for clock in CLOCKS[:6]]
    note = "x" * 1_900
    dentist = clinic.api(clinic.dentists[0])
    for turn in range(40):
        for row in rows:
            changed = await dentist.put(
                f"/api/appointments/{row['id']}", {"notes": f"{turn} {note}"}
            )
            assert changed.status == 200, changed.body
    expected = 6 + 6 * 40
    got: list[HubEvent] = []
    head = await clinic.api(clinic.dentists[0]).get("/api/changes", channel=channel, since="now")
    start = Position(epoch=head.body["channels"][channel]["epoch"], offset=0)
    async with live(clinic, got, since={channel: start}) as client:
        assert await eventually(lambda: len(offsets(got, channel)) >= expected, 5.0)
        later = await clinic.book(clinic.patients[1], "17:00")
        assert await eventually(lambda: later["id"] in {e.data.get("id") for e in got}, 2.0)
        assert client.position(channel) == Position(epoch=start.epoch, offset=expected + 1)
    assert offsets(got, channel) == list(range(1, expected + 2))


@pytest.mark.parametrize(
    "since",
    [Position(epoch=1, offset=3), Position(epoch=1, offset=999_999_999)],
    ids=["epoch", "ahead"],
)
async def test_an_unknown_position_leads_to_a_refetch(clinic: Clinic, since: Position) -> None:
    got: list[HubEvent] = []
    refetched: list[tuple[str, Position]] = []
    channel = appointments_of(clinic.dentists[0])
    await clinic.book(clinic.patients[0])
    async with live(
        clinic,
        got,
        since={channel: since},
        on_refetch=lambda name, position: refetched.append((name, position)),
    ):
        assert [position.offset for name, position in refetched if name == channel] == [1]
        await clinic.book(clinic.patients[0], "11:00")
        assert await eventually(lambda: offsets(got, channel), 2.0) == [2]


async def test_rest_and_socketio_offer_the_same_commands(clinic: Clinic) -> None:
    """The whole life of an appointment over each protocol."""
    dentist = clinic.dentists[0]
    rest = HubClient(clinic.url, token=clinic.patients[0].token, session=clinic.session)
    patient = clinic.patients[1]
    async with live(clinic, [], namespace="/patient", token=patient.token) as socket:
        for clock, client in (("09:00", rest), ("11:00", socket)):
            slot = clinic.slot(clock)
            page = await client.find_slots(
                appointment_type_id=slot["appointment_type_id"],
                dentist_ids=[dentist.id],
                starts_from=slot["start"],
                starts_before=clinic.at("18:00"),
                limit=1,
            )
            assert page["data"][0]["start"] == slot["start"]
            held = await client.hold(**slot)
            await client.release(held["id"])
            held = await client.hold(**slot)
            booked = await client.book_reservation(held["id"], notes="hello")
            moved = await client.change(booked["id"], version=booked["version"], notes="bye")
            assert moved["notes"] == "bye"
            reason, version = "patient_no_transport", moved["version"]
            await client.cancel(booked["id"], reason=reason, version=version)
            assert (await client.availability(dentist.id))["dentist_id"] == dentist.id
            me = await client.me()
            assert (await client.update_me(version=me["version"], phone="+1 555 0001"))["phone"]
            with pytest.raises(HubError) as stale:
                await client.update_me(version=me["version"], phone="+1 555 0002")
            assert stale.value.code == "VERSION_CONFLICT"


async def test_a_refusal_of_the_connection_is_raised_with_its_code(clinic: Clinic) -> None:
    for options, code in (
        ({"token": "nonsense"}, "UNAUTHORIZED"),
        ({"namespace": "/patient"}, "FORBIDDEN"),
        ({"on_behalf_of": clinic.patients[0].id}, "FORBIDDEN"),
    ):
        with pytest.raises(HubError) as refused:
            async with live(clinic, [], **options):
                pass
        assert refused.value.code == code


async def test_a_refused_channel_is_raised_and_not_followed(clinic: Clinic) -> None:
    async with live(clinic, []) as client:
        foreign = appointments_of(clinic.dentists[1])
        with pytest.raises(HubError) as refused:
            await client.follow(foreign)
        assert refused.value.code == "FORBIDDEN"
        assert foreign not in client.trackers


async def test_a_hub_that_does_not_answer_raises_connection_lost(clinic: Clinic) -> None:
    async with network_to(clinic.url) as network:
        network.down = True
        with pytest.raises(ConnectionLost):
            async with live(clinic, [], url=network.url, timeout_s=0.5):
                pass


async def test_a_left_channel_delivers_nothing(clinic: Clinic) -> None:
    got: list[HubEvent] = []
    other = availability_of(clinic.dentists[1])
    async with live(clinic, got) as client:
        await client.follow(other)
        await client.leave(other)
        await clinic.book(clinic.patients[0], "09:00", dentist=clinic.dentists[1])
        await clinic.book(clinic.patients[0], "11:00")
        assert await eventually(lambda: got, 2.0)
        assert offsets(got, other) == []


async def test_a_failing_callback_keeps_the_connection(clinic: Clinic) -> None:
    seen: list[str] = []

    def fail_once(event: HubEvent) -> None:
        seen.append(event.type)
        if len(seen) == 1:
            raise RuntimeError("a bug of the page")

    async with LiveClient(
        clinic.url,
        namespace="/chatbot",
        token=CHATBOT,
        on_behalf_of=clinic.patients[0].id,
        on_event=fail_once,
        retry=QUICK,
    ) as client:
        await clinic.book(clinic.patients[0], "09:00")
        await clinic.book(clinic.patients[0], "11:00")
        assert await eventually(lambda: len(seen) == 2, 2.0)
        assert client.connections == 1


async def test_a_token_function_is_called_before_every_connection(clinic: Clinic) -> None:
    given: list[str] = []

    def fresh() -> str:
        given.append(token("dentist", "dentist-0", ttl_s=600 + len(given)))
        return given[-1]

    async with (
        network_to(clinic.url) as network,
        live(clinic, [], url=network.url, token=fresh) as client,
    ):
        network.cut()
        assert await eventually(lambda: client.connections == 2, 3.0)
        assert len(set(given)) == 2
