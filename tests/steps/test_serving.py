"""A live answer is one release's through the whole chain, and each unit is logged once."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sluiceway.errors import BadInput
from sluiceway.ports import Window
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site
from sluiceway.system.file import read_system
from tests.driver import (
    LIVE,
    ORDERS,
    QUICK,
    Wild,
    add,
    adopt_live,
    advance,
    memory_site,
    variant,
)
from tests.orders.data import day

from .worlds import NOW, ask, quick_site, same_fraud, to_canary

WHOLE_DAY = Window(start=NOW, end=day(41))
Columns = Mapping[str, np.ndarray]


def surprised(site: Site, predictor: Wild, answer: Callable[[Columns], object]) -> pd.DataFrame:
    """One live day in canary, on which fraud 2 suddenly answers so; the candidate's rows."""
    add(site, "fraud", "2", predictor)
    to_canary(site, "fraud@2")
    object.__setattr__(predictor, "answer", answer)
    assert BatchServer(site).answer(WHOLE_DAY, now=day(41)) == 120
    log = site.predictions.read(WHOLE_DAY)
    champion = log[log["arm"] == "baseline"]
    assert len(champion) == 120, "the champion answers as if nothing had happened"
    assert not champion["fallback"].any()
    answers = log[log["arm"] == "candidate"].reset_index(drop=True)
    assert len(answers) == 120
    assert answers["fallback"].all()
    return answers


def as_live() -> Wild:
    return Wild(LIVE["fraud"].inputs, LIVE["fraud"].predict)


def asked(model: str, rows: pd.DataFrame, **columns: np.ndarray) -> np.ndarray:
    """What the live version of a model answers to the rows' own upstream answers."""
    given = {name: columns.get(name, rows.get(name)) for name in LIVE[model].inputs}
    return np.asarray(LIVE[model].predict(given))


def fails(_: Columns) -> object:
    raise RuntimeError("no connection to the embedding store")


def test_what_reads_a_safe_default_is_asked_with_it(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    rows = surprised(site, as_live(), fails)
    assert set(rows["fraud.probability"]) == {0.3}
    amount = (rows["cost.euros"] - (5 + 60 * 0.32 + 300 * (0.3 - 0.32))) / 0.02
    assert amount.between(1, 999).all(), "cost was asked with the default"
    np.testing.assert_allclose(rows["priority.score"], asked("priority", rows))


def test_an_unchanged_model_that_the_candidate_breaks_falls_back_for_the_candidate_only(
    tmp_path: Path,
) -> None:
    def cost(columns: Columns) -> np.ndarray:
        if columns["fraud.probability"].max() > 0.9:
            raise ValueError("no price for such an order")
        return np.asarray(LIVE["cost"].predict(columns))

    (tmp_path / "system").mkdir()
    site = memory_site(tmp_path, file=variant(tmp_path / "system", *QUICK))
    add(site, "cost", "1", Wild(LIVE["cost"].inputs, cost))
    adopt_live(site, NOW)
    certain = as_live()
    rows = surprised(site, certain, lambda c: np.tile([0.0, 1.0], (len(c["amount"]), 1)))
    assert set(rows["fraud.probability"]) == {1.0}, "the candidate's own answers stand"
    assert set(rows["cost.euros"]) == {30.0}, "the model that failed has its safe default"
    np.testing.assert_allclose(rows["priority.score"], asked("priority", rows))


def test_a_version_that_cannot_be_loaded_falls_back_alone(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    to_canary(site, "fraud@2")
    site.registry.change_files("fraud", "2", None)  # type: ignore[attr-defined]
    BatchServer(site).answer(WHOLE_DAY, now=day(41))
    log = site.predictions.read(WHOLE_DAY)
    rows = log[log["arm"] == "candidate"]
    assert set(rows["fraud.probability"]) == {0.3}
    np.testing.assert_allclose(rows["priority.score"], asked("priority", rows))


def hours(first: int, last: int) -> Window:
    return Window(start=NOW + timedelta(hours=first), end=NOW + timedelta(hours=last))


@pytest.mark.parametrize(
    "windows",
    [
        [hours(0, 24)],
        [hours(0, 13), hours(0, 24)],
        [hours(0, 13), hours(13, 24)],
        [hours(0, 24), hours(5, 9)],
        [hours(0, 13), hours(9, 30)],
    ],
    ids=["at once", "a part, then all", "in two parts", "all, then a part", "overlapping"],
)
@pytest.mark.parametrize("rolling", [False, True], ids=["champion alone", "canary"])
def test_a_unit_answered_again_is_logged_once_and_none_is_lost(
    tmp_path: Path, windows: list[Window], rolling: bool
) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    if rolling:
        to_canary(site, "fraud@2")
    for window in windows:
        BatchServer(site).answer(window, now=day(42))
    log = site.predictions.read(WHOLE_DAY)
    assert not log.duplicated(["rollout_id", "arm", "unit"]).any()
    assert not log[log["path"] == "primary"].duplicated("unit").any()
    assert log["unit"].nunique() == 120
    assert len(log) == (240 if rolling else 120)


def test_several_days_at_once_are_the_same_batches_as_one_by_one(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    BatchServer(site).answer(Window(start=NOW, end=day(43)), now=day(43))
    BatchServer(site).answer(Window(start=day(41), end=day(42)), now=day(43))
    log = site.predictions.read(Window(start=NOW, end=day(43)))
    assert len(log) == log["unit"].nunique() == 360


def test_a_canary_whose_watch_would_have_no_pairs_is_refused(tmp_path: Path) -> None:
    file = variant(tmp_path, ("mirror: 100", "mirror: 0"), base=ORDERS)
    with pytest.raises(BadInput, match="mirror"):
        read_system(file)


def test_harm_done_by_defaults_is_seen_downstream_and_told_with_its_cause(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    predictor = as_live()
    add(site, "fraud", "2", predictor)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    object.__setattr__(predictor, "answer", fails)
    server = BatchServer(site)
    for number in range(40, 46):
        server.answer(Window(start=day(number), end=day(number + 1)), now=day(number + 1))
    advance(site, rollout, day(46))
    state = site.state(rollout)
    assert state.ended is not None
    assert "priority.mae: harm" in state.ended.reason
    assert "the candidate gave no usable answer to" in state.ended.reason
