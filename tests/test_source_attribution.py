"""With no model changed, the source that is broken is named, over those that drift harmlessly."""

from dataclasses import replace

import numpy as np
import pytest

from sluiceway.attribution import SourceArm, Undecided, attribute_sources, find_source
from sluiceway.gates import Gate, Role
from sluiceway.replay import Evaluator, measure
from sluiceway.replay.evaluate import Arm
from sluiceway.replay.replacing import ReferenceRows, Treatment, replaced
from tests.replay import diamond

GATE = Gate(
    model="refund",
    metric="mae",
    field="units",
    label="truth.refund",
    role=Role.REQUIRED,
    margin=1.5,
    unit="units",
)
COLUMNS = ["visits.clicks", "goods.weight"]


def window(seed, *, rows=3000, blocks=25, drift=0.0):
    part = diamond.partition(rows, blocks=blocks, seed=seed)
    clicks = part.columns["visits.clicks"] + drift
    weight = part.columns["goods.weight"]
    noise = np.random.default_rng(seed + 100).normal(0, 3, rows)
    truth = 3 * (clicks + weight) + clicks / 2 + noise
    return replace(
        part,
        columns={**part.columns, "visits.clicks": clicks},
        labels={"truth.refund": truth},
    )


def named(tmp_path, live, *, blocks=25, **more):
    evaluator = Evaluator(
        diamond.shop(tmp_path),
        [Arm(name="champion", release=diamond.release())],
        baseline="champion",
        predictors=diamond.predictors(),
        transformations=diamond.TRANSFORMATIONS,
    )
    past = window(1, blocks=blocks)
    reference = ReferenceRows.of([past], COLUMNS)

    def measured(some):
        sums = [
            measure([GATE], evaluator, [replaced(part, some, reference)])["champion"]
            for part in (live, past)
        ]
        return SourceArm(replaced=some, live=sums[0], recorded=sums[1])

    return find_source([GATE], ["goods", "visits"], measured, **more)


def broken(part, told):
    weight = part.columns["goods.weight"]
    return replace(part, columns={**part.columns, "goods.weight": told(weight)})


def test_a_slip_of_scale_is_named_and_said_to_be_one(tmp_path):
    found = named(tmp_path, broken(window(2, drift=3.0), lambda weight: weight * 3))
    assert (found.sources, found.treatments) == (("goods",), (Treatment.MATCHED,))
    assert found.sentence.startswith("The source goods has the wrong level or scale")


@pytest.mark.parametrize(
    "told", [lambda w: np.full(len(w), 9.0), lambda w: np.random.default_rng(0).permutation(w)]
)
def test_a_feed_that_says_nothing_of_its_rows_is_named_over_a_drifting_one(tmp_path, told):
    """Clicks matter far more: exchanging them hides other harm, and they are still heard."""
    found = named(tmp_path, broken(window(2, drift=3.0), told))
    assert (found.sources, found.treatments) == (("goods",), (Treatment.DRAWN,))
    heard = {one.sources: one.heard for one in found.replacements if len(one.sources) == 1}
    assert heard["goods",] < 0.2
    assert heard["visits",] > 0.7


def test_harm_of_no_source_is_blamed_on_none(tmp_path):
    """The labels themselves turned noisier."""
    live = window(2)
    noise = np.random.default_rng(9).normal(0, 12, live.rows)
    live = replace(live, labels={"truth.refund": live.labels["truth.refund"] + noise})
    found = named(tmp_path, live)
    assert (found.sources, found.undecided) == ((), Undecided.NOTHING_SUFFICES)
    assert len(found.harmed) == 1


def test_a_source_that_does_not_differ_is_never_named(tmp_path):
    live = broken(window(2), lambda weight: weight * 3)
    found = named(tmp_path, live, differing=["visits"])
    assert found.sources == ()


def test_a_live_chain_without_harm_or_with_one_block_names_nobody(tmp_path):
    assert named(tmp_path, window(2, drift=3.0)).undecided is Undecided.NO_HARM
    single = broken(window(2, blocks=1), lambda weight: weight * 3)
    found = named(tmp_path, single)
    assert (found.sources, found.undecided) == ((), Undecided.TOO_FEW_BLOCKS)


def test_arms_of_different_rows_are_refused(tmp_path):
    plain = measure(
        [GATE],
        Evaluator(
            diamond.shop(tmp_path),
            [Arm(name="champion", release=diamond.release())],
            baseline="champion",
            predictors=diamond.predictors(),
            transformations=diamond.TRANSFORMATIONS,
        ),
        [window(1)],
    )["champion"]
    other = {name: replace(one, rows=one.rows + 1) for name, one in plain.items()}
    first = SourceArm(replaced=(), live=plain, recorded=plain)
    strange = SourceArm(replaced=(("goods", Treatment.DRAWN),), live=other, recorded=plain)
    with pytest.raises(ValueError, match="not all arms hold the same live rows"):
        attribute_sources([GATE], [first, strange])
