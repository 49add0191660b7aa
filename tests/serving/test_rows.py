"""Answers become rows, and rows of one unit say together what each of them knows."""

import numpy as np
import orjson
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.serving.keeping import Keeping
from sluiceway.serving.rows import Entry, frame_of, holds, merged, packed
from sluiceway.serving.values import ArmAnswers, Asked, Path, Question
from tests.serving.questions import answers, question

KEYS = ["unit", "arm", "block"]
FIELDS = ["a.x", "b.y"]

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "unit": st.sampled_from(["u", "v"]),
            "arm": st.sampled_from(["baseline", "candidate"]),
            "block": st.sampled_from(["1", "2"]),
            "routing_revision": st.integers(1, 3),
            "answered_at": st.integers(0, 3),
            "fallback": st.booleans(),
            "models": st.sampled_from([None, "a", "b", "a,b"]),
            "a.x": st.one_of(st.none(), st.floats(-1, 1)),
            "b.y": st.one_of(st.none(), st.floats(-1, 1)),
        }
    ),
    min_size=1,
    max_size=12,
)


def by_hand(rows: list[dict]) -> dict[tuple, dict]:
    """The same by the words of the claim."""
    found: dict[tuple, dict] = {}
    newest = sorted(
        enumerate(rows),
        key=lambda one: (-one[1]["routing_revision"], -one[1]["answered_at"], one[0]),
    )
    for _, row in newest:
        kept = found.setdefault(tuple(row[key] for key in KEYS), dict.fromkeys(row))
        for name, value in row.items():
            if name == "fallback":
                kept[name] = bool(kept[name]) or value
            elif name == "models":
                every = {*(kept[name] or "").split(","), *(value or "").split(",")} - {""}
                kept[name] = ",".join(sorted(every)) or None
            elif kept[name] is None:
                kept[name] = value
    return found


@settings(deadline=None)
@given(ROWS)
def test_rows_of_a_unit_are_merged_to_what_the_newest_knows(rows: list[dict]) -> None:
    frame = pd.DataFrame(rows).astype(dict.fromkeys(FIELDS, float)).astype({"models": object})
    found = merged(frame, KEYS)
    assert list(found.columns) == list(frame.columns)
    said = {
        tuple(row[key] for key in KEYS): {
            name: None if pd.isna(value) else value for name, value in row.items()
        }
        for row in found.to_dict("records")
    }
    assert said == by_hand(rows)
    assert len(found) == len(said)


@settings(deadline=None)
@given(ROWS)
def test_merged_rows_stay_as_they_are(rows: list[dict]) -> None:
    frame = pd.DataFrame(rows).astype(dict.fromkeys(FIELDS, float)).astype({"models": object})
    once = merged(frame, KEYS)
    pd.testing.assert_frame_equal(merged(once, KEYS), once)


NUMBERS = st.floats(allow_nan=True, allow_infinity=False, width=64)


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=5), st.text(max_size=3), st.data())
def test_what_is_packed_comes_back_to_the_last_bit(
    numbers: list[float], text: str, data: st.DataObject
) -> None:
    rows = len(numbers)
    columns = {
        "number": np.asarray(numbers),
        "text": np.asarray([text] * rows, dtype=object),
        "time": np.asarray(["2013-09-01T00:00:00.000001"] * rows, dtype="M8[us]"),
    }
    chosen = data.draw(st.sets(st.integers(0, rows - 1), min_size=1))
    asked = question(*(f"u{k}" for k in range(rows)), columns=columns)
    given_ = answers(asked, *sorted(chosen), fields={"m.f": np.asarray(numbers)[sorted(chosen)]})
    entry = packed([Asked(asked, given_.rows)], given_, seq=5, at=7, keeping=Keeping())
    found = frame_of(orjson.loads(b"[" + orjson.dumps(entry) + b"]"), "s")
    expected = np.asarray(numbers)[sorted(chosen)]
    for name in ("m.f", "input:number"):
        np.testing.assert_array_equal(found[name].to_numpy(dtype=float), expected)
    assert found["input:text"].tolist() == [text] * len(chosen)
    assert set(found["input:time"].astype(str)) == {"2013-09-01 00:00:00.000001+00:00"}
    assert found["seq"].tolist() == list(range(5, 5 + len(chosen)))


def entry_of(asked: Question, given: ArmAnswers, seq: int = 0) -> Entry:
    return packed([Asked(asked, given.rows)], given, seq=seq, at=0, keeping=Keeping())


TIMES = np.asarray(["2013-09-01T06:00", "2013-09-01T07:00", "2013-09-01T08:00"], dtype="M8[us]")


def test_rows_of_several_questions_stand_together_as_they_would_one_by_one() -> None:
    """Mirrored rows are written down a pass at a time."""
    some = [
        (question("a", request_id="q1", after=1.0), [0]),
        (question("b", "c", "d", request_id="q2", event_time=TIMES, consumer=None), [0, 2]),
        (question("e", "f", request_id="q3", after=2.0, consumer="other"), [0, 1]),
    ]
    asked = [Asked(one, np.asarray(rows, dtype=np.intp)) for one, rows in some]
    minutes = np.arange(5.0)
    reasons = np.asarray(["", "error", "", "", "timeout"], dtype=object)

    def given(of: Question, rows: list[int], part: slice) -> ArmAnswers:
        return answers(
            of,
            *rows,
            path=Path.MIRROR,
            fields={"dep_delay.minutes": minutes[part]},
            stand_ins={"dep_delay": reasons[part]},
            paired=np.ones(len(minutes[part]), dtype=bool),
        )

    whole = given(question(*"abcde"), list(range(5)), slice(None))
    together = packed(asked, whole, seq=4, at=0, keeping=Keeping())
    parts = [slice(0, 1), slice(1, 3), slice(3, 5)]
    alone = [
        entry_of(one, given(one, rows, part), seq=4 + part.start)
        for (one, rows), part in zip(some, parts, strict=True)
    ]
    found = frame_of(orjson.loads(orjson.dumps([together])), "s")
    pd.testing.assert_frame_equal(found, frame_of(alone, "s"))
    assert found["request_id"].tolist() == ["q1", "q2", "q2", "q3", "q3"]
    assert found["unit"].tolist() == ["a", "b", "d", "e", "f"]


def test_entries_of_different_models_are_missing_what_they_lack() -> None:
    one, other = question("a"), question("b", columns={})
    entries = [
        entry_of(one, answers(one, fields={"m.x": np.ones(1)})),
        entry_of(other, answers(other, fields={"n.y": np.ones(1)}), seq=1),
    ]
    rows = frame_of(entries, "s")
    assert rows[["m.x", "n.y"]].isna().to_numpy().tolist() == [[False, True], [True, False]]
    assert rows["input:origin"].isna().tolist() == [False, True]
    assert rows["input:schedule.departs"].isna().tolist() == [False, True]
    assert holds(rows, "m").tolist() == [True, False]
    assert holds(rows.drop(columns="models"), "m").tolist() == [True, True]


def test_an_answer_that_is_missing_is_an_answer() -> None:
    """A model that may answer nothing was asked all the same."""
    asked = question("a")
    fields = {"m.x": np.asarray([np.nan])}
    rows = frame_of([entry_of(asked, answers(asked, fields=fields))], "s")
    assert rows["m.x"].isna().all()
    assert holds(rows, "m").all()
