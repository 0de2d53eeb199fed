"""What happens in between: races, holds that end, lost answers, changes by the practice."""

from dataclasses import replace

from chairside.chatbot.dialogue.state import (
    HoldEnded,
    OwnAppointmentChanged,
    ScheduleChanged,
    TimesTaken,
)
from tests.unit.chatbot.talking import Talk, block

TUESDAY = "2027-03-16"
OFFER = "I need a cleaning with Dr. Lindqvist next Tuesday after 3"


async def test_notice_of_an_offered_time_that_is_taken() -> None:
    talk = Talk()
    await talk.send(OFFER)
    notice = await talk.notify(talk.bob_takes("mara", f"{TUESDAY} 16:00"))
    assert notice.startswith("Tuesday 16 March at 16:00 was just taken by somebody else.")
    assert "15:00" in notice
    assert "17:00" in notice
    assert talk.replies[0].notice
    assert "17:00" in await talk.send("the second one"), "the numbers are those of the new offer"


async def test_new_times_are_offered_when_all_offered_ones_are_taken() -> None:
    talk = Talk()
    await talk.send(OFFER)
    slots = [talk.slot("mara", f"{TUESDAY} {hour}:00") for hour in (15, 16, 17)]
    for slot in slots:
        talk.bob.booked(slot)
    blocks = tuple(map(block, slots))
    notice = await talk.notify(TimesTaken("mara", blocks))
    assert "were just taken" in notice
    assert "Tuesday 16 March at 15:45" in notice or "nearest" in notice
    assert "Booked" in await talk.all("1", "yes")


async def test_no_notice_of_times_that_were_not_offered() -> None:
    talk = Talk()
    await talk.send(OFFER)
    assert await talk.notify(talk.bob_takes("james", f"{TUESDAY} 15:00")) == ""
    assert await talk.notify(talk.bob_takes("mara", "2027-03-17 15:00")) == ""


async def test_buffers_count_when_a_neighbour_is_taken() -> None:
    talk = Talk()
    await talk.send(OFFER)
    slot = talk.slot("mara", f"{TUESDAY} 14:00", "check-up")
    beside = block(slot, longer=15, after=20)
    assert "15:00 was just taken" in await talk.notify(TimesTaken("mara", (beside,)))


async def test_a_race_lost_at_the_choice_leads_to_another_offer() -> None:
    talk = Talk()
    await talk.send(OFFER)
    talk.bob_takes("mara", f"{TUESDAY} 15:00")  # and the event is late
    reply = await talk.send("the first one")
    assert reply.startswith("Sorry, somebody else has just taken that time.")
    assert "15:45" in reply
    assert "Booked" in await talk.all("1", "yes")


async def test_a_race_won_stays_won() -> None:
    talk = Talk()
    await talk.all(OFFER, "the first one")
    talk.clock.advance(minutes=4)
    assert "Booked" in await talk.send("yes")


async def test_an_expired_hold_is_placed_again_if_the_time_is_free() -> None:
    talk = Talk()
    await talk.all(OFFER, "the first one")
    hold = talk.conversation.state.task
    assert hold
    assert hold.hold
    talk.clock.advance(minutes=6)
    assert "has run out" in await talk.notify(HoldEnded(hold.hold.id))
    assert "so I took it again" in await talk.send("yes")
    assert await talk.booked() == []
    assert "Booked" in await talk.send("yes")
    assert await talk.booked() == ["cleaning mara 16.3. 15:00"]


async def test_an_expired_hold_of_a_taken_time_is_lost() -> None:
    talk = Talk()
    await talk.all(OFFER, "the first one")
    talk.clock.advance(minutes=6)
    talk.bob_takes("mara", f"{TUESDAY} 15:00")
    reply = await talk.send("yes")
    assert "somebody else has just taken" in reply
    assert await talk.booked() == []


async def test_a_booking_without_a_response_is_repeated_and_happens_once() -> None:
    talk = Talk()
    await talk.all(OFFER, "the first one")
    talk.calendars.lost = 1
    assert "I don’t know yet whether that went through" in await talk.send("yes")
    assert await talk.booked() == ["cleaning mara 16.3. 15:00"]
    assert "Booked" in await talk.send("yes")
    assert await talk.booked() == ["cleaning mara 16.3. 15:00"]


async def test_a_cancellation_without_a_response_is_repeated() -> None:
    talk = Talk()
    talk.has("mara", f"{TUESDAY} 09:00")
    await talk.send("cancel my appointment")
    talk.calendars.lost = 1
    assert "can’t happen twice" in await talk.send("yes")
    assert "Cancelled" in await talk.send("yes")


async def test_a_time_that_is_taken_while_moving_leaves_the_appointment_alone() -> None:
    talk = Talk()
    talk.has("mara", f"{TUESDAY} 09:00")
    await talk.send("move my appointment to Wednesday afternoon")
    talk.bob_takes("mara", "2027-03-17 12:00")
    assert "just taken" in await talk.send("1")
    assert await talk.booked() == ["cleaning mara 16.3. 09:00"]


async def test_one_notice_of_a_change_by_the_practice() -> None:
    talk = Talk()
    appointment = talk.has("mara", f"{TUESDAY} 09:00")
    await talk.send("my appointments")
    moved = talk.moved_by_the_practice(appointment, f"{TUESDAY} 11:00")
    notice = await talk.notify(OwnAppointmentChanged(moved))
    assert notice == (
        "Your appointment is now: cleaning with Dr. Mara Lindqvist, Tuesday 16 March at 11:00."
    )
    assert await talk.notify(OwnAppointmentChanged(moved)) == ""
    cancelled = replace(moved, status="cancelled", version=moved.version + 1)
    assert "was cancelled" in await talk.notify(OwnAppointmentChanged(cancelled))


async def test_no_notice_of_a_change_in_the_conversation_itself() -> None:
    talk = Talk()
    await talk.all(OFFER, "the first one", "yes")
    (appointment,) = await talk.ada.calendar.own_appointments()
    assert await talk.notify(OwnAppointmentChanged(appointment)) == ""


async def test_a_change_by_the_practice_ends_the_task_about_it() -> None:
    talk = Talk()
    appointment = talk.has("mara", f"{TUESDAY} 09:00")
    await talk.send("cancel my appointment")
    moved = talk.moved_by_the_practice(appointment, f"{TUESDAY} 11:00")
    assert "stopped" in await talk.notify(OwnAppointmentChanged(moved))
    await talk.send("yes")
    assert await talk.booked() == ["cleaning mara 16.3. 11:00"]


async def test_a_change_without_an_event_is_found_before_cancelling() -> None:
    talk = Talk()
    appointment = talk.has("mara", f"{TUESDAY} 09:00")
    await talk.send("cancel my appointment")
    talk.moved_by_the_practice(appointment, f"{TUESDAY} 11:00")
    reply = await talk.send("yes")
    assert "changed in the meantime" in reply
    assert "at 11:00" in reply, "it asks again, with the new time"
    assert await talk.booked() == ["cleaning mara 16.3. 11:00"]


async def test_new_hours_renew_the_offer() -> None:
    talk = Talk()
    await talk.send(OFFER)
    talk.calendars.closed.add(("mara", TUESDAY))
    notice = await talk.notify(ScheduleChanged("mara"))
    assert "hours have just changed" in notice
    assert "Nothing is free" in notice


async def test_two_appointments_at_one_time_are_refused_in_words() -> None:
    talk = Talk()
    talk.has("james", f"{TUESDAY} 15:00")
    reply = await talk.all(OFFER, "the first one", "yes")
    assert "You already have another appointment at that time." in reply
    assert await talk.booked() == ["cleaning james 16.3. 15:00"]
    assert talk.holds() == 0


async def test_reply_if_the_hub_is_unreachable() -> None:
    talk = Talk()
    await talk.send(OFFER)
    talk.calendars.lost = 1
    assert "can’t reach" in await talk.send("1")
    assert await talk.booked() == []


async def test_reply_if_too_much_is_held() -> None:
    talk = Talk()
    for hour in ("09", "11", "13"):
        await talk.ada.calendar.hold(talk.slot("james", f"{TUESDAY} {hour}:00"), f"k{hour}")
    assert "as many times as one may" in await talk.all(OFFER, "1")
