"""``docs/protocol.md`` names every command, error code and channel that the code has."""

import re
from pathlib import Path

from actors.domain import channels
from actors.domain.refusals import Refusal
from api.errors import HTTP, INTERNAL, STATUS
from api.rest.commands import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs/protocol.md").read_text(encoding="utf-8")
SESSION_COMMANDS = {"channel:join", "channel:leave", "auth:refresh"}


def test_every_error_code_is_listed_with_its_status() -> None:
    listed = set(re.findall(r"^\| (\d{3}) \| `([A-Z_]+)` \|", PAGE, re.MULTILINE))
    known = {(str(status), refusal.code) for refusal, status in STATUS.items()}
    known |= {(str(status), code) for status, (code, _) in HTTP.items()}
    assert listed == known | {(str(INTERNAL.status), INTERNAL.code)}


def test_every_refusal_has_a_status() -> None:
    assert {leaf for leaf in Refusal.__subclasses__() if leaf not in STATUS} == set()


def test_every_command_is_listed() -> None:
    table = PAGE.partition("| command | like |")[2].partition("\n\n")[0]
    listed = re.findall(r"^\| `([a-z]+:[a-z]+)", table, re.MULTILINE)
    assert set(listed) == set(COMMANDS) | SESSION_COMMANDS
    assert len(listed) == len(set(listed))


def test_every_channel_is_listed() -> None:
    prefixes = {value for value in vars(channels).values() if _is_channel(value)}
    listed = {name.partition("{")[0] for name in re.findall(r"^\| `([a-z]+:[^`]+)` \|", PAGE, re.M)}
    assert prefixes <= listed


def _is_channel(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z]+:[a-z]+:?", value) is not None
