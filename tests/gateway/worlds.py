"""The shop on disk with a gateway's residents in this process: real stores, files and workers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sluiceway.adapters.flag_file import FlagFileRouter
from sluiceway.gateway.backends.worker import WorkerLimits
from sluiceway.gateway.engine import Engine
from sluiceway.gateway.residents import Residents, residents_of
from sluiceway.releases import Member, Release, parse_member_name
from sluiceway.rollouts.events import ChampionRestored, Planned, Promoted, Requested, draft
from sluiceway.rollouts.plan import Plan, make_plan
from sluiceway.routing import CanaryRoute, RoutingTable, WatchRoute
from sluiceway.serving.served import Served
from sluiceway.serving.values import Question
from sluiceway.steps import requests
from sluiceway.steps.members import member_of
from sluiceway.steps.site import Site
from tests.end_to_end.shop import LIVE, NOW, Shop
from tests.gateway.diner import Notes

LONG = 120.0
"""Seconds in which anything that is going to happen has happened, on any machine."""
QUICK = WorkerLimits(patience_seconds=0.2, first_pause=0.01, memory_poll_seconds=0.05)


@dataclass
class World:
    """One environment whose journal and table are moved by hand."""

    shop: Shop
    site: Site
    router: FlagFileRouter
    revision: int = 0

    @property
    def champion(self) -> Release:
        return self.site.champion().release

    def plan(self, rollout_id: str, *names: str, **changed: Any) -> Plan:
        """Plan a rollout of these versions; `changed` is what its members are said to be."""
        site = self.site
        system = site.systems.current()
        members = tuple(
            replace(member_of(site, system, *parse_member_name(name)), **changed) for name in names
        )
        champion = site.champion()
        plan = make_plan(
            system,
            rollout_id=rollout_id,
            environment=site.environment,
            members=members,
            champion=champion.release,
            generation=champion.generation,
            now=NOW,
        )
        asked = Requested(members=names, reserves=(), system_digest=system.digest)
        site.tell(rollout_id, asked, Planned(plan=plan), after=0, now=NOW)
        return plan

    def table(self, **changed: Any) -> RoutingTable:
        """The table by which the champion alone answers, but for what is changed."""
        champion = self.site.champion()
        self.revision += 1
        return replace(
            RoutingTable(
                revision=self.revision,
                generation=champion.generation,
                release=champion.release.content_hash,
            ),
            **changed,
        )

    def apply(self, **changed: Any) -> RoutingTable:
        table = self.table(**changed)
        self.router.apply(table)
        return table

    def canary(self, plan: Plan, weight: int = 50) -> RoutingTable:
        route = CanaryRoute(
            rollout_id=plan.rollout_id, release=plan.release, weight=weight, mirror=100
        )
        return self.apply(canaries=(route,))

    def promote(self, plan: Plan, *, watch: bool = True) -> RoutingTable:
        before = self.site.champion()
        release = before.release.with_members(plan.members)
        told = Promoted(release=release.content_hash, previous_release=before.release.content_hash)
        self._move(plan.rollout_id, release, told)
        route = WatchRoute(
            rollout_id=plan.rollout_id, release=before.release.content_hash, mirror=100
        )
        return self.apply(watches=(route,) if watch else ())

    def roll_back(self, plan: Plan) -> RoutingTable:
        release = self.site.journal.release(self.site.environment, plan.baseline)
        self._move(plan.rollout_id, release, ChampionRestored(release=release.content_hash))
        return self.apply()

    def _move(self, rollout_id: str, release: Release, told: Any) -> None:
        site = self.site
        site.journal.move_champion(
            site.environment,
            release,
            rollout_id,
            [draft(told, at=NOW)],
            after=len(site.journal.events(site.environment, rollout_id)),
            revision=site.champion().revision,
        )

    def member(self, name: str) -> Member:
        return member_of(self.site, self.site.systems.current(), *parse_member_name(name))


@dataclass
class Gateway:
    """An engine and the residents that feed it."""

    residents: Residents
    engine: Engine
    published: list[Served] = field(default_factory=list)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(LONG):
            while not true():
                await asyncio.sleep(0.005)

    async def follows(self, table: RoutingTable) -> Served:
        """What it answers by, once it has followed this table in full."""
        await self.until(lambda: self.residents.state.revision >= table.revision)
        served = self.engine.served
        assert served is not None
        assert served.table == table
        return served

    async def settles(self) -> None:
        """Nothing is on its way, and what is not needed is gone."""
        await self.until(lambda: not self.residents.state.loading)

    def places(self) -> dict[str, str]:
        """Where each version is; those in several places are named with all of them."""
        found: dict[str, list[str]] = {}
        for one in self.residents.state.versions:
            found.setdefault(f"{one.model}@{one.version}", []).append(one.place.value)
        return {name: "+".join(sorted(places)) for name, places in found.items()}


def adopted(shop: Shop, site: Site) -> World:
    """The world in which version 1 of everything serves."""
    requests.adopt(site, LIVE, now=NOW, actor="ada")
    world = World(shop=shop, site=site, router=FlagFileRouter(shop.settings.routing_file))
    world.apply()
    return world


@asynccontextmanager
async def gateway(
    world: World, *, site: Site | None = None, instance: str = "one", **how: Any
) -> AsyncIterator[Gateway]:
    notes = Notes()
    engine = Engine(notes, notes)
    published: list[Served] = []

    def publish(served: Served) -> None:
        published.append(served)
        engine.serve(served)

    residents = residents_of(
        site or world.site,
        world.shop.settings,
        publish=publish,
        drained=engine.drained,
        instance=instance,
        **{"limits": QUICK, "poll_seconds": 0.01, **how},
    )
    async with residents:
        yield Gateway(residents=residents, engine=engine, published=published)


def question(number: int, units: Sequence[str], model: str = "priority") -> Question:
    """Orders that anybody can compute the answers to."""
    rows = len(units)
    return Question(
        model=model,
        columns={
            "amount": np.linspace(1.0, 900.0, rows),
            "hour": np.full(rows, 9.0),
            "signal": np.linspace(-3.0, 3.0, rows),
            "distance": np.linspace(10.0, 1000.0, rows),
        },
        units=tuple(units),
        request_id=f"q{number}",
        received=NOW,
    )


def answers_of(world: World, release: Release, asked: Question) -> np.ndarray:
    """What a release answers to a question, computed straight from the registry's models."""
    given: dict[str, np.ndarray] = dict(asked.columns)
    for model, field_name, column in (
        ("fraud", "fraud.probability", 1),
        ("handling", "handling.days", None),
        ("cost", "cost.euros", None),
        ("priority", "priority.score", None),
    ):
        member = release.members[model]
        loaded = world.site.registry.load(
            model, member.version, artifact_sha256=member.artifact_sha256
        )
        answer = loaded.predict(given)
        given[field_name] = answer if column is None else answer[:, column]
    return given["priority.score"]
