"""Who reads a model, as others than the system file show it: the registry, the log of answers.

What was looked at stands beside what was found: that nothing was found says as little as little
was looked at.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import TypeAdapter

TRAINED_ON_TAG: Final = "sluiceway.trained_on"
"""Version tag: JSON object, by model that it reads the version whose answers it was trained on."""
READS_TAG: Final = "sluiceway.reads"
"""Version tag: JSON list of the ``model`` or ``model.field`` that it reads."""

_VERSIONS: Final = TypeAdapter(dict[str, str])
_NAMES: Final = TypeAdapter(list[str])


class Trace(StrEnum):
    """What shows that somebody reads a model."""

    TRAINED_ON = "trained_on"
    """The version's tag says so."""
    READS = "reads"
    """The version's tag says so."""
    SIGNATURE = "signature"
    """The version's signature has a column of that name."""
    RUN_INPUT = "run_input"
    """The MLflow run that made the version had the model as an input."""
    REQUESTS = "requests"
    """Requests in the prediction log name who asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A registered version that reads a model, as the registry shows it.

    Attributes:
        reader: The reading model.
        version: Its version.
        producer: The model that is read.
        field: Which field; None where that does not show.
        producer_version: Which version of it; None where that does not show.
    """

    reader: str
    version: str
    producer: str
    field: str | None
    producer_version: str | None
    shown_by: Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryLineage:
    """All that a registry shows of who reads whom, and how far it was searched.

    Attributes:
        models: Registered models, all of which were searched.
        versions: Their versions, whose tags were all read.
        opened: Versions whose signature and run were read too: the newest of each model, and those
            that an alias points at.
        unreadable: What could not be read, in words.
    """

    readings: tuple[Reading, ...]
    models: int
    versions: int
    opened: int
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who asked for a model's answers.

    Attributes:
        consumer: The name that the requests give.
        model: The model that was asked.
        rows: Answered units.
        last: Event time of the latest.
    """

    consumer: str
    model: str
    rows: int
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Who asked for what in a window of the prediction log.

    Attributes:
        callers: By model and consumer, sorted.
        rows: Answers that somebody received in the window.
        unnamed: Those among them of which nobody said who asked.
    """

    callers: tuple[Caller, ...]
    rows: int
    unnamed: int


def trained_on(tags: Mapping[str, str]) -> dict[str, str]:
    """The versions that a version was trained on, by model; empty where its tags do not say.

    Raises:
        ValueError: The tag is no JSON object of versions by model.
    """
    try:
        return _VERSIONS.validate_python(json.loads(tags.get(TRAINED_ON_TAG, "{}")))
    except ValueError as error:
        example = '{"dep_delay": "2"}'
        raise ValueError(f"is no JSON object of versions by model, like {example}") from error


def reads(tags: Mapping[str, str]) -> list[tuple[str, str | None]]:
    """The models, each with its field or None, that a version's tags say it reads.

    Raises:
        ValueError: The tag is no JSON list of names.
    """
    try:
        names = _NAMES.validate_python(json.loads(tags.get(READS_TAG, "[]")))
    except ValueError as error:
        example = '["dep_delay.minutes"]'
        raise ValueError(f"is no JSON list of models or fields, like {example}") from error
    return [(name.partition(".")[0], name.partition(".")[2] or None) for name in names]


def readings_of_tags(
    model: str, version: str, tags: Mapping[str, str]
) -> tuple[list[Reading], list[str]]:
    """What a version's tags show, and what of them cannot be read."""
    found: list[tuple[str, str | None, str | None, Trace]] = []
    unreadable = []
    try:
        found += [(p, None, v, Trace.TRAINED_ON) for p, v in sorted(trained_on(tags).items())]
    except ValueError as error:
        unreadable.append(f"{model}@{version}: tag {TRAINED_ON_TAG} {error}")
    try:
        found += [(producer, field, None, Trace.READS) for producer, field in reads(tags)]
    except ValueError as error:
        unreadable.append(f"{model}@{version}: tag {READS_TAG} {error}")
    return [_reading(model, version, *one) for one in found], unreadable


def readings_of_columns(
    model: str, version: str, columns: tuple[str, ...], known: Mapping[str, object]
) -> list[Reading]:
    """What the columns of a version's signature show: ``model.field`` of a registered model."""
    return [
        _reading(model, version, producer, field, None, Trace.SIGNATURE)
        for producer, dot, field in (column.partition(".") for column in columns)
        if dot and producer in known
    ]


def _reading(
    reader: str,
    version: str,
    producer: str,
    field: str | None,
    producer_version: str | None,
    shown_by: Trace,
) -> Reading:
    return Reading(
        reader=reader,
        version=version,
        producer=producer,
        field=field,
        producer_version=producer_version,
        shown_by=shown_by,
    )
