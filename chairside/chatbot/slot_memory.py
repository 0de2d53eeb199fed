"""The free slots that one conversation is about, in memory (criterion 2.3)."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Final

import aiohttp
import structlog

from chairside.chatbot.clinic import SlotQuery
from chairside.chatbot.understanding.when import OPEN_SPAN_DAYS
from chairside.client import ConnectionLost, FreeSlot, HubClient, HubError, SlotCache
from chairside.client.tracking import OnEvent

log = structlog.get_logger(__name__)

DENTISTS_MAX: Final = 10
"""Where the choice is larger, the hub searches, and only dentists of offers are followed."""
_DAYS: Final = OPEN_SPAN_DAYS + 7
"""As far ahead as searches without a date reach, and what is nearest to a date next week."""
_LOADS_WITHIN_S: Final = 5.0


class FollowedSlots:
    """One slot cache at a time, for one treatment and few dentists; ``async with`` ends it.

    ``on_event`` is called with the events of these dentists after the cache has taken them in,
    so that a search that an event causes never finds a slot that the event took.
    """

    def __init__(
        self,
        client: HubClient,
        *,
        session: aiohttp.ClientSession,
        token: str,
        now: Callable[[], datetime],
        on_event: OnEvent,
    ) -> None:
        self._client, self._session, self._token = client, session, token
        self._now, self._on_event = now, on_event
        self._stack = AsyncExitStack()
        self._cache: SlotCache | None = None
        self._covered: tuple[str, frozenset[str]] = ("", frozenset())

    async def __aenter__(self) -> "FollowedSlots":
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stack.aclose()

    async def follow(self, appointment_type_id: str, dentist_ids: Sequence[str]) -> None:
        """Load these slots and follow them, unless they are followed already.

        Without an answer from the hub nothing is followed, and searches go to the hub.
        """
        if self._covers(appointment_type_id, dentist_ids):
            return
        self._cache = None
        await self._stack.aclose()
        cache = SlotCache(
            self._client,
            session=self._session,
            token=self._token,
            dentist_ids=dentist_ids,
            appointment_type_ids=(appointment_type_id,),
            days=_DAYS,
            on_event=self._on_event,
        )
        try:
            async with asyncio.timeout(_LOADS_WITHIN_S):
                self._cache = await self._stack.enter_async_context(cache)
        except (HubError, ConnectionLost, TimeoutError) as error:
            log.warning("slots_not_followed", error=type(error).__name__)
            return
        self._covered = (appointment_type_id, frozenset(dentist_ids))

    async def find(
        self, query: SlotQuery, dentist_ids: tuple[str, ...]
    ) -> tuple[FreeSlot, ...] | None:
        """All slots of these dentists in the query's range, by start, at any time of day.

        None: they are not in memory, query the hub. Raises HubError, ConnectionLost.
        """
        is_near = query.before <= self._now() + timedelta(days=_DAYS)
        is_covered = self._covers(query.appointment_type_id, dentist_ids)
        if self._cache is None or not is_near or not is_covered:
            return None
        free = await self._cache.free(
            query.appointment_type_id,
            starts_from=query.first,
            starts_before=query.before,
            dentist_ids=dentist_ids,
        )
        return free.slots

    def _covers(self, appointment_type_id: str, dentist_ids: Sequence[str]) -> bool:
        followed_type, followed_dentists = self._covered
        return (
            self._cache is not None
            and followed_type == appointment_type_id
            and followed_dentists.issuperset(dentist_ids)
        )
