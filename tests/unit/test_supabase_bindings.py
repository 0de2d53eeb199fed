"""Bindings of postgres_changes: which are valid, and which rows they match."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.realtime.supabase.bindings import (
    Binding,
    InvalidBinding,
    parse_binding,
    parse_filter,
)

ROW = {
    "id": "a1",
    "dentist_id": "d1",
    "start": "2027-03-08T09:00:00Z",
    "status": "confirmed",
    "version": 3,
    "overbooked": False,
    "notes": None,
    "patient": {"id": "p1", "name": "Ada"},
}


def binding(**changes: Any) -> Binding:
    return parse_binding({"event": "*", "schema": "public", "table": "appointments", **changes})


@pytest.mark.parametrize(
    "matching",
    [
        "dentist_id=eq.d1",
        "dentist_id=neq.d2",
        "status=in.(held,confirmed)",
        'status=in.("held","confirmed")',
        "version=gt.2",
        "version=gte.3",
        "version=lt.10",
        "version=lte.3",
        "overbooked=eq.false",
        "start=eq.2027-03-08T10:00:00+01:00",
        "start=gte.2027-03-08",
        "start=lt.2027-03-08T09:00:00.001Z",
    ],
)
def test_a_filter_compares_as_its_column_does(matching: str) -> None:
    assert parse_filter(matching)(ROW)


@pytest.mark.parametrize(
    "other",
    [
        "dentist_id=eq.d2",
        "dentist_id=eq. d1",
        "dentist_id=neq.d1",
        "status=in.(held,expired)",
        "version=gt.3",
        "overbooked=eq.true",
        "start=lt.2027-03-08T09:00:00Z",
        "notes=eq.x",
        "notes=neq.x",
        "cancel_reason=neq.x",
    ],
)
def test_a_filter_refuses_other_rows_and_null(other: str) -> None:
    assert not parse_filter(other)(ROW)


@pytest.mark.parametrize(
    "bad",
    [
        "dentist_id",
        "dentist_id=d1",
        "dentist_id=like.d%",
        "dentist_id=not.eq.d1",
        "nothing=eq.1",
        "patient=eq.x",
        "version=eq.many",
        "version=eq." + "9" * 5_000,
        "overbooked=eq.maybe",
        "start=gt.tomorrow",
        "start=gt.0001-01-01T00:00:00+23:59",
        "status=in.held",
        "status=in.()",
        'status=in.("held)',
        'status=in.("held"x)',
        "status=in.(" + ",".join(map(str, range(101))) + ")",
        "status=eq." + "x" * 4_096,
    ],
)
def test_an_invalid_filter_is_refused(bad: str) -> None:
    with pytest.raises(InvalidBinding):
        parse_filter(bad)


@pytest.mark.parametrize(
    "sent",
    [
        {"event": "insert", "schema": "public", "table": "appointments"},
        {"event": [], "table": "appointments"},
        {"event": "*", "schema": "auth", "table": "users"},
        {"event": "*", "schema": "public", "table": "profiles"},
        {"event": "*", "schema": "public", "table": {}},
        {"event": "*", "filter": ["dentist_id=eq.1"]},
    ],
)
def test_an_invalid_binding_is_refused(sent: dict[str, object]) -> None:
    with pytest.raises(InvalidBinding):
        parse_binding(sent)


def test_a_binding_may_name_any_table_or_none() -> None:
    assert binding(schema="*", table=None).matches("INSERT", ROW)
    assert binding(table="*").matches("INSERT", ROW)


def test_a_binding_matches_only_its_event() -> None:
    updates = binding(event="UPDATE", filter="status=eq.confirmed")
    assert updates.matches("UPDATE", ROW)
    assert not updates.matches("INSERT", ROW)
    assert not updates.matches("UPDATE", {**ROW, "status": "cancelled"})


def test_equal_bindings_have_equal_ids() -> None:
    ids = {binding().id, binding(event="INSERT").id, binding(filter="version=eq.1").id}
    assert len(ids) == 3
    assert binding().id == binding().id
    assert all(0 < each < 2**53 for each in ids)


@given(st.text(max_size=60) | st.from_regex(r"[a-z_]{2,12}=[a-z]{2,3}\..{0,20}", fullmatch=True))
def test_any_filter_is_parsed_or_refused(text: str) -> None:
    try:
        parsed = parse_filter(text)
    except InvalidBinding:
        return
    assert callable(parsed)
    parsed(ROW)


@given(
    st.sampled_from(["start=gt.", "version=lt.", "overbooked=eq.", "id=in.(", "id=eq."]),
    st.text(max_size=30),
)
def test_any_value_is_parsed_or_refused(head: str, value: str) -> None:
    try:
        parse_filter(head + value)(ROW)
    except InvalidBinding:
        return
