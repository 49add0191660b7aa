"""Auditing features: what training had, what is declared, and what was served."""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd

from sluiceway.blocks import BlockCalendar
from sluiceway.features import (
    AuditedFeature,
    FeatureAudit,
    Parity,
    Stamp,
    audit_features,
    parity_of,
    stamps_of,
)
from sluiceway.features.identity import DIGITS
from sluiceway.ports import Window
from sluiceway.releases import Release
from sluiceway.replay.faults import UnusableHistory
from sluiceway.replay.features import feature_values
from sluiceway.replay.partitions import Needs, Partition
from sluiceway.rollouts.actions import AuditFeatures
from sluiceway.rollouts.endings import Phase
from sluiceway.rollouts.events import FeaturesAudited
from sluiceway.routing import in_canary
from sluiceway.steps.promotion import end_if_changed
from sluiceway.steps.site import Site, World
from sluiceway.system.values import System

SAMPLE: Final = 100_000
"""Units whose values are compared, at the most."""

WINDOW: Final = timedelta(days=7)
"""How far back an audit by hand looks, unless it is told otherwise."""

Versions = frozenset[tuple[str, str]]


def audit_champion(
    site: Site, *, now: datetime, window: timedelta = WINDOW, sample: int = SAMPLE
) -> FeatureAudit:
    """Audit every feature of every serving model over the latest whole blocks.

    Raises:
        LookupError: Nothing serves yet.
        RegistryUnavailable: The registry did not answer.
    """
    system = site.systems.current()
    calendar = BlockCalendar(timezone=system.timezone, length=system.policies.canary.block)
    end = calendar.start(calendar.name(now))
    looked_at = Window(start=calendar.start(calendar.name(end - window)), end=end)
    release = site.champion().release
    return audit(
        site, system, release, system.models, looked_at, as_of=now, sample=sample, counted=True
    )


def audit_rollout(site: Site, rollout_id: str, *, now: datetime) -> None:
    """Audit the features of everything a candidate touches, over its canary so far.

    Raises:
        RegistryUnavailable: The registry did not answer; try again.
        JournalConflict: The rollout has moved on since; decide again.
    """
    state = site.state_for(rollout_id, AuditFeatures(), now=now)
    plan = state.plan
    assert plan is not None
    assert state.first_step_at is not None
    assert state.look is not None
    assert state.look.watermark is not None
    if end_if_changed(site, rollout_id, state, Phase.PROMOTION, now=now):
        return
    looked_at = Window(
        start=plan.calendar.next_start(state.first_step_at),
        end=plan.calendar.end(state.look.watermark),
    )
    found = audit(
        site,
        site.systems.kept(rollout_id),
        site.candidate_release(plan),
        plan.radius.models,
        looked_at,
        as_of=now,
    )
    audited = FeaturesAudited(outcome=found.outcome, audit=found)
    site.tell(rollout_id, audited, after=state.seq, now=now)


def audit(
    site: Site,
    system: System,
    release: Release,
    models: Iterable[str],
    window: Window,
    *,
    as_of: datetime,
    sample: int = SAMPLE,
    counted: bool = False,
) -> FeatureAudit:
    """Audit what these models of a release are served.

    Args:
        window: Whole blocks whose values are compared.
        sample: Units that are compared at the most, chosen by a hash of their ids.
        counted: Whether the rows of features with one loader for both are counted, so that a
            window without any is not passed. A canary has had its rows before it is audited.
    """
    definitions = site.systems.definitions(system)
    members = [release.members[name] for name in models]
    served = frozenset(v for m in members for v in m.features.items())
    compared, unreadable = _parities(site, system, served, window, as_of, sample)
    rows: dict[tuple[str, str], int] = {}
    if counted:
        rows, lost = _rows(site, system, served, window, as_of)
        unreadable |= lost
    features = []
    for member in members:
        registered = site.registry.version(member.model, member.version)
        trained = stamps_of(registered.features, registered.definitions)
        for name, stamp in stamps_of(member.features, member.definitions).items():
            current = system.features[name].current
            features.append(
                AuditedFeature(
                    model=member.model,
                    version=member.version,
                    feature=name,
                    trained=trained.get(name),
                    serves=stamp,
                    declared=Stamp(version=current, definition=definitions[name, current][:DIGITS]),
                    parity=compared.get((name, stamp.version)),
                    rows=rows.get((name, stamp.version)),
                )
            )
    return audit_features(
        system,
        tuple(features),
        definitions,
        unreadable=unreadable,
        start=window.start,
        end=window.end,
    )


def _parities(
    site: Site, system: System, versions: Versions, window: Window, as_of: datetime, sample: int
) -> tuple[dict[tuple[str, str], Parity], dict[str, str]]:
    """Served against recorded values, and why those of some features could not be had.

    Features are read by what they read of, so that one broken source hides no other.
    """
    found: dict[tuple[str, str], Parity] = {}
    unreadable: dict[str, str] = {}
    for wanted in _by_sources(system, versions, comparable=True):
        try:
            recorded = _values(site, system, wanted, window, "recorded", as_of)
            live = _values(site, system, wanted, window, "live", as_of)
        except UnusableHistory as error:
            unreadable |= {name: str(error) for name, _ in wanted}
            continue
        recorded = _sampled(recorded, sample)
        newest = live.index.get_level_values("event_time").max() if len(live) else None
        lag = window.end - (window.start if newest is None else newest.to_pydatetime())
        for name, version in sorted(wanted):
            found[name, version] = parity_of(
                name,
                version,
                recorded[name, version].droplevel("event_time"),
                live[name, version].droplevel("event_time"),
                lag=lag,
            )
    return found, unreadable


def _rows(
    site: Site, system: System, versions: Versions, window: Window, as_of: datetime
) -> tuple[dict[tuple[str, str], int], dict[str, str]]:
    """Rows of the record by feature, of those read by one loader; and why some could not be had."""
    record = site.systems.recorded(system)
    found: dict[tuple[str, str], int] = {}
    unreadable: dict[str, str] = {}
    for wanted in _by_sources(system, versions, comparable=False):
        try:
            parts = record.partitions(
                window, world="recorded", needs=Needs(features=wanted), as_of=as_of
            )
            found |= dict.fromkeys(wanted, sum(part.rows for part in parts))
        except UnusableHistory as error:
            unreadable |= {name: str(error) for name, _ in wanted}
    return found, unreadable


def _by_sources(system: System, versions: Versions, *, comparable: bool) -> Iterator[Versions]:
    """Features that read the same sources, of those whose values can, or cannot, be compared."""
    together: dict[tuple[str, ...], set[tuple[str, str]]] = {}
    for name, version in versions:
        sources = system.features[name].versions[version].sources
        if any(_may_differ(system, source) for source in sources) is comparable:
            together.setdefault(tuple(sorted(sources)), set()).add((name, version))
    for wanted in together.values():
        yield frozenset(wanted)


def _may_differ(system: System, source: str) -> bool:
    """Whether there is anything to compare: one loader gives one answer."""
    declared = system.sources[source]
    return declared.live_loader != declared.loader or declared.max_lag is not None


def _values(
    site: Site, system: System, versions: Versions, window: Window, world: World, as_of: datetime
) -> pd.DataFrame:
    """Values of features, one column each, one row a unit; indexed by unit and event time."""
    transformations = site.systems.transformations(system)
    record = site.systems.recorded(system)
    needs = Needs(features=versions)
    frames = [
        _frame(system, versions, part, transformations)
        for part in record.partitions(window, world=world, needs=needs, as_of=as_of)
    ]
    return pd.concat(frames) if frames else pd.DataFrame()


def _frame(
    system: System, versions: Versions, part: Partition, transformations: Mapping[str, Any]
) -> pd.DataFrame:
    values = {
        (name, version): feature_values(system.features[name], version, part, transformations)
        for name, version in sorted(versions)
    }
    times = pd.DatetimeIndex(part.event_time, tz="UTC")
    index = pd.MultiIndex.from_arrays(
        [np.asarray([str(unit) for unit in part.units], dtype=object), times],
        names=["unit", "event_time"],
    )
    return pd.DataFrame(values, index=index)


def _sampled(values: pd.DataFrame, most: int) -> pd.DataFrame:
    if len(values) <= most:
        return values
    units = [str(unit) for unit in values.index.get_level_values("unit")]
    return values[in_canary("audit", units, math.floor(100 * most / len(values)))]
