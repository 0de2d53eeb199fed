"""``make cluster``: three nodes, a demo clinic and one link, on a machine with nothing on it."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from tests.support.eventually import eventually
from tests.support.logs import captured_logs
from tests.support.ports import free_port
from tools.cluster import run


@pytest.mark.long
@pytest.mark.timeout(120)
async def test_one_command_opens_the_demo_clinic_on_three_nodes(tmp_path: Path) -> None:
    output: list[str] = []
    stop, port = asyncio.Event(), free_port()
    with captured_logs():
        running = asyncio.create_task(run(tmp_path, port, stop, output.append))
        while not any("Ctrl-C" in line for line in output):
            if running.done():
                await running
            await asyncio.sleep(0.1)
        links = json.loads((tmp_path / "links.json").read_text())
        async with aiohttp.ClientSession() as session:
            token = links["admin"]["token"]
            headers = {"Authorization": f"Bearer {token}"}

            async def all_three() -> bool:
                async with session.get(f"{links['url']}/metrics", headers=headers) as answer:
                    return "chairside_cluster_nodes 3.0" in await answer.text()

            assert await eventually(all_three, 5.0)
        stop.set()
        await running
    assert any("three nodes" in line for line in output)
