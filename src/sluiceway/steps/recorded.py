"""Answers that need not be made again: what the prediction log kept of models nothing changed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sluiceway.errors import SluicewayError
from sluiceway.graph import upstream
from sluiceway.ports import Window
from sluiceway.releases import Release
from sluiceway.replay.partitions import Floats, Partition
from sluiceway.rollouts.plan import Plan
from sluiceway.steps.site import Site
from sluiceway.system.values import System


class NotRecorded(SluicewayError):
    """The log lacks units of a partition; their answers have to be made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswers:
    """Logged answers by unit.

    Attributes:
        values: One row a unit, one column for each ``model.field``.
    """

    values: pd.DataFrame

    @classmethod
    def none(cls) -> "RecordedAnswers":
        """Nothing is recorded; every model is asked."""
        return cls(values=pd.DataFrame())

    @classmethod
    def of(cls, site: Site, system: System, plan: Plan, window: Window) -> "RecordedAnswers":
        """What the log has of the fields that feed the blast radius from outside it.

        An answer counts only where the release that gave it has the same versions of the model
        and of everything upstream of it as the baseline.
        """
        fields = _feeding_fields(system, plan)
        if not fields:
            return cls.none()
        log = site.predictions.read(window)
        if log.empty or not {*fields, "release"} <= set(log.columns):
            return cls.none()
        baseline = site.journal.release(site.environment, plan.baseline)
        valid = _valid_releases(site, system, baseline, fields, set(log["release"]))
        rows = log[log["release"].isin(valid) & ~log["fallback"].astype(bool)]
        return cls(values=rows.drop_duplicates("unit").set_index("unit")[sorted(fields)])

    @property
    def fields(self) -> frozenset[str]:
        """The ``model.field`` names that are recorded."""
        return frozenset(self.values.columns)

    def of_units(self, part: Partition) -> dict[str, Floats]:
        """Recorded answers of a partition's units, NaN where a model answered with nothing.

        Raises:
            NotRecorded: A unit is not in the log. It is never given as NaN: a nullable field would
                then have a value in every arm that no model ever answered.
        """
        if not self.fields:
            return {}
        units = pd.Index([str(unit) for unit in part.units])
        places = self.values.index.get_indexer(units)
        if lacking := int(np.count_nonzero(places < 0)):
            raise NotRecorded(f"{lacking:,} of {part.rows:,} units are not in the prediction log")
        found = self.values.iloc[places]
        return {name: found[name].to_numpy(dtype=np.float64) for name in found.columns}


def _feeding_fields(system: System, plan: Plan) -> set[str]:
    inside = set(plan.radius.models)
    return {
        edge.column
        for name in inside
        for edge in system.models[name].inputs
        if edge.field is not None and edge.producer not in inside
    }


def _valid_releases(
    site: Site, system: System, baseline: Release, fields: set[str], seen: set[str]
) -> set[str]:
    needed = upstream(system, {field.partition(".")[0] for field in fields})
    valid = set()
    for content_hash in seen:
        try:
            release = site.release_by_hash(content_hash)
        except LookupError:
            continue
        if all(release.members.get(name) == baseline.members[name] for name in needed):
            valid.add(content_hash)
    return valid
