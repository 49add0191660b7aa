"""What only another arm demands of a question, and which rows do not meet it.

A question is refused for what the champion demands. Where a candidate demands more (a column of its
own, a narrower range, no missing value), a client that does not know of it is no fault of either:
the champion answers, the candidate is not asked, and nobody is blamed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sluiceway.replay.features import NUMERIC
from sluiceway.serving.inputs import (
    Features,
    Rule,
    demands_of,
    fault_of,
    range_words,
    rule_of,
)
from sluiceway.serving.layout import FeatureKey, Layout
from sluiceway.serving.refusals import InputFault
from sluiceway.serving.values import Values
from sluiceway.system.values import System


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unmet:
    """Rows that an arm cannot be asked about.

    Attributes:
        rows: Which, ``bool`` of the shape of the question's rows; at least one.
        model: Whose demand it is that is not met first.
        version: Of that model.
        faults: What is wrong with the rows.
    """

    rows: NDArray[np.bool_]
    model: str
    version: str
    faults: tuple[InputFault, ...]

    @property
    def what(self) -> str:
        """The first demand and what it met, in words."""
        first = self.faults[0]
        return f"{self.model}@{self.version} demands more of {first.field}: {first.what}"


class Demands:
    """What an arm demands of features beyond what the champion does.

    Args:
        system: Declares the features.
        champion: What every question has to meet.
        layout: The arm's.
    """

    def __init__(self, system: System, champion: Layout, layout: Layout) -> None:
        known = set(champion.features)
        more: list[Rule] = []
        for key in layout.features:
            rule = rule_of(system, key, demands_of(layout, key))
            if key not in known or _is_stricter(
                rule, rule_of(system, key, demands_of(champion, key))
            ):
                more.append(rule)
        self._more = tuple(more)
        self._readers = _readers(layout)

    def unmet_by(self, features: Features, rows: int) -> Unmet | None:
        """Rows that do not meet them; None where all do.

        Args:
            features: What was read of the question, as far as it was there.
            rows: How many rows it has.
        """
        wrong: NDArray[np.bool_] | None = None
        faults: list[InputFault] = []
        reader: tuple[str, str] | None = None
        for rule in self._more:
            broken, found = _broken(rule, features.get(rule.key), rows)
            if found:
                faults += found
                wrong = broken if wrong is None else wrong | broken
                reader = reader or self._readers[rule.key]
        if wrong is None or reader is None:
            return None
        return Unmet(rows=wrong, model=reader[0], version=reader[1], faults=tuple(faults))


def _is_stricter(rule: Rule, than: Rule) -> bool:
    """Whether there are values that only the other one takes."""
    if rule.low > than.low or rule.high < than.high or (than.nullable and not rule.nullable):
        return True
    if rule.categories is None:
        return False
    return than.categories is None or not set(than.categories) <= set(rule.categories)


def _readers(layout: Layout) -> Mapping[FeatureKey, tuple[str, str]]:
    found: dict[FeatureKey, tuple[str, str]] = {}
    for step in layout.steps:
        for slot in step.inputs:
            if slot.version is not None:
                found.setdefault((slot.producer, slot.version), step.key)
    return found


def _broken(
    rule: Rule, values: Values | None, rows: int
) -> tuple[NDArray[np.bool_], Sequence[InputFault]]:
    """Rows that a rule does not take, and why."""
    name = rule.feature.name
    if values is None:
        every = np.ones(rows, dtype=np.bool_)
        kind = "number" if rule.feature.dtype in NUMERIC else "text"
        what = f"there is no column {name}@{rule.key[1]} with a {kind} in it"
        return every, [fault_of(rule, "missing_column", every, what)]
    if rule.feature.dtype in NUMERIC:
        missing = np.isnan(values)
        outside = ~missing & ~((values >= rule.low) & (values <= rule.high))
    else:
        missing = np.fromiter((one is None for one in values), dtype=np.bool_, count=rows)
        known = None if rule.categories is None else frozenset(rule.categories)
        outside = ~missing & np.fromiter(
            (
                not isinstance(one, str) or (known is not None and one not in known)
                for one in values
            ),
            dtype=np.bool_,
            count=rows,
        )
    faults = []
    if rule.nullable:
        missing = np.zeros(rows, dtype=np.bool_)
    elif missing.any():
        faults.append(fault_of(rule, "null", missing, f"{name} may not be missing"))
    if outside.any():
        faults.append(_outside(rule, values, outside))
    return missing | outside, faults


def _outside(rule: Rule, values: Values, outside: NDArray[np.bool_]) -> InputFault:
    if rule.feature.dtype in NUMERIC:
        code, what = range_words(rule, values[outside])
        return fault_of(rule, code, outside, what)
    what = f"{values[outside][0]!r} is not among the categories: "
    return fault_of(rule, "category", outside, what + ", ".join(rule.categories or ()))
