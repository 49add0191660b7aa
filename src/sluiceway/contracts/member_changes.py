"""What changed from one version of a model to the next that two contracts alone do not show."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sluiceway.contracts.change_kinds import Change
from sluiceway.contracts.change_names import ChangeKind
from sluiceway.contracts.changes import diff
from sluiceway.contracts.promises import Finding, PromiseCode, sentence
from sluiceway.contracts.values import Contract, OutputField
from sluiceway.outcomes import Outcome
from sluiceway.system.values import Edge, Reliance

_K = ChangeKind

UNKNOWN = "nobody knows which"
"""Stands for a version that was not written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFacts:
    """What is known of one version of a model, besides what it says of itself.

    Attributes:
        features: Version of each feature it reads, where it serves or is to serve.
        definitions: First digits of the hash of each of these features' definitions, where known.
        made_for: Version of each feature it was trained with, where that was written down.
        upstream: Version of each model that feeds it, where it serves or is to serve.
        trained_on: Version of each model whose answers it was trained on, where that was written
            down.
        owner: Name of who answers for it.
    """

    contract: Contract
    artifact_sha256: str
    features: Mapping[str, str] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)
    made_for: Mapping[str, str] = field(default_factory=dict)
    upstream: Mapping[str, str] = field(default_factory=dict)
    trained_on: Mapping[str, str] = field(default_factory=dict)
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """Who reads a model, and how one knows.

    Attributes:
        edges: The declared ones; those of other models do no harm.
        observed: Who else was seen to read, by output field.
        looked_at: In words, where one looked for readers.
    """

    edges: tuple[Edge, ...]
    observed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    looked_at: str = "the system file"


def member_changes(
    old: MemberFacts,
    new: MemberFacts,
    *,
    readers: Readers,
    findings: Iterable[Finding] | None = None,
) -> tuple[Change, ...]:
    """Everything that changed from one version to the next, in its contract and beside it.

    Args:
        findings: What the new version's answers to recorded rows broke; None where there are no
            answers, so that nothing is known of them.

    Returns:
        The changes of :func:`~sluiceway.contracts.changes.diff`, those of a removed field replaced
        by what its readers make of them, and the kinds that only two versions show.

    Raises:
        ValueError: They are versions of different models.
    """
    changes = tuple(_removal(change, readers) for change in diff(old.contract, new.contract))
    return (
        *changes,
        *_artifact_changes(old, new, readers, None if findings is None else tuple(findings)),
        *_feature_changes(old, new),
        *_upstream_changes(old, new, readers),
        *_owner_changes(old, new),
    )


def _removal(change: Change, readers: Readers) -> Change:
    if change.kind is not _K.FIELD_REMOVED:
        return change
    declared = [
        edge.consumer
        for edge in readers.edges
        if (edge.producer, edge.field) == (change.model, change.field)
    ]
    reading = dict.fromkeys([*declared, *readers.observed.get(str(change.field), ())])
    return Change(
        kind=_K.REMOVED_IN_USE if reading else _K.REMOVED_UNUSED,
        model=change.model,
        field=change.field,
        before=", ".join(reading) or f"nobody reads it, says {readers.looked_at}",
    )


def _artifact_changes(
    old: MemberFacts, new: MemberFacts, readers: Readers, findings: tuple[Finding, ...] | None
) -> Iterator[Change]:
    """Another model under the contract: within its promises, outside of them, or nobody can say."""
    if old.artifact_sha256 == new.artifact_sha256:
        return
    model, found = new.contract.model, []
    for promised in new.contract.output:
        shifted = _shift(promised, findings or ())
        unknown = _why_unknown(promised, findings, model, readers)
        kind = _K.DISTRIBUTION_SHIFTED if shifted else _K.RETRAINED_UNPROMISED
        if said := shifted or unknown:
            found.append(Change(kind=kind, model=model, field=promised.name, after=said))
    yield from found
    if not found:
        yield Change(kind=_K.RETRAINED, model=model, field=None)


def _shift(promised: OutputField, findings: Iterable[Finding]) -> str:
    return "; ".join(
        sentence(finding).partition(": ")[2]
        for finding in findings
        if finding.field == promised.name
        and finding.reliance is Reliance.BEHAVIOURAL
        and finding.outcome is Outcome.FAILED
        and finding.code is not PromiseCode.NOT_REPEATED  # the rows are not distributed otherwise
    )


def _why_unknown(
    promised: OutputField, findings: tuple[Finding, ...] | None, model: str, readers: Readers
) -> str:
    """Why nobody can say how its answers behave; empty where one can, or where nobody cares."""
    relied_on = any(
        (edge.producer, edge.field) == (model, promised.name)
        and Reliance.BEHAVIOURAL in edge.relies_on
        for edge in readers.edges
    )
    if not relied_on:
        return ""
    if promised.promise is None:
        return "nothing promises how its answers behave"
    undecided = any(
        finding.field in (None, promised.name)
        and finding.reliance is Reliance.BEHAVIOURAL
        and finding.outcome is not Outcome.FAILED
        for finding in findings or ()
    )
    if findings is None or undecided:
        return "its answers could not be held against its promise"
    return ""


def _feature_changes(old: MemberFacts, new: MemberFacts) -> Iterator[Change]:
    for name in sorted(old.features.keys() & new.features.keys()):
        was, becomes = _definition(old, name), _definition(new, name)
        if was == becomes:
            continue
        retrained = old.artifact_sha256 != new.artifact_sha256
        adopted = retrained and new.made_for.get(name) == new.features[name]
        before = was if adopted or not retrained else new.made_for.get(name, UNKNOWN)
        yield Change(
            kind=_K.FEATURE_ADOPTED if adopted else _K.FEATURE_CHANGED,
            model=new.contract.model,
            field=name,
            before=before,
            after=becomes,
        )


def _definition(facts: MemberFacts, name: str) -> str:
    digits = facts.definitions.get(name)
    return facts.features[name] + (f" ({digits})" if digits else "")


def _upstream_changes(old: MemberFacts, new: MemberFacts, readers: Readers) -> Iterator[Change]:
    model = new.contract.model
    for edge in readers.edges:
        becomes = new.upstream.get(edge.producer)
        if edge.consumer != model or edge.field is None or becomes is None:
            continue
        trained_on = new.trained_on.get(edge.producer, UNKNOWN)
        if old.upstream.get(edge.producer) in (None, becomes) or trained_on == becomes:
            continue
        yield Change(
            kind=_K.UPSTREAM_CHANGED,
            model=model,
            field=edge.column,
            before=trained_on,
            after=becomes,
        )


def _owner_changes(old: MemberFacts, new: MemberFacts) -> Iterator[Change]:
    if old.owner != new.owner:
        yield Change(
            kind=_K.OWNER_CHANGED,
            model=new.contract.model,
            field=None,
            before=old.owner,
            after=new.owner,
        )
