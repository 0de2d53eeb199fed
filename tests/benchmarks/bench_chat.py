"""Processor time that one message costs the chatbot, by its shape.

Run by hand: ``python -m tests.benchmarks.bench_chat``.
"""

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from time import process_time

from chairside.chatbot.clinic import Facts, Practitioner
from chairside.chatbot.understanding.messages import understand
from chairside.chatbot.understanding.normalize import MESSAGE_MAX_CHARS
from chairside.chatbot.understanding.when_words import READINGS_MAX, Budget
from tests.support.hostile import SHAPES, of_length
from tests.unit.chatbot.test_sentences import SENTENCES
from tests.unit.chatbot.world import FACTS, local

ROUNDS = 5
SHOWN = 8
LARGE = replace(
    FACTS,
    dentists=tuple(
        Practitioner(
            id=f"d{number}",
            name=f"Dr. {chr(97 + number % 26) * 3}{number}na Okonkw{chr(97 + number // 26)}",
            time_zone="Europe/Berlin",
        )
        for number in range(500)
    ),
)


def milliseconds(run: Callable[[], object]) -> float:
    took = []
    for _ in range(ROUNDS):
        began = process_time()
        run()
        took.append((process_time() - began) * 1000)
    return median(took)


def cost(message: str, facts: Facts) -> tuple[float, int]:
    """Milliseconds of processor time, and readings."""
    budget = Budget()
    understand(message, facts, local(), budget=budget)
    spent = milliseconds(lambda: understand(message, facts, local()))
    return spent, min(READINGS_MAX - budget.left, READINGS_MAX)


def main() -> None:
    usual = [cost(sentence, FACTS)[0] for sentence, _ in SENTENCES]
    print(f"ordinary sentences: median {median(usual):.2f} ms, highest {max(usual):.2f} ms")
    for name, facts in (("3 dentists", FACTS), ("500 dentists", LARGE)):
        costs = {shape: cost(of_length(shape, MESSAGE_MAX_CHARS), facts) for shape in SHAPES}
        worst = sorted(costs.items(), key=lambda each: -each[1][0])
        print(f"\n{MESSAGE_MAX_CHARS} characters, {name}: the {SHOWN} most expensive shapes")
        for shape, (spent, read) in worst[:SHOWN]:
            print(f"  {spent:6.1f} ms  {read:2} readings  {shape!r}")
        growth = cost(of_length(worst[0][0], MESSAGE_MAX_CHARS // 2), facts)[0]
        print(f"  half the length of the first: {growth:.1f} ms")


if __name__ == "__main__":
    main()
