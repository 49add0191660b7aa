"""Arms answer through the whole chain, share all they can, and no bad answer passes."""

import threading
import time

import numpy as np
import pytest

from sluiceway.replay import AnswerFaultCode, Arm, Evaluator, FaultyAnswers, UnusableHistory
from tests.replay import diamond

BASE = Arm(name="baseline", release=diamond.release())
NEW = Arm(name="candidate", release=diamond.release(demand="2"))


@pytest.fixture
def system(tmp_path):
    return diamond.shop(tmp_path)


def evaluator(system, arms, loaded=None, **options):
    return Evaluator(
        system,
        arms,
        baseline="baseline",
        predictors=loaded or diamond.predictors(),
        transformations=diamond.TRANSFORMATIONS,
        **options,
    )


def test_answers_flow_through_the_whole_diamond(system):
    part = diamond.partition()
    values = evaluator(system, [BASE, NEW]).evaluate(part).values
    demand = part.columns["visits.clicks"] + part.columns["goods.weight"]
    refund = demand + part.columns["visits.clicks"] / 2 + 2 * demand
    np.testing.assert_allclose(values["baseline"]["refund.units"], refund)
    np.testing.assert_allclose(values["candidate"]["refund.units"], refund + 15)


def test_each_distinct_combination_is_asked_once_however_many_arms_want_it(system):
    loaded = diamond.predictors()
    arms = [
        BASE,
        NEW,
        Arm(name="again", release=NEW.release),
        Arm(name="tail", release=diamond.release(refund="2")),
    ]
    answers = evaluator(system, arms, loaded).evaluate(diamond.partition())
    asked = {version: one.calls for version, one in loaded.items() if one.calls}
    assert asked == {
        ("demand", "1"): 1,
        ("demand", "2"): 1,
        ("price", "1"): 2,
        ("stock", "1"): 2,
        ("refund", "1"): 2,
        ("refund", "2"): 1,
    }
    assert answers.calls == asked
    assert answers.values["again"]["refund.units"] is answers.values["candidate"]["refund.units"]


def test_a_frozen_edge_gives_its_consumer_the_baselines_value_and_nobody_else(system):
    frozen = Arm(name="frozen", release=NEW.release, frozen=frozenset({"demand.units → price"}))
    values = evaluator(system, [NEW, frozen, BASE]).evaluate(diamond.partition()).values
    base, new, cut = (values[name] for name in ("baseline", "candidate", "frozen"))
    np.testing.assert_array_equal(cut["price.units"], base["price.units"])
    np.testing.assert_array_equal(cut["stock.units"], new["stock.units"])
    np.testing.assert_allclose(cut["refund.units"], base["refund.units"] + 10)


def test_a_frozen_feature_edge_gives_the_baselines_feature_version(system):
    moved = diamond.release({"demand": {"weight": "2.0.0"}})
    arms = [
        BASE,
        Arm(name="candidate", release=moved),
        Arm(name="frozen", release=moved, frozen=frozenset({"weight → demand"})),
    ]
    values = evaluator(system, arms).evaluate(diamond.partition()).values
    np.testing.assert_allclose(
        values["candidate"]["demand.units"], values["baseline"]["demand.units"] + 3
    )
    np.testing.assert_array_equal(
        values["frozen"]["demand.units"], values["baseline"]["demand.units"]
    )


def test_only_the_wanted_models_and_what_feeds_them_are_asked(system):
    one = evaluator(system, [BASE], only=["price"])
    assert one.scored == ("demand", "price")
    assert one.needs().features == {("clicks", "1.0.0"), ("weight", "1.0.0")}


def test_recorded_answers_stand_for_models_outside_the_blast_radius(system):
    loaded = diamond.predictors()
    arms = [BASE, Arm(name="candidate", release=diamond.release(price="2"))]
    one = evaluator(
        system,
        arms,
        loaded,
        only=["price", "refund"],
        recorded_fields=["demand.units", "stock.units"],
    )
    part = diamond.partition()
    log = {"demand.units": np.full(part.rows, 7.0), "stock.units": np.full(part.rows, 1.0)}
    values = one.evaluate(part, log).values
    assert one.scored == ("price", "refund")
    assert loaded["demand", "1"].calls == loaded["stock", "1"].calls == 0
    np.testing.assert_allclose(
        values["candidate"]["refund.units"], 7 + part.columns["visits.clicks"] / 2 - 5 + 1
    )


@pytest.mark.parametrize(
    "log", [{}, {"demand.units": np.full(60, np.nan)}, {"demand.units": np.ones(3)}]
)
def test_missing_recorded_answers_are_a_fault(system, log):
    one = evaluator(system, [BASE], only=["price"], recorded_fields=["demand.units"])
    with pytest.raises(FaultyAnswers) as caught:
        one.evaluate(diamond.partition(), log)
    assert caught.value.faults[0].version == "recorded"


class Broken:
    inputs = ("demand.units",)

    def __init__(self, answer):
        self.predict = answer


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda _: 1 / 0, AnswerFaultCode.RAISED),
        (lambda _: exec("raise SystemExit(3)"), AnswerFaultCode.RAISED),
        (lambda c: c["demand.units"][:-1], AnswerFaultCode.WRONG_SHAPE),
        (lambda c: np.ones((len(c["demand.units"]), 1, 1)), AnswerFaultCode.WRONG_SHAPE),
        (lambda c: np.ones((len(c["demand.units"]), 0)), AnswerFaultCode.WRONG_SHAPE),
        (lambda _: None, AnswerFaultCode.WRONG_DTYPE),
        (lambda c: c["demand.units"].astype(str), AnswerFaultCode.WRONG_DTYPE),
        (lambda c: c["demand.units"] * np.nan, AnswerFaultCode.MISSING_VALUES),
        (lambda c: c["demand.units"] + np.inf, AnswerFaultCode.INFINITE_VALUES),
        (lambda c: c["demand.units"] + 5000, AnswerFaultCode.OUT_OF_RANGE),
    ],
)
def test_a_bad_answer_is_a_typed_fault_that_names_version_and_arms(system, answer, code):
    loaded = {**diamond.predictors(), ("stock", "2"): Broken(answer)}
    arms = [BASE, Arm(name="candidate", release=diamond.release(stock="2"))]
    with pytest.raises(FaultyAnswers) as caught:
        evaluator(system, arms, loaded).evaluate(diamond.partition())
    fault = caught.value.faults[0]
    assert (fault.model, fault.version, fault.code, fault.arms) == (
        "stock",
        "2",
        code,
        ("candidate",),
    )
    assert fault.count == (60 if code is not AnswerFaultCode.WRONG_SHAPE else fault.count)


def test_a_fault_names_the_arms_that_asked_not_all_that_have_the_version(system):
    """Stock bears what demand 1 answers and not what demand 2 answers."""
    touchy = Broken(lambda c: c["demand.units"] / (c["demand.units"].max() < 60))
    loaded = {**diamond.predictors(), ("stock", "1"): touchy}
    loaded["demand", "2"] = diamond.Linear({"clicks": 1.0, "weight": 1.0}, shift=60.0)
    again = Arm(name="again", release=NEW.release)
    with np.errstate(divide="ignore"), pytest.raises(FaultyAnswers) as caught:
        evaluator(system, [again, BASE, NEW], loaded).evaluate(diamond.partition())
    (fault,) = caught.value.faults
    assert (fault.model, fault.version) == ("stock", "1")
    assert fault.arms == ("again", "candidate")


def test_columns_that_no_field_names_are_no_fault(system):
    wide = Broken(lambda c: np.column_stack([2 * c["demand.units"], c["demand.units"]]))
    loaded = {**diamond.predictors(), ("stock", "2"): wide}
    arms = [BASE, Arm(name="candidate", release=diamond.release(stock="2"))]
    values = evaluator(system, arms, loaded).evaluate(diamond.partition()).values
    np.testing.assert_allclose(
        values["candidate"]["stock.units"], values["baseline"]["stock.units"]
    )


def test_a_model_that_hangs_is_left_at_its_deadline_and_others_still_answer(tmp_path):
    system = diamond.shop(tmp_path, deadline="50ms")
    hangs, over = 600, threading.Event()
    loaded = {**diamond.predictors(), ("stock", "2"): Broken(lambda _: over.wait(hangs))}
    arms = [BASE, Arm(name="candidate", release=diamond.release(stock="2"))]
    one = evaluator(system, arms, loaded)
    began = time.monotonic()
    try:
        with pytest.raises(FaultyAnswers) as caught:
            one.evaluate(diamond.partition())
        assert time.monotonic() - began < hangs / 20, "it was waited for"
        assert caught.value.faults[0].code is AnswerFaultCode.DEADLINE_EXCEEDED
        loaded["stock", "2"].predict = lambda c: c["demand.units"]
        assert one.evaluate(diamond.partition()).calls["stock", "2"] == 1
    finally:
        over.set()


def test_a_model_that_reads_what_nobody_declared_is_refused(system):
    loaded = {**diamond.predictors(), ("stock", "1"): diamond.Linear({"clicks": 1.0})}
    with pytest.raises(FaultyAnswers) as caught:
        evaluator(system, [BASE], loaded)
    assert caught.value.faults[0].code is AnswerFaultCode.UNDECLARED_INPUT


def test_a_transformation_that_fails_is_a_fault_of_the_history(system):
    loaded = {**diamond.predictors(), ("demand", "1"): diamond.Linear({"hour": 1.0})}
    for made in ({}, {"shop.features:hour": lambda frame: frame.iloc[:-1, 0].dt.hour}):
        one = Evaluator(
            system, [BASE], baseline="baseline", predictors=loaded, transformations=made
        )
        with pytest.raises(UnusableHistory) as caught:
            one.evaluate(diamond.partition())
        assert (caught.value.faults[0].source, caught.value.faults[0].column) == ("hour", "1.0.0")


def test_transformations_see_times_in_utc(system):
    loaded = {**diamond.predictors(), ("demand", "1"): diamond.Linear({"hour": 1.0})}
    values = evaluator(system, [BASE], loaded).evaluate(diamond.partition()).values
    # Noon in UTC, before and after Berlin's clocks went forward on 31 March.
    assert sorted(set(values["baseline"]["demand.units"])) == [13.0, 14.0]


@pytest.mark.parametrize(
    "arms",
    [
        [BASE, BASE],
        [NEW],
        [BASE, Arm(name="x", release=NEW.release, frozen=frozenset({"no → edge"}))],
        [BASE, Arm(name="x", release=diamond.release(demand="99"))],
    ],
)
def test_arms_that_do_not_fit_are_refused(system, arms):
    with pytest.raises(ValueError, match=r"arm|predictor"):
        evaluator(system, arms)
