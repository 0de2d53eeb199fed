"""Keeps the events of concurrent commits in the order of their offsets, for each channel."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from actors.domain.channels import Channel
from actors.ports.events import EventPublisher, EventRecord


@dataclass(slots=True, eq=False)
class UnpublishedCommit:
    """The records of one transaction, from just before COMMIT until they are published."""

    records: Sequence[EventRecord]
    first: dict[Channel, int]
    committed: bool = False


class PublishingOrder:
    """Publishes committed events, for each channel in the order of offsets.

    The server releases the locks of a commit before it answers. So a later commit of the same
    channel may be answered first: its events wait here for the earlier ones, its caller does not.
    """

    def __init__(self, publisher: EventPublisher) -> None:
        self._publisher = publisher
        self._open: list[UnpublishedCommit] = []

    def begin(self, records: Sequence[EventRecord]) -> UnpublishedCommit:
        first: dict[Channel, int] = {}
        for record in records:
            first.setdefault(record.channel, record.position.offset)
        commit = UnpublishedCommit(records, first)
        self._open.append(commit)
        return commit

    def end(self, commit: UnpublishedCommit, *, committed: bool) -> None:
        """Publish what need not wait any more; the callers, just resumed, run before that."""
        commit.committed = committed
        if not committed:
            self._open.remove(commit)
        for ready in [each for each in self._open if each.committed and not self._waits(each)]:
            self._open.remove(ready)
            if ready.records:
                asyncio.get_running_loop().call_soon(self._publisher.publish, ready.records)

    def _waits(self, commit: UnpublishedCommit) -> bool:
        return any(
            other.first[channel] < first
            for other in self._open
            if not other.committed
            for channel, first in commit.first.items()
            if channel in other.first
        )
