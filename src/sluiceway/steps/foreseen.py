"""What is known of a rollout before it begins: where it would end, and what its canary may need."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluiceway.outcomes import Outcome, worst
from sluiceway.planning import CanaryPower, RecordedHarms
from sluiceway.rollouts.endings import ENDS_AS, Ending, Phase, ReasonCode
from sluiceway.rollouts.events import ContractsChecked
from sluiceway.rollouts.plan import Plan
from sluiceway.rollouts.reasons import contract_reason
from sluiceway.steps.planning import canary_power, unfit
from sluiceway.steps.replayable import not_replayable
from sluiceway.steps.site import Site
from sluiceway.steps.written_checks import written_checks
from sluiceway.system.values import System


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenEnd:
    """A rollout would end here, before anything is replayed.

    Attributes:
        phase: How far it would come.
        ending: The word for how it would end.
        reason: Why, in words.
    """

    phase: Phase
    ending: Ending
    code: ReasonCode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededSample:
    """What a canary is going to need, as far as that is known now.

    Attributes:
        at_least: Live evidence that no required gate can pass without.
        power: Sample and time by simulation; None where nothing was recorded to simulate from.
        rollout_id: Whose shadow the simulation rests on; None with `power`.
        members: ``model@version`` of that rollout's candidates.
        own: Whether these very versions were replayed; else it is an estimate, of a harmless
            candidate whose harm scatters as that of those others did.
    """

    at_least: timedelta
    power: CanaryPower | None = None
    rollout_id: str | None = None
    members: tuple[str, ...] = ()
    own: bool = False


def foreseen_end(site: Site, system: System, plan: Plan, *, now: datetime) -> ForeseenEnd | None:
    """Where a rollout of this plan would end without a replay; None where it would get to one.

    What a version answers can end it as well; that is not known before it is asked.

    Raises:
        RegistryUnavailable: The registry did not answer; nothing is known.
    """
    champion = site.champion().release
    if reason := unfit(site, system, champion):
        return ForeseenEnd(
            phase=Phase.PLAN, ending=Ending.REJECTED, code=ReasonCode.BAD_INPUT, reason=reason
        )
    if unknown := not_replayable(site, system, plan, champion):
        code, reason = unknown
        return ForeseenEnd(phase=Phase.PLAN, ending=Ending.ERRORED, code=code, reason=reason)
    checks = written_checks(site, system, plan, now=now)
    outcome = worst(check.outcome for check in checks)
    if outcome is Outcome.PASSED:
        return None
    code, reason, _ = contract_reason(ContractsChecked(outcome=outcome, checks=checks))
    return ForeseenEnd(phase=Phase.CONTRACTS, ending=ENDS_AS[outcome], code=code, reason=reason)


def needed_sample(site: Site, plan: Plan) -> NeededSample:
    """What the canary of a plan is going to need, by the shadow that speaks of it best.

    That of these very versions, else the newest one that measured the same gates.
    """
    nothing = NeededSample(at_least=plan.min_blocks * plan.canary.block)
    measured = list(_measured(site, plan))
    best = next((one for one in measured if one[1].release == plan.release), None)
    own = best is not None
    best = best or next(iter(measured), None)
    if best is None:
        return nothing
    rollout_id, of, recorded = best
    return replace(
        nothing,
        power=canary_power(plan, recorded if own else _harmless(recorded)),
        rollout_id=rollout_id,
        members=tuple(member.name for member in of.members),
        own=own,
    )


def _measured(site: Site, plan: Plan) -> Iterator[tuple[str, Plan, RecordedHarms]]:
    """Earlier shadows of the same gates, the newest first."""
    for rollout_id in reversed(site.journal.rollouts(site.environment)):
        state = site.state(rollout_id)
        if state.plan is None or state.plan.gates != plan.gates or not state.shadows:
            continue
        recorded = state.shadows[-1].harms
        if recorded is not None:
            yield rollout_id, state.plan, recorded


def _harmless(recorded: RecordedHarms) -> RecordedHarms:
    """The same scatter around no harm: what others did to a metric, these may not do."""
    return replace(
        recorded,
        harms={name: _around_nothing(harms) for name, harms in recorded.harms.items()},
    )


def _around_nothing(harms: tuple[float | None, ...]) -> tuple[float | None, ...]:
    kept = [harm for harm in harms if harm is not None]
    mean = sum(kept) / len(kept) if kept else 0.0
    return tuple(None if harm is None else harm - mean for harm in harms)
