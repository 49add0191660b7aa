"""What can be wrong with a system file whose parts each look right: names, units, cycles."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from sluiceway.blocks import BlockCalendar
from sluiceway.errors import BadInput, Fault
from sluiceway.gates import Role
from sluiceway.statistics.metrics import (
    Metric,
    UnitKind,
    at_operating_threshold,
    metric_named,
    needs_threshold,
    of_a_field,
)
from sluiceway.system.check_logging import check_logging
from sluiceway.system.check_rights import rights_make_sense
from sluiceway.system.check_safe_defaults import check_safe_defaults
from sluiceway.system.check_time import check_time
from sluiceway.system.parts import FileParts, Tell
from sluiceway.system.shapes import EdgeShape, MetricShape


def contradictions(parts: FileParts, *, where: str) -> list[Fault]:
    """Everything in the file that contradicts something else in it."""
    faults: list[Fault] = []

    def tell(path: str, what: str) -> None:
        faults.append(Fault(where=f"{where}: {path}", what=what))

    _names_are_unique(parts, tell)
    _owners_exist(parts, tell)
    _features_read_sources(parts, tell)
    check_safe_defaults(parts, tell)
    _slices_read_sources(parts, tell)
    _inputs_exist(parts, tell)
    _demands_are_met(parts, tell)
    _metrics_make_sense(parts, tell)
    check_time(parts, tell)
    _policies_make_sense(parts, tell)
    check_logging(parts, tell)
    rights_make_sense(parts.named["owners"], parts.owners, parts.policies, tell)
    return faults


def _names_are_unique(parts: FileParts, tell: Tell) -> None:
    first: dict[str, str] = {}
    for section in ("sources", "features", "models", "consumers"):
        for name in parts.named[section]:
            if name in first:
                tell(f"{section}.{name}", f"is also the name of one of the {first[name]}")
            first.setdefault(name, section)
            if "." in name:
                tell(f"{section}.{name}", "has a dot in its name; dots part a node from its field")


def _owners_exist(parts: FileParts, tell: Tell) -> None:
    owned: list[tuple[str, str]] = [
        *((f"sources.{n}", s.owner) for n, s in parts.sources.items()),
        *((f"features.{n}", f.owner) for n, f in parts.features.items()),
        *((f"models.{n}", m.owner) for n, m in parts.models.items()),
        *((f"consumers.{n}", c.owner) for n, c in parts.consumers.items()),
    ]
    for path, owner in owned:
        if owner not in parts.named["owners"]:
            tell(f"{path}.owner", f"{owner} is not among the owners{_list(parts.named['owners'])}")


def _features_read_sources(parts: FileParts, tell: Tell) -> None:
    for name, feature in parts.features.items():
        versions = {"": feature, **feature.other_versions}
        if feature.version in feature.other_versions:
            tell(f"features.{name}.other_versions.{feature.version}", "is the current version")
        if feature.categories is not None and feature.dtype != "string":
            tell(f"features.{name}.categories", f"is for strings; the feature is {feature.dtype}")
        for version, definition in versions.items():
            path = f"features.{name}" + (f".other_versions.{version}" if version else "")
            if definition.transformation is None and len(definition.reads) > 1:
                tell(f"{path}.reads", "names several columns and no transformation of them")
            for place, read in enumerate(definition.reads):
                _is_known_before(parts, read, f"{path}.reads[{place}]", tell)


def _is_known_before(parts: FileParts, read: str, path: str, tell: Tell) -> None:
    """Whether this is a column of a source, and none of the labels."""
    source, _, column = read.partition(".")
    if source not in parts.named["sources"]:
        tell(path, f"{read}: {source} is no source{_list(parts.named['sources'])}")
    elif not column:
        tell(path, f"names no column; write {source}.column")
    elif (shape := parts.sources.get(source)) and shape.labels is not None:
        tell(path, f"{source} holds labels, known only afterwards")


def _slices_read_sources(parts: FileParts, tell: Tell) -> None:
    for name, variable in parts.slices.items():
        _is_known_before(parts, variable.reads, f"slices.{name}.reads", tell)
        if any(low >= high for low, high in pairwise(variable.edges)):
            tell(f"slices.{name}.edges", f"do not grow: {variable.edges}")


def _inputs_exist(parts: FileParts, tell: Tell) -> None:
    for path, edge in _edges(parts):
        producer, dot, field = edge.reads.partition(".")
        if not dot and producer in parts.named["features"]:
            if path.startswith("consumers."):
                tell(path, f"reads the feature {producer}; consumers read model.field")
            continue
        if producer not in parts.named["models"]:
            have = _list([*parts.named["features"], *parts.named["models"]])
            tell(path, f"reads {edge.reads}, which is neither a feature nor a model's field{have}")
        elif (lacking := parts.unpromised(producer, field)) is not None:
            called, has = lacking
            tell(path, f"reads {edge.reads}, which {called} does not promise (it has: {has})")


def _demands_are_met(parts: FileParts, tell: Tell) -> None:
    for name, contract in parts.surely_said().items():
        inputs = {edge.reads: edge for edge in parts.models[name].inputs}
        if len(inputs) < len(parts.models[name].inputs):
            tell(f"models.{name}.inputs", "names an input twice")
        if (refused := parts.refused.get(name)) is not None:
            said = {demand.name for demand in contract.inputs}
            for strange in sorted(set(refused.inputs) - said - inputs.keys()):
                tell(f"models.{name}.contract inputs.{strange}", "is no input of the model")
        for demand in contract.inputs:
            path = f"models.{name}.contract inputs.{demand.name}"
            if demand.name not in inputs:
                tell(path, "is no input of the model")
                continue
            unit, low, high, source = _supplied(parts, demand.name)
            if demand.unit is not None and unit is not None and demand.unit != unit:
                tell(path, f"is demanded in {demand.unit}, {source} gives {unit}")
            if demand.low is not None and low is not None and low < demand.low:
                tell(path, f"demands at least {demand.low:g}, {source} may give {low:g}")
            if demand.high is not None and high is not None and high > demand.high:
                tell(path, f"demands at most {demand.high:g}, {source} may give {high:g}")


def _supplied(parts: FileParts, read: str) -> tuple[str | None, float | None, float | None, str]:
    producer, _, field = read.partition(".")
    feature = parts.features.get(producer)
    if feature is not None:
        return feature.unit, feature.range[0], feature.range[1], f"the feature {producer}"
    output = parts.output_field(producer, field)
    if output is not None:
        return output.unit, output.low, output.high, producer
    return None, None, None, producer


def _metrics_make_sense(parts: FileParts, tell: Tell) -> None:
    acted_on: dict[str, list[float]] = {}
    for _, edge in _edges(parts):
        if edge.operating_threshold is not None:
            acted_on.setdefault(edge.reads, []).append(edge.operating_threshold)
    for name, model in parts.models.items():
        seen = set()
        for place, target in enumerate(model.metrics):
            path = f"models.{name}.metrics[{place}]"
            metric = _metric(target, acted_on.get(f"{name}.{target.field}", []), path, tell)
            called = target.metric if metric is None else metric.name
            if called in seen:
                tell(path, f"names {called} a second time")
            seen.add(called)
            if metric is not None:
                _metric_fits(parts, metric, target, path, tell)
            field = parts.output_field(name, target.field)
            lacking = parts.unpromised(name, target.field)
            if metric is not None and not of_a_field(metric):
                _has_no_field(target, path, tell)
            elif not target.field:
                tell(f"{path}.field", "is missing")
            elif lacking is not None:
                tell(f"{path}.field", f"{target.field} is not promised (it has: {lacking[1]})")
            in_label_unit = metric is not None and metric.unit_kind is UnitKind.LABEL
            if field and in_label_unit and target.unit != field.unit:
                tell(f"{path}.unit", f"is {target.unit}, {name}.{field.name} is in {field.unit}")
        required = [target for target in model.metrics if target.role is Role.REQUIRED]
        if model.metrics and not required:
            tell(f"models.{name}.metrics", "has no required metric; nothing could ever pass")
        elif required and not any(map(_is_replayed, required)):
            what = "has no required metric that is compared in pairs, as a shadow replay does"
            tell(f"models.{name}.metrics", f"{what}; nothing could ever pass")


def _is_replayed(target: MetricShape) -> bool:
    """Whether a shadow replay judges it; one that cannot be read is told elsewhere."""
    try:
        return target.compare == "paired" and metric_named(target.metric).of_answers
    except BadInput:
        return True


def _metric(
    target: MetricShape, thresholds: Sequence[float], path: str, tell: Tell
) -> Metric | None:
    """The metric that a target names, at the thresholds at which its field is acted on."""
    if len(set(thresholds)) > 1 and needs_threshold(target.metric):
        said = " and ".join(f"{one:g}" for one in sorted(set(thresholds)))
        example = f"threshold={min(thresholds):g}"
        what = f"at which threshold? readers act at {said}; say it in the name, like {example}"
        tell(f"{path}.metric", what)
    try:
        return metric_named(at_operating_threshold(target.metric, thresholds))
    except BadInput as error:
        for fault in error.faults:
            tell(f"{path}.metric", str(fault).replace(": ", " ", 1))
    return None


def _metric_fits(
    parts: FileParts, metric: Metric, target: MetricShape, path: str, tell: Tell
) -> None:
    if target.worse is not None and target.worse != metric.worse:
        tell(f"{path}.worse", f"says {target.worse}, but {target.metric} is worse {metric.worse}")
    if metric.paired and target.compare == "unpaired":
        what = f"{target.metric} compares two answers to one unit; it needs pairs"
        tell(f"{path}.compare", what)
    if metric.best_is_no_change and target.role is Role.REQUIRED:
        tell(f"{path}.role", f"{target.metric} can only get better; it is no required gate")
    if metric.unit_kind is UnitKind.MILLISECONDS and target.unit != "ms":
        tell(f"{path}.unit", f"is {target.unit or 'missing'}; {target.metric} is in ms")
    if not metric.of_answers and target.label:
        tell(f"{path}.label", f"is too much: {target.metric} is compared with no truth")
        return
    if not metric.of_answers and target.compare == "unpaired":
        tell(f"{path}.compare", f"is too much: how {target.metric} is compared is fixed")
    if metric.columns > 1:
        what = f"{target.metric} needs {metric.columns} columns an answer; a field has one"
        tell(f"{path}.metric", what)
    if not metric.needs_label and not target.label:
        return
    source, _, column = target.label.partition(".")
    if not target.label:
        tell(f"{path}.label", "is missing")
    elif source not in parts.named["sources"] or not column:
        tell(f"{path}.label", f"{target.label} is no source.column")
    elif (shape := parts.sources.get(source)) is not None and shape.labels is None:
        tell(f"{path}.label", f"{source} does not say when its labels are known (labels: …)")
    elif target.compare == "paired" and shape and shape.labels and shape.labels.depends_on_answer:
        what = f"{source}'s labels depend on the answer given: it cannot be paired"
        tell(f"{path}.label", f"{what} (compare: unpaired, judged in canaries only)")


def _has_no_field(target: MetricShape, path: str, tell: Tell) -> None:
    if target.field:
        tell(f"{path}.field", f"is too much: {target.metric} is measured of requests")


def _policies_make_sense(parts: FileParts, tell: Tell) -> None:
    policies = parts.policies
    if policies is None:
        return
    if policies.recurring_units is not None:
        _is_known_before(parts, policies.recurring_units, "policies.recurring_units", tell)
        if policies.independent_units:
            tell("policies.independent_units", "cannot be true of rows whose units come back")
    weights = [step.weight for step in policies.canary.steps]
    if weights != sorted(set(weights)):
        tell("policies.canary.steps", f"the weights do not grow: {weights}")
    if weights == [100] and _unpaired_and_required(parts):
        told = ", ".join(_unpaired_and_required(parts))
        what = f"leave the champion no units of its own, with which {told} could be compared"
        tell("policies.canary.steps", what)
    baked = sum(step.bake.total_seconds() for step in policies.canary.steps)
    if baked > policies.canary.deadline.total_seconds():
        tell("policies.canary.deadline", "is earlier than the steps' bake times together")
    try:
        BlockCalendar(timezone="UTC", length=policies.canary.block)
    except ValueError as error:
        tell("policies.canary.block", f"{error}; write one like 1d, 6h or 15m")
    longest = policies.canary.max_deadline
    if longest is not None and longest < policies.canary.deadline:
        tell("policies.canary.max_deadline", "is earlier than the deadline")
    blocks = policies.shadow.window / policies.canary.block
    if blocks < policies.min_blocks:
        tell("policies.shadow.window", f"holds {blocks:g} blocks, {policies.min_blocks} are needed")


def _unpaired_and_required(parts: FileParts) -> list[str]:
    return [
        f"{name}.{target.metric}"
        for name, model in parts.models.items()
        for target in model.metrics
        if target.compare == "unpaired" and target.role is Role.REQUIRED
    ]


def _edges(parts: FileParts) -> Iterable[tuple[str, EdgeShape]]:
    for name, model in parts.models.items():
        for place, edge in enumerate(model.inputs):
            yield f"models.{name}.inputs[{place}]", edge
    for name, consumer in parts.consumers.items():
        for place, edge in enumerate(consumer.reads):
            yield f"consumers.{name}.reads[{place}]", edge


def _list(names: Iterable[str]) -> str:
    return f" (there are: {', '.join(names)})"
