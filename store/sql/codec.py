"""Rows of tables to values of the domain, and back. Column order is stated once, here."""

import json
import unicodedata
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Column

from actors.domain.appointment import Appointment, AppointmentType, Status
from actors.domain.cancel_reason import CancelReason
from actors.domain.channels import Channel
from actors.domain.ids import (
    AppointmentId,
    AppointmentTypeId,
    DentistId,
    EventId,
    PatientId,
    ProfileId,
)
from actors.domain.outcome import Outcome
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.schedule import (
    DailyLimit,
    Override,
    ReservedBlock,
    Schedule,
    TimeOff,
    Weekday,
    WeeklyRule,
    Window,
)
from actors.ports.calendars import StoredReply
from actors.ports.commits import IdempotencyKey, Reply
from actors.ports.events import EventRecord
from store.sql.schema import (
    appointment_types,
    appointments,
    idempotency_keys,
    profiles,
    realtime_events,
)

SYSTEM_PERSON = "system"
"""``on_behalf_of`` of what the hub itself did: the expiry of a hold."""

_a, _e, _k, _p, _t = (
    appointments.c,
    realtime_events.c,
    idempotency_keys.c,
    profiles.c,
    appointment_types.c,
)

APPOINTMENT_COLUMNS: tuple[Column[Any], ...] = (
    _a.id,
    _a.dentist_id,
    _a.patient_id,
    _a.appointment_type_id,
    _a.starts_at,
    _a.ends_at,
    _a.buffer_before_minutes,
    _a.buffer_after_minutes,
    _a.status,
    _a.expires_at,
    _a.version,
    _a.overbooked,
    _a.created_via,
    _a.notes,
    _a.cancel_reason,
    _a.created_at,
    _a.updated_at,
)


def appointment_of(row: Sequence[Any]) -> Appointment:
    """From the values of :data:`APPOINTMENT_COLUMNS`."""
    return Appointment(
        id=AppointmentId(row[0]),
        dentist_id=DentistId(row[1]),
        patient_id=PatientId(row[2]),
        appointment_type_id=AppointmentTypeId(row[3]),
        start=row[4],
        end=row[5],
        buffer_before_minutes=row[6],
        buffer_after_minutes=row[7],
        status=Status(row[8]),
        expires_at=row[9],
        version=row[10],
        overbooked=row[11],
        created_via=row[12],
        notes=row[13],
        cancel_reason=CancelReason(row[14]) if row[14] else None,
        created_at=row[15],
        updated_at=row[16],
    )


def appointment_params(row: Appointment, by: Principal) -> dict[str, Any]:
    return {
        "id": row.id,
        "dentist_id": row.dentist_id,
        "patient_id": row.patient_id,
        "appointment_type_id": row.appointment_type_id,
        "starts_at": row.start,
        "ends_at": row.end,
        "buffer_before_minutes": row.buffer_before_minutes,
        "buffer_after_minutes": row.buffer_after_minutes,
        "status": str(row.status),
        "expires_at": row.expires_at,
        "version": row.version,
        "overbooked": row.overbooked,
        "created_via": str(row.created_via),
        "notes": row.notes,
        "cancel_reason": row.cancel_reason,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "changed_by": by.acting or by.subject,
        "on_behalf_of": by.person or (SYSTEM_PERSON if by.role is Role.SYSTEM else by.subject),
    }


TYPE_COLUMNS: tuple[Column[Any], ...] = (
    _t.id,
    _t.name,
    _t.duration_minutes,
    _t.buffer_before_minutes,
    _t.buffer_after_minutes,
    _t.version,
)


def type_of(row: Sequence[Any]) -> AppointmentType:
    """From the values of :data:`TYPE_COLUMNS`."""
    return AppointmentType(
        id=AppointmentTypeId(row[0]),
        name=row[1],
        duration_minutes=row[2],
        buffer_before_minutes=row[3],
        buffer_after_minutes=row[4],
        version=row[5],
    )


def type_params(kind: AppointmentType) -> dict[str, Any]:
    return {column.name: getattr(kind, column.name) for column in TYPE_COLUMNS}


PROFILE_COLUMNS: tuple[Column[Any], ...] = (
    _p.id,
    _p.role,
    _p.name,
    _p.subject,
    _p.email,
    _p.phone,
    _p.time_zone,
    _p.created_by,
    _p.version,
)


def profile_of(row: Sequence[Any]) -> Profile:
    """From the values of :data:`PROFILE_COLUMNS`."""
    return Profile(
        id=ProfileId(row[0]),
        role=Role(row[1]),
        name=row[2],
        subject=row[3],
        email=row[4],
        phone=row[5],
        time_zone=row[6],
        created_by=row[7],
        version=row[8],
    )


def fold(text: str) -> str:
    """Text as it is compared when case does not matter."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def profile_params(profile: Profile) -> dict[str, Any]:
    values: dict[str, Any] = {
        column.name: getattr(profile, column.name) for column in PROFILE_COLUMNS
    }
    searched = filter(None, (profile.name, profile.email, profile.phone))
    return values | {
        "role": str(profile.role),
        "email_key": fold(profile.email) if profile.email else None,
        "search_text": fold("\n".join(searched)),
    }


def schedule_json(schedule: Schedule) -> str:
    """The schedule without its version, which is a column of its own."""
    return json.dumps(
        {
            "time_zone": schedule.time_zone,
            "slot_step_minutes": schedule.slot_step_minutes,
            "min_notice_minutes": schedule.min_notice_minutes,
            "cancel_notice_minutes": schedule.cancel_notice_minutes,
            "horizon_days": schedule.horizon_days,
            "rules": [[r.weekday, r.window.start, r.window.end] for r in schedule.rules],
            "overrides": [
                [o.date.isoformat(), [[w.start, w.end] for w in o.windows]]
                for o in schedule.overrides
            ],
            "time_off": [
                [t.start_date.isoformat(), t.start, t.end_date.isoformat(), t.end]
                for t in schedule.time_off
            ],
            "reserved_blocks": [
                [b.weekday, b.window.start, b.window.end, b.opens_minutes_before]
                for b in schedule.reserved_blocks
            ],
            "daily_limits": [
                [limit.appointment_type_id, limit.per_day] for limit in schedule.daily_limits
            ],
            "appointment_type_ids": schedule.appointment_type_ids,
        },
        separators=(",", ":"),
    )


def schedule_of(stored: str, version: int) -> Schedule:
    """Settings that were not yet there when it was stored have their defaults."""
    values: dict[str, Any] = json.loads(stored)
    types = values.pop("appointment_type_ids", None)
    return Schedule(
        rules=tuple(
            WeeklyRule(weekday=Weekday(day), window=Window(start, end))
            for day, start, end in values.pop("rules")
        ),
        overrides=tuple(
            Override(
                date=date.fromisoformat(day),
                windows=tuple(Window(start, end) for start, end in windows),
            )
            for day, windows in values.pop("overrides")
        ),
        time_off=tuple(
            TimeOff(
                start_date=date.fromisoformat(first),
                start=start,
                end_date=date.fromisoformat(last),
                end=end,
            )
            for first, start, last, end in values.pop("time_off", ())
        ),
        reserved_blocks=tuple(
            ReservedBlock(
                weekday=Weekday(day), window=Window(start, end), opens_minutes_before=minutes
            )
            for day, start, end, minutes in values.pop("reserved_blocks", ())
        ),
        daily_limits=tuple(
            DailyLimit(appointment_type_id=AppointmentTypeId(type_id), per_day=per_day)
            for type_id, per_day in values.pop("daily_limits", ())
        ),
        appointment_type_ids=None if types is None else tuple(map(AppointmentTypeId, types)),
        version=version,
        **values,
    )


EVENT_COLUMNS: tuple[Column[Any], ...] = (
    _e.channel,
    _e.epoch,
    _e.offset,
    _e.event_id,
    _e.type,
    _e.created_at,
    _e.payload,
)


def event_of(row: Sequence[Any]) -> EventRecord:
    """From the values of :data:`EVENT_COLUMNS`."""
    return EventRecord(
        channel=Channel(row[0]),
        position=Position(row[1], row[2]),
        event_id=EventId(row[3]),
        type=row[4],
        time=row[5],
        payload=row[6],
    )


def event_params(record: EventRecord) -> dict[str, Any]:
    return {
        "channel": record.channel,
        "epoch": record.position.epoch,
        "offset": record.position.offset,
        "event_id": record.event_id,
        "type": record.type,
        "payload": record.payload,
        "created_at": record.time,
        "status": "pending",
        "attempts": 0,
    }


REPLY_COLUMNS: tuple[Column[Any], ...] = (
    _k.scope,
    _k.key,
    _k.fingerprint,
    _k.internal,
    _k.outcome,
    _k.resource_id,
    _k.version,
    _k.body,
    _k.created_at,
)


def stored_reply_of(row: Sequence[Any]) -> StoredReply:
    """From the values of :data:`REPLY_COLUMNS`."""
    return StoredReply(
        key=IdempotencyKey(scope=row[0], key=row[1], fingerprint=row[2], internal=row[3]),
        reply=Reply(outcome=Outcome(row[4]), resource_id=row[5], version=row[6], body=row[7]),
        at=row[8],
    )
