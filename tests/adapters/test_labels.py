"""Labels: checked all together, kept once, read like a table's."""

import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluiceway.adapters.labels.files import label_records
from sluiceway.adapters.labels.intake import LabelIntake
from sluiceway.adapters.labels.store import LabelStore
from sluiceway.adapters.labels.table import PostedLabels
from sluiceway.adapters.live_log.reading import LivePredictionLog
from sluiceway.adapters.live_log.recorder import LiveRecorder
from sluiceway.errors import BadInput
from sluiceway.ports import Window
from sluiceway.serving.keeping import Keeping
from sluiceway.serving.labels import MOST, Conflict
from sluiceway.serving.refusals import RefusalCode, Refused
from sluiceway.system.file import read_system
from tests.adapters.live_log.test_recorder import in_a_child
from tests.driver import variant
from tests.serving.questions import START, answers, question
from tests.serving.test_keeping import LIVE

SETTLED = START + timedelta(hours=20)
NOW = START + timedelta(hours=22)


class Desk:
    """An intake whose clock is set by hand; the units a, b and c were answered at the start."""

    def __init__(self, folder: Path, *changes: tuple[str, str], keeping: Keeping | None = None):
        self.system = read_system(variant(folder / "system", *changes))
        self.now = NOW
        self.path = folder / "serving" / "labels.db"
        keeping = keeping or Keeping()
        self.log = LivePredictionLog(folder / "predictions", folder / "serving" / "log.db")
        self.recorder = LiveRecorder(folder / "serving" / "log.db", keeping)
        asked = question("a", "b", "c")
        self.recorder.record(asked, answers(asked))
        self.store = LabelStore(self.path)
        self.intake = LabelIntake(
            system=lambda: self.system,
            log=self.log,
            store=self.store,
            keeping=keeping,
            clock=lambda: self.now,
        )

    def take(self, *records: Any) -> tuple[int, int, int, int, int]:
        found = self.intake.take(records)
        unknown = len(found.unknown)
        return found.accepted, found.duplicate, len(found.conflicts), found.late, unknown

    def read(self, *columns: str) -> list[dict[str, Any]]:
        table = PostedLabels(self.path, self.system, self.system.sources["outcomes"])
        (rows,) = table.read(columns, [Window(start=START, end=START + timedelta(days=2))])
        return rows.to_pylist()


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    found = Desk(tmp_path)
    yield found
    found.recorder.close()


def label(unit: str = "a", value: Any = 1.0, **more: Any) -> dict[str, Any]:
    known_at = SETTLED.isoformat()
    return {"unit": unit, "label": "outcomes.fraud", "value": value, "known_at": known_at, **more}


def test_a_label_is_taken_once_however_often_it_is_posted(desk: Desk) -> None:
    assert desk.take(label(), label("b", 0.0)) == (2, 0, 0, 0, 0)
    assert desk.take(label(), label("b", 0.0)) == (0, 2, 0, 0, 0)
    assert desk.read("order_id", "fraud", "settled_at") == [
        {"order_id": "a", "fraud": 1.0, "settled_at": SETTLED},
        {"order_id": "b", "fraud": 0.0, "settled_at": SETTLED},
    ]


def test_what_contradicts_is_listed_and_the_first_stays(desk: Desk) -> None:
    desk.take(label())
    assert desk.take(label(value=0.0), label(value=0.0), label("b"), label("b", 2.0)) == (
        1, 0, 3, 0, 0,
    )  # fmt: skip
    assert [row["fraud"] for row in desk.read("fraud")] == [1.0, 1.0]
    assert desk.store.conflicts() == (
        Conflict(unit="a", label="outcomes.fraud", kept=1.0, posted=0.0),
        Conflict(unit="b", label="outcomes.fraud", kept=1.0, posted=2.0),
    )
    assert desk.store.counts() == (2, 0, 2)


def test_another_event_time_of_the_same_unit_is_a_conflict(desk: Desk) -> None:
    moved = (START + timedelta(hours=1)).isoformat()
    assert desk.take(label()) == (1, 0, 0, 0, 0)
    assert desk.take(label(event_time=moved)) == (0, 0, 1, 0, 0)
    other = label(label="outcomes.days", event_time=moved)
    assert desk.take(other) == (0, 0, 1, 0, 0)


def test_late_labels_are_kept_and_counted(desk: Desk) -> None:
    """Maturity is a day after the event: late is who is posted later, or known later."""
    desk.now = START + timedelta(hours=25)
    assert desk.take(label()) == (1, 0, 0, 1, 0)
    assert desk.take(label()) == (0, 1, 0, 0, 0)
    assert desk.store.counts() == (1, 1, 0)
    assert len(desk.read("fraud")) == 1


def test_units_without_an_answer_are_listed_and_refused_where_they_are_all(desk: Desk) -> None:
    found = desk.intake.take([label(), label("x"), label("y"), label("x", 0.0)])
    assert (found.accepted, found.unknown) == (1, ("x", "y"))
    with pytest.raises(
        Refused, match="nothing was ever answered to any of these units: x, y"
    ) as no:
        desk.intake.take([label("x"), label("y")])
    assert no.value.code is RefusalCode.UNKNOWN_UNIT
    assert len(desk.read("fraud")) == 1


def test_a_label_may_follow_the_answer_at_once(desk: Desk) -> None:
    """Before the answer is written down; it is waited for."""
    asked = question("just now")
    desk.recorder.record(asked, answers(asked))
    assert desk.take(label("just now"))[0] == 1


def test_several_labels_of_a_unit_are_one_row(desk: Desk) -> None:
    several = {"unit": "a", "source": "outcomes", "values": {"days": 3, "fraud": True}}
    assert desk.take({**several, "known_at": SETTLED.isoformat()})[0] == 2
    later = SETTLED + timedelta(hours=1)
    assert desk.take(label(label="outcomes.euros", value=7, known_at=later.isoformat()))[0] == 1
    assert desk.read("days", "fraud", "euros", "score", "settled_at", "placed_at") == [
        {"days": 3.0, "fraud": 1.0, "euros": 7.0, "score": None, "settled_at": later,
         "placed_at": START}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "field", "rule"),
    [
        ("a", "labels", "shape"),
        ({}, "unit", "missing_column"),
        (label(unit=""), "unit", "dtype"),
        (label(unit=4), "unit", "dtype"),
        (label(value="1"), "value", "dtype"),
        (label(value=None), "value", "dtype"),
        (label(value=float("nan")), "value", "finite"),
        (label(value=float("inf")), "value", "finite"),
        (label(label="outcomes.mood"), "label", "category"),
        (label(label="orders.amount"), "label", "category"),
        (label(known_at="yesterday"), "known_at", "dtype"),
        (label(known_at="2013-09-02T18:00:00"), "known_at", "dtype"),
        (label(known_at=4), "known_at", "dtype"),
        (label(known_at=(NOW + timedelta(hours=1)).isoformat()), "known_at", "range"),
        (label(known_at=(START - timedelta(hours=1)).isoformat()), "known_at", "range"),
        (label(event_time=NOW.isoformat()), "known_at", "range"),
        (label(event_time="soon"), "event_time", "dtype"),
        (label(mood="good"), "mood", "unknown_field"),
        ({**label(), "source": "outcomes"}, "values", "shape"),
        ({"unit": "a", "values": {"fraud": "x"}, "source": "outcomes"}, "values.fraud", "dtype"),
    ],
)
def test_one_bad_label_refuses_all_of_them(desk: Desk, record: Any, field: str, rule: str) -> None:
    with pytest.raises(Refused) as refused:
        desk.intake.take([label("b"), record])
    assert refused.value.code is RefusalCode.OUT_OF_CONTRACT
    assert (field, rule, (1,)) in [(f.field, f.rule, f.rows) for f in refused.value.faults]
    assert desk.read("fraud") == []


def test_all_faults_are_told_together(desk: Desk) -> None:
    with pytest.raises(Refused, match="30 labels cannot be taken") as refused:
        desk.intake.take([label(value=None)] * 30 + [label("b")] + [label(known_at=None)] * 0)
    (fault,) = refused.value.faults
    assert (fault.count, len(fault.rows)) == (30, 10)
    with pytest.raises(Refused, match="too many for one request"):
        desk.intake.take([label()] * (MOST + 1))


def test_where_requests_say_which_units_there_are_they_say_when(tmp_path: Path) -> None:
    desk = Desk(tmp_path, LIVE)
    assert desk.take(label(event_time=START.isoformat()))[0] == 1
    with pytest.raises(Refused) as refused:
        desk.take(label("b", event_time=(START + timedelta(hours=1)).isoformat()))
    assert refused.value.faults[0].field == "event_time"
    desk.recorder.close()


def test_hashed_units_are_found_by_the_same_hash(tmp_path: Path) -> None:
    keeping = Keeping(hash_units=True, key=b"0123456789abcdef")
    desk = Desk(tmp_path, keeping=keeping)
    found = desk.intake.take([label(), label("x")])
    assert (found.accepted, found.unknown) == (1, ("x",))
    assert desk.read("order_id") == [{"order_id": keeping.hash("a")}]
    desk.recorder.close()


def test_a_label_is_on_the_disk_before_it_is_acknowledged(desk: Desk) -> None:
    def act() -> None:
        desk.take(label())
        os.kill(os.getpid(), 9)

    assert in_a_child(act) == -9
    with sqlite3.connect(desk.path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM labels").fetchone() == (1,)
    connection.close()


def test_old_labels_are_forgotten(desk: Desk) -> None:
    desk.take(label())
    desk.take(label(value=0.0))
    assert desk.store.forget(NOW) == 0
    assert desk.store.forget(NOW + timedelta(seconds=1)) == 1
    assert desk.store.counts() == (0, 0, 0)


def test_the_table_of_labels_is_there_before_any_label(desk: Desk) -> None:
    table = PostedLabels(desk.path, desk.system, desk.system.sources["outcomes"])
    window = Window(start=START, end=START + timedelta(days=1))
    assert table.schema().names == ["order_id", "placed_at", "settled_at", "days", "euros", "fraud",
                                    "score"]  # fmt: skip
    assert len(table.survey(window).times) == 0
    desk.take(label(), label("b"))
    assert table.survey(window).times.tolist() == [int(START.timestamp()) * 1_000_000] * 2


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["a", "b"]), st.sampled_from(["fraud", "days"]), st.integers(0, 2)
            ),
            max_size=4,
        ),
        max_size=4,
    )
)
def test_whatever_is_posted_the_first_value_stays(
    tmp_path_factory: pytest.TempPathFactory, posts: list[list[tuple[str, str, int]]]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    first: dict[tuple[str, str], int] = {}
    for post in posts:
        accepted = duplicate = conflicting = 0
        for unit, name, value in post:
            kept = first.setdefault((unit, name), -1)
            if kept < 0:
                first[unit, name] = value
                accepted += 1
            elif kept == value:
                duplicate += 1
            else:
                conflicting += 1
        records = [label(unit, value, label=f"outcomes.{name}") for unit, name, value in post]
        assert desk.take(*records) == (accepted, duplicate, conflicting, 0, 0)
    found = {
        (row["order_id"], name): row[name]
        for row in desk.read("order_id", "fraud", "days")
        for name in ("fraud", "days")
        if row[name] is not None
    }
    assert found == first
    desk.recorder.close()


def records_of(path: Path) -> list[dict[str, Any]]:
    return [record for some in label_records(path) for record in some]


def test_files_hold_one_label_a_row_or_one_unit_a_row(tmp_path: Path, desk: Desk) -> None:
    long, wide, parquet = tmp_path / "l.csv", tmp_path / "w.csv", tmp_path / "w.parquet"
    long.write_text(
        "unit,label,value,known_at\n"
        "a,outcomes.fraud,1,2013-09-02T18:00:00Z\n"
        "a,outcomes.days,2.5,2013-09-02T18:00:00Z\n"
        "b,outcomes.days,3,2013-09-02T18:00:00Z\n"
    )
    wide.write_text(
        "unit,known_at,outcomes.fraud,outcomes.days\n"
        "a,2013-09-02 18:00:00,1,2.5\n"
        "b,2013-09-02 18:00:00,,3\n"
    )
    time = datetime(2013, 9, 2, 18, tzinfo=UTC)
    pd.DataFrame(
        {"unit": ["a", "b"], "known_at": [time, time], "outcomes.fraud": [1.0, np.nan],
         "outcomes.days": [2.5, 3.0]}
    ).to_parquet(parquet)  # fmt: skip
    assert desk.take(*records_of(long)) == (3, 0, 0, 0, 0)
    assert desk.take(*records_of(wide)) == (0, 3, 0, 0, 0)
    assert desk.take(*records_of(parquet)) == (0, 3, 0, 0, 0)


def test_units_that_look_like_numbers_stay_as_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "l.csv"
    file.write_text("unit,label,value,known_at\n007,outcomes.fraud,1,2013-09-02T18:00:00Z\n")
    assert records_of(file)[0]["unit"] == "007"


@pytest.mark.parametrize("name", ["none.csv", "none.parquet", "broken.parquet"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.parquet").write_text("no parquet")
    with pytest.raises(BadInput, match=f"{name}: cannot be read"):
        list(label_records(tmp_path / name))


def test_labels_join_units_that_are_numbers(tmp_path: Path) -> None:
    from sluiceway.adapters.source_rows import FaultTally, SourceRows, spine_of

    system = read_system(variant(tmp_path))
    times = pa.array([0, 0], pa.timestamp("us", tz="UTC"))
    numbered = pa.table({"order_id": [1, 2], "placed_at": times})
    posted = pa.table({"order_id": ["2", "x"], "placed_at": times})
    tally = FaultTally()
    orders = SourceRows.of(system.sources["orders"], numbered, "order_id", tally)
    outcomes = SourceRows.of(system.sources["outcomes"], posted, "order_id", tally)
    assert spine_of([orders]).places_of(outcomes, tally).tolist() == [-1, 0]
    assert not tally
