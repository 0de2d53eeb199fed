"""The desk of another practice, which must see nothing of the simulated one."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chairside.client import HubClient
from chairside.client.errors import ConnectionLost, HubError
from chairside.traffic.context import SimulationContext

THINK_S: Final = (0.2, 0.8)
REFUSED: Final = frozenset({"FORBIDDEN", "NOT_FOUND"})


class SimulatedStranger:
    """The desk of another practice: asks for all that it must not see, and gets nothing."""

    def __init__(self, context: SimulationContext, rest: HubClient) -> None:
        self._context, self._rest = context, rest

    async def run(self) -> None:
        self._context.take_own_pace()
        while not self._context.is_over:
            for probe in (self._lists, self._visit, self._patient, self._channels, self._book):
                await probe()
            await self._context.think(*THINK_S)

    async def clean_up(self) -> None:
        """It has changed nothing."""

    async def _lists(self) -> None:
        """Its own lists are empty: the practice has no one."""
        get = self._rest.request
        for path, query in (("/api/appointments", {}), ("/api/patients", {"q": "traffic"})):
            page: Any = await self._context.command("stranger", get, "GET", path, query=query)
            if page and page["data"]:
                self._seen(f"{len(page['data'])} rows of {path}")

    async def _visit(self) -> None:
        rows = list(self._context.ledger.rows)
        if not rows:
            return
        path = f"/api/appointments/{self._context.random.choice(rows).row['id']}"
        for method, body in (("GET", None), ("PUT", {"notes": "mine"}), ("DELETE", None)):
            await self._refused(f"{method} {path}", self._rest.request, method, path, body=body)
        await self._refused(f"{path}/history", self._rest.request, "GET", f"{path}/history")

    async def _patient(self) -> None:
        patient = self._context.random.choice(self._context.links.patients).id
        path, body = f"/api/profiles/{patient}", {"name": "Mine"}
        await self._refused(f"GET {path}", self._rest.request, "GET", path)
        await self._refused(f"PUT {path}", self._rest.request, "PUT", path, body=body)

    async def _channels(self) -> None:
        dentist = self._context.random.choice(self._context.links.dentists).id
        patient = self._context.random.choice(self._context.links.patients).id
        for channel in (
            f"appointments:dentist:{dentist}",
            f"appointments:patient:{patient}",
            f"profiles:user:{patient}",
            f"practices:{self._context.links.practice_id}",
        ):
            await self._refused(channel, self._rest.changes, {channel: None})

    async def _book(self) -> None:
        booking = {
            "dentist_id": self._context.random.choice(self._context.links.dentists).id,
            "appointment_type_id": self._context.links.appointment_type_ids[0],
            "start": f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%dT%H:00:00Z}",
            "patient_id": self._context.random.choice(self._context.links.patients).id,
        }
        await self._refused(
            "booking", self._rest.request, "POST", "/api/appointments", body=booking
        )

    async def _refused(
        self, what: str, send: Callable[..., Awaitable[object]], *args: object, **more: object
    ) -> None:
        """A refusal of the usual codes; all else is seen, or a failure of the run."""
        self._context.statistics.commands["stranger"] += 1
        try:
            await send(*args, **more)
        except HubError as refusal:
            if refusal.code not in REFUSED:
                self._context.statistics.refusals[refusal.code] += 1
        except ConnectionLost:
            pass
        else:
            self._seen(what)

    def _seen(self, what: str) -> None:
        self._context.findings.visible.append(f"the stranger: {what}")
