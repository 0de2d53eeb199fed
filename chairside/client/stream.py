"""Live over plain HTTP: ``GET /api/changes`` as a stream, taken up again where it was.

For programs that cannot, or do not want to, speak Socket.IO. Callbacks are plain functions,
called in order; they must not block.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp

from chairside.client.channels import ChannelAnswer, Follower, HubEvent, Position, Step
from chairside.client.errors import FINAL, ConnectionLost, HubError
from chairside.client.live import OnEvent, OnRefetch
from chairside.client.retry import RetryPolicy
from chairside.client.sse import Message, SseReader

logger = logging.getLogger(__name__)


class ChangeStream:
    """One principal's channels, each event once and in order; ``async with`` runs it.

    ``token`` may be a function: it is asked before each connection, and when the hub says
    that the token is about to expire. A stream in which nothing at all is heard for
    ``silence_s`` counts as lost; it must be longer than the hub's heartbeat.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | Callable[[], str],
        since: Mapping[str, Position | None],
        on_event: OnEvent,
        on_refetch: OnRefetch,
        session: aiohttp.ClientSession,
        on_behalf_of: str | None = None,
        retry: RetryPolicy | None = None,
        silence_s: float = 25.0,
        timeout_s: float = 10.0,
    ) -> None:
        self._url = url.rstrip("/") + "/api/changes"
        self._can_renew = callable(token)
        self._token = token if callable(token) else lambda: token
        self._on_behalf_of = on_behalf_of
        self._on_event, self._on_refetch = on_event, on_refetch
        self._session = session
        self._retry = retry or RetryPolicy()
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=timeout_s, sock_read=silence_s
        )
        self._followers = {name: Follower(name, position) for name, position in since.items()}
        self._last_id: str | None = None
        self._retry_ms: int | None = None
        self._runner: asyncio.Task[None] | None = None
        self.refusal: HubError | None = None
        """Why the hub will not have it, for good; then nothing is tried any more."""
        self.connected = False
        """Between ``hub:ready`` and the end of a connection."""
        self.heard_at = 0.0
        """``time.monotonic()`` when something was last heard, heartbeats included."""
        self.connections = 0

    async def __aenter__(self) -> "ChangeStream":
        assert self._runner is None, "a stream runs once"
        self._runner = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)

    def follower(self, channel: str) -> Follower:
        """Counters of what the network did to ``channel``; raises KeyError if unknown."""
        return self._followers[channel]

    async def _run(self) -> None:
        failures, refused = 0, False
        while True:
            try:
                await self._connection()
                failures, refused = 0, False
            except HubError as refusal:
                again = self._may_begin_anew(refusal) or self._may_renew(refusal, refused)
                if refusal.code in FINAL and not again:
                    self.refusal = refusal
                    return
                failures, refused = failures + 1, True
            except (ConnectionLost, aiohttp.ClientError, OSError, TimeoutError) as lost:
                failures = 0 if self.connected else failures + 1
                logger.debug("stream lost: %s", type(lost).__name__)
            except Exception:  # no stream, or no token: the next attempt may have one
                logger.exception("stream failed")
                failures += 1
            finally:
                self.connected = False
            await asyncio.sleep(self._delay_s(failures))

    def _may_begin_anew(self, refusal: HubError) -> bool:
        """A cursor that the hub does not know any more: positions say the same."""
        about_cursor = any(each.field == "Last-Event-ID" for each in refusal.details)
        if about_cursor and self._last_id is not None:
            self._last_id = None
            return True
        return False

    def _may_renew(self, refusal: HubError, before: bool) -> bool:
        """The token ended just now: whoever can make one is asked once more."""
        return refusal.code == "UNAUTHORIZED" and self._can_renew and not before

    def _delay_s(self, failures: int) -> float:
        asked_ms, self._retry_ms = self._retry_ms, None
        own_s = self._retry.delay_s(failures)
        return own_s if asked_ms is None else max(own_s, asked_ms / 1_000)

    async def _connection(self) -> None:
        token, reader = self._token(), SseReader()
        async with self._session.get(
            self._url, params=self._query(), headers=self._headers(token), timeout=self._timeout
        ) as response:
            if response.status != 200:
                raise HubError.from_json(await _json(response), status=response.status)
            if response.content_type != "text/event-stream":
                raise ConnectionLost(f"a stream was asked for, {response.content_type} came")
            async for chunk in response.content.iter_any():
                self.heard_at = time.monotonic()
                for message in reader.feed(chunk):
                    if not self._take(message, token):
                        return

    def _query(self) -> Sequence[tuple[str, str]]:
        pairs: list[tuple[str, str]] = []
        for name, follower in self._followers.items():
            pairs += [("channel", name), ("since", str(follower.position or "now"))]
        return pairs

    def _headers(self, token: str) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        if self._on_behalf_of is not None:
            headers["On-Behalf-Of"] = self._on_behalf_of
        if self._last_id is not None:
            headers["Last-Event-ID"] = self._last_id
        return headers

    def _take(self, message: Message, token: str) -> bool:
        """False: come back with a new connection."""
        data = json.loads(message.data)
        if message.event == "hub:closing":
            self._retry_ms = message.retry_ms
        elif message.event == "auth:expiring":
            return self._token() == token  # else go on with the new one, before it is the end
        elif message.event == "hub:ready":
            for name, raw in data["channels"].items():
                follower = self._followers[name]
                self._hand_over(follower, follower.answered(ChannelAnswer.from_wire(raw)))
            self.connected = True
            self.connections += 1
        elif "offset" in data:
            follower = self._followers[data["channel"]]
            step = follower.live(HubEvent.from_wire(data))
            self._hand_over(follower, step)
            if step.ask:  # a hub leaves no gap: something in between did
                follower.unanswered()
                self._last_id = None
                return False
        self._last_id = message.id or self._last_id
        return True

    def _hand_over(self, follower: Follower, step: Step) -> None:
        """Call back; a callback's failure is its own and costs nobody the stream."""
        try:
            if step.refetch:
                assert follower.position is not None
                self._on_refetch(follower.channel, follower.position)
            for event in step.deliver:
                self._on_event(event)
        except Exception:
            logger.exception("callback failed", extra={"channel": follower.channel})


async def _json(response: aiohttp.ClientResponse) -> Any:
    try:
        return await response.json(content_type=None)
    except ValueError:
        return None
