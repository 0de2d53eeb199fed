"""``chairside serve`` and ``chairside demo`` as processes: start, stop, start again."""

import asyncio
import json
import re
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.server import bind
from tests.support.commandline import Process, command, started
from tests.support.eventually import eventually

SECRET = "a-secret-of-thirty-two-bytes-or-more"


def links_in(folder: Path) -> dict[str, Any]:
    links: dict[str, Any] = json.loads((folder / "var" / "links.json").read_text())
    return links


async def get(url: str, token: str | None = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, await answer.json()


async def ran(folder: Path, *argv: str, **variables: str) -> tuple[int, str]:
    """A command that should end by itself: its exit code and what it logged."""
    process = await started(folder, *argv, **variables)
    async with asyncio.timeout(30):
        await process.communicate()
    assert process.returncode is not None
    return process.returncode, (folder / "log").read_text()


async def test_the_demo_clinic_matches_its_links(tmp_path: Path) -> None:
    async with command(tmp_path, "demo") as demo:
        links = links_in(tmp_path)
        assert links["url"] == demo.url
        assert links["url"].startswith("http://localhost:"), "where passkeys and codes work"
        assert {key for person in links["dentists"] for key in person} == {
            "email",
            "id",
            "name",
            "time_zone",
            "token",
        }
        assert len({dentist["time_zone"] for dentist in links["dentists"]}) == 2
        assert (len(links["dentists"]), len(links["patients"])) == (3, 100)
        (desk,) = links["staff"]
        status, practices = await get(f"{demo.url}/api/practices", desk["token"])
        assert [{key: each[key] for key in links["practice"]} for each in practices["data"]] == [
            links["practice"]
        ]
        status, lists = await get(f"{demo.url}/api/appointments?limit=1", desk["token"])
        assert (status, len(lists["positions"])) == (200, len(links["dentists"]))
        for person in (*links["dentists"], desk, links["patients"][0], links["patients"][99]):
            status, profile = await get(f"{demo.url}/api/profiles/me", person["token"])
            assert (status, profile["id"], profile["name"]) == (200, person["id"], person["name"])
        status, types = await get(f"{demo.url}/api/appointment-types", links["chatbot"]["token"])
        assert status == 200
        assert [kind["id"] for kind in types["data"]] == [
            kind["id"] for kind in links["appointment_types"]
        ]
        for dentist in links["dentists"]:
            _, page = await get(f"{demo.url}/api/appointments?limit=1", dentist["token"])
            assert page["pagination"]["total"] > 20
        status, report = await get(f"{demo.url}/health", links["admin"]["token"])
        assert (status, report["status"]) == (200, "ok")
        assert "namespaces" in report["realtime"]
        for person, role in ((desk, "staff"), (links["patients"][0], "patient")):
            assert await signed_in_by_mail(demo.url, tmp_path / "var", person["email"]) == role


async def signed_in_by_mail(url: str, folder: Path, address: str) -> str:
    """The role of who signs in with the code of a mail."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"Origin": url}) as session:
        async with session.post(f"{url}/sign-in/code", json={"email": address}) as asked:
            assert asked.status == 202

        def codes() -> list[str]:
            mails = [mail.read_text() for mail in (folder / "mail").glob("*.eml")]
            to_person = [mail for mail in mails if address in mail]
            return [code for mail in to_person for code in re.findall(r"code is (\d{6})", mail)]

        code, *_ = await eventually(codes, 10.0)  # as text, and as HTML
        async with session.post(f"{url}/sign-in/verify", json={"code": code}) as answer:
            assert answer.status == 200
            return str((await answer.json())["role"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
async def test_the_demo_stops_cleanly(tmp_path: Path, number: int) -> None:
    async with command(tmp_path, "demo") as demo:
        assert await demo.stop(number) == 0
    log = (tmp_path / "log").read_text()
    assert '"event":"hub_stopped"' in log
    assert '"level":"error"' not in log


async def test_the_demo_keeps_its_data(tmp_path: Path) -> None:
    async with command(tmp_path, "demo"):
        before = links_in(tmp_path)  # it is killed
    async with command(tmp_path, "demo"):
        after = links_in(tmp_path)
    assert [person["id"] for person in after["patients"]] == [
        person["id"] for person in before["patients"]
    ]


async def test_a_demo_of_an_earlier_version_gets_its_desk(tmp_path: Path) -> None:
    async with command(tmp_path, "demo") as demo:
        await demo.stop()
    database = sqlite3.connect(tmp_path / "var" / "chairside.db")
    desk = "SELECT id FROM profiles WHERE role = 'staff'"
    database.execute(f"DELETE FROM identities WHERE profile_id IN ({desk})")  # noqa: S608  # as above
    database.execute("DELETE FROM profiles WHERE role = 'staff'")
    database.commit()
    database.close()
    async with command(tmp_path, "demo") as demo:
        (desk,) = links_in(tmp_path)["staff"]
        status, profile = await get(f"{demo.url}/api/profiles/me", desk["token"])
    assert (status, profile["id"], profile["role"]) == (200, desk["id"], "staff")


async def test_fresh_deletes_the_data_of_the_demo(tmp_path: Path) -> None:
    async with command(tmp_path, "demo") as demo:
        before = links_in(tmp_path)
        await demo.stop()
    async with command(tmp_path, "demo", "--fresh") as demo:
        after = links_in(tmp_path)
        status, _ = await get(f"{demo.url}/api/profiles/me", before["patients"][0]["token"])
    assert status == 401, "the secret is new"
    assert after["patients"][0]["id"] != before["patients"][0]["id"]


async def test_a_port_in_use_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with command(tmp_path, "demo") as demo:
        port = demo.url.rpartition(":")[2]
        code, message = await ran(tmp_path / "other", "demo", "--port", port)
    assert code == 1
    assert message.startswith(f"chairside demo: Port {port} on 127.0.0.1 is in use")
    assert len(message.splitlines()) == 1
    assert not (tmp_path / "other" / "var").exists()


async def test_a_second_demo_in_the_same_folder_names_the_first(tmp_path: Path) -> None:
    async with command(tmp_path, "demo") as demo:
        (tmp_path / "log").rename(tmp_path / "log.first")
        code, message = await ran(tmp_path, "demo", "--port", "0", "--fresh")
        status, _ = await get(f"{demo.url}/health")
    assert (code, status) == (1, 200)
    assert f"pid {demo.process.pid}" in message
    assert len(message.splitlines()) == 1


async def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    async with (
        command(tmp_path, "demo", CHAIRSIDE_SERVER_SHUTDOWN_GRACE_S="600") as demo,
        unfinished_request(demo, links_in(tmp_path)["patients"][0]["token"]),
    ):
        demo.process.send_signal(signal.SIGINT)
        await seen_in_log(tmp_path, "hub_stopping")
        assert await demo.stop(signal.SIGINT) == 130


@asynccontextmanager
async def unfinished_request(demo: Process, token: str) -> AsyncIterator[None]:
    """A request whose body never comes: its handler waits."""
    host, port = demo.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /api/appointments HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    )
    writer.write(head.encode())
    assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
    yield
    writer.close()


async def seen_in_log(folder: Path, event: str) -> None:
    async with asyncio.timeout(20):
        while f'"event":"{event}"' not in (folder / "log").read_text():  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.02)


async def test_serve_runs_a_clinic_with_its_own_configuration(tmp_path: Path) -> None:
    settings = {"CHAIRSIDE_AUTH_SECRET": SECRET}
    assert (await ran(tmp_path, "migrate", **settings))[0] == 0
    async with command(tmp_path, "serve", **settings) as serving:
        status, report = await get(f"{serving.url}/health")
        assert (status, report["status"], report["realtime"]["connections"]) == (200, "ok", 0)
        assert (await get(f"{serving.url}/health/ready"))[0] == 200
        status, error = await get(f"{serving.url}/api/profiles/me")
        assert (status, error["error"]["code"]) == (401, "UNAUTHORIZED")
        assert await serving.stop() == 0


async def test_a_flood_of_connections_shuts_nobody_out(tmp_path: Path) -> None:
    """More silent connections than the process may open files, and half of it is kept for them."""
    settings = {"CHAIRSIDE_AUTH_SECRET": SECRET}
    assert (await ran(tmp_path, "migrate", **settings))[0] == 0
    (tmp_path / "log").unlink()
    async with command(tmp_path, "serve", open_files="256", **settings) as serving:
        host, port = serving.url.removeprefix("http://").split(":")
        flood = await asyncio.gather(
            *(asyncio.open_connection(host, int(port)) for _ in range(400))
        )
        for _, writer in flood[::2]:
            writer.write(b"GET / HT")
        for path, status in (("/health/live", 200), ("/health", 200), ("/api/profiles/me", 401)):
            assert (await get(f"{serving.url}{path}"))[0] == status
        for _, writer in flood:
            writer.transport.abort()
        assert await serving.stop() == 0
    log = (tmp_path / "log").read_text()
    assert '"level":"error"' not in log
    assert "Traceback" not in log


@pytest.mark.long
async def test_the_links_of_the_demo_exist_before_its_health_is_answered(tmp_path: Path) -> None:
    with bind("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    links = tmp_path / "var" / "links.json"
    process = await started(tmp_path, "demo", "--json", "--port", str(port))
    try:
        async with asyncio.timeout(60):
            while (answered := await _health(port)) is None:  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.01)
        assert links.is_file(), answered
        assert json.loads(links.read_text())["url"] == f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


async def _health(port: int) -> int | None:
    """The status of ``/health``; ``None`` if nothing listens."""
    try:
        return (await get(f"http://127.0.0.1:{port}/health"))[0]
    except aiohttp.ClientConnectionError:
        return None
