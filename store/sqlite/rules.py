"""Who sees which rows, as SQLite's views say it: one rule a table, deny by default.

A table without a rule here does not exist for a caller (and fails a test). The person is
asked for in scalar subqueries, so that each is evaluated once a statement and not once a
row, and so that ``column = (SELECT …)`` can use an index.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.domain.channels import (
    AVAILABILITY_ALL,
    availability_channel,
    dentist_channel,
    dentist_profiles_channel,
    patient_channel,
    user_profile_channel,
)
from actors.domain.ids import DentistId, PatientId, ProfileId
from actors.domain.principal import Principal, Role
from store.sql.codec import fold
from store.sql.schema import WAS_BOOKED

CURRENT_PRINCIPAL = "current_principal"


def facts(principal: Principal | None, exact: str | None = None) -> Mapping[str, str]:
    """What ``current_principal(name)`` answers; what is not in here is NULL.

    ``exact`` is an e-mail or phone: whoever knows it whole may find whose it is.
    """
    if principal is None:
        return {}
    said = {"role": str(principal.role), "scope": principal.scope}
    if exact and principal.role in (Role.DENTIST, Role.CHATBOT):
        said |= {"exact": exact, "exact_folded": fold(exact)}
    if principal.person and principal.role in (Role.DENTIST, Role.PATIENT):
        said |= {"person": principal.person, str(principal.role): principal.person}
    return said


def _is(name: str) -> str:
    return f"(SELECT {CURRENT_PRINCIPAL}('{name}'))"


_ROLE, _SCOPE, _PERSON = _is("role"), _is("scope"), _is("person")
_DENTIST, _PATIENT = _is("dentist"), _is("patient")
_EXACT, _EXACT_FOLDED = _is("exact"), _is("exact_folded")
_SIGNED_IN = f"{_ROLE} IS NOT NULL"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    rows: str
    """The condition of a row, on its columns."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Of columns that not everybody sees who sees the row: the condition to see them."""


def _everybody(column: str) -> Rule:
    """Every row, to whoever is signed in.

    The condition names a column: a table of which a statement reads no column at all (a
    row's number is none) looks to the guard as if it was read directly, and is refused.
    """
    return Rule(rows=f"{_SIGNED_IN} AND {column} >= 0")


def _nobody(column: str) -> Rule:
    return Rule(rows=f"{column} <> {column}")


_ANY = ProfileId("")
_PRIVATE_CHANNELS = (
    (dentist_channel(DentistId(_ANY)), _DENTIST),
    (dentist_profiles_channel(DentistId(_ANY)), _DENTIST),
    (patient_channel(PatientId(_ANY)), _PATIENT),
    (user_profile_channel(_ANY), _PERSON),
)
_HOURS = availability_channel(DentistId(_ANY))
_IS_OF_HOURS = f"channel > '{_HOURS}' AND substr(channel, 1, {len(_HOURS)}) = '{_HOURS}'"

_OF_CHANNEL = " OR ".join(
    (
        f"({_SIGNED_IN} AND channel = '{AVAILABILITY_ALL}')",
        f"({_SIGNED_IN} AND {_IS_OF_HOURS})",
        *(f"channel = '{prefix}' || {whose}" for prefix, whose in _PRIVATE_CHANNELS),
    )
)
"""The rules of :func:`~actors.domain.channels.may_join`; a test compares the two."""

_AT_MY_CALENDAR = (
    "SELECT 1 FROM main.appointments AS a"  # noqa: S608  # constants of this file
    f" WHERE a.patient_id = profiles.id AND a.dentist_id = {_DENTIST}"
)
_BOOKED_HERE = f"EXISTS ({_AT_MY_CALENDAR} AND a.{WAS_BOOKED.text})"  # out of a small index
_WHOLE = f"id = {_PERSON} OR (role = 'patient' AND (created_by = {_DENTIST} OR {_BOOKED_HERE}))"
_IS_EXACT = f"email_key = {_EXACT_FOLDED} OR phone = {_EXACT}"

_PROFILES = Rule(
    # A dentist is public; a name belongs to a row that one's calendar shows, a mere
    # reservation included, and to whom a known e-mail or phone belongs.
    rows=(
        f"(role = 'dentist' AND {_SIGNED_IN}) OR id = {_PERSON} OR created_by = {_DENTIST}"
        f" OR (role = 'patient' AND ({_IS_EXACT}))"
        f" OR {_BOOKED_HERE} OR EXISTS ({_AT_MY_CALENDAR})"
    ),
    columns={
        "subject": f"id = {_PERSON}",
        "email": _WHOLE,
        "phone": f"phone = {_EXACT} OR {_WHOLE}",
        "email_key": f"email_key = {_EXACT_FOLDED}",  # nothing but a search asks for it
        "search_text": _WHOLE,
    },
)

_OF_OWN_WEBHOOK = f"webhook_id IN (SELECT w.id FROM main.webhooks AS w WHERE w.scope = {_SCOPE})"  # noqa: S608  # constants of this file

RULES: Mapping[str, Rule] = {
    "hub": _everybody("first_epoch"),
    "appointment_types": _everybody("version"),
    "appointments": Rule(rows=f"dentist_id = {_DENTIST} OR patient_id = {_PATIENT}"),
    "profiles": _PROFILES,
    "channels": Rule(rows=_OF_CHANNEL),
    "realtime_events": Rule(rows=_OF_CHANNEL),
    "idempotency_keys": Rule(rows=f"scope = {_SCOPE}"),
    # Fences and owners are the actors' own; schedules are answered from their snapshots.
    "calendars": _nobody("fence"),
    # Of the hubs that share a database: on SQLite there is one, and both are empty.
    "nodes": _nobody("id"),
    "cluster": _nobody("epoch"),
    # What was done to an appointment is its history, for its two people; the rest is nobody's.
    "audit_log": Rule(
        rows=(
            "resource_kind = 'appointment'"
            f" AND (dentist_id = {_DENTIST} OR patient_id = {_PATIENT})"
        )
    ),
    # A webhook belongs to the party that made it, for the person it acts for.
    "webhooks": Rule(rows=f"scope = {_SCOPE}"),
    "webhook_secrets": _nobody("number"),
    "webhook_cursors": Rule(rows=_OF_OWN_WEBHOOK),
    "webhook_deliveries": Rule(rows=_OF_OWN_WEBHOOK),
    "alembic_version": _nobody("version_num"),
}
