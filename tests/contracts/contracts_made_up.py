"""Contracts that nobody wrote: every value that a contract can have, for Hypothesis."""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

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
    )


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
            return replace(field, promise=draw(st.none() | promises()))
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
    named = draw(names or st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    drawn = [draw(fields(name).filter(_has_constant)) for name in named]
    gaps = [draw(st.integers(0, 1)) for _ in named]
    ruled = [name for name in named if draw(st.booleans())]
    demanded = draw(inputs or st.lists(st.sampled_from(INPUTS), unique=True))
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
