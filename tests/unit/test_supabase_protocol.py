"""The state machine of a socket: the action for each message, given the joined topics."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.realtime.supabase.frames import ClientMessage, Ref, Vsn
from api.realtime.supabase.joining import InvalidJoin, parse_join
from api.realtime.supabase.protocol import (
    Join,
    Leave,
    RejectBroadcast,
    RenewToken,
    Respond,
    Track,
    Untrack,
    decide,
)
from tests.unit.test_supabase_frames import JSON

TOPIC = "realtime:appointments:dentist:42"
BINDING = {
    "event": "*",
    "schema": "public",
    "table": "appointments",
    "filter": "dentist_id=eq.42",
}
CONFIG = {
    "broadcast": {"ack": True, "self": False, "replay": {"since": 1763407103911, "limit": 10}},
    "presence": {"key": "", "enabled": True},
    "postgres_changes": [BINDING],
    "private": True,
}


def message(event: str, payload: Any = None, *, topic: str = TOPIC, **refs: Ref) -> ClientMessage:
    refs = {"ref": "2", "join_ref": "1", **refs}
    return ClientMessage(topic=topic, event=event, payload=payload or {}, **refs)


def joined(*, ack: bool = True) -> Join:
    request = parse_join({"config": {"broadcast": {"ack": ack}}})
    return Join(message("phx_join", ref="1"), request)


JOINED = joined()


def reply(action: object) -> Any:
    assert isinstance(action, Respond)
    assert action.frame is not None
    return json.loads(action.frame.payload)[4]


# --- without a joined topic -------------------------------------------------------------------


def test_a_heartbeat_is_replied_to_with_its_ref() -> None:
    for ref in ("26", None):
        beat = message("heartbeat", topic="phoenix", ref=ref, join_ref=None)
        action = decide(Vsn.TWO, beat, None)
        assert isinstance(action, Respond)
        assert action.frame is not None
        assert json.loads(action.frame.payload) == [
            None,
            ref,
            "phoenix",
            "phx_reply",
            {"status": "ok", "response": {}},
        ]


@pytest.mark.parametrize("event", ["broadcast", "presence", "access_token", "anything"])
def test_a_topic_that_is_not_joined_is_unmatched(event: str) -> None:
    assert reply(decide(Vsn.TWO, message(event), None)) == {
        "status": "error",
        "response": {"reason": "unmatched topic"},
    }


def test_leaving_twice_is_no_error() -> None:
    assert reply(decide(Vsn.TWO, message("phx_leave"), None))["status"] == "ok"


# --- joining -----------------------------------------------------------------------------


def test_a_join_with_all_options() -> None:
    action = decide(Vsn.TWO, message("phx_join", {"config": CONFIG, "access_token": "JWT"}), None)
    assert isinstance(action, Join)
    assert (action.message.topic, action.message.ref, action.join_ref) == (TOPIC, "2", "1")
    request = action.request
    assert (request.token, request.ack, request.presence) == ("JWT", True, True)
    assert request.presence_key == ""
    assert request.replay is not None
    assert request.replay.since == datetime(2025, 11, 17, 19, 18, 23, 911_000, tzinfo=UTC)
    assert request.replay.limit == 10
    (answered,) = json.loads(request.bindings_reply)
    assert answered == {**BINDING, "id": request.bindings[0].id}


def test_missing_options_have_the_defaults_of_supabase() -> None:
    request = parse_join({})
    assert request.token is None
    assert (request.ack, request.replay, request.presence) == (False, None, True)
    assert (request.bindings, request.bindings_reply) == ((), b"[]")


def test_booleans_may_be_text_and_unknown_keys_are_ignored() -> None:
    config = {"broadcast": {"ack": "true"}, "presence": {"enabled": "false"}, "new": 1}
    request = parse_join({"config": config, "version": "realtime-js/2"})
    assert (request.ack, request.presence) == (True, False)


def test_the_first_token_counts() -> None:
    assert parse_join({"access_token": "a", "user_token": "b"}).token == "a"
    assert parse_join({"access_token": None, "user_token": "b"}).token == "b"


def test_the_reply_repeats_bindings_in_order() -> None:
    sent = [{**BINDING, "event": kind, "select": ["id"]} for kind in ("DELETE", "*", "INSERT")]
    answered = json.loads(parse_join({"config": {"postgres_changes": sent}}).bindings_reply)
    assert [{k: v for k, v in each.items() if k != "id"} for each in answered] == sent


@pytest.mark.parametrize(
    "config",
    [
        [],
        {"broadcast": 1},
        {"broadcast": {"ack": 1}},
        {"broadcast": {"replay": "yes"}},
        {"broadcast": {"replay": {"since": "yesterday"}}},
        {"broadcast": {"replay": {"since": -1}}},
        {"broadcast": {"replay": {"since": 10**18}}},
        {"broadcast": {"replay": {"since": 0, "limit": 0}}},
        {"broadcast": {"replay": {"limit": 5}}},
        {"presence": {"key": 5}},
        {"presence": {"key": "x" * 129}},
        {"presence": {"key": "ids"}},
        {"presence": {"key": "__proto__"}},
        {"presence": {"enabled": "maybe"}},
        {"postgres_changes": {}},
        {"postgres_changes": [None]},
        {"postgres_changes": ["appointments"]},
        {"postgres_changes": [BINDING] * 33},
        {"postgres_changes": [{**BINDING, "table": "profiles"}]},
    ],
)
def test_an_invalid_join_is_refused_with_a_reason(config: Any) -> None:
    answer = reply(decide(Vsn.TWO, message("phx_join", {"config": config}), None))
    assert answer["status"] == "error"
    assert answer["response"]["reason"].startswith("Invalid join: ")


def test_deeply_nested_bindings_are_refused() -> None:
    deep: Any = []
    for _ in range(500):
        deep = [deep]
    with pytest.raises(InvalidJoin):
        parse_join({"config": {"postgres_changes": [{**BINDING, "more": deep}]}})


@pytest.mark.parametrize(
    "topic",
    ["appointments:dentist:42", "realtime:", "Realtime:x", "phoenix", "", "realtime:" + "é" * 124],
)
def test_topics_begin_with_realtime_and_are_short(topic: str) -> None:
    answer = reply(decide(Vsn.TWO, message("phx_join", topic=topic), None))
    assert answer["status"] == "error"


def test_the_ref_of_a_join_is_its_default_join_ref() -> None:
    action = decide(Vsn.TWO, message("phx_join", join_ref=None), None)
    assert isinstance(action, Join)
    assert (action.message.ref, action.join_ref) == ("2", "2")


# --- in a topic --------------------------------------------------------------------------


def test_a_joined_topic_accepts_its_messages() -> None:
    token = message("access_token", {"access_token": "JWT"})
    assert decide(Vsn.TWO, token, JOINED) == RenewToken(token, "JWT")
    leave = message("phx_leave")
    assert decide(Vsn.TWO, leave, JOINED) == Leave(leave)
    track = message("presence", {"event": "track", "payload": {"at": "desk"}})
    assert decide(Vsn.TWO, track, JOINED) == Track(track, {"at": "desk"})
    untrack = message("presence", {"event": "untrack"})
    assert decide(Vsn.TWO, untrack, JOINED) == Untrack(untrack)
    assert isinstance(decide(Vsn.TWO, message("phx_join"), JOINED), Join)


def test_an_access_token_message_without_a_token_is_ignored() -> None:
    assert decide(Vsn.TWO, message("access_token", {"access_token": None}), JOINED) == Respond()


@pytest.mark.parametrize("payload", [{}, {"event": "steal"}, {"event": "track", "payload": []}])
def test_invalid_presence_is_refused(payload: Any) -> None:
    assert reply(decide(Vsn.TWO, message("presence", payload), JOINED))["status"] == "error"


def test_a_broadcast_is_rejected_with_a_reply_if_ack_is_set() -> None:
    forged = message("broadcast", {"type": "broadcast", "event": "appointment.created"})
    action = decide(Vsn.TWO, forged, JOINED)
    assert isinstance(action, RejectBroadcast)
    assert action.reply is not None
    assert json.loads(action.reply.payload)[4]["status"] == "error"
    assert decide(Vsn.TWO, forged, joined(ack=False)) == RejectBroadcast(forged, None)


def test_messages_of_an_ended_join_are_ignored() -> None:
    for event in ("phx_leave", "broadcast", "access_token", "presence"):
        stale = message(event, {"access_token": "JWT"}, join_ref="0")
        assert decide(Vsn.TWO, stale, JOINED) == Respond()
    assert isinstance(decide(Vsn.TWO, message("phx_leave", join_ref=None), JOINED), Leave)
    assert isinstance(decide(Vsn.ONE, message("phx_leave", join_ref="0"), JOINED), Leave)


# --- any message ----------------------------------------------------------------------

EVENTS = ["phx_join", "phx_leave", "access_token", "presence", "broadcast", "heartbeat", "x"]
PAYLOADS = st.dictionaries(
    st.sampled_from(["config", "access_token", "event", "payload"]) | st.text(max_size=3), JSON
) | st.fixed_dictionaries(
    {
        "config": st.dictionaries(
            st.sampled_from(["broadcast", "presence", "postgres_changes", "private"]),
            JSON
            | st.dictionaries(st.sampled_from(["replay", "ack", "key", "enabled"]), JSON)
            | st.lists(st.dictionaries(st.sampled_from(sorted(BINDING)), JSON), max_size=3),
        )
    }
)


@given(
    vsn=st.sampled_from(Vsn),
    topic=st.sampled_from([TOPIC, "phoenix", "realtime:x"]) | st.text(max_size=20),
    event=st.sampled_from(EVENTS),
    payload=PAYLOADS,
    join_ref=st.none() | st.text(max_size=3) | st.integers(0, 9),
)
def test_every_message_has_an_action(
    vsn: Vsn, topic: str, event: str, payload: Any, join_ref: Ref
) -> None:
    sent = message(event, payload, topic=topic, join_ref=join_ref)
    assert decide(vsn, sent, JOINED if topic == TOPIC else None) is not None
