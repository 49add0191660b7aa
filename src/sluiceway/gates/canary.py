"""Judging all gates of a canary at one look, valid however often and whenever one looks.

Current e-values are used, not their highest so far: a rollout acts at the first look at which
its evidence suffices, and anytime validity allows exactly that.
"""

import math
from collections.abc import Sequence

from sluiceway.gates.declared import Comparison, Gate, Levels
from sluiceway.gates.verdicts import CanaryJudgement, HarmEstimate, Reason, Verdict
from sluiceway.outcomes import Outcome
from sluiceway.statistics.evalues import e_holm, log_weighted_mean
from sluiceway.statistics.sequential import Method, SequentialState


def judge_canary(
    evidence: Sequence[tuple[Gate, SequentialState]], levels: Levels, *, estimates: bool = True
) -> CanaryJudgement:
    """Judge every gate of the plan at one look.

    FAILED comes from the family only: the weighted mean of the gates' e-values for harm reaches
    1/rollback_alpha. e-Holm names who is to blame; where it can name nobody, the gate with the
    largest e-value is named, because somebody must be.

    Args:
        evidence: All gates of the plan with what each has seen, those without evidence too:
            leaving one out would change the weights.
        levels: Levels of the plan.
        estimates: Whether verdicts carry intervals, which decide nothing and take most of the time;
            simulations do without.

    Raises:
        ValueError: Two gates bear one name.
    """
    names = [gate.name for gate, _ in evidence]
    if len(set(names)) != len(names):
        raise ValueError(f"gates of one plan need different names, not {names}")
    log_e = [state.log_e_harm(gate.margin) for gate, state in evidence]
    weights = [gate.weight for gate, _ in evidence]
    family = log_weighted_mean(log_e, weights)
    crossed = bool(evidence) and family >= -math.log(levels.rollback_alpha)
    named: tuple[int, ...] = ()
    blamed: dict[int, Reason] = {}
    if crossed:
        named = e_holm(log_e, weights, levels.rollback_alpha)
        blamed = dict.fromkeys(named, Reason.HARM_BEYOND_MARGIN)
        if not named:
            blamed = {max(range(len(log_e)), key=log_e.__getitem__): Reason.FAMILY_HARM}
    verdicts = tuple(
        _judge_gate(
            gate,
            state,
            _estimate(gate, state, levels) if estimates else None,
            levels,
            log_e[place],
            len(evidence),
            blamed.get(place),
        )
        for place, (gate, state) in enumerate(evidence)
    )
    by_evidence = sorted(blamed, key=lambda place: -log_e[place])
    return CanaryJudgement(
        verdicts=verdicts,
        family_log_e=family,
        crossed=crossed,
        blamed=tuple(names[place] for place in by_evidence),
        levels=levels,
    )


def _judge_gate(
    gate: Gate,
    state: SequentialState,
    estimate: HarmEstimate | None,
    levels: Levels,
    log_e_harm: float,
    family_size: int,
    blame: Reason | None,
) -> Verdict:
    log_e_safety = state.log_e_safety(gate.margin)

    def says(outcome: Outcome, reason: Reason) -> Verdict:
        return Verdict(
            gate=gate,
            outcome=outcome,
            reason=reason,
            estimate=estimate,
            alpha=levels.alpha,
            rollback_alpha=levels.rollback_alpha,
            family_size=family_size,
            log_e_harm=log_e_harm,
            log_e_safety=log_e_safety,
            rows=state.rows,
            unlabelled=state.unlabelled,
            faulty_rows=state.faulty_rows,
            blocks=state.n,
            unmeasured=state.unmeasured,
            blocks_needed=levels.min_blocks,
            arms=state.arms,
        )

    if blame is not None:
        return says(Outcome.FAILED, blame)
    if state.faulty_rows:
        return says(Outcome.ERROR, Reason.FAULTY_ROWS)
    if state.n == 0:
        undefined = state.unmeasured and state.rows
        return says(
            Outcome.INCONCLUSIVE, Reason.METRIC_UNDEFINED if undefined else Reason.NO_EVIDENCE
        )
    if state.n < levels.min_blocks:
        return says(Outcome.INCONCLUSIVE, Reason.TOO_FEW_BLOCKS)
    if state.unlabelled > levels.unlabelled_limit * (state.rows + state.unlabelled):
        return says(Outcome.INCONCLUSIVE, Reason.LABELS_MISSING)
    arms = state.arms
    if arms is not None and (max(arms.shares) > levels.unlabelled_limit or arms.unequal):
        return says(Outcome.INCONCLUSIVE, Reason.LABELS_UNEQUAL)
    if log_e_safety >= -math.log(levels.alpha):
        return says(Outcome.PASSED, Reason.WITHIN_MARGIN)
    return says(Outcome.INCONCLUSIVE, Reason.MARGIN_NOT_EXCLUDED)


def _estimate(gate: Gate, state: SequentialState, levels: Levels) -> HarmEstimate | None:
    if state.n == 0:
        return None
    low, high = state.confidence_sequence(levels.alpha)
    words = Method(state.method).words
    if gate.comparison is Comparison.UNPAIRED:
        words += " of each arm's own units"
    return HarmEstimate(
        harm=state.mean,
        standard_error=state.standard_error,
        low=low,
        high=high,
        baseline=state.mean_baseline,
        candidate=state.mean_candidate,
        rows=state.rows,
        blocks=state.n,
        method=words,
    )
