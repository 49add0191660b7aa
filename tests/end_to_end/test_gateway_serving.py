"""A candidate that answers right but slower, or that errs more often, is stopped by its own gate.

The gateway is a process of its own and knows the answers' times; rollouts are moved on in this one.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from sluiceway.gates import Verdict
from sluiceway.outcomes import Outcome
from sluiceway.ports import Window
from sluiceway.rollouts.endings import Ending, ReasonCode
from sluiceway.rollouts.state import RolloutState
from sluiceway.steps import requests
from sluiceway.steps.site import Site
from sluiceway.steps.world import NotYetObserved
from sluiceway.wiring import prediction_log
from tests.adapters.mlflow_worlds import QUIET, log_estimator
from tests.driver import advance, variant
from tests.end_to_end.gateway_process import Customers, GatewayProcess
from tests.end_to_end.moody import SLOW, Moody
from tests.end_to_end.shop import LIVE, LONGEST, Shop
from tests.end_to_end.test_gateway import NOW, QUICK
from tests.orders.data import day, table
from tests.serving.test_keeping import LIVE as ASKED
from tests.serving.test_keeping import POSTED
from tests.steps.test_served_evidence import gate

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

DAY = timedelta(days=1)
LATENCY, ERRORS = (
    gate("latency_mean", 15, "ms"),
    gate("error_rate", 0.001, "share", role="required"),
)
SYSTEM = (
    ASKED,
    POSTED,
    (LATENCY[0], LATENCY[1].replace(LATENCY[0], ERRORS[1])),
    *QUICK,
)


@dataclass(slots=True, kw_only=True)
class Stage:
    """The shop behind its gateway, with two candidates that are well until they are told."""

    shop: Shop
    gateway: GatewayProcess
    customers: Customers
    now: datetime = NOW

    def canary(
        self,
        member: str,
        mood: str,
        asked: Callable[[pd.DataFrame], object],
        amounts: Sequence[float] = (),
    ) -> str:
        """Roll a version out, and let it turn bad once it has traffic.

        Args:
            amounts: Of orders to which it is wrong.
        """
        with self.shop.site() as site:
            rollout = requests.request_rollout(site, [member], now=self.now, actor="ada")
            _advanced(site, rollout, self.now)
            state = site.state(rollout)
            assert state.step == 0, state.ended and state.ended.reason
        (self.shop.home / mood).write_text(json.dumps(amounts))
        for _ in range(LONGEST):
            window = Window(start=self.now, end=self.now + DAY)
            asked(table(window))
            self.now = window.end
            self.customers.settle(self.now, since=NOW)
            with self.shop.site() as site:
                _advanced(site, rollout, self.now)
            if self.shop.state(rollout).ended is not None:
                break
        (self.shop.home / mood).unlink()
        return rollout

    def one_by_one(self, orders: pd.DataFrame) -> None:
        """Ask about every third order alone, as customers do who wait for the answer."""
        for place in range(0, len(orders), 3):
            self.customers.ask(orders.iloc[[place]], timed=True)
        self.flush()

    def together(self, orders: pd.DataFrame) -> None:
        """Ask about all of them at once."""
        self.customers.ask(orders, timed=True)
        self.flush()

    def flush(self) -> None:
        self.customers._client.post(f"{self.gateway.url}/log/flush").raise_for_status()


@pytest.fixture(scope="module")
def stage(shop_registry, tmp_path_factory) -> Iterator[Stage]:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("served")
    shop = Shop.opened(shop_registry, folder / "home", variant(folder, *SYSTEM))
    rows = table(Window(start=day(-60), end=day(0)))
    given = rows[["amount", "signal"]]
    for place, penalty in enumerate((2e-4, 2.001e-4)):
        fitted = LogisticRegression(C=penalty).fit(given, rows["fraud"])
        uri, columns = shop.settings.registry_uri, given.astype(np.float64)
        moody = Moody(fitted, str(shop.home))
        version = log_estimator(uri, "fraud", moody, columns=columns, predict="predict_proba")
        assert version == str(3 + place)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in shop.environment.items():
            patch.setenv(name, value)
        with shop.site() as site:
            requests.adopt(site, LIVE, now=NOW, actor="ada")
            advance(site, "adoption", NOW)
        with GatewayProcess(shop) as gateway:
            customers = Customers(url=gateway.url)
            yield Stage(shop=shop, gateway=gateway, customers=customers)
            customers.close()


def test_a_candidate_that_answers_right_but_slower_is_stopped_by_its_gate(stage: Stage) -> None:
    began = stage.now
    rollout = stage.canary("fraud@3", "slow", stage.one_by_one)
    state = stage.shop.state(rollout)
    _stopped_by(state, "fraud.latency_mean")
    assert _verdict(state, "brier").outcome is not Outcome.FAILED, "it answers what is right"
    estimate = _verdict(state, "latency_mean").estimate
    assert estimate is not None
    # What it takes in its process; the way there and back is not held against it.
    assert 0.8 * SLOW * 1e3 < estimate.harm < 2 * SLOW * 1e3
    log = prediction_log(stage.shop.settings).read(Window(start=began, end=stage.now))
    assert set(log.loc[log["arm"] == "candidate", "fallback"]) == {False}


def test_a_candidate_that_errs_more_often_is_stopped_by_its_gate(stage: Stage) -> None:
    """One order a day: too seldom for the breaker, the rule on contracts, and the look's limit."""
    days = (
        Window(start=one, end=one + DAY) for one in (stage.now + n * DAY for n in range(LONGEST))
    )
    amounts = [float(table(window)["amount"].iloc[0]) for window in days]
    rollout = stage.canary("fraud@4", "wrong", stage.together, amounts)
    state = stage.shop.state(rollout)
    _stopped_by(state, "fraud.error_rate")
    assert "candidate_halted" not in stage.shop.kinds(rollout)
    assert stage.shop.champion() == (1, dict(one.split("@") for one in LIVE))


def _advanced(site: Site, rollout: str, now: datetime) -> None:
    """Move on as far as it goes, once the gateway has loaded what that takes."""
    until = time.monotonic() + 120
    while True:
        try:
            advance(site, rollout, now)
        except NotYetObserved:
            assert time.monotonic() < until, site.router.lagging()
            time.sleep(0.1)
        else:
            return


def _stopped_by(state: RolloutState, name: str) -> None:
    assert state.ended is not None
    ended = (state.ended.ending, state.ended.code)
    assert ended == (Ending.ROLLED_BACK, ReasonCode.HARM_IN_CANARY), state.ended.reason
    assert state.look is not None
    failed = [one.gate.name for one in state.look.verdicts if one.outcome is Outcome.FAILED]
    assert failed == [name]


def _verdict(state: RolloutState, metric: str) -> Verdict:
    assert state.look is not None
    return next(
        one for one in state.look.verdicts if (one.gate.model, one.gate.metric) == ("fraud", metric)
    )
