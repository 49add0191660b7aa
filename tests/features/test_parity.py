"""What was served against what was recorded, and the verdict on it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.features import (
    AuditedFeature,
    FindingCode,
    Parity,
    Stamp,
    audit_features,
    parity_of,
    sentence,
)
from sluiceway.outcomes import Outcome
from sluiceway.system.file import read_system
from tests.driver import ORDERS

HOUR = timedelta(hours=1)
START = datetime(2026, 3, 1, tzinfo=UTC)
SYSTEM = read_system(ORDERS / "system.yaml")
STAMP = Stamp(version="1.0.0", definition="ab12cd34ef56")
DEFINITIONS = {("signal", "1.0.0"): "ab12cd34ef56" + "0" * 52}


def series(values: dict[str, float | None]) -> "pd.Series[float]":
    return pd.Series(values, dtype=float)


numbers = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.none()
tables = st.dictionaries(st.sampled_from("abcdefgh"), numbers, max_size=8)


@given(tables, tables)
def test_every_sampled_unit_is_equal_different_or_absent(recorded: dict, live: dict) -> None:  # type: ignore[type-arg]
    found = parity_of("signal", "1.0.0", series(recorded), series(live), lag=HOUR)
    both = [unit for unit in recorded if unit in live]
    unlike = [
        unit
        for unit in both
        if (recorded[unit] is None) != (live[unit] is None)
        or (recorded[unit] is not None and not np.isclose(live[unit], recorded[unit], 1e-9, 0))
    ]
    assert found.units == len(recorded)
    assert found.absent == len(recorded) - len(both)
    assert found.differing == len(unlike)
    assert found.live_nulls == sum(live[unit] is None for unit in both)


@given(tables)
def test_a_world_is_equal_to_itself(values: dict) -> None:  # type: ignore[type-arg]
    found = parity_of("signal", "1.0.0", series(values), series(values), lag=HOUR)
    assert (found.absent, found.differing) == (0, 0)


def test_text_is_compared_as_it_stands() -> None:
    recorded = pd.Series({"a": "web", "b": "fax", "c": None}, dtype=object)
    live = pd.Series({"a": "web", "b": "web", "c": None}, dtype=object)
    found = parity_of("channel", "1.0.0", recorded, live, lag=HOUR)
    assert (found.differing, found.live_nulls, found.largest) == (1, 1, None)


ALIKE = Parity(
    feature="signal",
    version="1.0.0",
    units=1000,
    absent=0,
    differing=0,
    recorded_nulls=0,
    live_nulls=0,
    largest=0.0,
    lag=HOUR,
)
ONE = AuditedFeature(
    model="fraud",
    version="2",
    feature="signal",
    trained=STAMP,
    serves=STAMP,
    declared=STAMP,
    parity=ALIKE,
)


def audited(one: AuditedFeature, **unreadable: str):  # type: ignore[no-untyped-def]
    end = START + 24 * HOUR
    return audit_features(SYSTEM, (one,), DEFINITIONS, unreadable=unreadable, start=START, end=end)


@pytest.mark.parametrize(
    ("one", "code", "outcome", "said"),
    [
        (
            replace(ONE, trained=None),
            FindingCode.NOT_STAMPED,
            Outcome.INCONCLUSIVE,
            "signal: fraud@2 does not say which definition it was trained with; stamp it",
        ),
        (
            replace(ONE, trained=Stamp(version="2.0.0", definition="ab12cd34ef56")),
            FindingCode.TRAINED_ON_OTHER_VERSION,
            Outcome.FAILED,
            "signal: fraud@2 was trained with 2.0.0 and is served 1.0.0",
        ),
        (
            replace(ONE, trained=Stamp(version="1.0.0", definition="999999999999")),
            FindingCode.DEFINITION_CHANGED,
            Outcome.FAILED,
            "signal: fraud@2 rests on 1.0.0+999999999999, and the definition is ab12cd34ef56 now; "
            "a changed definition takes a new version",
        ),
        (
            replace(ONE, parity=replace(ALIKE, differing=11, largest=3.25)),
            FindingCode.VALUES_DIFFER,
            Outcome.FAILED,
            "signal: served otherwise than recorded to 1.10% of 1,000 units, by up to 3.25 sd, "
            "tolerated 1.00%; read by fraud@2",
        ),
        (
            replace(ONE, parity=replace(ALIKE, absent=11)),
            FindingCode.VALUES_DIFFER,
            Outcome.FAILED,
            "signal: served otherwise than recorded to 1.10% of 1,000 units, tolerated 1.00%; "
            "read by fraud@2",
        ),
        (
            replace(ONE, parity=replace(ALIKE, recorded_nulls=200, live_nulls=200)),
            FindingCode.NULL_RATE,
            Outcome.FAILED,
            "signal: missing live in 20.00% of 1,000 units, declared 0.00%",
        ),
        (
            replace(ONE, parity=replace(ALIKE, units=0)),
            FindingCode.NOTHING_SAMPLED,
            Outcome.INCONCLUSIVE,
            "signal: no unit of the window could be compared",
        ),
    ],
)
def test_each_mismatch_is_found_and_said(
    one: AuditedFeature, code: FindingCode, outcome: Outcome, said: str
) -> None:
    found = audited(one)
    assert [(finding.code, sentence(finding)) for finding in found.findings] == [(code, said)]
    assert found.outcome is outcome


def test_ten_units_in_a_thousand_are_tolerated() -> None:
    assert audited(replace(ONE, parity=replace(ALIKE, differing=10))).outcome is Outcome.PASSED


def test_a_source_older_than_it_declares_is_late() -> None:
    orders = replace(SYSTEM.sources["orders"], max_lag=HOUR)
    system = replace(SYSTEM, sources={**SYSTEM.sources, "orders": orders})
    end = START + 24 * HOUR
    for lag, outcome in ((HOUR, Outcome.PASSED), (1.5 * HOUR, Outcome.FAILED)):
        one = replace(ONE, parity=replace(ALIKE, lag=lag))
        found = audit_features(system, (one,), DEFINITIONS, unreadable={}, start=START, end=end)
        assert found.outcome is outcome
    assert sentence(found.findings[0]) == (
        "signal: its newest live row is 1.5 h old, at most 1.0 h is declared"
    )


def test_what_cannot_be_read_is_an_error() -> None:
    found = audited(ONE, signal="the table is not there")
    assert found.outcome is Outcome.ERROR
    said = "signal: its values could not be read: the table is not there"
    assert sentence(found.findings[0]) == said


def test_an_audit_of_nothing_is_no_pass() -> None:
    end = START + HOUR
    found = audit_features(SYSTEM, (), DEFINITIONS, unreadable={}, start=START, end=end)
    assert found.outcome is Outcome.INCONCLUSIVE


def test_one_loader_that_gave_no_row_is_no_pass() -> None:
    some = audited(replace(ONE, parity=None, rows=40))
    assert some.outcome is Outcome.PASSED
    assert (some.compared_by_value, some.not_compared_by_value) == ((), ("signal",))
    none = audited(replace(ONE, parity=None, rows=0))
    assert none.outcome is Outcome.INCONCLUSIVE
    assert sentence(none.findings[0]) == "signal: no unit of the window could be compared"
