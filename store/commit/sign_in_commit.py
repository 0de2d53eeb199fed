"""The commits of accounts, sessions and signing keys. Each function returns a plan."""

from collections.abc import Callable, Sequence
from datetime import datetime

from actors.domain.principal import Principal
from actors.domain.sign_in import SESSIONS_MAX, Session, SessionId, SessionSecrets
from actors.ports.sign_in import Decide, Renewed, SigningKey
from store.commit.audit import sign_in_params
from store.sql.codec import ACCOUNT, SESSION, SESSION_SECRETS, SIGNING_KEY
from store.sql.prepared import Done, Plan, Step, execute, once
from store.sql.write_statements import WriteStatements

BEGUN, ENDED, REUSED = "begun", "ended", "reused"


def begun(
    by: Principal, request_id: str, session: Session, known: SessionSecrets, sql: WriteStatements
) -> Callable[[], Plan[Done[Sequence[SessionId]]]]:
    """A new session; the account keeps at most ``SESSIONS_MAX``."""
    statements, now = sql.sign_in, session.created_at

    def plan() -> Plan[Done[Sequence[SessionId]]]:
        yield from execute(statements.account, row_id=session.account_id)
        counting = {"account": session.account_id, "now": now}
        found = yield from execute(statements.open_sessions, **counting)
        surplus = [SessionId(id_) for (id_,) in found[SESSIONS_MAX - 1 :]]
        yield from end_sessions(surplus, by, request_id, now, ENDED, sql)
        yield (
            once(statements.insert_session, **SESSION.params(session)),
            once(statements.insert_secrets, **SESSION_SECRETS.params(known)),
            once(
                sql.insert_audit,
                **sign_in_params(by, now, request_id, "session", session.id, BEGUN),
            ),
        )
        return Done(surplus)

    return plan


def renewing(
    handle_hash: str, request_id: str, decide: Decide, now: datetime, sql: WriteStatements
) -> Callable[[], Plan[Done[Renewed | None]]]:
    """The session with this handle, as ``decide`` leaves it. Its row is locked meanwhile."""
    statements, width = sql.sign_in, len(SESSION.columns)

    def plan() -> Plan[Done[Renewed | None]]:
        found = yield from execute(statements.of_handle, handle=handle_hash)
        if not found:
            return Done(None)
        session, known = SESSION.read(found[0]), SESSION_SECRETS.read(found[0][width:])
        renewal = decide(session, known)
        ((account,),) = yield (once(statements.account, row_id=session.account_id),)
        owner = ACCOUNT.read(account)
        has_ended = session.ended_at is None and renewal.session.ended_at is not None
        if has_ended:
            yield from end_sessions([session.id], owner.principal, request_id, now, REUSED, sql)
        elif renewal.secrets != known:
            values = SESSION_SECRETS.params(renewal.secrets)
            yield (
                once(statements.replace_secret, row_id=session.id, **values),
                once(statements.use_session, row_id=session.id, used_at=renewal.session.used_at),
            )
        return Done(Renewed(renewal=renewal, account=owner, has_ended=has_ended))

    return plan


def ending(
    by: Principal,
    request_id: str,
    sessions: Sequence[SessionId],
    now: datetime,
    sql: WriteStatements,
) -> Callable[[], Plan[Done[None]]]:
    def plan() -> Plan[Done[None]]:
        yield from end_sessions(sessions, by, request_id, now, ENDED, sql)
        return Done(None)

    return plan


def end_sessions(
    sessions: Sequence[SessionId],
    by: Principal,
    request_id: str,
    now: datetime,
    why: str,
    sql: WriteStatements,
) -> Plan[None]:
    """End those that have not ended, and audit that."""
    for session in sessions:
        ended = yield from execute(sql.sign_in.end_session, row_id=session, ended_at=now)
        entry = sign_in_params(by, now, request_id, "session", session, why)
        yield (Step(sql.insert_audit, [entry] if ended else []),)


def forgetting(
    before: datetime, at_most: int, sql: WriteStatements
) -> Callable[[], Plan[Done[int]]]:
    statements = sql.sign_in

    def plan() -> Plan[Done[int]]:
        found = yield from execute(statements.old_sessions, before=before, at_most=at_most)
        rows = [{"row_id": id_} for (id_,) in found]
        yield (Step(statements.delete_secrets, rows), Step(statements.delete_session, rows))
        return Done(len(rows))

    return plan


def reading_keys(sql: WriteStatements) -> Callable[[], Plan[Done[Sequence[SigningKey]]]]:
    def plan() -> Plan[Done[Sequence[SigningKey]]]:
        rows = yield from execute(sql.sign_in.keys)
        return Done([SIGNING_KEY.read(row) for row in rows])

    return plan


def adding_key(
    key: SigningKey, unless_since: datetime, sql: WriteStatements
) -> Callable[[], Plan[Done[None]]]:
    """Alone of all nodes: another one may add a key at the same time."""

    def plan() -> Plan[Done[None]]:
        yield from execute(sql.lock_hub_alone)
        rows = yield from execute(sql.sign_in.keys)
        if not any(SIGNING_KEY.read(row).created_at >= unless_since for row in rows):
            yield from execute(sql.sign_in.insert_key, **SIGNING_KEY.params(key))
        return Done(None)

    return plan
