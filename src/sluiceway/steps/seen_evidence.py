"""What was seen of versions together, read from the events of the rollouts that saw it.

Nothing is kept beside the journal.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sluiceway.attribution import Attribution
from sluiceway.graph import upstream
from sluiceway.journal import Event
from sluiceway.outcomes import Outcome
from sluiceway.releases import Member, Release
from sluiceway.releasing import (
    EvidenceKind,
    EvidenceRecord,
    contents_of,
)
from sluiceway.replay.freezing import changed_nodes
from sluiceway.rollouts.events import (
    Adopted,
    CanaryNarrowed,
    ChampionRestored,
    ContractsChecked,
    ContractTested,
    Diagnosed,
    Looked,
    PartReplayed,
    PartServed,
    Planned,
    Promoted,
    ShadowMeasured,
    happening,
)
from sluiceway.rollouts.plan import Plan
from sluiceway.steps.site import Site
from sluiceway.steps.taking_back import models_taken_back
from sluiceway.system.values import System


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEvidence:
    """What the journal tells of versions.

    Attributes:
        records: What was seen of versions together, in the order of the journal.
        members: Every version of which something was seen, by the hash of its contract.
    """

    records: tuple[EvidenceRecord, ...]
    members: Mapping[str, Member]


def seen_evidence(site: Site, system: System) -> SeenEvidence:
    """Read the journal once, from its first event."""
    reading = _Reading(site, system)
    for generation, content_hash in site.journal.generations(site.environment).items():
        reading.releases[content_hash] = site.journal.release(site.environment, generation)
    for event in site.journal.chain(site.environment):
        if event.kind in _READ and not _is_no_evidence(event):
            reading.read(event)
    reading.end_of_stint(None, taken_back=False)
    return SeenEvidence(records=tuple(reading.records), members=reading.members)


@dataclass(slots=True)
class _Reading:
    """How far the journal is read."""

    site: Site
    system: System
    records: list[EvidenceRecord] = field(default_factory=list)
    members: dict[str, Member] = field(default_factory=dict)
    plans: dict[str, tuple[Plan, Release]] = field(default_factory=dict)
    serving: tuple[Event, Release] | None = None
    releases: dict[str, Release] = field(default_factory=dict)

    def read(self, event: Event) -> None:
        match happened := happening(event):
            case Planned() | CanaryNarrowed():
                baseline = self.site.journal.release(self.site.environment, happened.plan.baseline)
                candidate = baseline.with_members(happened.plan.members)
                self.plans[event.rollout_id] = (happened.plan, candidate)
            case Adopted() | Promoted() | ChampionRestored() | PartServed():
                self.end_of_stint(event.at, taken_back=isinstance(happened, ChampionRestored))
                self.serving = (event, self.releases[happened.release])
            case ContractsChecked():
                self.contracts_checked(event, happened)
            case ContractTested():
                self.contract_tested(event, happened)
            case ShadowMeasured():
                self.shadow_measured(event, happened)
            case Looked():
                self.failed_live(event, happened)
            case Diagnosed():
                self.traced(event, happened.attribution)
            case PartReplayed():
                self.part_replayed(event, happened)

    def end_of_stint(self, until: datetime | None, *, taken_back: bool) -> None:
        """What served was seen to serve, unless it is being taken back.

        Args:
            until: When something else came; None where it serves still.
        """
        if self.serving is None or taken_back:
            return
        event, release = self.serving
        self.add(event, release, EvidenceKind.SERVED, Outcome.PASSED, until=until)

    def contracts_checked(self, event: Event, checked: ContractsChecked) -> None:
        plan, candidate = self.plans[event.rollout_id]
        asked = frozenset(member.model for member in plan.members)
        broke = tuple(
            self.feeders(check.model)
            for check in checked.checks
            if any(found.outcome is Outcome.FAILED for found in check.findings)
            or (check.fault is not None and check.outcome is Outcome.FAILED)
        )
        outcome = Outcome.FAILED if broke else checked.outcome
        if broke or outcome is not Outcome.FAILED:  # contracts that break edges are no evidence
            self.add(
                event, candidate, EvidenceKind.CONTRACT_TEST, outcome, asked=asked, failed=broke
            )

    def contract_tested(self, event: Event, tested: ContractTested) -> None:
        members = {member.model: member for member in tested.members}
        near = self.feeders(tested.model) & members.keys()
        alone = frozenset({tested.model})
        self.add(
            event,
            Release(members={name: members[name] for name in near}),
            EvidenceKind.EDGE_CASES,
            tested.outcome,
            asked=alone,
            failed=(frozenset(near) if tested.as_fed else alone,),
            said=tested.broken,
        )
        for reader in tested.readers:
            pair = frozenset({tested.model, reader.model})
            self.add(
                event,
                Release(members={name: members[name] for name in pair}),
                EvidenceKind.EDGE_CASES,
                reader.outcome,
                asked=frozenset({reader.model}),
                failed=(pair,),
                fed_by=tested.model,
                said=reader.broken,
            )

    def shadow_measured(self, event: Event, measured: ShadowMeasured) -> None:
        plan, candidate = self.plans[event.rollout_id]
        self.traced(event, measured.attribution)
        judged = [*measured.verdicts, *measured.slices]
        models = {v.gate.model for v in judged if v.outcome is Outcome.FAILED}
        if measured.faulty is not None and measured.faulty.name in self.system.models:
            models.add(measured.faulty.name)
        if measured.outcome is Outcome.FAILED and not models and measured.fault is None:
            return  # what others spent of the budget is nothing that these versions did
        self.add(
            event,
            candidate,
            EvidenceKind.SHADOW_REPLAY,
            measured.outcome,
            failed=self.failures(plan, candidate, models),
        )

    def part_replayed(self, event: Event, replayed: PartReplayed) -> None:
        plan, _ = self.plans[event.rollout_id]
        baseline = self.site.journal.release(self.site.environment, plan.baseline)
        part = baseline.with_members(replayed.stays)
        models = {v.gate.model for v in replayed.verdicts if v.outcome is Outcome.FAILED}
        failed = self.failures(plan, part, models)
        self.add(event, part, EvidenceKind.SHADOW_REPLAY, replayed.outcome, failed=failed)

    def failed_live(self, event: Event, look: Looked) -> None:
        plan, candidate = self.plans[event.rollout_id]
        judged = [*look.verdicts, *look.slices]
        models = {v.gate.model for v in judged if v.outcome is Outcome.FAILED}
        self.add(
            event,
            candidate,
            EvidenceKind.CANARY,
            Outcome.FAILED,
            failed=self.failures(plan, candidate, models),
        )

    def traced(self, event: Event, attribution: Attribution | None) -> None:
        """Mixtures that were within every margin when harm was traced to its origin."""
        if attribution is None:
            return
        plan, candidate = self.plans[event.rollout_id]
        baseline = self.site.journal.release(self.site.environment, plan.baseline)
        nodes = changed_nodes(self.system, baseline, candidate)
        for one in attribution.reversions:
            back = models_taken_back(baseline, candidate, nodes, one.reverted)
            if one.within_margins and one.unknown is None and one.compatible and back is not None:
                mixture = candidate.with_members(baseline.members[model] for model in back)
                self.add(event, mixture, EvidenceKind.COUNTERFACTUAL, Outcome.PASSED)

    def failures(
        self, plan: Plan, release: Release, models: Iterable[str]
    ) -> tuple[frozenset[str], ...]:
        """Each failing model with what feeds it; all that changed, where none is known to fail."""
        failed = tuple(self.feeders(model) for model in sorted(models))
        if failed:
            return failed
        whole = frozenset(plan.radius.models).union(*map(self.feeders, plan.radius.models))
        return (whole & release.members.keys(),)

    def feeders(self, model: str) -> frozenset[str]:
        return frozenset(upstream(self.system, [model]))

    def add(
        self,
        event: Event,
        release: Release,
        kind: EvidenceKind,
        outcome: Outcome,
        *,
        until: datetime | None = None,
        asked: frozenset[str] | None = None,
        failed: tuple[frozenset[str], ...] = (),
        fed_by: str | None = None,
        said: str = "",
    ) -> None:
        self.members |= {m.contract_hash: m for m in release.members.values()}
        self.records.append(
            EvidenceRecord(
                kind=kind,
                outcome=outcome,
                contents=contents_of(release),
                contracts={m: one.contract_hash for m, one in release.members.items()},
                asked=asked,
                failed=failed if outcome is Outcome.FAILED else (),
                rollout_id=event.rollout_id,
                position=event.position,
                at=event.at,
                until=until,
                fed_by=fed_by,
                said=said,
            )
        )


_READ = frozenset(
    {
        "planned",
        "canary_narrowed",
        "adopted",
        "promoted",
        "champion_restored",
        "part_served",
        "contracts_checked",
        "contract_tested",
        "shadow_measured",
        "looked",
        "diagnosed",
        "part_replayed",
    }
)


def _is_no_evidence(event: Event) -> bool:
    """Looks are many and large; those that did not fail are not read."""
    return event.kind == "looked" and event.payload.get("outcome") != Outcome.FAILED.value
