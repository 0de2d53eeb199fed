"""Every date, time, bound, negation or treatment of a message is used, or asked about.

A specification by examples (``qualifiers.txt``), at Monday, 30 November 2026, 10:00 in Berlin,
and the rule behind them: words that qualify a wish change its meaning, or are named in a
question. The short form of an act is that of :func:`tests.unit.chatbot.world.shown_acts`,
without this year.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chairside.chatbot.understanding.acts import DialogueAct
from chairside.chatbot.understanding.messages import understand
from tests.unit.chatbot.world import BERLIN, FACTS, local, shown_acts

MONDAY = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)

TABLE = Path(__file__).with_name("qualifiers.txt").read_text(encoding="utf-8").splitlines()
USED = dict(line.split(" => ") for line in TABLE if " => " in line)
"""Sentences that are understood with all that they say."""
ASKED = dict(line.split(" ? ") for line in TABLE if " ? " in line)
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
