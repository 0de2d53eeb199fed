"""Supabase's other services: what users of supabase-js see when their code still calls them."""

import asyncio
import json
from typing import Any

from tests.support.clinic import Clinic
from tests.support.supabase_clients import NODE_FOLDER
from tools.node import install

HINT = "Use the hub's own API, under /api; /docs documents it"
REST = ("select", "insert", "update", "delete", "rpc")
AUTH = ("signIn", "signUp", "user", "users")
STORAGE = ("buckets", "list", "upload", "download")


async def _seen(clinic: Clinic) -> dict[str, dict[str, Any]]:
    """By call of tests/node/services.mjs: what its user sees."""
    node = install(NODE_FOLDER)
    process = await asyncio.create_subprocess_exec(
        str(node.node),
        "services.mjs",
        cwd=NODE_FOLDER,
        env={**node.environment(), "HUB": clinic.url, "KEY": clinic.dentists[0].token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(20):
            printed, failed = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, failed.decode()
    return {line["name"]: line for line in map(json.loads, printed.splitlines())}


async def test_each_client_of_supabase_js_gets_a_message(clinic: Clinic) -> None:
    seen = await _seen(clinic)
    for name in REST:
        error = seen[name]
        assert (error["code"], error["hint"]) == ("NOT_FOUND", HINT), name
        assert error["message"] == "This hub does not offer Supabase REST"
    for name in AUTH:
        error = seen[name]
        assert (error["status"], error["code"]) == (404, "NOT_FOUND"), name
        assert error["message"] == "This hub does not offer Supabase Auth"
    for name in STORAGE:
        assert seen[name]["message"] == "This hub does not offer Supabase Storage", name
        assert seen[name]["status"] == 404
    assert seen["invoke"]["body"] == {
        "code": "NOT_FOUND",
        "message": "This hub does not offer Supabase Edge Functions",
        "details": None,
        "hint": HINT,
    }
