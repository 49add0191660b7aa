"""Metrics by the names that system files use: ``mae``, ``quantile_loss(quantile=0.9)``."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from sluiceway.errors import BadInput, Fault
from sluiceway.statistics.metrics import decisions, probability, ranking, regression, serving
from sluiceway.statistics.metrics.metric import Metric
from sluiceway.statistics.metrics.scorer import scorer

_MAKERS: Final[Mapping[str, Callable[..., Metric]]] = {
    maker.__name__: maker
    for maker in (
        regression.mae,
        regression.rmse,
        regression.bias,
        regression.quantile_loss,
        regression.r2,
        probability.brier,
        probability.log_loss,
        probability.calibration_in_the_large,
        probability.calibration_slope,
        decisions.accuracy,
        decisions.balanced_accuracy,
        decisions.precision,
        decisions.recall,
        decisions.specificity,
        decisions.f1,
        decisions.expected_cost,
        decisions.decision_flips,
        decisions.negative_flips,
        decisions.positive_flips,
        decisions.disagreement,
        ranking.roc_auc,
        ranking.average_precision,
        serving.latency_mean,
        serving.latency_p50,
        serving.latency_p95,
        serving.latency_p99,
        serving.error_rate,
        serving.fallback_rate,
        serving.null_rate,
        scorer,
    )
}

_DECIDING: Final = frozenset(
    name
    for name, maker in _MAKERS.items()
    if "threshold" in inspect.signature(maker).parameters and name != "scorer"
)

_NAME: Final = re.compile(r"^\s*(\w+)\s*(?:\((.*)\))?\s*$", re.DOTALL)


def _needed(maker: Callable[..., Metric]) -> list[str]:
    parameters = inspect.signature(maker).parameters.values()
    return [one.name for one in parameters if one.default is inspect.Parameter.empty]


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {name: maker() for name, maker in _MAKERS.items() if not _needed(maker)}
)
"""Every metric that needs no parameter, by its name."""

METRIC_NAMES: Final = tuple(
    f"{name}({', '.join(f'{one}=…' for one in _needed(maker))})" if _needed(maker) else name
    for name, maker in _MAKERS.items()
)
"""How each metric is written, with the parameters that it needs."""


@cache
def metric_named(text: str) -> Metric:
    """Find a metric by its name, with parameters in parentheses where it takes some.

    Raises:
        BadInput: There is none of that name, or its parameters are not what it takes.
    """
    known = METRICS.get(text)
    if known is not None:
        return known
    matched = _NAME.match(text)
    if matched is None or matched[1] not in _MAKERS:
        raise _bad(text, f"is not known (there are: {', '.join(METRIC_NAMES)})")
    maker = _MAKERS[matched[1]]
    takes = inspect.signature(maker).parameters
    given: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in (matched[2] or "").split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key in given:
            raise _bad(text, f"gives {key} twice")
        if not equals or key not in takes:
            names = ", ".join(takes) or "no parameter"
            raise _bad(text, f"{part!r} is no parameter of {matched[1]} (it takes: {names})")
        given[key] = _parameter(text, key, value, takes[key].annotation)
    if lacking := [name for name in _needed(maker) if name not in given]:
        example = ", ".join(f"{name}=…" for name in lacking)
        raise _bad(text, f"needs {' and '.join(lacking)}: {matched[1]}({example})")
    try:
        return maker(**given)
    except ValueError as error:
        raise _bad(text, str(error)) from error


def needs_threshold(text: str) -> bool:
    """Whether a metric looks at decisions and its name does not say where they are cut."""
    matched = _NAME.match(text)
    if matched is None or matched[1] not in _DECIDING:
        return False
    given = {part.partition("=")[0].strip() for part in (matched[2] or "").split(",")}
    return not given & {"threshold", "classes"}


def at_operating_threshold(text: str, thresholds: Sequence[float]) -> str:
    """A metric's name with the threshold at which consumers act, where that is what it lacks.

    Args:
        text: As written in a system file.
        thresholds: Operating thresholds that the field's readers declare. Only where they agree is
            there one to take.

    Returns:
        The name as it is, where it says a threshold, takes none, or knows none.
    """
    if not needs_threshold(text) or len(set(thresholds)) != 1:
        return text
    name, _, given = text.strip().removesuffix(")").partition("(")
    parameters = ", ".join(filter(None, (given.strip(), f"threshold={thresholds[0]!r}")))
    return f"{name.strip()}({parameters})"


def _parameter(text: str, key: str, value: str, annotation: object) -> str | int | float:
    if annotation is str:
        return value
    try:
        return int(value) if annotation is int else float(value)
    except ValueError as error:
        kind = "whole number" if annotation is int else "number"
        raise _bad(text, f"{key}={value} is no {kind}") from error


def _bad(text: str, what: str) -> BadInput:
    return BadInput([Fault(where=text, what=what)])
