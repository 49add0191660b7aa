"""Intervals that were promised or demanded, and how two of them lie to each other."""

from collections.abc import Mapping
from typing import Final

from sluiceway.contracts.change_names import ChangeKind
from sluiceway.contracts.values import BehaviouralPromise, InputDemand, OutputField

Interval = tuple[float, float]
Kinds = tuple[ChangeKind, ChangeKind, ChangeKind]
"""What it is called where the new one lies inside the old one, around it, or elsewhere."""

WHOLE: Final = -1.0
"""Key of a band that belongs to no probability."""


def interval(bounded: OutputField | InputDemand) -> Interval:
    """The range, unbounded ends infinite."""
    return (
        float("-inf") if bounded.low is None else bounded.low,
        float("inf") if bounded.high is None else bounded.high,
    )


def interval_kind(old: Interval, new: Interval, kinds: Kinds) -> ChangeKind | None:
    """What became of an interval; None where the two are equal."""
    return bands_kind({WHOLE: old}, {WHOLE: new}, kinds)


def bands_kind(
    old: Mapping[float, Interval], new: Mapping[float, Interval], kinds: Kinds
) -> ChangeKind | None:
    """What became of several intervals together; None where they are equal.

    Bands, not reference and tolerance, are compared: what consumers were promised is the band,
    so a new reference whose band lies inside the old one takes nothing away from them.
    """
    if dict(old) == dict(new):
        return None
    inside, around, moved = kinds
    if _all_inside(new, old):
        return inside
    return around if _all_inside(old, new) else moved


def _all_inside(inner: Mapping[float, Interval], outer: Mapping[float, Interval]) -> bool:
    return all(
        key in inner and low <= inner[key][0] and inner[key][1] <= high
        for key, (low, high) in outer.items()
    )


def scale_bands(promise: BehaviouralPromise | None) -> dict[float, Interval]:
    """The promised interquartile range; empty where none is promised."""
    if promise is None or promise.scale is None:
        return {}
    scale = promise.scale
    return {WHOLE: (scale.low * scale.reference, scale.high * scale.reference)}


def quantile_bands(promise: BehaviouralPromise | None) -> dict[float, Interval]:
    """The promised quantiles by probability; empty where none are promised."""
    if promise is None or promise.quantiles is None:
        return {}
    tolerance = promise.quantiles.tolerance
    return {
        probability: (value - tolerance, value + tolerance)
        for probability, value in sorted(promise.quantiles.reference.items())
    }


def bands_text(bands: Mapping[float, Interval], unit: str) -> str:
    """Bands in words, with their unit."""
    if WHOLE in bands:
        low, high = bands[WHOLE]
        return f"{low:.4g} to {high:.4g} {unit}".rstrip()
    return ", ".join(
        f"{probability * 100:g} % {low:.4g} to {high:.4g} {unit}".rstrip()
        for probability, (low, high) in bands.items()
    )


def range_text(bounded: OutputField | InputDemand) -> str:
    """``[0, inf]``."""
    low, high = interval(bounded)
    return f"[{low:g}, {high:g}]"
