"""Every statement of the write path, built once for a dialect.

Each returns rows wherever its effect must be checked: a guarded UPDATE that touched
nothing returns nothing, on every engine alike.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Delete,
    Dialect,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    delete,
    exists,
    insert,
    literal_column,
    not_,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from store.sql.codec import APPOINTMENT, APPOINTMENT_TYPE, STORED_REPLY
from store.sql.prepared import Statement
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

_SETTLED_APPOINTMENT = ("id", "dentist_id", "patient_id", "created_via", "created_at")


_PENDING: ColumnElement[str] = literal_column("'pending'")
_NOTHING: ColumnElement[int] = literal_column(
    "0"
)  # written out, or SQLite's dialect adds a parameter


class WriteStatements:
    """The statements of commits, opening, marks and retention, for one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._upsert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
        self._fences()
        self._channels()
        self._checks()
        self._rows()
        self._people()
        self._opening()
        self._housekeeping()
        self.webhooks = WebhookStatements(dialect)

    def _build(
        self,
        clause: Select[Any] | Insert | Update | Delete,
        sets: Sequence[str] | None = None,
        *,
        by_key: bool = False,
    ) -> Statement:
        return Statement(clause, self._dialect, sets=sets, by_key=by_key)

    def _guarded_update(
        self, table: Table, settled: Sequence[str], version: str = "version"
    ) -> Statement:
        """Set every column not ``settled`` where the row still has ``before_version``."""
        key = next(iter(table.primary_key))
        clause = (
            update(table)
            .where(key == bindparam("row_id"), table.c[version] == bindparam("before_version"))
            .returning(key)
        )
        return self._build(clause, [c.name for c in table.c if c.name not in settled])

    def _fences(self) -> None:
        c = calendars.c
        # Whoever can have this lock can write: on a standby or a full disk nobody can.
        self.lock_hub = self._build(select(hub.c.id).with_for_update(read=True))
        # Locks the row as an UPDATE would, and dirties no page: where there are no row
        # locks (SQLite), the transaction has the whole database to itself.
        self.lock_fence = self._build(
            select(c.dentist_id, c.fence)
            .where(c.dentist_id == bindparam("dentist"))
            .order_by(c.dentist_id)  # so that no two commits lock several crosswise
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
        self.update_appointment = self._guarded_update(appointments, _SETTLED_APPOINTMENT)
        self.update_schedule = self._guarded_update(
            calendars, ("dentist_id", "fence", "owner"), version="schedule_version"
        )
        self.name = self._build(
            select(profiles.c.id, profiles.c.name).where(profiles.c.id == bindparam("person")),
            by_key=True,
        )
        self.insert_reply = self._build(
            self._upsert(idempotency_keys).on_conflict_do_nothing().returning(k.scope, k.key),
            [c.name for c in k],
        )
        self.insert_audit = self._build(
            insert(audit_log).inline(), [c.name for c in audit_log.c if c.name != "id"]
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
            [c.name for c in p],
        )
        self.update_profile = self._guarded_update(profiles, ("id", "role", "created_by"))
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
        self.update_type = self._guarded_update(appointment_types, ("id",))
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
            .offset(_NOTHING)
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
        self.delete_holds = self._delete_batch(
            appointments, (a.id,), a.updated_at, IS_OVER_UNBOOKED
        )
        self.delete_replies = self._delete_batch(idempotency_keys, (k.scope, k.key), k.created_at)

    def _delete_events(self) -> Statement:
        """Only from the beginning of a channel on: what is kept has no gap."""
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
        return self._delete_batch(
            realtime_events, (e.channel, e.offset), e.created_at, settled, not_(kept_before)
        )

    def _delete_batch(
        self, table: Table, key: Sequence[Column[Any]], age: Column[Any], *conditions: Any
    ) -> Statement:
        oldest = (
            select(*key)
            .where(age < bindparam("before"), *conditions)
            .order_by(age)
            .limit(bindparam("at_most"))
            .offset(_NOTHING)
        )
        return self._build(delete(table).where(tuple_(*key).in_(oldest)).returning(key[0]))
