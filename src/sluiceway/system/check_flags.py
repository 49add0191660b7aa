"""Reading the flags of a system file: which inference paths there are, and who takes which."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from sluiceway.errors import Fault
from sluiceway.system.cutting import Cuttable
from sluiceway.system.flags import ATTRIBUTES, OF_ROLLOUTS, Flag, FlagVariant, asked_for
from sluiceway.system.parts import FileParts, Tell, edges_of, safe_default_of
from sluiceway.system.shapes import FlagShape, FlagVariantShape
from sluiceway.yaml_file import parse_shape

_BRANCHES = frozenset(["if", "?:"])
_OVER_LISTS = frozenset(["filter", "reduce", "map", "all", "some", "none"])

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def read_flags(
    content: object, parts: FileParts, *, where: str, faults: list[Fault]
) -> dict[str, Flag]:
    """Read the section; what is wrong is added to `faults`."""
    if content is None:
        return {}
    if not isinstance(content, dict):
        faults.append(Fault(where=f"{where}: flags", what="is no mapping of names to values"))
        return {}
    edges = _cuttable(parts)
    found: dict[str, Flag] = {}
    for name, body in content.items():
        path = f"{where}: flags.{name}"

        def tell(inside: str, what: str, path: str = path) -> None:
            faults.append(Fault(where=f"{path}{inside}", what=what))

        shape = parse_shape(FlagShape, body, where=path, faults=faults)
        if shape is None:
            continue
        if not _NAME.fullmatch(str(name)) or str(name).startswith(OF_ROLLOUTS):
            what = f"is no name of a flag: write small letters, digits, - and _, no {OF_ROLLOUTS}…"
            tell("", what)
        found[str(name)] = _flag(str(name), shape, parts, edges, tell)
    _pin_once(
        found, lambda inside, what: faults.append(Fault(where=f"{where}: {inside}", what=what))
    )
    return found


def _cuttable(parts: FileParts) -> Cuttable:
    definitions = {
        name: (feature, *feature.other_versions.values())
        for name, feature in parts.features.items()
    }
    defaults = {name: safe_default_of(feature) for name, feature in parts.features.items()}
    return Cuttable(
        edges=tuple(edge for reads in edges_of(parts).values() for edge in reads),
        reads={
            name: tuple(dict.fromkeys(read for one in versions for read in one.reads))
            for name, versions in definitions.items()
        },
        safe_defaults={name: value for name, value in defaults.items() if value is not None},
    )


def _flag(name: str, shape: FlagShape, parts: FileParts, edges: Cuttable, tell: Tell) -> Flag:
    if shape.owner not in parts.named["owners"]:
        tell(".owner", f"{shape.owner} is not among the owners{_list(parts.named['owners'])}")
    if shape.default not in shape.variants:
        tell(".default", f"{shape.default} is no variant{_list(shape.variants)}")
    variants = {
        variant: _variant(body, parts, edges, f".variants.{variant}", tell)
        for variant, body in shape.variants.items()
    }
    if shape.targeting is not None:
        wrong = list(_targeting_faults(shape.targeting, variants))
        for what in wrong or _flagd_faults(name, shape):
            tell(".targeting", what)
    return Flag(
        name=name,
        owner=shape.owner,
        description=shape.description,
        variants=variants,
        default=shape.default,
        targeting=shape.targeting,
    )


def _variant(
    shape: FlagVariantShape, parts: FileParts, edges: Cuttable, path: str, tell: Tell
) -> FlagVariant:
    for model in shape.versions:
        if model not in parts.named["models"]:
            tell(f"{path}.versions.{model}", f"is no model{_list(parts.named['models'])}")
    cut: list[str] = []
    for place, text in enumerate(shape.cut):
        try:
            names = edges.named(text)
        except ValueError as error:
            if _all_parsed(parts):  # else the edge may be one of a part that is told already
                tell(f"{path}.cut[{place}]", str(error))
            continue
        cut += names
        for name in names:
            if unsafe := edges.unsafe(name, parts.contracts.values()):
                tell(f"{path}.cut[{place}]", f"cannot be cut: {unsafe}")
    return FlagVariant(versions=dict(shape.versions), cut=tuple(sorted(set(cut))))


def _all_parsed(parts: FileParts) -> bool:
    sections = {"features": parts.features, "models": parts.models, "consumers": parts.consumers}
    return all(parts.named[section] == tuple(found) for section, found in sections.items())


def _pin_once(flags: Mapping[str, Flag], tell: Tell) -> None:
    """Two flags that pin the same model would leave it open which version answers."""
    first: dict[str, str] = {}
    for name, flag in flags.items():
        for model in sorted({model for model, _ in flag.versions}):
            if first.setdefault(model, name) != name:
                what = f"pins {model}, as {first[model]} does; one flag decides which version it is"
                tell(f"flags.{name}.variants", what)


def _targeting_faults(rule: object, variants: Mapping[str, object]) -> Iterator[str]:
    from openfeature.contrib.tools.flagd.core.targeting.targeting import OPERATORS

    used = set(_operations(rule))
    known = OPERATORS.keys() | _BRANCHES | _OVER_LISTS | {"and", "or"}
    for operation in sorted(used - known):
        yield f"{operation} is no operation of flagd{_list(sorted(known))}"
    # Over lists, `var` reads from an item of the list.
    names = () if used & _OVER_LISTS else sorted(set(asked_for(rule)))
    for name in names:
        if name not in (*ATTRIBUTES, "*", "") and not name.startswith("$flagd."):
            yield f"asks for {name}, which no question says{_list(ATTRIBUTES)}"
    for answer in _answers(rule):
        if answer is not None and str(answer) not in variants:
            yield f"answers {answer}, which is no variant{_list(variants)}"


def _operations(rule: object) -> Iterator[str]:
    if isinstance(rule, Mapping):
        if len(rule) != 1:
            yield f"{{{', '.join(map(str, rule))}}}"
        for operation, arguments in rule.items():
            yield str(operation)
            yield from _operations(arguments)
    elif isinstance(rule, list):
        for one in rule:
            yield from _operations(one)


def _answers(rule: object) -> Iterator[object]:
    """What a rule answers, as far as it is written down."""
    if not isinstance(rule, Mapping):
        yield rule
        return
    for operation, arguments in rule.items():
        parts: Sequence[object] = arguments if isinstance(arguments, list) else [arguments]
        if operation in _BRANCHES:
            branches = [part for place, part in enumerate(parts) if place % 2]
            branches += [parts[-1]] if len(parts) % 2 else []
            for branch in branches:
                yield from _answers(branch)
        elif operation == "fractional":
            yield from (one[0] for one in parts if isinstance(one, list) and one)


def _flagd_faults(name: str, shape: FlagShape) -> Iterator[str]:
    """What flagd itself says, asked once by somebody unknown."""
    from openfeature.contrib.tools.flagd.core import FlagdCore
    from openfeature.evaluation_context import EvaluationContext

    default = next(iter(shape.variants))  # the declared one may be wrong, which is told already
    flag = {
        "state": "ENABLED",
        "variants": {variant: variant for variant in shape.variants},
        "defaultVariant": default,
        "targeting": shape.targeting,
    }
    somebody = EvaluationContext(targeting_key="a unit", attributes={"consumer": "", "model": ""})
    try:
        flagd = FlagdCore()
        flagd.set_flags(json.dumps({"flags": {name: flag}}))
        flagd.resolve_string_value(name, default, somebody)
    except Exception as error:  # noqa: BLE001 - whatever it raises, no question may meet it
        yield f"is refused by flagd: {' '.join(str(error).split()) or type(error).__name__}"


def _list(names: object) -> str:
    assert isinstance(names, Sequence | Mapping)
    return f" (there are: {', '.join(names)})"
