"""Criteria 6.1–6.4: imports follow the layers, and components accept substitutes."""

import pkgutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import actors
import api
import hub
import store
from actors.domain.channels import Channel
from actors.domain.ids import EventId
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.ports.events import Broadcaster, Delivery, EventRecord
from actors.relay.relay import Relay
from actors.relay.settings import RelayLimits
from tests.acceptance.conftest import OpenClinic
from tests.support.clock import FakeClock
from tests.support.eventually import eventually
from tests.support.running import Template, config_for, running_hub

ROOT = Path(__file__).parents[2]


def test_r6_1_r6_2_r6_3_the_import_contracts_hold() -> None:
    """Runs in another process, because the linter disables loggers of its process."""
    check = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", check, "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_r6_1_r6_2_r6_3_each_layer_has_its_own_package() -> None:
    """Controllers in ``api``, services in ``actors``, repositories in ``store``."""
    for layer, word in ((api, "rest"), (actors, "services"), (store, "repositories")):
        assert word in {module.name for module in pkgutil.iter_modules(layer.__path__)}
    assert "bootstrap" in {module.name for module in pkgutil.iter_modules(hub.__path__)}


IMPORT_ALL = """
import actors, api, chairside, hub, importlib, os, pkgutil, store, sys, threading
for package in (actors, api, chairside, hub, store):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith(("__main__", ".env")) and ".versions" not in module.name:
            importlib.import_module(module.name)
print(len([name for name in sys.modules if name.partition(".")[0] == "actors"]))
print(threading.active_count(), os.listdir())
"""


def test_r6_4_imports_have_no_side_effects(tmp_path: Path) -> None:
    """All modules can be imported without configuration, database or event loop.

    The imports start no thread and create no file.
    """
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules, left = done.stdout.splitlines()
    assert int(modules) > 30
    assert left == "1 []"


async def test_r6_4_two_hubs_in_one_process_share_no_parts(
    template: Template, tmp_path: Path
) -> None:
    with template.copied_to(tmp_path / "a") as one, template.copied_to(tmp_path / "b") as two:
        async with (
            running_hub(config_for(one)) as first,
            running_hub(config_for(two)) as second,
        ):
            assert first.url != second.url
            assert first.hub.services.bookings is not second.hub.services.bookings
            assert first.hub.edge.figures is not second.hub.edge.figures


async def test_r6_4_the_hub_uses_the_injected_clock(open_clinic: OpenClinic) -> None:
    """Advancing the hub's clock by five minutes ends a hold."""
    clock = FakeClock(datetime.now(UTC))
    async with open_clinic(overrides={"clock": clock}) as clinic:
        held = await clinic.hold(clinic.patients[0])
        expires = datetime.fromisoformat(held["expires_at"])
        assert expires - clock.now() == timedelta(minutes=5)
        clock.advance(timedelta(minutes=5))
        late = await clinic.api(clinic.patients[0]).post(
            "/api/appointments", {"reservation_id": held["id"]}
        )
        assert (late.status, late.code) == (410, "RESERVATION_EXPIRED")


async def test_r6_4_the_relay_runs_with_substitutes_for_its_ports() -> None:
    """The event log and the broadcaster of the relay exist in this test only."""
    channel, offsets = Channel("appointments:dentist:d1"), list[int]()

    class MemoryLog:
        def __init__(self) -> None:
            self.marked: list[Delivery] = []

        async def heads(
            self, channels: Sequence[Channel], by: Principal | None = None
        ) -> dict[Channel, Position]:
            return {each: Position(1, 0) for each in channels}

        async def read(
            self,
            channel: Channel,
            *,
            after: int,
            up_to: int,
            limit: int,
            max_bytes: int,
            by: Principal | None = None,
        ) -> Sequence[EventRecord]:
            return []

        async def oldest(self, channel: Channel) -> int | None:
            return None

        async def pending(self, *, limit: int) -> Sequence[EventRecord]:
            return []

        async def mark(self, deliveries: Sequence[Delivery]) -> None:
            self.marked += deliveries

    class RecordingBroadcaster(Broadcaster):
        async def broadcast(self, records: Sequence[EventRecord]) -> int:
            offsets.extend(record.position.offset for record in records)
            return 1

    async def on_failure(channel: Channel, position: Position) -> None:
        raise AssertionError("no broadcast fails here")

    log, clock = MemoryLog(), FakeClock()
    relay = Relay(
        events=log,
        clock=clock,
        broadcaster=RecordingBroadcaster(),
        on_failure=on_failure,
        limits=RelayLimits(flush_interval_s=0.01),
    )
    await relay.start()
    relay.publish([_record(channel, offset, clock.now()) for offset in (1, 2, 3)])
    await eventually(lambda: len(log.marked) == 3, 2.0)
    await relay.stop()
    assert offsets == [1, 2, 3]
    assert [delivery.sent for delivery in log.marked] == [True] * 3


def _record(channel: Channel, offset: int, time: datetime) -> EventRecord:
    return EventRecord(
        channel=channel,
        position=Position(1, offset),
        event_id=EventId(f"e{offset}"),
        type="appointment.created",
        time=time,
        payload=b"{}",
    )
