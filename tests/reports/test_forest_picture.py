"""The picture of harms says why a harm that is drawn decides nothing, and how far it lies."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from sluiceway.gates import Gate, HarmEstimate, Reason, Role, Verdict
from sluiceway.outcomes import Outcome
from sluiceway.reports.forest_picture import draw_forest

GATE = Gate(
    model="arr_delay",
    metric="mae",
    field="minutes",
    label="landings.arr_delay",
    role=Role.REQUIRED,
    margin=0.2,
    unit="min",
)


def verdict(reason: Reason, outcome: Outcome, harm: float = 0.01, width: float = 0.02) -> Verdict:
    estimate = HarmEstimate(
        harm=harm,
        standard_error=width / 2,
        low=harm - width,
        high=harm + width,
        baseline=20.0,
        candidate=20.0 + harm,
        rows=900,
        blocks=30,
        method="paired delete-a-day jackknife",
    )
    return Verdict(
        gate=GATE,
        outcome=outcome,
        reason=reason,
        estimate=estimate,
        alpha=0.05,
        rollback_alpha=0.05,
        family_size=1,
    )


def texts(*verdicts: Verdict) -> set[str]:
    drawn = draw_forest("shadow", verdicts, "Harm in shadow")
    return {text.strip() for text in ElementTree.fromstring(drawn).itertext()}


@pytest.mark.parametrize(
    ("reason", "outcome", "said"),
    [
        (Reason.TOO_FEW_BLOCKS, Outcome.INCONCLUSIVE, "min, too few blocks"),
        (Reason.LABELS_MISSING, Outcome.INCONCLUSIVE, "min, labels missing"),
        (Reason.SHADOW_STALE, Outcome.INCONCLUSIVE, "min, shadow stale"),
        (Reason.FAULTY_ROWS, Outcome.ERROR, "min, faulty rows"),
        (Reason.MARGIN_NOT_EXCLUDED, Outcome.INCONCLUSIVE, "min"),
        (Reason.WITHIN_MARGIN, Outcome.PASSED, "min"),
    ],
)
def test_a_harm_below_the_margin_that_does_not_pass_says_why(
    reason: Reason, outcome: Outcome, said: str
) -> None:
    assert said in texts(verdict(reason, outcome))


def test_a_harm_beyond_the_axis_is_told_in_margins_whatever_its_interval_spans() -> None:
    """One lies wholly beyond, the other's interval reaches to the far side of the margin."""
    far = verdict(Reason.HARM_BEYOND_MARGIN, Outcome.FAILED, harm=20.0, width=1.0)
    wide = verdict(Reason.MARGIN_NOT_EXCLUDED, Outcome.INCONCLUSIVE, harm=40.0, width=90.0)
    assert "100 × margin" in texts(far)
    assert "200 × margin" in texts(wide)


def test_without_an_estimate_the_reason_stands_alone() -> None:
    nothing = replace(verdict(Reason.NO_EVIDENCE, Outcome.INCONCLUSIVE), estimate=None)
    assert "no evidence" in texts(nothing)
