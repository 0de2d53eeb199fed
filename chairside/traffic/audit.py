"""The audit after traffic, through the public API alone.

It checks that (a) no appointments overlap, and each is with one dentist, (b) every acknowledged
booking, cancellation and hold is kept, (c) each screen was shown exactly the history of its
channels, (d) each board shows what is stored, and nothing that its person may not see.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple, TypeVar

import aiohttp

from chairside.client import HubClient, HubError
from chairside.client.shapes import Appointment
from chairside.traffic.boards import Board
from chairside.traffic.ledger import AcknowledgedRow, Ledger, violation
from chairside.traffic.links import LinkedPerson, Links
from chairside.traffic.screens import Observer, ShownEvent, WatchedChannel

T = TypeVar("T")

LIVE = frozenset({"held", "confirmed", "arrived", "checked_in"})
ATTENDING = LIVE - {"held"}
READS_MAX = 8
"""Reads at once, so that the audit does not overload the hub."""
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
    boards: int = 0
    differing: list[str] = field(default_factory=list)
    """Visits that a screen shows otherwise than they are stored."""
    visible: list[str] = field(default_factory=list)
    """What someone was shown, or could do, who may not."""

    @property
    def problems(self) -> list[str]:
        return [
            *(f"overlap: {each}" for each in self.overlaps),
            *(f"lost: {each}" for each in self.lost),
            *(f"duplicate: {each}" for each in self.duplicates),
            *self.other,
            *(f"differs: {each}" for each in self.differing),
            *(f"visible: {each}" for each in self.visible),
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditClients:
    """A REST client for each dentist, patient and desk, by profile id."""

    dentists: Mapping[str, HubClient]
    patients: Mapping[str, HubClient]
    desks: Mapping[str, HubClient]

    def reader(self, row: Appointment) -> HubClient:
        """Whoever may see the row, also if another desk has given it to another dentist."""
        if patient := self.patients.get(row["patient_id"]):
            return patient
        return next(iter(self.desks.values()), None) or self.dentists[row["dentist_id"]]

    @classmethod
    def of(cls, url: str, links: Links, session: aiohttp.ClientSession) -> "AuditClients":
        def clients(people: tuple[LinkedPerson, ...]) -> dict[str, HubClient]:
            return {each.id: HubClient(url, token=each.token, session=session) for each in people}

        return cls(
            dentists=clients(links.dentists),
            patients=clients(links.patients),
            desks=clients(links.desks),
        )


async def audit(
    clients: AuditClients,
    ledger: Ledger,
    observers: Iterable[Observer],
    boards: Iterable[Board] = (),
    findings: AuditFindings | None = None,
) -> AuditFindings:
    """Adds to ``findings``, if there are some from the run itself."""
    findings = findings or AuditFindings()
    await audit_overlaps(clients, findings)
    await audit_acknowledged(clients, ledger, findings)
    await audit_holds(clients, ledger, findings)
    await audit_channels(observers, findings)
    await audit_boards(boards, findings)
    return findings


# --- (a) overlaps ---------------------------------------------------------------------------


class Overlap(NamedTuple):
    first: Appointment
    second: Appointment

    def __str__(self) -> str:
        return " and ".join(
            f"{row['id']} ({row['status']}, {row['start']}–{row['end']})" for row in self
        )


def dentist_overlaps(rows: Iterable[Appointment], now: datetime) -> list[Overlap]:
    """Overlapping rows of one dentist that are live and not overbooked.

    An expired hold does not count, even if the hub has not processed its expiry.
    """

    def is_overdue(row: Appointment) -> bool:
        expires_at = row.get("expires_at") if row["status"] == "held" else None
        return expires_at is not None and datetime.fromisoformat(expires_at) <= now

    return _overlaps(
        row
        for row in rows
        if row["status"] in LIVE and not row["overbooked"] and not is_overdue(row)
    )


def patient_overlaps(rows: Iterable[Appointment]) -> list[Overlap]:
    """Overlapping rows of one patient, confirmed or later, with any dentists."""
    return _overlaps(row for row in rows if row["status"] in ATTENDING)


def _overlaps(rows: Iterable[Appointment]) -> list[Overlap]:
    """Compares neighbours by start, which finds an overlap if there is any.

    Instants sort as text, because the hub writes them in one format.
    """
    ordered = sorted(rows, key=lambda row: (row["start"], row["end"]))
    return [Overlap(a, b) for a, b in pairwise(ordered) if b["start"] < a["end"]]


async def audit_overlaps(clients: AuditClients, findings: AuditFindings) -> None:
    """The live rows of every dentist, and the attended rows of every patient."""

    def of_dentist(rows: Iterable[Appointment]) -> list[Overlap]:
        return dentist_overlaps(rows, datetime.now(UTC))

    async def check(
        whose: str,
        rows: Iterable[Appointment],
        find: Callable[[Iterable[Appointment]], list[Overlap]],
    ) -> None:
        for overlap in find(rows):
            # Pages are read one after another, so rows may have moved: read both again.
            again = [
                await _appointment(clients.dentists[r["dentist_id"]], r["id"]) for r in overlap
            ]
            if find(row for row in again if row is not None):
                findings.overlaps.append(f"{whose}: {overlap}")

    by_patient: dict[str, list[Appointment]] = defaultdict(list)
    listed: dict[str, list[str]] = defaultdict(list)
    """With which dentists each appointment is."""
    for dentist_id, client in clients.dentists.items():
        rows = await client.all_appointments(status=sorted(LIVE), limit=PAGE)
        findings.rows += len(rows)
        await check(f"dentist {dentist_id}", rows, of_dentist)
        for row in rows:
            by_patient[row["patient_id"]].append(row)
            listed[row["id"]].append(dentist_id)
    for patient_id, rows in by_patient.items():
        await check(f"patient {patient_id}", rows, patient_overlaps)
    await _audit_places(clients, listed, findings)


async def _audit_places(
    clients: AuditClients, listed: Mapping[str, Sequence[str]], findings: AuditFindings
) -> None:
    """Each appointment is with one dentist; ``listed`` are those whose lists have it."""
    for row_id, dentists in listed.items():
        if len(dentists) > 1:  # it may have moved between two pages
            again = [await _appointment(clients.dentists[each], row_id) for each in dentists]
            if sum(row is not None for row in again) > 1:
                findings.duplicates.append(f"appointment {row_id}: with {len(dentists)} dentists")


# --- (b) acknowledgements ---------------------------------------------------------------------


async def audit_acknowledged(
    clients: AuditClients, ledger: Ledger, findings: AuditFindings
) -> None:
    """Every acknowledged row, read by its patient, or by the dentist for other patients."""

    async def check(acknowledged: AcknowledgedRow) -> None:
        known = acknowledged.row
        row = await _appointment(clients.reader(known), known["id"])
        if wrong := violation(acknowledged, row):
            findings.lost.append(f"appointment {known['id']}: {wrong}")

    findings.acknowledged += len(ledger.rows)
    await run_each(ledger.rows, check, at_once=READS_MAX)


async def audit_holds(clients: AuditClients, ledger: Ledger, findings: AuditFindings) -> None:
    """Every hold still exists with its expiry, or has expired in time."""
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


async def _appointment(client: HubClient, appointment_id: str) -> Appointment | None:
    try:
        return await client.appointment(appointment_id)
    except HubError as refusal:
        if refusal.code == "NOT_FOUND":
            return None
        raise


# --- (c) screens ------------------------------------------------------------------------------


async def audit_channels(observers: Iterable[Observer], findings: AuditFindings) -> None:
    """Each screen against the history of the same range."""

    async def check(observer: Observer) -> None:
        histories = await observer.histories()
        for name, watched in observer.channels.items():
            compare(f"{observer.name} {name}", watched, histories.get(name), findings)

    await run_each(observers, check, at_once=READS_MAX)


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
    shown = [each.position for each in watched.shown]
    if len(set(shown)) < len(shown):
        findings.duplicates.append(f"{where}: {len(shown) - len(set(shown))} shown twice")
    first = watched.start.offset + 1
    if [each.position.offset for each in history] != [*range(first, first + len(history))]:
        findings.lost.append(f"{where}: the history itself has a gap")
    if missing := {each.position for each in history} - set(shown):
        findings.lost.append(f"{where}: {len(missing)} never shown, first {min(missing)}")
    elif watched.shown != list(history):
        findings.other.append(f"{where}: order or content differs from the history")


# --- (d) boards -------------------------------------------------------------------------------


async def audit_boards(boards: Iterable[Board], findings: AuditFindings) -> None:
    """Each board against the list of its person, as it is now."""

    async def check(board: Board) -> None:
        findings.boards += 1
        findings.visible += board.visible
        findings.differing += await board.differences()

    await run_each(boards, check, at_once=READS_MAX)


async def run_each(
    items: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int
) -> None:
    limit = asyncio.Semaphore(at_once)

    async def run(item: T) -> None:
        async with limit:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for item in items:
            group.create_task(run(item))
