"""Gates: fail closed, blind to the unit, wrong as often as the plan says and no more."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sluiceway.errors import BadInput
from sluiceway.gates import (
    CanaryJudgement,
    Gate,
    HarmEstimate,
    Levels,
    Reason,
    Role,
    Verdict,
    combine,
    judge_canary,
    judge_replay,
    render,
)
from sluiceway.outcomes import Outcome
from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.metrics import METRICS, Domain, metric_named
from sluiceway.statistics.sequential import BlockHarm, SequentialHarm

LEVELS = Levels()
VERDICT = TypeAdapter(Verdict)


def gate_of(metric="mae", margin=0.2, role=Role.REQUIRED, unit="min", model="arr_delay", **more):
    return Gate(
        model=model,
        metric=metric,
        field="minutes",
        label="landings.arr_delay",
        role=role,
        margin=margin,
        unit=unit,
        **more,
    )


def sums_of(metric, label, answer, block, reference=None):
    collected = MetricAccumulator(metric_named(metric))
    collected.add(label, answer, block, reference=reference)
    return collected.finish()


def arms_of(metric, label, before, after, block):
    """Sums of both arms; a paired metric compares the candidate with the baseline."""
    reference = before if metric_named(metric).paired else None
    return sums_of(metric, label, before, block), sums_of(metric, label, after, block, reference)


def replay(gate, harm_per_block, rows=20, scale=1.0, levels=LEVELS, family_size=1):
    """A paired replay whose daily MAE harm is as given, over a baseline error of about 10."""
    harms = np.asarray(harm_per_block, dtype=float)
    block = np.repeat([f"{g:04d}" for g in range(harms.size)], rows)
    label = np.zeros(block.size)
    before = 10 + np.random.default_rng(3).uniform(-1, 1, block.size)
    after = before + np.repeat(harms, rows)
    arms = (sums_of("mae", label * scale, arm * scale, block) for arm in (before, after))
    return judge_replay(gate, *arms, levels, family_size)


def state_of(harms, **more):
    state = SequentialHarm(**more)
    for place, harm in enumerate(harms):
        block = BlockHarm(
            block=f"{place:04d}", harm=harm, baseline=10.0, candidate=10.0 + harm, rows=20
        )
        state = state.enter(block)
    return state


NOISE = np.random.default_rng(8).normal(0, 0.2, 40)
HARMFUL, HARMLESS = (NOISE + 2.0).tolist(), (NOISE - 0.3).tolist()


def test_replay_passes_below_the_margin_and_fails_above_it():
    passed, failed = replay(gate_of(), HARMLESS), replay(gate_of(), HARMFUL)
    assert (passed.outcome, passed.reason) == (Outcome.PASSED, Reason.WITHIN_MARGIN)
    assert (failed.outcome, failed.reason) == (Outcome.FAILED, Reason.HARM_BEYOND_MARGIN)
    assert failed.estimate.harm == pytest.approx(2 + NOISE.mean())
    assert failed.rollback_low > 0.2


def test_absence_of_significance_is_never_a_pass():
    verdict = replay(gate_of(), (NOISE * 20).tolist())
    assert (verdict.outcome, verdict.reason) == (
        Outcome.INCONCLUSIVE,
        Reason.MARGIN_NOT_EXCLUDED,
    )
    assert verdict.estimate.low < 0 < verdict.estimate.high


def test_fewer_than_ten_blocks_neither_pass_nor_fail_a_replay():
    for harms in (HARMFUL[:9], HARMLESS[:9]):
        verdict = replay(gate_of(), harms)
        assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, Reason.TOO_FEW_BLOCKS)
        assert (verdict.blocks, verdict.blocks_needed) == (9, 10)


def test_the_rollback_level_is_shared_by_the_family_and_by_looks():
    harms = (NOISE - NOISE.mean() + 0.28).tolist()  # 2.5 standard errors beyond the margin
    assert replay(gate_of(), harms).outcome is Outcome.FAILED
    in_family = replay(gate_of(), harms, family_size=1000)
    assert in_family.outcome is Outcome.INCONCLUSIVE
    assert in_family.rollback_alpha == pytest.approx(0.05 / 1000)
    sums = sums_of("mae", [0.0] * 12, [1.0] * 12, range(12))
    twice = judge_replay(gate_of(), sums, sums, LEVELS, 4, looks=2)
    assert (twice.alpha, twice.rollback_alpha) == (0.025, 0.05 / 8)


def test_identical_arms_pass_a_positive_margin_and_cannot_tell_at_margin_zero():
    assert replay(gate_of(margin=0.2), [0.0] * 10).outcome is Outcome.PASSED
    nothing = replay(gate_of(margin=0.0), [0.0] * 10)
    assert (nothing.outcome, nothing.reason) == (Outcome.INCONCLUSIVE, Reason.MARGIN_NOT_EXCLUDED)
    assert nothing.estimate.standard_error == 0.0


BLOCKS = [f"{g:02d}" for g in range(12)]
GOOD = np.linspace(0.1, 0.9, 12)
TRUTH = np.array([0.0, 1.0] * 6)
ANSWERS, LABELS = Reason.ANSWERS_OUT_OF_DOMAIN, Reason.LABELS_OUT_OF_DOMAIN
MCC = "scorer(function=matthews_corrcoef, worse=lower, threshold=0.5)"
AUC = "scorer(function=roc_auc_score, worse=lower)"


@pytest.mark.parametrize(
    ("metric", "label", "before", "after", "outcome", "reason", "arm"),
    [
        ("mae", TRUTH, GOOD, np.where(TRUTH, np.nan, GOOD), "error", ANSWERS, "candidate"),
        ("mae", TRUTH, np.where(TRUTH, np.inf, GOOD), GOOD, "error", ANSWERS, "baseline"),
        ("mae", np.where(TRUTH, np.inf, 0), GOOD, GOOD, "error", LABELS, "both"),
        ("brier", TRUTH * 2, GOOD, GOOD, "error", LABELS, "both"),
        ("brier", TRUTH, GOOD, GOOD + 1, "error", ANSWERS, "candidate"),
        ("mae", TRUTH, GOOD, GOOD * np.inf, "error", ANSWERS, "candidate"),
        ("rmse", TRUTH, GOOD, GOOD * 1e200, "error", "not_finite", None),
        ("bias", TRUTH, GOOD, np.where(TRUTH, 1.7e308, -1.7e308), "inconclusive", None, None),
        ("roc_auc", TRUTH * 0, GOOD, GOOD, "inconclusive", "metric_undefined", None),
        ("roc_auc", (GOOD > 0.89) * 1.0, GOOD, GOOD, "inconclusive", "metric_undefined", None),
        ("mae", np.where(TRUTH, np.nan, 0), GOOD, GOOD, "inconclusive", None, None),
        ("mae", TRUTH * np.nan, GOOD, GOOD, "inconclusive", "no_evidence", None),
        ("r2", TRUTH, GOOD, GOOD * 1e200, "error", "not_finite", None),
        ("r2", TRUTH * 0 + 0.1, GOOD, GOOD, "inconclusive", "metric_undefined", None),
        ("precision", TRUTH, GOOD, GOOD * 0, "inconclusive", "metric_undefined", None),
        ("recall", TRUTH * 0, GOOD, GOOD, "inconclusive", "metric_undefined", None),
        ("balanced_accuracy", TRUTH * 0, GOOD, GOOD, "inconclusive", "metric_undefined", None),
        ("f1", (GOOD > 0.89) * 1.0, GOOD * 0, GOOD * 0, "inconclusive", "metric_undefined", None),
        ("calibration_slope", TRUTH, GOOD, GOOD * 0, "inconclusive", "metric_undefined", None),
        ("accuracy(classes=4)", TRUTH, TRUTH, TRUTH + 3, "error", ANSWERS, "candidate"),
        ("accuracy(classes=4)", TRUTH * 4, TRUTH, TRUTH, "error", LABELS, "both"),
        ("decision_flips", TRUTH, np.where(TRUTH, np.nan, GOOD), GOOD, "error", ANSWERS, "both"),
        ("disagreement", TRUTH, GOOD, GOOD + np.inf, "error", ANSWERS, "candidate"),
        ("error_rate", TRUTH, TRUTH, GOOD, "error", ANSWERS, "candidate"),
        (MCC, TRUTH, GOOD, np.where(TRUTH, np.nan, GOOD), "error", ANSWERS, "candidate"),
        (AUC, TRUTH * 0, GOOD, GOOD, "inconclusive", "metric_undefined", None),
    ],
)  # fmt: skip
def test_bad_evidence_gets_a_typed_reason(metric, label, before, after, outcome, reason, arm):
    arms = arms_of(metric, label, before, after, BLOCKS)
    verdict = judge_replay(gate_of(metric, margin=0.5), *arms, LEVELS, 1)
    assert verdict.outcome == outcome
    assert reason is None or verdict.reason == reason
    assert verdict.faulty_arm == arm
    assert VERDICT.validate_json(VERDICT.dump_json(verdict)) == verdict
    assert "nan" not in render(verdict).replace("NaN", "")


def test_a_label_that_is_none_is_counted_once_and_not_for_each_arm():
    arms = arms_of("brier", np.where(GOOD < 0.2, 7.0, TRUTH), GOOD, GOOD, BLOCKS)
    verdict = judge_replay(gate_of("brier"), *arms, LEVELS, 1)
    assert (verdict.reason, verdict.faulty_rows) == (LABELS, 2)
    assert "labels of 2 rows are not what brier needs" in render(verdict)


def test_arms_over_different_rows_are_an_error():
    arms = [sums_of("mae", GOOD[:k], GOOD[:k], BLOCKS[:k]) for k in (12, 11)]
    assert judge_replay(gate_of(), *arms, LEVELS, 1).reason is Reason.NOT_PAIRED


def test_evidence_of_another_metric_is_an_error():
    sums = sums_of("rmse", GOOD, GOOD, BLOCKS)
    assert judge_replay(gate_of("mae"), sums, sums, LEVELS, 1).reason is Reason.WRONG_METRIC


def test_many_missing_labels_are_never_a_pass():
    label = np.tile(GOOD, 10)
    label[:30] = np.nan
    sums = sums_of("mae", label, np.tile(GOOD, 10), np.tile(BLOCKS, 10))
    verdict = judge_replay(gate_of(), sums, sums, LEVELS, 1)
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, Reason.LABELS_MISSING)
    assert render(verdict).startswith("arr_delay.mae: harm")
    assert "30 of 120 rows have no label" in render(verdict)


def test_harm_exactly_at_the_margin_passes_at_most_alpha():
    rng, sims = np.random.default_rng(21), 400
    passed = sum(
        replay(gate_of(), rng.normal(0.2, 0.3, 15), rows=2).outcome is Outcome.PASSED
        for _ in range(sims)
    )
    assert passed / sims <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / sims)


@given(
    harms=st.lists(st.integers(-30, 30), min_size=3, max_size=25),
    power=st.integers(-6, 6),
    margin=st.integers(0, 20),
)
def test_verdicts_do_not_depend_on_the_unit(harms, power, margin):
    scale = 10.0**power
    daily = [harm / 10 + 0.013 for harm in harms]  # never exactly on a margin
    plain, scaled = gate_of(margin=margin / 10), gate_of(margin=margin / 10 * scale)
    assert replay(plain, daily).outcome is replay(scaled, daily, scale=scale).outcome
    judged = [
        judge_canary([(gate, state_of([harm * by for harm in daily]))], LEVELS)
        for gate, by in ((plain, 1.0), (scaled, scale))
    ]
    assert judged[0].verdicts[0].outcome is judged[1].verdicts[0].outcome
    assert judged[0].family_log_e == pytest.approx(judged[1].family_log_e, rel=1e-9, abs=1e-9)


def test_canary_passes_and_fails_on_sequential_evidence():
    bad, good = gate_of(), gate_of("rmse")
    judged = judge_canary([(bad, state_of(HARMFUL[:12])), (good, state_of(HARMLESS[:12]))], LEVELS)
    assert [one.outcome for one in judged.verdicts] == [Outcome.FAILED, Outcome.PASSED]
    assert judged.crossed
    assert judged.blamed == ("arr_delay.mae",)
    for verdict in judged.verdicts:
        assert VERDICT.validate_json(VERDICT.dump_json(verdict)) == verdict
    whole = TypeAdapter(CanaryJudgement)
    assert whole.validate_json(whole.dump_json(judged)) == judged


def test_canary_needs_ten_blocks_to_pass_but_not_to_fail():
    few = judge_canary([(gate_of(margin=5.0), state_of(HARMLESS[:9]))], LEVELS).verdicts[0]
    assert few.log_e_safety > math.log(20)
    assert (few.outcome, few.reason) == (Outcome.INCONCLUSIVE, Reason.TOO_FEW_BLOCKS)
    assert judge_canary([(gate_of(), state_of(HARMFUL[:9]))], LEVELS).crossed


def test_the_family_shares_one_level_and_weights_say_how():
    harmful, quiet = state_of(HARMFUL[:4]), SequentialHarm()
    alone = judge_canary([(gate_of(), harmful)], LEVELS)
    others = [(gate_of(model=f"m{k}"), quiet) for k in range(200)]
    assert alone.crossed
    assert not judge_canary([(gate_of(), harmful), *others], LEVELS).crossed
    assert judge_canary([(gate_of(weight=1e4), harmful), *others], LEVELS).crossed


def test_where_only_the_family_convinces_the_worst_gate_is_named():
    """Two gates just beyond 1/α carry a third without evidence: e-Holm can name neither."""
    some = state_of(HARMFUL[:5])
    over = some.log_e_harm(0.2)
    levels = Levels(rollback_alpha=1.25 / math.exp(over))
    gates = [(gate_of(), some), (gate_of("rmse"), some), (gate_of("bias"), state_of([-5.0] * 9))]
    judged = judge_canary(gates, replace(levels, rollback_alpha=1.6 / math.exp(over)))
    assert judged.crossed
    assert judged.blamed == ("arr_delay.mae",)
    assert judged.verdicts[0].reason is Reason.FAMILY_HARM
    assert not judge_canary(gates, levels).crossed


def test_faults_seen_in_a_canary_are_an_error_not_a_pass():
    state = replace(state_of(HARMLESS), faulty_rows=1)
    verdict = judge_canary([(gate_of(), state)], LEVELS).verdicts[0]
    assert (verdict.outcome, verdict.reason) == (Outcome.ERROR, Reason.FAULTY_ROWS)


def test_a_canary_without_gates_or_evidence_tells_nothing():
    assert not judge_canary([], LEVELS).crossed
    verdict = judge_canary([(gate_of(), SequentialHarm())], LEVELS).verdicts[0]
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, Reason.NO_EVIDENCE)
    assert verdict.estimate is None


def test_two_gates_of_one_name_are_refused():
    with pytest.raises(ValueError, match="need different names"):
        judge_canary([(gate_of(), SequentialHarm())] * 2, LEVELS)


def test_a_family_without_harm_is_rolled_back_at_most_alpha_over_all_looks():
    """Four gates with shared shocks, harm exactly at the margin, a look after each block."""
    rng, sims, crossed = np.random.default_rng(31), 120, 0
    gates = [gate_of(model=f"m{k}") for k in range(4)]
    for _ in range(sims):
        harms = 0.2 + rng.normal(size=(30, 1)) + rng.normal(size=(30, 4))
        states, hit = [SequentialHarm()] * 4, False
        for place, row in enumerate(harms.tolist()):
            states = [
                state.enter(
                    BlockHarm(block=str(place), harm=harm, baseline=0.0, candidate=harm, rows=1)
                )
                for state, harm in zip(states, row, strict=True)
            ]
            hit |= judge_canary(list(zip(gates, states, strict=True)), LEVELS).crossed
        crossed += hit
    assert crossed / sims <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / sims)


def verdict_of(outcome, role):
    return replace(replay(gate_of(role=role), HARMLESS[:1]), outcome=outcome)


@given(st.lists(st.tuples(st.sampled_from(Outcome), st.sampled_from(Role)), max_size=6))
def test_promotion_needs_every_required_gate_and_no_stopping_guard(gates):
    outcome = combine(verdict_of(*gate) for gate in gates)
    required = [one for one, role in gates if role is Role.REQUIRED]
    guards = [one for one, role in gates if role is Role.GUARD]
    may = bool(required) and all(one is Outcome.PASSED for one in required)
    may = may and not {Outcome.FAILED, Outcome.ERROR} & set(guards)
    assert (outcome is Outcome.PASSED) == may
    if Outcome.FAILED in required + guards:
        assert outcome is Outcome.FAILED


def test_no_required_gate_is_never_a_pass():
    assert combine([]) is Outcome.INCONCLUSIVE
    assert combine([verdict_of(Outcome.PASSED, Role.GUARD)]) is Outcome.INCONCLUSIVE


PARAMETRISED = (
    "quantile_loss(quantile=0.9)",
    "expected_cost(miss=5, false_alarm=1, threshold=0.3)",
    "accuracy(classes=3)",
    "disagreement(tolerance=0.2)",
    MCC,
)
EVERY_METRIC = sorted({*METRICS, *PARAMETRISED})
# Missing and infinite answers are what it counts: to it they are evidence, not faults.
ANY_ANSWER = {name for name in EVERY_METRIC if metric_named(name).answer_domain is Domain.ANY}


@settings(max_examples=200, deadline=None)
@given(
    metric=st.sampled_from([name for name in EVERY_METRIC if name not in ANY_ANSWER]),
    seed=st.integers(0, 2**32 - 1),
    row=st.integers(0, 59),
    arm=st.integers(0, 1),
    poison=st.sampled_from([math.nan, math.inf, -math.inf]),
)
def test_one_poisoned_answer_turns_a_pass_into_an_error(metric, seed, row, arm, poison):
    rng = np.random.default_rng(seed)
    # A quantile has no error unless rows lie beyond it.
    each = 300 if metric.startswith("latency_p") else 5
    label, block = np.tile([0.0, 1.0], 6 * each), np.repeat(np.arange(12), each)
    before = np.clip(0.3 + 0.4 * label + rng.uniform(-0.3, 0.3, label.size), 0, 1)
    if metric_named(metric).answer_domain in (Domain.BINARY, Domain.CODE):
        before = np.round(before)
    arms = [before, before.copy()]
    gate = gate_of(metric, margin=0.1)
    sound = arms_of(metric, label, *arms, block)
    assert judge_replay(gate, *sound, LEVELS, 1).outcome is Outcome.PASSED
    arms[arm][row] = poison
    poisoned = arms_of(metric, label, *arms, block)
    assert judge_replay(gate, *poisoned, LEVELS, 1).outcome is Outcome.ERROR


def estimate_of(harm, low, high, **more):
    known = {"standard_error": 0.4, "baseline": 28.67, "candidate": 31.53}
    known |= {"rows": 55312, "blocks": 62, "method": "paired delete-a-day jackknife"}
    return HarmEstimate(harm=harm, low=low, high=high, **{**known, **more})


def test_each_reason_reads_as_one_sentence():
    base = Verdict(
        gate=gate_of(),
        outcome=Outcome.FAILED,
        reason=Reason.HARM_BEYOND_MARGIN,
        estimate=estimate_of(2.8571, 2.0123, 3.7019),
        alpha=0.05,
        rollback_alpha=0.0125,
        family_size=4,
        rows=55312,
        blocks=62,
        blocks_needed=10,
    )
    tail = "(62 days, 55,312 rows, paired delete-a-day jackknife)"
    assert render(base) == (
        f"arr_delay.mae: harm +2.86 min [+2.01, +3.70] > margin 0.20 min {tail}"
    )
    brier = replace(base, gate=gate_of("brier", margin=0.002, unit="", model="missed_connection"))
    assert render(replace(brier, estimate=estimate_of(0.0117, 0.0098, 0.0136))) == (
        f"missed_connection.brier: harm +0.0117 [+0.0098, +0.0136] > margin 0.0020 {tail}"
    )
    assert render(
        replace(base, reason=Reason.WITHIN_MARGIN, estimate=estimate_of(-0.331, -0.462, -0.2))
    ) == (f"arr_delay.mae: harm -0.33 min [-0.46, -0.20] < margin 0.20 min {tail}")
    assert render(
        replace(base, reason=Reason.MARGIN_NOT_EXCLUDED, estimate=estimate_of(0.1, None, None))
    ) == (f"arr_delay.mae: harm +0.10 min [-∞, +∞], margin 0.20 min not excluded {tail}")
    above = replace(base, outcome=Outcome.INCONCLUSIVE, reason=Reason.MARGIN_NOT_EXCLUDED)
    assert render(above) == (
        f"arr_delay.mae: harm +2.86 min [+2.01, +3.70] > margin 0.20 min, "
        f"but not at the rollback level {tail}"
    )
    few = replace(base, reason=Reason.TOO_FEW_BLOCKS, blocks=1, estimate=None)
    assert render(few) == (
        "arr_delay.mae: only 1 day, 10 needed; margin 0.20 min (1 day, 55,312 rows)"
    )
    assert render(replace(few, unlabelled=9, unmeasured=2)).endswith(
        "(1 day, 55,312 rows, 9 unlabelled, 2 days more with nothing to measure)"
    )
    for reason in Reason:
        for estimate in (None, base.estimate):
            said = render(replace(base, reason=reason, estimate=estimate))
            assert "margin 0.20 min" in said
            assert "62 days, 55,312 rows" in said
            assert said.endswith(")")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"metric": "mea"}, "arr_delay.mea.metric: mea: is not known (there are: mae, rmse"),
        (
            {"metric": "quantile_loss"},
            "arr_delay.quantile_loss.metric: quantile_loss: needs quantile: quantile_loss(quan",
        ),
        ({"margin": -0.1}, "arr_delay.mae.margin: -0.1 is no margin; it must be finite and at"),
        ({"margin": math.nan}, "arr_delay.mae.margin: nan is no margin"),
        ({"weight": 0.0}, "arr_delay.mae.weight: 0.0 is no weight"),
    ],
)
def test_a_gate_that_makes_no_sense_is_refused(more, message):
    with pytest.raises(BadInput) as refused:
        gate_of(**more)
    assert str(refused.value).startswith(message)


def test_levels_that_make_no_sense_are_refused_together():
    with pytest.raises(BadInput) as refused:
        Levels(alpha=0.0, rollback_alpha=1.0, min_blocks=1)
    assert len(refused.value.faults) == 3


def test_labels_that_both_arms_hold_are_counted_once_and_answers_of_each():
    base = Verdict(
        gate=gate_of(),
        outcome=Outcome.ERROR,
        reason=Reason.LABELS_OUT_OF_DOMAIN,
        estimate=None,
        alpha=0.05,
        rollback_alpha=0.05,
        family_size=1,
        faulty_rows=27,
        faulty_arm="both",
    )
    assert "labels of 27 rows are not what mae needs" in render(base)
    answers = replace(base, reason=Reason.ANSWERS_OUT_OF_DOMAIN, faulty_rows=54)
    assert "54 answers of both arms are NaN, infinite or out of range" in render(answers)
    one = replace(answers, faulty_rows=1, faulty_arm="candidate")
    assert "1 answer of the candidate is NaN" in render(one)


def test_what_is_missing_is_called_by_its_name():
    unlabelled = replace(
        replay(gate_of(), HARMLESS), estimate=None, reason=Reason.NO_EVIDENCE, rows=0, unlabelled=9
    )
    assert "none of 9 rows has a label yet" in render(unlabelled)
    served = replace(gate_of(), metric="latency_mean", label="", unit="ms")
    nothing = replace(unlabelled, gate=served, unlabelled=0)
    assert "no row to measure yet" in render(nothing)


def test_without_intervals_a_canary_is_judged_the_same():
    for harms in (HARMFUL, HARMLESS, HARMLESS[:5], []):
        evidence = [(gate_of(), state_of(harms))]
        whole, bare = (
            judge_canary(evidence, LEVELS),
            judge_canary(evidence, LEVELS, estimates=False),
        )
        assert bare.verdicts[0].estimate is None
        assert bare == replace(whole, verdicts=(replace(whole.verdicts[0], estimate=None),))
