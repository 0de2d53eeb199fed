"""The commit of a merge: all that a patient had becomes another one's.

The order is that of every commit. The fences of all calendars with a row of the merged person
are raised first: their actors cannot commit on the old rows any more, and load them again. Then
the channels of both patients are locked, so that no other commit concerns them meanwhile. A
calendar that has no row of the merged person checks in its commit that its patients are not
merged (:func:`~store.commit.checks.refuse_merged`).
"""

from collections.abc import Sequence
from dataclasses import replace

from actors.domain.announcements import announcements
from actors.domain.appointment import Appointment
from actors.domain.events import Event, PatientsMerged, RowInherited
from actors.domain.ids import PatientId
from actors.domain.refusals import MergeConflict, OverlappingVisit, VersionConflict
from actors.domain.webhook import DisabledReason, WebhookStatus
from actors.ports.commits import Turn
from store.sql.codec import APPOINTMENT
from store.sql.prepared import Plan, Step, execute
from store.sql.schema import practice_patients
from store.sql.write_statements import WriteStatements

MERGED_ROWS_MAX = 1_000
"""Rows of a patient who can be merged: so many events has the transaction."""
_OVERLAPS_MAX = 20
_MEMBER = tuple(column.name for column in practice_patients.columns)


def raise_fences(event: PatientsMerged, sql: WriteStatements) -> Plan[None]:
    if event.dentists:
        dentists = sorted(event.dentists)
        yield (Step(sql.raise_fence, [{"dentist": dentist} for dentist in dentists]),)


def with_moved_rows(turn: Turn, event: PatientsMerged, sql: WriteStatements) -> Plan[Turn]:
    """The turn with an event for each row of the merged person; both patients are locked.

    Raises VersionConflict if they are not all in the calendars that the event names, and
    MergeConflict if there are too many.
    """
    found = yield from execute(sql.rows_of, patient=event.merged.id, at_most=MERGED_ROWS_MAX + 1)
    if len(found) > MERGED_ROWS_MAX:
        raise MergeConflict(f"more than {MERGED_ROWS_MAX} appointments would move")
    rows = [APPOINTMENT.read(row) for row in found]
    if not {row.dentist_id for row in rows} <= {*event.dentists}:
        raise VersionConflict(event.merged.version)  # booked elsewhere just now
    moved = (RowInherited(before=row, after=_moved(row, event, turn)) for row in rows)
    events: tuple[Event, ...] = (event, *moved)
    return replace(turn, events=events, announcements=announcements(events))


def _moved(row: Appointment, event: PatientsMerged, turn: Turn) -> Appointment:
    survivor = PatientId(event.after.id)
    return replace(row, patient_id=survivor, version=row.version + 1, updated_at=turn.at)


def save_merge(event: PatientsMerged, turn: Turn, sql: WriteStatements) -> Plan[None]:
    """Move the rows, the memberships, the consents and the identities; end the webhooks.

    After the profiles.
    """
    merged, survivor = event.merged.id, event.after.id
    yield from _check_visits(event, sql)
    both = {"patient": merged, "survivor": survivor, "at": turn.at}
    moved = yield from execute(sql.move_rows, **both, by=turn.by.acting or turn.by.subject)
    assert len(moved) == sum(isinstance(each, RowInherited) for each in turn.events), "locked"
    yield from _move_memberships(event, sql)
    yield from execute(sql.messages.inherit, patient=merged, survivor=survivor)
    yield from execute(sql.move_consents, **both)
    yield from execute(sql.move_identities, patient=merged, survivor=survivor)
    yield from execute(sql.end_consents, patient=merged, at=turn.at)
    yield from execute(
        sql.webhooks.disable_of,
        patient=merged,
        status=WebhookStatus.DISABLED.value,
        disabled_reason=DisabledReason.RIGHTS_ENDED.value,
        disabled_at=turn.at,
        updated_at=turn.at,
    )


def _check_visits(event: PatientsMerged, sql: WriteStatements) -> Plan[None]:
    """Raise MergeConflict where the person would be at two places at once."""
    theirs = yield from execute(sql.visits_of, patient=event.merged.id)
    own = yield from execute(sql.visits_of, patient=event.after.id)
    overlapping = overlaps(list(map(APPOINTMENT.read, (*theirs, *own))))
    if overlapping:
        shown = tuple(
            OverlappingVisit(
                id=row.id,
                patient_id=row.patient_id,
                dentist_id=row.dentist_id,
                start=row.start,
                end=row.end,
            )
            for row in overlapping[:_OVERLAPS_MAX]
        )
        raise MergeConflict("their appointments overlap", shown)


def overlaps(rows: Sequence[Appointment]) -> list[Appointment]:
    """Those that overlap another one, by start. Rows of one patient never do."""
    found: dict[str, Appointment] = {}
    latest: Appointment | None = None
    for row in sorted(rows, key=lambda each: (each.start, each.id)):
        if latest and row.start < latest.end:
            found |= {latest.id: latest, row.id: row}
        if latest is None or row.end > latest.end:
            latest = row
    return list(found.values())


def _move_memberships(event: PatientsMerged, sql: WriteStatements) -> Plan[None]:
    """The survivor belongs to every practice of the merged person, with both remarks."""
    rows = yield from execute(sql.memberships, patient=event.merged.id)
    members = [dict(zip(_MEMBER, row, strict=True)) for row in rows]
    if not {each["practice_id"] for each in members} <= {*event.practices}:
        raise VersionConflict(event.merged.version)  # linked just now
    moved = [each | {"patient_id": event.after.id} for each in members]
    yield (Step(sql.move_practice_patient, moved),)
    yield from execute(sql.end_memberships, patient=event.merged.id)
