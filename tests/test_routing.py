"""A unit's arm is the same in every process, and flagd computes the same one."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

from sluiceway.adapters.flag_file import BrokenFlagFile, FlagFileRouter, flags_of
from sluiceway.routing import CanaryRoute, RoutingTable, in_canary

UNITS = [f"UA-{n}-é" for n in range(400)]


def table(weight: int, rollout_id: str = "r0001-eta-2") -> RoutingTable:
    route = CanaryRoute(rollout_id=rollout_id, release="c" * 64, weight=weight, mirror=100)
    return RoutingTable(revision=7, generation=1, release="b" * 64, canaries=(route,))


@pytest.mark.parametrize("weight", [0, 1, 5, 25, 50, 99, 100])
def test_flagd_assigns_every_unit_to_the_same_arm(weight: int) -> None:
    flagd = FlagdCore()
    flagd.set_flags(json.dumps(flags_of(table(weight))))
    arms = [
        flagd.resolve_string_value(
            "arm-r0001-eta-2", "champion", EvaluationContext(targeting_key=unit)
        ).value
        for unit in UNITS
    ]
    ours = in_canary("r0001-eta-2", UNITS, weight)
    assert [arm == "candidate" for arm in arms] == ours.tolist()


@given(st.lists(st.text(min_size=1), min_size=1), st.text(), st.integers(0, 99))
def test_a_growing_weight_only_adds_units(units: list[str], salt: str, weight: int) -> None:
    before, after = in_canary(salt, units, weight), in_canary(salt, units, weight + 1)
    assert not np.any(before & ~after)


ASSIGN = """
import sys
from sluiceway.routing import in_canary
units = [f"UA-{n}-é" for n in range(400)]
print("".join("x" if one else "." for one in in_canary(sys.argv[1], units, int(sys.argv[2]))))
"""


def test_over_restarts_a_growing_weight_only_adds_units_and_flagd_agrees() -> None:
    """Each step is assigned by a process of its own, as by a gateway that was restarted."""
    before = np.zeros(len(UNITS), dtype=bool)
    for seed, weight in enumerate((5, 25, 50)):
        done = subprocess.run(
            [sys.executable, "-c", ASSIGN, "r0001-eta-2", str(weight)],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        )
        now = np.array([one == "x" for one in done.stdout.strip()])
        assert now.tolist() == in_canary("r0001-eta-2", UNITS, weight).tolist()
        flagd = FlagdCore()
        flagd.set_flags(json.dumps(flags_of(table(weight))))
        by_flagd = [
            flagd.resolve_string_value(
                "arm-r0001-eta-2", "champion", EvaluationContext(targeting_key=unit)
            ).value
            for unit in UNITS
        ]
        assert [one == "candidate" for one in by_flagd] == now.tolist()
        assert not np.any(before & ~now)
        assert now.sum() > before.sum()
        before = now


def test_a_halted_candidate_answers_nobody_by_flagd_either() -> None:
    halted = replace(table(0).canaries[0], halted="breaker open")
    flagd = FlagdCore()
    flagd.set_flags(json.dumps(flags_of(replace(table(0), canaries=(halted,)))))
    for unit in UNITS:
        arm = flagd.resolve_string_value(
            "arm-r0001-eta-2", "champion", EvaluationContext(targeting_key=unit)
        )
        assert arm.value == "champion"


def test_rollouts_are_assigned_independently() -> None:
    units = [f"u{n}" for n in range(20_000)]
    first, second = in_canary("r1", units, 50), in_canary("r2", units, 50)
    assert abs(np.mean(first == second) - 0.5) < 0.02
    assert abs(np.mean(first) - 0.5) < 0.02


def test_the_table_that_was_written_is_the_one_observed(tmp_path: Path) -> None:
    router = FlagFileRouter(tmp_path / "routing.json")
    assert router.observed() is None
    router.apply(table(5))
    router.apply(table(25))
    assert router.observed() == table(25)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".routing.json.lock", "routing.json"]


def test_an_older_table_never_replaces_a_newer_one(tmp_path: Path) -> None:
    router = FlagFileRouter(tmp_path / "routing.json")
    newer, older = replace(table(0), revision=9), replace(table(25), revision=8)
    router.apply(newer)
    router.apply(older)
    assert router.observed() == newer


def test_a_file_edited_by_hand_is_told_and_put_back(tmp_path: Path) -> None:
    path = tmp_path / "routing.json"
    router = FlagFileRouter(path)
    router.apply(table(5))
    content = json.loads(path.read_text())
    content["flags"]["arm-r0001-eta-2"]["targeting"]["fractional"][1][1] = 50
    path.write_text(json.dumps(content))
    assert router.observed() == table(5), "servers go by the table"
    by_hand = ("routing.json was edited by hand: changed arm-r0001-eta-2",)
    assert router.edited_by_hand() == by_hand
    router.apply(replace(table(5), revision=6))
    assert router.edited_by_hand() == by_hand, "an older table replaces not even that"
    router.apply(table(5))
    assert (router.observed(), router.edited_by_hand()) == (table(5), ())


def test_a_broken_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "routing.json").write_text("{")
    router = FlagFileRouter(tmp_path / "routing.json")
    router.apply(table(5))
    assert router.observed() == table(5)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"metadata": {}}', '{"metadata": 3}'])
def test_a_broken_file_is_told_and_never_read_as_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "routing.json").write_text(text)
    with pytest.raises(BrokenFlagFile):
        FlagFileRouter(tmp_path / "routing.json").observed()
