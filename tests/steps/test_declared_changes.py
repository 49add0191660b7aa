"""What a version declares is held against those who rely on it, before anything is replayed."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from sluiceway.contracts.values import Contract
from sluiceway.outcomes import Outcome
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.steps import requests
from sluiceway.steps.site import Site
from tests.driver import (
    FITTED_COST,
    FRAUD,
    LIVE,
    Line,
    Wild,
    add,
    adopt_live,
    advance,
    memory_site,
    sigmoid,
)
from tests.orders.data import day

NOW = day(40)


class Percent(Line):
    """Answers in percent; the first column is the rest to 100."""

    def predict(self, columns):  # type: ignore[no-untyped-def]
        answer = super().predict(columns)
        answer[:, 0] = 100 - answer[:, 1]
        return answer


def in_percent(site: Site, *, version: str) -> Contract:
    """The fraud contract that says honestly that the answer is in percent."""
    contract = site.systems.current().models["fraud"].contract
    (field,) = contract.output
    honest = replace(field, unit="percent", low=0.0, high=100.0, promise=None)
    return replace(contract, version=version, output=(honest,), fallback={"probability": 30.0})


def takes_percent(site: Site, model: str) -> Contract:
    contract = site.systems.current().models[model].contract
    demands = tuple(
        replace(d, unit="percent", low=0.0, high=100.0) if d.name == "fraud.probability" else d
        for d in contract.inputs
    )
    known = {d.name for d in contract.inputs}
    assert "fraud.probability" in known
    return replace(contract, version="2.0.0", inputs=demands)


def ended(site: Site, members: list[str]) -> tuple[Ending, Phase, ReasonCode, str]:
    rollout = requests.request_rollout(site, members, now=NOW, actor="ada")
    advance(site, rollout, NOW)
    over = site.state(rollout).ended
    assert over is not None
    return over.ending, over.phase, over.code, over.reason


def site_with_percent(tmp_path: Path, *, version: str = "2.0.0") -> Site:
    site = memory_site(tmp_path)
    adopt_live(site, NOW)
    model = Percent(FRAUD, offset=-1.0, scale=100.0, link=sigmoid, fields=2)
    add(site, "fraud", "2", model, contract=in_percent(site, version=version))
    return site


def test_another_unit_declared_honestly_is_stopped_by_the_contracts_difference(
    tmp_path: Path,
) -> None:
    ending, phase, code, reason = ended(site_with_percent(tmp_path), ["fraud@2"])
    assert (ending, phase) == (Ending.REJECTED, Phase.CONTRACTS)
    assert code is ReasonCode.CONTRACT_CHANGE_BREAKS_CONSUMERS
    assert "probability" in reason
    assert "percent" in reason
    assert "fraud.probability → handling" in reason
    assert "fraud.probability → cost" in reason


def test_a_bump_smaller_than_the_change_is_refused(tmp_path: Path) -> None:
    site = site_with_percent(tmp_path, version="1.1.0")
    ending, phase, _, reason = ended(site, ["fraud@2"])
    assert (ending, phase) == (Ending.REJECTED, Phase.CONTRACTS)
    assert "1.0.0 → 1.1.0" in reason


def test_consumers_that_move_along_and_demand_the_new_unit_are_not_broken(tmp_path: Path) -> None:
    site = site_with_percent(tmp_path)
    for model, weights in (
        ("handling", {"distance": 1 / 500, "fraud.probability": 0.0}),
        ("cost", {"amount": 0.02, "fraud.probability": 0.6}),
    ):
        offset = {"handling": 2.0, "cost": 5.0}[model]
        add(site, model, "2", Line(weights, offset=offset), contract=takes_percent(site, model))
    rollout = requests.request_rollout(
        site, ["fraud@2", "cost@2", "handling@2"], now=NOW, actor="ada"
    )
    advance(site, rollout, NOW)
    checked = site.state(rollout).contracts
    assert checked is not None
    assert checked.outcome is Outcome.PASSED, [check.sentence for check in checked.checks]


def test_one_consumer_left_behind_still_breaks(tmp_path: Path) -> None:
    site = site_with_percent(tmp_path)
    cost = Line({"amount": 0.02, "fraud.probability": 0.6}, offset=5.0)
    add(site, "cost", "2", cost, contract=takes_percent(site, "cost"))
    _, _, code, reason = ended(site, ["fraud@2", "cost@2"])
    assert code is ReasonCode.CONTRACT_CHANGE_BREAKS_CONSUMERS
    assert "fraud.probability → handling" in reason
    assert "fraud.probability → cost" not in reason


def test_columns_that_no_field_names_are_the_same_to_contracts_and_replay(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    adopt_live(site, NOW)
    wide = Wild(
        LIVE["cost"].inputs, lambda c: np.column_stack([LIVE["cost"].predict(c), c["amount"]])
    )
    add(site, "cost", "2", wide)
    rollout = requests.request_rollout(site, ["cost@2"], now=NOW, actor="ada")
    advance(site, rollout, NOW)
    state = site.state(rollout)
    assert state.contracts is not None
    assert state.contracts.outcome is Outcome.PASSED
    assert state.shadows[-1].fault is None


def test_answers_that_keep_every_promise_and_cannot_be_replayed_are_refused(
    tmp_path: Path,
) -> None:
    """Python objects that are numbers have the promised type, and no replay takes them."""
    site = memory_site(tmp_path)
    adopt_live(site, NOW)
    objects = Wild(FITTED_COST.inputs, lambda c: FITTED_COST.predict(c).astype(object))
    add(site, "cost", "2", objects)
    ending, phase, code, reason = ended(site, ["cost@2"])
    assert (ending, phase) == (Ending.REJECTED, Phase.CONTRACTS)
    assert code is ReasonCode.PROMISE_BROKEN
    assert reason == "cost@2: answered with object, numbers are promised"
