"""Which versions may go live as one release: the best one that the facts allow.

Contracts give the pairs that do not fit, failed evidence the sets that do not: the planner
proposes, a replay disposes. What is merely unknown is allowed here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sluiceway.releases import Member, Release
from sluiceway.releasing.answers import Answer
from sluiceway.releasing.choosing import choose
from sluiceway.releasing.conflicts import Rule, broken_rules, conflict
from sluiceway.releasing.facts import Facts
from sluiceway.releasing.problems import Choice, Pick, Problem, moves
from sluiceway.system.values import Edge

Shelf = Mapping[str, Sequence[Member]]
"""The versions there are of each model, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The best release with what is wanted, or why there is none.

    Attributes:
        wanted: ``(model, version)`` of what was asked for, sorted.
        choice: Version by model; None where nothing is possible.
        moved: Models that change.
        companions: What has to go along with what was wanted, sorted.
        conflict: With no choice, a smallest set of rules that cannot all be kept.
        alone: The rules that what was wanted breaks without its companions.
    """

    wanted: tuple[Pick, ...]
    choice: Choice | None
    moved: tuple[str, ...] = ()
    companions: tuple[Pick, ...] = ()
    conflict: tuple[Rule, ...] = ()
    alone: tuple[Rule, ...] = ()


def release_problem(
    facts: Facts, shelf: Shelf, *, only_proven: bool = False, serving: Release | None = None
) -> Problem:
    """What may be chosen from the shelf, as the facts have it.

    Args:
        only_proven: Whether versions of which it is unknown whether they fit count as unfit.
        serving: What moves are counted from; None for the champion.
    """
    serving = serving or facts.champion
    forbidden = {
        (member.model, member.version)
        for members in shelf.values()
        for member in members
        if why_forbidden(facts, member, only_proven=only_proven) is not None
    }
    unfit: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for edge in facts.model_edges:
        bad = {
            (producer.version, consumer.version)
            for producer in shelf.get(edge.producer, ())
            for consumer in shelf.get(edge.consumer, ())
            if _refuses(facts, edge, producer, consumer, only_proven)
        }
        if bad:
            unfit.setdefault((edge.producer, edge.consumer), set()).update(bad)
    return Problem(
        versions={model: tuple(m.version for m in members) for model, members in shelf.items()},
        serving={m: member.version for m, member in serving.members.items() if m in shelf},
        unfit={pair: frozenset(bad) for pair, bad in unfit.items()},
        failed=tuple(_failed_picks(facts, shelf)),
        forbidden=frozenset(forbidden),
    )


def why_forbidden(facts: Facts, member: Member, *, only_proven: bool = False) -> str | None:
    """Why a version must not serve whatever else does, in words; None where it may.

    An outside consumer has no other version to offer, and a feature has none here.
    """
    for edge in facts.outside_readers.get(member.model, ()):
        if _refuses(facts, edge, member, None, only_proven):
            said = facts.fit(edge, member, None).said
            return f"{edge.consumer} cannot read it: {said[0]}" if said else edge.name
    for edge, found in facts.fit_of_features(member):
        if found.answer is Answer.NO:
            return found.said[0] if found.said else edge.name
    return None


def _refuses(
    facts: Facts, edge: Edge, producer: Member, consumer: Member | None, only_proven: bool
) -> bool:
    found = facts.fit(edge, producer, consumer)
    if found.answer is Answer.YES or (found.answer is Answer.UNKNOWN and not only_proven):
        return False
    clearable = consumer is not None and found.code.evidence_clears
    if clearable and consumer is not None and facts.was_cleared(producer, consumer):
        return False
    return facts.ignores_on(edge, producer, consumer)[0] is None


def _failed_picks(facts: Facts, shelf: Shelf) -> Iterable[frozenset[Pick]]:
    """Each failed set in every way in which the shelf can make it."""
    by_content: dict[tuple[str, str], list[Pick]] = {}
    if facts.failed:
        for model, members in shelf.items():
            for member in members:
                by_content.setdefault((model, facts.content(member)), []).append(
                    (model, member.version)
                )
    for failed in facts.failed:
        ways: list[frozenset[Pick]] = [frozenset()]
        for key in failed.contents.items():
            ways = [way | {pick} for way in ways for pick in by_content.get(key, ())]
        yield from ways


def propose(problem: Problem, wanted: Mapping[str, str]) -> Proposal:
    """The best release that has the wanted versions.

    Raises:
        NotSolved: The solver gave up.
    """
    asked = tuple(sorted(wanted.items()))
    best = choose(problem.wanting(wanted))
    if best is None:
        return Proposal(wanted=asked, choice=None, conflict=conflict(problem.wanting(wanted)))
    moved = moves(problem, best)
    companions = tuple((model, best[model]) for model in moved if model not in wanted)
    alone: tuple[Rule, ...] = ()
    if companions:
        alone = broken_rules(problem, {**problem.serving, **wanted})
    return Proposal(wanted=asked, choice=best, moved=moved, companions=companions, alone=alone)
