"""What is promised of requests: in time, fresh, and the same when asked again."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from sluiceway.contracts.findings import PromiseCode, sentence
from sluiceway.contracts.service import check_repeated, check_service
from sluiceway.contracts.values import Embedding
from sluiceway.outcomes import Outcome
from sluiceway.system.values import Reliance
from tests.contracts.test_changes import FIELD, OLD

PROMISED = replace(
    OLD,
    latency_p99=timedelta(milliseconds=80),
    freshness=timedelta(hours=6),
    deterministic=True,
)


def requests(n: int, late: int) -> list[float]:
    return [0.2] * late + [0.01] * (n - late)


def test_what_was_not_measured_or_not_promised_is_not_judged() -> None:
    assert check_service(PROMISED) == ()
    assert check_service(OLD, latencies=[9.0] * 900, oldest_input=timedelta(days=9)) == ()


@pytest.mark.parametrize(
    ("n", "late", "outcome"),
    [
        (500, 5, None),
        (500, 6, Outcome.FAILED),
        (10_000, 100, None),
        (10_000, 101, Outcome.FAILED),
        (499, 0, Outcome.INCONCLUSIVE),
        (0, 0, Outcome.INCONCLUSIVE),
        (20, 5, Outcome.INCONCLUSIVE),
        (20, 6, Outcome.FAILED),
    ],
)
def test_one_request_in_a_hundred_may_be_late(n: int, late: int, outcome: Outcome | None) -> None:
    """Six of at most five hundred are too many, however many more were asked."""
    found = check_service(PROMISED, latencies=requests(n, late))
    assert [finding.outcome for finding in found] == ([] if outcome is None else [outcome])


def test_a_latency_that_is_missed_is_told_with_both_numbers() -> None:
    (finding,) = check_service(PROMISED, latencies=requests(1000, 11))
    assert finding.reliance is Reliance.OPERATIONAL
    assert sentence(finding) == (
        "dep_delay: answered 99 of 100 requests within 0.2 seconds, promised at most 0.08 seconds"
    )
    (finding,) = check_service(PROMISED, latencies=requests(10, 0))
    assert sentence(finding) == (
        "dep_delay: 10 requests cannot show a promise kept, needed at least 500 requests"
    )


@pytest.mark.parametrize("never", [math.nan, math.inf, -1.0])
def test_a_time_that_is_none_is_late(never: float) -> None:
    assert check_service(PROMISED, latencies=[never] * 6 + [0.01] * 594) == ()
    many = check_service(PROMISED, latencies=[never] * 7 + [0.01] * 593)
    assert [(f.code, f.observed) for f in many] == [(PromiseCode.LATENCY_MISSED, None)]


def test_inputs_may_be_as_old_as_promised_and_no_older() -> None:
    assert check_service(PROMISED, oldest_input=timedelta(hours=6)) == ()
    for age in (timedelta(hours=6, seconds=1), timedelta(seconds=-1)):
        (finding,) = check_service(PROMISED, oldest_input=age)
        assert finding.code is PromiseCode.INPUTS_TOO_OLD
    (finding,) = check_service(PROMISED, oldest_input=timedelta(hours=7))
    assert sentence(finding) == (
        "dep_delay: rests on inputs 25,200 seconds old, promised at most 21,600 seconds"
    )


def test_equal_answers_are_equal_missing_ones_too() -> None:
    answers = np.array([1.0, math.nan, math.inf])
    assert check_repeated(PROMISED, answers, answers.copy()) == ()
    texts = np.array(["a", None, math.nan], dtype=object)
    assert check_repeated(PROMISED, texts, texts.copy()) == ()


def test_who_promises_nothing_may_answer_otherwise() -> None:
    one, two = np.zeros(3), np.ones(3)
    assert check_repeated(replace(PROMISED, deterministic=None), one, two) == ()
    assert check_repeated(replace(PROMISED, deterministic=False), one, two) == ()


def test_another_answer_to_the_same_rows_is_told_with_its_size() -> None:
    one = np.array([1.0, 2.0, 3.0, math.nan])
    two = np.array([1.0, 2.5, 3.25, 0.0])
    (finding,) = check_repeated(PROMISED, one, two)
    assert finding.reliance is Reliance.BEHAVIOURAL
    assert sentence(finding) == (
        "dep_delay.minutes: differs in 3 rows when asked again, by up to 0.5 minutes; promised "
        "the same"
    )
    texts = np.array(["a", "b"], dtype=object)
    (finding,) = check_repeated(PROMISED, texts, texts[::-1])
    assert (finding.rows, finding.observed) == (2, None)


def test_only_what_a_field_names_has_to_be_the_same() -> None:
    one, two = np.zeros((5, 4)), np.zeros((5, 4))
    two[:, 3] = 1.0
    assert check_repeated(PROMISED, one, two) == ()
    vector = replace(FIELD, position=1, promise=None, embedding=Embedding(dimension=3, space="s"))
    (finding,) = check_repeated(replace(PROMISED, output=(vector,)), one, two)
    assert finding.rows == 5


@pytest.mark.parametrize("again", [np.zeros(4), np.zeros((5, 2)), np.zeros(())])
def test_an_answer_of_another_shape_is_another_answer(again: np.ndarray) -> None:
    (finding,) = check_repeated(PROMISED, np.zeros(5), again)
    assert finding.code is PromiseCode.NOT_REPEATED
    assert finding.field is None


def test_no_answer_at_all_shows_nothing_the_same() -> None:
    assert len(check_repeated(PROMISED, np.zeros(0), np.zeros(0))) == 1
