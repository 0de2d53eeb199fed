"""Criterion 5.5: what a request answers was read as its caller.

Every route that reads is asked; what the hub asked in its own name meanwhile is looked at.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from api.rest.route_table import ROUTES
from store.sql.readers import NO_LOOKUP, Lookup, Readers
from tests.support.api import Api
from tests.support.clinic import ADMIN, appointments_of
from tests.support.database import Database
from tests.support.running import Template, config_for, running_hub

_WHO_IS_THIS = re.compile(r"WHERE profiles\.(id|subject) = ")
_WHOSE_IS_THIS = re.compile(r"^SELECT profiles\.id \s*FROM profiles")
_NOBODYS = "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"
"""An id that nothing has: what is asked for it is asked all the same."""
_TYPES = re.compile(r"FROM appointment_types")


class Spy:
    """What the hub asked in its own name: what it named, and the statement."""

    def __init__(self, readers: Readers) -> None:
        self.asked: list[tuple[Lookup, str]] = []
        self._hub = readers.hub
        readers.hub = self.hub  # type: ignore[method-assign]  # the one seam that all such reads pass

    @asynccontextmanager
    async def hub(self, lookup: Lookup = NO_LOOKUP) -> AsyncIterator[AsyncConnection]:
        async with self._hub(lookup) as connection:

            def said(_c: Any, _cursor: Any, sql: str, *_further: Any) -> None:
                self.asked.append((lookup, sql))

            event.listen(connection.sync_connection, "before_cursor_execute", said)
            try:
                yield connection
            finally:
                event.remove(connection.sync_connection, "before_cursor_execute", said)


@pytest.fixture
def database(template: Template, tmp_path: Path) -> Any:
    with template.copied_to(tmp_path) as database:
        yield database


async def test_r5_5_what_a_request_answers_is_read_as_its_caller(
    template: Template, database: Database
) -> None:
    ann, pat, pia = template.people.dentists[0], *template.people.patients[:2]
    kind = template.people.types["check-up"]
    slot = {"dentist_id": ann.id, "appointment_type_id": kind, "start": "2027-03-01T09:00:00Z"}
    async with (
        running_hub(config_for(database)) as running,
        aiohttp.ClientSession() as session,
    ):
        as_ann, as_pat = (Api(session, running.url, who.token) for who in (ann, pat))
        as_pia, as_admin = (Api(session, running.url, who) for who in (pia.token, ADMIN))
        start = (await as_ann.get("/api/slots", **_soon(ann.id, kind))).body["data"][0]["start"]
        booked = await as_pat.post("/api/appointments", {**slot, "start": start})
        assert booked.status == 201, booked.body
        later = (await as_ann.get("/api/slots", **_soon(ann.id, kind))).body["data"][0]["start"]
        held = await as_pia.post("/api/reservations", {**slot, "start": later})
        assert held.status == 201, held.body
        one = f"/api/appointments/{booked.body['id']}"
        channel = appointments_of(ann)
        spy = Spy(running.hub.core.base.store._readers)
        asked_of_all: tuple[tuple[Api, str, dict[str, Any]], ...] = (
            (as_ann, "/api/appointments", {}),
            (as_ann, one, {}),
            (as_ann, f"{one}/history", {}),
            (as_pia, f"/api/reservations/{held.body['id']}", {}),
            (as_ann, f"/api/availability/{ann.id}", {}),
            (as_ann, "/api/slots", _soon(ann.id, kind)),
            (as_pat, "/api/dentists", {}),
            (as_pat, "/api/profiles/me", {}),
            (as_ann, f"/api/profiles/{pat.id}", {}),
            (as_ann, "/api/patients", {"q": "patient"}),
            (as_pat, "/api/appointment-types", {}),
            (as_ann, "/api/changes", {"channel": channel, "since": "0.0"}),
            (as_admin, "/api/webhooks", {}),
            (as_admin, f"/api/webhooks/{_NOBODYS}", {}),
            (as_admin, f"/api/webhooks/{_NOBODYS}/deliveries", {}),
        )
        for api, path, query in asked_of_all:
            answer = await api.get(path, **query)
            assert answer.status == (404 if _NOBODYS in path else 200), (path, answer.body)
        epoch, head = await _position(as_ann, channel)
        missed = await as_ann.get("/api/changes", channel=channel, since=f"{epoch}.{head - 1}")
        assert len(missed.body["channels"][channel]["events"]) == 1
    for asked, sql in spy.asked:
        named = asked.people or asked.subjects or asked.exact
        assert (
            (named and _WHO_IS_THIS.search(sql))
            or (asked.exact and _WHOSE_IS_THIS.search(sql))
            or _TYPES.search(sql)
        ), sql
    assert any(asked.exact for asked, _ in spy.asked), "the spy saw the search's own question"
    _every_route_was_asked({path for _, path, _ in asked_of_all})


def _soon(dentist_id: str, kind: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "dentist_id": dentist_id,
        "appointment_type_id": kind,
        "from": f"{now + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
        "to": f"{now + timedelta(days=5):%Y-%m-%dT%H:%M:%SZ}",
    }


async def _position(api: Api, channel: str) -> tuple[int, int]:
    answer = await api.get("/api/changes", channel=channel, since="now")
    place = answer.body["channels"][channel]
    return place["epoch"], place["offset"]


def _every_route_was_asked(paths: set[str]) -> None:
    """A new route that reads has to be added to the test."""
    for served in chain.from_iterable(ROUTES.values()):
        route = served.route
        if route.method == "GET":
            pattern = re.compile(re.sub(r"\{[^}]+\}", "[^/]+", route.path))
            assert any(pattern.fullmatch(path) for path in paths), route.path
