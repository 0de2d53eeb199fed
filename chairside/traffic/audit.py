"""The audit after traffic, through the public API alone.

(a) nobody is booked twice at one time, (b) every acknowledged booking and cancellation
is in the database, (c) what each screen was shown is exactly the history of its channels.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from chairside.client import HubClient, HubError, Position
from chairside.client.shapes import Appointment
from chairside.traffic.ledger import Ledger, Promise, broken_promise
from chairside.traffic.observer import Observer, Seen, Watched, fingerprint
from chairside.traffic.overlaps import ATTENDING, LIVE, Overlap, dentist_overlaps, patient_overlaps

T = TypeVar("T")

READS_AT_ONCE = 8
CHANNELS_AT_ONCE = 20
"""Channels asked for in one request."""

PAGE = 200


@dataclass(slots=True)
class Findings:
    """What the audit looked at, and what is wrong: nothing, one hopes."""

    rows: int = 0
    promises: int = 0
    channels: int = 0
    events: int = 0
    overlaps: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Broken promises and events that were never shown."""
    duplicates: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.overlaps or self.lost or self.duplicates or self.other)


@dataclass(frozen=True, kw_only=True, slots=True)
class Readers:
    """Who may read what: a client per dentist and per patient, by profile id."""

    dentists: Mapping[str, HubClient]
    patients: Mapping[str, HubClient]


async def audit_rows(readers: Readers, findings: Findings) -> None:
    """(a): live rows of every dentist, attending rows of every patient."""
    by_patient: dict[str, list[Appointment]] = defaultdict(list)
    for dentist_id, client in readers.dentists.items():
        rows = await client.all_appointments(status=sorted(LIVE), limit=PAGE)
        findings.rows += len(rows)
        for overlap in dentist_overlaps(rows, datetime.now(UTC)):
            if await _still(client, overlap):
                findings.overlaps.append(f"dentist {dentist_id}: {overlap}")
        for row in rows:
            by_patient[row["patient_id"]].append(row)
    for patient_id, rows in by_patient.items():
        for overlap in patient_overlaps(rows):
            if await _both_stand(readers, overlap):
                findings.overlaps.append(f"patient {patient_id}: {overlap}")


async def _still(client: HubClient, overlap: Overlap) -> bool:
    """Pages are read one after another; what they seem to show is looked at again."""
    rows = [await _appointment(client, row["id"]) for row in (overlap.first, overlap.second)]
    return bool(dentist_overlaps([row for row in rows if row is not None], datetime.now(UTC)))


async def _both_stand(readers: Readers, overlap: Overlap) -> bool:
    rows = [
        await _appointment(readers.dentists[row["dentist_id"]], row["id"])
        for row in (overlap.first, overlap.second)
    ]
    return all(row is not None and row["status"] in ATTENDING for row in rows)


async def audit_promises(readers: Readers, ledger: Ledger, findings: Findings) -> None:
    """(b): every row that was acknowledged, read by its patient (or, where the patient is
    none of ours, by the dentist)."""

    async def check(promise: Promise) -> None:
        reader = readers.patients.get(promise.patient_id) or readers.dentists[promise.dentist_id]
        broken = broken_promise(promise, await _appointment(reader, promise.appointment_id))
        if broken is not None:
            findings.lost.append(f"appointment {promise.appointment_id}: {broken}")

    promises = list(ledger.promises)
    findings.promises += len(promises)
    await _each(promises, check)


async def audit_holds(readers: Readers, ledger: Ledger, findings: Findings) -> None:
    """Every hold is still there with its expiry, or is over because its time is."""
    for hold in ledger.holds:
        try:
            shown = await readers.patients[hold.patient_id].reservation(hold.reservation_id)
        except HubError as refusal:
            is_due = datetime.fromisoformat(hold.expires_at) <= datetime.now(UTC)
            if not (refusal.code == "RESERVATION_EXPIRED" and is_due):
                findings.lost.append(f"reservation {hold.reservation_id}: {refusal.code}")
        else:
            if shown["expires_at"] != hold.expires_at:
                findings.lost.append(f"reservation {hold.reservation_id}: another expiry")


async def audit_channels(observers: Iterable[Observer], findings: Findings) -> None:
    """(c): each screen against the history of the same range."""

    async def check(observer: Observer) -> None:
        names = sorted(observer.channels)
        for at in range(0, len(names), CHANNELS_AT_ONCE):
            batch = {name: observer.channels[name] for name in names[at : at + CHANNELS_AT_ONCE]}
            histories = await histories_since(
                observer.reader, {name: watched.start for name, watched in batch.items()}
            )
            for name, watched in batch.items():
                compare(f"{observer.name} {name}", watched, histories[name], findings)

    await _each(observers, check)


def compare(
    where: str, watched: Watched, history: Sequence[Seen] | None, findings: Findings
) -> None:
    """What one screen saw of one channel against the history since it began."""
    findings.channels += 1
    findings.events += len(watched.seen)
    if watched.lost_history or history is None:
        findings.other.append(f"{where}: history did not reach back")
        return
    positions = [(seen.epoch, seen.offset) for seen in watched.seen]
    if len(set(positions)) < len(positions):
        findings.duplicates.append(f"{where}: {len(positions) - len(set(positions))} shown twice")
    if [each.offset for each in history] != list(
        range(watched.start.offset + 1, watched.start.offset + 1 + len(history))
    ):
        findings.lost.append(f"{where}: the history itself has a gap")
    missing = {(each.epoch, each.offset) for each in history} - set(positions)
    if missing:
        findings.lost.append(f"{where}: {len(missing)} never shown, first {min(missing)}")
    elif watched.seen != list(history):
        findings.other.append(f"{where}: order or content differs from the history")


async def histories_since(
    reader: HubClient, since: Mapping[str, Position]
) -> dict[str, list[Seen] | None]:
    """Everything after each position, page by page; ``None`` where history does not reach."""
    found: dict[str, list[Seen] | None] = {name: [] for name in since}
    wanted: dict[str, Position | None] = dict(since)
    while wanted:
        answers = await reader.changes(wanted)
        for name, answer in answers.items():
            events = found[name]
            if not answer.recovered or events is None:
                found[name] = None
                del wanted[name]
                continue
            for event in answer.events:
                assert event.epoch is not None
                assert event.offset is not None
                events.append(Seen(event.epoch, event.offset, fingerprint(event)))
            if answer.more and events:
                wanted[name] = Position(epoch=events[-1].epoch, offset=events[-1].offset)
            elif not answer.more:
                del wanted[name]
    return found


async def heads(reader: HubClient, channels: Iterable[str]) -> dict[str, Position]:
    """Where each channel is now."""
    names, positions = list(channels), dict[str, Position]()
    for at in range(0, len(names), CHANNELS_AT_ONCE):
        answers = await reader.changes(dict.fromkeys(names[at : at + CHANNELS_AT_ONCE]))
        positions |= {name: answer.position for name, answer in answers.items() if answer.position}
    return positions


async def _appointment(client: HubClient, appointment_id: str) -> Appointment | None:
    try:
        return await client.appointment(appointment_id)
    except HubError as refusal:
        if refusal.code == "NOT_FOUND":
            return None
        raise


async def _each(items: Iterable[T], check: Callable[[T], Awaitable[None]]) -> None:
    """A few at a time: an audit must not look like an attack."""
    room = asyncio.Semaphore(READS_AT_ONCE)

    async def one(item: T) -> None:
        async with room:
            await check(item)

    async with asyncio.TaskGroup() as group:
        for item in items:
            group.create_task(one(item))
