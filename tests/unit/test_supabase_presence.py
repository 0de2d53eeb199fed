"""Presence of a channel: joins and leaves as clients count them, within bounds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.realtime.supabase.presence import (
    BOARD_BYTES_MAX,
    META_BYTES_MAX,
    Board,
    Diff,
    Entry,
    TooMuch,
)
from tests.unit.test_supabase_frames import JSON


def told(diff: Diff | None) -> Any:
    assert diff is not None
    return json.loads(diff.payload)


def state(board: Board) -> Any:
    return json.loads(board.state())


def test_who_comes_is_told_and_stands_in_the_state() -> None:
    board = Board()
    assert told(board.track("one", "ada", {"at": "desk"}, "F1")) == {
        "joins": {"ada": {"metas": [{"at": "desk", "phx_ref": "F1"}]}},
        "leaves": {},
    }
    assert state(board) == {"ada": {"metas": [{"at": "desk", "phx_ref": "F1"}]}}


def test_who_says_something_else_leaves_as_the_old_and_comes_as_the_new() -> None:
    board = Board()
    board.track("one", "ada", {"at": "desk"}, "F1")
    assert told(board.track("one", "ada", {"at": "chair"}, "F2")) == {
        "joins": {"ada": {"metas": [{"at": "chair", "phx_ref_prev": "F1", "phx_ref": "F2"}]}},
        "leaves": {"ada": {"metas": [{"at": "desk", "phx_ref": "F1"}]}},
    }


def test_two_windows_of_one_person_share_a_key() -> None:
    board = Board()
    board.track("one", "ada", {}, "F1")
    board.track("two", "ada", {}, "F2")
    assert [meta["phx_ref"] for meta in state(board)["ada"]["metas"]] == ["F1", "F2"]
    assert told(board.untrack("one"))["leaves"] == {"ada": {"metas": [{"phx_ref": "F1"}]}}
    assert state(board) == {"ada": {"metas": [{"phx_ref": "F2"}]}}


def test_who_was_not_there_does_not_leave() -> None:
    assert Board().untrack("nobody") is None


def test_nobody_says_of_themselves_what_tells_entries_apart() -> None:
    board = Board()
    said = {"phx_ref": "F0", "phx_ref_prev": "x", "presence_ref": "F0", "name": "Ada"}
    board.track("one", "ada", said, "F1")
    assert state(board) == {"ada": {"metas": [{"name": "Ada", "phx_ref": "F1"}]}}


def test_one_entry_and_all_together_are_bounded() -> None:
    board = Board()
    with pytest.raises(TooMuch, match="at most"):
        board.track("one", "ada", {"text": "x" * META_BYTES_MAX}, "F1")
    deep: Any = {}
    for _ in range(500):
        deep = {"in": deep}
    with pytest.raises(TooMuch, match="deeply"):
        board.track("one", "ada", deep, "F1")
    large = {"text": "x" * (META_BYTES_MAX - 100)}
    came = next(number for number in range(1_000) if not _fits(board, number, large))
    assert 0 < came < 20
    assert len(board.state()) < BOARD_BYTES_MAX + 1_000
    for owner in range(came):
        board.untrack(owner)
    board.track("one", "ada", large, "F1")  # there is room again


def test_what_another_node_says_is_taken_whole_counts_and_goes_with_it() -> None:
    board = Board()
    large = b'{"text": "' + b"x" * (BOARD_BYTES_MAX - 100) + b'","phx_ref":"F1"}'
    came = told(board.replace("there", [Entry("ada", "F1", large)]))
    assert list(came["joins"]) == ["ada"]
    assert board.replace("there", [Entry("ada", "F1", large)]) is None, "that is known"
    with pytest.raises(TooMuch, match="full"):
        board.track("one", "eve", {"text": "x" * 200}, "F2")
    gone = told(board.replace("there", ()))
    assert (list(gone["leaves"]), len(board)) == (["ada"], 0)
    board.track("one", "eve", {"text": "x" * 200}, "F2")
    assert [entry.ref for entry in board.own] == ["F2"]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), JSON), max_size=20))
def test_the_diffs_add_up_to_the_state(steps: list[tuple[bool, int, Any]]) -> None:
    """As clients keep their own copy: by the ``phx_ref`` of each entry."""
    board, seen = Board(), dict[str, str]()
    for number, (comes, owner, said) in enumerate(steps):
        try:
            diff = (
                board.track(owner, f"key-{owner % 2}", {"said": said}, f"F{number}")
                if comes
                else board.untrack(owner)
            )
        except TooMuch:
            continue
        change = told(diff) if diff else {"joins": {}, "leaves": {}}
        seen |= _refs(change["joins"])
        for ref in _refs(change["leaves"]):
            del seen[ref]
        assert seen == _refs(state(board))


def _fits(board: Board, owner: int, said: Any) -> bool:
    try:
        board.track(owner, "ada", said, f"F{owner}")
    except TooMuch as no:
        return "full" not in str(no)
    return True


def _refs(presences: Any) -> dict[str, str]:
    return {meta["phx_ref"]: key for key, entry in presences.items() for meta in entry["metas"]}
