"""The rows that a caller sees on SQLite: one rule for each table, deny by default.

A table without a rule does not exist for callers (and a test fails). Rules get the person from
scalar subqueries: they are evaluated once for a statement, not once for a row, and
``column = (SELECT ...)`` can use an index.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.domain.channels import (
    AVAILABILITY_ALL,
    AVAILABILITY_PREFIX,
    DENTIST_PREFIX,
    DENTIST_PROFILES_PREFIX,
    PATIENT_PREFIX,
    PRACTICE_PREFIX,
    USER_PROFILE_PREFIX,
)
from actors.domain.principal import Principal, Role
from actors.domain.webhook import concerned_patient
from store.sql.schema import MAKES_PATIENT

CURRENT_PRINCIPAL = "current_principal"


def facts(principal: Principal | None) -> Mapping[str, str]:
    """What the SQL function ``current_principal(name)`` returns; other names are NULL."""
    if principal is None:
        return {}
    known = {"role": str(principal.role), "scope": principal.scope}
    if account := principal.account:
        known["account"] = account
    if principal.role is Role.DENTIST:  # staff may work elsewhere later
        known["recorder"] = f"{principal.role}:{principal.subject}"
    if principal.works_at_practice and principal.practice:
        known["practice"] = principal.practice
    if principal.role is Role.STAFF and principal.practice:
        known["desk"] = principal.practice
    if principal.works_at_practice and principal.sight:
        known["sight"] = principal.sight
    if concerned := concerned_patient(principal):
        known["concerned"] = concerned
    if principal.person and (principal.works_at_practice or principal.role is Role.PATIENT):
        known |= {"person": principal.person, str(principal.role): principal.person}
    return known


def _is(name: str) -> str:
    return f"(SELECT {CURRENT_PRINCIPAL}('{name}'))"


_ROLE, _SCOPE, _PERSON = _is("role"), _is("scope"), _is("person")
_DENTIST, _PATIENT = _is("dentist"), _is("patient")
_PRACTICE, _DESK, _SIGHT = _is("practice"), _is("desk"), _is("sight")
"""Where a dentist or staff works; where staff do; and where they see all patients."""
_SIGNED_IN = f"{_ROLE} IS NOT NULL"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    rows: str
    """The condition for a row to be seen, on its columns."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Further conditions for columns, of a row that is seen."""
    source: str | None = None
    """What the rows are of, if it is no table: a query in parentheses."""


def _everyone(column: str) -> Rule:
    """Every signed-in principal sees every row.

    The condition names a column, because the authorizer takes a table for read directly, and
    refuses it, if the statement reads none of its columns.
    """
    return Rule(rows=f"{_SIGNED_IN} AND {column} >= 0")


def _no_one(column: str) -> Rule:
    return Rule(rows=f"{column} <> {column}")


_PRIVATE_CHANNELS = (
    (DENTIST_PREFIX, _DENTIST),
    (DENTIST_PROFILES_PREFIX, _DENTIST),
    (PATIENT_PREFIX, _PATIENT),
    (USER_PROFILE_PREFIX, _PERSON),
    (PRACTICE_PREFIX, _PRACTICE),
)
_CALENDARS = (
    "SELECT d.id FROM main.profiles AS d"  # noqa: S608  # constants of this file
    f" WHERE d.practice_id = {_DESK} AND d.role = 'dentist'"
)
"""The dentists whose calendars staff manage; evaluated once for a statement."""
_IS_OF_HOURS = (
    f"channel > '{AVAILABILITY_PREFIX}'"
    f" AND substr(channel, 1, {len(AVAILABILITY_PREFIX)}) = '{AVAILABILITY_PREFIX}'"
)

_OF_CHANNEL = " OR ".join(
    (
        f"({_SIGNED_IN} AND channel = '{AVAILABILITY_ALL}')",
        f"({_SIGNED_IN} AND {_IS_OF_HOURS})",
        *(f"channel = '{prefix}' || {whose}" for prefix, whose in _PRIVATE_CHANNELS),
        "channel IN (" + _CALENDARS.replace("d.id", f"'{DENTIST_PREFIX}' || d.id", 1) + ")",
    )
)
"""The rules of :func:`~actors.domain.channels.may_join`; a test compares the two."""

_MINE = f"(dentist_id = {_DENTIST} OR dentist_id IN ({_CALENDARS}))"
"""Of the dentist's own calendar, or of one that staff manage."""
_IN_SIGHT = f"(dentist_id = {_DENTIST} OR dentist_id IN ({_CALENDARS.replace(_DESK, _SIGHT)}))"
"""The same, or of a colleague whose patients the dentist sees, too."""
_PATIENT_OF = MAKES_PATIENT.text.replace("status", "a.status").replace(
    "created_via", "a.created_via"
)
_MY_APPOINTMENT = (
    "SELECT 1 FROM main.appointments AS a WHERE a.id = resource_id"  # noqa: S608  # constants of this file
    f" AND ({_MINE.replace('dentist_id', 'a.dentist_id')} OR a.patient_id = {_PATIENT})"
)


def _at(calendars: str, person: str, condition: str = "1") -> str:
    whose = calendars.replace("dentist_id", "a.dentist_id")
    return (
        "EXISTS (SELECT 1 FROM main.appointments AS a"  # noqa: S608  # constants of this file
        f" WHERE a.patient_id = {person} AND {whose} AND {condition})"
    )


def _of_practice(practice: str, person: str) -> str:
    return (
        "EXISTS (SELECT 1 FROM main.practice_patients AS m"  # noqa: S608  # constants of this file
        f" WHERE m.patient_id = {person} AND m.practice_id = {practice})"
    )


_OURS = f"{_of_practice(_SIGHT, 'profiles.id')} OR {_at(_IN_SIGHT, 'profiles.id', _PATIENT_OF)}"
_WHOLE = f"id = {_PERSON} OR (role = 'patient' AND (created_by = {_DENTIST} OR {_OURS}))"

_PROFILES = Rule(
    # Nobody sees who was merged. Dentists are public. Dentists and staff see the patients of their
    # calendars, those with a reservation included, and all in sight.
    rows=(
        f"merged_into IS NULL AND ((role = 'dentist' AND {_SIGNED_IN})"
        f" OR id = {_PERSON} OR created_by = {_DENTIST}"
        f" OR (role = 'staff' AND practice_id = {_PRACTICE})"
        f" OR {_OURS} OR {_at(_MINE, 'profiles.id')})"
    ),
    columns={
        "subject": f"id = {_PERSON}",
        "email": _WHOLE,
        "phone": _WHOLE,
        "email_key": "email_key <> email_key",  # only the hub compares it
        "phone_key": _WHOLE,
        "search_text": _WHOLE,
        "date_of_birth": _WHOLE,
        "language": _WHOLE,
        "consent": _WHOLE,
    },
)

_OF_OWN_WEBHOOK = f"webhook_id IN (SELECT w.id FROM main.webhooks AS w WHERE w.scope = {_SCOPE})"  # noqa: S608  # constants of this file

_EVENTS = (
    '(SELECT c.channel, c."offset", e.epoch, e.event_id, e.type, e.payload, e.created_at,'
    " coalesce(d.status, 'pending') AS status, d.broadcast_at, d.latency_ms,"
    " coalesce(d.attempts, 0) AS attempts, d.recipients, d.error,"
    " CASE WHEN substr(c.channel, 1, 13) <> 'availability:' THEN e.by_role END AS by_role,"
    " CASE WHEN substr(c.channel, 1, 21) = 'appointments:dentist:' THEN e.by_id END AS by_id,"
    " CASE WHEN substr(c.channel, 1, 21) = 'appointments:dentist:' THEN e.by_name END AS by_name"
    " FROM main.event_channels AS c JOIN main.event_log AS e ON e.id = c.event"
    " LEFT JOIN main.deliveries AS d ON d.event = c.event AND d.channel = c.channel"
    " WHERE e.epoch >= 0)"
)
"""The view of the same name, whose tables may be read only here. As for :func:`_everyone`, the
condition names a column."""

RULES: Mapping[str, Rule] = {
    "hub": _everyone("first_epoch"),
    "appointment_types": _everyone("version"),
    "practices": _everyone("version"),
    "patient_words": Rule(rows=f"practice_id = {_SIGHT}"),
    "practice_patients": Rule(rows=f"practice_id = {_SIGHT}"),
    "appointments": Rule(rows=f"{_MINE} OR patient_id = {_PATIENT}"),
    "profiles": _PROFILES,
    # The hub alone matches tokens with people.
    "identities": _no_one("issuer"),
    "accounts": _no_one("id"),
    # Sessions are for those who signed in, and for admins; what a browser keeps is for nobody.
    "sessions": Rule(rows=f"{_ROLE} = 'admin' OR account_id = {_is('account')}"),
    # Of the patients of a practice, for its front desk; all, for admins.
    "invitations": Rule(rows=f"{_ROLE} = 'admin' OR practice_id = {_DESK}"),
    "passkeys": _no_one("id"),
    "ceremonies": _no_one("handle_hash"),
    "mail_codes": _no_one("handle_hash"),
    "provider_sign_ins": _no_one("handle_hash"),
    "provider_subjects": _no_one("account_id"),
    "wrong_codes": _no_one("account_id"),
    "registrations": _no_one("handle_hash"),
    "address_tries": _no_one("address_hash"),
    "wrong_birth_dates": _no_one("profile_id"),
    "session_secrets": _no_one("session_id"),
    "signing_keys": _no_one("id"),
    # The ids of events tell how much was written between two of them.
    "event_channels": Rule(rows=_OF_CHANNEL, columns={"event": "event <> event"}),
    "event_log": _no_one("epoch"),
    "deliveries": _no_one("event"),
    "realtime_events": Rule(rows=_OF_CHANNEL, source=_EVENTS),
    "idempotency_keys": Rule(rows=f"scope = {_SCOPE}"),
    # Only the actors use fences and owners. Schedules are answered from their snapshots.
    "calendars": _no_one("fence"),
    # Only on PostgreSQL do several hubs share a database; here, both tables are empty.
    "nodes": _no_one("id"),
    "cluster": _no_one("epoch"),
    # The history of an appointment is for those whose it is now; no caller sees other entries.
    "audit_log": Rule(rows=f"resource_kind = 'appointment' AND EXISTS ({_MY_APPOINTMENT})"),
    # A webhook belongs to the party that created it, and the person it acts for. An admin may
    # disable it, and a patient whom it concerns may end it.
    "webhooks": Rule(
        rows=f"scope = {_SCOPE} OR {_ROLE} = 'admin' OR patient_id = {_is('concerned')}"
    ),
    # For the patient, a dentist who recorded it, admins, the patient's dentists and practices.
    "consents": Rule(
        rows=(
            f"{_ROLE} = 'admin' OR patient_id = {_is('concerned')} OR given_by = {_is('recorder')}"
            f" OR {_at(_MINE, 'consents.patient_id', _PATIENT_OF)}"
            f" OR {_of_practice(_DESK, 'consents.patient_id')}"
        )
    ),
    # Of visits: for the dentist and the practice. Codes and invitations are for no one.
    "messages": Rule(rows=f"appointment_id IS NOT NULL AND ({_ROLE} = 'admin' OR {_MINE})"),
    "visit_links": _no_one("token_hash"),
    "webhook_secrets": _no_one("number"),
    "webhook_cursors": Rule(rows=_OF_OWN_WEBHOOK),
    "webhook_deliveries": Rule(rows=_OF_OWN_WEBHOOK),
    "alembic_version": _no_one("version_num"),
}
