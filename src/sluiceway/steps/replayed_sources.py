"""Which recorded sources a shadow replay rested on, for whoever audits its run."""

import re

from sluiceway.canonical import sha256_of
from sluiceway.ports import ReplayedSource, Window
from sluiceway.replay.partitions import needs_of_models
from sluiceway.rollouts.plan import Plan
from sluiceway.rollouts.state import RolloutState
from sluiceway.steps.replayed import whole_blocks_from
from sluiceway.steps.site import Site


def replayed_sources(site: Site, rollout_id: str, state: RolloutState) -> list[ReplayedSource]:
    """The sources that the blast radius reads and is measured by, for each window replayed."""
    plan = state.plan
    windows = {
        Window(start=whole_blocks_from(plan.calendar, shadow.start), end=shadow.end)
        for shadow in state.shadows
        if plan is not None and shadow.rows
    }
    if plan is None or not windows:
        return []
    system = site.systems.kept(rollout_id)
    baseline = site.journal.release(site.environment, plan.baseline)
    releases = (baseline, baseline.with_members(plan.members))
    read = needs_of_models(
        system, [release.members[model] for release in releases for model in plan.radius.models]
    ).reads(system)
    names = {
        column.partition(".")[0]
        for column in (*read, *(gate.label for gate in plan.shadow_gates if gate.label))
    }
    return [
        ReplayedSource(
            name=name,
            digest=_digest(plan, name, window),
            loader=without_credentials(system.sources[name].loader),
            window=window,
        )
        for window in sorted(windows, key=lambda window: window.start)
        for name in sorted(names)
    ]


def _digest(plan: Plan, name: str, window: Window) -> str:
    """What was asked for, not the rows that came: those are nowhere read twice."""
    start, end = window.start.isoformat(), window.end.isoformat()
    asked = {"system": plan.system_digest, "source": name, "start": start, "end": end}
    return sha256_of(asked)[:32]


def without_credentials(loader: str) -> str:
    """A loader as it may be shown: of a URL, neither who asks nor with which options."""
    return re.sub(r"\?[^#]*", "", re.sub(r"://[^/@#]*@", "://", loader))
