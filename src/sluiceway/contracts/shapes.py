"""What may stand in a contract file, part by part; the words are explained in docs/contracts.md."""

from datetime import date
from typing import Any, Literal

import semver
from pydantic import Field, FiniteFloat, PositiveFloat, field_validator, model_validator

from sluiceway.contracts.values import Trigger
from sluiceway.durations import PositiveDuration
from sluiceway.yaml_file import Shape

Dtype = Literal["double", "long", "boolean", "string"]
Range = tuple[FiniteFloat | None, FiniteFloat | None]


def checked_semver(text: object) -> str:
    """Return the text where it is a semantic version, or raise ValueError."""
    if not isinstance(text, str) or not semver.Version.is_valid(text):
        raise ValueError("is no semantic version; write it like 1.0.0")
    return text


class ScaleShape(Shape):
    """Interquartile range of the answers."""

    reference: PositiveFloat
    ratio: tuple[PositiveFloat, PositiveFloat]


class QuantilesShape(Shape):
    """Quantiles of the answers by probability."""

    reference: dict[float, FiniteFloat] = Field(min_length=1)
    tolerance: PositiveFloat


class PromiseShape(Shape):
    """How recorded answers look."""

    measured_on: str
    measured_at: date | None = None
    scale: ScaleShape | None = None
    quantiles: QuantilesShape | None = None


class EmbeddingShape(Shape):
    """A vector: how many columns, and in which space."""

    dimension: int = Field(ge=1)
    space: str = Field(min_length=1)


class FieldShape(Shape):
    """One promised output field."""

    position: int = Field(ge=0)
    dtype: Dtype = "double"
    unit: str | None = None
    range: Range = (None, None)
    nullable: bool = False
    promise: PromiseShape | None = None
    categories: list[str] | None = Field(default=None, min_length=1)
    positive: str | None = None
    semantics: str | None = Field(default=None, min_length=1)
    calibration: str | None = Field(default=None, min_length=1)
    embedding: EmbeddingShape | None = None


class DemandShape(Shape):
    """What is demanded of one input."""

    unit: str | None = None
    range: Range = (None, None)
    nullable: bool = False
    dtype: Dtype | None = None
    categories: list[str] | None = Field(default=None, min_length=1)
    semantics: str | None = Field(default=None, min_length=1)
    embedding: EmbeddingShape | None = None


class LatencyShape(Shape):
    """How long an answer takes: a batch of recorded rows, and 99 of 100 single requests."""

    deadline: PositiveDuration
    p99: PositiveDuration | None = None


class FallbackShape(Shape):
    """What consumers of one field get when there is no answer.

    A number, or the name of a category, is short for the constant alone.
    """

    constant: FiniteFloat | str
    use: Literal["constant", "last_known_good", "column"] | None = None
    column: str | None = Field(default=None, min_length=1)
    max_age: PositiveDuration | None = None
    on: list[Trigger] = []

    @model_validator(mode="before")
    @classmethod
    def _short(cls, written: Any) -> Any:
        return {"constant": written} if isinstance(written, int | float | str) else written

    @field_validator("constant", mode="before")
    @classmethod
    def _number_or_category(cls, written: Any) -> Any:
        # One sentence in place of one for each type it is not.
        finite = isinstance(written, int | float) and abs(written) < float("inf")
        if finite or isinstance(written, str):
            return float(written) if finite else written
        raise ValueError("is neither a finite number nor the name of a category")


class DeprecationShape(Shape):
    """A field that is going to be removed."""

    field: str
    since: date
    remove_after: date
    use_instead: str | None = Field(default=None, min_length=1)
    because: str


class ContractShape(Shape):
    """A whole contract file."""

    model: str = Field(min_length=1)
    version: str
    description: str = ""
    output: dict[str, FieldShape] = Field(min_length=1)
    inputs: dict[str, DemandShape] = {}
    latency: LatencyShape
    freshness: PositiveDuration | None = None
    max_batch: int | None = Field(default=None, ge=1)
    fallback: dict[str, FallbackShape]
    deterministic: bool | None = None
    deprecations: list[DeprecationShape] = []
    reserved: list[str] = []

    _version = field_validator("version", mode="before")(checked_semver)
