"""Holding each candidate version against its contract: what it says, and what it answers.

The first contact with a candidate happens in a process of its own; nothing is replayed yet.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from sluiceway.contracts.promises import Finding, check_answers
from sluiceway.contracts.values import Contract
from sluiceway.graph import upstream
from sluiceway.outcomes import Outcome, worst
from sluiceway.ports import (
    Predictor,
    RegistryUnavailable,
    Trial,
    UnknownVersion,
    UnloadableVersion,
    Window,
)
from sluiceway.releases import Member, Release
from sluiceway.replay.evaluate import Arm, Evaluator
from sluiceway.replay.faults import AnswerFault, FaultyAnswers, UnusableHistory
from sluiceway.replay.partitions import Partition, needs_of_models
from sluiceway.rights import approvals_needed
from sluiceway.rollouts.actions import CheckContracts
from sluiceway.rollouts.endings import Phase
from sluiceway.rollouts.events import ContractCheck, ContractsChecked
from sluiceway.rollouts.plan import Plan
from sluiceway.rollouts.reasons import contract_sentence, outcome_of
from sluiceway.steps.contract_edges import with_edges
from sluiceway.steps.contract_service import service_findings
from sluiceway.steps.contract_times import with_times
from sluiceway.steps.members import contracts_of
from sluiceway.steps.owners_word import owners_word
from sluiceway.steps.ownership import today_of
from sluiceway.steps.promotion import end_if_changed
from sluiceway.steps.site import Site
from sluiceway.steps.written_checks import no_longer_known, unchecked, written_check
from sluiceway.system.values import System

MOST_ROWS = 100_000
"""Recorded rows a candidate is asked at the most; more change no quantile that matters."""

START_ALLOWANCE = timedelta(minutes=2)
"""Time for starting the candidate's process, on top of its own deadline."""


@dataclass(slots=True, kw_only=True)
class _Tried:
    """A predictor that asks the candidate in its own process, and keeps what it said."""

    site: Site
    member: Member
    contract: Contract
    inputs: tuple[str, ...]
    trial: Trial | None = None
    rows: int = field(default=0)
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    service: tuple[Finding, ...] = ()

    def predict(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        self.rows = len(next(iter(columns.values())))
        self.columns = columns
        self.trial = self.site.try_version(
            self.member.model,
            self.member.version,
            self.member.artifact_sha256,
            dict(columns),
            deadline=self.contract.deadline,
        )
        if self.trial.answers is None:
            raise RuntimeError(self.trial.fault.sentence if self.trial.fault else "no answer")
        return self.trial.answers

    def ask_again(self) -> None:
        """Hold it to what is promised of requests; no answer then is none at all."""
        if self.trial is None or self.trial.answers is None:
            return
        self.service, fault = service_findings(
            self.site, self.member, self.contract, self.columns, self.trial.answers
        )
        self.trial = fault or self.trial


def check_contracts(site: Site, rollout_id: str, *, now: datetime) -> None:
    """Check every candidate version and write down what came of it.

    Raises:
        RegistryUnavailable: The registry did not answer; try again.
        JournalConflict: The rollout has moved on since; decide again.
    """
    state = site.state_for(rollout_id, CheckContracts(), now=now)
    assert state.plan is not None
    if end_if_changed(site, rollout_id, state, Phase.CONTRACTS, now=now):
        return
    system = site.systems.kept(rollout_id)
    checks = _checks(site, system, state.plan, now)
    outcome = outcome_of(checks)
    approvals = None
    if outcome is Outcome.PASSED:
        approvals = approvals_needed(
            system,
            state.plan.radius,
            [change for check in checks for change in check.changes],
            state.plan.members,
            acknowledged={edge for check in checks for edge in check.agreed_edges},
        )
    checked = ContractsChecked(outcome=outcome, checks=checks, approvals=approvals)
    site.tell(rollout_id, checked, after=state.seq, now=now)


def _checks(site: Site, system: System, plan: Plan, now: datetime) -> tuple[ContractCheck, ...]:
    champion = site.journal.release(site.environment, plan.baseline)
    candidate = champion.with_members(plan.members)
    try:
        contracts = contracts_of(site, system, champion, candidate)
    except (UnknownVersion, UnloadableVersion) as error:
        fault = f"a contract cannot be had: {error}"
        return tuple(unchecked(member, fault) for member in plan.members)
    if lost := no_longer_known(champion, plan, contracts):
        return tuple(unchecked(member, lost) for member in plan.members)
    try:
        tried, refused = _try_candidates(site, system, plan, candidate, contracts, now)
        unanswered = str(refused) if refused else None
    except UnusableHistory as error:
        tried, refused, unanswered = {}, None, f"the recorded rows cannot be used: {error}"
    except (UnknownVersion, UnloadableVersion) as error:
        unanswered = f"a version that feeds the candidate cannot be asked: {error}"
        tried, refused = {}, None
    faults = refused.faults if refused else ()
    checks = tuple(
        _check(
            system,
            written_check(
                system,
                plan,
                champion,
                member,
                contracts,
                owners_word(site, system, champion, candidate, member, contracts, now=now),
                today=today_of(system, now),
            ),
            contracts[member.contract_hash],
            tried.get(member.model),
            unanswered,
            tuple(fault for fault in faults if _is_of(fault, member)),
        )
        for member in plan.members
    )
    checks = with_edges(checks, site, system, plan, contracts, champion=champion)
    return with_times(
        checks, system=system, champion=champion, candidate=candidate, contracts=contracts
    )


def _try_candidates(
    site: Site,
    system: System,
    plan: Plan,
    candidate: Release,
    contracts: Mapping[str, Contract],
    now: datetime,
) -> tuple[dict[str, _Tried], FaultyAnswers | None]:
    """Ask every candidate version, fed by the candidate chain itself.

    Returns:
        What was tried, by model, and what ended it early; None where every answer is usable.
    """
    changed = [member.model for member in plan.members]
    needed = set(upstream(system, changed))
    tried = {
        member.model: _Tried(
            site=site,
            member=member,
            contract=contracts[member.contract_hash],
            inputs=site.registry.version(member.model, member.version).inputs or (),
        )
        for member in plan.members
    }
    predictors: dict[tuple[str, str], Predictor] = {
        (m.model, m.version): tried[m.model]
        if m.model in tried
        else site.registry.load(m.model, m.version, artifact_sha256=m.artifact_sha256)
        for m in candidate.members.values()
        if m.model in needed
    }
    patient = {
        key: replace(c, deadline=c.deadline + START_ALLOWANCE) if c.model in tried else c
        for key, c in contracts.items()
    }
    try:
        evaluator = Evaluator(
            system,
            [Arm(name="candidate", release=candidate)],
            baseline="candidate",
            predictors=predictors,
            transformations=site.systems.transformations(system),
            only=needed,
            contracts=patient,
        )
        needs = needs_of_models(
            system, [m for m in candidate.members.values() if m.model in needed]
        )
        window = Window(start=plan.shadow_end - plan.shadow_window, end=plan.shadow_end)
        record = site.systems.recorded(system)
        parts = record.partitions(
            window, world="recorded", needs=needs, as_of=now, step=plan.shadow_window
        )
        for part in parts:
            evaluator.evaluate(thinned(part, MOST_ROWS))
        for one in tried.values():
            one.ask_again()
    except FaultyAnswers as error:
        if isinstance(error.__cause__, RegistryUnavailable):
            raise error.__cause__ from None  # nothing is known of the candidate; ask again later
        return tried, error
    return tried, None


def thinned(part: Partition, most: int) -> Partition:
    """Every k-th row, so that at most so many are left; k from the number of rows alone."""
    every = math.ceil(part.rows / most)
    if every <= 1:
        return part
    return replace(
        part,
        units=part.units[::every],
        event_time=part.event_time[::every],
        block_codes=part.block_codes[::every],
        columns={name: column[::every] for name, column in part.columns.items()},
        labels={name: column[::every] for name, column in part.labels.items()},
    )


def _check(
    system: System,
    written: ContractCheck,
    contract: Contract,
    tried: _Tried | None,
    fault: str | None,
    refused: tuple[AnswerFault, ...],
) -> ContractCheck:
    """Add what a version answered to what its contract says."""
    trial = tried.trial if tried else None
    findings: tuple[Finding, ...] = ()
    if trial is not None and trial.answers is not None:
        findings = check_answers(contract, trial.answers, seconds=trial.seconds or 0.0)
        findings += tried.service if tried else ()
    unanswered = _why_unanswered(trial, fault)
    if unanswered is None and refused and all(f.outcome is not Outcome.FAILED for f in findings):
        # It answered, but nothing that a replay or a consumer can use.
        unanswered = "; ".join(map(str, refused))
    relied = written.broken_edges or (_relying(system, written.model, findings) if findings else ())
    outcomes = [written.outcome, *(f.outcome for f in findings)]
    outcomes += [_unanswered_outcome(trial)] if unanswered else []
    check = replace(
        written,
        outcome=worst(outcomes),
        broken_edges=relied,
        findings=findings,
        fault=unanswered,
        rows=tried.rows if tried else 0,
        seconds=(trial.seconds if trial else None) or 0.0,
    )
    return replace(check, sentence=contract_sentence(check))


def _is_of(fault: AnswerFault, member: Member) -> bool:
    return (fault.model, fault.version) == (member.model, member.version)


def _why_unanswered(trial: Trial | None, fault: str | None) -> str | None:
    if trial is None:
        return fault or "was not asked: a version before it gave no usable answer"
    return trial.fault.sentence if trial.fault is not None else None


def _unanswered_outcome(trial: Trial | None) -> Outcome:
    """A version that was asked and failed has FAILED; one that could not be asked is unknown."""
    return Outcome.ERROR if trial is None else Outcome.FAILED


def _relying(system: System, model: str, findings: tuple[Finding, ...]) -> tuple[str, ...]:
    """Edges that rely on what a finding says is broken."""
    return tuple(
        dict.fromkeys(
            edge.name
            for found in findings
            for edge in system.edges
            if edge.producer == model
            and found.field in (None, edge.field)
            and found.reliance in edge.relies_on
        )
    )
