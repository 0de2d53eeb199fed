"""Each safeguard is missed: without it, a seed violates an invariant. Failures are explained."""

import pytest

from tests.simulation.ablations import ABLATIONS, Ablation
from tests.simulation.story import as_text, shrunk
from tests.simulation.world import simulate
from tests.support.commandline import ROOT


@pytest.mark.parametrize("ablation", ABLATIONS, ids=lambda each: each.safeguard)
def test_a_safeguard_that_is_off_is_noticed(ablation: Ablation) -> None:
    violation = simulate(str(ablation.seed), patches=ablation.patch).violation
    assert violation is not None
    assert violation.invariant == ablation.invariant


def test_the_table_in_the_documentation_is_that_of_the_tests() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    for each in ABLATIONS:
        assert each.row in page, each.safeguard


def test_a_failing_seed_is_told_as_a_short_story() -> None:
    ablation = next(each for each in ABLATIONS if each.safeguard == "outbox in the transaction")
    failed = simulate(str(ablation.seed), patches=ablation.patch)
    story = shrunk(failed, patches=ablation.patch)
    assert story.violation is not None
    assert story.violation.invariant == ablation.invariant
    assert len(story.plan.numbers) <= 2 < len(failed.plan.numbers)
    assert as_text(story).count("\n") <= 3
