"""The commits of codes that are sent by mail. Each function returns a plan."""

from collections.abc import Callable
from datetime import datetime

from actors.domain.message import Message
from actors.domain.sign_in import Account, CodeAttempt, MailCode, WrongCodes, is_right
from store.commit.audit import sign_in_params
from store.sql.codec import ACCOUNT, MAIL_CODE, MESSAGE, WRONG_CODES
from store.sql.prepared import Done, Plan, Step, execute, once
from store.sql.write_statements import WriteStatements


def sending(
    code: MailCode,
    account: Account | None,
    message: Message | None,
    request_id: str,
    now: datetime,
    sql: WriteStatements,
) -> Callable[[], Plan[Done[None]]]:
    """The code, and the message with it, if somebody has the address."""

    def plan() -> Plan[Done[None]]:
        entries = []
        if account is not None:
            key = ("code", account.id, "sent")
            entries.append(sign_in_params(account.principal, now, request_id, *key))
        yield (
            once(sql.sign_in.insert_mail_code, **MAIL_CODE.params(code)),
            Step(sql.messages.insert, [MESSAGE.params(message)] if message else []),
            Step(sql.insert_audit, entries),
        )
        return Done(None)

    return plan


def checking(
    handle_hash: str, sent: CodeAttempt, request_id: str, now: datetime, sql: WriteStatements
) -> Callable[[], Plan[Done[Account | None]]]:
    """Count the attempt, with the code locked, so that attempts at once are counted each."""
    statements = sql.sign_in

    def plan() -> Plan[Done[Account | None]]:
        found = yield from execute(statements.mail_code, handle=handle_hash)
        known = MAIL_CODE.read(found[0]) if found else None
        if known is None:
            return Done(None)
        if known.account_id is None:
            yield from _count_try(known, sql)
            return Done(None)
        rows = yield from execute(statements.account, row_id=known.account_id)
        account = ACCOUNT.read(rows[0])  # locked: attempts of other browsers are counted, too
        counted = yield from execute(statements.wrong_codes, account=account.id)
        wrong = WRONG_CODES.read(counted[0]) if counted else None
        if is_right(known, wrong, sent, now):
            yield from execute(statements.drop_mail_code, handle=handle_hash)
            return Done(account)
        if sent.code_hash is None:  # nobody guesses the token of a link
            return Done(None)
        yield from _count_try(known, sql)
        before = wrong or WrongCodes(account_id=account.id, since=now, count=0)
        entry = sign_in_params(account.principal, now, request_id, "code", account.id, "refused")
        yield (
            once(statements.count_wrong_code, **WRONG_CODES.params(before.counted(now))),
            once(sql.insert_audit, **entry),
        )
        return Done(None)

    return plan


def _count_try(known: MailCode, sql: WriteStatements) -> Plan[None]:
    counting = {"handle": known.handle_hash, "tries": known.tries + 1}
    yield from execute(sql.sign_in.try_mail_code, **counting)
