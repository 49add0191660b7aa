"""What a bench of many claims is made of: rows, each with its bar and how it is measured."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing import get_context
from typing import Any

import numpy as np

Chunk = Callable[[int, np.random.SeedSequence], Any]
"""Runs so many simulations from a seed; a function of a module, so that processes can share it."""

NOISE = 3.0
"""Standard errors within which a figure may miss its bar by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What a figure has to be.

    Attributes:
        least: It must not be below; None where it may be anything.
        most: It must not be above; None where it may be anything.
        errors: Standard errors by which it may be so all the same.
    """

    least: float | None = None
    most: float | None = None
    errors: float = 0.0

    def is_missed(self, value: float, by_more_than: float) -> bool:
        """Whether a figure is outside by more than this much."""
        below = self.least is not None and value < self.least - by_more_than
        return below or (self.most is not None and value > self.most + by_more_than)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One figure of a row.

    Attributes:
        value: The figure; None where nothing was measured.
        standard_error: Of the figure, over simulations; None where it has none.
        sims: Simulations that it rests on.
        met: Whether the row's bar is met.
        clear: Whether a bar that is not met is missed by more than :data:`NOISE` standard errors;
            True where there is no noise, or no figure.
        note: What else the reader should know, in words.
    """

    value: float | bool | None
    standard_error: float | None
    sims: int
    met: bool
    clear: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is simulated.

    Attributes:
        sims: Simulations; the most of them where there is an end.
        at_once: Simulations of a chunk, where there is an end.
        until: When no further chunk is begun, by :func:`time.perf_counter`; None: at no time, until
            all are done. One chunk is always done.
        pool: The processes that simulate.
    """

    sims: int
    at_once: int
    until: float | None
    pool: Executor

    def shared(self, among: int) -> Iterator["Effort"]:
        """The same for each of so many parts in turn, with its share of the time that is left."""
        for left in range(among, 0, -1):
            now = time.perf_counter()
            yield replace(self, until=self.until and now + max(0.0, self.until - now) / left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One claim.

    Attributes:
        keys: Its figures' names in the JSON object.
        claim: In words, as the table shows it.
        bar: In words.
        sims: Simulations of a full run, and the most of a quick one.
        at_once: Simulations that a quick run does at least, and that it adds at a time; about a
            quarter of a second.
        share: Its part of a quick run's time, beside the others' parts.
        measure: Gives a figure for each key from an effort and a seed.
    """

    keys: tuple[str, ...]
    claim: str
    bar: str
    sims: int
    at_once: int
    measure: Callable[[Effort, np.random.SeedSequence], Mapping[str, Measured]]
    share: float = 1.0


def against(bar: Bar, value: float, error: float | None, sims: int, note: str = "") -> Measured:
    """A figure held against its bar."""
    noise = error or 0.0
    return Measured(
        value=value,
        standard_error=error,
        sims=sims,
        met=not bar.is_missed(value, bar.errors * noise),
        clear=bar.is_missed(value, NOISE * noise),
        note=note,
    )


def rate(hits: int, sims: int, bar: Bar, note: str = "") -> Measured:
    """A share of simulations with its binomial standard error."""
    # At 0 and 1 the plain formula says 0, which no number of simulations can show.
    shrunk = (hits + 0.5) / (sims + 1)
    error = float(np.sqrt(shrunk * (1 - shrunk) / sims))
    return against(bar, hits / sims, error, sims, note)


def at_most(most: float, errors: float = 3.0) -> Bar:
    """Met while the share is at most this plus so many standard errors."""
    return Bar(most=most, errors=errors)


def in_processes(
    chunk: Chunk, effort: Effort, seed: np.random.SeedSequence
) -> tuple[list[Any], int]:
    """Run simulations in as many processes as there are cores, in chunks of their own seeds.

    Returns:
        What each chunk gave, in order, and how many simulations these are. The same seed gives the
        same chunks on any number of cores; how many there are depends on the time, where it ends.
    """
    if effort.until is None:
        chunks = min(effort.sims, 16)
        sizes = [len(part) for part in np.array_split(np.arange(effort.sims), chunks)]
        return list(effort.pool.map(chunk, sizes, seed.spawn(chunks))), effort.sims
    begun: list[Future[Any]] = []
    sizes = []
    running: set[Future[Any]] = set()
    while True:
        while len(running) < _cores() and sum(sizes) < effort.sims:
            if begun and time.perf_counter() >= effort.until:
                break
            sizes.append(min(effort.at_once, effort.sims - sum(sizes)))
            begun.append(effort.pool.submit(chunk, sizes[-1], seed.spawn(1)[0]))
            running.add(begun[-1])
        if not running:
            return [one.result() for one in begun], sum(sizes)
        running = wait(running, return_when=FIRST_COMPLETED).not_done


def measured(
    rows: Sequence[Row], *, seconds: float | None = None, seed: int = 20261124
) -> dict[str, Measured]:
    """Measure every row; progress goes to stderr.

    Args:
        seconds: What a quick run may take: each row simulates until its share of it is used; None
            for all simulations of every row.
    """
    ends = None if seconds is None else time.perf_counter() + seconds
    found: dict[str, Measured] = {}
    seeds = np.random.SeedSequence(seed).spawn(len(rows))
    # Whose chunks are long begins: what takes longer than its share is the time of those after it.
    order = sorted(range(len(rows)), key=lambda place: -rows[place].share)
    left = sum(row.share for row in rows)
    with ProcessPoolExecutor(_cores(), mp_context=get_context("spawn")) as pool:
        if ends is not None:
            # What processes import is no row's time, but it is the run's.
            list(pool.map(_imported, [tuple({row.measure.__module__ for row in rows})] * _cores()))
        for place in range(len(rows)) if ends is None else order:
            row, now, until = rows[place], time.perf_counter(), None
            if ends is not None:
                until = now + max(0.0, ends - now) * row.share / left
            left -= row.share
            effort = Effort(sims=row.sims, at_once=row.at_once, until=until, pool=pool)
            found |= _measured(row, effort, seeds[place])
    return {key: found[key] for row in rows for key in row.keys}


def _measured(row: Row, effort: Effort, seed: np.random.SeedSequence) -> Mapping[str, Measured]:
    began = time.perf_counter()
    figures = row.measure(effort, seed)
    if set(figures) != set(row.keys):
        raise ValueError(f"{row.claim}: measured {sorted(figures)}, promised {row.keys}")
    said = ", ".join(f"{key} {one.value}{_how(one)}" for key, one in figures.items())
    sims = min(one.sims for one in figures.values())
    took = f"{sims} simulations, {time.perf_counter() - began:.1f} s"
    print(f"{said}; {took}", file=sys.stderr, flush=True)
    return figures


def _how(one: Measured) -> str:
    if one.met:
        return ""
    return " (bar not met)" if one.clear else " (bar not met, within the noise)"


def _cores() -> int:
    return os.cpu_count() or 1


def _imported(modules: Sequence[str]) -> None:
    for name in modules:
        import_module(name)
