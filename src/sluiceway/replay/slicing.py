"""Measuring slices in the same pass as everything else, with memory for one partition.

Declared slices are measured over the whole window. Those that nobody declared are looked for on
its first part and measured on the rest only: no row is used both to find a slice and to judge it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sluiceway.gates import Gate, Role, Sums
from sluiceway.replay.evaluate import Answers
from sluiceway.replay.measure import recurring_units
from sluiceway.replay.partitions import Column, Floats, Partition
from sluiceway.slices import Slice, SliceVariable, find_slices, slices_of
from sluiceway.slices.values import MOST_LEVELS
from sluiceway.statistics.metrics import AdditiveMetric, BlockSums, metric_named
from sluiceway.statistics.sliced import Levels, sliced_sums
from sluiceway.statistics.two_way import TwoWayAccumulator

FINDING_SHARE = 0.4
"""Share of the window's blocks, the first ones, that slices are looked for on."""
MOST_FINDING_ROWS = 100_000
"""Rows that slices are looked for on at the most; every k-th row where there are more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceMeasurement:
    """One guard and both arms' sums of it."""

    gate: Gate
    baseline: Sums
    candidate: Sums


class SliceMeter:
    """Takes partitions as they are answered, gives a guard with its sums for every slice.

    Args:
        gates: The plan's gates; required ones with sums of their own get slices.
        variables: Declared ways to cut the rows.
        automatic: Slices to look for.
        blocks: Blocks of the whole window.
        arms: Names of the baseline's and the candidate's arm.
        recurring: Raw column that says whom a row is about, for two-way errors; None without.
    """

    def __init__(
        self,
        gates: Sequence[Gate],
        variables: Mapping[str, SliceVariable],
        *,
        automatic: int,
        blocks: int,
        arms: tuple[str, str],
        recurring: str | None = None,
    ) -> None:
        self._gates = [
            gate
            for gate in gates
            if gate.role is Role.REQUIRED and isinstance(metric_named(gate.metric), AdditiveMetric)
        ]
        self._variables = variables
        self._automatic = automatic
        self._finding_blocks = int(blocks * FINDING_SHARE)
        self._arms = arms
        self._recurring = recurring
        self._ways: dict[tuple[str, Slice], tuple[TwoWayAccumulator, TwoWayAccumulator]] = {}
        self._seen = 0
        self._rows: list[_FindingRows] = []
        self._found: dict[str, tuple[Slice, ...]] | None = None
        self._sums: dict[tuple[str, Slice], tuple[BlockSums, BlockSums]] = {}

    @property
    def columns(self) -> frozenset[str]:
        """Raw columns that declared slices read."""
        return frozenset(variable.reads for variable in self._variables.values())

    def clear(self) -> None:
        """Forget everything: the window is replayed anew."""
        self._seen = 0
        self._rows.clear()
        self._found = None
        self._sums.clear()
        self._ways.clear()

    def add(self, part: Partition, answers: Answers) -> None:
        """Measure one partition; they come in order."""
        looking = self._automatic > 0 and self._seen < self._finding_blocks
        self._seen += len(part.block_names)
        if looking:
            self._remember(part, answers)
        elif self._found is None:
            self._found = self._look() if self._automatic > 0 else {}
        for gate in self._gates:
            self._measure(gate, self._slices_for(gate, part, looking), part, answers)

    def finish(self, most: int = MOST_LEVELS) -> tuple[SliceMeasurement, ...]:
        """A guard for each slice with its sums, in the order of gates.

        All slices together weigh as much as the plan's gates do, however many they are.

        Args:
            most: Values of a declared variable without edges that are kept, the most frequent.
        """
        # A tree may find what somebody declared, and two variables may cut alike: guarded once.
        guards = {
            (gate.name, one.name): (gate, one)
            for gate in self._gates
            for one in reversed(self._most_frequent(gate, most))
            if (gate.name, one) in self._sums
        }
        kept = list(reversed(guards.values()))
        weight = sum(gate.weight for gate in self._gates) / len(kept) if kept else 1.0
        return tuple(
            SliceMeasurement(
                gate=replace(gate, role=Role.GUARD, slice=one, weight=weight),
                baseline=before,
                candidate=after,
            )
            for gate, one in kept
            for before, after in [self._evidence(gate, one)]
        )

    def _slices_for(self, gate: Gate, part: Partition, looking: bool) -> list[Slice]:
        declared = [
            one
            for variable in self._variables.values()
            for one in slices_of(variable, part.columns[variable.reads])
        ]
        return declared + (list((self._found or {}).get(gate.name, ())) if not looking else [])

    def _measure(
        self, gate: Gate, slices: Sequence[Slice], part: Partition, answers: Answers
    ) -> None:
        metric = metric_named(gate.metric)
        assert isinstance(metric, AdditiveMetric)
        levels = {
            str(place): Levels(
                names=("",), codes=np.where(one.holds(part.columns), 0, -1).astype(np.intp)
            )
            for place, one in enumerate(slices)
        }
        label, before, after = self._of(gate, part, answers)
        sums = sliced_sums(
            [metric], label, before, after, part.block_codes, part.block_names, levels
        )
        for place, one in enumerate(slices):
            pair = sums[metric.name, f"{place}="]
            known = self._sums.get((gate.name, one))
            self._sums[gate.name, one] = (
                (pair.baseline, pair.candidate)
                if known is None
                else (known[0].merge(pair.baseline), known[1].merge(pair.candidate))
            )

            if self._recurring is not None:
                self._add_ways(gate, one, part, label, (before, after))

    def _add_ways(
        self, gate: Gate, one: Slice, part: Partition, label: Floats, arms: tuple[Floats, Floats]
    ) -> None:
        metric = metric_named(gate.metric)
        fresh = TwoWayAccumulator(metric), TwoWayAccumulator(metric)
        inside = one.holds(part.columns)
        units = recurring_units(part, self._recurring or "")[inside]
        given = arms[0][inside] if metric.paired else None
        for answers, collected in zip(
            arms, self._ways.setdefault((gate.name, one), fresh), strict=True
        ):
            collected.add(
                label[inside], answers[inside], part.blocks[inside], units, reference=given
            )

    def _evidence(self, gate: Gate, one: Slice) -> tuple[Sums, Sums]:
        if self._recurring is None:
            return self._sums[gate.name, one]
        before, after = self._ways[gate.name, one]
        return before.finish(), after.finish()

    def _of(self, gate: Gate, part: Partition, answers: Answers) -> tuple[Floats, Floats, Floats]:
        name = f"{gate.model}.{gate.field}"
        label = part.labels[gate.label] if gate.label else np.zeros(part.rows)
        baseline, candidate = self._arms
        return label, answers.values[baseline][name], answers.values[candidate][name]

    def _remember(self, part: Partition, answers: Answers) -> None:
        harms = {}
        for gate in self._gates:
            metric = metric_named(gate.metric)
            label, before, after = self._of(gate, part, answers)
            with np.errstate(invalid="ignore", over="ignore"):
                losses = [
                    metric.row_losses(label, one, before if metric.paired else None)
                    for one in (before, after)
                ]
                if losses[0] is not None and losses[1] is not None:
                    harms[gate.name] = losses[1] - losses[0]
        every = max(1, part.rows * 4 // MOST_FINDING_ROWS)
        self._rows.append(
            _FindingRows(
                columns={name: column[::every] for name, column in part.columns.items()},
                harms={name: harm[::every] for name, harm in harms.items()},
            )
        )

    def _look(self) -> dict[str, tuple[Slice, ...]]:
        rows, self._rows = self._rows, []
        if not rows:
            return {}
        total = sum(one.size for one in rows)
        every = max(1, -(-total // MOST_FINDING_ROWS))
        columns = {
            name: np.concatenate([one.columns[name] for one in rows])[::every]
            for name in rows[0].columns
        }
        found: list[tuple[float, str, Slice]] = []
        for gate in self._gates:
            if gate.name in rows[0].harms:
                harm = np.concatenate([one.harms[gate.name] for one in rows])[::every]
                for one in find_slices(harm, columns, most=self._automatic):
                    inside = harm[one.holds(columns)]
                    # Gates are compared by what they tolerate, or by how much rows differ.
                    tolerated = gate.margin or float(np.nanstd(harm)) or 1.0
                    found.append((float(np.nanmean(inside)) / tolerated, gate.name, one))
        found.sort(key=lambda one: -one[0])
        kept: dict[str, list[Slice]] = {}
        for _, name, one in found[: self._automatic]:
            kept.setdefault(name, []).append(one)
        return {name: tuple(slices) for name, slices in kept.items()}

    def _most_frequent(self, gate: Gate, most: int) -> list[Slice]:
        """Every slice of a gate, of variables without edges only the most frequent."""
        mine = [one for name, one in self._sums if name == gate.name]
        by_value: dict[str, list[Slice]] = {}
        for one in mine:
            variable = self._variables.get(one.variable or "")
            if variable is not None and not variable.edges:
                by_value.setdefault(variable.name, []).append(one)
        rare: set[Slice] = set()
        for slices in by_value.values():
            slices.sort(key=lambda one: -int(self._sums[gate.name, one][0].rows.sum()))
            rare.update(slices[most:])
        return [one for one in mine if one not in rare]


@dataclass(frozen=True, slots=True)
class _FindingRows:
    """What is kept of one partition to look for slices on."""

    columns: Mapping[str, Column]
    harms: Mapping[str, Floats]

    @property
    def size(self) -> int:
        return len(next(iter(self.harms.values()))) if self.harms else 0
