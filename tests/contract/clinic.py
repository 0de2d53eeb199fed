"""A small clinic in a store, and turns to commit: the words the contract is tested in."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from actors.domain.announcements import (
    Body,
    ConsentBody,
    ScheduleBody,
    SurvivorBody,
    WebhookBody,
    announcements,
)
from actors.domain.appointment import Appointment, AppointmentType, Status
from actors.domain.consent import Consent
from actors.domain.events import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentChanged,
    AppointmentMoved,
    AppointmentTypeSaved,
    ConsentSaved,
    Event,
    HoldExpired,
    HoldReleased,
    MessageSaved,
    PatientLinked,
    PatientsMerged,
    PracticePatientSaved,
    PracticeSaved,
    ProfileSaved,
    RecordEvent,
    RowEvent,
    ScheduleReplaced,
    SlotHeld,
    WebhookDeleted,
    WebhookSaved,
)
from actors.domain.ids import (
    AppointmentId,
    AppointmentTypeId,
    DentistId,
    PatientId,
    PracticeId,
    ProfileId,
)
from actors.domain.message import Message
from actors.domain.outcome import Outcome
from actors.domain.practice import Practice
from actors.domain.principal import SYSTEM, Principal, Role
from actors.domain.profile import Profile
from actors.domain.webhook import Webhook
from actors.ports.calendars import LoadedCalendar
from actors.ports.clock import NewId
from actors.ports.commits import CalendarCommit, Committed, IdempotencyKey, Turn
from actors.ports.events import EventRecord
from actors.ports.rendering import Names
from store.engine import Store
from tests.support.clock import FakeClock

ADMIN = Principal(role=Role.ADMIN, subject="admin")
HOLD_LIMIT = 3
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def render(body: Body, names: Names) -> bytes:
    """Deterministic: the kind of the body, its names and its main values."""
    content: dict[str, object] = {"kind": type(body).__name__, "names": dict(sorted(names.items()))}
    match body:
        case Appointment() as row:
            mine = {row.patient_id, row.dentist_id}
            content["names"] = {id_: name for id_, name in sorted(names.items()) if id_ in mine}
            content |= {"id": row.id, "status": row.status, "version": row.version}
        case Profile() as profile:
            content |= {"id": profile.id, "name": profile.name}
    return json.dumps(content).encode()


@dataclass
class Postbox:
    """A publisher that keeps the events."""

    batches: list[Sequence[EventRecord]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def publish(self, records: Sequence[EventRecord]) -> None:
        self.batches.append(records)
        self.log.append("announced")

    @property
    def records(self) -> list[EventRecord]:
        return [record for batch in self.batches for record in batch]


def deactivated(profile: Profile) -> ProfileSaved:
    """The person is not active any more."""
    return ProfileSaved(
        before=profile, after=replace(profile, active=False, version=profile.version + 1)
    )


async def settle() -> None:
    """Let the callbacks that a commit scheduled run."""
    for _ in range(5):
        await asyncio.sleep(0)


def patient(profile: Profile) -> Principal:
    return Principal(role=Role.PATIENT, subject=f"sub-{profile.id}", person=profile.id)


def dentist(profile: Profile) -> Principal:
    return Principal(
        role=Role.DENTIST,
        subject=f"sub-{profile.id}",
        person=profile.id,
        practice=profile.practice_id,
    )


def staff(profile: Profile, *dentists: Profile) -> Principal:
    """Of a practice with these dentists."""
    return Principal(
        role=Role.STAFF,
        subject=f"sub-{profile.id}",
        person=profile.id,
        practice=profile.practice_id,
        calendars=tuple(sorted(DentistId(each.id) for each in dentists)),
    )


@dataclass
class Clinic:
    store: Store
    clock: FakeClock
    new_id: NewId
    postbox: Postbox
    kind: AppointmentType = field(init=False)
    future_limit: int = 0

    async def found(self) -> None:
        """The appointment type that everything here is."""
        self.kind = AppointmentType(
            id=AppointmentTypeId(self.new_id()), name="Check-up", duration_minutes=30
        )
        await self.save(AppointmentTypeSaved(before=None, after=self.kind))

    # --- records ---------------------------------------------------------------------

    async def save(self, event: RecordEvent, **changes: object) -> bytes:
        reply = await self.store.records.commit_record(self.record_turn(event, **changes))
        await settle()
        return reply.body

    def record_turn(self, event: RecordEvent, **changes: object) -> Turn:
        saved: Profile | Practice | AppointmentType | Webhook | Consent | Message
        match event:
            case (
                ProfileSaved(after=saved)
                | PracticeSaved(after=saved)
                | PatientLinked(patient=saved)
                | PracticePatientSaved(patient=saved)
                | AppointmentTypeSaved(after=saved)
                | MessageSaved(after=saved)
            ):
                body: Body = saved
            case PatientsMerged(after=saved):
                body = SurvivorBody(profile=saved)
            case WebhookSaved(after=saved) | WebhookDeleted(before=saved):
                body = WebhookBody(webhook=saved)
            case ConsentSaved(after=saved):
                body = ConsentBody(consent=saved)
        return self._turn(ADMIN, (event,), body, saved.id, saved.version, changes)

    async def add_dentist(self, name: str = "Dr Ann", **fields: object) -> Profile:
        return await self._add(Role.DENTIST, name, fields)

    async def add_patient(
        self, name: str = "Pat", joins: PracticeId | None = None, **fields: object
    ) -> Profile:
        return await self._add(Role.PATIENT, name, fields, joins)

    async def add_staff(self, name: str, at: Practice, **fields: object) -> Profile:
        return await self._add(Role.STAFF, name, {"practice_id": at.id, **fields})

    async def add_practice(self, name: str = "Practice", **fields: object) -> Practice:
        practice = Practice(id=PracticeId(self.new_id()), name=name, time_zone="UTC")
        practice = replace(practice, **fields)  # type: ignore[arg-type]  # keywords of a test
        await self.save(PracticeSaved(before=None, after=practice))
        return practice

    async def _add(
        self, role: Role, name: str, fields: dict[str, object], joins: PracticeId | None = None
    ) -> Profile:
        profile = Profile(id=ProfileId(self.new_id()), role=role, name=name)
        profile = replace(profile, **fields)  # type: ignore[arg-type]  # keywords of a test
        await self.save(ProfileSaved(before=None, after=profile, joins=joins))
        return profile

    # --- calendars -------------------------------------------------------------------

    async def open(self, of: Profile, live_after: datetime | None = None) -> LoadedCalendar:
        loaded = await self.store.calendars.open(
            DentistId(of.id), live_after=live_after or self.clock.now() - DAY
        )
        assert loaded
        return loaded

    def row(
        self,
        at: Profile,
        of: Profile,
        start: datetime | None = None,
        *,
        minutes: int = 30,
        status: Status = Status.CONFIRMED,
        **changes: object,
    ) -> Appointment:
        now = self.clock.now()
        start = start or now + DAY
        row = Appointment(
            id=AppointmentId(self.new_id()),
            dentist_id=DentistId(at.id),
            patient_id=PatientId(of.id),
            appointment_type_id=self.kind.id,
            start=start,
            end=start + minutes * MINUTE,
            buffer_before_minutes=0,
            buffer_after_minutes=0,
            status=status,
            expires_at=now + 5 * MINUTE if status is Status.HELD else None,
            created_via="patient",
            created_at=now,
            updated_at=now,
        )
        return replace(row, **changes)  # type: ignore[arg-type]  # keywords of a test

    def turn(
        self, *events: RowEvent | ScheduleReplaced, by: Principal | None = None, **changes: object
    ) -> Turn:
        match events[-1]:
            case RowEvent(after=row):
                by = by or Principal(role=Role.PATIENT, subject="p", person=row.patient_id)
                body: Body = row
                resource, version = str(row.id), row.version
            case ScheduleReplaced(dentist_id=dentist_id, after=schedule):
                by = by or Principal(role=Role.DENTIST, subject="d", person=dentist_id)
                body = ScheduleBody(dentist_id=dentist_id, schedule=schedule)
                resource, version = str(dentist_id), schedule.version
        return self._turn(by, events, body, resource, version, changes)

    def _turn(
        self,
        by: Principal,
        events: tuple[Event, ...],
        body: Body,
        resource_id: str,
        version: int,
        changes: dict[str, object],
    ) -> Turn:
        key = IdempotencyKey(scope="hub", key=self.new_id(), fingerprint="", internal=True)
        turn = Turn(
            by=by,
            at=self.clock.now(),
            request_id="request-1",
            key=key,
            events=events,
            announcements=announcements(events),
            outcome=Outcome.CREATED,
            resource_id=resource_id,
            version=version,
            reply=body,
        )
        return replace(turn, **changes)  # type: ignore[arg-type]  # keywords of a test

    def commit_of(
        self,
        loaded: LoadedCalendar,
        *turns: Turn,
        types: dict[AppointmentTypeId, int] | None = None,
    ) -> CalendarCommit:
        return CalendarCommit(
            dentist_id=loaded.dentist_id,
            fence=loaded.fence,
            types={self.kind.id: self.kind.version} if types is None else types,
            hold_limit=HOLD_LIMIT,
            future_limit=self.future_limit,
            turns=turns,
        )

    async def commit(self, loaded: LoadedCalendar, *turns: Turn) -> Committed:
        committed = await self.store.calendars.commit(self.commit_of(loaded, *turns))
        await settle()
        return committed

    async def stored(self, row: Appointment) -> Appointment | None:
        found = await self.store.calendars.load_rows(row.dentist_id, [row.id])
        return found[0] if found else None


def booked(row: Appointment, before: Appointment | None = None) -> AppointmentBooked:
    return AppointmentBooked(before=before, after=row)


def held(row: Appointment) -> SlotHeld:
    return SlotHeld(before=None, after=row)


def changed(before: Appointment, **changes: object) -> AppointmentChanged:
    return AppointmentChanged(before=before, after=_next(before, changes))


def moved(
    before: Appointment, to: Profile, practices: tuple[PracticeId, ...] = (), **changes: object
) -> AppointmentMoved:
    after = _next(before, {"dentist_id": DentistId(to.id), **changes})
    return AppointmentMoved(before=before, after=after, practices=practices)


def cancelled(before: Appointment) -> AppointmentCancelled:
    return AppointmentCancelled(before=before, after=_next(before, {"status": Status.CANCELLED}))


def released(before: Appointment) -> HoldReleased:
    return HoldReleased(before=before, after=_next(before, {"status": Status.RELEASED}))


def expired(before: Appointment) -> HoldExpired:
    return HoldExpired(before=before, after=_next(before, {"status": Status.EXPIRED}))


def _next(before: Appointment, changes: dict[str, object]) -> Appointment:
    after = replace(before, version=before.version + 1)
    return replace(after, **changes)  # type: ignore[arg-type]  # keywords of a test


def client_key(key: str, fingerprint: str = "f", scope: str = "patient:p|") -> IdempotencyKey:
    return IdempotencyKey(scope=scope, key=key, fingerprint=fingerprint)


__all__ = ["SYSTEM", "Clinic", "Postbox"]
