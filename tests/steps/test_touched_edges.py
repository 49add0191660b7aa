"""A rollout says which edges its candidate touches, and what each of them waits for."""

from dataclasses import replace
from pathlib import Path

from sluiceway.contracts.change_kinds import ChangeKind, Evidence
from sluiceway.contracts.clearing import Standing, touched_sentence
from sluiceway.contracts.values import InputDemand
from sluiceway.lineage import TRAINED_ON_TAG
from sluiceway.outcomes import Outcome
from sluiceway.reports.explaining import explain
from sluiceway.rollouts.endings import ReasonCode
from sluiceway.rollouts.events import ContractCheck
from sluiceway.steps import requests
from sluiceway.steps.site import Site
from tests.driver import FRAUD, LIVE, Line, add, adopt_live, advance, memory_site, sigmoid
from tests.orders.data import day

NOW = day(40)
K = ChangeKind


def checked(site: Site, *members: str) -> dict[str, ContractCheck]:
    """The contract check of each candidate."""
    rollout = requests.request_rollout(site, list(members), now=NOW, actor="ada")
    advance(site, rollout, NOW)
    found = site.state(rollout).contracts
    assert found is not None
    return {check.model: check for check in found.checks}


def live(tmp_path: Path) -> Site:
    site = memory_site(tmp_path)
    adopt_live(site, NOW)
    return site


def better_fraud(offset: float = -1.1) -> Line:
    return Line(FRAUD, offset=offset, link=sigmoid, fields=2)


def test_a_retrained_model_says_that_its_readers_wait_for_the_replay(tmp_path: Path) -> None:
    site = live(tmp_path)
    add(site, "fraud", "2", better_fraud())
    check = checked(site, "fraud@2")["fraud"]
    assert check.outcome is Outcome.PASSED, check.sentence
    assert [c.kind for c in check.member_changes] == [
        K.RETRAINED, K.UPSTREAM_CHANGED, K.UPSTREAM_CHANGED,
    ]  # fmt: skip
    assert [(one.edge, one.standing) for one in check.touched] == [
        ("fraud.probability → cost", Standing.AWAITS),
        ("fraud.probability → handling", Standing.AWAITS),
    ]
    assert check.broken_edges == ()


def test_a_consumer_that_was_trained_on_its_new_feeder_waits_for_nothing(tmp_path: Path) -> None:
    site = live(tmp_path)
    add(site, "fraud", "2", better_fraud())
    for model, trained_on in (("cost", "2"), ("handling", "1")):
        tags = {TRAINED_ON_TAG: f'{{"fraud": "{trained_on}"}}'}
        add(site, model, "2", LIVE[model], tags=tags)
    checks = checked(site, "fraud@2", "cost@2", "handling@2")
    told = [
        (change.model, change.kind, change.before, change.after)
        for model in ("cost", "handling")
        for change in checks[model].member_changes
    ]
    unknown = ("priority", K.UPSTREAM_CHANGED, "nobody knows which", "2")
    assert told == [
        ("cost", K.RETRAINED, "", ""),
        unknown,
        ("handling", K.RETRAINED, "", ""),
        ("handling", K.UPSTREAM_CHANGED, "1", "2"),
        unknown,
    ]


def test_what_waits_is_told_by_explain(tmp_path: Path) -> None:
    site = live(tmp_path)
    add(site, "fraud", "2", better_fraud())
    rollout = requests.request_rollout(site, ["fraud@2"], now=NOW, actor="ada")
    advance(site, rollout, NOW)
    told = explain(site.journal.events(site.environment, rollout), site.systems.current())
    assert (
        "      fraud.probability → cost: cost, input fraud.probability: comes from version 2, and "
        "the model was trained on nobody knows which; waits for shadow replay, or retrained "
        "consumer"
    ) in told.splitlines()


def test_a_model_without_a_promise_of_behaviour_is_undetermined_until_the_replay(
    tmp_path: Path,
) -> None:
    site = live(tmp_path)
    add(site, "priority", "2", Line({"handling.days": 1.0, "cost.euros": 0.1}, offset=0.1))
    check = checked(site, "priority@2")["priority"]
    (one,) = check.touched
    assert one.edge == "priority.score → worklist"
    assert (one.change.kind, one.standing) == (K.RETRAINED_UNPROMISED, Standing.AWAITS)


def tighter(site: Site, high: float) -> tuple[Site, ContractCheck]:
    """Version 2 of fraud demands of its amount that it lies below this."""
    contract = site.systems.current().models["fraud"].contract
    demand = InputDemand(name="amount", unit="EUR", low=0.0, high=high, nullable=False)
    new = replace(contract, version="2.0.0", inputs=(demand,))
    add(site, "fraud", "2", better_fraud(), contract=new)
    return site, checked(site, "fraud@2")["fraud"]


def test_a_new_demand_that_the_feature_meets_as_declared_breaks_nobody(tmp_path: Path) -> None:
    _, check = tighter(live(tmp_path), high=1000.0)
    assert check.outcome is Outcome.PASSED, check.sentence
    fed = next(one for one in check.touched if one.edge == "amount → fraud")
    assert (fed.change.kind, fed.standing) == (K.INPUT_ADDED, Standing.CLEARED)
    assert fed.shown == (Evidence.FEEDER_PROMISE,)
    assert touched_sentence(fed) == (
        "amount → fraud: fraud, input amount: is demanded anew; cleared by feeder promise"
    )


def test_a_new_demand_that_the_feature_does_not_meet_is_broken(tmp_path: Path) -> None:
    site, check = tighter(live(tmp_path), high=500.0)
    assert check.outcome is Outcome.FAILED
    assert check.broken_edges == ("amount → fraud",)
    fed = next(one for one in check.touched if one.edge == "amount → fraud")
    assert fed.standing is Standing.BROKEN
    ended = site.state("r0001-fraud2").ended
    assert ended is not None
    assert ended.code is ReasonCode.CONTRACT_CHANGE_BREAKS_CONSUMERS
