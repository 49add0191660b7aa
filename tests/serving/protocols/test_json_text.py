"""A body is bounded before it is parsed, and JSON is what the standard says."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.serving.protocols.json_text import MAX_DEPTH, depth_of, read_json
from sluiceway.serving.refusals import RefusalCode, Refused

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=30,
)


def deepest(value: object) -> int:
    """Nesting by walking what was parsed."""
    if isinstance(value, dict):
        return 1 + max(map(deepest, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(deepest, value), default=0)
    return 0


@given(VALUES, st.booleans())
def test_the_depth_that_is_counted_is_the_depth_that_is_parsed(
    value: object, escaped: bool
) -> None:
    body = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    assert depth_of(body) == deepest(value)


@given(st.binary(max_size=300))
def test_the_depth_of_anything_at_all_can_be_counted(body: bytes) -> None:
    assert depth_of(body) >= 0


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000_000,
        b'{"a":' * 2_000_000,
        b"[" * 40 + b"]" * 40,
        b'{"dataframe_records": ' + b"[[" * 1000 + b"]]" * 1000 + b"}",
    ],
    ids=["10 MB of arrays", "10 MB of objects", "40 levels", "2000 levels"],
)
def test_deep_nesting_is_refused_before_it_is_parsed(body: bytes) -> None:
    with pytest.raises(Refused, match=f"deeper than {MAX_DEPTH} levels") as refused:
        read_json(body)
    assert refused.value.code is RefusalCode.TOO_LARGE


@pytest.mark.parametrize("body", [b'"' + b'\\"[' * 2_000_000, b'"\\', b"[" * 9 + b'"' * 2_000_001])
def test_a_text_that_never_ends_is_no_json(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        read_json(body)
    assert refused.value.code is RefusalCode.MALFORMED


@pytest.mark.parametrize("text", ["\\\\", '\\"[', '\\\\"[', '["\\\\\\"["]', '{"a\\\\": ["[[["]}'])
def test_escapes_before_quotes_are_paired(text: str) -> None:
    assert depth_of(json.dumps([text]).encode()) == 1


def test_brackets_in_texts_are_no_nesting() -> None:
    assert read_json(json.dumps({"a": "[" * 100}).encode()) == {"a": "[" * 100}


NO_JSON = ("", "{", "[1,]", "[01]", "nul", "{'a': 1}", "[1] [2]", "\ufeff[1]")
NO_NUMBERS = ("NaN", "[NaN]", "[Infinity]", "[-Infinity]", "[1e999]", '["\\ud800"]')


@pytest.mark.parametrize("body", [*NO_JSON, *NO_NUMBERS])
def test_what_is_no_json_is_refused(body: str) -> None:
    with pytest.raises(Refused, match="the body is no JSON") as refused:
        read_json(body.encode())
    assert refused.value.code is RefusalCode.MALFORMED
