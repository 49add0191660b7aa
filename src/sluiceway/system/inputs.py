"""What a system takes in: recorded tables, and the features that are made of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """A source whose columns are the truth that comes later.

    Attributes:
        known_at: Column with the time at which a row's labels were known (UTC).
        maturity: After event time + maturity a row counts, whether or not its label came.
        depends_on_answer: Whether the answer given changes the label; such labels cannot be paired.
    """

    known_at: str
    maturity: timedelta
    depends_on_answer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A table of recorded rows, one row a unit.

    Attributes:
        loader: ``parquet:``, ``csv:``, ``sql:`` or ``python:`` and where it is.
        live_loader: The same table as it arrived live, where that differs from the backfill.
        event_time: Column with the time a row belongs to (UTC).
        labels: Set where the columns are labels.
        max_lag: How old its newest live row may be; None declares nothing.
    """

    name: str
    owner: str
    description: str
    loader: str
    live_loader: str
    event_time: str
    labels: Labels | None
    max_lag: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureVersion:
    """One definition of a feature.

    Attributes:
        version: Semver.
        reads: ``source.column`` names.
        transformation: ``module:function`` over a frame of the read columns, or None for
            the one column as it is.
    """

    version: str
    reads: tuple[str, ...]
    transformation: str | None

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources it reads, each once, in order."""
        return tuple(dict.fromkeys(read.split(".", 1)[0] for read in self.reads))


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A named input value with its versions.

    Attributes:
        dtype: ``double``, ``long``, ``boolean`` or ``string``.
        unit: Unit of its values; None for codes and names.
        low: Smallest expected value, in `unit`.
        high: Largest expected value, in `unit`.
        categories: All values a ``string`` feature may have; None where it is not one, or open.
        null_rate: Largest expected share of missing values, 0 to 1.
        current: The version that models read unless they say otherwise.
        versions: All versions by their number.
        safe_default: What its readers receive while it is cut off, in `unit`, booleans as 0 and 1;
            None where it is missing then.
    """

    name: str
    owner: str
    description: str
    dtype: str
    unit: str | None
    low: float | None
    high: float | None
    categories: tuple[str, ...] | None
    null_rate: float
    current: str
    versions: Mapping[str, FeatureVersion]
    safe_default: float | str | None = None
