"""Flags: named switches between inference paths that are declared beforehand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagVariant:
    """One inference path: what differs from the declared one.

    Attributes:
        versions: Version that answers instead of the release's, by model.
        cut: Names of edges whose consumer receives the safe default, sorted.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    cut: tuple[str, ...] = ()

    @property
    def is_neutral(self) -> bool:
        """Whether it is the declared path itself."""
        return not (self.versions or self.cut)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A switch that chooses between inference paths, for everybody or by rules.

    Attributes:
        owner: Name of who answers for it.
        variants: The paths by name.
        default: Name of the variant where no rule says otherwise.
        targeting: Rules in flagd's JSON logic over `ATTRIBUTES`, which give the name of a variant,
            or nothing for the default; None where there are none.
    """

    name: str
    owner: str
    description: str
    variants: Mapping[str, FlagVariant]
    default: str
    targeting: Mapping[str, Any] | None = None

    @property
    def versions(self) -> frozenset[tuple[str, str]]:
        """Every (model, version) that a variant pins."""
        return frozenset(p for one in self.variants.values() for p in one.versions.items())


OF_ROLLOUTS = "arm-"
"""How the names of flags begin that stand for rollouts; no other flag is called so."""

ATTRIBUTES = ("targetingKey", "consumer", "model")
"""What rules may ask for: the unit, who asks (empty where that was not said), and which model."""


def asked_for(rule: object) -> Iterator[str]:
    """Attributes that a rule reads, the bucket of ``fractional`` included; ``*`` for any."""
    if isinstance(rule, Mapping):
        for operation, arguments in rule.items():
            yield from _read_by(str(operation), arguments)
            yield from asked_for(arguments)
    elif isinstance(rule, list | tuple):
        for one in rule:
            yield from asked_for(one)


def _read_by(operation: str, arguments: object) -> Iterator[str]:
    parts = list(arguments) if isinstance(arguments, list | tuple) else [arguments]
    first = parts[0] if parts else None
    if operation == "var":
        yield first if isinstance(first, str) else "*"
    elif operation in ("missing", "missing_some"):
        yield "*"
    elif operation == "fractional" and isinstance(first, list | tuple):
        yield "targetingKey"  # the shorthand, which cuts the flag's own buckets


def is_by_unit(flag: Flag) -> bool:
    """Whether two rows of one question may take different variants."""
    read = set(asked_for(flag.targeting))
    return bool(read & {"targetingKey", "*", ""})
