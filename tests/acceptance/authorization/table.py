"""Reads the tables of docs/authorization.md, and compares them with the code.

The page is the matrix: one row for each thing that can be called, one column for each kind of
caller. The tests execute every cell; nothing is stated a second time.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from tests.support.process import ROOT

PAGE: Final = ROOT / "docs/authorization.md"
CALLERS: Final = (
    *("none", "bad", "P", "P2", "D", "D2", "S", "S2", "admin", "bot"),
    *("bot→P", "bot→P2", "bot→?", "act P"),
)
"""The columns: the legend of the page explains them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    section: str
    call: str
    """What is called: a route, a command, a channel, an event, a tool."""
    target: str
    """On whose thing, or over which protocol."""
    cells: Mapping[str, str]
    """The outcome for each caller."""

    def __str__(self) -> str:
        return line(self.call, self.target, self.cells)


def line(call: str, target: str, cells: Mapping[str, str]) -> str:
    """The row as the page writes it."""
    return f"| `{call}` | {target} | {' | '.join(cells[name] for name in CALLERS)} |"


def read_tables(text: str) -> tuple[Row, ...]:
    """Every row of the page whose first cell is code, under the heading it stands under."""
    rows, section = list[Row](), ""
    for each in text.splitlines():
        if each.startswith("## "):
            section = each.removeprefix("## ")
        elif found := re.fullmatch(r"\| `([^`]+)` \|(.*)\|", each):
            target, *cells = (cell.strip() for cell in found[2].split("|"))
            assert len(cells) == len(CALLERS), f"not one cell for each caller: {each}"
            rows.append(
                Row(
                    section=section,
                    call=found[1],
                    target=target,
                    cells=dict(zip(CALLERS, cells, strict=True)),
                )
            )
    return tuple(rows)


def without_row(rows: Collection[Row], section: str, known: Collection[str]) -> set[str]:
    """What the code has and the section has no row for."""
    return set(known) - {row.call for row in rows if row.section == section}


def without_code(rows: Collection[Row], section: str, known: Collection[str]) -> set[str]:
    """What the section has a row for and the code does not have."""
    return {row.call for row in rows if row.section == section} - set(known)
