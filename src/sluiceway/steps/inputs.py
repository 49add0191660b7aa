"""Profiles of the features that a rollout's models read: made, kept as evidence, found again."""

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from sluiceway.canonical import JsonValue, canonical_text, sha256_of
from sluiceway.drift import WindowProfile, as_json, from_json, profile_window
from sluiceway.ports import Window
from sluiceway.replay.faults import UnusableHistory
from sluiceway.replay.features import Transformation, feature_values
from sluiceway.replay.partitions import Needs, Partition, needs_of_models
from sluiceway.rollouts.inputs import KeptProfile, ReferenceInputs
from sluiceway.rollouts.plan import Plan
from sluiceway.rollouts.state import RolloutState
from sluiceway.steps.site import Site, World
from sluiceway.system.values import System

_FOLDER = "profiles"


class InputMeter:
    """Profiles features, partition by partition.

    Attributes:
        needs: What it needs of the record: raw columns, whose faults are others' to tell.
        fault: Why there is no profile; None where there is, or nothing was added.
        profile: Of all that was added; None before.
    """

    def __init__(
        self,
        system: System,
        needs: Needs,
        transformations: dict[str, Transformation],
        block: str,
    ) -> None:
        self.needs = Needs(features=frozenset(), columns=frozenset(needs.reads(system)))
        self.fault: str | None = None
        self.profile: WindowProfile | None = None
        self._features = tuple(sorted(needs.features))
        self._system = system
        self._transformations = transformations
        self._block = block

    @classmethod
    def of(cls, site: Site, rollout_id: str, plan: Plan) -> "InputMeter | None":
        """A meter of all features that an affected model reads, in the baseline or the candidate.

        None where nobody looks for drift.
        """
        if plan.drift is None:
            return None
        system = site.systems.kept(rollout_id)
        baseline = site.journal.release(site.environment, plan.baseline)
        releases = (baseline, baseline.with_members(plan.members))
        affected = [release.members[model] for release in releases for model in plan.radius.models]
        needs = needs_of_models(system, affected)
        if not needs.features:
            return None
        block = plan.gates[0].block if plan.gates else "block"
        return cls(system, needs, site.systems.transformations(system), block)

    def clear(self) -> None:
        """Forget everything: the window is read anew."""
        self.fault, self.profile = None, None

    def add(self, part: Partition) -> None:
        """Profile one partition; each holds whole blocks that no other has."""
        if self.fault is not None:
            return
        try:
            columns = {
                self._named(feature, version): feature_values(
                    self._system.features[feature], version, part, self._transformations
                )
                for feature, version in self._features
            }
        except UnusableHistory as error:
            self.fault, self.profile = " ".join(str(error).split()), None
            return
        found = profile_window(
            columns,
            part.block_names,
            part.block_codes,
            event_time=part.event_time,
            block=self._block,
        )
        self.profile = found if self.profile is None else self.profile.merged(found)

    def _named(self, feature: str, version: str) -> str:
        current = self._system.features[feature].current
        return feature if version == current else f"{feature}@{version}"


def reference_inputs(
    site: Site,
    rollout_id: str,
    plan: Plan,
    window: Window,
    meter: InputMeter | None,
    *,
    now: datetime,
) -> ReferenceInputs | None:
    """Keep the profile of a shadow window, and that of the recorded time before it."""
    if meter is None or meter.profile is None or plan.drift is None:
        return None
    back = plan.shadow_window if plan.drift.history is None else plan.drift.history
    earlier = Window(start=window.start - back, end=window.start)
    history = None
    if back:
        calendar = plan.calendar
        start = calendar.next_start(earlier.start)
        earlier = Window(start=min(start, earlier.end), end=earlier.end)
        history = profiled(site, rollout_id, plan, earlier, "recorded", now=now)
    return ReferenceInputs(
        reference=keep_profile(site, rollout_id, meter.profile, window),
        history=None if history is None else keep_profile(site, rollout_id, history, earlier),
    )


def profiled(
    site: Site, rollout_id: str, plan: Plan, window: Window, world: World, *, now: datetime
) -> WindowProfile | None:
    """The profile of a window; None where its rows cannot be used."""
    meter = InputMeter.of(site, rollout_id, plan)
    if meter is None or window.start >= window.end:
        return None
    record = site.systems.recorded(site.systems.kept(rollout_id))
    try:
        for part in record.partitions(window, world=world, needs=meter.needs, as_of=now):
            meter.add(part)
    except UnusableHistory:
        return None  # such as a record that does not reach back so far
    return meter.profile


def keep_profile(
    site: Site, rollout_id: str, profile: WindowProfile, window: Window
) -> KeptProfile:
    """Write a profile under its digest; the same again changes nothing."""
    plain = as_json(profile)
    digest = sha256_of(plain)
    path = _path(site, rollout_id, digest)
    if _plain(site, rollout_id, digest) is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.with_name(f".{uuid4().hex}.tmp")
        written.write_text(canonical_text(plain), encoding="utf-8")
        written.replace(path)
    return KeptProfile(
        digest=digest,
        start=window.start,
        end=window.end,
        blocks=len(profile.blocks),
        rows=int(profile.rows.sum()),
    )


def kept_profile(
    site: Site, rollout_id: str, plan: Plan, kept: KeptProfile, world: World, *, now: datetime
) -> WindowProfile | None:
    """A profile that was kept; made again where its file is gone and the rows are what they were.

    None where neither is so: nothing is compared with another profile than the journal names.
    """
    plain = _plain(site, rollout_id, kept.digest)
    if plain is not None and (profile := _read(plain)) is not None:
        return profile
    window = Window(start=kept.start, end=kept.end)
    again = profiled(site, rollout_id, plan, window, world, now=now)
    if again is None or keep_profile(site, rollout_id, again, window).digest != kept.digest:
        return None
    return again


def shown_profile(site: Site, rollout_id: str, kept: Iterable[KeptProfile]) -> WindowProfile | None:
    """Kept profiles as one, for a picture; None where a file is gone."""
    whole: WindowProfile | None = None
    for one in kept:
        plain = _plain(site, rollout_id, one.digest)
        found = None if plain is None else _read(plain)
        if found is None:
            return None
        whole = found if whole is None else whole.merged(found)
    return whole


def _read(plain: JsonValue) -> WindowProfile | None:
    """The profile; None where another version of Sluiceway wrote it."""
    try:
        return from_json(plain)
    except ValueError:
        return None


def profiles_json(site: Site, rollout_id: str, state: RolloutState) -> str | None:
    """All kept profiles by their digests, for auditors; None where there is none."""
    shadows = [one.inputs for one in state.shadows if one.inputs is not None]
    kept = [*(one.reference for one in shadows), *(h for one in shadows if (h := one.history))]
    found = {
        one.digest: plain
        for one in (*kept, *state.inputs)
        if (plain := _plain(site, rollout_id, one.digest)) is not None
    }
    return canonical_text(found) if found else None


def _path(site: Site, rollout_id: str, digest: str) -> Path:
    return site.folder(rollout_id) / _FOLDER / f"{digest[:32]}.json"


def _plain(site: Site, rollout_id: str, digest: str) -> JsonValue | None:
    """What a profile's file holds; None where it is not what the journal says."""
    try:
        plain = json.loads(_path(site, rollout_id, digest).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return plain if sha256_of(plain) == digest else None
