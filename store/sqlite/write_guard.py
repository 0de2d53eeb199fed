"""What a commit may write on SQLite: TEMP triggers that do what policies do on PostgreSQL.

Each job declares the people whose records it may write (:class:`~store.sql.writer.Job`). The
triggers refuse rows of other people, and rows written on behalf of a person who is not
concerned: both would be bugs of the hub. The declaration is in a TEMP table and not in a
function, because a function would call into the interpreter for every row.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain

from actors.domain.channels import AVAILABILITY_PREFIX, DENTIST_PREFIX
from store.sql.schema import MAKES_PATIENT


def guard_writes(raw: sqlite3.Connection) -> None:
    """Install the triggers. Until :func:`declare` is called, no records may be written."""
    raw.execute("CREATE TEMP TABLE declared (person TEXT PRIMARY KEY) WITHOUT ROWID").close()
    for trigger in chain(
        _appointments(), _people(), _events(), _records(), _webhooks(), _messages()
    ):
        raw.execute(trigger).close()


def declare(raw: sqlite3.Connection, people: Sequence[str]) -> None:
    """Allow the following statements to write the records of these people, and no others."""
    raw.execute("DELETE FROM temp.declared").close()
    raw.executemany("INSERT INTO temp.declared VALUES (?)", zip(people)).close()


def _appointments() -> Iterator[str]:
    for_another = "NEW.on_behalf_of NOT IN (NEW.patient_id, NEW.dentist_id, 'system')"
    yield _refuse("INSERT", "appointments", f"{_foreign('NEW.dentist_id')} OR {for_another}")
    moved = f"{_foreign('NEW.dentist_id')} OR {_foreign('OLD.dentist_id')}"
    yield _refuse("UPDATE", "appointments", f"{moved} OR {for_another}")
    yield _refuse("DELETE", "appointments", "OLD.status NOT IN ('released', 'expired')")


def _people() -> Iterator[str]:
    people = (
        ("calendars", "dentist_id"),
        ("profiles", "id"),
        ("consents", "patient_id"),
        ("practices", "id"),
    )
    for table, person in people:
        yield _refuse("INSERT", table, _foreign(f"NEW.{person}"))
        yield _refuse(
            "UPDATE", table, f"{_foreign(f'NEW.{person}')} OR {_foreign(f'OLD.{person}')}"
        )
        yield _refuse("DELETE", table, "1")
    yield _refuse("INSERT", "identities", _foreign("NEW.profile_id"))
    both = f"{_foreign('NEW.profile_id')} OR {_foreign('OLD.profile_id')}"
    yield _refuse("UPDATE", "identities", both)
    yield _refuse("DELETE", "identities", _foreign("OLD.profile_id"))
    member = f"{_foreign('NEW.practice_id')} OR {_foreign('NEW.patient_id')}"
    yield _refuse("INSERT", "practice_patients", member)
    merged = "SELECT 1 FROM main.profiles AS p WHERE p.merged_into IS NOT NULL AND p.id ="
    kept = f"{member.replace('NEW', 'OLD')} OR NOT EXISTS ({merged} OLD.patient_id)"
    yield _refuse("DELETE", "practice_patients", kept)
    yield _refuse("UPDATE", "practice_patients", f"{member} OR {member.replace('NEW', 'OLD')}")
    yield from _words()


def _words() -> Iterator[str]:
    """The words by which patients are found are those of their profiles, at their practices."""
    of_patient = (
        "EXISTS (SELECT 1 FROM main.profiles AS p WHERE p.id = {row}.patient_id"
        " AND instr(p.search_text, char(10) || {row}.word || char(10)) > 0)"
    )
    foreign = f"NEW.word <> '' AND NOT {of_patient.format(row='NEW')}"
    yield _refuse("INSERT", "patient_words", foreign)
    yield _refuse("UPDATE", "patient_words", "1")
    belongs = (
        "EXISTS (SELECT 1 FROM main.practice_patients AS m"  # noqa: S608  # constants
        " WHERE m.practice_id = OLD.practice_id AND m.patient_id = OLD.patient_id)"
        " OR EXISTS (SELECT 1 FROM main.appointments AS a"
        " JOIN main.profiles AS d ON d.id = a.dentist_id WHERE a.patient_id = OLD.patient_id"
        f" AND d.practice_id = OLD.practice_id AND {MAKES_PATIENT.text})"
    )
    is_needed = f"({belongs}) AND (OLD.word = '' OR {of_patient.format(row='OLD')})"
    yield _refuse("DELETE", "patient_words", is_needed)


def _events() -> Iterator[str]:
    """Guards the channels of dentists; those of patients may be written for any dentist."""
    prefixes = (DENTIST_PREFIX, AVAILABILITY_PREFIX)
    foreign = " OR ".join(
        f"(substr(NEW.channel, 1, {len(prefix)}) = '{prefix}'"
        f" AND {_foreign(f'substr(NEW.channel, {len(prefix) + 1})')})"
        for prefix in prefixes
    )
    yield _refuse("INSERT", "event_channels", foreign)
    delivered = "EXISTS (SELECT 1 FROM main.deliveries AS d WHERE {})"
    of_old = delivered.format("d.event = OLD.event AND d.channel = OLD.channel")
    is_head = 'NEW.event = 0 AND NEW.channel = OLD.channel AND NEW."offset" = OLD."offset"'
    yield _refuse("UPDATE", "event_channels", f"NOT ({is_head} AND {of_old})")
    yield _refuse("DELETE", "event_channels", f"NOT (OLD.event = 0 OR {of_old})")
    yield _refuse("UPDATE", "event_log", "1")
    in_channels = "EXISTS (SELECT 1 FROM main.event_channels AS c WHERE {})"
    yield _refuse("DELETE", "event_log", in_channels.format("c.event = OLD.id"))
    of_offset = "c.event = OLD.event AND c.channel = OLD.channel"
    yield _refuse("UPDATE OF event, channel", "deliveries", "1")
    yield _refuse("DELETE", "deliveries", in_channels.format(of_offset))


def _records() -> Iterator[str]:
    for table in ("idempotency_keys", "audit_log"):
        foreign = f"NEW.dentist_id IS NOT NULL AND {_foreign('NEW.dentist_id')}"
        yield _refuse("INSERT", table, foreign)
        yield _refuse("UPDATE", table, "1")
    yield _refuse("DELETE", "audit_log", "1")


def _webhooks() -> Iterator[str]:
    """Guards the webhooks of patients by their owner, who never changes."""
    for moment, row in (("INSERT", "NEW"), ("UPDATE", "OLD"), ("DELETE", "OLD")):
        foreign = f"{row}.patient_id IS NOT NULL AND {_foreign(f'{row}.patient_id')}"
        yield _refuse(moment, "webhooks", foreign)
    kept = {
        "webhooks": "id, owner, scope, role, subject, acting, patient_id, created_at",
        "webhook_secrets": "webhook_id, number, secret",
        "webhook_cursors": "webhook_id, channel",
        "webhook_deliveries": 'webhook_id, channel, epoch, "offset", event_id, type, first_at',
    }
    for table, columns in kept.items():
        yield _refuse(f"UPDATE OF {columns}", table, "1", "settled")


def _messages() -> Iterator[str]:
    """Guards messages by the dentist, or in a merge by the patient; queued ones are not deleted."""
    foreign = "{row}.dentist_id IS NOT NULL AND " + _foreign("{row}.dentist_id")
    yield _refuse("INSERT", "messages", foreign.format(row="NEW"))
    of_no_patient = f"(OLD.patient_id IS NULL OR {_foreign('OLD.patient_id')})"
    yield _refuse("UPDATE", "messages", f"{foreign.format(row='OLD')} AND {of_no_patient}")
    settled = (
        "id, kind, channel, practice_id, dentist_id, appointment_id, visit_start, lead_minutes,"
        " address, created_at, expires_at"
    )
    yield _refuse(f"UPDATE OF {settled}", "messages", "1", "settled")
    yield _refuse("DELETE", "messages", "OLD.state = 'queued'")
    settled = "token_hash, message_id, appointment_id, patient_id, practice_id, expires_at"
    yield _refuse(f"UPDATE OF {settled}", "visit_links", "1", "settled")


def _foreign(person: str) -> str:
    declared = "SELECT 1 FROM temp.declared WHERE person = "
    return f"NOT EXISTS ({declared}{person})"


def _refuse(moment: str, table: str, condition: str, why: str = "guard") -> str:
    name = f"{table}_{moment.split()[0].lower()}_{why}"
    return (
        f"CREATE TEMP TRIGGER {name} BEFORE {moment} ON main.{table} WHEN {condition}"
        f" BEGIN SELECT RAISE(ABORT, '{name}: row security'); END"
    )
