"""Filters of postgres_changes: Supabase's grammar, and the rows that they match."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.realtime.supabase.columns import InvalidFilter
from api.realtime.supabase.filters import parse_filter

ID = "0193e7a0-0000-7000-8000-00000000000a"
DENTIST = "0193e7a0-0000-7000-8000-0000000000d1"
OTHER = "0193e7a0-0000-7000-8000-0000000000d2"
ROW: dict[str, Any] = {
    "id": ID,
    "dentist_id": DENTIST,
    "start": "2027-03-08T09:00:00Z",
    "status": "confirmed",
    "version": 3,
    "overbooked": False,
    "notes": None,
    "patient": {"id": "p1", "name": "Ada"},
}


def noted(notes: str) -> dict[str, Any]:
    return {**ROW, "notes": notes}


@pytest.mark.parametrize(
    "matching",
    [
        "",
        "   ",
        f"dentist_id=eq.{DENTIST}",
        f"dentist_id=eq.{DENTIST.upper()}",
        f"dentist_id=eq. {DENTIST.upper()} ",
        f"dentist_id=in.({OTHER},{DENTIST.upper()})",
        f"dentist_id=neq.{OTHER}",
        "id=like.0193e7a0%",
        "status=in.(held,confirmed)",
        'status=in.("held","confirmed")',
        "status=in.( held , confirmed )",
        "version=gt.2",
        "version=gte.3",
        "version=lt.10",
        "version=lte.3",
        'version=eq." +3"',
        "overbooked=eq.false",
        "overbooked=eq.F",
        "overbooked=in.(t,off)",
        "start=eq.2027-03-08T10:00:00+01:00",
        "start=eq.2027-03-08 10:00:00+01",
        "start=gte.2027-03-08",
        "start=lt.2027-03-08T09:00:00.001Z",
        "start=in.(2027-03-08 09:00,2027-03-09)",
    ],
)
def test_a_filter_compares_as_its_column_does(matching: str) -> None:
    assert parse_filter(matching)(ROW)


@pytest.mark.parametrize(
    "other",
    [
        f"dentist_id=eq.{OTHER}",
        f"dentist_id=neq.{DENTIST.upper()}",
        "dentist_id=eq.42",
        "status=eq. confirmed",
        "status=eq.Confirmed",
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
    ("text", "expected"),
    [
        (f"status=eq.confirmed,dentist_id=eq.{DENTIST}", True),
        (f"status=eq.confirmed , dentist_id=eq.{DENTIST}", True),
        (f"status=eq.confirmed,dentist_id=eq.{OTHER}", False),
        (f"status=neq.held,dentist_id=eq.{OTHER}", False),
        ("version=gt.0,version=lt.3", False),
        ("version=gt.0,version=lt.100", True),
        ("version=in.(1,2,3),status=in.(held,confirmed),overbooked=is.false", True),
        ("version=in.(1,2,3),status=in.(held,confirmed),overbooked=is.true", False),
    ],
)
def test_commas_at_top_level_mean_and(text: str, expected: bool) -> None:
    assert parse_filter(text)(ROW) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version=not.eq.3", False),
        ("version=not.eq.4", True),
        ("status=not.in.(held,expired)", True),
        ("status=not.in.(held,confirmed)", False),
        ("status=not.like.con%", False),
        ("status=not.match.^held", True),
        ("notes=not.eq.x", False),
        ("notes=not.in.(x,y)", False),
        ("notes=not.like.x%", False),
        ("notes=not.is.null", False),
        ("status=not.is.null", True),
        ("overbooked=not.is.true", True),
        ("notes=not.isdistinct.x", False),
    ],
)
def test_a_negated_unknown_is_not_true(text: str, expected: bool) -> None:
    assert parse_filter(text)(ROW) is expected


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("notes=is.null", {}, True),
        ("expires_at=is.null", {}, True),
        ('notes=is."null"', {}, True),
        ("overbooked=is.true", {"overbooked": True}, True),
        ("overbooked=is.false", {}, True),
        ("overbooked=is.unknown", {}, False),
        ("overbooked=is.unknown", {"overbooked": None}, True),
        ("notes=isdistinct.x", {}, True),
        ("notes=isdistinct.x", {"notes": "x"}, False),
        ("version=isdistinct.3", {}, False),
        ("notes=eq.null", {"notes": "null"}, True),
        ("notes=eq.null", {}, False),
        ("notes=in.(null,x)", {"notes": "x"}, True),
        ("notes=in.(null,x)", {"notes": "null"}, False),
        ("notes=not.in.(NULL,x)", {"notes": "y"}, False),
        ('notes=in.("null",x)', {"notes": "null"}, True),
    ],
)
def test_null_is_compared_as_in_sql(text: str, row: dict[str, object], expected: bool) -> None:
    assert parse_filter(text)({**ROW, **row}) is expected


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ('notes=eq."a,b"', "a,b"),
        ('notes=eq."a,b",version=gt.0', "a,b"),
        ('notes=eq."a.b:c(d)"', "a.b:c(d)"),
        ('notes=eq."she said \\"hi\\""', 'she said "hi"'),
        ('notes=eq."C:\\\\tmp"', "C:\\tmp"),
        ('notes=eq."C:\\new"', "C:new"),
        ('notes=eq.""', ""),
        ("notes=eq.", ""),
        ('notes=eq." a "', " a "),
        ("notes=eq.in progress", "in progress"),
        ('notes=eq."unterminated', '"unterminated'),
        ('notes=eq."ab"cd', '"ab"cd'),
        ('notes=eq.5" tall,version=gt.0', '5" tall'),
        ('notes=eq.O\'Brien "x"', 'O\'Brien "x"'),
        ("notes=eq.1=1", "1=1"),
        ("notes=eq.eq.value", "eq.value"),
        ("notes=eq.x),version=eq.3", "x)"),
        ("notes=eq.a\\b", "a\\b"),
        ('notes=in.("a,b",c)', "a,b"),
        ('notes=in.("a,b","c,d")', "c,d"),
        ("notes=in.(O'Brien,Smith)", "O'Brien"),
        ('notes=in.(x,"")', ""),
        ('notes=in.("e\\\\f",x)', "e\\f"),
        ("notes=in.(a\\,b,x)", "a,b"),
        ("notes=in.( two words ,x)", "two words"),
        ("notes=in.(a\\ ,x)", "a "),
        ('notes=in.( " a " )', " a "),
        ('notes=not.neq."a,b"', "a,b"),
        ("notes=like.50\\%", "50%"),
        ('notes=like."a, _"', "a, b"),
        ('notes=match."^(a|b){1,2}$"', "ab"),
    ],
)
def test_quotes_and_escapes_are_read_as_by_supabase(text: str, notes: str) -> None:
    """The cases of its own tests, and of the filter builder of realtime-js."""
    assert parse_filter(text)(noted(notes))
    assert not parse_filter(text)(noted(notes + "?"))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("dentist_id", "column=operator.value"),
        ("undefined", "no column"),
        (f"dentist_id={DENTIST}", "column=operator.value"),
        ("status=foo.hey", "operator of eq, neq"),
        ("status=EQ.held", "operator of eq, neq"),
        ("status=not.not.eq.held", "operator of eq, neq"),
        ("version=gt.0,version=foo.100", "operator of eq, neq"),
        ("nothing=eq.1", "no column"),
        ("patient=eq.x", "no column"),
        ("patient=is.null", "no column"),
        ("version=gt.0,", "extra commas"),
        (",version=gt.0", "extra commas"),
        ("version=gt.0,,version=lt.9", "extra commas"),
        (f"status=eq.confirmed,{DENTIST}", "no column"),
        ("version=eq.many", "type int4"),
        ("version=eq.3.5", "type int4"),
        ("version=eq.null", "type int4"),
        ("version=eq.1_0", "type int4"),
        ("version=eq.2147483648", "type int4"),
        ("version=isdistinct.null", "type int4"),
        ("version=in.(1,x)", "type int4"),
        ("version=eq." + "9" * 4_000, "type int4"),
        ("overbooked=eq.maybe", "type bool"),
        ("overbooked=eq.o", "type bool"),
        ("start=gt.tomorrow", "type timestamptz"),
        ("start=gt.2027-02-30", "type timestamptz"),
        ("start=gt.0001-01-01T00:00:00+23:59", "type timestamptz"),
        ("status=in.held", "parentheses"),
        ("status=in.(held", "parentheses"),
        ("status=in.()", "at least one value"),
        ("status=in.(held,)", "no empty ones"),
        ("status=in.(,held)", "no empty ones"),
        ('status=in.("held)', "end with a quote"),
        ('status=in.("held"x)', "quoted whole"),
        ('status=in.(x"held")', "quoted whole"),
        ("status=in.({held},x)", "quoted whole"),
        ("status=in.(held\\)", "escape character"),
        ("status=in.(" + ",".join(map(str, range(101))) + ")", "at most 100 values"),
        ("status=is.held", "is takes"),
        ("status=is.NULL", "is takes"),
        ("status=is.true", "takes a bool column"),
        ("version=is.unknown", "takes a bool column"),
        ("version=like.1%", "takes a text column"),
        ("start=match.2027", "takes a text column"),
        ("notes=like.x\\", "escape character"),
        ("notes=match.(", "not a valid pattern"),
        ("notes=imatch.a**", "not a valid pattern"),
        ("status=eq." + "x" * 4_096, "at most 4096 characters"),
        (",".join(["version=gt.0"] * 33), "at most 32 conditions"),
        ("notes=match." + "x" * 501, "at most 500 characters"),
        (",".join(['notes=match."a.{100}b.{200}"'] * 2), "too large"),
        (",".join(["notes=match." + "(a*)*" * 80] * 3), "too large"),
    ],
)
def test_an_invalid_filter_is_refused_with_a_reason(bad: str, reason: str) -> None:
    with pytest.raises(InvalidFilter, match=reason):
        parse_filter(bad)


def test_patterns_count_against_one_limit() -> None:
    assert parse_filter("status=eq.held").size == 0
    assert 7 <= parse_filter("notes=match.^abc,notes=ilike.%d%").size < 100


@given(st.text(max_size=60) | st.from_regex(r"[a-z_]{2,12}=[a-z]{2,3}\..{0,20}", fullmatch=True))
def test_any_filter_is_parsed_or_refused(text: str) -> None:
    try:
        parsed = parse_filter(text)
    except InvalidFilter:
        return
    parsed(ROW)


_HEADS = ["start=gt.", "version=lt.", "overbooked=eq.", "id=in.(", "notes=in.(", "notes=like."]
_TEXTS = st.text(max_size=30) | st.text(alphabet='()[]{}|\\"*+?^$.,-:aZ09wd', max_size=30)


@given(st.sampled_from([*_HEADS, "notes=match.", "notes=imatch.", 'notes=match."']), _TEXTS)
def test_any_value_is_parsed_or_refused(head: str, value: str) -> None:
    try:
        parse_filter(head + value)(noted("Some text, 5 (x)"))
    except InvalidFilter:
        return
