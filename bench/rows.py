"""What a bench of many claims is made of: rows, each with its bar and how it is measured."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np

Chunk = Callable[[int, np.random.SeedSequence], Any]
"""Runs so many simulations from a seed; a function of a module, so that processes can share it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One figure of a row.

    Attributes:
        value: The figure; None where nothing was measured.
        standard_error: Of the figure, over simulations; None where it has none.
        met: Whether the row's bar is met.
        note: What else the reader should know, in words.
    """

    value: float | bool | None
    standard_error: float | None
    met: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One claim.

    Attributes:
        keys: Its figures' names in the JSON object.
        claim: In words, as the table shows it.
        bar: In words.
        sims: Simulations of a full run.
        quick_sims: Simulations of a quick run.
        measure: Gives a figure for each key from so many simulations and a seed.
    """

    keys: tuple[str, ...]
    claim: str
    bar: str
    sims: int
    quick_sims: int
    measure: Callable[[int, np.random.SeedSequence], Mapping[str, Measured]]


def rate(hits: int, sims: int, met: Callable[[float, float], bool], note: str = "") -> Measured:
    """A share of simulations with its binomial standard error.

    Args:
        met: Takes the share and its standard error, says whether the bar is met.
    """
    share = hits / sims
    # At 0 and 1 the plain formula says 0, which no number of simulations can show.
    shrunk = (hits + 0.5) / (sims + 1)
    error = float(np.sqrt(shrunk * (1 - shrunk) / sims))
    return Measured(value=share, standard_error=error, met=met(share, error), note=note)


def at_most(bar: float, errors: float = 3.0) -> Callable[[float, float], bool]:
    """Met while the share is at most the bar plus so many standard errors."""
    return lambda share, error: share <= bar + errors * error


def in_processes(chunk: Chunk, sims: int, seed: np.random.SeedSequence) -> list[Any]:
    """Run simulations in as many processes as there are cores, in chunks of their own seeds.

    Returns:
        What each chunk gave, in order; the same for the same seed on any number of cores.
    """
    chunks = min(sims, 16)
    sizes = [len(part) for part in np.array_split(np.arange(sims), chunks)]
    seeds = seed.spawn(chunks)
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        return list(pool.map(chunk, sizes, seeds))


def measured(rows: Sequence[Row], *, quick: bool, seed: int = 20261124) -> dict[str, Measured]:
    """Measure every row; progress goes to stderr."""
    found: dict[str, Measured] = {}
    for row, own in zip(rows, np.random.SeedSequence(seed).spawn(len(rows)), strict=True):
        sims = row.quick_sims if quick else row.sims
        began = time.perf_counter()
        figures = row.measure(sims, own)
        if set(figures) != set(row.keys):
            raise ValueError(f"{row.claim}: measured {sorted(figures)}, promised {row.keys}")
        found |= figures
        said = ", ".join(
            f"{key} {one.value}{'' if one.met else ' (bar not met)'}"
            for key, one in figures.items()
        )
        print(
            f"{said}; {sims} simulations, {time.perf_counter() - began:.1f} s",
            file=sys.stderr,
            flush=True,
        )
    return found
