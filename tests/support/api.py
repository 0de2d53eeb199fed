"""An HTTP client for tests: it returns every response, and never raises or retries.

Every response must be one that the API document allows.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.support.openapi_check import check_response


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any
    """The decoded JSON, ``None`` without a body, or text that is not JSON."""

    @property
    def error(self) -> dict[str, Any]:
        error = self.body["error"]
        assert isinstance(error, dict)
        return error

    @property
    def code(self) -> str | None:
        """The error's code, ``None`` for a success."""
        return None if self.status < 400 else str(self.error["code"])


class Api:
    """Sends requests as one principal; without a token for ``None``."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        token: str | None,
        *,
        on_behalf_of: str | None = None,
    ) -> None:
        self._session, self._url = session, url
        self._headers: dict[str, str] = {}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        if on_behalf_of is not None:
            self._headers["On-Behalf-Of"] = on_behalf_of

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | Sequence[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        sent = self._headers | dict(headers or {})
        if raw is None and body is not None:
            raw = json.dumps(body).encode()
        if raw is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self._session.request(
            method, self._url + path, data=raw, params=query, headers=sent
        ) as response:
            content = await response.read()
            answer = Answer(response.status, response.headers, _parsed(content))
            check_response(method, path, answer.status, answer.headers, answer.body)
            return answer

    async def get(self, path: str, **query: Any) -> Answer:
        pairs = [
            (name.rstrip("_"), str(each))
            for name, value in query.items()
            for each in (value if isinstance(value, list) else [value])
        ]
        return await self.send("GET", path, query=pairs)

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        return await self.send("POST", path, body, headers=_named(headers))

    async def put(self, path: str, body: Any, **headers: str) -> Answer:
        return await self.send("PUT", path, body, headers=_named(headers))

    async def delete(self, path: str, **query: Any) -> Answer:
        return await self.send("DELETE", path, query=query)


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    """``idempotency_key=…`` is the header ``Idempotency-Key``."""
    return {name.replace("_", "-").title(): value for name, value in headers.items()}


def _parsed(content: bytes) -> Any:
    if not content:
        return None
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")
