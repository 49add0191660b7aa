"""`sluiceway can-promote` and `sluiceway plan`: what may go live, and what that would come to."""

import ctypes
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sluiceway.cli import release_commands
from sluiceway.cli.commands import app
from sluiceway.cli.quieting import strays_to_stderr
from sluiceway.errors import BadInput
from sluiceway.steps.site import Site
from tests.driver import LIVE, Wild, add, memory_site
from tests.steps.test_way_back import (
    CONTRACTS,
    demanding_percent,
    in_percent,
    of_percent,
    percent,
)
from tests.steps.worlds import NOW, better_fraud, quick_site, same_fraud, to_canary

AS_OF = ("--as-of", f"{NOW:%Y-%m-%dT%H:%M:%S}")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    def with_site(site: Site, *arguments: str):  # type: ignore[no-untyped-def]
        @contextmanager
        def opened(_settings: object) -> Iterator[Site]:
            yield site

        monkeypatch.setattr(release_commands, "opened", opened)
        return CliRunner().invoke(app, arguments)

    return with_site


def percent_site(tmp_path: Path, *, companions: bool) -> Site:
    site = quick_site(tmp_path)
    contract = in_percent(CONTRACTS["fraud"])
    add(site, "fraud", "2", Wild(LIVE["fraud"].inputs, percent), contract=contract)
    if companions:
        for model in ("cost", "handling"):
            added = demanding_percent(CONTRACTS[model])
            add(site, model, "2", of_percent(model), contract=added)
    return site


def test_what_nobody_has_seen_cannot_be_told(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    site = quick_site(tmp_path)
    better_fraud(site)
    asked = run(site, "can-promote", "fraud@2", *AS_OF)
    assert asked.exit_code == 3, asked.output
    assert asked.stdout.splitlines()[0] == (
        "? fraud@2: whether to go live cannot be told in test, where generation 1 serves"
    )
    assert (
        "  ? cost@1 with what feeds it was never replayed, and never served; to clear it: a shadow "
        "replay of this release that passes"
    ) in asked.stdout.splitlines()
    found = json.loads(run(site, "can-promote", "fraud@2", *AS_OF, "--json").stdout)
    assert (found["answer"], found["must_go_with"]) == ("unknown", [])
    against = [one for one in found["reasons"] if one["answer"] == "unknown"]
    assert {one["code"] for one in against} == {"no_evidence"}
    assert all(one["clears"] for one in against)


def test_what_passed_its_replay_may_go_live(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    asked = run(site, "can-promote", "fraud@2", *AS_OF, "--json")
    assert asked.exit_code == 0, asked.output
    found = json.loads(asked.stdout)
    assert found["answer"] == "yes"
    evidence = [one["evidence"] for one in found["reasons"] if one["evidence"]]
    assert {(one["kind"], one["rollout"]) for one in evidence} == {
        ("shadow_replay", rollout),
        ("served", "adoption"),
    }
    later = ("--as-of", f"{NOW + timedelta(days=30):%Y-%m-%dT%H:%M:%S}")
    told = run(site, "can-promote", "fraud@2", *later).stdout
    assert f"serves since {NOW:%Y-%m-%d} (adoption)" in told, "not since somebody asks"
    planned = run(site, "plan", "fraud@2", *AS_OF)
    assert planned.exit_code == 0, planned.output
    # The sample is simulated from what shadow measured.
    assert "passes all required gates within" in planned.stdout
    assert f"waits for {rollout}, which touches the same nodes" in planned.stdout


def test_contracts_that_do_not_fit_are_a_no_and_name_what_must_go_along(
    tmp_path: Path, run
) -> None:  # type: ignore[no-untyped-def]
    site = percent_site(tmp_path, companions=True)
    asked = run(site, "can-promote", "fraud@2", *AS_OF, "--json")
    assert asked.exit_code == 1, asked.output
    found = json.loads(asked.stdout)
    assert found["must_go_with"] == ["cost@2", "handling@2"]
    assert found["proposed"].startswith("fraud@2 must go with: cost@2, handling@2 (")
    together = run(site, "can-promote", "fraud@2", "cost@2", "handling@2", *AS_OF)
    assert together.exit_code == 3, together.output


def test_where_nothing_is_possible_the_smallest_conflict_is_told(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    site = percent_site(tmp_path, companions=False)
    asked = run(site, "can-promote", "fraud@2", *AS_OF, "--json")
    assert asked.exit_code == 1
    found = json.loads(asked.stdout)
    assert (found["possible"], found["must_go_with"]) == (False, [])
    wanted, unfit = found["proposed"].removeprefix("fraud@2 cannot go live: ").split("; ", 1)
    assert wanted == "fraud@2 is wanted"
    assert unfit in (
        f"fraud@2 and {reader}@1 do not fit: {reader}: fraud.probability is demanded in "
        "probability and promised in percent"
        for reader in ("cost", "handling")
    )


def test_a_plan_reads_like_one_before_applying(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    site = percent_site(tmp_path, companions=True)
    before = site.journal.head(site.environment)
    planned = run(site, "plan", "fraud@2", *AS_OF)
    assert planned.exit_code == 1, planned.output  # not as asked
    lines = planned.stdout.splitlines()
    assert lines[0] == (
        "Plan for fraud@2, cost@2, handling@2 in test, on top of generation 1; "
        "nothing has been done"
    )
    titles = [line for line in lines if line and not line.startswith(" ")][1:]
    assert titles == [
        "May they go live now?",
        "Contracts",
        "Affected",
        "Stages",
        "Gates (α = 0.2, at least 10 blocks)",
        "Needed",
        "Approvals",
        "Order",
        "Way back",
    ]
    for line in (
        "  fraud: 1.0.0 → 2.0.0, needs a major bump",
        "  outside consumers: worklist",
        "  required: cost.mae, harm below 0.5 EUR, against outcomes.euros",
        "  sample and time: after shadow, which they are simulated from",
        "  one release; no part of it may go first",
        "  generation 1, in one step",
    ):
        assert line in lines, line
    assert any(
        line.startswith("  if cost alone is bad: the whole release goes back (") for line in lines
    )
    found = json.loads(run(site, "plan", "fraud@2", *AS_OF, "--json").stdout)
    assert found["planned"] == ["fraud@2", "cost@2", "handling@2"]
    assert found["owners"]["risk"] == "risk@shop.example"
    assert [step["weight"] for step in found["stages"]["canary"]] == [10, 50]
    assert found["gates"][0]["margin"] == 0.005
    assert found["order"] == [{"role": "switch", "moves": ["cost@2", "fraud@2", "handling@2"]}]
    assert found["way_back"]["generation"] == 1
    assert site.journal.head(site.environment) == before


@pytest.mark.parametrize(
    ("names", "faults"),
    [
        (["fraud"], "rollout: 'fraud' names no version; write MODEL@VERSION, like dep_delay@2"),
        (
            ["fraud@9", "cost@8"],
            "cost@8: there is no such version\nfraud@9: there is no such version",
        ),
    ],
)
@pytest.mark.parametrize("command", ["can-promote", "plan"])
def test_bad_input_is_told_whole(
    tmp_path: Path,
    run,  # type: ignore[no-untyped-def]
    command: str,
    names: list[str],
    faults: str,
) -> None:
    site = quick_site(tmp_path)
    refused = run(site, command, *names, *AS_OF)
    assert isinstance(refused.exception, BadInput)
    assert str(refused.exception) == faults


def test_what_serves_needs_no_plan_and_where_nothing_does_there_is_none(
    tmp_path: Path, run
) -> None:  # type: ignore[no-untyped-def]
    site = quick_site(tmp_path)
    assert run(site, "can-promote", "fraud@1", *AS_OF).exit_code == 0
    refused = run(site, "plan", "fraud@1", *AS_OF)
    assert str(refused.exception) == "plan: serves already: fraud@1"
    empty = run(memory_site(tmp_path), "can-promote", "fraud@1", *AS_OF)
    assert str(empty.exception) == (
        "test: test has no champion; adopt what serves first: sluiceway adopt …"
    )


def test_what_a_library_prints_by_itself_is_no_part_of_an_answer(
    capfd: pytest.CaptureFixture[str],
) -> None:
    library = ctypes.CDLL(None)
    with strays_to_stderr():
        library.puts(b"solving")
    print("the answer")
    out, err = capfd.readouterr()
    assert (out, err) == ("the answer\n", "solving\n")
