"""Bindings of postgres_changes: which are valid, and which changes they match."""

from typing import Any

import pytest

from api.realtime.supabase.bindings import Binding, InvalidBinding, parse_binding

ROW = {"id": "a1", "status": "confirmed", "version": 3}


def binding(**changes: Any) -> Binding:
    return parse_binding({"event": "*", "schema": "public", "table": "appointments", **changes})


@pytest.mark.parametrize(
    "sent",
    [
        {"event": "TRUNCATE", "schema": "public", "table": "appointments"},
        {"event": [], "table": "appointments"},
        {"event": "*", "schema": "auth", "table": "users"},
        {"event": "*", "schema": "public", "table": "profiles"},
        {"event": "*", "schema": "public", "table": {}},
        {"event": "*", "filter": ["dentist_id=eq.1"]},
        {"event": "*", "filter": "status=eq.held,"},
        {"event": "*", "schema": "public", "table": "appointments", "select": "id,status"},
        {"event": "*", "schema": "public", "table": "appointments", "select": ["id", 1]},
        {"event": "*", "schema": "public", "table": "appointments", "select": ["name"]},
        {"event": "*", "schema": "public", "table": "*", "select": ["id"]},
        {"event": "*", "schema": "public", "select": ["id"]},
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


@pytest.mark.parametrize("event", ["update", "Update", "UPDATE"])
def test_the_case_of_an_event_does_not_matter(event: str) -> None:
    assert binding(event=event).matches("UPDATE", ROW)
    assert not binding(event=event).matches("INSERT", ROW)


@pytest.mark.parametrize("filter", [None, "", "   "])
def test_a_blank_filter_is_none(filter: str | None) -> None:
    assert binding(filter=filter).filter is None


def test_a_selection_contains_the_id() -> None:
    assert binding(select=["status", "status"]).columns == frozenset({"id", "status"})
    assert binding(select=[]).columns is None
    assert binding(select=["status"]).id != binding().id
