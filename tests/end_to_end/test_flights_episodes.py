"""The demo's four episodes on a sample of the flights, run as a person runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sluiceway.rollouts.endings import ReasonCode
from tests.end_to_end.pages import read_self_contained

REPOSITORY = Path(__file__).parents[2]
SHARE = "0.3"
"""Of the flights from July on: the smallest that leaves every episode its verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What one run of the demo left behind."""

    home: Path
    said: str
    summary: dict[str, Any]

    def episode(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(e for e in self.summary["episodes"] if e["name"] == name)
        return found

    def rollout(self, name: str) -> str:
        return Path(self.episode(name)["report"]).parent.name

    def sluiceway(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        program = Path(sys.executable).with_name("sluiceway")
        return subprocess.run(
            [str(program), "--home", str(self.home), *arguments],
            cwd=REPOSITORY,
            env=_undisturbed(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def _undisturbed() -> Mapping[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SLUICEWAY_", "PREFECT_"))
    }


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    home = tmp_path_factory.mktemp("flights") / "home"
    ran = subprocess.run(
        [sys.executable, "-m", "examples.flights.demo", "--home", str(home), "--share", SHARE],
        cwd=REPOSITORY,
        env=_undisturbed(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
    summary = json.loads((home / "demo" / "summary.json").read_text(encoding="utf-8"))
    return Played(home=home, said=ran.stdout, summary=summary)


EXPECTED = {
    "unit_slip": ("rejected", "contracts", ("model", "dep_delay"), 1),
    "correction_cascade": ("rejected", "shadow", ("model", "dep_delay"), 1),
    "joint_release": ("promoted", "watch", None, 2),
    "live_regression": ("rolled_back", "canary", ("source", "operations_2"), 2),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_episode_ends_as_its_cause_demands(played: Played, name: str) -> None:
    outcome, ended_at, origin, generation = EXPECTED[name]
    episode = played.episode(name)
    assert (episode["outcome"], episode["ended_at"]) == (outcome, ended_at), episode["reason"]
    found = episode["origin"] and (episode["origin"]["kind"], episode["origin"]["name"])
    assert found == origin
    assert episode["generation_after"] == generation


def test_the_summary_has_the_keys_that_programs_read(played: Played) -> None:
    summary = played.summary
    assert [episode["name"] for episode in summary["episodes"]] == list(EXPECTED)
    for episode in summary["episodes"]:
        assert episode.keys() >= {
            "name", "outcome", "ended_at", "origin", "reason_code", "reason", "generation_after",
            "seconds", "report",
        }  # fmt: skip
        assert episode["reason_code"] in set(ReasonCode)
        assert episode["reason"]
        assert 0 < episode["seconds"] < summary["seconds_total"]
        assert episode["origin"] is None or set(episode["origin"]) == {"kind", "name"}
    assert isinstance(summary["seconds_install"], float)
    assert all(isinstance(version, str) for version in summary["champion"].values())


def test_the_unit_slip_names_the_promise_and_who_relies_on_it(played: Played) -> None:
    reason = played.episode("unit_slip")["reason"]
    assert "dep_delay.minutes" in reason
    assert "promised" in reason
    assert "arr_delay" in reason


def test_the_cascade_says_that_the_model_must_not_go_alone(played: Played) -> None:
    reason = played.episode("correction_cascade")["reason"]
    assert "must not go alone" in reason
    assert "arr_delay" in reason


@pytest.mark.parametrize("name", EXPECTED)
def test_every_report_is_one_page_with_pictures_that_needs_no_network(
    played: Played, name: str
) -> None:
    page = read_self_contained(REPOSITORY / played.episode(name)["report"])
    assert played.rollout(name) in page
    assert "dep_delay" in page


def test_generation_2_serves_at_the_end(played: Played) -> None:
    ran = played.sluiceway("status", "--json")
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["generation"] == 2
    assert said["champion"] == played.summary["champion"]
    assert {rollout["ending"] for rollout in said["rollouts"]} == {
        outcome for outcome, *_ in EXPECTED.values()
    }
    routing = json.loads((played.home / "production" / "routing.json").read_text(encoding="utf-8"))
    table = json.loads(routing["metadata"]["sluiceway"])
    assert table["generation"] == 2
    assert table["canaries"] == []


def test_the_journal_is_intact_at_the_end(played: Played) -> None:
    ran = played.sluiceway("journal", "verify")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "intact" in ran.stdout


def test_a_rollout_can_be_explained_afterwards(played: Played) -> None:
    ran = played.sluiceway("explain", played.rollout("live_regression"))
    assert ran.returncode == 0, ran.stderr
    assert "operations_2" in ran.stdout


def test_the_demo_says_one_plain_line_of_outcome_an_episode(played: Played) -> None:
    for outcome, ended_at, *_ in EXPECTED.values():
        assert f"{outcome} in {ended_at}: " in played.said
