"""The statements that write webhooks, their secrets, cursors and deliveries."""

from sqlalchemy import (
    ColumnElement,
    Dialect,
    bindparam,
    delete,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from store.sql.prepared import StatementSet
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
_PROGRESS = ("epoch", "offset", "moves", "attempts", "failing_since", "next_attempt_at")


class WebhookStatements(StatementSet):
    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._webhooks()
        self._secrets()
        self._cursors()
        self._deliveries()

    def _webhooks(self) -> None:
        w = webhooks.c
        self.of_party = self._build(select(w.id).where(w.owner == bindparam("party")))
        self.insert = self._build(insert(webhooks))
        self.update = self._guarded_update(webhooks, _CHANGED)
        # Locked, so that a delivery in progress adds no row to what is being deleted.
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
        inserting = self._upsert(webhook_cursors)
        self.place_cursor = self._build(
            inserting.on_conflict_do_update(
                index_elements=[c.webhook_id, c.channel],
                set_={
                    name: inserting.excluded[name] if name != "moves" else c.moves + _ONE
                    for name in _PROGRESS
                },
            ),
            ["webhook_id", "channel", *_PROGRESS],
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
        self.move_cursor = self._build(moving, _PROGRESS)
        self.retry = self._build(
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
        inserting = self._upsert(webhook_deliveries)
        changed = ("delivered", "attempts", "last_at", "response_status", "duration_ms", "error")
        self.note_delivery = self._build(
            inserting.on_conflict_do_update(
                index_elements=[d.webhook_id, d.channel, d.epoch, d.offset],
                set_={name: inserting.excluded[name] for name in changed},
            ),
            [column.name for column in webhook_deliveries.c],
        )
        self.delete_deliveries = self._build(
            delete(webhook_deliveries).where(d.webhook_id == bindparam("row_id"))
        )
        key = (d.webhook_id, d.channel, d.epoch, d.offset)
        self.forget_deliveries = self._delete_oldest(key, d.last_at)


_ONE: ColumnElement[int] = literal_column("1")
