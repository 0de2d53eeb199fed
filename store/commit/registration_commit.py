"""The commit of a registration whose address is verified. It returns a plan."""

from collections.abc import Callable, Collection, Sequence
from datetime import date

from actors.domain.ids import ProfileId
from actors.domain.registration import UnlinkedRecord, missed, record_of
from actors.domain.sign_in import Account
from actors.ports.sign_in import NewPatient
from store.commit.audit import sign_in_params
from store.commit.event_rows import CommitContext
from store.commit.record_commit import commit_record
from store.commit.way_in_commit import add_account
from store.sql.codec import ACCOUNT
from store.sql.prepared import Done, Plan, Step, execute
from store.sql.write_statements import WriteStatements


def registering(
    new: NewPatient, address: str, declared: Collection[ProfileId], ctx: CommitContext
) -> Callable[[], Plan[Done[Account | None]]]:
    """One at a time, so that an address gets one account.

    ``address`` is compared as ``email_key``; ``declared`` are the records that may be taken over.
    """
    sql, born = ctx.sql, new.profile.date_of_birth
    assert born is not None, "a person who registers has one"

    def plan() -> Plan[Done[Account | None]]:
        yield from execute(sql.lock_hub_alone)
        rows = yield from execute(sql.registrations.accounts_with, address=address)
        if rows:
            return Done(ACCOUNT.read(rows[0]) if len(rows) == 1 else None)
        found = yield from execute(sql.registrations.unlinked_with, address=address)
        known = [_read(*row) for row in found]
        record = record_of(born, known)
        if record is not None and record in declared:
            yield from add_account(new.account, record, sql)
            yield from _audit(new, "took_over", [record], sql)
            return Done(new.account)
        yield from _count(missed(born, known), new, sql)
        done = yield from commit_record(new.creation, ctx)
        yield from add_account(new.account, new.profile.id, sql)
        yield from _audit(new, "created", [new.profile.id], sql)
        return Done(new.account, done.records)

    return plan


def _count(known: Sequence[UnlinkedRecord], new: NewPatient, sql: WriteStatements) -> Plan[None]:
    """Another wrong date for each of the records."""
    counts = [{"profile_id": each.id, "count": each.wrong_dates + 1} for each in known]
    yield (Step(sql.registrations.count_wrong_date, counts),)
    yield from _audit(new, "missed", [each.id for each in known], sql)


def _read(id_: ProfileId, born: str | None, wrong: int) -> UnlinkedRecord:
    day = date.fromisoformat(born) if born else None
    return UnlinkedRecord(id=id_, date_of_birth=day, wrong_dates=wrong)


def _audit(
    new: NewPatient, action: str, people: Sequence[ProfileId], sql: WriteStatements
) -> Plan[None]:
    turn, account = new.creation, new.account
    entry = sign_in_params(
        account.principal, turn.at, turn.request_id, "registration", account.id, action
    )
    yield (Step(sql.insert_audit, [entry | {"patient_id": each} for each in people]),)
