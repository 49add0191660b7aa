"""Contracts to and from the Open Data Contract Standard (extra ``odcs``)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluiceway.cli.contract_commands import AsJson, contract_app
from sluiceway.cli.contract_sources import contract_named, declared_system
from sluiceway.cli.rendering import say, say_json
from sluiceway.errors import BadInput, Fault

if TYPE_CHECKING:
    from types import ModuleType

Out = Annotated[Path | None, typer.Option("--out", help="Write it here.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]


@contract_app.command("export")
def export_contract(
    contract: Annotated[
        str, typer.Argument(help="A file, COMMIT:FILE, MODEL@VERSION, or MODEL as declared now.")
    ],
    out: Out = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a contract as a document of the Open Data Contract Standard 3.1."""
    odcs = _standard()
    system, found = declared_system(), contract_named(contract)
    known = system is not None and found.model in system.models
    owner = system.owner_of(found.model) if known and system is not None else None
    text = odcs.export_odcs(found, owner=owner)
    _write(text, out, force=force)
    if as_json:
        say_json({"model": found.model, "version": found.version, "file": out, "text": text})
    elif out is None:
        print(text, end="")
    else:
        say(f"{out}: {found.model} {found.version} in the Open Data Contract Standard")


@contract_app.command("import")
def import_contract(
    file: Annotated[Path, typer.Argument(help="A document of the Open Data Contract Standard 3.")],
    schema: Annotated[
        str | None, typer.Option(help="Which of its schema objects the model answers.")
    ] = None,
    out: Out = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Draft a contract file from it, and say what has no counterpart."""
    odcs = _standard()
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput([Fault(where=str(file), what=f"cannot be read: {error}")]) from error
    found = odcs.import_odcs(text, where=file.name, schema=schema)
    _write(found.text, out, force=force)
    lost = found.without_counterpart
    if as_json:
        say_json({"file": out, "text": found.text, "without_counterpart": list(lost)})
        return
    if out is None:
        print(found.text, end="")
    for path in lost:
        typer.echo(f"no counterpart in a contract: {path}", err=True)
    if out is not None:
        say(f"{out}: drafted; what it still has to be told says TODO")


def _standard() -> "ModuleType":
    try:
        from sluiceway.adapters import odcs
    except ImportError as error:
        what = "the Open Data Contract Standard needs an extra: pip install 'sluiceway[odcs]'"
        raise BadInput([Fault(where="contract", what=what)]) from error
    return odcs


def _write(text: str, out: Path | None, *, force: bool) -> None:
    if out is None:
        return
    if out.exists() and not force:
        raise BadInput([Fault(where=str(out), what="is there already; --force replaces it")])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
