"""What a question's columns come to: every feature once, checked once, refused whole.

A feature is taken from the column of its own name and version (``origin_mean_delay@2.0.0``), or of
its name where the current version is wanted, or made of the source columns it reads: by the same
code that training used.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sluiceway.contracts.values import InputDemand
from sluiceway.replay.faults import UnusableHistory
from sluiceway.replay.features import NUMERIC, Transformation, feature_values
from sluiceway.replay.partitions import Partition
from sluiceway.serving.layout import FeatureKey, Layout
from sluiceway.serving.refusals import InputFault, RefusalCode, Refused
from sluiceway.serving.values import Question, Values
from sluiceway.system.inputs import Feature
from sluiceway.system.values import System

_FIRST: Final = 5
"""Rows that a fault names."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")

Features = Mapping[FeatureKey, Values]
"""Values of shape (rows,) by feature and version."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one feature's values have to be: the narrowest of what all its readers demand."""

    key: FeatureKey
    feature: Feature
    low: float
    high: float
    nullable: bool
    categories: tuple[str, ...] | None


class Reader:
    """Reads questions for some layouts of the same model.

    Args:
        system: Declares the features.
        needed: What every question must have values for.
        wished: What further arms read; a question need not have it.
        transformations: By the ``module:function`` that feature versions name.
    """

    def __init__(
        self,
        system: System,
        needed: Layout,
        wished: Sequence[Layout],
        transformations: Mapping[str, Transformation],
    ) -> None:
        self._system = system
        self._transformations = transformations
        rules = [rule_of(system, key, demands_of(needed, key)) for key in needed.features]
        self._numbers = [rule for rule in rules if rule.feature.dtype in NUMERIC]
        self._texts = [rule for rule in rules if rule.feature.dtype not in NUMERIC]
        self._lows = np.array([[rule.low] for rule in self._numbers])
        self._highs = np.array([[rule.high] for rule in self._numbers])
        self._no_nulls = np.array([[not rule.nullable] for rule in self._numbers], dtype=bool)
        extra = (key for layout in wished for key in layout.features)
        self._wished = tuple(
            (key, system.features[key[0]].dtype in NUMERIC)
            for key in dict.fromkeys(key for key in extra if key not in needed.features)
        )

    def read(self, question: Question) -> Features:
        """Every needed feature of a question, and those wished for that it holds.

        Raises:
            Refused: With all that is wrong with the rows.
        """
        faults: list[InputFault] = []
        made: dict[FeatureKey, Values] = {}
        rows = question.rows
        matrix = np.empty((len(self._numbers), rows), dtype=np.float64)
        for place, rule in enumerate(self._numbers):
            values = self._value(question, rule.key, faults)
            if values is None:
                matrix[place] = 0.0
            elif values.dtype.kind not in "fiub":
                faults.append(_not_a_number(rule, values))
                matrix[place] = 0.0
            else:
                matrix[place] = values
                made[rule.key] = matrix[place]
        if matrix.size:
            self._hold_numbers(matrix, made, faults)
        for rule in self._texts:
            values = self._value(question, rule.key, faults)
            if values is not None:
                made[rule.key] = values
                _hold_texts(rule, values, faults)
        if faults:
            raise Refused(RefusalCode.OUT_OF_CONTRACT, _summary(faults), faults=faults)
        for key, is_number in self._wished:
            found = self._value(question, key, [])
            # Of the wrong type it would spoil the column for whoever is asked in the same pass.
            if found is not None and is_number == (found.dtype.kind in "fiub"):
                made[key] = found.astype(np.float64, copy=False) if is_number else found
        return made

    def _hold_numbers(
        self, matrix: NDArray[np.float64], made: Features, faults: list[InputFault]
    ) -> None:
        # Two comparisons and a sum say that all is well; rows are looked for only where it is not.
        inside = (matrix >= self._lows) & (matrix <= self._highs)
        if inside.all():
            return
        missing = np.isnan(matrix)
        outside = ~inside & ~missing
        null = missing & self._no_nulls
        for place, rule in enumerate(self._numbers):
            if rule.key not in made:
                continue
            if null[place].any():
                what = f"{rule.feature.name} may not be missing"
                faults.append(fault_of(rule, "null", null[place], what))
            if outside[place].any():
                rule_name, what = range_words(rule, matrix[place][outside[place]])
                faults.append(fault_of(rule, rule_name, outside[place], what))

    def _value(
        self, question: Question, key: FeatureKey, faults: list[InputFault]
    ) -> Values | None:
        """A feature's values; None, with a fault, where the question has none."""
        name, version = key
        feature = self._system.features[name]
        columns = question.columns
        given = columns.get(f"{name}@{version}")
        if given is None and version == feature.current:
            given = columns.get(name)
        if given is not None:
            return self._shaped(name, given, question.rows, faults)
        definition = feature.versions[version]
        lacking = [read for read in definition.reads if read not in columns]
        if lacking:
            faults.append(_absent(feature, version, lacking))
            return None
        if definition.transformation is None:
            return self._shaped(name, columns[definition.reads[0]], question.rows, faults)
        part = _as_partition(question, definition.reads)
        try:
            return feature_values(feature, version, part, self._transformations)
        except UnusableHistory as error:
            said = error.faults[0].what
            faults.append(InputFault(field=name, rule="transformation", what=said))
            return None

    def _shaped(
        self, name: str, values: Values, rows: int, faults: list[InputFault]
    ) -> Values | None:
        if values.shape == (rows,):
            return values
        what = f"has shape {values.shape}; one value a row is right: ({rows},)"
        faults.append(InputFault(field=name, rule="shape", count=rows, what=what))
        return None


def rule_of(system: System, key: FeatureKey, demands: Sequence[InputDemand]) -> Rule:
    """What a feature's values have to be for readers that demand this of it."""
    feature = system.features[key[0]]
    lows = [one for one in (feature.low, *(d.low for d in demands)) if one is not None]
    highs = [one for one in (feature.high, *(d.high for d in demands)) if one is not None]
    known = [set(d.categories) for d in demands if d.categories is not None]
    categories = feature.categories
    if known:
        common = set.intersection(*known)
        categories = tuple(one for one in (feature.categories or sorted(common)) if one in common)
    return Rule(
        key=key,
        feature=feature,
        low=max(lows, default=-np.finfo(np.float64).max),
        high=min(highs, default=np.finfo(np.float64).max),
        nullable=feature.null_rate > 0 and all(demand.nullable for demand in demands),
        categories=categories,
    )


def demands_of(layout: Layout, key: FeatureKey) -> list[InputDemand]:
    """What the versions of a layout demand of a feature that they read."""
    return [
        slot.demand
        for step in layout.steps
        for slot in step.inputs
        if (slot.producer, slot.version) == key and slot.instead is None and slot.demand is not None
    ]


def _hold_texts(rule: Rule, values: Values, faults: list[InputFault]) -> None:
    missing = np.fromiter((value is None for value in values), dtype=bool, count=len(values))
    if missing.any() and not rule.nullable:
        faults.append(fault_of(rule, "null", missing, f"{rule.feature.name} may not be missing"))
    wrong = np.fromiter(
        (value is not None and not isinstance(value, str) for value in values),
        dtype=bool,
        count=len(values),
    )
    if wrong.any():
        faults.append(fault_of(rule, "dtype", wrong, "is no text; texts are right"))
        return
    if rule.categories is None:
        return
    known = frozenset(rule.categories)
    new = np.fromiter(
        (value is not None and value not in known for value in values),
        dtype=bool,
        count=len(values),
    )
    if new.any():
        example = values[np.flatnonzero(new)[0]]
        what = f"{example!r} is not among the categories: {', '.join(rule.categories)}"
        faults.append(fault_of(rule, "category", new, what))


def fault_of(rule: Rule, name: str, broken: NDArray[np.bool_], what: str) -> InputFault:
    """A fault of the rows that break a rule."""
    rows = tuple(np.flatnonzero(broken)[:_FIRST].tolist())
    return InputFault(
        field=rule.feature.name, rule=name, rows=rows, count=int(broken.sum()), what=what
    )


def _not_a_number(rule: Rule, values: Values) -> InputFault:
    example = next((value for value in values.tolist() if value is not None), None)
    what = f"{example!r} is no number; {rule.feature.name} is a {rule.feature.dtype}"
    return InputFault(
        field=rule.feature.name, rule="dtype", rows=(0,), count=len(values), what=what
    )


def _absent(feature: Feature, version: str, lacking: Sequence[str]) -> InputFault:
    name = feature.name if version == feature.current else f"{feature.name}@{version}"
    what = f"there is no column {name}"
    if list(lacking) != [name]:
        what += f", nor {', '.join(lacking)} to make it of"
    return InputFault(field=name, rule="missing_column", what=what)


def range_words(rule: Rule, values: NDArray[np.float64]) -> tuple[str, str]:
    """Which rule the first of some values breaks that are not in range, and that in words."""
    if np.isinf(values).any():
        return "finite", f"{rule.feature.name} may not be infinite"
    low, high = rule.low, rule.high
    bounds = np.finfo(np.float64)
    ends = ["-∞" if low == bounds.min else f"{low:g}", "∞" if high == bounds.max else f"{high:g}"]
    right = f"{' to '.join(ends)} {rule.feature.unit or ''}".rstrip()
    return "range", f"{values[0]:g} is outside; {right} is right"


def _summary(faults: Sequence[InputFault]) -> str:
    first = faults[0]
    more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
    return f"{first.field}: {first.what}{more}"


_EPOCH: Final[Any] = np.datetime64(0, "us")


def _as_partition(question: Question, reads: Sequence[str]) -> Partition:
    """The rows as training's code knows them; times of sources come as texts."""
    columns = {name: _times(question.columns[name]) for name in reads}
    rows = question.rows
    return Partition(
        units=np.asarray(question.units, dtype=object),
        event_time=np.full(rows, _EPOCH) if question.event_time is None else question.event_time,
        block_names=("live",),
        block_codes=np.zeros(rows, dtype=np.intp),
        columns=columns,
        labels={},
    )


def _times(values: Values) -> Values:
    if values.dtype.kind != "O":
        return values
    first: Any = next((value for value in values if value is not None), None)
    if not isinstance(first, str) or not _TIME.match(first):
        return values
    import pandas as pd

    try:
        times = pd.to_datetime(pd.Series(values), utc=True, format="ISO8601")
    except ValueError:
        return values
    return times.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
