"""The commands that cut and switch live paths, and that show who follows."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from sluiceway.cli.commands import AsJson, Reason, app, who
from sluiceway.cli.opening import opened, refuse_elsewhere
from sluiceway.cli.rendering import say, say_json
from sluiceway.cli.serving_rendering import controls_json, say_flags, say_gateways
from sluiceway.cli.serving_status import gateways_of
from sluiceway.settings import Settings
from sluiceway.steps import controlling
from sluiceway.steps.site import Site
from sluiceway.steps.world import bring_routing

flag_app = typer.Typer(no_args_is_help=True, help="Switches between declared inference paths.")
app.add_typer(flag_app, name="flag")

EdgeText = Annotated[
    str,
    typer.Argument(
        help='An edge: "dep_delay.minutes -> arr_delay", "origin -> dep_delay", '
        '"schedule.origin -> origin"; "schedule -> *" for all that read a source.'
    ),
]
FlagName = Annotated[str, typer.Argument(help="Name of a flag of the system file.")]

PATIENCE: Final = timedelta(seconds=5)
"""How long a command waits until every live gateway follows."""


@app.command()
def isolate(edge: EdgeText, reason: Reason, as_json: AsJson = False) -> None:
    """Cut an edge: its consumer receives the safe default at once."""
    with opened(Settings()) as site:
        cut = controlling.isolate(site, edge, reason=reason, now=_now(), actor=who())
        _told(site, _named("isolated", cut) or "nothing to do: it is isolated already", as_json)


@app.command()
def restore(edge: EdgeText, reason: Reason = "", as_json: AsJson = False) -> None:
    """End an isolation."""
    with opened(Settings()) as site:
        back = controlling.restore_edges(site, edge, reason=reason, now=_now(), actor=who())
        _told(site, _named("restored", back), as_json)


@flag_app.command("list")
def list_flags(as_json: AsJson = False) -> None:
    """Show every flag, what it leads to now, and who has set it."""
    with opened(Settings()) as site:
        controls = controlling.controls_of(site)
    if as_json:
        say_json({"flags": controls_json(controls)["flags"]})
    else:
        say_flags(controls)


@flag_app.command("set")
def set_flag(
    flag: FlagName,
    variant: Annotated[str, typer.Argument(help="Name of one of its variants.")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Let everybody take one variant, whatever the flag's rules say."""
    with opened(Settings()) as site:
        controlling.set_flag(site, flag, variant, reason=reason, now=_now(), actor=who())
        _told(site, f"everybody takes {variant} of {flag}", as_json)


@flag_app.command("unset")
def unset_flag(flag: FlagName, reason: Reason = "", as_json: AsJson = False) -> None:
    """Let a flag's own rules and default hold again."""
    with opened(Settings()) as site:
        controlling.unset_flag(site, flag, reason=reason, now=_now(), actor=who())
        _told(site, f"the rules of {flag} hold again", as_json)


@app.command()
def gateways(as_json: AsJson = False) -> None:
    """Show every gateway: whether it lives, which table it follows, and its alarm."""
    settings = Settings()
    refuse_elsewhere(settings)
    found = gateways_of(settings)
    if as_json:
        say_json({"gateways": found})
    elif found:
        say_gateways(found)
    else:
        say("no gateway has said anything yet")
    if any(one["alive"] and (one["late"] or one["alarm"]) for one in found):
        raise typer.Exit(1)


def _now() -> datetime:
    return datetime.now(UTC)


def _named(what: str, edges: tuple[str, ...]) -> str:
    return "; ".join(f"{what} {name}" for name in edges)


def _told(site: Site, done: str, as_json: bool) -> None:
    """Make it so, wait until the gateways follow, and say it; 3 where one does not."""
    from sluiceway.adapters.observed_routing import followed_within

    revision = bring_routing(site).revision
    late = followed_within(site.router, PATIENCE)
    if as_json:
        value: dict[str, Any] = controls_json(controlling.controls_of(site))
        say_json({"revision": revision, **value, "late": list(late)})
    else:
        say(done)
        for one in late:
            say(f"not in force everywhere yet: {one}")
    if late:
        raise typer.Exit(3)
