"""What one more closed block costs a gate: the state after it, and both log e-values."""

import time
from collections.abc import Callable

import numpy as np

from sluiceway.statistics.sequential import BY_BLOCKS, BlockHarm


def update_us(quick: bool) -> float:
    """CPU microseconds a block of the t-mixture, the median of repeated canaries."""
    harms = np.random.default_rng(5).normal(size=2_000 if quick else 10_000)
    blocks = [
        BlockHarm(block=f"{g:06d}", harm=harm, baseline=1.0, candidate=1.0 + harm, rows=100)
        for g, harm in enumerate(harms.tolist())
    ]
    seconds = []
    for _ in range(3 if quick else 9):
        state = BY_BLOCKS.begin(0.1)
        began = time.process_time()
        for block in blocks:
            state = state.enter(block)
            state.log_e_harm(0.1)
            state.log_e_safety(0.1)
        seconds.append(time.process_time() - began)
    return float(np.median(seconds)) / len(blocks) * 1e6


KEYS: dict[str, Callable[[bool], float | None]] = {"update_us": update_us}
