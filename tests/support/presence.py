"""Who is there: a Supabase client that counts presences together as the official ones do."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.support.clinic import Clinic, Person, appointments_of
from tests.support.eventually import eventually
from tests.support.supabase_wire import RawSupabase, raw_supabase


class Desk:
    """A raw client in the channel of a person's appointments: who it thinks is there."""

    def __init__(self, raw: RawSupabase, topic: str) -> None:
        self._raw, self._topic = raw, topic
        self.there: dict[str, str] = {}
        """Key by ``phx_ref``, as clients count it together."""
        self.left: set[str] = set()
        """Keys that were told to have gone, ever."""

    async def track(self, **said: Any) -> None:
        tracked = {"event": "track", "payload": said}
        assert (await self._raw.ask(self._topic, "presence", tracked)).status == "ok"

    async def untrack(self) -> None:
        assert (await self._raw.ask(self._topic, "presence", {"event": "untrack"})).status == "ok"

    async def sees(self, *keys: str, within_s: float = 2.0) -> None:
        assert await eventually(lambda: self._sees(keys), within_s), self.there

    async def has_told_leaving(self, key: str) -> bool:
        await self._sees(())
        return key in self.left

    async def _sees(self, keys: Sequence[str]) -> bool:
        await self._raw.alive()  # what was sent before has been read
        kept, self._raw.kept = self._raw.kept, []
        for heard in kept:
            if heard.event == "presence_state":
                self.there = _refs(heard.payload)
            elif heard.event == "presence_diff":
                for ref in _refs(heard.payload["leaves"]):
                    self.left.add(self.there.pop(ref))
                self.there |= _refs(heard.payload["joins"])
        return sorted(self.there.values()) == sorted(keys)


def _refs(presences: dict[str, Any]) -> dict[str, str]:
    return {meta["phx_ref"]: key for key, e in presences.items() for meta in e["metas"]}


@asynccontextmanager
async def at(clinic: Clinic, person: Person, key: str) -> AsyncIterator[Desk]:
    """Somebody's own channel, joined at a hub, with a presence key."""
    channel = appointments_of(person)
    async with raw_supabase(clinic.session, clinic.url, person.token) as raw:
        await raw.joined(channel, presence={"key": key, "enabled": True})
        yield Desk(raw, f"realtime:{channel}")
