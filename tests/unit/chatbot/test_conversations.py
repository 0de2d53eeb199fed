"""Conversations over several messages: what is booked in the end, and the last reply."""

from dataclasses import dataclass

import pytest

from chairside.client import ConnectionLost
from tests.unit.chatbot.talking import Talk


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    messages: tuple[str, ...]
    ends: tuple[str, ...]
    """Ada's confirmed appointments at the end."""
    last: str
    """The last line of the last answer."""
    before: tuple[tuple[str, str], ...] = ()
    """Cleanings that Ada has: dentist and local time."""
    taken: tuple[tuple[str, str], ...] = ()
    """Cleanings that others have."""


CASES = (
    Case(
        name="books what was offered",
        messages=(
            "I need a cleaning with Dr. Lindqvist next Tuesday after 3",
            "the later one",
            "yes",
        ),
        ends=("cleaning mara 16.3. 17:00",),
        last="Booked: cleaning with Dr. Mara Lindqvist, Tuesday 16 March at 17:00. See you then!",
    ),
    Case(
        name="knows the usual dentist",
        messages=("a check-up with my usual dentist on Friday at 10", "yes please"),
        ends=(
            "cleaning mara 12.1. 09:00",
            "cleaning mara 2.2. 09:00",
            "cleaning james 20.2. 09:00",
            "check-up mara 12.3. 10:00",
        ),
        last="Booked: check-up with Dr. Mara Lindqvist, Friday 12 March at 10:00. See you then!",
        before=(
            ("mara", "2027-02-02 09:00"),
            ("mara", "2027-01-12 09:00"),
            ("james", "2027-02-20 09:00"),
        ),
    ),
    Case(
        name="asks for what is missing, one thing at a time",
        messages=(
            "I'd like an appointment",
            "cleaning",
            "with Dr. Okonkwo",
            "next week in the afternoon",
            "2",
            "yes, book it",
        ),
        ends=("cleaning james 15.3. 13:00",),
        last="Booked: cleaning with Dr. James Okonkwo, Monday 15 March at 13:00. See you then!",
    ),
    Case(
        name="an offer is chosen by its number",
        messages=("check-up tomorrow with Mara", "3", "ok"),
        ends=("check-up mara 11.3. 10:00",),
        last=(
            "Booked: check-up with Dr. Mara Lindqvist, tomorrow, Thursday 11 March at 10:00."
            " See you then!"
        ),
    ),
    Case(
        name="offers the nearest times when the wanted one is taken",
        messages=("cleaning with Mara next Tuesday at 3", "the first one", "yes"),
        ends=("cleaning mara 16.3. 13:15",),
        last="Booked: cleaning with Dr. Mara Lindqvist, Tuesday 16 March at 13:15. See you then!",
        taken=(("mara", "2027-03-16 15:00"),),
    ),
    Case(
        name="another time before the yes replaces the hold",
        messages=("cleaning with Mara next Tuesday at 3", "rather on Thursday at 10", "yes"),
        ends=("cleaning mara 11.3. 10:00",),
        last=(
            "Booked: cleaning with Dr. Mara Lindqvist, tomorrow, Thursday 11 March at"
            " 10:00. See you then!"
        ),
    ),
    Case(
        name="a no lets the hold go and asks again",
        messages=("filling with James on Friday at 9", "no", "Monday at 9", "yes"),
        ends=("filling james 15.3. 09:00",),
        last="Booked: filling with Dr. James Okonkwo, Monday 15 March at 09:00. See you then!",
    ),
    Case(
        name="later, and the earliest of those",
        messages=("check-up with Mara on Friday morning", "something later", "the earliest", "yes"),
        ends=("check-up mara 12.3. 10:15",),
        last="Booked: check-up with Dr. Mara Lindqvist, Friday 12 March at 10:15. See you then!",
    ),
    Case(
        name="another dentist at the same time",
        messages=("check-up with Mara on Friday at 9", "with Okonkwo instead", "yes"),
        ends=("check-up james 12.3. 09:00",),
        last="Booked: check-up with Dr. James Okonkwo, Friday 12 March at 09:00. See you then!",
    ),
    Case(
        name="a dentist in another zone",
        messages=("check-up with Dr. Chen tomorrow at 9", "yes"),
        ends=("check-up wei 11.3. 09:00",),
        last=(
            "Booked: check-up with Dr. Wei Chen, tomorrow, Thursday 11 March at 09:00 (New"
            " York time). See you then!"
        ),
    ),
    Case(
        name="moves it",
        messages=("move it to Friday afternoon", "1", "yes"),
        ends=("cleaning mara 12.3. 12:00",),
        last="Done. It is now: cleaning with Dr. Mara Lindqvist, Friday 12 March at 12:00.",
        before=(("mara", "2027-03-12 09:00"),),
    ),
    Case(
        name="asks which one to move",
        messages=("move my appointment to next Thursday at 10", "the second one", "yes"),
        ends=("cleaning mara 12.3. 09:00", "cleaning james 18.3. 10:00"),
        last="Done. It is now: cleaning with Dr. James Okonkwo, Thursday 18 March at 10:00.",
        before=(("mara", "2027-03-12 09:00"), ("james", "2027-03-16 11:00")),
    ),
    Case(
        name="an hour later than it is",
        messages=("can I come an hour later?", "yes"),
        ends=("cleaning mara 12.3. 10:00",),
        last="Done. It is now: cleaning with Dr. Mara Lindqvist, Friday 12 March at 10:00.",
        before=(("mara", "2027-03-12 09:00"),),
    ),
    Case(
        name="a quarter of an hour later, over its own time",
        messages=("move my appointment to Friday at 9:15", "yes"),
        ends=("cleaning mara 12.3. 09:15",),
        last="Done. It is now: cleaning with Dr. Mara Lindqvist, Friday 12 March at 09:15.",
        before=(("mara", "2027-03-12 09:00"),),
    ),
    Case(
        name="a no leaves it where it is",
        messages=("move my appointment to Monday at 10", "no"),
        ends=("cleaning mara 12.3. 09:00",),
        last="All right, your appointment stays as it is.",
        before=(("mara", "2027-03-12 09:00"),),
    ),
    Case(
        name="cancels after a yes",
        messages=("cancel my appointment", "yes, cancel it"),
        ends=(),
        last="Cancelled: cleaning with Dr. Mara Lindqvist, Friday 12 March at 09:00.",
        before=(("mara", "2027-03-12 09:00"),),
    ),
    Case(
        name="keeps it when told so",
        messages=("cancel my appointment", "keep it"),
        ends=("cleaning mara 12.3. 09:00",),
        last="All right, your appointment stays as it is.",
        before=(("mara", "2027-03-12 09:00"),),
    ),
    Case(
        name="moves instead of cancelling",
        messages=("cancel my appointment", "move it", "Monday at 10", "yes"),
        ends=("cleaning mara 15.3. 10:00",),
        last="Done. It is now: cleaning with Dr. Mara Lindqvist, Monday 15 March at 10:00.",
        before=(("mara", "2027-03-12 09:00"),),
    ),
    Case(
        name="cancels the one of that day",
        messages=("cancel my appointment next Tuesday", "yes"),
        ends=("cleaning mara 12.3. 09:00",),
        last="Cancelled: cleaning with Dr. James Okonkwo, Tuesday 16 March at 11:00.",
        before=(("mara", "2027-03-12 09:00"), ("james", "2027-03-16 11:00")),
    ),
    Case(
        name="cancels one at a time",
        messages=("cancel all my appointments", "1", "yes", "cancel my appointment", "yes"),
        ends=(),
        last="Cancelled: cleaning with Dr. James Okonkwo, Tuesday 16 March at 11:00.",
        before=(("mara", "2027-03-12 09:00"), ("james", "2027-03-16 11:00")),
    ),
    Case(
        name="two wishes of one sentence, one after the other",
        messages=(
            "cancel my Friday appointment and book a check-up with James on Monday at 9",
            "yes",
            "yes",
        ),
        ends=("check-up james 15.3. 09:00",),
        last="Booked: check-up with Dr. James Okonkwo, Monday 15 March at 09:00. See you then!",
        before=(("mara", "2027-03-12 09:00"),),
    ),
    Case(
        name="never mind lets everything go",
        messages=("cleaning with Mara next Tuesday at 3", "never mind"),
        ends=(),
        last="All right, I’ve dropped that. Nothing was booked.",
    ),
    Case(
        name="answers questions in between and goes on",
        messages=(
            "cleaning with Mara next Tuesday after 3",
            "which dentists do you have?",
            "the first one",
            "how long does a cleaning take?",
            "yes",
        ),
        ends=("cleaning mara 16.3. 15:00",),
        last="Booked: cleaning with Dr. Mara Lindqvist, Tuesday 16 March at 15:00. See you then!",
    ),
    Case(
        name="a past day is refused, the next answer is taken",
        messages=("cleaning with Mara yesterday", "tomorrow at 9 then", "yes"),
        ends=("cleaning mara 11.3. 09:00",),
        last=(
            "Booked: cleaning with Dr. Mara Lindqvist, tomorrow, Thursday 11 March at"
            " 09:00. See you then!"
        ),
    ),
    Case(
        name="an unknown dentist is said to be unknown",
        messages=("check-up with Dr. House on Friday at 9", "anyone", "with Mara", "yes"),
        ends=("check-up mara 12.3. 09:00",),
        last="Booked: check-up with Dr. Mara Lindqvist, Friday 12 March at 09:00. See you then!",
    ),
    Case(
        name="a treatment nobody offers",
        messages=(
            "can I have my teeth whitened?",
            "a cleaning then",
            "with Mara on Friday at 9",
            "yes",
        ),
        ends=("cleaning mara 12.3. 09:00",),
        last="Booked: cleaning with Dr. Mara Lindqvist, Friday 12 March at 09:00. See you then!",
    ),
    Case(
        name="pain comes first",
        messages=("I have a terrible toothache", "the first one", "yes"),
        ends=("emergency mara 10.3. 10:15",),
        last=(
            "Booked: emergency visit with Dr. Mara Lindqvist, today, Wednesday 10 March at"
            " 10:15. See you then!"
        ),
    ),
    Case(
        name="a choice of days is narrowed by one",
        messages=("cleaning on Thursday or Monday with James", "the Monday one", "yes"),
        ends=("cleaning james 15.3. 08:00",),
        last="Booked: cleaning with Dr. James Okonkwo, Monday 15 March at 08:00. See you then!",
    ),
    Case(
        name="nobody has an appointment yet",
        messages=("when is my next appointment?", "no"),
        ends=(),
        last="All right. Is there anything else?",
    ),
    Case(
        name="cancels by the number in the list",
        messages=("show my appointments", "cancel the second one", "yes"),
        ends=("cleaning mara 12.3. 09:00",),
        last="Cancelled: cleaning with Dr. James Okonkwo, Tuesday 16 March at 11:00.",
        before=(("mara", "2027-03-12 09:00"), ("james", "2027-03-16 11:00")),
    ),
    Case(
        name="another one two weeks later",
        messages=("check-up with Mara on Friday at 9", "yes", "another one two weeks later", "yes"),
        ends=("check-up mara 12.3. 09:00", "check-up mara 26.3. 09:00"),
        last="Booked: check-up with Dr. Mara Lindqvist, Friday 26 March at 09:00. See you then!",
    ),
    Case(
        name="as soon as possible, with anyone",
        messages=("cleaning", "anyone", "as soon as possible", "1", "yes"),
        ends=("cleaning mara 10.3. 10:15",),
        last=(
            "Booked: cleaning with Dr. Mara Lindqvist, today, Wednesday 10 March at 10:15."
            " See you then!"
        ),
    ),
    Case(
        name="a closed day leads to the nearest and then another day",
        messages=("check-up with Mara on Saturday", "Monday morning", "1", "yes"),
        ends=("check-up mara 15.3. 08:00",),
        last="Booked: check-up with Dr. Mara Lindqvist, Monday 15 March at 08:00. See you then!",
    ),
    Case(
        name="contradictory times are not guessed at",
        messages=("check-up with Mara after 5 but before 3", "Tuesday at 10", "yes"),
        ends=("check-up mara 16.3. 10:00",),
        last="Booked: check-up with Dr. Mara Lindqvist, Tuesday 16 March at 10:00. See you then!",
    ),
    Case(
        name="a correction in the same sentence",
        messages=("cleaning with Mara next Tuesday, no wait, Wednesday at 9", "yes"),
        ends=("cleaning mara 17.3. 09:00",),
        last="Booked: cleaning with Dr. Mara Lindqvist, Wednesday 17 March at 09:00. See you then!",
    ),
    Case(
        name="a time and a dentist are kept until the treatment is known",
        messages=("Friday at 10 with James", "check-up", "yes"),
        ends=("check-up james 12.3. 10:00",),
        last="Booked: check-up with Dr. James Okonkwo, Friday 12 March at 10:00. See you then!",
    ),
    Case(
        name="more and more offers",
        messages=(
            "check-up with Mara on Monday",
            "none of these",
            "show me more",
            "the first one",
            "yes",
        ),
        ends=("check-up mara 15.3. 12:30",),
        last="Booked: check-up with Dr. Mara Lindqvist, Monday 15 March at 12:30. See you then!",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_conversation_ends_as_expected(case: Case) -> None:
    talk = Talk()
    for dentist, at in case.before:
        talk.has(dentist, at)
    for dentist, at in case.taken:
        talk.bob_takes(dentist, at)
    reply = await talk.all(*case.messages)
    assert (await talk.booked(), reply.splitlines()[-1]) == (list(case.ends), case.last)
    assert (talk.holds(), talk.conversation.state.task) == (0, None), "nothing is left open"


def test_there_are_as_many_as_promised() -> None:
    assert len({case.name for case in CASES}) >= 30


async def test_a_yes_after_a_search_that_failed_confirms_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def lost(**_: object) -> None:
        raise ConnectionLost

    talk = Talk()
    await talk.send("cleaning with Mara next Tuesday at 3")
    with monkeypatch.context() as unreachable:
        unreachable.setattr(talk.ada, "find_slots", lost)
        assert "can’t reach" in await talk.send("Friday instead")
    assert "When would you like to come" in await talk.send("yes")
    assert await talk.booked() == []


async def test_with_as_many_appointments_as_allowed_one_can_be_moved_but_none_added() -> None:
    talk = Talk()
    for day in range(15, 25):
        if day not in (17, 18, 24):
            talk.has("mara", f"2027-04-{day} 09:00")
    for hour in range(10, 13):
        talk.has("mara", f"2027-04-15 {hour}:00")
    before = await talk.booked()
    assert len(before) == 10
    refused = await talk.send("a check-up with Dr. Lindqvist next Tuesday at 10")
    assert "as many appointments ahead as can be booked online" in refused
    assert await talk.booked() == before
    await talk.all("move my appointment", "10", "26 April at 10", "yes")
    after = await talk.booked()
    assert (len(after), set(after) - set(before)) == (10, {"cleaning mara 26.4. 10:00"})
