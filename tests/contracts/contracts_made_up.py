"""Contracts that nobody wrote: every value that a contract can have, for Hypothesis."""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sluiceway.contracts.admitting import Sample, Value, stand_in_of
from sluiceway.contracts.bands import quantile_bands, scale_bands
from sluiceway.contracts.values import (
    BehaviouralPromise,
    Contract,
    Deprecation,
    Embedding,
    FallbackKind,
    FallbackRule,
    InputDemand,
    OutputField,
    QuantilePromise,
    ScalePromise,
    Trigger,
)

NAMES = ("a", "b", "c")
INPUTS = ("x", "y", "m2.z")
LABELS = ("late", "on time", "early", "null", "1")
DAYS = [date(2026, 1, 1) + timedelta(days=n) for n in (0, 30, 60)]

numbers = st.sampled_from([-1.5, 0.0, 0.25, 1.0, 2.0])
texts = st.sampled_from(["first", "second"])
label_sets = st.lists(st.sampled_from(LABELS), min_size=1, max_size=4, unique=True).map(tuple)
ends = st.tuples(st.none() | numbers, st.none() | numbers).map(
    lambda pair: pair if None in pair or pair[0] <= pair[1] else (pair[1], pair[0])  # type: ignore[operator]
)
embeddings = st.builds(Embedding, dimension=st.integers(1, 3), space=texts)
durations = st.sampled_from([1.5, 60.0, 5400.0]).map(lambda s: timedelta(seconds=s))


@st.composite
def promises(draw: st.DrawFn) -> BehaviouralPromise:
    """How answers look: a spread, quantiles, or both."""
    scale = st.builds(
        ScalePromise,
        reference=st.sampled_from([1.0, 2.0]),
        low=st.sampled_from([0.25, 0.5]),
        high=st.sampled_from([1.0, 2.0]),
    )
    probabilities = draw(st.lists(st.sampled_from([0.0, 0.5, 0.9]), unique=True, min_size=1))
    values = sorted(draw(st.tuples(*[numbers] * len(probabilities))))
    quantiles = QuantilePromise(
        reference=dict(zip(sorted(probabilities), values, strict=True)),
        tolerance=draw(st.sampled_from([1.0, 2.0])),
    )
    which = draw(st.sampled_from(["scale", "quantiles", "both"]))
    return BehaviouralPromise(
        measured_on=draw(texts),
        scale=draw(scale) if which != "quantiles" else None,
        quantiles=quantiles if which != "scale" else None,
        measured_at=draw(st.none() | st.dates()),
    )


def _keepable(field: OutputField) -> OutputField:
    """The field without a promise that no answers within its range could keep."""
    low = -math.inf if field.low is None else field.low
    high = math.inf if field.high is None else field.high
    if field.promise is None:
        return field
    quantiles = quantile_bands(field.promise).values()
    meets = all(least <= high and most >= low for least, most in quantiles)
    spreads = scale_bands(field.promise).values()
    return field if meets and all(least <= high - low for least, _ in spreads) else replace(
        field, promise=None
    )  # fmt: skip


@st.composite
def fields(draw: st.DrawFn, name: str, position: int = 0) -> OutputField:
    """A field of any type that does not contradict itself."""
    kind = draw(
        st.sampled_from(
            ["number", "whole", "class", "text", "boolean", "share", "probability", "vector"]
        )
    )
    low, high = draw(ends)
    field = OutputField(
        name=name,
        position=position,
        dtype="double",
        unit=draw(st.sampled_from(["m", "h", ""])),
        low=low,
        high=high,
        nullable=draw(st.booleans()),
        promise=None,
        semantics=draw(st.none() | texts),
        calibration=draw(st.none() | texts),
    )
    free = {"low": None, "high": None}
    match kind:
        case "number":
            return _keepable(replace(field, promise=draw(st.none() | promises())))
        case "whole":
            return replace(field, dtype="long")
        case "class":
            return replace(field, dtype="long", categories=draw(label_sets), **free)
        case "text":
            return replace(field, dtype="string", categories=draw(label_sets), **free)
        case "boolean":
            return replace(field, dtype="boolean", **free)
        case "vector":
            return replace(field, embedding=draw(embeddings))
    field = replace(field, unit="probability", low=0.0, high=draw(st.sampled_from([0.5, 1.0])))
    if kind == "share":
        return field
    labels = draw(label_sets)
    return replace(field, categories=labels, positive=draw(st.sampled_from(labels)))


@st.composite
def demands(draw: st.DrawFn, name: str) -> InputDemand:
    """A demand on one input that does not contradict itself."""
    low, high = draw(ends)
    demand = InputDemand(
        name=name,
        unit=draw(st.sampled_from([None, "m", "h"])),
        low=low,
        high=high,
        nullable=draw(st.booleans()),
        dtype=draw(st.sampled_from([None, "double", "long"])),
        semantics=draw(st.none() | texts),
    )
    match draw(st.sampled_from(["number", "text", "class", "vector"])):
        case "text":
            kind = draw(st.sampled_from([None, "string"]))
            return replace(demand, dtype=kind, low=None, high=None, categories=draw(label_sets))
        case "class":
            return replace(demand, dtype="long", low=None, high=None, categories=draw(label_sets))
        case "vector":
            return replace(demand, dtype="double", embedding=draw(embeddings))
    return demand


def constants(field: OutputField) -> SearchStrategy[float]:
    """Safe defaults that the field's promise admits."""
    if field.dtype == "boolean":
        return st.sampled_from([0.0, 1.0])
    if field.categories is not None and field.dtype != "double":
        return st.integers(0, len(field.categories) - 1).map(float)
    low = field.low if field.low is not None else (field.high or 0.0) - 1
    high = field.high if field.high is not None else low + 1
    if field.dtype == "long":
        whole = [float(n) for n in range(-3, 5) if low <= n <= high]
        return st.sampled_from(whole) if whole else st.nothing()
    return st.sampled_from([low, high])


@st.composite
def fallback_rules(draw: st.DrawFn) -> FallbackRule:
    """What is tried before the safe default."""
    kind = draw(st.sampled_from(list(FallbackKind)))
    return FallbackRule(
        kind=kind,
        column=draw(st.sampled_from(["m3.v", "m3.w"])) if kind is FallbackKind.COLUMN else None,
        max_age=draw(durations) if kind is FallbackKind.LAST_KNOWN_GOOD else None,
        triggers=tuple(draw(st.lists(st.sampled_from(list(Trigger)), unique=True, max_size=2))),
    )


@st.composite
def deprecations(draw: st.DrawFn, names: tuple[str, ...]) -> tuple[Deprecation, ...]:
    """Of at most one of these fields."""
    if not names or draw(st.integers(0, 2)):
        return ()
    field = draw(st.sampled_from(names))
    since, remove_after = sorted(draw(st.tuples(st.sampled_from(DAYS), st.sampled_from(DAYS))))
    instead = [name for name in names if name != field]
    return (
        Deprecation(
            field=field,
            since=since,
            remove_after=remove_after,
            use_instead=draw(st.sampled_from([None, "m2.z", *instead])),
            because=draw(texts),
        ),
    )


def _spread(drawn: list[OutputField], gaps: list[int]) -> tuple[OutputField, ...]:
    """One after the other, each with as many columns as it needs."""
    placed, column = [], 0
    for field, gap in zip(drawn, gaps, strict=True):
        placed.append(replace(field, position=column + gap))
        column += gap + (field.embedding.dimension if field.embedding else 1)
    return tuple(placed)


def _has_constant(field: OutputField) -> bool:
    return not constants(field).is_empty


@st.composite
def contracts(
    draw: st.DrawFn,
    names: SearchStrategy[list[str]] | None = None,
    inputs: SearchStrategy[list[str]] | None = None,
) -> Contract:
    """A contract of the model ``m`` that could stand in a file.

    Args:
        names: Names of its fields, in order of their positions.
        inputs: Names of its inputs.
    """
    if names is None:
        names = st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=2)
    if inputs is None:
        inputs = st.lists(st.sampled_from(INPUTS), unique=True, max_size=2)
    named = draw(names)
    drawn = [draw(fields(name).filter(_has_constant)) for name in named]
    gaps = [draw(st.integers(0, 1)) for _ in named]
    ruled = [name for name in named if draw(st.booleans())]
    demanded = draw(inputs)
    deadline = draw(durations)
    return Contract(
        model="m",
        version="1.0.0",
        output=_spread(drawn, gaps),
        inputs=tuple(draw(demands(name)) for name in sorted(demanded)),
        deadline=deadline,
        fallback={field.name: draw(constants(field)) for field in drawn},
        fallback_rules={name: draw(fallback_rules()) for name in ruled},
        latency_p99=draw(st.none() | durations.map(lambda d: min(d, deadline))),
        freshness=draw(st.none() | durations),
        max_batch=draw(st.sampled_from([None, 10, 1000])),
        deterministic=draw(st.sampled_from([None, True, False])),
        deprecations=draw(deprecations(tuple(named))),
        reserved=tuple(draw(st.lists(st.sampled_from(["gone", "former"]), unique=True))),
        description=draw(st.sampled_from(["", "what it is for"])),
    )


def _redrawn(draw: st.DrawFn, field: OutputField, what: str) -> OutputField:
    """The field with one of its values drawn anew, where its type leaves that free."""
    share = field.unit == "probability"
    number = field.dtype in ("double", "long") and field.categories is None and not share
    match what:
        case "unit" if not share:
            return replace(field, unit=draw(st.sampled_from(["m", "h"])))
        case "range" if number:
            low, high = draw(ends)
            return replace(field, low=low, high=high)
        case "dtype" if number and field.embedding is None:
            dtype = draw(st.sampled_from(["double", "long"]))
            return replace(field, dtype=dtype, promise=None)
        case "nullable":
            return replace(field, nullable=not field.nullable)
        case "promise" if number and field.dtype == "double" and field.embedding is None:
            return replace(field, promise=draw(st.none() | promises()))
        case "categories" if field.categories is not None:
            labels = draw(label_sets)
            positive = draw(st.sampled_from(labels)) if share else None
            if field.positive in labels:
                positive = field.positive
            return replace(field, categories=labels, positive=positive)
        case "positive" if field.categories is not None and share:
            return replace(field, positive=draw(st.sampled_from(field.categories)))
        case "semantics":
            return replace(field, semantics=draw(st.none() | texts))
        case "calibration":
            return replace(field, calibration=draw(st.none() | texts))
        case "embedding" if field.embedding is not None:
            return replace(field, embedding=draw(embeddings))
    return field


FIELD_PARTS = (
    "unit", "range", "dtype", "nullable", "promise", "categories", "positive", "semantics",
    "calibration", "embedding",
)  # fmt: skip
CONTRACT_PARTS = (
    "deadline", "latency_p99", "freshness", "max_batch", "deterministic", "fallback",
    "fallback_rules", "deprecations", "reserved", "description", "inputs", "another field",
    "one field less", "another name",
)  # fmt: skip


@st.composite
def later_fields(draw: st.DrawFn, field: OutputField) -> OutputField:
    """The same field, with few of its values drawn anew."""
    for what in draw(st.lists(st.sampled_from(FIELD_PARTS), max_size=2, unique=True)):
        field = _redrawn(draw, field, what)
    return _keepable(field)


@st.composite
def later_demands(draw: st.DrawFn, demand: InputDemand) -> InputDemand:
    """The same demand, with one of its values taken from another one."""
    other = draw(demands(demand.name))
    alone = ["unit", "nullable", "semantics"]
    if demand.categories is None and other.categories is None:
        alone += ["dtype", "low", "high"]
    if demand.categories is not None and other.categories is not None:
        alone.append("categories")
    if demand.embedding is not None and other.embedding is not None:
        alone.append("embedding")
    what = draw(st.sampled_from([*alone, "nothing", "everything"]))
    if what in ("nothing", "everything"):
        return demand if what == "nothing" else other
    changed = replace(demand, **{what: getattr(other, what)})
    backwards = None not in (changed.low, changed.high) and changed.low > changed.high  # type: ignore[operator]
    return replace(changed, low=changed.high, high=changed.low) if backwards else changed


@st.composite
def later(draw: st.DrawFn, old: Contract) -> Contract:
    """A contract that might follow this one: most of it stays as it is."""
    other = draw(contracts())
    output = [draw(later_fields(field)) for field in old.output]
    taken = {field.name for field in output}
    parts = draw(st.lists(st.sampled_from(CONTRACT_PARTS), max_size=2, unique=True))
    simple = {
        part: getattr(other, part)
        for part in ("deadline", "freshness", "max_batch", "deterministic", "reserved",
                     "description", "latency_p99")
        if part in parts
    }  # fmt: skip
    if "another field" in parts:
        output += [field for field in other.output if field.name not in taken][:1]
    if "one field less" in parts and len(output) > 1:
        output.pop(draw(st.integers(0, len(output) - 1)))
    if "another name" in parts:
        free = [name for name in NAMES if name not in {field.name for field in output}]
        output[0] = replace(output[0], name=free[0]) if free else output[0]
    fallback = {field.name: old.fallback.get(field.name, 0.0) for field in output}
    for field in output:
        safe = [name for name in (fallback[field.name],) if _is_safe(field, name)]
        if "fallback" in parts or not safe:
            possible = constants(field)
            fallback[field.name] = 0.0 if possible.is_empty else draw(possible)
    names = tuple(field.name for field in output)
    rules = other.fallback_rules if "fallback_rules" in parts else old.fallback_rules
    notices = draw(deprecations(names)) if "deprecations" in parts else old.deprecations
    demanded = old.inputs
    if "inputs" in parts:
        demanded = tuple(draw(later_demands(demand)) for demand in old.inputs)
        known = {demand.name for demand in demanded}
        demanded += tuple(d for d in other.inputs if d.name not in known)[:1]
    return replace(
        old,
        output=_spread(output, [0] * len(output))
        if draw(st.booleans()) and draw(st.booleans())
        else tuple(output),
        inputs=tuple(sorted(demanded, key=lambda demand: demand.name)),
        fallback=fallback,
        fallback_rules={name: rule for name, rule in rules.items() if name in names},
        deprecations=tuple(one for one in notices if one.field in names),
        **simple,
    )


def _is_safe(field: OutputField, constant: float) -> bool:
    if field.categories is not None and field.dtype != "double":
        return constant in range(len(field.categories))
    return (field.low is None or constant >= field.low) and (
        field.high is None or constant <= field.high
    )


def extreme_values(field: OutputField) -> list[tuple[Value, str | None]]:
    """Values that a field's promise admits, each with the category it stands for.

    Ends of ranges, what lies just inside them, every category, and what is missing.
    """
    missing: list[tuple[Value, str | None]] = [(None, None)] if field.nullable else []
    if field.categories is not None and field.dtype != "double":
        named = field.dtype == "string"
        return missing + [
            (name if named else float(place), name) for place, name in enumerate(field.categories)
        ]
    if field.dtype == "string":
        return [*missing, ("a text", None)]
    low = -1e300 if field.low is None else field.low
    high = 1e300 if field.high is None else field.high
    numbers = [low, high, math.nextafter(low, high), math.nextafter(high, low)]
    if field.dtype == "boolean":
        numbers = [0.0, 1.0]
    if field.dtype == "long":
        numbers = [float(math.ceil(low)), float(math.floor(high))]
    inside = dict.fromkeys(number for number in numbers if low <= number <= high)
    if field.embedding is not None:
        return missing + [((number,) * field.embedding.dimension, None) for number in inside]
    return missing + [(number, None) for number in inside]


def extreme_samples(contract: Contract, name: str) -> Iterator[Sample]:
    """Answers that the contract admits, at the ends of what it promises.

    Each value with everything else in the middle, and the first value with each of everything
    else; what the contract does not promise may be anything.
    """
    field = contract.field(name)
    spreads = list(scale_bands(field.promise).values()) or [(0.0, 1e9)]
    promised = quantile_bands(field.promise)
    bands = {p: promised.get(p, (-1e9, 1e9)) for p in (0.0, 0.5, 0.9)}
    found = [
        Sample(
            name=name,
            position=field.position,
            value=value,
            unit=field.unit,
            category=category,
            labels=field.categories,
            positive=field.positive,
            calibration=field.calibration,
            semantics=field.semantics,
            space=field.embedding.space if field.embedding else None,
            spread=spreads[0][0],
            quantiles={p: band[0] for p, band in bands.items()},
            repeats=True,
            seconds=contract.deadline.total_seconds(),
            latency=0.0,
            age=0.0,
            most_rows=contract.max_batch,
            stand_in=stand_in_of(contract, field),
        )
        for value, category in extreme_values(field)
    ]
    yield from found
    for sample in found[:1]:
        for said in ("positive", "calibration", "semantics"):
            if getattr(field, said) is None:
                yield replace(sample, **{said: "something nobody said"})
        if not contract.deterministic:
            yield replace(sample, repeats=False)
        for seen, most in (("latency", contract.latency_p99), ("age", contract.freshness)):
            yield replace(sample, **{seen: 1e9 if most is None else most.total_seconds()})
        yield replace(sample, spread=spreads[0][1])
        for probability, band in bands.items():
            yield replace(sample, quantiles={**sample.quantiles, probability: band[1]})
