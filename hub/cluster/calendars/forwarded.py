"""Answers the requests that other nodes forward to this one."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from actors.calendar.batch import KeyId, key_id
from actors.domain.refusals import CalendarBusy, Refusal, Unavailable
from actors.ports.commits import IdempotencyKey, OwnedElsewhere, Reply
from hub.cluster.calendars.local import LocalCalendars
from hub.cluster.calendars.messages import CalendarRequest, CommandRequest, SnapshotRequest
from hub.cluster.calendars.ownership import Ownership
from hub.cluster.calendars.routing import Redirect, accept
from hub.cluster.calendars.snapshots import snapshot_json
from hub.cluster.internal.codec import JsonObject, from_json, refusal_json, to_json
from hub.cluster.internal.node_client import NotOwner
from hub.cluster.members.membership import Membership


class ForwardedRequests:
    """Serves commands and snapshots of this node's calendars; raises NotOwner for others."""

    def __init__(self, local: LocalCalendars, membership: Membership, ownership: Ownership) -> None:
        self._local, self._members, self._ownership = local, membership, ownership
        self._running: dict[KeyId, asyncio.Task[Reply]] = {}
        self.served = 0

    async def serve_command(self, data: JsonObject) -> JsonObject:
        """The command is completed even if the sender disconnects."""
        request = from_json(data, CommandRequest)

        async def answer() -> JsonObject:
            reply = await self._once(
                request.key,
                lambda: self._local.execute(
                    request.dentist_id,
                    request.command,
                    key=request.key,
                    request_id=request.request_id,
                    maybe_committed=request.doubtful,
                ),
            )
            return {"reply": to_json(reply)}

        return await self._answer(request, answer)

    async def serve_snapshot(self, data: JsonObject) -> JsonObject:
        request = from_json(data, SnapshotRequest)

        async def answer() -> JsonObject:
            tag, fence, snapshot = await self._local.look(request.dentist_id)
            unchanged = tag == request.tag
            shown = None if unchanged else snapshot_json(snapshot)
            return {"tag": tag, "fence": fence, "snapshot": shown}

        return await self._answer(request, answer)

    async def close(self) -> None:
        """Complete the commands that are running."""
        while self._running:
            await asyncio.wait(tuple(self._running.values()))

    async def _answer(
        self, request: CalendarRequest, answer: Callable[[], Awaitable[JsonObject]]
    ) -> JsonObject:
        await self._accept(request)
        try:
            return await answer()
        except OwnedElsewhere as elsewhere:
            raise NotOwner(elsewhere.owner) from None
        except (CalendarBusy, Unavailable):
            raise
        except Refusal as refusal:
            return {"refusal": refusal_json(refusal)}

    async def _accept(self, request: CalendarRequest) -> None:
        """Raises NotOwner if another node has to answer."""
        self.served += 1
        if request.epoch > self._members.view.epoch:
            self._members.request_refresh()
        dentist_id = request.dentist_id
        await self._ownership.settled(dentist_id)
        is_active = self._ownership.is_active(dentist_id)
        decided = accept(self._members.view, dentist_id, is_active=is_active, named=request.named)
        if isinstance(decided, Redirect):
            if request.named and not is_active:
                # This node owns the calendar, but activates nothing any more: free it.
                await self._ownership.hand_over([dentist_id])
            raise NotOwner(decided.owner)

    async def _once(
        self, key: IdempotencyKey, execute: Callable[[], Coroutine[Any, Any, Reply]]
    ) -> Reply:
        """A command that is repeated while it runs gets the reply of the one that runs."""
        running = self._running.get(key_id(key))
        if running is None:
            running = self._running[key_id(key)] = asyncio.create_task(execute())
            running.add_done_callback(lambda _: self._running.pop(key_id(key), None))
            running.add_done_callback(_retrieve_failure)
        return await asyncio.shield(running)


def _retrieve_failure(task: asyncio.Task[Reply]) -> None:
    """The sender may have disconnected: then asyncio would log the failure as unnoticed."""
    if not task.cancelled():
        task.exception()
