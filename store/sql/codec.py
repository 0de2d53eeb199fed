"""Where the values of the domain are stored: columns of tables, and JSON inside of columns."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from actors.domain.appointment import Appointment, AppointmentType
from actors.domain.channels import Channel
from actors.domain.consent import Consent
from actors.domain.contact import email_key, phone_key
from actors.domain.ids import AppointmentId, AppointmentTypeId, PatientId
from actors.domain.message import Message, Recipient
from actors.domain.patient_words import joined, patient_words
from actors.domain.practice import Practice, PracticePatient
from actors.domain.principal import Principal, Role
from actors.domain.profile import ConsentSource, MessageConsent, MessageConsents, Profile
from actors.domain.provider import ProviderSignIn
from actors.domain.registration import AddressTries, Registration
from actors.domain.schedule import (
    Closure,
    DailyLimit,
    Override,
    ReservedBlock,
    Schedule,
    TimeOff,
    Weekday,
    WeeklyRule,
    Window,
)
from actors.domain.sign_in import (
    Account,
    Ceremony,
    Invitation,
    MailCode,
    Passkey,
    Session,
    SessionSecrets,
    WrongCodes,
)
from actors.domain.visit_link import VisitLink
from actors.domain.webhook import DeliveryProgress, Webhook
from actors.ports.calendars import StoredReply
from actors.ports.events import EventRecord
from actors.ports.sign_in import SigningKey
from actors.ports.webhooks import WebhookDelivery
from store.sql import schema
from store.sql.row_mapper import RowMapper

SYSTEM_PERSON = "system"
"""``on_behalf_of`` of what the hub itself did: the expiry of a hold."""


def _channels(stored: str) -> tuple[Channel, ...]:
    return tuple(map(Channel, json.loads(stored)))


def _roles(stored: str) -> tuple[Role, ...]:
    return tuple(map(Role, json.loads(stored)))


def _hours(stored: str) -> tuple[int, ...]:
    return tuple(json.loads(stored))


class LiveRow(NamedTuple):
    """What the check of a patient's other appointments reads of a row."""

    id: AppointmentId
    patient_id: PatientId
    status: str
    start: datetime
    end: datetime
    expires_at: datetime | None


def closures_of(stored: str) -> tuple[Closure, ...]:
    return tuple(
        Closure(
            start_date=date.fromisoformat(first), end_date=date.fromisoformat(last), reason=reason
        )
        for first, last, reason in json.loads(stored)
    )


def _closures_json(closures: Iterable[Closure]) -> str:
    return json.dumps(
        [[c.start_date.isoformat(), c.end_date.isoformat(), c.reason] for c in closures]
    )


def _message_consents(stored: str) -> MessageConsents:
    read = {
        kind: MessageConsent(
            given=given,
            at=at and datetime.fromisoformat(at).astimezone(UTC),
            source=source and ConsentSource(source),
        )
        for kind, (given, at, source) in json.loads(stored).items()
    }
    return MessageConsents(**read)


def _message_consents_json(consents: MessageConsents) -> str:
    def stored(one: MessageConsent) -> list[object]:
        return [one.given, one.at and one.at.isoformat(), one.source]

    return json.dumps({"email": stored(consents.email), "sms": stored(consents.sms)})


APPOINTMENT = RowMapper(
    Appointment,
    schema.appointments,
    renamed={"start": "starts_at", "end": "ends_at"},
    dumps={"created_via": str},  # it may be a Role
)
LIVE_ROW = RowMapper(LiveRow, schema.appointments, renamed={"start": "starts_at", "end": "ends_at"})
APPOINTMENT_TYPE = RowMapper(
    AppointmentType,
    schema.appointment_types,
    renamed={"order": "sort_order"},
    loads={"bookable_by": _roles, "active": bool, "reminder_hours": _hours},
    dumps={"bookable_by": json.dumps, "reminder_hours": json.dumps},
)
PROFILE = RowMapper(
    Profile,
    schema.profiles,
    loads={
        "active": bool,
        "date_of_birth": date.fromisoformat,
        "consent": _message_consents,
    },
    dumps={"date_of_birth": date.isoformat, "consent": _message_consents_json},
)
PRACTICE = RowMapper(
    Practice,
    schema.practices,
    loads={"closures": closures_of},
    dumps={"closures": _closures_json},
)
PRACTICE_PATIENT = RowMapper(PracticePatient, schema.practice_patients)
EVENT = RowMapper(
    EventRecord,
    schema.realtime_events,
    renamed={
        "time": "created_at",
        "by.role": "by_role",
        "by.id": "by_id",
        "by.name": "by_name",
    },
)
STORED_REPLY = RowMapper(StoredReply, schema.idempotency_keys, renamed={"at": "created_at"})
WEBHOOK = RowMapper(
    Webhook,
    schema.webhooks,
    renamed={"person": "patient_id"},
    loads={"channels": _channels},
    dumps={"channels": json.dumps},
    without=("practice", "calendars", "colleagues"),  # chatbots and admins own webhooks
)
PROGRESS = RowMapper(DeliveryProgress, schema.webhook_cursors)
CONSENT = RowMapper(Consent, schema.consents)
MESSAGE = RowMapper(Message, schema.messages)
VISIT_LINK = RowMapper(VisitLink, schema.visit_links)
ACCOUNT = RowMapper(Account, schema.accounts)
SESSION = RowMapper(Session, schema.sessions)
SESSION_SECRETS = RowMapper(SessionSecrets, schema.session_secrets)
INVITATION = RowMapper(Invitation, schema.invitations)
PASSKEY = RowMapper(Passkey, schema.passkeys)
MAIL_CODE = RowMapper(MailCode, schema.mail_codes)
WRONG_CODES = RowMapper(WrongCodes, schema.wrong_codes)
REGISTRATION = RowMapper(
    Registration,
    schema.registrations,
    loads={"date_of_birth": date.fromisoformat},
    dumps={"date_of_birth": date.isoformat},
)
ADDRESS_TRIES = RowMapper(AddressTries, schema.address_tries)
CEREMONY = RowMapper(Ceremony, schema.ceremonies)
PROVIDER_SIGN_IN = RowMapper(ProviderSignIn, schema.provider_sign_ins)
SIGNING_KEY = RowMapper(SigningKey, schema.signing_keys)
DELIVERY = RowMapper(WebhookDelivery, schema.webhook_deliveries)


def appointment_params(row: Appointment, by: Principal) -> dict[str, object]:
    return APPOINTMENT.params(row) | {
        "changed_by": by.acting or by.subject,
        # staff act for the dentist in whose calendar they write
        "on_behalf_of": row.dentist_id
        if by.role is Role.STAFF
        else by.person or (SYSTEM_PERSON if by.role is Role.SYSTEM else by.subject),
    }


def profile_params(profile: Profile) -> dict[str, object]:
    if profile.merged_into:  # kept, and found by nobody
        empty = {"email_key": None, "phone_key": None, "search_text": joined(())}
        return PROFILE.params(profile) | empty
    keys = {
        "email_key": email_key(profile.email) if profile.email else None,
        "phone_key": phone_key(profile.phone) if profile.phone else None,
    }
    words: tuple[str, ...] = ()
    if profile.role is Role.PATIENT:
        words = patient_words(profile.name, date_of_birth=profile.date_of_birth, **keys)
    return PROFILE.params(profile) | keys | {"search_text": joined(words)}


def webhook_params(webhook: Webhook) -> dict[str, object]:
    return WEBHOOK.params(webhook) | {
        "owner": webhook.party,
        "scope": webhook.owner.scope,
    }


def recipient_of(email: str | None, phone: str | None, consent: str | None) -> Recipient:
    """The recipient whose stored values these are."""
    consents = _message_consents(consent) if consent else MessageConsents()
    return Recipient(email=email, phone=phone, consents=consents)


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
    """A setting that is missing, because it is newer than the stored text, has its default."""
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
