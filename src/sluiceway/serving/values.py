"""A question, and what came of it: the same whatever protocol carried it, whoever answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
"""``float64`` (numbers and booleans, NaN is missing), ``datetime64[us]`` in UTC or text objects."""

CHAMPION: Final = ""
"""Stands for the id of a rollout where no rollout has a say in a row."""


class ArmName(StrEnum):
    """Which release of a rollout answers a row; without a rollout it is the baseline."""

    BASELINE = "baseline"
    CANDIDATE = "candidate"


class Path(StrEnum):
    """Whether somebody received the answer."""

    PRIMARY = "primary"
    MIRROR = "mirror"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """Rows that somebody wants a model's answers to.

    Attributes:
        model: Whose answer is wanted.
        version: The one version that is to answer; None leaves it to the routing.
        columns: Values of shape (rows,) by the name they came under: a feature
            (``origin``), a version of one (``origin_mean_delay@2.0.0``), or a column of a source
            (``schedule.origin``) that features are made of.
        units: Unit of each row; never empty texts.
        request_id: Of the request; unique.
        received: When it came (UTC).
        event_time: When each row's event was, ``datetime64[us]`` in UTC; None for `received`.
        consumer: Who asks; None where that was not said.
        forced: The arm that a tester asked for; None leaves it to the routing.
    """

    model: str
    version: str | None = None
    columns: Mapping[str, Values]
    units: tuple[str, ...]
    request_id: str
    received: datetime
    event_time: NDArray[np.datetime64] | None = None
    consumer: str | None = None
    forced: ArmName | None = None

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.units)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Rows of a question, ``intp``, ascending, that are answered together with those of others."""

    question: Question
    rows: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArmAnswers:
    """What one release answered to some rows of a question.

    Attributes:
        rollout_id: The rollout that shares the rows out; :data:`CHAMPION` where none does.
        arm: Which of its releases this is.
        path: Whether somebody received it.
        release: Content hash of the release.
        generation: The champion's generation at that moment.
        revision: Revision of the routing table that was followed.
        weight: The candidate's percent of the units then.
        rows: Which rows of the question, ``intp``, ascending; of several questions, of all that
            were asked, one question after the other.
        paired: Whether the other arm answers the row too, or will, ``bool`` of shape of `rows`.
        fields: ``model.field`` of every model that was asked on the way to values of that shape.
        stand_ins: By model whose answer was not its own in some row: why, for each row; an empty
            text where it was its own. The reasons are :class:`~sluiceway.contracts.values.Trigger`.
        seconds: What each model that was asked took for the pass in which it was: in its own
            process, or until it was given up.
        together: Rows of that pass, of other questions too; 0 where that is not known.
        withheld: Why the rows are no evidence for a rollout that has a say in them; None where
            they are, or none has.
    """

    rollout_id: str
    arm: ArmName
    path: Path
    release: str
    generation: int
    revision: int
    weight: int
    rows: NDArray[np.intp]
    paired: NDArray[np.bool_]
    fields: Mapping[str, Values]
    stand_ins: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    together: int = 0
    withheld: "Withheld | None" = None


class WithheldBecause(StrEnum):
    """Why rows tell a rollout nothing, though nobody failed."""

    UNMET_DEMAND = "unmet_demand"
    """They lack what its candidate demands of them, which is their client's affair."""
    FLAG = "flag"
    """A flag pins another version of a model that it compares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Rows that tell a rollout nothing.

    Attributes:
        model: Whose demand is not met, or who is pinned.
        version: The version that demands, or that is pinned.
        what: The same in words.
    """

    rollout_id: str
    because: WithheldBecause
    model: str
    version: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reply:
    """What goes back to who asked.

    Attributes:
        arms: One for each arm that answered some row; their rows do not overlap and cover all.
        answered: When it was complete (UTC).
    """

    question: Question
    arms: tuple[ArmAnswers, ...]
    answered: datetime

    def values(self, name: str) -> Values:
        """One ``model.field`` over all rows, in the order in which they were asked.

        Raises:
            KeyError: No such field was asked for.
        """
        if len(self.arms) == 1:
            return self.arms[0].fields[name]
        parts = [arm.fields[name] for arm in self.arms]
        whole = np.empty(self.question.rows, dtype=np.result_type(*parts))
        for arm, part in zip(self.arms, parts, strict=True):
            whole[arm.rows] = part
        return whole
