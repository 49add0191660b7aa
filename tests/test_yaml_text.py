"""The quick parser and the thorough one are one language, with one way to say what is wrong."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from sluiceway.yaml_text import yaml_values

PIECES = [
    *("a", "b", "k: ", ": ", ":", "- ", "-", " ", "  ", "\n", "\n  ", "\n    ", "\n\n", "\r\n"),
    *("{", "}", "[", "]", ",", "'", '"', "|", "|-\n", ">-\n  ", "|2\n", ">\n", "#c", "# c\n", "?"),
    *("&x ", "*x", "!!str ", "!t ", "1", "1.5", "0o7", "yes", "~", "\t", "...", "---\n", "%", "@"),
    *("\u2028", "\x85", "é", "<<: ", "=", "0x1f", "1_0", "2020-01-01", "2020-13-01", "1:2"),
]


def thorough(text: str) -> object:
    """What ruamel's own parser says: values, or that there are none."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except Exception:  # noqa: BLE001 - whatever it says, it says no
        return ValueError


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example("k: |-\n\n  a\n")
@example("k: ># c\n")
@example("|-\n...")
@example("k:  \t")
@example("%YAML 1.1\n---\na: yes\n")
@example("a: b\x85c\n")
@example("k: 2020-13-01")
@example("? {a: 1}\n: x")
def test_whatever_the_text_the_thorough_parser_would_have_said_the_same(text: str) -> None:
    expected = thorough(text)
    try:
        found = yaml_values(text)
    except ValueError:
        assert expected is ValueError
    else:
        assert repr(found) == repr(expected)


SCALARS = (
    "yes no on off true True TRUE y ~ null 0o17 017 0x1F 0b11 1_000 1:30 1e3 .5 .inf -.Inf .nan "
    "12e03 +1 1. 1e-3 2020-01-01 '1' 5s"
)


@pytest.mark.parametrize("scalar", SCALARS.split())
def test_a_scalar_is_what_yaml_1_2_says(scalar: str) -> None:
    text = f"k: {scalar}\n"
    assert repr(yaml_values(text)) == repr(thorough(text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: found duplicate key"),
        ("a: [1, 2\nb: 3\n", "line 2, column 2: expected ',' or ']', but got ':'"),
        ("a: b: c\n", "mapping values are not allowed here"),
        ("a: *y\n", "found undefined alias 'y'"),
        ("a: !!python/object:os.system x\n", "could not determine a constructor for the tag"),
        ("a: 1\n---\nb: 2\n", "expected a single document in the stream"),
        ("a: 2020-13-45\n", "month must be in 1..12"),
        ("a: \x00\n", "unacceptable character #x0000: special characters are not allowed"),
        ("[" * 5_000, "it nests too deeply"),
        ("{a: " * 5_000, "it nests too deeply"),
        ("- " * 5_000, "it nests too deeply"),
        ("[ ']', " * 5_000, "it nests too deeply"),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_wrong_is_told_in_the_words_of_the_thorough_parser(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        yaml_values(text)


def test_wide_is_not_deep() -> None:
    assert len(yaml_values("".join(f"k{n}: [{{a: 1}}, [2]]\n" for n in range(500)))) == 500
