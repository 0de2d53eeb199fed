"""Wherever a response has an entity tag, the same request with the tag gets 304."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from actors.domain.announcements import ScheduleBody
from actors.domain.schedule import Schedule
from api.rest.headers import content_tag, expected_version, version_tag
from tests.unit.api_world import DENTIST, NAMES, PATIENT, PROFILE, ROW, World, appointment, world

TAGGED = (
    "/api/openapi.json",
    "/api/profiles/me",
    f"/api/profiles/{PATIENT}",
    f"/api/appointments/{ROW}",
    f"/api/reservations/{ROW}",
    f"/api/availability/{DENTIST}",
    "/chat",
    "/assets/chat-abc123.js",
    "/docs",
    "/docs/swagger-ui.css",
    "/pages/docs.js",
)


@asynccontextmanager
async def tagged(folder: Path) -> AsyncIterator[World]:
    (folder / "assets").mkdir()
    (folder / "chat.html").write_text("<!doctype html>")
    (folder / "chat.html.gz").write_bytes(gzip.compress(b"<!doctype html>"))
    (folder / "assets" / "chat-abc123.js").write_text("1")
    schedule = ScheduleBody(dentist_id=DENTIST, schedule=Schedule(time_zone="Europe/Vienna"))
    async with world(screens=folder) as w:
        w.people.results |= {"me": PROFILE, "view": PROFILE}
        w.bookings.results |= {
            "get": (appointment(), NAMES),
            "reservation": (appointment(), NAMES),
        }
        w.availability.results["schedule"] = schedule
        yield w


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", TAGGED)
async def test_a_client_that_has_a_response_gets_304(
    path: str, method: str, tmp_path: Path
) -> None:
    async with tagged(tmp_path) as w:
        first = await w.send(method, path)
        assert first.status == 200
        tag = first.headers["ETag"]
        weak, strong = f"W/{tag.removeprefix('W/')}", tag.removeprefix("W/")
        for sent in (tag, weak, strong, f'"other", {tag}', f'W/"other" ,{tag},"more"', "*", " * "):
            again = await w.send(method, path, headers={"If-None-Match": sent})
            assert (again.status, again.text) == (304, b""), sent
            assert again.headers["ETag"] == tag
            assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
            assert "Content-Type" not in again.headers
        assert [request[2] for request in w.requests] == [200] + [304] * 7, "as it was sent"


@pytest.mark.parametrize("path", TAGGED)
async def test_a_client_that_has_another_one_gets_the_response(path: str, tmp_path: Path) -> None:
    async with tagged(tmp_path) as w:
        first = await w.send("GET", path)
        bare = first.headers["ETag"].removeprefix("W/").strip('"')
        for sent in (
            '"other"',
            "",
            bare,
            f'"{bare}',
            f'"{bare}" x',
            f'x"{bare}"',
            '"*"',
            f'w/"{bare}"',
        ):
            again = await w.send("GET", path, headers={"If-None-Match": sent})
            assert (again.status, again.text) == (200, first.text), sent


async def test_several_headers_are_one_list(tmp_path: Path) -> None:
    async with tagged(tmp_path) as w, ClientSession() as session:
        tag = (await w.send("GET", "/docs")).headers["ETag"]
        sent: Any = [("If-None-Match", '"a"'), ("If-None-Match", tag)]
        async with session.get(w.client.make_url("/docs"), headers=sent) as answer:
            assert answer.status == 304


async def test_each_compressed_form_has_its_own_tag(tmp_path: Path) -> None:
    async with tagged(tmp_path) as w:
        tags = {}
        for coding in ("identity", "gzip"):
            answer = await w.send("GET", "/chat", headers={"Accept-Encoding": coding})
            assert answer.headers["Vary"] == "Accept-Encoding"
            tags[coding] = answer.headers["ETag"]
        assert tags["identity"] != tags["gzip"]
        wrong = {"If-None-Match": tags["gzip"], "Accept-Encoding": "identity"}
        assert (await w.send("GET", "/chat", headers=wrong)).status == 200


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [
        ("gzip", True),
        ("br;q=1, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0.001", True),
        ("deflate", False),
        ("xgzip", False),
        ("", False),
    ],
)
async def test_a_client_gets_only_codings_that_it_accepts(
    accepted: str, is_compressed: bool, tmp_path: Path
) -> None:
    async with tagged(tmp_path) as w:
        url, headers = w.client.make_url("/chat"), {"Accept-Encoding": accepted}
        async with (
            ClientSession(auto_decompress=False) as session,
            session.get(url, headers=headers) as answer,
        ):
            assert answer.headers.get("Content-Encoding") == ("gzip" if is_compressed else None)


@pytest.mark.parametrize("odd", ["Range: bytes=9-1", "Range: lines=1", 'If-Match: "other"'])
async def test_odd_preconditions_of_pages_are_ignored(odd: str, tmp_path: Path) -> None:
    async with tagged(tmp_path) as w:
        name, _, value = odd.partition(": ")
        assert (await w.send("GET", "/docs", headers={name: value})).status == 200


async def test_a_missing_file_is_404_even_for_any_tag(tmp_path: Path) -> None:
    async with tagged(tmp_path) as w:
        for path in ("/assets/none.js", "/api/nowhere"):
            assert (await w.send("GET", path, headers={"If-None-Match": "*"})).status == 404


def test_a_tag_of_a_version_and_content_is_a_version_for_if_match() -> None:
    one, other = version_tag(3, b"one"), version_tag(3, b"other")
    assert one != other
    assert expected_version({"If-Match": one}) == expected_version({"If-Match": '"3"'}) == 3
    assert content_tag(b"one") != content_tag(b"other")
