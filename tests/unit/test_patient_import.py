"""What an import knows, lists and keeps others from."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import date
from typing import Any, cast

import pytest

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
from actors.ports.commits import StoreUnavailable
from actors.services.caller import Caller
from actors.services.known_patients import KnownPatients
from actors.services.patient_import import (
    EXPORTS_MAX,
    LISTED_MAX,
    RUNNING_MAX,
    ImportReport,
    PatientImport,
    PatientRow,
    RowOutcome,
)
from actors.services.requests import NewProfile
from actors.turns import Turns

ERROR = FieldError(field="name", message="must not be empty")


def staff(practice: str) -> Caller:
    by = Principal(
        role=Role.STAFF,
        subject="desk",
        person=ProfileId("s"),
        practice=PracticeId(practice),
    )
    return Caller(principal=by, request_id="r")


def new(name: str, **more: Any) -> NewProfile:
    return NewProfile(role=Role.PATIENT, name=name, **more)


def known(*people: NewProfile | Profile, shared: bool = False) -> KnownPatients:
    found = KnownPatients("AT", shared_contacts=shared)
    found.add(people)
    return found


def field_of(error: FieldError | set[int]) -> str | None:
    return error.field if isinstance(error, FieldError) else None


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (new("Someone", phone="0664 1234567"), "phone"),
        (new("Someone", phone="+43664/1234567"), "phone"),
        (new("Someone", email="ADA@example.org"), "email"),
        (new("ADA  MÜLLER", date_of_birth=date(1980, 3, 8)), "date_of_birth"),
        (new("ada muller"), "name"),
        (new("Müller, Ada", date_of_birth=date(1980, 3, 8)), "date_of_birth"),
        (new("***"), None),
        (new("Ada Müller", date_of_birth=date(1981, 3, 8)), None),
        (new("Ada Müller", phone="+43 664 7654321"), None),
        (new("Someone"), None),
    ],
)
def test_a_patient_is_known_by_contact_data_or_name_and_birth(
    row: NewProfile, field: str | None
) -> None:
    ada = new(
        "Ada Müller",
        phone="+43 664 1234567",
        email="ada@example.org",
        date_of_birth=date(1980, 3, 8),
    )
    people = known(ada)
    assert field_of(people.enter(row)) == field
    assert field_of(people.enter(row)) is not None, "it is known from then on"


def test_shared_contact_data_identify_together_with_the_name() -> None:
    people = known(new("Ada", phone="+43 664 1234567"), shared=True)
    assert field_of(people.enter(new("Bo", phone="+43 664 1234567"))) is None
    assert field_of(people.enter(new("ada", phone="0664 1234567"))) == "phone"


def test_a_report_lists_a_bounded_number_of_lines() -> None:
    report = ImportReport()
    for line in range(LISTED_MAX + 5):
        report.add(line, RowOutcome.REFUSED, ERROR)
    report.add(0, RowOutcome.CREATED)
    assert (report.rows, report.refused, report.created) == (LISTED_MAX + 6, LISTED_MAX + 5, 1)
    assert (len(report.lines), report.lines_left_out) == (LISTED_MAX, 5)


class _People:
    """Refuses some names, as the service does."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self.callers: list[Caller] = []

    async def create(self, caller: Caller, person: NewProfile) -> None:
        self.callers.append(caller)
        match person.name:
            case "Away":
                raise StoreUnavailable
            case "Slow":
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            case "Meanwhile":
                raise DuplicatePatient
            case "Invalid":
                raise ValidationFailed.of("date_of_birth", "must not be in the future")
        self.entered.append(person.name)


class _Nobody:
    async def of_practice(self, *_: object, **__: object) -> list[Profile]:
        return []


def importing(people: _People) -> PatientImport:
    return PatientImport(
        cast("Any", _Nobody()), cast("Any", people), cast("Any", None), Turns(), ""
    )


async def test_a_file_of_known_and_refused_rows_lets_others_run() -> None:
    beats = 0

    async def heart() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0)

    beating = asyncio.create_task(heart())
    same = [PatientRow(line=line, new=new("Ada")) for line in range(160)]
    wrong = [PatientRow(line=line, errors=(ERROR,)) for line in range(160)]
    async for _ in importing(_People()).run(staff("a"), (*same, *wrong), region=""):
        pass
    beating.cancel()
    assert beats >= 20, "once for every few rows"


async def test_the_key_of_the_request_is_not_that_of_its_rows() -> None:
    people = _People()
    caller = replace(staff("a"), idempotency_key="once")
    rows = [PatientRow(line=2, new=new("Ada"))]
    assert [each async for each in importing(people).run(caller, rows, region="")]
    assert [each.idempotency_key for each in people.callers] == [None]


async def test_no_row_is_written_after_an_import_has_failed() -> None:
    people = _People()
    names = ("Slow", "Away")
    rows = [PatientRow(line=line, new=new(name)) for line, name in enumerate(names, 2)]
    with pytest.raises(StoreUnavailable):
        [each async for each in importing(people).run(staff("a"), rows, region="")]
    assert people.entered == ["Slow"], "before the import has ended"


async def test_a_row_that_was_refused_is_not_known() -> None:
    imports, phone = importing(_People()), "+43 664 1234567"
    refused = [PatientRow(line=line, new=new("Invalid", phone=phone)) for line in range(1)]
    others = [PatientRow(line=line, errors=(ERROR,)) for line in range(1, 16)]
    right = [PatientRow(line=16, new=new("Ada", phone=phone))]
    reports = [
        each async for each in imports.run(staff("a"), (*refused, *others, *right), region="")
    ]
    assert (reports[-1].created, reports[-1].known) == (1, 0)


async def test_a_row_that_is_refused_when_it_is_written_is_reported() -> None:
    people = _People()
    imports = importing(people)
    names = ("Ada", "Meanwhile", "Invalid", "Bo")
    rows = [PatientRow(line=line, new=new(name)) for line, name in enumerate(names, 2)]
    reports = [each async for each in imports.run(staff("a"), rows, region="")]
    report = reports[-1]
    assert people.entered == ["Ada", "Bo"]
    assert (report.rows, report.created, report.known, report.refused) == (4, 2, 1, 1)
    assert [(each.line, each.outcome, each.field) for each in report.lines] == [
        (3, RowOutcome.KNOWN, "name"),
        (4, RowOutcome.REFUSED, "date_of_birth"),
    ]


def test_one_import_of_a_practice_runs_at_a_time() -> None:
    nothing = cast("Any", None)
    imports = PatientImport(nothing, nothing, nothing, Turns(), "")
    with imports.place(staff("a")):
        with pytest.raises(RateLimited), imports.place(staff("a")):
            pass
        with imports.place(staff("b")):
            pass
    with imports.place(staff("a")):
        pass
    assert RUNNING_MAX < 10
    with pytest.raises(RateLimited):
        _take(imports, RUNNING_MAX + 1)


def test_exports_are_limited_apart_from_imports() -> None:
    nothing = cast("Any", None)
    imports = PatientImport(nothing, nothing, nothing, Turns(), "")
    with contextlib.ExitStack() as running:
        running.enter_context(imports.place(staff("a")))
        running.enter_context(imports.export_place(staff("a")))
        with pytest.raises(RateLimited, match="export"):
            running.enter_context(imports.export_place(staff("a")))
    with contextlib.ExitStack() as running:
        for number in range(EXPORTS_MAX):
            running.enter_context(imports.export_place(staff(f"practice-{number}")))
        with pytest.raises(RateLimited):
            running.enter_context(imports.export_place(staff("b")))


def _take(imports: PatientImport, count: int) -> None:
    if count:
        with imports.place(staff(f"practice-{count}")):
            _take(imports, count - 1)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.DENTIST, Role.PATIENT, Role.CHATBOT])
def test_only_staff_get_a_place(role: Role) -> None:
    nothing = cast("Any", None)
    imports = PatientImport(nothing, nothing, nothing, Turns(), "")
    by = Principal(role=role, subject="x", practice=PracticeId("a"))
    with pytest.raises(Forbidden), imports.place(Caller(principal=by, request_id="r")):
        pass
