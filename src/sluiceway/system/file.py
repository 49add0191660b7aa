"""Reading a system file: parsed once, refused whole, every fault told with its path."""

import graphlib
import hashlib
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from sluiceway.contracts.file import contract_from
from sluiceway.contracts.refused import RefusedContract, what_is_sure
from sluiceway.contracts.values import Contract
from sluiceway.drift import DriftPolicy
from sluiceway.errors import BadInput, Fault
from sluiceway.gates import Comparison
from sluiceway.slices import SliceVariable
from sluiceway.statistics.metrics import at_operating_threshold, metric_named
from sluiceway.system.arriving import ArrivalPolicy
from sluiceway.system.check_contracts import contract_faults
from sluiceway.system.check_flags import read_flags
from sluiceway.system.check_ignores import read_ignores
from sluiceway.system.checks import contradictions
from sluiceway.system.inputs import Feature, FeatureVersion, Labels, Source
from sluiceway.system.notification_shapes import read_notifications
from sluiceway.system.parts import FileParts, edges_of, safe_default_of
from sluiceway.system.rights import ApprovalRule, RightsPolicy
from sluiceway.system.shapes import (
    ConsumerShape,
    DriftShape,
    FeatureShape,
    InputsShareShape,
    LoggingShape,
    ModelShape,
    OwnerShape,
    PoliciesShape,
    SliceShape,
    SourceShape,
)
from sluiceway.system.values import (
    CanaryPolicy,
    CanaryStep,
    Consumer,
    DriftWatch,
    Edge,
    LoggingPolicy,
    MetricTarget,
    Model,
    Owner,
    Policies,
    ShadowPolicy,
    System,
    WatchPolicy,
)
from sluiceway.yaml_file import AnyShape, left_to_do, parse_shape, read_yaml

_SECTIONS = ("owners", "sources", "features", "models", "consumers", "slices")
_TEXTS = ("system", "timezone", "unit")
_OPTIONAL = (
    *("description", "consumers", "features", "slices"),
    *("ignores", "flags", "logging", "notifications"),
)


def read_system(path: Path, *, today: date | None = None) -> System:
    """Read a system file and the contracts it names.

    Args:
        today: Where it is given, fields that are still promised after their deprecation's window
            are faults too; see :func:`~sluiceway.contracts.file.read_contract`.

    Raises:
        BadInput: With every fault of the file and of its contracts, each with its path.
    """
    content = read_yaml(path)
    files = _Files(path.parent)
    if undone := _undone(content, path, files):
        raise BadInput(undone)  # a draft is judged once it is filled in
    faults: list[Fault] = []
    parts = _parse(content, path, files, faults, today)
    faults.extend(contradictions(parts, where=path.name))
    faults.extend(contract_faults(parts, where=path.name))
    ignores = read_ignores(content.get("ignores"), parts, where=path.name, faults=faults)
    flags = read_flags(content.get("flags"), parts, where=path.name, faults=faults)
    notifications = read_notifications(
        content.get("notifications"), parts.named["owners"], where=path.name, faults=faults
    )
    if faults or parts.policies is None:
        raise BadInput(faults)
    system = _build(content, parts, parts.policies, digest=_digest(path, parts.models))
    return replace(system, ignores=ignores, flags=flags, notifications=notifications)


@dataclass(slots=True)
class _Files:
    """The contract files beside a system file; each is parsed once."""

    folder: Path
    _read: dict[str, dict[str, Any]] = field(default_factory=dict)

    def content(self, name: str) -> dict[str, Any]:
        """What stands in a file.

        Raises:
            BadInput: It cannot be read.
        """
        if name not in self._read:
            self._read[name] = read_yaml(self.folder / name)
        return self._read[name]


def _undone(content: Mapping[str, Any], path: Path, files: _Files) -> list[Fault]:
    """What is still to do in a system file and in the contracts it names."""
    found = left_to_do(content, where=f"{path.name}:")
    models = content.get("models")
    named = (
        [m.get("contract") for m in models.values() if isinstance(m, dict)]
        if isinstance(models, dict)
        else []
    )
    for name in named:
        if not isinstance(name, str) or not (path.parent / name).is_file():
            continue
        try:
            found += left_to_do(files.content(name), where=f"{name}:")
        except BadInput:
            continue  # told when the contract is read
    return found


def _parse(
    content: Mapping[str, Any],
    path: Path,
    files: _Files,
    faults: list[Fault],
    today: date | None,
) -> FileParts:
    name = path.name
    known = (*_TEXTS, *_SECTIONS, *_OPTIONAL, "policies")
    missing = [key for key in known if key not in content and key not in _OPTIONAL]
    unknown = [key for key in content if key not in known]
    no_text = [k for k in _TEXTS if k in content and not (content[k] and _is_text(content[k]))]
    for keys, what in (
        (missing, "is missing"),
        (unknown, "is not known here; remove it or correct its name"),
        (no_text, "is no text"),
    ):
        faults.extend(Fault(where=f"{name}: {key}", what=what) for key in keys)
    zone = content.get("timezone")
    if isinstance(zone, str) and zone not in zoneinfo.available_timezones():
        what = f"{zone} is no IANA timezone, like America/New_York or UTC"
        faults.append(Fault(where=f"{name}: timezone", what=what))

    def section(key: str, shape: type[AnyShape]) -> dict[str, AnyShape]:
        entries = content.get(key) or {}
        if not isinstance(entries, dict):
            faults.append(Fault(where=f"{name}: {key}", what="is no mapping of names to values"))
            return {}
        parsed = {
            str(entry): parse_shape(shape, body, where=f"{name}: {key}.{entry}", faults=faults)
            for entry, body in entries.items()
        }
        return {entry: body for entry, body in parsed.items() if body is not None}

    models = section("models", ModelShape)
    contracts, refused = _contracts(models, path, files, faults, today)
    return FileParts(
        named={key: tuple(map(str, _names(content.get(key)))) for key in _SECTIONS},
        owners=section("owners", OwnerShape),
        sources=section("sources", SourceShape),
        features=section("features", FeatureShape),
        models=models,
        consumers=section("consumers", ConsumerShape),
        slices=section("slices", SliceShape),
        contracts=contracts,
        refused=refused,
        policies=parse_shape(
            PoliciesShape, content["policies"], where=f"{name}: policies", faults=faults
        )
        if "policies" in content
        else None,
        # Nothing at all is the defaults; what cannot be parsed is told, and is not them.
        logging=parse_shape(
            LoggingShape, content.get("logging") or {}, where=f"{name}: logging", faults=faults
        ),
        unit=str(content.get("unit") or ""),
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _names(entries: object) -> tuple[Any, ...]:
    return tuple(entries) if isinstance(entries, dict) else ()


def _contracts(
    models: Mapping[str, ModelShape],
    path: Path,
    files: _Files,
    faults: list[Fault],
    today: date | None,
) -> tuple[dict[str, Contract], dict[str, RefusedContract]]:
    """The contracts that can be read, and what is sure of the others."""
    contracts: dict[str, Contract] = {}
    refused: dict[str, RefusedContract] = {}
    folder = path.parent.resolve()
    told: set[str] = set()
    for name, model in models.items():
        file = path.parent / model.contract
        if not file.resolve().is_relative_to(folder):
            what = f"{model.contract} lies outside the system file's folder"
            faults.append(Fault(where=f"{path.name}: models.{name}.contract", what=what))
            continue
        contract, wrong = _contract(files, model.contract, today)
        if model.contract not in told:  # several models may name one file
            faults.extend(wrong)
        told.add(model.contract)
        if contract is None:
            if (sure := _sure(files, name, model.contract, wrong)) is not None:
                refused[name] = sure
            continue
        if contract.model != name:
            what = f"is the contract of {contract.model}, not of {name}"
            faults.append(Fault(where=f"{path.name}: models.{name}.contract", what=what))
        contracts[name] = contract
    return contracts, refused


def _sure(files: _Files, model: str, name: str, wrong: Sequence[Fault]) -> RefusedContract | None:
    try:
        content = files.content(name)
    except BadInput:
        return None  # it cannot be read at all
    return what_is_sure(model, content, wrong, where=name)


def _contract(
    files: _Files, name: str, today: date | None
) -> tuple[Contract | None, tuple[Fault, ...]]:
    """A contract as far as it can be read, and what is wrong with it.

    One whose only fault is the day still says what it promises, so that those who read it are
    checked against it.
    """
    try:
        return contract_from(files.content(name), where=name, today=today), ()
    except BadInput as error:
        wrong = tuple(error.faults)
    if today is None:
        return None, wrong
    try:
        return contract_from(files.content(name), where=name), wrong
    except BadInput:
        return None, wrong


def _digest(path: Path, models: Mapping[str, ModelShape]) -> str:
    digest = hashlib.sha256(path.read_bytes())
    for name in sorted(models):
        digest.update((path.parent / models[name].contract).read_bytes())
    return digest.hexdigest()


def _build(
    content: Mapping[str, Any], parts: FileParts, policies: PoliciesShape, *, digest: str
) -> System:
    edges = edges_of(parts)
    order = graphlib.TopologicalSorter(
        {
            name: [edge.producer for edge in edges[name] if edge.field and edge.delayed is None]
            for name in parts.models
        }
    ).static_order()
    thresholds: dict[str, list[float]] = {}
    for edge in (edge for reads in edges.values() for edge in reads):
        if edge.operating_threshold is not None:
            thresholds.setdefault(edge.column, []).append(edge.operating_threshold)
    return System(
        name=content["system"],
        description=str(content.get("description", "")).strip(),
        timezone=content["timezone"],
        unit=content["unit"],
        owners={n: _owner(n, o) for n, o in parts.owners.items()},
        sources={n: _source(n, s) for n, s in parts.sources.items()},
        features={n: _feature(n, f) for n, f in parts.features.items()},
        models={
            n: _model(n, parts.models[n], edges[n], parts.contracts[n], thresholds) for n in order
        },
        consumers={
            n: Consumer(name=n, owner=c.owner, description=c.description, reads=edges[n])
            for n, c in parts.consumers.items()
        },
        slices={
            n: SliceVariable(name=n, reads=s.reads, edges=tuple(s.edges))
            for n, s in parts.slices.items()
        },
        policies=_policies(policies),
        logging=_logging(parts.logging or LoggingShape()),
        contract_files=tuple(sorted({model.contract for model in parts.models.values()})),
        digest=digest,
    )


def _owner(name: str, shape: OwnerShape) -> Owner:
    return Owner(
        name=name,
        contact=shape.contact,
        people=tuple(shape.people),
        roles=tuple(shape.roles),
        left=shape.left,
    )


def _source(name: str, shape: SourceShape) -> Source:
    return Source(
        name=name,
        owner=shape.owner,
        description=shape.description,
        loader=shape.loader,
        live_loader=shape.live_loader or shape.loader,
        event_time=shape.event_time,
        labels=Labels(
            known_at=shape.labels.known_at,
            maturity=shape.labels.maturity,
            depends_on_answer=shape.labels.depends_on_answer,
        )
        if shape.labels
        else None,
        max_lag=shape.max_lag,
    )


def _feature(name: str, shape: FeatureShape) -> Feature:
    definitions = {shape.version: shape, **shape.other_versions}
    return Feature(
        name=name,
        owner=shape.owner,
        description=shape.description,
        dtype=shape.dtype,
        unit=shape.unit,
        low=shape.range[0],
        high=shape.range[1],
        categories=tuple(shape.categories) if shape.categories else None,
        null_rate=shape.null_rate,
        current=shape.version,
        versions={
            version: FeatureVersion(
                version=version, reads=tuple(body.reads), transformation=body.transformation
            )
            for version, body in definitions.items()
        },
        safe_default=safe_default_of(shape),
    )


def _model(
    name: str,
    shape: ModelShape,
    inputs: tuple[Edge, ...],
    contract: Contract,
    thresholds: Mapping[str, Sequence[float]],
) -> Model:
    return Model(
        name=name,
        owner=shape.owner,
        description=shape.description,
        risk=shape.risk,
        inputs=inputs,
        contract=contract,
        metrics=tuple(
            MetricTarget(
                metric=metric_named(
                    at_operating_threshold(m.metric, thresholds.get(f"{name}.{m.field}", ()))
                ).name,
                field=m.field,
                label=m.label,
                margin=m.margin,
                unit=m.unit,
                role=m.role,
                because=m.because,
                comparison=Comparison(m.compare),
            )
            for m in shape.metrics
        ),
    )


def _policies(shape: PoliciesShape) -> Policies:
    return Policies(
        alpha=shape.alpha,
        min_blocks=shape.min_blocks,
        automatic_slices=shape.automatic_slices,
        shadow=ShadowPolicy(window=shape.shadow.window, extension=shape.shadow.extension),
        canary=CanaryPolicy(
            steps=tuple(CanaryStep(weight=s.weight, bake_time=s.bake) for s in shape.canary.steps),
            mirror=shape.canary.mirror,
            deadline=shape.canary.deadline,
            block=shape.canary.block,
            max_deadline=shape.canary.max_deadline,
            unpaired_without_pairs=shape.canary.without_pairs == "unpaired",
        ),
        watch=WatchPolicy(window=shape.watch.window),
        approvals=tuple(shape.approvals.always),
        independent_units=shape.independent_units,
        recurring_units=shape.recurring_units,
        budget_window=shape.budget_window,
        evidence_max_age=shape.evidence_max_age,
        feature_parity=shape.feature_parity,
        drift=None if shape.drift is None else _drift(shape.drift),
        rights=_rights(shape),
        arrivals=ArrivalPolicy(
            start=shape.registrations.start,
            window=shape.registrations.window,
            release_window=shape.registrations.release_window,
            by_hand=shape.registrations.by_hand,
        ),
    )


def _logging(shape: LoggingShape) -> LoggingPolicy:
    inputs = shape.inputs
    return LoggingPolicy(
        retention=shape.retention,
        inputs=inputs.share if isinstance(inputs, InputsShareShape) else 100 * (inputs == "all"),
        excluded=frozenset(shape.exclude),
        hashed=frozenset(shape.hashed),
    )


def _rights(shape: PoliciesShape) -> RightsPolicy:
    return RightsPolicy(
        rules=tuple(
            ApprovalRule(
                risk=rule.risk,
                among=rule.among,
                change=rule.change,
                ask=tuple(rule.ask),
                people=rule.people,
            )
            for rule in shape.approvals.rules
        ),
        own=shape.approvals.own == "allow",
        proof=shape.approvals.proof,
        expires=shape.approvals.expires,
        notice=shape.deprecation.notice,
        stale_after=shape.review.stale_after,
        expiring_within=shape.review.expiring_within,
    )


def _drift(shape: DriftShape) -> DriftWatch:
    policy = DriftPolicy(
        alpha=shape.alpha,
        floor=shape.floor,
        null_floor=shape.null_floor,
        psi_limit=shape.psi_limit,
    )
    return DriftWatch(policy=policy, replays=shape.replays, history=shape.history)
