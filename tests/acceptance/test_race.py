"""Fifty clients race for one slot over REST and Socket.IO: exactly one wins."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actors.calendar.settings import ReservationSettings
from api.settings import ApiSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import Clinic, Person, appointments_of, availability_of
from tests.support.eventually import eventually
from tests.support.screens import Screen

CLIENTS = 50
ROUNDS = 20

Attempt = Callable[[str, dict[str, str]], Awaitable[tuple[str, dict[str, Any] | None]]]
"""Maps a command (``hold`` or ``book``) and its body to a code and, for ``ok``, a row."""


def over_rest(clinic: Clinic, person: Person) -> Attempt:
    api = clinic.api(person)

    async def attempt(what: str, body: dict[str, str]) -> tuple[str, dict[str, Any] | None]:
        path = "/api/reservations" if what == "hold" else "/api/appointments"
        answer = await api.post(path, body)
        return ("ok", answer.body) if answer.status == 201 else (str(answer.code), None)

    return attempt


def over_socket(screen: Screen) -> Attempt:
    async def attempt(what: str, body: dict[str, str]) -> tuple[str, dict[str, Any] | None]:
        event = "reservation:create" if what == "hold" else "appointment:book"
        ack = await screen.call(event, body)
        return ("ok", ack["data"]) if ack["ok"] else (ack["error"]["code"], None)

    return attempt


async def racers(clinic: Clinic) -> list[Attempt]:
    """Attempts of fifty patients, every second one over Socket.IO."""
    attempts: list[Attempt] = []
    for number, person in enumerate(clinic.patients[:CLIENTS]):
        if number % 2:
            attempts.append(over_socket(await clinic.screen(person)))
        else:
            attempts.append(over_rest(clinic, person))
    return attempts


@pytest.mark.parametrize("intervals", ["equal", "overlapping"])
async def test_exactly_one_of_fifty_clients_wins_in_each_of_twenty_rounds(
    open_clinic: OpenClinic, intervals: str
) -> None:
    settings = {
        "api": ApiSettings(rate_per_s=10_000, rate_burst=10_000),
        "reservations": ReservationSettings(max_per_patient=1_000),
    }
    async with open_clinic(**settings) as clinic:
        dentist = clinic.dentists[0]
        dashboard = await clinic.screen(dentist)
        start = dashboard.ready[appointments_of(dentist)]
        attempts, shuffled = await racers(clinic), random.Random(14)
        winners: list[str] = []
        for turn in range(ROUNDS):
            bodies = [_body(clinic, turn, number, intervals) for number in range(CLIENTS)]
            kinds = ["hold" if number % 3 else "book" for number in range(CLIENTS)]
            entries = list(zip(attempts, kinds, bodies, strict=True))
            shuffled.shuffle(entries)
            outcomes = await asyncio.gather(*(run(what, body) for run, what, body in entries))
            counts = Counter(code for code, _ in outcomes)
            assert counts == {"ok": 1, "SLOT_TAKEN": CLIENTS - 1}, f"round {turn}"
            winners += [row["id"] for _, row in outcomes if row is not None]

        await _audit(clinic, dashboard, start, winners)


def _body(clinic: Clinic, turn: int, number: int, intervals: str) -> dict[str, str]:
    """A slot on another day in each round.

    ``overlapping``: 60 minutes from 09:00, 09:15, 09:30 or 09:45, so all slots overlap.
    """
    clock = "09:00" if intervals == "equal" else f"09:{15 * (number % 4):02}"
    return {
        **clinic.slot(kind="cleaning"),
        "start": clinic.at(clock, days=3 + turn),
    }


async def _audit(
    clinic: Clinic, dashboard: Screen, start: dict[str, int], winners: list[str]
) -> None:
    """Check that each round has one row, and one event on the screen and in the history."""
    dentist = clinic.dentists[0]
    channel = appointments_of(dentist)
    page = await clinic.api(dentist).get(
        "/api/appointments", status=["held", "confirmed"], limit=200
    )
    assert {row["id"] for row in page.body["data"]} == set(winners)
    events = await eventually(
        lambda: seen if len(seen := dashboard.events(channel)) >= ROUNDS else [], 3.0
    )
    assert [event.resource["id"] for event in events] == winners
    first = start["offset"] + 1
    assert [event.data["offset"] for event in events] == list(range(first, first + ROUNDS))
    since = f"{start['epoch']}.{start['offset']}"
    history = await clinic.api(dentist).get("/api/changes", channel=channel, since=since)
    assert history.body["channels"][channel]["events"] == [event.data for event in events]
    slots = dashboard.events(availability_of(dentist))
    assert len(slots) == ROUNDS
    assert all(len(event.resource["taken"]) == 1 for event in slots)
