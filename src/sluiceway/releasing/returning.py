"""The smallest safe way back when some versions of a release turned out bad.

The same integer program as planning forward, with the bad versions forbidden and moves counted
from what went bad: each changed model keeps its version or goes back to the one before. Here
"unknown" is not good enough: what the contracts leave open counts as unfit, and the release that
is chosen must have passed together, recently, or it is cut off and the next one is asked for. The
release before always remains; it served.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from sluiceway.releases import Member, Release
from sluiceway.releasing.choosing import choose
from sluiceway.releasing.conflicts import Rule, RuleKind, conflict
from sluiceway.releasing.evidence import TRACED, SupportCode
from sluiceway.releasing.facts import Facts
from sluiceway.releasing.problems import Pick, Problem
from sluiceway.releasing.proposing import release_problem

MOST_TRIES = 64
"""Unproven releases that are cut off before the whole release goes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOut:
    """Why a model that is not bad goes back too.

    Attributes:
        rules: A smallest set of rules that cannot be kept with its new version; empty where it
            could stay only by taking more models back.
    """

    model: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """What goes back and what stays.

    Attributes:
        release: The release to serve.
        bad: Models whose versions are forbidden, sorted.
        back: Models that go back, the bad ones included, sorted.
        stays: Models whose new versions stay, sorted; empty where the whole release goes back.
        kept_out: Why others than the bad ones go back.
        unproven: Smaller ways back that nobody has seen to work: the models they would take back.
    """

    release: Release
    bad: tuple[str, ...]
    back: tuple[str, ...]
    stays: tuple[str, ...]
    kept_out: tuple[KeptOut, ...] = ()
    unproven: tuple[tuple[str, ...], ...] = ()

    @property
    def is_partial(self) -> bool:
        """Whether anything of the new release stays."""
        return bool(self.stays)


def way_back(
    facts: Facts,
    live: Release,
    before: Release,
    bad: Iterable[str],
    *,
    proven: bool = True,
) -> WayBack:
    """Plan the smallest way back from one release to another.

    Args:
        facts: Their `champion` is whatever serves; evidence is checked as of their `now`.
        live: The release that went bad.
        before: What it replaced, or would have.
        bad: Models whose versions in `live` must go; at least one changed model.
        proven: Whether the release must have been seen together. Plans that are made before
            anything went wrong ask what the contracts alone allow.

    Raises:
        ValueError: No model that differs is bad.
    """
    changed = live.changed_from(before)
    culprits = tuple(sorted(set(bad) & set(changed)))
    if not culprits:
        raise ValueError(f"none of {', '.join(sorted(bad))} differs between the releases")
    whole = live.with_members(before.members[m] for m in changed if m in before.members)
    if not _can_be_told_apart(live, before, changed):
        return WayBack(release=whole, bad=culprits, back=changed, stays=())
    facts = replace(facts, kinds=TRACED)
    shelf = both_of(before, live)
    problem = release_problem(facts, shelf, only_proven=True, serving=live)
    bad_versions = frozenset((m, live.members[m].version) for m in culprits)
    problem = replace(problem, forbidden=problem.forbidden | bad_versions)
    cuts: dict[frozenset[Pick], tuple[str, ...]] = {}
    release, back = whole, changed
    while len(cuts) < MOST_TRIES:
        found = choose(replace(problem, failed=(*problem.failed, *cuts)))
        if found is None:
            break
        tried = _made_of(shelf, found)
        gone = tuple(m for m in changed if tried.members.get(m) == before.members.get(m))
        if len(gone) == len(changed):
            break
        if not proven or _is_proven(facts, tried, changed):
            release, back = tried, gone
            break
        cuts[frozenset((m, found[m]) for m in changed)] = gone
    problem = replace(problem, failed=(*problem.failed, *cuts))
    return WayBack(
        release=release,
        bad=culprits,
        back=back,
        stays=tuple(model for model in changed if model not in back),
        kept_out=tuple(
            KeptOut(model=m, rules=_why_not(problem, m, live, cuts.keys()))
            for m in back
            if m not in culprits and m in live.members
        ),
        unproven=tuple(cuts.values()),
    )


def both_of(before: Release, live: Release) -> dict[str, tuple[Member, ...]]:
    """Of each model in `live` the version before and the new one; one of them where they are equal.

    Of two contents under one number only the new one: numbers cannot tell them apart.
    """
    shelf: dict[str, tuple[Member, ...]] = {}
    for model, member in live.members.items():
        old = before.members.get(model)
        alike = old is None or old.version == member.version
        shelf[model] = (member,) if old is None or alike else (old, member)
    return shelf


def _can_be_told_apart(live: Release, before: Release, changed: Sequence[str]) -> bool:
    """Whether each changed model is in both releases, under two numbers."""
    return all(
        m in live.members
        and m in before.members
        and live.members[m].version != before.members[m].version
        for m in changed
    )


def _is_proven(facts: Facts, release: Release, changed: Sequence[str]) -> bool:
    """Whether every model that the change touches was seen with just what feeds it there."""
    return all(
        facts.support(release, facts.feeders(model), asked=model).code is SupportCode.FRESH
        for model in facts.readers(changed)
    )


def _made_of(shelf: dict[str, tuple[Member, ...]], choice: dict[str, str]) -> Release:
    return Release(
        members={
            model: next(one for one in shelf[model] if one.version == version)
            for model, version in choice.items()
        }
    )


def _why_not(
    problem: Problem, model: str, live: Release, cuts: Collection[frozenset[Pick]]
) -> tuple[Rule, ...]:
    rules = conflict(problem.wanting({model: live.members[model].version}))
    return tuple(
        replace(rule, kind=RuleKind.UNPROVEN) if frozenset(rule.picks) in cuts else rule
        for rule in rules
    )
