"""The commands."""

import getpass
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sluiceway.cli import (
    drift_command,  # noqa: F401 - features drift
    running,
    standard_commands,  # noqa: F401 - contract export, import
)
from sluiceway.cli.approver_commands import approvers_app, proving
from sluiceway.cli.contract_commands import check, contract_app
from sluiceway.cli.feature_commands import features_app
from sluiceway.cli.graph_commands import consumers, graph, impact
from sluiceway.cli.init_command import init
from sluiceway.cli.opening import opened, refuse_elsewhere, rollout_named
from sluiceway.cli.playbook_command import playbook_command
from sluiceway.cli.release_commands import can_promote, plan
from sluiceway.cli.rendering import (
    rollout_json,
    say,
    say_json,
)
from sluiceway.cli.status_look import look, look_json, say_look, watched
from sluiceway.errors import BadInput
from sluiceway.graph import earlier_answers
from sluiceway.rights import NeededApproval, waits_for
from sluiceway.rollouts.endings import Ending, ReasonCode
from sluiceway.rollouts.events import Ended
from sluiceway.settings import Settings
from sluiceway.steps import going_back, requests
from sluiceway.steps.chain import checked
from sluiceway.system.file import read_system

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Moves models that depend on each other into production, without one breaking the next.",
)
journal_app = typer.Typer(no_args_is_help=True, help="The record of everything that happened.")
app.add_typer(journal_app, name="journal")
app.add_typer(features_app, name="features")
app.add_typer(contract_app, name="contract")
app.add_typer(approvers_app, name="approvers")
app.command()(init)
app.command("can-promote")(can_promote)
app.command()(plan)
app.command()(check)
app.command("playbook")(playbook_command)
for command in (graph, impact, consumers):
    app.command()(command)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
Rollout = Annotated[str, typer.Argument(help="Id of a rollout, or its beginning, such as r0004.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; written into the journal.")]
AsOf = Annotated[
    datetime | None,
    typer.Option("--as-of", help="Time to take as now (UTC), for replays of the past."),
]


@app.callback()
def settings_from_options(
    system: Annotated[
        Path | None, typer.Option(help="The system file [SLUICEWAY_SYSTEM; system.yaml].")
    ] = None,
    environment: Annotated[
        str | None, typer.Option(help="What is served [SLUICEWAY_ENVIRONMENT; production].")
    ] = None,
    home: Annotated[
        Path | None, typer.Option(help="Where Sluiceway keeps things [SLUICEWAY_HOME; .sluiceway].")
    ] = None,
) -> None:
    """Options go before the command and win over the environment."""
    for name, value in (("SYSTEM", system), ("ENVIRONMENT", environment), ("HOME", home)):
        if value is not None:
            os.environ[f"SLUICEWAY_{name}"] = str(value)


@app.command()
def validate(as_json: AsJson = False) -> None:
    """Check the system file and its contracts; all faults are told together."""
    try:
        system = read_system(Settings().system, today=datetime.now(UTC).date())
    except BadInput as error:
        if as_json:
            faults = [{"where": fault.where, "what": fault.what} for fault in error.faults]
            say_json({"valid": False, "faults": faults})
        raise
    later = earlier_answers(system, system.models)
    if as_json:
        say_json({"valid": True, "digest": system.digest, "not_replayable": list(later)})
        return
    counted = f"{len(system.models)} models, {len(system.edges)} edges"
    say(f"{Settings().system}: {system.name} is valid: {counted}, digest {system.digest[:12]}")
    for one in later:
        say(f"not replayable: {one}; a rollout that reaches it ends errored")


@app.command()
def adopt(
    members: Annotated[list[str], typer.Argument(help="MODEL@VERSION of every model.")],
    here: running.Here = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Declare what serves already to be generation 1."""
    now = now_of(as_of)
    running.can_run("evaluate-canaries", here=here)
    with opened(Settings()) as site:
        champion = requests.adopt(site, members, now=now, actor=who())
    running.evaluate(now, here=here)
    if as_json:
        say_json({"generation": champion.generation, "versions": champion.release.versions})
    else:
        say(f"generation {champion.generation} serves {champion.environment}")


@app.command()
def rollout(
    members: Annotated[list[str], typer.Argument(help="MODEL@VERSION; several are one release.")],
    here: running.Here = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Take these versions live, as one release, as far as the evidence allows."""
    settings = Settings()
    running.can_run("rollout", here=here)
    with opened(settings) as site:
        requests.parse_members(site.systems.current(), members)
        rollout_id = requests.request_rollout(
            site, members, now=now_of(as_of), actor=who(), replayed=as_of is not None
        )
    say_unless(as_json, f"{rollout_id} begins")
    running.rollout(rollout_id, members, as_of=as_of, actor=who(), here=here)
    from sluiceway.reports import in_one_line  # draws, so it takes a second

    with opened(settings) as site:
        state = site.state(rollout_id)
        events = site.journal.events(site.environment, rollout_id)
        said = in_one_line(events, site.systems.kept(rollout_id))
    if as_json:
        say_json(rollout_json(rollout_id, state))
    elif state.ended is None:
        behind = state.waits_behind
        now_it = f"waits for {behind}" if behind else f"is in {state.phase}"
        say(f"{rollout_id} {now_it}; follow it with: sluiceway explain {rollout_id}")
    else:
        say(f"{rollout_id} {state.ended.ending}: {said}")
    raise typer.Exit(_code(state.ended))


@app.command()
def evaluate(here: running.Here = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Look at every open rollout and do what is due; a schedule does the same."""
    running.evaluate(as_of, here=here)
    status(as_json=as_json)


@app.command()
def status(
    as_json: AsJson = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C.")
    ] = False,
) -> None:
    """Show what serves, and where every rollout is."""
    settings = Settings()
    refuse_elsewhere(settings)
    if watch:
        watched(settings)
        return
    seen = look(settings)
    if as_json:
        say_json(look_json(settings, seen))
    else:
        say_look(seen)


@app.command()
def explain(rollout_id: Rollout, as_json: AsJson = False) -> None:
    """Say what happened to a rollout, and why, with every number."""
    from sluiceway.reports import explain as explain_rollout  # draws, so it takes a second

    with opened(Settings()) as site:
        rollout_id = rollout_named(site, rollout_id)
        events = site.journal.events(site.environment, rollout_id)
        if as_json:
            say_json(
                {
                    **rollout_json(rollout_id, site.state(rollout_id)),
                    "events": [
                        {"at": e.at, "actor": e.actor, "kind": e.kind, "payload": e.payload}
                        for e in events
                    ],
                }
            )
        else:
            say(explain_rollout(events, site.systems.kept(rollout_id)))


@app.command()
def report(rollout_id: Rollout, as_json: AsJson = False) -> None:
    """Write the rollout's report as one HTML page."""
    from sluiceway.steps.publishing import write_report  # draws, so it takes a second

    with opened(Settings()) as site:
        path = write_report(site, rollout_named(site, rollout_id))
    if as_json:
        say_json({"report": path})
    else:
        say(str(path))


@app.command()
def hold(rollout_id: Rollout, reason: Reason, as_json: AsJson = False) -> None:
    """Let a canary take no further step."""
    with opened(Settings()) as site:
        rollout_id = rollout_named(site, rollout_id)
        requests.hold(site, rollout_id, reason=reason, now=now_of(None), actor=who())
    _done(rollout_id, "is held", as_json=as_json)


@app.command()
def resume(rollout_id: Rollout, reason: Reason = "", as_json: AsJson = False) -> None:
    """End a hold."""
    with opened(Settings()) as site:
        rollout_id = rollout_named(site, rollout_id)
        requests.resume(site, rollout_id, reason=reason, now=now_of(None), actor=who())
    _done(rollout_id, "goes on", as_json=as_json)


@app.command()
def abort(
    rollout_id: Rollout,
    reason: Reason,
    here: running.Here = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Stop a rollout; all traffic goes to the champion."""
    running.can_run("evaluate-canaries", here=here)
    with opened(Settings()) as site:
        rollout_id = rollout_named(site, rollout_id)
        requests.abort(site, rollout_id, reason=reason, now=now_of(as_of), actor=who())
    say_unless(as_json, f"{rollout_id} is aborted")  # whatever the flow may say of other things
    running.evaluate(as_of, here=here)
    if as_json:
        _done(rollout_id, "is aborted", as_json=True)


@app.command()
def approve(
    rollout_id: Rollout,
    reason: Reason = "",
    owner: Annotated[
        str | None,
        typer.Option("--as", help="In whose name; default: all who named you and are waited for."),
    ] = None,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse instead.")] = False,
    code: Annotated[
        str | None,
        typer.Option(help="One-time code of your app, where the policy asks; else asked for."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Give, or refuse, the approval that a rollout waits for."""
    answer = requests.refuse if refuse else requests.approve
    with opened(Settings()) as site:
        rollout_id = rollout_named(site, rollout_id)
        site, offered = proving(site, rollout_id, code)
        answer(
            site,
            rollout_id,
            reason=reason,
            now=now_of(None),
            actor=who(),
            owner=owner,
            offered=offered,
        )
        waiting = site.state(rollout_id).waiting_for
    done = f"still {_waits(waiting)}" if waiting else "is approved"
    _done(rollout_id, "is refused" if refuse else done, as_json=as_json)


@app.command()
def rollback(
    reason: Reason,
    to: Annotated[int | None, typer.Option(help="Generation; default is the one before.")] = None,
    here: running.Here = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Make an earlier generation serve again; open rollouts are aborted."""
    running.can_run("rollback", here=here)
    with opened(Settings()) as site:  # what cannot be is told here, and not by a run that failed
        to = going_back.generation_to_serve(site, to)
    running.rollback(to=to, reason=reason, actor=who(), as_of=as_of, here=here)
    status(as_json=as_json)


@journal_app.command()
def verify(as_json: AsJson = False) -> None:
    """Recompute the whole chain, and look for every head that MLflow runs have kept."""
    with opened(Settings()) as site:
        kept = site.evidence.heads(site.systems.current().name, environment=site.environment)
        check = checked(site, dict(kept))
    if as_json:
        say_json({"events": check.events, "head": check.head, "faults": list(check.faults)})
    else:
        for fault in check.faults:
            say(f"✗ {fault}")
        kept_heads = f"{len(kept)} heads kept elsewhere"
        if not check.faults:
            say(f"{check.events} events, intact; head {check.head[:12]}; {kept_heads} are in it")
    if check.faults:
        raise typer.Exit(1)


def _waits(waiting: Iterable[NeededApproval]) -> str:
    return f"waits for the approval of {waits_for(waiting)}"


def say_unless(as_json: bool, text: str) -> None:
    """Say something to people only."""
    if not as_json:
        say(text)


def _done(rollout_id: str, what: str, *, as_json: bool) -> None:
    if as_json:
        with opened(Settings()) as site:
            say_json(rollout_json(rollout_id, site.state(rollout_id)))
    else:
        say(f"{rollout_id} {what}")


def _code(ended: Ended | None) -> int:
    """What a rollout that came so far returns."""
    if ended is None or ended.ending is Ending.PROMOTED:
        return 0
    if ended.code in (ReasonCode.BAD_INPUT, ReasonCode.NO_CHAMPION):
        return 2
    return 3 if ended.ending in (Ending.INCONCLUSIVE, Ending.ERRORED, Ending.EXPIRED) else 1


def who() -> str:
    """Who types: ``SLUICEWAY_ACTOR``, or the user."""
    return os.environ.get("SLUICEWAY_ACTOR") or getpass.getuser()


def now_of(as_of: datetime | None) -> datetime:
    """The time to take as now."""
    return as_of.replace(tzinfo=as_of.tzinfo or UTC) if as_of else datetime.now(UTC)
