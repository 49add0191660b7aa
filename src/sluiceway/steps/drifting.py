"""Holding the inputs that live traffic brings against those that shadow was judged on."""

from dataclasses import replace
from datetime import datetime

import numpy as np

from sluiceway.drift import (
    DriftPolicy,
    DriftReport,
    WindowProfile,
    compared_sizes,
    drift_report,
    history_windows,
    is_due,
    next_size,
    shared,
)
from sluiceway.outcomes import Outcome
from sluiceway.ports import Window
from sluiceway.rollouts.events import DriftFound
from sluiceway.rollouts.inputs import InputsCompared, InputsSeen, KeptProfile, ReferenceInputs
from sluiceway.rollouts.plan import Plan
from sluiceway.rollouts.state import RolloutState
from sluiceway.steps.inputs import InputMeter, keep_profile, kept_profile
from sluiceway.steps.site import Site


def inputs_seen(
    site: Site,
    rollout_id: str,
    state: RolloutState,
    plan: Plan,
    meter: InputMeter,
    window: Window,
    *,
    watermark: str,
    now: datetime,
) -> tuple[InputsSeen | None, DriftFound | None]:
    """Keep the profile of the blocks of a look, and compare all live ones where that is due.

    Compared are the blocks since the canary began, or since the shadow replay that drift has led
    to: those are in its window already. Blocks are those of shadow, however long the canary's are:
    both sides have to be cut alike.

    Args:
        plan: As it was made, before the canary's blocks were fixed.
        meter: What the look has profiled.
        window: What it was about.
        watermark: Its last block.

    Returns:
        What was seen, None where it is of no use any more; and the drift, where there is any.
    """
    inputs = state.shadows[-1].inputs if state.shadows else None
    if state.promoted is not None or plan.drift is None or inputs is None:
        return None, None
    kept = None
    if meter.profile is not None:
        kept = keep_profile(site, rollout_id, meter.profile, window)
    live = [one for one in state.inputs if one.start >= inputs.reference.end]
    live += [] if kept is None else [kept]
    blocks = sum(one.blocks for one in live)
    sizes, policy = _comparisons(state, plan, inputs, plan.drift.policy)
    seen = InputsSeen(kept=kept, blocks=blocks, next_at=next_size(sizes, blocks), fault=meter.fault)
    if state.stale or not is_due(sizes, compared=state.compared_at, blocks=blocks):
        return seen, None
    reference = kept_profile(site, rollout_id, plan, inputs.reference, "recorded", now=now)
    current = _together(site, rollout_id, plan, live, now)
    if reference is None or current is None:
        fault = "a profile is gone, or of another version, and cannot be made again as it was"
        return replace(seen, fault=fault), None
    history = None
    if inputs.history is not None:
        history = kept_profile(site, rollout_id, plan, inputs.history, "recorded", now=now)
    windows = history_windows(history, len(current.blocks)) if history is not None else ()
    report = _storable(drift_report(reference, current, windows, policy))
    seen = replace(seen, compared=_compared(report, current, reference))
    if not report.drifted:
        return seen, None
    drift = DriftFound(
        watermark=watermark, reference=inputs.reference, live=tuple(live), report=report
    )
    return seen, drift


def _comparisons(
    state: RolloutState, plan: Plan, inputs: ReferenceInputs, policy: DriftPolicy
) -> tuple[tuple[int, ...], DriftPolicy]:
    longest = state.deadline_of(plan) // plan.calendar.length
    history = inputs.history.blocks if inputs.history else 0
    sizes = compared_sizes(longest, history, policy)
    return sizes, shared(policy, sizes)


def _together(
    site: Site, rollout_id: str, plan: Plan, live: list[KeptProfile], now: datetime
) -> WindowProfile | None:
    whole: WindowProfile | None = None
    for one in live:
        found = kept_profile(site, rollout_id, plan, one, "live", now=now)
        if found is None:
            return None
        whole = found if whole is None else whole.merged(found)
    return whole


def _compared(
    report: DriftReport, current: WindowProfile, reference: WindowProfile
) -> InputsCompared:
    measured = [one for one in report.findings if one.distance is not None and one.threshold]
    return InputsCompared(
        outcome=Outcome.FAILED if report.drifted else report.outcome,
        blocks=len(current.blocks),
        reference_blocks=len(reference.blocks),
        block=report.block,
        tests=report.tests,
        nearest=max(
            measured, key=lambda one: (one.distance or 0.0) / (one.threshold or 1.0), default=None
        ),
    )


def _storable(report: DriftReport) -> DriftReport:
    """Without infinite thresholds, which say that nothing could exceed them."""
    findings = tuple(
        replace(one, threshold=None)
        if one.threshold is not None and not np.isfinite(one.threshold)
        else one
        for one in report.findings
    )
    return replace(report, findings=findings)
