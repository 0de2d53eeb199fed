"""The web application with stubs in place of its services.

The stubs record calls, and return or raise what the test sets. They implement no rule of the
clinic.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast

import orjson
from aiohttp.test_utils import TestClient, TestServer

from actors.domain.appointment import Appointment, Status
from actors.domain.ids import AppointmentId, AppointmentTypeId, DentistId, PatientId, ProfileId
from actors.domain.outcome import Outcome
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.ports.commits import Reply
from actors.services.channel_access import ChannelAccess
from actors.services.identity import Claims
from actors.services.services import Services
from api.app import MAX_LINE_BYTES, create_app
from api.auth import AuthSettings, TokenVerifier, issue_token
from api.deps import AppDeps
from api.ratelimit import RateLimiter
from api.rest.chat.chat import ChatDeps
from api.rest.pages import BUILT
from api.settings import ApiSettings
from tests.support.clock import FakeClock

SECRET = "a-secret-of-the-tests-with-32-bytes-or-more"

_HOUR = timedelta(hours=1)

DENTIST = DentistId(ProfileId("01976f2e-0000-7000-8000-00000000000d"))
PATIENT = PatientId(ProfileId("01976f2e-0000-7000-8000-00000000000a"))
TYPE = AppointmentTypeId("01976f2e-0000-7000-8000-000000000007")
ROW = AppointmentId("01976f2e-0000-7000-8000-000000000001")
NAMES = {ProfileId(DENTIST): "Dr Dent", ProfileId(PATIENT): "Pat Ient"}


def appointment(**changes: Any) -> Appointment:
    row = Appointment(
        id=ROW,
        dentist_id=DENTIST,
        patient_id=PATIENT,
        appointment_type_id=TYPE,
        start=datetime(2027, 3, 8, 9, tzinfo=UTC),
        end=datetime(2027, 3, 8, 9, 30, tzinfo=UTC),
        buffer_before_minutes=0,
        buffer_after_minutes=10,
        status=Status.CONFIRMED,
        version=3,
        created_via="patient",
        created_at=datetime(2027, 2, 1, 8, 0, 0, 123456, tzinfo=UTC),
        updated_at=datetime(2027, 2, 1, 8, tzinfo=UTC),
    )
    return replace(row, **changes)


PROFILE = Profile(id=PATIENT, role=Role.PATIENT, name="Pat Ient", email="pat@example.com")


def reply(outcome: Outcome = Outcome.CREATED, body: bytes = b'{"id":"x"}') -> Reply:
    return Reply(outcome=outcome, resource_id=ROW, version=3, body=body)


@dataclass
class ServiceStub:
    """One service: ``results[method]`` is returned, or raised if it is an exception."""

    results: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((method, args, kwargs))
            result = self.results[method]
            if isinstance(result, BaseException):
                raise result
            return result

        return call

    @property
    def request(self) -> Any:
        """The last positional argument of the last call: the request that the schema loaded."""
        return self.calls[-1][1][-1]

    @property
    def last(self) -> dict[str, Any]:
        """The keywords of the last call."""
        return self.calls[-1][2]


class FakeIdentity:
    """Resolves every token to the person that it names."""

    def __init__(self) -> None:
        self.refusal: Exception | None = None

    def known(self, claims: Claims) -> Principal | None:
        return None

    async def principal(self, claims: Claims, on_behalf_of: str | None = None) -> Principal:
        if self.refusal:
            raise self.refusal
        if claims.role is Role.CHATBOT and on_behalf_of:
            return Principal(
                role=Role.PATIENT,
                subject=claims.subject,
                person=ProfileId(on_behalf_of),
                acting=claims.subject,
            )
        person = {Role.PATIENT: PATIENT, Role.DENTIST: DENTIST}.get(claims.role)
        return Principal(role=claims.role, subject=claims.subject, person=person)


class FakeHealth:
    def __init__(self) -> None:
        self.status, self.is_ready = "ok", True

    async def report(self, *, detailed: bool = False) -> dict[str, Any]:
        answer = {"status": self.status, "database": {"status": self.status}, "realtime": {}}
        return {**answer, "version": "1", **({"figures": 1} if detailed else {})}

    async def ready(self) -> bool:
        return self.is_ready


class World:
    """An application under test, and an HTTP client for it."""

    client: TestClient[Any, Any]

    def __init__(self, settings: ApiSettings, *, rate_per_s: float, burst: int) -> None:
        self.clock = FakeClock()
        self.bookings, self.availability, self.people = ServiceStub(), ServiceStub(), ServiceStub()
        self.catalog, self.changes = ServiceStub(), ServiceStub()
        self.practices = ServiceStub({"every": ()})
        self.streams, self.webhooks = ServiceStub({"close": None}), ServiceStub()
        self.identity, self.health = FakeIdentity(), FakeHealth()
        self.directory = ServiceStub({"dentist": None})
        self.requests: list[tuple[str, str, int, float]] = []
        ids = count(1)
        self.deps = AppDeps(
            services=Services(
                identity=cast("Any", self.identity),
                access=ChannelAccess(cast("Any", self.directory)),
                people=cast("Any", self.people),
                lookups=cast("Any", ServiceStub()),
                practices=cast("Any", self.practices),
                merging=cast("Any", ServiceStub()),
                imports=cast("Any", ServiceStub()),
                duplicates=cast("Any", ServiceStub()),
                practice_patients=cast("Any", ServiceStub()),
                own_passkeys=cast("Any", None),
                invitations=cast("Any", ServiceStub()),
                sign_ins=cast("Any", ServiceStub()),
                catalog=cast("Any", self.catalog),
                availability=cast("Any", self.availability),
                bookings=cast("Any", self.bookings),
                changes=cast("Any", self.changes),
                replays=cast("Any", ServiceStub()),
                webhooks=cast("Any", self.webhooks),
                suspension=cast("Any", ServiceStub()),
                consents=cast("Any", ServiceStub()),
                messages=cast("Any", ServiceStub()),
                linked_visits=cast("Any", ServiceStub()),
                calendar_entries=cast("Any", ServiceStub()),
            ),
            verifier=TokenVerifier(AuthSettings(secret=SECRET), self.clock),
            streams=cast("Any", self.streams),
            limiter=RateLimiter(rate_per_s=rate_per_s, burst=burst, monotonic=self.clock.monotonic),
            health=self.health,
            clock=self.clock,
            new_id=lambda: f"id-{next(ids)}",
            settings=settings,
            metrics=lambda: (b"chairside_up 1\n", "text/plain; version=0.0.4"),
            on_request=lambda *request: self.requests.append(request),
        )

        self.chat = ChatDeps(key=b"k" * 32, limiter=self.deps.limiter)

    def token(self, role: Role = Role.PATIENT, subject: str = "sub-1", **claims: Any) -> str:
        claims = {"ttl": _HOUR, "now": self.clock.now(), **claims}
        return issue_token(SECRET, subject=subject, role=role, **claims)

    async def send(
        self,
        method: str,
        path: str,
        *,
        role: Role | None = Role.PATIENT,
        headers: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> "Answer":
        sent = dict(headers or {})
        if role is not None:
            sent.setdefault("Authorization", f"Bearer {self.token(role)}")
        async with self.client.request(method, path, headers=sent, **kwargs) as response:
            text = await response.read()
            return Answer(response.status, response.headers.copy(), text)


@dataclass
class Answer:
    status: int
    headers: Any
    text: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.text)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])

    @property
    def fields(self) -> dict[str, str]:
        """The messages of the error's details, by field."""
        return {each["field"]: each["message"] for each in self.json["error"]["details"]}


@asynccontextmanager
async def world(
    settings: ApiSettings | None = None,
    *,
    rate_per_s: float = 1_000,
    burst: int = 1_000,
    screens: Path = BUILT,
) -> AsyncIterator[World]:
    made = World(settings or ApiSettings(), rate_per_s=rate_per_s, burst=burst)
    server = TestServer(create_app(made.deps, made.chat, screens=screens))
    await server.start_server(max_line_size=MAX_LINE_BYTES, max_field_size=MAX_LINE_BYTES)
    async with TestClient(server) as client:
        made.client = client
        yield made
