"""A step is complete when who answers follows it: gateways are believed, not the file."""

import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from sluiceway.adapters import observed_routing
from sluiceway.adapters.flag_file import FlagFileRouter
from sluiceway.adapters.observed_routing import Gateways, ObservedRouter, followed_within
from sluiceway.routing import RoutingTable
from sluiceway.serving.heartbeat import Heartbeat
from sluiceway.steps.site import Site
from sluiceway.steps.world import NotYetObserved
from tests.driver import advance
from tests.steps.worlds import NOW, ask, kinds, quick_site, same_fraud

TABLE = RoutingTable(revision=7, generation=1, release="b" * 64)


def says(folder: Path, revision: int, *, ago: float = 0.0, name: str = "gw-1") -> None:
    """A gateway says which revision it follows."""
    folder.mkdir(parents=True, exist_ok=True)
    heartbeat = Heartbeat(
        instance=name,
        pid=os.getpid(),
        host=socket.gethostname(),
        at=datetime.now(UTC) - timedelta(seconds=ago),
        revision=revision,
        generation=1,
        alarm=None,
    )
    written = folder / f".{name}.tmp"
    written.write_text(heartbeat.to_json())
    written.replace(folder / f"{name}.json")


def router(tmp_path: Path) -> ObservedRouter:
    return ObservedRouter(
        FlagFileRouter(tmp_path / "routing.json"), Gateways(tmp_path / "gateways")
    )


def test_without_a_gateway_the_file_is_what_is_followed(tmp_path: Path) -> None:
    observed = router(tmp_path)
    assert observed.lagging() == ()
    observed.apply(TABLE)
    assert (observed.observed(), observed.lagging()) == (TABLE, ())
    assert observed.consistent


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_of_ours_that_is_wrong_makes_no_gateway_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(hours=hours)

    monkeypatch.setattr(observed_routing, "datetime", Wrong)
    observed = router(tmp_path)
    observed.apply(TABLE)
    says(tmp_path / "gateways", 5)
    assert observed.lagging() == ("gateway gw-1 follows revision 5 of the routing, 7 is wanted",)


def test_a_gateway_that_lives_and_has_not_loaded_the_table_is_named(tmp_path: Path) -> None:
    observed = router(tmp_path)
    observed.apply(TABLE)
    says(tmp_path / "gateways", 7)
    says(tmp_path / "gateways", 5, name="gw-2")
    assert observed.lagging() == ("gateway gw-2 follows revision 5 of the routing, 7 is wanted",)
    says(tmp_path / "gateways", 8, name="gw-2")
    assert observed.lagging() == ()


@pytest.mark.parametrize("ago", [11.0, -11.0])
def test_a_gateway_that_is_dead_keeps_nothing(tmp_path: Path, ago: float) -> None:
    observed = router(tmp_path)
    observed.apply(TABLE)
    says(tmp_path / "gateways", 5, ago=ago)
    assert observed.lagging() == ()


def test_what_is_no_heartbeat_is_nobodys(tmp_path: Path) -> None:
    observed = router(tmp_path)
    observed.apply(TABLE)
    says(tmp_path / "gateways", 7)
    (tmp_path / "gateways" / "half.json").write_text("{")
    assert observed.lagging() == ()
    assert [one.instance for one in Gateways(tmp_path / "gateways").all()] == ["gw-1"]


def test_the_last_word_of_a_gateway_that_was_killed_is_thrown_away_by_who_reads(
    tmp_path: Path,
) -> None:
    """After ten minutes; until then people see that it is dead."""
    folder = tmp_path / "gateways"
    known = Gateways(folder)
    for name, ago in (("alive", 0.0), ("dead", 540.0), ("gone", 660.0), ("wrong clock", 660.0)):
        says(folder, 7, ago=ago, name=name)
        written = time.time() - (0.0 if name == "wrong clock" else ago)
        os.utime(folder / f"{name}.json", (written, written))
    assert [one.instance for one in known.all()] == ["alive", "dead", "wrong clock"]
    assert not (folder / "gone.json").exists()


def observed_site(tmp_path: Path) -> Site:
    site = quick_site(tmp_path)
    return replace(site, router=ObservedRouter(site.router, Gateways(tmp_path / "gateways")))


def test_a_step_is_confirmed_only_when_every_live_gateway_follows(tmp_path: Path) -> None:
    site = observed_site(tmp_path)
    same_fraud(site)
    says(tmp_path / "gateways", 1)
    rollout = ask(site, "fraud@2")
    with pytest.raises(NotYetObserved, match=r"gateway gw-1 follows revision 1 of the routing"):
        advance(site, rollout, NOW)
    assert kinds(site, rollout)[-1] == "step_entered", "the plan changed nothing that is routed"
    says(tmp_path / "gateways", 1, ago=60)  # it died
    advance(site, rollout, NOW)
    assert kinds(site, rollout)[-1] == "confirmed"
    assert site.state(rollout).step == 0


FOLLOWS = """
import sys, time
from pathlib import Path
from sluiceway.adapters import observed_routing
from sluiceway.adapters.flag_file import RoutingFile
from tests.adapters.test_observed_routing import says
file, folder = RoutingFile(Path(sys.argv[1])), Path(sys.argv[2])
file.look()
says(folder, file.table.revision)
print("follows", flush=True)
until = time.monotonic() + 60
while time.monotonic() < until:
    file.look()
    says(folder, file.table.revision)
    time.sleep(0.05)
"""


def test_another_process_is_waited_for_until_it_follows(tmp_path: Path) -> None:
    observed = router(tmp_path)
    observed.apply(TABLE)
    places = [str(tmp_path / "routing.json"), str(tmp_path / "gateways")]
    gateway = subprocess.Popen(
        [sys.executable, "-c", FOLLOWS, *places], stdout=subprocess.PIPE, text=True
    )
    try:
        assert gateway.stdout is not None
        assert gateway.stdout.readline() == "follows\n"
        newer = replace(TABLE, revision=8, cut=("a → b",))
        observed.apply(newer)
        assert followed_within(observed, timedelta(seconds=30)) == ()
        (heartbeat,) = Gateways(tmp_path / "gateways").alive()
        assert heartbeat.revision == 8
    finally:
        gateway.kill()
        gateway.wait()
        gateway.stdout.close()  # type: ignore[union-attr]
    observed.apply(replace(newer, revision=9))
    late = followed_within(observed, timedelta(seconds=0.1))
    assert late == ("gateway gw-1 follows revision 8 of the routing, 9 is wanted",)
