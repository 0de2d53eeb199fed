"""The work on one message is bounded and linear: counted readings and bounded patterns.

Clocks are no measure here; ``tests/benchmarks/bench_chat.py`` reports the processor time.
"""

import importlib
import pkgutil
import re
import threading
from collections.abc import Iterator
from re import _constants as opcodes
from re import _parser as parser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chairside.chatbot import understanding
from chairside.chatbot.dialogue.machine import Dialogue
from chairside.chatbot.dialogue.state import DialogueState
from chairside.chatbot.understanding.clauses import CLAUSES_MAX, clauses
from chairside.chatbot.understanding.moving import SPLITS_MAX, splits
from chairside.chatbot.understanding.normalize import MESSAGE_MAX_CHARS
from chairside.chatbot.understanding.when_words import READINGS_MAX, Reading, TimeReader
from tests.support.hostile import SHAPES, of_length
from tests.unit.chatbot.talking import Talk
from tests.unit.chatbot.world import FACTS, WEDNESDAY


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The length of each text that is read, in order."""
    lengths: list[int] = []
    once = TimeReader._read

    def counted(reader: TimeReader, text: str) -> Reading:
        found = once(reader, text)
        if reader.budget.left >= 0:
            lengths.append(len(text))
        return found

    monkeypatch.setattr(TimeReader, "_read", counted)
    return lengths


@pytest.mark.parametrize("shape", SHAPES)
def test_a_message_is_read_a_few_times_whatever_its_shape(shape: str, readings: list[int]) -> None:
    dialogue = Dialogue(FACTS)
    for length in (50, 300, MESSAGE_MAX_CHARS):
        readings.clear()
        dialogue.understand(DialogueState(id="c"), of_length(shape, length), WEDNESDAY)
        assert len(readings) <= READINGS_MAX
        assert sum(readings) <= READINGS_MAX * 2 * length


def test_readings_do_not_grow_with_the_number_of_dates(readings: list[int]) -> None:
    """The message that once cost two seconds: every "on" was a place to split at."""
    dialogue = Dialogue(FACTS)
    counts = []
    for dates in (5, 20, 60):
        readings.clear()
        days = " ".join(f"{day % 28 + 1} jan" for day in range(dates))
        dialogue.understand(DialogueState(id="c"), f"move {days} on on on 8 feb", WEDNESDAY)
        counts.append(len(readings))
    assert max(counts) <= 2 * SPLITS_MAX


def test_two_zones_share_one_budget(readings: list[int]) -> None:
    message = "move my appointment to Dr. Chen to 9 to 10 to 11. " * 6
    acts = Dialogue(FACTS).understand(DialogueState(id="c"), message, WEDNESDAY)
    assert len(readings) <= READINGS_MAX
    assert acts[0].unclear, "what was not read is asked about"


def test_a_message_is_split_at_a_handful_of_places() -> None:
    assert len(clauses("cancel it. " * 90)) == CLAUSES_MAX
    assert len(splits("move it to x" + " to x" * 200)) == SPLITS_MAX


@given(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=12))
def test_mixed_shapes_stay_within_the_budget(shapes: list[str]) -> None:
    read = 0

    class Counting(TimeReader):
        def _read(self, text: str) -> Reading:
            nonlocal read
            read += self.budget.left > 0
            return super()._read(text)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("chairside.chatbot.understanding.messages.TimeReader", Counting)
        Dialogue(FACTS).understand(DialogueState(id="c"), " ".join(shapes), WEDNESDAY)
    assert read <= READINGS_MAX


# --- patterns ----------------------------------------------------------------------------


def patterns(value: object) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from patterns(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from patterns(each)


def has_unbounded_repeat(tree: object) -> bool:
    """Whether a repeat without a bound may give back what it took; possessive ones do not."""
    if not isinstance(tree, parser.SubPattern | tuple | list):
        return False
    if isinstance(tree, tuple) and tree and tree[0] in (opcodes.MAX_REPEAT, opcodes.MIN_REPEAT):
        _, highest, repeated = tree[1]
        return highest == opcodes.MAXREPEAT or has_unbounded_repeat(repeated)
    return any(has_unbounded_repeat(each) for each in tree)


MODULES = [each.name for each in pkgutil.iter_modules(understanding.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_patterns_look_at_a_bounded_part_of_the_text(name: str) -> None:
    """So a search costs the same at each place, and the whole of it is linear."""
    module = importlib.import_module(f"{understanding.__name__}.{name}")
    for variable, value in vars(module).items():
        for pattern in patterns(value):
            assert not has_unbounded_repeat(parser.parse(pattern.pattern)), variable


def test_the_check_of_patterns_finds_what_it_looks_for() -> None:
    for wrong in (r"a+", r"(?:a|b*)c", r"(?=x.*)y", r"(?:(?:a{2}){3,})b", r"a*?b"):
        assert has_unbounded_repeat(parser.parse(wrong)), wrong
    for fine in (r"a{0,9}", r"(?>a{1,3})", r"a*+b", r"(?:a|b)?"):
        assert not has_unbounded_repeat(parser.parse(fine)), fine


# --- the event loop ----------------------------------------------------------------------


async def test_messages_are_understood_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    understand = Dialogue.understand

    def watched(self: Dialogue, *args: object) -> object:
        threads.append(threading.current_thread())
        return understand(self, *args)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(Dialogue, "understand", watched)
    await Talk().send("cleaning with Mara on Friday")
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
