"""Idempotency keys inside a commit: looked up before anything is written, stored at the end.

The table's unique constraint decides in the end, also between two commits that race for one
idempotency key.
"""

from collections.abc import Sequence

from actors.domain.ids import DentistId
from actors.domain.refusals import IdempotencyMismatch
from actors.ports.calendars import StoredReply
from actors.ports.commits import ConstraintViolated, Reply, Turn, TurnRefused, TurnReplayed
from store.sql.codec import STORED_REPLY
from store.sql.prepared import Params, Plan, Rows, Step
from store.sql.write_statements import WriteStatements


def read_replies(turns: Sequence[Turn], sql: WriteStatements) -> Step:
    """Reads what is stored under the clients' keys."""
    keys = [turn.key for turn in turns if not turn.key.internal]
    if len({(key.scope, key.key) for key in keys}) != len(keys):
        raise ConstraintViolated("two turns of one commit carry the same idempotency key")
    return Step(sql.reply, [{"scope": key.scope, "key": key.key} for key in keys])


def refuse_known_keys(turns: Sequence[Turn], found: Rows) -> None:
    """Raises TurnReplayed or TurnRefused for the first turn with a client's key that has a
    stored reply."""
    if not found:
        return
    stored = {(reply.key.scope, reply.key.key): reply for reply in map(STORED_REPLY.read, found)}
    for index, turn in enumerate(turns):
        if reply := stored.get((turn.key.scope, turn.key.key)):
            if reply.key.fingerprint != turn.key.fingerprint:
                raise TurnRefused(index, IdempotencyMismatch())
            raise TurnReplayed(index, reply.reply)


def reply_rows(
    turns: Sequence[Turn], replies: Sequence[Reply], dentists: Sequence[DentistId | None]
) -> list[Params]:
    """The reply of every turn that has events or a client's key.

    ``dentists`` names the calendar of each turn, which loads the reply when it is opened.
    """
    return [
        STORED_REPLY.params(StoredReply(key=turn.key, reply=reply, at=turn.at))
        | {"dentist_id": dentist_id}
        for turn, reply, dentist_id in zip(turns, replies, dentists, strict=True)
        if turn.events or not turn.key.internal
    ]


def refuse_raced_keys(turns: Sequence[Turn], sql: WriteStatements) -> Plan[None]:
    """The unique constraint refused a reply, because another commit was faster: raises why."""
    (found,) = yield (read_replies(turns, sql),)
    refuse_known_keys(turns, found)
    raise ConstraintViolated("an internal idempotency key was used twice")
