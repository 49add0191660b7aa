"""One judge for gates whose evidence is read by different methods."""

import math
import re

import numpy as np
import pytest
from pydantic import TypeAdapter

from sluiceway.gates import (
    CanaryJudgement,
    Gate,
    Levels,
    Reason,
    Role,
    judge_canary,
    render,
)
from sluiceway.outcomes import Outcome
from sluiceway.statistics.metrics import METRICS, metric_named
from sluiceway.statistics.paired import paired_block_harms
from sluiceway.statistics.sequential import method_for
from sluiceway.statistics.unpaired import unpaired_rows

LEVELS = Levels()
JUDGEMENT = TypeAdapter(CanaryJudgement)


def gate_of(metric, margin=0.0, model="fraud", role=Role.REQUIRED, **policy):
    declared = {"paired": True, "independent_units": True, **policy}
    return Gate(
        model=model,
        metric=metric,
        field="chance",
        label="outcomes.fraud",
        role=role,
        margin=margin,
        evidence=method_for(metric_named(metric), **declared),
    )


def seen(gate, blocks):
    state = gate.evidence.begin(gate.margin)
    for block in blocks:
        state = state.enter(block)
    return gate, state


def rows_of(blocks=20, rows=200, worse=0.0, seed=0):
    """Labels and both arms' probabilities; the candidate answers `worse` of the rows wrongly."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, blocks * rows).astype(float)
    before = np.clip(0.25 + 0.5 * label + rng.uniform(-0.2, 0.2, label.size), 0, 1)
    spoilt = rng.random(label.size) < worse
    after = np.where(spoilt, 1 - before, np.clip(before + rng.normal(0, 0.01, label.size), 0, 1))
    block = np.repeat([f"{g:03d}" for g in range(blocks)], rows)
    return label, before, after, block


def family(worse):
    label, before, after, block = rows_of(worse=worse)
    half = np.random.default_rng(1).random(label.size) < 0.5
    answer = np.where(half, after, before)
    unpaired = gate_of("accuracy", model="live", paired=False)
    evidence = [
        seen(gate, paired_block_harms(METRICS[gate.metric], label, before, after, block))
        for gate in (
            gate_of("accuracy", 0.02),
            gate_of("brier", 0.01),
            gate_of("log_loss", 0.05, role=Role.GUARD),
        )
    ]
    blocks = unpaired_rows(METRICS["accuracy"], label, answer, block, np.ones(label.size), half)
    return [*evidence, seen(unpaired, blocks)]


def test_harm_is_seen_and_named_whatever_the_method():
    judged = judge_canary(family(worse=0.1), LEVELS)
    assert judged.crossed
    assert set(judged.blamed) == {
        "fraud.accuracy",
        "fraud.brier",
        "fraud.log_loss",
        "live.accuracy",
    }
    assert JUDGEMENT.validate_json(JUDGEMENT.dump_json(judged)) == judged


def test_a_harmless_candidate_passes_and_every_sentence_says_how_it_is_known():
    judged = judge_canary(family(worse=0.0), LEVELS)
    assert [one.outcome for one in judged.verdicts[:3]] == [Outcome.PASSED] * 3
    said = [render(one) for one in judged.verdicts]
    for sentence, method in zip(
        said,
        (
            "beta-mixture e-process on pairs",
            "betting e-process on pairs",
            "t-mixture e-process",
            "conditional e-process on events",
        ),
        strict=True,
    ):
        assert sentence.endswith(f"(20 days, 4,000 rows, {method})")
        assert "harm" in sentence
        assert "margin" in sentence


@pytest.mark.parametrize("slices", [1, 30])
def test_slices_are_members_of_the_family_as_guards(slices):
    """A slice that is harmed rolls back by itself, the more of them the more it has to show."""
    label, before, after, block = rows_of(worse=0.02, blocks=4)
    bad = gate_of("accuracy", model="slice_bad", role=Role.GUARD)
    evidence = [seen(bad, paired_block_harms(METRICS["accuracy"], label, before, after, block))]
    alone = judge_canary(evidence, LEVELS)
    evidence += [
        seen(gate_of("accuracy", model=f"slice_{k}", role=Role.GUARD), []) for k in range(slices)
    ]
    together = judge_canary(evidence, LEVELS)
    assert alone.crossed
    shared = math.log((math.exp(alone.family_log_e) + slices) / (slices + 1))
    assert together.family_log_e == pytest.approx(shared)


@pytest.mark.parametrize("metric", ["accuracy", "mae"])
@pytest.mark.parametrize(("lost", "of_all"), [(0.6, False), (0.06, False), (0.05, True)])
def test_labels_missing_for_one_arm_are_no_pass(metric, lost, of_all):
    """Few rows are the candidate's: among all, what it lacks is far below what is tolerated."""
    label, before, _, block = rows_of(blocks=60, rows=400)
    chosen = np.random.default_rng(2).random(label.size) < 0.1
    gone = np.random.default_rng(3).random(label.size) < lost
    missing = np.where(gone & (chosen | of_all), np.nan, label)
    gate = gate_of(metric, 0.2, paired=False)
    revision = np.ones(label.size)
    for known, passed in ((label, True), (missing, of_all)):
        blocks = unpaired_rows(METRICS[metric], known, before, block, revision, chosen)
        (verdict,) = judge_canary([seen(gate, blocks)], LEVELS).verdicts
        assert verdict.outcome is (Outcome.PASSED if passed else Outcome.INCONCLUSIVE)
    if not of_all:
        assert verdict.reason is Reason.LABELS_UNEQUAL
        told = r"\d+\.\d % of the candidate's rows have no label, 0\.0 % of the baseline's"
        assert re.search(told, render(verdict))


@pytest.mark.parametrize("arm", ["baseline", "candidate", "label"])
def test_a_class_that_nobody_declared_is_an_error_in_a_canary_too(arm):
    """The code 7 among three classes; a replay calls it an error too."""
    metric = metric_named("accuracy(classes=3)")
    columns = {name: np.tile([0.0, 1.0, 2.0], 40) for name in ("label", "baseline", "candidate")}
    block = np.repeat([f"{g:03d}" for g in range(12)], 10)
    gate = gate_of(metric.name, 0.2)
    sound = judge_canary([seen(gate, paired_block_harms(metric, *columns.values(), block))], LEVELS)
    columns[arm][5] = 7.0
    judged = judge_canary(
        [seen(gate, paired_block_harms(metric, *columns.values(), block))], LEVELS
    )
    assert sound.verdicts[0].outcome is Outcome.PASSED
    assert (judged.verdicts[0].outcome, judged.verdicts[0].faulty_rows) == (Outcome.ERROR, 1)
    assert judged.verdicts[0].reason is Reason.FAULTY_ROWS


@pytest.mark.parametrize(
    ("name", "columns"), [("brier(classes=3)", 3), ("log_loss(classes=3)", 3), ("mae", 2)]
)
def test_answers_of_several_columns_are_paired_too(name, columns):
    metric, rng = metric_named(name), np.random.default_rng(6)
    block = np.repeat([f"{g:03d}" for g in range(12)], 10)
    before, after = rng.dirichlet(np.ones(columns), (2, block.size))
    label = before.round() if columns == 2 else rng.integers(0, 3, block.size).astype(float)
    gate = gate_of(name, 0.2)
    harms = paired_block_harms(metric, label, before, after, block)
    sums = [
        metric.block_sums(label, arm, np.arange(120) // 10, tuple(np.unique(block).tolist()))
        for arm in (before, after)
    ]
    expected = metric.per_block(sums[1]) - metric.per_block(sums[0])
    np.testing.assert_allclose([one.harm for one in harms], expected)
    after[3, 0] = np.nan
    spoilt = paired_block_harms(metric, label, before, after, block)
    assert [one.faulty_rows for one in spoilt] == [1] + [0] * 11
    judged = judge_canary([seen(gate, spoilt)], LEVELS)
    assert judged.verdicts[0].reason is Reason.FAULTY_ROWS
