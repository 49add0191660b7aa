"""Whether a release may go live: three-valued, with every reason, over what will really be live.

The logic is that of Pact's matrix: a consumer needs its producers, a producer does not need its
consumers, and every pair of versions that can meet must be verified. It differs by choice: no row
is no yes, evidence has an age, and what is ignored is ignored by somebody, for a reason, until a
day.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sluiceway.releases import Member, Release
from sluiceway.releasing.answers import Answer, together
from sluiceway.releasing.evidence import EvidenceRecord, Support, SupportCode
from sluiceway.releasing.facts import Facts
from sluiceway.releasing.fitting import Fit, FitCode
from sluiceway.system.time_changes import shortfalls_by_model
from sluiceway.system.values import Edge, Ignore, Reliance


class ReasonCode(StrEnum):
    """Why versions may, or may not, be live together."""

    FITS = "fits"
    ACKNOWLEDGED = "acknowledged"
    SEEN_TOGETHER = "seen_together"
    SERVES_ALREADY = "serves_already"
    TEST_PASSED = "test_passed"
    TEST_FAILED = "test_failed"
    NO_EVIDENCE = "no_evidence"
    EVIDENCE_EXPIRED = "evidence_expired"
    FAILED_TOGETHER = "failed_together"
    PRODUCER_MISSING = "producer_missing"
    FIELD_NOT_PROMISED = "field_not_promised"
    DEMAND_NOT_MET = "demand_not_met"
    RELIANCE_BROKEN = "reliance_broken"
    UNDETERMINED = "undetermined"
    CONTRACT_UNKNOWN = "contract_unknown"
    TIMES_NOT_KEPT = "times_not_kept"
    TIMES_UNKNOWN = "times_unknown"
    NOT_REPLAYABLE = "not_replayable"


class Mixture(StrEnum):
    """Which of the sets of versions that will be live a reason is about."""

    RELEASE = "release"
    """Every unit is answered by the whole release."""
    HOPS = "hops"
    """Each hop chooses an arm of its own, so versions of two releases meet."""
    WAY_BACK = "way_back"
    """What would be gone back to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that speaks for or against a release.

    Attributes:
        answer: What it comes to, before anything is ignored.
        edge: Name of the edge; None where it is about a model with all that feeds it.
        producer: ``model@version``; None where there is none.
        consumer: ``model@version``, or the name of an outside consumer.
        said: Details in words.
        relied_on: What of the edge's reliance is broken.
        cleared_by: What it would take for that edge to hold again, in words.
        record: The evidence it rests on.
        ignored: The ignore that takes it out of the answer.
        expired: An ignore that would have, had it not expired.
    """

    code: ReasonCode
    mixture: Mixture
    answer: Answer
    edge: str | None = None
    producer: str | None = None
    consumer: str | None = None
    said: tuple[str, ...] = ()
    relied_on: tuple[Reliance, ...] = ()
    cleared_by: str | None = None
    record: EvidenceRecord | None = None
    ignored: Ignore | None = None
    expired: Ignore | None = None

    @property
    def counts(self) -> bool:
        """Whether it takes part in the answer."""
        return self.ignored is None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionAnswer:
    """Whether a release may go live, and everything that was looked at.

    Attributes:
        members: ``model@version`` of what is to change.
        reasons: All reasons; those against it first.
    """

    answer: Answer
    members: tuple[str, ...]
    reasons: tuple[Reason, ...]

    @property
    def against(self) -> tuple[Reason, ...]:
        """What keeps it from a yes, the weightiest first."""
        return tuple(one for one in self.reasons if one.counts and one.answer is not Answer.YES)

    @property
    def contradicted(self) -> tuple[Reason, ...]:
        """Edges on which the contracts themselves say no."""
        return tuple(r for r in self.reasons if r.counts and r.code in CONTRACT_SAYS_NO)


CONTRACT_SAYS_NO = frozenset(
    {
        ReasonCode.PRODUCER_MISSING,
        ReasonCode.FIELD_NOT_PROMISED,
        ReasonCode.DEMAND_NOT_MET,
        ReasonCode.RELIANCE_BROKEN,
    }
)


def can_promote(
    facts: Facts, candidate: Release, *, consistent: bool, beside: Sequence[Release] = ()
) -> PromotionAnswer:
    """Answer whether a release may go live in the environment of these facts.

    Args:
        candidate: The whole release.
        consistent: Whether one routing decision holds for a unit's whole chain. Where it does not,
            any version of a producer meets any version of its consumer.
        beside: Other releases that are live too: candidates of other rollouts in canary.
    """
    changed = candidate.changed_from(facts.champion)
    reasons = [*_whole(facts, candidate, changed, Mixture.RELEASE)]
    if not changed:
        reasons.append(
            Reason(code=ReasonCode.SERVES_ALREADY, mixture=Mixture.RELEASE, answer=Answer.YES)
        )
    else:
        if not consistent:
            reasons += _hops(facts, [candidate, facts.champion, *beside], changed)
        reasons += _on_times(facts, candidate)
        reasons += _contract_tests(facts, candidate, changed)
        reasons += _whole(facts, facts.champion, changed, Mixture.WAY_BACK)
    ordered = sorted(reasons, key=lambda one: (-one.answer.severity, not one.counts))
    counted = [one.answer for one in ordered if one.counts and _is_telling(one)]
    return PromotionAnswer(
        answer=together(counted),
        members=tuple(candidate.members[m].name for m in changed if m in candidate.members),
        reasons=tuple(ordered),
    )


def _is_telling(reason: Reason) -> bool:
    """That contracts fit, or were kept, is no yes by itself: nobody saw the versions together."""
    return reason.code not in (ReasonCode.FITS, ReasonCode.ACKNOWLEDGED, ReasonCode.TEST_PASSED)


def _whole(
    facts: Facts, release: Release, changed: Sequence[str], mixture: Mixture
) -> Iterator[Reason]:
    """What speaks for and against a chain that one release answers whole."""
    touched = facts.readers(changed) if changed else frozenset(facts.system.models)
    for edge in (*facts.model_edges, *facts.outside_edges):
        outside = edge.consumer in facts.system.consumers
        if edge.producer not in touched and (outside or edge.consumer not in touched):
            continue
        if not outside and edge.consumer not in release.members:
            continue
        yield _on_edge(facts, release, edge, mixture)
    for model in sorted(touched & release.members.keys()):
        yield from _on_features(facts, release.members[model], mixture)
        if facts.feeders(model) <= release.members.keys():
            seen = facts.support(release, facts.feeders(model), asked=model)
            found = _of_support(seen, release.members[model].name, mixture)
            later = facts.earlier_answers(model) if found.answer is Answer.UNKNOWN else ()
            yield replace(found, code=ReasonCode.NOT_REPLAYABLE, said=later) if later else found


def _on_times(facts: Facts, candidate: Release) -> Iterator[Reason]:
    """Needs of time, however far down, that the candidate's contracts keep from being kept."""
    before, after = facts.contracts_of(facts.champion), facts.contracts_of(candidate)
    if before.keys() != after.keys():
        return  # what is missing is told by the edges that read it
    for model, shortfalls in shortfalls_by_model(facts.system, before, after).items():
        for short in shortfalls:
            certain = short.certain
            yield Reason(
                code=ReasonCode.TIMES_NOT_KEPT if certain else ReasonCode.TIMES_UNKNOWN,
                mixture=Mixture.RELEASE,
                answer=Answer.NO if certain else Answer.UNKNOWN,
                edge=short.edge,
                producer=candidate.members[model].name,
                said=(short.sentence,),
            )


def _on_edge(facts: Facts, release: Release, edge: Edge, mixture: Mixture) -> Reason:
    producer = release.members.get(edge.producer)
    consumer = release.members.get(edge.consumer)
    if producer is None:
        reader = consumer.name if consumer else edge.consumer
        return Reason(
            code=ReasonCode.PRODUCER_MISSING,
            mixture=mixture,
            answer=Answer.NO,
            edge=edge.name,
            consumer=reader,
            said=(f"the release has no {edge.producer}, which {reader} reads",),
        )
    found = facts.fit(edge, producer, consumer)
    cleared: Support | None = None
    if found.code.evidence_clears:
        last = edge.consumer if consumer is not None else edge.producer
        if facts.feeders(last) <= release.members.keys():
            cleared = facts.support(release, facts.feeders(last), asked=last)
        # What an outside consumer does with an answer, no replay of ours shows.
        if consumer is None:
            cleared = None
    return _of_fit(facts, found, edge, producer, consumer, mixture, cleared)


def _of_fit(
    facts: Facts,
    found: Fit,
    edge: Edge,
    producer: Member,
    consumer: Member | None,
    mixture: Mixture,
    cleared: Support | None,
) -> Reason:
    reason = Reason(
        code=ReasonCode(found.code.value),
        mixture=mixture,
        answer=found.answer,
        edge=edge.name,
        producer=producer.name,
        consumer=consumer.name if consumer else edge.consumer,
        said=found.said,
        relied_on=found.relied_on,
        cleared_by=found.cleared_by,
    )
    if cleared is not None and cleared.code is SupportCode.FRESH:
        return replace(
            reason, code=ReasonCode.SEEN_TOGETHER, answer=Answer.YES, record=cleared.record
        )
    if reason.answer is Answer.YES:
        return reason
    ignored, expired = facts.ignores_on(edge, producer, consumer)
    return replace(reason, ignored=ignored, expired=None if ignored else expired)


def _on_features(facts: Facts, member: Member, mixture: Mixture) -> Iterator[Reason]:
    for edge, found in facts.fit_of_features(member):
        if found.code is not FitCode.FITS:
            yield Reason(
                code=ReasonCode(found.code.value),
                mixture=mixture,
                answer=found.answer,
                edge=edge.name,
                producer=edge.producer,
                consumer=member.name,
                said=found.said,
            )


def _contract_tests(facts: Facts, release: Release, changed: Sequence[str]) -> Iterator[Reason]:
    """What contract tests say of what changes, and of the edges it is on; nothing asks for any."""
    moving = set(changed) & release.members.keys()
    pairs = dict.fromkeys(
        (edge.producer, edge.consumer)
        for edge in facts.model_edges
        if {edge.producer, edge.consumer} & moving
        and {edge.producer, edge.consumer} <= release.members.keys()
    )
    asked = [(None, model) for model in sorted(moving)] + [*pairs]
    for producer, model in asked:
        found = facts.tested(release, model, fed_by=producer)
        if found.code in _OF_TEST:
            code, answer = _OF_TEST[found.code]
            yield Reason(
                code=code,
                mixture=Mixture.RELEASE,
                answer=answer,
                producer=producer and release.members[producer].name,
                consumer=release.members[model].name,
                record=found.record,
            )


_OF_TEST: Mapping[SupportCode, tuple[ReasonCode, Answer]] = {
    SupportCode.FRESH: (ReasonCode.TEST_PASSED, Answer.YES),
    SupportCode.FAILED: (ReasonCode.TEST_FAILED, Answer.NO),
}

_OF_SUPPORT: Mapping[SupportCode, tuple[ReasonCode, Answer]] = {
    SupportCode.FRESH: (ReasonCode.SEEN_TOGETHER, Answer.YES),
    SupportCode.EXPIRED: (ReasonCode.EVIDENCE_EXPIRED, Answer.UNKNOWN),
    SupportCode.NONE: (ReasonCode.NO_EVIDENCE, Answer.UNKNOWN),
    SupportCode.FAILED: (ReasonCode.FAILED_TOGETHER, Answer.NO),
}


def _of_support(
    seen: Support,
    consumer: str,
    mixture: Mixture,
    edge: Edge | None = None,
    producer: str | None = None,
) -> Reason:
    code, answer = _OF_SUPPORT[seen.code]
    return Reason(
        code=code,
        mixture=mixture,
        answer=answer,
        edge=edge.name if edge else None,
        producer=producer,
        consumer=consumer,
        record=seen.record,
    )


def _hops(facts: Facts, live: Sequence[Release], changed: Sequence[str]) -> Iterator[Reason]:
    """Every producer version with every consumer version, where each hop chooses by itself."""
    touched = facts.readers(changed)
    for edge in facts.model_edges:
        if edge.producer not in touched and edge.consumer not in touched:
            continue
        for producer in _versions(live, edge.producer):
            for consumer in _versions(live, edge.consumer):
                if any(_has(release, producer, consumer) for release in live[:2]):
                    continue  # answered with its own release
                seen = facts.pair_support(edge, producer, consumer)
                found = facts.fit(edge, producer, consumer)
                yield _of_fit(facts, found, edge, producer, consumer, Mixture.HOPS, seen)
                reason = _of_support(seen, consumer.name, Mixture.HOPS, edge, producer.name)
                if reason.answer is not Answer.YES:
                    ignored, expired = facts.ignores_on(edge, producer, consumer)
                    reason = replace(reason, ignored=ignored, expired=None if ignored else expired)
                yield reason


def _versions(live: Iterable[Release], model: str) -> list[Member]:
    found: dict[str, Member] = {}
    for release in live:
        member = release.members.get(model)
        if member is not None:
            found.setdefault(f"{member.name} {member.artifact_sha256}", member)
    return list(found.values())


def _has(release: Release, *members: Member) -> bool:
    return all(release.members.get(member.model) == member for member in members)
