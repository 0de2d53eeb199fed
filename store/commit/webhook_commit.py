"""What saving or deleting a webhook writes, inside the commit of a record."""

from collections.abc import Sequence

from actors.domain.events import WebhookDeleted, WebhookSaved
from actors.domain.refusals import Forbidden, NotFound, Refusal, VersionConflict
from actors.domain.webhook import Webhook
from store.sql.codec import PROGRESS, webhook_params
from store.sql.prepared import Plan, Statement, Step, execute, once
from store.sql.webhook_statements import WebhookStatements

WEBHOOKS_MAX = 1_000
"""For one party, with all the patients that it acts for."""
WEBHOOKS_PER_PATIENT_MAX = 20
"""For one party and one patient, and for the party itself."""


def save_webhook(event: WebhookSaved, sql: WebhookStatements) -> Plan[None]:
    """Raises VersionConflict, NotFound, and Forbidden if the party has too many."""
    webhook, values = event.after, webhook_params(event.after)
    if event.before is None:
        yield from _limit(webhook, sql)
        yield from execute(sql.insert, **values)
    else:
        guard = {"row_id": webhook.id, "before_version": event.before.version}
        if not (yield from execute(sql.update, **values, **guard)):
            raise (yield from refusal_of(sql.version, "webhook", webhook.id))
        yield from _leave_channels(webhook.id, webhook.channels, sql)
    yield from _new_secret(event, sql)
    if event.retries_now:
        nothing = {"attempts": 0, "failing_since": None, "next_attempt_at": None}
        yield from execute(sql.retry, row_id=webhook.id, **nothing)
    if event.moved_to:
        places = [PROGRESS.params(place) | {"webhook_id": webhook.id} for place in event.moved_to]
        yield (Step(sql.place_cursor, places),)


def _limit(webhook: Webhook, sql: WebhookStatements) -> Plan[None]:
    """Raise Forbidden if the party has too many; another commit of the party waits meanwhile."""
    if sql.lock_party is not None:
        yield from execute(sql.lock_party, party=webhook.party)
    patients = [patient for (patient,) in (yield from execute(sql.of_party, party=webhook.party))]
    if len(patients) >= WEBHOOKS_MAX:
        raise Forbidden(f"At most {WEBHOOKS_MAX} webhooks can be had at once")
    if patients.count(webhook.patient) >= WEBHOOKS_PER_PATIENT_MAX:
        raise Forbidden(f"At most {WEBHOOKS_PER_PATIENT_MAX} webhooks can be had for one patient")


def delete_webhook(event: WebhookDeleted, sql: WebhookStatements) -> Plan[None]:
    row_id = event.before.id
    if not (yield from execute(sql.version, row_id=row_id)):
        raise NotFound("webhook")
    parts = (sql.delete_deliveries, sql.delete_cursors, sql.delete_secrets)
    yield [once(statement, row_id=row_id) for statement in (*parts, sql.delete)]


def _new_secret(event: WebhookSaved, sql: WebhookStatements) -> Plan[None]:
    if event.secret is None:
        return
    row_id, now, until = event.after.id, event.after.updated_at, event.old_secrets_until
    yield from execute(sql.delete_expired_secrets, row_id=row_id, now=now)
    if until is not None:
        yield from execute(sql.retire_secrets, row_id=row_id, until=until, expires_at=until)
    numbers = yield from execute(sql.secret_numbers, row_id=row_id)
    yield from execute(
        sql.insert_secret,
        webhook_id=row_id,
        number=(numbers[-1][0] if numbers else 0) + 1,
        secret=event.secret,
        expires_at=None,
    )


def _leave_channels(row_id: str, kept: Sequence[str], sql: WebhookStatements) -> Plan[None]:
    rows = yield from execute(sql.cursor_channels, row_id=row_id)
    left = [{"row_id": row_id, "of_channel": name} for (name,) in rows if name not in kept]
    if left:
        yield (Step(sql.delete_cursor, left),)


def refusal_of(version: Statement, what: str, row_id: str) -> Plan[Refusal]:
    """The reason for which a guarded UPDATE found no row: ``version`` selects the row's version."""
    rows = yield from execute(version, row_id=row_id)
    return VersionConflict(rows[0][0]) if rows else NotFound(what)
