"""The commit of a profile, an appointment type or a webhook: no calendar, so no fence."""

from actors.domain.announcements import Announcement
from actors.domain.channels import Channel, dentist_profiles_channel, patient_channel
from actors.domain.events import (
    AppointmentTypeSaved,
    Event,
    ProfileSaved,
    WebhookDeleted,
    WebhookSaved,
)
from actors.domain.ids import DentistId
from actors.domain.principal import Role
from actors.domain.profile import Profile
from actors.domain.refusals import NotFound, Refusal, ValidationFailed, VersionConflict
from actors.domain.schedule import Schedule
from actors.ports.commits import Reply, Turn, TurnRefused
from store.commit.committer import CommitContext, write_audit
from store.commit.event_rows import Telling, take_offsets, tell
from store.commit.idempotency import refuse_known_keys, store_replies
from store.commit.webhook_commit import delete_webhook, save_webhook
from store.sql.codec import profile_params, schedule_json, type_params
from store.sql.prepared import Done, Plan, Statement, once
from store.sql.write_statements import WriteStatements


def commit_record(turn: Turn, ctx: CommitContext) -> Plan[Done[Reply]]:
    """Raises as :class:`~actors.ports.records.RecordStore` says."""
    sql = ctx.sql
    patients = sorted({told.dentists_of for told in turn.announcements if told.dentists_of})
    # Who the patient's dentists are must hold until the commit: no booking meanwhile.
    yield from take_offsets((), map(patient_channel, patients), sql)
    telling = yield from _resolved(turn, sql)
    heads = yield from take_offsets((telling,), (), sql)
    yield from _refuse_known_key(turn, sql)
    for event in turn.events:
        yield from _save(event, sql)
    (told,) = yield from tell((telling,), heads, sql=sql, render=ctx.render, new_id=ctx.new_id)
    yield from store_replies((turn,), (told.reply,), (None,), sql)
    yield from write_audit((turn,), sql)
    return Done(told.reply, told.records)


def _resolved(turn: Turn, sql: WriteStatements) -> Plan[Telling]:
    channels = {}
    for told in turn.announcements:
        channels[told] = yield from _channels_of(told, sql)
    return Telling(turn, [(told, channels[told]) for told in turn.announcements])


def _channels_of(told: Announcement, sql: WriteStatements) -> Plan[tuple[Channel, ...]]:
    if told.dentists_of is None:
        return told.channels
    rows = yield once(sql.dentists_of, patient=told.dentists_of)
    return (*told.channels, *(dentist_profiles_channel(DentistId(row[0])) for row in rows))


def _refuse_known_key(turn: Turn, sql: WriteStatements) -> Plan[None]:
    try:
        yield from refuse_known_keys((turn,), sql)
    except TurnRefused as refused:
        raise refused.refusal from None  # one turn: there is no index to tell


def _save(event: Event, sql: WriteStatements) -> Plan[None]:
    match event:
        case ProfileSaved(before=before, after=profile):
            yield from _save_profile(before, profile, sql)
        case AppointmentTypeSaved(before=None, after=kind):
            yield once(sql.insert_type, **type_params(kind))
        case AppointmentTypeSaved(before=old, after=kind) if old is not None:
            guard = {"row_id": old.id, "before_version": old.version}
            if not (yield once(sql.update_type, **type_params(kind), **guard)):
                raise (yield from _why(sql.current_type_version, "appointment type", old.id))
        case WebhookSaved():
            yield from save_webhook(event, sql.webhooks)
        case WebhookDeleted():
            yield from delete_webhook(event, sql.webhooks)
        case _:
            raise AssertionError(f"{type(event).__name__} is not an event of a record")


def _save_profile(before: Profile | None, profile: Profile, sql: WriteStatements) -> Plan[None]:
    if profile.subject is not None:
        owners = yield once(sql.subject_owner, wanted_subject=profile.subject)
        if any(owner != profile.id for (owner,) in owners):
            raise _subject_used()
    values = profile_params(profile)
    if before is not None:
        guard = {"row_id": before.id, "before_version": before.version}
        if not (yield once(sql.update_profile, **values, **guard)):
            raise (yield from _why(sql.profile_version, "profile", before.id))
        return
    if not (yield once(sql.insert_profile, **values)):
        raise _subject_used()  # another transaction was faster
    if profile.role is Role.DENTIST:
        schedule = Schedule(time_zone=profile.time_zone or "UTC")
        yield once(
            sql.insert_calendar,
            dentist_id=profile.id,
            fence=0,
            schedule=schedule_json(schedule),
            schedule_version=schedule.version,
        )


def _subject_used() -> Refusal:
    return ValidationFailed.of("subject", "This subject already has a profile")


def _why(version: Statement, what: str, id: str) -> Plan[Refusal]:
    """Why a guarded UPDATE found no row."""
    rows = yield once(version, row_id=id)
    return VersionConflict(rows[0][0]) if rows else NotFound(what)
