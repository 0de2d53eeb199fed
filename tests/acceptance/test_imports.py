"""The front desk enters the patients of a file, and gets them as a file."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from actors.ports.commits import StoreUnavailable
from actors.services.caller import Caller
from actors.services.people import People
from actors.services.requests import NewProfile
from api.schemas.patient_rows import EXPORTED
from api.settings import ApiSettings
from store.repositories.profiles import ProfileRepository
from tests.acceptance.conftest import OpenClinic
from tests.support.api import Answer
from tests.support.clinic import Clinic
from tests.support.database import rows
from tests.support.eventually import eventually
from tests.support.logs import Logs

HEADING = "Name;Geburtsdatum;Telefon;E-Mail;Krankenkasse\n"
FILE = (
    HEADING + "Ada Fox;08.03.1980;+43 1 5131234;ada@example.org;X\n"
    "Bo Fox;;+43 1 5131235;;\n"
    ";;+43 1 5131236;;\n"
    "Cy;31.02.1980;call me;;\n"
    '"Di\nFox";1990-01-02;;;\n'
)


async def sent(clinic: Clinic, text: str | bytes, number: int = 0, **query: Any) -> Answer:
    data = text.encode() if isinstance(text, str) else text
    return await clinic.api(clinic.staff[number]).send(
        "POST",
        "/api/imports",
        raw=data,
        query=[(name, str(value).lower()) for name, value in query.items()],
        headers={"Content-Type": "text/csv"},
    )


async def report(
    clinic: Clinic, text: str | bytes, number: int = 0, **query: Any
) -> dict[str, Any]:
    answer = await sent(clinic, text, number, **query)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.body
    return found


def counts(found: dict[str, Any]) -> tuple[int, int, int]:
    assert found["rows"] == found["created"] + found["known"] + found["refused"]
    return found["created"], found["known"], found["refused"]


def places(found: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(each["line"], each["outcome"], each["field"]) for each in found["lines"]]


async def patients(clinic: Clinic, text: str, number: int = 0) -> list[dict[str, Any]]:
    answer = await clinic.api(clinic.staff[number]).get("/api/patients", q=text)
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.body["data"]
    return found


async def test_the_rows_of_a_file_become_patients_of_the_practice(clinic: Clinic) -> None:
    found = await report(clinic, FILE)
    assert counts(found) == (3, 0, 2)
    assert sorted(places(found)) == [
        (4, "refused", "name"),
        (5, "refused", "date_of_birth"),
        (5, "refused", "phone"),
    ]
    assert found["columns"]["date_of_birth"] == "Geburtsdatum"
    assert found["ignored_columns"] == ["Krankenkasse"]
    assert (found["encoding"], found["delimiter"]) == ("utf-8", "semicolon")
    (ada,) = await patients(clinic, "Ada Fox")
    assert (ada["date_of_birth"], ada["phone"]) == ("1980-03-08", "+43 1 5131234")
    assert [each["name"] for each in await patients(clinic, "Di")] == ["Di Fox"]
    assert await patients(clinic, "Ada Fox", number=1) == [], "not of the other practice"


async def test_a_dry_run_reports_the_same_and_enters_nothing(clinic: Clinic) -> None:
    before = rows(clinic.database, "SELECT id FROM profiles")
    dry = await report(clinic, FILE + FILE.removeprefix(HEADING), dry_run=True)
    assert dry["dry_run"]
    assert counts(dry) == (3, 3, 4)
    assert rows(clinic.database, "SELECT id FROM profiles") == before
    assert counts(await report(clinic, FILE)) == (3, 0, 2)


async def test_a_repeated_import_enters_nobody_twice(clinic: Clinic) -> None:
    text = FILE + "Only A Name;;;;\n"
    assert counts(await report(clinic, text)) == (4, 0, 2)
    again = await report(clinic, text)
    assert counts(again) == (0, 4, 2)
    known = [(line, field) for line, outcome, field in places(again) if outcome == "known"]
    assert known == [(2, "date_of_birth"), (3, "phone"), (6, "date_of_birth"), (8, "name")]


async def test_contact_data_of_a_family_identify_only_on_request(clinic: Clinic) -> None:
    text = "Name;Tel;DoB\nAda;+43 1 5131234;1980-03-08\nBo;+43 1 5131234;2015-03-08\n"
    assert counts(await report(clinic, text, dry_run=True)) == (1, 1, 0)
    assert counts(await report(clinic, text, shared_contacts=True)) == (2, 0, 0)
    assert counts(await report(clinic, text, shared_contacts=True)) == (0, 2, 0)


async def test_patients_who_booked_here_are_known(clinic: Clinic) -> None:
    desk = clinic.api(clinic.staff[1])
    made = await desk.post("/api/profiles", {"role": "patient", "name": "Eve", "phone": "+4312345"})
    assert made.status == 201
    for text in ("Name;Tel\nSomeone;+43 1 2345\n", "Name;Tel\neve;\n"):
        found = await report(clinic, text, number=1, dry_run=True)
        assert counts(found) == (0, 1, 0), found


async def test_the_region_of_the_practice_reads_numbers_and_dates(clinic: Clinic) -> None:
    text = "Name;Tel;DoB\nAda;(202) 555-0134;3/8/1980\n"
    refused = await report(clinic, text, dry_run=True)
    assert sorted(places(refused)) == [(2, "refused", "date_of_birth"), (2, "refused", "phone")]
    saved = await clinic.admin.put(f"/api/practices/{clinic.practices[0]}", {"region": "US"})
    assert saved.status == 200
    assert counts(await report(clinic, text)) == (1, 0, 0)
    (ada,) = await patients(clinic, "Ada")
    assert (ada["phone"], ada["date_of_birth"]) == ("+1 202-555-0134", "1980-03-08")


async def test_columns_and_encoding_can_be_named(clinic: Clinic) -> None:
    data = "Wer,Tel privat\nJürgen,+43 1 5131234\n".encode("cp850")
    query = [("map", "name=Wer"), ("map", "phone=Tel privat"), ("encoding", "cp850")]
    answer = await clinic.api(clinic.staff[0]).send(
        "POST", "/api/imports", raw=data, query=query, headers={"Content-Type": "text/csv"}
    )
    assert answer.status == 200, answer.body
    assert [each["name"] for each in await patients(clinic, "Jürgen")] == ["Jürgen"]


async def test_utf_16_is_read(clinic: Clinic) -> None:
    assert counts(await report(clinic, "Name\tTel\nJürgen\t\n".encode("utf-16"))) == (1, 0, 0)
    assert [each["name"] for each in await patients(clinic, "Jürgen")] == ["Jürgen"]


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    ("data", "query", "field"),
    [
        (b"", {}, "body"),
        (b"PK\x03\x04rest", {}, "body"),
        (b"Nr;Betrag\n1;2\n", {}, "body"),
        (b'Name\nAda\n"Bo\n', {}, "body"),
        (b"Name\nAda\n", {"map": "phone=Tel"}, "map"),
        (b"Name\nAda\n", {"map": "salary=Name"}, "map.0"),
        (b"Name\nAda\n", {"encoding": "ebcdic"}, "encoding"),
        (b"Name\nAda\n", {"delimiter": ";"}, "delimiter"),
        (b"Name\nAda\n", {"dry_run": "perhaps"}, "dry_run"),
        (b"Name\nAda\n", {"unknown": "1"}, "unknown"),
    ],
)
async def test_a_file_that_cannot_be_used_changes_nothing(
    clinic: Clinic, data: bytes, query: dict[str, str], field: str
) -> None:
    answer = await clinic.api(clinic.staff[0]).send(
        "POST", "/api/imports", raw=data, query=query, headers={"Content-Type": "text/csv"}
    )
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
    (detail,) = answer.error["details"]
    assert detail["field"] == field.partition(".")[0]


@pytest.mark.usefixtures("nothing_changes")
async def test_only_staff_import_and_export(clinic: Clinic) -> None:
    for api in (
        clinic.admin,
        clinic.api(clinic.dentists[0]),
        clinic.api(clinic.patients[0]),
        clinic.chatbot(clinic.patients[0]),
    ):
        answer = await api.send(
            "POST", "/api/imports", raw=b"Name\nAda\n", headers={"Content-Type": "text/csv"}
        )
        assert (answer.status, answer.code) == (403, "FORBIDDEN")
        assert (await api.get("/api/exports")).status == 403


async def test_only_csv_up_to_the_limit_is_taken(open_clinic: OpenClinic) -> None:
    async with open_clinic(api=ApiSettings(max_import_bytes=300_000)) as clinic:
        desk = clinic.api(clinic.staff[0])
        text = ("Name\n" + "\n".join(f"Patient {n:090}" for n in range(2_700)) + "\n").encode()
        assert 262_144 < len(text) < 300_000, "more than the limit of other routes"
        assert counts(await report(clinic, text, dry_run=True)) == (2_700, 0, 0)
        too_large = await sent(clinic, text * 2)
        assert (too_large.status, too_large.code) == (413, "PAYLOAD_TOO_LARGE")
        other = await desk.send("POST", "/api/profiles", raw=text)
        assert other.status == 413
        answer = await desk.send("POST", "/api/imports", raw=b"Name\nAda\n")
        assert answer.status == 415


async def test_a_client_can_follow_the_progress(clinic: Clinic) -> None:
    text = "Name\n" + "".join(f"Patient No {n}\n" for n in range(1_200))
    lines = await followed(clinic, text)
    assert [line["progress"]["total"] for line in lines[:-1]] == [1_200, 1_200]
    done = [line["progress"]["rows"] for line in lines[:-1]]
    assert done == sorted(done)
    assert lines[-1]["report"]["created"] == 1_200


def failing_at(monkeypatch: pytest.MonkeyPatch, row: str, error: Exception) -> None:
    """Let the entering of a row fail."""
    create = People.create

    async def failing(people: People, caller: Caller, new: NewProfile) -> Any:
        if new.name == row:
            raise error
        return await create(people, caller, new)

    monkeypatch.setattr(People, "create", failing)


async def test_an_import_whose_database_goes_away_ends_with_an_error_line(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_at(monkeypatch, "Patient No 700", StoreUnavailable())
    text = "Name\n" + "".join(f"Patient No {n}\n" for n in range(800))
    progress, last = await followed(clinic, text, dry_run=False)
    assert "progress" in progress
    assert last["error"]["code"] == "UNAVAILABLE"


async def test_an_import_that_fails_ends_its_connection(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    failing_at(monkeypatch, "Patient No 3", RuntimeError("a fault of the hub"))
    text = "Name\n" + "".join(f"Patient No {n}\n" for n in range(20))
    with pytest.raises(aiohttp.ClientError):
        await followed(clinic, text, dry_run=False)
    assert [line["path"] for line in logs.lines("answer_failed")] == ["/api/imports"]


async def test_an_export_ends_with_the_rights_of_who_began_it(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, pages = ProfileRepository.of_practice, []

    async def one_by_one(*args: Any, **how: Any) -> Any:
        page = await read(*args, **{**how, "limit": 1})
        pages.append(page)
        if len(pages) == 1:
            gone = {"active": False}
            ended = await clinic.admin.put(f"/api/profiles/{clinic.staff[0].id}", gone)
            assert ended.status == 200
        return page

    monkeypatch.setattr(ProfileRepository, "of_practice", one_by_one)
    with pytest.raises(aiohttp.ClientError):
        await clinic.api(clinic.staff[0]).get("/api/exports")
    assert len(pages) == 1


async def followed(clinic: Clinic, text: str, *, dry_run: bool = True) -> list[dict[str, Any]]:
    headers = {
        "Authorization": f"Bearer {clinic.staff[0].token}",
        "Content-Type": "text/csv",
        "Accept": "application/x-ndjson",
    }
    async with clinic.session.post(
        f"{clinic.url}/api/imports?dry_run={str(dry_run).lower()}",
        data=text.encode(),
        headers=headers,
    ) as response:
        assert response.status == 200
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        return [json.loads(line) async for line in response.content]


async def test_bookings_go_on_during_an_import_which_leaves_whole_rows(clinic: Clinic) -> None:
    text = "Name;Tel\n" + "".join(f"Patient No {n};+43 1 51{n:05}\n" for n in range(600))
    importing = asyncio.create_task(report(clinic, text))
    booked: list[dict[str, Any]] = []
    while not importing.done():
        minute = len(booked) * 30
        if minute < 10 * 60:
            clock = f"{8 + minute // 60:02}:{minute % 60:02}"
            booked.append(await clinic.book(clinic.patients[len(booked)], clock))
        else:
            await asyncio.wait((importing,))
    assert counts(await importing) == (600, 0, 0)
    assert booked
    members = rows(
        clinic.database,
        "SELECT count(*) AS n FROM profiles JOIN practice_patients ON patient_id = profiles.id"
        " WHERE name LIKE 'Patient No %'",
    )
    assert members[0]["n"] == 600


async def test_an_import_by_a_person_who_is_no_longer_active_ends(clinic: Clinic) -> None:
    text = "Name\n" + "".join(f"Patient No {n}\n" for n in range(3_000))
    importing = asyncio.create_task(sent(clinic, text))

    async def has_begun() -> bool:
        found = rows(
            clinic.database, "SELECT count(*) AS n FROM profiles WHERE name LIKE 'Patient No %'"
        )
        return bool(found[0]["n"] > 0)

    assert await eventually(has_begun, 20.0)
    ended = await clinic.admin.put(f"/api/profiles/{clinic.staff[0].id}", {"active": False})
    assert ended.status == 200
    answer = await importing
    assert (answer.status, answer.code) == (403, "FORBIDDEN")
    entered = rows(
        clinic.database, "SELECT count(*) AS n FROM profiles WHERE name LIKE 'Patient No %'"
    )
    assert 0 < entered[0]["n"] < 3_000


async def test_the_export_is_what_the_import_reads(clinic: Clinic) -> None:
    text = 'Name;Tel;Consent SMS\n"=cmd()";+43 1 5131234;yes\nJürgen "J";;\n'
    assert counts(await report(clinic, text, number=1)) == (2, 0, 0)
    answer = await clinic.api(clinic.staff[1]).get("/api/exports")
    assert answer.status == 200
    assert answer.headers["Content-Disposition"] == 'attachment; filename="patients.csv"'
    lines = answer.body.removeprefix("\ufeff").splitlines()
    assert lines[0].replace('"', "").split(";") == [*EXPORTED]
    assert sorted(lines[1:]) == [
        '"\'=cmd()";"";"\'+43 1 5131234";"";"";"";"yes"',
        '"Jürgen ""J""";"";"";"";"";"";""',
    ]
    assert counts(await report(clinic, answer.body, number=1)) == (0, 2, 0)
    assert counts(await report(clinic, answer.body, number=0)) == (2, 0, 0)
    (same,) = await patients(clinic, "=cmd")
    assert (same["name"], same["phone"]) == ("=cmd()", "+43 1 5131234")
    assert same["consent"]["sms"]["source"] == "import"


async def test_the_export_has_the_active_patients_of_the_practice_and_is_audited(
    clinic: Clinic,
) -> None:
    gone, walk_in = clinic.patients[0], clinic.patients[1]
    desk = clinic.api(clinic.staff[0])
    assert (await desk.put(f"/api/profiles/{gone.id}", {"active": False})).status == 200
    await clinic.book(walk_in, dentist=clinic.dentists[2])
    exported = (await desk.get("/api/exports")).body
    assert f'"{walk_in.name}";' in exported
    assert f'"{gone.name}";' not in exported
    there = (await clinic.api(clinic.staff[1]).get("/api/exports")).body
    assert [line.split('"')[1] for line in there.splitlines()[1:]] == [walk_in.name]
    entries = rows(
        clinic.database,
        "SELECT resource_id, on_behalf_of FROM audit_log WHERE action = 'patients.exported'",
    )
    assert [(each["resource_id"], each["on_behalf_of"]) for each in entries] == [
        (practice, person.id)
        for practice, person in zip(clinic.practices, clinic.staff, strict=True)
    ]
