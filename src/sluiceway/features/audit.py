"""The audit: what each serving model was trained with, what is declared, and what was served."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sluiceway.features.identity import Definitions, Stamp, changed_definitions
from sluiceway.features.parity import Parity
from sluiceway.outcomes import Outcome, worst
from sluiceway.system.values import System


class FindingCode(StrEnum):
    """What training and serving do not agree on."""

    NOT_STAMPED = "not_stamped"
    TRAINED_ON_OTHER_VERSION = "trained_on_other_version"
    DEFINITION_CHANGED = "definition_changed"
    VALUES_DIFFER = "values_differ"
    NULL_RATE = "null_rate"
    LATE = "late"
    NOTHING_SAMPLED = "nothing_sampled"
    UNREADABLE = "unreadable"


_OUTCOMES = {
    FindingCode.NOT_STAMPED: Outcome.INCONCLUSIVE,
    FindingCode.NOTHING_SAMPLED: Outcome.INCONCLUSIVE,
    FindingCode.UNREADABLE: Outcome.ERROR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureFinding:
    """One disagreement between what a model was trained with and what it gets.

    Attributes:
        models: The serving versions it concerns, ``model@version``.
        feature: Name of the feature, or of the source that could not be read.
        before: What training, declaration or record says.
        after: What is served.
        observed: The number that broke a limit, in `unit`; None where no number says it.
        limit: That limit, in `unit`.
        units: Sampled units it rests on; None where it rests on none.
    """

    code: FindingCode
    models: tuple[str, ...]
    feature: str
    before: str = ""
    after: str = ""
    observed: float | None = None
    limit: float | None = None
    unit: str = ""
    units: int | None = None

    @property
    def outcome(self) -> Outcome:
        """FAILED for a mismatch; INCONCLUSIVE or ERROR where none could be looked for."""
        return _OUTCOMES.get(self.code, Outcome.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedFeature:
    """One feature as one serving model version has it.

    Attributes:
        trained: Stamp of training; None where none was written down.
        serves: What the champion release gives it.
        declared: The current definition.
        parity: Served values against recorded ones; None where both are read by one loader, so
            that there is nothing to compare, or where nothing could be read.
        rows: Rows that the record has in the window, where `parity` is None for one loader; None
            where nobody counted them.
    """

    model: str
    version: str
    feature: str
    trained: Stamp | None
    serves: Stamp
    declared: Stamp
    parity: Parity | None
    rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureAudit:
    """What was looked at, and what was found.

    Attributes:
        start: Beginning of the window whose values were compared (UTC).
        end: Its end (UTC), exclusive.
    """

    start: datetime
    end: datetime
    features: tuple[AuditedFeature, ...]
    findings: tuple[FeatureFinding, ...]

    @property
    def with_known_definition(self) -> tuple[str, ...]:
        """Features whose definition in training is known to some model, sorted."""
        return _names(
            one.feature
            for one in self.features
            if one.trained is not None and one.trained.definition is not None
        )

    @property
    def compared_by_value(self) -> tuple[str, ...]:
        """Features of which served values were held against recorded ones, sorted."""
        return _names(one.feature for one in self.features if one.parity and one.parity.units)

    @property
    def not_compared_by_value(self) -> tuple[str, ...]:
        """Features of which no value was compared: one loader, no rows, or none to be had."""
        compared = self.compared_by_value
        return _names(one.feature for one in self.features if one.feature not in compared)

    @property
    def outcome(self) -> Outcome:
        """What all findings come to; an audit of nothing is INCONCLUSIVE."""
        return outcome_of(self.findings) if self.features else Outcome.INCONCLUSIVE


def _names(features: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(features)))


def outcome_of(findings: tuple[FeatureFinding, ...]) -> Outcome:
    """What all findings of one finished audit come to; none at all is PASSED."""
    return worst(finding.outcome for finding in findings) if findings else Outcome.PASSED


def audit_features(
    system: System,
    features: tuple[AuditedFeature, ...],
    definitions: Definitions,
    *,
    unreadable: Mapping[str, str],
    start: datetime,
    end: datetime,
) -> FeatureAudit:
    """Judge what was seen.

    Args:
        unreadable: Why the values of a feature could not be had, by its name.
    """
    return FeatureAudit(
        start=start,
        end=end,
        features=features,
        findings=(
            *_identities(features, definitions),
            *_served(system, features),
            *(
                FeatureFinding(
                    code=FindingCode.UNREADABLE,
                    models=_models(features, name),
                    feature=name,
                    after=why,
                )
                for name, why in sorted(unreadable.items())
            ),
        ),
    )


def _identities(
    features: tuple[AuditedFeature, ...], definitions: Definitions
) -> Iterator[FeatureFinding]:
    silent: dict[str, list[str]] = {}
    for one in features:
        name = f"{one.model}@{one.version}"
        if one.trained is None or one.trained.definition is None:
            silent.setdefault(name, []).append(one.feature)
        if one.trained is not None and one.trained.version != one.serves.version:
            yield FeatureFinding(
                code=FindingCode.TRAINED_ON_OTHER_VERSION,
                models=(name,),
                feature=one.feature,
                before=one.trained.version,
                after=one.serves.version,
            )
            continue
        known = [stamp for stamp in (one.trained, one.serves) if stamp is not None]
        changed = [c for s in known for c in changed_definitions({one.feature: s}, definitions)]
        if changed:
            yield FeatureFinding(
                code=FindingCode.DEFINITION_CHANGED,
                models=(name,),
                feature=one.feature,
                before=f"{changed[0].version}+{changed[0].before}",
                after="nothing" if changed[0].after is None else changed[0].after,
            )
    for name, lacking in silent.items():
        yield FeatureFinding(
            code=FindingCode.NOT_STAMPED, models=(name,), feature=", ".join(sorted(lacking))
        )


def _served(system: System, features: tuple[AuditedFeature, ...]) -> Iterator[FeatureFinding]:
    seen: set[tuple[str, str]] = set()
    for one in features:
        parity = one.parity
        if (one.feature, one.serves.version) in seen:
            continue
        seen.add((one.feature, one.serves.version))
        if parity is None:
            if one.rows == 0:  # one loader for both, and it gave nothing
                models = _models(features, one.feature)
                yield _nothing_sampled(one.feature, one.serves.version, models)
            continue
        yield from _of_parity(system, parity, _models(features, one.feature))


def _of_parity(system: System, parity: Parity, models: tuple[str, ...]) -> Iterator[FeatureFinding]:
    feature = system.features[parity.feature]

    def found(
        code: FindingCode, observed: float | None, limit: float | None, unit: str
    ) -> FeatureFinding:
        return FeatureFinding(
            code=code,
            models=models,
            feature=parity.feature,
            before=parity.version,
            after="" if not parity.largest else f"{parity.largest:.3g} {feature.unit or ''}",
            observed=observed,
            limit=limit,
            unit=unit,
            units=parity.units,
        )

    if not parity.units:
        yield _nothing_sampled(parity.feature, parity.version, models)
        return
    tolerated = system.policies.feature_parity
    if not parity.unequal <= tolerated:
        yield found(FindingCode.VALUES_DIFFER, parity.unequal, tolerated, "share of units")
    if parity.served and not parity.live_null_rate <= feature.null_rate:
        limit = feature.null_rate
        yield found(FindingCode.NULL_RATE, parity.live_null_rate, limit, "share of values")
    lags = [system.sources[s].max_lag for s in feature.versions[parity.version].sources]
    limits = [lag for lag in lags if lag is not None]
    if limits and parity.lag > min(limits):
        observed, limit = _hours(parity.lag), _hours(min(limits))
        yield found(FindingCode.LATE, observed, limit, "hours")


def _nothing_sampled(feature: str, version: str, models: tuple[str, ...]) -> FeatureFinding:
    return FeatureFinding(
        code=FindingCode.NOTHING_SAMPLED,
        models=models,
        feature=feature,
        before=version,
        observed=0.0,
        limit=1.0,
        unit="units",
        units=0,
    )


def _models(features: tuple[AuditedFeature, ...], feature: str) -> tuple[str, ...]:
    return tuple(f"{one.model}@{one.version}" for one in features if one.feature == feature)


def _hours(span: timedelta) -> float:
    return math.floor(span.total_seconds()) / 3600
