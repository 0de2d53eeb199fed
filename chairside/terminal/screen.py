"""Screens of a chat session: a terminal, plain lines, or JSON lines for scripts."""

import asyncio
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import TextIO

from rich.console import Console
from rich.text import Text

from chairside.chatbot.dialogue.state import ChatReply, LiveChange

Inbox = asyncio.Queue[str | LiveChange | None]
"""Typed lines and live changes in order of arrival; ``None`` ends the session."""

PROMPT = "you › "


def _read(next_line: Callable[[], str], inbox: Inbox) -> None:
    """Read lines in a thread: reading blocks, and notices must not wait for it."""
    loop = asyncio.get_running_loop()

    def put(item: str | None) -> None:
        try:
            loop.call_soon_threadsafe(inbox.put_nowait, item)
        except RuntimeError:
            return  # the session has ended

    def read() -> None:
        try:
            while line := next_line():
                put(line.rstrip("\n"))
        except (EOFError, KeyboardInterrupt, ValueError, UnicodeDecodeError):
            pass
        put(None)

    threading.Thread(target=read, daemon=True, name="typed lines").start()


class Lines:
    """Plain lines in and out, for pipes."""

    def __init__(self, source: TextIO, target: TextIO) -> None:
        self._source, self._target = source, target

    def start(self, inbox: Inbox) -> None:
        """Put every typed line into ``inbox``, and ``None`` at the end of input."""
        _read(self._source.readline, inbox)

    def show(self, reply: ChatReply) -> None:
        self._write(("! " if reply.notice else "") + reply.text)

    def prompt(self) -> None:
        """Show that input is expected."""

    def _write(self, line: str) -> None:
        self._target.write(line + "\n")
        self._target.flush()


class JsonLines(Lines):
    """One JSON object a line: ``{"text", "options", "notice"}``, and ``{"ready": true}``
    when input is expected."""

    def show(self, reply: ChatReply) -> None:
        self._json(asdict(reply))

    def prompt(self) -> None:
        self._json({"ready": True})

    def _json(self, data: object) -> None:
        self._write(json.dumps(data, ensure_ascii=False))


class Terminal:
    """For people: a prompt that stays at the bottom, notices above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._prompting = False

    def start(self, inbox: Inbox) -> None:
        _read(self._typed, inbox)

    def _typed(self) -> str:
        line = sys.stdin.readline()
        self._prompting = False
        return line

    def show(self, reply: ChatReply) -> None:
        if self._prompting:
            self._console.print("\r\x1b[K", end="")
            self._prompting = False
        style = "yellow" if reply.notice else "cyan"
        self._console.print(Text("  ● " if reply.notice else "  ", style=style), end="")
        self._console.print(Text(reply.text.replace("\n", "\n  ")))  # text is data, never markup

    def prompt(self) -> None:
        self._console.print(Text(PROMPT, style="bold"), end="")
        self._console.file.flush()
        self._prompting = True


Screen = Lines | Terminal
