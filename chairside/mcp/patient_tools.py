"""What the tools do for one patient, over the hub's REST interface alone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from time import monotonic
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

import aiohttp

from chairside.chatbot.clinic import Facts, SlotQuery
from chairside.chatbot.dialogue.offers import spread, zone_of, zones_of
from chairside.chatbot.patient_calendar import (
    UNREACHABLE,
    PatientCalendar,
    failure_code,
    slot_of,
    written,
)
from chairside.client import ClientError, HubError
from chairside.client.shapes import Appointment, AppointmentFilters, Slot
from chairside.mcp import results
from chairside.mcp.consent import ProposedChange, confirms, sign_confirmation
from chairside.patient_access import PatientAccess

_SHOWN_MAX: Final = 50
_DAYS_MAX: Final = 60
_NEAR: Final = timedelta(days=7)
_NEAREST_MAX: Final = 12
_DAY: Final = timedelta(days=1)
_SOME_FREE: Final = (
    "Offer the patient a few of these, then call hold_slot with the one they choose."
)
_NONE_FREE: Final = (
    "Nothing is free within these limits: widen the dates or times, or ask for another dentist."
)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A change that requires the patient's consent."""

    question: str
    change: ProposedChange
    execute: Callable[[], Awaitable[results.ChangeResult]]


class PatientTools:
    """The tools of one patient. All raise ToolRefused, and ClientError as the hub's client."""

    def __init__(
        self, session: aiohttp.ClientSession, key: bytes, access: PatientAccess, patient_id: str
    ) -> None:
        """``key`` signs confirmations."""
        self._key, self._patient_id = key, patient_id
        self._hub = access.client(session)
        self._calendar = PatientCalendar(self._hub, _now, monotonic)

    # --- reading ---------------------------------------------------------------------------

    async def directory(self) -> results.DirectoryResult:
        facts = await self._calendar.facts()
        return results.DirectoryResult(
            dentists=[
                results.DentistInfo(id=one.id, name=results.name(one.name), time_zone=one.time_zone)
                for one in facts.dentists
            ],
            appointment_types=[
                results.AppointmentTypeInfo(
                    id=one.id, name=results.name(one.name), duration_minutes=one.minutes
                )
                for one in facts.treatments
            ],
            patient_time_zone=facts.time_zone,
            now=written(_now()),
        )

    async def find_slots(
        self,
        *,
        appointment_type_id: str,
        first: date,
        last: date,
        dentist_ids: Sequence[str],
        time_from: time | None,
        time_to: time | None,
        limit: int,
    ) -> results.SlotsResult:
        """Free times whose local date is in ``[first, last]``."""
        if last < first:
            raise results.ToolRefused("VALIDATION_ERROR", "to_date must not be before from_date")
        if last - first > timedelta(days=_DAYS_MAX):
            raise results.ToolRefused(
                "VALIDATION_ERROR", f"from_date and to_date must be within {_DAYS_MAX} days"
            )
        facts = await self._calendar.facts()
        zones = zones_of(facts, dentist_ids) or (ZoneInfo(facts.time_zone),)
        starts = min(datetime.combine(first, time(), zone) for zone in zones)
        before = max(datetime.combine(last + _DAY, time(), zone) for zone in zones)
        starts = max(starts, _now())
        query = SlotQuery(
            appointment_type_id=appointment_type_id,
            dentist_ids=tuple(dentist_ids),
            first=starts,
            before=max(before, starts + timedelta(minutes=1)),
            time_from=time_from,
            time_to=time_to,
        )
        found = [
            one
            for one in await self._calendar.slots(query)
            if first <= one.start.astimezone(zone_of(facts, one.dentist_id)).date() <= last
        ]
        shown = found[: min(limit, _SHOWN_MAX)]
        return results.SlotsResult(
            slots=[results.slot_info(one, facts) for one in shown],
            more=len(found) > len(shown),
            next_step=_SOME_FREE if shown else _NONE_FREE,
        )

    async def appointments(self, *, include_past: bool) -> results.AppointmentsResult:
        facts = await self._calendar.facts()
        filters: AppointmentFilters = (
            {"limit": _SHOWN_MAX, "sort": "-start"}
            if include_past
            else {"limit": _SHOWN_MAX, "from_": written(_now()), "status": "confirmed"}
        )
        page = await self._hub.appointments(**filters)
        return results.AppointmentsResult(
            appointments=[results.appointment_info(row, facts) for row in page["data"]]
        )

    # --- holding ---------------------------------------------------------------------------

    async def hold(
        self, *, dentist_id: str, appointment_type_id: str, start: datetime
    ) -> results.HoldResult:
        facts = await self._calendar.facts()
        held = await self._or_alternatives(
            self._hub.hold(
                dentist_id=dentist_id,
                appointment_type_id=appointment_type_id,
                start=written(start),
            ),
            dentist_id,
            appointment_type_id,
            start,
        )
        left_s = (datetime.fromisoformat(held["expires_at"]) - _now()).total_seconds()
        return results.HoldResult(
            reservation_id=held["id"],
            expires_at=held["expires_at"],
            seconds_left=max(0, int(left_s)),
            slot=results.slot_info(slot_of(held), facts),
            next_step="The time is kept for the patient until expires_at. Nothing is booked yet:"
            " call book_appointment with reservation_id.",
        )

    # --- changing, with the patient's consent ------------------------------------------------

    async def propose_booking(self, reservation_id: str, notes: str | None) -> Proposal:
        facts = await self._calendar.facts()
        row = await self._hub.reservation(reservation_id)
        change = self._change("book", reservation_id=reservation_id, notes=notes)

        async def book() -> results.ChangeResult:
            booked = await self._hub.book_reservation(
                reservation_id, notes=notes, key=change.idempotency_key
            )
            return await self._done(booked, "Tell the patient that it is booked.")

        return Proposal(question=f"Book {_what(row, facts)}?", change=change, execute=book)

    async def propose_move(
        self, appointment_id: str, start: datetime, dentist_id: str | None = None
    ) -> Proposal | results.ChangeResult:
        """The result if the appointment is at that time already, with that dentist if named."""
        facts = await self._calendar.facts()
        row = await self._hub.appointment(appointment_id)
        to_dentist = dentist_id or row["dentist_id"]
        is_there = (to_dentist, start) == (
            row["dentist_id"],
            datetime.fromisoformat(row["start"]),
        )
        if is_there and row["status"] == "confirmed":
            return await self._done(row, "It is at that time already.")
        place = {"start": written(start)}
        if to_dentist != row["dentist_id"]:
            place["dentist_id"] = to_dentist
        change = self._change("move", row["version"], appointment_id=appointment_id, **place)

        async def move() -> results.ChangeResult:
            moved = await self._or_alternatives(
                self._hub.change(
                    appointment_id,
                    version=change.version,
                    key=change.idempotency_key,
                    **place,
                ),
                to_dentist,
                row["appointment_type_id"],
                start,
            )
            return await self._done(moved, "Tell the patient the new time.")

        to = results.local_text(facts, to_dentist, start)
        if to_dentist != row["dentist_id"]:
            to = f"{to}, with {results.dentist_name(facts, to_dentist)},"
        return Proposal(question=f"Move {_what(row, facts)} to {to}?", change=change, execute=move)

    async def propose_cancellation(
        self, appointment_id: str, reason: str | None
    ) -> Proposal | results.ChangeResult:
        """The result if the appointment is cancelled already."""
        facts = await self._calendar.facts()
        row = await self._hub.appointment(appointment_id)
        if row["status"] == "cancelled":
            return await self._done(row, "It is cancelled already.")
        change = self._change(
            "cancel", row["version"], appointment_id=appointment_id, reason=reason
        )

        async def cancel() -> results.ChangeResult:
            await self._hub.cancel(
                appointment_id,
                reason=reason,
                version=change.version,
                key=change.idempotency_key,
            )
            cancelled = await self._hub.appointment(appointment_id)
            return await self._done(cancelled, "Tell the patient that it is cancelled.")

        return Proposal(question=f"Cancel {_what(row, facts)}?", change=change, execute=cancel)

    async def settle(
        self,
        proposal: Proposal | results.ChangeResult,
        *,
        consents: bool | None,
        confirmation: str | None,
    ) -> results.ChangeResult:
        """Execute the proposal if the patient consents.

        ``consents`` is the patient's answer to the client, ``None`` if the client did not ask.
        Then the result is the question, unless ``confirmation`` belongs to this proposal.
        """
        if isinstance(proposal, results.ChangeResult):
            return proposal
        if consents is False:
            return results.ChangeResult(
                status="declined",
                next_step="The patient said no. Nothing was changed; ask what they would like"
                " instead.",
            )
        if consents is None and confirmation is None:
            return results.ChangeResult(
                status="confirmation_required",
                question=proposal.question,
                confirmation=sign_confirmation(proposal.change, self._key),
                next_step="Nothing was changed. Ask the patient this question. Only after a clear"
                " yes call the tool again with the same arguments and this confirmation.",
            )
        if confirmation is not None and not confirms(confirmation, proposal.change, self._key):
            raise results.ToolRefused(
                "CONFIRMATION_INVALID",
                "The confirmation belongs to another question, has expired, or the appointment"
                " has changed since",
            )
        return await proposal.execute()

    # --- the hub -------------------------------------------------------------------------------

    def _change(
        self, name: str, version: int | None = None, **arguments: str | None
    ) -> ProposedChange:
        return ProposedChange(
            name=name, patient_id=self._patient_id, arguments=arguments, version=version
        )

    async def _done(self, row: Appointment, next_step: str) -> results.ChangeResult:
        facts = await self._calendar.facts()
        return results.ChangeResult(
            status="done", appointment=results.appointment_info(row, facts), next_step=next_step
        )

    async def _or_alternatives(
        self, answer: Awaitable[T], dentist_id: str, appointment_type_id: str, start: datetime
    ) -> T:
        """Await the answer; a refusal lists free times near ``start``."""
        try:
            return await answer
        except HubError as error:
            refusal = refused(error)
            if error.code in results.WITH_ALTERNATIVES:
                near = await self._near(dentist_id, appointment_type_id, start)
                refusal.problem.alternatives = near
            raise refusal from error

    async def _near(
        self, dentist_id: str, appointment_type_id: str, start: datetime
    ) -> list[results.SlotInfo]:
        """A few free times of the same dentist nearest to ``start``, ascending."""
        first = max(_now(), start - _NEAR)
        query = SlotQuery(
            appointment_type_id=appointment_type_id,
            dentist_ids=(dentist_id,),
            first=first,
            before=max(first, start) + _NEAR,
        )
        try:
            facts, free = await asyncio.gather(self._calendar.facts(), self._calendar.slots(query))
        except ClientError:
            return []
        nearest = sorted(free, key=lambda one: abs(one.start - start))[:_NEAREST_MAX]
        return [results.slot_info(one, facts) for one in spread(nearest)]


def _what(row: Slot, facts: Facts) -> str:
    treatment = facts.treatment(row["appointment_type_id"])
    slot = results.slot_info(slot_of(row), facts)
    what = results.name(treatment.name) if treatment else "the appointment"
    return f"{what} with {slot.dentist_name} on {slot.local}"


def _now() -> datetime:
    return datetime.now(UTC)


def refused(error: ClientError) -> results.ToolRefused:
    """A refusal or failure of the hub as the AI gets it."""
    if not isinstance(error, HubError) or failure_code(error) == UNREACHABLE:
        return results.ToolRefused(UNREACHABLE, "The clinic's hub does not answer")
    fields = "; ".join(f"{one.field}: {one.message}" for one in error.details)
    message = f"{error.message} ({fields})" if fields else error.message
    return results.ToolRefused(error.code, message)
