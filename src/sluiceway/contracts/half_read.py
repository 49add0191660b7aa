"""What contradicts itself in a contract file of which some parts cannot be read.

Where a part is wrong, others may still contradict each other, and whoever mends the file wants to
know all of it at once. So each wrong part is replaced by several stand-ins, and what is a
contradiction whatever stands there is told. Nothing is told of the wrong parts themselves.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from pydantic import ValidationError

from sluiceway.contracts.contradictions import contradictions
from sluiceway.contracts.shapes import ContractShape
from sluiceway.errors import Fault

Path = tuple[Any, ...]

_NOBODY: Final = "‹nobody knows›"
"""A text that stands in no file; what speaks of it would speak of a stand-in."""
_AWAY: Final = object()
"""The part is left away."""
_TURNS: Final = 6
"""How many stand-ins each wrong part has."""
_MOST_PARTS: Final = 200
"""Wrong parts beyond which a file is not read at all."""

_STAND_INS: Final[Mapping[str, tuple[object, ...]]] = {
    "model": (_NOBODY,),
    "version": ("1.0.0",),
    "description": (_AWAY,),
    "latency": ({"deadline": "36500d"},),
    "deadline": ("36500d",),
    "p99": (_AWAY,),
    "freshness": (_AWAY,),
    "max_batch": (_AWAY,),
    "deterministic": (_AWAY,),
    "deprecations": (_AWAY,),
    "reserved": (_AWAY,),
    "dtype": ("double", "long", "boolean", "string", "double", "string"),
    "unit": (_AWAY, _NOBODY, "probability", _NOBODY, "probability", _AWAY),
    "range": (_AWAY,),
    "nullable": (_AWAY,),
    "promise": (_AWAY,),
    "categories": (_AWAY, [_NOBODY], _AWAY, [_NOBODY], [_NOBODY], _AWAY),
    "positive": (_AWAY, _AWAY, _NOBODY, _NOBODY, _AWAY, _NOBODY),
    "semantics": (_AWAY,),
    "calibration": (_AWAY,),
    "embedding": (_AWAY, {"dimension": 1, "space": _NOBODY}, _AWAY, _AWAY, _AWAY, _AWAY),
    "dimension": (1,),
    "space": (_NOBODY,),
    "measured_on": (_NOBODY,),
    "measured_at": (_AWAY,),
    "scale": ({"reference": 1.0, "ratio": [1.0, 1.0]},),
    "ratio": ([1.0, 1.0],),
    "quantiles": ({"reference": {0.5: 0.0}, "tolerance": 1.0},),
    "tolerance": (1.0,),
    "constant": (0.0,),
    "use": (_AWAY, "column", "last_known_good", "constant", "column", _AWAY),
    "column": (_AWAY, _NOBODY, _AWAY, _NOBODY, _AWAY, _NOBODY),
    "max_age": (_AWAY, "1d", _AWAY, "1d", _AWAY, "1d"),
    "on": (_AWAY,),
    "field": (_NOBODY,),
    "since": ("0001-01-01",),
    "remove_after": ("9999-12-31",),
    "use_instead": (_AWAY,),
    "because": (_NOBODY,),
}
"""Stand-ins by the name of the key, in turn; the part that harms least where one does for all."""

_FAR: Final = 1_000_000
"""Columns from which no field begins."""


def certain_contradictions(
    content: Mapping[str, object], wrong: Sequence[Path], *, where: str
) -> list[Fault]:
    """What contradicts itself, however the wrong parts are mended.

    Args:
        content: What stands in the file.
        wrong: Path of each part that cannot be read.
        where: Name of the file.

    Returns:
        Nothing where so much is wrong that nothing can be said.
    """
    certain: list[Fault] | None = None
    for turn in range(_TURNS):
        read = _mended(content, wrong, turn)
        if read is None:
            return []
        shape, replaced = read
        found = contradictions(shape, where=where)
        certain = found if certain is None else [fault for fault in certain if fault in found]
        certain = [fault for fault in certain if not _is_of(fault, replaced, where)]
    return [fault for fault in certain or () if _NOBODY not in f"{fault.where}{fault.what}"]


def with_stand_ins(content: Mapping[str, object], wrong: Sequence[Path]) -> ContractShape | None:
    """The file with something in the place of each wrong part; None where that cannot be."""
    read = _mended(content, wrong, turn=0)
    return None if read is None else read[0]


def _mended(
    content: Mapping[str, object], wrong: Sequence[Path], turn: int
) -> tuple[ContractShape, set[str]] | None:
    """The file with stand-ins, and where they stand; None where it cannot be mended."""
    mended: dict[str, Any] = deepcopy(dict(content))
    replaced: set[str] = set()
    left = list(wrong)
    while left:
        for path in left:
            place = _replace(mended, path, turn, len(replaced))
            if place is None or _written(place) in replaced or len(replaced) > _MOST_PARTS:
                return None
            replaced.add(_written(place))
        try:
            return ContractShape.model_validate(mended), replaced
        except ValidationError as error:
            left = [tuple(one["loc"]) for one in error.errors(include_url=False)]
    return ContractShape.model_validate(mended), replaced


def _replace(content: dict[str, Any], path: Path, turn: int, count: int) -> Path | None:
    """Put a stand-in at the path, or at the nearest part above it that has one.

    Returns:
        Where it stands; None where there is none.
    """
    for end in range(len(path), 0, -1):
        stand_in = _stand_in(path[:end], turn, count)
        above: Any = content
        for step in path[: end - 1]:
            above = _inside(above, step)
        if stand_in is None or not isinstance(above, dict | list):
            continue
        key = path[end - 1]
        if isinstance(above, list):
            if not (isinstance(key, int) and key < len(above)):
                continue
            above[key] = stand_in
        elif stand_in is _AWAY:
            above.pop(key, None)
        else:
            above[key] = deepcopy(stand_in)
        return path[:end]
    return None


def _stand_in(path: Path, turn: int, count: int) -> object:
    """What stands at a path in this turn; None where nothing can."""
    match path:
        case ("output", _):
            return {"position": _FAR + count} | {
                key: value
                for key in ("dtype", "unit", "categories")
                if (value := _in_turn(key, turn)) is not _AWAY
            }
        case ("output", _, "position"):
            return _FAR + count
        case ("inputs", _):
            return {} if turn % 2 else {"dtype": "double", "unit": _NOBODY}
        case ("inputs", _, "dtype") if turn == 0:
            return _AWAY
        case ("fallback", _):
            return {"constant": 0.0}
        case ("deprecations", int()):
            return {
                "field": _NOBODY,
                "since": "0001-01-01",
                "remove_after": "9999-12-31",
                "because": _NOBODY,
            }
        case ("reserved", int()):
            return f"{_NOBODY}{count}"
        case (*_, "scale", "reference"):
            return 1.0
        case (*_, "quantiles", "reference"):
            return {0.5: 0.0}
        case ("inputs",) | ("output",) | ("fallback",):
            return None  # the names in it are what nearly everything else speaks of
        case (*_, str(key)) if key in _STAND_INS:
            return _in_turn(key, turn)
        case ("output" | "inputs" | "fallback", _, str()) | (str(),) | ("latency", str()):
            return _AWAY  # a key that is not known here
        case (*_, "embedding" | "promise" | "scale" | "quantiles", str()):
            return _AWAY
        case ("deprecations", int(), str()):
            return _AWAY
    return None


def _in_turn(key: str, turn: int) -> object:
    values = _STAND_INS[key]
    return values[turn % len(values)]


def _inside(above: Any, step: Any) -> Any:
    if isinstance(above, dict):
        return above.get(step)
    if isinstance(above, list) and isinstance(step, int) and step < len(above):
        return above[step]
    return None


def _is_of(fault: Fault, replaced: set[str], where: str) -> bool:
    """Whether a contradiction is told of a part that only stands in."""
    told = fault.where.removeprefix(f"{where}: ")
    return any(
        told == path
        or told.startswith((f"{path}.", f"{path}["))
        or f"{told}.constant" == path  # what is wrong with a constant is told of its field
        for path in replaced
    )


def _written(path: Path) -> str:
    """As a fault writes it."""
    written = ""
    for step in path:
        written += f"[{step}]" if isinstance(step, int) else f".{step}" if written else str(step)
    return written
