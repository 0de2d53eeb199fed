"""One presence of many nodes: whatever gets lost between them, it comes to the same everywhere."""

import json
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

import orjson
import pytest

from actors.domain.channels import Channel
from api.realtime.supabase.presence_registry import Halls
from api.realtime.supabase.presence_sync import (
    BURST_BYTES,
    RATE_BYTES_PER_S,
    SAY_EVERY_S,
    SUM_EVERY_S,
    Exchange,
)
from api.realtime.supabase.topic import Topic

DESK, CHAIR = Channel("appointments:dentist:d"), Channel("appointments:patient:p")


@dataclass(eq=False)
class Seat:
    """One client's topic, as far as presence goes."""

    channel: Channel
    presence_key: str
    carries_presence: bool = True
    vsn: str = "2.0.0"
    told: list[tuple[str, Any]] = field(default_factory=list)

    def push(self, event: str, payload: Any) -> None:
        self.told.append((event, json.loads(orjson.dumps(payload))))

    def frame(self, event: str, payload: Any) -> tuple[str, Any]:
        return event, json.loads(orjson.dumps(payload))

    def write(self, frame: tuple[str, Any]) -> None:
        self.told.append(frame)


class Node:
    """The presence of one node; what it says goes to all that are in ``world``."""

    def __init__(self, me: str, world: "World") -> None:
        self.me, self._world = me, world
        self.halls = Halls(lambda: f"F{next(world.refs)}")
        self.exchange = Exchange(self.halls, self, lambda: world.now_s)

    @property
    def members(self) -> Collection[str]:
        return tuple(self._world.nodes)

    def tell(self, said: Mapping[str, Any]) -> None:
        self._world.tell(self, said)

    def watch(self, channel: Channel) -> Seat:
        seat = Seat(channel, "watcher")
        self.halls.watch(cast("Topic", seat))
        return seat

    def track(self, channel: Channel, key: str, **said: Any) -> Seat:
        seat = Seat(channel, key)
        self.halls.track(cast("Topic", seat), said)
        return seat

    def untrack(self, seat: Seat) -> None:
        self.halls.leave(cast("Topic", seat))

    def state(self, channel: Channel) -> dict[str, list[str]]:
        """Who is there, by key: the ``phx_ref`` of each entry."""
        seat = self.watch(channel)
        self.halls.leave(cast("Topic", seat))
        ((_, state),) = seat.told
        return {key: sorted(m["phx_ref"] for m in e["metas"]) for key, e in state.items()}


class World:
    def __init__(self, *names: str) -> None:
        self.now_s, self.refs = 0.0, count(1)
        self.nodes: dict[str, Node] = {}
        self.said: list[tuple[str, Mapping[str, Any]]] = []
        self.lost: Callable[[], bool] = lambda: False
        for name in names:
            self.join(name)

    def join(self, name: str) -> Node:
        self.nodes[name] = Node(name, self)
        return self.nodes[name]

    def tell(self, speaker: Node, said: Mapping[str, Any]) -> None:
        """What was said arrives at each other node, in order, or is lost to it."""
        wire = orjson.dumps(said)
        self.said.append((speaker.me, said))
        for node in self.nodes.values():
            if node is not speaker and not self.lost():
                node.exchange.hear(speaker.me, orjson.loads(wire))

    def pass_(self, seconds: float) -> None:
        for _ in range(round(seconds / SAY_EVERY_S)):
            self.now_s += SAY_EVERY_S
            for node in list(self.nodes.values()):
                node.exchange.say()


def shown(seat: Seat) -> dict[str, str]:
    """What a client counts together from the state and the diffs: key by ``phx_ref``."""
    known: dict[str, str] = {}
    for event, payload in seat.told:
        if event == "presence_state":
            known = _refs(payload)
        else:
            for ref in _refs(payload["leaves"]):
                del known[ref]
            known |= _refs(payload["joins"])
    return known


def _refs(presences: Mapping[str, Any]) -> dict[str, str]:
    return {meta["phx_ref"]: key for key, e in presences.items() for meta in e["metas"]}


def test_who_comes_changes_and_goes_at_one_node_does_so_at_all() -> None:
    world = World("a", "b", "c")
    a, b = world.nodes["a"], world.nodes["b"]
    watcher = b.watch(DESK)
    seat = a.track(DESK, "ada", room=1)
    world.pass_(0.2)
    assert shown(watcher) == {"F1": "ada"}
    a.halls.track(cast("Topic", seat), {"room": 2})
    world.pass_(0.2)
    assert shown(watcher) == {"F2": "ada"}
    assert watcher.told[-1][1]["leaves"]["ada"]["metas"] == [{"room": 1, "phx_ref": "F1"}]
    assert world.nodes["c"].state(DESK) == {"ada": ["F2"]}
    assert world.nodes["c"].state(CHAIR) == {}
    a.untrack(seat)
    world.pass_(0.2)
    assert shown(watcher) == {}


def test_windows_of_one_person_at_two_nodes_share_a_key() -> None:
    world = World("a", "b")
    a, b = world.nodes.values()
    a.track(DESK, "ada")
    here = b.track(DESK, "ada")
    world.pass_(0.2)
    assert a.state(DESK) == b.state(DESK) == {"ada": ["F1", "F2"]}
    b.untrack(here)
    world.pass_(0.2)
    assert a.state(DESK) == {"ada": ["F1"]}


def test_a_node_that_is_gone_takes_its_presences_with_it() -> None:
    world = World("a", "b")
    a, b = world.nodes.values()
    watcher = b.watch(DESK)
    a.track(DESK, "ada")
    world.pass_(0.2)
    del world.nodes["a"]
    world.pass_(0.2)
    assert shown(watcher) == {}
    assert len(b.halls) == 1, "nothing is kept but what is watched"


def test_a_process_that_lives_anew_under_another_name_is_there_once() -> None:
    world = World("a", "b")
    a, b = world.nodes.values()
    watcher = b.watch(DESK)
    a.track(DESK, "ada")
    world.pass_(0.2)
    world.nodes, a.me = {"again": a, "b": b}, "again"
    a.track(DESK, "eve")  # so that it says both before b has looked around
    world.pass_(0.2)
    assert shown(watcher) == {"F1": "ada", "F2": "eve"}


def test_a_node_that_comes_later_learns_who_is_there() -> None:
    world = World("a", "b")
    seats = [world.nodes["a"].track(DESK, f"k{number}") for number in range(3)]
    world.nodes["b"].track(CHAIR, "eve")
    world.pass_(5)
    c = world.join("c")
    world.pass_(2.5)
    assert c.state(DESK) == {f"k{number}": [f"F{number + 1}"] for number in range(len(seats))}
    assert c.state(CHAIR) == {"eve": ["F4"]}


def test_much_is_said_again_over_a_while_and_once_for_all_who_ask() -> None:
    world = World("a")
    a = world.nodes["a"]
    channels = [Channel(f"appointments:patient:p{number}") for number in range(200)]
    for channel in channels:
        a.track(channel, "somebody", text="x" * 4_000)
    world.pass_(15)
    late = [world.join("b"), world.join("c")]
    said_at = len(world.said)
    world.pass_(12)
    again = [said for speaker, said in world.said[said_at:] if speaker == "a" and said["boards"]]
    assert len(again) > 5, "in parts"
    assert sum(said["begins"] for said in again) == 1
    for node in late:
        assert all(node.state(channel) for channel in channels)


def test_nothing_is_repeated_while_nothing_is_missed() -> None:
    world = World("a", "b")
    world.nodes["a"].track(DESK, "ada")
    world.pass_(10)
    assert sum(bool(said["boards"]) for _, said in world.said) == 1
    assert len(world.said) <= 2 * 10 / SUM_EVERY_S + 2


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_lost_all_show_the_same_soon_after_it_is_not_any_more(seed: int) -> None:
    chance = random.Random(seed)
    world = World("a", "b", "c")
    watchers = [(node, c, node.watch(c)) for node in world.nodes.values() for c in (DESK, CHAIR)]
    seats: list[tuple[Node, Seat]] = []
    world.lost = lambda: chance.random() < 0.4
    for _ in range(60):
        if seats and chance.random() < 0.5:
            node, seat = seats.pop(chance.randrange(len(seats)))
            node.untrack(seat)
        else:
            node = chance.choice(list(world.nodes.values()))
            channel = chance.choice((DESK, CHAIR))
            seats.append((node, node.track(channel, f"k{chance.randrange(3)}")))
        world.pass_(chance.choice((0.1, 0.1, 0.5, 1.5)))
    world.lost = lambda: False
    world.pass_(5)
    for node, channel, watcher in watchers:
        wanted = _wanted(seats, channel)
        assert shown(watcher) == wanted
        assert {ref for refs in node.state(channel).values() for ref in refs} == wanted.keys()


def _wanted(seats: Sequence[tuple[Node, Seat]], channel: Channel) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for node, seat in seats:
        if seat.channel == channel:
            for entry in node.halls.own(channel):
                wanted[entry.ref] = entry.key
    return wanted


def test_who_changes_all_the_time_is_said_at_a_bounded_rate_and_others_have_their_turn() -> None:
    world = World("a", "b")
    a, b = world.nodes.values()
    large = {"text": "x" * 4_000}
    loud = [a.track(DESK, f"k{number}", **large) for number in range(16)]
    said_at = len(world.said)
    for _ in range(300):
        for seat in loud:
            a.halls.track(cast("Topic", seat), large)
        world.pass_(SAY_EVERY_S)
    said_bytes = sum(len(orjson.dumps(said)) for _, said in world.said[said_at:])
    assert said_bytes < (BURST_BYTES + 30 * RATE_BYTES_PER_S) * 1.2
    a.track(CHAIR, "eve")
    for _ in range(20):
        for seat in loud:
            a.halls.track(cast("Topic", seat), large)
        world.pass_(SAY_EVERY_S)
    assert list(b.state(CHAIR)) == ["eve"]


def test_what_cannot_be_read_changes_nothing() -> None:
    world = World("a", "b")
    a, b = world.nodes.values()
    a.track(DESK, "ada")
    world.pass_(0.2)
    with pytest.raises((KeyError, TypeError, ValueError)):
        b.exchange.hear("a", {"missed": [], "begins": False, "boards": {DESK: [["ada"]]}})
    assert b.state(DESK) == {"ada": ["F1"]}
