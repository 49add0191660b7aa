"""What each arm's own consumers received: the evidence of gates that have no pairs to compare.

Design: "unpaired arms are compared within (block, routing revision) and only then combined". A unit
counts once, in the first block that saw it and under the routing table by which it was shared out
then: the same units as the sample ratio is checked on.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sluiceway.gates import Comparison, Gate
from sluiceway.serving.rows import holds
from sluiceway.statistics.metrics import metric_named
from sluiceway.statistics.recurring import in_first_block
from sluiceway.statistics.sequential import BlockHarm
from sluiceway.statistics.unpaired import unpaired_rows
from sluiceway.steps.pairs import held

NEEDED = ("unit", "block", "routing_revision", "arm")
"""What rows of the log have to say beside the answers."""


def own_units(rows: pd.DataFrame, incomplete: frozenset[str]) -> pd.DataFrame:
    """The answers that consumers received, of units in the first block that saw them.

    Args:
        rows: Rows of the log since the evidence began, with ``block``.
        incomplete: Blocks from which answers are missing; they are left out.

    Returns:
        The same columns, in the order in which they were answered; one row an answer.
    """
    received = rows[rows["path"] == "primary"]
    first = in_first_block(received["unit"], received["block"])
    received = received[first & ~received["block"].isin(incomplete).to_numpy()]
    order = [name for name in ("routing_revision", "answered_at") if name in received]
    return received.sort_values(order, kind="stable")


def harms_of_own_units(gate: Gate, rows: pd.DataFrame) -> dict[str, BlockHarm]:
    """The harm inside each block, by what each arm's own units received first.

    Args:
        gate: What is measured; not a metric that compares two answers to one unit.
        rows: Of :func:`own_units`, with the gate's label as a column where it has one.
    """
    answered = rows[holds(rows, gate.model)].drop_duplicates("unit")
    column = f"{gate.model}.{gate.field}"
    nothing = np.full(len(answered), np.nan)
    harms = unpaired_rows(
        metric_named(gate.metric),
        answered[gate.label] if gate.label else np.zeros(len(answered)),
        answered.get(column, nothing),
        answered["block"].astype(str),
        answered["routing_revision"],
        answered["arm"] == "candidate",
    )
    return {harm.block: harm for harm in harms}


def without_pairs(
    gates: Sequence[Gate], paired: pd.DataFrame, own: pd.DataFrame
) -> Mapping[str, list[str]]:
    """By model, the blocks in which no pair of its answers was logged, but answers were."""
    models = dict.fromkeys(
        gate.model for gate in gates if gate.comparison is Comparison.PAIRED_ELSE_UNPAIRED
    )
    found = {}
    for model in models:
        answered = set(own.loc[holds(own, model), "block"].astype(str))
        pairs = set(paired.loc[paired[held(model)].eq(True), "block"].astype(str))
        found[model] = sorted(answered - pairs)
    return found
