"""The parts of python-socketio that the hub relies on; an upgrade that changes them fails here."""

import ast
import inspect
from pathlib import Path

import pytest
import socketio  # type: ignore[import-untyped]  # ships no types

from api.realtime.engineio.engine import Engine
from api.realtime.rooms.fairness import TimeSlice
from api.realtime.rooms.send_buffer import SendPolicy
from api.realtime.rooms.settings import RealtimeSettings
from api.realtime.socketio import library
from api.realtime.socketio.library import (
    PRIVATE_NAMES,
    Client,
    ClientRegistry,
    ConnectionHandlers,
    ConnectionRefused,
    EngineServer,
    SocketIOLibrary,
)
from api.realtime.socketio.packets import HubPacket

LIBRARY_CLASSES = {
    SocketIOLibrary: socketio.AsyncServer,
    ClientRegistry: socketio.AsyncManager,
    ConnectionHandlers: socketio.AsyncNamespace,
    HubPacket: socketio.packet.Packet,
}
ENGINE_OF_OTHER_FEATURES = {
    "attach",
    "create_event",
    "get_session",
    "handle_request",
    "send_packet",
    "shutdown",
    "sleep",
    "start_background_task",
    "transport",
}
"""Engine.IO methods that only features call which the hub does not use, such as ``emit``."""


def test_only_the_listed_private_names_are_overridden() -> None:
    overridden = {
        name
        for ours, theirs in LIBRARY_CLASSES.items()
        for name in vars(ours)
        if name.startswith("_") and not name.startswith("__") and hasattr(theirs, name)
    }
    assert overridden == set(PRIVATE_NAMES)


@pytest.mark.parametrize("module", [library, *map(inspect.getmodule, LIBRARY_CLASSES)])
def test_no_private_attribute_of_the_library_is_used(module: object) -> None:
    """Private attributes are those of ``self``, and of nothing else."""
    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]  # a module
    theirs = set().union(*(dir(each) for each in LIBRARY_CLASSES.values())) | {"_binary_packet"}
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr in theirs
    }
    assert {name for name in used if not name.startswith("__")} == set()


def test_the_engine_is_made_by_one_call_with_keywords() -> None:
    base = socketio.AsyncServer
    assert str(inspect.signature(base._engineio_server_class)) == "(self)"
    source = inspect.getsource(base.__init__) + inspect.getsource(base.__mro__[1].__init__)
    assert source.count("self._engineio_server_class()(**engineio_options)") == 1


def test_the_library_needs_nothing_else_of_an_engine() -> None:
    folder = Path(inspect.getfile(socketio)).parent
    used = {
        node.attr
        for name in ("async_server", "base_server", "async_manager", "base_manager")
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "eio"
    }
    stated = {*vars(EngineServer), *EngineServer.__annotations__}
    needed = {name for name in stated if not name.startswith("_")}
    assert used == needed | ENGINE_OF_OTHER_FEATURES


class Recorder:
    """An admission that refuses one client's token, and records its calls."""

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal
        self.client: Client | None = None

    async def admit(self, client: Client, auth: object) -> None:
        self.journal.append("admit")
        if auth == {"token": "bad"}:
            raise ConnectionRefused("UNAUTHORIZED", {"code": "UNAUTHORIZED"})
        self.client = client

    def connected(self, sid: str) -> None:
        self.journal.append("connected")

    def disconnected(self, sid: str, reason: str) -> None:
        self.journal.append(f"disconnected: {reason}")


class RecordingEngine(Engine):
    """An engine without connections; what is sent goes into the journal."""

    def __init__(self, journal: list[str]) -> None:
        super().__init__(
            NoListener(),
            RealtimeSettings(),
            send_policy=SendPolicy(time_slice=TimeSlice(), max_bytes=1_000),
            on_slow=lambda: None,
        )
        self.journal = journal

    def send(self, sid: str, message: str) -> None:
        self.journal.append(f"sent {message.partition('{')[0]}")

    async def hang_up(self, sid: str) -> None:
        self.journal.append("hung up")


class NoListener:
    async def opened(self, sid: str) -> None: ...

    def message(self, sid: str, data: str | bytes) -> None: ...

    def message_now(self, sid: str, data: str) -> bool:
        return False

    async def closed(self, sid: str, reason: str) -> None: ...


class World:
    def __init__(self) -> None:
        self.journal: list[str] = []
        self.admission = Recorder(self.journal)
        self.library = SocketIOLibrary(RecordingEngine(self.journal), self.admission)


@pytest.fixture
async def world() -> World:
    world = World()
    await world.library.opened("e1")
    return world


async def test_connect_is_answered_before_the_client_counts_as_connected(world: World) -> None:
    await world.library.handle("e1", '0/patient,{"token":"good"}')
    assert world.journal == ["admit", "sent 0/patient,", "connected"]
    assert world.library.clients.has_any("e1")


async def test_a_refused_client_leaves_nothing_behind(world: World) -> None:
    await world.library.handle("e1", '0/patient,{"token":"bad"}')
    assert world.journal == ["admit", "sent 4/patient,"]
    assert not world.library.clients.has_any("e1")
    assert not world.library.clients.pending_connect


async def test_unknown_and_repeated_namespaces_are_refused_without_admission(world: World) -> None:
    await world.library.handle("e1", "0/nowhere,{}")
    assert world.journal == ["sent 4/nowhere,"]
    await world.library.handle("e1", "0/patient,{}")
    await world.library.handle("e1", "0/patient,{}")
    assert world.journal[1:] == ["admit", "sent 0/patient,", "connected", "sent 4/patient,"]


async def test_a_connection_that_closes_during_admission_is_forgotten(world: World) -> None:
    admit = world.admission.admit

    async def slowly(client: Client, auth: object) -> None:
        await admit(client, auth)
        await world.library.closed("e1", "transport close")

    world.admission.admit = slowly  # type: ignore[method-assign]  # a slow database
    await world.library.handle("e1", "0/patient,{}")
    assert world.journal == ["admit", "sent 0/patient,", "disconnected: transport close"]
    assert not world.library.clients.has_any("e1")
    assert not world.library.clients.rooms


async def test_disconnecting_one_namespace_keeps_the_connection_of_another(world: World) -> None:
    await world.library.handle("e1", "0/patient,{}")
    first = world.admission.client
    await world.library.handle("e1", "0/admin,{}")
    second = world.admission.client
    assert first is not None
    assert second is not None
    world.journal.clear()
    await first.disconnect()
    assert world.journal == ["sent 1/patient,", "disconnected: server disconnect"]
    await second.disconnect()
    assert world.journal[2:] == ["sent 1/admin,", "disconnected: server disconnect", "hung up"]


async def test_a_disconnect_of_the_client_ends_only_its_namespace(world: World) -> None:
    await world.library.handle("e1", "0/patient,{}")
    await world.library.handle("e1", "1/patient,")
    assert world.journal[-1] == "disconnected: client disconnect"
    assert "e1" in world.library.environ
