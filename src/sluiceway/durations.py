"""Durations as people write them in files: ``90s``, ``15m``, ``6h``, ``3d``."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration(text: object) -> timedelta:
    """Read ``3d``, ``6h``, ``15m``, ``90s`` or ``250ms``.

    Raises:
        ValueError: It is none of these.
    """
    if isinstance(text, timedelta):
        return text
    match = _DURATION.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration; write a number with ms, s, m, h or d, like 3d")
    try:
        return timedelta(**{_UNITS[match[2]]: float(match[1])})
    except OverflowError as error:
        raise ValueError(f"{text!r} is longer than any duration can be") from error


def parse_span(text: object) -> timedelta:
    """Read a duration that is longer than nothing.

    Raises:
        ValueError: It is no duration, or no time at all.
    """
    return _some(parse_duration(text))


def render_duration(duration: timedelta) -> str:
    """Write a duration in the largest unit that leaves a whole number."""
    for suffix, unit in reversed(_UNITS.items()):
        count = duration / timedelta(**{unit: 1})
        if count >= 1 and count == int(count):
            return f"{int(count)}{suffix}"
    # A duration holds whole microseconds, so three digits say all of it.
    return f"{duration / timedelta(milliseconds=1):.3f}".rstrip("0").rstrip(".") + "ms"


def _some(duration: timedelta) -> timedelta:
    if not duration:
        raise ValueError("is no time at all; write a number above 0, like 3d")
    return duration


Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(render_duration, when_used="json")
]
PositiveDuration = Annotated[Duration, AfterValidator(_some)]
