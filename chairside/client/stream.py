"""A client that follows channels over plain HTTP, without Socket.IO (``docs/live.md``)."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping

import aiohttp

from chairside.client.channels import (
    HubEvent,
    Position,
    canonical_channel,
    catch_ups,
    since_query,
)
from chairside.client.errors import FINAL, ConnectionLost, HubError, json_or_none
from chairside.client.retry import RetryPolicy
from chairside.client.sse import ServerSentEvent, SseReader
from chairside.client.tracking import Callbacks, ChannelTracker, OnEvent, OnRefetch

logger = logging.getLogger(__name__)


class ChangeStream:
    """Delivers the events of some channels, each once and in order; ``async with`` runs it.

    ``token`` may be a function; it is called before each connection, and when the hub announces
    that the token is about to expire. A stream without a byte for ``silence_s`` counts as lost,
    so ``silence_s`` must be longer than the hub's heartbeat. Callbacks must not block.
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
        self._session = session
        self._retry = retry or RetryPolicy()
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=timeout_s, sock_read=silence_s
        )
        self._callbacks = Callbacks(on_event, on_refetch)
        self._trackers = {
            channel: ChannelTracker(channel, at)
            for channel, at in ((canonical_channel(name), at) for name, at in since.items())
        }
        self._last_id: str | None = None
        self._retry_ms: int | None = None
        self._runner: asyncio.Task[None] | None = None
        self.refusal: HubError | None = None
        """Why the hub refused the stream for good; no attempt follows."""
        self.connected = False
        """Between ``hub:ready`` and the end of a connection."""
        self.received_at = 0.0
        """``time.monotonic()`` of the last byte, heartbeats included."""
        self.connections = 0
        """How many connections became ready so far."""

    async def __aenter__(self) -> "ChangeStream":
        assert self._runner is None, "a stream runs once"
        self._runner = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)

    async def _run(self) -> None:
        failures, was_refused = 0, False
        while True:
            try:
                await self._connect_once()
                failures, was_refused = 0, False
            except HubError as refusal:
                renews = refusal.code == "UNAUTHORIZED" and self._can_renew and not was_refused
                if refusal.code in FINAL and not (self._drops_cursor(refusal) or renews):
                    self.refusal = refusal
                    return
                failures, was_refused = failures + 1, True
            except (ConnectionLost, aiohttp.ClientError, OSError, TimeoutError) as lost:
                failures = 0 if self.connected else failures + 1
                logger.debug("stream lost: %s", type(lost).__name__)
            except Exception:  # an unreadable stream, or the token function failed: retry
                logger.exception("stream failed")
                failures += 1
            finally:
                self.connected = False
            await asyncio.sleep(self._delay_s(failures))

    def _drops_cursor(self, refusal: HubError) -> bool:
        """Whether the hub no longer knows the cursor; the positions then replace it."""
        if self._last_id is None or all(one.field != "Last-Event-ID" for one in refusal.details):
            return False
        self._last_id = None
        return True

    def _delay_s(self, failures: int) -> float:
        retry_ms, self._retry_ms = self._retry_ms, None
        return max(self._retry.delay_s(failures), (retry_ms or 0) / 1_000)

    async def _connect_once(self) -> None:
        token, reader = self._token(), SseReader()
        query = since_query({name: each.position for name, each in self._trackers.items()})
        async with self._session.get(
            self._url, params=query, headers=self._headers(token), timeout=self._timeout
        ) as response:
            if response.status != 200:
                answer = json_or_none(await response.read())
                raise HubError.from_json(answer, status=response.status)
            if response.content_type != "text/event-stream":
                raise ConnectionLost(f"expected an event stream, got {response.content_type}")
            async for chunk in response.content.iter_any():
                self.received_at = time.monotonic()
                for event in reader.feed(chunk):
                    if not self._received(event, token):
                        return

    def _headers(self, token: str) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        if self._on_behalf_of is not None:
            headers["On-Behalf-Of"] = self._on_behalf_of
        if self._last_id is not None:
            headers["Last-Event-ID"] = self._last_id
        return headers

    def _received(self, event: ServerSentEvent, token: str) -> bool:
        """Handle one event; false: reconnect."""
        data = json.loads(event.data)
        if event.event == "hub:closing":
            self._retry_ms = event.retry_ms
        elif event.event == "auth:expiring":
            return self._token() == token  # with a new token reconnect, else go on to the end
        elif event.event == "hub:ready":
            for name, answer in catch_ups(data["channels"]).items():
                tracker = self._trackers[name]
                self._callbacks.deliver(tracker, tracker.caught_up(answer))
            self.connected = True
            self.connections += 1
        elif "offset" in data:
            tracker = self._trackers[data["channel"]]
            update = tracker.received(HubEvent.from_wire(data))
            self._callbacks.deliver(tracker, update)
            if update.catch_up:  # a hub leaves no gap, so something in between did
                tracker.catch_up_failed()
                self._last_id = None
                return False
        self._last_id = event.id or self._last_id
        return True
