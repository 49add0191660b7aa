"""What travels arrives as it was, and what is no frame is never taken for one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sluiceway.gateway.backends.frames import (
    BadFrame,
    Frames,
    Kind,
    answer_of,
    answered,
    asked,
    framed,
    packed,
    question,
    unpacked,
)

TEXTS = st.lists(st.none() | st.text(), min_size=1, max_size=5)


def boxed(values: list[Any]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


@given(npst.arrays(np.float64, npst.array_shapes(max_dims=3, min_side=0)))
def test_numbers_arrive_as_they_were(values: np.ndarray) -> None:
    np.testing.assert_array_equal(unpacked(packed(values)), values)


@given(TEXTS)
def test_texts_arrive_as_they_were(texts: list[str | None]) -> None:
    read = unpacked(packed(boxed([*texts, "a"])))
    assert read.tolist() == [*texts, "a"]


def test_times_boxes_and_whole_numbers_arrive_as_values() -> None:
    times = np.array(["2013-01-01T05:00:00.000001", "NaT"], dtype="datetime64[us]")
    np.testing.assert_array_equal(unpacked(packed(times)), times)
    np.testing.assert_array_equal(unpacked(packed(np.array([1, 2]))), [1.0, 2.0])
    np.testing.assert_array_equal(unpacked(packed(np.array([True, False]))), [1.0, 0.0])
    np.testing.assert_array_equal(unpacked(packed(boxed([1, None, 2.5]))), [1.0, np.nan, 2.5])
    assert unpacked(packed(boxed(["a", float("nan")]))).tolist() == ["a", None]


def test_an_answer_says_what_it_took() -> None:
    values, seconds = answer_of(answered(np.array([0.5, 0.25]), 0.125))
    assert (values.tolist(), seconds) == ([0.5, 0.25], 0.125)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_what_took_no_time_that_there_is_is_no_answer(seconds: float) -> None:
    with pytest.raises(BadFrame, match="said that it took"):
        answer_of(answered(np.array([1.0]), seconds))
    with pytest.raises(BadFrame, match="a part of an answer"):
        answer_of(b"1234")


@pytest.mark.parametrize("values", [boxed([{}]), boxed(["a", 1]), np.array([1j])])
def test_what_is_no_value_does_not_travel(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="holds"):
        packed(values)


def test_a_question_arrives_in_any_pieces() -> None:
    columns = {"a": np.array([1.0, 2.0]), "b": boxed(["x", None]), "c": np.array([3, 4])}
    bytes_of = question(7, ("a", "b"), columns, 12.5) + question(8, ("a", "c"), columns, 13.5)
    frames = Frames()
    read = [frame for place in range(len(bytes_of)) for frame in frames.fed(bytes_of[place:][:1])]
    assert [(kind, number) for kind, number, _ in read] == [(Kind.QUESTION, 7), (Kind.QUESTION, 8)]
    until, given_ = asked(read[0][2], ("a", "b"))
    assert until == 12.5
    assert {name: values.tolist() for name, values in given_.items()} == {
        "a": [1.0, 2.0],
        "b": ["x", None],
    }
    until, given_ = asked(read[1][2], ("a", "c"))
    assert {name: values.tolist() for name, values in given_.items()} == {
        "a": [1.0, 2.0],
        "c": [3.0, 4.0],
    }


def test_columns_of_different_lengths_are_no_question() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        question(1, ("a", "b"), {"a": np.zeros(1), "b": np.zeros(2)}, 0.0)


@given(st.binary(max_size=200))
def test_bytes_of_anybody_are_an_array_or_refused(payload: bytes) -> None:
    try:
        read = unpacked(payload)
    except BadFrame:
        return
    assert read.dtype.kind in "fMO"


@given(st.sampled_from([b"f", b"M", b"t"]), st.lists(st.integers(0, 2**64 - 1), max_size=9))
def test_a_shape_that_its_bytes_do_not_fill_is_refused(code: bytes, shape: list[int]) -> None:
    dimensions = b"".join(size.to_bytes(8, "little") for size in shape)
    head = code + bytes([len(shape)]) + (16).to_bytes(8, "little") + dimensions
    try:
        read = unpacked(head + b"[1, 2, 3, 4, 55]"[:16])
    except BadFrame:
        return
    assert read.size * 8 == 16


@pytest.mark.parametrize("shape", [(0, 2**64 - 1), (2**63, 0)])
def test_an_empty_array_of_an_impossible_shape_is_refused(shape: tuple[int, ...]) -> None:
    dimensions = b"".join(size.to_bytes(8, "little") for size in shape)
    with pytest.raises(BadFrame, match="of the shape"):
        unpacked(b"f\x02" + bytes(8) + dimensions)


def test_a_frame_longer_than_is_read_is_refused_before_it_comes() -> None:
    with pytest.raises(BadFrame, match="said something of 11 bytes"):
        list(Frames(most=10).fed(framed(Kind.ANSWER, 1, b"x" * 11)[:13]))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(BadFrame, match="unknown kind 99"):
        list(Frames().fed(b"\x63" + framed(Kind.ANSWER, 1, b"")[1:]))
