"""A Socket.IO server on a free port, over a relay and an event log in memory.

The services are small, but check, record and refuse like the real ones.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, cast

import orjson
from aiohttp import web

from actors.domain.channels import Channel, patient_channel
from actors.domain.ids import DentistId, EventId, PatientId, ProfileId
from actors.domain.outcome import Outcome
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.refusals import Forbidden, NotFound, SlotTaken, VersionConflict
from actors.ports.commits import Reply
from actors.ports.events import Broadcaster, EventRecord
from actors.relay.relay import Relay
from actors.relay.settings import RelayLimits, RelaySettings
from actors.services.availability import SlotPage
from actors.services.caller import Caller
from actors.services.changes import Changes
from actors.services.channel_access import ChannelAccess
from actors.services.identity import Claims
from actors.services.requests import (
    AppointmentChange,
    BookingRequest,
    BookSlotRequest,
    Cancellation,
    HoldRequest,
    SlotSearch,
    all_fields,
)
from actors.services.services import Services
from actors.tasks import Tasks
from api.auth import AuthSettings, TokenVerifier
from api.ratelimit import RateLimiter
from api.realtime.rooms.broadcaster import RoomBroadcaster
from api.realtime.rooms.deps import RealtimeDeps, RoomsContext
from api.realtime.rooms.fairness import TimeSlice
from api.realtime.rooms.joins import Joins
from api.realtime.rooms.revocations import Revocations
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.send_buffer import SendPolicy
from api.realtime.rooms.settings import RealtimeSettings
from api.realtime.socketio import Realtime
from api.rest.commands import COMMANDS
from hub.background import every
from tests.support.screens import Screen, connect
from tests.support.tokens import SECRET, token
from tests.unit.relay_world import MemoryLog

DENTIST = DentistId(ProfileId("10000000-0000-7000-8000-000000000001"))
PATIENT = PatientId(ProfileId("20000000-0000-7000-8000-000000000001"))
OTHER = PatientId(ProfileId("20000000-0000-7000-8000-000000000002"))
TYPE = "30000000-0000-7000-8000-000000000001"
START = "2027-03-08T09:00:00Z"

_SUBJECTS = {"dentist": DENTIST, "patient": PATIENT, "other": OTHER}
CHANNEL = patient_channel(PATIENT)


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class FakeIdentity:
    def __init__(self) -> None:
        self.queries = 0
        self.answers = asyncio.Event()
        """While cleared, no client is admitted."""
        self.answers.set()
        self.gone: set[ProfileId] = set()
        """Deleted people."""

    async def principal(
        self, claims: Claims, on_behalf_of: str | None = None, *, create: bool = True
    ) -> Principal:
        found = await self._principal(claims, on_behalf_of)
        if found.person in self.gone:
            raise Forbidden
        return found

    async def _principal(self, claims: Claims, on_behalf_of: str | None) -> Principal:
        self.queries += 1
        await self.answers.wait()
        if claims.role in (Role.ADMIN, Role.CHATBOT) and on_behalf_of is None:
            return Principal(role=claims.role, subject=claims.subject)
        if on_behalf_of is not None:
            if claims.role is not Role.CHATBOT:
                raise Forbidden
            if on_behalf_of not in (PATIENT, OTHER):
                raise NotFound("patient")
            person, acting = ProfileId(on_behalf_of), claims.subject
            return Principal(
                role=Role.PATIENT, subject=claims.subject, person=person, acting=acting
            )
        known = _SUBJECTS.get(claims.subject)
        if known is None:
            raise Forbidden
        return Principal(
            role=claims.role, subject=claims.subject, person=known, acting=claims.actor
        )


class FakeBookings:
    def __init__(self) -> None:
        self.calls: list[tuple[str, Caller, dict[str, Any]]] = []
        self.taken: set[datetime] = set()
        self.before: Callable[[], Any] | None = None

    async def hold(self, caller: Caller, request: HoldRequest) -> Reply:
        return await self._take("hold", caller, request)

    async def book(self, caller: Caller, request: BookingRequest) -> Reply:
        if isinstance(request, BookSlotRequest):
            return await self._take("book", caller, request)
        return self._reply("book", caller, all_fields(request))

    async def change(
        self,
        caller: Caller,
        appointment_id: str,
        change: AppointmentChange,
        *,
        expected_version: int | None,
    ) -> Reply:
        if expected_version not in (None, 1):
            raise VersionConflict(1)
        sent = {"id": appointment_id, "expected_version": expected_version, **all_fields(change)}
        return self._reply("change", caller, sent)

    async def cancel(
        self,
        caller: Caller,
        appointment_id: str,
        cancellation: Cancellation,
        *,
        expected_version: int | None,
    ) -> Reply:
        sent = {"id": appointment_id, "expected_version": expected_version}
        return self._reply("cancel", caller, {**sent, **all_fields(cancellation)}, gone=True)

    async def release(self, caller: Caller, reservation_id: str) -> Reply:
        return self._reply("release", caller, {"id": reservation_id}, gone=True)

    async def _take(
        self, what: str, caller: Caller, request: HoldRequest | BookSlotRequest
    ) -> Reply:
        if self.before is not None:
            await self.before()
        caller.principal.require(Role.PATIENT, Role.DENTIST)
        if request.start in self.taken:
            raise SlotTaken
        self.taken.add(request.start)
        return self._reply(what, caller, all_fields(request))

    def _reply(
        self, what: str, caller: Caller, sent: dict[str, Any], *, gone: bool = False
    ) -> Reply:
        self.calls.append((what, caller, sent))
        return Reply(
            outcome=Outcome.GONE if gone else Outcome.CREATED,
            resource_id="x",
            version=1,
            body=b"" if gone else json.dumps(sent, default=str).encode(),
        )


class FakeAvailability:
    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    async def find(self, caller: Caller, search: SlotSearch) -> SlotPage:
        self.calls.append(all_fields(search))
        start = datetime(2027, 3, 8, 9, tzinfo=UTC)
        return SlotPage(slots=(), next_after=(start, DENTIST), positions={})

    async def replace(self, caller: Caller, dentist_id: str, schedule: Any, **sent: Any) -> Reply:
        self.calls.append({"dentist_id": dentist_id, "schedule": schedule, **sent})
        return Reply(outcome=Outcome.CHANGED, resource_id=dentist_id, version=2, body=b"{}")


class FakePeople:
    async def me(self, caller: Caller) -> Profile:
        if caller.principal.person is None:
            raise NotFound("profile")
        return Profile(id=caller.principal.person, role=caller.principal.role, name="Ada")


class FakeDirectory:
    """Knows every dentist."""

    async def dentist(self, profile_id: ProfileId) -> DentistId:
        return DentistId(profile_id)


class World:
    """The running server, and the parts that a test controls."""

    def __init__(
        self,
        log: MemoryLog,
        settings: RealtimeSettings,
        burst: int,
        wrap: Callable[[Broadcaster], Broadcaster],
        **options: Any,
    ) -> None:
        self.log, self.settings, self.identity = log, settings, FakeIdentity()
        self.bookings, self.availability = FakeBookings(), FakeAvailability()
        clock = SystemClock()
        ids = count(1)
        rooms, time_slice = Rooms(), TimeSlice()
        broadcaster = RoomBroadcaster(rooms, time_slice)
        verifier = TokenVerifier(AuthSettings(secret=SECRET), clock)
        self.tasks = Tasks()
        revocations = Revocations(verifier, cast("Any", self.identity), self.tasks.start)
        self.relay = Relay(
            events=log,
            clock=clock,
            broadcaster=wrap(broadcaster),
            on_failure=broadcaster.notify_position,
            listeners=[revocations.events_committed],
            settings=RelaySettings(backoff_ms=10),
            limits=RelayLimits(flush_interval_s=0.01),
        )
        self.commands: list[tuple[str, str, str]] = []
        self.realtime = Realtime(
            RealtimeDeps(
                services=Services(
                    identity=cast("Any", self.identity),
                    access=ChannelAccess(cast("Any", FakeDirectory())),
                    people=cast("Any", FakePeople()),
                    merging=cast("Any", None),
                    duplicates=cast("Any", None),
                    practices=cast("Any", None),
                    imports=cast("Any", None),
                    lookups=cast("Any", None),
                    practice_patients=cast("Any", None),
                    catalog=cast("Any", None),
                    availability=cast("Any", self.availability),
                    bookings=cast("Any", self.bookings),
                    changes=Changes(log),
                    replays=cast("Any", None),
                    webhooks=cast("Any", None),
                    suspension=cast("Any", None),
                    consents=cast("Any", None),
                    invitations=cast("Any", None),
                    own_passkeys=cast("Any", None),
                    sign_ins=cast("Any", None),
                    messages=cast("Any", None),
                    linked_visits=cast("Any", None),
                    calendar_entries=cast("Any", None),
                ),
                context=RoomsContext(
                    rooms=rooms,
                    joins=Joins(rooms, Changes(log), self.relay.positions),
                    broadcaster=broadcaster,
                    revocations=revocations,
                    send_policy=SendPolicy(
                        time_slice=time_slice,
                        max_bytes=settings.max_buffer_bytes,
                        deflate_from_bytes=settings.compress_from_bytes or None,
                    ),
                ),
                verifier=verifier,
                clock=clock,
                new_id=lambda: f"request-{next(ids)}",
                positions=self.relay.positions,
                limiter=RateLimiter(rate_per_s=1, burst=burst, monotonic=clock.monotonic),
                settings=settings,
                **options,
                on_command=lambda namespace, event, code, _: self.commands.append(
                    (namespace, event, code)
                ),
                on_slow=self._slow,
            ),
            COMMANDS,
        )
        self.app = web.Application()
        self.slow_readers = 0
        self.url = ""
        self._screens = AsyncExitStack()

    def _slow(self) -> None:
        self.slow_readers += 1

    async def screen(
        self,
        namespace: str = "/patient",
        bearer: str | None = None,
        *,
        since: Any = None,
        transports: tuple[str, ...] = ("websocket",),
        **auth: Any,
    ) -> Screen:
        sent = {"token": bearer or token("patient", "patient"), **auth}
        if since is not None:
            sent["since"] = since
        screen = await connect(self.url, namespace, sent, transports=transports)
        self._screens.push_async_callback(screen.close)
        return screen

    async def refused_screen(self, auth: Any, namespace: str = "/patient") -> None:
        """Connect with exactly this ``auth``; raises ConnectionRefused."""
        screen = await connect(self.url, namespace, auth)
        self._screens.push_async_callback(screen.close)

    def commit(self, *records: EventRecord) -> None:
        self.log.append(*records)
        self.relay.publish(records)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["World"]:
        self.realtime.attach(self.app)
        runner = web.AppRunner(self.app, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        await self.relay.start()
        interval_s = self.settings.position_interval_s
        self.tasks.start(every(interval_s, self.realtime.send_positions))
        try:
            async with self._screens:
                yield self
        finally:
            await self.relay.stop()
            await runner.cleanup()
            await self.tasks.finish()


@asynccontextmanager
async def running_world(
    *rows: EventRecord,
    settings: RealtimeSettings | None = None,
    burst: int = 10_000,
    broadcaster: Callable[[Broadcaster], Broadcaster] = lambda inner: inner,
    **options: Any,
) -> AsyncIterator[World]:
    log = MemoryLog(rows)
    log.marks = []
    world = World(log, settings or RealtimeSettings(), burst, broadcaster, **options)
    async with world.running():
        yield world


def event(offset: int, channel: Channel = CHANNEL, **data: Any) -> EventRecord:
    return EventRecord(
        channel=channel,
        position=Position(1, offset),
        event_id=EventId(f"event-{offset}"),
        type="appointment.created",
        time=datetime.now(UTC) - timedelta(milliseconds=1),
        payload=orjson.dumps({"n": offset, **data}),  # UTF-8, as the store writes it
    )


def events(first: int, last: int, channel: Channel = CHANNEL) -> list[EventRecord]:
    return [event(offset, channel) for offset in range(first, last + 1)]


def offsets(items: Sequence[Any]) -> list[int]:
    return [item["offset"] for item in items]


def live(screen: Screen, channel: Channel = CHANNEL) -> list[int]:
    return [received.data["offset"] for received in screen.events(channel)]


def place(offset: int) -> dict[str, int]:
    return {"epoch": 1, "offset": offset}


async def arrived(screen: Screen, offset: int, channel: Channel = CHANNEL) -> None:
    await screen.until(
        lambda each: (
            each.event == "appointment.created"
            and each.data["channel"] == channel
            and each.data["offset"] == offset
        ),
        5,
    )


def position(offset: int, channel: Channel = CHANNEL) -> Position:
    return Position(1, offset)
