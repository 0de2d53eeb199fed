"""Free times in memory, for a program that is asked often: "what is free next Tuesday?"

The cache loads the slots of some dentists, follows the hub's stream of changes, and answers
from memory, right within a second of any change (criterion 2.3). It says how old what it
knows is; when the stream is down, or something is not settled yet, it asks the hub instead.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from chairside.client.channels import HubEvent, Position
from chairside.client.errors import ConnectionLost, HubError
from chairside.client.rest import HubClient
from chairside.client.slot_table import (
    Block,
    FreeSlot,
    Kind,
    SlotTable,
    Window,
    around,
    join,
    moment,
    text_of,
)
from chairside.client.stream import ChangeStream

logger = logging.getLogger(__name__)

DENTISTS_MAX = 99
"""A stream has at most 100 channels; one of them tells of all dentists."""
DAYS_MAX = 62
WINDOWS_MAX = 8
"""More pieces than these to ask for again, and the dentist is asked for whole."""
_DAY = timedelta(days=1)
_ALL = "availability:all"
_OF_DENTIST = "availability:dentist:"


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheSettings:
    """Times in seconds."""

    days: int = 14
    """From now on: what is kept in memory; anything else is asked for."""
    jitter_s: float = 0.3
    """Changes are gathered for up to this long before the hub is asked again."""
    settle_s: float = 0.7
    """What was not asked for again within this is not answered from memory."""
    max_age_s: float = 25.0
    """Silence after which memory is not trusted; longer than the hub's heartbeat."""
    refresh_s: float = 60.0
    """Everything is loaded anew this often: time itself opens and closes slots."""

    def __post_init__(self) -> None:
        assert 1 <= self.days < DAYS_MAX, "the hub answers for at most 62 days"


@dataclass(frozen=True, kw_only=True, slots=True)
class Free:
    """What is free, and how that is known."""

    slots: tuple[FreeSlot, ...]
    """By start, then dentist."""
    age_s: float
    """For how long nothing was heard from the hub; 0 for an answer of its own."""
    from_memory: bool


class _Dentist:
    """One dentist's slots, and what is still to be asked for."""

    def __init__(self) -> None:
        self.table = SlotTable()
        self.notice = timedelta()
        self.pending: list[Window] = []
        self.pending_since: float | None = None
        self.loaded_to: datetime | None = None
        """Up to here the slots are in memory; ``None``: nothing of it is right."""
        self.limited = False
        """A booking can close other slots of its day: there are daily limits."""
        self.task: asyncio.Task[None] | None = None


class SlotCache:
    """``async with`` loads and follows; ``client`` is whose rights it has.

    For everybody's free times use a client without a patient: what a patient holds
    themselves is then taken like any other time.
    """

    def __init__(
        self,
        client: HubClient,
        *,
        session: aiohttp.ClientSession,
        token: str | Callable[[], str],
        dentist_ids: Sequence[str] = (),
        settings: CacheSettings | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client, self._session, self._token = client, session, token
        self._only = tuple(dentist_ids)
        self._settings = settings or CacheSettings()
        self._now, self._jitter = now, jitter
        self._kinds: dict[str, Kind] = {}
        self._dentists: dict[str, _Dentist] = {}
        self._stream: ChangeStream | None = None
        self._refresher: asyncio.Task[None] | None = None
        self._reloading: asyncio.Task[None] | None = None
        self._window = Window(now(), now())
        self.asked = 0
        """Requests for slots so far; memory needs none."""

    # --- lifetime ----------------------------------------------------------------------

    async def __aenter__(self) -> "SlotCache":
        """Raises HubError, ConnectionLost."""
        try:
            await self._begin()
        except BaseException:
            await self._halt()
            raise
        self._refresher = asyncio.create_task(self._refresh())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        own = [each for each in (self._refresher, self._reloading) if each is not None]
        for task in own:
            task.cancel()
        await asyncio.gather(*own, return_exceptions=True)
        await self._halt()

    async def _begin(self) -> None:
        """Positions first, then what they are true for, then what follows them."""
        told = (await self._client.changes({_ALL: None}))[_ALL].position
        self._kinds = {
            raw["id"]: Kind.from_wire(raw) for raw in await self._client.appointment_types()
        }
        self._dentists = {name: _Dentist() for name in await self._who()}
        self._window = self._whole()
        since: dict[str, Position | None] = {_ALL: told}
        for name, dentist in self._dentists.items():
            since[_OF_DENTIST + name] = await self._load(name, dentist)
        self._stream = ChangeStream(
            self._client.url,
            token=self._token,
            since=since,
            on_event=self._event,
            on_refetch=self._lost,
            session=self._session,
        )
        await self._stream.__aenter__()

    async def _halt(self) -> None:
        """No stream, and no work for what it said."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.__aexit__()
        tasks = [each.task for each in self._dentists.values() if each.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _who(self) -> Sequence[str]:
        if self._only:
            found = list(self._only)
        else:
            found, cursor = [], None
            while True:
                query = {"limit": 200} | ({"cursor": cursor} if cursor else {})
                page = (await self._client.request("GET", "/api/dentists", query=query)).body
                found += [each["id"] for each in page["data"]]
                cursor = page["pagination"]["next_cursor"]
                if cursor is None:
                    break
        if len(found) > DENTISTS_MAX:
            raise ValueError(f"a cache is for at most {DENTISTS_MAX} dentists; name them")
        return found

    def _whole(self) -> Window:
        first = self._now()
        return Window(first, first + timedelta(days=self._settings.days))

    # --- answering ---------------------------------------------------------------------

    @property
    def age_s(self) -> float:
        """For how long nothing was heard from the hub; infinite while it is not connected."""
        stream = self._stream
        if stream is None or not stream.connected:
            return float("inf")
        return max(0.0, time.monotonic() - stream.heard_at)

    async def free(
        self,
        appointment_type_id: str,
        *,
        starts_from: datetime | None = None,
        starts_before: datetime | None = None,
        dentist_ids: Sequence[str] = (),
    ) -> Free:
        """Free slots of the type, from memory if that is right, else asked for.

        Raises HubError, ConnectionLost when it had to ask.
        """
        now = self._now()
        window = Window(
            max(starts_from or now, now),
            starts_before or now + timedelta(days=self._settings.days) - timedelta(minutes=1),
        )
        wanted = tuple(dentist_ids) or tuple(self._dentists)
        if window.first >= window.before:
            return Free(slots=(), age_s=0.0, from_memory=True)  # all of it is over
        age_s = self.age_s
        if age_s <= self._settings.max_age_s and self._knows(appointment_type_id, window, wanted):
            return Free(
                slots=_sorted(self._remembered(appointment_type_id, window, wanted, now)),
                age_s=age_s,
                from_memory=True,
            )
        return Free(
            slots=_sorted(await self._ask(appointment_type_id, window, wanted)),
            age_s=0.0,
            from_memory=False,
        )

    def _knows(self, type_id: str, window: Window, wanted: Iterable[str]) -> bool:
        return (
            type_id in self._kinds
            and self._reloading is None
            and all(self._is_settled(self._dentists.get(name), window) for name in wanted)
        )

    def _is_settled(self, dentist: _Dentist | None, window: Window) -> bool:
        if dentist is None or dentist.loaded_to is None or window.before > dentist.loaded_to:
            return False
        since = dentist.pending_since
        return since is None or time.monotonic() - since <= self._settings.settle_s

    def _remembered(
        self, type_id: str, window: Window, wanted: Iterable[str], now: datetime
    ) -> Iterable[FreeSlot]:
        for name in wanted:
            dentist = self._dentists[name]
            earliest = now + dentist.notice
            for start, end in dentist.table.free(type_id, window):
                if start >= earliest:
                    yield FreeSlot(name, type_id, start, end)

    async def _ask(self, type_id: str, window: Window, wanted: Iterable[str]) -> Sequence[FreeSlot]:
        found: list[FreeSlot] = []
        for name in wanted:
            answer = await self._answer(name, type_id, window)
            found += [
                FreeSlot(name, type_id, moment(slot["start"]), moment(slot["end"]))
                for slot in answer["slots"]
            ]
        return found

    async def _answer(self, dentist_id: str, type_id: str, window: Window) -> Mapping[str, Any]:
        self.asked += 1
        return await self._client.availability(
            dentist_id,
            appointment_type_id=type_id,
            starts_from=text_of(window.first),
            starts_before=text_of(window.before),
        )

    # --- what the stream says ------------------------------------------------------------

    def _event(self, event: HubEvent) -> None:
        if event.type == "slots.changed":
            self._slots_changed(event)
        elif event.type == "availability.updated":
            self._stale(event.data["dentist_id"])
        elif event.type == "availability.changed":
            if event.data["dentist_id"] not in self._dentists and not self._only:
                self._reload()  # a new dentist
        elif event.type == "appointment_types.updated":
            self._reload()

    def _slots_changed(self, event: HubEvent) -> None:
        dentist = self._dentists.get(event.data["dentist_id"])
        if dentist is None:
            return
        if event.epoch != dentist.table.epoch:
            self._stale(event.data["dentist_id"])
            return
        assert event.offset is not None, "a change has a position in its channel"
        taken = [Block.from_wire(raw) for raw in event.data["taken"]]
        dentist.table.take(taken, event.offset, self._kinds)
        open_again = [
            Block.from_wire(raw) for raw in (*event.data["freed"], *event.data["refetch"])
        ]
        windows = around(open_again, self._kinds.values())
        if dentist.limited:
            windows = [
                Window(block.start - _DAY, block.end + _DAY) for block in (*taken, *open_again)
            ]
        if windows:
            self._want(event.data["dentist_id"], dentist, windows)

    def _lost(self, channel: str, _position: Position) -> None:
        """History does not reach back: what it tells of is loaded again."""
        if channel == _ALL:
            self._reload()
        else:
            self._stale(channel.removeprefix(_OF_DENTIST))

    def _stale(self, dentist_id: str) -> None:
        dentist = self._dentists.get(dentist_id)
        if dentist is not None:
            dentist.loaded_to = None  # opening hours may have closed: nothing of it is right
            self._want(dentist_id, dentist, [self._window])

    # --- asking again --------------------------------------------------------------------

    def _want(self, name: str, dentist: _Dentist, windows: Iterable[Window]) -> None:
        dentist.pending = join([*dentist.pending, *windows])
        if len(dentist.pending) > WINDOWS_MAX:
            dentist.pending = [self._window]
        if dentist.pending_since is None:
            dentist.pending_since = time.monotonic()
        if dentist.task is None:
            dentist.task = asyncio.create_task(self._catch_up(name, dentist))

    async def _catch_up(self, name: str, dentist: _Dentist) -> None:
        failures = 0
        try:
            while dentist.pending:
                await asyncio.sleep(self._settings.jitter_s * self._jitter() + failures)
                wanted, dentist.pending = dentist.pending, []
                began = time.monotonic()
                try:
                    for window in wanted:
                        await self._fetch(name, dentist, window)
                except (HubError, ConnectionLost) as error:
                    logger.warning("slots not loaded", extra={"error": type(error).__name__})
                    failures = min(failures + 1, 5)
                    dentist.pending = join([*wanted, *dentist.pending])
                    continue
                failures = 0
                dentist.pending_since = began if dentist.pending else None
        finally:
            dentist.task = None

    async def _load(self, name: str, dentist: _Dentist) -> Position | None:
        """The whole window; the position that its oldest part is true for."""
        return await self._fetch(name, dentist, self._window)

    async def _fetch(self, name: str, dentist: _Dentist, window: Window) -> Position | None:
        first: Position | None = None
        whole = window.covers(self._window)
        window = window.within(Window(self._now(), self._window.before))
        if window.first >= window.before:
            return None
        for kind in tuple(self._kinds.values()):
            taken_in = False
            while not taken_in:
                answer = await self._answer(name, kind.id, window)
                position = answer["position"]
                dentist.notice = timedelta(minutes=answer["min_notice_minutes"])
                dentist.limited = bool(answer.get("daily_limits"))
                taken_in = dentist.table.replace(
                    kind,
                    window,
                    [(moment(slot["start"]), moment(slot["end"])) for slot in answer["slots"]],
                    position["epoch"],
                    position["offset"],
                )
                first = first or Position(epoch=position["epoch"], offset=position["offset"])
        if whole and not any(other.covers(self._window) for other in dentist.pending):
            dentist.loaded_to = window.before
        return first

    async def _refresh(self) -> None:
        """Time opens slots (a horizon, hours kept free) and ends them."""
        while True:
            await asyncio.sleep(self._settings.refresh_s * (0.75 + 0.5 * self._jitter()))
            self._window = self._whole()
            for name, dentist in self._dentists.items():
                self._want(name, dentist, [self._window])

    def _reload(self) -> None:
        """Other types, or other dentists: all is loaded anew, and asked for meanwhile."""
        if self._reloading is None:
            self._reloading = asyncio.create_task(self._begin_anew())

    async def _begin_anew(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(self._settings.jitter_s * self._jitter() + failures)
            try:
                await self._halt()
                await self._begin()
                break
            except (HubError, ConnectionLost) as error:
                logger.warning("cache not loaded", extra={"error": type(error).__name__})
                failures = min(failures + 1, 5)
        self._reloading = None


def _sorted(slots: Iterable[FreeSlot]) -> tuple[FreeSlot, ...]:
    return tuple(sorted(slots, key=lambda slot: (slot.start, slot.dentist_id)))
