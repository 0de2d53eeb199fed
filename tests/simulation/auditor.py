"""The invariants: what must hold after every commit, at every delivery, and at the end.

The auditor looks at the database with all rights, in the moment of each COMMIT, and at what leaves
the nodes. It knows nothing of how the hub works. The first violation ends the run.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from actors.domain.channels import DENTIST_PREFIX, USER_PROFILE_PREFIX
from actors.ports.commits import Reply
from actors.ports.events import EventRecord
from actors.services.changes import ChannelChanges
from store.sql.types import _EPOCH
from tests.simulation.database import DatabaseLink

if TYPE_CHECKING:
    from tests.simulation.screens import Session
    from tests.simulation.world import World

NO_OVERLAP: Final = "no overlap"
GUARDED: Final = "the database refuses an overlap"
DURABLE: Final = "an acknowledged command is stored"
ONCE: Final = "a command is applied once"
AFTER_COMMIT: Final = "no event before its commit"
OFFSETS: Final = "offsets have no gap"
OUTBOX: Final = "each change is committed with its event"
FENCES: Final = "fences and epochs never decrease"
FENCED: Final = "no commit under an old fence"
EXPIRY: Final = "a hold expires once, and never early"
NOT_BOOKED_LATE: Final = "an expired hold is not booked"
ONE_OWNER: Final = "two nodes are never sure of one calendar"
IN_ORDER: Final = "a connection gets the events of a channel in order"
RIGHTS: Final = "no event reaches a connection that may not see it"
COMPLETE: Final = "every subscriber ends equal to the store"
NO_BUG: Final = "no safeguard reports a bug"

_LIVE: Final = ("held", "confirmed", "arrived", "checked_in")
_OVER: Final = ("released", "expired", "cancelled")
_BUGS: Final = (
    "constraint_violated",
    "calendar_actor_failed",
    "alarm_failed",
    "writer_failed",
    "plan_failed",
    "statement_failed",
    "relay_listener_failed",
    "relay_observer_failed",
    "relay_channel_failed",
    "task_failed",
    "internal_request_failed",
    "background_work_failed",
    "turn_failed",
    "callback failed",
)
"""Log lines that report what cannot happen, whatever fails around the hub."""


@dataclass(frozen=True)
class Violation:
    invariant: str
    detail: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.detail}"


class _Row(NamedTuple):
    id: str
    dentist: str
    patient: str
    start: int
    end: int
    status: str
    expires: int | None
    version: int
    overbooked: bool
    updated: int


_ROWS: Final = (
    "SELECT id, dentist_id, patient_id, starts_at, ends_at, status, expires_at, version,"
    " overbooked, updated_at FROM appointments"
)
_EVENTS: Final = (
    'SELECT c.event, c.channel, c."offset", l.event_id, l.type, l.payload FROM event_channels AS c'
    ' JOIN event_log AS l ON l.id = c.event WHERE c.event > ? ORDER BY c.event, c."offset"'
)
_HEADS: Final = 'SELECT channel, max("offset") FROM event_channels GROUP BY channel'


@dataclass
class Auditor:
    world: "World"
    violation: Violation | None = None
    _rows: dict[str, _Row] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    _events: dict[tuple[str, int], str] = field(default_factory=dict)
    """The id of each committed event, by channel and offset."""
    _numbers: dict[str, int] = field(default_factory=dict)
    """The number in the log of each event, by id."""
    _last: int = 0
    _fences: dict[str, int] = field(default_factory=dict)
    _epoch: int = 0
    _ended_rights: dict[str, int] = field(default_factory=dict)
    """The last event that each person whose right has ended may have received."""
    lied_about: set[str] = field(default_factory=set)
    """Living nodes that the lock and the network reported as crashed."""

    def begin(self) -> None:
        """Take what the clinic has at first."""
        query = self.world.database.query
        self.heads = dict(query(_HEADS))
        for number, channel, offset, event_id, _, _ in query(_EVENTS, 0):
            self._events[channel, offset], self._numbers[event_id] = event_id, number
            self._last = number
        self._fences = dict(query("SELECT dentist_id, fence FROM calendars"))

    def fail(self, invariant: str, detail: str) -> None:
        if self.violation is None:
            self.violation = Violation(invariant, detail)
            self.world.trace(f"VIOLATION {self.violation}")

    def reported(self, level: str, event: str) -> None:
        """A log line of the hub."""
        self.world.trace(f"log {level} {event}")
        if level in ("error", "exception", "critical") and event.split(" ")[0] in _BUGS:
            self.fail(NO_BUG, event)

    # --- in the moment of a commit ----------------------------------------------------------

    def committed(self, link: DatabaseLink) -> None:
        query = self.world.database.query
        changed = self._take_events(query(_EVENTS, self._last))
        rows = {row[0]: _Row(*row) for row in query(_ROWS)}
        for row in rows.values():
            before = self._rows.get(row.id)
            if before != row:
                self._row_changed(before, row, changed)
        self._rows = rows
        self._check_overlaps()
        self._check_fences(query)
        self.check_owners()

    def _take_events(self, found: list[tuple[Any, ...]]) -> set[tuple[str, int]]:
        """The rows, with their versions, that the new events of calendars report."""
        changed: set[tuple[str, int]] = set()
        for number, channel, offset, event_id, kind, payload in found:
            before = self.heads.get(channel, 0)
            if offset != before + 1:
                self.fail(OFFSETS, f"{channel}: {offset} after {before}")
            self.heads[channel] = offset
            self._events[channel, offset], self._numbers[event_id] = event_id, number
            self._last = max(self._last, number)
            if channel.startswith(DENTIST_PREFIX):
                data = orjson.loads(payload)
                changed.add((data.get("id"), data.get("version")))
            elif channel.startswith(USER_PROFILE_PREFIX):
                self._profile_changed(orjson.loads(payload))
            self.world.trace(f"committed {channel} {offset} {kind}")
        return changed

    def _row_changed(self, before: _Row | None, row: _Row, reported: set[tuple[str, int]]) -> None:
        was = before.status if before else "new"
        self.world.trace(f"row {row.id[-4:]} {was} to {row.status} version {row.version}")
        if (row.id, row.version) not in reported:
            self.fail(OUTBOX, f"{row.id} version {row.version} became {row.status} silently")
        if row.status == "expired":
            if was != "held":
                self.fail(EXPIRY, f"{row.id} was {was}")
            elif row.expires is None or row.updated < row.expires:
                self.fail(EXPIRY, f"{row.id} expired at {_time(row.updated)}, too early")
        if was in _OVER and row.status != was:
            self.fail(EXPIRY, f"{row.id} was {was}, and became {row.status}")
        if was == "held" and row.status == "confirmed":
            assert before is not None
            if before.expires is None or row.updated >= before.expires:
                self.fail(NOT_BOOKED_LATE, f"{row.id} was booked at {_time(row.updated)}")

    def _check_overlaps(self) -> None:
        for by in ("dentist", "patient"):
            groups: defaultdict[str, list[_Row]] = defaultdict(list)
            for row in self._rows.values():
                if self._blocks(row, by):
                    groups[getattr(row, by)].append(row)
            for key, group in groups.items():
                group.sort(key=lambda row: (row.start, row.id))
                for one, next_one in pairwise(group):
                    if next_one.start < one.end:
                        self.fail(NO_OVERLAP, f"{by} {key}: {one.id} and {next_one.id}")

    def _blocks(self, row: _Row, by: str) -> bool:
        """A hold whose time is over blocks nothing, and one does not bind its patient."""
        if row.status not in _LIVE or (row.overbooked and by == "dentist"):
            return False
        return row.status != "held" or (by == "dentist" and not self._is_overdue(row))

    def _is_overdue(self, row: _Row) -> bool:
        assert row.expires is not None
        return row.expires <= self.world.latest_now()

    def _check_fences(self, query: Any) -> None:
        for dentist, fence in query("SELECT dentist_id, fence FROM calendars"):
            if fence < self._fences[dentist]:
                self.fail(FENCES, f"{dentist}: {fence} after {self._fences[dentist]}")
            self._fences[dentist] = fence
        for (epoch,) in query("SELECT epoch FROM cluster"):
            if epoch < self._epoch:
                self.fail(FENCES, f"members: {epoch} after {self._epoch}")
            self._epoch = epoch

    def check_owners(self) -> None:
        """At every moment, at most one node would answer for a calendar from memory."""
        processes = [p for p in self.world.processes() if p.cluster is not None]
        for person in self.world.people.dentists:
            sure = [p for p in processes if p.is_sure_of(person.id) and not self._lied(p)]
            if len(sure) > 1:
                self.fail(ONE_OWNER, f"{person.name}: {', '.join(p.name for p in sure)}")

    def _lied(self, process: Any) -> bool:
        return process.cluster.membership.me in self.lied_about

    # --- what leaves the nodes --------------------------------------------------------------

    def replied(self, key: str, reply: Reply) -> None:
        """A node answers a client's command; it must be stored under its key."""
        found = self.world.database.query(
            "SELECT resource_id, version FROM idempotency_keys WHERE key = ?", key
        )
        if (reply.resource_id, reply.version) not in found:
            self.fail(DURABLE, f"{key} was answered {reply.outcome}, and {found} is stored")

    def delivered(self, session: "Session", record: EventRecord) -> None:
        channel, offset = record.channel, record.position.offset
        if self._events.get((channel, offset)) != record.event_id:
            self.fail(AFTER_COMMIT, f"{channel} {offset} is not committed")
        before = session.written.get(channel)
        if before is None:
            self.fail(IN_ORDER, f"{session.screen.name}: {channel} {offset} before the answer")
        elif record.position <= before or not self._may_skip(
            session, channel, range(before.offset + 1, offset)
        ):
            self.fail(IN_ORDER, f"{session.screen.name}: {channel} {offset} after {before}")
        self._check_right(session, record)

    def _may_skip(self, session: "Session", channel: str, skipped: range) -> bool:
        """An event whose broadcast failed for good is missing; the client is sent the position."""
        process = session.process
        return process.skips or all((channel, each) in process.failed for each in skipped)

    def answered(self, session: "Session", changes: ChannelChanges) -> None:
        """A catch-up is answered."""
        for record in changes.events:
            if self._events.get((record.channel, record.position.offset)) != record.event_id:
                self.fail(AFTER_COMMIT, f"{record.channel} {record.position} is not committed")
            self._check_right(session, record)

    def _check_right(self, session: "Session", record: EventRecord) -> None:
        name = session.screen.name
        if not self.world.may_see(session.screen, record.channel):
            self.fail(RIGHTS, f"{name} got {record.channel} {record.position.offset}")
        last = self._ended_rights.get(name)
        if last is not None and self._numbers[record.event_id] > last:
            self.fail(RIGHTS, f"{name} got {record.channel} {record.position.offset} afterwards")

    def right_ended(self, screen: str) -> None:
        """The end of a right was acknowledged: what is committed from now on is not delivered."""
        self._ended_rights[screen] = self._last

    def _profile_changed(self, profile: Any) -> None:
        if profile.get("active"):
            self._ended_rights.pop(profile.get("name"), None)

    # --- at the end -------------------------------------------------------------------------

    def unfinished(self) -> str | None:
        """What is not yet as it must be at the end."""
        now = self.world.latest_now()
        for row in self._rows.values():
            if row.status == "held" and row.expires is not None and row.expires < now - 2_500_000:
                return f"{row.id} is held, although its time is over"
        for screen in self.world.screens:
            if self.world.may_connect(screen.name):
                if not screen.connected:
                    return f"{screen.name} is not connected ({screen.refused})"
                if behind := screen.is_behind(self.heads):
                    return f"{screen.name}: {behind}"
        return None

    def check_end(self) -> None:
        for screen in self.world.screens:
            for channel, seen in screen.seen.items():
                begins = screen.begins[channel]
                there = [
                    (offset, self._events[channel, offset])
                    for offset in range(begins + 1, begins + 1 + len(seen))
                    if (channel, offset) in self._events
                ]
                if seen != there:
                    self.fail(COMPLETE, f"{screen.name} shows {seen} of {channel}, not {there}")
        self._check_applied_once()

    def _check_applied_once(self) -> None:
        """All that was done for a command was done by one of its attempts."""
        attempts: defaultdict[str, set[str]] = defaultdict(set)
        for (request_id,) in self.world.database.query(
            "SELECT DISTINCT request_id FROM audit_log WHERE request_id LIKE 'op-%'"
            " AND role <> 'system' AND new_status IS NOT NULL"
        ):
            attempts[request_id.partition("/")[0]].add(request_id)
        for op, applied in attempts.items():
            if len(applied) > 1:
                self.fail(ONCE, f"{op} by {', '.join(sorted(applied))}")


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, _EPOCH.tzinfo).strftime("%H:%M:%S.%f")
