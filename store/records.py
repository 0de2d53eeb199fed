"""Writes of profiles and appointment types: :class:`~actors.ports.RecordStore`."""

from actors.domain.events import ProfileSaved
from actors.ports import Reply, Turn
from store.committer import CommitContext
from store.record_commit import commit_record
from store.writer import Job, Writer


class Records:
    def __init__(self, writer: Writer, context: CommitContext) -> None:
        self._writer = writer
        self._context = context

    async def commit_record(self, turn: Turn) -> Reply:
        return await self._writer.run(
            Job(
                plan=lambda: commit_record(turn, self._context),
                turns=1,
                declares=tuple(e.after.id for e in turn.events if isinstance(e, ProfileSaved)),
            )
        )
