"""The picture of drift is well formed, names what it shows, and can draw any report."""

from xml.etree import ElementTree

import numpy as np
import pytest

from sluiceway.drift import drift_report
from sluiceway.reports.drift_picture import draw_drift
from tests.drift.windows import window


def test_it_shows_distances_thresholds_and_outcomes() -> None:
    rng = np.random.default_rng(0)
    make = [
        {
            "wind": rng.normal(shift, size=2000),
            "carrier": rng.choice(list("abc"), size=2000).astype(object),
        }
        for shift in (0, 1)
    ]
    before, now = window(make[0], 20, "a"), window(make[1], 20, "b")
    report = drift_report(before, now)
    drawn = draw_drift("drift", report, before, now, "Drift <now>")
    texts = {text.strip() for text in ElementTree.fromstring(drawn).itertext()}
    found = report.findings[0]
    assert found.distance is not None
    assert f"KS D {found.distance:.3f} / {found.threshold:.3f}" in texts
    assert {"wind", "carrier", "failed", "passed", "threshold", "reference", "now"} <= texts
    assert drawn == draw_drift("drift", report, before, now, "Drift <now>")


@pytest.mark.parametrize(
    "values",
    [
        np.ones(40), np.full(40, np.nan), np.full(40, np.inf), np.empty(0),
        np.linspace(-1.7, 1.7, 40) * 1e308, np.asarray(["<&>" * 20, "b"] * 20, object),
    ],
)  # fmt: skip
def test_it_can_draw_any_report(values: np.ndarray) -> None:
    before = window({"<x>": values, "y": np.arange(len(values))}, 10, "a")
    now = window({"<x>": values, "y": np.arange(len(values)) + 9}, 10, "b")
    drawn = draw_drift("drift", drift_report(before, now), before, now, "Drift")
    ElementTree.fromstring(drawn)


def test_a_category_that_all_rows_have_is_a_hundred_percent() -> None:
    rng = np.random.default_rng(1)
    mixed = rng.choice(list("ab"), size=2000).astype(object)
    alone = np.full(2000, "a", object)
    before, now = window({"carrier": mixed}, 20, "a"), window({"carrier": alone}, 20, "b")
    drawn = draw_drift("drift", drift_report(before, now), before, now, "Drift")
    assert "→ 100 %" in drawn
    assert "e+" not in "".join(ElementTree.fromstring(drawn).itertext())


def test_times_between_rows_are_in_seconds() -> None:
    at = np.datetime64("2026-01-01", "s") + np.arange(2000) * np.timedelta64(60, "s")
    jitter = np.random.default_rng(2).integers(0, 50, 2000).astype("timedelta64[s]")
    before = window({"updated": at + jitter}, 20, "a")
    now = window({"updated": at + 3 * jitter}, 20, "b")
    drawn = draw_drift("drift", drift_report(before, now), before, now, "Drift")
    texts = {text.strip() for text in ElementTree.fromstring(drawn).itertext()}
    assert any(text.endswith(" s") for text in texts), texts


def test_a_distance_that_was_not_tested_says_why() -> None:
    rng = np.random.default_rng(3)
    before, now = (
        window({"x": rng.normal(size=400)}, blocks, name) for blocks, name in ((20, "a"), (4, "b"))
    )
    drawn = draw_drift("drift", drift_report(before, now), before, now, "Drift")
    texts = {text.strip() for text in ElementTree.fromstring(drawn).itertext()}
    assert {"inconclusive", "too few blocks"} <= texts
