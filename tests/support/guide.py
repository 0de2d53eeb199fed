"""Runs a guide in ``docs/`` from its first to its last example, as a reader would.

A comment before a fenced block says what the block is:

``<!-- run: sh -->``      it is executed, in one shell for the whole guide; it must succeed
``<!-- run: hub -->``     ``chairside serve``: runs until the end, its address is ``$HUB``
``<!-- file: NAME -->``   it is written to a file of this name
``<!-- prints -->``       the block before it printed this; see :func:`agrees`
"""

import asyncio
import json
import re
import shlex
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.commandline import ROOT, command
from tests.support.examples import program

BLOCK_S: Final = 60
ANYTHING: Final = "…"
_BLOCK: Final = re.compile(r"^<!-- ([a-z]+(?:: \S+)?) -->\n```(\w+)\n(.*?)^```$", re.DOTALL | re.M)
_END: Final = "end of the block"


@dataclass(frozen=True, slots=True)
class Block:
    marker: str
    """The comment, such as ``run: sh``."""
    language: str
    text: str


def blocks_of(page: str) -> list[Block]:
    """The marked blocks of a page, such as ``docs/practice.md``, in order."""
    return [Block(*found) for found in _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))]


def agrees(expected: Any, found: Any) -> bool:
    """Whether a value is the one of the guide.

    ``…`` stands for any value, or a part of a text. As the last element of a list, or as a name
    in an object (``"…": "…"``), it stands for all that the guide does not show.
    """
    match expected, found:
        case dict(), dict():
            shown = {name: each for name, each in expected.items() if name != ANYTHING}
            return (shown.keys() == found.keys() or ANYTHING in expected) and all(
                name in found and agrees(each, found[name]) for name, each in shown.items()
            )
        case [*first, last], list() if last == ANYTHING:
            return len(found) >= len(first) and agrees(first, found[: len(first)])
        case list(), list():
            return len(expected) == len(found) and all(map(agrees, expected, found))
        case str(), str():
            pattern = ".*".join(map(re.escape, expected.split(ANYTHING)))
            return re.fullmatch(pattern, found, re.DOTALL) is not None
        case _:
            return expected in (ANYTHING, found)


async def run_guide(page: str, folder: Path, **variables: str) -> int:
    """Run every marked block of the page; returns how many answers were compared."""
    programs = folder / "bin"
    programs.mkdir()
    chairside = programs / "chairside"
    chairside.write_text(f'#!/bin/sh\nexec {sys.executable} -m hub.cli "$@"\n')
    chairside.chmod(0o755)
    compared, output = 0, ""
    async with _shell(folder, variables) as shell, AsyncExitStack() as stack:
        await shell.run(f"PATH={shlex.quote(str(programs))}:$PATH")
        for block in blocks_of(page):
            match block.marker.split(": "):
                case "run", "sh":
                    output = await shell.run(block.text)
                case "run", "hub":
                    argv = shlex.split(block.text)[1:]
                    hub = await stack.enter_async_context(command(folder, *argv, **variables))
                    await shell.run(f"HUB={hub.url}")
                case "file", name:
                    (folder / name).write_text(block.text, encoding="utf-8")
                case ["prints"]:
                    assert agrees(_values(block, block.text), _values(block, output)), (
                        f"the guide shows\n{block.text}\nbut it was\n{output}"
                    )
                    compared += 1
                case _:
                    raise AssertionError(f"<!-- {block.marker} --> is no marker of a guide")
    return compared


def _values(block: Block, text: str) -> Sequence[Any]:
    """The JSON documents of a text; without JSON, the text as a whole."""
    if block.language != "json":
        return [text.strip()]
    found, decoder = [], json.JSONDecoder()
    while text := text.strip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


class _Shell:
    """One shell that keeps its variables and functions from block to block."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, script: str) -> str:
        """The output of the script; a command that fails ends the shell, and the test."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f'{script}\nprintf "\\n%s\\n" {shlex.quote(_END)}\n'.encode())
        lines: list[str] = []
        async with asyncio.timeout(BLOCK_S):
            while line := (await self._process.stdout.readline()).decode():
                if line.rstrip("\n") == _END:
                    return "".join(lines)
                lines.append(line)
        raise AssertionError(f"{script}\nfailed:\n{''.join(lines)}")


@asynccontextmanager
async def _shell(folder: Path, variables: dict[str, str]) -> AsyncIterator[_Shell]:
    arguments = ("bash", "-euo", "pipefail")
    pipe, output = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    async with program(folder, *arguments, stdin=pipe, stderr=output, **variables) as process:
        yield _Shell(process)
