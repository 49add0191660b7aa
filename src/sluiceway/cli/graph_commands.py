"""The commands about who reads whom."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sluiceway.cli.consumers_said import consumers_json, say_consumers
from sluiceway.cli.opening import opened
from sluiceway.cli.rendering import (
    radius_json,
    say,
    say_graph,
    say_json,
    say_radius,
    system_json,
)
from sluiceway.durations import parse_span
from sluiceway.errors import BadInput, Fault
from sluiceway.graph import blast_radius
from sluiceway.ports import Window
from sluiceway.settings import Settings
from sluiceway.steps.site import Site
from sluiceway.system.file import read_system
from sluiceway.system.values import NodeKind, System

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]


def graph(
    svg: Annotated[Path | None, typer.Option(help="Write a picture to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show who reads whom; as text, or with --svg and --html as a picture and a page."""
    system = read_system(Settings().system)
    written = {}
    if svg is not None or html is not None:
        # Drawing takes a second to load.
        from sluiceway.reports.system_graph import Serving, draw_system
        from sluiceway.reports.system_page import render_system

        serving = None
        with _journal_if_any() as site:
            champion = site.journal.champion(site.environment) if site is not None else None
        if champion is not None:
            serving = Serving(
                environment=champion.environment,
                generation=champion.generation,
                members=champion.release.members,
            )
        if svg is not None:
            written["svg"] = _write(svg, draw_system(system, serving))
        if html is not None:
            written["html"] = _write(html, render_system(system, serving))
    if as_json:
        say_json({**system_json(system), **written})
    elif written:
        for path in written.values():
            say(path)
    else:
        say_graph(system)


def impact(
    node: Annotated[str, typer.Argument(help="A source, feature, model or consumer.")],
    field: Annotated[
        str | None, typer.Argument(help="One output field of the model, or column of the source.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show everybody whom a change of this node, or of one field of it, can reach."""
    system = read_system(Settings().system)
    _known_node(system, node)
    try:
        radius = blast_radius(system, [node if field is None else f"{node}.{field}"])
    except KeyError as error:
        raise BadInput([_no_field(system, node, str(field))]) from error
    if as_json:
        say_json(radius_json(radius))
    else:
        say_radius(radius, system)


def consumers(
    model: Annotated[str, typer.Argument(help="A model of the system.")],
    window: Annotated[
        str, typer.Option(help="How far back the log of answers is read, like 30d.")
    ] = "30d",
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", help="Time to take as now (UTC), for replays of the past."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show who reads a model, declared or not, and with which version of it each was trained.

    Returns 3 where log or registry could not be searched, so that others may read it too.
    """
    from sluiceway.steps.consuming import declared_consumers, find_consumers

    system = read_system(Settings().system)
    _known_model(system, model)
    try:
        length = parse_span(window)
    except ValueError as error:
        raise BadInput([Fault(where="--window", what=str(error))]) from error
    now = as_of.replace(tzinfo=as_of.tzinfo or UTC) if as_of else datetime.now(UTC)
    with _journal_if_any() as site:
        if site is None:
            found = declared_consumers(system, model)
        else:
            found = find_consumers(site, system, model, Window(start=now - length, end=now))
    if as_json:
        say_json(consumers_json(found))
    else:
        say_consumers(found)
    if found.looked_at.faults:
        raise typer.Exit(3)


@contextmanager
def _journal_if_any() -> Iterator[Site | None]:
    """Everything of the environment, or None where there is no journal; a look makes none."""
    settings = Settings()
    if not settings.may_have_journal:
        yield None
        return
    with opened(settings) as site:
        yield site


def _write(path: Path, text: str) -> str:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise BadInput([Fault(where=str(path), what=what)]) from error
    return str(path)


def _known_node(system: System, node: str) -> None:
    nodes = (*system.sources, *system.features, *system.models, *system.consumers)
    if node not in nodes:
        what = f"is not in {system.name} (there are: {', '.join(nodes)})"
        raise BadInput([Fault(where=node, what=what)])


def _known_model(system: System, model: str) -> None:
    if model not in system.models:
        what = f"is no model of {system.name} (there are: {', '.join(system.models)})"
        raise BadInput([Fault(where=model, what=what)])


def _no_field(system: System, node: str, field: str) -> Fault:
    kind = system.kind(node)
    if kind is not NodeKind.MODEL:
        return Fault(where=node, what=f"is a {kind}, which has no field {field}")
    contract = system.models[node].contract
    has = ", ".join(one.name for one in contract.output)
    what = f"{node} {contract.version} does not promise {field} (it has: {has})"
    return Fault(where=f"{node} {field}", what=what)
