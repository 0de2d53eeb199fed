"""The statements that append events and deliveries, read heads, and delete what is old."""

import sqlalchemy as sa

from store.sql import schema
from store.sql.prepared import NO_OFFSET, ONE, StatementSet, columns_of
from store.sql.types import TextList, each_of
from store.sql.webhook_statements import NO_SEED

_SEQUENCE: sa.ColumnElement[str] = sa.literal_column("'event_log_id_seq'")
FORGOTTEN: sa.ColumnElement[int] = sa.literal_column(str(schema.FORGOTTEN))
_log, _entries, _deliveries = schema.event_log, schema.event_channels, schema.deliveries
_CHANNELS: sa.BindParameter[list[str]] = sa.bindparam("channels", type_=TextList())


class EventStatements(StatementSet):
    def __init__(self, dialect: sa.Dialect) -> None:
        super().__init__(dialect)
        self._channels()
        self._writes()
        self._retention()

    def _channels(self) -> None:
        channel = each_of(_CHANNELS, self._dialect)
        # The first event of a channel finds no row to lock. SQLite locks the whole database.
        lock = sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(channel, NO_SEED))
        on_postgresql = self._dialect.name == "postgresql"
        self.lock_channels = self._build(sa.select(lock)) if on_postgresql else None
        c = _entries.c
        newest = (
            sa.select(c.offset)
            .where(c.channel == channel)
            .order_by(c.offset.desc())
            .limit(ONE)
            .offset(NO_OFFSET)
            .scalar_subquery()
        )
        epoch = sa.select(schema.hub.c.first_epoch).scalar_subquery()
        head = (channel, epoch, sa.func.coalesce(newest, NO_OFFSET))
        self.heads = self._build(sa.select(*head))
        types: sa.BindParameter[list[str]] = sa.bindparam("types", type_=TextList())
        self.event_ids = self._build(_next_ids(types, self._dialect))

    def _writes(self) -> None:
        c = _entries.c
        self.insert_event = self._build(sa.insert(_log).inline(), columns_of(_log))
        self.insert_offset = self._build(sa.insert(_entries))
        outcome = columns_of(_deliveries, without="event channel")
        found = sa.select(
            c.event, c.channel, *(sa.bindparam(n, type_=_deliveries.c[n].type) for n in outcome)
        ).where(
            c.channel == sa.bindparam("of_channel"),
            c.offset == sa.bindparam("at_offset"),
            c.event > FORGOTTEN,
        )
        marking = self._upsert(_deliveries).from_select(["event", "channel", *outcome], found)
        self.mark_event = self._build(
            marking.on_conflict_do_update(
                index_elements=[_deliveries.c.event, _deliveries.c.channel],
                set_={name: marking.excluded[name] for name in outcome},
            )
        )

    def _retention(self) -> None:
        """Deletes the log's events up to the id ``up_to``."""
        c, d, newer = _entries.c, _deliveries.c, _entries.alias("newer").c
        up_to = sa.bindparam("up_to", type_=sa.BigInteger())
        old = (c.event > FORGOTTEN, c.event <= up_to)
        first = sa.select(_log.c.id, _log.c.created_at).order_by(_log.c.id)
        self.first_events = self._build(first.limit(sa.bindparam("at_most")).offset(NO_OFFSET))
        pending = sa.select(sa.func.min(c.event)).where(*old, _is_pending())
        self.first_pending = self._build(pending)
        # The heads of channels stay: where no newer event is, the last one leaves its offset.
        other = _entries.alias("other").c
        changed = sa.select(other.channel).where(other.event > FORGOTTEN, other.event <= up_to)
        self.delete_old_heads = self._build(
            sa.delete(_entries).where(c.event == FORGOTTEN, c.channel.in_(changed))
        )
        has_newer = sa.exists().where(newer.channel == c.channel, newer.offset > c.offset)
        self.keep_heads = self._build(
            sa.update(_entries)
            .where(*old, sa.not_(has_newer))
            .values(event=FORGOTTEN)
            .returning(c.channel)
        )
        self.delete_offsets = self._build(sa.delete(_entries).where(*old).returning(c.channel))
        self.delete_outcomes = self._build(sa.delete(_deliveries).where(d.event <= up_to))
        self.delete_events = self._build(sa.delete(_log).where(_log.c.id <= up_to))


def _next_ids(types: sa.BindParameter[list[str]], dialect: sa.Dialect) -> sa.Select[tuple[int]]:
    """An id for each of these events, in ascending order."""
    if dialect.name == "postgresql":
        given = sa.func.unnest(types).table_valued("type", name="given")
        return sa.select(sa.func.nextval(_SEQUENCE)).select_from(given)
    last = sa.select(sa.func.max(_log.c.id)).scalar_subquery()
    number = sa.func.json_each(types).table_valued(sa.column("key", sa.Integer()), name="given").c
    return sa.select(sa.func.coalesce(last, NO_OFFSET) + number.key + ONE)


def _is_pending() -> sa.ColumnElement[bool]:
    c, d = _entries.c, _deliveries.c
    return sa.not_(sa.exists().where(d.event == c.event, d.channel == c.channel))
