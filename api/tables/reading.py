"""Reads a table: its delimiter and columns are recognised by the heading."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Final

from actors.domain.refusals import ValidationFailed
from api.tables.decoding import Encoding, encoding_of, lines_of, refuse_file

COLUMNS_MAX: Final = 200
ROWS_MAX: Final = 200_000
"""Records after the heading, empty ones included."""
RECORD_MAX_CHARS: Final = 300_000
RECORD_MAX_LINES: Final = 1_000
CELL_MAX_CHARS: Final = 10_000
_SEPARATOR_LINE: Final = "sep="
"""Excel's own first line, which names the delimiter."""

Recognise = Callable[[Sequence[str]], Mapping[str, int]]
"""Finds which field is in which column, by the headings."""


class Delimiter(StrEnum):
    COMMA = "comma"
    SEMICOLON = "semicolon"
    TAB = "tab"

    @property
    def character(self) -> str:
        return {"comma": ",", "semicolon": ";", "tab": "\t"}[self]


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """One record; its cells by field."""

    line: int
    """Of the file, from 1, where the record begins."""
    cells: Mapping[str, str]
    problem: str | None = None
    """Why it cannot be used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A file whose heading was understood."""

    data: bytes
    encoding: Encoding
    delimiter: Delimiter
    headings: tuple[str, ...]
    fields: Mapping[str, int]
    """The column of each field."""

    @property
    def columns(self) -> Mapping[str, str]:
        """The heading of each field."""
        return {field: self.headings[at] for field, at in self.fields.items()}

    @property
    def ignored(self) -> tuple[str, ...]:
        """The headings of columns that are no field."""
        used = set(self.fields.values())
        return tuple(each for at, each in enumerate(self.headings) if each and at not in used)

    def rows(self) -> Iterator[TableRow]:
        """The records after the heading, without empty lines. Raises ValidationFailed."""
        records = _records(self.data, self.encoding, self.delimiter)
        next(records)
        for line, cells in records:
            yield self._row(line, cells)

    def _row(self, line: int, cells: Sequence[str]) -> TableRow:
        found = {field: cells[at] for field, at in self.fields.items() if at < len(cells)}
        problem = None
        if any(map(str.strip, cells[len(self.headings) :])):
            problem = "has more cells than the heading: is a quote missing?"
        elif any(len(each) > CELL_MAX_CHARS for each in found.values()):
            problem = f"a cell has more than {CELL_MAX_CHARS:,} characters: is a quote missing?"
        return TableRow(line=line, cells={} if problem else found, problem=problem)


def read_table(
    data: bytes,
    recognise: Recognise,
    *,
    encoding: Encoding | None = None,
    delimiter: Delimiter | None = None,
) -> Table:
    """The table in a file. Raises ValidationFailed, for a heading without a known field, too.

    The delimiter is the one by which most columns are known, then the one that divides most.
    """
    encoding = encoding or encoding_of(data)
    candidates = (delimiter,) if delimiter else tuple(Delimiter)
    best: Table | None = None
    failure: ValidationFailed | None = None
    for each in candidates:
        try:
            _, cells = next(_records(data, encoding, each), (0, []))
            headings = tuple(map(str.strip, cells))
            fields = recognise(headings)
        except ValidationFailed as error:
            failure = error
            continue
        table = Table(
            data=data, encoding=encoding, delimiter=each, headings=headings, fields=fields
        )
        if best is None or _known(table) > _known(best):
            best = table
    if failure and not (best and best.fields):
        raise failure
    if best is None or not any(map(str.isalnum, "".join(best.headings))):
        raise refuse_file("has no heading")
    return best


def _known(table: Table) -> tuple[int, int]:
    return len(table.fields), len(table.headings)


def _records(
    data: bytes, encoding: Encoding, delimiter: Delimiter
) -> Iterator[tuple[int, Sequence[str]]]:
    """The line and the cells of each record that has any text."""
    lines = _RecordLines(lines_of(data, encoding))
    reader = csv.reader(lines, delimiter=delimiter.character, strict=True)
    begins = 1
    for number in count():
        lines.begin_record(begins)
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise refuse_file(f"line {begins:,}: {_reason(error)}") from None
        if cells is None:
            return
        if number > ROWS_MAX:
            raise refuse_file(f"has more than {ROWS_MAX:,} rows, empty ones included: divide it")
        line, begins = begins, reader.line_num + 1
        if not number and cells and cells[0].lower().startswith(_SEPARATOR_LINE):
            continue
        if len(cells) > COLUMNS_MAX:
            raise refuse_file(f"line {line:,} has more than {COLUMNS_MAX} cells")
        if any(map(str.strip, cells)):
            yield line, cells


class _RecordLines:
    """Lines for a csv.reader, which otherwise collects a record of any size.

    A quote that is not closed, or text like ``"a<LF>","a<LF>"``, is one record until its end.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.begin_record(1)

    def begin_record(self, line: int) -> None:
        self._begins, self._count, self._chars = line, 0, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._count += 1
        self._chars += len(line)
        if self._count > RECORD_MAX_LINES or self._chars > RECORD_MAX_CHARS:
            raise refuse_file(
                f"line {self._begins:,} begins a row of more than {RECORD_MAX_LINES:,} lines or"
                f" {RECORD_MAX_CHARS:,} characters: is a quote missing?"
            )
        return line


def _reason(error: csv.Error) -> str:
    if "end of data" in str(error):
        return "a quote is not closed"
    if "field limit" in str(error):
        return "a cell is too long: is a quote missing?"
    return "text after a closing quote: double the quotes inside of a quoted cell"
