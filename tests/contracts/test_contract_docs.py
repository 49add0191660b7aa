"""docs/contracts.md says what the code does."""

import re
from datetime import date
from pathlib import Path

import pytest

from sluiceway.contracts.change_kinds import RULES, Evidence, Side, alternatives_in_words
from sluiceway.contracts.file import read_contract
from sluiceway.contracts.shapes import (
    ContractShape,
    DemandShape,
    DeprecationShape,
    EmbeddingShape,
    FallbackShape,
    FieldShape,
    LatencyShape,
    PromiseShape,
)
from sluiceway.contracts.values import Trigger

TEXT = (Path(__file__).parents[2] / "docs" / "contracts.md").read_text(encoding="utf-8")
BEGIN, END = "<!-- kinds: made from the table of rules; a test compares -->\n", "<!-- end of kinds"


def kinds_table() -> str:
    """Every kind of change with what its rule says, as Markdown."""
    lines = [
        "| kind | of | direction | bump | breaks | cleared by |",
        "|---|---|---|---|---|---|",
    ]
    for kind, rule in RULES.items():
        of = f"{'input' if rule.side is Side.INPUT else 'output'}, {rule.aspect}"
        breaks = ", ".join(sorted(rule.breaks)) or "–"
        cleared = alternatives_in_words(rule.cleared_by) if rule.breaks else "–"
        lines.append(f"| `{kind}` | {of} | {rule.direction} | {rule.bump} | {breaks} | {cleared} |")
    return "\n".join(lines) + "\n"


def test_the_table_of_kinds_is_that_of_the_rules() -> None:
    shown = TEXT.partition(BEGIN)[2].partition(END)[0]
    assert shown == kinds_table(), f"docs/contracts.md should hold:\n{kinds_table()}"


def test_the_contract_that_is_shown_is_one(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    file = tmp_path / "departure.yaml"
    file.write_text(shown, encoding="utf-8")
    contract = read_contract(file, today=date(2026, 3, 31))
    assert contract.fallback["gate_code"] == 0.0
    assert contract.field("vector").embedding is not None


@pytest.mark.parametrize(
    "shape",
    [ContractShape, DemandShape, DeprecationShape, EmbeddingShape, FallbackShape, FieldShape,
     LatencyShape, PromiseShape],
)  # fmt: skip
def test_every_key_is_explained(shape: type[ContractShape]) -> None:
    for key in shape.model_fields:
        assert f"`{key}`" in TEXT, key


def test_every_trigger_and_every_evidence_is_explained() -> None:
    for trigger in Trigger:
        assert f"`{trigger}`" in TEXT
    rows = re.findall(r"^\| ([a-z ]+) \| .+ \|$", TEXT, re.MULTILINE)
    assert [row for row in rows if row in {e.words for e in Evidence}] == [
        evidence.words for evidence in Evidence
    ]
