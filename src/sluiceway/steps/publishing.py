"""Showing a rollout to people: the report, the MLflow run, and a page for the Prefect UI."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic import TypeAdapter

from sluiceway.gates import Verdict
from sluiceway.rollouts.events import DriftFound, happening
from sluiceway.rollouts.plan import Plan
from sluiceway.rollouts.state import RolloutState
from sluiceway.steps.inputs import profiles_json, shown_profile
from sluiceway.steps.replayed_sources import replayed_sources
from sluiceway.steps.site import Site

if TYPE_CHECKING:
    from sluiceway.reports.drift_section import DriftShown

REPORT = "report.html"
PLAN = "plan.json"
PROFILES = "profiles.json"
_SEEN = "published.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was shown last.

    Attributes:
        seq: The last event after which the world had to look different, when it was shown.
        report: The report's file.
        markdown: The same in short.
    """

    seq: int
    report: Path
    markdown: str


_ADAPTER: TypeAdapter[Published] = TypeAdapter(Published)
_PLAN_ADAPTER: TypeAdapter[Plan] = TypeAdapter(Plan)


def publish(site: Site, rollout_id: str) -> Published | None:
    """Write report and evidence where something has moved since all was shown last.

    Returns:
        What was written; None where nothing has moved, or where there is nothing to show. It is
        done again until :func:`mark_published` says that everybody was shown.
    """
    state = site.state(rollout_id)
    if not _is_behind(site, rollout_id, state):
        return None
    from sluiceway.reports.short_page import short_page  # draws, so it takes a second

    report = write_report(site, rollout_id)
    address = _record(site, rollout_id, state, report)
    return Published(
        seq=state.wanted_seq,
        report=report,
        markdown=short_page(
            site.systems.kept(rollout_id),
            site.journal.events(site.environment, rollout_id),
            report=str(report),
            address=address,
        ),
    )


def mark_published(site: Site, rollout_id: str, published: Published) -> None:
    """Remember that this was shown everywhere."""
    (site.folder(rollout_id) / _SEEN).write_bytes(_ADAPTER.dump_json(published))


def unpublished(site: Site) -> tuple[str, ...]:
    """Ids of the rollouts that have moved since they were shown last, finished ones included."""
    return tuple(
        rollout_id
        for rollout_id in site.journal.rollouts(site.environment)
        if _is_behind(site, rollout_id, site.state(rollout_id))
    )


def write_report(site: Site, rollout_id: str) -> Path:
    """Draw the report of a rollout as it is now.

    Raises:
        LookupError: There is no such rollout.
    """
    from sluiceway.reports import render_report  # draws, so it takes a second
    from sluiceway.reports.drift_section import drift_section

    events = site.journal.events(site.environment, rollout_id)
    if not events:
        raise LookupError(f"there is no rollout {rollout_id} in {site.environment}")
    text = render_report(
        system=site.systems.kept(rollout_id),
        events=events,
        champion_generation_after=generation_after(site, site.state(rollout_id)),
        chain_head=events[-1].hash,
        drift=drift_section(drifts_of(site, rollout_id)),
    )
    path = site.folder(rollout_id) / REPORT
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f".{uuid4().hex}.tmp")  # others may write the same report now
    written.write_text(text, encoding="utf-8")
    written.replace(path)
    return path


def drifts_of(site: Site, rollout_id: str) -> "tuple[DriftShown, ...]":
    """Every drift of a rollout's inputs with the profiles that it was found in."""
    from sluiceway.reports.drift_section import DriftShown

    events = site.journal.events(site.environment, rollout_id)
    return tuple(
        DriftShown(
            at=event.at,
            found=found,
            reference=shown_profile(site, rollout_id, [found.reference]),
            live=shown_profile(site, rollout_id, found.live),
        )
        for event in events
        if isinstance(found := happening(event), DriftFound)
    )


def generation_after(site: Site, state: RolloutState) -> int | None:
    """The generation that served when the rollout had done its part; None before a plan."""
    if state.promoted is None:
        return state.plan.baseline if state.plan else None
    served = state.part_served or state.restored or state.promoted
    generations = site.journal.generations(site.environment)
    return next((g for g, known in generations.items() if known == served.release), None)


def verdicts_of(state: RolloutState) -> dict[str, tuple[Verdict, ...]]:
    """The newest verdicts of each phase that has any."""
    found = {}
    if state.shadows:
        found["shadow"] = state.shadows[-1].verdicts
    if state.look is not None:
        found["canary"] = state.look.verdicts
    return found


def measurement_name(gate: str) -> str:
    """A gate's name in the letters that registries take: ``model.expected_cost miss 5``."""
    return " ".join(re.sub(r"[^\w.\-/ ]+", " ", gate, flags=re.ASCII).split())


def measurements(state: RolloutState) -> dict[str, float]:
    """Every number a verdict rests on, by ``phase.gate.what``."""
    numbers: dict[str, float] = {}
    for phase, verdicts in verdicts_of(state).items():
        for verdict in verdicts:
            name = f"{phase}.{measurement_name(verdict.gate.name)}"
            numbers[f"{name}.margin"] = verdict.gate.margin
            if verdict.estimate is None:
                continue
            numbers[f"{name}.harm"] = verdict.estimate.harm
            numbers[f"{name}.baseline"] = verdict.estimate.baseline
            numbers[f"{name}.candidate"] = verdict.estimate.candidate
            if verdict.estimate.low is not None and verdict.estimate.high is not None:
                numbers[f"{name}.harm_low"] = verdict.estimate.low
                numbers[f"{name}.harm_high"] = verdict.estimate.high
    return numbers


def _is_behind(site: Site, rollout_id: str, state: RolloutState) -> bool:
    shown = _seen(site.folder(rollout_id))
    return state.requested is not None and shown != state.wanted_seq


def _seen(folder: Path) -> int | None:
    try:
        return _ADAPTER.validate_json((folder / _SEEN).read_bytes()).seq
    except (OSError, ValueError):
        return None


def _record(site: Site, rollout_id: str, state: RolloutState, report: Path) -> str | None:
    """Keep report and evidence; gives where a browser finds the report, None where it does not."""
    if state.plan is None:
        return None
    # The run tells of what was asked for; what goes on of it, where a part has gone back, is a tag.
    proposed = state.proposed or state.plan
    tags = {
        "sluiceway.journal_head": site.journal.head(site.environment),
        "sluiceway.environment": site.environment,
        "sluiceway.phase": state.phase.value,
        "sluiceway.members": _names(state.plan),
    }
    if state.ended is not None:
        tags["sluiceway.ending"] = state.ended.ending.value
        tags["sluiceway.reason_code"] = state.ended.code.value
    profiles = profiles_json(site, rollout_id, state)
    run = site.evidence.record(
        state.plan.system,
        rollout_id,
        metrics=measurements(state),
        params={
            "members": _names(proposed),
            "baseline_generation": str(proposed.baseline),
            "alpha": str(proposed.alpha),
            "system_digest": proposed.system_digest,
        },
        tags=tags,
        artifacts={
            REPORT: report.read_text(encoding="utf-8"),
            PLAN: _PLAN_ADAPTER.dump_json(state.plan, indent=2),
            **({} if profiles is None else {PROFILES: profiles}),
        },
        models=[(member.model, member.version) for member in proposed.members],
        sources=replayed_sources(site, rollout_id, state),
    )
    return site.evidence.address(state.plan.system, run, REPORT)


def _names(plan: Plan) -> str:
    return ", ".join(member.name for member in plan.members)
