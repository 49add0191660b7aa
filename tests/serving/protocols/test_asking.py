"""Whom a row is about, when it was, and what is refused of both."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.serving.protocols.asking import REQUEST, Asked, question_of
from sluiceway.serving.protocols.tables import Table
from sluiceway.serving.refusals import RefusalCode, Refused
from sluiceway.serving.values import Question

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ASKED = Asked(model="m", version=None, request_id="q-1", received=NOW)


def ask(
    columns: dict[str, list[Any]], asked: Asked = ASKED, *, unit: str = "id", **more: Any
) -> Question:
    rows = len(next(iter(columns.values())))
    more.setdefault("features", frozenset())
    return question_of(Table(columns=columns, rows=rows), asked, unit=unit, **more)


def refused(columns: dict[str, list[Any]], asked: Asked = ASKED, **more: Any) -> Refused:
    with pytest.raises(Refused) as found:
        ask(columns, asked, **more)
    return found.value


def test_the_unit_is_a_column_that_no_model_sees() -> None:
    question = ask({"id": ["a", 12, 13.0, -0.0], "x": [1, 2, 3, 4]})
    assert question.units == ("a", "12", "13", "0")
    assert list(question.columns) == ["x"]


def test_a_unit_that_is_a_feature_too_stays_a_column() -> None:
    question = ask({"id": ["a"], "x": [1]}, features=frozenset({"id"}))
    assert list(question.columns) == ["id", "x"]


@pytest.mark.parametrize(
    "unit",
    [
        None,
        "",
        "  ",
        "\t",
        True,
        False,
        1.5,
        1e300,
        2**53 + 1,
        [],
        ["a", "b"],
        {},
        [None],
        "x" * 257,
    ],
)
def test_a_unit_that_is_none_is_refused_with_its_row(unit: Any) -> None:
    found = refused({"id": ["a", unit, "b"], "x": [1, 2, 3]})
    assert found.code is RefusalCode.UNIT_MISSING
    assert [(f.field, f.rule, f.rows, f.count) for f in found.faults] == [("id", "unit", (1,), 1)]


def test_no_unit_at_all_is_refused() -> None:
    found = refused({"x": [1]})
    assert found.code is RefusalCode.UNIT_MISSING
    assert found.faults[0].rule == "missing_column"


def test_a_header_names_the_unit_of_one_row_only() -> None:
    asked = replace(ASKED, unit="u-7")
    assert ask({"x": [1]}, asked).units == ("u-7",)
    assert refused({"x": [1, 2]}, asked).code is RefusalCode.UNIT_MISSING
    assert refused({"id": ["a"], "x": [1]}, asked).code is RefusalCode.UNIT_MISSING
    assert refused({"x": [1]}, replace(ASKED, unit="")).code is RefusalCode.UNIT_MISSING


def test_where_requests_are_units_each_row_is_its_own() -> None:
    assert ask({"x": [1]}, unit=REQUEST).units == ("q-1",)
    assert ask({"x": [1, 2]}, unit=REQUEST).units == ("q-1/0", "q-1/1")
    found = refused({"x": [1]}, replace(ASKED, unit="u-7"), unit=REQUEST)
    assert found.code is RefusalCode.MALFORMED, "nobody believes that it was taken"


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-01T10:00:00Z",
        "2026-02-01T10:00:00+00:00",
        "2026-02-01T11:30:00.250+01:30",
        "2026-02-01 10:00:00.000001-05:00",
        "20260201T100000Z",
        "1969-12-31T23:59:59.999999Z",
    ],
)
def test_a_time_is_read_as_pandas_reads_it(text: str) -> None:
    question = ask({"id": ["a", "b"], "x": [1, 2], "event_time": [text, text]})
    wanted = pd.Timestamp(text).tz_convert("UTC").tz_localize(None).to_datetime64()
    assert question.event_time is not None
    assert question.event_time.dtype == np.dtype("datetime64[us]")
    assert (question.event_time == wanted).all()
    assert list(question.columns) == ["x"]
    header = ask({"id": ["a"], "x": [1]}, replace(ASKED, event_time=text))
    assert header.event_time is not None
    assert header.event_time[0] == wanted


@given(st.datetimes(datetime(1900, 1, 1), datetime(2026, 2, 1)))
def test_microseconds_and_texts_are_the_same_time(time: datetime) -> None:
    aware = time.replace(tzinfo=UTC)
    micros = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    wanted = np.datetime64(time, "us")
    for given_time in (micros, float(micros), aware.isoformat(), [aware.isoformat()]):
        times = ask({"id": ["a"], "event_time": [given_time]}).event_time
        assert times is not None
        assert times[0] == wanted


TEXTS = ("", "yesterday", "2026-02-01", "2026-02-01T10:00:00", "9" * 30, "२०२६-02-01T10:00:00Z")


@pytest.mark.parametrize("time", [*TEXTS, None, True, 1.5, 2**60, [], {}])
def test_what_is_no_time_is_refused(time: Any) -> None:
    found = refused({"id": ["a", "b"], "event_time": ["2026-02-01T10:00:00Z", time]})
    assert found.code is RefusalCode.OUT_OF_CONTRACT
    assert [(f.field, f.rule, f.rows) for f in found.faults] == [("event_time", "dtype", (1,))]


def test_a_time_ahead_of_the_clock_is_refused() -> None:
    near = (NOW + timedelta(minutes=4)).isoformat()
    far = (NOW + timedelta(minutes=6)).isoformat()
    assert ask({"id": ["a"], "event_time": [near]}).event_time is not None
    found = refused({"id": ["a", "b"], "event_time": [near, far]})
    assert [(f.rule, f.rows) for f in found.faults] == [("range", (1,))]
    assert refused({"id": ["a"]}, replace(ASKED, event_time=far)).faults[0].rule == "range"


def test_a_time_before_any_clock_is_refused() -> None:
    for time in ("1899-12-31T00:00:00Z", "0001-01-01T00:00:00+14:00", -(2**52)):
        assert refused({"id": ["a"], "event_time": [time]}).faults[0].rule == "range"


def test_a_time_that_goes_back_is_no_fault() -> None:
    back = ["2026-02-01T10:00:00Z", "2025-02-01T10:00:00Z"]
    times = ask({"id": ["a", "b"], "event_time": back}).event_time
    assert times is not None
    assert times[1] < times[0]


def test_a_time_said_twice_is_refused() -> None:
    asked = replace(ASKED, event_time="2026-02-01T10:00:00Z")
    found = refused({"id": ["a"], "event_time": ["2026-02-01T10:00:00Z"]}, asked)
    assert found.code is RefusalCode.MALFORMED
