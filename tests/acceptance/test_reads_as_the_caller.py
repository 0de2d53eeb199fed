"""Criterion 5.5: the data of a response is read with the rights of its caller.

The test calls every route that reads, and checks which statements ran with the hub's own
rights meanwhile.
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

_PERSON_OF_TOKEN = re.compile(r"WHERE profiles\.(id|subject) = ")
_OF_PRACTICE = re.compile(r"^SELECT practice_patients\.|WHERE profiles\.practice_id = ")
"""After the patient was read as the caller."""
_UNKNOWN_ID = "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"
"""An id without a resource; the queries for it are the same."""
_PRACTICES = re.compile(r"FROM practices")
_TYPES = re.compile(r"FROM appointment_types")


class HubReadRecorder:
    """Records each statement with the hub's own rights, and the lookup it belongs to."""

    def __init__(self, readers: Readers) -> None:
        self.statements: list[tuple[Lookup, str]] = []
        self._hub = readers.hub
        readers.hub = self.hub  # type: ignore[method-assign]  # all such reads use this method

    @asynccontextmanager
    async def hub(self, lookup: Lookup = NO_LOOKUP) -> AsyncIterator[AsyncConnection]:
        async with self._hub(lookup) as connection:

            def record(_c: Any, _cursor: Any, sql: str, *_further: Any) -> None:
                self.statements.append((lookup, sql))

            event.listen(connection.sync_connection, "before_cursor_execute", record)
            try:
                yield connection
            finally:
                event.remove(connection.sync_connection, "before_cursor_execute", record)


@pytest.fixture
def database(template: Template, tmp_path: Path) -> Any:
    with template.copied_to(tmp_path) as database:
        yield database


async def test_r5_5_every_route_reads_with_the_rights_of_its_caller(
    template: Template, database: Database
) -> None:
    ann, pat, pia = template.people.dentists[0], *template.people.patients[:2]
    eva = template.people.staff[0]
    kind = template.people.types["check-up"]
    slot = {"dentist_id": ann.id, "appointment_type_id": kind, "start": "2027-03-01T09:00:00Z"}
    async with (
        running_hub(config_for(database)) as running,
        aiohttp.ClientSession() as session,
    ):
        as_ann, as_pat = (Api(session, running.url, who.token) for who in (ann, pat))
        tokens = pia.token, eva.token, ADMIN
        as_pia, as_eva, as_admin = (Api(session, running.url, token) for token in tokens)
        start = (await as_ann.get("/api/slots", **_days(ann.id, kind))).body["data"][0]["start"]
        booked = await as_pat.post("/api/appointments", {**slot, "start": start})
        assert booked.status == 201, booked.body
        later = (await as_ann.get("/api/slots", **_days(ann.id, kind))).body["data"][0]["start"]
        held = await as_pia.post("/api/reservations", {**slot, "start": later})
        assert held.status == 201, held.body
        one = f"/api/appointments/{booked.body['id']}"
        channel = appointments_of(ann)
        recorder = HubReadRecorder(running.hub.core.base.store._readers)
        requests: tuple[tuple[Api, str, dict[str, Any]], ...] = (
            (as_ann, "/api/appointments", {}),
            (as_ann, one, {}),
            (as_ann, f"{one}/history", {}),
            (as_pat, f"{one}/calendar.ics", {}),
            (as_ann, "/api/messages", {}),
            (as_pia, f"/api/reservations/{held.body['id']}", {}),
            (as_ann, f"/api/availability/{ann.id}", {}),
            (as_ann, f"/api/availability/{ann.id}/affected", {}),
            (as_ann, "/api/slots", _days(ann.id, kind)),
            (as_pat, "/api/dentists", {}),
            (as_pat, "/api/practices", {}),
            (as_pat, f"/api/practices/{template.people.practices[0]}", {}),
            (as_pat, "/api/profiles/me", {}),
            (as_ann, f"/api/profiles/{pat.id}", {}),
            (as_ann, f"/api/patients/{pat.id}/duplicates", {}),
            (as_ann, "/api/patients", {"q": "patient"}),
            (as_eva, "/api/exports", {}),
            (as_ann, f"/api/practices/{template.people.practices[0]}/patients/{pat.id}", {}),
            (as_pat, "/api/appointment-types", {}),
            (as_ann, "/api/changes", {"channel": channel, "since": "0.0"}),
            (as_pat, "/api/consents", {}),
            (as_pat, "/api/passkeys", {}),
            (as_pat, "/api/sessions", {}),
            (as_admin, "/api/invitations", {}),
            (as_admin, "/api/webhooks", {}),
            (as_admin, f"/api/webhooks/{_UNKNOWN_ID}", {}),
            (as_admin, f"/api/webhooks/{_UNKNOWN_ID}/deliveries", {}),
        )
        for api, path, query in requests:
            answer = await api.get(path, **query)
            assert answer.status == (404 if _UNKNOWN_ID in path else 200), (path, answer.body)
        epoch, head = await _position(as_ann, channel)
        missed = await as_ann.get("/api/changes", channel=channel, since=f"{epoch}.{head - 1}")
        assert len(missed.body["channels"][channel]["events"]) == 1
    for lookup, sql in recorder.statements:
        named = lookup.people or lookup.subjects or lookup.exact
        assert (
            (named and _PERSON_OF_TOKEN.search(sql))
            or (lookup.practices and _OF_PRACTICE.search(sql))
            or _TYPES.search(sql)
            or _PRACTICES.search(sql)
        ), sql
    assert any(_OF_PRACTICE.search(sql) for _, sql in recorder.statements), "they are recorded"
    _check_that_every_route_was_called({path for _, path, _ in requests})


def _days(dentist_id: str, kind: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "dentist_id": dentist_id,
        "appointment_type_id": kind,
        "from": f"{now + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
        "to": f"{now + timedelta(days=5):%Y-%m-%dT%H:%M:%SZ}",
    }


async def _position(api: Api, channel: str) -> tuple[int, int]:
    answer = await api.get("/api/changes", channel=channel, since="now")
    position = answer.body["channels"][channel]
    return position["epoch"], position["offset"]


def _check_that_every_route_was_called(paths: set[str]) -> None:
    """A new route that reads must be added to the test."""
    for served in chain.from_iterable(ROUTES.values()):
        route = served.route
        if route.method == "GET":
            pattern = re.compile(re.sub(r"\{[^}]+\}", "[^/]+", route.path))
            assert any(pattern.fullmatch(path) for path in paths), route.path
