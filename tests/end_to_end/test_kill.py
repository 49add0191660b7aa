"""A flow that is killed at any instruction is finished by the next one.

Each case starts from a copy of one prepared folder, is killed with SIGKILL in a process of its own,
and is then run again in the ordinary way until the rollout is over.
"""

import multiprocessing
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal

import mlflow
import pytest

from flows.evaluate_canaries import evaluate_canaries
from flows.rollback import rollback
from flows.rollout import rollout
from sluiceway.errors import BadInput
from sluiceway.journal import check_chain
from sluiceway.rollouts.endings import Ending
from sluiceway.steps import requests
from sluiceway.steps.deciding import unfinished
from sluiceway.steps.missing_answers import blocks_between
from sluiceway.steps.publishing import REPORT
from sluiceway.steps.world import differing, wanted_projection
from tests.adapters.mlflow_worlds import QUIET
from tests.end_to_end import dying
from tests.end_to_end.prefect_server import PrefectServer, flows_through
from tests.end_to_end.shop import JOINT, LIVE, LONGEST, NOW, Shop

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

Flow = Callable[..., None]
PROCESSES = multiprocessing.get_context("forkserver")
"""Forks of a process that has imported everything and started nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The shop at three times, each a copy of its folder.

    Attributes:
        asked: The rollout is asked for, nothing is replayed.
        promoting: The look that promotes is due, and its orders are answered.
        ending: The last look of the watch is due, and its orders are answered.
    """

    folder: Path
    rollout_id: str
    asked: datetime
    promoting: datetime
    ending: datetime

    def at(self, moment: str, home: Path) -> tuple[Shop, datetime]:
        """A copy of its own, and the time it is."""
        now: datetime = getattr(self, moment)
        return Shop(home=shutil.copytree(self.folder / now.date().isoformat(), home)), now


@pytest.fixture(scope="module")
def prepared(
    shop_registry: Path, prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prepared]:
    folder = tmp_path_factory.mktemp("kill")
    shop = Shop.opened(shop_registry, folder / "home")
    with pytest.MonkeyPatch.context() as patch, flows_through(prefect_server):
        for name, value in {**shop.environment, **prefect_server.environment}.items():
            patch.setenv(name, value)
        PROCESSES.set_forkserver_preload(["tests.end_to_end.dying"])
        forkserver.ensure_running()
        yield _prepared(shop, folder)


def _prepared(shop: Shop, folder: Path) -> Prepared:
    with shop.site() as site:
        requests.adopt(site, LIVE, now=NOW, actor="ada")
        rollout_id = requests.request_rollout(site, JOINT, now=NOW, actor="ada")
    shutil.copytree(shop.home, folder / NOW.date().isoformat())
    assert rollout(list(JOINT), as_of=NOW, actor="ada") == rollout_id
    promoting, now = None, NOW
    for _ in range(LONGEST):
        now = shop.answers(now)
        copy = shutil.copytree(shop.home, folder / now.date().isoformat())
        evaluate_canaries(as_of=now)
        state = shop.state(rollout_id)
        if state.promoted and promoting is None:
            promoting = now
        elif state.ended and promoting is not None:
            return Prepared(
                folder=folder, rollout_id=rollout_id, asked=NOW, promoting=promoting, ending=now
            )
        else:
            shutil.rmtree(copy)
    raise AssertionError(f"{rollout_id} did not end in {LONGEST} days")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One copy of the shop, in which one process dies."""

    shop: Shop
    rollout_id: str
    now: datetime

    def killed_at(self, point: str, flow: Flow = dying.evaluating) -> None:
        """Run the flow in a process of its own, which kills itself at the point."""
        running = self.started(point, flow)
        running.join(120)
        assert running.exitcode == -signal.SIGKILL, running.exitcode

    def started(self, point: str | None, flow: Flow = dying.evaluating) -> BaseProcess:
        """The flow in a process of its own."""
        arguments = (point, self.now, dict(self.shop.environment))
        running = PROCESSES.Process(target=flow, args=arguments)
        running.start()
        return running


Moment = Literal["asked", "promoting", "ending"]


@pytest.fixture
def case_at(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Moment], Case]:
    def copied(moment: Moment) -> Case:
        shop, now = prepared.at(moment, tmp_path / "home")
        for name, value in shop.environment.items():
            monkeypatch.setenv(name, value)
        return Case(shop=shop, rollout_id=prepared.rollout_id, now=now)

    return copied


def run_to_the_end(case: Case) -> None:
    """What the schedule does: the flow again, at the same time and then day by day."""
    shop, now = case.shop, case.now
    evaluate_canaries(as_of=now)
    for _ in range(LONGEST):
        if shop.state(case.rollout_id).ended is not None:
            return
        now = shop.answers(now)
        evaluate_canaries(as_of=now)
    raise AssertionError(f"{case.rollout_id} did not end in {LONGEST} days")


def assert_one_consistent_release(case: Case) -> None:
    shop, rollout_id = case.shop, case.rollout_id
    assert shop.champion() == (2, {"cost": "2", "fraud": "2", "handling": "1", "priority": "1"})
    state = shop.state(rollout_id)
    assert state.ended is not None
    assert state.ended.ending is Ending.PROMOTED, state.ended.reason
    assert not state.unconfirmed
    assert shop.kinds(rollout_id).count("promoted") == 1
    assert shop.kinds(rollout_id).count("ended") == 1
    with shop.site() as site:
        assert list(site.journal.generations(site.environment)) == [1, 2]
        assert differing(site, wanted_projection(site)) == []
        table = site.router.observed()
        aliases = {m: site.registry.aliases(m) for m in site.champion().release.versions}
        revision = site.champion().revision
        kept = site.evidence.heads("orders", environment=site.environment)
        check = check_chain(site.journal.chain(site.environment), known_heads=kept)
    assert revision == 2
    assert table is not None
    assert (table.generation, table.canaries, table.watches) == (2, (), ())
    assert {m: own["champion"] for m, own in aliases.items()} == shop.champion()[1]
    assert check.faults == ()
    assert_each_block_entered_once(case)
    assert_everybody_was_shown(case)


def assert_each_block_entered_once(case: Case) -> None:
    state = case.shop.state(case.rollout_id)
    assert state.look is not None
    assert state.plan is not None
    assert state.first_step_at is not None
    calendar, last = state.plan.calendar, str(state.look.watermark)
    first = calendar.name(calendar.next_start(state.first_step_at))
    days = blocks_between(calendar, first, last)
    for sequence in state.look.states.values():
        assert (sequence.n + sequence.unmeasured, sequence.last_block) == (len(days), last)
    for verdict in state.look.verdicts:
        assert state.look.states[verdict.gate.name].rows == 120 * len(days)


def assert_everybody_was_shown(case: Case) -> None:
    client = mlflow.MlflowClient(case.shop.settings.registry_uri)
    experiment = client.get_experiment_by_name("sluiceway/orders")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert [run.info.run_name for run in runs] == [case.rollout_id]
    assert runs[0].data.tags["sluiceway.ending"] == "promoted"
    page = case.shop.home / "production" / "rollouts" / case.rollout_id / REPORT
    assert page.read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_killed_amid_the_shadow_replay(case_at: Callable[[Moment], Case]) -> None:
    case = case_at("asked")
    case.killed_at("amid the shadow replay")
    kinds = case.shop.kinds(case.rollout_id)
    assert "contracts_checked" in kinds
    assert "shadow_measured" not in kinds
    evaluate_canaries(as_of=case.now)
    after = case.shop.kinds(case.rollout_id)
    assert after.count("shadow_measured") == after.count("contracts_checked") == 1
    assert case.shop.state(case.rollout_id).weight == 10


@pytest.mark.parametrize(
    ("point", "moved"),
    [
        ("before the look's event", False),
        ("before the pointer moves", False),
        ("before routing", True),
        ("before aliases", True),
        ("between aliases", True),
        ("before it is confirmed", True),
        ("before it is shown", True),
    ],
)
def test_killed_in_the_middle_of_promotion(
    point: str, moved: bool, case_at: Callable[[Moment], Case]
) -> None:
    case = case_at("promoting")
    assert case.shop.champion()[0] == 1
    case.killed_at(point)
    assert case.shop.champion()[0] == (2 if moved else 1)
    run_to_the_end(case)
    assert_one_consistent_release(case)


def test_killed_before_the_end_was_shown(case_at: Callable[[Moment], Case]) -> None:
    case = case_at("ending")
    case.killed_at("before the end is shown")
    assert case.shop.state(case.rollout_id).ended is not None
    evaluate_canaries(as_of=case.now)
    assert_one_consistent_release(case)


@pytest.mark.parametrize("again", ["rollback", "evaluate"])
def test_killed_in_the_middle_of_a_rollback_by_hand(
    again: str, case_at: Callable[[Moment], Case]
) -> None:
    case = case_at("ending")
    case.killed_at("between aliases", dying.rolling_back)
    assert case.shop.champion()[0] == 1
    if again == "evaluate":
        evaluate_canaries(as_of=case.now)
    else:
        with pytest.raises(BadInput, match="rollback: generation 1 "):
            rollback("again", as_of=case.now, actor="grace")
    with case.shop.site() as site:
        assert site.champion().revision == 3
        assert differing(site, wanted_projection(site)) == []
        assert unfinished(site) == ()
        check = check_chain(site.journal.chain(site.environment), known_heads={})
        aliases = {m: site.registry.aliases(m)["champion"] for m in case.shop.champion()[1]}
    assert check.faults == ()
    assert aliases == case.shop.champion()[1]
    ended = case.shop.state(case.rollout_id).ended
    assert ended is not None
    assert ended.ending is Ending.ROLLED_BACK


def test_two_flows_at_once_promote_once(case_at: Callable[[Moment], Case]) -> None:
    case = case_at("promoting")
    running = [case.started(None) for _ in range(2)]
    for one in running:
        one.join(120)
    assert [one.exitcode for one in running] == [0, 0]
    run_to_the_end(case)
    assert_one_consistent_release(case)
