"""Flags and safe defaults of a system file: checked whole, each fault with its path."""

import re
from pathlib import Path

import pytest
import yaml

from sluiceway.serving.safe_defaults import feature_default, versions_named
from sluiceway.system.file import read_system
from sluiceway.system.flags import FlagVariant, is_by_unit
from sluiceway.system.shapes import FlagShape
from sluiceway.system.values import System
from tests.driver import variant

from .test_system_file import faults

SAFE = (
    "  amount: {owner: shop-data, unit: EUR,",
    "  amount: {owner: shop-data, safe_default: 80, unit: EUR,",
)


def flags(text: str) -> tuple[str, str]:
    return "policies:\n", f"flags:\n{text}\npolicies:\n"


GOOD = """
  cheap-cost:
    owner: finance
    variants:
      declared:
      before: {versions: {cost: "1"}}
      flat: {cut: ["fraud -> cost", "orders.amount -> amount"]}
    default: declared
    targeting: {if: [{"==": [{var: consumer}, worklist]}, before]}
  other:
    owner: risk
    variants: {all: {}, none: {cut: ["fraud → *"]}}
    default: all
    targeting: {fractional: [{cat: [salt, {var: targetingKey}]}, [none, 5], [all, 95]]}
"""


def system_with(tmp_path: Path, *changes: tuple[str, str]) -> System:
    return read_system(variant(tmp_path, *changes))


def test_flags_name_their_paths(tmp_path: Path) -> None:
    system = system_with(tmp_path, SAFE, flags(GOOD))
    flag = system.flags["cheap-cost"]
    assert flag.variants["declared"].is_neutral
    assert flag.variants["before"] == FlagVariant(versions={"cost": "1"})
    assert flag.variants["flat"].cut == ("fraud.probability → cost", "orders.amount → amount")
    assert system.flags["other"].variants["none"].cut == (
        "fraud.probability → cost",
        "fraud.probability → handling",
    )
    assert versions_named(system) == {("cost", "1")}
    assert not is_by_unit(flag), "who asks is the same for all rows of a question"
    assert is_by_unit(system.flags["other"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("owner: finance", "owner: nobody", "cheap-cost.owner: nobody is not among the owners"),
        ("default: declared", "default: x", "cheap-cost.default: x is no variant (there are: dec"),
        (
            '{cost: "1"}',
            '{const: "1"}',
            "cheap-cost.variants.before.versions.const: is no model (there are: fraud,",
        ),
        (
            "fraud -> cost",
            "fraud -> priority",
            "cheap-cost.variants.flat.cut[0]: is no edge (there are: fraud.probability → handling",
        ),
        (
            "fraud -> cost",
            "signal -> fraud",
            "cheap-cost.variants.flat.cut[0]: cannot be cut: signal → fraud: features.signal has "
            "no safe_default, and fraud (contract 1.0.0) does not take it missing",
        ),
        ("var: consumer", "var: customer", "cheap-cost.targeting: asks for customer, which no"),
        (
            "worklist]}, before",
            "worklist]}, after",
            "cheap-cost.targeting: answers after, which is no variant",
        ),
        ('{"=="', '{"equals"', "cheap-cost.targeting: equals is no operation of flagd"),
        ("[none, 5]", "[nobody, 5]", "other.targeting: answers nobody, which is no variant"),
        ("  cheap-cost:", "  arm-cost:", "arm-cost: is no name of a flag"),
        ("  cheap-cost:", "  Cheap Cost:", "Cheap Cost: is no name of a flag"),
        (
            'none: {cut: ["fraud → *"]}',
            'none: {versions: {cost: "2"}}',
            "other.variants: pins cost, as cheap-cost does; one flag decides which version it is",
        ),
    ],
)
def test_what_is_wrong_with_a_flag_is_told_with_its_path(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert GOOD.count(old) == 1
    found = faults(tmp_path, SAFE, flags(GOOD.replace(old, new)))
    assert len(found) == 1, found
    assert found[0].startswith(f"system.yaml: flags.{said}"), found


def test_all_faults_of_all_flags_are_told_together(tmp_path: Path) -> None:
    text = GOOD.replace("owner: finance", "owner: nobody").replace("default: all", "default: x")
    found = faults(tmp_path, flags(text))
    assert [one.partition(": ")[2].partition(":")[0] for one in found] == [
        "flags.cheap-cost.owner",
        "flags.cheap-cost.variants.flat.cut[1]",
        "flags.other.default",
    ]


def test_a_fault_elsewhere_makes_no_faults_of_flags_out_of_thin_air(tmp_path: Path) -> None:
    found = faults(tmp_path, SAFE, flags(GOOD), ("risk: high", "risk: higher"))
    assert len(found) == 1
    assert found[0].startswith("system.yaml: models.fraud.risk")


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        ("safe_default: 2000, unit: EUR", "is 2000; the feature's most is 1000"),
        ("safe_default: -1, unit: EUR", "is -1; the feature's least is 0"),
        ("safe_default: many, unit: EUR", "is 'many'; the feature is double: write a number"),
        ("safe_default: true, unit: EUR", "is True; the feature is double: write a number"),
        ("safe_default: .inf, unit: EUR", "is inf; the feature is double: write a number"),
        (
            "safe_default: 8.5, dtype: long, unit: EUR",
            "is 8.5; the feature is long: write a whole number",
        ),
        ("safe_default: 1, dtype: boolean", "is 1; the feature is boolean: write true or false"),
        (
            "safe_default: x, dtype: string, categories: [a, b]",
            "is x, which is none of its categories (a, b)",
        ),
    ],
)
def test_a_safe_default_is_a_value_that_the_feature_may_have(
    tmp_path: Path, feature: str, said: str
) -> None:
    declared = "amount: {owner: shop-data, unit: EUR"
    found = faults(tmp_path, (declared, f"amount: {{owner: shop-data, {feature}"))
    assert f"system.yaml: features.amount.safe_default: {said}" in found


def test_readers_of_a_feature_that_is_cut_off_receive_its_safe_default(tmp_path: Path) -> None:
    system = system_with(tmp_path, SAFE)
    assert feature_default(system, "amount") == 80.0
    assert str(feature_default(system, "signal")) == "nan"
    with pytest.raises(KeyError):
        feature_default(system, "nothing")


def test_the_flags_of_the_system_files_description_are_read_from_yaml() -> None:
    text = (Path(__file__).parents[1] / "docs" / "system-file.md").read_text(encoding="utf-8")
    shown = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    (block,) = (one["flags"] for one in shown if "flags" in one)
    for body in block.values():
        shape = FlagShape.model_validate(body)
        assert shape.default in shape.variants
