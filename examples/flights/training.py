"""The versions of the flights models that the four episodes need, fitted and registered.

Upstream models learn from January to March. Downstream models learn from April to June on what the
upstream models answered there, so they learn to correct them; the classifier learns on cross-fitted
answers of arr_delay, since its answers to flights it was fitted on look better than they will be.
July and August are left for shadow replays; September on is live.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from examples.flights.recorded import Recorded, model_inputs

UPSTREAM_MONTHS: Final = ("2013-01-01", "2013-04-01")
"""First day and day after the last of what upstream models learn from."""
DOWNSTREAM_MONTHS: Final = ("2013-04-01", "2013-07-01")
"""First day and day after the last of what downstream models learn from."""
FOLDS: Final = 3
"""Parts, whole days each, into which the downstream months are cut for cross-fitting."""
THREADS: Final = 2
"""Fixed, because the order of floating-point sums depends on it."""
MINUTES_PER_HOUR: Final = 60.0

OPERATIONS_FEATURES: Final = (
    "origin_mean_delay",
    "origin_departures",
    "origin_waiting",
    "origin_mean_wait",
    "carrier_mean_delay",
)
FEED_2: Final = MappingProxyType(dict.fromkeys(OPERATIONS_FEATURES, "2.0.0"))
"""The feature versions of a model that reads operations feed 2."""

RELEASES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "live": (
            "dep_delay_smoke_test",
            "air_time",
            "arr_delay",
            "missed_connection",
        ),
        "unit_slip": ("dep_delay_in_hours",),
        "correction_cascade": ("dep_delay_trained",),
        "joint_release": ("dep_delay_trained", "arr_delay_joint", "missed_connection_joint"),
        "live_regression": ("dep_delay_feed_2",),
    }
)
"""What each release consists of, by the names of `train`. ``live`` is generation 1."""

Estimator = HistGradientBoostingRegressor | HistGradientBoostingClassifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """One fitted version of a model, ready to be registered.

    Attributes:
        name: What the releases call it.
        model: The registered model it is a version of.
        estimator: The scikit-learn estimator; it takes the frame that `model`'s inputs name.
        example: A few rows of its inputs, for the signature.
        feature_versions: The features it reads in another version than the current one.
        trained_on: By model, the name of the fitted version whose answers it was fitted on.
    """

    name: str
    model: str
    estimator: Estimator
    example: pd.DataFrame
    feature_versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    trained_on: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def answers(self, inputs: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Answer rows: shape (n,) for a regressor, (n, 2) probabilities for the classifier."""
        if isinstance(self.estimator, HistGradientBoostingClassifier):
            return self.estimator.predict_proba(inputs[list(self.example.columns)])
        return self.estimator.predict(inputs[list(self.example.columns)])


def train(folder: Path) -> dict[str, Fitted]:
    """Fit every version that `RELEASES` names, on two threads, the same each time.

    Args:
        folder: Where `examples.flights.history.prepare` put the tables.

    Returns:
        The fitted versions by name.
    """
    with threadpool_limits(limits=THREADS):
        return _train(Recorded.read(folder), Recorded.read(folder, feature_versions=FEED_2))


def answer_chain(chain: Sequence[Fitted], inputs: pd.DataFrame) -> pd.DataFrame:
    """Answer rows with one version of each model, upstream first.

    Returns:
        The inputs and ``model.minutes`` or ``missed_connection.probability`` of each model.
    """
    answered = inputs.copy()
    for one in chain:
        answers = one.answers(answered)
        if answers.ndim == 2:
            answered[f"{one.model}.probability"] = answers[:, 1]
        else:
            answered[f"{one.model}.minutes"] = answers
    return answered


def _train(feed_1: Recorded, feed_2: Recorded) -> dict[str, Fitted]:
    early, early_on_feed_2 = (feed.arrived_in(*UPSTREAM_MONTHS) for feed in (feed_1, feed_2))
    late = feed_1.arrived_in(*DOWNSTREAM_MONTHS)
    delay = early.outcomes["dep_delay"]
    trained = {"learning_rate": 0.08, "min_samples_leaf": 200, "max_leaf_nodes": 15}

    # The settings of a smoke test, left in: two short steps from the mean towards the answer.
    smoke_test = _fit(
        "dep_delay_smoke_test", _trees(max_iter=2, learning_rate=0.1), early.inputs, delay
    )
    better = _fit("dep_delay_trained", _trees(max_iter=60, **trained), early.inputs, delay)
    in_hours = _fit(
        "dep_delay_in_hours",
        _trees(max_iter=60, **trained),
        early.inputs,
        delay / MINUTES_PER_HOUR,
    )
    on_feed_2 = _fit(
        "dep_delay_feed_2",
        _trees(max_iter=80, **trained),
        early_on_feed_2.inputs,
        delay,
        feature_versions=FEED_2,
    )
    air_time = _fit(
        "air_time",
        _trees(max_iter=60, learning_rate=0.1),
        early.inputs,
        early.outcomes["air_time"],
    )
    versions = (
        smoke_test,
        air_time,
        *_fit_downstream(smoke_test, air_time, late, suffix=""),
        in_hours,
        better,
        *_fit_downstream(better, air_time, late, suffix="_joint"),
        on_feed_2,
    )
    return {one.name: one for one in versions}


def _fit_downstream(
    dep_delay: Fitted, air_time: Fitted, late: Recorded, *, suffix: str
) -> tuple[Fitted, Fitted]:
    """Fit arr_delay and missed_connection on the answers of these upstream versions."""
    seen = answer_chain((dep_delay, air_time), late.inputs)
    target = late.outcomes["arr_delay"]
    settings = {"max_iter": 80, "learning_rate": 0.1}
    fed = {one.model: one.name for one in (dep_delay, air_time)}
    arr_delay = _fit(f"arr_delay{suffix}", _trees(**settings), seen, target, trained_on=fed)

    columns = list(arr_delay.example.columns)
    fold = pd.factorize(late.day)[0] % FOLDS
    unseen = np.full(len(seen), np.nan)
    for held_out in range(FOLDS):
        inside, outside = fold != held_out, fold == held_out
        part = _trees(**settings).fit(seen.loc[inside, columns], target[inside])
        unseen[outside] = part.predict(seen.loc[outside, columns])
    seen["arr_delay.minutes"] = unseen
    classifier = HistGradientBoostingClassifier(
        max_iter=40, learning_rate=0.1, early_stopping=False, random_state=0
    )
    late45 = late.outcomes["late45"].astype(int)
    # Cross-fitted answers are those of this version, to flights that it has not seen.
    fed = {arr_delay.model: arr_delay.name}
    return arr_delay, _fit(f"missed_connection{suffix}", classifier, seen, late45, trained_on=fed)


def _fit(
    name: str,
    estimator: Estimator,
    seen: pd.DataFrame,
    target: "pd.Series[float]",
    *,
    feature_versions: Mapping[str, str] = MappingProxyType({}),
    trained_on: Mapping[str, str] = MappingProxyType({}),
) -> Fitted:
    """Fit the model whose name the version's name begins with."""
    inputs = model_inputs()
    model = next(one for one in inputs if name.startswith(one))
    columns = inputs[model]
    estimator.fit(seen[columns], target)
    return Fitted(
        name=name,
        model=model,
        estimator=estimator,
        example=seen[columns].head(100),
        feature_versions=feature_versions,
        trained_on=trained_on,
    )


def _trees(**settings: Any) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(early_stopping=False, random_state=0, **settings)
