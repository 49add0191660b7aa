"""Answers as rows of the prediction log: packed as they are given, unpacked by whoever reads."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any, Final

import numpy as np
import pandas as pd

from sluiceway.contracts.values import Trigger
from sluiceway.serving.keeping import Keeping
from sluiceway.serving.values import ArmAnswers, Asked, Path, Question, Values

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
STAND_IN: Final = "stand_in:"
"""How columns begin that say why an answer is not a model's own."""
SECONDS: Final = "seconds:"
"""How columns begin that say what a model took for the pass in which it answered the row."""
TOGETHER: Final = "together"
"""The column that says how many rows that pass had; 0 or missing where nobody knows."""

WITHHELD: Final = "withheld"
"""The column that names the rollout for which the row is no evidence, though nobody failed."""
WITHHELD_BECAUSE: Final = "withheld_because"
"""The column that says why: a :class:`~sluiceway.serving.values.WithheldBecause`."""
WITHHELD_WHAT: Final = "withheld_what"
"""The column that says so in words."""

Entry = dict[str, Any]
"""One arm's answers to some rows of one question or of several, in plain values that JSON has.

What is the same in all rows stands there once, what is not as a list."""

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
    asked: Sequence[Asked], answers: ArmAnswers, *, seq: int, at: int, keeping: Keeping
) -> Entry:
    """Put down one arm's answers.

    Args:
        asked: The rows that were answered; of several questions only what nobody received.
        seq: Number of the first row in its session.
        at: When it was answered, in microseconds since 1970.
        keeping: What of the question may be put down.
    """
    question = asked[0].question
    units = [unit for one in asked for unit in _units_of(one)]
    entry: Entry = {
        "seq": seq,
        "at": at,
        "unit": [keeping.unit(unit) for unit in units] if keeping.hash_units else units,
        "time": _each(asked, _times_of),
        "request": _each(asked, lambda one: one.question.request_id),
        "asked": question.model,
        "consumer": _each(asked, lambda one: one.question.consumer),
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
        "together": answers.together,
    }
    if answers.stand_ins:
        reasons = answers.stand_ins.items()
        entry["stand_ins"] = {name: [str(one) for one in why] for name, why in reasons}
    if (kept := answers.withheld) is not None:
        entry["withheld"] = {
            WITHHELD: kept.rollout_id,
            WITHHELD_BECAUSE: kept.because.value,
            WITHHELD_WHAT: kept.what,
        }
    if keeping.share and answers.path is Path.PRIMARY:  # whoever answers too was asked the same
        rows = None if len(answers.rows) == question.rows else answers.rows
        _add_inputs(entry, question, rows, units, keeping)
    return entry


def _units_of(asked: Asked) -> Sequence[str]:
    units = asked.question.units
    return units if len(asked.rows) == len(units) else [units[row] for row in asked.rows.tolist()]


def _times_of(asked: Asked) -> int | list[int]:
    """Event times in microseconds since 1970; one where it is the same for all rows."""
    question, times = asked.question, asked.question.event_time
    if times is None:
        return micros(question.received)
    some = times if len(asked.rows) == question.rows else times[asked.rows]
    found: list[int] = some.astype("M8[us]").view(np.int64).tolist()
    return found


def _each(asked: Sequence[Asked], value: Callable[[Asked], Any]) -> Any:
    """What holds for rows: as it is for those of one question, else row by row."""
    if len(asked) == 1:
        return value(asked[0])
    found: list[Any] = []
    for one in asked:
        here = value(one)
        found += here if isinstance(here, list) else [here] * len(one.rows)
    return found


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
    free = not keeping.excluded and not keeping.hashed  # asking of each column takes its time
    for name, column in question.columns.items():
        if not free and not keeping.keeps(name):
            continue
        values = column if rows is None else column[rows]
        if not free and keeping.hides(name):
            hashes[name] = _hashes(values, drawn, keeping)
        elif values.dtype.kind == "M":
            missing = np.isnat(values)
            found = values.astype("M8[us]").view(np.int64).tolist()
            times[name] = _masked(found, ~missing if drawn is None else drawn & ~missing)
        else:
            inputs[name] = values.tolist() if drawn is None else _masked(values.tolist(), drawn)
    parts = {"inputs": inputs, "times": times, "hashes": hashes}
    entry |= {name: part for name, part in parts.items() if part}


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
    ``seconds:<model>``), in a pass of how many rows (``together``), which models it holds
    (``models``), why an answer is not a model's own (``stand_in:<model>``), and what was asked
    (``input:<column>``).
    """
    alike: dict[tuple[tuple[str, ...], ...], list[Entry]] = {}
    for entry in entries:
        alike.setdefault(tuple(tuple(entry.get(part, ())) for part in _PARTS), []).append(entry)
    if not alike:
        return pd.DataFrame({"event_time": _moments(())})
    frames = [_frame_of_alike(some, session) for some in alike.values()]
    if len(frames) == 1:
        return frames[0]
    return pd.concat(frames).sort_values(SEQ, kind="stable", ignore_index=True)


_PARTS: Final = ("fields", "seconds", "stand_ins", "inputs", "times", "hashes", "withheld")
"""What entries have in columns of their own."""

_OF_ENTRY: Final = {
    "rollout_id": "rollout",
    "arm": "arm",
    "path": "path",
    "weight": "weight",
    "release": "release",
    "generation": "generation",
    "routing_revision": "revision",
    "consumer": "consumer",
    "asked": "asked",
    "request_id": "request",
}
"""What an entry says of its rows, by column."""


def _frame_of_alike(entries: Sequence[Entry], session: str) -> pd.DataFrame:
    """The rows of entries that have the same columns, column by column."""
    sizes = [len(entry["unit"]) for entry in entries]

    def each(key: str) -> Iterator[Any]:
        for entry, size in zip(entries, sizes, strict=True):
            here = entry[key]
            yield from here if isinstance(here, list) else repeat(here, size)

    def every(part: str, name: str) -> Iterator[Any]:
        return chain.from_iterable(entry[part][name] for entry in entries)

    first = entries[0]
    models = ",".join(sorted({name.partition(".")[0] for name in first["fields"]}))
    columns: dict[str, Any] = {
        "unit": list(chain.from_iterable(entry["unit"] for entry in entries)),
        "event_time": _moments(each("time")),
        **{name: list(each(key)) for name, key in _OF_ENTRY.items()},
        SESSION: session,
        SEQ: np.concatenate(
            [np.arange(e["seq"], e["seq"] + n) for e, n in zip(entries, sizes, strict=True)]
        ),
        "answered_at": _moments(each("at")),
        MODELS: models,
        TOGETHER: list(
            chain.from_iterable(map(repeat, (e.get("together", 0) for e in entries), sizes))
        ),
        "paired": list(chain.from_iterable(entry["paired"] for entry in entries)),
    }
    columns |= {name: list(every("fields", name)) for name in first["fields"]}
    for name in first["seconds"]:
        spent = (entry["seconds"][name] for entry in entries)
        columns[f"{SECONDS}{name}"] = list(chain.from_iterable(map(repeat, spent, sizes)))
    why = {name: list(every("stand_ins", name)) for name in first.get("stand_ins", ())}
    columns |= {f"{STAND_IN}{name}": [one or None for one in said] for name, said in why.items()}
    columns["fallback"] = [any(said) for said in zip(*why.values(), strict=True)] if why else False
    for name in first.get("withheld", ()):
        said = (entry["withheld"][name] for entry in entries)
        columns[name] = list(chain.from_iterable(map(repeat, said, sizes)))
    columns |= {f"{INPUT}{name}": list(every("inputs", name)) for name in first.get("inputs", ())}
    columns |= {f"{INPUT}{n}": _moments(every("times", n)) for n in first.get("times", ())}
    columns |= {f"{HASHED}{name}": list(every("hashes", name)) for name in first.get("hashes", ())}
    return pd.DataFrame(columns, index=range(sum(sizes)), copy=False)


def _moments(ticks: Iterable[int | None]) -> "pd.Series[pd.Timestamp]":
    known = np.fromiter((_NAT if one is None else one for one in ticks), dtype=np.int64)
    return pd.Series(known.view("M8[us]")).dt.tz_localize("UTC")


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


def isolated(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows hold what was made of the safe default of an edge that somebody has cut."""
    why = rows.filter(regex=f"^{STAND_IN}")
    return (why == Trigger.ISOLATED.value).any(axis=1)


def failed(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows hold something that stands in for a model that gave no usable answer.

    Where somebody has cut an edge nobody failed.
    """
    why = rows.filter(regex=f"^{STAND_IN}")
    only_cut = why.notna().any(axis=1) & (why.isna() | (why == Trigger.ISOLATED.value)).all(axis=1)
    return rows["fallback"].eq(True) & ~only_cut


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
