"""A client that sends commands and queries over REST."""

import email.utils
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Unpack, cast

import aiohttp

from chairside.client import shapes
from chairside.client.channels import (
    CatchUp,
    Position,
    canonical_channel,
    catch_ups,
    since_query,
)
from chairside.client.commands import Operation, RestCommands, ResultT, new_key
from chairside.client.errors import ConnectionLost, HubError, json_or_none
from chairside.client.retry import RetryPolicy

Query = Mapping[str, object] | Sequence[tuple[str, str]]
"""Of a request; a list repeats its name."""


class HubClient(RestCommands):
    """REST client of one principal.

    ``session`` is owned by the caller; many clients may share one. ``on_behalf_of`` is the id
    of the patient for whom a chatbot's service token acts.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None,
        session: aiohttp.ClientSession,
        on_behalf_of: str | None = None,
        retry: RetryPolicy | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self._session = session
        self.on_behalf_of = on_behalf_of
        self._retry = retry or RetryPolicy()
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def perform(
        self, operation: Operation[ResultT], data: Mapping[str, object], *, key: str | None = None
    ) -> ResultT:
        body = dict(data)
        version = body.pop("version", None)
        in_path = re.findall(r"{(\w+)}", operation.path)
        path = operation.path.format(**{name: body.pop(name) for name in in_path})
        has_body = operation.method in ("POST", "PUT")
        answer = await self.request(
            operation.method,
            path,
            query={} if has_body else body,
            body=body if has_body else None,
            version=version,
            key=key,
        )
        return cast("ResultT", answer)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: Mapping[str, object] | None = None,
        version: object = None,
        key: str | None = None,
    ) -> Any:
        """Send a request and return the JSON of its answer, ``None`` if there is none.

        Retried if the connection is lost or the hub is busy. All attempts carry the same
        idempotency key, so a command is executed once. Raises HubError, ConnectionLost.
        """
        given = {
            "Authorization": self.token and f"Bearer {self.token}",
            "On-Behalf-Of": self.on_behalf_of,
            "Idempotency-Key": key or (None if method == "GET" else new_key()),
            "If-Match": None if version is None else f'"{version}"',
        }
        headers = {name: value for name, value in given.items() if value is not None}

        async def attempt() -> object:
            try:
                async with self._session.request(
                    method,
                    self.url + path,
                    params=_pairs(query),
                    json=body,
                    headers=headers,
                    timeout=self._timeout,
                    allow_redirects=False,
                ) as response:
                    raw = await response.read()
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as lost:
                raise ConnectionLost(f"{method} {path}: {type(lost).__name__}") from lost
            answer = json_or_none(raw)
            if 200 <= response.status < 300:
                return answer
            retry_after_s = _seconds(response.headers.get("Retry-After"))
            raise HubError.from_json(answer, status=response.status, retry_after_s=retry_after_s)

        return await self._retry.run(attempt)

    # --- offered by REST only ----------------------------------------------------------

    async def appointment(self, appointment_id: str) -> shapes.Appointment:
        path = f"/api/appointments/{appointment_id}"
        return cast("shapes.Appointment", await self.request("GET", path))

    async def appointments(
        self, **filters: Unpack[shapes.AppointmentFilters]
    ) -> shapes.AppointmentList:
        answer = await self.request("GET", "/api/appointments", query=filters)
        return cast("shapes.AppointmentList", answer)

    async def all_appointments(
        self, **filters: Unpack[shapes.AppointmentFilters]
    ) -> list[shapes.Appointment]:
        """The rows of all pages. Rows that change meanwhile may be missed or outdated."""
        return await self._all_pages("/api/appointments", filters)

    async def reservation(self, reservation_id: str) -> shapes.Reservation:
        answer = await self.request("GET", f"/api/reservations/{reservation_id}")
        return cast("shapes.Reservation", answer)

    async def dentists(self) -> list[shapes.DentistCard]:
        return await self._all_pages("/api/dentists", {})

    async def appointment_types(self) -> list[shapes.AppointmentType]:
        return await self._all_pages("/api/appointment-types", {})

    async def changes(self, since: Mapping[str, Position | None]) -> dict[str, CatchUp]:
        """Catch up with some channels; one without a position answers where it is now."""
        answer = await self.request("GET", "/api/changes", query=since_query(since))
        found = catch_ups(answer["channels"])
        return {name: found[canonical_channel(name)] for name in since}

    async def _all_pages(self, path: str, filters: Mapping[str, object]) -> list[Any]:
        rows: list[Any] = []
        cursor: str | None = None
        while True:
            page = await self.request("GET", path, query={**filters, "cursor": cursor})
            rows += page["data"]
            cursor = page["pagination"]["next_cursor"]
            if cursor is None:
                return rows


def _pairs(query: Query) -> Sequence[tuple[str, str]]:
    """Without values that are None; ``from_`` stands for ``from``."""
    if not isinstance(query, Mapping):
        return query
    return [
        (name.rstrip("_"), str(each).lower() if isinstance(each, bool) else str(each))
        for name, value in query.items()
        for each in (value if isinstance(value, list | tuple) else [value])
        if each is not None
    ]


def _seconds(retry_after: str | None) -> float | None:
    """``Retry-After`` in seconds: a number, or a date (RFC 9110 §10.2.3)."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
