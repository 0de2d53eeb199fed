"""Free slots in memory, for programs that often look up what is free (``docs/live.md``)."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import aiohttp

from chairside.client.channels import HubEvent, Position, availability_channel, canonical_id
from chairside.client.dentist_slots import (
    RETRY_DELAY_MAX_S,
    DentistSlots,
    collect_delay_s,
    fetch_slots,
    times_of,
)
from chairside.client.errors import ConnectionLost, HubError
from chairside.client.rest import HubClient
from chairside.client.slot_table import FreeSlot, StartRange, TypeTimes
from chairside.client.stream import ChangeStream
from chairside.client.tracking import OnEvent

logger = logging.getLogger(__name__)

DENTISTS_MAX: Final = 99
"""A stream has at most 100 channels; one of them is about all dentists."""
DAYS_MAX: Final = 62
"""The hub lists slots of at most so many days at once."""
REFRESH_S: Final = 60.0
"""About how often everything is refetched, as time itself opens and closes slots."""
_ALL: Final = "availability:all"


@dataclass(frozen=True, kw_only=True, slots=True)
class Free:
    """Free slots, and where they come from."""

    slots: tuple[FreeSlot, ...]
    """By start, then by dentist."""
    age_s: float
    """Time since the last byte of the stream; 0 if the hub was queried."""
    from_memory: bool


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What was loaded together; replaced as a whole when dentists or types change."""

    types: Mapping[str, TypeTimes]
    dentists: Mapping[str, DentistSlots]
    stream: ChangeStream | None

    async def stop(self) -> None:
        if self.stream is not None:
            await self.stream.__aexit__()
        for dentist in self.dentists.values():
            await dentist.stop()


class SlotCache:
    """Free slots of some dentists, or of all; ``async with`` loads and follows them.

    Answers are correct within a second of any change (criterion 2.3). Slots of the next ``days``
    are kept in memory. It is not used while a change has not been refetched, while the stream is
    down, and after ``max_age_s`` without a byte from it, which must be longer than the hub's
    heartbeat: then the hub is queried.

    The cache sees what ``client`` may see. For the slots of no patient in particular use a
    client that acts for none, such as a chatbot's service token without ``on_behalf_of``:
    slots that any patient holds then count as taken. ``on_event`` is called with every event of
    its channels, after the cache has taken it in.
    """

    def __init__(
        self,
        client: HubClient,
        *,
        session: aiohttp.ClientSession,
        token: str | Callable[[], str],
        dentist_ids: Sequence[str] = (),
        appointment_type_ids: Sequence[str] = (),
        days: int = 14,
        max_age_s: float = 25.0,
        on_event: OnEvent = lambda _event: None,
    ) -> None:
        assert 1 <= days < DAYS_MAX, f"the hub lists at most {DAYS_MAX} days"
        self._client, self._session, self._token = client, session, token
        self._only = tuple(map(canonical_id, dentist_ids))
        self._only_types = frozenset(map(canonical_id, appointment_type_ids))
        self._on_event = on_event
        self._kept, self._max_age_s = timedelta(days=days), max_age_s
        self._loaded = _Loaded({}, {}, None)
        self._outdated = asyncio.Event()  # until everything has been loaded again
        self._runner: asyncio.Task[None] | None = None

    # --- lifetime ----------------------------------------------------------------------

    async def __aenter__(self) -> "SlotCache":
        """Raises HubError, ConnectionLost."""
        self._loaded = await self._load()
        self._runner = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        await self._loaded.stop()

    async def _load(self) -> _Loaded:
        """Read positions before the slots, so that the stream delivers what happens between."""
        since = {_ALL: (await self._client.changes({_ALL: None}))[_ALL].position}
        types = {
            raw["id"]: TypeTimes.from_wire(raw)
            for raw in await self._client.appointment_types()
            if not self._only_types or raw["id"] in self._only_types
        }
        dentist_ids = self._only or [each["id"] for each in await self._client.dentists()]
        if len(dentist_ids) > DENTISTS_MAX:
            raise ValueError(f"a cache is for at most {DENTISTS_MAX} dentists; name them")
        kept = self._starts_kept()
        dentists = {
            dentist_id: DentistSlots(dentist_id, types, self._client, kept)
            for dentist_id in dentist_ids
        }
        for dentist_id, dentist in dentists.items():
            since[availability_channel(dentist_id)] = await dentist.fetch(kept)
        stream = ChangeStream(
            self._client.url,
            token=self._token,
            since=since,
            on_event=self._received,
            on_refetch=self._history_lost,
            session=self._session,
            on_behalf_of=self._client.on_behalf_of,
        )
        return _Loaded(types, dentists, await stream.__aenter__())

    def _starts_kept(self) -> StartRange:
        now = datetime.now(UTC)
        return StartRange(now, now + self._kept)

    # --- answering ---------------------------------------------------------------------

    @property
    def age_s(self) -> float:
        """Time since the last byte of the stream; infinite while it is down."""
        stream = self._loaded.stream
        if stream is None or not stream.connected:
            return float("inf")
        return max(0.0, time.monotonic() - stream.received_at)

    async def free(
        self,
        appointment_type_id: str,
        *,
        starts_from: datetime | None = None,
        starts_before: datetime | None = None,
        dentist_ids: Sequence[str] = (),
    ) -> Free:
        """Free slots of a type, from memory if that is correct, else from the hub.

        Raises HubError, ConnectionLost if the hub was queried.
        """
        appointment_type_id = canonical_id(appointment_type_id)
        kept = self._starts_kept()
        starts = StartRange(
            max(starts_from or kept.first, kept.first),
            starts_before or kept.before - timedelta(minutes=1),
        )
        wanted = tuple(map(canonical_id, dentist_ids)) or tuple(self._loaded.dentists)
        if starts.first >= starts.before:
            return Free(slots=(), age_s=0.0, from_memory=True)  # in the past
        age_s = self.age_s
        from_memory = age_s <= self._max_age_s and self._knows(appointment_type_id, starts, wanted)
        if from_memory:
            found = [
                slot
                for name in wanted
                for slot in self._loaded.dentists[name].free(appointment_type_id, starts)
            ]
        else:
            age_s, found = 0.0, await self._from_hub(appointment_type_id, starts, wanted)
        found.sort(key=lambda slot: (slot.start, slot.dentist_id))
        return Free(slots=tuple(found), age_s=age_s, from_memory=from_memory)

    def _knows(self, type_id: str, starts: StartRange, wanted: Sequence[str]) -> bool:
        dentists = self._loaded.dentists
        return (
            type_id in self._loaded.types
            and not self._outdated.is_set()
            and all(name in dentists and dentists[name].knows(starts) for name in wanted)
        )

    async def _from_hub(
        self, type_id: str, starts: StartRange, wanted: Sequence[str]
    ) -> list[FreeSlot]:
        return [
            FreeSlot(name, type_id, start, end)
            for name in wanted
            for start, end in times_of(await fetch_slots(self._client, name, type_id, starts))
        ]

    # --- following the stream ------------------------------------------------------------

    def _received(self, event: HubEvent) -> None:
        self._take_in(event)
        self._on_event(event)

    def _take_in(self, event: HubEvent) -> None:
        if event.type == "appointment_types.updated":
            self._outdated.set()
            return
        dentist = self._loaded.dentists.get(event.data.get("dentist_id", ""))
        if event.type == "availability.changed":
            if dentist is None and not self._only:
                self._outdated.set()  # a new dentist
        elif dentist is not None and event.type == "availability.updated":
            dentist.schedule_changed()
        elif dentist is not None and event.type == "slots.changed":
            assert event.position is not None, "kept by the hub"
            dentist.slots_changed(event.data, event.position)

    def _history_lost(self, channel: str, _position: Position) -> None:
        """The stream starts without a position, or history does not reach back to it."""
        if channel == _ALL:
            self._outdated.set()
        for dentist_id, dentist in self._loaded.dentists.items():
            if channel == availability_channel(dentist_id):
                dentist.schedule_changed()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(REFRESH_S * random.uniform(0.75, 1.25)):  # noqa: S311  # spreads load
                    await self._outdated.wait()
            except TimeoutError:
                for dentist in self._loaded.dentists.values():
                    dentist.refresh(self._starts_kept())
            else:
                await self._load_again()
                self._outdated.clear()

    async def _load_again(self) -> None:
        """Load everything; requests go to the hub meanwhile."""
        failures = 0
        await self._loaded.stop()
        while True:
            await asyncio.sleep(collect_delay_s() + failures)
            try:
                self._loaded = await self._load()
                return
            except (HubError, ConnectionLost) as error:
                logger.warning("cache not loaded", extra={"error": type(error).__name__})
                failures = min(failures + 1, RETRY_DELAY_MAX_S)
