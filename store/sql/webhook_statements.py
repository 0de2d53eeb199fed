"""The statements that write webhooks, their secrets, cursors and deliveries."""

import sqlalchemy as sa

from store.sql.prepared import ONE, StatementSet, columns_of
from store.sql.schema import webhook_cursors, webhook_deliveries, webhook_secrets, webhooks

NO_SEED: sa.ColumnElement[int] = sa.literal_column("0")
_ROW: sa.BindParameter[str] = sa.bindparam("row_id")
_CHANNEL: sa.BindParameter[str] = sa.bindparam("of_channel")


class WebhookStatements(StatementSet):
    def __init__(self, dialect: sa.Dialect) -> None:
        super().__init__(dialect)
        self._webhooks()
        self._secrets()
        self._cursors()
        self._deliveries()

    def _webhooks(self) -> None:
        w = webhooks.c
        # Without the lock, two transactions on PostgreSQL would each count one too few.
        party: sa.BindParameter[str] = sa.bindparam("party")
        lock = sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(party, NO_SEED))
        on_postgresql = self._dialect.name == "postgresql"
        self.lock_party = self._build(sa.select(lock)) if on_postgresql else None
        self.of_party = self._build(sa.select(w.patient_id).where(w.owner == party))
        self.insert = self._build(sa.insert(webhooks))
        self.update = self._guarded_update(
            webhooks, without="id owner scope role subject acting patient_id created_at"
        )
        changed = ("status", "disabled_reason", "disabled_at", "updated_at")
        of_patient = (w.patient_id == sa.bindparam("patient"), w.disabled_at.is_(None))
        self.disable_of = self._build(
            sa.update(webhooks).where(*of_patient).values(version=w.version + ONE), changed
        )
        # Locked, so that a delivery in progress adds no row to what is being deleted.
        self.version = self._build(sa.select(w.version).where(w.id == _ROW).with_for_update())
        self.delete = self._build(sa.delete(webhooks).where(w.id == _ROW).returning(w.id))

    def _secrets(self) -> None:
        s = webhook_secrets.c
        mine = s.webhook_id == _ROW
        self.secret_numbers = self._build(sa.select(s.number).where(mine).order_by(s.number))
        self.insert_secret = self._build(sa.insert(webhook_secrets))
        still_valid = sa.or_(s.expires_at.is_(None), s.expires_at > sa.bindparam("until"))
        self.retire_secrets = self._build(
            sa.update(webhook_secrets).where(mine, still_valid), ["expires_at"]
        )
        self.delete_expired_secrets = self._build(
            sa.delete(webhook_secrets).where(mine, s.expires_at <= sa.bindparam("now"))
        )
        self.delete_secrets = self._build(sa.delete(webhook_secrets).where(mine))

    def _cursors(self) -> None:
        c = webhook_cursors.c
        mine = c.webhook_id == _ROW
        self.cursor_channels = self._build(sa.select(c.channel).where(mine))
        progress = columns_of(webhook_cursors, without="webhook_id channel")
        inserting = self._upsert(webhook_cursors)
        placed: dict[str, sa.ColumnElement[object]] = {n: inserting.excluded[n] for n in progress}
        self.place_cursor = self._build(
            inserting.on_conflict_do_update(
                index_elements=[c.webhook_id, c.channel], set_=placed | {"moves": c.moves + ONE}
            )
        )
        unmoved = c.moves == sa.bindparam("moves_before")
        moving = sa.update(webhook_cursors).where(mine, c.channel == _CHANNEL, unmoved)
        self.move_cursor = self._build(moving.returning(c.channel), progress)
        self.retry = self._build(
            sa.update(webhook_cursors).where(mine),
            ["attempts", "failing_since", "next_attempt_at"],
        )
        self.delete_cursor = self._build(
            sa.delete(webhook_cursors).where(mine, c.channel == _CHANNEL)
        )
        self.delete_cursors = self._build(sa.delete(webhook_cursors).where(mine))

    def _deliveries(self) -> None:
        d = webhook_deliveries.c
        key = (d.webhook_id, d.channel, d.epoch, d.offset)
        inserting = self._upsert(webhook_deliveries)
        changed = ("delivered", "attempts", "last_at", "response_status", "duration_ms", "error")
        self.note_delivery = self._build(
            inserting.on_conflict_do_update(
                index_elements=key, set_={name: inserting.excluded[name] for name in changed}
            )
        )
        self.delete_deliveries = self._build(
            sa.delete(webhook_deliveries).where(d.webhook_id == _ROW)
        )
        self.forget_deliveries = self._delete_oldest(key, d.last_at)
