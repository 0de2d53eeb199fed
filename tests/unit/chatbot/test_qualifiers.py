"""Every date, time, bound, negation or treatment of a message is used, or asked about.

A specification by examples, at Monday, 30 November 2026, 10:00 in Berlin, and the rule behind
them: words that qualify a wish change its meaning, or are named in a question. The short form
of an act is that of :func:`tests.unit.chatbot.world.shown_acts`, without this year.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chairside.chatbot.understanding.acts import DialogueAct
from chairside.chatbot.understanding.messages import understand
from tests.unit.chatbot.world import BERLIN, FACTS, local, shown_acts

MONDAY = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)

USED: dict[str, str] = {
    "cleaning no later than Friday": "book treatment=cleaning 30.11.-4.12.",
    "a cleaning but not with Dr. Chen": "book treatment=cleaning not_dentists=wei",
    "anyone but Dr. Chen for a cleaning": "book treatment=cleaning not_dentists=wei",
    "do not cancel": "keep verb=cancel",
    "do not cancel my appointment on Friday": "keep verb=cancel",
    "don't cancel, move it to Friday": "keep verb=cancel ++ move 4.12.",
    "I don't want to cancel, just move it to Friday": "keep verb=cancel ++ move 4.12.",
    "please don't book anything": "keep verb=book",
    "cleaning on the twenty first of december": "book treatment=cleaning 21.12.",
    "a check-up on 2026/12/08": "book treatment=check-up 8.12.",
    "check-up 2026-12-08T14:30": "book treatment=check-up 8.12. at=14:30",
    "filling from 14 to 16 december": "book treatment=filling 14.12.-16.12.",
    "cleaning second week of december": "book treatment=cleaning 8.12.-14.12.",
    "check-up tomorrow at 1430": "book treatment=check-up 1.12. at=14:30",
    "check-up tomorrow 14h30": "book treatment=check-up 1.12. at=14:30",
    "check-up the Tuesday after next": "book treatment=check-up 15.12.",
    "check-up a week on Tuesday": "book treatment=check-up 8.12.",
    "move my appointment on 11 December to 21 December": "move 21.12. of:11.12.",
    "move my 11 December appointment to the 21st": "move 21.12. of:11.12.",
    "move my appointment from 11 to 21 December": "move 21.12. of:11.12.",
    "move my appointment of 11 December": "move of:11.12.",
    "I want to move my Friday appointment to Monday": "move 7.12. of:4.12.",
    "can you move my appointment on Friday at 10 to Monday at 11?": "move 7.12. at=11:00 of:4.12. at=10:00",
    "move the cleaning on Friday to next week": "move treatment=cleaning 7.12.-13.12. of:4.12.",
    "please reschedule my Friday cleaning for Monday": "move treatment=cleaning 7.12. of:4.12.",
    "move my appointment on Friday": "move of:4.12.",
    "my appointment on Friday, move it to Monday please": "move 7.12. of:4.12.",
    "I have an appointment on Friday at 10, can I move it to Monday": "move 7.12. of:4.12. at=10:00",
    "I have an appointment on Friday. Please move it to Monday.": "move 7.12. of:4.12.",
    "cancel Friday's appointment": "cancel of:4.12.",
    "cancel tomorrow's cleaning": "cancel treatment=cleaning of:1.12.",
    "cancel Dr. Chen's appointment": "other_people dentists=wei",
    "I sat on my tooth and need a check-up": "book treatment=check-up",
    "I sat in your chair last week, cleaning on Friday please": "book treatment=cleaning 4.12. !contradiction",
    "root canal with Dr Lindqvist please": "book treatment=root dentists=mara",
    "anything but Monday": "inform not=mon",
    "cleaning before noon but not the 9th": "book treatment=cleaning not=9.12. to=12:00",
    "cleaning half past two tomorrow": "book treatment=cleaning 1.12. at=14:30",
    "any day except Wednesday for a cleaning": "book treatment=cleaning not=wed",
    "cleaning earliest on 3rd": "book treatment=cleaning 3.12.-31.12.",
    "cancel everything except Friday": "cancel of:not=fri",
    "cancel all but Friday": "cancel of:not=fri",
    "cancel my appointment on 31 February": "cancel of:!unreal",
    "cancel my appointment yesterday": "cancel of:!past",
    "cancel the 3rd appointment": "cancel number=3",
    "it's not urgent, cleaning next week": "book treatment=cleaning 7.12.-13.12.",
    "my tooth hurts since Monday": "book treatment=emergency urgent",
    "my tooth hurts at night, can I come tomorrow": "book treatment=emergency urgent 1.12.",
    "good morning, cleaning on Friday": "book treatment=cleaning 4.12.",
    "not today": "inform not=30.11.",
    "I changed my mind, Friday at 10": "inform 4.12. at=10:00",
    "can I stop by tomorrow for a cleaning": "book treatment=cleaning 1.12.",
    "don't you have anything earlier?": "book shift=earlier",
    "which dentists are free on Friday?": "list_dentists 4.12.",
    "do I have an appointment on Friday?": "my_appointments 4.12.",
    "cleaning on Friday with another dentist": "book treatment=cleaning other_dentist 4.12.",
    "cleaning at 10 on the 10th": "book treatment=cleaning 10.12. at=10:00",
    "cleaning in 2 weeks on Tuesday": "book treatment=cleaning 15.12.",
    "cleaning with Dr Lindqvist, not Dr Chen": "book treatment=cleaning dentists=mara not_dentists=wei",
    "not James but Mara": "inform dentists=mara not_dentists=james",
    "the first one on Monday": "inform number=1 7.12.",
    "no, not Friday": "inform not=fri",
    "yes but not with Chen": "inform not_dentists=wei",
    "move it from Friday to Monday": "move 7.12. of:4.12.",
    "move it to Friday instead of Monday": "move 4.12. of:7.12.",
    "move my appointment to Monday or Tuesday": "move 1.12. 7.12.",
    "move it a week later at 10": "move by=7 days, 0:00:00 at=10:00",
    "postpone by 2 weeks": "move by=14 days, 0:00:00",
    "cleaning at 3 sharp on friday": "book treatment=cleaning 4.12. at=15:00",
    "cleaning on monday the 7th": "book treatment=cleaning 7.12.",
    "cleaning on the 7th or 8th": "book treatment=cleaning 7.12. 8.12.",
    "cleaning in december": "book treatment=cleaning 1.12.-31.12.",
    "a cleaning for tomorrow, not before 10 and not after 12": "book treatment=cleaning 1.12. from=10:00 to=12:00",
    "cleaning two weeks from today": "book treatment=cleaning 14.12.",
    "cleaning in the first week of january after 4pm": "book treatment=cleaning 1.1.-7.1. from=16:00",
    "cleaning any weekday but not Friday": "book treatment=cleaning only=mon/tue/wed/thu not=fri",
    "can we do 3ish on thursday for a cleaning": "book treatment=cleaning 3.12. from=14:30 to=15:31",
    "I am free on Monday and Wednesday mornings, cleaning": "book treatment=cleaning 2.12. 7.12. to=12:00",
    "how about next Tuesday for my cleaning": "book treatment=cleaning 8.12.",
    "I'd like a cleaning no matter when": "book treatment=cleaning",
    "cleaning ASAP but after Wednesday": "book treatment=cleaning 3.12.-31.12. soonest",
    "I'd prefer the afternoon, cleaning": "book treatment=cleaning from=12:00 to=17:00",
    "cleaning with my usual dentist but not on Monday": "book treatment=cleaning usual_dentist not=mon",
    "cleaning on 3/4": "book treatment=cleaning 3.4.",
    "cleaning on Dec 8th @ 2pm": "book treatment=cleaning 8.12. at=14:00",
    "cleaning at the end of next week": "book treatment=cleaning 10.12.-13.12.",
    "cleaning by tomorrow": "book treatment=cleaning 30.11.-1.12.",
    "cleaning until Friday": "book treatment=cleaning 30.11.-4.12.",
    "cleaning within 3 days": "book treatment=cleaning 30.11.-3.12.",
    "cleaning in the next two weeks": "book treatment=cleaning 30.11.-14.12.",
    "filling on Thursday but no earlier than 11": "book treatment=filling 3.12. from=11:00",
    "filling Thursday at the earliest": "book treatment=filling 3.12.-31.12.",
    "filling any time after Thursday": "book treatment=filling 4.12.-1.1. any-time",
    "filling not on the 3rd or the 4th": "book treatment=filling not=3.12. not=4.12.",
    "filling sometime in the second half of january": "book treatment=filling 16.1.-31.1.",
    "filling on the last Friday of january": "book treatment=filling 29.1.",
    "filling on the second of january": "book treatment=filling 2.1.",
    "filling on January second": "book treatment=filling 2.1.",
    "filling on the thirty first": "book treatment=filling 31.12.",
    "filling on thirty first december at half two": "book treatment=filling 31.12. at=14:30",
    "filling on 31.12. at 9 uhr": "book treatment=filling 31.12. at=09:00",
    "filling 31 dec 0900": "book treatment=filling 31.12. at=09:00",
    "filling 8th december 9:30am": "book treatment=filling 8.12. at=09:30",
    "filling on tuesday at 9.30": "book treatment=filling 1.12. at=09:30",
    "filling on tuesday at 9.30.": "book treatment=filling 1.12. at=09:30",
    "filling Tues 8 Dec 10am": "book treatment=filling 8.12. at=10:00",
    "filling on wed": "book treatment=filling 2.12.",
    "filling next wed or thu": "book treatment=filling 9.12. 10.12.",
    "filling on fri, sat or sun": "book treatment=filling 4.12. 5.12. 6.12.",
    "filling, sun or mon": "book treatment=filling 6.12. 7.12.",
    "the sun is bright, filling please": "book treatment=filling",
    "may I come tomorrow for a filling": "book treatment=filling 1.12.",
    "filling in may": "book treatment=filling 1.5.-31.5.",
    "filling may 5": "book treatment=filling 5.5.",
    "filling this may": "book treatment=filling 1.5.-31.5.",
    "it may hurt, filling tomorrow": "book treatment=filling urgent 1.12.",
    "filling in march or april": "book treatment=filling 1.3.-31.3. 1.4.-30.4.",
    "filling from march on": "book treatment=filling 1.3.-29.3.",
    "filling before march": "book treatment=filling 30.11.-28.2.",
    "march 3rd filling": "book treatment=filling 3.3.",
    "filling Monday through Wednesday": "book treatment=filling 7.12.-9.12.",
    "filling Mon-Wed": "book treatment=filling 7.12.-9.12.",
    "filling monday - wednesday": "book treatment=filling 7.12.-9.12.",
    "filling between the 7th and the 9th": "book treatment=filling 7.12.-9.12.",
    "filling between 7 and 9 december": "book treatment=filling 7.12.-9.12.",
    "filling from the 7th until the 9th": "book treatment=filling 7.12.-9.12.",
    "filling from 7.12. to 9.12.": "book treatment=filling 7.12.-9.12.",
    "filling 7.12.-9.12.": "book treatment=filling 7.12.-9.12.",
    "filling 7/12-9/12": "book treatment=filling 7.12.-9.12.",
    "filling 7 - 9 december": "book treatment=filling 7.12.-9.12.",
    "filling 2026-12-07 to 2026-12-09": "book treatment=filling 7.12.-9.12.",
    "filling on 2026.12.08": "book treatment=filling 8.12.",
    "filling the week of 7 december": "book treatment=filling 7.12.-13.12.",
    "filling the week after 7 december": "book treatment=filling 14.12.-20.12.",
    "filling the first week of next month": "book treatment=filling 1.12.-7.12.",
    "filling the week beginning 14 december on a Tuesday": "book treatment=filling 14.12.-20.12. only=tue",
    "filling the Monday after next": "book treatment=filling 14.12.",
    "filling Monday after next": "book treatment=filling 14.12.",
    "filling the weekend after next": "book treatment=filling 19.12.-20.12.",
    "filling two weeks on Monday": "book treatment=filling 21.12.",
    "filling a fortnight on Monday": "book treatment=filling 21.12.",
    "filling Monday fortnight": "book treatment=filling 21.12.",
    "filling the day after tomorrow at 1500": "book treatment=filling 2.12. at=15:00",
    "filling the day before Friday": "book treatment=filling 3.12.",
    "filling at nine or ten": "book treatment=filling one-of=09:00/10:00",
    "filling between nine and ten thirty": "book treatment=filling from=09:00 to=10:30",
    "filling at quarter past nine": "book treatment=filling at=09:15",
    "filling at five to ten": "book treatment=filling at=09:55",
    "filling at 9 in the evening": "book treatment=filling from=17:00 at=21:00",
    "filling at noon or later": "book treatment=filling from=12:00",
    "filling at 25 o'clock": "book treatment=filling !unreal",
    "filling asap, not Monday": "book treatment=filling not=mon soonest",
    "filling as late as possible": "book treatment=filling extreme=later",
    "filling with any dentist except Chen": "book treatment=filling not_dentists=wei any_dentist",
    "filling with anyone except Dr. Chen or Dr. Okonkwo": "book treatment=filling not_dentists=wei+james any_dentist",
    "filling, but I don't want Dr. Chen": "book treatment=filling not_dentists=wei",
    "filling, no Dr Chen please": "book treatment=filling not_dentists=wei",
    "filling with someone other than Dr. Chen": "book treatment=filling not_dentists=wei",
    "filling with Dr. Chen or Mara": "book treatment=filling dentists=wei+mara",
    "filling with Mara instead of James": "book treatment=filling dentists=mara not_dentists=james",
    "move my appointment to a week later": "move by=7 days, 0:00:00",
    "move my appointment from the 11th to the 21st": "move 21.12. of:11.12.",
    "move my cleaning on 11 December at 9 to 21 December at 10": "move treatment=cleaning 21.12. at=10:00 of:11.12. at=09:00",
    "move my appointment to 21 December from 11 December": "move 21.12. of:11.12.",
    "reschedule 11 December to 21 December": "move 21.12. of:11.12.",
    "change my Friday appointment to Monday": "move 7.12. of:4.12.",
    "swap my Friday appointment for Monday": "move 7.12. of:4.12.",
    "please move Friday's appointment to next Monday before noon": "move 7.12. to=12:00 of:4.12.",
    "move it to anything but Monday": "move not=mon",
    "move it later": "move shift=later",
    "move it to later on Friday": "move shift=later 4.12.",
    "move my 2 o'clock to 3": "move at=15:00 of:at=14:00",
    "move my 2 to 3 pm appointment to Friday": "move 4.12. of:from=14:00 to=15:00",
    "move my next appointment to Friday": "move 4.12.",
    "move my last appointment to Friday": "move number=-1 4.12.",
    "postpone Friday until Monday": "move 7.12. of:4.12.",
    "bring Friday's appointment forward to Wednesday": "move 2.12. of:4.12.",
    "cancel my appointment with Dr. Chen": "cancel dentists=wei",
    "cancel my appointment on 8 and 9 december": "cancel of:8.12. 9.12.",
    "cancel the appointment after Friday": "cancel of:5.12.-2.1.",
    "cancel my first appointment": "cancel number=1",
    "cancel my last appointment": "cancel number=-1",
    "cancel the later one": "cancel extreme=later",
    "cancel the other one": "cancel shift=more",
    "never cancel my appointments": "keep verb=cancel",
    "I would not like to cancel": "keep verb=cancel",
    "cancel not Friday but Monday": "cancel of:7.12. not=fri",
    "do not cancel, but move it to Monday": "keep verb=cancel ++ move 7.12.",
    "no, don't book it": "keep verb=book",
    "I can't make it on Friday": "cancel of:4.12.",
    "I can't make Friday, how about Monday?": "move 7.12. of:4.12.",
    "after work on Friday, not before 5": "inform 4.12. from=17:00",
    "can you squeeze me in before Friday": "book 30.11.-3.12.",
}
"""Sentences that are understood with all that they say."""

ASKED: dict[str, str] = {
    "a cleaning not with Dr. Bell": "not with dr bell",
    "check-up 2026-12-08T14:30Z": "2026-12-08T14:30Z",
    "move my appointment for Friday": "whether that is the time now or the new one",
    "cleaning on Friday if Dr. Chen is in": "if dr chen is in",
    "a cleaning and a check-up on Friday": "two treatments at once",
    "check-up before my holiday": "before my holiday",
    "check-up after Christmas": "after christmas",
    "check-up at 3pm London time": "london time",
    "check-up on Friday at 10 or Monday at 11": "monday at 11",
    "cancel or move my appointment on Friday": "whether to move or to cancel",
    "book 2 cleanings": "2 cleanings",
    "a cleaning every 6 months": "every 6 months",
    "I have no pain, check-up please": "no pain, check-up please",
    "I'm away on Friday, check-up please": "away on friday, check-up please",
    "I can't come on Friday, check-up next week": "next week",
    "never mind the time, Friday at 10": "never mind the time",
    "cleaning around Friday": "around friday",
    "cleaning late on Friday": "late on friday",
    "cleaning Friday 10": "10",
    "I need to leave by 4, cleaning on Friday": "leave by 4, cleaning on friday",
    "cleaning between Christmas and New Year": "between christmas and new year",
    "cleaning next month but not in the first week": "not in the first week",
    "cleaning before 10 or after 4": "before 10 or after 4",
    "is there no earlier time": "no earlier time",
    "cleaning tomorrow or the day after": "day after",
    "cleaning on 8 dec 26": "26",
    "we wed in june, whitening and cleaning please": "whitening and cleaning please",
    "filling on 2026 december 8": "2026 december 8",
    "filling in week 50": "week 50",
    "filling in calendar week 50": "week 50",
    "filling three days after Friday": "3 days after friday",
    "filling 9 to 5": "9 to 5",
    "filling at 1675": "1675",
    "filling in an hour": "hour",
    "filling in 2 hours": "2 hours",
    "filling within an hour": "within an hour",
    "filling with a female dentist": "female dentist",
    "filling with Dr. Chen or Dr. House": "dr house",
    "I don't need a filling": "don't need a filling",
    "no filling, a cleaning": "two treatments at once",
    "instead of a filling I need a cleaning": "two treatments at once",
    "filling for my 5 year old": "5 year old",
    "2 fillings on Friday": "2 fillings on friday",
    "filling for 90 minutes": "90 minutes",
    "filling on Friday, same time as last time": "same time as last time",
    "filling at the same time tomorrow": "same time tomorrow",
    "move my appointment one week": "week",
    "move my appointment to the same time on Tuesday": "same time on tuesday",
    "move my appointment not to Monday": "not to monday",
    "move it, but not to Monday": "not to monday",
    "move it to 3 instead of 2": "3 instead of 2",
    "cancel if Dr. Chen is away": "if dr chen is away",
    "cancel my appointment unless it can be moved": "unless it can be moved",
    "don't cancel Friday but Monday": "don't cancel friday but monday",
    "I can not come before Tuesday": "before tuesday",
    "I'm busy on Friday, cleaning on Thursday": "on thursday",
}
"""Sentences of which something is unclear, and the words that are asked about."""


def acts(sentence: str) -> tuple[DialogueAct, ...]:
    return understand(sentence, FACTS, local(now=MONDAY))


@pytest.mark.parametrize(("sentence", "understood"), USED.items(), ids=lambda text: text[:40])
def test_everything_in_a_sentence_is_used(sentence: str, understood: str) -> None:
    assert shown_acts(acts(sentence)).replace(".2026", ".") == understood


@pytest.mark.parametrize(("sentence", "words"), ASKED.items(), ids=lambda text: text[:40])
def test_what_is_unclear_is_named(sentence: str, words: str) -> None:
    (act,) = acts(sentence)
    assert act.unclear == words


# --- the rule behind them -----------------------------------------------------------------

HORIZON = 27
ONES = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth",
    "eighteenth", "nineteenth", "twentieth",
)  # fmt: skip


def ordinal(number: int) -> str:
    if number <= 20:
        return ONES[number - 1]
    tens = "twenty" if number < 30 else "thirty"
    return "thirtieth" if number == 30 else f"{tens} {ONES[number % 10 - 1]}"


DATES: tuple[Callable[[date], str], ...] = (
    lambda day: f"{day.day} {day:%B}",
    lambda day: f"{day:%B} {day.day}",
    lambda day: f"the {day.day} of {day:%b}",
    lambda day: f"{day:%A} {day.day} {day:%B}",
    lambda day: f"the {ordinal(day.day)} of {day:%B}",
    lambda day: f"{day:%B} the {ordinal(day.day)}",
    lambda day: f"{day.day}.{day.month}.",
    lambda day: f"{day.day}.{day.month}.{day.year}",
    lambda day: f"{day.day}/{day.month}/{day.year}",
    lambda day: day.isoformat(),
    lambda day: f"{day:%Y/%m/%d}",
    lambda day: f"{day:%d-%m-%Y}",
)
"""Ways to write a date."""
BOUNDS: dict[str, Callable[[date, date], bool]] = {
    "on": lambda day, named: day == named,
    "by": lambda day, named: day <= named,
    "until": lambda day, named: day <= named,
    "before": lambda day, named: day < named,
    "no later than": lambda day, named: day <= named,
    "not later than": lambda day, named: day <= named,
    "not after": lambda day, named: day <= named,
    "at the latest on": lambda day, named: day <= named,
    "on or before": lambda day, named: day <= named,
    "after": lambda day, named: day > named,
    "later than": lambda day, named: day > named,
    "not before": lambda day, named: day >= named,
    "not until": lambda day, named: day >= named,
    "no earlier than": lambda day, named: day >= named,
    "no sooner than": lambda day, named: day >= named,
    "from": lambda day, named: day >= named,
    "on or after": lambda day, named: day >= named,
    "at the earliest on": lambda day, named: day >= named,
    "starting": lambda day, named: day >= named,
    "not on": lambda day, named: day != named,
    "any day except": lambda day, named: day != named,
    "any day but": lambda day, named: day != named,
    "anything but": lambda day, named: day != named,
    "but not on": lambda day, named: day != named,
    "never on": lambda day, named: day != named,
    "any day other than": lambda day, named: day != named,
}
"""Words before a date, and the days that they allow."""
ahead = st.integers(2, HORIZON - 1).map(lambda days: MONDAY.date() + timedelta(days=days))


@given(st.sampled_from(sorted(BOUNDS)), st.sampled_from(DATES), ahead)
def test_bounds_of_days_hold_however_they_are_written(
    bound: str, written: Callable[[date], str], named: date
) -> None:
    (act,) = acts(f"a cleaning {bound} {written(named)}")
    assert (act.unclear, act.when.problem) == ("", None)
    for step in range(1, HORIZON):
        day = MONDAY.date() + timedelta(days=step)
        at = datetime.combine(day, time(11), ZoneInfo(BERLIN))
        assert act.when.allows(at) is BOUNDS[bound](day, named), (bound, written(named), day)


CLOCKS: tuple[Callable[[time], str], ...] = (
    lambda clock: f"{clock:%H:%M}",
    lambda clock: f"{clock:%H.%M}",
    lambda clock: f"{clock:%H}h{clock:%M}",
    lambda clock: f"{clock:%H%M}",
    lambda clock: f"{clock:%H%M} hours",
    lambda clock: f"{(clock.hour - 1) % 12 + 1}:{clock:%M} {'am' if clock.hour < 12 else 'pm'}",
    lambda clock: f"{(clock.hour - 1) % 12 + 1}.{clock:%M}{'am' if clock.hour < 12 else 'pm'}",
)
CLOCK_BOUNDS: dict[str, Callable[[time, time], bool]] = {
    "at": lambda clock, named: clock == named,
    "before": lambda clock, named: clock < named,
    "no later than": lambda clock, named: clock < named,
    "not after": lambda clock, named: clock < named,
    "by": lambda clock, named: clock < named,
    "until": lambda clock, named: clock < named,
    "after": lambda clock, named: clock >= named,
    "not before": lambda clock, named: clock >= named,
    "no earlier than": lambda clock, named: clock >= named,
    "from": lambda clock, named: clock >= named,
}
"""Words before a time of day; whether the named minute itself is allowed is the chatbot's rule."""
clocks = st.builds(time, st.integers(8, 18), st.sampled_from((0, 15, 30, 45)))


@given(st.sampled_from(sorted(CLOCK_BOUNDS)), st.sampled_from(CLOCKS), clocks)
def test_bounds_of_times_hold_however_they_are_written(
    bound: str, written: Callable[[time], str], named: time
) -> None:
    (act,) = acts(f"a cleaning on 8 December {bound} {written(named)}")
    assert (act.unclear, act.when.problem) == ("", None)
    for quarters in range(8 * 4, 19 * 4):
        clock = time(quarters // 4, quarters % 4 * 15)
        at = datetime.combine(date(2026, 12, 8), clock, ZoneInfo(BERLIN))
        assert act.when.allows(at) is CLOCK_BOUNDS[bound](clock, named), (bound, written(named))


WISHES = (
    "a cleaning with Mara {}",
    "I'd like a check-up {} please",
    "book a filling {}",
    "could I come {}, for a cleaning",
    "move my appointment {}",
    "cancel my appointment {}",
)
QUALIFIERS = (
    "not", "no", "never", "unless", "except", "without", "hardly", "but not", "neither", "avoiding",
    "before", "well before", "shortly before", "just after", "a few days after", "not long after",
    "until", "not until", "since", "between", "at most until", "at least",
    "no later than",
    "not much later than", "within", "beyond", "as of", "at the latest", "at the earliest",
    "every", "every other", "twice", "the second", "the last", "either", "both", "if not",
    "depending on", "in case of", "around", "early", "late", "the day after", "a week before",
)  # fmt: skip
OBJECTS = (
    "Friday", "Mondays", "the weekend", "next week", "tomorrow", "the 9th", "9 December",
    "2026-12-09",
    "10", "10:30", "1430", "noon", "the morning", "lunch", "half past two", "Christmas", "Easter",
    "my holiday", "two hours", "90 minutes", "a week", "the first week of January", "Dr. Chen",
    "Dr. Bell", "the twenty first", "December", "a root canal", "week 51", "the day before",
)  # fmt: skip


@given(st.sampled_from(WISHES), st.sampled_from(QUALIFIERS), st.sampled_from(OBJECTS))
def test_a_qualifier_is_used_or_asked_about(wish: str, qualifier: str, qualified: str) -> None:
    """With it, a sentence means something else than without it, or is asked about."""
    whole = acts(wish.format(f"{qualifier} {qualified}"))
    if any(act.unclear or act.when.problem or act.which.problem for act in whole):
        return
    if (qualifier, qualified) == ("every", "Mondays"):
        return  # the same
    for shorter in (qualified, f"on {qualified}", qualifier, ""):
        assert whole != acts(wish.format(shorter)), f"{qualifier} {qualified}: as if {shorter!r}"
