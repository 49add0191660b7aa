"""One answer against a promise, as a reader relies on it, and against a demand.

This is what the change kinds are *about*, said a second time and independently: a change that
breaks no reliance must not let an answer through that the reader was promised never to get.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sluiceway.contracts.bands import Interval, interval, quantile_bands, scale_bands
from sluiceway.contracts.change_names import Aspect
from sluiceway.contracts.values import Contract, InputDemand, OutputField
from sluiceway.system.values import Reliance

Value = float | str | tuple[float, ...] | None
"""A number, a text, a vector, or None where it is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One answered field as its reader gets it: the value, and all that holds for it.

    Attributes:
        value: Booleans as 0 and 1.
        category: The category that the value stands for; None where it stands for none.
        labels: What a probability is a probability among; None where that is not known.
        space: Where a vector lies; None for single values.
        spread: Interquartile range of the answers it is one of, in `unit`.
        quantiles: Of these answers, by probability, in `unit`.
        repeats: Whether equal inputs gave equal answers.
        seconds: How long a batch of recorded rows took.
        latency: Within which 99 of 100 single requests were answered, in seconds.
        age: Of the inputs that it rests on, in seconds.
        most_rows: How many rows a request could have had; None for any number.
        stand_in: What comes where there is no answer: a number, or a category.
    """

    name: str
    position: int
    value: Value
    unit: str
    category: str | None = None
    labels: tuple[str, ...] | None = None
    positive: str | None = None
    calibration: str | None = None
    semantics: str | None = None
    space: str | None = None
    spread: float
    quantiles: Mapping[float, float]
    repeats: bool
    seconds: float
    latency: float
    age: float
    most_rows: int | None
    stand_in: float | str


_COLUMNAR: Final = frozenset({Reliance.COLUMNAR})
_NUMERIC: Final = frozenset({Reliance.NUMERIC})
_BEHAVIOURAL: Final = frozenset({Reliance.BEHAVIOURAL})
_OPERATIONAL: Final = frozenset({Reliance.OPERATIONAL})
_VALUE: Final = _NUMERIC | _BEHAVIOURAL

Missed = tuple[Aspect, frozenset[Reliance]]
"""What is not as promised, and which reliances ask for it."""


def admits(contract: Contract, field: str, sample: Sample) -> bool:
    """Whether a contract's promise of a field allows this answer.

    Raises:
        KeyError: It promises no such field.
    """
    return not any(_missed(contract, contract.field(field), sample))


def accepts(
    contract: Contract, field: str, relied_on: Collection[Reliance], sample: Sample
) -> bool:
    """Whether a reader that was built for a contract, and relies on so much of it, takes an answer.

    Raises:
        KeyError: The contract promises no such field.
    """
    relied = set(relied_on)
    return not any(who & relied for _, who in _missed(contract, contract.field(field), sample))


def takes(demand: InputDemand, sample: Sample) -> bool:
    """Whether a demand is met by this answer; what it does not say is met by anything."""
    if demand.unit is not None and sample.unit != demand.unit:
        return False
    if demand.semantics is not None and sample.semantics != demand.semantics:
        return False
    value = sample.value
    if value is None:
        return demand.nullable
    if demand.embedding is not None:
        wanted = (demand.embedding.dimension, demand.embedding.space)
        found = (len(value), sample.space) if isinstance(value, tuple) else None
        return found == wanted and _in_range(interval(demand), value)
    if isinstance(value, tuple):
        return False
    if demand.dtype is not None and not _is_of_type(demand.dtype, value):
        return False
    if not _in_range(interval(demand), value):
        return False
    known = demand.categories is None or sample.category in demand.categories
    return known and not _is_recoded(demand, sample)


def _missed(contract: Contract, field: OutputField, sample: Sample) -> Iterator[Missed]:
    if sample.name != field.name:
        yield Aspect.PRESENCE, _COLUMNAR
    if sample.position != field.position:
        yield Aspect.POSITION, _COLUMNAR
    if sample.unit != field.unit:
        yield Aspect.UNIT, _VALUE
    for aspect, promised, found, who in (
        (Aspect.POSITIVE, field.positive, sample.positive, _VALUE),
        (Aspect.CALIBRATION, field.calibration, sample.calibration, _BEHAVIOURAL),
        (Aspect.MEANING, field.semantics, sample.semantics, _VALUE),
    ):
        if promised is not None and promised != found:
            yield aspect, who
    yield from _value_missed(field, sample)
    yield from _behaviour_missed(contract, field, sample)
    yield from _operation_missed(contract, field, sample)


def _value_missed(field: OutputField, sample: Sample) -> Iterator[Missed]:
    value = sample.value
    if field.dtype == "double" and field.categories is not None:
        among = None if sample.labels is None else set(sample.labels)
        if among is None or not among <= set(field.categories):
            yield Aspect.CATEGORIES, _VALUE
    if value is None:
        if not field.nullable:
            yield Aspect.NULLS, _NUMERIC
        return
    width = None if field.embedding is None else field.embedding.dimension
    if width != (len(value) if isinstance(value, tuple) else None):
        yield Aspect.VECTOR, _COLUMNAR | _VALUE
        return
    if field.embedding is not None and field.embedding.space != sample.space:
        yield Aspect.SPACE, _VALUE
    if not isinstance(value, tuple) and not _is_of_type(field.dtype, value):
        yield Aspect.TYPE, _COLUMNAR
    if not _in_range(interval(field), value):
        yield Aspect.RANGE, _NUMERIC
    if field.dtype != "double" and field.categories is not None:
        if sample.category not in field.categories:
            yield Aspect.CATEGORIES, _VALUE
        elif _is_recoded(field, sample):
            yield Aspect.ORDER, _VALUE


def _behaviour_missed(contract: Contract, field: OutputField, sample: Sample) -> Iterator[Missed]:
    for low, high in scale_bands(field.promise).values():
        if not low <= sample.spread <= high:
            yield Aspect.SPREAD, _BEHAVIOURAL
    for probability, (low, high) in quantile_bands(field.promise).items():
        if not low <= sample.quantiles[probability] <= high:
            yield Aspect.QUANTILES, _BEHAVIOURAL
    if contract.deterministic and not sample.repeats:
        yield Aspect.DETERMINISM, _BEHAVIOURAL


def _operation_missed(contract: Contract, field: OutputField, sample: Sample) -> Iterator[Missed]:
    for aspect, most, seen in (
        (Aspect.DEADLINE, contract.deadline, sample.seconds),
        (Aspect.LATENCY, contract.latency_p99, sample.latency),
        (Aspect.FRESHNESS, contract.freshness, sample.age),
    ):
        if most is not None and not seen <= most.total_seconds():
            yield aspect, _OPERATIONAL
    wanted, taken = contract.max_batch, sample.most_rows
    if taken is not None and (wanted is None or taken < wanted):
        yield Aspect.BATCH, _OPERATIONAL
    if sample.stand_in != stand_in_of(contract, field):
        yield Aspect.FALLBACK, _OPERATIONAL


def stand_in_of(contract: Contract, field: OutputField) -> float | str:
    """A field's safe default: a number, or the category that it is the place of."""
    constant = contract.fallback[field.name]
    if field.categories is None or field.dtype == "double":
        return constant
    return field.categories[int(constant)]


def _is_of_type(dtype: str, value: float | str) -> bool:
    if dtype == "string" or isinstance(value, str):
        return dtype == "string" and isinstance(value, str)
    if dtype == "boolean":
        return value in (0, 1)
    return dtype == "double" or value == int(value)


def _in_range(bounds: Interval, value: float | str | tuple[float, ...]) -> bool:
    if isinstance(value, str):
        return True
    values = value if isinstance(value, tuple) else (value,)
    return all(bounds[0] <= one <= bounds[1] for one in values)


def _is_recoded(listed: OutputField | InputDemand, sample: Sample) -> bool:
    """Whether a number stands for another category than it does in this list."""
    numbered = listed.dtype == "long" and listed.categories is not None
    if not numbered or not isinstance(sample.value, float) or listed.categories is None:
        return False
    place = int(sample.value)
    return not 0 <= place < len(listed.categories) or listed.categories[place] != sample.category
