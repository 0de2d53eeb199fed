"""Criteria 7.1, 7.2, 7.3: every kind of client gets the same event within a second."""

import time
from contextlib import AsyncExitStack
from typing import Any

from tests.support.clinic import Clinic, Person, appointments_of
from tests.support.supabase_clients import KINDS, real_client

WITHIN_S = 1.0


async def _reaches_all(clinic: Clinic, watcher: Person, kinds: tuple[str, ...]) -> None:
    """Books over REST and compares the events of Socket.IO and every Supabase client."""
    channel = appointments_of(watcher)
    screen = await clinic.screen(watcher)
    async with AsyncExitStack() as opened:
        clients = [
            await opened.enter_async_context(real_client(kind, clinic.url, watcher.token))
            for kind in kinds
        ]
        for client in clients:
            await client.join(channel, broadcasts=["appointment.created"])
        began = time.monotonic()
        booked = await clinic.book(clinic.patients[0])
        seen = await screen.event("appointment.created", WITHIN_S, channel=channel)
        assert seen.at - began < WITHIN_S
        assert seen.resource == booked
        for client in clients:
            report = await client.event("appointment.created", WITHIN_S, id=booked["id"])
            assert report.at - began < WITHIN_S, client.kind
            envelope: dict[str, Any] = report.message["payload"]
            assert envelope == seen.data, client.kind
            assert (envelope["channel"], envelope["offset"]) == (channel, seen.data["offset"])
            assert report.message["meta"] == {"id": seen.data["id"]}


async def test_r7_1_r7_2_a_booking_reaches_all_clients_of_the_dentist(
    clinic: Clinic,
) -> None:
    await _reaches_all(clinic, clinic.dentists[0], KINDS)


async def test_r7_1_r7_3_a_booking_reaches_all_clients_of_the_patient(
    clinic: Clinic,
) -> None:
    await _reaches_all(clinic, clinic.patients[0], KINDS[::2])


async def test_r7_1_table_changes_reach_supabase_clients_as_rows(clinic: Clinic) -> None:
    """``postgres_changes`` with a filter, as a front end for Supabase requests them."""
    dentist = clinic.dentists[0]
    binding = {
        "event": "*",
        "schema": "public",
        "table": "appointments",
        "filter": f"dentist_id=eq.{dentist.id}",
    }
    async with (
        real_client("realtime-js 2.0.0", clinic.url, dentist.token) as js,
        real_client("realtime-py", clinic.url, dentist.token) as py,
    ):
        for client in (js, py):
            await client.join("schema-db-changes", changes=[binding])
        booked = await clinic.book(clinic.patients[0])
        await clinic.book(clinic.patients[1], dentist=clinic.dentists[2])
        for client in (js, py):
            assert (await client.change("INSERT", WITHIN_S))["new"] == booked
            assert client.changes() == ["INSERT"]
