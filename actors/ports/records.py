"""Writing records that have no actor: profiles, appointment types and webhooks."""

from typing import Protocol

from actors.ports.commits import Reply, Turn


class RecordStore(Protocol):
    """Writes records in the same way as calendars: audited, and with events."""

    async def commit_record(self, turn: Turn) -> Reply:
        """Write ``turn.events`` in one transaction, and publish its announcements.

        A new dentist gets a calendar with an empty schedule in the profile's time zone.
        Raises :class:`~actors.domain.refusals.VersionConflict` if a changed row no longer has
        ``before.version``; also TurnReplayed, IdempotencyMismatch, ValidationFailed (the
        subject is used already) or another CommitFailure.
        """
        ...
