"""What a report claims: quiet windows stay quiet, drift is named, and nothing else ever passes."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import stats

from sluiceway.canonical import as_json, canonical_text
from sluiceway.drift import (
    Aspect,
    DriftFinding,
    DriftPolicy,
    DriftReason,
    DriftReport,
    Method,
    drift_report,
    render,
)
from sluiceway.errors import BadInput
from sluiceway.outcomes import Outcome
from tests.drift.windows import window

REASONS = {
    Outcome.PASSED: {DriftReason.WITHIN_THRESHOLD},
    Outcome.FAILED: {DriftReason.BEYOND_THRESHOLD},
    Outcome.ERROR: {
        DriftReason.INFINITE_VALUES,
        DriftReason.MIXED_TYPES,
        DriftReason.KIND_CHANGED,
        DriftReason.COLUMN_MISSING,
        DriftReason.BLOCK_IN_BOTH_WINDOWS,
    },
}
STORED = TypeAdapter(DriftReport)


def one(report: DriftReport, column: str = "x", aspect: Aspect = Aspect.VALUES) -> DriftFinding:
    (found,) = [f for f in report.findings if (f.column, f.aspect) == (column, aspect)]
    return found


def look(before, now, *, blocks=20, **options) -> DriftReport:
    return drift_report(
        window({"x": before}, blocks, "a"), window({"x": now}, blocks, "b"), **options
    )


def days(rng: np.random.Generator, blocks: int, rows: int, icc: float) -> np.ndarray:
    """Standard normal rows that share a part of their variance within a block."""
    shared = np.repeat(rng.normal(size=blocks), rows // blocks) * np.sqrt(icc)
    return shared + rng.normal(size=rows) * np.sqrt(1 - icc)


def text(values) -> np.ndarray:
    return np.asarray(values, dtype=object)


def test_a_shift_of_a_fifth_of_a_deviation_is_found_in_10k_rows() -> None:
    rng = np.random.default_rng(0)
    found = one(look(rng.normal(size=10_000), rng.normal(0.2, size=10_000)))
    assert (found.outcome, found.reason) == (Outcome.FAILED, DriftReason.BEYOND_THRESHOLD)
    assert found.distance == pytest.approx(2 * stats.norm.cdf(0.1) - 1, abs=0.02)
    assert found.wasserstein_iqr == pytest.approx(0.2 / 1.349, abs=0.03)


def test_day_effects_are_not_called_drift_though_a_row_wise_test_is_sure() -> None:
    """5 % level, 100 quiet pairs of windows: permuting blocks keeps it, rows do not."""
    rng = np.random.default_rng(5)
    alarms, naive = 0, 0
    for _ in range(100):
        before, now = days(rng, 20, 2000, 0.3), days(rng, 20, 2000, 0.3)
        alarms += look(before, now).outcome is Outcome.FAILED
        naive += stats.ks_2samp(before, now, method="asymp").pvalue < 0.05
    assert alarms <= stats.binom.ppf(0.999, 100, 0.05)
    assert naive > 50


def test_p_values_of_quiet_windows_are_uniform() -> None:
    rng = np.random.default_rng(11)
    p_values = [
        one(look(days(rng, 12, 240, 0.2), days(rng, 12, 240, 0.2), blocks=12)).p_value
        for _ in range(200)
    ]
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_a_quiet_window_beats_all_of_its_history_as_often_as_chance_says() -> None:
    """19 windows: today is the largest in 1 of 20."""
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(80):
        made = [
            window({"x": days(rng, 2, 60, 0.3), "y": rng.exponential(size=60)}, 2, name)
            for name in "abcdefghijklmnopqrstu"
        ]
        report = drift_report(made[0], made[1], made[2:])
        assert (report.method, report.history) == (Method.HISTORY, 19)
        alarms += report.outcome is Outcome.FAILED
    assert stats.binom.ppf(0.001, 80, 0.05) <= alarms <= stats.binom.ppf(0.999, 80, 0.05)


def test_with_history_the_threshold_is_its_quantile_in_the_columns_own_distance() -> None:
    rng = np.random.default_rng(3)
    make = [
        {"x": rng.normal(size=300), "y": rng.choice(list("ab"), size=300).astype(object)}
        for _ in range(42)
    ]
    make[1]["x"] = make[1]["x"] + 3
    windows = [window(columns, 3, f"{name:02d}-") for name, columns in enumerate(make)]
    report = drift_report(windows[0], windows[1], windows[2:])
    distances = np.asarray(
        [stats.ks_2samp(make[0]["x"], columns["x"]).statistic for columns in make[1:]]
    )
    tables = [pd.crosstab(np.repeat([0, 1], 300), [*make[0]["y"], *c["y"]]) for c in make[1:]]
    other = np.asarray([stats.contingency.association(one.to_numpy()) for one in tables])
    scales = [max(np.median(column), 0.002) for column in (distances, other)]
    largest = np.maximum(distances / scales[0], other / scales[1])[1:]
    limit = np.sort(largest)[-2]  # 40 windows: 5 % of 41 lets one of them be larger
    assert one(report).threshold == pytest.approx(limit * scales[0])
    assert one(report, "y").threshold == pytest.approx(limit * scales[1])
    assert one(report).p_value == pytest.approx(1 / 41)
    assert report.columns == ("x",)


def test_history_that_is_no_independent_window_of_that_length_is_left_out() -> None:
    rng = np.random.default_rng(1)
    columns = {"x": rng.normal(size=200)}
    reference, current = window(columns, 10, "a"), window(columns, 10, "b")
    history = [window(columns, 10, f"h{name:02d}-") for name in range(19)]
    assert drift_report(reference, current, history).method is Method.HISTORY
    for spoiled in (reference, current, history[1], window(columns, 9, "short")):
        report = drift_report(reference, current, [spoiled, *history[1:]])
        assert (report.method, report.history, report.history_left_out) == (Method.BLOCKS, 18, 1)


def test_drift_of_missing_values_is_named_as_such() -> None:
    rng = np.random.default_rng(2)
    before, now = rng.normal(size=4000), rng.normal(size=4000)
    before[rng.random(4000) < 0.02] = np.nan
    now[rng.random(4000) < 0.10] = np.nan
    report = look(before, now)
    assert [(f.column, f.aspect) for f in report.drifted] == [("x", Aspect.NULLS)]
    assert report.drifted[0].distance == pytest.approx(
        np.isnan(now).mean() - np.isnan(before).mean()
    )


def test_late_timestamps_are_drift_of_their_lag() -> None:
    rng = np.random.default_rng(4)
    when = np.datetime64("2013-09-01", "us") + np.arange(2000) * np.timedelta64(60, "s")
    lags = rng.exponential(60e6, size=(2, 2000)).astype("timedelta64[us]")
    report = drift_report(
        window({"x": when - lags[0]}, 20, "a", event_time=when),
        window({"x": when - lags[1] - np.timedelta64(60, "s")}, 20, "b", event_time=when),
    )
    assert one(report, aspect=Aspect.LAG).outcome is Outcome.FAILED
    assert one(report, aspect=Aspect.LAG).current.typical == pytest.approx(101, rel=0.1)


NORMAL = np.random.default_rng(9).normal(size=400)
NAN, ALL_NULL = np.where(np.arange(400) < 40, np.nan, NORMAL), np.full(400, np.nan)
WORDS = text(list("abcd") * 100)
BAD: dict[str, tuple[object, object, DriftReason]] = {
    "infinity": (
        NORMAL, np.where(np.arange(400) == 7, np.inf, NORMAL), DriftReason.INFINITE_VALUES
    ),
    "minus infinity": (
        np.where(np.arange(400) == 7, -np.inf, NORMAL), NORMAL, DriftReason.INFINITE_VALUES
    ),
    "all infinite": (np.full(400, np.inf), np.full(400, np.inf), DriftReason.INFINITE_VALUES),
    "constant": (np.ones(400), np.ones(400), DriftReason.CONSTANT),
    "one category": (text(["a"] * 400), text(["a"] * 400), DriftReason.CONSTANT),
    "all null": (ALL_NULL, ALL_NULL, DriftReason.NO_VALUES),
    "null now": (NORMAL, ALL_NULL, DriftReason.NO_VALUES),
    "no text": (WORDS, text([None] * 400), DriftReason.NO_VALUES),
    "unseen": (WORDS, text([*WORDS[:-1], "new"]), DriftReason.UNSEEN_CATEGORIES),
    "mixed": (WORDS, text([*WORDS[:-1], 3]), DriftReason.MIXED_TYPES),
    "lists": (WORDS, text([*WORDS[:-1], []]), DriftReason.MIXED_TYPES),
    "text now": (NORMAL, WORDS, DriftReason.KIND_CHANGED),
    "times now": (NORMAL, np.full(400, np.datetime64("2020", "us")), DriftReason.KIND_CHANGED),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("history", [0, 19])
def test_bad_input_has_its_reason_and_never_passes(case: str, history: int) -> None:
    before, now, reason = BAD[case]
    past = [window({"x": now}, 20, f"h{name:02d}-") for name in range(history)]
    found = one(look(before, now, history=past))
    assert found.reason is reason
    assert found.outcome not in (Outcome.PASSED, Outcome.FAILED)


def test_a_column_of_nulls_that_was_none_is_drift_of_nulls() -> None:
    assert one(look(NORMAL, ALL_NULL), aspect=Aspect.NULLS).outcome is Outcome.FAILED


@pytest.mark.parametrize("blocks", [1, 2, 9])
def test_few_blocks_prove_nothing(blocks: int) -> None:
    found = one(look(NORMAL, NORMAL + 100, blocks=blocks))
    assert (found.outcome, found.reason) == (Outcome.INCONCLUSIVE, DriftReason.TOO_FEW_BLOCKS)


def test_an_empty_window_proves_nothing() -> None:
    nothing = window({"x": np.empty(0)}, 20, "b")
    for report in (
        drift_report(window({"x": NORMAL}, 20, "a"), nothing),
        drift_report(nothing, window({"x": NORMAL}, 20, "a")),
        drift_report(nothing, replace(nothing, blocks=())),
    ):
        assert report.outcome is not Outcome.PASSED
        assert not report.drifted


def test_no_column_is_no_pass() -> None:
    empty = replace(window({"x": NORMAL}, 20, "a"), columns={})
    assert drift_report(empty, replace(empty, blocks=())).outcome is Outcome.INCONCLUSIVE


def test_ten_rows_in_ten_blocks_cannot_pass() -> None:
    ten = text(list("ab") * 5)
    found = one(look(ten, ten, blocks=10))
    assert (found.outcome, found.reason) == (Outcome.INCONCLUSIVE, DriftReason.BLIND)


def test_a_block_in_both_windows_is_an_error() -> None:
    same = window({"x": NORMAL}, 20, "a")
    report = drift_report(same, same)
    assert {f.reason for f in report.findings} == {DriftReason.BLOCK_IN_BOTH_WINDOWS}
    assert report.outcome is Outcome.ERROR


def test_a_missing_column_is_an_error_and_a_new_one_cannot_be_told() -> None:
    report = drift_report(
        window({"x": NORMAL, "old": NORMAL}, 20, "a"), window({"x": NORMAL, "new": NORMAL}, 20, "b")
    )
    assert one(report, "old").reason is DriftReason.COLUMN_MISSING
    assert one(report, "new").outcome is Outcome.INCONCLUSIVE


def test_folklore_acts_only_by_policy_and_says_what_it_is() -> None:
    report = look(NORMAL, NORMAL + 3, policy=DriftPolicy(psi_limit=0.2))
    assert (report.method, report.outcome) == (Method.FOLKLORE, Outcome.FAILED)
    assert "customary limit, error rate unknown" in render(report.findings[0], report)


def test_the_same_windows_get_the_same_report() -> None:
    assert look(NORMAL, NAN) == look(NORMAL, NAN)


def test_a_policy_that_means_nothing_is_refused_whole() -> None:
    with pytest.raises(BadInput) as refused:
        DriftPolicy(alpha=0.7, min_blocks=1, psi_limit=float("nan"))
    assert [fault.where for fault in refused.value.faults] == [
        "drift.alpha",
        "drift.min_blocks",
        "drift.psi_limit",
    ]


def test_a_sentence_holds_the_numbers_the_threshold_and_the_method() -> None:
    rng = np.random.default_rng(0)
    report = look(rng.normal(size=2000), rng.normal(0.5, size=2000))
    found = report.findings[0]
    said = render(found, report)
    for part in (
        f"x: KS D {found.distance:.3f} > threshold {found.threshold:.3f}",
        "p 0.0010",
        "IQR apart",
        "2,000 and 2,000 rows in 20 and 20 blocks",
        "999 permutations of whole blocks, false discovery rate 5 % over 1 comparison",
    ):
        assert part in said, said


_COLUMNS = st.sampled_from(
    [
        NORMAL, NORMAL * 1e300, NORMAL * 1e-320, NAN, ALL_NULL, np.ones(400), NORMAL > 0, WORDS,
        np.where(NORMAL > 2, np.inf, NORMAL), text([None] * 400), text([*WORDS[:-1], 3.5]),
        text([f"id {one}" for one in range(400)]), np.arange(400), text([True, None] * 200),
        np.arange(400).astype("datetime64[s]"), np.full(400, np.datetime64("NaT", "s")),
    ]
)  # fmt: skip


@settings(max_examples=70, deadline=None)
@given(
    st.tuples(_COLUMNS, _COLUMNS, _COLUMNS),
    st.integers(0, 400),
    st.integers(0, 400),
    st.sampled_from([1, 9, 10, 20]),
    st.booleans(),
    st.sampled_from([None, 0.2]),
)
def test_whatever_is_given_a_report_is_typed_storable_and_passes_on_finite_evidence_only(
    columns, before_rows, now_rows, blocks, with_history, psi
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before, now, past = columns
        history = [window({"x": past}, blocks, f"h{name:02d}-") for name in range(19)]
        report = drift_report(
            window({"x": before[:before_rows]}, blocks, "a"),
            window({"x": now[:now_rows]}, blocks, "b"),
            history if with_history else (),
            DriftPolicy(psi_limit=psi, permutations=99),
        )
    assert report.findings
    for found in report.findings:
        assert render(found, report)
        assert found.reason in REASONS.get(found.outcome, {found.reason})
        if found.outcome is Outcome.PASSED:
            assert found.distance is not None
            assert np.isfinite(found.distance)
            assert min(found.reference.rows, found.current.rows) >= 1
            assert report.method is Method.HISTORY or blocks >= 10
    plain = as_json(STORED, report)
    canonical_text(plain)
    assert STORED.validate_python(plain) == report
