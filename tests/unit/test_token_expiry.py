"""When the token of a live connection expires: by the wall clock, even if that is set."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from actors.domain.principal import Role
from actors.services.identity import Claims
from api.realtime.rooms import expiry
from api.realtime.rooms.expiry import TokenExpiry
from api.realtime.rooms.revocations import LiveConnection
from tests.support.clock import FakeClock
from tests.support.eventually import eventually


@dataclass(eq=False)
class Holder:
    """A live connection with nothing but a token."""

    claims: Claims
    journal: list[str] = field(default_factory=list)


async def test_a_token_ends_soon_after_the_clock_was_set_forward(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expiry, "_CHECK_EVERY_S", 0.01)
    clock = FakeClock()
    ends = clock.now() + timedelta(minutes=30)
    holder = Holder(Claims(subject="patient-0", role=Role.PATIENT, expires_at=ends))
    tokens: TokenExpiry[LiveConnection] = TokenExpiry(
        clock,
        notice_s=60,
        leeway_s=0,
        announce=lambda _: holder.journal.append("announced"),
        end=lambda _: holder.journal.append("ended"),
    )
    tokens.watch(cast("LiveConnection", holder))
    await asyncio.sleep(0)  # the first look at the clock
    clock.advance(timedelta(hours=2))
    await eventually(lambda: holder.journal == ["ended"], within_s=2.0)


def test_the_wall_clock_is_read_every_ten_seconds() -> None:
    """As often as a stream without events writes a heartbeat."""
    assert expiry._CHECK_EVERY_S <= 10


async def test_a_token_until_the_last_year_never_ends_within_its_leeway() -> None:
    ends = datetime.max.replace(tzinfo=UTC)
    holder = Holder(Claims(subject="patient-0", role=Role.PATIENT, expires_at=ends))
    tokens: TokenExpiry[LiveConnection] = TokenExpiry(
        FakeClock(),
        notice_s=60,
        leeway_s=300,
        announce=lambda _: holder.journal.append("announced"),
        end=lambda _: holder.journal.append("ended"),
    )
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    tokens.watch(cast("LiveConnection", holder))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tokens.forget(cast("LiveConnection", holder))
    assert (failures, holder.journal) == ([], [])
