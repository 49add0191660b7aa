"""The recorded year as the models see it, computed by system.yaml's own feature definitions."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from sluiceway.system.file import read_system
from sluiceway.system.inputs import FeatureVersion, Source

SYSTEM_FILE: Final = Path(__file__).with_name("system.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One row a scheduled flight, in the order of their decisions.

    Attributes:
        inputs: The features by their names in system.yaml, and nothing else.
        outcomes: ``dep_delay``, ``air_time``, ``arr_delay`` (minutes) and ``late45``; null where
            the flight did not arrive.
        day: The day of the decision in the system's timezone, as ``2013-07-01``.
    """

    inputs: pd.DataFrame
    outcomes: pd.DataFrame
    day: "pd.Series[str]"

    @classmethod
    def read(
        cls,
        folder: Path,
        *,
        feature_versions: Mapping[str, str] = MappingProxyType({}),
        live: bool = False,
    ) -> "Recorded":
        """Compute the features as system.yaml defines them, so training cannot differ from serving.

        Args:
            folder: Where `examples.flights.history.prepare` put the tables.
            feature_versions: Features to take in another version than the current one.
            live: Read each source as it arrived live.
        """
        system = read_system(SYSTEM_FILE)
        tables = {
            name: pd.read_parquet(_location(source, folder, live=live))
            for name, source in system.sources.items()
        }
        inputs = {
            name: _column(feature.versions[feature_versions.get(name, feature.current)], tables)
            for name, feature in system.features.items()
        }
        schedule = tables["schedule"]
        landings = tables["landings"].drop(columns="decision_time").set_index("flight_id")
        there = schedule["decision_time"].dt.tz_convert(system.timezone)
        return cls(
            inputs=pd.DataFrame(inputs),
            outcomes=landings.reindex(schedule["flight_id"]).reset_index(drop=True),
            day=there.dt.strftime("%Y-%m-%d"),
        )

    def arrived_in(self, first_day: str, day_after: str) -> "Recorded":
        """The flights of [first_day, day_after) that arrived."""
        kept = (self.day >= first_day) & (self.day < day_after) & self.outcomes["late45"].notna()
        return Recorded(
            inputs=self.inputs[kept].reset_index(drop=True),
            outcomes=self.outcomes[kept].reset_index(drop=True),
            day=self.day[kept].reset_index(drop=True),
        )


def model_inputs() -> dict[str, list[str]]:
    """The columns each model takes, by model, in system.yaml's order."""
    models = read_system(SYSTEM_FILE).models
    return {name: [edge.column for edge in model.inputs] for name, model in models.items()}


def _location(source: Source, folder: Path, *, live: bool) -> Path:
    loader = source.live_loader if live else source.loader
    return Path(loader.removeprefix("parquet:").format(data=folder))


def _column(version: FeatureVersion, tables: Mapping[str, pd.DataFrame]) -> npt.NDArray[np.float64]:
    read = pd.DataFrame(
        {name: tables[name.split(".")[0]][name.split(".")[1]] for name in version.reads}
    )
    if version.transformation is None:
        return read.iloc[:, 0].to_numpy(dtype=float)
    module, function = version.transformation.split(":")
    computed: npt.NDArray[np.float64] = getattr(import_module(module), function)(read)
    return computed
