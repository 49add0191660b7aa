"""A contract: what a producer promises of its output and demands of its input."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pydantic import TypeAdapter

from sluiceway.canonical import as_json, canonical_text, sha256_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalePromise:
    """The interquartile range of the answers stays within a ratio of the reference.

    Attributes:
        reference: Interquartile range when the promise was made, in the field's unit; above 0.
        low: Smallest promised ratio of observed to reference.
        high: Largest promised ratio.
    """

    reference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantilePromise:
    """Each named quantile of the answers stays within a tolerance of its reference.

    Attributes:
        reference: Value by probability, in the field's unit.
        tolerance: How far each may move, in the field's unit.
    """

    reference: Mapping[float, float]
    tolerance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviouralPromise:
    """How recorded answers look, and what consumers were tested to bear.

    Attributes:
        measured_on: In words, the answers that gave the reference.
    """

    measured_on: str
    scale: ScalePromise | None
    quantiles: QuantilePromise | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputField:
    """One promised column of a model's answer.

    Attributes:
        position: Column of the model's answer array, from 0.
        dtype: ``double``, ``long``, ``boolean`` or ``string``.
        unit: Unit of the values.
        low: Smallest promised value, in `unit`.
        high: Largest promised value, in `unit`.
        nullable: Whether it may be missing.
        promise: How its answers behave; None promises nothing.
    """

    name: str
    position: int
    dtype: str
    unit: str
    low: float | None
    high: float | None
    nullable: bool
    promise: BehaviouralPromise | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDemand:
    """What a model demands of one of its inputs.

    Attributes:
        unit: Unit it was built for; None where that was not said.
        low: Smallest value it was built for, in the input's unit.
        high: Largest value it was built for, in the input's unit.
        nullable: Whether it can answer when the value is missing.
    """

    name: str
    unit: str | None
    low: float | None
    high: float | None
    nullable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What one model promises and demands.

    Attributes:
        version: Semver of the contract.
        deadline: Longest time for one batch of recorded rows.
        fallback: Safe default of each output field, in its unit, for when there is no answer.
    """

    model: str
    version: str
    output: tuple[OutputField, ...]
    inputs: tuple[InputDemand, ...]
    deadline: timedelta
    fallback: Mapping[str, float]

    @property
    def content_hash(self) -> str:
        """SHA-256 of the canonical content."""
        return sha256_of(as_json(_ADAPTER, self))

    def field(self, name: str) -> OutputField:
        """The output field of this name.

        Raises:
            KeyError: It is not promised.
        """
        for field in self.output:
            if field.name == name:
                return field
        raise KeyError(name)

    def to_json(self) -> str:
        """As text for a registry tag; :meth:`from_json` reads it back."""
        return canonical_text(as_json(_ADAPTER, self))

    @staticmethod
    def from_json(text: str) -> "Contract":
        """Read what :meth:`to_json` wrote.

        Raises:
            pydantic.ValidationError: The text is no contract.
        """
        return _ADAPTER.validate_json(text)


_ADAPTER: TypeAdapter[Contract] = TypeAdapter(Contract)
