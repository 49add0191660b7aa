"""The sweep: rollout after rollout, something is broken in each, and all is to come right again."""

import fnmatch
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.chaos import breaking, seam
from bench.chaos.claims import broken, unsettled
from bench.chaos.deployed import Deployed
from bench.chaos.points import QUICK, Break, Point, Stage, all_points
from bench.chaos.proxy import Proxy
from bench.chaos.shop import Stock
from bench.chaos.traffic import Seen
from sluiceway.errors import SluicewayError
from sluiceway.rollouts.endings import Ending
from sluiceway.rollouts.state import RolloutState
from sluiceway.settings import Settings
from sluiceway.steps import requests
from sluiceway.steps.site import Site
from sluiceway.wiring import opened

_REACHES_WITHIN: Final = 420.0
"""Seconds in which a flow run has to come to the instruction that is meant, on a busy machine."""
_RECOVERS_WITHIN: Final = 420.0
"""Seconds in which everything has to be right again."""
_CANARY_WITHIN: Final = 1_500.0
"""Seconds that a whole canary may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of one point.

    Attributes:
        seconds: From the kill, or the end of what was broken, until everything was right again.
        why: What was not right; empty where it recovered.
    """

    point: Point
    seconds: float
    why: tuple[str, ...]


@dataclass
class Sweep:
    """Plays stages and breaks them.

    Attributes:
        live: Settings of the sweep's own looks, past the proxy.
        registered: Every version that was registered.
        rollout: The rollout that is under way; None before the first.
    """

    deployed: Deployed
    live: Settings
    stock: Stock
    proxy: Proxy
    seen: Seen
    registered: list[str] = field(default_factory=list)
    rollout: str | None = None
    tried: list[Tried] = field(default_factory=list)

    def rise_and_fall(self, points: Sequence[Point]) -> None:
        """Pair points of both kinds: each rollout is broken on its way up, and on its way down."""
        rises = [one for one in points if one.stage is Stage.RISE]
        falls = [one for one in points if one.stage is Stage.FALL]
        for number in range(max(len(rises), len(falls))):
            self._play(Stage.RISE, rises[number] if number < len(rises) else None)
            self._play(Stage.FALL, falls[number] if number < len(falls) else None)

    def whole_canary(self, points: Sequence[Point]) -> None:
        """One rollout is promoted and watched, and put back by hand, with what breaks it."""
        wanted = [one for one in points if one.stage not in (Stage.RISE, Stage.FALL)]
        if not wanted:
            return
        by_stage = {stage: [one for one in wanted if one.stage is stage] for stage in Stage}
        self._play(Stage.RISE, None)
        self._surely(self._hold)  # else it might be promoted before anybody breaks that
        for one in by_stage[Stage.LOOK]:
            self._play(Stage.LOOK, one)
        for stage in (Stage.PROMOTE, Stage.WATCH):
            self._play(stage, next(iter(by_stage[stage]), None))
        for one in by_stage[Stage.BACK]:
            self._play(Stage.BACK, one)

    def _play(self, stage: Stage, point: Point | None) -> None:
        """One stage, broken at the point, or by nobody."""
        before = self._mark()
        if point is None:
            self._ask(stage)
            self._until(lambda site: self._rests(site, stage, before), _CANARY_WITHIN)
            return
        say(f"{point}")
        try:
            began, killed = self._broken(stage, point)
        except TimeoutError as error:
            seam.disarm(self.deployed.seam)
            self._note(point, 0.0, (str(error),))
            with suppress(TimeoutError):
                self._until(lambda site: self._rests(site, stage, before), _RECOVERS_WITHIN)
            return

        def recovered(site: Site) -> list[str]:
            dead = [n for n, pid in killed.items() if not self.deployed.serves(n, beside=pid)]
            return [*(f"{name} is away" for name in dead), *self._rests(site, stage, before)]

        why: tuple[str, ...] = ()
        try:
            self._until(recovered, _RECOVERS_WITHIN)
        except TimeoutError as error:
            why = (str(error),)
        took = time.monotonic() - began
        with opened(self.live) as site:
            found = broken(site, self.seen, self.registered)
        faults = (*found.chain, *found.split_brain, *found.events, *found.promoted_without_verdict)
        self._note(point, took, (*why, *faults))

    def _note(self, point: Point, seconds: float, why: tuple[str, ...]) -> None:
        self.tried.append(Tried(point=point, seconds=seconds, why=why))
        say(f"  {'; '.join(why) if why else f'recovered after {seconds:.1f} s'}")

    def _broken(self, stage: Stage, point: Point) -> tuple[float, dict[str, int]]:
        folder = self.deployed.seam
        if point.moment is not None:
            dies = point.what is Break.FLOW
            seam.arm(folder, point.moment, then="die" if dies else "wait")
            self._ask(stage)
            waits = stage in (Stage.PROMOTE, Stage.WATCH)  # for ten minutes of evidence
            until = time.monotonic() + (_CANARY_WITHIN if waits else _REACHES_WITHIN)
            while not seam.reached(folder):
                if time.monotonic() > until:
                    raise TimeoutError("no flow run came there")
                time.sleep(0.05)
        with breaking.breaking(point.what, self.deployed, self.proxy) as killed:
            began = time.monotonic()
            seam.disarm(folder)
            if point.moment is None:
                self._ask(stage)
            if lasts := breaking.lasts(point.what):
                time.sleep(lasts)
                began = time.monotonic()
        return began, killed

    def _ask(self, stage: Stage) -> None:
        """What a person, or a training job, does to begin a stage."""
        match stage:
            case Stage.RISE:
                self.rollout = None
                self.registered.append(self._surely(self.stock.register))
            case Stage.FALL:
                self._surely(self._abort)
            case Stage.PROMOTE:
                self._surely(self._resume)
            case Stage.BACK:
                self._begin_rollback()
            case _:
                pass  # comes by itself

    def _abort(self) -> None:
        assert self.rollout is not None
        with opened(self.live) as site:
            now = datetime.now(UTC)
            requests.abort(site, self.rollout, reason="the sweep goes on", now=now, actor="chaos")

    def _hold(self) -> None:
        assert self.rollout is not None
        with opened(self.live) as site:
            now = datetime.now(UTC)
            requests.hold(site, self.rollout, reason="not yet", now=now, actor="chaos")

    def _resume(self) -> None:
        assert self.rollout is not None
        with opened(self.live) as site:
            now = datetime.now(UTC)
            requests.resume(site, self.rollout, reason="now", now=now, actor="chaos")

    def _begin_rollback(self) -> None:
        arguments = ["rollback", "--reason", "the sweep", "--to", str(self._other_generation())]
        subprocess.Popen(
            [sys.executable, "-m", "sluiceway", *arguments, "--deployed"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _other_generation(self) -> int:
        with opened(self.live) as site:
            serving = site.champion().generation
            return max(one for one in site.journal.generations(site.environment) if one != serving)

    def _mark(self) -> tuple[int, int]:
        """How far the journal is: looks of the rollout, and moves of the champion."""
        with opened(self.live) as site:
            looks = site.state(self.rollout).looks if self.rollout else 0
            return looks, site.champion().revision

    def _rests(self, site: Site, stage: Stage, before: tuple[int, int]) -> list[str]:
        """Why a stage is not over, in words; empty where it is and all is as it should be."""
        looks, revision = before
        if stage is Stage.BACK:
            moved = site.champion().revision > revision
            return unsettled(site, self.seen) if moved else ["nothing was put back"]
        if self.rollout is None and self.registered:
            self.rollout = _rollout_of(site, self.registered[-1])
        if self.rollout is None:
            return ["there is no rollout"]
        state = site.state(self.rollout)
        if not _is_through(state, stage, looks):
            return [f"{self.rollout} is in {state.phase}, at event {state.seq}"]
        return unsettled(site, self.seen)

    def _until(self, missing: Callable[[Site], list[str]], within: float) -> None:
        """Look until nothing is missing any more.

        Raises:
            TimeoutError: With what is missing.
        """
        until, found = time.monotonic() + within, ["nobody looked"]
        while time.monotonic() < until:
            with suppress(SluicewayError, OSError), opened(self.live) as site:
                found = missing(site)
                if not found:
                    return
            time.sleep(0.5)
        raise TimeoutError("; ".join(found))

    def _surely(self, ask: Callable[[], str | None]) -> str:
        """Ask until it is heard, as whoever asks a server does."""
        from mlflow.exceptions import MlflowException

        until = time.monotonic() + _RECOVERS_WITHIN
        while True:
            try:
                return ask() or ""
            except (SluicewayError, MlflowException, OSError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)


def _rollout_of(site: Site, member: str) -> str | None:
    for rollout_id in site.journal.rollouts(site.environment):
        requested = site.state(rollout_id).requested
        if requested is not None and requested.members == (member,):
            return rollout_id
    return None


def _is_through(state: RolloutState, stage: Stage, looks: int) -> bool:
    match stage:
        case Stage.RISE:
            return state.step is not None
        case Stage.FALL:
            return state.ended is not None and state.ended.ending is Ending.ABORTED
        case Stage.LOOK:
            return state.looks > looks
        case Stage.PROMOTE:
            return state.promoted is not None
        case _:
            return state.ended is not None and state.ended.ending is Ending.PROMOTED


def chosen(patterns: Sequence[str], *, quick: bool) -> tuple[Point, ...]:
    """The points that are tried: those that any pattern names, all where there is none."""
    return tuple(
        one
        for one in all_points()
        if (not quick or str(one) in QUICK)
        and any(fnmatch.fnmatchcase(str(one), f"*{pattern}*") for pattern in patterns or ("",))
    )


def summary(tried: Sequence[Tried], sweep: Sweep, skipped: Sequence[Point]) -> dict[str, object]:
    """What is printed."""
    with opened(sweep.live) as site:
        found = broken(site, sweep.seen, sweep.registered)
    recovered = [one for one in tried if not one.why]
    return {
        "points": len(tried),
        "recovered": len(recovered),
        "split_brain": len(found.split_brain),
        "lost_events": len(found.events) + len(found.chain),
        "promoted_without_verdict": len(found.promoted_without_verdict),
        "median_recovery_s": round(statistics.median(one.seconds for one in recovered), 1)
        if recovered
        else None,
        "not_recovered": [
            {"point": str(one.point), "why": list(one.why)} for one in tried if one.why
        ],
        "not_possible_here": [str(one) for one in skipped],
    }


@contextmanager
def own_disk(home: Path) -> Iterator[bool]:
    """A small file system for all that is kept, where this machine lets us make one."""
    home.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=768m", "tmpfs", str(home)]
    try:
        made = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        made = False
    try:
        yield made
    finally:
        if made:
            subprocess.run(["umount", "--lazy", str(home)], capture_output=True, check=False)


def say(what: str) -> None:
    """Tell people, on stderr."""
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {what}\n")
    sys.stderr.flush()
