"""Recorded blocks as a canary would read them: pairs that differ, and each arm's own units."""

from dataclasses import replace

import numpy as np
import pytest

from sluiceway.gates import Comparison, Gate, Role
from sluiceway.planning import recorded_harms
from sluiceway.replay import Arm, Evaluator, measure
from sluiceway.replay.scattering import SALT, ScatterMeter
from sluiceway.routing import in_canary
from tests.replay import diamond

ARMS = (
    Arm(name="baseline", release=diamond.release()),
    Arm(name="candidate", release=diamond.release(demand="2")),
)


def gate(metric: str, comparison: Comparison) -> Gate:
    return Gate(
        model="demand",
        metric=metric,
        field="units",
        label="outcomes.units",
        role=Role.REQUIRED,
        margin=0.1,
        comparison=comparison,
    )


def recorded(folder, part, gates):
    evaluator = Evaluator(
        diamond.shop(folder),
        ARMS,
        baseline="baseline",
        predictors=diamond.predictors(),
        transformations=diamond.TRANSFORMATIONS,
    )
    meter = ScatterMeter(gates, ("baseline", "candidate"))
    sums = measure(gates, evaluator, [part], on_partition=meter.add)
    return recorded_harms(gates, sums["baseline"], sums["candidate"], meter.finish())


def test_own_units_of_two_halves_are_what_one_would_compute_by_hand(tmp_path):
    part = diamond.partition(rows=400)
    own = gate("mae", Comparison.UNPAIRED)
    found = recorded(tmp_path, part, [own])
    answer = part.columns["visits.clicks"] + part.columns["goods.weight"]
    label = part.labels["outcomes.units"]
    chosen = in_canary(SALT, map(str, part.units), 50)
    expected = []
    for code in range(20):
        here = part.block_codes == code
        after = np.abs(answer + 5.0 - label)[here & chosen].mean()
        expected.append(after - np.abs(answer - label)[here & ~chosen].mean())
    assert found.halves == (own.name,)
    assert found.harms[own.name] == pytest.approx(expected)
    assert found.losses == {}


def test_pairs_that_differ_are_counted_in_each_block(tmp_path):
    part = diamond.partition(rows=400)
    label = (np.arange(400) % 3 == 0).astype(float)
    part = replace(part, labels={"outcomes.units": label})
    pairs = gate("accuracy(threshold=20)", Comparison.PAIRED)
    found = recorded(tmp_path, part, [pairs])
    answer = part.columns["visits.clicks"] + part.columns["goods.weight"]
    turned = (answer > 20) != (answer + 5.0 > 20)
    expected = [turned[part.block_codes == code].mean() for code in range(20)]
    assert found.losses[pairs.name] == pytest.approx(expected)
    assert found.halves == ()


def test_other_gates_leave_nothing_more_than_their_harms(tmp_path):
    found = recorded(tmp_path, diamond.partition(), [gate("mae", Comparison.PAIRED)])
    assert (found.losses, found.halves) == ({}, ())
