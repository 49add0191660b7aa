"""Gathering what a review looks at, and saying what it could not look at."""

from dataclasses import dataclass
from datetime import datetime

from sluiceway.errors import SluicewayError
from sluiceway.releases import Release
from sluiceway.releasing import EvidenceKind, Support, SupportCode
from sluiceway.releasing.evidence import support
from sluiceway.rights.reviewing import ReviewFinding, Serving, review
from sluiceway.steps import ownership
from sluiceway.steps.known import facts_of
from sluiceway.steps.site import Site
from sluiceway.system.values import System

_JUDGED = frozenset({EvidenceKind.SHADOW_REPLAY, EvidenceKind.COUNTERFACTUAL, EvidenceKind.CANARY})
"""Evidence in which consumers' own results were judged against what served before."""

WITHOUT_CHAMPION = "stale contracts, deprecations and edges without evidence: nothing serves yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a review found.

    Attributes:
        not_looked_at: In words, what could not be looked at and why.
    """

    findings: tuple[ReviewFinding, ...]
    not_looked_at: tuple[str, ...]


def review_site(site: Site | None, system: System, *, now: datetime) -> Review:
    """Review a system and what serves of it.

    Args:
        site: None where there is no journal, so that nothing can serve.
    """
    serving: Serving | None = None
    missing: tuple[str, ...] = (WITHOUT_CHAMPION,)
    if site is not None and site.journal.champion(site.environment) is not None:
        try:
            serving, missing = _serving(site, system, now=now), ()
        except SluicewayError as error:  # the registry does not answer, or lacks what serves
            missing = (f"stale contracts, deprecations and edges without evidence: {error}",)
    findings = review(system, serving, today=ownership.today_of(system, now))
    return Review(findings=findings, not_looked_at=missing)


def _serving(site: Site, system: System, *, now: datetime) -> Serving:
    release = site.champion().release
    known = ownership.answers(site)
    contracts = {one.model: one for one in ownership.serving_contracts(site, system)}
    return Serving(
        members={model: release.members[model] for model in contracts},
        contracts=contracts,
        statuses=ownership.statuses(site, system, now=now),
        acknowledgements=known.acknowledgements,
        unseen_edges=_unseen_edges(site, system, release, now),
    )


def _unseen_edges(site: Site, system: System, release: Release, now: datetime) -> dict[str, str]:
    """Edges whose serving versions no recent replay has seen together; serving is no replay."""
    facts = facts_of(site, system, (), now=now)
    unseen: dict[str, str] = {}
    for edge in system.edges:
        ends = [
            release.members[name]
            for name in (edge.producer, edge.consumer)
            if name in release.members
        ]
        if edge.field is None or not ends:
            continue
        found = support(
            facts.newest_first,
            {member.model: facts.content(member) for member in ends},
            frozenset(member.model for member in ends),
            asked=ends[-1].model,
            kinds=_JUDGED,
            now=now,
            max_age=system.policies.evidence_max_age,
        )
        if found.code is not SupportCode.FRESH:
            unseen[edge.name] = _evidence_said(found, " with ".join(one.name for one in ends))
    return unseen


def _evidence_said(found: Support, names: str) -> str:
    if found.record is None:
        return f"no passed replay of {names} is known"
    how, on = found.record.kind.value.replace("_", " "), found.record.at.date()
    past = "failed" if found.code is SupportCode.FAILED else "is too long ago"
    return f"the {how} of {names} in {found.record.rollout_id} on {on} {past}"
