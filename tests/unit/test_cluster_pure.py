"""Placement, leases, routing and continuity: what a node decides without any request."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.cluster.calendars.routing import (
    Accept,
    NoNode,
    OtherNode,
    Redirect,
    ThisNode,
    accept,
    route,
)
from hub.cluster.internal.signing import NonceCache, NotAuthentic, check, sign
from hub.cluster.members.lease import Lease
from hub.cluster.members.placement import place
from hub.cluster.members.view import ClusterView
from hub.cluster.stream.continuity import Continuity

names = st.text("abcdef", min_size=1, max_size=4)
node_sets = st.lists(names, min_size=1, max_size=6, unique=True)
KEYS = [f"dentist-{n}" for n in range(300)]


# --- placement -------------------------------------------------------------------------


@given(nodes=node_sets, key=names, seed=st.integers())
def test_placement_does_not_depend_on_the_order_of_the_nodes(
    nodes: list[str], key: str, seed: int
) -> None:
    shuffled = random.Random(seed).sample(nodes, len(nodes))
    assert place(key, nodes) == place(key, shuffled)
    assert place(key, nodes) in nodes


@given(nodes=node_sets, gone=st.integers(0, 5))
def test_only_the_keys_of_a_node_move_when_it_leaves(nodes: list[str], gone: int) -> None:
    left = [node for n, node in enumerate(nodes) if n != gone % len(nodes)]
    lost = nodes[gone % len(nodes)]
    for key in KEYS[:50]:
        before = place(key, nodes)
        assert before == lost or place(key, left) == before


def test_calendars_are_spread_evenly() -> None:
    counts = dict.fromkeys(("a", "b", "c"), 0)
    for key in KEYS:
        counts[str(place(key, counts))] += 1
    assert all(70 <= count <= 130 for count in counts.values()), counts


def test_without_nodes_nothing_is_placed() -> None:
    assert place("key", []) is None


# --- leases ----------------------------------------------------------------------------


def test_a_lease_begins_with_the_sending_of_its_renewal() -> None:
    lease = Lease(ttl_s=6, margin_s=1).renewed(100.0)
    assert lease.held(104.9)
    assert not lease.held(105.0), "the margin is not used"
    assert not lease.lost().held(100.1)


def test_a_node_evicts_others_only_after_an_unbroken_lease_of_its_own() -> None:
    lease = Lease(ttl_s=6, margin_s=1).renewed(0.0)
    assert not lease.may_evict(2.0), "other nodes may have missed renewals before"
    lease = lease.renewed(2.0).renewed(4.0).renewed(6.0)
    assert lease.may_evict(6.0)
    after_outage = lease.renewed(30.0)
    assert not after_outage.may_evict(31.0)
    assert after_outage.renewed(33.0).renewed(36.0).may_evict(36.0)


@dataclass
class _Database:
    """The lease table with a clock of its own, as ``store.postgres.nodes`` has it."""

    now_s: float = 1_000.0
    until: dict[str, float] = field(default_factory=dict)
    owner: str | None = None

    def renew(self, node: str, ttl_s: float) -> bool:
        if node not in self.until:
            return False
        self.until[node] = self.now_s + ttl_s
        return True

    def evict(self) -> None:
        self.until = {node: at for node, at in self.until.items() if at > self.now_s}

    def claim(self, node: str) -> bool:
        if node in self.until and self.owner not in (set(self.until) - {node}):
            self.owner = node
        return self.owner == node


@pytest.mark.parametrize("seed", range(40))
def test_two_nodes_are_never_certain_of_the_same_calendar(seed: int) -> None:
    """Simulates nodes with wrong clocks, slow or lost renewals, and owners that are cut off.

    Each clock has its own start and runs up to 1 % too fast or too slow.
    """
    chance = random.Random(seed)
    database, ttl_s, margin_s = _Database(), 6.0, 1.0
    names = ["a", "b", "c"]
    offset = {n: chance.uniform(-1e6, 1e6) for n in names}
    speed = {n: chance.uniform(0.99, 1.01) for n in names}
    leases = {n: Lease(ttl_s=ttl_s, margin_s=margin_s) for n in names}
    lives = dict.fromkeys(names, 0)
    owns: dict[str, bool] = dict.fromkeys(names, False)
    cut = dict.fromkeys(names, 0.0)
    pending: list[tuple[float, str, str, float]] = []
    changes = 0
    last_owner = ""
    for step in range(4_000):
        database.now_s = 1_000.0 + step * 0.05
        local = {n: offset[n] + database.now_s * speed[n] for n in names}
        for name in names:
            if chance.random() < 0.002:
                cut[name] = database.now_s + chance.uniform(1, 15)
            if database.now_s < cut[name] or chance.random() > 0.05:
                continue
            life = f"{name}{lives[name]}"
            if life not in database.until:  # evicted or new: a new incarnation, which owns nothing
                owns[name] = False
                lives[name] += 1
                life = f"{name}{lives[name]}"
                database.until[life] = database.now_s + ttl_s
                leases[name] = leases[name].lost().renewed(local[name])
                continue
            sent = local[name]
            assert database.renew(life, ttl_s)
            pending.append((database.now_s + chance.uniform(0, 3), name, life, sent))
            if leases[name].may_evict(sent):
                database.evict()
            if leases[name].held(local[name]) and chance.random() < 0.5:
                owns[name] = database.claim(life)
        for due in [each for each in pending if each[0] <= database.now_s]:
            pending.remove(due)
            _, name, life, sent = due
            known = leases[name].sent_s
            if life == f"{name}{lives[name]}" and known is not None and sent >= known:
                leases[name] = leases[name].renewed(sent)
        certain = [n for n in names if owns[n] and leases[n].held(local[n])]
        assert len(certain) <= 1, (seed, step, certain)
        if certain and certain[0] != last_owner:
            last_owner, changes = certain[0], changes + 1
    assert changes >= 2, "the simulation must move the ownership"


# --- routing ---------------------------------------------------------------------------


def _view(me: str, *nodes: str, leaving: tuple[str, ...] = ()) -> ClusterView:
    return ClusterView(me=me, epoch=1, nodes=nodes, leaving=frozenset(leaving))


@given(nodes=node_sets, key=names)
def test_with_equal_views_a_request_needs_one_hop(nodes: list[str], key: str) -> None:
    for me in nodes:
        there = route(_view(me, *nodes), key, is_active=False, owner=None)
        if isinstance(there, OtherNode):
            assert accept(_view(there.id, *nodes), key, is_active=False, named=False) == Accept()
        else:
            assert there == ThisNode()
            assert place(key, nodes) == me


@given(old=node_sets, new=node_sets, key=names)
def test_a_redirect_names_the_node_of_the_newer_view(
    old: list[str], new: list[str], key: str
) -> None:
    where = place(key, old)
    if where not in new:
        return
    answer = accept(_view(str(where), *new), key, is_active=False, named=False)
    right = place(key, new)
    assert answer == (Accept() if right == where else Redirect(right))


def test_an_active_calendar_and_a_named_owner_come_before_placement() -> None:
    view = _view("a", "a", "b")
    for key in KEYS[:20]:
        assert route(view, key, is_active=True, owner="b") == ThisNode()
        assert route(view, key, is_active=False, owner="b") == OtherNode("b")
        assert accept(view, key, is_active=False, named=True) == Accept()


def test_nothing_is_placed_on_a_leaving_node_unless_all_leave() -> None:
    leaving = _view("a", "a", "b", leaving=("a",))
    alone = _view("a", "a", leaving=("a",))
    for key in KEYS[:20]:
        assert route(leaving, key, is_active=False, owner=None) == OtherNode("b")
        assert accept(leaving, key, is_active=False, named=True) == Redirect("b")
        assert accept(alone, key, is_active=False, named=False) == Accept()


def test_a_node_that_is_no_member_owns_nothing() -> None:
    assert route(_view("a"), "key", is_active=True, owner=None) == NoNode()
    assert route(_view("a", "b"), "key", is_active=True, owner=None) == OtherNode("b")


# --- continuity ------------------------------------------------------------------------


@given(kept=st.lists(st.booleans(), min_size=1, max_size=40))
def test_a_skipped_number_is_noticed_at_the_next_entry(kept: list[bool]) -> None:
    stream = Continuity(silence_s=3)
    last = 0
    for number, arrives in enumerate(kept, 1):
        if arrives:
            assert stream.received("n", number, 0.0) is (number == last + 1)
            last = number


def test_a_silent_member_is_noticed_and_a_former_one_is_forgotten() -> None:
    stream = Continuity(silence_s=3)
    assert stream.silent(["a", "b"], 0.0) == ()
    stream.received("a", 1, 2.0)
    assert stream.silent(["a", "b"], 4.0) == ("b",)
    stream.keep_only(["b"])
    assert not stream.received("a", 5, 5.0), "its former numbers are forgotten"


def test_a_repeated_entry_is_no_gap() -> None:
    stream = Continuity(silence_s=3)
    assert stream.received("a", 1, 0.0)
    assert stream.received("a", 2, 0.0)
    assert stream.received("a", 1, 0.0)
    assert stream.received("a", 3, 0.0)


# --- signatures ------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=4), min_size=2, max_size=4))
def test_a_signature_covers_exactly_its_parts(parts: list[bytes]) -> None:
    key = b"k" * 32
    signature = sign(key, *parts)
    check(key, signature, *parts)
    with pytest.raises(NotAuthentic):
        check(b"x" * 32, signature, *parts)
    with pytest.raises(NotAuthentic):
        check(key, signature, b"".join(parts[:2]), *parts[2:])


def test_a_nonce_is_accepted_once_and_for_a_limited_time() -> None:
    nonces = NonceCache()
    nonces.add("n1", 100.0, 100.0)
    with pytest.raises(NotAuthentic, match="before"):
        nonces.add("n1", 100.0, 101.0)
    with pytest.raises(NotAuthentic, match="clocks"):
        nonces.add("n2", 100.0, 131.0)
    with pytest.raises(NotAuthentic, match="clocks"):
        nonces.add("n3", 140.0, 100.0)
