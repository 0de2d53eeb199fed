"""Log lines have one form, and contain no personal data and no tokens."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from hub.telemetry.logging import REDACTED, LoggingSettings, configure_logging
from tests.support.logs import Logs, captured_logs

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"


@pytest.fixture
def out() -> Iterator[Logs]:
    with captured_logs() as logs:
        yield logs


def only_line(logs: Logs) -> dict[str, Any]:
    (line,) = logs.lines()
    return line


def test_a_line_has_time_level_event_logger_and_the_fields(out: Logs) -> None:
    structlog.get_logger("api.requests").info("api_request", method="GET", status=200)
    line = only_line(out)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "event": "api_request",
        "logger": "api.requests",
        "method": "GET",
        "status": 200,
    }


def test_the_standard_librarys_loggers_write_the_same_form(out: Logs) -> None:
    logging.getLogger("actors.stand_in").warning("actor_stopped %s", "d1", extra={"waiting": 3})
    line = only_line(out)
    assert (line["event"], line["level"], line["logger"], line["waiting"]) == (
        "actor_stopped d1",
        "warning",
        "actors.stand_in",
        3,
    )


def test_an_error_is_logged_with_its_stack_trace_and_context(out: Logs) -> None:
    def fail() -> None:
        raise LookupError("no such calendar")

    for log in (structlog.get_logger("a"), logging.getLogger("b")):
        try:
            fail()
        except LookupError:
            log.exception("turn_failed")
    for line in out.lines():
        assert line["level"] == "error"
        assert "in fail" in line["exception"]
        assert "LookupError: no such calendar" in line["exception"]


def test_every_line_of_a_request_has_its_context(out: Logs) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger("a").info("one")
        logging.getLogger("b").warning("two")
    structlog.get_logger("a").info("three")
    assert [line.get("request_id") for line in out.lines()] == ["r1", "r1", None]


@pytest.mark.parametrize("key", ["token", "Authorization", "secret", "name", "notes", "email"])
def test_values_of_sensitive_keys_are_redacted_at_any_depth(out: Logs, key: str) -> None:
    structlog.get_logger("a").info("one", **{key: "Grace"}, body={"list": [{key: "Grace"}]})
    logging.getLogger("b").warning("two", extra={"body": {key: "Grace"}})
    assert "Grace" not in out.getvalue()
    assert out.getvalue().count(REDACTED) == 3


def test_one_call_logs_many_lines_in_the_same_form(out: Logs) -> None:
    each = [{"request_id": "a.1", "code": "ok"}, {"request_id": "a.2", "why": f"not {TOKEN}"}]
    with structlog.contextvars.bound_contextvars(request_id="another", task="one of many"):
        structlog.get_logger("api.sockets").info("socket_command", each=each)
    first, second = out.lines()
    head = {"time": first["time"], "level": "info", "event": "socket_command"}
    assert first == {**head, "logger": "api.sockets", **each[0]}
    assert second == {
        **head,
        "logger": "api.sockets",
        "request_id": "a.2",
        "why": f"not {REDACTED}",
    }


def test_sensitive_keys_of_many_lines_are_redacted(out: Logs) -> None:
    structlog.get_logger().info("imported", each=[{"name": "Ada", "row": {"email": "a@b.c"}}])
    line = only_line(out)
    assert (line["name"], line["row"]) == (REDACTED, {"email": REDACTED})


def test_many_lines_of_one_call_are_many_for_people_too() -> None:
    with captured_logs():  # restores the loggers
        out = io.StringIO()
        configure_logging(LoggingSettings(format="console"), out)
        structlog.get_logger("api").info("socket_command", each=[{"code": "ok"}, {"code": "no"}])
    first, second = out.getvalue().splitlines()
    assert "code=ok" in first
    assert "code=no" in second


def test_tokens_are_redacted_in_any_position(out: Logs) -> None:
    structlog.get_logger("a").info("one", path=f"/?token={TOKEN}")
    logging.getLogger("b").warning("bad header %s", TOKEN)
    try:
        raise ValueError(TOKEN)
    except ValueError:
        structlog.get_logger("a").exception("three")
    assert TOKEN not in out.getvalue()
    assert out.getvalue().count(REDACTED) == 3


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_value_begins_a_line_or_moves_the_cursor(form: Any) -> None:
    odd = "a\rb\nc\x1b[31md\x9be\x85f\u2028g\u202eh"
    with captured_logs():  # restores the loggers
        out = io.StringIO()
        configure_logging(LoggingSettings(format=form), out)
        structlog.get_logger("a").warning("one", path=odd, more=[odd, {"x": odd}])
        logging.getLogger("b").warning("bad header %s", odd)
    first, second = out.getvalue().splitlines()
    assert (first + second).isprintable()


def test_values_of_an_sql_statement_are_redacted(out: Logs) -> None:
    text = "IntegrityError: UNIQUE\n[SQL: INSERT …]\n[parameters: ('Grace', 'x')]"
    structlog.get_logger("a").error("commit_failed", error=text)
    assert "Grace" not in out.getvalue()


def test_levels_below_the_configured_one_are_dropped(out: Logs) -> None:
    configure_logging(LoggingSettings(format="json", level="warning"), out)
    structlog.get_logger("c").info("quiet")
    logging.getLogger("d").info("quiet")
    structlog.get_logger("c").warning("loud")
    assert [line["event"] for line in out.lines()] == ["loud"]


def test_values_unknown_to_json_are_written_as_text(out: Logs) -> None:
    structlog.get_logger("a").info("one", channel=object)
    assert "object" in only_line(out)["channel"]


def test_the_console_format_is_readable_text(out: Logs) -> None:
    configure_logging(LoggingSettings(format="console"), out)
    structlog.get_logger("a").info("hub_started", url="http://127.0.0.1", token=TOKEN)
    assert "hub_started" in out.getvalue()
    assert "url=http://127.0.0.1" in out.getvalue()
    assert TOKEN not in out.getvalue()


def test_the_auto_format_is_json_without_a_terminal(out: Logs) -> None:
    configure_logging(LoggingSettings(format="auto"), out)
    structlog.get_logger("a").info("one")
    assert only_line(out)["event"] == "one"


class Writes(io.StringIO):
    """Counts how often it is written to."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def write(self, text: str) -> int:
        self.count += 1
        return super().write(text)

    @property
    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.getvalue().splitlines()]


@pytest.fixture
def writes() -> Iterator[Writes]:
    with captured_logs():  # restores the configuration
        stream = Writes()
        configure_logging(LoggingSettings(format="json"), stream)
        yield stream


async def test_lines_of_one_iteration_of_the_loop_are_written_together(writes: Writes) -> None:
    log = structlog.get_logger("a")
    for number in range(3):
        log.info(f"line_{number}")
    assert writes.count == 0
    await asyncio.sleep(0)
    assert (writes.count, writes.events) == (1, ["line_0", "line_1", "line_2"])
    log.info("later")
    await asyncio.sleep(0)
    assert writes.events[-1] == "later"


async def test_a_warning_is_written_at_once_with_all_lines_before_it(writes: Writes) -> None:
    log = structlog.get_logger("a")
    log.info("first")
    log.warning("careful")
    assert writes.events == ["first", "careful"]
    log.info("afterwards")
    await asyncio.sleep(0)
    assert writes.events == ["first", "careful", "afterwards"]


async def test_a_thread_without_a_loop_writes_at_once(writes: Writes) -> None:
    structlog.get_logger("a").info("of the loop")
    await asyncio.to_thread(structlog.get_logger("b").info, "of a thread")
    assert sorted(writes.events) == ["of a thread", "of the loop"]


def test_the_last_line_of_a_loop_is_written_before_it_closes(writes: Writes) -> None:
    async def log_goodbye() -> None:
        structlog.get_logger("a").info("goodbye")

    asyncio.run(log_goodbye())
    assert writes.events == ["goodbye"]
