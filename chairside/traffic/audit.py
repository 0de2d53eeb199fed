"""The audit after traffic, through the public API alone.

It checks that (a) no appointments overlap, (b) every acknowledged booking, cancellation and hold
is kept, (c) each screen was shown exactly the history of its channels.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from chairside.client import HubClient, HubError, Position
from chairside.client.shapes import Appointment
from chairside.traffic.ledger import AcknowledgedRow, Ledger, violation
from chairside.traffic.observer import Observer, ShownEvent, WatchedChannel, digest_of
from chairside.traffic.overlaps import ATTENDING, LIVE, Overlap, dentist_overlaps, patient_overlaps

T = TypeVar("T")

READS_MAX = 8
"""Reads at once, so that the audit does not overload the hub."""
CHANNELS_MAX = 20
"""Channels in one request."""
PAGE = 200


@dataclass(slots=True)
class AuditFindings:
    """How much was checked, and what is wrong."""

    rows: int = 0
    acknowledged: int = 0
    channels: int = 0
    events: int = 0
    overlaps: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Acknowledged changes that are not kept, and events that were never shown."""
    duplicates: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.overlaps or self.lost or self.duplicates or self.other)


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditClients:
    """A client for each dentist and patient, by profile id."""

    dentists: Mapping[str, HubClient]
    patients: Mapping[str, HubClient]


async def audit_overlaps(clients: AuditClients, findings: AuditFindings) -> None:
    """(a): the live rows of every dentist, and the attended rows of every patient."""
    by_patient: dict[str, list[Appointment]] = defaultdict(list)
    for dentist_id, client in clients.dentists.items():
        rows = await client.all_appointments(status=sorted(LIVE), limit=PAGE)
        findings.rows += len(rows)
        for overlap in dentist_overlaps(rows, datetime.now(UTC)):
            if await _dentist_overlaps_still(client, overlap):
                findings.overlaps.append(f"dentist {dentist_id}: {overlap}")
        for row in rows:
            by_patient[row["patient_id"]].append(row)
    for patient_id, rows in by_patient.items():
        for overlap in patient_overlaps(rows):
            if await _patient_overlaps_still(clients, overlap):
                findings.overlaps.append(f"patient {patient_id}: {overlap}")


async def _dentist_overlaps_still(client: HubClient, overlap: Overlap) -> bool:
    """Read both rows again: pages are read one after another, so rows may have moved."""
    rows = [await _appointment(client, row["id"]) for row in (overlap.first, overlap.second)]
    return bool(dentist_overlaps([row for row in rows if row is not None], datetime.now(UTC)))


async def _patient_overlaps_still(clients: AuditClients, overlap: Overlap) -> bool:
    rows = [
        await _appointment(clients.dentists[row["dentist_id"]], row["id"])
        for row in (overlap.first, overlap.second)
    ]
    return all(row is not None and row["status"] in ATTENDING for row in rows)


async def audit_acknowledged(
    clients: AuditClients, ledger: Ledger, findings: AuditFindings
) -> None:
    """(b): every acknowledged row, read by its patient, or by the dentist for other patients."""

    async def check(acknowledged: AcknowledgedRow) -> None:
        reader = (
            clients.patients.get(acknowledged.patient_id)
            or clients.dentists[acknowledged.dentist_id]
        )
        row = await _appointment(reader, acknowledged.appointment_id)
        if (wrong := violation(acknowledged, row)) is not None:
            findings.lost.append(f"appointment {acknowledged.appointment_id}: {wrong}")

    rows = list(ledger.rows)
    findings.acknowledged += len(rows)
    await _each(rows, check)


async def audit_holds(clients: AuditClients, ledger: Ledger, findings: AuditFindings) -> None:
    """(b): every hold still exists with its expiry, or has expired in time."""
    for hold in ledger.holds:
        try:
            shown = await clients.patients[hold["patient_id"]].reservation(hold["id"])
        except HubError as refusal:
            is_due = datetime.fromisoformat(hold["expires_at"]) <= datetime.now(UTC)
            if not (refusal.code == "RESERVATION_EXPIRED" and is_due):
                findings.lost.append(f"reservation {hold['id']}: {refusal.code}")
        else:
            if shown["expires_at"] != hold["expires_at"]:
                findings.lost.append(f"reservation {hold['id']}: another expiry")


async def audit_channels(observers: Iterable[Observer], findings: AuditFindings) -> None:
    """(c): each screen against the history of the same range."""

    async def check(observer: Observer) -> None:
        names = sorted(observer.channels)
        for at in range(0, len(names), CHANNELS_MAX):
            batch = {name: observer.channels[name] for name in names[at : at + CHANNELS_MAX]}
            histories = await histories_since(
                observer.reader, {name: watched.start for name, watched in batch.items()}
            )
            for name, watched in batch.items():
                compare(f"{observer.name} {name}", watched, histories[name], findings)

    await _each(observers, check)


def compare(
    where: str,
    watched: WatchedChannel,
    history: Sequence[ShownEvent] | None,
    findings: AuditFindings,
) -> None:
    """Compare what one screen was shown of one channel with the history of that range."""
    findings.channels += 1
    findings.events += len(watched.shown)
    if watched.lost_history or history is None:
        findings.other.append(f"{where}: history did not reach back")
        return
    shown = [(each.epoch, each.offset) for each in watched.shown]
    if len(set(shown)) < len(shown):
        findings.duplicates.append(f"{where}: {len(shown) - len(set(shown))} shown twice")
    if [each.offset for each in history] != list(
        range(watched.start.offset + 1, watched.start.offset + 1 + len(history))
    ):
        findings.lost.append(f"{where}: the history itself has a gap")
    missing = {(each.epoch, each.offset) for each in history} - set(shown)
    if missing:
        findings.lost.append(f"{where}: {len(missing)} never shown, first {min(missing)}")
    elif watched.shown != list(history):
        findings.other.append(f"{where}: order or content differs from the history")


async def histories_since(
    reader: HubClient, since: Mapping[str, Position]
) -> dict[str, list[ShownEvent] | None]:
    """All events after each position, page by page; ``None`` if history does not reach back."""
    found: dict[str, list[ShownEvent] | None] = {name: [] for name in since}
    wanted: dict[str, Position | None] = dict(since)
    while wanted:
        for name, answer in (await reader.changes(wanted)).items():
            events = found[name]
            if not answer.recovered or events is None:
                found[name] = None
                del wanted[name]
                continue
            for event in answer.events:
                assert event.epoch is not None
                assert event.offset is not None
                events.append(ShownEvent(event.epoch, event.offset, digest_of(event)))
            if answer.more and events:
                wanted[name] = Position(epoch=events[-1].epoch, offset=events[-1].offset)
            elif not answer.more:
                del wanted[name]
    return found


async def heads(reader: HubClient, channels: Iterable[str]) -> dict[str, Position]:
    """The current position of each channel."""
    names, found = list(channels), dict[str, Position]()
    for at in range(0, len(names), CHANNELS_MAX):
        answers = await reader.changes(dict.fromkeys(names[at : at + CHANNELS_MAX]))
        found |= {name: answer.position for name, answer in answers.items() if answer.position}
    return found


async def _appointment(client: HubClient, appointment_id: str) -> Appointment | None:
    try:
        return await client.appointment(appointment_id)
    except HubError as refusal:
        if refusal.code == "NOT_FOUND":
            return None
        raise


async def _each(items: Iterable[T], check: Callable[[T], Awaitable[None]]) -> None:
    limit = asyncio.Semaphore(READS_MAX)

    async def one(item: T) -> None:
        async with limit:
            await check(item)

    async with asyncio.TaskGroup() as group:
        for item in items:
            group.create_task(one(item))
