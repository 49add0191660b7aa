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
