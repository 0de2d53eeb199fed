"""The commit of a record: a profile, a practice, an appointment type, a webhook, a consent."""

from dataclasses import replace

from actors.domain import events
from actors.domain.channels import dentist_profiles_channel, patient_channel, practice_channel
from actors.domain.consent import CONSENTS_MAX, Consent
from actors.domain.ids import DentistId, PatientId, PracticeId
from actors.domain.practice import BOOKED, PracticePatient
from actors.domain.principal import Role
from actors.domain.profile import Profile
from actors.domain.refusals import Forbidden, NotFound, Refusal, VersionConflict
from actors.domain.rules import shared_patient
from actors.domain.schedule import Schedule
from actors.ports.commits import Reply, Turn, TurnRefused
from store.commit.audit import audit_rows
from store.commit.event_rows import (
    CommitContext,
    channels_of,
    event_rows,
    lock_channels,
    read_heads,
    read_names,
    render_turns,
    take_event_ids,
)
from store.commit.idempotency import (
    read_replies,
    refuse_known_keys,
    refuse_raced_keys,
    reply_rows,
)
from store.commit.identity_commit import refuse_used_subject, save_identity, subject_used
from store.commit.likeness import refuse_known
from store.commit.merge_commit import raise_fences, save_merge, with_moved_rows
from store.commit.message_commit import save_message
from store.commit.webhook_commit import delete_webhook, refusal_of, save_webhook
from store.sql.codec import (
    APPOINTMENT_TYPE,
    CONSENT,
    PRACTICE,
    PRACTICE_PATIENT,
    profile_params,
    schedule_json,
)
from store.sql.prepared import Done, Plan, Rows, Step, execute
from store.sql.schema import LINKED
from store.sql.write_statements import WriteStatements


def commit_record(turn: Turn, ctx: CommitContext) -> Plan[Done[Reply]]:
    """Raises as :class:`~actors.ports.commits.RecordStore` says."""
    sql = ctx.sql
    for event in turn.events:
        yield from _fence(event, sql)
    # The patient's dentists must stay the same until COMMIT, so no booking meanwhile; and the
    # number of a patient's consents.
    patients = {each.dentists_of for each in turn.announcements if each.dentists_of}
    patients |= {patient for each in turn.events for patient in _locked_patients(each)}
    yield (lock_channels(map(patient_channel, patients), sql.events),)
    for event in turn.events:
        if isinstance(event, events.PatientsMerged):
            turn = yield from with_moved_rows(turn, event, sql)
    turn = yield from _with_peoples_channels(turn, sql)
    channels = channels_of((turn,))
    _, heads, ids, replies, names = yield (
        lock_channels(channels, sql.events),
        read_heads(channels, sql.events),
        take_event_ids((turn,), sql.events),
        read_replies((turn,), sql),
        read_names((turn,), sql),
    )
    _refuse_known_key(turn, replies)
    for event in turn.events:
        yield from _save(event, turn, sql)
    (written,) = render_turns((turn,), heads, names, ctx)
    stored = reply_rows((turn,), (written.reply,), (None,))
    logged, offsets = event_rows((written,), ids)
    _, _, inserted, _ = yield (
        Step(sql.events.insert_event, logged),
        Step(sql.events.insert_offset, offsets),
        Step(sql.insert_reply, stored),
        Step(sql.insert_audit, audit_rows((turn,))),
    )
    if len(inserted) != len(stored):
        yield from refuse_raced_keys((turn,), sql)
    return Done(written.reply, written.records)


def _fence(event: events.Event, sql: WriteStatements) -> Plan[None]:
    """Lock the practice, and raise the fences of the calendars that it or a dentist changes.

    An actor that decided on the closures before cannot commit any more, and loads them. Fences
    come before channels, as in the commits of calendars. The lock of the practice keeps a
    dentist from coming to it unseen.
    """
    match event:
        case events.PracticeSaved(before=before, after=practice) if before is not None:
            yield from execute(sql.lock_practice, practice=practice.id)
            found = tuple(
                dentist
                for (dentist,) in (yield from execute(sql.dentists_at, practice=practice.id))
            )
            if found != event.dentists:
                raise VersionConflict(practice.version)
            if event.changes_calendars and found:
                yield (Step(sql.raise_fence, [{"dentist": dentist} for dentist in found]),)
        case events.ProfileSaved(before=old, after=profile):
            if profile.role is Role.DENTIST and profile.practice_id:
                yield from execute(sql.lock_practice, practice=profile.practice_id)
            if old and (old.practice_id, old.active) != (profile.practice_id, profile.active):
                yield from execute(sql.raise_fence, dentist=profile.id)
        case events.PatientsMerged():
            yield from raise_fences(event, sql)


def _locked_patients(event: events.Event) -> tuple[PatientId, ...]:
    """The patients who must not be merged, booked or counted until COMMIT."""
    match event:
        case events.ConsentSaved(after=consent):
            return (consent.patient_id,)
        case events.PatientLinked(patient=linked):
            return (PatientId(linked.id),)
        case events.PracticePatientSaved(after=kept):
            return (kept.patient_id,)
        case events.PatientsMerged(merged=merged, after=survivor):
            return PatientId(merged.id), PatientId(survivor.id)
        case _:
            return ()


def _with_peoples_channels(turn: Turn, sql: WriteStatements) -> Plan[Turn]:
    """Resolve who else each announcement goes to, to channels."""
    announcements = []
    for announcement in turn.announcements:
        if patient := announcement.dentists_of:
            rows = yield from execute(sql.dentists_of, patient=patient)
            dentists = (dentist_profiles_channel(DentistId(dentist)) for (dentist,) in rows)
            channels = (*announcement.channels, *dentists)
            announcement = replace(announcement, channels=channels, dentists_of=None)
        if patient := announcement.practices_of:
            rows = yield from execute(sql.practices_of, patient=patient)
            practices = map(practice_channel, sorted(practice for (practice,) in rows))
            channels = tuple(dict.fromkeys((*announcement.channels, *practices)))
            announcement = replace(announcement, channels=channels, practices_of=None)
        if announcement.to_practices:
            rows = yield from execute(sql.every_practice)
            others = (one for (one,) in rows if one != announcement.except_practice)
            every = map(practice_channel, others)
            channels = tuple(dict.fromkeys((*announcement.channels, *every)))
            announcement = replace(announcement, channels=channels, to_practices=False)
        if announcement.channels:
            announcements.append(announcement)
    return replace(turn, announcements=tuple(announcements))


def _refuse_known_key(turn: Turn, found: Rows) -> None:
    try:
        refuse_known_keys((turn,), found)
    except TurnRefused as refused:
        raise refused.refusal from None  # there is only one turn


def _save(event: events.Event, turn: Turn, sql: WriteStatements) -> Plan[None]:
    match event:
        case events.ProfileSaved(before=before, after=profile):
            if event.only_of:
                yield from _check_only_of(event.only_of, profile, shared_patient(), sql)
            if event.joins and event.unless_known:
                yield from refuse_known(event.unless_known, event.joins, sql)
            yield from _save_profile(before, profile, turn, sql)
            if event.joins:
                yield from _join(event.joins, profile, "created", turn, sql)
        case events.PatientsMerged(merged=merged, before=survivor):
            if event.only_of:
                refusal = shared_patient("merge a patient")
                for each in (merged, survivor):
                    yield from _check_only_of(event.only_of, each, refusal, sql)
            yield from _save_profile(merged, event.ended, turn, sql)
            yield from _save_profile(survivor, event.after, turn, sql)
            yield from save_merge(event, turn, sql)
        case events.RowInherited():
            pass  # the merge has moved all rows with one statement
        case events.PatientLinked(practice_id=practice_id, patient=patient):
            yield from _refuse_merged(PatientId(patient.id), sql)
            yield from _join(practice_id, patient, LINKED, turn, sql)
        case events.PracticePatientSaved(before=was, after=kept):
            yield from _save_practice_patient(was, kept, sql)
        case events.PracticeSaved(before=None, after=practice):
            yield from execute(sql.insert_practice, **PRACTICE.params(practice))
        case events.PracticeSaved(before=known, after=practice) if known is not None:
            guard = {"row_id": known.id, "before_version": known.version}
            if not (yield from execute(sql.update_practice, **PRACTICE.params(practice), **guard)):
                raise (yield from refusal_of(sql.practice_version, "practice", known.id))
        case events.AppointmentTypeSaved(before=None, after=kind):
            yield from execute(sql.insert_type, **APPOINTMENT_TYPE.params(kind))
        case events.AppointmentTypeSaved(before=old, after=kind) if old is not None:
            guard = {"row_id": old.id, "before_version": old.version}
            if not (yield from execute(sql.update_type, **APPOINTMENT_TYPE.params(kind), **guard)):
                raise (yield from refusal_of(sql.current_type_version, "appointment type", old.id))
        case events.WebhookSaved():
            yield from save_webhook(event, sql.webhooks)
        case events.WebhookDeleted():
            yield from delete_webhook(event, sql.webhooks)
        case events.ConsentSaved(before=before_consent, after=consent):
            yield from _save_consent(before_consent, consent, sql)
        case events.MessageSaved():
            yield from save_message(event, sql.messages)
        case _:
            raise AssertionError(f"{type(event).__name__} is not an event of a record")


def _check_only_of(
    practice_id: PracticeId, patient: Profile, refusal: Refusal, sql: WriteStatements
) -> Plan[None]:
    """The patient's channels are locked, so no other commit links or books them meanwhile."""
    for (found,) in (yield from execute(sql.practices_of, patient=patient.id)):
        if found != practice_id:
            raise refusal


def _join(
    practice_id: PracticeId, patient: Profile, source: str, turn: Turn, sql: WriteStatements
) -> Plan[None]:
    """Make the patient one of the practice, if that is not so already."""
    member = {"practice_id": practice_id, "patient_id": patient.id}
    yield from execute(sql.insert_member, **member, source=source, since=turn.at)


def _refuse_merged(patient: PatientId, sql: WriteStatements) -> Plan[None]:
    """Raise NotFound if the patient was merged just now: who asks again finds the survivor."""
    if (yield from execute(sql.merged_into, patient=patient)):
        raise NotFound(Role.PATIENT)


def _save_practice_patient(
    before: PracticePatient, after: PracticePatient, sql: WriteStatements
) -> Plan[None]:
    """The patient's channel is locked, so they are not merged meanwhile."""
    yield from _refuse_merged(after.patient_id, sql)
    saved = yield from execute(
        sql.update_practice_patient,
        practice=after.practice_id,
        patient=after.patient_id,
        before_version=before.version,
        remark=after.remark,
        version=after.version,
    )
    if not saved and before.source == BOOKED:  # there may be no row yet
        values = PRACTICE_PATIENT.params(after)
        saved = yield from execute(sql.insert_practice_patient, **values)
    if not saved:
        raise VersionConflict(before.version + 1)  # changed at the same time


def _save_consent(before: Consent | None, consent: Consent, sql: WriteStatements) -> Plan[None]:
    """The patient's channel is locked, so no other commit adds a consent meanwhile."""
    yield from _refuse_merged(consent.patient_id, sql)
    values = CONSENT.params(consent)
    if before is not None:
        guard = {"row_id": before.id, "before_version": before.version}
        if not (yield from execute(sql.update_consent, **values, **guard)):
            raise VersionConflict(before.version + 1)
        return
    if len((yield from execute(sql.consents_of, patient=consent.patient_id))) >= CONSENTS_MAX:
        raise Forbidden(f"At most {CONSENTS_MAX} parties can have a consent of one patient")
    if not (yield from execute(sql.insert_consent, **values)):
        raise VersionConflict(1)  # given at the same time


def _save_profile(
    before: Profile | None, profile: Profile, turn: Turn, sql: WriteStatements
) -> Plan[None]:
    yield from refuse_used_subject(profile, sql)
    values = profile_params(profile)
    if before is not None:
        guard = {"row_id": before.id, "before_version": before.version}
        if not (yield from execute(sql.update_profile, **values, **guard)):
            raise (yield from refusal_of(sql.profile_version, "profile", before.id))
        yield from save_identity(before, profile, turn, sql)
        return
    if not (yield from execute(sql.insert_profile, **values)):
        raise subject_used()  # another transaction was faster
    yield from save_identity(None, profile, turn, sql)
    if profile.role is Role.DENTIST:
        schedule = Schedule(time_zone=profile.time_zone or "UTC")
        yield from execute(
            sql.insert_calendar,
            dentist_id=profile.id,
            fence=0,
            schedule=schedule_json(schedule),
            schedule_version=schedule.version,
        )
