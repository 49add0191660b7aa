"""Answers as rows of the prediction log: packed as they are given, unpacked by whoever reads."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd

from sluiceway.serving.keeping import Keeping
from sluiceway.serving.values import ArmAnswers, Question, Values

SESSION: Final = "session"
"""The column that names the process which answered; missing in rows that no gateway wrote."""
SEQ: Final = "seq"
"""The column that numbers a session's rows from 0; with the session it is unique."""
MODELS: Final = "models"
"""The column that names the models whose fields a row holds: sorted, with commas between."""
INPUT: Final = "input:"
"""How columns of kept inputs begin."""
HASHED: Final = "hashed:"
"""How columns of hashed inputs begin; another name, for they are text whatever the input is."""

Entry = dict[str, Any]
"""One arm's answers to some rows of one question, in plain values that JSON has."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_NAT: Final = np.iinfo(np.int64).min


def micros(moment: datetime) -> int:
    """A moment as microseconds since 1970 in UTC."""
    return (moment - _EPOCH) // _TICK


def moment(micros: int) -> datetime:
    """The moment that so many microseconds since 1970 are."""
    return _EPOCH + micros * _TICK


def packed(
    question: Question, answers: ArmAnswers, *, seq: int, at: int, keeping: Keeping
) -> Entry:
    """Put down one arm's answers.

    Args:
        seq: Number of the first row in its session.
        at: When it was answered, in microseconds since 1970.
        keeping: What of the question may be put down.
    """
    whole = len(answers.rows) == question.rows
    rows = answers.rows
    asked = question.units if whole else [question.units[row] for row in rows]
    times = question.event_time
    entry: Entry = {
        "seq": seq,
        "at": at,
        "unit": [keeping.unit(unit) for unit in asked] if keeping.hash_units else list(asked),
        "time": micros(question.received)
        if times is None
        else (times if whole else times[rows]).astype("M8[us]").view(np.int64).tolist(),
        "request": question.request_id,
        "asked": question.model,
        "consumer": question.consumer,
        "rollout": answers.rollout_id,
        "arm": answers.arm.value,
        "path": answers.path.value,
        "paired": answers.paired.tolist(),
        "weight": answers.weight,
        "release": answers.release,
        "generation": answers.generation,
        "revision": answers.revision,
        "fields": {name: values.tolist() for name, values in answers.fields.items()},
        "seconds": dict(answers.seconds),
    }
    if answers.stand_ins:
        reasons = answers.stand_ins.items()
        entry["stand_ins"] = {name: [str(one) for one in why] for name, why in reasons}
    if keeping.share:
        _add_inputs(entry, question, None if whole else rows, asked, keeping)
    return entry


def _add_inputs(
    entry: Entry,
    question: Question,
    rows: np.ndarray | None,
    units: Sequence[str],
    keeping: Keeping,
) -> None:
    drawn = None
    if keeping.share < 100:
        drawn = keeping.drawn(units, len(units))
        if not drawn.any():
            return
    inputs: dict[str, list[Any]] = {}
    times: dict[str, list[int | None]] = {}
    hashes: dict[str, list[str | None]] = {}
    for name, column in question.columns.items():
        if not keeping.keeps(name):
            continue
        values = column if rows is None else column[rows]
        if keeping.hides(name):
            hashes[name] = _hashes(values, drawn, keeping)
        elif values.dtype.kind == "M":
            missing = np.isnat(values)
            found = values.astype("M8[us]").view(np.int64).tolist()
            times[name] = _masked(found, ~missing if drawn is None else drawn & ~missing)
        else:
            inputs[name] = values.tolist() if drawn is None else _masked(values.tolist(), drawn)
    entry |= {"inputs": inputs, "times": times, "hashes": hashes}


def _masked(values: list[Any], kept: np.ndarray) -> list[Any]:
    if kept.all():
        return values
    return [value if there else None for value, there in zip(values, kept.tolist(), strict=True)]


def _hashes(values: Values, drawn: np.ndarray | None, keeping: Keeping) -> list[str | None]:
    found = [None if pd.isna(one) else keeping.hash(str(one)) for one in values.tolist()]
    return found if drawn is None else _masked(found, drawn)


def frame_of(entries: Iterable[Entry], session: str) -> pd.DataFrame:
    """The rows of entries, each one unit and arm.

    Beside what every log has (``unit``, ``event_time``, ``rollout_id``, ``arm``, ``path``,
    ``paired``, ``weight``, ``release``, ``generation``, ``routing_revision``, ``fallback``,
    ``consumer``, ``asked``, ``model.field`` …) a row says by which request, when, in which order
    and after how long (``request_id``, ``answered_at``, ``session``, ``seq``,
    ``seconds:<model>``), which models it holds (``models``), why an answer is not a model's own
    (``stand_in:<model>``), and what was asked (``input:<column>``).
    """
    columns = _Columns()
    for entry in entries:
        columns.add(entry, session)
    found = columns.filled()
    moments = {name: _moments(found.get(name, ())) for name in columns.moments}
    return pd.DataFrame(found | moments, copy=False)


def _moments(ticks: Iterable[int | None]) -> "pd.Series[pd.Timestamp]":
    known = np.asarray([_NAT if one is None else one for one in ticks], dtype=np.int64)
    return pd.Series(known.view("M8[us]")).dt.tz_localize("UTC")


class _Columns:
    """Columns that grow entry by entry; those that an entry lacks are missing there."""

    def __init__(self) -> None:
        self.moments = {"event_time", "answered_at"}
        self._rows = 0
        self._values: dict[str, list[Any]] = {}

    def add(self, entry: Mapping[str, Any], session: str) -> None:
        units = entry["unit"]
        rows, seq, time = len(units), entry["seq"], entry["time"]
        stand_ins = entry.get("stand_ins", {})
        fallback = [any(why) for why in zip(*stand_ins.values(), strict=True)]
        models = ",".join(sorted({name.partition(".")[0] for name in entry["fields"]}))
        self._put("unit", units)
        self._put("event_time", [time] * rows if isinstance(time, int) else time)
        for name, value in (
            ("rollout_id", entry["rollout"]),
            ("arm", entry["arm"]),
            ("path", entry["path"]),
            ("weight", entry["weight"]),
            ("release", entry["release"]),
            ("generation", entry["generation"]),
            ("routing_revision", entry["revision"]),
            ("consumer", entry["consumer"]),
            ("asked", entry["asked"]),
            ("request_id", entry["request"]),
            (SESSION, session),
            ("answered_at", entry["at"]),
            (MODELS, models),
        ):
            self._put(name, [value] * rows)
        self._put(SEQ, range(seq, seq + rows))
        self._put("paired", entry["paired"])
        self._put("fallback", fallback or [False] * rows)
        for name, values in entry["fields"].items():
            self._put(name, values)
        for name, seconds in entry["seconds"].items():
            self._put(f"seconds:{name}", [seconds] * rows)
        for name, why in stand_ins.items():
            self._put(f"stand_in:{name}", [one or None for one in why])
        for kind, prefix in (("inputs", INPUT), ("times", INPUT), ("hashes", HASHED)):
            for name, values in entry.get(kind, {}).items():
                self._put(f"{prefix}{name}", values)
        self.moments.update(f"{INPUT}{name}" for name in entry.get("times", {}))
        self._rows += rows

    def _put(self, name: str, values: Iterable[Any]) -> None:
        column = self._values.setdefault(name, [])
        if len(column) < self._rows:
            column.extend([None] * (self._rows - len(column)))
        column.extend(values)

    def filled(self) -> dict[str, list[Any]]:
        for name in self._values:
            self._put(name, ())
        return self._values


def merged(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """One row for each combination of `keys`, of what its rows say together.

    A unit may be asked about more than once, and not for the same models. Each column is what the
    newest row knows (by ``routing_revision``, then ``answered_at``), else the row before it. What
    speaks against an answer stays: a row of which one had a ``fallback`` has one.

    Returns:
        Rows in the order of the newest rows of each, by what came first.
    """
    if not rows.duplicated(list(keys)).any():
        return rows
    order = [name for name in ("routing_revision", "answered_at") if name in rows]
    newest = rows.sort_values(order, ascending=False, kind="stable", na_position="last")
    grouped = newest.groupby(list(keys), sort=False, dropna=False)
    found = grouped.first()
    if "fallback" in rows:
        found["fallback"] = (
            newest["fallback"]
            .eq(True)
            .groupby([newest[key] for key in keys], sort=False, dropna=False)
            .any()
        )
    if MODELS in rows:
        found[MODELS] = grouped[MODELS].agg(_together)
    return found.reset_index()[list(rows.columns)]


def _together(models: "pd.Series[str]") -> str | None:
    known = models.dropna()
    if known.empty:
        return None
    return ",".join(sorted({name for one in known for name in one.split(",")}))


def holds(rows: pd.DataFrame, model: str) -> "pd.Series[bool]":
    """Which rows hold a model's fields; a log that does not say so has them in every row."""
    if MODELS not in rows:
        return pd.Series(data=True, index=rows.index)
    named = rows[MODELS]
    has = {one: model in one.split(",") for one in named.dropna().unique()}
    return named.map(has).where(named.notna(), True).astype(bool)
