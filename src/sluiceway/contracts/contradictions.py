"""What can be wrong with a contract file whose parts each look right."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date

from sluiceway.contracts.shapes import (
    ContractShape,
    DemandShape,
    FallbackShape,
    FieldShape,
    PromiseShape,
)
from sluiceway.errors import Fault

Tell = Callable[[str, str], None]

PROBABILITY = "probability"
"""Unit of a number that may name the categories it is about."""


def contradictions(shape: ContractShape, *, where: str) -> list[Fault]:
    """Everything in the file that contradicts something else in it."""
    faults: list[Fault] = []

    def tell(path: str, what: str) -> None:
        faults.append(Fault(where=f"{where}: {path}", what=what))

    for name, field in shape.output.items():
        _field_holds(field, f"output.{name}", tell)
        if "." in name:
            tell(f"output.{name}", "has a dot in its name; dots part a model from its field")
    for name, demand in shape.inputs.items():
        _demand_holds(demand, f"inputs.{name}", tell)
    _columns_are_apart(shape.output, tell)
    _fallbacks_hold(shape, tell)
    _deprecations_hold(shape, tell)
    _reserved_are_free(shape, tell)
    _timing_holds(shape, tell)
    return faults


def overdue(shape: ContractShape, *, today: date, where: str) -> list[Fault]:
    """Fields that are still promised after the window of their deprecation.

    Args:
        where: The file, for the faults.
    """
    return [
        Fault(
            where=f"{where}: deprecations[{place}].remove_after",
            what=(
                f"{one.remove_after} is over and {one.field} is still promised; remove it from "
                f"output, keep its name under reserved and raise the major version, or give its "
                f"readers a later day"
            ),
        )
        for place, one in enumerate(shape.deprecations)
        if one.field in shape.output and one.since <= one.remove_after < today
    ]


def _field_holds(field: FieldShape, path: str, tell: Tell) -> None:
    _range_holds(field, path, tell)
    _categories_hold(field, path, tell)
    says_what = field.categories or field.embedding or field.dtype in ("string", "boolean")
    if field.unit is None and not says_what:
        tell(f"{path}.unit", "is missing")
    if field.categories is not None and field.dtype == "double":
        if field.unit != PROBABILITY:
            tell(
                f"{path}.categories",
                "is for a string, for a long that is the place in the list, and for a double in "
                f"the unit {PROBABILITY}; this is a double" + _in_unit(field.unit),
            )
        elif field.positive is None:
            tell(f"{path}.positive", "is missing: of which category is this the probability?")
    _positive_holds(field, path, tell)
    low, high = field.range
    outside = (low is not None and low > 1) or (high is not None and high < 0)
    if field.unit == PROBABILITY and field.dtype == "double" and outside:
        tell(f"{path}.range", "holds no probability; those lie from 0 to 1")
    if field.embedding is not None:
        _vector_holds(field, path, tell)
    if field.promise is not None:
        if field.dtype in ("string", "boolean"):
            tell(f"{path}.promise", f"is for numbers; the field is a {field.dtype}")
        _promise_holds(field.promise, f"{path}.promise", tell)


def _positive_holds(field: FieldShape, path: str, tell: Tell) -> None:
    if field.positive is None:
        return
    if field.dtype != "double" or field.unit != PROBABILITY:
        what = f"is for a double in the unit {PROBABILITY}; this is a {field.dtype}"
        tell(f"{path}.positive", what + _in_unit(field.unit))
    elif field.categories is None:
        tell(f"{path}.positive", "needs categories, of which it is one")
    elif field.positive not in field.categories:
        tell(f"{path}.positive", f"{field.positive} is no category{_has(field.categories)}")


def _in_unit(unit: str | None) -> str:
    return f" in {unit}" if unit else " in no unit"


def _vector_holds(field: FieldShape, path: str, tell: Tell) -> None:
    if field.dtype != "double":
        tell(f"{path}.embedding", f"is for doubles; the field is a {field.dtype}")
    for key, given in (("categories", field.categories), ("promise", field.promise)):
        if given is not None:
            tell(f"{path}.{key}", "is for a single value; the field is a vector")


def _demand_holds(demand: DemandShape, path: str, tell: Tell) -> None:
    _range_holds(demand, path, tell)
    _categories_hold(demand, path, tell)
    if demand.categories is not None and demand.dtype in ("double", "boolean"):
        tell(f"{path}.categories", f"is for a string or a long; the input is a {demand.dtype}")
    if demand.embedding is not None:
        if demand.dtype not in (None, "double"):
            tell(f"{path}.embedding", f"is for doubles; the input is a {demand.dtype}")
        if demand.categories is not None:
            tell(f"{path}.categories", "is for a single value; the input is a vector")


def _range_holds(bounded: FieldShape | DemandShape, path: str, tell: Tell) -> None:
    low, high = bounded.range
    if low is not None and high is not None and not low <= high:
        tell(f"{path}.range", f"goes from {low:g} down to {high:g}")
    if bounded.dtype == "string" and (low is not None or high is not None):
        tell(f"{path}.range", "is for numbers; this is a string")
    if bounded.dtype == "long" and bounded.categories is not None:
        last = len(bounded.categories) - 1
        left_out = [c for c in (0, last) if (low is not None and c < low) or
                    (high is not None and c > high)]  # fmt: skip
        if left_out:
            code = left_out[0]
            what = f"leaves out {code}, which stands for {bounded.categories[code]}"
            tell(f"{path}.range", what)


def _categories_hold(listed: FieldShape | DemandShape, path: str, tell: Tell) -> None:
    for name in _repeated(listed.categories or ()):
        tell(f"{path}.categories", f"names {name} more than once")
    if isinstance(listed, FieldShape) and listed.categories and listed.dtype == "boolean":
        tell(f"{path}.categories", "is for a string or a long; the field is a boolean")


def _columns_are_apart(output: Mapping[str, FieldShape], tell: Tell) -> None:
    positions = [field.position for field in output.values()]
    spans = [(name, *_span(field)) for name, field in output.items()]
    for name, start, end in spans:
        if positions.count(start) > 1:
            tell(f"output.{name}.position", f"{start} is taken by another field too")
        for other, begin, _ in spans:
            if start < begin <= end:
                what = f"takes the columns {start} to {end}; {other} begins at {begin}"
                tell(f"output.{name}.embedding", what)


def _span(field: FieldShape) -> tuple[int, int]:
    """First and last column."""
    width = field.embedding.dimension if field.embedding else 1
    return field.position, field.position + width - 1


def _fallbacks_hold(shape: ContractShape, tell: Tell) -> None:
    for name, field in shape.output.items():
        written = shape.fallback.get(name)
        if written is None:
            tell("fallback", f"has no safe default for {name}")
        else:
            _constant_holds(written.constant, field, f"fallback.{name}", tell)
            _rule_holds(shape, name, written, f"fallback.{name}", tell)
    for name in shape.fallback:
        if name not in shape.output:
            tell(f"fallback.{name}", f"is no output field{_has(shape.output)}")


def _constant_holds(constant: float | str, field: FieldShape, path: str, tell: Tell) -> None:
    # A probability's categories say what it is about; its values are numbers.
    categories = None if field.dtype == "double" else field.categories
    if isinstance(constant, str):
        if categories is None:
            tell(path, f"{constant!r} is no number, and the field lists no categories")
        elif constant not in categories:
            tell(path, f"{constant} is none of the field's categories{_has(categories)}")
        return
    low, high = field.range
    if (low is not None and constant < low) or (high is not None and constant > high):
        tell(path, f"{constant:g} lies outside the promised range")
    elif categories is not None and constant not in range(len(categories)):
        what = f"{constant:g} is the place of no category; they go from 0 to {len(categories) - 1}"
        tell(path, what)
    elif field.dtype == "string" and categories is None:
        tell(path, "is a number; list the string's categories and name one of them")
    elif field.dtype == "long" and constant != int(constant):
        tell(path, f"{constant:g} is no whole number; the field is a long")
    elif field.dtype == "boolean" and constant not in (0, 1):
        tell(path, f"{constant:g} is neither 0 nor 1; the field is a boolean")
    elif field.unit == PROBABILITY and field.dtype == "double" and not 0 <= constant <= 1:
        tell(path, f"{constant:g} is no probability from 0 to 1")


def _rule_holds(
    shape: ContractShape, name: str, written: FallbackShape, path: str, tell: Tell
) -> None:
    if written.use == "column" and written.column is None:
        tell(f"{path}.column", "is missing: which column answers instead?")
    if written.use != "column" and written.column is not None:
        tell(f"{path}.column", "answers only with use: column")
    if written.use == "last_known_good" and written.max_age is None:
        tell(f"{path}.max_age", "is missing: how old may the last known good answer be?")
    if written.use != "last_known_good" and written.max_age is not None:
        tell(f"{path}.max_age", "is only of use: last_known_good")
    for trigger in _repeated(written.on):
        tell(f"{path}.on", f"names {trigger} more than once")
    if written.column is not None:
        _column_fits(shape, name, written.column, f"{path}.column", tell)


def _column_fits(shape: ContractShape, name: str, column: str, path: str, tell: Tell) -> None:
    """An input by its name, or ``model.field``; whether other models have it, the system knows."""
    field = shape.output[name]
    model, dot, other = column.rpartition(".")
    own = shape.output.get(other) if dot and model == shape.model else None
    if dot and model == shape.model and other == name:
        tell(path, "is the field itself, which has no answer")
        return
    if dot and model == shape.model and own is None:
        tell(path, f"{column} is no output field{_has(shape.output)}")
    if column not in shape.inputs and column in shape.output:
        tell(path, f"{column} is no input; for the output field write {shape.model}.{column}")
    source = own or shape.inputs.get(column)
    if source is None:
        return
    if source.unit is not None and (field.unit or "") != source.unit:
        tell(path, f"{column} is in {source.unit}, {name} in {field.unit or 'no unit'}")
    if source.dtype is not None and source.dtype != field.dtype:
        tell(path, f"{column} is a {source.dtype}, {name} a {field.dtype}")


def _deprecations_hold(shape: ContractShape, tell: Tell) -> None:
    deprecated = [one.field for one in shape.deprecations]
    for place, one in enumerate(shape.deprecations):
        path = f"deprecations[{place}]"
        if one.field not in shape.output:
            tell(f"{path}.field", f"{one.field} is not promised{_has(shape.output)}")
        if one.field in deprecated[:place]:
            tell(f"{path}.field", f"{one.field} is deprecated above already")
        if one.remove_after < one.since:
            what = f"{one.remove_after} is before {one.since}, the day of the announcement"
            tell(f"{path}.remove_after", what)
        if one.use_instead is None:
            continue
        model, dot, other = one.use_instead.rpartition(".")
        if dot and model != shape.model:
            continue
        if other == one.field:
            tell(f"{path}.use_instead", "is the deprecated field itself")
        elif other not in shape.output:
            tell(f"{path}.use_instead", f"{other} is not promised{_has(shape.output)}")
        elif other in deprecated:
            tell(f"{path}.use_instead", f"{other} is deprecated too")


def _reserved_are_free(shape: ContractShape, tell: Tell) -> None:
    for place, name in enumerate(shape.reserved):
        if name in shape.output:
            what = (
                f"{name} was the name of a removed field, and is promised under output; whoever "
                "reads the old one would get something else: take another name"
            )
            tell(f"reserved[{place}]", what)
        if name in shape.reserved[:place]:
            tell(f"reserved[{place}]", f"{name} is reserved above already")


def _timing_holds(shape: ContractShape, tell: Tell) -> None:
    latency = shape.latency
    if latency.p99 is not None and latency.p99 > latency.deadline:
        tell("latency.p99", "of a single request is longer than the deadline of a whole batch")


def _promise_holds(promise: PromiseShape, path: str, tell: Tell) -> None:
    if promise.scale is None and promise.quantiles is None:
        tell(path, "promises nothing; give scale or quantiles")
    if promise.scale is not None and not promise.scale.ratio[0] <= 1 <= promise.scale.ratio[1]:
        tell(f"{path}.scale.ratio", "does not admit its own reference")
    if promise.quantiles is not None:
        reference = promise.quantiles.reference
        for probability in reference:
            if not 0 <= probability <= 1:
                where = f"{path}.quantiles.reference.{probability:g}"
                tell(where, "is no probability from 0 to 1")
        values = [reference[probability] for probability in sorted(reference)]
        if values != sorted(values):
            tell(f"{path}.quantiles.reference", "does not rise")


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def _has(names: Iterable[str]) -> str:
    return f" (it has: {', '.join(names)})"
