"""Presence of several nodes: after any loss, all nodes show the same state."""

import json
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

import orjson
import pytest

from actors.domain.channels import Channel
from api.realtime.supabase.presence_registry import PresenceRegistry
from api.realtime.supabase.presence_sync import (
    BURST_BYTES,
    DIGEST_EVERY_S,
    PUBLISH_EVERY_S,
    RATE_BYTES_PER_S,
    PresenceSync,
    PresenceUpdate,
)
from api.realtime.supabase.topic import Topic

DENTIST, PATIENT = Channel("appointments:dentist:d"), Channel("appointments:patient:p")


@dataclass(eq=False)
class FakeTopic:
    """One client's topic, as far as presence goes."""

    channel: Channel
    presence_key: str
    carries_presence: bool = True
    vsn: str = "2.0.0"
    name: str = "realtime:appointments:dentist:1"
    pushed: list[tuple[str, Any]] = field(default_factory=list)

    def push(self, event: str, payload: Any) -> None:
        self.pushed.append((event, json.loads(orjson.dumps(payload))))

    def shared_frame(self, event: str, payload: Any) -> tuple[str, Any]:
        return event, json.loads(orjson.dumps(payload))

    def write(self, frame: tuple[str, Any]) -> None:
        self.pushed.append(frame)


class Node:
    """The presence of one node; its updates go to all nodes of ``world``."""

    def __init__(self, me: str, world: "World") -> None:
        self.me, self._world = me, world
        self.registry = PresenceRegistry(lambda: f"F{next(world.refs)}")
        self.sync = PresenceSync(self.registry, self, lambda: world.now_s)

    @property
    def members(self) -> Collection[str]:
        return tuple(self._world.nodes)

    def publish(self, update: PresenceUpdate) -> None:
        self._world.publish(self, update)

    def watch(self, channel: Channel) -> FakeTopic:
        topic = FakeTopic(channel, "watcher")
        self.registry.watch(cast("Topic", topic))
        return topic

    def track(self, channel: Channel, key: str, **meta: Any) -> FakeTopic:
        topic = FakeTopic(channel, key)
        self.registry.track(cast("Topic", topic), meta)
        return topic

    def untrack(self, topic: FakeTopic) -> None:
        self.registry.leave(cast("Topic", topic))

    def state(self, channel: Channel) -> dict[str, list[str]]:
        """The ``phx_ref`` of each meta, by key."""
        topic = self.watch(channel)
        self.registry.leave(cast("Topic", topic))
        ((_, state),) = topic.pushed
        return {key: sorted(m["phx_ref"] for m in e["metas"]) for key, e in state.items()}


class World:
    def __init__(self, *names: str) -> None:
        self.now_s, self.refs = 0.0, count(1)
        self.nodes: dict[str, Node] = {}
        self.updates: list[tuple[str, PresenceUpdate]] = []
        self.lost: Callable[[], bool] = lambda: False
        for name in names:
            self.join(name)

    def join(self, name: str) -> Node:
        self.nodes[name] = Node(name, self)
        return self.nodes[name]

    def publish(self, sender: Node, update: PresenceUpdate) -> None:
        """The update reaches each other node in order, or is lost."""
        encoded = orjson.dumps(update)
        self.updates.append((sender.me, update))
        for node in self.nodes.values():
            if node is not sender and not self.lost():
                node.sync.receive(sender.me, orjson.loads(encoded))

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / PUBLISH_EVERY_S)):
            self.now_s += PUBLISH_EVERY_S
            for node in list(self.nodes.values()):
                node.sync.publish()


def shown(topic: FakeTopic) -> dict[str, str]:
    """What a client computes from the state and the diffs: key by ``phx_ref``."""
    known: dict[str, str] = {}
    for event, payload in topic.pushed:
        if event == "presence_state":
            known = _refs(payload)
        else:
            for ref in _refs(payload["leaves"]):
                del known[ref]
            known |= _refs(payload["joins"])
    return known


def _refs(state: Mapping[str, Any]) -> dict[str, str]:
    return {meta["phx_ref"]: key for key, e in state.items() for meta in e["metas"]}


def test_all_nodes_show_a_join_an_update_and_a_leave() -> None:
    world = World("a", "b", "c")
    a, b = world.nodes["a"], world.nodes["b"]
    watcher = b.watch(DENTIST)
    topic = a.track(DENTIST, "ada", room=1)
    world.advance(0.2)
    assert shown(watcher) == {"F1": "ada"}
    a.registry.track(cast("Topic", topic), {"room": 2})
    world.advance(0.2)
    assert shown(watcher) == {"F2": "ada"}
    assert watcher.pushed[-1][1]["leaves"]["ada"]["metas"] == [{"room": 1, "phx_ref": "F1"}]
    assert world.nodes["c"].state(DENTIST) == {"ada": ["F2"]}
    assert world.nodes["c"].state(PATIENT) == {}
    a.untrack(topic)
    world.advance(0.2)
    assert shown(watcher) == {}


def test_connections_at_two_nodes_may_share_a_key() -> None:
    world = World("a", "b")
    a, b = world.nodes.values()
    a.track(DENTIST, "ada")
    second = b.track(DENTIST, "ada")
    world.advance(0.2)
    assert a.state(DENTIST) == b.state(DENTIST) == {"ada": ["F1", "F2"]}
    b.untrack(second)
    world.advance(0.2)
    assert a.state(DENTIST) == {"ada": ["F1"]}


def test_the_metas_of_a_gone_node_are_removed() -> None:
    world = World("a", "b")
    a, b = world.nodes.values()
    watcher = b.watch(DENTIST)
    a.track(DENTIST, "ada")
    world.advance(0.2)
    del world.nodes["a"]
    world.advance(0.2)
    assert shown(watcher) == {}
    assert len(b.registry) == 1, "only the watched channel is kept"


def test_a_node_under_a_new_name_is_shown_once() -> None:
    world = World("a", "b")
    a, b = world.nodes.values()
    watcher = b.watch(DENTIST)
    a.track(DENTIST, "ada")
    world.advance(0.2)
    world.nodes, a.me = {"again": a, "b": b}, "again"
    a.track(DENTIST, "eve")  # published before b has removed the old name
    world.advance(0.2)
    assert shown(watcher) == {"F1": "ada", "F2": "eve"}


def test_a_new_node_receives_all_metas() -> None:
    world = World("a", "b")
    topics = [world.nodes["a"].track(DENTIST, f"k{number}") for number in range(3)]
    world.nodes["b"].track(PATIENT, "eve")
    world.advance(5)
    c = world.join("c")
    world.advance(2.5)
    assert c.state(DENTIST) == {f"k{number}": [f"F{number + 1}"] for number in range(len(topics))}
    assert c.state(PATIENT) == {"eve": ["F4"]}


def test_a_resync_is_paged_and_serves_all_nodes() -> None:
    world = World("a")
    a = world.nodes["a"]
    channels = [Channel(f"appointments:patient:p{number}") for number in range(200)]
    for channel in channels:
        a.track(channel, "ada", text="x" * 4_000)
    world.advance(15)
    late = [world.join("b"), world.join("c")]
    start = len(world.updates)
    world.advance(12)
    resync = [each for sender, each in world.updates[start:] if sender == "a" and each["boards"]]
    assert len(resync) > 5, "paged"
    assert sum(update["begins"] for update in resync) == 1
    for node in late:
        assert all(node.state(channel) for channel in channels)


def test_channels_are_published_once_without_loss() -> None:
    world = World("a", "b")
    world.nodes["a"].track(DENTIST, "ada")
    world.advance(10)
    assert sum(bool(update["boards"]) for _, update in world.updates) == 1
    assert len(world.updates) <= 2 * 10 / DIGEST_EVERY_S + 2


@pytest.mark.parametrize("seed", range(20))
def test_all_nodes_agree_after_random_losses(seed: int) -> None:
    chance = random.Random(seed)
    world = World("a", "b", "c")
    watchers = [
        (node, c, node.watch(c)) for node in world.nodes.values() for c in (DENTIST, PATIENT)
    ]
    topics: list[tuple[Node, FakeTopic]] = []
    world.lost = lambda: chance.random() < 0.4
    for _ in range(60):
        if topics and chance.random() < 0.5:
            node, topic = topics.pop(chance.randrange(len(topics)))
            node.untrack(topic)
        else:
            node = chance.choice(list(world.nodes.values()))
            channel = chance.choice((DENTIST, PATIENT))
            topics.append((node, node.track(channel, f"k{chance.randrange(3)}")))
        world.advance(chance.choice((0.1, 0.1, 0.5, 1.5)))
    world.lost = lambda: False
    world.advance(5)
    for node, channel, watcher in watchers:
        expected = _expected(topics, channel)
        assert shown(watcher) == expected
        assert {ref for refs in node.state(channel).values() for ref in refs} == expected.keys()


def _expected(topics: Sequence[tuple[Node, FakeTopic]], channel: Channel) -> dict[str, str]:
    expected: dict[str, str] = {}
    for node, topic in topics:
        if topic.channel == channel:
            for meta in node.registry.local(channel):
                expected[meta.ref] = meta.key
    return expected


def test_updates_have_a_bounded_rate_and_channels_take_turns() -> None:
    world = World("a", "b")
    a, b = world.nodes.values()
    large = {"text": "x" * 4_000}
    busy = [a.track(DENTIST, f"k{number}", **large) for number in range(16)]
    start = len(world.updates)
    for _ in range(300):
        for topic in busy:
            a.registry.track(cast("Topic", topic), large)
        world.advance(PUBLISH_EVERY_S)
    size_bytes = sum(len(orjson.dumps(update)) for _, update in world.updates[start:])
    assert size_bytes < (BURST_BYTES + 30 * RATE_BYTES_PER_S) * 1.2
    a.track(PATIENT, "eve")
    for _ in range(20):
        for topic in busy:
            a.registry.track(cast("Topic", topic), large)
        world.advance(PUBLISH_EVERY_S)
    assert list(b.state(PATIENT)) == ["eve"]


def test_an_update_of_an_unknown_form_changes_nothing() -> None:
    world = World("a", "b")
    a, b = world.nodes.values()
    a.track(DENTIST, "ada")
    world.advance(0.2)
    with pytest.raises((KeyError, TypeError, ValueError)):
        b.sync.receive("a", {"missed": [], "begins": False, "boards": {DENTIST: [["ada"]]}})
    assert b.state(DENTIST) == {"ada": ["F1"]}
