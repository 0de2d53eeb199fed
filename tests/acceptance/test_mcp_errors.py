"""What the MCP server refuses, over both transports: arguments, names, messages, origins."""

import json
from typing import Any

import aiohttp
import pytest

from tests.support.clinic import CHATBOT, Clinic
from tests.support.logs import Logs
from tests.support.mcp_http import serving_http
from tests.support.mcp_raw import ENVELOPE, HANDSHAKE, TRANSPORTS, RawMcp, raw_mcp

pytestmark = pytest.mark.parametrize("template", ["sqlite"], indirect=True)
"""No engine matters here."""


def day_of(clinic: Clinic) -> dict[str, Any]:
    day = clinic.at("08:00")[:10]
    return {
        "appointment_type_id": clinic.types["check-up"],
        "from_date": day,
        "to_date": day,
    }


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_every_refusal_says_what_is_wrong(clinic: Clinic, logs: Logs, transport: str) -> None:
    """One connection for all of it: a process takes seconds to start."""
    async with raw_mcp(transport, clinic, logs) as mcp:
        assert (await mcp.initialize())["capabilities"] == {"tools": {"listChanged": False}}
        await _null_for_an_optional_argument_means_left_out(clinic, mcp)
        refused = await _argument_errors_have_code_message_and_next_step(clinic, mcp)
        await _methods_that_are_not_served(mcp)
        unknown = await _unknown_names_are_invalid_params(mcp)
        malformed = await _messages_of_the_wrong_form_are_answered(mcp)
        assert (await mcp.request("ping"))["result"] == {}, "the connection goes on"
        lines = await mcp.log()
    assert [line["level"] for line in lines] == ["warning"] * (refused + unknown + malformed)
    assert not any("exception" in line for line in lines), "no trace of a client's mistake"
    assert "secret" not in str(lines), "a name is the client's text"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_newest_protocol_discovers_tools_only(
    clinic: Clinic, logs: Logs, transport: str
) -> None:
    async with raw_mcp(transport, clinic, logs) as mcp:
        found = await mcp.request("server/discover", {"_meta": ENVELOPE})
        assert found["result"]["capabilities"] == {"tools": {"listChanged": False}}
        listening = {"_meta": ENVELOPE, "notifications": {"toolsListChanged": True}}
        answer = await mcp.request("subscriptions/listen", listening)
        assert answer["error"]["code"] == -32601, "nothing ever changes"
        unknown = await mcp.request("prompts/get", {"_meta": ENVELOPE, "name": "secret"})
        assert unknown["error"]["code"] == -32602


async def test_an_id_of_null_is_refused_over_http(clinic: Clinic, logs: Logs) -> None:
    async with raw_mcp("http", clinic, logs) as mcp:
        await mcp.initialize()
        for wrong in ("null", "{}", "true", "1.5"):
            answer = await mcp.send(f'{{"jsonrpc":"2.0","id":{wrong},"method":"ping"}}'.encode())
            assert answer["error"]["code"] == -32600, wrong
        answer = await mcp.send(b'{"jsonrpc":"2.0","id":"a","method":"tools/list","params":[1]}')
        assert (answer["id"], answer["error"]["code"]) == ("a", -32602)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104  # what is tested
async def test_only_pages_of_named_origins_send_requests(clinic: Clinic, host: str) -> None:
    ours, evil = "https://ours.example", "https://evil.example"
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HANDSHAKE}
    headers = {
        "Authorization": f"Bearer {CHATBOT}",
        "On-Behalf-Of": clinic.patients[0].id,
        "Accept": "application/json, text/event-stream",
    }
    for origins in ((), (ours,)):
        async with (
            serving_http(clinic.url, host=host, origins=origins) as url,
            aiohttp.ClientSession(headers=headers) as session,
        ):

            async def status(origin: str | None) -> int:
                named = {} if origin is None else {"Origin": origin}
                async with session.post(url, json=message, headers=named) as answer:
                    if answer.status == 200 and origin is not None:
                        assert answer.headers["Access-Control-Allow-Origin"] == origin
                    return answer.status

            assert await status(None) == 200
            assert await status(evil) == 403
            assert await status(ours) == (200 if origins else 403)
            asking = {"Origin": ours, "Access-Control-Request-Method": "POST"}
            async with session.options(url, headers=asking) as preflight:
                assert preflight.ok == bool(origins)


async def _null_for_an_optional_argument_means_left_out(clinic: Clinic, mcp: RawMcp) -> None:
    nothing = dict.fromkeys(("dentist_ids", "time_from", "time_to", "limit"))
    found = await mcp.call("find_slots", {**day_of(clinic), **nothing})
    assert not found["isError"], found
    assert len(found["structuredContent"]["slots"]) == 10, "as many as without a limit"
    mine = await mcp.call("my_appointments", {"include_past": None})
    assert mine["structuredContent"] == {"appointments": []}
    held = await mcp.call("hold_slot", clinic.slot("09:00"))
    booking = {"reservation_id": held["structuredContent"]["reservation_id"]}
    asked = await mcp.call("book_appointment", {**booking, "notes": None, "confirmation": None})
    assert asked["structuredContent"]["status"] == "confirmation_required"
    confirmed = {**booking, "confirmation": asked["structuredContent"]["confirmation"]}
    booked = await mcp.call("book_appointment", confirmed)
    assert booked["structuredContent"]["status"] == "done", "with or without null: the same"
    which = {"appointment_id": booked["structuredContent"]["appointment"]["id"]}
    asked = await mcp.call("cancel_appointment", {**which, "reason": None})
    assert asked["structuredContent"]["status"] == "confirmation_required"
    tools = (await mcp.request("tools/list"))["result"]["tools"]
    for schema in (tool["inputSchema"] for tool in tools):
        assert schema["additionalProperties"] is False
        for name in schema["properties"].keys() - set(schema.get("required", ())):
            assert {"type": "null"} in schema["properties"][name]["anyOf"], name


async def _argument_errors_have_code_message_and_next_step(clinic: Clinic, mcp: RawMcp) -> int:
    day, slot = day_of(clinic), clinic.slot("09:00")
    which = {"reservation_id": clinic.patients[0].id}
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("find_slots", {}, "appointment_type_id"),
        ("find_slots", {**day, "from_date": None}, "from_date"),
        ("find_slots", {**day, "from_date": "9999-12-31"}, "from_date"),
        ("find_slots", {**day, "from_date": 1_800_000_000}, "from_date"),
        ("find_slots", {**day, "to_date": "0001-01-01"}, "to_date"),
        ("find_slots", {**day, "limit": "3"}, "limit"),
        ("find_slots", {**day, "limit": True}, "limit"),
        ("find_slots", {**day, "limit": 10**30}, "limit"),
        ("find_slots", {**day, "dentist_ids": [None]}, "dentist_ids.0"),
        ("find_slots", {**day, "dentist_ids": "no list"}, "dentist_ids"),
        ("find_slots", {**day, "time_from": "24:00"}, "time_from"),
        ("find_slots", {**day, "dentist": clinic.dentists[0].id}, "dentist"),
        ("find_slots", {**day, "dentist": None}, "dentist"),
        ("list_dentists", {"x" * 100_000: 1}, "xxx"),
        ("my_appointments", {"include_past": "yes"}, "include_past"),
        ("hold_slot", {**slot, "start": 1_800_000_000}, "start"),
        ("hold_slot", {**slot, "start": "1800000000"}, "start"),
        ("hold_slot", {**slot, "start": "9999-12-31T23:59:00-14:00"}, "start"),
        ("hold_slot", {**slot, "start": "0001-01-01T00:00:00+14:00"}, "start"),
        ("book_appointment", {**which, "notes": 5}, "notes"),
        ("book_appointment", {**which, "notes": "x" * 2_001}, "notes"),
        ("cancel_appointment", {"appointment_id": "x", "reason": "none"}, "reason"),
    ]
    for tool, arguments, named in cases:
        result = await mcp.call(tool, arguments)
        problem = result["structuredContent"]
        assert result["isError"], (tool, arguments)
        assert problem["code"] == "VALIDATION_ERROR", (tool, arguments)
        assert named in problem["message"], problem
        assert problem["next_step"]
        assert len(problem["message"]) < 500
        assert json.loads(result["content"][0]["text"]) == problem
    found = await mcp.call("book_appointment", {**which, "notes": "[1]"})
    assert found["structuredContent"]["code"] == "NOT_FOUND", "text like JSON is text"
    return len(cases)


async def _methods_that_are_not_served(mcp: RawMcp) -> None:
    params = {
        "uri": "a://b",
        "level": "debug",
        "ref": {"type": "ref/prompt", "name": "a"},
        "argument": {"name": "a", "value": "b"},
    }
    for method in ("resources/subscribe", "completion/complete", "logging/setLevel", "no/such"):
        assert (await mcp.request(method, params))["error"]["code"] == -32601, method


async def _unknown_names_are_invalid_params(mcp: RawMcp) -> int:
    cases = (
        ("prompts/get", {"name": "secret"}),
        ("resources/read", {"uri": "file:///secret"}),
        ("tools/call", {"name": "secret", "arguments": {}}),
        ("tools/call", {"name": "secret" * 50_000, "arguments": {}}),
    )
    for method, params in cases:
        error = (await mcp.request(method, params))["error"]
        assert error["code"] == -32602, (method, error)
        assert len(error["message"]) < 200
    return len(cases)


async def _messages_of_the_wrong_form_are_answered(mcp: RawMcp) -> int:
    cases = (
        (b'{"jsonrpc":', -32700),
        (b"[" * 50_000 + b"]" * 50_000, -32700),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', -32600),
        (b"[]", -32600),
        (b"5", -32600),
        (b'{"id": 1, "method": "ping"}', -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": 7}', -32600),
    )
    for body, code in cases:
        answer = await mcp.send(body)
        assert (answer["id"], answer["error"]["code"]) == (None, code), (body[:60], answer)
        assert "pydantic" not in answer["error"]["message"]
    return len(cases)
