"""The presence of a channel: states, diffs and bounds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.realtime.supabase.presence import (
    META_BYTES_MAX,
    STATE_BYTES_MAX,
    PresenceDiff,
    PresenceLimitExceeded,
    PresenceMeta,
    PresenceState,
)
from tests.unit.test_supabase_frames import JSON


def payload(diff: PresenceDiff | None) -> Any:
    assert diff is not None
    return json.loads(diff.payload)


def state(presence: PresenceState) -> Any:
    return json.loads(presence.payload())


def test_track_adds_a_meta_to_the_diff_and_the_state() -> None:
    presence = PresenceState()
    assert payload(presence.track("one", "ada", {"at": "desk"}, "F1")) == {
        "joins": {"ada": {"metas": [{"at": "desk", "phx_ref": "F1"}]}},
        "leaves": {},
    }
    assert state(presence) == {"ada": {"metas": [{"at": "desk", "phx_ref": "F1"}]}}


def test_an_update_is_a_leave_and_a_join() -> None:
    presence = PresenceState()
    presence.track("one", "ada", {"at": "desk"}, "F1")
    assert payload(presence.track("one", "ada", {"at": "chair"}, "F2")) == {
        "joins": {"ada": {"metas": [{"at": "chair", "phx_ref_prev": "F1", "phx_ref": "F2"}]}},
        "leaves": {"ada": {"metas": [{"at": "desk", "phx_ref": "F1"}]}},
    }


def test_two_connections_may_share_a_key() -> None:
    presence = PresenceState()
    presence.track("one", "ada", {}, "F1")
    presence.track("two", "ada", {}, "F2")
    assert [meta["phx_ref"] for meta in state(presence)["ada"]["metas"]] == ["F1", "F2"]
    assert payload(presence.untrack("one"))["leaves"] == {"ada": {"metas": [{"phx_ref": "F1"}]}}
    assert state(presence) == {"ada": {"metas": [{"phx_ref": "F2"}]}}


def test_untrack_without_a_meta_changes_nothing() -> None:
    assert PresenceState().untrack("unknown") is None


def test_clients_cannot_set_reserved_fields() -> None:
    presence = PresenceState()
    fields = {"phx_ref": "F0", "phx_ref_prev": "x", "presence_ref": "F0", "name": "Ada"}
    presence.track("one", "ada", fields, "F1")
    assert state(presence) == {"ada": {"metas": [{"name": "Ada", "phx_ref": "F1"}]}}


def test_one_meta_and_the_state_are_bounded() -> None:
    presence = PresenceState()
    with pytest.raises(PresenceLimitExceeded, match="at most"):
        presence.track("one", "ada", {"text": "x" * META_BYTES_MAX}, "F1")
    deep: Any = {}
    for _ in range(500):
        deep = {"in": deep}
    with pytest.raises(PresenceLimitExceeded, match="deeply"):
        presence.track("one", "ada", deep, "F1")
    large = {"text": "x" * (META_BYTES_MAX - 100)}
    count = next(number for number in range(1_000) if not _fits(presence, number, large))
    assert 0 < count < 20
    assert len(presence.payload()) < STATE_BYTES_MAX + 1_000
    for owner in range(count):
        presence.untrack(owner)
    presence.track("one", "ada", large, "F1")


def test_metas_of_another_node_are_replaced_and_counted() -> None:
    presence = PresenceState()
    large = b'{"text": "' + b"x" * (STATE_BYTES_MAX - 100) + b'","phx_ref":"F1"}'
    joined = payload(presence.replace_node("there", [PresenceMeta("ada", "F1", large)]))
    assert list(joined["joins"]) == ["ada"]
    assert presence.replace_node("there", [PresenceMeta("ada", "F1", large)]) is None
    with pytest.raises(PresenceLimitExceeded, match="full"):
        presence.track("one", "eve", {"text": "x" * 200}, "F2")
    left = payload(presence.replace_node("there", ()))
    assert (list(left["leaves"]), len(presence)) == (["ada"], 0)
    presence.track("one", "eve", {"text": "x" * 200}, "F2")
    assert [meta.ref for meta in presence.local] == ["F2"]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), JSON), max_size=20))
def test_the_diffs_add_up_to_the_state(steps: list[tuple[bool, int, Any]]) -> None:
    """Clients keep a copy of the state by the ``phx_ref`` of each meta."""
    presence, seen = PresenceState(), dict[str, str]()
    for number, (tracks, owner, value) in enumerate(steps):
        try:
            diff = (
                presence.track(owner, f"key-{owner % 2}", {"value": value}, f"F{number}")
                if tracks
                else presence.untrack(owner)
            )
        except PresenceLimitExceeded:
            continue
        change = payload(diff) if diff else {"joins": {}, "leaves": {}}
        seen |= _refs(change["joins"])
        for ref in _refs(change["leaves"]):
            del seen[ref]
        assert seen == _refs(state(presence))


def _fits(presence: PresenceState, owner: int, fields: Any) -> bool:
    try:
        presence.track(owner, "ada", fields, f"F{owner}")
    except PresenceLimitExceeded as refusal:
        return "full" not in str(refusal)
    return True


def _refs(state: Any) -> dict[str, str]:
    return {meta["phx_ref"]: key for key, each in state.items() for meta in each["metas"]}
