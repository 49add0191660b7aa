"""A file with a wrong part still tells what contradicts itself in the others, and nothing else."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sluiceway.contracts.contradictions import contradictions
from sluiceway.contracts.file import contract_from, read_contract
from sluiceway.contracts.half_read import certain_contradictions
from sluiceway.contracts.shapes import ContractShape
from sluiceway.errors import BadInput, Fault

FILE = """\
model: delay
version: 1.1
output:
  minutes: {position: 0, dtype: duble, unit: minutes, range: [200, -10]}
  hours: {position: 0, unit: hours, range: [0, 1]}
inputs:
  distance: {dtype: double, unit: miles, range: [2000, 0]}
latency: {deadline: soon, p99: 30s}
fallback: {minutes: 10, days: 4}
deprecations:
  - {field: seconds, since: 2026-01-01, remove_after: yesterday, because: nobody reads it}
reserved: [hours]
"""


def test_one_wrong_part_hides_no_contradiction_of_the_others(tmp_path: Path) -> None:
    file = tmp_path / "delay.yaml"
    file.write_text(FILE, encoding="utf-8")
    with pytest.raises(BadInput) as refused:
        read_contract(file)
    assert [fault.where.removeprefix("delay.yaml: ") for fault in refused.value.faults] == [
        "version",
        "output.minutes.dtype",
        "latency.deadline",
        "deprecations[0].remove_after",
        "output.minutes.range",
        "inputs.distance.range",
        "output.minutes.position",
        "output.hours.position",
        "fallback.minutes",
        "fallback",
        "fallback.days",
        "deprecations[0].field",
        "reserved[0]",
    ]


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("output.delay.dtype", "duble"),
        ("output.delay.unit", 5),
        ("output.delay.categories", "late"),
        ("output.delay.embedding", 3),
        ("fallback.delay", [1]),
        ("latency", 3),
        ("model", None),
    ],
)
def test_of_a_wrong_part_itself_nothing_more_is_told(part: str, wrong: object) -> None:
    content = {
        "model": "m",
        "version": "1.0.0",
        "output": {"delay": {"position": 0, "unit": "minutes", "range": [0, 9]}},
        "latency": {"deadline": "5s"},
        "fallback": {"delay": 3},
    }
    place: Any = content
    *path, last = part.split(".")
    for step in path:
        place = place[step]
    place[last] = wrong
    with pytest.raises(BadInput) as refused:
        contract_from(content, where="m.yaml")
    assert [fault.where for fault in refused.value.faults] == [f"m.yaml: {part}"]


def test_where_nearly_everything_is_wrong_only_that_is_told() -> None:
    for content in ({}, {"output": 3}, {"output": {"x": {"position": 0}}, "fallback": 3}):
        with pytest.raises(BadInput):
            contract_from({**content, "more": {}}, where="m.yaml")


UNITS = st.sampled_from(["minutes", "probability", ""])
BOUND = st.sampled_from([None, -1.0, 0.0, 0.5, 1.0, 7.0])
NAMES = st.lists(st.sampled_from("xyz"), min_size=1, max_size=3)
FIELD = st.fixed_dictionaries(
    {"position": st.integers(0, 3)},
    optional={
        "dtype": st.sampled_from(["double", "long", "boolean", "string"]),
        "unit": UNITS,
        "range": st.tuples(BOUND, BOUND).map(list),
        "categories": NAMES,
        "positive": st.sampled_from("xyz"),
        "embedding": st.fixed_dictionaries(
            {"dimension": st.integers(1, 3), "space": st.just("space")}
        ),
        "promise": st.fixed_dictionaries(
            {"measured_on": st.just("rows")},
            optional={
                "scale": st.fixed_dictionaries(
                    {
                        "reference": st.just(1.0),
                        "ratio": st.sampled_from([[0.5, 2.0], [2.0, 3.0], [3.0, 0.5]]),
                    }
                ),
                "quantiles": st.fixed_dictionaries(
                    {
                        "reference": st.sampled_from([{0.5: 0.0}, {0.1: 2.0, 0.9: 1.0}, {2.0: 1}]),
                        "tolerance": st.just(1.0),
                    }
                ),
            },
        ),
    },
)
DEMAND = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["double", "long", "boolean", "string"]),
        "unit": UNITS,
        "range": st.tuples(BOUND, BOUND).map(list),
        "categories": NAMES,
    },
)
FALLBACK = st.one_of(
    st.sampled_from([0, 1, 0.5, 9, "x", "w"]),
    st.fixed_dictionaries(
        {"constant": st.sampled_from([0, 1, "x"])},
        optional={
            "use": st.sampled_from(["constant", "last_known_good", "column"]),
            "column": st.sampled_from(["a", "d", "m.a", "m.w", "other.x"]),
            "max_age": st.just("1d"),
            "on": st.lists(st.sampled_from(["error", "timeout"]), max_size=2),
        },
    ),
)
CONTENT = st.fixed_dictionaries(
    {
        "model": st.just("m"),
        "version": st.just("1.0.0"),
        "output": st.dictionaries(st.sampled_from("abc"), FIELD, min_size=1),
        "inputs": st.dictionaries(st.sampled_from("ade"), DEMAND),
        "latency": st.sampled_from([{"deadline": "5s"}, {"deadline": "5s", "p99": "9s"}]),
        "fallback": st.dictionaries(st.sampled_from("abcw"), FALLBACK),
    },
    optional={
        "reserved": st.lists(st.sampled_from("abw"), max_size=3),
        "deprecations": st.lists(
            st.fixed_dictionaries(
                {
                    "field": st.sampled_from("abw"),
                    "since": st.sampled_from(["2026-01-01", "2026-06-01"]),
                    "remove_after": st.just("2026-03-01"),
                    "because": st.just("it was wrong"),
                },
                optional={"use_instead": st.sampled_from(["a", "m.b", "w", "other.x"])},
            ),
            max_size=2,
        ),
    },
)


def paths(part: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = part.items() if isinstance(part, dict) else enumerate(part)
    found = []
    for key, value in inside:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += paths(value, (*path, key))
    return found


def spoil(content: Any, path: tuple[Any, ...]) -> None:
    """Put something that is no part of any contract at a path, unless it is gone already."""
    above, place = content, content
    for step in path:
        inside = range(len(place)) if isinstance(place, list) else place
        if not isinstance(place, dict | list) or step not in inside:
            return
        above, place = place, place[step]
    above[path[-1]] = [["no part of a contract looks like this"]]


@settings(max_examples=300)
@given(content=CONTENT, data=st.data())
def test_what_is_told_of_a_file_with_wrong_parts_stays_true_when_they_are_mended(
    content: dict[str, Any], data: st.DataObject
) -> None:
    whole = contradictions(ContractShape.model_validate(content), where="f")
    broken = deepcopy(content)
    for path in data.draw(st.lists(st.sampled_from(paths(content)), min_size=1, max_size=3)):
        spoil(broken, path)
    try:
        ContractShape.model_validate(broken)
    except ValidationError as error:
        wrong = [tuple(one["loc"]) for one in error.errors()]
    else:
        return
    told = certain_contradictions(broken, wrong, where="f")
    # Of several things wrong with one value the first is told, which may be another one.
    assert {_known_by(fault) for fault in told} <= {_known_by(fault) for fault in whole}


def _known_by(fault: Fault) -> str:
    by_place = fault.where.startswith("f: fallback.") or fault.where.endswith(".use_instead")
    return fault.where if by_place else str(fault)
