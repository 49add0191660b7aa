"""The system as a value, made of the checked parts of its file."""

import graphlib
from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.contracts.values import Contract
from sluiceway.drift import DriftPolicy
from sluiceway.gates import Comparison
from sluiceway.slices import SliceVariable
from sluiceway.statistics.metrics import at_operating_threshold, metric_named
from sluiceway.system.arriving import ArrivalPolicy
from sluiceway.system.inputs import Feature, FeatureVersion, Labels, Source
from sluiceway.system.parts import FileParts, edges_of, safe_default_of
from sluiceway.system.rights import ApprovalRule, RightsPolicy
from sluiceway.system.shapes import (
    DriftShape,
    FeatureShape,
    InputsShareShape,
    LoggingShape,
    ModelShape,
    OwnerShape,
    PoliciesShape,
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


def built(
    content: Mapping[str, Any], parts: FileParts, policies: PoliciesShape, *, digest: str
) -> System:
    """The system that a file without faults declares, but for its ignores, flags and notices.

    Args:
        content: The file's own, by section.
        parts: Its sections, checked.
        digest: Of the file and its contracts.
    """
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
