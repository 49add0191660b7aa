"""`sluiceway can-promote` and `sluiceway plan`: what may go live, and what that would come to."""

import ctypes
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest
from typer.testing import CliRunner

from sluiceway.cli import release_commands
from sluiceway.cli.commands import app
from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput
from sluiceway.quieting import strays_to_stderr
from sluiceway.steps.site import Site
from tests.driver import LIVE, Wild, add, advance, memory_site, variant
from tests.steps.test_way_back import (
    CONTRACTS,
    demanding_percent,
    in_percent,
    of_percent,
    percent,
)
from tests.steps.worlds import NOW, ask, better_fraud, ended, quick_site, same_fraud, to_canary

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


def other_unit(contract: Contract) -> Contract:
    """The same model's answer in percent: nobody who reads points can live with it."""
    (field,) = contract.output
    return replace(contract, version="2.0.0", output=(replace(field, unit="percent"),))


def test_what_nobody_has_seen_cannot_be_told(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    site = quick_site(tmp_path)
    better_fraud(site)
    asked = run(site, "can-promote", "fraud@2", *AS_OF)
    assert asked.exit_code == 3, asked.output
    assert asked.stdout.splitlines()[0] == (
        "? fraud@2: whether to go live cannot be told in test, where generation 1 serves"
    )
    assert (
        "  ? cost@1 with what feeds it was never replayed, and never served, with its present "
        "contract and features; to clear it: a shadow replay of this release that passes"
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
        "How far would a rollout come?",
        "Contracts",
        "Times",
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
        "  as asked it would end at its plan, rejected (must_go_with); all of them together:",
        "  to its replay, if the versions answer as they promise; none was asked yet",
        "  nothing that it reaches needs any",
        "  at least 10d of live evidence with mature labels; no required gate passes on less",
        "  more is not known before shadow, which sample and time are simulated from",
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
    assert (found["ends"], found["times"]) == (None, [])
    assert (found["needed"]["at_least"], found["needed"]["units"]) == ("10d", None)
    assert site.journal.head(site.environment) == before


def test_a_plan_says_where_the_rollout_would_end_as_the_rollout_does(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    """Nothing is asked for that: what contracts say is known before."""
    site = quick_site(tmp_path)
    contract = other_unit(CONTRACTS["priority"])
    add(site, "priority", "2", LIVE["priority"], contract=contract)
    planned = run(site, "plan", "priority@2", *AS_OF)
    assert planned.exit_code == 1
    found = json.loads(run(site, "plan", "priority@2", *AS_OF, "--json").stdout)
    rollout = ask(site, "priority@2")
    advance(site, rollout, NOW)
    over = ended(site, rollout)
    assert found["ends"] == {
        "phase": over.phase,
        "ending": over.ending,
        "code": over.code,
        "reason": over.reason,
    }
    assert over.code == "contract_change_breaks_consumers"
    line = f"  it would end at its contract check, rejected ({over.code}): {over.reason}"
    assert line in planned.stdout.splitlines()


def test_an_outside_application_that_cannot_read_a_version_is_named_in_the_conflict(
    tmp_path: Path, run
) -> None:  # type: ignore[no-untyped-def]
    site = quick_site(tmp_path)
    contract = other_unit(CONTRACTS["priority"])
    add(site, "priority", "2", LIVE["priority"], contract=contract)
    asked = run(site, "can-promote", "priority@2", *AS_OF)
    assert asked.stdout.splitlines()[-1] == (
        "  priority@2 cannot go live: priority@2 is wanted; priority@2 must not serve: worklist "
        "cannot read it: priority.score: changes its unit from points to percent"
    )


NEEDS = (
    "relies_on: [numeric, behavioural], operating_threshold: 12",
    "relies_on: [numeric, behavioural], operating_threshold: 12, needs: {latency_p99: 1m}",
)


def test_a_need_of_time_that_is_kept_no_more_is_a_no_and_stands_in_the_plan(
    tmp_path: Path, run
) -> None:  # type: ignore[no-untyped-def]
    site = quick_site(tmp_path, NEEDS)
    slower = replace(CONTRACTS["fraud"], version="2.0.0", deadline=timedelta(seconds=25))
    same_fraud(site, contract=slower)
    asked = run(site, "can-promote", "fraud@2", *AS_OF, "--json")
    assert asked.exit_code == 1
    (late,) = [one for one in json.loads(asked.stdout)["reasons"] if one["answer"] == "no"]
    assert (late["code"], late["edge"]) == ("times_not_kept", "priority.score → worklist")
    planned = run(site, "plan", "fraud@2", *AS_OF)
    assert planned.exit_code == 1
    promised = " (its deadline: it promises no p99)"
    assert (
        "  priority.score → worklist: latency_p99 1m is not kept (was 1m), 65s: "
        f"fraud 25s{promised} + handling 20s{promised} + priority 20s{promised}"
    ) in planned.stdout.splitlines()
    assert "rejected (times_not_kept)" in planned.stdout


def test_a_need_of_time_that_stays_kept_is_shown_with_its_parts(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    site = quick_site(tmp_path, NEEDS)
    same_fraud(site)
    assert run(site, "can-promote", "fraud@2", *AS_OF).exit_code == 3
    (time,) = json.loads(run(site, "plan", "fraud@2", *AS_OF, "--json").stdout)["times"]
    assert (time["needed_seconds"], time["before_seconds"], time["after_seconds"]) == (60, 60, 60)
    assert time["sentence"].startswith("priority.score → worklist: latency_p99 1m is kept, 1m: ")


def test_a_shadow_of_others_on_the_same_gates_gives_an_estimate_that_says_so(
    tmp_path: Path, run
) -> None:  # type: ignore[no-untyped-def]
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    add(site, "fraud", "3", LIVE["fraud"])
    found = json.loads(run(site, "plan", "fraud@3", *AS_OF, "--json").stdout)["needed"]
    assert (found["estimate"], found["rests_on"]) == (True, rollout)
    assert found["units"] > 0
    assert (
        f"an estimate, by the scatter that other versions had in the shadow of {rollout} (fraud@2) "
        "on the same gates: a harmless candidate passes all required gates within "
    ) in found["sentence"]
    own = json.loads(run(site, "plan", "fraud@2", *AS_OF, "--json").stdout)["needed"]
    assert (own["estimate"], own["rests_on"]) == (False, rollout)


def test_what_reads_earlier_answers_is_said_not_to_be_replayable(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    later = (
        "inputs: [amount, hour, signal]",
        "inputs: [amount, hour, signal, {reads: priority.score, delayed: 1d}]",
    )
    site = quick_site(tmp_path, later)
    same_fraud(site)
    asked = run(site, "can-promote", "fraud@2", *AS_OF)
    assert asked.exit_code == 3
    edge = "priority.score → fraud reads an answer given 1d earlier"
    assert (
        f"  ? cost@1 with what feeds it cannot be replayed: {edge}; to clear it: " in asked.stdout
    )
    planned = run(site, "plan", "fraud@2", *AS_OF)
    assert planned.exit_code == 1
    ends = "  it would end at its plan, errored (earlier_answers_not_replayed): "
    assert f"{ends}{edge}; a replay has no earlier answers to give" in planned.stdout


def test_validate_names_what_no_rollout_can_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = (
        "inputs: [amount, hour, signal]",
        "inputs: [amount, hour, signal, {reads: priority.score, delayed: 1d}]",
    )
    monkeypatch.setenv("SLUICEWAY_SYSTEM", str(variant(tmp_path, edge)))
    checked = CliRunner().invoke(app, ["validate"])
    assert checked.exit_code == 0
    assert checked.stdout.splitlines()[-1] == (
        "not replayable: priority.score → fraud reads an answer given 1d earlier; a rollout that "
        "reaches it ends errored"
    )


def ignoring(expires: str) -> tuple[str, str]:
    return (
        "slices:\n",
        "ignores:\n  - {producer: priority@2, consumer: worklist, owner: desk, expires: "
        f"{expires},\n     reason: The list is sorted by hand this week.}}\n\nslices:\n",
    )


def test_an_ignore_counts_for_who_asks_and_for_the_rollout_until_its_last_day(
    tmp_path: Path, run
) -> None:  # type: ignore[no-untyped-def]
    for name, expires in (("counts", f"{NOW:%Y-%m-%d}"), ("expired", "2026-02-09")):
        (tmp_path / name).mkdir()
        site = quick_site(tmp_path / name, ignoring(expires))
        contract = other_unit(CONTRACTS["priority"])
        add(site, "priority", "2", LIVE["priority"], contract=contract)
        asked = run(site, "can-promote", "priority@2", *AS_OF)
        planned = json.loads(run(site, "plan", "priority@2", *AS_OF, "--json").stdout)
        rollout = ask(site, "priority@2")
        advance(site, rollout, NOW)
        checked = site.state(rollout).contracts
        assert checked is not None
        said = f"by desk until {expires} (The list is sorted by hand this week.)"
        if name == "counts":
            assert asked.exit_code == 3, "whether it works, nobody has seen"
            assert f"ignored {said}" in asked.stdout
            assert planned["ends"] is None
            assert site.state(rollout).ended is None
            assert checked.checks[0].sentence.endswith(f"ignored on priority → worklist {said}")
        else:
            assert asked.exit_code == 1
            assert f"the ignore {said} has expired" in asked.stdout
            assert planned["ends"]["code"] == "contract_change_breaks_consumers"
            assert ended(site, rollout).code == "contract_change_breaks_consumers"


@pytest.mark.parametrize(
    ("names", "faults"),
    [
        (["fraud"], "{command}: 'fraud' names no version; write MODEL@VERSION, like dep_delay@2"),
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
    assert str(refused.exception) == faults.format(command=command)


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


def test_threads_that_turn_the_output_round_put_back_what_was_there(
    capfd: pytest.CaptureFixture[str],
) -> None:
    inside, library = Barrier(2, timeout=1), ctypes.CDLL(None)

    def solve() -> None:
        with strays_to_stderr():
            with suppress(BrokenBarrierError):  # only where both are inside at once is it not
                inside.wait()
            library.puts(b"solving")

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(solve) for _ in range(2)]:
            done.result()
    print("the answer")
    out, err = capfd.readouterr()
    assert (out, err) == ("the answer\n", "solving\nsolving\n")


def test_what_a_library_prints_by_itself_is_no_part_of_an_answer(
    capfd: pytest.CaptureFixture[str],
) -> None:
    library = ctypes.CDLL(None)
    with strays_to_stderr():
        library.puts(b"solving")
    print("the answer")
    out, err = capfd.readouterr()
    assert (out, err) == ("the answer\n", "solving\n")
