"""Writes of profiles, appointment types and webhooks."""

from collections.abc import Iterator

from actors.domain.events import (
    ConsentSaved,
    Event,
    MessageSaved,
    PatientLinked,
    PatientsMerged,
    PracticePatientSaved,
    PracticeSaved,
    ProfileSaved,
    WebhookDeleted,
    WebhookSaved,
)
from actors.ports.commits import Reply, Turn
from store.commit.event_rows import CommitContext
from store.commit.record_commit import commit_record
from store.sql.writer import Writer, single_job


class RecordRepository:
    def __init__(self, writer: Writer, context: CommitContext) -> None:
        self._writer = writer
        self._context = context

    async def commit_record(self, turn: Turn) -> Reply:
        return await self._writer.run(
            single_job(
                lambda: commit_record(turn, self._context),
                turns=1,
                declares=tuple(person for event in turn.events for person in _people(event)),
            )
        )


def _people(event: Event) -> Iterator[str]:
    """The people and practices whose records the event writes."""
    match event:
        case ProfileSaved(after=profile, joins=joins):
            yield profile.id
            yield from filter(None, (profile.practice_id, joins))
        case PatientLinked(practice_id=practice_id, patient=patient):
            yield practice_id
            yield patient.id
        case PatientsMerged(merged=merged, after=survivor, dentists=dentists, practices=practices):
            yield merged.id
            yield survivor.id
            yield from (*dentists, *practices)
        case PracticePatientSaved(after=kept):
            yield kept.practice_id
            yield kept.patient_id
        case PracticeSaved(after=practice, dentists=dentists):
            yield practice.id
            yield from dentists
        case WebhookSaved(after=webhook) | WebhookDeleted(before=webhook) if webhook.patient:
            yield webhook.patient
        case ConsentSaved(after=consent):
            yield consent.patient_id
        case MessageSaved(after=message) if message.dentist_id:
            yield message.dentist_id
