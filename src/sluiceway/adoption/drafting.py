"""The first draft of a system file and of its contracts.

What the registry knows is written down; what only people know says ``TODO`` and why, and
`sluiceway validate` lists it until it is filled in. Nothing is guessed that a verdict rests on.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

TEMPLATES = ("system.yaml", "README.md", "requirements.txt", ".gitignore")
"""Files that are drafted once; a contract is drafted for each model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftedModel:
    """What the registry says of one model.

    Attributes:
        version: The version it was read from.
        inputs: MLflow type by input column, in the order of the signature.
        outputs: Names of the answer's columns; one without a name is called ``answer``.
    """

    name: str
    version: str
    inputs: Mapping[str, str]
    outputs: tuple[str, ...]


_DTYPES = {
    "double": "double",
    "float": "double",
    "long": "long",
    "integer": "long",
    "boolean": "boolean",
    "string": "string",
}


def _plain(name: str) -> str:
    """A column's name as YAML reads it back: quoted where it would be read as something else."""
    bare = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) and name.lower() not in _YAML_WORDS
    return name if bare else json.dumps(name, ensure_ascii=False)


_YAML_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def _fields(model: DraftedModel, models: Sequence[DraftedModel]) -> dict[str, str]:
    """The column of each field of a model: the fields that others read, else its signature's."""
    read = {
        name.partition(".")[2]: None
        for other in models
        for name in other.inputs
        if name.partition(".")[0] == model.name and "." in name
    }
    if not read:
        return {name: str(place) for place, name in enumerate(model.outputs)}
    columns = len(model.outputs)
    asked = f'"TODO: which column of the answer, 0 to {columns - 1}"'
    return dict.fromkeys(read, "0" if columns == 1 else asked)


def _clashes(
    models: Sequence[DraftedModel], answered: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """What to do about each column that bears a model's name, by column.

    Such a column is no feature, since a system's names are unique. Whether it holds an answer of
    that model, and which, only people know.
    """
    columns = {name for model in models for name in model.inputs} & answered.keys()
    return {
        name: (
            f"TODO: {' or '.join(f'{name}.{field}' for field in answered[name])}, where the column "
            f"{name} holds what the model {name} answers; log this model again with the column "
            f"called that, since an edge's column is called {name}.FIELD. Where it holds something "
            "else, log it with a name that no model has, and declare that as a feature"
        )
        for name in sorted(columns)
    }


def draft_files(
    system: str, models: Sequence[DraftedModel], *, sluiceway_version: str
) -> dict[str, str]:
    """Draft a project's own files.

    An input named ``model.field`` after another drafted model is an edge, and its name the
    field's; one named like a drafted model is an edge to be completed; every other one is a
    feature of the one source that is drafted.

    Args:
        system: Name of the system.
        models: What the registry has; none drafts an empty system.

    Returns:
        Text by path, relative to the project's folder.
    """
    answered = {model.name: _fields(model, models) for model in models}
    fields = {f"{name}.{field}" for name, each in answered.items() for field in each}
    clashes = _clashes(models, answered)
    features = {
        name: _DTYPES.get(kind, "double")
        for model in models
        for name, kind in model.inputs.items()
        if name not in fields and name not in clashes
    }
    given: dict[str, object] = {
        "system": system,
        "sluiceway_version": sluiceway_version,
        "features": features,
        "models": models,
        "answered": answered,
        "fields": fields,
        "clashes": clashes,
    }
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )  # what is rendered is YAML and Markdown, never a page
    environment.filters["plain"] = _plain
    folder = files("sluiceway.adoption") / "templates"

    def render(template: str, **more: object) -> str:
        text = (folder / f"{template}.j2").read_text(encoding="utf-8")
        return environment.from_string(text).render(**given, **more)

    drafted = {name: render(name.lstrip(".")) for name in TEMPLATES}
    for model in models:
        drafted[f"contracts/{model.name}.yaml"] = render("contract.yaml", model=model)
    return drafted
