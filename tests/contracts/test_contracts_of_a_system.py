"""What a contract says of other nodes has to be so."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from sluiceway.errors import BadInput
from sluiceway.system.file import read_system

ORDERS = Path(__file__).parents[1] / "orders"
FRAUD = """\
  probability:
    position: 1
"""
NOTICE = """\
fallback: {euros: 30}
deprecations:
  - {field: euros, since: 2026-01-01, remove_after: 2026-02-01, use_instead: %s, because: no}
"""


def faults(tmp_path: Path, *edits: tuple[str, str, str], today: date | None = None) -> list[str]:
    """The faults of the orders system after replacing text in files of its contracts."""
    folder = tmp_path / "orders"
    shutil.copytree(ORDERS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file, old, new in edits:
        path = folder / file
        assert old in path.read_text(), old
        path.write_text(path.read_text().replace(old, new, 1))
    try:
        read_system(folder / "system.yaml", today=today)
    except BadInput as refused:
        return [str(fault).removeprefix("system.yaml: models.") for fault in refused.faults]
    return []


FED = "fraud.probability: {unit: probability, range: [0, 1]"
FALLS = "fallback: {euros: 30}"


def demanded(said: str) -> tuple[str, str, str]:
    return ("contracts/cost.yaml", FED, f"{FED}, {said}")


def promised(said: str) -> tuple[str, str, str]:
    return ("contracts/fraud.yaml", FRAUD, f"{FRAUD}    {said}\n")


def instead(column: str) -> tuple[str, str, str]:
    rule = f"constant: 30, use: column, column: {column}"
    return ("contracts/cost.yaml", FALLS, f"fallback: {{euros: {{{rule}}}}}")


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        ([demanded("dtype: long")],
         ["cost.contract inputs.fraud.probability: is demanded as long, fraud gives double"]),
        ([demanded("dtype: double")], []),
        ([demanded("semantics: risk")], []),
        ([demanded("semantics: risk"), promised("semantics: chance")],
         ["cost.contract inputs.fraud.probability: must mean risk, fraud means chance"]),
        ([demanded("embedding: {dimension: 2, space: s}")],
         ["cost.contract inputs.fraud.probability: must be another vector than fraud gives"]),
        ([instead("fraud.probability")],
         ["contracts/cost.yaml: fallback.euros.column: fraud.probability is in probability, "
          "euros in EUR"]),
        ([instead("amount")], []),
        ([instead("distance")],
         ["cost.contract fallback.euros.column: distance is no input of the model (it has: amount, "
          "fraud.probability)"]),
        ([instead("frod.probability")],
         ["cost.contract fallback.euros.column: frod.probability is neither an input nor a model's "
          "field"]),
        ([instead("handling.weeks")],
         ["cost.contract fallback.euros.column: handling 1.0.0 does not promise weeks (it has: "
          "days)"]),
        ([instead("handling.days")],
         ["cost.contract fallback.euros.column: handling.days is in days, euros in EUR"]),
        ([instead("priority.score")],
         ["cost.contract fallback.euros.column: priority.score is in points, euros in EUR",
          "cost.contract fallback.euros.column: priority reads cost itself, so it has no answer "
          "either"]),
        ([("contracts/cost.yaml", FALLS, NOTICE % "priority.score")], []),
        ([("contracts/cost.yaml", FALLS, NOTICE % "priority.points")],
         ["cost.contract deprecations[0].use_instead: priority 1.0.0 does not promise points "
          "(it has: score)"]),
        ([("contracts/cost.yaml", FALLS, NOTICE % "urgency.points")],
         ["cost.contract deprecations[0].use_instead: urgency.points is no model's field"]),
    ],
)  # fmt: skip
def test_what_a_contract_says_of_another_node_is_checked(
    tmp_path: Path, edits: list[tuple[str, str, str]], told: list[str]
) -> None:
    assert faults(tmp_path, *edits) == told


def test_categories_are_those_that_the_feeder_gives(tmp_path: Path) -> None:
    feature = (
        "system.yaml",
        "hour: {owner: shop-data, unit: hour, range: [0, 23],",
        "hour: {owner: shop-data, dtype: string, categories: [am, pm],",
    )
    contract = ("contracts/fraud.yaml", "latency:", "inputs: {hour: {categories: [am]}}\nlatency:")
    assert faults(tmp_path, feature, contract) == [
        "fraud.contract inputs.hour: knows no pm, which the feature hour may give"
    ]


def test_a_deprecation_in_the_past_is_a_fault_for_whoever_says_which_day_it_is(
    tmp_path: Path,
) -> None:
    notice = ("contracts/cost.yaml", FALLS, NOTICE % "priority.score")
    (fault,) = faults(tmp_path, notice, today=date(2026, 2, 2))
    assert fault.startswith(
        "contracts/cost.yaml: deprecations[0].remove_after: 2026-02-01 is over and euros"
    )
    shutil.rmtree(tmp_path / "orders")
    assert faults(tmp_path, notice) == []


def test_a_day_that_is_over_hides_nothing_of_those_who_read_the_contract(tmp_path: Path) -> None:
    notice = ("contracts/cost.yaml", FALLS, NOTICE % "priority.score")
    reader = ("system.yaml", "cost.euros", "cost.eurs")
    told = faults(tmp_path, notice, reader, today=date(2026, 2, 2))
    assert [one.partition(":")[0] for one in told[:1]] == ["contracts/cost.yaml"]
    assert any("cost.eurs" in one or "does not promise eurs" in one for one in told[1:])


def test_a_file_that_two_models_name_is_told_of_once(tmp_path: Path) -> None:
    wrong = ("contracts/cost.yaml", "version: 1.0.0", "version: one")
    both = ("system.yaml", "contracts/priority.yaml", "contracts/cost.yaml")
    told = faults(tmp_path, wrong, both)
    assert sum(one.startswith("contracts/cost.yaml: version") for one in told) == 1


OUTSIDE = ("contracts/fraud.yaml", "{probability: 0.3}", "{probability: 1.5}")
"""A contract that can be read, and contradicts itself."""
UNREAD = ("contracts/fraud.yaml", "deadline: 20s", "deadline: soon")
LIST = "      - {reads: priority.score,"
READER = ("system.yaml", LIST, "      - {reads: fraud.chance, relies_on: [numeric]}\n" + LIST)


@pytest.mark.parametrize(("wrong", "of_it"), [(OUTSIDE, "fallback"), (UNREAD, "latency")])
def test_a_contract_that_is_refused_hides_nothing_of_those_who_read_it(
    tmp_path: Path, wrong: tuple[str, str, str], of_it: str
) -> None:
    metric = ("system.yaml", "field: probability", "field: risk")
    mine = ("contracts/fraud.yaml", "latency:", "inputs: {hours: {unit: hour}}\nlatency:")
    other = instead("fraud.chance")
    first, *told = faults(tmp_path, wrong, READER, metric, mine, other)
    assert first.startswith(f"contracts/fraud.yaml: {of_it}")
    assert told == [
        "system.yaml: consumers.worklist.reads[0]: reads fraud.chance, which fraud 1.0.0 does not "
        "promise (it has: probability)",
        "fraud.contract inputs.hours: is no input of the model",
        "fraud.metrics[0].field: risk is not promised (it has: probability)",
        "cost.contract fallback.euros.column: fraud 1.0.0 does not promise chance (it has: "
        "probability)",
    ]


def test_of_a_refused_contract_the_parts_that_no_fault_speaks_of_are_held_to_the_others(
    tmp_path: Path,
) -> None:
    second = ("contracts/fraud.yaml", "latency:", "  risk: {position: 0, unit: points}\nlatency:")
    wrong = ("contracts/fraud.yaml", "{probability: 0.3}", "{probability: 0.3, risk: 1, none: 2}")
    sure = demanded("dtype: long")
    told = faults(tmp_path, second, wrong, sure)
    assert told[0].startswith("contracts/fraud.yaml: fallback.none: is no output field")
    assert len(told) == 1, "the fault names both fields, so either may be the one to mend"
    shutil.rmtree(tmp_path / "orders")
    late = ("contracts/fraud.yaml", "deadline: 20s", "deadline: 20s, p99: 30s")
    mine, others = faults(tmp_path, late, sure)
    assert mine.startswith("contracts/fraud.yaml: latency.p99")
    assert others == (
        "cost.contract inputs.fraud.probability: is demanded as long, fraud gives double"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        # The field may be what the contract lacks, or what one of its fields should be called.
        ("contracts/fraud.yaml", "{probability: 0.3}", "{probability: 0.3, chance: 0.3}"),
        ("contracts/fraud.yaml", "latency:", "reserved: [probability]\nlatency:"),
        ("contracts/fraud.yaml", "output:", "outputs:"),
        ("contracts/fraud.yaml", "model: fraud", "model: risk\nmax_batch: none"),
    ],
)
def test_nothing_is_told_that_mending_the_contract_may_make_right(
    tmp_path: Path, wrong: tuple[str, str, str]
) -> None:
    told = faults(tmp_path, wrong, READER)
    assert told
    assert all(one.startswith("contracts/fraud.yaml: ") for one in told), told
