"""What a contract that is refused still says to those who read it.

Whoever mends a system wants all its faults at once, also those of the readers of a contract that is
wrong itself. So what holds however the contract is mended is kept: the names of its fields, and
those of its parts that none of its faults speaks of.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sluiceway.contracts.file import fallback_rule, input_demand, output_field
from sluiceway.contracts.half_read import with_stand_ins
from sluiceway.contracts.shapes import ContractShape
from sluiceway.contracts.values import Contract
from sluiceway.errors import Fault
from sluiceway.yaml_file import parse_shape

_WORDS: Final = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedContract:
    """What is sure of a contract that is refused.

    Attributes:
        called: The model, with the contract's version where that can be read; for faults.
        names: Every output field that is promised, also those that are wrong themselves.
        spoken_of: Words of the contract's own faults; a field of such a name may be what is
            missing.
        inputs: Names of all inputs it demands something of, but those that may be no names.
        sure: Those of its fields, demands and fallback rules that none of its faults speaks of;
            nothing else of this value says anything.
    """

    called: str
    names: tuple[str, ...]
    spoken_of: frozenset[str]
    inputs: tuple[str, ...]
    sure: Contract

    def lacks(self, field: str) -> bool:
        """Whether the field is not promised, however the contract is mended."""
        return field not in self.names and field not in self.spoken_of


def what_is_sure(
    model: str, content: Mapping[str, object], faults: Sequence[Fault], *, where: str
) -> RefusedContract | None:
    """What a refused contract says, however it is mended.

    Args:
        model: The model whose contract it is.
        content: What stands in its file.
        faults: All that is wrong with it.
        where: Name of the file.

    Returns:
        None where even the names of its fields are in doubt.
    """
    wrong: list[tuple[int | str, ...]] = []
    shape = parse_shape(ContractShape, content, where=where, faults=[], locations=wrong)
    shape = shape or with_stand_ins(content, wrong)
    told = {fault.where.removeprefix(f"{where}: ") for fault in faults}
    if shape is None or shape.model != model or "output" in told or _may_be_renamed(shape):
        return None
    spoken_of = frozenset(
        word
        for fault in faults
        for text in (fault.where.removeprefix(f"{where}: "), fault.what)
        for word in (*_WORDS.findall(text), *text.split("."))
    )
    version = "" if "version" in told else f" {shape.version}"
    return RefusedContract(
        called=f"{model}{version}",
        names=tuple(shape.output),
        spoken_of=spoken_of,
        inputs=tuple(name for name in shape.inputs if f"inputs.{name}" not in told),
        sure=_sure(shape, " ".join(f"{fault.where} {fault.what}" for fault in faults)),
    )


def _may_be_renamed(shape: ContractShape) -> bool:
    """Whether a field bears a name that it cannot keep, so that it may be called anything."""
    return any("." in name or name in shape.reserved for name in shape.output)


def _sure(shape: ContractShape, said: str) -> Contract:
    def undoubted(name: str) -> bool:
        return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", said) is None

    fields = {name: field for name, field in shape.output.items() if undoubted(name)}
    return Contract(
        model=shape.model,
        version=shape.version,
        output=tuple(output_field(name, field) for name, field in fields.items()),
        inputs=tuple(
            input_demand(name, demand)
            for name, demand in sorted(shape.inputs.items())
            if undoubted(name)
        ),
        deadline=shape.latency.deadline,
        fallback={},
        fallback_rules={
            name: rule
            for name, written in shape.fallback.items()
            if name in fields and (rule := fallback_rule(written)) is not None
        },
    )
