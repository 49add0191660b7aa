"""Killed at any write, before or after it took effect, a rollout ends as if nothing had been."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sluiceway.adapters.history import History
from sluiceway.journal import JournalUnavailable, check_chain
from sluiceway.planning import CanaryPower, plan_canary
from sluiceway.ports import RegistryUnavailable, Window
from sluiceway.rollouts.actions import Rest
from sluiceway.rollouts.events import Looked, happening
from sluiceway.steps import planning, requests
from sluiceway.steps.missing_answers import blocks_between
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site
from sluiceway.steps.world import differing, wanted_projection
from sluiceway.system.file import read_system
from tests.driver import (
    FITTED_COST,
    LIVE,
    QUICK,
    TRAINED,
    Remembered,
    add,
    advance,
    memory_site,
    variant,
)
from tests.orders.data import day

from .broken import WRITES, Fuse, Fused, Killed, fused

NOW = day(40)
MOST_DAYS = 25


@dataclass
class Play:
    """A whole rollout, from adoption to the end of the watch, that can be begun in any world."""

    file: Path
    folder: Path

    def __post_init__(self) -> None:
        self.system = read_system(self.file)
        self.record = Remembered(
            History(self.system, base=self.file.parent, data_folder=self.folder)
        )

    def world(self) -> Site:
        site = memory_site(self.folder, file=self.file)
        add(site, "fraud", "2", TRAINED)
        add(site, "cost", "2", FITTED_COST)
        systems = replace(
            site.systems,
            recorded=lambda _: self.record,
            current=lambda: self.system,
            kept=lambda _: self.system,
        )
        return replace(site, systems=systems)

    def run(self, site: Site, errors: tuple[type[BaseException], ...] = (Killed,)) -> int:
        """Play until the rollout rests; whoever is killed begins again. Returns how often."""
        killed = 0

        def surely(operation: Any) -> Any:
            nonlocal killed
            while True:
                try:
                    return operation()
                except errors:
                    killed += 1
                    assert killed < 5

        def adopt() -> None:
            if site.journal.champion(site.environment) is None:
                requests.adopt(site, [f"{model}@1" for model in LIVE], now=NOW, actor="ada")
            advance(site, "adoption", NOW)

        surely(adopt)
        rollout = surely(
            lambda: requests.request_rollout(site, ["fraud@2", "cost@2"], now=NOW, actor="ada")
        )
        surely(lambda: advance(site, rollout, NOW))
        for number in range(MOST_DAYS):
            begin = NOW + timedelta(days=number)
            window = Window(start=begin, end=begin + timedelta(days=1))
            surely(lambda window=window: BatchServer(site).answer(window, now=window.end))
            if isinstance(surely(lambda window=window: advance(site, rollout, window.end)), Rest):
                return killed
        raise AssertionError(f"did not end: {site.state(rollout)}")


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """A rollout that is played a hundred times, whose canary is simulated once."""
    folder = tmp_path_factory.mktemp("crashes")
    (folder / "system").mkdir()
    known: dict[str, CanaryPower] = {}

    def remembered(*args: Any, **more: Any) -> CanaryPower:
        key = repr((args, more))
        if key not in known:
            known[key] = plan_canary(*args, **more)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "simulate_canary", remembered)
        yield Play(variant(folder / "system", *QUICK), folder)


def story(site: Site) -> dict[str, Any]:
    """All that must not depend on whether and where somebody was killed."""
    events = list(site.journal.chain(site.environment))
    told = [(e.rollout_id, e.seq, e.at, e.kind, _plain(e.payload)) for e in events]
    whole = Window(start=NOW, end=NOW + timedelta(days=MOST_DAYS))
    table = site.router.observed()
    return {
        "events": told,
        "champion": site.champion(),
        "aliases": {model: site.registry.aliases(model) for model in LIVE},
        "tags": {m: site.registry.version(m, "2").tags for m in ("fraud", "cost")},
        "routing": table,
        "answers": site.predictions.read(whole).drop(columns="routing_revision").to_dict("list"),
    }


def _plain(payload: Any) -> Any:
    """A payload without the seconds that something took."""
    if isinstance(payload, dict):
        return {key: _plain(value) for key, value in payload.items() if key != "seconds"}
    return [_plain(one) for one in payload] if isinstance(payload, list) else payload


def sound(site: Site) -> None:
    """One champion, an intact chain, each thing once, and a world that is as the journal says."""
    events = list(site.journal.chain(site.environment))
    check = check_chain(events, known_heads={events[-1].hash: "this test"})
    assert check.faults == ()
    assert site.champion().generation == 2
    assert differing(site, wanted_projection(site)) == []
    kinds = Counter((e.rollout_id, e.kind) for e in events)
    for kind in (
        "promoted",
        "planned",
        "canary_planned",
        "ended",
        "requested",
        "contracts_checked",
    ):
        assert kinds["r0001-cost2-fraud2", kind] == 1, kind
    steps = [e.payload["step"] for e in events if e.kind == "step_entered"]
    assert steps == [0, 1]
    looks = [one for e in events if isinstance(one := happening(e), Looked)]
    calendar = site.plan("r0001-cost2-fraud2").calendar
    began = next(e.at for e in events if e.kind == "step_entered")
    first, last = calendar.name(calendar.next_start(began)), looks[-1].watermark
    assert last is not None
    blocks = blocks_between(calendar, first, last)
    for state in looks[-1].states.values():
        assert (state.n + state.unmeasured, state.last_block) == (len(blocks), last)


@pytest.fixture(scope="module")
def undisturbed(play: Play) -> tuple[dict[str, Any], int]:
    fuse, site = Fuse(), play.world()
    assert play.run(fused(site, fuse)) == 0
    sound(site)
    return story(site), fuse.calls


@pytest.mark.parametrize("part", range(4))
def test_killed_at_any_write_the_next_run_ends_the_same(
    play: Play, undisturbed: tuple[dict[str, Any], int], part: int
) -> None:
    """Every write is killed once: every other one before it took effect, the rest after."""
    expected, writes = undisturbed
    assert writes > 60
    for at in range(1 + part, writes + 1, 4):
        site = play.world()
        killed = play.run(fused(site, Fuse(at=at, after=(at + at // 4) % 2 == 0)))
        assert killed == 1, f"write {at} never came"
        sound(site)
        found = story(site)
        for what, value in expected.items():
            assert found[what] == value, f"{what} differs when killed at write {at}"


@pytest.mark.parametrize("port", sorted(WRITES))
@pytest.mark.parametrize("error", [RegistryUnavailable, JournalUnavailable, OSError])
def test_an_error_at_the_first_write_is_no_progress_and_no_lie(
    play: Play,
    undisturbed: tuple[dict[str, Any], int],
    port: str,
    error: type[BaseException],
) -> None:
    site = play.world()
    assert play.run(fused(site, Fuse(at=1, error=error), [port]), errors=(error,)) == 1
    sound(site)
    assert story(site) == undisturbed[0]


def test_a_registry_that_is_away_now_and_then_changes_no_history(
    play: Play, undisturbed: tuple[dict[str, Any], int]
) -> None:
    """Nothing is known of the candidate then, so nothing is written about it."""
    counted = Fuse()
    site = play.world()
    play.run(replace(site, registry=Fused(site.registry, None, counted)))
    for at in range(1, counted.calls + 1, max(1, counted.calls // 20)):
        site = play.world()
        fuse = Fuse(at=at, error=RegistryUnavailable)
        fragile = replace(site, registry=Fused(site.registry, None, fuse))
        assert play.run(fragile, errors=(RegistryUnavailable,)) == 1, f"call {at} was swallowed"
        sound(site)
        assert story(site)["events"] == undisturbed[0]["events"], f"call {at}"
