"""Idempotency keys inside a commit: looked up before anything is written, stored at the end.

The primary key of the table decides in the end, also between two commits that race for one
idempotency key.
"""

from collections.abc import Sequence

from actors.domain.ids import DentistId
from actors.domain.refusals import IdempotencyMismatch
from actors.ports.calendars import StoredReply
from actors.ports.commits import ConstraintViolated, Reply, Turn, TurnRefused, TurnReplayed
from store.sql.codec import STORED_REPLY
from store.sql.prepared import Plan, Step
from store.sql.write_statements import WriteStatements


def refuse_known_keys(turns: Sequence[Turn], sql: WriteStatements) -> Plan[None]:
    """Raises TurnReplayed or TurnRefused for the first turn with a client's key that has a
    stored reply."""
    indices = {(t.key.scope, t.key.key): n for n, t in enumerate(turns) if not t.key.internal}
    if len(indices) != sum(not turn.key.internal for turn in turns):
        raise ConstraintViolated("two turns of one commit carry the same idempotency key")
    if not indices:
        return
    rows = yield Step(sql.reply, [{"scope": scope, "key": key} for scope, key in indices])
    found = {
        indices[stored.key.scope, stored.key.key]: stored for stored in map(STORED_REPLY.read, rows)
    }
    if found:
        first = min(found)
        if found[first].key.fingerprint != turns[first].key.fingerprint:
            raise TurnRefused(first, IdempotencyMismatch())
        raise TurnReplayed(first, found[first].reply)


def store_replies(
    turns: Sequence[Turn],
    replies: Sequence[Reply],
    dentists: Sequence[DentistId | None],
    sql: WriteStatements,
) -> Plan[None]:
    """Store the reply of every turn that has events or a client's key.

    ``dentists`` names the calendar of each turn, which loads the reply when it is opened.
    """
    stored = [
        STORED_REPLY.params(StoredReply(key=turn.key, reply=reply, at=turn.at))
        | {"dentist_id": dentist_id}
        for turn, reply, dentist_id in zip(turns, replies, dentists, strict=True)
        if turn.events or not turn.key.internal
    ]
    if not stored:
        return
    inserted = yield Step(sql.insert_reply, stored)
    if len(inserted) != len(stored):
        yield from refuse_known_keys(turns, sql)  # another commit was faster
        raise ConstraintViolated("an internal idempotency key was used twice")
