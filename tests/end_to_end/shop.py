"""The made-up shop with real models: a SQLite registry, a journal, a flag file, a Parquet log.

The live chain is a fraud model with its test settings left in (it says little more than the mean),
and consumers that learned to stretch what it says. Version 2 of fraud is properly trained; version
2 of cost was fitted to it.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, LogisticRegression

from sluiceway.ports import Window
from sluiceway.rollouts.state import RolloutState
from sluiceway.settings import Settings
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site
from sluiceway.wiring import opened
from tests.adapters.mlflow_worlds import log_estimator, new_store, sqlite_store
from tests.orders.data import day, table

SYSTEM = Path(__file__).parents[1] / "orders" / "system.yaml"
NOW = day(40)
"""When the shop's rollouts begin."""
LIVE = ("fraud@1", "handling@1", "cost@1", "priority@1")
CASCADE = ("fraud@2",)
JOINT = ("fraud@2", "cost@2")
LONGEST = 30
"""Days after which a rollout of the shop must have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """One environment on disk."""

    home: Path
    system: Path = SYSTEM

    @classmethod
    def opened(cls, registry: Path, home: Path, system: Path = SYSTEM) -> "Shop":
        """A new home with a copy of the registry; the models' files stay where they are."""
        home.mkdir(parents=True)
        shutil.copyfile(registry / "mlflow.db", home / "mlflow.db")
        return cls(home=home, system=system)

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "SLUICEWAY_SYSTEM": str(self.system),
            "SLUICEWAY_HOME": str(self.home),
            "SLUICEWAY_DATA": str(self.home),
            "SLUICEWAY_ENVIRONMENT": "production",
            "SLUICEWAY_ACTOR": "ada",
            "SLUICEWAY_PROGRESS": "false",
        }

    @property
    def settings(self) -> Settings:
        return Settings(
            system=self.system,
            home=self.home,
            data=self.home,
            environment="production",
            progress=False,
        )

    @contextmanager
    def site(self) -> Iterator[Site]:
        with opened(self.settings) as site:
            yield site

    def state(self, rollout_id: str) -> RolloutState:
        with self.site() as site:
            return site.state(rollout_id)

    def kinds(self, rollout_id: str) -> list[str]:
        """What happened, by name and in order."""
        with self.site() as site:
            return [e.kind for e in site.journal.events(site.environment, rollout_id)]

    def champion(self) -> tuple[int, dict[str, str]]:
        with self.site() as site:
            champion = site.champion()
        return champion.generation, dict(champion.release.versions)

    def answers(self, start: datetime, days: int = 1) -> datetime:
        """Let live orders come in and be answered, each day by the table then in force."""
        end = start + timedelta(days=days)
        with self.site() as site:
            BatchServer(site).answer(Window(start=start, end=end), now=end)
        return end


def registered_models(folder: Path, uri: str | None = None) -> None:
    """Fit and register every version that the shop's tests roll out.

    Args:
        folder: Where the models' files are.
        uri: The empty database of the store; None for a SQLite file in the folder.
    """
    rows = table(Window(start=day(-60), end=day(0)))
    given = rows[["amount", "signal"]]
    # So strong a penalty leaves a fifth of the spread: nobody changed the smoke test's settings.
    smoke = LogisticRegression(C=2e-4).fit(given, rows["fraud"])
    trained = LogisticRegression(C=1.0, max_iter=1000).fit(given, rows["fraud"])
    fed = {
        name: pd.DataFrame(
            {"amount": rows["amount"], "fraud.probability": model.predict_proba(given)[:, 1]}
        )
        for name, model in (("smoke", smoke), ("trained", trained))
    }
    stretching = LinearRegression().fit(fed["smoke"], rows["euros"])
    refitted = LinearRegression().fit(fed["trained"], rows["euros"])
    distances = fed["smoke"].assign(distance=rows["distance"])[["distance", "fraud.probability"]]
    handling = LinearRegression().fit(distances, rows["days"])
    chained = pd.DataFrame(
        {
            "handling.days": handling.predict(distances),
            "cost.euros": stretching.predict(fed["smoke"]),
        }
    )
    priority = LinearRegression().fit(chained, rows["score"])
    uri = sqlite_store(folder) if uri is None else new_store(uri, folder)
    _log(uri, "fraud", [smoke, trained], given, predict="predict_proba")
    _log(uri, "cost", [stretching, refitted], fed["smoke"])
    _log(uri, "handling", [handling], distances)
    _log(uri, "priority", [priority], chained)


def _log(
    uri: str,
    model: str,
    fitted: Sequence[object],
    columns: pd.DataFrame,
    *,
    predict: str = "predict",
) -> None:
    for number, estimator in enumerate(fitted, start=1):
        version = log_estimator(
            uri, model, estimator, columns=columns.astype(np.float64), predict=predict
        )
        assert version == str(number)
