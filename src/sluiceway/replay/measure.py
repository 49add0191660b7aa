"""From partitions to per-block sums: the evidence that gates are judged by."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from sluiceway.gates import Gate, Sums
from sluiceway.replay.evaluate import Answers, Evaluator, Version
from sluiceway.replay.faults import UnusableHistory
from sluiceway.replay.partitions import Column, Floats, Partition
from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.metrics import BlockSums, Metric, TwoWaySums, metric_named
from sluiceway.statistics.two_way import TwoWayAccumulator

_Key = TypeVar("_Key")
_Number = TypeVar("_Number", int, float)

OnPartition = Callable[[Partition, Answers], None]
"""Called after each partition was measured: for progress, profiles, or to keep answers."""
RecordedOf = Callable[[Partition], Mapping[str, Floats]]
"""Recorded answers of a partition's units, by ``model.field``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one replay measured.

    Attributes:
        sums: Arm to gate name to per-block sums; all arms over the same rows, the baseline too.
            Rows without a known label are counted in each ``BlockSums.unlabelled``.
        rows: Rows answered.
        partitions: Partitions they came in.
        seconds: Wall seconds in predict, by model and version.
        calls: Predict calls, by model and version.
        not_yet_known: Labels masked because they came after the moment of looking, by column.
        missing_units: Units a source lacked, by source.
        stray_units: Units with labels that no other source has, by source.
        ways: The same as `sums`, two-way, where it is known who comes back; empty where not.
    """

    sums: Mapping[str, Mapping[str, BlockSums]]
    rows: int
    partitions: int
    seconds: Mapping[Version, float]
    calls: Mapping[Version, int]
    not_yet_known: Mapping[str, int]
    missing_units: Mapping[str, int]
    stray_units: Mapping[str, int]
    ways: Mapping[str, Mapping[str, TwoWaySums]]

    @property
    def evidence(self) -> Mapping[str, Mapping[str, Sums]]:
        """What gates are judged by: two-way sums where there are any."""
        return self.ways or self.sums


def recurring_units(partition: Partition, column: str) -> Column:
    """Whom each row is about, by a raw column; a row without a name is about nobody else."""
    names = partition.columns[column]
    nameless = np.asarray(pd.isna(names))
    if not nameless.any():
        return names
    found = names.astype(object)
    found[nameless] = [f"row {unit}" for unit in partition.units[nameless]]
    return found


def measure(
    gates: Sequence[Gate],
    evaluator: Evaluator,
    partitions: Iterable[Partition],
    *,
    on_partition: OnPartition | None = None,
    recorded_of: RecordedOf | None = None,
) -> Mapping[str, Mapping[str, BlockSums]]:
    """`measure_all`, for those who want the sums only: arm to gate name to per-block sums."""
    return measure_all(
        gates, evaluator, partitions, on_partition=on_partition, recorded_of=recorded_of
    ).sums


def measure_all(
    gates: Sequence[Gate],
    evaluator: Evaluator,
    partitions: Iterable[Partition],
    *,
    on_partition: OnPartition | None = None,
    recorded_of: RecordedOf | None = None,
    recurring: str | None = None,
) -> Measurement:
    """Answer all partitions with every arm and sum up what each gate looks at.

    Memory: one partition with its answers, the per-block sums, and 13 bytes a row for each rank
    metric and arm. With `recurring`, a few sums for each pair of a block and a unit that was seen
    in it, for each gate and arm, so it grows with the units and how often they come back; metrics
    without sums of their own keep 24 bytes a row.

    Args:
        gates: Their models must be among `Evaluator.scored`.
        evaluator: Holds the arms.
        partitions: Read once, in order; the labels of all gates must be in them.
        on_partition: Called after each partition.
        recorded_of: Gives the evaluator's recorded fields; what it raises is not caught.
        recurring: ``source.column`` that says whom a row is about, where they come back in several
            blocks; the partitions must hold it. Costs nothing where None.

    Raises:
        FaultyAnswers: A version gave no usable answer; nothing measured counts.
        UnusableHistory: The record is not what it should be; nothing measured counts.
        ValueError: A gate's model is not scored.
    """
    if strange := [gate.name for gate in gates if gate.model not in evaluator.scored]:
        raise ValueError(f"the models of {strange} are not scored")
    sums = {
        arm: {gate.name: _Sums(metric_named(gate.metric), recurring) for gate in gates}
        for arm in evaluator.arms
    }
    totals: dict[str, dict[str, int]] = {"unknown": {}, "missing": {}, "stray": {}}
    seconds: dict[Version, float] = {}
    calls: dict[Version, int] = {}
    rows = count = 0
    for partition in partitions:
        answers = evaluator.evaluate(partition, recorded_of(partition) if recorded_of else None)
        _add(gates, sums, partition, answers, evaluator.baseline)
        rows += partition.rows
        count += 1
        _sum_into(seconds, answers.seconds)
        _sum_into(calls, answers.calls)
        _sum_into(totals["unknown"], partition.not_yet_known)
        _sum_into(totals["missing"], partition.missing_units)
        _sum_into(totals["stray"], partition.stray_units)
        if on_partition is not None:
            on_partition(partition, answers)
    if faults := evaluator.feature_faults():
        raise UnusableHistory(faults)
    ways = {
        arm: {name: one.finish_two_way() for name, one in by_gate.items()}
        for arm, by_gate in (sums.items() if recurring else ())
    }
    return Measurement(
        ways=ways,
        sums={
            arm: {
                name: ways[arm][name].blocks if recurring else one.finish()
                for name, one in by_gate.items()
            }
            for arm, by_gate in sums.items()
        },
        rows=rows,
        partitions=count,
        seconds=seconds,
        calls=calls,
        not_yet_known=totals["unknown"],
        missing_units=totals["missing"],
        stray_units=totals["stray"],
    )


def _add(
    gates: Sequence[Gate],
    sums: Mapping[str, Mapping[str, "_Sums"]],
    partition: Partition,
    answers: Answers,
    baseline: str,
) -> None:
    unlabelled = np.zeros(partition.rows)
    for arm, by_gate in sums.items():
        for gate in gates:
            name = f"{gate.model}.{gate.field}"
            label = partition.labels[gate.label] if gate.label else unlabelled
            reference = answers.values[baseline][name]
            by_gate[gate.name].add(label, answers.values[arm][name], reference, partition)


class _Sums:
    """One gate's sums for one arm.

    A partition knows the code of each row's block already, so additive metrics are summed by it
    directly; rank metrics need the accumulator, which keeps every row.
    """

    def __init__(self, metric: Metric, recurring: str | None) -> None:
        self._metric = metric
        self._recurring = recurring
        self._ways = TwoWayAccumulator(metric)
        self._rows = MetricAccumulator(metric)
        self._sums: BlockSums | None = None

    def add(self, label: Floats, answer: Floats, reference: Floats, partition: Partition) -> None:
        if self._recurring is not None:
            units = recurring_units(partition, self._recurring)
            given = reference if self._metric.paired else None
            self._ways.add(label, answer, partition.blocks, units, reference=given)
            return
        if not self._metric.additive:
            self._rows.add(label, answer, partition.blocks)
            return
        part = self._metric.block_sums(
            label,
            answer,
            partition.block_codes,
            partition.block_names,
            reference=reference if self._metric.paired else None,
        )
        self._sums = part if self._sums is None else self._sums.merge(part)

    def finish(self) -> BlockSums:
        return self._rows.finish() if self._sums is None else self._sums

    def finish_two_way(self) -> TwoWaySums:
        return self._ways.finish()


def _sum_into(total: dict[_Key, _Number], part: Mapping[_Key, _Number]) -> None:
    for key, number in part.items():
        total[key] = total[key] + number if key in total else number
