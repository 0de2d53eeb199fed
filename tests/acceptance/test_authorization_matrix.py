"""The authorization matrix: every cell of docs/authorization.md, against a running hub.

Rows are compared with the code: a route, command, channel, event or tool without a row fails.
"""

import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from actors.calendar.settings import ReservationSettings
from actors.domain import channels
from actors.services.chatbot_settings import ChatbotSettings
from actors.services.practice_settings import PracticeSettings
from api.realtime.socketio.library import NAMESPACES
from api.rest import commands
from api.rest.appointments import show
from api.rest.route import AnyRoute, RouteHandler
from api.rest.route_table import ROUTES
from api.settings import ApiSettings
from chairside.mcp.server import TOOLS
from hub.chat import ChatSettings
from hub.messages.settings import MailSettings, MessageSettings
from hub.webhooks.settings import WebhookSettings
from tests.acceptance.authorization import calls, events, tools
from tests.acceptance.authorization.callers import NOTE, World
from tests.acceptance.authorization.requests import (
    REST,
    Build,
    open_request,
    open_routes,
    rest_routes,
)
from tests.acceptance.authorization.table import (
    CALLERS,
    PAGE,
    Row,
    line,
    read_tables,
    without_code,
    without_row,
)
from tests.support.mcp_http import serving_http
from tests.support.receiver import receiving
from tests.support.running import Template, clinic_on, config_for, running_hub
from tests.support.screens import ConnectionRefused

ROWS: Final = read_tables(PAGE.read_text(encoding="utf-8"))
SESSION_COMMANDS: Final = {"channel:join", "channel:leave", "auth:refresh"}
ENGINES: Final = pytest.mark.parametrize(
    "template", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)], indirect=True
)
"""Every cell on SQLite; on PostgreSQL a part, and every cell in ``make test-long``."""
MANY: Final[dict[str, Any]] = {
    "api": ApiSettings(rate_per_s=100_000, rate_burst=100_000),
    "reservations": ReservationSettings(max_per_patient=1_000, max_future_per_patient=0),
    "chat": ChatSettings(rate_per_s=10_000, rate_burst=10_000),
    "webhooks": WebhookSettings(allowed_networks=("127.0.0.0/8",), allow_http=True),
    "practice": PracticeSettings(lookups_per_hour=10_000),
}
"""No limit of the hub ends a test of rights."""

Cell = Callable[[str], Awaitable[str]]
"""The outcome for the caller of this name."""


def rows_of(section: str) -> list[Row]:
    return [row for row in ROWS if row.section == section]


@asynccontextmanager
async def world_of(template: Template, folder: Path) -> AsyncIterator[World]:
    async with clinic_on(template, folder, **MANY) as clinic, receiving() as receiver:
        yield World(clinic, receiver)


@pytest.fixture
async def world(template: Template, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(template, tmp_path) as world:
        yield world


async def check(row: Row, cell: Cell) -> list[str]:
    """The row as it should stand on the page, if any cell is otherwise; else nothing."""
    found = {name: await cell(name) for name in CALLERS}
    return [] if found == row.cells else [line(row.call, row.target, found)]


def agree(wrong: list[str]) -> None:
    assert not wrong, "these rows of docs/authorization.md are otherwise:\n" + "\n".join(wrong)


# --- nothing is without a row -------------------------------------------------------------


def known_channels() -> set[str]:
    """Each kind of channel, as the page writes it, from the functions and names of the code."""
    made = {
        maker("{id}")
        for _, maker in inspect.getmembers(channels, inspect.isfunction)
        if maker.__annotations__.get("return") is channels.Channel
    }
    made = {name for name in made if ":" in name}
    return made | {channels.AVAILABILITY_ALL, channels.HUB_STATUS}


def kinds_of(section: str) -> set[str]:
    return {re.sub(r"\{\w+\}", "{id}", row.call) for row in rows_of(section)}


def test_every_route_has_rows_and_a_request() -> None:
    routes = rest_routes(ROUTES)
    assert without_row(ROWS, "Routes", routes) == set(), "add rows to docs/authorization.md"
    assert without_code(ROWS, "Routes", routes) == set(), "rows of routes that are gone"
    stated = {(row.call, row.target) for row in rows_of("Routes")}
    assert stated == {(call, target) for call, targets in REST.items() for target in targets}


def test_a_new_route_without_a_row_is_noticed() -> None:
    route: AnyRoute = replace(show.route, path="/api/appointments/{id}/x-rays")
    with_new = {**ROUTES, "X-rays": (RouteHandler(route, show.handler),)}
    missing = {"GET /api/appointments/{id}/x-rays"}
    assert without_row(ROWS, "Routes", rest_routes(with_new)) == missing
    assert without_code(ROWS, "Routes", rest_routes({"People": ROUTES["People"]})) != set()


def test_every_command_and_namespace_has_rows() -> None:
    known = set(commands.COMMANDS) | SESSION_COMMANDS
    assert {row.call for row in rows_of("Commands")} == known == set(calls.COMMANDS)
    stated = {(row.call, row.target) for row in rows_of("Commands")}
    assert stated == {(call, on) for call, targets in calls.COMMANDS.items() for on in targets}
    assert {row.call for row in rows_of("Namespaces")} == set(NAMESPACES)


def test_every_channel_has_a_row_for_each_protocol() -> None:
    assert kinds_of("Channels") == known_channels()
    stated = {(row.call, row.target) for row in rows_of("Channels")}
    assert stated == {(channel, wire) for channel in calls.CHANNELS for wire in calls.WIRES}


@pytest.mark.parametrize("template", ["sqlite"], indirect=True)
async def test_every_other_address_has_a_row(template: Template, tmp_path: Path) -> None:
    with template.copied_to(tmp_path) as database:
        async with running_hub(config_for(database)) as running:
            known = open_routes(running.hub.edge.app)
    assert without_row(ROWS, "Open addresses", known) == set()
    assert without_code(ROWS, "Open addresses", known) == set()


def test_every_tool_has_a_row() -> None:
    assert {row.call for row in rows_of("Tools")} == {tool.__name__ for tool, *_ in TOOLS}
    stated = {(row.call, row.target) for row in rows_of("Tools")}
    assert stated == {(tool, on) for tool, targets in tools.TOOLS.items() for on in targets}


FOREIGN: Final = ("P's", "bot→P's", "bot's", "admin's")
"""What belongs to some callers, and must not be known to others."""


@pytest.mark.parametrize("section", ["Routes", "Commands", "Tools"])
def test_what_is_not_ones_own_is_refused_like_what_does_not_exist(section: str) -> None:
    """A difference would reveal that it exists; callers who may read it know that anyway."""
    rows = {(row.call, row.target): row for row in rows_of(section)}
    known = {
        (row.target, name)
        for row in rows.values()
        for name, outcome in row.cells.items()
        if outcome.startswith(("2", "ok"))
    }
    compared = 0
    for (call, target), row in rows.items():
        unknown = rows.get((call, "unknown hold" if "hold" in target else "unknown"))
        if unknown is None or not target.startswith(FOREIGN):
            continue
        for name, outcome in row.cells.items():
            if (target.partition(":")[0], name) not in known:
                compared += 1
                assert outcome == unknown.cells[name], (call, target, name)
    assert compared >= 20, section


def test_every_event_has_a_row() -> None:
    stated = {row.call for row in rows_of("Events")}
    assert stated | events.NOTICES == events.types_in_code() | {"postgres_changes"}
    assert "hub.status" in stated


# --- the cells ------------------------------------------------------------------------------


@pytest.mark.timeout(300)  # thousands of requests, one after the other
@ENGINES
async def test_routes_of_the_api(world: World) -> None:
    agree(await wrong_routes(world, rows_of("Routes")))


@pytest.mark.parametrize("template", ["postgres"], indirect=True)
async def test_reads_of_single_resources_on_postgresql(world: World) -> None:
    rows = [row for row in rows_of("Routes") if re.match(r"GET .*\{", row.call)]
    assert len(rows) > 10
    agree(await wrong_routes(world, rows))


async def wrong_routes(world: World, rows: Iterable[Row]) -> list[str]:
    wrong = []
    for row in rows:
        build = REST[row.call][row.target]

        async def cell(name: str, build: Build = build, route: str = row.call) -> str:
            sent = await build(world)
            return await calls.rest(world, world.bearers()[name], route, sent)

        wrong += await check(row, cell)
    return wrong


@pytest.mark.parametrize("template", ["sqlite"], indirect=True)
async def test_without_a_consent_a_chatbot_may_do_nothing(
    template: Template, tmp_path: Path
) -> None:
    """The page assumes consents; here they must be recorded, and none is."""
    recorded: dict[str, Any] = {"chatbot": ChatbotSettings(consent="recorded")}
    async with (
        clinic_on(template, tmp_path, **MANY, **recorded) as clinic,
        receiving() as receiver,
    ):
        world = World(clinic, receiver)
        one_of_each = {row.call: row for row in rows_of("Routes") if "bot→P" not in row.target}
        for row in one_of_each.values():
            sent = await REST[row.call][row.target](world)
            found = await calls.rest(world, world.bearers()["bot→P"], row.call, sent)
            assert found == "403 CONSENT_REQUIRED", (row.call, row.target)
        uncalled = {row.call for row in rows_of("Routes")} - one_of_each.keys()
        assert uncalled <= {"GET /api/webhooks"}, uncalled
        with pytest.raises(ConnectionRefused, match="CONSENT_REQUIRED"):
            await clinic.connect("/chatbot", world.bearers()["bot→P"].socket_auth)


@ENGINES
async def test_addresses_outside_of_the_api(world: World) -> None:
    wrong = []
    for row in rows_of("Open addresses"):
        method, path = open_request(row.call)

        async def cell(name: str, method: str = method, path: str = path) -> str:
            return await calls.opened(world, world.bearers()[name], method, path)

        wrong += await check(row, cell)
    agree(wrong)


@ENGINES
async def test_tools_of_the_mcp_server(world: World) -> None:
    wrong = []
    async with (
        serving_http(world.clinic.url) as url,
        tools.assistants(url, world.bearers()) as assistants,
    ):
        for row in rows_of("Tools"):
            arguments = tools.TOOLS[row.call][row.target]

            async def cell(name: str, tool: str = row.call, arguments: Any = arguments) -> str:
                client = assistants[name]
                if isinstance(client, str):
                    return client
                return await tools.call(client, tool, await arguments(world))

            wrong += await check(row, cell)
    agree(wrong)


@ENGINES
async def test_commands_and_namespaces_of_socketio(world: World) -> None:
    wrong = []
    for row in rows_of("Namespaces"):

        async def connect(name: str, namespace: str = row.call) -> str:
            return await calls.namespace(world, world.bearers()[name], namespace)

        wrong += await check(row, connect)
    async with calls.sockets(world) as screens:
        for row in rows_of("Commands"):
            data = calls.COMMANDS[row.call][row.target]

            async def cell(name: str, command: str = row.call, data: Any = data) -> str:
                screen = screens.get(name)
                return await calls.command(screen, command, await data(world)) if screen else "–"

            wrong += await check(row, cell)
    agree(wrong)


@ENGINES
async def test_channels_over_every_protocol(world: World) -> None:
    wrong = []
    async with calls.sockets(world) as screens:
        wire = calls.Wire(world, screens)
        for row in rows_of("Channels"):
            channel = calls.CHANNELS[row.call](world)

            async def cell(name: str, channel: str = channel, over: str = row.target) -> str:
                if over == "socket":
                    return await wire.socket(name, channel)
                bearer = world.bearers()[name]
                found: str = await getattr(wire, over)(bearer, channel)
                return found

            wrong += await check(row, cell)
    agree(wrong)


@ENGINES
async def test_events_reach_those_whom_they_concern(template: Template, tmp_path: Path) -> None:
    """Those who may join a channel receive its events over every protocol; others do not."""
    short = {
        "reservations": replace(MANY["reservations"], hold_seconds=1.0),
        "messages": MessageSettings(enabled=True, per_recipient_per_day=1),  # more fail
        "mail": MailSettings(folder=str(tmp_path / "mails"), sender="desk@practice.example"),
    }
    async with (
        clinic_on(template, tmp_path, **{**MANY, **short}) as clinic,
        receiving() as receiver,
    ):
        world = World(clinic, receiver)
        async with events.listening_everywhere(world, rows_of("Channels")) as ears:
            await events.make_everything_happen(world)
            await events.until_all_arrived(ears, expected(ears))
            found = {name: ears.types(name) for name in ears.screens}
            wrong = []
            for row in rows_of("Events"):

                async def cell(name: str, event: str = row.call) -> str:
                    wires = {wire for wire, types in found.get(name, {}).items() if event in types}
                    return arrival(wires, ears.wires(name))

                wrong += await check(row, cell)
            agree(wrong)
            for name in ("P2", "D2", "S2", "admin", "bot", "bot→P2"):
                for secret in (NOTE, world.p.id, world.p.name, "+1 555 0199"):
                    assert secret not in ears.everything(name), (name, secret)


def arrival(wires: set[str], usable: set[str]) -> str:
    if not wires:
        return "–"
    return "yes" if wires == usable else " + ".join(sorted(wires))


def expected(ears: events.Ears) -> dict[str, dict[str, set[str]]]:
    """The events that each caller receives over each protocol, by the page."""
    wanted: dict[str, dict[str, set[str]]] = {
        name: {wire: set() for wire in ears.wires(name)} for name in ears.screens
    }
    for row in rows_of("Events"):
        for name, wires in wanted.items():
            for wire, types in wires.items():
                if row.cells[name] == "yes" or wire in row.cells[name].split(" + "):
                    types.add(row.call)
    return wanted
