"""Everything that can happen to a rollout, as values; the journal keeps them in order.

A rollout *is* its events: whatever is not written here did not happen.
"""

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from sluiceway.canonical import as_json
from sluiceway.journal import Draft, Event
from sluiceway.rollouts.events.canary import (
    AbortRequested,
    CanaryNarrowed,
    CandidateHalted,
    DriftFound,
    FeaturesAudited,
    Held,
    Looked,
    Resumed,
    StepEntered,
    TrafficStopped,
)
from sluiceway.rollouts.events.controls import (
    EdgesIsolated,
    EdgesRestored,
    FlagsDeclared,
    FlagSet,
    FlagUnset,
)
from sluiceway.rollouts.events.moving import (
    Adopted,
    ChampionRestored,
    Confirmed,
    Diagnosed,
    Ended,
    IncidentOpened,
    PartReplayed,
    PartServed,
    Promoted,
    RollbackDecided,
    WayBackPlanned,
)
from sluiceway.rollouts.events.outside import (
    AliasesMoved,
    ApproverEnrolled,
    ApproverRemoved,
    CodeTried,
    Notified,
    RegistrationHeard,
    RoutingMoved,
    VersionDeleted,
)
from sluiceway.rollouts.events.owners import (
    Acknowledged,
    DeprecationAnnounced,
    ReplacementTested,
)
from sluiceway.rollouts.events.preparing import (
    ApprovalRefused,
    ApprovalRequested,
    Approved,
    CanaryPlanned,
    ContractCheck,
    ContractsChecked,
    DeadlineLengthened,
    Planned,
    Requested,
    ShadowMeasured,
    Waited,
)
from sluiceway.rollouts.events.testing import ContractTested, ReaderTested

__all__ = [
    "AbortRequested",
    "Acknowledged",
    "Adopted",
    "AliasesMoved",
    "ApprovalRefused",
    "ApprovalRequested",
    "Approved",
    "ApproverEnrolled",
    "ApproverRemoved",
    "CanaryNarrowed",
    "CanaryPlanned",
    "CandidateHalted",
    "ChampionRestored",
    "CodeTried",
    "Confirmed",
    "ContractCheck",
    "ContractTested",
    "ContractsChecked",
    "DeadlineLengthened",
    "DeprecationAnnounced",
    "Diagnosed",
    "DriftFound",
    "EdgesIsolated",
    "EdgesRestored",
    "Ended",
    "FeaturesAudited",
    "FlagSet",
    "FlagUnset",
    "FlagsDeclared",
    "Happening",
    "Held",
    "IncidentOpened",
    "Looked",
    "Notified",
    "PartReplayed",
    "PartServed",
    "Planned",
    "Promoted",
    "ReaderTested",
    "RegistrationHeard",
    "ReplacementTested",
    "Requested",
    "Resumed",
    "RollbackDecided",
    "RoutingMoved",
    "ShadowMeasured",
    "StepEntered",
    "TrafficStopped",
    "VersionDeleted",
    "Waited",
    "WayBackPlanned",
    "draft",
    "happening",
]

Happening = (
    Requested
    | Waited
    | Planned
    | ContractsChecked
    | ShadowMeasured
    | CanaryPlanned
    | DeadlineLengthened
    | ApprovalRequested
    | Approved
    | ApprovalRefused
    | StepEntered
    | TrafficStopped
    | Looked
    | DriftFound
    | FeaturesAudited
    | Held
    | Resumed
    | AbortRequested
    | Promoted
    | RollbackDecided
    | ChampionRestored
    | Diagnosed
    | WayBackPlanned
    | PartServed
    | IncidentOpened
    | Confirmed
    | Ended
    | Adopted
    | DeprecationAnnounced
    | Acknowledged
    | ReplacementTested
    | PartReplayed
    | CandidateHalted
    | CanaryNarrowed
    | EdgesIsolated
    | EdgesRestored
    | FlagsDeclared
    | FlagSet
    | FlagUnset
    | ContractTested
    | CodeTried
    | ApproverEnrolled
    | ApproverRemoved
    | Notified
    | RegistrationHeard
    | AliasesMoved
    | RoutingMoved
    | VersionDeleted
)

_KINDS: dict[str, type[Any]] = {
    "".join(f"_{c.lower()}" if c.isupper() else c for c in kind.__name__)[1:]: kind
    for kind in Happening.__args__
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_ADAPTERS: dict[str, TypeAdapter[Any]] = {n: TypeAdapter(kind) for n, kind in _KINDS.items()}


def draft(happening: Happening, *, at: datetime, actor: str = "sluiceway") -> Draft:
    """Write a happening as an event that is not yet in the journal."""
    kind = _NAMES[type(happening)]
    return Draft(at=at, actor=actor, kind=kind, payload=as_json(_ADAPTERS[kind], happening))


def happening(event: Event) -> Happening:
    """Read what happened from a journalled event.

    Raises:
        KeyError: The event is of a kind that this version of Sluiceway does not know.
        pydantic.ValidationError: Its payload is not of its kind.
    """
    read: Happening = _ADAPTERS[event.kind].validate_python(event.payload)
    return read
