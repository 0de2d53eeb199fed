"""What of a message the chatbot cannot use is asked about, and nothing happens before."""

from dataclasses import dataclass

import pytest

from tests.unit.chatbot.talking import Talk
from tests.unit.chatbot.test_qualifiers import ASKED

FRIDAY = ("mara", "2027-03-12 09:00")
THURSDAY = ("james", "2027-03-18 11:00")
BOOKED = ["cleaning mara 12.3. 09:00", "cleaning james 18.3. 11:00"]
UNSURE = "I’m not sure what you mean by “"


def talk() -> Talk:
    """Ada has two appointments."""
    made = Talk()
    made.has(*FRIDAY)
    made.has(*THURSDAY)
    return made


@pytest.mark.parametrize("sentence", ASKED, ids=lambda text: text[:40])
async def test_nothing_happens_on_a_message_that_is_unclear(sentence: str) -> None:
    for before in ((), ("cleaning with Mara next Tuesday after 3",)):
        ada = talk()
        await ada.all(*before)
        assert UNSURE in await ada.send(sentence)
        assert await ada.booked() == BOOKED
        assert ada.holds() == 0


async def test_an_unclear_message_confirms_and_cancels_nothing() -> None:
    ada = talk()
    await ada.send("cancel my appointment on Friday")
    assert UNSURE in await ada.send("yes, unless Dr. Chen is free on Friday")
    assert await ada.booked() == BOOKED


async def test_a_new_booking_keeps_what_is_certain() -> None:
    ada = talk()
    asked = await ada.send("a root canal with Mara on Friday unless it rains")
    assert "“unless it rains”" in asked
    assert "When would you like to come for the root canal with Dr. Mara Lindqvist?" in asked
    assert "Tuesday 16 March at 10:00. Shall I book it?" in await ada.send("Tuesday at 10")


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    messages: tuple[str, ...]
    replies: tuple[str, ...]
    """Parts of the last reply."""
    never: tuple[str, ...] = ()
    """What the last reply does not contain."""


CASES = (
    Case(
        name="a treatment that is changed in mid-conversation",
        messages=(
            "cleaning with Mara on Tuesday after 3",
            "root canal with Dr Lindqvist please",
        ),
        replies=("For a root canal with Dr. Mara Lindqvist", "Tuesday 16 March at 15:00"),
    ),
    Case(
        name="a dentist who is not wanted",
        messages=("cleaning next Tuesday, but not with Dr. Chen or James",),
        replies=("For a cleaning with Dr. Mara Lindqvist",),
    ),
    Case(
        name="another dentist than before",
        messages=("cleaning with Mara next week", "another dentist"),
        replies=("Which dentist would you like? Dr. James Okonkwo or Dr. Wei Chen",),
    ),
    Case(
        name="a number with a day that it does not fit",
        messages=("cleaning with Mara next week", "the first one on Wednesday"),
        replies=("Wednesday 17 March at 08:00",),
        never=("Monday",),
    ),
    Case(
        name="days that were excluded stay excluded",
        messages=("cleaning with Mara next week", "not on Monday", "not Tuesday either"),
        replies=("Wednesday 17 March at 08:00",),
        never=("Monday", "Tuesday"),
    ),
    Case(
        name="two bounds in two messages",
        messages=("cleaning with Mara on Tuesday", "not before 10", "before 3"),
        replies=("Tuesday 16 March at 10:00",),
        never=("08:00", "15:00"),
    ),
    Case(
        name="two exact times are two offers",
        messages=("cleaning with Mara at 10 or 11 on Tuesday",),
        replies=("at 10:00", "at 11:00"),
        never=("10:15", "10:30"),
    ),
    Case(
        name="a day to leave out, and a time",
        messages=("cleaning with Mara before noon, anything but Thursday or Friday",),
        replies=("Wednesday 10 March",),
        never=("Thursday", "Friday"),
    ),
    Case(
        name="do not cancel",
        messages=("do not cancel my appointment",),
        replies=("I won’t cancel anything",),
    ),
    Case(
        name="do not cancel what was to be cancelled",
        messages=("cancel my appointment on Friday", "please don't cancel it"),
        replies=("your appointment stays as it is",),
    ),
    Case(
        name="do not cancel but move",
        messages=("do not cancel, move my Friday appointment to Monday at 10",),
        replies=("from Friday 12 March at 09:00 to Monday 15 March at 10:00?",),
    ),
    Case(
        name="source and target",
        messages=("move my appointment on 12 March to 22 March", "1"),
        replies=("from Friday 12 March at 09:00 to Monday 22 March at 08:00?",),
    ),
    Case(
        name="a possessive",
        messages=("cancel Friday's appointment",),
        replies=("Shall I cancel your cleaning with Dr. Mara Lindqvist, Friday 12 March",),
    ),
    Case(
        name="a move with another dentist",
        messages=("move my Friday appointment to Monday", "with Dr. Chen", "2"),
        replies=("from Friday 12 March at 09:00", "to Monday 15 March", "with Dr. Wei Chen?"),
    ),
    Case(
        name="a move with anyone else",
        messages=("move my Friday appointment to Monday", "another dentist please"),
        replies=("I can offer", "Monday 15 March", "with Dr. James Okonkwo"),
    ),
    Case(
        name="a move with a dentist who is not here",
        messages=("move my Friday appointment to Monday", "with Dr. Quill"),
        replies=("I know no Dr. Quill here", "Monday 15 March"),
    ),
    Case(
        name="a treatment that is not among the appointments",
        messages=("cancel my whitening",),
        replies=("I see no appointment of yours like that", "1. cleaning", "2. cleaning"),
    ),
    Case(
        name="a date that does not exist",
        messages=("cancel my appointment on 31 February",),
        replies=("I see no appointment of yours like that",),
    ),
    Case(
        name="a date in the past",
        messages=("cancel my appointment yesterday",),
        replies=("I see no appointment of yours like that",),
    ),
    Case(
        name="a number without a list",
        messages=("cancel my second appointment",),
        replies=("Shall I cancel your cleaning with Dr. James Okonkwo, Thursday 18 March",),
    ),
    Case(
        name="a number that is too high",
        messages=("cancel my third appointment",),
        replies=("I see no appointment of yours like that",),
    ),
    Case(
        name="the third is a date where nothing has a number",
        messages=("cleaning with Mara, the 3rd",),
        replies=("Saturday 3 April",),
    ),
    Case(
        name="an earlier one than none",
        messages=("I need an earlier appointment",),
        replies=(f"{UNSURE}earlier”",),
    ),
    Case(
        name="dentists on a day",
        messages=("which dentists are free on Friday?", "cleaning"),
        replies=("Friday 12 March",),
        never=("Saturday", "Monday"),
    ),
    Case(
        name="appointments on a day",
        messages=("do I have an appointment on Thursday next week?",),
        replies=("You have one appointment", "Thursday 18 March"),
        never=("Friday",),
    ),
    Case(
        name="no appointment on a day",
        messages=("do I have an appointment on Monday?",),
        replies=("You have no appointment like that.", "Friday 12 March"),
    ),
    Case(
        name="which one, by its day",
        messages=("cancel an appointment", "my appointment on Friday"),
        replies=("Shall I cancel your cleaning with Dr. Mara Lindqvist, Friday 12 March",),
    ),
    Case(
        name="not today is no refusal",
        messages=("I'd like a cleaning with Mara", "not today"),
        replies=("Thursday 11 March",),
        never=("today",),
    ),
    Case(
        name="never mind with a wish",
        messages=("cleaning with Mara on Friday at 11", "I changed my mind, Tuesday at 10"),
        replies=("Tuesday 16 March at 10:00. Shall I book it?",),
    ),
    Case(
        name="a choice, and then another wish",
        messages=(
            "cleaning with Mara on Tuesday after 3",
            "the first one please, and cancel my Friday appointment",
        ),
        replies=("Tuesday 16 March at 15:00. Shall I book it?",),
    ),
    Case(
        name="a number that contradicts its time",
        messages=("cleaning with Mara on Tuesday after 3", "number 2 at 3"),
        replies=(f"{UNSURE}number 2”",),
    ),
    Case(
        name="a weekday that contradicts its date",
        messages=("cleaning with Mara on Tuesday after 3", "Tuesday the 3rd"),
        replies=("I can’t make Tuesday and 3 April 2027 fit together.", "at 15:00"),
    ),
    Case(
        name="not on the only day that was wanted",
        messages=("cleaning with Mara on Tuesday at 3", "fine, but not on Tuesday"),
        replies=("Wednesday 10 March at 15:00",),
        never=("Tuesday",),
    ),
    Case(
        name="another appointment than the one in question",
        messages=("cancel my appointment on Friday", "no, the one with James"),
        replies=("Shall I cancel your cleaning with Dr. James Okonkwo, Thursday 18 March",),
    ),
    Case(
        name="not the appointment in question",
        messages=("cancel my appointment on Friday", "yes but not the Friday one"),
        replies=("Shall I cancel your cleaning with Dr. James Okonkwo, Thursday 18 March",),
    ),
    Case(
        name="one more than the one in question",
        messages=("cancel my appointment on Friday", "yes, and the other one too"),
        replies=(f"{UNSURE}another one”", "Friday 12 March"),
    ),
    Case(
        name="a refusal behind a wish",
        messages=("cancel my appointment on Friday? no!",),
        replies=(f"{UNSURE}no!”",),
    ),
    Case(
        name="a treatment in place of another",
        messages=("cleaning with Mara on Tuesday after 3", "change it to a root canal"),
        replies=("For a root canal with Dr. Mara Lindqvist",),
    ),
    Case(
        name="more than a message may hold",
        messages=("book a cleaning on Friday " + "and so on " * 120,),
        replies=(f"{UNSURE}so many things at once”",),
    ),
    Case(
        name="more acts than one step takes",
        messages=("Show my visits. Which dentists do you have? Cancel my visit. Book a cleaning.",),
        replies=(f"{UNSURE}so many things at once”",),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_what_is_said_is_used_or_asked_about(case: Case) -> None:
    ada = talk()
    reply = await ada.all(*case.messages)
    for part in case.replies:
        assert part in reply
    for part in case.never:
        assert part not in reply
    assert await ada.booked() == BOOKED, "nothing is changed without a yes"
