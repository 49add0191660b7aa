"""The orders system with people in it."""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from sluiceway.contracts.values import Deprecation
from sluiceway.outcomes import Outcome
from sluiceway.releases import Member
from sluiceway.system.file import read_system
from sluiceway.system.rights import RightsPolicy
from sluiceway.system.values import Owner, System

ORDERS = Path(__file__).parents[1] / "orders" / "system.yaml"
GONE = Deprecation(
    field="probability",
    since=date(2026, 1, 1),
    remove_after=date(2026, 3, 1),
    use_instead="chance",
    because="it was never calibrated",
)


@dataclass(frozen=True)
class Case:
    """What one case of a contract test came to."""

    asked: str
    edge: str | None
    outcome: Outcome


def orders(
    *, approvals: tuple[str, ...] = (), owners: tuple[Owner, ...] = (), **rights: object
) -> System:
    """The orders system with these rights, and these owners in the place of its own."""
    system = read_system(ORDERS)
    policies = replace(
        system.policies,
        approvals=approvals,
        rights=RightsPolicy(**rights),  # type: ignore[arg-type]
    )
    return replace(
        system,
        policies=policies,
        owners={**system.owners, **{owner.name: owner for owner in owners}},
    )


def member(model: str, version: str = "2") -> Member:
    return Member(
        model=model,
        version=version,
        contract_hash="c" * 64,
        artifact_sha256="a" * 64,
        features={},
        contract_version="1.0.0",
    )
