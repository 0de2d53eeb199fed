"""Writes of profiles and appointment types, which have no actor."""

from typing import Protocol

from actors.ports.commits import Reply, Turn


class RecordStore(Protocol):
    """Writes of profiles and appointment types, through the same committer."""

    async def commit_record(self, turn: Turn) -> Reply:
        """Write ``turn.events`` (ProfileSaved, AppointmentTypeSaved) and announce them.

        A changed row must still have ``before.version``, else raises
        :class:`~actors.domain.refusals.VersionConflict`. A new dentist gets a calendar
        with an empty schedule in the profile's zone. Raises TurnReplayed,
        IdempotencyMismatch, ValidationFailed (subject already used) or a CommitFailure.
        """
        ...
