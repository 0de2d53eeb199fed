"""Clients of real hubs, and the record of what they asked, when, and what they were told."""

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import inf
from typing import Any

import aiohttp

from tests.histories.linearizable import stuck_at
from tests.histories.operation import VISIT, Kind, Operation, Outcome, Visit, applied
from tests.histories.replay import Logged, problems
from tests.support.clinic import Clinic, Person
from tests.support.database import Database, rows
from tests.support.eventually import eventually

CLIENTS = 6
"""At each calendar."""
STARTS = 16
"""Times that are asked for; visits of half an hour may start each quarter of one."""
STEP = timedelta(minutes=15)
PATIENCE_S = 3.0
PAUSE_S = (0.0, 0.04)
AFTER_FAILURE_S = 0.25
BACK_S = 30.0
OUTCOMES: Mapping[str, Outcome] = {
    "SLOT_TAKEN": Outcome.TAKEN,
    "PATIENT_CONFLICT": Outcome.TAKEN,  # patients have one dentist here: the slot is taken, too
    "INVALID_TRANSITION": Outcome.GONE,
}


@dataclass(frozen=True)
class _Calendar:
    dentist: Person
    first: datetime
    """The time with the number 0."""

    def instant(self, start: int) -> str:
        return (self.first + start * STEP).strftime("%Y-%m-%dT%H:%M:%SZ")

    def step(self, instant: str) -> int:
        return (datetime.fromisoformat(instant) - self.first) // STEP

    def visits(self, data: Iterable[Any]) -> frozenset[Visit]:
        return frozenset(Visit(row["id"], self.step(row["start"]), row["version"]) for row in data)


@dataclass
class _Way:
    """Of one request. aiohttp sends PUT and DELETE a second time when the connection breaks: then
    the second attempt may find no hub, and the first one may have been served."""

    is_connected: bool = False


def _traced() -> aiohttp.TraceConfig:
    """Notes whether a request ever had a connection."""

    async def connected(_session: Any, context: Any, _params: Any) -> None:
        context.trace_request_ctx.is_connected = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(connected)
    return trace


@dataclass(kw_only=True)
class Recorder:
    """``clinics``: how the clients reach the hub, or several of them."""

    clinics: Sequence[Clinic]
    chance: random.Random
    operations: list[Operation] = field(default_factory=list)
    calendars: Sequence[_Calendar] = field(init=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _ids: dict[str, list[str]] = field(default_factory=dict)
    """Of the visits that are known, for each patient."""
    _is_over: bool = False
    _session: aiohttp.ClientSession = field(init=False)

    def __post_init__(self) -> None:
        clinic = self.clinics[0]
        self.calendars = [
            _Calendar(each, datetime.fromisoformat(clinic.at("09:00", dentist=each)))
            for each in clinic.dentists
        ]

    async def run(self, during: Callable[[], Awaitable[None]]) -> None:
        """Clients act until ``during`` has returned."""
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        async with aiohttp.ClientSession(
            connector=connector, trace_configs=[_traced()]
        ) as self._session:
            await self._run(during)

    async def _run(self, during: Callable[[], Awaitable[None]]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for place, calendar in enumerate(self.calendars):
                for client in range(CLIENTS):
                    patient = self.clinics[0].patients[place * CLIENTS + client // 2]
                    tasks.create_task(self._client(calendar, patient))
            await during()
            self._is_over = True
        for calendar in self.calendars:
            await self._read_at_last(calendar)

    async def _read_at_last(self, calendar: _Calendar) -> None:
        """What is there in the end."""

        async def is_read() -> bool:
            asked = replace(self._next(self.chance, calendar, ""), kind=Kind.READ)
            answered = await self._ask(self.clinics[0], asked, calendar, calendar.dentist)
            self.operations.extend(filter(None, [answered]))
            return answered is not None

        assert await eventually(is_read, BACK_S)

    async def _client(self, calendar: _Calendar, patient: Person) -> None:
        chance = random.Random(self.chance.random())
        while not self._is_over:
            asked = self._next(chance, calendar, patient.id)
            clinic = chance.choice(self.clinics)
            answered = await self._ask(clinic, asked, calendar, patient)
            if answered is not None:
                self.operations.append(answered)
            failed = answered is None or answered.outcome is Outcome.UNKNOWN
            await asyncio.sleep(AFTER_FAILURE_S if failed else chance.uniform(*PAUSE_S))

    def _next(self, chance: random.Random, calendar: _Calendar, patient_id: str) -> Operation:
        known = self._ids.get(patient_id, [])
        kind = chance.choices(tuple(Kind), (5, 2, 3, 3))[0]
        if kind in (Kind.MOVE, Kind.CANCEL) and not known:
            kind = Kind.BOOK
        return Operation(
            number=next(self._numbers),
            calendar=calendar.dentist.id,
            kind=kind,
            called=time.monotonic(),
            returned=inf,
            outcome=Outcome.UNKNOWN,
            id=chance.choice(known[-4:]) if kind in (Kind.MOVE, Kind.CANCEL) else "",
            start=chance.randrange(STARTS),
        )

    async def _ask(
        self, clinic: Clinic, asked: Operation, calendar: _Calendar, patient: Person
    ) -> Operation | None:
        """The operation with its outcome; None if it has certainly not happened, or was a read
        that failed."""
        way = _Way()
        try:
            async with asyncio.timeout(PATIENCE_S):
                status, code, body = await self._send(clinic, asked, calendar, patient, way)
        except (aiohttp.ClientError, TimeoutError):
            return asked if way.is_connected and asked.kind is not Kind.READ else None
        if status >= 500 or status == 429:
            return None if asked.kind is Kind.READ else asked
        answered = replace(asked, returned=time.monotonic(), outcome=Outcome.DONE)
        if asked.kind is Kind.READ:
            assert status == 200, body
            return replace(answered, seen=calendar.visits(body["data"]))
        if status >= 400:
            return replace(answered, outcome=OUTCOMES[code])
        if asked.kind is Kind.BOOK:
            self._ids.setdefault(patient.id, []).append(body["id"])
        if asked.kind is Kind.CANCEL:
            return answered
        return replace(answered, id=body["id"], version=body["version"])

    async def _send(
        self, clinic: Clinic, asked: Operation, calendar: _Calendar, patient: Person, way: "_Way"
    ) -> tuple[int, str, Any]:
        start = calendar.instant(asked.start)
        by = calendar.dentist if asked.kind is Kind.READ else patient
        path, headers = "/api/appointments", {"Authorization": f"Bearer {by.token}"}
        method, query, body = "GET", dict[str, str](), None
        if asked.kind is Kind.BOOK:
            method, body = "POST", clinic.slot(dentist=calendar.dentist)
            body |= {"start": start, "notes": _note(asked)}
        elif asked.kind is Kind.READ:
            days = {"from": calendar.instant(0), "to": calendar.instant(STARTS + VISIT)}
            query = {**days, "status": "confirmed", "limit": "100"}
        elif asked.kind is Kind.MOVE:
            method, path, body = "PUT", f"{path}/{asked.id}", {"start": start}
        else:
            method, path = "DELETE", f"{path}/{asked.id}"
        async with self._session.request(
            method,
            clinic.url + path,
            json=body,
            params=query,
            headers=headers,
            trace_request_ctx=way,
        ) as response:
            content = await response.read()
            found = json.loads(content) if content else {}
            return response.status, found.get("error", {}).get("code", ""), found


def _note(booking: Operation) -> str:
    return f"operation {booking.number}"


def judge(recorder: Recorder, database: Database) -> Counter[str]:
    """Both checkers, for each calendar; AssertionError with what they found. Returns counts."""
    counted = Counter[str]()
    for calendar in recorder.calendars:
        own = [each for each in recorder.operations if each.calendar == calendar.dentist.id]
        history, log = list(_resolved(own, database)), _log(database, calendar)
        wrong, stuck = problems(history, log), stuck_at(history, frozenset[Visit](), applied)
        assert (not wrong, stuck is None) == (True, True), (wrong[:5], str(stuck))
        counted.update(f"{each.kind.value} {each.outcome.value}" for each in history)
        counted["events"] += len(log)
    return counted


def _resolved(history: Sequence[Operation], database: Database) -> Iterable[Operation]:
    """Bookings without an answer have the id of their row, or did not happen. Nor did cancellations
    of what is not cancelled, or moves if the other changes account for the version of the row."""
    found = rows(database, "SELECT id, notes, version, status FROM appointments")
    by_note = {row["notes"]: row["id"] for row in found}
    cancelled = {row["id"] for row in found if row["status"] == "cancelled"}
    moved = {row["id"]: row["version"] - (row["id"] in cancelled) for row in found}
    answered = Counter(each.id for each in history if each.version)
    for each in history:
        if each.outcome is not Outcome.UNKNOWN:
            yield each
        elif each.kind is Kind.BOOK:
            if id_ := by_note.get(_note(each)):
                yield replace(each, id=id_)
        elif (
            each.id in cancelled if each.kind is Kind.CANCEL else answered[each.id] < moved[each.id]
        ):
            yield each


def _log(database: Database, calendar: _Calendar) -> Sequence[Logged]:
    sql = 'SELECT epoch, "offset", payload FROM realtime_events WHERE channel = ? ORDER BY "offset"'
    found = rows(database, sql, f"appointments:dentist:{calendar.dentist.id}")
    return [_logged(row, calendar, json.loads(row["payload"])) for row in found]


def _logged(row: Mapping[str, Any], calendar: _Calendar, data: Mapping[str, Any]) -> Logged:
    return Logged(
        epoch=row["epoch"],
        offset=row["offset"],
        id=data["id"],
        start=calendar.step(data["start"]),
        version=data["version"],
        is_live=data["status"] == "confirmed",
    )
