"""A contract file says everything a contract can be, and is refused whole where it cannot be."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from sluiceway.contracts.file import read_contract, two_for_one
from sluiceway.contracts.values import (
    Contract,
    Deprecation,
    Embedding,
    FallbackKind,
    FallbackRule,
    Trigger,
)
from sluiceway.contracts.writing import write_contract
from sluiceway.errors import BadInput
from tests.contracts.contracts_made_up import contracts

WHOLE = """\
model: m
version: 2.1.0
description: When it leaves, and how sure that is.
output:
  minutes:
    position: 0
    unit: minutes
    range: [-120, 1500]
    semantics: delay-at-departure
    promise:
      measured_on: July
      scale: {reference: 1.9, ratio: [0.2, 10.0]}
  late:
    position: 1
    unit: probability
    range: [0, 1]
    categories: [on time, late]
    positive: late
    calibration: isotonic-1
  verdict: {position: 2, dtype: string, categories: [go, wait]}
  code: {position: 3, dtype: long, categories: [low, mid, high]}
  vector: {position: 4, embedding: {dimension: 8, space: flights-2}}
  sure: {position: 12, dtype: boolean}
inputs:
  carrier: {dtype: string, categories: [AA, UA], semantics: iata}
  taste: {embedding: {dimension: 4, space: taste-1}}
  distance: {unit: miles, range: [0, 6000], nullable: true}
latency: {deadline: 5s, p99: 80ms}
freshness: 6h
max_batch: 500
deterministic: true
fallback:
  minutes: {constant: 12, use: last_known_good, max_age: 1h, on: [timeout, stale_input]}
  late: {constant: 0.1, use: column, column: other.late}
  verdict: wait
  code: {constant: mid, on: [error]}
  vector: 0
  sure: 0
deprecations:
  - field: minutes
    since: 2026-01-01
    remove_after: 2026-03-31
    use_instead: other.hours
    because: hours are enough
reserved: [seconds]
"""


def read(tmp_path: Path, text: str, today: date | None = None) -> Contract:
    file = tmp_path / "m.yaml"
    file.write_text(text, encoding="utf-8")
    return read_contract(file, today=today)


def faults(tmp_path: Path, text: str, today: date | None = None) -> list[str]:
    with pytest.raises(BadInput) as refused:
        read(tmp_path, text, today)
    return [str(fault).removeprefix("m.yaml: ") for fault in refused.value.faults]


def edited(*edits: tuple[str, str]) -> str:
    text = WHOLE
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def test_a_file_can_say_everything_that_a_contract_is(tmp_path: Path) -> None:
    contract = read(tmp_path, WHOLE)
    assert contract.description == "When it leaves, and how sure that is."
    assert contract.field("minutes").semantics == "delay-at-departure"
    late = contract.field("late")
    assert (late.categories, late.positive, late.calibration) == (
        ("on time", "late"), "late", "isotonic-1",
    )  # fmt: skip
    assert contract.field("vector").embedding == Embedding(dimension=8, space="flights-2")
    carrier, distance, taste = contract.inputs
    assert (carrier.dtype, carrier.categories) == ("string", ("AA", "UA"))
    assert carrier.semantics == "iata"
    assert (distance.unit, distance.nullable) == ("miles", True)
    assert taste.embedding == Embedding(dimension=4, space="taste-1")
    assert contract.deadline == timedelta(seconds=5)
    assert contract.latency_p99 == timedelta(milliseconds=80)
    assert contract.freshness == timedelta(hours=6)
    assert (contract.max_batch, contract.deterministic) == (500, True)
    assert contract.fallback == {
        "minutes": 12, "late": 0.1, "verdict": 1, "code": 1, "vector": 0, "sure": 0,
    }  # fmt: skip
    assert contract.fallback_rules == {
        "minutes": FallbackRule(
            kind=FallbackKind.LAST_KNOWN_GOOD,
            max_age=timedelta(hours=1),
            triggers=(Trigger.TIMEOUT, Trigger.STALE_INPUT),
        ),
        "late": FallbackRule(kind=FallbackKind.COLUMN, column="other.late"),
        "code": FallbackRule(kind=FallbackKind.CONSTANT, triggers=(Trigger.ERROR,)),
    }
    assert contract.deprecations == (
        Deprecation(
            field="minutes",
            since=date(2026, 1, 1),
            remove_after=date(2026, 3, 31),
            use_instead="other.hours",
            because="hours are enough",
        ),
    )
    assert contract.reserved == ("seconds",)


def test_what_is_written_reads_back_equal(tmp_path: Path) -> None:
    contract = read(tmp_path, WHOLE)
    assert read(tmp_path, write_contract(contract)) == contract


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(contract=contracts())
def test_every_contract_reads_back_equal(tmp_path: Path, contract: Contract) -> None:
    again = read(tmp_path, write_contract(contract))
    assert again == contract
    assert again.content_hash == contract.content_hash


@pytest.mark.parametrize("folder", ["examples/flights/contracts", "tests/orders/contracts"])
def test_the_contracts_there_are_read_back_equal(tmp_path: Path, folder: str) -> None:
    files = sorted((Path(__file__).parents[2] / folder).glob("*.yaml"))
    assert len(files) == 4
    for file in files:
        assert read(tmp_path, write_contract(read_contract(file))) == read_contract(file)


def test_notes_stand_above_what_they_explain(tmp_path: Path) -> None:
    contract = read(tmp_path, WHOLE)
    notes = {
        ("output", "minutes", "range"): "what was seen, with head-room",
        ("output", "minutes", "nullable"): "never missing",
        ("inputs", "distance", "range"): "from a map",
        ("fallback", "sure"): "nobody is",
    }
    text = write_contract(contract, notes=notes)
    assert read(tmp_path, text) == contract
    lines = [line.strip() for line in text.splitlines()]
    for note, key in (
        ("what was seen, with head-room", "range: [-120.0, 1500.0]"),
        ("never missing", "minutes:"),
        ("nobody is", "sure: 0.0"),
    ):
        assert lines[lines.index(f"# {note}") + 1] == key
    assert lines[lines.index("# from a map") + 1].startswith("distance: {unit: miles")


CONTRADICTIONS = [
    ("range: [-120, 1500]", "range: [1500, -120]",
     ["output.minutes.range: goes from 1500 down to -120",
      "fallback.minutes: 12 lies outside the promised range"]),
    ("range: [-120, 1500]", "range: [15, 1500]",
     ["fallback.minutes: 12 lies outside the promised range"]),
    ("unit: minutes\n", "\n", ["output.minutes.unit: is missing"]),
    ("  minutes:\n    position", "  min.utes:\n    position",
     ["output.min.utes: has a dot in its name; dots part a model from its field",
      "fallback: has no safe default for min.utes",
      "fallback.minutes: is no output field (it has: min.utes, late, verdict, code, vector, sure)",
      "deprecations[0].field: minutes is not promised "
      "(it has: min.utes, late, verdict, code, vector, sure)"]),
    ("position: 1\n", "position: 0\n",
     ["output.minutes.position: 0 is taken by another field too",
      "output.late.position: 0 is taken by another field too"]),
    ("position: 12,", "position: 11,",
     ["output.vector.embedding: takes the columns 4 to 11; sure begins at 11"]),
    ("dimension: 8", "dimension: 0",
     ["output.vector.embedding.dimension: input should be greater than or equal to 1 (found 0)"]),
    ("space: taste-1", "space: ''",
     ["inputs.taste.embedding.space: string should have at least 1 character (found '')"]),
    ("position: 4, emb", "position: 4, dtype: long, emb",
     ["output.vector.embedding: is for doubles; the field is a long"]),
    ("position: 4, emb", "position: 4, categories: [x], emb",
     ["output.vector.categories: is for a string, for a long that is the place in the list, and "
      "for a double in the unit probability; this is a double in no unit",
      "output.vector.categories: is for a single value; the field is a vector"]),
    ("taste: {emb", "taste: {dtype: string, emb",
     ["inputs.taste.embedding: is for doubles; the input is a string"]),
    ("    unit: probability\n", "    unit: percent\n",
     ["output.late.categories: is for a string, for a long that is the place in the list, and for "
      "a double in the unit probability; this is a double in percent",
      "output.late.positive: is for a double in the unit probability; this is a double in percent"
      ]),
    ("    positive: late\n", "",
     ["output.late.positive: is missing: of which category is this the probability?"]),
    ("    positive: late\n", "    positive: never\n",
     ["output.late.positive: never is no category (it has: on time, late)"]),
    ("    categories: [on time, late]\n", "",
     ["output.late.positive: needs categories, of which it is one"]),
    ("[on time, late]", "[on time, late, late]",
     ["output.late.categories: names late more than once"]),
    ("[on time, late]", "[]",
     ["output.late.categories: list should have at least 1 item after validation, not 0 "
      "(found [])"]),
    ("range: [0, 1]", "range: [2, 3]",
     ["output.late.range: holds no probability; those lie from 0 to 1",
      "fallback.late: 0.1 lies outside the promised range"]),
    ("constant: 0.1", "constant: 1.5", ["fallback.late: 1.5 lies outside the promised range"]),
    ("range: [0, 1]\n    categories", "categories", None),
    ("dtype: string, categories: [go, wait]", "dtype: string, range: [0, 1], categories: [wait]",
     ["output.verdict.range: is for numbers; this is a string"]),
    ("verdict: wait", "verdict: stop",
     ["fallback.verdict: stop is none of the field's categories (it has: go, wait)"]),
    ("verdict: wait", "verdict: 2",
     ["fallback.verdict: 2 is the place of no category; they go from 0 to 1"]),
    ("dtype: string, categories: [go, wait]", "dtype: string",
     ["fallback.verdict: 'wait' is no number, and the field lists no categories"]),
    ("constant: mid", "constant: 1.5",
     ["fallback.code: 1.5 is the place of no category; they go from 0 to 2"]),
    ("dtype: long, cat", "dtype: long, range: [0, 1], cat",
     ["output.code.range: leaves out 2, which stands for high"]),
    ("sure: {position: 12, dtype: boolean}", "sure: {position: 12, dtype: boolean, "
     "categories: [no, yes]}",
     ["output.sure.categories: is for a string or a long; the field is a boolean"]),
    ("sure: 0", "sure: 2", ["fallback.sure: 2 is neither 0 nor 1; the field is a boolean"]),
    ("sure: 0", "sure: [0]", ["fallback.sure: input should be a valid dictionary or instance of "
     "FallbackShape (found [0])"]),
    ("sure: 0", "sure: .nan", ["fallback.sure.constant: is neither a finite number nor the name "
     "of a category (found nan)"]),
    ("sure: 0", "sure: 0\n  surer: 1",
     ["fallback.surer: is no output field (it has: minutes, late, verdict, code, vector, sure)"]),
    ("  sure: 0\n", "", ["fallback: has no safe default for sure"]),
    ("use: last_known_good, max_age: 1h,", "use: last_known_good,",
     ["fallback.minutes.max_age: is missing: how old may the last known good answer be?"]),
    ("use: column, column: other.late", "use: column",
     ["fallback.late.column: is missing: which column answers instead?"]),
    ("use: last_known_good, max_age: 1h,", "max_age: 1h, column: late,",
     ["fallback.minutes.column: answers only with use: column",
      "fallback.minutes.max_age: is only of use: last_known_good",
      "fallback.minutes.column: late is no input; for the output field write m.late"]),
    ("on: [timeout, stale_input]", "on: [timeout, timeout]",
     ["fallback.minutes.on: names timeout more than once"]),
    ("on: [timeout, stale_input]", "on: [late]",
     ["fallback.minutes.on[0]: input should be 'error', 'timeout', 'out_of_contract', "
      "'stale_input' or 'isolated' (found 'late')"]),
    ("column: other.late", "column: m.late",
     ["fallback.late.column: is the field itself, which has no answer"]),
    ("column: other.late", "column: m.hours",
     ["fallback.late.column: m.hours is no output field "
      "(it has: minutes, late, verdict, code, vector, sure)"]),
    ("column: other.late", "column: m.minutes",
     ["fallback.late.column: m.minutes is in minutes, late in probability"]),
    ("column: other.late", "column: distance",
     ["fallback.late.column: distance is in miles, late in probability"]),
    ("column: other.late", "column: carrier",
     ["fallback.late.column: carrier is a string, late a double"]),
    ("carrier: {dtype: string,", "carrier: {dtype: double,",
     ["inputs.carrier.categories: is for a string or a long; the input is a double"]),
    ("categories: [AA, UA]", "categories: [AA, AA]",
     ["inputs.carrier.categories: names AA more than once"]),
    ("range: [0, 6000]", "range: [6000, 0]",
     ["inputs.distance.range: goes from 6000 down to 0"]),
    ("range: [0, 6000]", "range: [.nan, 0]",
     ["inputs.distance.range[0]: input should be a finite number (found nan)"]),
    ("p99: 80ms", "p99: 8s",
     ["latency.p99: of a single request is longer than the deadline of a whole batch"]),
    ("freshness: 6h", "freshness: 0h",
     ["freshness: is no time at all; write a number above 0, like 3d (found '0h')"]),
    ("max_batch: 500", "max_batch: 0",
     ["max_batch: input should be greater than or equal to 1 (found 0)"]),
    ("version: 2.1.0", "version: '2.1'",
     ["version: is no semantic version; write it like 1.0.0 (found '2.1')"]),
    ("remove_after: 2026-03-31", "remove_after: 2025-12-31",
     ["deprecations[0].remove_after: 2025-12-31 is before 2026-01-01, the day of the "
      "announcement"]),
    ("field: minutes", "field: hours",
     ["deprecations[0].field: hours is not promised "
      "(it has: minutes, late, verdict, code, vector, sure)"]),
    ("use_instead: other.hours", "use_instead: hours",
     ["deprecations[0].use_instead: hours is not promised "
      "(it has: minutes, late, verdict, code, vector, sure)"]),
    ("use_instead: other.hours", "use_instead: m.minutes",
     ["deprecations[0].use_instead: is the deprecated field itself"]),
    ("reserved: [seconds]", "reserved: [sure, sure]",
     ["reserved[0]: sure was the name of a removed field, and is promised under output; whoever "
      "reads the old one would get something else: take another name",
      "reserved[1]: sure was the name of a removed field, and is promised under output; whoever "
      "reads the old one would get something else: take another name",
      "reserved[1]: sure is reserved above already"]),
    ("scale: {reference: 1.9, ratio: [0.2, 10.0]}",
     "quantiles: {reference: {0.5: -200.5, 0.95: 1520}, tolerance: 30}",
     ["output.minutes.promise.quantiles.reference.0.5: -200.5 give or take 30 lies outside the "
      "promised range, so that no answers keep both"]),
    ("range: [-120, 1500]", "range: [11.9, 12.1]",
     ["output.minutes.promise.scale: half of the answers are promised to spread over 0.38 or "
      "more, and the range leaves 0.2; no answers keep both"]),
    ("deterministic: true", "determinstic: true",
     ["determinstic: is not known here; remove it or correct its name"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "told"), CONTRADICTIONS)
def test_a_contradiction_is_told_with_its_path(
    tmp_path: Path, old: str, new: str, told: list[str] | None
) -> None:
    if told is None:
        read(tmp_path, edited((old, new)))
    else:
        assert faults(tmp_path, edited((old, new))) == told


def test_two_deprecations_of_one_field_and_of_its_replacement_are_told(tmp_path: Path) -> None:
    more = """\
  - {field: minutes, since: 2026-01-01, remove_after: 2026-02-01, because: again}
  - {field: sure, since: 2026-01-01, remove_after: 2026-02-01, use_instead: minutes, because: no}
reserved"""
    assert faults(tmp_path, edited(("reserved", more))) == [
        "deprecations[1].field: minutes is deprecated above already",
        "deprecations[2].use_instead: minutes is deprecated too",
    ]


def test_all_faults_are_told_together(tmp_path: Path) -> None:
    chosen = [
        case for case in CONTRADICTIONS
        if case[2] and case[0] in ("p99: 80ms", "field: minutes", "verdict: wait")
    ]  # fmt: skip
    text = edited(("p99: 80ms", "p99: 8s"), ("field: minutes", "field: hours"),
                  ("verdict: wait", "verdict: stop"))  # fmt: skip
    expected = {told for _, new, said in chosen if new != "verdict: 2" for told in said or ()}
    assert set(faults(tmp_path, text)) == expected
    assert len(expected) == 3


def test_a_window_that_is_over_while_the_field_is_promised_is_told_with_the_way_out(
    tmp_path: Path,
) -> None:
    read(tmp_path, WHOLE, today=date(2026, 3, 31))
    assert faults(tmp_path, WHOLE, today=date(2026, 4, 1)) == [
        "deprecations[0].remove_after: 2026-03-31 is over and minutes is still promised; remove "
        "it from output, keep its name under reserved and raise the major version, or give its "
        "readers a later day"
    ]
    # What is in force does not become unreadable overnight.
    read(tmp_path, WHOLE)


def test_two_files_for_one_version_are_told(tmp_path: Path) -> None:
    contract = read(tmp_path, WHOLE)
    other = replace(contract, deadline=timedelta(seconds=9))
    assert two_for_one([("a.yaml", contract), ("b.yaml", contract)]) == []
    assert two_for_one([("a.yaml", contract), ("b.yaml", replace(other, version="3.0.0"))]) == []
    (fault,) = two_for_one([("a.yaml", contract), ("b.yaml", other)])
    assert str(fault) == (
        "b.yaml: version: 2.1.0 of m is another contract in a.yaml; a version has one content: "
        "raise the version of the later one"
    )


def test_a_new_value_left_unsaid_leaves_the_hash_as_it_was(tmp_path: Path) -> None:
    contract = read(tmp_path, WHOLE)
    assert replace(contract, description="").content_hash != contract.content_hash
    orders = Path(__file__).parents[1] / "orders" / "contracts" / "cost.yaml"
    assert yaml.safe_load(orders.read_text())["model"] == "cost"
    assert read_contract(orders).content_hash == (
        "405585a01640f46d91245ed69a0171f803a9771e23e928155f7cbdb31792b1b7"
    )
