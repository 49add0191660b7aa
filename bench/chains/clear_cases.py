"""When a simulated case is clear: nobody could doubt which answer would be right."""

from collections.abc import Sequence

import numpy as np

from bench.chains.random_chains import Chain

FINE, HARMFUL = 0.6, 1.8
"""In margins: what is meant to be harmless is at most the first at every gate, what is meant to be
harmful at least the second at one. In between nobody could say what would be right."""
FAR = 3.0
"""In margins: harm that a gate two hops away from its origin shows, at least."""
POPULATION = 12_000
"""Rows that stand for the population when a case is built."""


def visible(chain: Chain, origins: Sequence[str], draw: np.random.Generator) -> list[str]:
    """Models with a gate: most; in half of the cases none nearer to the origin than two hops."""
    hops = chain.hops(origins)
    hidden = draw.random() < 0.5
    return [
        name
        for name in chain.truth
        if draw.random() < 0.75 and not (hidden and hops.get(name, 9) < 2)
    ]
