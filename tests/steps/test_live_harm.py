"""What history could not show: harm that only live traffic has is found, undone and explained."""

from pathlib import Path

import numpy as np
import pytest

from sluiceway.outcomes import Outcome
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import IncidentOpened, Looked
from sluiceway.steps.world import differing, wanted_projection
from tests.driver import LIVE, Wild, add, advance, live_days
from tests.orders.data import day

from .worlds import NOW, ended, kinds, quick_site, same_fraud, second_feed, to_canary, told


def test_a_feed_stuck_in_the_live_world_is_rolled_back_in_canary_and_named(
    tmp_path: Path,
) -> None:
    site = quick_site(tmp_path, *second_feed("stuck"))
    same_fraud(site, features={"signal": "3.0.0"})
    rollout = to_canary(site, "fraud@2")
    assert site.registry.aliases("fraud") == {"champion": "1", "canary": "2"}
    live_days(site, rollout, NOW, 20)
    end = ended(site, rollout)
    assert (end.ending, end.phase) == (Ending.ROLLED_BACK, Phase.CANARY), end.reason
    assert end.code is ReasonCode.HARM_IN_CANARY
    assert end.origin is not None
    assert (end.origin.kind, end.origin.name) == ("source", "scores"), end.origin
    assert [type(one) for one in told(site, rollout, IncidentOpened)] == [IncidentOpened]
    assert "promoted" not in kinds(site, rollout)
    assert site.champion().generation == 1
    table = site.router.observed()
    assert table is not None
    assert (table.canaries, table.watches, table.generation) == ((), (), 1)
    assert site.registry.aliases("fraud") == {"champion": "1"}
    assert site.registry.version("fraud", "2").tags["sluiceway.stage"] == "rolled_back"
    assert site.registry.version("fraud", "1").tags["sluiceway.stage"] == "champion"
    assert differing(site, wanted_projection(site)) == []


def test_harm_after_the_promotion_brings_the_champion_back(tmp_path: Path) -> None:
    site = quick_site(tmp_path, *second_feed("stuck_later"), ("{window: 1d}", "{window: 20d}"))
    same_fraud(site, features={"signal": "3.0.0"})
    rollout = to_canary(site, "fraud@2")
    live_days(site, rollout, NOW, 14)
    assert site.champion().generation == 2, site.state(rollout).look
    assert site.registry.aliases("fraud") == {"champion": "2", "previous": "1"}
    live_days(site, rollout, day(54), 20)
    end = ended(site, rollout)
    assert (end.ending, end.phase) == (Ending.ROLLED_BACK, Phase.WATCH), end.reason
    assert end.code is ReasonCode.HARM_AFTER_PROMOTION
    assert site.champion().generation == 1
    assert site.champion().release.versions["fraud"] == "1"
    assert site.registry.aliases("fraud") == {"champion": "1"}
    assert site.registry.version("fraud", "2").tags["sluiceway.stage"] == "rolled_back"
    assert kinds(site, rollout).count("incident_opened") == 1
    assert kinds(site, rollout).count("champion_restored") == 1


def only_on_history(columns: dict[str, np.ndarray]) -> np.ndarray:
    """A whole recorded window at once is answered well; a live day is not."""
    if len(columns["amount"]) < 500:
        raise RuntimeError("no connection to the embedding store")
    return LIVE["fraud"].predict(columns)


@pytest.mark.parametrize("watched", [False, True], ids=["canary", "watch"])
def test_a_candidate_that_never_answers_live_is_not_saved_by_fitting_defaults(
    tmp_path: Path, watched: bool
) -> None:
    """Consumers receive safe defaults, the champion serves on, and the candidate goes."""
    site = quick_site(tmp_path, ("{window: 1d}", "{window: 5d}"))
    predictor = Wild(LIVE["fraud"].inputs, LIVE["fraud"].predict)
    add(site, "fraud", "2", predictor)
    rollout = to_canary(site, "fraud@2")
    first = NOW
    if watched:
        live_days(site, rollout, NOW, 14)
        first = day(54)
        assert site.champion().generation == 2, site.state(rollout)
    object.__setattr__(predictor, "answer", only_on_history)
    live_days(site, rollout, first, 6)
    end = ended(site, rollout)
    phase = Phase.WATCH if watched else Phase.CANARY
    assert (end.ending, end.phase) == (Ending.ROLLED_BACK, phase)
    assert "gave no usable answer to" in end.reason
    assert "safe defaults took its place" in end.reason
    last = told(site, rollout, Looked)[-1]
    assert isinstance(last, Looked)
    assert last.outcome is Outcome.FAILED
    assert site.champion().generation == 1


def test_a_candidate_whose_files_vanish_in_canary_does_not_take_the_champion_with_it(
    tmp_path: Path,
) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    site.registry.change_files("fraud", "2", None)  # type: ignore[attr-defined]
    live_days(site, rollout, NOW, 6)
    end = ended(site, rollout)
    assert end.ending in (Ending.ROLLED_BACK, Ending.REJECTED), end
    assert site.champion().generation == 1
    advance(site, rollout, day(60))
    assert site.state(rollout).unconfirmed is False


def touchy(columns: dict[str, np.ndarray]) -> np.ndarray:
    """The live fraud model, but for signals that history hardly has."""
    answer = np.array(LIVE["fraud"].predict(columns))
    answer[columns["signal"] <= -2.9] = 0.95
    return answer


def test_a_source_both_arms_read_is_the_origin_and_the_touchy_model_its_victim(
    tmp_path: Path,
) -> None:
    """Shadow found the version harmless; what changed since is the feed."""
    live_feed = (
        "    loader: python:tests.orders.data:orders\n",
        "    loader: python:tests.orders.data:orders\n"
        "    live_loader: python:tests.orders.feeds:orders_stuck\n",
    )
    site = quick_site(tmp_path, live_feed)
    add(site, "fraud", "2", Wild(LIVE["fraud"].inputs, touchy))
    rollout = to_canary(site, "fraud@2")
    live_days(site, rollout, NOW, 20)
    end = ended(site, rollout)
    assert (end.ending, end.phase) == (Ending.ROLLED_BACK, Phase.CANARY), end.reason
    assert end.origin is not None
    assert (end.origin.kind, end.origin.name) == ("source", "orders"), end.origin
    diagnosed = site.state(rollout).diagnosed
    assert diagnosed is not None
    assert diagnosed.attribution is not None
    assert diagnosed.attribution.revert == ("fraud",)
    assert diagnosed.attribution.sources is not None
    assert diagnosed.attribution.sources.sources == ("orders",)
    assert diagnosed.attribution.findings[0].column == "signal"
