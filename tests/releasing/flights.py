"""The flights system with versions that were never trained: what is known of them, by hand."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sluiceway.contracts.values import Contract
from sluiceway.outcomes import Outcome
from sluiceway.releases import Member, Release
from sluiceway.releasing import EvidenceKind, EvidenceRecord, Facts, contents_of
from sluiceway.system.file import read_system
from sluiceway.system.values import System

SYSTEM = read_system(Path(__file__).parents[2] / "examples" / "flights" / "system.yaml")
NOW = datetime(2013, 9, 1, tzinfo=UTC)
OWN = {name: model.contract for name, model in SYSTEM.models.items()}


def hours(contract: Contract) -> Contract:
    """dep_delay's contract, its minutes given in hours."""
    field = replace(contract.field("minutes"), unit="hours", low=-2.0, high=25.0, promise=None)
    return replace(contract, version="2.0.0", output=(field,))


def demanding(contract: Contract, column: str, **what: object) -> Contract:
    """The contract with something more said about one input."""
    inputs = tuple(replace(one, **what) if one.name == column else one for one in contract.inputs)  # type: ignore[arg-type]
    return replace(contract, version="2.0.0", inputs=inputs)


HOURS = hours(OWN["dep_delay"])
TAKES_HOURS = demanding(OWN["arr_delay"], "dep_delay.minutes", unit="hours", low=-2.0, high=25.0)
TAKES_MINUTES = demanding(OWN["arr_delay"], "dep_delay.minutes", unit="minutes")


def member(model: str, version: str, contract: Contract | None = None, **more: object) -> Member:
    kept = contract or OWN[model]
    return Member(
        model=model,
        version=version,
        contract_hash=kept.content_hash,
        artifact_sha256=f"{model}@{version}",
        features={},
        **more,  # type: ignore[arg-type]
    )


LIVE = Release(members={model: member(model, "1") for model in SYSTEM.models})


def record(
    release: Release,
    kind: EvidenceKind = EvidenceKind.SHADOW_REPLAY,
    outcome: Outcome = Outcome.PASSED,
    *,
    position: int = 10,
    age: timedelta = timedelta(days=1),
    failed: tuple[frozenset[str], ...] = (),
    asked: frozenset[str] | None = None,
) -> EvidenceRecord:
    return EvidenceRecord(
        kind=kind,
        outcome=outcome,
        contents=contents_of(release),
        contracts={m: one.contract_hash for m, one in release.members.items()},
        asked=asked,
        failed=failed,
        rollout_id=f"r{position:04d}",
        position=position,
        at=NOW - age,
    )


SERVES = record(LIVE, EvidenceKind.SERVED, position=1, age=timedelta(0))


def facts(
    *records: EvidenceRecord,
    contracts: Mapping[str, Contract] | None = None,
    champion: Release = LIVE,
    system: System = SYSTEM,
    now: datetime = NOW,
) -> Facts:
    known = (*OWN.values(), HOURS, TAKES_HOURS, TAKES_MINUTES, *(contracts or {}).values())
    return Facts(
        system=system,
        champion=champion,
        contracts={one.content_hash: one for one in known},
        records=(SERVES, *records),
        now=now,
    )
