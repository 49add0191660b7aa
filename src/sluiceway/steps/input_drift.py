"""Holding what the champion's models are fed now against what was recorded before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sluiceway.blocks import BlockCalendar
from sluiceway.drift import (
    DriftPolicy,
    DriftReport,
    WindowProfile,
    drift_report,
    history_windows,
    profile_window,
)
from sluiceway.drift.multivariate import JointFinding, told_apart
from sluiceway.outcomes import Outcome, worst
from sluiceway.ports import Window
from sluiceway.replay.faults import UnusableHistory
from sluiceway.replay.features import feature_values
from sluiceway.replay.partitions import Column, Needs, Partition, needs_of_models
from sluiceway.steps.site import Site, World

LEARNED_FROM: Final = 2_000
"""Rows of a block that are learned from at the most, evenly spread over it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDrift:
    """What the windows say of each other.

    Attributes:
        reference: Recorded whole blocks.
        current: Live whole blocks, the latest there are.
        report: Each column by itself.
        joint: All of them together; None where that was not asked for.
        policy: What both were judged by.
    """

    reference: Window
    current: Window
    report: DriftReport
    joint: JointFinding | None
    policy: DriftPolicy

    @property
    def outcome(self) -> Outcome:
        """FAILED is drift; a column that cannot be compared does not hide it."""
        if self.report.drifted:
            return Outcome.FAILED
        joint = [] if self.joint is None else [self.joint.outcome]
        return worst([self.report.outcome, *joint])


def champion_drift(
    site: Site,
    *,
    now: datetime,
    window: timedelta,
    against: timedelta,
    history: timedelta,
    together: bool = False,
) -> InputDrift:
    """Compare every feature that serves in the latest live blocks with those recorded before.

    Args:
        window: How much of live traffic, ending with the last whole block.
        against: How much of the record before it.
        history: How much of the record before that thresholds may be learned from.
        together: Whether a classifier also looks at all columns at once.

    Raises:
        LookupError: Nothing serves yet.
        UnusableHistory: The rows of either window cannot be used.
    """
    system = site.systems.current()
    calendar = BlockCalendar(timezone=system.timezone, length=system.policies.canary.block)
    end = calendar.start(calendar.name(now))
    current = Window(start=calendar.start(calendar.name(end - window)), end=end)
    reference = _before(calendar, current, against)
    policy = system.policies.drift.policy if system.policies.drift else DriftPolicy()
    block = "day" if calendar.length == timedelta(days=1) else "block"
    feeds = _Feeds(site, block, now, together=together)
    before, live = feeds.read(reference, "recorded"), feeds.read(current, "live")
    windows: tuple[WindowProfile, ...] = ()
    if history:
        earlier = feeds.read_if_there(_before(calendar, reference, history))
        if earlier is not None:
            windows = history_windows(earlier, len(live.profile.blocks))
    return InputDrift(
        reference=reference,
        current=current,
        report=drift_report(before.profile, live.profile, windows, policy),
        joint=told_apart(*before.learned, *live.learned, policy) if together else None,
        policy=policy,
    )


def _before(calendar: BlockCalendar, window: Window, length: timedelta) -> Window:
    start = calendar.start(calendar.name(window.start - length))
    return Window(start=start, end=window.start)


@dataclass(frozen=True, slots=True)
class _Fed:
    """One window as models are fed with it.

    Attributes:
        profile: Of its features.
        learned: Values of some of its rows by feature, and each row's block; empty where nothing
            is learned from them.
    """

    profile: WindowProfile
    learned: tuple[Mapping[str, Column], NDArray[np.object_]]


class _Feeds:
    """Reads windows of the features that serve."""

    def __init__(self, site: Site, block: str, now: datetime, *, together: bool) -> None:
        self._site, self._block, self._now, self._together = site, block, now, together
        self._system = site.systems.current()
        members = site.champion().release.members.values()
        self._features = sorted(needs_of_models(self._system, members).features)
        reads = Needs(features=frozenset(self._features)).reads(self._system)
        self._needs = Needs(features=frozenset(), columns=frozenset(reads))
        self._transformations = site.systems.transformations(self._system)

    def read(self, window: Window, world: World) -> _Fed:
        """A window, which holds rows."""
        record = self._site.systems.recorded(self._system)
        whole: WindowProfile | None = None
        rows: list[tuple[dict[str, Column], NDArray[np.object_]]] = []
        for part in record.partitions(window, world=world, needs=self._needs, as_of=self._now):
            values = self._values(part)
            found = profile_window(
                values,
                part.block_names,
                part.block_codes,
                event_time=part.event_time,
                block=self._block,
            )
            whole = found if whole is None else whole.merged(found)
            if self._together:
                kept = _spread(part)
                rows.append(({name: one[kept] for name, one in values.items()}, part.blocks[kept]))
        assert whole is not None  # a window without rows was refused
        return _Fed(whole, _together(rows))

    def read_if_there(self, window: Window) -> WindowProfile | None:
        """The profile of a recorded window; None where the record does not reach back so far."""
        try:
            return self.read(window, "recorded").profile
        except UnusableHistory:
            return None

    def _values(self, part: Partition) -> dict[str, Column]:
        """Features, and the timestamps that they are made of: how late and how dense these are."""
        timestamps = {
            name: column
            for name, column in part.columns.items()
            if name in self._needs.columns and column.dtype.kind == "M"
        }
        return timestamps | {
            self._named(feature, version): feature_values(
                self._system.features[feature], version, part, self._transformations
            )
            for feature, version in self._features
        }

    def _named(self, feature: str, version: str) -> str:
        current = self._system.features[feature].current
        return feature if version == current else f"{feature}@{version}"


def _spread(part: Partition) -> NDArray[np.intp]:
    """Places of rows, no more than so many of each block, evenly spread over it."""
    places = [np.flatnonzero(part.block_codes == code) for code in range(len(part.block_names))]
    return np.concatenate([one[:: -(-len(one) // LEARNED_FROM) or 1] for one in places])


def _together(
    rows: Sequence[tuple[dict[str, Column], NDArray[np.object_]]],
) -> tuple[Mapping[str, Column], NDArray[np.object_]]:
    if not rows:
        return {}, np.empty(0, dtype=object)
    columns = {name: np.concatenate([some[name] for some, _ in rows]) for name in rows[0][0]}
    return columns, np.concatenate([blocks for _, blocks in rows])
