"""The commits of codes that are sent by mail. Each function returns a plan."""

from collections.abc import Callable
from datetime import datetime

from actors.domain.message import Message
from actors.domain.registration import REGISTERING, AddressTries, Registration, address_hash
from actors.domain.sign_in import Account, CodeAttempt, MailCode, WrongCodes, is_right
from store.commit.audit import sign_in_params
from store.sql.codec import (
    ACCOUNT,
    ADDRESS_TRIES,
    MAIL_CODE,
    MESSAGE,
    REGISTRATION,
    WRONG_CODES,
)
from store.sql.prepared import Done, Plan, Step, execute, once
from store.sql.write_statements import WriteStatements


def sending(
    code: MailCode,
    account: Account | None,
    message: Message | None,
    registration: Registration | None,
    request_id: str,
    now: datetime,
    sql: WriteStatements,
) -> Callable[[], Plan[Done[None]]]:
    """The code, and the message with it; of whom a right one registers, or signs in."""
    waiting = [REGISTRATION.params(registration)] if registration else []

    def plan() -> Plan[Done[None]]:
        entries = []
        if account is not None:
            sent = sign_in_params(account.principal, now, request_id, "code", account.id, "sent")
            entries.append(sent)
        elif registration is not None and message is not None:
            key = ("registration", code.handle_hash, "begun")
            entries.append(sign_in_params(REGISTERING, now, request_id, *key))
        yield (
            once(sql.sign_in.insert_mail_code, **MAIL_CODE.params(code)),
            Step(sql.registrations.insert, waiting),
            Step(sql.messages.insert, [MESSAGE.params(message)] if message else []),
            Step(sql.insert_audit, entries),
        )
        return Done(None)

    return plan


def checking(
    handle_hash: str, sent: CodeAttempt, request_id: str, now: datetime, sql: WriteStatements
) -> Callable[[], Plan[Done[Account | Registration | None]]]:
    """Count the attempt, with the code locked, so that attempts at once are counted each."""
    statements = sql.sign_in

    def plan() -> Plan[Done[Account | Registration | None]]:
        found = yield from execute(statements.mail_code, handle=handle_hash)
        known = MAIL_CODE.read(found[0]) if found else None
        if known is None:
            return Done(None)
        if known.account_id is None:
            return Done((yield from _registering(known, sent, request_id, now, sql)))
        rows = yield from execute(statements.account, row_id=known.account_id)
        account = ACCOUNT.read(rows[0])  # locked: attempts of other browsers are counted, too
        counted = yield from execute(statements.wrong_codes, account=account.id)
        wrong = WRONG_CODES.read(counted[0]) if counted else None
        only_links = wrong is not None and wrong.is_too_many(now)
        if is_right(known, sent, now, only_links=only_links):
            yield from _use_up(known, sql)
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


def _registering(
    known: MailCode, sent: CodeAttempt, request_id: str, now: datetime, sql: WriteStatements
) -> Plan[Registration | None]:
    """A code of nobody who signs in: right for a registration only."""
    found = yield from execute(sql.registrations.of_handle, handle=known.handle_hash)
    if not found:
        yield from _count_try(known, sql)
        return None
    registration = REGISTRATION.read(found[0])
    yield from execute(sql.lock_hub_alone)  # the codes of one address are counted together
    address = address_hash(registration.person.email)
    rows = yield from execute(sql.registrations.tries, address=address)
    tries = ADDRESS_TRIES.read(rows[0]) if rows else None
    if is_right(known, sent, now, only_links=tries is not None and tries.is_too_many(now)):
        yield from _use_up(known, sql)
        return registration
    if sent.code_hash is not None:
        yield from _count_try(known, sql)
        before = tries or AddressTries(address_hash=address, since=now, count=0)
        counted = ADDRESS_TRIES.params(before.counted(now))
        key = ("registration", known.handle_hash, "refused")
        entry = sign_in_params(REGISTERING, now, request_id, *key)
        yield (
            once(sql.registrations.count_try, **counted),
            once(sql.insert_audit, **entry),
        )
    return None


def _use_up(known: MailCode, sql: WriteStatements) -> Plan[None]:
    yield (
        once(sql.sign_in.drop_mail_code, handle=known.handle_hash),
        once(sql.registrations.drop, handle=known.handle_hash),
    )


def _count_try(known: MailCode, sql: WriteStatements) -> Plan[None]:
    counting = {"handle": known.handle_hash, "tries": known.tries + 1}
    yield from execute(sql.sign_in.try_mail_code, **counting)
