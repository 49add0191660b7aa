"""A contract: what a producer promises of its output and demands of its input."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as with_default
from datetime import date, timedelta
from enum import StrEnum

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
        measured_at: The day on which it was measured; None where that was not said.
    """

    measured_on: str
    scale: ScalePromise | None
    quantiles: QuantilePromise | None
    measured_at: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """A field that is a vector.

    Attributes:
        dimension: Number of columns it takes, from the field's position on.
        space: Id of the space its vectors live in; those of two spaces cannot be compared.
    """

    dimension: int
    space: str


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
        categories: Every value it may have, in the promised order; a ``long`` field gives the
            place in it, from 0. None where it is not categorical.
        positive: The category that a probability speaks of; None where the field is none.
        semantics: Id of what the value means; another id is another meaning under the same name.
        calibration: Id of the calibration that made the values comparable; None where there is
            none to speak of.
        embedding: Set where the field is a vector.
    """

    name: str
    position: int
    dtype: str
    unit: str
    low: float | None
    high: float | None
    nullable: bool
    promise: BehaviouralPromise | None
    categories: tuple[str, ...] | None = None
    positive: str | None = None
    semantics: str | None = None
    calibration: str | None = None
    embedding: Embedding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDemand:
    """What a model demands of one of its inputs.

    Attributes:
        unit: Unit it was built for; None where that was not said.
        low: Smallest value it was built for, in the input's unit.
        high: Largest value it was built for, in the input's unit.
        nullable: Whether it can answer when the value is missing.
        dtype: ``double``, ``long``, ``boolean`` or ``string``; None where that was not said.
        categories: Every value it knows; None where it knows no such list.
        semantics: Id of what the value must mean; None where that was not said.
        embedding: Set where it must be a vector.
    """

    name: str
    unit: str | None
    low: float | None
    high: float | None
    nullable: bool
    dtype: str | None = None
    categories: tuple[str, ...] | None = None
    semantics: str | None = None
    embedding: Embedding | None = None


class Trigger(StrEnum):
    """What makes a fallback answer instead of the model."""

    ERROR = "error"
    TIMEOUT = "timeout"
    OUT_OF_CONTRACT = "out_of_contract"
    STALE_INPUT = "stale_input"
    ISOLATED = "isolated"


class FallbackKind(StrEnum):
    """Where a fallback takes its answer from."""

    CONSTANT = "constant"
    LAST_KNOWN_GOOD = "last_known_good"
    COLUMN = "column"
    """An input of the model, or a field of another model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackRule:
    """What a consumer receives of one field when the model has no usable answer.

    The contract's constant of the field is the last resort of every rule.

    Attributes:
        column: ``model.field`` or the name of an input; None unless `kind` is COLUMN.
        max_age: How old a last known good answer may be; None unless that is the `kind`.
        triggers: What makes it answer; empty means everything.
    """

    kind: FallbackKind
    column: str | None = None
    max_age: timedelta | None = None
    triggers: tuple[Trigger, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """An output field that is going to be removed.

    Attributes:
        since: Day of the announcement.
        remove_after: First day on which it may be removed.
        use_instead: ``field`` of this model or ``model.field``; None where nothing replaces it.
    """

    field: str
    since: date
    remove_after: date
    use_instead: str | None
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What one model promises and demands.

    Attributes:
        version: Semver of the contract.
        deadline: Longest time for one batch of recorded rows.
        fallback: Safe default of each output field, in its unit, for when there is no answer.
        fallback_rules: What is tried before the safe default, by output field.
        latency_p99: Time within which 99 of 100 single requests are answered.
        freshness: Oldest age of the inputs that an answer rests on.
        max_batch: Most rows in one request.
        deterministic: Whether equal inputs give equal answers; None where that was not said.
        deprecations: Fields that are going to be removed.
        reserved: Names of removed fields; no field may take them again.
        description: For people.
    """

    model: str
    version: str
    output: tuple[OutputField, ...]
    inputs: tuple[InputDemand, ...]
    deadline: timedelta
    fallback: Mapping[str, float]
    fallback_rules: Mapping[str, FallbackRule] = with_default(default_factory=dict)
    latency_p99: timedelta | None = None
    freshness: timedelta | None = None
    max_batch: int | None = None
    deterministic: bool | None = None
    deprecations: tuple[Deprecation, ...] = ()
    reserved: tuple[str, ...] = ()
    description: str = ""

    @property
    def content_hash(self) -> str:
        """SHA-256 of the canonical content.

        What is left at its default takes no part, so that a kind of promise that is learnt later
        leaves the hashes of older contracts as they are.
        """
        return sha256_of(_ADAPTER.dump_python(self, mode="json", exclude_defaults=True))

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
