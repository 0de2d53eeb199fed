"""Enters the patients of a file at a practice, and reads them back."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Final

from actors.domain.ids import PracticeId, ProfileId
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.refusals import (
    DuplicatePatient,
    FieldError,
    Forbidden,
    RateLimited,
    ValidationFailed,
)
from actors.domain.values import value
from actors.ports.profiles import Profiles
from actors.services.caller import Caller
from actors.services.known_patients import KnownPatients
from actors.services.people import People
from actors.services.practices import Practices
from actors.services.requests import NewProfile
from actors.turns import Turns

LISTED_MAX: Final = 1_000
"""Lines of a report; further rows are only counted."""
_TOGETHER: Final = 16
"""Rows that are entered at a time: they share commits, and others' commits wait for few of them."""
_PAGE: Final = 500
RUNNING_MAX: Final = 4
"""Imports that run at one node: each keeps its file in memory."""
EXPORTS_MAX: Final = 16
"""Exports that run at one node: each may wait minutes for its client."""
_RETRY_S: Final = 10.0


class RowOutcome(StrEnum):
    CREATED = "created"
    KNOWN = "known"  # the practice has this patient already
    REFUSED = "refused"


@value
class PatientRow:
    """A row of a file: a patient to be entered, or what is wrong with it."""

    line: int
    new: NewProfile | None = None
    errors: tuple[FieldError, ...] = ()


@value
class ReportLine:
    """Why a row was not entered."""

    line: int
    outcome: RowOutcome
    field: str
    message: str


@dataclass(kw_only=True, slots=True)
class ImportReport:
    """What became of the rows so far."""

    rows: int = 0
    created: int = 0
    known: int = 0
    refused: int = 0
    lines: list[ReportLine] = field(default_factory=list)
    lines_left_out: int = 0

    def add(self, line: int, outcome: RowOutcome, *errors: FieldError) -> None:
        self.rows += 1
        match outcome:
            case RowOutcome.CREATED:
                self.created += 1
            case RowOutcome.KNOWN:
                self.known += 1
            case RowOutcome.REFUSED:
                self.refused += 1
        for each in errors:
            if len(self.lines) < LISTED_MAX:
                self.lines.append(
                    ReportLine(line=line, outcome=outcome, field=each.field, message=each.message)
                )
            else:
                self.lines_left_out += 1


@value
class _Wanted:
    """A row that is not known, and the keys by which it is from now on."""

    line: int
    new: NewProfile
    keys: set[int]


_Result = tuple[RowOutcome, Sequence[FieldError]]
_ENTERED: Final[_Result] = RowOutcome.CREATED, ()


class PatientImport:
    """Enters rows one by one: each is written as a whole, and a repetition skips those known."""

    def __init__(
        self, profiles: Profiles, people: People, practices: Practices, turns: Turns, region: str
    ) -> None:
        """``people`` has an allowance of its own for the bytes that it stores; ``region`` is that
        of practices without one."""
        self._profiles, self._people, self._practices = profiles, people, practices
        self._turns, self._region = turns, region
        self._importing: set[PracticeId] = set()
        self._exporting: set[PracticeId] = set()

    def place(self, caller: Caller) -> AbstractContextManager[None]:
        """The place for one import of the caller's practice, by its staff.

        Raises Forbidden, and RateLimited while other imports run at this node.
        """
        return _place(self._importing, RUNNING_MAX, caller, "import")

    def export_place(self, caller: Caller) -> AbstractContextManager[None]:
        """The place for one export, likewise."""
        return _place(self._exporting, EXPORTS_MAX, caller, "export")

    async def region(self, caller: Caller) -> str:
        """The country of the caller's practice; empty if none is set. Raises Forbidden."""
        practice_id = _practice(caller)
        return (await self._practices.find(practice_id)).region or self._region

    async def run(
        self,
        caller: Caller,
        rows: Iterable[PatientRow],
        *,
        region: str,
        shared_contacts: bool = False,
        dry_run: bool = False,
    ) -> AsyncIterator[ImportReport]:
        """Enter the rows; after each few of them, the report so far.

        ``shared_contacts``: a row is entered although its telephone number or e-mail address is
        known, if its name or date of birth is another. ``dry_run`` enters nothing.
        """
        known = KnownPatients(region, shared_contacts=shared_contacts)
        async for page in self._every(caller.principal):
            for start in range(0, len(page), _TOGETHER):
                known.add(page[start : start + _TOGETHER])
                await self._turns.next_slice()
        caller = replace(caller, idempotency_key=None)  # or all rows would have the same
        report, remaining = ImportReport(), iter(rows)
        while some := list(islice(remaining, _TOGETHER)):
            wanted: list[_Wanted] = []
            for row in some:
                if row.new is None:
                    report.add(row.line, RowOutcome.REFUSED, *row.errors)
                elif isinstance(found := known.enter(row.new), FieldError):
                    report.add(row.line, RowOutcome.KNOWN, found)
                else:
                    new = replace(row.new, allow_duplicate=shared_contacts)
                    wanted.append(_Wanted(line=row.line, new=new, keys=found))
            await self._turns.next_slice()  # whatever the rows are: a file may be all refused
            results = [_ENTERED] * len(wanted) if dry_run else await self._entered(caller, wanted)
            for each, (outcome, errors) in zip(wanted, results, strict=True):
                if outcome is RowOutcome.REFUSED:
                    known.forget(each.keys)
                report.add(each.line, outcome, *errors)
            yield report

    async def _entered(self, caller: Caller, wanted: Sequence[_Wanted]) -> Sequence[_Result]:
        """Raises what one of them raised, when none of them runs any more."""
        results = await asyncio.gather(
            *(self._enter(caller, each.new) for each in wanted), return_exceptions=True
        )
        entered: list[_Result] = []
        for result in results:
            if isinstance(result, BaseException):
                raise result
            entered.append(result)
        return entered

    async def _enter(self, caller: Caller, new: NewProfile) -> _Result:
        try:
            await self._people.create(caller, new)
        except DuplicatePatient as error:  # entered by someone else since the import began
            return RowOutcome.KNOWN, (FieldError(field="name", message=str(error)),)
        except ValidationFailed as error:
            return RowOutcome.REFUSED, error.details
        return _ENTERED

    async def export(self, caller: Caller) -> AsyncIterator[Sequence[Profile]]:
        """The active patients of the caller's practice, in parts; audited before the first.

        The first part is empty. Raises Forbidden unless the caller is staff.
        """
        _practice(caller)
        by = caller.principal
        await self._profiles.record_export(by, caller.request_id)
        yield ()
        async for page in self._every(by):
            yield [each for each in page if each.active]

    async def _every(self, by: Principal) -> AsyncIterator[Sequence[Profile]]:
        """The patients of the practice: those who were entered, then others who booked there."""
        for entered in (True, False):
            after: ProfileId | None = None
            while page := await self._profiles.of_practice(
                by, entered=entered, after=after, limit=_PAGE
            ):
                yield page
                after = page[-1].id


@contextmanager
def _place(running: set[PracticeId], most: int, caller: Caller, what: str) -> Iterator[None]:
    practice_id = _practice(caller)
    if practice_id in running or len(running) >= most:
        raise RateLimited(_RETRY_S, f"Another {what} is running; please wait until it ends")
    running.add(practice_id)
    try:
        yield
    finally:
        running.remove(practice_id)


def _practice(caller: Caller) -> PracticeId:
    by = caller.principal
    if by.role is not Role.STAFF or by.practice is None:
        raise Forbidden
    return by.practice
