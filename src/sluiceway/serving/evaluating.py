"""Going through a layout, step by step: who asks the versions is not of interest here."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluiceway.contracts.values import Contract, Trigger
from sluiceway.serving.inputs import Features
from sluiceway.serving.judging import Judge, NotAnAnswer
from sluiceway.serving.layout import Layout, Slot, Step
from sluiceway.serving.served import Version
from sluiceway.serving.stand_ins import LastKnownGood, stand_in
from sluiceway.serving.values import Values


class Evaluation:
    """One pass of some rows through one layout.

    Whoever drives it asks each step's version in turn and gives what came back, or says that it is
    lost; it never fails. A driver that lost a step to a version that hangs goes on with
    :meth:`without`, and whatever the hanging call still gives is given to an object nobody reads.

    Attributes:
        fields: ``model.field`` to values of shape (rows,), of all steps so far.
        stand_ins: By model or feature whose value was not its own in some row: why, for each row.
        tallies: Rows asked and rows without a usable answer, by version that was asked.
        seconds: What each model that was asked took; a lost one's until it was given up.
        words: What the first unusable answer of each version looked like.
        at: Index of the step that is next.
    """

    def __init__(
        self,
        layout: Layout,
        features: Features,
        units: Sequence[str],
        *,
        judges: Mapping[Version, Judge],
        last: LastKnownGood,
        blocked: Collection[Version],
        now: float,
        is_mirror: bool = False,
    ) -> None:
        self.layout = layout
        self.units = units
        self.fields: dict[str, Values] = {}
        self.stand_ins: dict[str, NDArray[np.object_]] = {}
        self.tallies: dict[Version, tuple[int, int]] = {}
        self.seconds: dict[str, float] = {}
        self.words: dict[Version, str] = {}
        self.at = 0
        self._features = features
        self._judges = judges
        self._last = last
        self._blocked = blocked
        self._now = now
        self._is_mirror = is_mirror

    @property
    def is_done(self) -> bool:
        """Whether every step has its answers."""
        return self.at == len(self.layout.steps)

    @property
    def step(self) -> Step:
        """The step that is next."""
        return self.layout.steps[self.at]

    def is_blocked(self, version: Version) -> bool:
        """Whether a version is not to be asked."""
        return version in self._blocked

    def block(self, versions: Collection[Version]) -> None:
        """Ask these neither."""
        if versions:
            self._blocked = {*self._blocked, *versions}

    def skip_blocked(self) -> None:
        """Let stand-ins answer for every next step whose version is not to be asked."""
        while not self.is_done and self.step.key in self._blocked:
            self._stand_in(self.step, Trigger.ERROR, np.arange(len(self.units)))
            self.at += 1

    def columns(self) -> Mapping[str, Values] | None:
        """What the next step's version is asked; None where the rows do not hold what it reads."""
        columns: dict[str, Values] = {}
        for slot in self.step.inputs:
            values = self._value(slot)
            if values is None:
                return None
            columns[slot.column] = values
        return columns

    def give(self, answer: Any, seconds: float) -> None:
        """Take the next step's answer: rows that break the promise get what stands in for it."""
        step = self.step
        rows = len(self.units)
        self.seconds[step.model] = self.seconds.get(step.model, 0.0) + seconds
        try:
            judged = self._judges[step.key].judge(answer, rows)
        except NotAnAnswer as error:
            self.lose(Trigger.OUT_OF_CONTRACT, str(error))
            return
        for name, values in judged.fields.items():
            self.fields[f"{step.model}.{name}"] = values
        broken = 0
        if judged.broken is not None:
            broken = int(judged.broken.sum())
            self.words[step.key] = judged.what
            self._stand_in(step, Trigger.OUT_OF_CONTRACT, np.flatnonzero(judged.broken))
        elif step.contract.fallback_rules and not self._is_mirror:
            # What nobody received is nobody's last answer: a candidate's least of all.
            self._last.keep(step.contract, judged.fields, self.units, self._now)
        self.tallies[step.key] = (rows, broken)
        self.at += 1

    def lose(
        self, trigger: Trigger, what: str, *, asked: bool = True, seconds: float = 0.0
    ) -> None:
        """The next step's version gave nothing that can be used.

        Args:
            asked: Whether it was asked at all; what others took of its time is not its fault.
            seconds: How long it was waited for, where it was asked and that is not counted yet.
        """
        step = self.step
        rows = len(self.units)
        if asked:
            # Or what is late would make its version look fast: only its quick answers would count.
            self.seconds[step.model] = self.seconds.get(step.model, 0.0) + seconds
            self.tallies[step.key] = (rows, rows)
            self.words[step.key] = what
        self._stand_in(step, trigger, np.arange(rows))
        self.at += 1

    def without(
        self, trigger: Trigger, what: str, *, asked: bool = True, seconds: float = 0.0
    ) -> "Evaluation":
        """Another pass that has all that this one has, and has lost the step that is next.

        Args:
            asked: As in :meth:`lose`.
            seconds: How long that step was waited for.
        """
        other = Evaluation(
            self.layout,
            self._features,
            self.units,
            judges=self._judges,
            last=self._last,
            blocked=self._blocked,
            now=self._now,
            is_mirror=self._is_mirror,
        )
        other.at = self.at
        other.fields = dict(self.fields)
        other.stand_ins = dict(self.stand_ins)
        other.tallies = dict(self.tallies)
        other.seconds = dict(self.seconds)
        other.words = dict(self.words)
        if not other.is_done:
            other.lose(trigger, what, asked=asked, seconds=seconds)
        return other

    def _value(self, slot: Slot) -> Values | None:
        if slot.instead is not None:
            kind = object if isinstance(slot.instead, str) else np.float64
            name = slot.producer if slot.version else slot.producer.partition(".")[0]
            self._mark(name, Trigger.ISOLATED, slice(None))
            return np.full(len(self.units), slot.instead, dtype=kind)
        if slot.version is None:
            return self.fields[slot.producer]
        return self._features.get((slot.producer, slot.version))

    def _stand_in(self, step: Step, trigger: Trigger, rows: NDArray[np.intp]) -> None:
        self._mark(step.model, trigger, rows)
        known: dict[str, Values] = {**self.fields}
        known.update((name, values) for (name, _), values in self._features.items())
        for field in step.contract.output:
            name = f"{step.model}.{field.name}"
            values = stand_in(
                step.contract,
                field,
                trigger,
                rows=rows,
                units=self.units,
                columns=known,
                last=self._last,
                now=self._now,
            )
            self.fields[name] = _with_rows(self.fields.get(name), rows, values, len(self.units))

    def _mark(self, name: str, trigger: Trigger, rows: NDArray[np.intp] | slice) -> None:
        # Never changed in place: a pass that goes on without a step shares what stands here.
        reasons = self.stand_ins.get(name)
        marked = np.full(len(self.units), "", dtype=object) if reasons is None else reasons.copy()
        marked[rows] = trigger.value
        self.stand_ins[name] = marked


def _with_rows(before: Values | None, rows: NDArray[np.intp], values: Values, count: int) -> Values:
    if before is None or len(rows) == count:
        return values
    whole = before.copy()
    whole[rows] = values
    return whole


def isolated_for(contract: Contract, units: Sequence[str], last: LastKnownGood, now: float) -> Any:
    """What an outside consumer receives whose edge to a model is cut: values by field."""
    rows = np.arange(len(units))
    return {
        field.name: stand_in(
            contract, field, Trigger.ISOLATED,
            rows=rows, units=units, columns={}, last=last, now=now,
        )
        for field in contract.output
    }  # fmt: skip
