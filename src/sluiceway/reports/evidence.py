"""What a phase's evidence is held against, and how far it could see."""

from collections.abc import Iterable, Mapping, Sequence

from sluiceway.gates import Reason, Verdict, render_cross_check
from sluiceway.outcomes import Outcome
from sluiceway.planning import (
    Detectable,
    detectable_in_canary,
    detectable_in_replay,
    render_detectable,
)
from sluiceway.reports.figures import percent
from sluiceway.reports.story import Story
from sluiceway.rollouts.endings import Phase
from sluiceway.rollouts.events import Looked


def levels_said(phase: Phase, verdicts: Sequence[Verdict]) -> str:
    """At which levels the gates of a phase were judged; all of one phase share them."""
    if not verdicts:
        return ""
    one = verdicts[0]
    looks, failing = "", f"failing at {percent(one.rollback_alpha)} for each gate"
    if phase is not Phase.SHADOW:
        looks = " over all looks together"
        failing = f"rolling back at {percent(one.rollback_alpha)} for all gates together"
    shown = f"Intervals are two-sided at {percent(1 - 2 * one.alpha)}{looks}"
    return f"{shown}; passing is decided at α = {percent(one.alpha)}, {failing}."


def seen_in_replay(verdicts: Sequence[Verdict]) -> Mapping[str, str]:
    """How far a replay's sample could see, one sentence by name of each gate left open."""
    return _said((one, detectable_in_replay(one)) for one in verdicts if _is_open(one))


def seen_in_canary(story: Story, look: Looked) -> Mapping[str, str]:
    """The same of a canary up to a look, whatever method reads its evidence."""
    plan = story.plan
    if plan is None:
        return {}
    states = [(one, look.states.get(one.gate.name)) for one in look.verdicts if _is_open(one)]
    family = [one.gate for one in (*look.verdicts, *look.slices)]
    return _said(
        (one, detectable_in_canary(one.gate, state, plan.levels, family))
        for one, state in states
        if state is not None
    )


def cross_checks_said(look: Looked) -> Mapping[str, str]:
    """Both estimates of each paired gate, one sentence by name; none where there is only one."""
    said = {
        one.gate.name: render_cross_check(one, look.cross_checks[one.gate.name])
        for one in look.verdicts
        if one.gate.name in look.cross_checks
    }
    return {name: one for name, one in said.items() if one}


def _is_open(verdict: Verdict) -> bool:
    """What a sample could have seen is idle where its inputs have changed since."""
    stale = verdict.reason is Reason.SHADOW_STALE
    return verdict.outcome is Outcome.INCONCLUSIVE and not stale


def _said(detected: Iterable[tuple[Verdict, Detectable | None]]) -> dict[str, str]:
    return {
        one.gate.name: render_detectable(one.gate, seen)
        for one, seen in detected
        if seen is not None
    }
