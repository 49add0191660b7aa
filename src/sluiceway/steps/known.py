"""What is known of an environment's versions: evidence out of the journal, contracts and shelves.

Nothing is kept beside the journal: what was seen of versions together is read from the events of
the rollouts that saw it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sluiceway.attribution import Attribution
from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput
from sluiceway.graph import upstream
from sluiceway.journal import Event
from sluiceway.outcomes import Outcome
from sluiceway.releases import Member, Release
from sluiceway.releasing import (
    Agreed,
    EvidenceKind,
    EvidenceRecord,
    Facts,
    Mixture,
    Shelf,
    can_promote,
    contents_of,
)
from sluiceway.replay.freezing import ChangedNode, changed_nodes
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
from sluiceway.steps.members import member_of, verified_contract
from sluiceway.steps.ownership import agreed_versions
from sluiceway.steps.site import Site
from sluiceway.system.values import NodeKind, System

NEWEST = 5
"""Versions of a model that are looked at as companions, besides the one that serves."""


def facts_of(site: Site, system: System, members: Iterable[Member], *, now: datetime) -> Facts:
    """Everything that answers about these members rest on.

    Raises:
        LookupError: Nothing serves yet.
        RegistryUnavailable: The registry did not answer; nothing is known.
    """
    champion = site.champion().release
    seen = _Seen.of(site, system)
    known = [*champion.members.values(), *members, *seen.members.values()]
    return Facts(
        system=system,
        champion=champion,
        contracts=_contracts(site, system, known),
        records=seen.records,
        now=now,
        agreed=frozenset(_agreed(site, system, now)),
    )


def _agreed(site: Site, system: System, now: datetime) -> Iterator[Agreed]:
    for one in agreed_versions(site, system, now=now):
        if one.contract_hash is not None and one.artifact_sha256 is not None:
            yield Agreed(
                edge=one.edge,
                contract_hash=one.contract_hash,
                artifact_sha256=one.artifact_sha256,
            )


def shelf_of(site: Site, system: System, facts: Facts, wanted: Iterable[Member]) -> Shelf:
    """The versions that could go along with what is wanted, oldest first.

    Of every model that the wanted ones read or reach: what serves, and the newest later ones that
    can be had at all. Of all others: what serves.

    Raises:
        RegistryUnavailable: The registry did not answer; nothing is known.
    """
    asked = {member.model: member for member in wanted}
    near = set(facts.readers(asked))
    for model in tuple(near):
        near |= facts.feeders(model)
    shelf: dict[str, tuple[Member, ...]] = {}
    for model, serving in facts.champion.members.items():
        found = {serving.version: serving}
        if model in asked:
            found[asked[model].version] = asked[model]
        elif model in near:
            found |= {m.version: m for m in _later(site, system, model, serving.version)}
        shelf[model] = tuple(sorted(found.values(), key=lambda one: _age(one.version)))
    return shelf


def _later(site: Site, system: System, model: str, than: str) -> Iterator[Member]:
    latest = site.registry.latest_version(model)
    if latest is None or not (latest.isdecimal() and than.isdecimal()):
        return
    for version in range(max(int(than), int(latest) - NEWEST) + 1, int(latest) + 1):
        try:
            yield member_of(site, system, model, str(version))
        except BadInput:
            continue  # nobody could serve it


def _age(version: str) -> tuple[int, str]:
    return (int(version) if version.isdecimal() else 0, version)


def _contracts(site: Site, system: System, members: Iterable[Member]) -> dict[str, Contract]:
    """Contract by content hash, as far as anybody still has it."""
    found = {model.contract.content_hash: model.contract for model in system.models.values()}
    for member in members:
        if member.contract_hash in found or member.model not in system.models:
            continue
        contract = verified_contract(site, system, member)
        if contract is not None:
            found[member.contract_hash] = contract
    return found


@dataclass(slots=True)
class _Seen:
    """Reads the journal once, from its first event."""

    site: Site
    system: System
    records: list[EvidenceRecord] = field(default_factory=list)
    members: dict[str, Member] = field(default_factory=dict)
    plans: dict[str, tuple[Plan, Release]] = field(default_factory=dict)
    serving: tuple[Event, Release] | None = None
    releases: dict[str, Release] = field(default_factory=dict)

    @classmethod
    def of(cls, site: Site, system: System) -> "_Seen":
        seen = cls(site, system)
        for generation, content_hash in site.journal.generations(site.environment).items():
            seen.releases[content_hash] = site.journal.release(site.environment, generation)
        for event in site.journal.chain(site.environment):
            if event.kind in _READ and not _is_no_evidence(event):
                seen.read(event)
        seen.end_of_stint(None, taken_back=False)
        return seen

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


def models_taken_back(
    baseline: Release,
    candidate: Release,
    nodes: Iterable[ChangedNode],
    reverted: Iterable[str],
) -> frozenset[str] | None:
    """The changed models that go back whole with these nodes; None where one would go half back.

    A node may be a model's files, or features that models read anew: a registered version has
    both or neither.
    """
    names = frozenset(reverted)
    back = set()
    for model in candidate.changed_from(baseline):
        own = {node.name for node in nodes if _is_of(baseline, candidate, node, model)}
        if own & names and not own <= names:
            return None
        if own and own <= names:
            back.add(model)
    return frozenset(back)


def _is_of(baseline: Release, candidate: Release, node: ChangedNode, model: str) -> bool:
    if node.kind is NodeKind.MODEL:
        return node.name == model
    before, after = baseline.members.get(model), candidate.members.get(model)
    if before is None or after is None:
        return False
    return any(before.features.get(f) != after.features.get(f) for f in node.features)


def models_of(
    system: System, baseline: Release, candidate: Release, names: Iterable[str]
) -> frozenset[str]:
    """The changed models that have a part in these nodes."""
    wanted = frozenset(names)
    nodes = [n for n in changed_nodes(system, baseline, candidate) if n.name in wanted]
    return frozenset(
        model
        for model in candidate.changed_from(baseline)
        if any(_is_of(baseline, candidate, node, model) for node in nodes)
    )


def fits_without(
    facts: Facts, baseline: Release, candidate: Release
) -> Callable[[tuple[str, ...]], bool]:
    """Whether the contracts allow what is left of a candidate after taking nodes back."""
    system = facts.system
    nodes = changed_nodes(system, baseline, candidate)
    everything = {node.name for node in nodes}

    def fits(names: tuple[str, ...]) -> bool:
        if set(names) == everything:
            return True  # that is what served
        back = models_taken_back(baseline, candidate, nodes, names)
        if back is None:
            return True  # versions with other features: no contract speaks of them
        mixture = candidate.with_members(baseline.members[model] for model in back)
        return not contradictions(facts, mixture)

    return fits


def contradictions(facts: Facts, release: Release) -> tuple[str, ...]:
    """Edges on which the contracts say that a release's versions do not fit, by name."""
    return tuple(
        reason.edge or ""
        for reason in can_promote(facts, release, consistent=True).contradicted
        if reason.mixture is Mixture.RELEASE
    )
