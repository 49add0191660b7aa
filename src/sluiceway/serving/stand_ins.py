"""What a consumer receives where a model has no usable answer: what its contract names for that."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sluiceway.contracts.values import Contract, FallbackKind, OutputField, Trigger
from sluiceway.serving.values import Values

_KEPT_UNITS: Final = 50_000
"""Units of which the last known good answer is remembered, for each field that wants it."""


class LastKnownGood:
    """The last usable answers to each unit, for the fields whose contracts fall back to them."""

    def __init__(self) -> None:
        self._kept: dict[str, OrderedDict[str, tuple[float, float]]] = {}

    def keep(
        self, contract: Contract, fields: Mapping[str, Values], units: Sequence[str], now: float
    ) -> None:
        """Remember answers, where the contract will ever ask for them.

        Args:
            now: Seconds of a clock that never goes back.
        """
        for name, rule in contract.fallback_rules.items():
            if rule.kind is not FallbackKind.LAST_KNOWN_GOOD:
                continue
            kept = self._kept.setdefault(f"{contract.model}.{name}", OrderedDict())
            for unit, value in zip(units, fields[name].tolist(), strict=True):
                kept.pop(unit, None)  # several threads keep; this order never misses a key
                kept[unit] = (value, now)
            while len(kept) > _KEPT_UNITS:
                kept.popitem(last=False)

    def recall(self, field: str, unit: str, *, max_age: float, now: float) -> float | None:
        """The last answer to a unit that is no older than so many seconds; None without one."""
        kept = self._kept.get(field)
        known = None if kept is None else kept.get(unit)
        return known[0] if known is not None and now - known[1] <= max_age else None


def stand_in(
    contract: Contract,
    field: OutputField,
    trigger: Trigger,
    *,
    rows: NDArray[np.intp],
    units: Sequence[str],
    columns: Mapping[str, Values],
    last: LastKnownGood,
    now: float,
) -> Values:
    """What some rows receive instead of a field.

    Args:
        trigger: Why the model's own answer is not used.
        rows: Which rows.
        units: Unit of every row of the question.
        columns: Every input and answered ``model.field`` so far, over all rows.
        last: The last usable answers.
        now: Seconds of a clock that never goes back.

    Returns:
        Values of the shape of `rows`, or (rows, dimension) for a vector.
    """
    constant = safe_constant(contract, field)
    if field.embedding is not None:
        return np.full((len(rows), field.embedding.dimension), constant)
    kind = object if isinstance(constant, str) else np.float64
    values = np.full(len(rows), constant, dtype=kind)
    rule = contract.fallback_rules.get(field.name)
    if rule is None or (rule.triggers and trigger not in rule.triggers):
        return values
    if rule.kind is FallbackKind.COLUMN and rule.column is not None and rule.column in columns:
        other = columns[rule.column][rows]
        usable = ~np.isnan(other) if other.dtype.kind == "f" else other != None  # noqa: E711
        return np.where(usable, other, values)
    if rule.kind is FallbackKind.LAST_KNOWN_GOOD and rule.max_age is not None:
        oldest = rule.max_age.total_seconds()
        name = f"{contract.model}.{field.name}"
        for place, row in enumerate(rows.tolist()):
            known = last.recall(name, units[row], max_age=oldest, now=now)
            if known is not None:
                values[place] = known
    return values


def safe_constant(contract: Contract, field: OutputField) -> float | str:
    """A field's safe default as its consumers receive it; NaN where the contract names none."""
    constant = contract.fallback.get(field.name, float("nan"))
    if field.dtype == "string" and field.categories is not None:
        return field.categories[int(constant)]
    return constant
