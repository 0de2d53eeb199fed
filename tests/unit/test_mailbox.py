"""The mailbox is bounded, has deadlines, and answers every caller."""

import asyncio

import pytest

from actors.calendar.mailbox import Mailbox, MailboxSealed, PendingCommand
from actors.domain.commands import ExpireHold
from actors.domain.ids import AppointmentId
from actors.domain.outcome import Outcome
from actors.domain.principal import SYSTEM
from actors.domain.refusals import CalendarBusy, Unavailable
from actors.ports.commits import IdempotencyKey, Reply

REPLY = Reply(outcome=Outcome.GONE, resource_id="x", version=1, body=b"")


def pending(deadline_s: float = 10.0) -> PendingCommand:
    return PendingCommand(
        command=ExpireHold(by=SYSTEM, appointment_id=AppointmentId("x")),
        key=IdempotencyKey(scope="s", key="k", fingerprint="f", internal=True),
        request_id="r",
        deadline_s=deadline_s,
        answer=asyncio.get_running_loop().create_future(),
    )


async def test_commands_are_taken_in_order_and_at_most_a_batch() -> None:
    mailbox = Mailbox(limit=10)
    commands = [pending() for _ in range(5)]
    for one in commands:
        mailbox.put(one)
    assert await mailbox.take(most=3) == commands[:3]
    assert await mailbox.take(most=3) == commands[3:]


async def test_taking_waits_for_the_first_command() -> None:
    mailbox = Mailbox(limit=10)
    taking = asyncio.create_task(mailbox.take(most=3))
    await asyncio.sleep(0)
    assert not taking.done()
    mailbox.put(one := pending())
    assert await taking == [one]


async def test_a_full_mailbox_refuses_and_keeps_its_commands() -> None:
    mailbox = Mailbox(limit=2)
    mailbox.put(pending())
    mailbox.put(pending())
    with pytest.raises(CalendarBusy):
        mailbox.put(pending())
    assert len(mailbox) == 2


async def test_overdue_commands_are_answered_and_not_executed() -> None:
    mailbox = Mailbox(limit=10)
    late, in_time = pending(deadline_s=1.0), pending(deadline_s=3.0)
    mailbox.put(late)
    mailbox.put(in_time)
    assert mailbox.drop_overdue(2.0) == 1
    with pytest.raises(CalendarBusy):
        await late.answer
    assert await mailbox.take(most=5) == [in_time]


async def test_a_mailbox_emptied_before_its_actor_wakes_up_stays_open() -> None:
    mailbox = Mailbox(limit=10)
    taking = asyncio.create_task(mailbox.take(most=5))
    await asyncio.sleep(0)
    mailbox.put(pending(deadline_s=1.0))
    assert mailbox.drop_overdue(2.0) == 1
    await asyncio.sleep(0)
    assert not taking.done()
    mailbox.put(one := pending())
    assert await taking == [one]


async def test_a_sealed_mailbox_can_still_be_drained() -> None:
    mailbox = Mailbox(limit=10)
    mailbox.put(one := pending())
    mailbox.seal()
    with pytest.raises(MailboxSealed):
        mailbox.put(pending())
    assert await mailbox.take(most=5) == [one]
    assert await mailbox.take(most=5) == []


async def test_abandoning_answers_every_caller() -> None:
    mailbox = Mailbox(limit=10)
    commands = [pending(), pending()]
    for one in commands:
        mailbox.put(one)
    mailbox.abandon()
    for one in commands:
        with pytest.raises(Unavailable):
            await one.answer


async def test_an_answer_to_a_cancelled_caller_is_dropped() -> None:
    one = pending()
    one.answer.cancel()
    one.respond(REPLY)
    one.respond(CalendarBusy())
    assert one.answer.cancelled()
