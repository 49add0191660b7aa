"""No positive verdict without sufficient finite evidence: more than 10,000 sets of it are judged.

Wild rows hardly ever pass or fail anything. So most sets are sound rows into which a few faults are
put, and what is sufficient is counted here from the rows, by other means than the judge's.
"""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sluiceway.gates import (
    CanaryJudgement,
    Comparison,
    Gate,
    Levels,
    Role,
    Verdict,
    judge_canary,
    judge_replay,
    render,
)
from sluiceway.outcomes import Outcome
from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.metrics import METRIC_NAMES, METRICS, Domain, Metric, metric_named
from sluiceway.statistics.paired import paired_block_harms
from sluiceway.statistics.sequential import (
    ArmLabels,
    BlockHarm,
    Evidence,
    Method,
    Stratum,
    method_for,
)
from sluiceway.statistics.two_way import TwoWayAccumulator
from sluiceway.statistics.unpaired import unpaired_rows

LEVELS = Levels()
VERDICT, JUDGEMENT = TypeAdapter(Verdict), TypeAdapter(CanaryJudgement)
PARAMETRISED = (
    "quantile_loss(quantile=0.9)",
    "expected_cost(miss=5, false_alarm=1, threshold=0.3)",
    "accuracy(classes=3)",
    "disagreement(tolerance=0.2)",
    "scorer(function=matthews_corrcoef, worse=lower, threshold=0.5)",
)
EVERY_METRIC = sorted({*METRICS, *PARAMETRISED})
NEED_MANY = ("latency_p95", "latency_p99", "latency_p50")
"""Quantiles, of which a block of a few rows says nothing."""


def test_all_metrics_are_among_those_below() -> None:
    assert {one.partition("(")[0] for one in EVERY_METRIC} == {
        one.partition("(")[0] for one in METRIC_NAMES
    }


@dataclass(frozen=True)
class Rows:
    """Rows of a few blocks, and which arm's consumers received what."""

    label: np.ndarray
    before: np.ndarray
    after: np.ndarray
    block: np.ndarray
    revision: np.ndarray
    chosen: np.ndarray
    unit: np.ndarray


FAULT = st.tuples(
    st.integers(0, 10_000),
    st.sampled_from(["label", "before", "after"]),
    st.sampled_from([math.nan, math.inf, -math.inf, 7.0, -1.0, 0.5, 1e300, 1e-300]),
)
SOME = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "blocks": st.sampled_from([14, 12, 13, 14, 10, 9, 12, 5, 1, 0]),
        "each": st.sampled_from([20, 6, 30, 6, 2, 1]),
        "worse": st.sampled_from([0.0, 0.6, 0.9, 0.0, 0.1, -0.2]),
        "kind": st.sampled_from(["mixed", "mixed", "mixed", "tied", "one class", "constant"]),
        "gone": st.sampled_from([0.0, 0.0, 0.0, 0.05, 0.3, 1.0]),
        "gone_candidate": st.sampled_from([None, None, 0.0, 0.4]),
        "weight": st.sampled_from([0.5, 0.5, 0.1, 0.0, 1.0]),
        "revisions": st.integers(1, 3),
        "faults": st.one_of(st.just([]), st.lists(FAULT, max_size=3)),
    }
)


def rows_of(metric: Metric, some: dict) -> Rows:  # type: ignore[type-arg]
    rng, count = np.random.default_rng(some["seed"]), some["blocks"] * some["each"]
    label = rng.integers(0, 2, count).astype(float)
    before = np.clip(0.2 + 0.6 * label + rng.uniform(-0.25, 0.25, count), 0, 1)
    spoilt = rng.random(count) < abs(some["worse"])
    after = np.clip(before + rng.normal(0, 0.02, count), 0, 1)
    if some["worse"] >= 0:
        after = np.where(spoilt, 1 - after, after)
    else:
        before = np.where(spoilt, 1 - before, before)
    if some["kind"] == "tied":
        before, after = np.full(count, 0.25), np.full(count, 0.25)
    elif some["kind"] == "one class":
        label = np.ones(count)
    elif some["kind"] == "constant":
        label, before, after = np.ones(count), np.ones(count), np.ones(count)
    if metric.answer_domain in (Domain.BINARY, Domain.CODE):
        before, after = np.round(before), np.round(after)
    chosen = rng.random(count) < some["weight"]
    gone = np.full(count, some["gone"])
    if some["gone_candidate"] is not None:
        gone[chosen] = some["gone_candidate"]
    label = np.where(rng.random(count) < gone, np.nan, label)
    columns = {"label": label, "before": before, "after": after}
    for row, column, value in some["faults"]:
        if count:
            columns[column][row % count] = value
    block = np.repeat([f"{g:03d}" for g in range(some["blocks"])], some["each"])
    order = rng.permutation(count)  # nothing is in order of time
    return Rows(
        block=block[order],
        revision=rng.integers(0, some["revisions"], count)[order],
        chosen=chosen[order],
        unit=rng.integers(0, max(count // 2, 1), count)[order],
        **{name: column[order] for name, column in columns.items()},
    )


def gate_of(metric: str, margin: float, **more: object) -> Gate:
    return Gate(
        model="m", metric=metric, field="f", label="t.l", role=Role.REQUIRED, margin=margin, **more
    )  # type: ignore[arg-type]


MARGIN = st.sampled_from([0.05, 0.5, 0.0, 0.02, 1e-9, 2.0, 1e6]) | st.floats(0, 1)


def usable(metric: Metric, rows: Rows, *answers: np.ndarray) -> np.ndarray:
    """Rows that are evidence of the metric: known, and in its domain; by hand."""

    def inside(domain: Domain, values: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return {
                Domain.ANY: np.ones(values.shape, dtype=bool),
                Domain.FINITE: np.isfinite(values),
                Domain.UNIT: (values >= 0) & (values <= 1),
                Domain.BINARY: np.isin(values, (0.0, 1.0)),
                Domain.CODE: np.isin(values, (0.0, 1.0, 2.0)),
            }[domain]

    found = np.ones(rows.label.shape, dtype=bool)
    for answer in answers:
        found &= inside(metric.answer_domain, answer)
    return found & inside(metric.label_domain, rows.label) if metric.needs_label else found


def check_said(verdict: Verdict) -> None:
    assert VERDICT.validate_json(VERDICT.dump_json(verdict)) == verdict
    said = render(verdict)
    assert said
    assert "nan" not in said.replace("NaN", "")


def check_harm(verdict: Verdict) -> None:
    """What passed is known to be below its margin, what failed to be above it."""
    assert verdict.estimate is not None
    harm, margin = verdict.estimate.harm, verdict.gate.margin
    if verdict.outcome is Outcome.PASSED:
        assert verdict.estimate.high is not None
        assert harm <= verdict.estimate.high
        assert verdict.estimate.high <= margin + 1e-6 * max(margin, abs(harm), 1e-300)
    else:
        assert harm > margin


def test_no_replay_passes_or_fails_without_sufficient_finite_evidence() -> None:
    said: Counter[Outcome] = Counter()

    @settings(max_examples=4_000)
    @given(
        name=st.sampled_from(EVERY_METRIC),
        margin=MARGIN,
        some=SOME,
        two_way=st.booleans(),
        weights=st.sampled_from([None, None, 0.0, 1.0]),
        other_rows=st.sampled_from([False] * 9 + [True]),
    )
    def judged(name, margin, some, two_way, weights, other_rows):  # type: ignore[no-untyped-def]
        metric = metric_named(name)
        rows = rows_of(metric, some)
        # A foreign function is called twice for every pair of a block and a unit.
        two_way &= not name.startswith("scorer") or rows.label.size <= 30
        sums, weighted = [], weights is not None and metric.weighable and not two_way
        for arm, answer in enumerate((rows.before, rows.after)):
            label = rows.label.copy()
            if other_rows and arm and label.size:
                label[0] = 0.0 if math.isnan(label[0]) else math.nan
            other = rows.before if metric.paired else None
            if two_way:
                by_unit = TwoWayAccumulator(metric)
                by_unit.add(label, answer, rows.block, rows.unit, reference=other)
                sums.append(by_unit.finish())
            else:
                by_block = MetricAccumulator(metric)
                mass = np.full(label.size, weights) if weighted else None
                by_block.add(label, answer, rows.block, reference=other, weight=mass)
                sums.append(by_block.finish())
        verdict = judge_replay(gate_of(name, margin), *sums, LEVELS, 3)
        said[verdict.outcome] += 1
        check_said(verdict)
        if verdict.outcome not in (Outcome.PASSED, Outcome.FAILED):
            return
        check_harm(verdict)
        assert not (weighted and weights == 0)
        assert not (other_rows and metric.needs_label)
        known = usable(metric, rows, rows.before, rows.after)
        missing = np.isnan(rows.label) if metric.needs_label else np.zeros(known.size, dtype=bool)
        assert (known | missing).all()
        assert len(set(rows.block[known])) >= LEVELS.min_blocks
        if verdict.outcome is Outcome.PASSED:
            assert missing.mean() <= LEVELS.unlabelled_limit
            assert verdict.estimate.high < margin  # not even where nothing differs at all

    judged()
    assert said.total() >= 4_000
    assert min(said[one] for one in Outcome) >= 100


def paired_or_not(rows: Rows, metric: Metric, gate: Gate) -> list[BlockHarm]:
    """As a look reads them: pairs, own units, or pairs where a block has some."""
    if gate.comparison is Comparison.PAIRED:
        return list(paired_block_harms(metric, rows.label, rows.before, rows.after, rows.block))
    answer = np.where(rows.chosen, rows.after, rows.before)
    own = unpaired_rows(metric, rows.label, answer, rows.block, rows.revision, rows.chosen)
    if gate.comparison is Comparison.UNPAIRED:
        return list(own)
    even = np.asarray([int(block) % 2 == 0 for block in rows.block], dtype=bool)
    pairs = paired_block_harms(
        metric, rows.label[even], rows.before[even], rows.after[even], rows.block[even]
    )
    found = {one.block: one for one in own} | {one.block: one for one in pairs}
    return [found[block] for block in sorted(found)]


def test_no_canary_passes_or_fails_without_sufficient_finite_evidence() -> None:
    said: Counter[Outcome] = Counter()
    methods: Counter[Method] = Counter()

    @settings(max_examples=5_000)
    @given(
        name=st.sampled_from([one for one in EVERY_METRIC if one not in NEED_MANY]),
        margin=MARGIN,
        some=SOME,
        comparison=st.sampled_from(Comparison),
        independent=st.booleans(),
    )
    def judged(name, margin, some, comparison, independent):  # type: ignore[no-untyped-def]
        metric = metric_named(name)
        rows = rows_of(metric, some)
        if metric.paired:
            comparison = Comparison.PAIRED
        independent &= comparison is not Comparison.PAIRED_ELSE_UNPAIRED
        evidence = method_for(
            metric,
            paired=comparison is not Comparison.UNPAIRED,
            independent_units=independent,
        )
        gate = gate_of(name, margin, evidence=evidence, comparison=comparison)
        state = evidence.begin(margin)
        harms = paired_or_not(rows, metric, gate)
        for block in harms:
            state = state.enter(block)
        judgement = judge_canary([(gate, state)], LEVELS)
        assert JUDGEMENT.validate_json(JUDGEMENT.dump_json(judgement)) == judgement
        (verdict,) = judgement.verdicts
        said[verdict.outcome] += 1
        methods[evidence.method] += verdict.outcome is Outcome.PASSED
        check_said(verdict)
        if verdict.outcome not in (Outcome.PASSED, Outcome.FAILED):
            return
        answered = (rows.before, rows.after)
        if comparison is Comparison.UNPAIRED:
            answered = (np.where(rows.chosen, rows.after, rows.before),)
        if comparison is not Comparison.PAIRED_ELSE_UNPAIRED:
            known = usable(metric, rows, *answered)
            missing = ~known & np.isnan(rows.label) & metric.needs_label
            blocks = set(rows.block[known])
            if comparison is Comparison.UNPAIRED:
                strata = list(zip(rows.block, rows.revision, strict=True))
                sides = [
                    {
                        one
                        for one, k, c in zip(strata, known, rows.chosen, strict=True)
                        if k and c is side
                    }
                    for side in (np.True_, np.False_)
                ]
                blocks = {block for block, _ in sides[0] & sides[1]}
            if verdict.outcome is Outcome.PASSED:
                assert (known | missing).all()
                assert len(blocks) >= LEVELS.min_blocks
                assert missing.sum() <= LEVELS.unlabelled_limit * missing.size
                if comparison is Comparison.UNPAIRED:
                    for arm in (rows.chosen, ~rows.chosen):
                        assert missing[arm].mean() <= LEVELS.unlabelled_limit
            assert blocks
        assert state.mean < margin if verdict.outcome is Outcome.PASSED else state.mean > margin

    judged()
    assert said.total() >= 5_000
    assert min(said[one] for one in Outcome) >= 100
    assert min(methods[one] for one in Method) >= 3


COUNT = st.integers(-1, 30)
STRATUM = st.builds(
    Stratum,
    baseline_units=COUNT,
    candidate_units=COUNT,
    baseline_events=COUNT,
    candidate_events=COUNT,
)
NUMBER = st.floats() | st.sampled_from([-1.0, 0.0, -0.3, 0.3])
BLOCK = st.fixed_dictionaries(
    {
        "harm": st.none() | NUMBER,
        "rows": st.integers(0, 40),
        "unlabelled": st.sampled_from([0, 0, 0, 2, 50]),
        "faulty_rows": st.sampled_from([0] * 20 + [1]),
        "counts": st.none() | st.tuples(COUNT, COUNT),
        "differences": st.none() | st.lists(NUMBER, max_size=6),
        "strata": st.none() | st.lists(STRATUM, max_size=3),
        "arms": st.none()
        | st.builds(ArmLabels, **dict.fromkeys(
            ("baseline", "candidate", "baseline_missing", "candidate_missing"), st.integers(0, 40)
        )),
    }
)  # fmt: skip


@settings(max_examples=1_500)
@given(method=st.sampled_from(Method), margin=MARGIN, blocks=st.lists(BLOCK, max_size=20))
def test_no_method_passes_what_blocks_can_say_of_anything(method, margin, blocks) -> None:  # type: ignore[no-untyped-def]
    """Whatever a block claims, counts that cannot be among it too."""
    evidence = Evidence(method=method)
    state = evidence.begin(margin)
    for place, block in enumerate(blocks):
        counts = block["counts"] or (None, None)
        strata, differences = block["strata"], block["differences"]
        said = BlockHarm(
            block=f"{place:03d}",
            harm=block["harm"],
            baseline=0.0,
            candidate=block["harm"],
            rows=block["rows"],
            unlabelled=block["unlabelled"],
            faulty_rows=block["faulty_rows"],
            better=counts[0],
            worse=counts[1],
            differences=None if differences is None else np.asarray(differences, dtype=float),
            strata=None if strata is None else tuple(strata),
            arms=block["arms"],
        )
        state = state.enter(said)
        with pytest.raises(Exception, match="a block counts once"):
            state.enter(said)
    judgement = judge_canary([(gate_of("mae", margin, evidence=evidence), state)], LEVELS)
    assert JUDGEMENT.validate_json(JUDGEMENT.dump_json(judgement)) == judgement
    (verdict,) = judgement.verdicts
    check_said(verdict)
    if verdict.outcome is Outcome.PASSED:
        harms = [one["harm"] for one in blocks if one["harm"] is not None]
        assert len(harms) >= LEVELS.min_blocks
        assert all(map(math.isfinite, harms))
        assert not any(one["faulty_rows"] for one in blocks)
        assert state.mean < margin
