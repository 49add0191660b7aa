"""Feature values from raw columns, and whether they are what the feature declares."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sluiceway.replay.faults import HistoryFault, HistoryFaultCode, UnusableHistory
from sluiceway.replay.partitions import Column, Partition
from sluiceway.system.inputs import Feature

Transformation = Callable[[pd.DataFrame], Any]
"""A frame whose columns are named ``source.column`` in (times are UTC), one column out."""

NUMERIC = frozenset({"double", "long", "boolean"})


def feature_values(
    feature: Feature,
    version: str,
    partition: Partition,
    transformations: Mapping[str, Transformation],
) -> Column:
    """Compute one feature of a partition.

    Returns:
        Array of shape (rows,): the raw column itself, not a copy, where nothing is transformed.

    Raises:
        UnusableHistory: The transformation is not given, raised, or gave the wrong shape or type.
    """
    definition = feature.versions[version]
    if definition.transformation is None:
        return partition.columns[definition.reads[0]]
    frame = pd.DataFrame({read: _series(partition.columns[read]) for read in definition.reads})
    try:
        values = np.asarray(transformations[definition.transformation](frame))
        if feature.dtype in NUMERIC:
            values = values.astype(np.float64, copy=False)
    except Exception as error:  # whatever a person's code may raise is that feature's fault
        what = f"{definition.transformation} raised {type(error).__name__}: {error}"
        if isinstance(error, KeyError) and definition.transformation not in transformations:
            what = f"the transformation {definition.transformation} was not given"
        raise UnusableHistory([_transformation_fault(feature, version, what)]) from error
    if values.shape != (partition.rows,):
        shapes = f"shape {values.shape} for {partition.rows} rows"
        what = f"{definition.transformation} gave {shapes}; one value a row is right"
        raise UnusableHistory([_transformation_fault(feature, version, what)])
    return values


def _series(column: Column) -> "pd.Series[Any]":
    if column.dtype.kind == "M":
        return pd.Series(pd.DatetimeIndex(column, tz="UTC"))
    return pd.Series(column, copy=False)


def _transformation_fault(feature: Feature, version: str, what: str) -> HistoryFault:
    return HistoryFault(
        code=HistoryFaultCode.FAULTY_TRANSFORMATION,
        source=feature.name,
        column=version,
        count=0,
        example="",
        what=what,
    )


class FeatureQuality:
    """Watches one feature over a window, partition by partition.

    Faults of a feature that is one column as it is name that column; those of a transformed one
    name the feature and its version.

    Attributes:
        rows: Values seen.
        nulls: Missing values among them.
    """

    def __init__(self, feature: Feature, version: str) -> None:
        self.rows = 0
        self.nulls = 0
        self._feature = feature
        definition = feature.versions[version]
        plain = definition.transformation is None
        self._where = definition.reads[0] if plain else f"{feature.name}.{version}"
        self._counts: dict[HistoryFaultCode, int] = {}
        self._examples: dict[HistoryFaultCode, str] = {}

    def add(self, values: Column) -> bool:
        """Look at one partition's values, shape (rows,).

        Returns:
            Whether each of them, by itself, is what the feature declares.
        """
        self.rows += len(values)
        before = sum(self._counts.values())
        if values.dtype.kind == "f":
            self._add_numbers(values)
        else:
            self._add_others(values)
        return sum(self._counts.values()) == before

    def _add_numbers(self, values: NDArray[np.float64]) -> None:
        if not len(values):
            return
        self.nulls += int(np.count_nonzero(np.isnan(values)))
        # Two reductions say that all is well; rows are looked for only where it is not.
        least, most = float(np.fmin.reduce(values)), float(np.fmax.reduce(values))
        if np.isinf(least) or np.isinf(most):
            self._count(HistoryFaultCode.INFINITE_VALUES, values[np.isinf(values)])
        low, high = self._feature.low, self._feature.high
        outside = np.zeros(len(values), dtype=bool)
        if low is not None and least < low:
            outside |= values < low
        if high is not None and most > high:
            outside |= values > high
        if outside.any():
            outside &= np.isfinite(values)
            self._count(HistoryFaultCode.OUT_OF_RANGE, values[outside])

    def _add_others(self, values: Column) -> None:
        missing = pd.isna(values)
        self.nulls += int(np.count_nonzero(missing))
        categories = self._feature.categories
        if categories is None:
            return
        found = pd.unique(values[~missing])
        new = [value for value in found if value not in categories]
        if new:
            known = pd.Index(categories)
            strange = known.get_indexer(pd.Index(values[~missing])) < 0
            self._count(HistoryFaultCode.NEW_CATEGORY, values[~missing][strange])

    def _count(self, code: HistoryFaultCode, values: Column) -> None:
        if len(values):
            self._counts[code] = self._counts.get(code, 0) + len(values)
            self._examples.setdefault(code, str(values[0]))

    def faults(self) -> tuple[HistoryFault, ...]:
        """What is wrong with all values seen so far, the null rate included."""
        feature = self._feature
        found = [
            self._fault(code, count, self._examples[code], _WORDS[code](feature))
            for code, count in self._counts.items()
        ]
        if self.rows and self.nulls / self.rows > feature.null_rate:
            rate = f"{self.nulls / self.rows:.3g} of the values"
            words = f"are missing ({rate}); {feature.name} declares at most {feature.null_rate:g}"
            found.append(self._fault(HistoryFaultCode.NULL_RATE, self.nulls, "", words))
        return tuple(found)

    def _fault(self, code: HistoryFaultCode, count: int, example: str, words: str) -> HistoryFault:
        said = f", such as {example}," if example else ""
        source, _, column = self._where.partition(".")
        return HistoryFault(
            code=code,
            source=source,
            column=column,
            count=count,
            example=example,
            what=f"{count} of {self.rows} values{said} {words}",
        )


def _range(feature: Feature) -> str:
    ends = [("-∞" if feature.low is None else f"{feature.low:g}")]
    ends.append("∞" if feature.high is None else f"{feature.high:g}")
    declared = f"{' to '.join(ends)} {feature.unit or ''}".rstrip()
    return f"leave the range that {feature.name} declares: {declared}"


_WORDS: Mapping[HistoryFaultCode, Callable[[Feature], str]] = {
    HistoryFaultCode.INFINITE_VALUES: lambda _: "are infinite; missing ones are to be null",
    HistoryFaultCode.OUT_OF_RANGE: _range,
    HistoryFaultCode.NEW_CATEGORY: lambda feature: (
        f"are not among the categories of {feature.name}: {', '.join(feature.categories or ())}"
    ),
}
