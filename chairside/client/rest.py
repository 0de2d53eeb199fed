"""The REST side of the client: one request per command, repeated within bounds."""

import email.utils
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import aiohttp

from chairside.client.channels import ChannelAnswer, Position
from chairside.client.commands import Commands, new_key
from chairside.client.errors import ConnectionLost, HubError
from chairside.client.operations import Operation, rest_form
from chairside.client.retry import RetryPolicy
from chairside.client.shapes import (
    Appointment,
    AppointmentPage,
    AppointmentType,
    Profile,
    Reservation,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A successful answer: ``body`` is the JSON, ``None`` when there is none."""

    status: int
    headers: Mapping[str, str]
    body: Any


class HubClient(Commands):
    """One principal's view of a hub over HTTP.

    ``session`` is the caller's (one for many clients shares the connections);
    ``on_behalf_of`` is the patient a chatbot's service token acts for.
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
        self._on_behalf_of = on_behalf_of
        self._retry = retry or RetryPolicy()
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def perform(
        self, operation: Operation, data: Mapping[str, Any], *, key: str | None = None
    ) -> Any:
        form = rest_form(operation, data)
        answer = await self.request(
            operation.method,
            form.path,
            query=form.query,
            body=form.body,
            version=form.version,
            key=key,
        )
        return answer.body

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | Sequence[tuple[str, str]] | None = None,
        body: Mapping[str, Any] | None = None,
        version: int | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One command and its answer; a lost or busy answer is asked for again.

        All attempts carry one idempotency key, so a command is carried out once.
        Raises HubError, ConnectionLost.
        """
        if method != "GET":
            key = key or new_key()
        sent = self._headers(version, key) | dict(headers or {})
        return await self._retry.run(lambda: self._attempt(method, path, query, body, sent))

    async def _attempt(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | Sequence[tuple[str, str]] | None,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
    ) -> Answer:
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
                status, received = response.status, response.headers
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as lost:
            raise ConnectionLost(f"{method} {path}: {type(lost).__name__}") from lost
        parsed = _json(raw)
        if 200 <= status < 300:
            return Answer(status=status, headers=received, body=parsed)
        raise HubError.from_json(
            parsed, status=status, retry_after_s=_seconds(received.get("Retry-After"))
        )

    def _headers(self, version: int | None, key: str | None) -> dict[str, str]:
        headers: dict[str, str] = {}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if self._on_behalf_of is not None:
            headers["On-Behalf-Of"] = self._on_behalf_of
        if key is not None:
            headers["Idempotency-Key"] = key
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return headers

    # --- what only REST offers ---------------------------------------------------------

    async def appointment(self, appointment_id: str) -> Appointment:
        answer = await self.request("GET", f"/api/appointments/{appointment_id}")
        return cast("Appointment", answer.body)

    async def appointments(self, **filters: Any) -> AppointmentPage:
        """One page of own rows; filters as DESIGN §7 (``from_`` stands for ``from``)."""
        answer = await self.request("GET", "/api/appointments", query=_filters(filters))
        return cast("AppointmentPage", answer.body)

    async def all_appointments(self, **filters: Any) -> list[Appointment]:
        """Every page, joined; rows that change meanwhile may be missed or shown old."""
        return cast("list[Appointment]", await self._every("/api/appointments", filters))

    async def reservation(self, reservation_id: str) -> Reservation:
        answer = await self.request("GET", f"/api/reservations/{reservation_id}")
        return cast("Reservation", answer.body)

    async def dentists(self) -> list[Profile]:
        """The whole directory."""
        return cast("list[Profile]", await self._every("/api/dentists", {}))

    async def appointment_types(self) -> list[AppointmentType]:
        return cast("list[AppointmentType]", await self._every("/api/appointment-types", {}))

    async def _every(self, path: str, filters: Mapping[str, Any]) -> list[Any]:
        """All rows of all pages; rows that change meanwhile may be missed or shown old."""
        rows: list[Any] = []
        cursor: str | None = None
        while True:
            answer = await self.request("GET", path, query=_filters({**filters, "cursor": cursor}))
            rows += answer.body["data"]
            cursor = answer.body["pagination"]["next_cursor"]
            if cursor is None:
                return rows

    async def create_appointment_type(self, **fields: Any) -> AppointmentType:
        answer = await self.request("POST", "/api/appointment-types", body=fields)
        return cast("AppointmentType", answer.body)

    async def create_profile(self, **fields: Any) -> Profile:
        answer = await self.request("POST", "/api/profiles", body=fields)
        return cast("Profile", answer.body)

    async def profile(self, profile_id: str) -> Profile:
        answer = await self.request("GET", f"/api/profiles/{profile_id}")
        return cast("Profile", answer.body)

    async def changes(self, since: Mapping[str, Position | None]) -> dict[str, ChannelAnswer]:
        """One answer for some channels, by name; a channel without a position says where it is."""
        pairs = [
            pair
            for channel, position in since.items()
            for pair in (("channel", channel), ("since", str(position) if position else "now"))
        ]
        answer = await self.request("GET", "/api/changes", query=pairs)
        channels: Mapping[str, Any] = answer.body["channels"]
        return {name: ChannelAnswer.from_wire(raw) for name, raw in channels.items()}


def _filters(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {name.rstrip("_"): value for name, value in filters.items() if value is not None}


def _pairs(
    query: Mapping[str, Any] | Sequence[tuple[str, str]] | None,
) -> Sequence[tuple[str, str]]:
    """Query pairs; a list repeats its name."""
    if query is None:
        return ()
    if not isinstance(query, Mapping):
        return query
    return [
        (name, _text(each))
        for name, value in query.items()
        for each in (value if isinstance(value, list | tuple) else [value])
    ]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
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
