"""Webhooks: read by their owners, and delivered to by the hub."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from actors.domain.events import WebhookSaved
from actors.domain.ids import PatientId
from actors.domain.principal import SYSTEM, Principal, Role
from actors.domain.refusals import NotFound, VersionConflict
from actors.domain.webhook import (
    DeliveryProgress,
    DisabledReason,
    Webhook,
    WebhookId,
    WebhookStatus,
    concerned_patient,
)
from actors.ports.clock import NewId
from actors.ports.webhooks import Target, WebhookDelivery, WebhookPage, WebhookView
from store.commit.audit import webhook_params
from store.commit.webhook_commit import save_webhook
from store.sql.codec import DELIVERY, PROGRESS, WEBHOOK
from store.sql.prepared import Done, Plan, execute
from store.sql.readers import Readers
from store.sql.schema import webhook_cursors, webhook_deliveries, webhook_secrets, webhooks
from store.sql.write_statements import WriteStatements
from store.sql.writer import Writer, single_job

_w, _c, _s, _d = webhooks.c, webhook_cursors.c, webhook_secrets.c, webhook_deliveries.c


class WebhookRepository:
    """Implements WebhookReads and WebhookQueue of :mod:`actors.ports.webhooks`."""

    def __init__(
        self, writer: Writer, readers: Readers, sql: WriteStatements, new_id: NewId
    ) -> None:
        self._writer, self._readers = writer, readers
        self._sql, self._new_id = sql, new_id

    # --- as the owner ------------------------------------------------------------------

    async def page(
        self,
        principal: Principal,
        *,
        limit: int,
        after: WebhookId | None,
        party: str | None = None,
        everyones: bool = False,
    ) -> WebhookPage:
        """As :class:`actors.ports.webhooks.WebhookReads` says."""
        mine = _visible(principal) if everyones else _w.scope == principal.scope
        if party is not None:
            mine &= _w.owner == party
        query = select(*WEBHOOK.columns).where(mine).order_by(_w.id).limit(limit + 1)
        if after is not None:
            query = query.where(_w.id > after)
        counting = select(func.count(_w.id)).where(mine)
        async with self._readers.caller(principal) as connection:
            rows = (await connection.execute(query)).all()
            total = (await connection.execute(counting)).scalar_one()
            views = await _views(connection, rows[:limit])
        more = len(rows) > limit
        return WebhookPage(
            webhooks=views,
            next_after=views[-1].webhook.id if more else None,
            total=total,
        )

    async def get(self, principal: Principal, webhook_id: WebhookId) -> WebhookView | None:
        query = select(*WEBHOOK.columns).where(_w.id == webhook_id, _visible(principal))
        async with self._readers.caller(principal) as connection:
            found = await _views(connection, (await connection.execute(query)).all())
        return found[0] if found else None

    async def deliveries(
        self, principal: Principal, webhook_id: WebhookId, *, limit: int
    ) -> Sequence[WebhookDelivery]:
        query = (
            select(*DELIVERY.columns)
            .where(_d.webhook_id == webhook_id)
            .order_by(_d.last_at.desc(), _d.channel, _d.offset.desc())
            .limit(limit)
        )
        async with self._readers.caller(principal) as connection:
            return [DELIVERY.read(row) for row in await connection.execute(query)]

    # --- as the hub --------------------------------------------------------------------

    async def active(
        self, *, after: WebhookId | None, limit: int, now: datetime
    ) -> Sequence[Target]:
        is_active = _w.status == WebhookStatus.ACTIVE.value
        later = _w.id > after if after is not None else is_active
        return await self._targets(is_active & later, limit, now)

    async def target(self, webhook_id: WebhookId, now: datetime) -> Target | None:
        found = await self._targets(_w.id == webhook_id, 1, now)
        return found[0] if found else None

    async def record(
        self,
        webhook_id: WebhookId,
        before: DeliveryProgress,
        after: DeliveryProgress,
        delivery: WebhookDelivery | None,
    ) -> bool:
        assert after.moves == before.moves + 1, "every change counts"
        return await self._writer.run(
            single_job(lambda: _record(webhook_id, before, after, delivery, self._sql))
        )

    async def active_of(self, party: str, patient: PatientId | None) -> Sequence[Webhook]:
        is_active = _w.status == WebhookStatus.ACTIVE.value
        query = select(*WEBHOOK.columns).where(_w.owner == party, is_active)
        if patient is not None:
            query = query.where(_w.patient_id == patient)
        async with self._readers.hub() as connection:
            return [WEBHOOK.read(row) for row in await connection.execute(query)]

    async def disable(
        self,
        webhook: Webhook,
        reason: DisabledReason,
        now: datetime,
        by: Principal = SYSTEM,
    ) -> Webhook | None:
        if webhook.status is not WebhookStatus.ACTIVE:
            return None
        after = replace(
            webhook,
            status=WebhookStatus.DISABLED,
            disabled_reason=reason,
            disabled_at=now,
            updated_at=now,
            version=webhook.version + 1,
        )
        event = WebhookSaved(before=webhook, after=after)
        declares = (webhook.patient,) if webhook.patient else ()
        try:
            await self._writer.run(
                single_job(lambda: self._disable(event, now, by), declares=declares)
            )
        except (VersionConflict, NotFound):
            return None  # its owner changed it at the same time
        return after

    def _disable(self, event: WebhookSaved, now: datetime, by: Principal) -> Plan[Done[None]]:
        yield from save_webhook(event, self._sql.webhooks)
        yield from execute(
            self._sql.insert_audit, **webhook_params(by, now, self._new_id(), event.after)
        )
        return Done(None)

    async def _targets(
        self, condition: ColumnElement[bool], limit: int, now: datetime
    ) -> Sequence[Target]:
        query = select(*WEBHOOK.columns).where(condition).order_by(_w.id).limit(limit)
        async with self._readers.hub() as connection:
            views = await _views(connection, (await connection.execute(query)).all())
            secrets = await _secrets(connection, [view.webhook.id for view in views], now)
        return [Target(view=view, secrets=secrets[view.webhook.id]) for view in views]


def _visible(principal: Principal) -> ColumnElement[bool]:
    """One's own; to an admin all, and to a patient those that concern them."""
    if principal.role is Role.ADMIN:
        return true()
    own = _w.scope == principal.scope
    patient = concerned_patient(principal)
    return own if patient is None else own | (_w.patient_id == patient)


async def _views(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> tuple[WebhookView, ...]:
    found = [WEBHOOK.read(row) for row in rows]
    query = (
        select(_c.webhook_id, *PROGRESS.columns)
        .where(_c.webhook_id.in_([webhook.id for webhook in found]))
        .order_by(_c.webhook_id, _c.channel)
    )
    progress: dict[str, list[DeliveryProgress]] = defaultdict(list)
    if found:
        for webhook_id, *values in await connection.execute(query):
            progress[webhook_id].append(PROGRESS.read(values))
    return tuple(
        WebhookView(webhook=webhook, progress=tuple(progress[webhook.id])) for webhook in found
    )


async def _secrets(
    connection: AsyncConnection, ids: Sequence[WebhookId], now: datetime
) -> Mapping[WebhookId, tuple[str, ...]]:
    found: dict[WebhookId, tuple[str, ...]] = dict.fromkeys(ids, ())
    query = (
        select(_s.webhook_id, _s.secret)
        .where(_s.webhook_id.in_(ids), or_(_s.expires_at.is_(None), _s.expires_at > now))
        .order_by(_s.webhook_id, _s.number.desc())
    )
    if ids:
        for webhook_id, secret in await connection.execute(query):
            found[webhook_id] = (*found[webhook_id], secret)
    return found


def _record(
    webhook_id: WebhookId,
    before: DeliveryProgress,
    after: DeliveryProgress,
    delivery: WebhookDelivery | None,
    sql: WriteStatements,
) -> Plan[Done[bool]]:
    guard = {
        "row_id": webhook_id,
        "of_channel": before.channel,
        "moves_before": before.moves,
    }
    if not (yield from execute(sql.webhooks.move_cursor, **PROGRESS.params(after), **guard)):
        return Done(value=False)
    if delivery is not None:
        values = DELIVERY.params(delivery) | {"webhook_id": webhook_id}
        yield from execute(sql.webhooks.note_delivery, **values)
    return Done(value=True)
