"""What the tools do, for one patient: over the hub's REST interface, and nothing else."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final, TypeVar

import aiohttp

from chairside.chatbot.clinic import ClinicRefused, ClinicUnreachable, Facts, SlotQuery
from chairside.chatbot.dialogue.offers import local, spread, zones_of
from chairside.chatbot.dialogue.state import UNREACHABLE
from chairside.chatbot.patient_calendar import PatientCalendar, appointment, slot, written
from chairside.chatbot.understanding.when import LONGEST_SPAN, When, between, span
from chairside.client import ConnectionLost, FreeSlot, HubClient, HubError
from chairside.client.shapes import Appointment, Reservation
from chairside.mcp import consent
from chairside.mcp.consent import Operation
from chairside.mcp.refusals import WITH_ALTERNATIVES, ToolRefused
from chairside.mcp.results import (
    Appointments,
    AppointmentTypeInfo,
    Change,
    DentistInfo,
    Directory,
    Held,
    Slots,
    appointment_info,
    dentist_name,
    local_text,
    name,
    slot_info,
    slot_infos,
    whole_seconds,
)

_SHOWN_MAX: Final = 50
_DESKS_MAX: Final = 200
_NEAR: Final = timedelta(days=7)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """Whose appointments these are: a token, and with a service token for whom."""

    token: str
    on_behalf_of: str | None = None

    @property
    def scope(self) -> str:
        """The same for the same credentials; not to be turned back into them."""
        return hashlib.sha256(f"{self.token}\n{self.on_behalf_of}".encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Clinic:
    """The hub, and the clocks and the key of this process."""

    url: str
    session: aiohttp.ClientSession
    key: bytes
    now: Callable[[], datetime]
    monotonic: Callable[[], float]


class Desk:
    """Every method raises ToolRefused, and nothing else that is expected."""

    def __init__(self, clinic: Clinic, patient: Patient) -> None:
        self._clinic, self._patient = clinic, patient
        self._hub = HubClient(
            clinic.url,
            token=patient.token,
            on_behalf_of=patient.on_behalf_of,
            session=clinic.session,
        )
        self._calendar = PatientCalendar(self._hub, clinic.now, clinic.monotonic)
        self._person: str | None = None

    # --- looking ---------------------------------------------------------------------------

    async def directory(self) -> Directory:
        facts = await self._facts()
        return Directory(
            dentists=[
                DentistInfo(id=one.id, name=name(one.name), time_zone=one.time_zone)
                for one in facts.dentists
            ],
            appointment_types=[
                AppointmentTypeInfo(id=one.id, name=name(one.name), duration_minutes=one.minutes)
                for one in facts.treatments
            ],
            patient_time_zone=facts.time_zone,
            now=written(self._clinic.now()),
        )

    async def find(
        self,
        *,
        kind_id: str,
        first: date,
        last: date,
        dentist_ids: Sequence[str],
        time_from: time | None,
        time_to: time | None,
        limit: int,
    ) -> Slots:
        """Free times whose local date lies in ``[first, last]``."""
        if last < first:
            raise ToolRefused("VALIDATION_ERROR", "to_date must not be before from_date")
        if last - first > LONGEST_SPAN - timedelta(days=2):
            raise ToolRefused("VALIDATION_ERROR", "from_date and to_date must be within 60 days")
        facts = await self._facts()
        when = When(days=between(first, last).days, time_from=time_from, time_to=time_to)
        starts, before = span(when, self._clinic.now(), zones_of(facts, dentist_ids))
        found = await _asked(
            self._calendar.slots(
                SlotQuery(
                    appointment_type_id=kind_id,
                    dentist_ids=tuple(dentist_ids),
                    first=starts,
                    before=before,
                    time_from=time_from,
                    time_to=time_to,
                )
            )
        )
        fit = [one for one in found if when.allows(local(facts, one))]
        shown = fit[: min(limit, _SHOWN_MAX)]
        step = (
            "Offer the patient a few of these, then call hold_slot with the one they choose."
            if shown
            else "Nothing is free in these limits: widen the dates or times, or ask for another"
            " dentist."
        )
        return Slots(slots=slot_infos(shown, facts), more=len(fit) > len(shown), next_step=step)

    async def mine(self, *, include_past: bool) -> Appointments:
        facts = await self._facts()
        filters: dict[str, Any] = {"limit": _SHOWN_MAX}
        if include_past:
            filters["sort"] = "-start"
        else:
            filters |= {"from_": written(self._clinic.now()), "status": "confirmed"}
        page = await _asked(self._hub.appointments(**filters))
        return Appointments(appointments=[appointment_info(row, facts) for row in page["data"]])

    # --- holding ---------------------------------------------------------------------------

    async def hold(self, *, dentist_id: str, kind_id: str, start: datetime) -> Held:
        facts = await self._facts()
        wanted = FreeSlot(
            dentist_id=dentist_id, appointment_type_id=kind_id, start=start, end=start
        )
        made = await self._or_alternatives(
            self._hub.hold(
                dentist_id=dentist_id, appointment_type_id=kind_id, start=written(start)
            ),
            wanted,
        )
        left = datetime.fromisoformat(made["expires_at"]) - self._clinic.now()
        return Held(
            reservation_id=made["id"],
            expires_at=made["expires_at"],
            seconds_left=whole_seconds(left),
            slot=slot_info(slot(made), facts),
            next_step="The time is kept for the patient until expires_at. Nothing is booked yet:"
            " call book_appointment with reservation_id.",
        )

    # --- changing: a question first ----------------------------------------------------------

    async def ask_to_book(self, reservation_id: str, notes: str | None) -> tuple[str, Operation]:
        """The question to the patient, and the operation that a yes allows."""
        facts = await self._facts()
        row = await self._reservation(reservation_id)
        kind = facts.treatment(row["appointment_type_id"])
        what = name(kind.name) if kind else "the appointment"
        at = local_text(facts, row["dentist_id"], datetime.fromisoformat(row["start"]))
        question = f"Book {what} with {dentist_name(facts, row['dentist_id'])} on {at}?"
        return question, await self._operation(
            "book", {"reservation_id": reservation_id, "notes": notes}
        )

    async def _reservation(self, reservation_id: str) -> Reservation:
        return await _asked(self._hub.reservation(reservation_id))

    async def book(self, reservation_id: str, notes: str | None, operation: Operation) -> Change:
        try:
            row = await self._hub.book_reservation(reservation_id, notes=notes, key=operation.key)
        except (HubError, ConnectionLost) as error:
            raise _refusal(error) from error
        return await self._done(row, "Tell the patient that it is booked.")

    async def ask_to_move(
        self, appointment_id: str, start: datetime
    ) -> tuple[str, Operation] | Change:
        """As :meth:`ask_to_book`; a :class:`Change` if it is there already."""
        facts = await self._facts()
        row = await self._appointment(appointment_id)
        if datetime.fromisoformat(row["start"]) == start and row["status"] == "confirmed":
            return await self._done(row, "It is at that time already.")
        before = appointment(row)
        there = local_text(facts, before.dentist_id, start)
        question = f"Move {_what(row, facts)} to {there}?"
        return question, await self._operation(
            "move", {"appointment_id": appointment_id, "start": written(start)}, row["version"]
        )

    async def move(self, appointment_id: str, start: datetime, operation: Operation) -> Change:
        row = await self._appointment(appointment_id)
        before = appointment(row)
        wanted = FreeSlot(
            dentist_id=before.dentist_id,
            appointment_type_id=before.appointment_type_id,
            start=start,
            end=start + (before.end - before.start),
        )
        moved = await self._or_alternatives(
            self._hub.change(
                appointment_id, version=operation.version, key=operation.key, start=written(start)
            ),
            wanted,
        )
        return await self._done(moved, "Tell the patient the new time.")

    async def ask_to_cancel(
        self, appointment_id: str, reason: str | None
    ) -> tuple[str, Operation] | Change:
        facts = await self._facts()
        row = await self._appointment(appointment_id)
        if row["status"] == "cancelled":
            return await self._done(row, "It is cancelled already.")
        question = f"Cancel {_what(row, facts)}?"
        arguments = {"appointment_id": appointment_id, "reason": reason}
        return question, await self._operation("cancel", arguments, row["version"])

    async def cancel(self, appointment_id: str, reason: str | None, operation: Operation) -> Change:
        await _asked(
            self._hub.cancel(
                appointment_id, reason=reason, version=operation.version, key=operation.key
            )
        )
        row = await self._appointment(appointment_id)
        return await self._done(row, "Tell the patient that it is cancelled.")

    # --- the patient's yes -------------------------------------------------------------------

    def question(self, question: str, operation: Operation) -> Change:
        token = consent.ask(operation, self._clinic.key, self._clinic.now())
        return Change(
            status="confirmation_required",
            question=question,
            confirmation=token,
            next_step="Nothing was changed. Ask the patient this question. Only after a clear yes"
            " call the tool again with the same arguments and this confirmation.",
        )

    def check_yes(self, operation: Operation, confirmation: str) -> None:
        """Raise unless this confirmation answers this very question."""
        if not consent.is_yes_to(operation, confirmation, self._clinic.key, self._clinic.now()):
            raise ToolRefused(
                "CONFIRMATION_INVALID",
                "The confirmation is not of this question, too old, or things have changed since",
            )

    async def _operation(
        self, which: str, arguments: dict[str, Any], version: int | None = None
    ) -> Operation:
        if self._person is None:
            self._person = (await _asked(self._hub.me()))["id"]
        return Operation(name=which, person=self._person, arguments=arguments, version=version)

    # --- the hub -------------------------------------------------------------------------------

    async def _facts(self) -> Facts:
        return await _asked(self._calendar.facts())

    async def _appointment(self, appointment_id: str) -> Appointment:
        return await _asked(self._hub.appointment(appointment_id))

    async def _done(self, row: Appointment, next_step: str) -> Change:
        facts = await self._facts()
        return Change(status="done", appointment=appointment_info(row, facts), next_step=next_step)

    async def _or_alternatives(self, answer: Awaitable[T], wanted: FreeSlot) -> T:
        try:
            return await answer
        except (HubError, ConnectionLost) as error:
            refused = _refusal(error)
            if refused.problem.code in WITH_ALTERNATIVES:
                refused.problem.alternatives = await self._near(wanted)
            raise refused from error

    async def _near(self, wanted: FreeSlot) -> list[Any]:
        """Free times of the same dentist close to the wanted one, the nearest few, ascending."""
        now = self._clinic.now()
        first = max(now, wanted.start - _NEAR)
        query = SlotQuery(
            appointment_type_id=wanted.appointment_type_id,
            dentist_ids=(wanted.dentist_id,),
            first=first,
            before=max(first, wanted.start) + _NEAR,
        )
        try:
            facts, free = await asyncio.gather(self._calendar.facts(), self._calendar.slots(query))
        except (ClinicRefused, ClinicUnreachable):
            return []
        by_distance = sorted(free, key=lambda one: abs(one.start - wanted.start))
        return slot_infos(spread(by_distance[:12]), facts)


def _what(row: Appointment, facts: Facts) -> str:
    info = appointment_info(row, facts)
    return f"{info.appointment_type} with {info.dentist_name} on {info.local}"


def _refusal(error: HubError | ConnectionLost) -> ToolRefused:
    if isinstance(error, HubError) and not error.may_be_retried:
        fields = "; ".join(f"{one.field}: {one.message}" for one in error.details)
        return ToolRefused(error.code, f"{error.message}{f' ({fields})' if fields else ''}")
    return ToolRefused(UNREACHABLE, "The clinic's hub does not answer")


async def _asked(answer: Awaitable[T]) -> T:
    try:
        return await answer
    except (HubError, ConnectionLost) as error:
        raise _refusal(error) from error
    except ClinicRefused as refused:
        raise ToolRefused(refused.code, refused.message) from refused
    except ClinicUnreachable as lost:
        raise ToolRefused(UNREACHABLE, "The clinic's hub does not answer") from lost


class Desks:
    """The desks of the patients who asked lately, a bounded number."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._desks: OrderedDict[Patient, Desk] = OrderedDict()

    def desk(self, patient: Patient) -> Desk:
        desk = self._desks.get(patient)
        if desk is None:
            desk = self._desks[patient] = Desk(self._clinic, patient)
            if len(self._desks) > _DESKS_MAX:
                self._desks.popitem(last=False)
        self._desks.move_to_end(patient)
        return desk
