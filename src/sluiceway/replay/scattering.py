"""How live harms would have scattered in recorded blocks, where the replay's own sums do not say.

A replay answers each row with both arms and sums up blocks. A canary that counts pairs reads more
of a block (how many only one arm lost), and one whose arms answer different units reads less: there
the units are shared out as a router shares them, half to each arm.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from sluiceway.gates import Comparison, Gate
from sluiceway.replay.evaluate import Answers
from sluiceway.replay.partitions import Floats, Partition
from sluiceway.routing import in_canary
from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.metrics import Metric, metric_named
from sluiceway.statistics.paired import paired_block_harms
from sluiceway.statistics.sequential import BlockHarm, Method
from sluiceway.statistics.sequential.closed import has_zero_one_losses
from sluiceway.statistics.unpaired import stratum_name, unpaired_block_harms

SALT = "planning"
"""Shares recorded units out, as a rollout's number shares live ones."""


class ScatterMeter:
    """Takes partitions as they are answered, gives block harms as a canary would see them.

    Of gates whose losses are 0 or 1 or whose pairs are bet on, and of unpaired gates; all others
    scatter as the replay's sums say already. Blocks must come whole: a partition holds all rows of
    its blocks.

    Args:
        gates: The plan's gates that a replay judges.
        arms: Names of the baseline's and the candidate's arm.
    """

    def __init__(self, gates: Sequence[Gate], arms: tuple[str, str]) -> None:
        self._unpaired = [gate for gate in gates if gate.comparison is Comparison.UNPAIRED]
        self._counted = [
            gate
            for gate in gates
            if gate.comparison is not Comparison.UNPAIRED and _is_read_by_pairs(gate)
        ]
        self._arms = arms
        self.clear()

    def clear(self) -> None:
        """Forget all rows: they are to be answered again."""
        self._pairs: dict[str, list[BlockHarm]] = {gate.name: [] for gate in self._counted}
        self._halves = {gate.name: _halves(metric_named(gate.metric)) for gate in self._unpaired}

    def add(self, part: Partition, answers: Answers) -> None:
        """Count one partition."""
        for gate in self._counted:
            before, after = (self._answered(gate, answers, arm) for arm in self._arms)
            metric, label = metric_named(gate.metric), _label(gate, part)
            self._pairs[gate.name] += paired_block_harms(metric, label, before, after, part.blocks)
        if not self._unpaired:
            return
        chosen = in_canary(SALT, map(str, part.units), 50)
        strata = np.asarray([stratum_name(name, 0) for name in part.block_names], dtype=object)
        for gate in self._unpaired:
            label = _label(gate, part)
            for own, arm, half in zip(
                (~chosen, chosen), self._arms, self._halves[gate.name], strict=True
            ):
                answer = self._answered(gate, answers, arm)
                half.add(label[own], answer[own], strata[part.block_codes[own]])

    def finish(self) -> Mapping[str, Sequence[BlockHarm]]:
        """By gate name, one block harm a block."""
        halves = {
            name: unpaired_block_harms(*(half.finish() for half in both))
            for name, both in self._halves.items()
        }
        return self._pairs | halves

    def _answered(self, gate: Gate, answers: Answers, arm: str) -> Floats:
        return answers.values[arm][f"{gate.model}.{gate.field}"]


def _is_read_by_pairs(gate: Gate) -> bool:
    bets = gate.evidence.method is Method.BETTING
    return bets or has_zero_one_losses(metric_named(gate.metric))


def _halves(metric: Metric) -> tuple[MetricAccumulator, MetricAccumulator]:
    return MetricAccumulator(metric), MetricAccumulator(metric)


def _label(gate: Gate, part: Partition) -> Floats:
    return part.labels[gate.label] if gate.label else np.zeros(part.rows)
