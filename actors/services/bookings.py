"""Reservations and appointments: hold, book, change, cancel, list.

Each call finds the calendar of the slot and sends a command to its actor. The rules are in
:mod:`actors.domain.decide`.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace

from actors.calendar.registry import Calendars
from actors.domain import commands
from actors.domain.appointment import Appointment, Status
from actors.domain.ids import AppointmentId, DentistId, PatientId, ProfileId
from actors.domain.principal import SYSTEM, Principal, Role
from actors.domain.profile import UNNAMED, Profile
from actors.domain.refusals import (
    Forbidden,
    NotFound,
    ProfileIncomplete,
    ReservationExpired,
    Unavailable,
    ValidationFailed,
    VersionConflict,
)
from actors.ports.appointments import AppointmentPage, AppointmentQuery, Appointments, HistoryEntry
from actors.ports.calendars import DueHold
from actors.ports.clock import Clock, NewId
from actors.ports.commits import Reply
from actors.ports.rendering import Names
from actors.services import requests
from actors.services.calendar_commands import CalendarCommands
from actors.services.caller import Caller
from actors.services.directory import Directory
from actors.services.practices import Practices
from actors.services.records import retried
from actors.services.stored_bytes import StoredBytes


class Bookings:
    """Holds, books and changes slots for patients, dentists, staff and chatbots."""

    def __init__(
        self,
        registry: Calendars,
        appointments: Appointments,
        directory: Directory,
        practices: Practices,
        clock: Clock,
        new_id: NewId,
        stored: StoredBytes,
        *,
        require_contact: bool = False,
    ) -> None:
        self._registry = registry
        self._appointments = appointments
        self._commands = CalendarCommands(registry, appointments, new_id, stored)
        self._directory, self._practices = directory, practices
        self._clock = clock
        self._new_id = new_id
        self._require_contact = require_contact

    # --- reservations ---------------------------------------------------------------

    async def hold(self, caller: Caller, request: requests.HoldRequest) -> Reply:
        """Keep a slot for the patient until ``expires_at`` (criterion 8.1)."""
        patient_id = PatientId(caller.principal.require(Role.PATIENT))
        command = commands.HoldSlot(
            by=caller.principal,
            appointment_id=AppointmentId(self._new_id()),
            patient_id=patient_id,
            appointment_type_id=request.appointment_type_id,
            start=request.start,
        )
        return await self._take(
            caller, request.dentist_id, command, "reservation:create", requests.all_fields(request)
        )

    async def release(self, caller: Caller, reservation_id: AppointmentId) -> Reply:
        """Release a hold; one that has ended, or was booked meanwhile, stays as it is."""
        caller.principal.require(Role.PATIENT)
        command = commands.ReleaseHold(by=caller.principal, appointment_id=reservation_id)
        request = {"id": reservation_id}
        return await self._commands.send_to_row(
            caller, reservation_id, "reservation", command, "reservation:release", request
        )

    async def reservation(
        self, caller: Caller, reservation_id: AppointmentId
    ) -> tuple[Appointment, Names]:
        """One reservation; raises ReservationExpired when it ended unbooked."""
        found = await self.get(caller, reservation_id, "reservation")
        row = found[0]
        if row.status in (Status.EXPIRED, Status.RELEASED) or row.is_overdue(self._clock.now()):
            raise ReservationExpired
        return found

    async def expire(self, due: DueHold) -> Reply:
        """Expire a hold whose time is over; called by the alarms (criterion 8.3)."""
        caller = Caller(principal=SYSTEM, request_id=self._new_id())
        command = commands.ExpireHold(by=SYSTEM, appointment_id=due.appointment_id)
        request = {"id": due.appointment_id}
        return await self._commands.send(
            caller, due.dentist_id, command, "reservation:expire", request
        )

    # --- appointments ---------------------------------------------------------------

    def book(self, caller: Caller, request: requests.BookingRequest) -> Awaitable[Reply]:
        """Book the caller's reservation (criterion 8.4), or a slot at once.

        Raises ProfileIncomplete for a patient whom the practice could not reach.
        """
        if self._require_contact and caller.principal.role is Role.PATIENT:
            return self._book_reachable(caller, request)
        return self._book(caller, request)

    async def _book_reachable(self, caller: Caller, request: requests.BookingRequest) -> Reply:
        await self._check_reachable(caller)
        return await self._book(caller, request)

    async def _check_reachable(self, caller: Caller) -> None:
        me = caller.principal.require(Role.PATIENT)
        if not _can_be_reached(await self._directory.person(me)):
            self._directory.people.drop(me)  # it may have been completed at another node
            if not _can_be_reached(await self._directory.person(me)):
                raise ProfileIncomplete

    def _book(self, caller: Caller, request: requests.BookingRequest) -> Awaitable[Reply]:
        if isinstance(request, requests.BookReservationRequest):
            return self._book_reservation(caller, request)
        return self._book_slot(caller, request)

    async def _book_reservation(
        self, caller: Caller, request: requests.BookReservationRequest
    ) -> Reply:
        caller.principal.require(Role.PATIENT)
        command = commands.BookReservation(
            by=caller.principal, appointment_id=request.reservation_id, notes=request.notes
        )
        return await self._commands.send_to_row(
            caller,
            request.reservation_id,
            "reservation",
            command,
            "appointment:book",
            requests.all_fields(request),
        )

    async def _book_slot(self, caller: Caller, request: requests.BookSlotRequest) -> Reply:
        """A patient for themselves; a dentist or staff for a patient whom they know."""
        by, dentist_id = caller.principal, request.dentist_id
        me = by.require(Role.PATIENT, Role.DENTIST, Role.STAFF)
        if by.works_at_practice and not by.manages(dentist_id):
            raise Forbidden("A dentist books in their own calendar, staff in those of the practice")
        command = commands.BookSlot(
            by=by,
            appointment_id=AppointmentId(self._new_id()),
            patient_id=await self._patient(by, me, request.patient_id),
            appointment_type_id=request.appointment_type_id,
            start=request.start,
            notes=request.notes,
            overbook=request.overbook,
        )
        body = {**requests.all_fields(request), "patient_id": request.patient_id or me}
        return await self._take(caller, dentist_id, command, "appointment:book", body)

    async def change(
        self,
        caller: Caller,
        appointment_id: AppointmentId,
        change: requests.AppointmentChange,
        *,
        expected_version: int | None = None,
    ) -> Reply:
        """Reschedule, move to another dentist, or change status, type or notes.

        Only what was sent changes.
        """
        by = caller.principal
        by.require(Role.PATIENT, Role.DENTIST, Role.STAFF)
        command = commands.ChangeAppointment(
            by=by,
            appointment_id=appointment_id,
            expected_version=expected_version,
            start=change.start,
            appointment_type_id=change.appointment_type_id,
            status=change.status,
            notes=change.notes,
            cancel_reason=change.cancel_reason,
            overbook=change.overbook,
        )
        body = {**requests.all_fields(change), "id": appointment_id, "version": expected_version}
        if change.dentist_id is None:
            del body["dentist_id"]  # replies to such requests were stored without it
        elif by.role is not Role.DENTIST or change.dentist_id != by.person:
            return await self._move(caller, change.dentist_id, command, body)
        return await self._commands.send_to_row(
            caller, appointment_id, "appointment", command, "appointment:update", body
        )

    async def _move(
        self,
        caller: Caller,
        to: DentistId,
        change: commands.ChangeAppointment,
        body: Mapping[str, object],
    ) -> Reply:
        """Move to the calendar of ``to``, which decides; where it is there already, change it."""
        by, appointment_id = caller.principal, change.appointment_id
        if by.works_at_practice and not by.manages(to):
            raise Forbidden("Staff move visits within the practice, dentists none to others")
        if self._require_contact and by.role is Role.PATIENT:
            await self._check_reachable(caller)

        async def send() -> Reply:
            row, _ = await self.get(caller, appointment_id)
            command = change if row.dentist_id == to else await self._moving(row, change)
            try:
                return await self._commands.send(caller, to, command, "appointment:update", body)
            except NotFound:
                current, _ = await self.get(caller, appointment_id)
                if current.version != row.version:  # it moved on, or to another record
                    raise VersionConflict(current.version) from None
                raise

        reply = await retried(change.expected_version, send)
        self._commands.remember(appointment_id, to)
        return reply

    async def _moving(
        self, row: Appointment, change: commands.ChangeAppointment
    ) -> commands.MoveAppointment:
        """A patient leaves a calendar no later than it may be cancelled there."""
        left, notice_minutes = await self._directory.person(row.dentist_id), 0
        if not change.by.works_at_practice:
            schedule = (await self._registry.snapshot(row.dentist_id)).calendar.schedule
            notice_minutes = schedule.cancel_notice_minutes
        return commands.MoveAppointment(
            by=change.by,
            appointment_id=row.id,
            row=row,
            notice_minutes=notice_minutes,
            practice_id=left.practice_id,
            expected_version=change.expected_version,
            start=change.start,
            appointment_type_id=change.appointment_type_id,
            status=change.status,
            notes=change.notes,
            cancel_reason=change.cancel_reason,
            overbook=change.overbook,
        )

    async def confirm(
        self,
        caller: Caller,
        appointment_id: AppointmentId,
        *,
        expected_version: int | None = None,
    ) -> Reply:
        """Note that the patient will come; confirming again changes nothing."""
        caller.principal.require(Role.PATIENT)
        command = commands.ConfirmVisit(
            by=caller.principal, appointment_id=appointment_id, expected_version=expected_version
        )
        body = {"id": appointment_id, "version": expected_version}
        return await self._commands.send_to_row(
            caller, appointment_id, "appointment", command, "appointment:confirm", body
        )

    async def cancel(
        self,
        caller: Caller,
        appointment_id: AppointmentId,
        cancellation: requests.Cancellation,
        *,
        expected_version: int | None = None,
    ) -> Reply:
        """Cancel softly; cancelling again changes nothing."""
        caller.principal.require(Role.PATIENT, Role.DENTIST, Role.STAFF)
        command = commands.CancelAppointment(
            by=caller.principal,
            appointment_id=appointment_id,
            expected_version=expected_version,
            reason=cancellation.reason,
        )
        body = {"id": appointment_id, "version": expected_version, "reason": command.reason}
        return await self._commands.send_to_row(
            caller, appointment_id, "appointment", command, "appointment:cancel", body
        )

    async def get(
        self, caller: Caller, appointment_id: AppointmentId, what: str = "appointment"
    ) -> tuple[Appointment, Names]:
        return await self._commands.row(caller, appointment_id, what)

    async def history(
        self, caller: Caller, appointment_id: AppointmentId
    ) -> Sequence[HistoryEntry]:
        """The changes of the appointment, oldest first."""
        found = await self._appointments.history(caller.principal, appointment_id)
        if found is None:
            raise NotFound("appointment")
        return found

    async def page(self, caller: Caller, query: AppointmentQuery) -> AppointmentPage:
        """The caller's own rows (criteria 4.2, 5.3, 5.4)."""
        caller.principal.require(Role.PATIENT, Role.DENTIST, Role.STAFF)
        return await self._appointments.page(caller.principal, query)

    async def _take(
        self,
        caller: Caller,
        dentist_id: DentistId,
        command: commands.SlotCommand,
        operation: str,
        request: Mapping[str, object],
    ) -> Reply:
        """Take a slot; for the survivor, if the patient was merged meanwhile.

        A patient who was merged gets Unavailable: the same request is the survivor's next time.
        """
        try:
            return await self._commands.send(caller, dentist_id, command, operation, request)
        except NotFound as missing:
            if missing.what != Role.PATIENT:
                raise
            self._directory.drop(command.patient_id)
            survivor = await self._directory.patient(command.patient_id)
            if survivor == command.patient_id:
                raise
        if not caller.principal.works_at_practice:
            raise Unavailable
        command = replace(command, patient_id=survivor)
        return await self._commands.send(caller, dentist_id, command, operation, request)

    async def _patient(
        self, by: Principal, me: ProfileId, patient_id: ProfileId | None
    ) -> PatientId:
        if not by.works_at_practice:
            if patient_id not in (None, me):
                raise Forbidden("A patient books for themselves only")
            return PatientId(me)
        if patient_id is None:
            raise ValidationFailed.of("patient_id", "a dentist or staff must name the patient")
        patient = await self._directory.patient(patient_id)
        if by.practice and not await self._practices.has_patient(by.practice, patient):
            raise NotFound("patient")
        return patient


def _can_be_reached(patient: Profile) -> bool:
    return patient.name != UNNAMED and bool(patient.phone or patient.email)
