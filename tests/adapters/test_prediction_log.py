"""One contract of all prediction logs, then what only files can suffer."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluiceway.adapters.live_log.reading import LivePredictionLog
from sluiceway.adapters.prediction_log import (
    DamagedLog,
    MemoryPredictionLog,
    ParquetPredictionLog,
)
from sluiceway.errors import BadInput
from sluiceway.ports import PredictionLog, Window

START = datetime(2013, 9, 1, 22, tzinfo=UTC)


def hours(first: float, last: float) -> Window:
    return Window(start=START + timedelta(hours=first), end=START + timedelta(hours=last))


def rows(*after: float, **columns: object) -> pd.DataFrame:
    times = pd.to_datetime([START + timedelta(hours=hour) for hour in after], utc=True)
    return pd.DataFrame({"unit": [f"u{hour:g}" for hour in after], "event_time": times, **columns})


@pytest.fixture(params=["memory", "parquet", "live"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> PredictionLog:
    match request.param:
        case "memory":
            return MemoryPredictionLog()
        case "parquet":
            return ParquetPredictionLog(tmp_path)
    return LivePredictionLog(tmp_path / "predictions", tmp_path / "serving" / "log.db")


def units(log: PredictionLog, window: Window) -> list[str]:
    return log.read(window)["unit"].tolist()


def test_nothing_written_is_read_as_no_rows(log: PredictionLog) -> None:
    found = log.read(hours(0, 10))
    assert len(found) == 0
    assert str(found["event_time"].dtype) == "datetime64[us, UTC]"


def test_what_is_written_is_read_back_with_its_types(log: PredictionLog) -> None:
    written = rows(
        0, 1, **{
            "arm": pd.Categorical(["champion", "candidate"]),
            "generation": [1, 2],
            "dep_delay.minutes": [1.5, np.nan],
            "fallback": [False, True],
        },
    )  # fmt: skip
    log.write("b-1", written)
    found = log.read(hours(0, 10))
    expected = written.assign(
        arm=written["arm"].astype(str), event_time=written["event_time"].dt.as_unit("us")
    )
    pd.testing.assert_frame_equal(found, expected, check_like=True)


def test_a_window_has_its_start_and_not_its_end(log: PredictionLog) -> None:
    log.write("b-1", rows(0, 1, 2, 3))
    assert units(log, hours(1, 3)) == ["u1", "u2"]


def test_a_window_finds_batches_that_cross_midnight(log: PredictionLog) -> None:
    """The batch begins on 1 September, 23:00, and ends two days later."""
    log.write("long", rows(1, 30, 50))
    assert units(log, hours(29, 31)) == ["u30"]
    assert units(log, hours(49, 51)) == ["u50"]
    assert units(log, hours(-30, 1)) == []


def test_rows_come_by_event_time_whatever_the_order_of_writing(log: PredictionLog) -> None:
    log.write("b-2", rows(3, 1))
    log.write("b-1", rows(2, 0))
    assert units(log, hours(0, 10)) == ["u0", "u1", "u2", "u3"]


def test_a_batch_written_again_is_replaced(log: PredictionLog) -> None:
    log.write("b-1", rows(0, 1))
    log.write("b-1", rows(0, 1))
    assert units(log, hours(0, 100)) == ["u0", "u1"]
    log.write("b-1", rows(30))
    assert units(log, hours(0, 100)) == ["u30"]
    log.write("b-1", rows(30).iloc[:0])
    assert len(log.read(hours(0, 100))) == 0


@pytest.mark.parametrize("other", ["b-1.b", "b", "b-1+", "b/1", "../b-1", "ü", "b*"])
def test_batches_of_other_names_are_left_alone(log: PredictionLog, other: str) -> None:
    log.write("b-1", rows(0))
    log.write(other, rows(1))
    log.write(other, rows(2))
    assert units(log, hours(0, 10)) == ["u0", "u2"]


def test_batches_may_have_different_columns(log: PredictionLog) -> None:
    log.write("b-1", rows(0, **{"x.y": [1]}))
    log.write("b-2", rows(1, **{"x.y": [2.5], "fallback": [True]}))
    log.write("b-3", rows(2, rollout_id=["r"]))
    log.write("b-4", rows(3, rollout_id=[None], fallback=[np.nan]))
    found = log.read(hours(0, 10))
    assert set(found.columns) == {"unit", "event_time", "x.y", "fallback", "rollout_id"}
    np.testing.assert_array_equal(found["x.y"], [1.0, 2.5, np.nan, np.nan])
    assert found["fallback"].isna().tolist() == [True, False, True, True]


def test_any_timezone_is_written_as_utc(log: PredictionLog) -> None:
    local = rows(0)
    local["event_time"] = local["event_time"].dt.tz_convert("America/New_York")
    log.write("b-1", local)
    assert log.read(hours(0, 1))["event_time"].tolist() == [pd.Timestamp(START)]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda frame: frame.drop(columns="event_time"), "there is no such column"),
        (lambda frame: frame.assign(event_time="now"), "must be a time with a timezone"),
        (
            lambda frame: frame.assign(event_time=frame["event_time"].dt.tz_localize(None)),
            "must be a time with a timezone",
        ),
        (lambda frame: frame.assign(event_time=frame["event_time"].shift()), "missing in 1 rows"),
    ],
)
def test_rows_without_a_time_are_refused_and_nothing_is_written(
    log: PredictionLog, change: object, what: str
) -> None:
    with pytest.raises(BadInput, match=what):
        log.write("b-1", change(rows(0, 1)))  # type: ignore[operator]
    assert len(log.read(hours(-10, 10))) == 0


@pytest.mark.parametrize("batch_id", ["", "x" * 300])
def test_an_id_that_cannot_be_a_name_is_refused(log: PredictionLog, batch_id: str) -> None:
    with pytest.raises(BadInput, match="is no batch id"):
        log.write(batch_id, rows(0))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    writes=st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.lists(st.integers(0, 80), max_size=4),
        ),
        max_size=6,
    ),
    first=st.integers(-5, 85),
    length=st.integers(0, 60),
)
def test_files_and_memory_tell_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    writes: list[tuple[str, list[int]]],
    first: int,
    length: int,
) -> None:
    logs = (MemoryPredictionLog(), ParquetPredictionLog(tmp_path_factory.mktemp("log")))
    window = hours(first, first + length)
    for log in logs:
        for batch_id, after in writes:
            log.write(batch_id, rows(*after, batch=[batch_id] * len(after)))
    in_memory, in_files = (log.read(window) for log in logs)
    assert in_memory["event_time"].tolist() == in_files["event_time"].tolist()
    if len(in_files):
        pd.testing.assert_frame_equal(in_memory[["unit", "batch"]], in_files[["unit", "batch"]])


def test_what_a_dead_writer_left_is_not_read(tmp_path: Path) -> None:
    log = ParquetPredictionLog(tmp_path)
    log.write("b-1", rows(0))
    (place,) = tmp_path.glob("*/*.parquet")
    (place.parent / ".0123.tmp").write_bytes(place.read_bytes()[:100])
    assert units(log, hours(0, 10)) == ["u0"]


def test_a_damaged_file_is_told_and_never_read_as_no_rows(tmp_path: Path) -> None:
    log = ParquetPredictionLog(tmp_path)
    log.write("b-1", rows(0))
    (place,) = tmp_path.glob("*/*.parquet")
    place.write_bytes(place.read_bytes()[:100])
    with pytest.raises(DamagedLog, match=place.name.replace("+", r"\+")):
        log.read(hours(0, 10))


def test_batches_that_contradict_each_other_are_told(log: PredictionLog) -> None:
    log.write("b-1", rows(0, **{"x.y": [1.0]}))
    log.write("b-2", rows(1, **{"x.y": ["one"]}))
    with pytest.raises(DamagedLog, match="contradict"):
        log.read(hours(0, 10))


def test_a_full_disk_leaves_the_earlier_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = ParquetPredictionLog(tmp_path)
    log.write("b-1", rows(0))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sluiceway.adapters.prediction_log.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        log.write("b-1", rows(0, 1))
    assert units(log, hours(0, 10)) == ["u0"]
    assert not list(tmp_path.rglob("*.tmp"))


def test_readers_see_all_of_a_batch_or_nothing_of_it(tmp_path: Path) -> None:
    log = ParquetPredictionLog(tmp_path)
    log.write("b", rows(*range(20)))
    done = threading.Event()
    failures: list[BaseException] = []

    def rewrite() -> None:
        try:
            for turn in range(40):
                # Every other write moves the batch to another day.
                log.write("b", rows(*(hour + 24 * (turn % 2) for hour in range(20))))
        except BaseException as error:  # noqa: BLE001 - told to the test below
            failures.append(error)
        finally:
            done.set()

    writer = threading.Thread(target=rewrite)
    writer.start()
    sizes = set()
    while not done.is_set():
        sizes.add(len(log.read(hours(-100, 100))))
    writer.join()
    assert not failures
    assert sizes <= {0, 20}


def test_a_log_without_losses_has_no_gaps(log: PredictionLog) -> None:
    log.write("b-1", rows(0, 1))
    assert list(log.gaps(hours(0, 24))) == []


def test_who_asked_is_counted_by_model_and_consumer(log: PredictionLog) -> None:
    asked = {"consumer": ["app", "app", None, "web"], "asked": ["m", "m", "m", "m"]}
    log.write("b-1", rows(0, 1, 2, 3, **asked, path=["primary", "primary", "primary", "mirror"]))
    log.write("b-2", rows(4, 5, consumer=["app", "web"], asked=["n", "m"]))
    found = log.callers(hours(0, 24))
    assert [(c.model, c.consumer, c.rows) for c in found.callers] == [
        ("m", "app", 2),
        ("m", "web", 1),
        ("n", "app", 1),
    ]
    assert found.callers[0].last == START + timedelta(hours=1)
    # Nobody received the mirrored answer, and one answer's row does not say who did.
    assert (found.rows, found.unnamed) == (5, 1)
    assert log.callers(hours(4, 5)).rows == 1


def test_a_log_that_never_says_who_asked_has_only_unnamed_rows(log: PredictionLog) -> None:
    log.write("b-1", rows(0, 1))
    found = log.callers(hours(0, 24))
    assert (found.callers, found.rows, found.unnamed) == ((), 2, 2)
    assert log.callers(hours(5, 6)).rows == 0
