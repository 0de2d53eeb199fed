"""Simulated front desks of a practice."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from chairside.client import Commands, HubClient
from chairside.client.shapes import Appointment, Slot
from chairside.traffic.context import SimulationContext
from chairside.traffic.dentists import FAR_AHEAD_DAYS, TIDY_TRIES
from chairside.traffic.links import LinkedPerson

THINK_S: Final = (0.05, 0.4)
MINE_MAX: Final = 40
"""Visits that a desk keeps in mind."""

STEPS: Final = {"confirmed": "arrived", "arrived": "checked_in", "checked_in": "completed"}


class SimulatedDesk:
    """Does all that a front desk does on the calendars of its practice, until the run ends.

    ``commands`` books and changes, over Socket.IO or REST; ``rest`` does what only REST offers.
    """

    def __init__(
        self,
        context: SimulationContext,
        person: LinkedPerson,
        commands: Commands,
        rest: HubClient,
    ) -> None:
        self._context, self._person = context, person
        self._commands, self._rest = commands, rest
        self._mine: list[Appointment] = []
        self._patients = [each.id for each in context.links.patients]
        self._closed: set[str] = set()
        self._off: dict[str, dict[str, str]] = {}
        """Time off that this desk has added, by dentist."""

    async def run(self) -> None:
        """One of each first, so that a short day has them all."""
        self._context.take_own_pace()
        work = [self._book, self._move, self._to_another_dentist, self._book, self._cancel]
        work += [self._walk_in, self._enter, self._search, self._close, self._take_off]
        usual = [self._book, self._book, self._move, self._move_on, self._cancel, self._walk_in]
        usual += [self._to_another_dentist, self._enter, self._search]
        while not self._context.is_over:
            await (work.pop(0) if work else self._context.random.choice(usual))()
            await self._context.think(*THINK_S)

    async def clean_up(self) -> None:
        """Open what was closed, and remove the time off."""
        for _ in range(TIDY_TRIES):
            if not self._closed or await self._change_closures(set()):
                break
        for dentist_id, block in list(self._off.items()):
            for _ in range(TIDY_TRIES):
                if await self._change_time_off(dentist_id, remove=block):
                    break

    # --- visits ------------------------------------------------------------------------

    async def _book(self) -> None:
        patient = self._context.random.choice(self._patients)
        dentist = self._context.random.choice(self._context.links.dentists)
        slot = await self._context.free_slot(self._commands, dentist)
        if slot is None or self._context.is_over:
            return
        self._context.ledger.slot_requested(patient, slot)
        await self._booked(patient, slot["dentist_id"], slot["start"])

    async def _walk_in(self) -> None:
        """Someone who comes now, between the others, and is brought up to the end."""
        dentist = self._context.random.choice(self._context.links.dentists)
        patient = self._context.random.choice(self._patients)
        now = datetime.now(UTC) + timedelta(minutes=self._context.random.randrange(1, 6))
        start, end = (f"{each:%Y-%m-%dT%H:%M}:00Z" for each in (now, now + timedelta(minutes=15)))
        kind = self._context.links.appointment_type_ids[0]
        slot = Slot(dentist_id=dentist.id, appointment_type_id=kind, start=start, end=end)
        self._context.ledger.slot_requested(patient, slot)
        row = await self._booked(patient, dentist.id, start, overbook=True)
        while row is not None and row["status"] in STEPS and not self._context.is_over:
            row = await self._changed(row, "check in", status=STEPS[row["status"]])

    async def _booked(
        self, patient: str, dentist_id: str, start: str, *, overbook: bool | None = None
    ) -> Appointment | None:
        row = await self._context.book(
            "desk books",
            self._commands.book_slot,
            dentist_id=dentist_id,
            appointment_type_id=self._context.links.appointment_type_ids[0],
            start=start,
            patient_id=patient,
            overbook=overbook,
        )
        if row is not None:
            self._mine = [*self._mine, row][-MINE_MAX:]
        return row

    async def _move(self) -> None:
        if (row := self._taken()) is not None:
            dentist = next(d for d in self._context.links.dentists if d.id == row["dentist_id"])
            await self._moved(row, dentist, "desk moves")

    async def _to_another_dentist(self) -> None:
        if (row := self._taken()) is not None:
            others = [d for d in self._context.links.dentists if d.id != row["dentist_id"]]
            dentist = self._context.random.choice(others)
            await self._moved(row, dentist, "to another dentist", dentist_id=dentist.id)

    async def _moved(
        self, row: Appointment, dentist: LinkedPerson, kind: str, **fields: object
    ) -> None:
        slot = await self._context.free_slot(self._commands, dentist)
        if slot is None or row["status"] != "confirmed":
            self._mine.append(row)
            return
        self._context.ledger.slot_requested(row["patient_id"], slot)
        if await self._changed(row, kind, start=slot["start"], **fields) is None:
            self._mine.append(row)

    async def _move_on(self) -> None:
        """Arrived, checked in, completed: refused for a visit of another day."""
        if (row := self._taken()) is not None:
            await self._changed(row, "check in", status=STEPS.get(row["status"], "confirmed"))

    async def _cancel(self) -> None:
        if (row := self._taken()) is None:
            return

        async def cancel() -> bool:
            await self._commands.cancel(row["id"])
            return True

        if await self._context.command("desk cancels", cancel):
            self._context.ledger.cancelled(row)

    async def _changed(self, row: Appointment, kind: str, **fields: Any) -> Appointment | None:
        after = await self._context.command(kind, self._commands.change, row["id"], **fields)
        if after is not None:
            self._context.ledger.shown(after)
            self._mine = [*self._mine, after][-MINE_MAX:]
        return after

    def _taken(self) -> Appointment | None:
        """One of the visits in mind, which leaves it."""
        if not self._mine:
            return None
        return self._mine.pop(self._context.random.randrange(len(self._mine)))

    # --- people ------------------------------------------------------------------------

    async def _enter(self) -> None:
        name = f"Walk-in {uuid4().hex[:12]}"
        body = {"role": "patient", "name": name, "email": f"{name[8:]}@example.org"}
        made = await self._request("enter patient", "POST", "/api/profiles", body=body)
        if made is not None:
            self._patients.append(made["id"])
            await self._found(name, made["id"])

    async def _search(self) -> None:
        await self._request("search", "GET", "/api/patients", query={"q": "traffic"})

    async def _found(self, name: str, patient_id: str) -> None:
        """A patient who was entered is found at once."""
        page = await self._request("search", "GET", "/api/patients", query={"q": name})
        if page is not None and patient_id not in {each["id"] for each in page["data"]}:
            self._context.findings.lost.append(f"patient {patient_id}: entered, and not found")

    # --- closures and time off -----------------------------------------------------------

    async def _close(self) -> None:
        days = FAR_AHEAD_DAYS + self._context.random.randrange(100)
        self._closed.add((datetime.now(UTC) + timedelta(days=days)).date().isoformat())
        await self._change_closures(self._closed)

    async def _change_closures(self, days: set[str]) -> bool:
        """Replace the closures that this desk has made; others stay."""
        path = f"/api/practices/{self._context.links.practice_id}"
        practice = await self._request("see practice", "GET", path)
        if practice is None:
            return False
        reason = f"Simulated by {self._person.id}"
        kept = [each for each in practice["closures"] if each["reason"] != reason]
        mine = [{"start_date": day, "end_date": day, "reason": reason} for day in sorted(days)]
        body = {"closures": kept + mine}
        version = practice["version"]
        saved = await self._request("change closures", "PUT", path, body=body, version=version)
        if saved is not None and not days:
            self._closed.clear()
        return saved is not None

    async def _take_off(self) -> None:
        dentist = self._context.random.choice(self._context.links.dentists)
        if dentist.id in self._off:
            return
        days = FAR_AHEAD_DAYS + self._context.random.randrange(60)
        day = (datetime.now(UTC) + timedelta(days=days)).date().isoformat()
        block = {"start_date": day, "end_date": day}
        if await self._change_time_off(dentist.id, add=block):
            self._off[dentist.id] = block

    async def _change_time_off(
        self,
        dentist_id: str,
        *,
        add: Mapping[str, str] | None = None,
        remove: Mapping[str, str] | None = None,
    ) -> bool:
        see, replace = self._commands.availability, self._commands.replace_availability
        schedule: Any = await self._context.command("see hours", see, dentist_id)
        if schedule is None:
            return False
        gone = (remove or {}).get("start_date")
        kept = [each for each in schedule["time_off"] if each["start_date"] != gone]
        schedule["time_off"] = kept + ([dict(add)] if add else [])
        version = schedule["version"]
        saved = await self._context.command(
            "time off", replace, dentist_id, schedule, version=version
        )
        if saved is not None and remove:
            self._off.pop(dentist_id, None)
        return saved is not None

    async def _request(self, kind: str, method: str, path: str, **more: Any) -> Any:
        return await self._context.command(kind, self._rest.request, method, path, **more)
