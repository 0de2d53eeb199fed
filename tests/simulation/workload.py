"""The commands of patients, chatbots, dentists, front desks and the admin, and their retries."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson

from actors.domain.ids import AppointmentId, DentistId, ProfileId
from actors.domain.refusals import Refusal
from actors.domain.schedule import TimeOff
from actors.ports.commits import Reply
from actors.services import requests
from actors.services.caller import Caller
from actors.services.identity import Claims
from actors.services.services import Services
from tests.simulation.clinic import ADMIN_CLAIMS, BOT_CLAIMS, SLOTS, Person, slot
from tests.simulation.network import CLIENTS
from tests.simulation.plan import Op
from tests.simulation.process import RETRIED, Process

if TYPE_CHECKING:
    from tests.simulation.world import World

T = TypeVar("T")

Command = Callable[[Services, Caller], Awaitable[Reply | object]]
Made = tuple[Claims, str | None, Command]
"""By whom, for whom, and what."""
_ATTEMPTS: Final = 6
_ANSWER_S: Final = 3.0
_PAUSE_S: Final = (0.05, 0.6)
_OF_VISITS: Final = ("hold", "confirm", "book", "desk_book", "reschedule", "move", "desk_move")
"""The commands that are answered with a visit, or a hold."""
_NO_ANSWER: Final = object()


class Workload:
    """What the clients know: the visits that replies told them of."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.visits: dict[str, dict[str, Any]] = {}
        """The last known state of each visit and hold, by id."""

    async def run(self, op: Op) -> None:
        """Send a command until it is answered; now and then once more with the same key."""
        world = self._world
        await asyncio.sleep(op.at_s)
        made = self._made(op)
        if made is None:
            return
        claims, on_behalf_of, command = made
        repeats = op.picks[5] < 0.25
        if repeats:  # at another node, perhaps while the first one is still deciding
            delay_s = op.picks[5] * 2
            world.loop.create_task(self._again(op, claims, on_behalf_of, command, delay_s))
        await self._send(op, "a", claims, on_behalf_of, command)

    async def _again(
        self, op: Op, claims: Claims, on_behalf_of: str | None, command: Command, delay_s: float
    ) -> None:
        await asyncio.sleep(delay_s)
        await self._send(op, "b", claims, on_behalf_of, command)

    async def _send(
        self, op: Op, series: str, claims: Claims, on_behalf_of: str | None, command: Command
    ) -> None:
        world = self._world
        for attempt in range(_ATTEMPTS):
            process = world.some_process()
            if process is not None:
                request = f"{op.key}/{series}{attempt}"
                answer = await self._request(process, request, op, claims, on_behalf_of, command)
                if answer is not _NO_ANSWER and not isinstance(answer, RETRIED):
                    self._answered(op, claims, on_behalf_of, answer)
                    return
            await asyncio.sleep(world.random.uniform(*_PAUSE_S))
        world.trace(f"{op.key} was given up")

    async def _request(
        self,
        process: Process,
        request: str,
        op: Op,
        claims: Claims,
        on_behalf_of: str | None,
        command: Command,
    ) -> object:
        world = self._world
        future: asyncio.Future[object] = world.loop.create_future()

        def answer(value: object) -> None:
            if not future.done():
                future.set_result(value)

        async def serve() -> None:
            value = await _decided(process, request, op, claims, on_behalf_of, command)
            if isinstance(value, Reply):
                world.auditor.replied(op.key, value)
            world.network.send(process.place, CLIENTS, answer, value)

        world.network.send(
            CLIENTS, process.place, lambda: process.spawn(serve()), context=process.context
        )
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await future
        except TimeoutError:
            return _NO_ANSWER

    def _answered(self, op: Op, claims: Claims, on_behalf_of: str | None, answer: object) -> None:
        world = self._world
        if isinstance(answer, Reply):
            world.trace(f"{op.key} {op.kind}: {answer.outcome} {answer.resource_id[-4:]}")
            if answer.body and op.kind in _OF_VISITS:
                body = orjson.loads(answer.body)
                body.setdefault("status", "held")
                self.visits[answer.resource_id] = body
        else:
            world.trace(f"{op.key} {op.kind}: {type(answer).__name__}")
        if op.kind in ("deactivate", "end_consent"):
            self._right_changed(op, answer)

    def _right_changed(self, op: Op, answer: object) -> None:
        """A stored reply may be older than the right: what counts is the database."""
        name = "bot" if op.kind == "end_consent" else self._of_rights(op)
        if not isinstance(answer, Exception) and not self._world.may_connect(name):
            self._world.auditor.right_ended(name)

    def _of_rights(self, op: Op) -> str:
        return ("fin", "sam")[op.picks[0] < 0.5]

    # --- the commands -----------------------------------------------------------------------

    def _made(self, op: Op) -> Made | None:
        """By whom, for whom, and what; ``None`` if there is nothing that it could be about."""
        make: Callable[[Op], Made | None] = getattr(self, f"_{op.kind}")
        return make(op)

    def _patient(self, pick: float) -> tuple[Claims, str | None, Person]:
        """A patient who signs in, or a chatbot for the first of them."""
        patients = [p for p in self._world.people.patients if p.name != "tom"]
        at = int(pick * (len(patients) + 1))
        if at == len(patients):
            return BOT_CLAIMS, patients[0].id, patients[0]
        return patients[at].claims, None, patients[at]

    def _dentist(self, pick: float) -> Person:
        """The first two are wanted most."""
        return self._world.people.dentists[int(pick * pick * 4)]

    def _visit(self, op: Op, patient: Person, *statuses: str) -> dict[str, Any] | None:
        own = [
            visit
            for visit in self.visits.values()
            if visit["patient_id"] == patient.id and visit["status"] in statuses
        ]
        return own[int(op.picks[1] * len(own))] if own else None

    def _hold(self, op: Op) -> Made:
        claims, behalf, _ = self._patient(op.picks[0])
        request = requests.HoldRequest(
            dentist_id=DentistId(ProfileId(self._dentist(op.picks[1]).id)),
            appointment_type_id=self._world.people.type_id,
            start=slot(int(op.picks[2] * SLOTS)),
        )
        return claims, behalf, lambda s, caller: s.bookings.hold(caller, request)

    def _confirm(self, op: Op) -> Made | None:
        claims, behalf, patient = self._patient(op.picks[0])
        if (visit := self._visit(op, patient, "held")) is None:
            return None
        request = requests.BookReservationRequest(reservation_id=visit["id"])
        return claims, behalf, lambda s, caller: s.bookings.book(caller, request)

    def _release(self, op: Op) -> Made | None:
        claims, behalf, patient = self._patient(op.picks[0])
        if (visit := self._visit(op, patient, "held")) is None:
            return None
        return claims, behalf, lambda s, caller: s.bookings.release(caller, visit["id"])

    def _slot_request(self, op: Op, **fields: Any) -> requests.BookSlotRequest:
        return requests.BookSlotRequest(
            dentist_id=DentistId(ProfileId(self._dentist(op.picks[1]).id)),
            appointment_type_id=self._world.people.type_id,
            start=slot(int(op.picks[2] * SLOTS)),
            **fields,
        )

    def _book(self, op: Op) -> Made:
        claims, behalf, _ = self._patient(op.picks[0])
        request = self._slot_request(op)
        return claims, behalf, lambda s, caller: s.bookings.book(caller, request)

    def _desk_book(self, op: Op) -> Made:
        patients = self._world.people.patients
        patient = patients[int(op.picks[0] * len(patients))]
        request = self._slot_request(
            op, patient_id=ProfileId(patient.id), overbook=op.picks[3] < 0.3
        )
        staff = self._world.people.staff[self._dentist(op.picks[1]).name == "dot"]
        return staff.claims, None, lambda s, caller: s.bookings.book(caller, request)

    def _cancel(self, op: Op) -> Made | None:
        claims, behalf, patient = self._patient(op.picks[0])
        if (visit := self._visit(op, patient, "confirmed")) is None:
            return None
        cancellation = requests.Cancellation()
        return claims, behalf, lambda s, c: s.bookings.cancel(c, visit["id"], cancellation)

    def _changed(
        self, op: Op, claims: Claims, behalf: str | None, patient: Person, **fields: Any
    ) -> Made | None:
        if (visit := self._visit(op, patient, "confirmed")) is None:
            return None
        change, version = requests.AppointmentChange(**fields), None
        if op.picks[4] < 0.5:
            version = visit["version"]
        row_id = AppointmentId(visit["id"])
        return (
            claims,
            behalf,
            lambda s, caller: s.bookings.change(caller, row_id, change, expected_version=version),
        )

    def _reschedule(self, op: Op) -> Made | None:
        claims, behalf, patient = self._patient(op.picks[0])
        start = slot(int(op.picks[2] * SLOTS))
        return self._changed(op, claims, behalf, patient, start=start)

    def _move(self, op: Op) -> Made | None:
        claims, behalf, patient = self._patient(op.picks[0])
        fields: dict[str, Any] = {"dentist_id": DentistId(ProfileId(self._dentist(op.picks[3]).id))}
        if op.picks[5] < 0.5:
            fields["start"] = slot(int(op.picks[2] * SLOTS))
        return self._changed(op, claims, behalf, patient, **fields)

    def _desk_move(self, op: Op) -> Made | None:
        patients = self._world.people.patients
        patient = patients[int(op.picks[0] * len(patients))]
        dentist = self._world.people.dentists[int(op.picks[3] * 3)]
        fields: dict[str, Any] = {"dentist_id": DentistId(ProfileId(dentist.id))}
        if op.picks[5] < 0.5:
            fields |= {"start": slot(int(op.picks[2] * SLOTS)), "overbook": op.picks[5] < 0.2}
        return self._changed(op, self._world.people.staff[0].claims, None, patient, **fields)

    def _schedule(self, op: Op) -> Made:
        """A dentist takes the first hours of the day off, or works again."""
        dentist, day = self._dentist(op.picks[0]), slot(0).date()
        off = TimeOff(start_date=day, end_date=day, start=9 * 60, end=10 * 60)
        closed = (off,) if op.picks[1] < 0.6 else ()
        schedule = replace(self._world.people.schedule, time_off=closed)
        dentist_id = DentistId(ProfileId(dentist.id))
        return (
            dentist.claims,
            None,
            lambda s, caller: s.availability.replace(caller, dentist_id, schedule),
        )

    def _type(self, op: Op) -> Made:
        """The treatment gets another length, so that what nodes know of it is stale."""
        change = requests.AppointmentTypeChange(duration_minutes=(30, 60)[op.picks[1] < 0.5])
        type_id = self._world.people.type_id
        return ADMIN_CLAIMS, None, lambda s, caller: s.catalog.change(caller, type_id, change)

    def _look(self, op: Op) -> Made:
        claims, behalf, _ = self._patient(op.picks[0])
        dentist_id = DentistId(ProfileId(self._dentist(op.picks[1]).id))
        wanted = requests.SlotRange(
            appointment_type_id=self._world.people.type_id,
            starts_from=slot(0),
            starts_before=slot(SLOTS),
        )
        return claims, behalf, lambda s, caller: s.availability.slots(caller, dentist_id, wanted)

    def _merge(self, op: Op) -> Made:
        """The patient without an account was one of the others."""
        patients = {p.name: ProfileId(p.id) for p in self._world.people.patients}
        merged, into = patients["tom"], patients[("pia", "rob")[op.picks[0] < 0.5]]
        return ADMIN_CLAIMS, None, lambda s, caller: s.merging.merge(caller, merged, into)

    def _activity(self, op: Op, active: bool) -> Made:
        name = self._of_rights(op)
        person = next(p for p in self._world.people.everyone if p.name == name)
        person_id, change = ProfileId(person.id), requests.PersonChange(active=active)
        return ADMIN_CLAIMS, None, lambda s, caller: s.people.update(caller, person_id, change)

    def _deactivate(self, op: Op) -> Made:
        return self._activity(op, False)

    def _activate(self, op: Op) -> Made:
        return self._activity(op, True)

    def _end_consent(self, op: Op) -> Made:
        patient = self._world.people.patients[0]

        async def end(services: Services, caller: Caller) -> object:
            (consent,) = await services.consents.page(caller, None)
            await services.consents.end(caller, consent.id)
            return "ended"

        return patient.claims, None, end

    def _disconnect(self, op: Op) -> Made:
        everyone = self._world.people.everyone
        person_id = ProfileId(everyone[int(op.picks[0] * len(everyone))].id)
        return ADMIN_CLAIMS, None, lambda s, caller: s.people.disconnect(caller, person_id)


async def _decided(
    process: Process,
    request: str,
    op: Op,
    claims: Claims,
    on_behalf_of: str | None,
    command: Command,
) -> object:
    """As the routes do: the principal of the token, then the service."""
    try:
        principal = await process.core.identity.principal(claims, on_behalf_of)
        caller = Caller(principal=principal, request_id=request, idempotency_key=op.key)
        return await command(process.services, caller)
    except (Refusal, *RETRIED) as refused:
        return refused
