"""Nodes share the keys and sessions of people who sign in; an ended one has ended everywhere."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp
import pytest

from tests.integration.cluster_world import logs as logs
from tests.integration.cluster_world import template as template
from tests.integration.cluster_world import valkey as valkey
from tests.support.cluster import ClusterNode, nodes
from tests.support.running import Template
from tests.support.sign_in import COOKIE, ORIGIN, Browser, begun
from tests.support.valkey import ValkeyServer


@pytest.fixture
async def two(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> AsyncIterator[Sequence[ClusterNode]]:
    async with nodes(template, tmp_path, valkey, 2, public_url=ORIGIN) as made:
        yield made


def browser_at(node: ClusterNode, session: aiohttp.ClientSession, cookie: str) -> Browser:
    return Browser(session, node.clinic.url, {COOKIE: cookie})


async def test_an_ended_session_has_ended_at_every_node(two: Sequence[ClusterNode]) -> None:
    first, second = two
    patient = first.clinic.patients[0]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        here = browser_at(first, session, await begun(first.running.hub, patient))
        access = await here.token()
        there = browser_at(second, session, here.cookies[COOKIE])
        screen = await second.clinic.connect("/patient", {"token": access})
        api = second.clinic.with_token(access)
        assert (await api.get("/api/profiles/me")).body["id"] == patient.id
        renewed = await there.token()
        assert (await first.clinic.with_token(renewed).get("/api/profiles/me")).status == 200
        here.cookies = there.cookies
        assert (await here.post("/sign-in/sign-out")).status == 204
        await asyncio.wait_for(screen.disconnected.wait(), 5)
        for token in (access, renewed):
            assert (await api.get("/api/profiles/me")).status == 401
            assert (await second.clinic.with_token(token).get("/api/profiles/me")).status == 401
        assert (await there.post("/sign-in/token")).status == 401


async def test_two_tabs_at_two_nodes_get_one_successor(two: Sequence[ClusterNode]) -> None:
    cookie = await begun(two[0].running.hub, two[0].clinic.patients[0])
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        tabs = [browser_at(node, session, cookie) for node in (*two, *two)]
        await asyncio.gather(*(tab.token() for tab in tabs))
        assert len({tab.cookies[COOKIE] for tab in tabs}) == 1
        assert tabs[0].cookies[COOKIE] != cookie
