"""The statements of commits, of opening calendars, of delivery marks and of retention.

A statement returns rows wherever its effect must be checked: a guarded UPDATE that changed
nothing returns nothing, on every engine.
"""

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Dialect,
    Table,
    bindparam,
    exists,
    insert,
    literal_column,
    not_,
    or_,
    select,
    update,
)

from store.sql.codec import APPOINTMENT, APPOINTMENT_TYPE, STORED_REPLY
from store.sql.prepared import NO_OFFSET, Statement, StatementSet
from store.sql.schema import (
    IS_ATTENDING,
    IS_COMPLETED,
    IS_HELD,
    IS_LIVE,
    IS_OVER_UNBOOKED,
    WAS_BOOKED,
    appointment_types,
    appointments,
    audit_log,
    calendars,
    channels,
    hub,
    idempotency_keys,
    nodes,
    profiles,
    realtime_events,
)
from store.sql.webhook_statements import WebhookStatements

_PENDING: ColumnElement[str] = literal_column("'pending'")


class WriteStatements(StatementSet):
    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._fences()
        self._channels()
        self._checks()
        self._rows()
        self._people()
        self._opening()
        self._housekeeping()
        self.webhooks = WebhookStatements(dialect)

    def _fences(self) -> None:
        c = calendars.c
        # Succeeds only where the hub can write: not on a standby, not on a full disk.
        self.lock_hub = self._build(select(hub.c.id).with_for_update(read=True))
        # Locks the row as an UPDATE would, and writes no page. SQLite needs no row locks,
        # because a write transaction locks the whole database.
        self.lock_fence = self._build(
            select(c.dentist_id, c.fence)
            .where(c.dentist_id == bindparam("dentist"))
            .order_by(c.dentist_id)  # so that two commits cannot deadlock
            .with_for_update(),
            by_key=True,
        )
        self.raise_fence = self._build(
            update(calendars)
            .where(c.dentist_id == bindparam("dentist"))
            .values(fence=c.fence + literal_column("1"))
            .returning(c.fence, c.schedule, c.schedule_version)
        )
        self.see_calendar = self._build(
            select(c.fence, c.schedule, c.schedule_version)
            .where(c.dentist_id == bindparam("dentist"))
            .with_for_update(read=True)
        )
        n = nodes.c
        owner: BindParameter[str] = bindparam("owner")
        buried = not_(exists(select(n.id).where(n.id == c.owner)))
        self.owner = self._build(
            select(c.owner).where(c.dentist_id == bindparam("dentist")).with_for_update()
        )
        self.claim = self._build(
            update(calendars)
            .where(
                c.dentist_id == bindparam("dentist"),
                or_(c.owner == owner, c.owner.is_(None), buried),
                exists(select(n.id).where(n.id == owner)),
            )
            .values(fence=c.fence + literal_column("1"), owner=owner)
            .returning(c.fence, c.schedule, c.schedule_version)
        )

    def _channels(self) -> None:
        adding = self._upsert(channels).values(
            channel=bindparam("channel"),
            epoch=select(hub.c.first_epoch).scalar_subquery(),
            offset=bindparam("count"),
        )
        self.advance_channel = self._build(
            adding.on_conflict_do_update(
                index_elements=[channels.c.channel],
                set_={"offset": channels.c.offset + adding.excluded.offset},
            ).returning(channels.c.channel, channels.c.epoch, channels.c.offset)
        )
        self.head = self._build(
            select(hub.c.first_epoch, channels.c.epoch, channels.c.offset).select_from(
                hub.outerjoin(channels, channels.c.channel == bindparam("channel"))
            )
        )
        named = ("channel", "offset", "epoch", "event_id", "type")
        self.insert_event = self._build(
            insert(realtime_events),
            [*named, "payload", "created_at", "status", "attempts"],
        )

    def _checks(self) -> None:
        a, k, t = appointments.c, idempotency_keys.c, appointment_types.c
        self.type_version = self._build(
            select(t.id, t.version).where(t.id == bindparam("type_id")).with_for_update(read=True),
            by_key=True,
        )
        self.reply = self._build(
            select(*STORED_REPLY.columns).where(
                k.scope == bindparam("scope"), k.key == bindparam("key")
            )
        )
        self.attending_overlaps = self._build(
            select(a.patient_id, a.id, a.starts_at, a.ends_at).where(
                a.patient_id == bindparam("patient"),
                IS_ATTENDING,
                a.starts_at < bindparam("end"),
                a.ends_at > bindparam("start"),
            )
        )
        self.live_holds_of = self._build(
            select(a.patient_id, a.id).where(
                a.patient_id == bindparam("patient"), IS_HELD, a.expires_at > bindparam("at")
            )
        )

    def _rows(self) -> None:
        k = idempotency_keys.c
        self.insert_appointment = self._build(insert(appointments))
        self.update_appointment = self._guarded_update(
            appointments,
            _columns(appointments, without="id dentist_id patient_id created_via created_at"),
        )
        self.update_schedule = self._guarded_update(
            calendars, ["schedule", "schedule_version"], version="schedule_version"
        )
        self.name = self._build(
            select(profiles.c.id, profiles.c.name).where(profiles.c.id == bindparam("person")),
            by_key=True,
        )
        self.insert_reply = self._build(
            self._upsert(idempotency_keys).on_conflict_do_nothing().returning(k.scope, k.key),
            _columns(idempotency_keys),
        )
        self.insert_audit = self._build(
            insert(audit_log).inline(), _columns(audit_log, without="id")
        )

    def _people(self) -> None:
        a, p, t = appointments.c, profiles.c, appointment_types.c
        self.subject_owner = self._build(
            select(p.id).where(p.subject == bindparam("wanted_subject"))
        )
        self.insert_profile = self._build(
            self._upsert(profiles)
            .on_conflict_do_nothing(index_elements=[p.subject])
            .returning(p.id),
            _columns(profiles),
        )
        self.update_profile = self._guarded_update(
            profiles, _columns(profiles, without="id role created_by")
        )
        self.profile_version = self._build(select(p.version).where(p.id == bindparam("row_id")))
        self.dentists_of = self._build(
            select(a.dentist_id)
            .where(a.patient_id == bindparam("patient"), WAS_BOOKED)
            .distinct()
            .order_by(a.dentist_id)
        )
        self.insert_calendar = self._build(
            insert(calendars), ["dentist_id", "fence", "schedule", "schedule_version"]
        )
        self.insert_type = self._build(insert(appointment_types))
        self.update_type = self._guarded_update(
            appointment_types, _columns(appointment_types, without="id")
        )
        self.current_type_version = self._build(
            select(t.version).where(t.id == bindparam("row_id"))
        )

    def _opening(self) -> None:
        a, k = appointments.c, idempotency_keys.c
        self.types = self._build(
            select(*APPOINTMENT_TYPE.columns).order_by(
                appointment_types.c.name, appointment_types.c.id
            )
        )
        self.live_rows = self._build(
            select(*APPOINTMENT.columns)
            .where(
                a.dentist_id == bindparam("dentist"), IS_LIVE, a.ends_at > bindparam("live_after")
            )
            .order_by(a.starts_at, a.id)
        )
        self.completed_rows = self._build(
            select(*APPOINTMENT.columns)
            .where(
                a.dentist_id == bindparam("dentist"),
                IS_COMPLETED,
                a.starts_at > bindparam("started_after"),
                a.ends_at > bindparam("live_after"),
            )
            .order_by(a.starts_at, a.id)
        )
        self.recent_replies = self._build(
            select(*STORED_REPLY.columns)
            .where(
                k.dentist_id == bindparam("dentist"),
                k.created_at > bindparam("since"),
                not_(k.internal),
            )
            .order_by(k.created_at.desc(), k.key.desc())
            .limit(bindparam("at_most"))
            .offset(NO_OFFSET)
        )

    def _housekeeping(self) -> None:
        e = realtime_events.c
        self.mark_event = self._build(
            update(realtime_events).where(
                e.channel == bindparam("of_channel"), e.offset == bindparam("at_offset")
            ),
            ["status", "broadcast_at", "latency_ms", "attempts", "recipients", "error"],
        )
        self.delete_events = self._delete_events()
        a, k = appointments.c, idempotency_keys.c
        self.delete_holds = self._delete_oldest((a.id,), a.updated_at, IS_OVER_UNBOOKED)
        self.delete_replies = self._delete_oldest((k.scope, k.key), k.created_at)

    def _delete_events(self) -> Statement:
        """Only from the beginning of a channel, so that the kept events have no gap."""
        e, earlier = realtime_events.c, realtime_events.alias("earlier")
        kept_before = exists().where(
            earlier.c.channel == e.channel,
            earlier.c.offset < e.offset,
            or_(
                earlier.c.created_at >= bindparam("before"),
                earlier.c.status == _PENDING,
            ),
        )
        settled = e.status != _PENDING
        return self._delete_oldest((e.channel, e.offset), e.created_at, settled, not_(kept_before))


def _columns(table: Table, *, without: str = "") -> list[str]:
    return [column.name for column in table.c if column.name not in without.split()]
