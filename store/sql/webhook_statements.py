"""Every statement that writes webhooks, built once for a dialect."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Delete,
    Dialect,
    Insert,
    Select,
    Update,
    and_,
    bindparam,
    delete,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from store.sql.prepared import Statement
from store.sql.schema import webhook_cursors, webhook_deliveries, webhook_secrets, webhooks

_CHANGED = (
    "url",
    "description",
    "channels",
    "status",
    "disabled_reason",
    "disabled_at",
    "rights_until",
    "version",
    "updated_at",
)
_PLACE = ("epoch", "offset", "moves", "attempts", "failing_since", "next_attempt_at")


class WebhookStatements:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._upsert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
        self._webhooks()
        self._secrets()
        self._cursors()
        self._deliveries()

    def _build(
        self,
        clause: Select[Any] | Insert | Update | Delete,
        sets: Sequence[str] | None = None,
    ) -> Statement:
        return Statement(clause, self._dialect, sets=sets)

    def _webhooks(self) -> None:
        w = webhooks.c
        self.of_party = self._build(select(w.id).where(w.owner == bindparam("party")))
        self.insert = self._build(insert(webhooks))
        guarded = (
            update(webhooks)
            .where(w.id == bindparam("row_id"), w.version == bindparam("before_version"))
            .returning(w.id)
        )
        self.update = self._build(guarded, _CHANGED)
        # Locked, so that deliveries under way cannot add to what is being deleted.
        self.version = self._build(
            select(w.version).where(w.id == bindparam("row_id")).with_for_update()
        )
        self.delete = self._build(
            delete(webhooks).where(w.id == bindparam("row_id")).returning(w.id)
        )

    def _secrets(self) -> None:
        s = webhook_secrets.c
        self.secret_numbers = self._build(
            select(s.number).where(s.webhook_id == bindparam("row_id")).order_by(s.number)
        )
        self.insert_secret = self._build(insert(webhook_secrets))
        self.retire_secrets = self._build(
            update(webhook_secrets).where(
                s.webhook_id == bindparam("row_id"),
                or_(s.expires_at.is_(None), s.expires_at > bindparam("until")),
            ),
            ["expires_at"],
        )
        self.delete_expired_secrets = self._build(
            delete(webhook_secrets).where(
                s.webhook_id == bindparam("row_id"), s.expires_at <= bindparam("now")
            )
        )
        self.delete_secrets = self._build(
            delete(webhook_secrets).where(s.webhook_id == bindparam("row_id"))
        )

    def _cursors(self) -> None:
        c = webhook_cursors.c
        self.cursor_channels = self._build(
            select(c.channel).where(c.webhook_id == bindparam("row_id"))
        )
        adding = self._upsert(webhook_cursors)
        self.place_cursor = self._build(
            adding.on_conflict_do_update(
                index_elements=[c.webhook_id, c.channel],
                set_={
                    name: adding.excluded[name] if name != "moves" else c.moves + _ONE
                    for name in _PLACE
                },
            ),
            ["webhook_id", "channel", *_PLACE],
        )
        moving = (
            update(webhook_cursors)
            .where(
                c.webhook_id == bindparam("row_id"),
                c.channel == bindparam("of_channel"),
                c.moves == bindparam("moves_before"),
            )
            .returning(c.channel)
        )
        self.move_cursor = self._build(moving, _PLACE)
        self.try_anew = self._build(
            update(webhook_cursors).where(c.webhook_id == bindparam("row_id")),
            ["attempts", "failing_since", "next_attempt_at"],
        )
        self.delete_cursor = self._build(
            delete(webhook_cursors).where(
                c.webhook_id == bindparam("row_id"), c.channel == bindparam("of_channel")
            )
        )
        self.delete_cursors = self._build(
            delete(webhook_cursors).where(c.webhook_id == bindparam("row_id"))
        )

    def _deliveries(self) -> None:
        d = webhook_deliveries.c
        noting = self._upsert(webhook_deliveries)
        told = ("delivered", "attempts", "last_at", "response_status", "duration_ms", "error")
        self.note_delivery = self._build(
            noting.on_conflict_do_update(
                index_elements=[d.webhook_id, d.channel, d.epoch, d.offset],
                set_={name: noting.excluded[name] for name in told},
            ),
            [column.name for column in webhook_deliveries.c],
        )
        self.delete_deliveries = self._build(
            delete(webhook_deliveries).where(d.webhook_id == bindparam("row_id"))
        )
        key = (d.webhook_id, d.channel, d.epoch, d.offset)
        oldest = (
            select(*key)
            .where(d.last_at < bindparam("before"))
            .order_by(d.last_at)
            .limit(bindparam("at_most"))
            .offset(_NOTHING)
            .subquery()
        )
        same = and_(*(column == oldest.c[column.name] for column in key))
        self.forget_deliveries = self._build(
            delete(webhook_deliveries)
            .where(select(oldest.c.offset).where(same).exists())
            .returning(d.offset)
        )


_ONE: Any = literal_column("1")
_NOTHING: Any = literal_column("0")  # written out, or SQLite's dialect adds a parameter
