"""A definition is what it reads, what its code does, its type and its unit."""

import importlib
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from sluiceway.adapters.feature_code import code_of, definitions_of
from sluiceway.errors import BadInput
from sluiceway.features import (
    Stamp,
    changed_definitions,
    definition_sha256,
    read_stamps,
    stamps_of,
    write_stamps,
)
from sluiceway.system.file import read_system
from sluiceway.system.inputs import Feature, FeatureVersion
from tests.driver import ORDERS, variant


class Project:
    """A package on the path whose modules a test writes and edits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "shopfeatures"
        self.folder.mkdir()
        self.write("__init__", "")

    def write(self, module: str, source: str) -> None:
        path = self.folder / f"{module}.py"
        before = path.stat().st_mtime_ns if path.exists() else 0
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        if path.stat().st_mtime_ns == before:
            raise AssertionError("written within one tick of the clock")
        importlib.invalidate_caches()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "shopfeatures"]:
        del sys.modules[name]
    return Project(tmp_path)


PLAIN = """
    from .scales import DAY

    LIMIT = 10.0

    def clipped(read):
        return bounded(read["orders.age"] / DAY)

    def bounded(values):
        return values.clip(0, LIMIT)

    def other(read):
        return read
"""


def hashed(project: Project, source: str, scales: str = "DAY = 24") -> str:
    project.write("scales", scales)
    project.write("ages", source)
    return code_of("shopfeatures.ages:clipped")


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("/ DAY)", "/ (DAY))  # days"),
        ("def clipped(read):", 'def clipped(read: "Frame") -> "Column":\n        """Age."""'),
        ("def other(read):\n        return read\n", "def other(read):\n        return 2\n"),
        ("def bounded(values):\n", "def bounded(values):\n\n"),
    ],
)
def test_how_code_is_written_is_no_part_of_it(project: Project, written: str, instead: str) -> None:
    before = hashed(project, PLAIN)
    assert hashed(project, PLAIN.replace(written, instead)) == before


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("/ DAY", "/ (2 * DAY)"),
        ("LIMIT = 10.0", "LIMIT = 20.0"),
        ("values.clip(0, LIMIT)", "values.clip(1, LIMIT)"),
        ("from .scales import DAY", "from .scales import WEEK as DAY"),
    ],
)
def test_what_code_does_is_the_definition_wherever_it_stands(
    project: Project, written: str, instead: str
) -> None:
    scales = "DAY = 24\nWEEK = 7 * DAY"
    before = hashed(project, PLAIN, scales)
    assert hashed(project, PLAIN.replace(written, instead), scales) != before


def test_a_constant_of_another_module_of_the_package_is_part_of_it(project: Project) -> None:
    assert hashed(project, PLAIN, "DAY = 24") != hashed(project, PLAIN, "DAY = 25")


def test_a_module_used_by_its_attributes_counts_whole(project: Project) -> None:
    source = """
        from shopfeatures import scales
        import numpy as np

        def clipped(read):
            return np.clip(read["orders.age"] / scales.DAY, 0, 1)
    """
    assert hashed(project, source, "DAY = 24") != hashed(project, source, "DAY = 25")
    assert "import numpy as np" in hashed(project, source)


def test_a_name_bound_in_a_branch_is_followed(project: Project) -> None:
    source = """
        try:
            SCALE = 24
        except ValueError:
            SCALE = 12

        def clipped(read):
            return read["orders.age"] / SCALE
    """
    assert hashed(project, source) != hashed(project, source.replace("SCALE = 12", "SCALE = 13"))


def test_functions_that_call_each_other_come_to_an_end(project: Project) -> None:
    source = """
        def clipped(read):
            return even(read, 3)

        def even(read, n):
            return clipped(read) if n else read
    """
    assert "even" in hashed(project, source)


def test_where_a_function_stands_is_no_part_of_its_definition(project: Project) -> None:
    before = hashed(project, PLAIN)
    project.write("moved", PLAIN.replace("def clipped", "def age_in_days"))
    assert code_of("shopfeatures.moved:age_in_days") == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shopfeatures.ages:missing", "shopfeatures.ages has no missing"),
        ("shopfeatures.nowhere:f", "shopfeatures.nowhere has no Python source"),
        ("nowhere.at_all:f", "No module named 'nowhere'"),
        ("math:floor", "math has no Python source"),
    ],
)
def test_code_that_cannot_be_read_is_no_definition(project: Project, name: str, said: str) -> None:
    hashed(project, PLAIN)
    with pytest.raises(LookupError, match=said):
        code_of(name)


AGE = Feature(
    name="age",
    owner="shop",
    description="",
    dtype="double",
    unit="days",
    low=None,
    high=None,
    categories=None,
    null_rate=0.0,
    current="1.0.0",
    versions={
        "1.0.0": FeatureVersion(version="1.0.0", reads=("orders.age",), transformation="a:f"),
        "2.0.0": FeatureVersion(version="2.0.0", reads=("orders.years",), transformation="a:f"),
    },
)


def test_inputs_code_type_and_unit_each_change_the_hash() -> None:
    found = {
        definition_sha256(AGE, "1.0.0", "code"),
        definition_sha256(AGE, "2.0.0", "code"),
        definition_sha256(AGE, "1.0.0", "other code"),
        definition_sha256(AGE, "1.0.0", None),
        definition_sha256(replace(AGE, unit="hours"), "1.0.0", "code"),
        definition_sha256(replace(AGE, dtype="long"), "1.0.0", "code"),
    }
    assert len(found) == 6
    described = replace(AGE, description="Days since the order.", owner="risk", high=9.0)
    assert definition_sha256(described, "1.0.0", "code") in found


def test_stamps_are_written_and_read_back() -> None:
    definitions = {("age", "1.0.0"): "ab12cd34ef56" + "0" * 52}
    written = write_stamps({"age": "1.0.0"}, definitions)
    assert written == {"age": "1.0.0+ab12cd34ef56"}
    stamps = read_stamps({**written, "old": "2.0.0"})
    assert stamps["age"] == Stamp(version="1.0.0", definition="ab12cd34ef56")
    assert stamps["old"] == Stamp(version="2.0.0", definition=None)
    assert changed_definitions(stamps, definitions) == ()


def test_a_changed_and_a_vanished_definition_are_told_apart() -> None:
    stamps = stamps_of({"age": "1.0.0"}, {"age": "ab12cd34ef56"})
    (changed,) = changed_definitions(stamps, {("age", "1.0.0"): "9" * 64})
    assert str(changed) == (
        "age 1.0.0 was ab12cd34ef56 and is 999999999999 now: its code, inputs, type or unit "
        "changed under the same version; give the changed definition a new version and keep this "
        "one as it was"
    )
    (gone,) = changed_definitions(stamps, {})
    assert str(gone).endswith("and is declared no longer; keep it under other_versions")


def test_every_feature_of_a_system_has_a_definition(tmp_path: Path) -> None:
    system = read_system(ORDERS / "system.yaml")
    found = definitions_of(system)
    assert {name for name, _ in found} == set(system.features)
    assert found["signal", "1.0.0"] != found["signal", "2.0.0"]


def test_all_transformations_that_cannot_be_read_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    file = variant(
        tmp_path / "a",
        ("reads: [orders.amount]}", "reads: [orders.amount], transformation: no.where:f}"),
        ("reads: [orders.distance]}", "reads: [orders.distance], transformation: math:floor}"),
    )
    with pytest.raises(BadInput) as error:
        definitions_of(read_system(file))
    assert [str(fault) for fault in error.value.faults] == [
        "features.amount.transformation: the code of no.where:f cannot be read: "
        "No module named 'no'",
        "features.distance.transformation: the code of math:floor cannot be read: "
        "math has no Python source",
    ]
