"""What answers follows the routing table: whole, warmed, verified, and back without a load."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from openfeature import api as openfeature
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sluiceway.adapters.memory_registry import MemoryRegistry
from sluiceway.errors import BadInput
from sluiceway.gateway.backends.http import served_elsewhere
from sluiceway.gateway.backends.worker import WorkerLimits
from sluiceway.gateway.flags import Flags
from sluiceway.gateway.metrics import Metrics
from sluiceway.gateway.other_paths import FlaggedPaths
from sluiceway.gateway.telling import seen_of
from sluiceway.gateway.wanted import Place
from sluiceway.journal import JournalUnavailable
from sluiceway.ports import RegistryUnavailable
from sluiceway.rollouts.events import Planned
from sluiceway.routing import CanaryRoute, FlagRoute
from sluiceway.serving.heartbeat import Heartbeat
from sluiceway.serving.ports import BackendFailed
from sluiceway.serving.values import ArmName, Reply
from sluiceway.settings import Settings
from sluiceway.wiring import systems
from tests.adapters.mlflow_worlds import log_estimator
from tests.driver import variant
from tests.end_to_end.shop import NOW, Shop
from tests.gateway.backends import strange
from tests.gateway.backends.models import GIVEN
from tests.gateway.backends.servers import serving
from tests.gateway.backends.strange import Strange
from tests.gateway.worlds import LONG, World, adopted, answers_of, gateway, question

pytestmark = pytest.mark.anyio

ALL_LIVE = {f"{model}@1": "in_process" for model in ("fraud", "handling", "cost", "priority")}


@pytest.fixture
def world(shop: Shop) -> Iterator[World]:
    with shop.site() as site:
        yield adopted(shop, site)


def strange_fraud(world: World, estimator: object = None) -> str:
    """Register a version of fraud that does what the amount says."""
    uri = world.shop.settings.registry_uri
    given = GIVEN.rename(columns={"how": "amount", "value": "signal"})
    fitted = estimator or Strange().fit(given)
    return f"fraud@{log_estimator(uri, 'fraud', fitted, columns=given)}"


def fraud_rows(how: float) -> dict[str, np.ndarray]:
    return {"amount": np.full(2, how), "signal": np.array([1.0, 2.0])}


async def test_the_champion_lives_in_this_process_and_answers_as_its_files_say(
    world: World,
) -> None:
    table = world.apply()
    async with gateway(world) as one:
        served = await one.follows(table)
        assert one.places() == ALL_LIVE
        assert served.pairings == ()
        assert all(backend.local is not None for backend in served.backends.values())
        assert served.contracts["fraud", "1"] == served.system.models["fraud"].contract
        asked = question(1, [f"o{n}" for n in range(7)])
        reply = await one.engine.answer(asked)
        state = one.residents.state
        assert (state.generation, state.alarm, state.faults) == (1, None, {})
    np.testing.assert_allclose(
        reply.values("priority.score"), answers_of(world, world.champion, asked)
    )


async def test_a_candidate_lives_in_a_process_of_its_own_until_it_is_promoted(
    world: World,
) -> None:
    plan = world.plan("r1", "fraud@2", "cost@2")
    table = world.canary(plan)
    async with gateway(world) as one:
        served = await one.follows(table)
        (pairing,) = served.pairings
        assert (pairing.rollout_id, pairing.weight, pairing.mirror) == ("r1", 50, 100)
        assert pairing.halted is None
        assert pairing.models == {"fraud", "cost", "handling", "priority"}
        assert pairing.candidate.versions == {
            "fraud": "2", "cost": "2", "handling": "1", "priority": "1",
        }  # fmt: skip
        apart = {"fraud@2": "worker", "cost@2": "worker"}
        assert one.places() == {**ALL_LIVE, **apart}
        pids = {v.pid for v in one.residents.state.versions if v.place is Place.WORKER}
        assert len(pids) == 2
        assert os.getpid() not in pids

        table = world.promote(plan)
        served = await one.follows(table)
        (pairing,) = served.pairings
        assert (pairing.weight, pairing.mirror, pairing.halted) == (100, 100, None)
        assert pairing.candidate == served.champion == world.champion
        assert pairing.baseline.versions["fraud"] == "1"
        await one.until(lambda: one.places() == {**ALL_LIVE, **dict.fromkeys(apart, "in_process")})
        assert all(served.backends["fraud", version].local is not None for version in ("1", "2"))
        await one.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


async def test_until_its_candidate_is_there_a_canary_gives_its_units_to_the_champion(
    world: World,
) -> None:
    async with gateway(world) as one:
        await one.follows(world.apply())
        table = world.canary(world.plan("r1", "fraud@2"), weight=100)
        await one.until(lambda: len(one.published[-1].pairings) == 1)
        early = one.published[-1]
        assert early.pairings[0].halted == "fraud@2 is being loaded"
        assert one.residents.state.revision < table.revision
        await one.follows(table)
        assert one.published[-1].pairings[0].halted is None


class Switched:
    """Something that can be switched off, and then answers nothing."""

    def __init__(self, behind: object, error: Exception) -> None:
        self._behind = behind
        self._error = error
        self.is_on = True

    def __getattr__(self, name):
        if not self.is_on:
            raise self._error
        return getattr(self._behind, name)


async def test_a_rollback_needs_no_load_and_neither_registry_nor_journal(world: World) -> None:
    plan = world.plan("r1", "fraud@2", "cost@2")
    registry = Switched(world.site.registry, RegistryUnavailable("the registry is down"))
    journal = Switched(world.site.journal, JournalUnavailable("the journal is down"))
    site = replace(world.site, registry=registry, journal=journal)
    async with gateway(world, site=site, files=registry) as one:
        before = await one.follows(world.apply())
        await one.follows(world.canary(plan))
        await one.follows(world.promote(plan))
        await one.until(lambda: not any(Place.WORKER in at for at in one.places().values()))
        loads = one.residents.state.loads
        registry.is_on = journal.is_on = False
        served = await one.follows(world.roll_back(plan))
        assert one.residents.state.loads == loads
        assert served.champion == before.champion
        assert all(
            served.backends[member.model, member.version]
            is before.backends[member.model, member.version]
            for member in before.champion.members.values()
        )
        # What a further rollback would need is not known, so that nothing is freed.
        await one.until(lambda: "the journal is down" in (one.residents.state.alarm or ""))
        assert one.places()["fraud@2"] == "in_process"
        journal.is_on = True
        await one.until(lambda: one.places() == ALL_LIVE)
        assert one.residents.state.loads == loads
        assert one.residents.state.alarm is None


async def test_the_previous_generation_stays_when_the_watch_is_over(world: World) -> None:
    plan = world.plan("r1", "fraud@2")
    async with gateway(world) as one:
        await one.follows(world.promote(plan, watch=False))
        await one.until(lambda: "fraud@1" in one.places())
        assert one.places()["fraud@1"] == "in_process"
        loads = one.residents.state.loads
        await one.follows(world.roll_back(plan))
        assert one.residents.state.loads == loads


async def test_every_question_is_answered_by_exactly_one_release_while_they_are_swapped(
    world: World,
) -> None:
    plan = world.plan("r1", "fraud@2", "cost@2")
    old = world.champion
    new = old.with_members(plan.members)
    units = [f"o{n}" for n in range(20)]
    right = {
        release.content_hash: answers_of(world, release, question(0, units))
        for release in (old, new)
    }
    assert not np.allclose(right[old.content_hash], right[new.content_hash])
    replies: list[Reply] = []

    async def ask(one, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            replies.append(await one.engine.answer(question(number, units)))
            await asyncio.sleep(0)

    async with gateway(world) as one:
        await one.follows(world.apply())
        stop = asyncio.Event()
        async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(ask(one, stop))
            for _ in range(2):
                await one.follows(world.canary(plan))
                await asyncio.sleep(0.05)
                await one.follows(world.promote(plan))
                await asyncio.sleep(0.05)
                await one.follows(world.roll_back(plan))
                await asyncio.sleep(0.05)
                # A promoted plan is over; the next round is another rollout of the same versions.
                plan = world.plan(f"r{world.revision}", "fraud@2", "cost@2")
            stop.set()
    assert len(replies) > 100
    seen: set[tuple[str, str]] = set()
    for reply in replies:
        assert len({(arm.generation, arm.revision) for arm in reply.arms}) == 1
        covered = np.concatenate([arm.rows for arm in reply.arms])
        assert sorted(covered) == list(range(len(units)))
        for arm in reply.arms:
            assert not arm.stand_ins
            seen.add((arm.release, arm.arm))
            np.testing.assert_allclose(
                arm.fields["priority.score"], right[arm.release][arm.rows], rtol=1e-9
            )
    assert {release for release, _ in seen} == set(right)
    assert {arm for _, arm in seen} == set(ArmName)


@pytest.mark.parametrize("digest", ["0" * 64])
async def test_other_files_than_those_verified_are_never_served(world: World, digest: str) -> None:
    plan = world.plan("r1", "fraud@2", artifact_sha256=digest)
    async with gateway(world) as one:
        table = world.canary(plan, weight=100)
        served = await one.follows(table)
        (pairing,) = served.pairings
        assert pairing.halted is not None
        assert pairing.halted.startswith("fraud@2 files have digest ")
        assert pairing.halted.endswith(f"verified was {digest}")
        assert ("fraud", "2") not in served.backends
        reply = await one.engine.answer(question(1, ["a", "b"]))
        assert {arm.release for arm in reply.arms} == {world.champion.content_hash}

        table = world.promote(plan, watch=False)
        await one.until(lambda: "fraud@2 files have digest" in (one.residents.state.alarm or ""))
        assert one.engine.served is not None
        assert one.engine.served.table.generation == 1
        assert one.residents.state.revision < table.revision
        assert not any((world.shop.settings.folder / "serving/models").glob(f"*{digest}*"))
        metrics = Metrics()
        metrics.residents(lambda: seen_of(one.residents))
        told = metrics.text().decode()
        assert 'sluiceway_version_state{model="fraud",state="failed",version="2"} 1.0\n' in told
        assert 'sluiceway_version_state{model="fraud",state="loaded",version="1"} 1.0\n' in told
        assert "sluiceway_failed_generation 2.0\n" in told
        assert "sluiceway_alarm 1.0\n" in told

        table = world.roll_back(plan)
        await one.follows(table)
        await one.until(lambda: one.residents.state.alarm is None)
        told = metrics.text().decode()
        assert 'version="2"' not in told, "nobody wants it any more"
        assert "sluiceway_failed_generation 0.0\n" in told
        assert "sluiceway_alarm 0.0\n" in told


async def test_files_that_changed_after_they_were_verified_are_never_served(world: World) -> None:
    name = strange_fraud(world)
    member = world.member(name)
    with (
        world.site.registry.local_files(*name.split("@")) as folder,
        (folder / "model.pkl").open("ab") as file,
    ):
        file.write(b"and more")
    plan = world.plan("r1", name, artifact_sha256=member.artifact_sha256)
    async with gateway(world) as one:
        served = await one.follows(world.canary(plan))
        assert "files have digest" in (served.pairings[0].halted or "")
        assert tuple(name.split("@")) not in served.backends


async def test_what_somebody_changed_in_the_kept_files_is_fetched_again(world: World) -> None:
    async with gateway(world) as one:
        await one.follows(world.apply())
    kept = world.shop.settings.folder / "serving/models"
    digest = world.champion.members["fraud"].artifact_sha256
    pickled = kept / digest / "model.pkl"
    sound = pickled.read_bytes()
    pickled.write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    async with gateway(world) as one:
        await one.follows(world.apply())
    assert pickled.read_bytes() == sound


class Gone(MemoryRegistry):
    """A registry that does not answer."""

    def version(self, model, version):
        raise RegistryUnavailable("the registry is down")

    def local_files(self, model, version):
        raise RegistryUnavailable("the registry is down")


async def test_a_gateway_starts_while_the_registry_is_down(world: World) -> None:
    plan = world.plan("r1", "fraud@2")
    table = world.canary(plan)
    async with gateway(world) as one:
        await one.follows(table)
    down = replace(world.site, registry=Gone())
    async with gateway(world, site=down, files=Gone()) as one:
        served = await one.follows(table)
        assert served.pairings[0].halted is None
        reply = await one.engine.answer(question(1, ["a", "b", "c"]))
        assert len(reply.values("priority.score")) == 3


async def test_what_was_never_loaded_waits_for_the_registry(world: World) -> None:
    down = replace(world.site, registry=Gone())
    async with gateway(world, site=down, files=Gone()) as one:
        await one.until(lambda: one.residents.state.alarm is not None)
        await one.until(lambda: "the registry is down" in (one.residents.state.alarm or ""))
        assert not one.residents.is_ready
        assert one.residents.state.revision == 0


class Refuses(Strange):
    """Answers nothing but small orders."""

    def predict(self, x):
        if np.asarray(x)[:, 0].max() > 100:
            raise ZeroDivisionError("nothing")
        return np.zeros(len(x))


class Dies(Strange):
    """Kills whoever loads it."""

    def __setstate__(self, state):
        vars(self).update(state)
        if os.environ.get("OPENBLAS_NUM_THREADS") == "1" and "SLUICEWAY_DYING" in os.environ:
            os.kill(os.getpid(), signal.SIGSEGV)


async def test_a_candidate_that_cannot_be_warmed_is_halted_and_its_units_get_the_champion(
    world: World,
) -> None:
    name = strange_fraud(world, Refuses().fit(None))
    async with gateway(world) as one:
        served = await one.follows(world.canary(world.plan("r1", name), weight=100))
        said = f"{name} raised ZeroDivisionError: nothing"
        assert served.pairings[0].halted == said
        assert one.residents.state.halted == {"r1": said}
        reply = await one.engine.answer(question(1, ["a", "b"]))
        assert {arm.release for arm in reply.arms} == {world.champion.content_hash}
        assert one.residents.state.alarm is None


async def test_a_candidate_that_kills_whoever_loads_it_is_halted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = strange_fraud(world, Dies().fit(None))
    monkeypatch.setenv("SLUICEWAY_DYING", "1")
    async with gateway(world) as one:
        served = await one.follows(world.canary(world.plan("r1", name)))
        assert served.pairings[0].halted == f"{name} was ended by SIGSEGV"


@pytest.mark.parametrize("how", [strange.SEGFAULTS, strange.RAISES])
async def test_a_candidate_that_goes_wrong_later_touches_nobody_else(
    world: World, how: float
) -> None:
    name = strange_fraud(world)
    async with gateway(world) as one:
        served = await one.follows(world.canary(world.plan("r1", name)))
        backend = served.backends["fraud", name.split("@")[1]]
        answers = await backend.predict(fraud_rows(strange.WELL), deadline=LONG)
        np.testing.assert_array_equal(answers, [1.0, 2.0])
        with pytest.raises(BackendFailed):
            await backend.predict(fraud_rows(how), deadline=LONG)
        reply = await one.engine.answer(question(1, ["a"], "cost"))
        assert len(reply.values("cost.euros")) == 1


async def test_a_broken_table_keeps_the_last_good_one_and_raises_an_alarm(world: World) -> None:
    file = world.shop.settings.routing_file
    async with gateway(world) as one:
        table = world.apply()
        await one.follows(table)
        good = file.read_text()
        file.write_text(good[: len(good) // 2])
        await one.until(lambda: "is not a routing table" in (one.residents.state.alarm or ""))
        assert one.residents.state.unreadable_tables == 1
        file.unlink()
        await one.until(
            lambda: "is gone; the last good one stays" in (one.residents.state.alarm or "")
        )
        assert one.residents.state.revision == table.revision
        await one.engine.answer(question(1, ["a"]))
        file.write_text(good)
        await one.until(lambda: one.residents.state.alarm is None)


async def test_a_table_that_is_older_than_the_one_followed_is_not_followed(world: World) -> None:
    file = world.shop.settings.routing_file
    async with gateway(world) as one:
        old = file.read_text()
        table = world.apply()
        await one.follows(table)
        file.write_text(old)
        await one.until(lambda: "the newer one stays" in (one.residents.state.alarm or ""))
        assert one.residents.state.revision == table.revision


async def test_a_table_that_names_an_unknown_release_keeps_what_answers(world: World) -> None:
    async with gateway(world) as one:
        table = world.apply()
        await one.follows(table)
        world.apply(release="f" * 64)
        await one.until(lambda: "cannot be followed" in (one.residents.state.alarm or ""))
        assert one.residents.state.revision == table.revision
        await one.follows(world.apply())
        assert one.residents.state.alarm is None


async def test_a_gateway_that_starts_over_a_journal_without_a_plan_answers_by_the_champion(
    world: World,
) -> None:
    """A row that is missing takes a candidate its traffic, and nobody their answer."""
    table = world.canary(world.plan("r1", "fraud@2"))
    with sqlite3.connect(world.shop.home / "journal.db", timeout=30) as journal:
        assert journal.execute("DELETE FROM events WHERE kind = 'planned'").rowcount == 1
    journal.close()
    async with gateway(world) as one:
        await one.until(lambda: one.engine.served is not None)
        served = one.engine.served
        assert served is not None
        assert (served.champion, served.pairings) == (world.champion, ())
        alarm = one.residents.state.alarm or ""
        assert f"revision {table.revision} of the routing cannot be followed" in alarm
        assert "r1 has no plan" in alarm
        assert one.residents.state.revision == 0, "whoever waits for it to follow goes on waiting"
        await one.follows(world.apply())
        assert one.residents.state.alarm is None


async def test_isolated_edges_reach_what_answers(world: World) -> None:
    async with gateway(world) as one:
        served = await one.follows(world.apply(cut=("fraud.probability → cost",)))
        assert served.cut == {"fraud.probability → cost"}


async def test_a_watch_without_its_old_release_leaves_the_champion_alone(world: World) -> None:
    name = strange_fraud(world)
    world.promote(world.plan("r1", name))
    champion = world.champion
    plan = world.plan("r2", "fraud@2")
    with world.site.registry.local_files(*name.split("@")) as folder:
        shutil.move(folder, folder.with_name("gone"))
    table = world.promote(plan)
    async with gateway(world) as one:
        served = await one.follows(table)
        assert served.pairings == ()
        assert served.champion == world.champion
        assert name in (one.residents.state.alarm or "")
    assert champion != served.champion


async def test_heartbeats_say_which_table_is_followed_and_end_with_the_gateway(
    world: World,
) -> None:
    file = world.shop.settings.folder / "serving/gateways/front-1.json"
    async with gateway(world, instance="front-1") as one:
        table = world.apply()
        await one.follows(table)

        def said() -> Heartbeat:
            return Heartbeat.from_json(file.read_bytes())

        await one.until(lambda: file.exists() and said().revision == table.revision)
        first = said()
        assert (first.instance, first.pid, first.generation) == ("front-1", os.getpid(), 1)
        assert first.alarm is None
        assert first.started is not None
        assert first.started < first.at
        await one.until(lambda: said().at > first.at)
        world.shop.settings.routing_file.write_text("{}")
        await one.until(lambda: said().alarm is not None)
        assert json.loads(file.read_text())["revision"] == table.revision
    assert not file.exists()
    assert not list(file.parent.glob(".*"))


async def test_a_leaking_candidate_is_replaced_and_counted(world: World) -> None:
    name = strange_fraud(world)
    limits = WorkerLimits(memory_bytes=450 << 20, memory_poll_seconds=0.02, first_pause=0.01)
    async with gateway(world, limits=limits) as one:
        served = await one.follows(world.canary(world.plan("r1", name)))
        backend = served.backends["fraud", name.split("@")[1]]

        def state():
            return next(v for v in one.residents.state.versions if v.place is Place.WORKER)

        assert state().rss_bytes
        while state().memory_kills == 0:
            try:
                await backend.predict(fraud_rows(strange.LEAKS), deadline=LONG)
            except BackendFailed:
                await asyncio.sleep(0.05)
        await one.until(lambda: state().restarts == 1 and state().pid is not None)


def with_system(world: World, folder: Path, *changes: tuple[str, str]) -> World:
    """The same world with a system file of its own."""
    folder.mkdir()
    file = variant(folder, *changes)
    settings = world.shop.settings.model_copy(update={"system": file})
    site = replace(world.site, systems=systems(settings))
    return replace(world, shop=replace_settings(world.shop, settings), site=site)


CHEAP = (
    "policies:\n",
    """flags:
  cheap:
    owner: finance
    description: Other ways to a cost.
    variants:
      declared: {}
      before: {versions: {cost: "2"}}
      never: {versions: {cost: "77"}}
    default: declared
policies:
""",
)


@dataclass(frozen=True)
class OwnShop(Shop):
    """A shop with settings of its own."""

    own: Settings

    @property
    def settings(self) -> Settings:
        return self.own


def replace_settings(shop: Shop, settings: Settings) -> Shop:
    return OwnShop(home=shop.home, own=settings)


async def test_versions_that_flags_may_choose_are_there_before_anybody_chooses(
    world: World, tmp_path: Path
) -> None:
    world = with_system(world, tmp_path / "system", CHEAP)
    flag = world.site.systems.current().flags["cheap"]
    plan = world.plan("r1", "cost@2")
    world.promote(plan)
    world.roll_back(plan)  # it served once, so that it is known what was verified
    asked = question(1, ["a", "b", "c"], "cost")
    try:
        async with gateway(world, other_paths=FlaggedPaths(world.site, Flags())) as one:
            served = await one.follows(world.apply(flags=(FlagRoute(flag=flag),)))
            assert one.places()["cost@2"] == "worker"
            assert served.detours is None
            declared = await one.engine.answer(asked)
            alarm = one.residents.state.alarm or ""
            assert "cost@77" in alarm
            assert "never is not taken" in alarm
            await one.follows(world.apply(flags=(FlagRoute(flag=flag, chosen="before"),)))
            chosen = await one.engine.answer(asked)
            await one.follows(world.apply(flags=(FlagRoute(flag=flag, chosen="never"),)))
            never = await one.engine.answer(asked)
    finally:
        openfeature.clear_providers()
    values = [reply.values("cost.euros") for reply in (declared, chosen, never)]
    assert not np.allclose(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[2])


async def test_a_rollback_does_not_wait_until_somebody_mends_the_system_file(
    world: World, tmp_path: Path
) -> None:
    world = with_system(world, tmp_path / "system")
    plan = world.plan("r1", "fraud@2")
    file = world.shop.settings.system
    sound = file.read_text()
    async with gateway(world) as one:
        await one.follows(world.promote(plan))
        file.write_text("models: [")
        await one.until(lambda: "as it was is followed" in (one.residents.state.alarm or ""))
        table = world.roll_back(plan)
        served = await one.follows(table)
        assert served.champion.versions["fraud"] == "1"
        file.write_text(sound.replace("range: [0, 1000]", "range: [0, 2000]"))
        await one.until(lambda: one.residents.state.alarm is None)
        assert one.engine.served is not None
        assert one.engine.served.system.features["amount"].high == 2000
        assert one.engine.served.table == table


async def test_a_hard_rule_in_the_table_halts_a_candidate_here_too(world: World) -> None:
    plan = world.plan("r1", "fraud@2")
    async with gateway(world) as one:
        route = CanaryRoute(
            rollout_id="r1", release=plan.release, weight=50, mirror=100, halted="breaker open"
        )
        served = await one.follows(world.apply(canaries=(route,)))
        assert served.pairings[0].halted == "breaker open"
        assert one.residents.state.halted == {"r1": "breaker open"}


async def test_a_candidate_that_was_narrowed_is_the_one_that_the_table_names(world: World) -> None:
    plan = world.plan("r1", "fraud@2", "cost@2")
    kept = tuple(member for member in plan.members if member.model == "cost")
    base = world.site.journal.release(world.site.environment, plan.baseline)
    narrowed = plan.narrowed(world.site.systems.current(), kept, base)
    async with gateway(world) as one:
        await one.follows(world.canary(plan))
        world.site.tell(
            "r1",
            Planned(plan=narrowed),
            after=len(world.site.journal.events(world.site.environment, "r1")),
            now=NOW,
        )
        served = await one.follows(world.canary(narrowed))
        assert served.pairings[0].candidate.versions["fraud"] == "1"
        assert served.pairings[0].candidate.versions["cost"] == "2"
        assert served.pairings[0].models == {"cost", "priority"}
        await one.until(lambda: "fraud@2" not in one.places())


async def dozen(request: Request) -> Response:
    """A server that exists and answers 12 to everything."""
    content = await request.json()
    rows = content["inputs"][0]["shape"][0]
    tensor = {"name": "euros", "shape": [rows], "datatype": "FP64", "data": [12.0] * rows}
    return JSONResponse({"model_name": "cost", "outputs": [tensor]})


async def test_a_server_that_exists_may_answer_for_a_version(world: World) -> None:
    with serving(Starlette(routes=[Route("/v2/models/cost/infer", dozen, methods=["POST"])])) as at:
        declared = served_elsewhere({"cost@1": f"v2+{at}/v2/models/cost"})
        async with gateway(world, served_at=declared) as one:
            await one.follows(world.apply())
            assert one.places() == {**ALL_LIVE, "cost@1": "http"}
            reply = await one.engine.answer(question(1, ["a", "b"], "cost"))
    np.testing.assert_array_equal(reply.values("cost.euros"), [12.0, 12.0])


def test_servers_that_are_not_written_as_such_are_refused_together() -> None:
    with pytest.raises(BadInput) as caught:
        served_elsewhere({"cost": "v2+http://a/v2/models/cost", "cost@1": "http://a"})
    assert len(caught.value.faults) == 2
