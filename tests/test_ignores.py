"""An ignore has an owner, a reason and a last day, and is about an edge that there is."""

from datetime import date
from pathlib import Path

from sluiceway.system.file import read_system
from sluiceway.system.values import Ignore
from tests.driver import variant

from .test_system_file import faults

GOOD = """
ignores:
  - producer: fraud@2
    consumer: worklist
    owner: desk
    reason: The list is sorted by hand this week.
    expires: 2026-03-31
"""


def with_ignores(text: str) -> tuple[str, str]:
    return ("slices:\n", f"{text.strip()}\n\nslices:\n")


def test_an_ignore_is_read_with_everything_it_says(tmp_path: Path) -> None:
    text = GOOD.replace("consumer: worklist", "consumer: cost@3")
    assert read_system(variant(tmp_path, with_ignores(text))).ignores == (
        Ignore(
            producer="fraud",
            producer_version="2",
            consumer="cost",
            consumer_version="3",
            owner="desk",
            reason="The list is sorted by hand this week.",
            expires=date(2026, 3, 31),
        ),
    )


def test_every_fault_of_an_ignore_is_told_with_its_path(tmp_path: Path) -> None:
    text = """
ignores:
  - {producer: fraud, consumer: worklist, owner: nobody, reason: It is only for a while.,
     expires: 2026-03-31}
  - {producer: frod@2, consumer: worklost, owner: desk, reason: short, expires: 2026-03-31}
  - {producer: frod@2, consumer: worklost, owner: desk, reason: It is only for a while.,
     expires: 2026-03-31}
  - {producer: priority, consumer: worklist@4, owner: desk, reason: It is only for a while.,
     expires: 2026-03-31}
  - {producer: fraud, consumer: cost, owner: desk, reason: It is only for a while.}
"""
    found = faults(tmp_path, with_ignores(text))
    models = "fraud, handling, cost, priority"
    assert found == [
        "system.yaml: ignores[0]: worklist does not read fraud; there is nothing to ignore",
        "system.yaml: ignores[0].owner: nobody is not among the owners "
        "(there are: shop-data, risk, logistics, finance, desk)",
        "system.yaml: ignores[1].reason: string should have at least 10 characters (found 'short')",
        f"system.yaml: ignores[2].producer: frod is no model (there are: {models})",
        "system.yaml: ignores[2].consumer: worklost is neither a model nor a consumer "
        f"(there are: {models}, worklist)",
        "system.yaml: ignores[3].consumer: worklist is an outside consumer; it has no versions",
        "system.yaml: ignores[4].expires: is missing",
    ]


def test_an_ignore_without_a_day_that_exists_is_refused(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, with_ignores(GOOD.replace("2026-03-31", "'2026-02-31'")))
    assert fault.startswith("system.yaml: ignores[0].expires: ")


def test_ignores_are_a_list(tmp_path: Path) -> None:
    assert faults(tmp_path, with_ignores("ignores: {fraud: 2}")) == [
        "system.yaml: ignores: is no list"
    ]
