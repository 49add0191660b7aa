"""Drafting a contract from what a version was given and what it answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import numpy as np
import semver

from sluiceway.contracts.changes import diff, required_bump
from sluiceway.contracts.drafting_behaviour import promise_of
from sluiceway.contracts.promises import Answers
from sluiceway.contracts.questioning import first_difference
from sluiceway.contracts.regions import Column, Seen, Supply
from sluiceway.contracts.rounding import HEAD_ROOM, nice, outward, short
from sluiceway.contracts.values import (
    Contract,
    InputDemand,
    OutputField,
)

PATIENCE: Final = 10.0
"""How many times the measured time the deadline is."""
BATCH: Final = 131_072
"""Rows of a batch for which the deadline has to do; a replay asks that many at once."""
LEAST_DEADLINE: Final = timedelta(seconds=1)
FEW: Final = 20
"""Most different texts or classes that are listed as categories."""

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRecord:
    """What is known of one input.

    Attributes:
        dtype: Of the signature, in the contract's words; None where it says none.
        supply: What whoever feeds it says of it.
    """

    name: str
    dtype: str | None
    supply: Supply | None
    seen: Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRecord:
    """What a version answered to recorded rows.

    Attributes:
        answers: Shape (rows,) or (rows, columns).
        again: Its answers to the same rows, asked a second time.
        seconds: Wall time of the first answer.
        blocks: Name of each row's block, ascending; one block where time is not known.
        said: In words, which rows these are.
        edges: Its answers to made-up rows at the edges of what the draft demands; None where they
            were not asked, or not answered.
    """

    answers: Answers
    again: Answers
    seconds: float
    blocks: Column
    said: str
    edges: Answers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A contract with the reasons for it.

    Attributes:
        reasons: Where each inferred number comes from, by its path in the file.
    """

    contract: Contract
    reasons: Mapping[Path, str]


def infer(
    model: str,
    inputs: Sequence[InputRecord],
    record: AnswerRecord,
    *,
    base: Contract | None = None,
    outputs: Sequence[str] = (),
) -> Draft:
    """Draft a contract.

    Args:
        outputs: Names of the answer's columns in the signature, for where there is no `base`.
        base: The contract that holds so far; its names, positions and units are kept.
    """
    reasons: dict[Path, str] = {}
    table = record.answers.reshape(len(record.answers), -1)
    fields = tuple(
        _field(known, table[:, known.position], record, reasons)
        for known in _templates(table, base, outputs)
    )
    demands = tuple(_demand(one, reasons) for one in sorted(inputs, key=lambda one: one.name))
    # What is not measured stays as it was.
    kept = base or Contract(
        model=model,
        version="1.0.0",
        output=(),
        inputs=(),
        deadline=LEAST_DEADLINE,
        fallback={},
    )
    gone = {field.name for field in kept.output} - {field.name for field in fields}
    draft = replace(
        kept,
        output=fields,
        reserved=(*kept.reserved, *sorted(gone)),
        fallback_rules={n: rule for n, rule in kept.fallback_rules.items() if n not in gone},
        deprecations=tuple(one for one in kept.deprecations if one.field not in gone),
        inputs=demands,
        deadline=_deadline(record, reasons),
        fallback={
            field.name: _fallback(field, table[:, field.position], base, reasons)
            for field in fields
        },
        deterministic=_is_deterministic(record, fields, reasons),
    )
    return Draft(contract=_numbered(draft, base, reasons), reasons=reasons)


def _templates(
    table: Answers, base: Contract | None, outputs: Sequence[str]
) -> tuple[OutputField, ...]:
    """The fields of the contract so far, or fields whose names a person should mend."""
    if base is not None:
        return tuple(field for field in base.output if field.position < table.shape[1])
    width = table.shape[1]
    if len(outputs) == width == len(set(outputs)):
        return tuple(_template(name, place) for place, name in enumerate(outputs))
    if width == 2 and _sums_to_one(table):
        return (_template("probability", 1, unit="probability"),)
    names = ["answer"] if width == 1 else [f"answer_{place}" for place in range(width)]
    return tuple(_template(name, place) for place, name in enumerate(names))


def _template(name: str, position: int, unit: str = "") -> OutputField:
    return OutputField(
        name=name,
        position=position,
        dtype="double",
        unit=unit,
        low=None,
        high=None,
        nullable=False,
        promise=None,
    )


def _sums_to_one(table: Answers) -> bool:
    if table.dtype.kind != "f" or not len(table):
        return False
    return bool(np.allclose(table.sum(axis=1), 1) and table.min() >= 0)


def _field(
    known: OutputField, column: Answers, record: AnswerRecord, reasons: dict[Path, str]
) -> OutputField:
    at = ("output", known.name)
    if known.embedding is not None:
        reasons[at] = "a vector, kept as it was"
        return known
    texts = column.dtype.kind in "OUS"
    values = np.empty(0) if texts else column.astype(np.float64)
    finite = values[np.isfinite(values)]
    missing = len(column) - len(finite) if not texts else 0
    dtype = "string" if texts else _dtype_of(finite, column)
    if not known.unit and dtype in ("double", "long"):
        reasons[*at, "unit"] = "nobody says it; say it here"
    reasons[*at, "dtype"] = "of the answers"
    if missing:
        reasons[*at, "nullable"] = f"{missing:,} of {len(column):,} answers are missing"
    categories = known.categories or _categories(dtype, column, finite, at, reasons)
    listed = categories is not None and dtype != "double"
    plain = not listed and dtype in ("double", "long")
    low, high = _range(known, finite, record, at, reasons) if plain else (None, None)
    return replace(
        known,
        dtype=dtype,
        low=low,
        high=high,
        nullable=missing > 0,
        promise=promise_of(values, record.blocks, record.said, at, reasons) if plain else None,
        categories=categories,
    )


def _dtype_of(finite: Answers, column: Answers) -> str:
    if column.dtype.kind == "b":
        return "boolean"
    return "long" if column.dtype.kind in "iu" and len(finite) else "double"


def _categories(
    dtype: str, column: Answers, finite: Answers, at: Path, reasons: dict[Path, str]
) -> tuple[str, ...] | None:
    """Texts, or classes numbered from 0, where there are few."""
    if dtype == "string":
        found = sorted({str(value) for value in column})
    elif dtype == "long" and len(finite) and finite.min() == 0 and finite.max() < FEW:
        found = [str(place) for place in range(int(finite.max()) + 1)]
    else:
        return None
    if dtype == "long" and len(found) < 2:
        return None
    reasons[*at, "categories"] = "those that were answered; name them, and add what may come"
    return tuple(found)


def _range(
    known: OutputField,
    finite: Answers,
    record: AnswerRecord,
    at: Path,
    reasons: dict[Path, str],
) -> tuple[float | None, float | None]:
    if not len(finite):
        return None, None
    low, high = float(finite.min()), float(finite.max())
    seen = f"answers lie from {low:.4g} to {high:.4g}"
    edges = _finite_edges(record, known.position)
    if len(edges):
        seen += f", at {len(edges):,} edges of its inputs from {edges.min():.4g} to "
        seen += f"{edges.max():.4g}"
        low, high = min(low, float(edges.min())), max(high, float(edges.max()))
    if known.unit == "probability" and low >= 0 and high <= 1:
        reasons[*at, "range"] = f"of a probability; {seen}"
        return 0.0, 1.0
    least, most, _ = outward(low, high)
    reasons[*at, "range"] = f"{seen}; {_room_said()}"
    return least, most


def _finite_edges(record: AnswerRecord, position: int) -> Answers:
    if record.edges is None or record.edges.dtype.kind not in "fiub":
        return np.empty(0)
    table = record.edges.reshape(len(record.edges), -1).astype(np.float64)
    if position >= table.shape[1]:
        return np.empty(0)
    column: Answers = table[:, position]
    return column[np.isfinite(column)]


def _room_said() -> str:
    return f"{100 * HEAD_ROOM:g} % of that span added on each side, rounded outward"


def _demand(one: InputRecord, reasons: dict[Path, str]) -> InputDemand:
    at, seen, supply = ("inputs", one.name), one.seen, one.supply
    low, high = _demanded_range(one, at, reasons)
    if seen.nulls:
        share = f"{100 * seen.nulls / seen.rows:.3g} %"
        reasons[*at, "nullable"] = f"{share} of the recorded values are missing"
    elif supply is not None and supply.nullable:
        reasons[*at, "nullable"] = f"none was missing, and {supply.by} allows it"
    categories = supply.categories if supply else None
    if categories is None and 0 < len(seen.texts) <= FEW:
        categories = tuple(sorted(seen.texts))
        reasons[*at, "categories"] = f"those of {seen.rows:,} recorded values"
    return InputDemand(
        name=one.name,
        unit=supply.unit if supply else None,
        low=low,
        high=high,
        nullable=bool(seen.nulls) or bool(supply and supply.nullable),
        dtype=one.dtype or (supply.dtype if supply else "string" if seen.texts else "double"),
        categories=categories,
    )


def _demanded_range(
    one: InputRecord, at: Path, reasons: dict[Path, str]
) -> tuple[float | None, float | None]:
    seen, supply = one.seen, one.supply
    if one.dtype == "boolean" or seen.texts:
        return None, None
    declared = (supply.low, supply.high) if supply else (None, None)
    if seen.low is None or seen.high is None:
        return declared
    recorded = f"recorded {seen.low:.4g} to {seen.high:.4g}"
    least, most, _ = outward(seen.low, seen.high)
    if supply is None or declared == (None, None):
        reasons[*at, "range"] = f"{recorded}; {_room_said()}"
        return least, most
    low, high = declared
    reasons[*at, "range"] = f"declared of {supply.by}; {recorded}"
    if low is None or high is None:
        open_end = "low" if low is None else "high"
        reasons[*at, "range"] += f"; the {open_end} end is not declared: {_room_said()}"
    return (least if low is None else low), (most if high is None else high)


def _deadline(record: AnswerRecord, reasons: dict[Path, str]) -> timedelta:
    rows = max(1, len(record.answers))
    wanted = PATIENCE * record.seconds * max(1.0, BATCH / rows)
    reasons["latency", "deadline"] = (
        f"{PATIENCE:g} times what a replay's batch of {BATCH:,} rows takes, rounded up, but not "
        f"below a second; measured {record.seconds:.3g} s for {rows:,} rows"
    )
    least = LEAST_DEADLINE.total_seconds()
    return timedelta(seconds=least if wanted <= least else max(least, nice(wanted)))


def _fallback(
    field: OutputField, column: Answers, base: Contract | None, reasons: dict[Path, str]
) -> float:
    at = ("fallback", field.name)
    if field.embedding is not None and base is not None:
        return base.fallback[field.name]
    if field.dtype == "string":
        found, counts = np.unique(column.astype(str), return_counts=True)
        reasons[at] = "the most frequent answer; whether consumers are safe with it is theirs"
        return float((field.categories or ()).index(str(found[np.argmax(counts)])))
    values = column.astype(np.float64)
    finite = values[np.isfinite(values)]
    if not len(finite):
        reasons[at] = "there was no answer to take it from; decide what consumers get"
        return 0.0
    reasons[at] = "median of the answers; whether consumers are safe with it is theirs to say"
    value = float(np.quantile(finite, 0.5, method="lower"))
    return value if field.dtype in ("long", "boolean") else short(value)


def _is_deterministic(
    record: AnswerRecord, fields: tuple[OutputField, ...], reasons: dict[Path, str]
) -> bool:
    asked = Contract(
        model="", version="1.0.0", output=fields, inputs=(), deadline=LEAST_DEADLINE, fallback={}
    )
    same = first_difference(asked, record.answers, record.again, exactly=True) is None
    reasons[("deterministic",)] = (
        f"{len(record.answers):,} rows asked twice gave {'equal' if same else 'other'} answers"
    )
    return same


def _numbered(draft: Contract, base: Contract | None, reasons: dict[Path, str]) -> Contract:
    if base is None:
        reasons[("version",)] = "nothing was promised before"
        return draft
    bump = required_bump(diff(base, draft))
    if bump is None:
        reasons[("version",)] = f"nothing differs from {base.version}"
        return replace(draft, version=base.version)
    now = semver.Version.parse(base.version)
    raised = {"major": now.bump_major, "minor": now.bump_minor, "patch": now.bump_patch}[bump]()
    reasons[("version",)] = f"what differs from {base.version} asks for a {bump} bump"
    return replace(draft, version=str(raised))
