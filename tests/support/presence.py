"""A Supabase client that computes presence as the official clients do."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.support.clinic import Clinic, Person, appointments_of
from tests.support.eventually import eventually
from tests.support.supabase_wire import RawSupabase, raw_supabase


class PresenceClient:
    """A raw client that watches the presence of one channel."""

    def __init__(self, raw: RawSupabase, topic: str) -> None:
        self._raw, self._topic = raw, topic
        self.state: dict[str, str] = {}
        """Key by ``phx_ref``."""
        self.left: set[str] = set()
        """Keys of all leaves so far."""

    async def track(self, **meta: Any) -> None:
        tracked = {"event": "track", "payload": meta}
        assert (await self._raw.request(self._topic, "presence", tracked)).status == "ok"

    async def untrack(self) -> None:
        assert (
            await self._raw.request(self._topic, "presence", {"event": "untrack"})
        ).status == "ok"

    async def sees(self, *keys: str, within_s: float = 2.0) -> None:
        assert await eventually(lambda: self._sees(keys), within_s), self.state

    async def has_seen_leave(self, key: str) -> bool:
        await self._sees(())
        return key in self.left

    async def _sees(self, keys: Sequence[str]) -> bool:
        await self._raw.alive()  # all earlier messages have been read
        kept, self._raw.kept = self._raw.kept, []
        for message in kept:
            if message.event == "presence_state":
                self.state = _refs(message.payload)
            elif message.event == "presence_diff":
                for ref in _refs(message.payload["leaves"]):
                    self.left.add(self.state.pop(ref))
                self.state |= _refs(message.payload["joins"])
        return sorted(self.state.values()) == sorted(keys)


def _refs(state: dict[str, Any]) -> dict[str, str]:
    return {meta["phx_ref"]: key for key, e in state.items() for meta in e["metas"]}


@asynccontextmanager
async def at(clinic: Clinic, person: Person, key: str) -> AsyncIterator[PresenceClient]:
    """Joins the channel of a person's appointments at a hub, with a presence key."""
    channel = appointments_of(person)
    async with raw_supabase(clinic.session, clinic.url, person.token) as raw:
        await raw.joined(channel, presence={"key": key, "enabled": True})
        yield PresenceClient(raw, f"realtime:{channel}")
