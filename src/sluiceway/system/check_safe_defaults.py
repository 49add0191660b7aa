"""Whether what stands in for a feature is a value that the feature may have."""

from math import isfinite

from sluiceway.system.parts import FileParts, Tell
from sluiceway.system.shapes import FeatureShape


def check_safe_defaults(parts: FileParts, tell: Tell) -> None:
    """Tell of each feature whose safe default its own declaration forbids."""
    for name, feature in parts.features.items():
        if feature.safe_default is not None and (what := _wrong(feature)):
            tell(f"features.{name}.safe_default", what)


def _wrong(feature: FeatureShape) -> str | None:
    value, dtype = feature.safe_default, feature.dtype
    wanted = {
        "string": (isinstance(value, str), "a text"),
        "boolean": (isinstance(value, bool), "true or false"),
        "long": (isinstance(value, int) and not isinstance(value, bool), "a whole number"),
        "double": (
            isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value),
            "a number",
        ),
    }
    fits, written = wanted[dtype]
    if not fits:
        return f"is {value!r}; the feature is {dtype}: write {written}"
    if isinstance(value, str):
        if feature.categories is None or value in feature.categories:
            return None
        return f"is {value}, which is none of its categories ({', '.join(feature.categories)})"
    assert value is not None
    low, high = feature.range
    if low is not None and value < low:
        return f"is {value:g}; the feature's least is {low:g}"
    if high is not None and value > high:
        return f"is {value:g}; the feature's most is {high:g}"
    return None
