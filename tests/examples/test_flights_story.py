"""The four episodes, told by bare arithmetic on a tenth of the flights: no Sluiceway involved.

Independent of the gates on purpose: what the product concludes is held against this.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from examples.flights import history
from examples.flights.recorded import SYSTEM_FILE, Recorded
from examples.flights.training import FEED_2, RELEASES, Fitted, answer_chain, train
from sluiceway.system.file import read_system

SHADOW = ("2013-07-01", "2013-09-01")
AFTER_JOINT_RELEASE = ("2013-09-16", "2013-09-30")
LOSSES = {
    "dep_delay.mae": lambda a, y: (a["dep_delay.minutes"] - y["dep_delay"]).abs(),
    "arr_delay.mae": lambda a, y: (a["arr_delay.minutes"] - y["arr_delay"]).abs(),
    "missed_connection.brier": lambda a, y: (a["missed_connection.probability"] - y["late45"]) ** 2,
}
MARGINS = {"dep_delay.mae": 0.2, "arr_delay.mae": 0.2, "missed_connection.brier": 0.001}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    trained: dict[str, Fitted]
    feed_1: Recorded
    feed_2: Recorded
    feed_2_live: Recorded

    def chain(self, *releases: str) -> list[Fitted]:
        """The live chain with the members of these releases put in, one after the other."""
        models = {self.trained[name].model: self.trained[name] for name in RELEASES["live"]}
        for release in releases:
            for name in RELEASES[release]:
                models[self.trained[name].model] = self.trained[name]
        return list(models.values())

    def answers(
        self, chain: list[Fitted], days: tuple[str, str], *, live: bool = False
    ) -> tuple[pd.DataFrame, Recorded]:
        """What a chain answers; dep_delay reads the feed that it was fitted on."""
        feed_2 = self.feed_2_live if live else self.feed_2
        asked = self.feed_1.arrived_in(*days)
        read = (feed_2 if chain[0].feature_versions else self.feed_1).arrived_in(*days)
        seen = asked.inputs.assign(**{"dep_delay.minutes": chain[0].answers(read.inputs)})
        return answer_chain(chain[1:], seen), asked


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("flights")
    history.prepare(folder, share=0.1)
    return Story(
        trained=train(folder),
        feed_1=Recorded.read(folder),
        feed_2=Recorded.read(folder, feature_versions=FEED_2),
        feed_2_live=Recorded.read(folder, feature_versions=FEED_2, live=True),
    )


def harm(
    loss: str, baseline: pd.DataFrame, candidate: pd.DataFrame, recorded: Recorded
) -> tuple[float, float]:
    """One-sided 95 % bounds of the mean harm, by the delete-a-day jackknife."""
    worse = LOSSES[loss](candidate, recorded.outcomes) - LOSSES[loss](baseline, recorded.outcomes)
    by_day = worse.groupby(recorded.day).agg(["sum", "count"])
    without = (by_day["sum"].sum() - by_day["sum"]) / (by_day["count"].sum() - by_day["count"])
    days = len(by_day)
    error = np.sqrt((days - 1) / days * ((without - without.mean()) ** 2).sum())
    reach = stats.t.ppf(0.95, days - 1) * error
    return worse.mean() - reach, worse.mean() + reach


def spread(answers: npt.NDArray[np.float64]) -> float:
    low, high = np.quantile(answers, [0.25, 0.75])
    return float(high - low)


def test_hours_break_the_promise_that_every_honest_version_keeps(story: Story) -> None:
    promise = read_system(SYSTEM_FILE).models["dep_delay"].contract.field("minutes").promise
    recorded = story.feed_1.arrived_in(*SHADOW)

    def kept(name: str) -> bool:
        answers = story.trained[name].answers(recorded.inputs)
        moved = [
            abs(np.quantile(answers, at) - reference)
            for at, reference in promise.quantiles.reference.items()
        ]
        ratio = spread(answers) / promise.scale.reference
        in_scale = promise.scale.low <= ratio <= promise.scale.high
        return in_scale and max(moved) <= promise.quantiles.tolerance

    assert kept("dep_delay_smoke_test")
    assert kept("dep_delay_trained")
    assert kept("dep_delay_feed_2")
    assert not kept("dep_delay_in_hours")


def test_the_better_upstream_model_alone_harms_the_chain_that_corrected_the_old_one(
    story: Story,
) -> None:
    live, recorded = story.answers(story.chain(), SHADOW)
    alone, _ = story.answers(story.chain("correction_cascade"), SHADOW)
    _, own_upper = harm("dep_delay.mae", live, alone, recorded)
    lower, _ = harm("arr_delay.mae", live, alone, recorded)
    assert own_upper < -2
    assert lower > MARGINS["arr_delay.mae"]


@pytest.mark.parametrize("loss", LOSSES)
def test_with_its_consumers_retrained_on_it_no_gate_is_harmed(story: Story, loss: str) -> None:
    live, recorded = story.answers(story.chain(), SHADOW)
    together, _ = story.answers(story.chain("joint_release"), SHADOW)
    _, upper = harm(loss, live, together, recorded)
    assert upper < MARGINS[loss]


@pytest.mark.parametrize("loss", LOSSES)
def test_feed_2_is_harmless_in_the_backfill_and_harmful_live(story: Story, loss: str) -> None:
    champion, candidate = (
        story.chain("joint_release"),
        story.chain("joint_release", "live_regression"),
    )
    baseline, recorded = story.answers(champion, SHADOW)
    replayed, _ = story.answers(candidate, SHADOW)
    _, upper = harm(loss, baseline, replayed, recorded)
    assert upper < MARGINS[loss]

    baseline, recorded = story.answers(champion, AFTER_JOINT_RELEASE, live=True)
    met, _ = story.answers(candidate, AFTER_JOINT_RELEASE, live=True)
    lower, _ = harm(loss, baseline, met, recorded)
    assert lower > 10 * MARGINS[loss]


def test_only_the_version_on_feed_2_reads_other_features(story: Story) -> None:
    others = {name for name, one in story.trained.items() if one.feature_versions}
    assert others == {"dep_delay_feed_2"}
    assert story.trained["dep_delay_feed_2"].feature_versions == FEED_2
