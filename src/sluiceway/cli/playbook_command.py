"""The command that says what happens when something goes wrong."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from sluiceway.cli.rendering import say, say_json, table
from sluiceway.playbook import Section, as_markdown, playbook
from sluiceway.settings import Settings
from sluiceway.system.file import read_system


def playbook_command(
    markdown: Annotated[bool, typer.Option("--markdown", help="Write it as Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value.")] = False,
) -> None:
    """Print when a rollout goes back by itself, the steps back, and who is told what and when."""
    system = read_system(Settings().system)
    sections = playbook(system)
    if as_json:
        parts = [asdict(one) for one in sections]
        say_json({"system": system.name, "digest": system.digest, "sections": parts})
    elif markdown:
        say(as_markdown(system, sections))
    else:
        for section in sections:
            _say(section)


def _say(section: Section) -> None:
    say(section.title.upper())
    for number, step in enumerate(section.steps, start=1):
        say(f"  {f'{number}.' if section.numbered else '–'} {step}")
    if section.table is not None:
        rows = [tuple(map(escape, row)) for row in section.table.rows]
        table(section.table.columns, rows)
    say("")
