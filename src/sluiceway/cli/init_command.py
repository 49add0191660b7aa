"""Beginning a project for a new system."""

import re
from importlib.metadata import version as installed
from pathlib import Path
from typing import Annotated

import typer

from sluiceway.adoption import DraftedModel, draft_files
from sluiceway.cli.rendering import say, say_json
from sluiceway.errors import BadInput, Fault
from sluiceway.settings import Settings


def init(
    folder: Annotated[Path, typer.Argument(help="Where the project goes; made if missing.")],
    models: Annotated[
        list[str] | None,
        typer.Option("--model", help="A registered model; again for more. Default: all."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The system's name; default: folder's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value.")] = False,
) -> None:
    """Write a runnable project for a new system, drafted from the registry where there is one."""
    from sluiceway.adapters.project_files import project_files, write_project

    called = name or folder.resolve().name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", called):
        what = f"{called!r} is no name for a system; letters, digits, - and _ are; give --name"
        raise BadInput([Fault(where="init", what=what)])
    found = _registered(models)
    texts = {
        **project_files(),
        **draft_files(called, found, sluiceway_version=installed("sluiceway")),
    }
    write_project(folder, texts)
    if as_json:
        drafted = [f"{model.name}@{model.version}" for model in found]
        say_json({"folder": folder, "system": called, "models": drafted, "files": sorted(texts)})
        return
    read = ", ".join(f"{one.name}@{one.version}" for one in found) or "no registered model"
    say(f"{folder}: {len(texts)} files, drafted from {read}")
    say("fill in what says TODO: sluiceway validate lists it")


def _registered(wanted: list[str] | None) -> tuple[DraftedModel, ...]:
    """What the registry has; nothing where the default registry was never made."""
    settings = Settings()
    unmade = settings.tracking_uri is None and not (settings.home / "mlflow.db").exists()
    if unmade and not wanted:
        return ()
    from sluiceway.adapters.mlflow_registry import MlflowRegistry, limit_patience

    limit_patience()
    registry = MlflowRegistry(settings.registry_uri)
    known = registry.models()
    if strange := [name for name in wanted or () if name not in known]:
        have = ", ".join(known) or "none"
        what = f"is no registered model (there are: {have})"
        raise BadInput([Fault(where=name, what=what) for name in strange])
    return tuple(registry.drafted(name) for name in (wanted or known))
