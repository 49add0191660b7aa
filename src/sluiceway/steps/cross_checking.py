"""Reading the harm of paired gates a second time, by what each arm's own units received."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sluiceway.blocks import BlockCalendar
from sluiceway.gates import Comparison, CrossCheck, Gate, begun
from sluiceway.serving.rows import holds
from sluiceway.statistics.cross_check import parted_blocks, row_losses
from sluiceway.statistics.metrics import metric_named
from sluiceway.statistics.sequential import BlockHarm
from sluiceway.steps.live_rows import LiveRows
from sluiceway.steps.missing_answers import blocks_between
from sluiceway.steps.own_units import harms_of_own_units
from sluiceway.steps.pairs import held


def cross_checked(
    calendar: BlockCalendar,
    gates: Sequence[Gate],
    before: Mapping[str, CrossCheck],
    rows: LiveRows,
    *,
    first: str,
    last: str,
) -> dict[str, CrossCheck]:
    """Each paired gate's cross-check after all blocks from `first` to `last`.

    Args:
        gates: Of the plan; those that compare own units anyway, or need the other arm's answer to
            the same unit, have no cross-check.
        before: What was known before, by gate name.
    """
    checked = [gate for gate in gates if _has_two_estimates(gate)]
    after = begun((gate.name for gate in checked), before)
    for gate in checked:
        own, parted = harms_of_own_units(gate, rows.own), _parted(gate, rows)
        check = after[gate.name]
        for block in blocks_between(calendar, first, last):
            empty = BlockHarm(block=block, harm=None, baseline=None, candidate=None, rows=0)
            check = check.enter(own.get(block, empty), parted.get(block, empty))
        after[gate.name] = check
    return after


def _has_two_estimates(gate: Gate) -> bool:
    metric = metric_named(gate.metric)
    return gate.comparison is not Comparison.UNPAIRED and metric.of_answers and not metric.paired


def _parted(gate: Gate, rows: LiveRows) -> dict[str, BlockHarm]:
    """How far both estimates lie apart, in each block that can tell."""
    answered = rows.own[holds(rows.own, gate.model)].drop_duplicates("unit")
    paired = rows.paired[rows.paired[held(gate.model)].eq(True)]
    field = f"{gate.model}.{gate.field}"
    received = _losses(gate, answered, field)
    arms = {arm: _losses(gate, paired, f"{arm}:{field}") for arm in ("baseline", "candidate")}
    if received is None or arms["baseline"] is None:
        return {}
    own = pd.DataFrame(
        {
            "unit": answered["unit"].to_numpy(),
            "block": answered["block"].to_numpy(),
            "routing_revision": answered["routing_revision"].to_numpy(),
            "on_candidate": answered["arm"].eq("candidate").to_numpy(),
            "loss": received,
        }
    )
    pairs = pd.DataFrame({"block": paired["block"].to_numpy(), **arms}, index=paired.index)
    pairs = pairs.join(own.set_index("unit")["routing_revision"], how="inner")
    return {one.block: one for one in parted_blocks(own, pairs)}


def _losses(gate: Gate, rows: pd.DataFrame, column: str) -> np.ndarray | None:
    labels = rows[gate.label] if gate.label else np.zeros(len(rows))
    answers = rows.get(column, np.full(len(rows), np.nan))
    return row_losses(metric_named(gate.metric), labels, answers)
