"""A process of its own that moves the champion and opens canaries, by the journal, when told to.

It stands for the flows: it writes what they would write and projects it, without their evidence.
A flow runs beside no gateway that is short of processors, so it yields to whoever answers or asks.
``python -m bench.gateway.switching HOME SYSTEM DATA`` reads one command a line and answers with the
time at which it was decided, as a JSON object.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sluiceway.settings import Settings


class Switching:
    """The other end of such a process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def tell(self, *command: str) -> dict[str, Any]:
        """Have something done; gives when it was decided and when it was projected (s)."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join(command) + "\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline()
        if not said:
            raise RuntimeError(f"{command} was not done")
        return dict(json.loads(said))


@contextmanager
def switching(settings: Settings) -> Iterator[Switching]:
    """A process that waits for commands: ``promote``, ``rollback``, ``canary``, ``stop``."""
    places = (settings.home, settings.system, settings.data_folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.gateway.switching", *map(str, places)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    one = Switching(process)
    try:
        one.tell("ready")
        yield one
    finally:
        process.kill()
        process.wait()
        for end in (process.stdin, process.stdout):
            if end is not None:
                end.close()


def main() -> None:
    from sluiceway.wiring import opened

    os.nice(19)
    home, system, data = map(Path, sys.argv[1:])
    settings = Settings(home=home, system=system, data=data, environment="production")
    with opened(settings) as site:
        for line in sys.stdin:
            verb, *members = line.split()
            decided = time.time()
            if verb != "ready":
                _COMMANDS[verb](site, members)
            told = {"decided": decided, "done": time.time()}
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


_MEMBERS: dict[str, Any] = {}


def _promote(site: Any, names: list[str]) -> None:
    """Make the champion's release with these members the champion."""
    from sluiceway.rollouts.events import Adopted, draft
    from sluiceway.steps.members import member_of
    from sluiceway.steps.world import bring_routing

    champion = site.champion()
    for name in names:
        if name not in _MEMBERS:  # what a flow has verified long before it promotes
            _MEMBERS[name] = member_of(site, site.systems.current(), *name.split("@"))
    release = champion.release.with_members([_MEMBERS[name] for name in names])
    happened = Adopted(release=release.content_hash)
    site.journal.move_champion(
        site.environment,
        release,
        f"switch-{champion.revision:04d}",
        [draft(happened, at=datetime.now(UTC), actor="bench")],
        after=0,
        revision=champion.revision,
    )
    bring_routing(site)


def _rollback(site: Any, _names: list[str]) -> None:
    from sluiceway.steps.going_back import request_rollback
    from sluiceway.steps.world import bring_routing

    request_rollback(site, to=1, reason="a bench", now=datetime.now(UTC), actor="bench")
    bring_routing(site)


def _canary(site: Any, names: list[str]) -> None:
    """Open a canary of half of the units for these members, every row mirrored."""
    from sluiceway.rollouts.events import StepEntered
    from sluiceway.steps import planning, requests
    from sluiceway.steps.world import restore

    weight, *members = names
    now = datetime.now(UTC)
    rollout_id = requests.request_rollout(site, members, now=now, actor="bench")
    planning.plan_rollout(site, rollout_id, now=now)
    state = site.state(rollout_id)
    assert state.plan is not None, state.ended
    entered = StepEntered(step=0, weight=int(weight))
    site.tell(rollout_id, entered, after=state.seq, now=now + timedelta(seconds=1))
    restore(site)


def _stop(site: Any, _names: list[str]) -> None:
    """End every canary."""
    from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
    from sluiceway.rollouts.events import Ended
    from sluiceway.steps.world import restore

    for rollout_id in site.journal.rollouts(site.environment):
        state = site.state(rollout_id)
        if state.plan is None or state.ended is not None:
            continue
        ended = Ended(
            ending=Ending.ABORTED,
            phase=Phase.CANARY,
            code=ReasonCode.ABORTED_BY_HAND,
            reason="the bench goes on",
        )
        site.tell(rollout_id, ended, after=state.seq, now=datetime.now(UTC))
    restore(site)


_COMMANDS = {"promote": _promote, "rollback": _rollback, "canary": _canary, "stop": _stop}

if __name__ == "__main__":
    main()
