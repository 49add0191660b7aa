"""Gathering what a review looks at, and saying what it could not look at."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sluiceway.errors import SluicewayError
from sluiceway.outcomes import Outcome
from sluiceway.releases import Release
from sluiceway.rights.reviewing import ReviewFinding, Serving, review
from sluiceway.steps import ownership
from sluiceway.steps.site import Site
from sluiceway.system.values import System

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
        seen_edges=frozenset(_seen_edges(site, system, release)),
    )


def _seen_edges(site: Site, system: System, release: Release) -> Iterable[str]:
    """Edges whose serving versions stood together in a release whose replay passed."""
    for rollout_id in site.journal.rollouts(site.environment):
        state = site.state(rollout_id)
        if state.plan is None or not state.shadows:
            continue
        if state.shadows[-1].outcome is not Outcome.PASSED:
            continue
        replayed = site.candidate_release(state.plan).members
        for edge in system.edges:
            judged = edge.consumer if edge.consumer in system.models else edge.producer
            ends = [name for name in (edge.producer, edge.consumer) if name in system.models]
            same = all(replayed.get(name) == release.members.get(name) for name in ends)
            if edge.field is not None and judged in state.plan.radius.models and same:
                yield edge.name
