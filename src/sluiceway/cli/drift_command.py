"""`sluiceway features drift`: what models are fed now, against what was recorded before."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from sluiceway.cli.feature_commands import AsJson, features_app
from sluiceway.cli.opening import opened
from sluiceway.cli.rendering import say, say_json
from sluiceway.drift import render
from sluiceway.durations import parse_span
from sluiceway.errors import BadInput, Fault
from sluiceway.outcomes import Outcome
from sluiceway.settings import Settings
from sluiceway.steps.input_drift import InputDrift, champion_drift

_MARKS = {
    Outcome.PASSED: "✓",
    Outcome.INCONCLUSIVE: "?",
    Outcome.ERROR: "!",
    Outcome.FAILED: "✗",
}


@features_app.command("drift")
def drift(
    window: Annotated[str, typer.Option(help="How much of live traffic is looked at.")] = "14d",
    against: Annotated[
        str, typer.Option(help="How much of the record before it that is held against.")
    ] = "28d",
    history: Annotated[
        str | None,
        typer.Option(
            help="How much of the record before that thresholds may be learned from; "
            "without it blocks are permuted."
        ),
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", help="Let a classifier look at all columns at once too.")
    ] = False,
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", help="Time to take as now (UTC).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the features that serve, live, with those recorded before.

    Returns 0 where nothing has drifted, 1 where something has, 3 where that cannot be told.
    """
    faults: list[Fault] = []
    spans = {"--window": window, "--against": against, "--history": history}
    read = {name: _span(name, text, faults) for name, text in spans.items()}
    if faults:
        raise BadInput(faults)
    now = as_of.replace(tzinfo=as_of.tzinfo or UTC) if as_of else datetime.now(UTC)
    with opened(Settings()) as site:
        found = champion_drift(
            site,
            now=now,
            window=read["--window"],
            against=read["--against"],
            history=read["--history"],
            together=together,
        )
    if as_json:
        say_json(_plain(found))
    else:
        _say(found)
    raise typer.Exit({Outcome.PASSED: 0, Outcome.FAILED: 1}.get(found.outcome, 3))


def _span(option: str, text: str | None, faults: list[Fault]) -> timedelta:
    if text is None:
        return timedelta(0)
    try:
        return parse_span(text)
    except ValueError as error:
        faults.append(Fault(where=option, what=str(error)))
        return timedelta(0)


def _sentences(found: InputDrift) -> list[tuple[Outcome, str]]:
    from sluiceway.drift.multivariate import render_joint

    said = [(one.outcome, render(one, found.report)) for one in found.report.findings]
    if found.joint is not None:
        words = render_joint(found.joint, found.policy, found.report.block)
        said.append((found.joint.outcome, words))
    return said


def _say(found: InputDrift) -> None:
    live, before = (
        f"{one.start:%Y-%m-%d} to {one.end:%Y-%m-%d}" for one in (found.current, found.reference)
    )
    say(f"live, {live}, against what was recorded, {before}: {found.outcome.value}")
    for outcome, words in _sentences(found):
        say(f"{_MARKS[outcome]} {words}")


def _plain(found: InputDrift) -> dict[str, object]:
    joint = found.joint
    return {
        "outcome": found.outcome.value,
        "current": {"start": found.current.start, "end": found.current.end},
        "reference": {"start": found.reference.start, "end": found.reference.end},
        "method": found.report.method.value,
        "alpha": found.policy.alpha,
        "columns": [
            {
                "column": one.column,
                "aspect": one.aspect.value,
                "outcome": one.outcome.value,
                "reason": one.reason.value,
                "distance_kind": one.distance_kind.value if one.distance_kind else None,
                "distance": one.distance,
                "threshold": one.threshold,
                "p_value": one.p_value,
                "sentence": render(one, found.report),
            }
            for one in found.report.findings
        ],
        "together": None
        if joint is None
        else {
            "outcome": joint.outcome.value,
            "reason": joint.reason.value,
            "auc": joint.auc,
            "p_value": joint.p_value,
            "columns": list(joint.columns),
            "sentence": _sentences(found)[-1][1],
        },
    }
