"""The difference of two contracts, and the edges it breaks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sluiceway.contracts.change_kinds import Bump, Change, ChangeKind, Side
from sluiceway.contracts.input_changes import input_changes
from sluiceway.contracts.operation_changes import operation_changes
from sluiceway.contracts.output_changes import (
    deprecation_changes,
    output_changes,
    renamed_fields,
)
from sluiceway.contracts.values import Contract
from sluiceway.system.values import Edge, Reliance

_K = ChangeKind


def diff(old: Contract, new: Contract) -> tuple[Change, ...]:
    """Everything that changed from one contract of a model to the next, besides its version.

    Raises:
        ValueError: They are contracts of different models.
    """
    if old.model != new.model:
        raise ValueError(f"a contract of {old.model} is no earlier contract of {new.model}")
    renamed = renamed_fields(old, new)
    fields = {field.name for field in new.output}
    names = [(field.name, renamed.get(field.name, field.name)) for field in old.output]
    kept = {name: now for name, now in names if now in fields}
    changes = (
        *output_changes(old, new),
        *deprecation_changes(old, new),
        *_reservation_changes(old, new),
        *operation_changes(old, new, kept),
        *input_changes(old, new),
    )
    if _reworded(old, new) or (not changes and old != replace(new, version=old.version)):
        changes += (Change(kind=_K.WORDING_CHANGED, model=new.model, field=None),)
    return changes


def required_bump(changes: Iterable[Change]) -> Bump | None:
    """The smallest honest rise of the version; None where nothing changed."""
    return max((change.bump for change in changes), key=lambda bump: bump.size, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenEdge:
    """An edge that a change breaks, with what it relied on."""

    edge: Edge
    change: Change
    relied_on: tuple[Reliance, ...]


def broken_edges(changes: Iterable[Change], edges: Iterable[Edge]) -> tuple[BrokenEdge, ...]:
    """The edges that changes break.

    An edge that reads the model breaks where the change touches what it relies on. An edge that
    feeds the model breaks wherever the demand on it tightens: the demand itself says what is
    relied on, whatever the edge declares.
    """
    declared = tuple(edges)
    return tuple(
        BrokenEdge(edge=edge, change=change, relied_on=relied_on)
        for change in changes
        for edge in declared
        if (relied_on := _broken(change, edge))
    )


def _broken(change: Change, edge: Edge) -> tuple[Reliance, ...]:
    if change.side is Side.INPUT:
        feeds = edge.consumer == change.model and edge.column == change.field
        return tuple(sorted(change.breaks)) if feeds else ()
    # A feature is an edge's producer too; it has no field.
    if edge.producer != change.model or edge.field is None:
        return ()
    if change.field not in (None, edge.field):
        return ()
    if change.kind is _K.FIELD_RENAMED:
        # Edges name the field they read, so each relies on the name, whatever else it declares.
        return tuple(sorted(change.breaks))
    return tuple(reliance for reliance in edge.relies_on if reliance in change.breaks)


def _reservation_changes(old: Contract, new: Contract) -> Iterable[Change]:
    before, after = set(old.reserved), set(new.reserved)
    for name in sorted(before ^ after):
        kind = _K.NAME_RESERVED if name in after else _K.NAME_RELEASED
        yield Change(kind=kind, model=new.model, field=name)


def _reworded(old: Contract, new: Contract) -> bool:
    """Whether something is said otherwise to people only."""
    if old.description != new.description:
        return True
    before, after = (
        {one.field: (one.since, one.use_instead, one.because) for one in contract.deprecations}
        for contract in (old, new)
    )
    return any(before[name] != after[name] for name in before.keys() & after.keys())
