"""The same harm twice: by pairs, and by what each arm's own units received.

Who answers a unit is drawn for each unit, so inside a stratum (one block, one routing revision)
both estimates have the same mean. They part where pairs are not what consumers meet: where the
label depends on the answer that was given, where mirrored answers are not made as received ones
are, where the units that have pairs are a selection.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from sluiceway.statistics.metrics import Floats, Metric
from sluiceway.statistics.sequential import BlockHarm

LARGEST_SKEWNESS = 0.5
"""Skewness that an arm's mean loss in a block may have: beyond, it is too far from normal."""


def row_losses(metric: Metric, label: ArrayLike, answer: ArrayLike) -> Floats | None:
    """The loss of each row, NaN where it cannot be told; None where the metric is no mean.

    Args:
        metric: What is measured.
        label: ``[n]``, NaN where there is none.
        answer: ``[n]``.
    """
    labels, answers = (np.asarray(one, dtype=np.float64) for one in (label, answer))
    usable = metric.takes_answer(answers)
    if metric.needs_label:
        usable &= metric.takes_label(labels)
    losses = metric.row_losses(labels[usable], answers[usable])
    if losses is None:
        return None
    found = np.full(len(answers), np.nan)
    found[usable] = losses
    return found


def parted_blocks(own: pd.DataFrame, pairs: pd.DataFrame) -> tuple[BlockHarm, ...]:
    """How far the harm by own units lies from the harm by pairs, in each block.

    A block says nothing where an arm's own units are too few for their losses: rare ones are not
    seen in most small samples, which would make blocks agree on a difference that is not there.

    Args:
        own: What consumers received, one row a unit: ``block``, ``routing_revision``,
            ``on_candidate`` (bool) and its ``loss``, NaN where unknown.
        pairs: Units that both arms answered: ``block``, ``routing_revision`` of the unit in `own`,
            and the losses ``baseline`` and ``candidate``, NaN where unknown.

    Returns:
        One a block that both have rows of, in order: ``harm`` is the difference, ``baseline`` the
        harm by pairs and ``candidate`` the harm by own units, combined over strata with weights
        n_b n_c/(n_b + n_c); ``rows`` are the own units compared.
    """
    keys = ["block", "routing_revision"]
    known = own[np.isfinite(own["loss"].to_numpy(dtype=float))]
    both = pairs[np.isfinite(pairs[["baseline", "candidate"]].to_numpy(dtype=float)).all(axis=1)]
    both = both.assign(harm=both["candidate"] - both["baseline"])
    chosen = known["on_candidate"].to_numpy(dtype=bool)
    arms = [
        known[mask].groupby(keys)["loss"].agg(["size", "mean"]).add_suffix(arm)
        for arm, mask in (("_b", ~chosen), ("_c", chosen))
    ]
    by_pairs = both.groupby(keys)["harm"].mean()
    strata = pd.concat([*arms, by_pairs], axis=1, join="inner").sort_index().reset_index()
    found = []
    for block, rows in strata.groupby("block", sort=True):
        sizes = rows["size_b"].to_numpy(dtype=float), rows["size_c"].to_numpy(dtype=float)
        here = both[both["block"] == block]
        losses = here[["baseline", "candidate"]].to_numpy(dtype=float)
        if not _is_enough(losses, min(sizes[0].sum(), sizes[1].sum())):
            continue
        weight = sizes[0] * sizes[1] / (sizes[0] + sizes[1])
        by_own = float(np.average(rows["mean_c"] - rows["mean_b"], weights=weight))
        paired = float(np.average(rows["harm"], weights=weight))
        found.append(
            BlockHarm(
                block=str(block),
                harm=by_own - paired,
                baseline=paired,
                candidate=by_own,
                rows=int(sizes[0].sum() + sizes[1].sum()),
            )
        )
    return tuple(found)


def _is_enough(losses: Floats, rows: float) -> bool:
    """Whether means of so many of these losses are near enough to normal, in both arms."""
    spread = losses.std(axis=0)
    if not np.isfinite(losses).all() or not (spread > 0).any():
        return False
    scaled = (losses - losses.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    skewness = float(np.abs((scaled**3).mean(axis=0)).max())
    return skewness <= LARGEST_SKEWNESS * math.sqrt(rows)
