"""What several nodes cost and bring: bookings a second and p99 with 1, 2 and 3 nodes, the
price of one hop, and the wait after a crash.
``python -m tests.benchmarks.bench_cluster [--seconds N]``

All nodes, PostgreSQL, Valkey and the clients share this one machine: more nodes bring nothing
that its cores do not have. Read the ratios as the cost of being a cluster.
"""

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.support.clinic import Clinic
from tests.support.database import OnPostgres, rows
from tests.support.logs import captured_logs
from tests.support.process import UNLIMITED, HubProcess
from tests.support.running import Template, make_template
from tests.support.valkey import valkey_server

CLIENTS = 12
HOPS_MEASURED = 150
CRASHES, COMMANDS, ISSUED_WITHIN_S = 5, 100, 2.0
MINUTES_OF_A_DAY = range(8 * 60, 18 * 60, 30)


@dataclass(frozen=True, kw_only=True)
class Measured:
    nodes: int
    per_s: float
    p50_ms: float
    p99_ms: float


async def measure(template: Template, folder: Path, nodes: int, seconds: float) -> Measured:
    async with AsyncExitStack() as stack:
        clinics = await _clinics(template, folder, nodes, stack)
        work = _slots(clinics[0])
        took: list[float] = []
        await _book(clinics, work, took, seconds=1.0)  # calendars are opened, statements prepared
        took.clear()
        began = time.monotonic()
        await _book(clinics, work, took, seconds=seconds)
        elapsed = time.monotonic() - began
    return Measured(
        nodes=nodes,
        per_s=len(took) / elapsed,
        p50_ms=statistics.median(took) * 1_000,
        p99_ms=sorted(took)[int(len(took) * 0.99)] * 1_000,
    )


async def measure_hop(template: Template, folder: Path) -> tuple[float, float]:
    """Median milliseconds of a booking at the calendar's owner, and at another node."""
    async with AsyncExitStack() as stack:
        clinics = await _clinics(template, folder, 2, stack)
        work = _slots(clinics[0])
        await _book(clinics, work, [], seconds=1.0)
        at_owner: list[float] = []
        elsewhere: list[float] = []
        for number, (patient, body) in zip(range(2 * HOPS_MEASURED), work, strict=False):
            owner = _owner(clinics, body["dentist_id"])
            far = number % 2
            clinic = next(each for each in clinics if (each is owner) is not bool(far))
            (elsewhere if far else at_owner).append(await _one(clinic, patient, body))
    return statistics.median(at_owner) * 1_000, statistics.median(elsewhere) * 1_000


async def measure_takeover(template: Template, folder: Path) -> Sequence[float]:
    """Seconds of each command to calendars of a node that was killed, within 2 s after."""
    took: list[float] = []
    for _ in range(CRASHES):
        async with AsyncExitStack() as stack:
            nodes = await _nodes(template, folder, 3, stack)
            clinics = [clinic for _, clinic in nodes]
            work = _slots(clinics[0])
            await _book(clinics, work, [], seconds=1.0)
            owners = {each.id: _owner(clinics, each.id) for each in clinics[0].dentists}
            victim = next(iter(owners.values()))
            left = [clinic for clinic in clinics if clinic is not victim]
            await next(hub for hub, clinic in nodes if clinic is victim).kill()
            orphans = ((p, body) for p, body in work if owners[body["dentist_id"]] is victim)
            async with asyncio.TaskGroup() as tasks:
                running = []
                for number, (patient, body) in zip(range(COMMANDS), orphans, strict=False):
                    one = _one(left[number % len(left)], patient, body)
                    running.append(tasks.create_task(one))
                    await asyncio.sleep(ISSUED_WITHIN_S / COMMANDS)
            took += [each.result() for each in running]
    return took


async def _clinics(
    template: Template, folder: Path, nodes: int, stack: AsyncExitStack
) -> Sequence[Clinic]:
    return [clinic for _, clinic in await _nodes(template, folder, nodes, stack)]


async def _nodes(
    template: Template, folder: Path, nodes: int, stack: AsyncExitStack
) -> Sequence[tuple[HubProcess, Clinic]]:
    database = stack.enter_context(template.copied_to(folder))
    assert isinstance(database, OnPostgres)
    found = []
    for number in range(nodes):
        own = folder / f"{nodes}-{number}-{time.monotonic_ns()}"
        own.mkdir()
        hub = HubProcess(
            database,
            own,
            CHAIRSIDE_REDIS_URL=valkey_server().url,
            CHAIRSIDE_REDIS_STREAM=database.name,
            CHAIRSIDE_CLUSTER_DRAIN_S="0",
            **UNLIMITED,
        )
        hub.set("CHAIRSIDE_CLUSTER_NAME", str(hub.port))
        await hub.start()
        stack.push_async_callback(_end, hub)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        clinic = Clinic(hub.url, template.people, session, AsyncExitStack(), database)
        found.append((hub, clinic))
    await asyncio.sleep(2.5)  # every node has renewed once, and knows the others
    return found


async def _end(hub: HubProcess) -> None:
    if hub.runs:
        await hub.kill()


def _slots(clinic: Clinic) -> Iterator[tuple[int, dict[str, str]]]:
    """Free times that no other client takes: the booking patient, and the slot."""
    number = itertools.count()
    for day in range(5, 300):
        for minute in MINUTES_OF_A_DAY:
            for dentist in clinic.dentists:
                clock = f"{minute // 60:02}:{minute % 60:02}"
                start = clinic.at(clock, dentist=dentist, days=day)
                body = clinic.slot(dentist=dentist) | {"start": start}
                yield next(number) % len(clinic.patients), body


async def _book(
    clinics: Sequence[Clinic],
    work: Iterator[tuple[int, dict[str, str]]],
    took: list[float],
    *,
    seconds: float,
) -> None:
    ends = time.monotonic() + seconds

    async def client(number: int) -> None:
        clinic = clinics[number % len(clinics)]
        while time.monotonic() < ends:
            patient, body = next(work)
            took.append(await _one(clinic, patient, body))

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))


async def _one(clinic: Clinic, patient: int, body: dict[str, str]) -> float:
    began = time.monotonic()
    answer = await clinic.api(clinic.patients[patient]).post("/api/appointments", body)
    assert answer.status in (201, 409), answer.body  # a patient may be elsewhere at that time
    return time.monotonic() - began


def _owner(clinics: Sequence[Clinic], dentist_id: str) -> Clinic:
    sql = "SELECT n.name FROM calendars c JOIN nodes n ON n.id = c.owner WHERE dentist_id = ?"
    (row,) = rows(clinics[0].database, sql, dentist_id)
    return next(each for each in clinics if each.url.endswith(f":{row['name']}"))


async def _main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with captured_logs():
            template = await asyncio.to_thread(make_template, folder, "postgres")
        found = [await measure(template, folder, nodes, seconds) for nodes in (1, 2, 3)]
        here_ms, there_ms = await measure_hop(template, folder)
        waited = sorted(await measure_takeover(template, folder))
    first = found[0]
    for each in found:
        print(
            f"{each.nodes} node{'s' if each.nodes > 1 else ' '}  {each.per_s:6.0f} bookings/s"
            f" ({each.per_s / first.per_s:.2f} of one)   p50 {each.p50_ms:6.1f} ms"
            f"   p99 {each.p99_ms:6.1f} ms ({each.p99_ms / first.p99_ms:.2f} of one)"
        )
    print(
        f"one hop  {there_ms:.1f} ms instead of {here_ms:.1f} ms"
        f" ({there_ms / here_ms:.2f} times, {there_ms - here_ms:+.1f} ms)"
    )
    print(
        f"a crash  {len(waited)} commands to its calendars within {ISSUED_WITHIN_S:g} s after:"
        f" p50 {statistics.median(waited):.2f} s, p99 {waited[int(len(waited) * 0.99)]:.2f} s,"
        f" longest {waited[-1]:.2f} s"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    asyncio.run(_main(parser.parse_args().seconds))
