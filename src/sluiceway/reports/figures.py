"""Numbers, units and dates as people read them; U+2212 is the minus sign."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

_METRIC_NAMES = {
    "mae": "MAE",
    "rmse": "RMSE",
    "bias": "bias",
    "brier": "Brier score",
    "log_loss": "log loss",
    "accuracy": "accuracy",
    "roc_auc": "AUC",
}
_NEVER = "–"


def metric_name(metric: str) -> str:
    """How people call a metric: ``MAE`` for ``mae``."""
    return _METRIC_NAMES.get(metric, metric.replace("_", " "))


def spoken(word: str) -> str:
    """A code as words: ``rolled back`` for ``rolled_back``."""
    return word.replace("_", " ")


def places_for(sizes: Iterable[float | None]) -> int | None:
    """Decimals that show two digits of the smallest size that is not 0; None asks for exponents."""
    found = [abs(size) for size in sizes if size is not None and size != 0 and math.isfinite(size)]
    if not found:
        return 2
    places = max(0, 1 - math.floor(math.log10(min(found))))
    return places if places <= 8 and max(found) < 1e9 else None


def plain(number: float | None, places: int | None) -> str:
    """A number with so many decimals; a dash for None."""
    if number is None:
        return _NEVER
    text = f"{number:.2e}" if places is None else f"{number:,.{places}f}"
    return text.replace("-", "−")


def signed(number: float | None, places: int | None) -> str:
    """The same with its sign always shown."""
    if number is None:
        return _NEVER
    number += 0.0  # nothing has no sign: it is not to read as −0.00
    text = f"{number:+.2e}" if places is None else f"{number:+,.{places}f}"
    return text.replace("-", "−")


def interval(low: float | None, high: float | None, places: int | None) -> str:
    """Both ends in brackets; an end that cannot be told is infinite."""
    left = "−∞" if low is None else signed(low, places)
    right = "+∞" if high is None else signed(high, places)
    return f"[{left}, {right}]"


def with_unit(text: str, unit: str) -> str:
    """A number and its unit, where it has one."""
    return f"{text} {unit}" if unit else text


def percent(share: float) -> str:
    """A share from 0 to 1 in percent: ``5 %``."""
    return f"{100 * share:.3g} %"


def count(number: int, noun: str) -> str:
    """``1 day``, ``62 days``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def moment(at: datetime) -> str:
    """Date and time to the second in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def day(at: datetime) -> str:
    """Date in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d")


def duration(length: timedelta) -> str:
    """A length of time in its two largest units: ``2 d 4 h``."""
    seconds = length.total_seconds()
    if seconds < 60:
        return f"{seconds:.3g} s"
    left, parts = round(seconds), []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts[:2])


def joined(names: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``; ``nobody`` for none."""
    listed = list(names)
    if len(listed) < 2:
        return listed[0] if listed else "nobody"
    return f"{', '.join(listed[:-1])} and {listed[-1]}"


def shortened(text: str, most: int) -> str:
    """A name cut in its middle, so that no picture bursts."""
    if len(text) <= most:
        return text
    head = (most - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"
