"""Complete bookings a second over HTTP, against a bare aiohttp handler in the same run.

Run by hand: ``python -m tests.benchmarks.bench_booking``. Both servers run in processes of
their own; the same client program asks them in turns, so that only ratios count. A booking
is all of it: token, validation, idempotency key, overlap guards, events, reply, audit, one
durable commit (``synchronous=FULL``), and the broadcast to nobody.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from time import perf_counter

import aiohttp

from store.migrate import upgrade
from tests.support.api import Api
from tests.support.clinic import ADMIN, instant, schedule
from tests.support.process import HubProcess, hub_process
from tests.support.tokens import token

CALENDARS = 100
PATIENTS = 400
CLIENTS = (1, 16, 64)
ROUNDS = 3
BARE = """
import asyncio, json
from aiohttp import web

async def book(request):
    body = await request.json()
    return web.json_response({"id": "x", **body}, status=201)

async def main():
    app = web.Application()
    app.router.add_post("/api/appointments", book)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()

import uvloop
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
"""

Ask = Callable[[int], Awaitable[int]]
"""Send the n-th request; its status."""


@dataclass(frozen=True)
class Measured:
    per_s: float
    p50_ms: float
    p99_ms: float


async def measure(ask: Ask, numbers: Iterator[int], clients: int, seconds: float) -> Measured:
    took: list[float] = []
    began = perf_counter()

    async def client() -> None:
        while (now := perf_counter()) - began < seconds:
            status = await ask(next(numbers))
            assert status == 201, status
            took.append((perf_counter() - now) * 1000)

    await asyncio.gather(*(client() for _ in range(clients)))
    cuts = statistics.quantiles(took, n=100)
    return Measured(len(took) / (perf_counter() - began), cuts[49], cuts[98])


@dataclass(frozen=True)
class Clinic:
    url: str
    dentists: list[str]
    patients: list[str]
    kind: str

    @classmethod
    async def found(cls, session: aiohttp.ClientSession, url: str) -> "Clinic":
        admin = Api(session, url, ADMIN)
        kind = await admin.post(
            "/api/appointment-types", {"name": "Check-up", "duration_minutes": 15}
        )
        dentists = []
        for n in range(CALENDARS):
            made = await admin.post(
                "/api/profiles", {"role": "dentist", "subject": f"d{n}", "name": f"Dentist {n}"}
            )
            dentists.append(made.body["id"])
            hours = [
                {"weekday": rule["weekday"], "start": "00:00", "end": "24:00"}
                for rule in schedule()["rules"]
            ]
            saved = await Api(session, url, token("dentist", f"d{n}")).put(
                f"/api/availability/{made.body['id']}", schedule(rules=hours)
            )
            assert saved.status == 200, saved.body
        patients = [token("patient", f"p{n}") for n in range(PATIENTS)]
        for bearer in patients:
            assert (await Api(session, url, bearer).get("/api/profiles/me")).status == 200
        return cls(url, dentists, patients, kind.body["id"])

    def booking(self, number: int) -> tuple[str, dict[str, str]]:
        """A token and a body: each number its own slot, and no patient twice at one time."""
        dentist, slot = number % CALENDARS, number // CALENDARS
        tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0) + timedelta(days=1)
        patient = (number * 7 + slot) % PATIENTS if PATIENTS % 7 else number % PATIENTS
        return self.patients[patient], {
            "dentist_id": self.dentists[dentist],
            "appointment_type_id": self.kind,
            "start": instant(tomorrow + timedelta(minutes=15 * slot)),
        }

    def asks(self, session: aiohttp.ClientSession) -> Ask:
        async def ask(number: int) -> int:
            bearer, body = self.booking(number)
            headers = {"Authorization": f"Bearer {bearer}", "Idempotency-Key": f"key-{number}"}
            async with session.post(
                f"{self.url}/api/appointments", json=body, headers=headers
            ) as answer:
                await answer.read()
                return answer.status

        return ask


async def bare_server() -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BARE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    port = (await process.stdout.readline()).decode().strip()
    return process, f"http://127.0.0.1:{port}"


async def compare(hub: HubProcess, seconds: float) -> None:
    process, bare_url = await bare_server()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            clinic = await Clinic.found(session, hub.url)
            bare = Clinic(bare_url, clinic.dentists, clinic.patients, clinic.kind)
            numbers = {"hub": count(), "bare": count()}
            asks = {"hub": clinic.asks(session), "bare": bare.asks(session)}
            print(" clients    hub/s   p50 ms   p99 ms   bare/s  ratio")
            for clients in CLIENTS:
                found: dict[str, list[Measured]] = {"hub": [], "bare": []}
                for _ in range(ROUNDS):
                    for name, ask in asks.items():
                        found[name].append(await measure(ask, numbers[name], clients, seconds))
                hub_s, bare_s = (
                    statistics.median(each.per_s for each in found[name]) for name in found
                )
                p50 = statistics.median(each.p50_ms for each in found["hub"])
                p99 = statistics.median(each.p99_ms for each in found["hub"])
                print(
                    f"{clients:>8} {hub_s:>8.0f} {p50:>8.2f} {p99:>8.2f}"
                    f" {bare_s:>8.0f} {hub_s / bare_s:>6.2f}"
                )
        finally:
            process.terminate()
            await process.wait()


async def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = folder / "chairside.db"
        upgrade(f"sqlite:///{database}")
        limits = {"CHAIRSIDE_API_RATE_PER_S": "1000000", "CHAIRSIDE_API_RATE_BURST": "1000000"}
        async with hub_process(database, folder, **limits) as hub:
            await compare(hub, seconds)
            await hub.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    asyncio.run(main(parser.parse_args().seconds))
