"""How long it takes to plan a release of many models, from the contracts to the answer."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from sluiceway.contracts.values import Contract, InputDemand, OutputField
from sluiceway.gates import Role
from sluiceway.outcomes import Outcome
from sluiceway.quieting import strays_to_stderr
from sluiceway.releases import Member, Release
from sluiceway.releasing import (
    EvidenceKind,
    EvidenceRecord,
    Facts,
    Shelf,
    contents_of,
    propose,
    release_problem,
)
from sluiceway.system.values import (
    CanaryPolicy,
    CanaryStep,
    Edge,
    MetricTarget,
    Model,
    Owner,
    Policies,
    Reliance,
    Risk,
    ShadowPolicy,
    System,
    WatchPolicy,
)

VERSIONS = 5
SERVING = 3
WANTED = 3
"""Models whose newest version is wanted."""
READS = 3
"""Models that each model reads, of the thirty before it."""
CHANGING = 0.3
"""Share of models that answer in another unit from their fourth version on."""
FAILED = 20
"""Sets of three versions that failed together."""
DAY = timedelta(days=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def planning_s(models: int, quick: bool) -> float:
    """CPU seconds from contracts and evidence to the best release; the median of several systems.

    Each has producers that change their unit, and consumers that follow in their fourth or fifth
    version: the wanted versions pull many others along, and the newest of all always fit.
    """
    seconds = []
    for seed in range(1 if quick else 5):
        facts, shelf, wanted = _system(models, seed)
        with strays_to_stderr():  # one JSON object is all that a benchmark prints
            began = time.process_time()
            proposal = propose(release_problem(facts, shelf), wanted)
            seconds.append(time.process_time() - began)
        assert proposal.choice is not None
    return float(np.median(seconds))


def _system(models: int, seed: int) -> tuple[Facts, Shelf, dict[str, str]]:
    draw = np.random.default_rng(seed)
    names = [f"model_{place:04d}" for place in range(models)]
    changes = draw.random(models) < CHANGING
    reads = {
        place: sorted(
            {int(draw.integers(max(0, place - 30), place)) for _ in range(READS)} if place else ()
        )
        for place in range(models)
    }
    follows = {
        (place, read): int(draw.integers(SERVING + 1, VERSIONS + 1))
        for place, some in reads.items()
        for read in some
        if changes[read]
    }
    contracts: dict[str, Contract] = {}
    shelf: dict[str, list[Member]] = {}
    for place, name in enumerate(names):
        for version in range(1, VERSIONS + 1):
            demands = tuple(
                _demand(names[read], version >= follows.get((place, read), VERSIONS + 1))
                for read in reads[place]
            )
            contract = _contract(name, demands, bool(changes[place]) and version > SERVING)
            contracts[contract.content_hash] = contract
            shelf.setdefault(name, []).append(
                Member(
                    model=name,
                    version=str(version),
                    contract_hash=contract.content_hash,
                    artifact_sha256=f"{name}@{version}",
                    features={},
                )
            )
    live = Release(members={name: members[SERVING - 1] for name, members in shelf.items()})
    facts = Facts(
        system=_declared(names, reads),
        champion=live,
        contracts=contracts,
        records=tuple(_evidence(live, shelf, draw)),
        now=NOW,
    )
    first = [place for place in range(models) if changes[place]]
    wanted = draw.choice(first, min(WANTED, len(first)), replace=False)
    return facts, shelf, {names[place]: str(VERSIONS) for place in wanted.tolist()}


def _demand(producer: str, new: bool) -> InputDemand:
    unit = "new" if new else "old"
    return InputDemand(name=f"{producer}.value", unit=unit, low=0, high=1, nullable=False)


def _contract(model: str, demands: tuple[InputDemand, ...], new: bool) -> Contract:
    value = OutputField(
        name="value",
        position=0,
        dtype="double",
        unit="new" if new else "old",
        low=0,
        high=1,
        nullable=False,
        promise=None,
    )
    return Contract(
        model=model,
        version="2.0.0" if new else "1.0.0",
        output=(value,),
        # What does not change is demanded as it always was.
        inputs=demands,
        deadline=DAY,
        fallback={"value": 0.5},
    )


def _evidence(live: Release, shelf: Shelf, draw: np.random.Generator) -> list[EvidenceRecord]:
    found = [_record(live, EvidenceKind.SERVED, Outcome.PASSED, 1)]
    names = list(shelf)
    for position in range(2, 2 + FAILED):
        three = [names[n] for n in draw.choice(len(names), 3, replace=False).tolist()]
        mixed = live.with_members(shelf[name][SERVING] for name in three)
        failed = (frozenset(three),)
        found.append(_record(mixed, EvidenceKind.SHADOW_REPLAY, Outcome.FAILED, position, failed))
    return found


def _record(
    release: Release,
    kind: EvidenceKind,
    outcome: Outcome,
    position: int,
    failed: tuple[frozenset[str], ...] = (),
) -> EvidenceRecord:
    return EvidenceRecord(
        kind=kind,
        outcome=outcome,
        contents=contents_of(release),
        contracts={m: one.contract_hash for m, one in release.members.items()},
        failed=failed,
        rollout_id=f"r{position:04d}",
        position=position,
        at=NOW,
    )


def _declared(names: list[str], reads: dict[int, list[int]]) -> System:
    relies = (Reliance.COLUMNAR, Reliance.NUMERIC)
    target = MetricTarget(
        metric="mae",
        field="value",
        label="truth.value",
        margin=0.1,
        unit="",
        role=Role.REQUIRED,
        because="it is a benchmark",
    )
    return System(
        name="many",
        description="",
        timezone="UTC",
        unit="id",
        owners={"all": Owner(name="all", contact="all@many.example")},
        sources={},
        features={},
        models={
            name: Model(
                name=name,
                owner="all",
                description="",
                risk=Risk.LOW,
                inputs=tuple(
                    Edge(producer=names[read], field="value", consumer=name, relies_on=relies)
                    for read in reads[place]
                ),
                contract=_contract(name, (), new=False),
                metrics=(target,),
            )
            for place, name in enumerate(names)
        },
        consumers={},
        slices={},
        policies=Policies(
            alpha=0.05,
            min_blocks=10,
            automatic_slices=0,
            shadow=ShadowPolicy(window=20 * DAY, extension=DAY),
            canary=CanaryPolicy(
                steps=(CanaryStep(weight=10, bake_time=DAY),),
                mirror=100,
                deadline=20 * DAY,
                block=DAY,
            ),
            watch=WatchPolicy(window=DAY),
            approvals=(),
        ),
        contract_files=(),
        digest="0" * 64,
    )


def plan_200_s(quick: bool) -> float:
    """200 models with 5 versions each."""
    return planning_s(200, quick)


def plan_1000_s(quick: bool) -> float:
    """1,000 models with 5 versions each."""
    return planning_s(1000, quick)


KEYS: dict[str, Callable[[bool], float | None]] = {
    "plan_200_s": plan_200_s,
    "plan_1000_s": plan_1000_s,
}
