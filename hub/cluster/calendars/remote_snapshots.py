"""Snapshots of calendars that other nodes own."""

from dataclasses import dataclass
from typing import Final

import structlog
from cachetools import LRUCache

from actors.calendar.snapshot import Snapshot
from actors.domain.ids import DentistId
from hub.cluster.calendars.snapshots import snapshot_of
from hub.cluster.internal.codec import JsonObject, from_json

log = structlog.get_logger(__name__)

_SNAPSHOTS_MAX: Final = 5_000


@dataclass(frozen=True, slots=True)
class ReceivedSnapshot:
    tag: str
    fence: int
    snapshot: Snapshot


class RemoteSnapshots:
    """Keeps the last snapshot of each calendar, so that an unchanged one is not sent again."""

    def __init__(self) -> None:
        self._received: LRUCache[DentistId, ReceivedSnapshot] = LRUCache(_SNAPSHOTS_MAX)

    def get(self, dentist_id: DentistId) -> ReceivedSnapshot | None:
        return self._received.get(dentist_id)

    def take(
        self, dentist_id: DentistId, answer: JsonObject, kept: ReceivedSnapshot | None
    ) -> Snapshot | None:
        """The snapshot of an answer; ``None`` if a former owner answered.

        ``kept`` is what was kept when the request was sent.
        """
        tag, fence = from_json(answer["tag"], str), from_json(answer["fence"], int)
        if kept is not None and fence < kept.fence:
            log.warning("answer_of_a_former_owner", dentist_id=dentist_id)
            return None
        if kept is not None and tag == kept.tag:
            return kept.snapshot
        snapshot = snapshot_of(answer["snapshot"])
        self._received[dentist_id] = ReceivedSnapshot(tag, fence, snapshot)
        return snapshot
