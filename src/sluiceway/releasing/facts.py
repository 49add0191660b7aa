"""Everything that answers rest on, and what it says of one edge and two versions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from sluiceway.contracts.values import Contract
from sluiceway.graph import SystemGraph, earlier_answers
from sluiceway.outcomes import Outcome
from sluiceway.releases import Member, Release
from sluiceway.releasing.evidence import (
    JUDGED,
    TESTED,
    EvidenceKind,
    EvidenceRecord,
    FailedSet,
    Support,
    SupportCode,
    content_of,
    failed_sets,
    support,
)
from sluiceway.releasing.fitting import Fit, FitCode, agreed_to, fit, fit_of_feature
from sluiceway.system.values import Edge, Ignore, Reliance, System


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """The owner of an edge's reader agrees to what one version of its producer breaks for it.

    Attributes:
        edge: The edge by its name.
        contract_hash: Content hash of the version's contract.
        artifact_sha256: Digest of its files.
    """

    edge: str
    contract_hash: str
    artifact_sha256: str

    @classmethod
    def to(cls, edge: Edge, producer: Member) -> "Agreed":
        """What agreeing to this version on this edge is."""
        return cls(
            edge=edge.name,
            contract_hash=producer.contract_hash,
            artifact_sha256=producer.artifact_sha256,
        )


def ignores_on(
    ignores: Iterable[Ignore], edge: Edge, producer: str, consumer: str | None, *, today: date
) -> tuple[Ignore | None, Ignore | None]:
    """The ignore that counts on an edge today, and one that has expired.

    Args:
        producer: The producer's version.
        consumer: The consumer's version; None for an outside consumer.
    """
    fitting = [
        one
        for one in ignores
        if (one.producer, one.consumer) == (edge.producer, edge.consumer)
        and one.producer_version in (None, producer)
        and one.consumer_version in (None, consumer)
    ]
    return (
        max((i for i in fitting if today <= i.expires), key=lambda i: i.expires, default=None),
        max((i for i in fitting if today > i.expires), key=lambda i: i.expires, default=None),
    )


def lost_contract(member: Member) -> str:
    """That nobody has the contract any more which a version was verified against, in words."""
    was = member.contract_version or f"{member.contract_hash[:12]}…"
    return f"the contract {was} that {member.name} was verified against is known no longer"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of an environment's versions.

    Attributes:
        champion: What serves.
        contracts: Contract by content hash, of every version that is asked about or took part in
            a record.
        records: All evidence, in any order.
        now: The time (UTC).
        kinds: The kinds of passed evidence that show how versions behave together.
        agreed: What readers' owners agree to now, though it breaks something for them.
    """

    system: System
    champion: Release
    contracts: Mapping[str, Contract]
    records: Sequence[EvidenceRecord]
    now: datetime
    kinds: frozenset[EvidenceKind] = JUDGED
    agreed: frozenset[Agreed] = frozenset()

    @cached_property
    def newest_first(self) -> tuple[EvidenceRecord, ...]:
        """All evidence, the latest first."""
        return tuple(sorted(self.records, key=lambda record: -record.position))

    @cached_property
    def today(self) -> date:
        """The day in the system's timezone."""
        return self.now.astimezone(ZoneInfo(self.system.timezone)).date()

    @cached_property
    def failed(self) -> tuple[FailedSet, ...]:
        """What failed together and has not passed since."""
        return failed_sets(self.newest_first)

    @cached_property
    def model_edges(self) -> tuple[Edge, ...]:
        """Edges between two models."""
        return tuple(
            edge
            for edge in self.system.edges
            if edge.field is not None and edge.consumer in self.system.models
        )

    @cached_property
    def outside_edges(self) -> tuple[Edge, ...]:
        """Edges from a model to an outside consumer."""
        return tuple(
            edge
            for edge in self.system.edges
            if edge.field is not None and edge.consumer in self.system.consumers
        )

    @cached_property
    def outside_readers(self) -> Mapping[str, tuple[Edge, ...]]:
        """Edges to outside consumers by the model that they read."""
        found: dict[str, list[Edge]] = {}
        for edge in self.outside_edges:
            found.setdefault(edge.producer, []).append(edge)
        return {model: tuple(edges) for model, edges in found.items()}

    def feeders(self, model: str) -> frozenset[str]:
        """The model and every model upstream of it: what its answers rest on."""
        if model not in self._feeders:
            self._feeders[model] = frozenset(self._graph.upstream([model]))
        return self._feeders[model]

    def readers(self, models: Iterable[str]) -> frozenset[str]:
        """These models and every model downstream of one of them."""
        return frozenset(self._graph.blast_radius(models).models)

    def contracts_of(self, release: Release) -> dict[str, Contract]:
        """Contract by model, of those of a release's members that are known."""
        return {
            model: self.contracts[member.contract_hash]
            for model, member in release.members.items()
            if member.contract_hash in self.contracts and model in self.system.models
        }

    def earlier_answers(self, model: str) -> tuple[str, ...]:
        """The earlier answers that a model rests on, in words; no replay can give them."""
        return earlier_answers(self.system, [model]) if self._reads_later else ()

    @cached_property
    def _reads_later(self) -> bool:
        """Whether anything at all reads earlier answers, which hardly any system does."""
        return any(edge.delayed is not None for edge in self.model_edges)

    def fit(self, edge: Edge, producer: Member, consumer: Member | None) -> Fit:
        """What the contracts, and the reader's owner, say of two versions on an edge.

        Args:
            consumer: None for an outside consumer; it is held against what serves now.
        """
        promised = self.contracts.get(producer.contract_hash)
        reader = self.contracts.get(consumer.contract_hash) if consumer else None
        if promised is None or (consumer is not None and reader is None):
            lacking = producer if promised is None else consumer
            assert lacking is not None
            return Fit(code=FitCode.CONTRACT_UNKNOWN, said=(lost_contract(lacking),))
        tested = self._tested(edge, consumer)
        key = (edge.name, producer.contract_hash, reader and consumer.contract_hash, tested)  # type: ignore[union-attr]
        if key not in self._fits:
            known = [self.contracts[one] for one in sorted(tested) if one in self.contracts]
            self._fits[key] = fit(edge, promised, reader, known)
        found = self._fits[key]
        if Agreed.to(edge, producer) in self.agreed:
            return agreed_to(found, outside=consumer is None)
        return found

    def fit_of_features(self, member: Member) -> tuple[tuple[Edge, Fit], ...]:
        """What the contracts say of a version and the declared features it reads."""
        contract = self.contracts.get(member.contract_hash)
        if contract is None:
            return ()
        return tuple(
            (edge, fit_of_feature(edge, self.system.features[edge.producer], contract))
            for edge in self.system.models[member.model].inputs
            if edge.field is None
        )

    def support(self, release: Release, models: frozenset[str], *, asked: str) -> Support:
        """The evidence for the release's versions of these models together."""
        contents = {m: self.content(release.members[m]) for m in models if m in release.members}
        return support(
            self.newest_first,
            contents,
            models,
            asked=asked,
            kinds=self.kinds,
            now=self.now,
            max_age=self.system.policies.evidence_max_age,
        )

    def pair_support(self, edge: Edge, producer: Member, consumer: Member) -> Support:
        """The evidence for two versions on an edge, whatever fed them.

        A contract test is enough where nothing is relied on that it does not look at.
        """
        tested = Reliance.BEHAVIOURAL not in edge.relies_on
        kinds = self.kinds | TESTED if tested else self.kinds
        return self._of_pair(producer, consumer, kinds)

    def tested(self, release: Release, model: str, *, fed_by: str | None = None) -> Support:
        """What contract tests outside of any rollout say of a version.

        Args:
            model: Whose version was asked.
            fed_by: The producer with all of whose promises it was fed; None for the test of the
                version for its own sake.
        """
        models = frozenset({model} if fed_by is None else {model, fed_by})
        near = self.feeders(model) if fed_by is None else models
        return support(
            [
                one
                for one in self.newest_first
                if one.kind is EvidenceKind.EDGE_CASES
                and one.fed_by == fed_by
                and one.asked == frozenset({model})
            ],
            {m: self.content(release.members[m]) for m in near if m in release.members},
            models,
            asked=model,
            kinds=TESTED,
            now=self.now,
            max_age=self.system.policies.evidence_max_age,
        )

    def was_cleared(self, producer: Member, consumer: Member) -> bool:
        """Whether two versions that do not fit by contract went through a replay together lately.

        A rollout replays only what its contracts allow, or what was shown to hold nevertheless. A
        counterfactual replays whatever it likes, so it clears no contract.
        """
        return self._of_pair(producer, consumer, JUDGED).code is SupportCode.FRESH

    def _of_pair(
        self, producer: Member, consumer: Member, kinds: frozenset[EvidenceKind]
    ) -> Support:
        contents = {m.model: self.content(m) for m in (producer, consumer)}
        return support(
            self.newest_first,
            contents,
            frozenset(contents),
            asked=consumer.model,
            kinds=kinds,
            now=self.now,
            max_age=self.system.policies.evidence_max_age,
        )

    def ignores_on(
        self, edge: Edge, producer: Member, consumer: Member | None
    ) -> tuple[Ignore | None, Ignore | None]:
        """The ignore that counts on an edge today, and one that has expired."""
        return ignores_on(
            self.system.ignores,
            edge,
            producer.version,
            consumer.version if consumer else None,
            today=self.today,
        )

    def content(self, member: Member) -> str:
        """The member's content hash, worked out once."""
        key = (
            member.model,
            member.contract_hash,
            member.artifact_sha256,
            tuple(sorted(member.features.items())),
            tuple(sorted(member.definitions.items())),
        )
        if key not in self._contents:
            self._contents[key] = content_of(member)
        return self._contents[key]

    def _tested(self, edge: Edge, consumer: Member | None) -> frozenset[str]:
        """Hashes of the producer's contracts that the consumer is known to live with."""
        if consumer is None:
            serving = self.champion.members.get(edge.producer)
            return frozenset([serving.contract_hash] if serving else [])
        return self._tested_with.get((self.content(consumer), edge.producer), frozenset())

    @cached_property
    def _tested_with(self) -> dict[tuple[str, str], frozenset[str]]:
        found: dict[tuple[str, str], set[str]] = {}
        readers = {(edge.consumer, edge.producer) for edge in self.model_edges}
        for record in self.records:
            if record.outcome is not Outcome.PASSED or record.kind not in JUDGED:
                continue
            for consumer, producer in readers:
                if consumer in record.contents and producer in record.contracts:
                    key = (record.contents[consumer], producer)
                    found.setdefault(key, set()).add(record.contracts[producer])
        return {key: frozenset(hashes) for key, hashes in found.items()}

    @cached_property
    def _graph(self) -> SystemGraph:
        return SystemGraph(self.system)

    @cached_property
    def _feeders(self) -> dict[str, frozenset[str]]:
        return {}

    @cached_property
    def _fits(self) -> dict[object, Fit]:
        return {}

    @cached_property
    def _contents(self) -> dict[object, str]:
        return {}
