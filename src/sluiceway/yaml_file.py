"""Reading a YAML file into checked shapes, with every fault told by its path inside the file."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sluiceway.errors import BadInput, Fault
from sluiceway.yaml_text import yaml_values


class Shape(BaseModel):
    """What one part of a file looks like; anything unknown in it is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnyShape = TypeVar("AnyShape", bound=Shape)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        BadInput: The file cannot be read, is no YAML, names a key twice, or is no mapping.
    """
    try:
        content = yaml_values(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(
            [Fault(where=str(path), what=f"cannot be read: {error.strerror}")]
        ) from error
    except ValueError as error:  # of decoding too
        raise BadInput([Fault(where=path.name, what=f"is not YAML: {error}")]) from error
    if not isinstance(content, dict):
        raise BadInput([Fault(where=path.name, what="is no mapping of names to values")])
    return content


TODO = "TODO"
"""How a text begins that somebody has still to fill in."""


def left_to_do(content: object, *, where: str) -> list[Fault]:
    """Everything in a file that says ``TODO: …``, by its path."""
    if isinstance(content, dict):
        inside = [(_inside(where, [str(key)]), value) for key, value in content.items()]
    elif isinstance(content, list):
        inside = [(_inside(where, [place]), value) for place, value in enumerate(content)]
    elif isinstance(content, str) and content.startswith(TODO):
        said = content.removeprefix(TODO).lstrip(": ") or "fill it in"
        return [Fault(where=where, what=f"is still to do: {said}")]
    else:
        return []
    return [fault for path, value in inside for fault in left_to_do(value, where=path)]


def parse_shape(
    shape: type[AnyShape],
    content: object,
    *,
    where: str,
    faults: list[Fault],
    locations: list[tuple[int | str, ...]] | None = None,
) -> AnyShape | None:
    """Check one part of a file; what is wrong is added to `faults` and None returned.

    Args:
        locations: The path of each wrong part is added to it, where it is given.
    """
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        faults.extend(shape_faults(error, where=where))
        if locations is not None:
            locations.extend(found["loc"] for found in error.errors(include_url=False))
        return None


def shape_faults(error: ValidationError, *, where: str) -> list[Fault]:
    """What is wrong with the shape of something, each fault with its path."""
    return [
        Fault(where=_inside(where, found["loc"]), what=_in_words(found))
        for found in error.errors(include_url=False)
    ]


def _in_words(found: Mapping[str, Any]) -> str:
    match found["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not known here; remove it or correct its name"
        case _:
            said = str(found["msg"]).removeprefix("Value error, ")
            return f"{said[0].lower()}{said[1:]} (found {found['input']!r})"


def _inside(where: str, location: Iterable[int | str]) -> str:
    for step in location:
        if isinstance(step, int):
            where += f"[{step}]"
        else:
            where += f"{' ' if where.endswith(':') else '.'}{step}"
    return where
