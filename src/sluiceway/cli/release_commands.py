"""The commands about releases: whether they may go live, and what that would come to."""

import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from sluiceway.cli.opening import opened
from sluiceway.cli.rendering import say_json
from sluiceway.releasing import Answer
from sluiceway.settings import Settings

Members = Annotated[list[str], typer.Argument(help="MODEL@VERSION; several are one release.")]
Environment = Annotated[
    str | None, typer.Option("--environment", help="Where they are to serve; default as set.")
]
AsOf = Annotated[datetime | None, typer.Option("--as-of", help="Time to take as now (UTC).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]

CODES = {Answer.YES: 0, Answer.NO: 1, Answer.UNKNOWN: 3}


def can_promote(
    members: Members, environment: Environment = None, as_of: AsOf = None, as_json: AsJson = False
) -> None:
    """Say whether these versions may go live now, and what each reason is cleared by.

    Returns 0 for yes, 1 for no, 3 where it cannot tell, 2 for bad input.
    """
    from sluiceway.cli.answer_rendering import answer_json, say_answer
    from sluiceway.steps.release_plans import ask

    with opened(_settings(environment)) as site:
        asked = ask(site, members, now=_now(as_of))
    if as_json:
        say_json(answer_json(asked))
    else:
        say_answer(asked)
    raise typer.Exit(CODES[asked.answer.answer])


def plan(
    members: Members, environment: Environment = None, as_of: AsOf = None, as_json: AsJson = False
) -> None:
    """Show all that a rollout of these versions would come to; nothing is written.

    Returns 0 where it could begin as asked, 1 where it could not or would end before its replay,
    2 for bad input.
    """
    from sluiceway.cli.release_rendering import plan_json, say_plan
    from sluiceway.steps.release_plans import plan_release

    with opened(_settings(environment)) as site:
        found = plan_release(site, members, now=_now(as_of))
    if as_json:
        say_json(plan_json(found))
    else:
        say_plan(found)
    ends = found.asked.answer.answer is Answer.NO or found.foreseen is not None
    raise typer.Exit(1 if ends else 0)


def _settings(environment: str | None) -> Settings:
    if environment is not None:
        os.environ["SLUICEWAY_ENVIRONMENT"] = environment
    return Settings()


def _now(as_of: datetime | None) -> datetime:
    return as_of.replace(tzinfo=as_of.tzinfo or UTC) if as_of else datetime.now(UTC)
