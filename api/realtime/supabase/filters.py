"""Filters of ``postgres_changes``: Supabase's grammar, evaluated with SQL's three values; pure.

``column=operator.value`` with ``not.`` before the operator, several of them joined by commas,
all of which must be true. Quotes, escapes and lists are read as by Supabase Realtime
(``lib/extensions/postgres_cdc_rls/subscriptions.ex``) and PostgreSQL's arrays.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

from api.realtime.supabase.columns import COLUMNS, InvalidFilter, Row, read_value, row_value
from api.realtime.supabase.patterns import SIZE_MAX, Pattern, like_pattern, posix_pattern

CHARS_MAX: Final = 4_096
CONDITIONS_MAX: Final = 32
PATTERN_CHARS_MAX: Final = 500
VALUES_MAX: Final = 100
"""Values of one ``in.(...)``, as in Supabase."""

_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": eq,
    "neq": ne,
    "lt": lt,
    "lte": le,
    "gt": gt,
    "gte": ge,
}
_PATTERNS: Final[Mapping[str, Callable[[str], Pattern]]] = {
    "like": lambda text: like_pattern(text, ignore_case=False),
    "ilike": lambda text: like_pattern(text, ignore_case=True),
    "match": lambda text: posix_pattern(text, ignore_case=False),
    "imatch": lambda text: posix_pattern(text, ignore_case=True),
}
_OPERATORS: Final = (*_COMPARISONS, "in", *_PATTERNS, "is", "isdistinct")
_IS: Final[Mapping[str, bool | None]] = {
    "null": None,
    "true": True,
    "false": False,
    "unknown": None,
}
_BLANKS: Final = " \t\n\r\v\f"
"""Blanks around the elements of an array, as in PostgreSQL."""

Test = Callable[[Any], bool | None]
"""Of a column's value; ``None`` is SQL's unknown."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One ``column=operator.value``."""

    column: str
    test: Test
    is_negated: bool
    size: int = 0
    """Of its pattern, if it has one."""

    def holds(self, row: Row) -> bool:
        """Whether it is true: as in SQL, unknown is not, and neither is its negation."""
        result = self.test(row_value(self.column, row))
        return result is not None and result is not self.is_negated


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Conditions that must all hold."""

    conditions: tuple[Condition, ...]

    def __call__(self, row: Row) -> bool:
        return all(condition.holds(row) for condition in self.conditions)

    @property
    def size(self) -> int:
        """Of all its patterns, see :data:`~api.realtime.supabase.patterns.SIZE_MAX`."""
        return sum(condition.size for condition in self.conditions)


def parse_filter(text: str) -> RowFilter:
    """A filter without conditions is true for every row. Raises only :class:`InvalidFilter`."""
    if len(text) > CHARS_MAX:
        raise InvalidFilter(f"a filter has at most {CHARS_MAX} characters")
    conditions: list[Condition] = []
    size = 0
    for segment in _segments(text.strip()):
        conditions.append(_condition(segment.strip()))
        size += conditions[-1].size
        if len(conditions) > CONDITIONS_MAX:
            raise InvalidFilter(f"a filter has at most {CONDITIONS_MAX} conditions")
        if size > SIZE_MAX:
            raise InvalidFilter("the patterns of a filter are too large")
    return RowFilter(tuple(conditions))


def _segments(text: str) -> Iterator[str]:
    """The parts between commas that are neither quoted nor in parentheses."""
    if not text:
        return
    begin, depth, is_quoted, is_escaped, previous = 0, 0, False, False, ""
    for place, character in enumerate(text):
        if is_quoted:
            is_quoted = is_escaped or character != '"'
            is_escaped = character == "\\" and not is_escaped
        elif character == '"':  # a quote opens only at the begin of a value
            is_quoted = previous in (".", "(", ",")
        elif character == "(":
            depth += 1
        elif character == ")":
            depth = max(0, depth - 1)
        elif character == "," and depth == 0:
            yield text[begin:place]
            begin, previous = place + 1, ""
            continue
        previous = character
    yield text[begin:]


def _condition(segment: str) -> Condition:
    if not segment:
        raise InvalidFilter("a filter must not have empty conditions (check for extra commas)")
    column, equals, rest = segment.partition("=")
    column = column.strip()
    if COLUMNS.get(column, "jsonb") == "jsonb":
        raise InvalidFilter(f"{column[:40]!r} is no column of an appointment that has filters")
    is_negated = rest.startswith("not.")
    operator, dot, value = rest.removeprefix("not.").partition(".")
    if not (equals and dot) or operator not in _OPERATORS:
        expected = f"an operator of {', '.join(_OPERATORS)}"
        raise InvalidFilter(f"a filter must be column=operator.value, with {expected}")
    if operator in _PATTERNS:
        pattern = _pattern(column, operator, _unquoted(value))
        return Condition(column, _unknown_or(pattern.matches), is_negated, pattern.size)
    return Condition(column, _test(column, operator, value), is_negated)


def _test(column: str, operator: str, value: str) -> Test:
    match operator:
        case "in":
            return _in_test(column, value)
        case "is":
            return _is_test(column, _unquoted(value))
    right = read_value(column, _unquoted(value))
    if operator == "isdistinct":
        return lambda left: left != right
    compare = _COMPARISONS[operator]
    return _unknown_or(lambda left: compare(left, right))


def _unknown_or(test: Callable[[Any], bool]) -> Test:
    """As in SQL, no test of null is true or false."""
    return lambda left: None if left is None else test(left)


def _in_test(column: str, value: str) -> Test:
    if not (value.startswith("(") and value.endswith(")") and len(value) > 1):
        raise InvalidFilter("in takes values in parentheses: in.(a,b)")
    elements = _elements(value[1:-1])
    if len(elements) > VALUES_MAX:
        raise InvalidFilter(f"in takes at most {VALUES_MAX} values")
    values = frozenset(read_value(column, each) for each in elements if each is not None)
    otherwise = None if None in elements else False
    return lambda left: None if left is None else (left in values or otherwise)


def _is_test(column: str, value: str) -> Test:
    if value not in _IS:
        raise InvalidFilter(f"is takes {', '.join(_IS)}")
    expected = _IS[value]
    if value != "null" and COLUMNS[column] != "bool":
        raise InvalidFilter(f"is.{value} takes a bool column, and {column} is {COLUMNS[column]}")
    return lambda left: left is expected


def _pattern(column: str, operator: str, value: str) -> Pattern:
    if COLUMNS[column] != "text":
        raise InvalidFilter(f"{operator} takes a text column, and {column} is {COLUMNS[column]}")
    if len(value) > PATTERN_CHARS_MAX:
        raise InvalidFilter(f"a pattern has at most {PATTERN_CHARS_MAX} characters")
    return _PATTERNS[operator](value)


def _unquoted(value: str) -> str:
    """Without the quotes around all of it; quotes elsewhere are part of the value."""
    if not value.startswith('"'):
        return value
    characters, found = iter(value[1:]), list[str]()
    for character in characters:
        if character == '"':
            return "".join(found) if next(characters, None) is None else value
        found.append(next(characters, character) if character == "\\" else character)
    return value


def _elements(text: str) -> list[str | None]:
    """The elements of ``a, "b,c" , null``: as in an array of PostgreSQL, without dimensions."""
    elements: list[str | None] = []
    element = _Element()
    characters = iter(text)
    for character in characters:
        if character == "," and not element.is_open:
            elements.append(element.value())
            element = _Element()
        elif character == "\\" and not element.is_closed:
            element.add(next(characters, ""), escaped=True)
        else:
            element.add(character)
    return [*elements, element.value()]


@dataclass(slots=True)
class _Element:
    """An element of a list, character by character."""

    text: str = ""
    end: int = 0
    """Blanks after it are not part of the element."""
    is_literal: bool = False
    """Quoted or escaped: ``null`` is then a text."""
    is_open: bool = False
    is_closed: bool = False

    def add(self, character: str, *, escaped: bool = False) -> None:
        if escaped or self.is_open:
            self.is_literal = True
            if character == '"' and not escaped:
                self.is_open, self.is_closed = False, True
                return
            if not character:
                raise InvalidFilter("a list must not end with the escape character")
        elif character in _BLANKS:
            self.text += character if self.text and not self.is_closed else ""
            return
        elif character == '"' and not self.text and not self.is_closed:
            self.is_open = True
            return
        elif character in '"{}' or self.is_closed:
            raise InvalidFilter("values of a list with quotes or braces must be quoted whole")
        self.text += character
        self.end = len(self.text)

    def value(self) -> str | None:
        if self.is_open:
            raise InvalidFilter("a quoted value must end with a quote")
        value = self.text[: self.end]
        if not value and not self.is_closed:
            raise InvalidFilter("in takes at least one value, and no empty ones without quotes")
        return None if value.lower() == "null" and not self.is_literal else value
