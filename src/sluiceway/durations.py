"""Durations as people write them in files: ``90s``, ``15m``, ``6h``, ``3d``."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

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
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def render_duration(duration: timedelta) -> str:
    """Write a duration in the largest unit that leaves a whole number."""
    for suffix, unit in reversed(_UNITS.items()):
        count = duration / timedelta(**{unit: 1})
        if count >= 1 and count == int(count):
            return f"{int(count)}{suffix}"
    return f"{duration / timedelta(milliseconds=1):g}ms"


Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(render_duration, when_used="json")
]
