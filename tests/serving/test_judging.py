"""An answer is held against the promise, whatever a model gives."""

from dataclasses import replace

import numpy as np
import pytest

from sluiceway.serving.judging import Judge, NotAnAnswer
from tests.replay import diamond


@pytest.fixture
def numbers(tmp_path):
    """A contract that promises one number."""
    return diamond.shop(tmp_path).models["demand"].contract


@pytest.fixture
def mixed(numbers):
    """A contract that promises a number and a text beside it."""
    (units,) = numbers.output
    kind = replace(
        units, name="kind", position=1, dtype="string", low=None, high=None, categories=("a", "b")
    )
    return replace(numbers, output=(units, kind))


def test_an_answer_is_not_changed_by_what_the_model_does_with_its_array_later(numbers):
    own = np.array([1.0, 2.0])
    judged = Judge(numbers).judge(own, 2)
    own[:] = 9.0
    assert judged.fields["units"].tolist() == [1.0, 2.0]


def test_numbers_beside_texts_are_numbers_and_a_missing_one_breaks_its_row(mixed):
    answer = np.array([[1, "a"], [None, "b"]], dtype=object)
    judged = Judge(mixed).judge(answer, 2)
    assert judged.fields["units"].dtype == np.float64
    assert judged.fields["kind"].tolist() == ["a", "b"]
    assert judged.broken is not None
    assert judged.broken.tolist() == [False, True]


@pytest.mark.parametrize("wrong", ["1.0", {}, [1]])
def test_what_is_no_number_where_one_is_promised_is_no_answer(mixed, wrong):
    answer = np.empty((1, 2), dtype=object)
    answer[0] = [wrong, "a"]
    with pytest.raises(NotAnAnswer, match="units"):
        Judge(mixed).judge(answer, 1)
