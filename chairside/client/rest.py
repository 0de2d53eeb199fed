"""A client that sends commands and queries over REST.

::

    async with aiohttp.ClientSession() as session:
        hub = HubClient("https://hub.example", token=token, session=session)
        for appointment in await hub.all_appointments(status="confirmed"):
            print(appointment["start"])
"""

import email.utils
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Unpack, cast

import aiohttp

from chairside.client.channels import CatchUp, Position, catch_ups
from chairside.client.commands import RestCommands, new_key
from chairside.client.errors import ConnectionLost, HubError
from chairside.client.operations import Operation, ResultT
from chairside.client.retry import RetryPolicy
from chairside.client.shapes import (
    Appointment,
    AppointmentFilters,
    AppointmentList,
    AppointmentType,
    DentistCard,
    Reservation,
)

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
        path = operation.path.format(**{name: body.pop(name) for name in operation.in_path})
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
        if method != "GET":
            key = key or new_key()
        headers = self._headers(version, key)
        return await self._retry.run(lambda: self._attempt(method, path, query, body, headers))

    async def _attempt(
        self,
        method: str,
        path: str,
        query: Query,
        body: Mapping[str, object] | None,
        headers: Mapping[str, str],
    ) -> object:
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
        answer = _json(raw)
        if 200 <= response.status < 300:
            return answer
        retry_after_s = _seconds(response.headers.get("Retry-After"))
        raise HubError.from_json(answer, status=response.status, retry_after_s=retry_after_s)

    def _headers(self, version: object, key: str | None) -> dict[str, str]:
        headers: dict[str, str] = {}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.on_behalf_of is not None:
            headers["On-Behalf-Of"] = self.on_behalf_of
        if key is not None:
            headers["Idempotency-Key"] = key
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return headers

    # --- offered by REST only ----------------------------------------------------------

    async def appointment(self, appointment_id: str) -> Appointment:
        answer = await self.request("GET", f"/api/appointments/{appointment_id}")
        return cast("Appointment", answer)

    async def appointments(self, **filters: Unpack[AppointmentFilters]) -> AppointmentList:
        answer = await self.request("GET", "/api/appointments", query=_query(filters))
        return cast("AppointmentList", answer)

    async def all_appointments(self, **filters: Unpack[AppointmentFilters]) -> list[Appointment]:
        """The rows of all pages. Rows that change meanwhile may be missed or outdated."""
        return await self._all_pages("/api/appointments", filters)

    async def reservation(self, reservation_id: str) -> Reservation:
        answer = await self.request("GET", f"/api/reservations/{reservation_id}")
        return cast("Reservation", answer)

    async def dentists(self) -> list[DentistCard]:
        return await self._all_pages("/api/dentists", {})

    async def appointment_types(self) -> list[AppointmentType]:
        return await self._all_pages("/api/appointment-types", {})

    async def changes(self, since: Mapping[str, Position | None]) -> dict[str, CatchUp]:
        """Catch up with some channels; one without a position answers where it is now."""
        pairs = [
            pair
            for channel, position in since.items()
            for pair in (("channel", channel), ("since", str(position or "now")))
        ]
        answer = await self.request("GET", "/api/changes", query=pairs)
        return catch_ups(answer["channels"])

    async def _all_pages(self, path: str, filters: Mapping[str, object]) -> list[Any]:
        rows: list[Any] = []
        cursor: str | None = None
        while True:
            query = _query({**filters, "cursor": cursor})
            page = await self.request("GET", path, query=query)
            rows += page["data"]
            cursor = page["pagination"]["next_cursor"]
            if cursor is None:
                return rows


def _query(filters: Mapping[str, object]) -> Query:
    return {name.rstrip("_"): value for name, value in filters.items() if value is not None}


def _pairs(query: Query) -> Sequence[tuple[str, str]]:
    if not isinstance(query, Mapping):
        return query
    return [
        (name, _text(each))
        for name, value in query.items()
        for each in (value if isinstance(value, list | tuple) else [value])
    ]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(raw: bytes) -> object:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return None


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
