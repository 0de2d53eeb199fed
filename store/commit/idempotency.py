"""Idempotency keys inside a commit: looked up before anything is written, stored last.

The unique row is the last arbiter of "once": also of two commits that race for one key.
"""

from collections.abc import Sequence

from actors.domain.ids import DentistId
from actors.domain.refusals import IdempotencyMismatch
from actors.ports.commits import ConstraintViolated, Reply, Turn, TurnRefused, TurnReplayed
from store.sql.codec import stored_reply_of
from store.sql.prepared import Plan, Step
from store.sql.write_statements import WriteStatements


def refuse_known_keys(turns: Sequence[Turn], sql: WriteStatements) -> Plan[None]:
    """Raises :class:`TurnReplayed` or :class:`TurnRefused` for the first turn whose
    client's key has a stored reply."""
    asked = {(t.key.scope, t.key.key): n for n, t in enumerate(turns) if not t.key.internal}
    if len(asked) != sum(not turn.key.internal for turn in turns):
        raise ConstraintViolated("two turns of one commit carry the same idempotency key")
    if not asked:
        return
    rows = yield Step(sql.reply, [{"scope": scope, "key": key} for scope, key in asked])
    known = {asked[row[0], row[1]]: stored_reply_of(row) for row in rows}
    if known:
        index = min(known)
        if known[index].key.fingerprint != turns[index].key.fingerprint:
            raise TurnRefused(index, IdempotencyMismatch())
        raise TurnReplayed(index, known[index].reply)


def store_replies(
    turns: Sequence[Turn],
    replies: Sequence[Reply],
    dentists: Sequence[DentistId | None],
    sql: WriteStatements,
) -> Plan[None]:
    """Every turn that changed something, and every one whose key the client sent; with the
    dentist whose calendar replays it."""
    kept = [
        {
            "scope": turn.key.scope,
            "key": turn.key.key,
            "fingerprint": turn.key.fingerprint,
            "internal": turn.key.internal,
            "dentist_id": dentist_id,
            "outcome": str(reply.outcome),
            "resource_id": reply.resource_id,
            "version": reply.version,
            "body": reply.body,
            "created_at": turn.at,
        }
        for turn, reply, dentist_id in zip(turns, replies, dentists, strict=True)
        if turn.events or not turn.key.internal
    ]
    if not kept:
        return
    stored = yield Step(sql.insert_reply, kept)
    if len(stored) != len(kept):
        yield from refuse_known_keys(turns, sql)  # another commit was faster
        raise ConstraintViolated("an internal idempotency key was used twice")
