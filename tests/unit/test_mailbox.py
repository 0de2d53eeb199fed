"""The mailbox: bounded, with deadlines, and nobody is left waiting."""

import asyncio

import pytest

from actors.calendar.mailbox import Ask, Mailbox, MailboxSealed
from actors.domain.commands import ExpireHold
from actors.domain.ids import AppointmentId
from actors.domain.outcome import Outcome
from actors.domain.principal import SYSTEM
from actors.domain.refusals import CalendarBusy, Unavailable
from actors.ports.commits import IdempotencyKey, Reply

REPLY = Reply(outcome=Outcome.GONE, resource_id="x", version=1, body=b"")


def ask(deadline_s: float = 10.0) -> Ask:
    return Ask(
        command=ExpireHold(by=SYSTEM, appointment_id=AppointmentId("x")),
        key=IdempotencyKey(scope="s", key="k", fingerprint="f", internal=True),
        request_id="r",
        deadline_s=deadline_s,
        answer=asyncio.get_running_loop().create_future(),
    )


async def test_commands_are_taken_in_order_and_at_most_a_batch() -> None:
    mailbox = Mailbox(limit=10)
    asks = [ask() for _ in range(5)]
    for one in asks:
        mailbox.put(one)
    assert await mailbox.take(most=3) == asks[:3]
    assert await mailbox.take(most=3) == asks[3:]


async def test_taking_waits_for_the_first_command() -> None:
    mailbox = Mailbox(limit=10)
    taking = asyncio.create_task(mailbox.take(most=3))
    await asyncio.sleep(0)
    assert not taking.done()
    mailbox.put(one := ask())
    assert await taking == [one]


async def test_a_full_mailbox_is_busy_and_keeps_what_it_has() -> None:
    mailbox = Mailbox(limit=2)
    mailbox.put(ask())
    mailbox.put(ask())
    with pytest.raises(CalendarBusy):
        mailbox.put(ask())
    assert len(mailbox) == 2


async def test_overdue_commands_are_dropped_unrun_and_answered() -> None:
    mailbox = Mailbox(limit=10)
    late, punctual = ask(deadline_s=1.0), ask(deadline_s=3.0)
    mailbox.put(late)
    mailbox.put(punctual)
    assert mailbox.drop_overdue(2.0) == 1
    with pytest.raises(CalendarBusy):
        await late.answer
    assert await mailbox.take(most=5) == [punctual]


async def test_a_sealed_mailbox_takes_no_more_but_gives_what_it_has() -> None:
    mailbox = Mailbox(limit=10)
    mailbox.put(one := ask())
    mailbox.seal()
    with pytest.raises(MailboxSealed):
        mailbox.put(ask())
    assert await mailbox.take(most=5) == [one]
    assert await mailbox.take(most=5) == []


async def test_abandoning_answers_everyone_who_waits() -> None:
    mailbox = Mailbox(limit=10)
    asks = [ask(), ask()]
    for one in asks:
        mailbox.put(one)
    mailbox.abandon()
    for one in asks:
        with pytest.raises(Unavailable):
            await one.answer


async def test_an_answer_to_a_caller_who_left_is_dropped() -> None:
    one = ask()
    one.answer.cancel()
    one.reply(REPLY)
    one.fail(CalendarBusy())
    assert one.answer.cancelled()
