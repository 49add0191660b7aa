"""Where the sweep breaks what, one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from bench.chaos.seam import Moment


class Stage(StrEnum):
    """A part of a rollout's life, from something that is asked for to the rest after it."""

    RISE = "rise"
    """A version is registered; its rollout goes on until a canary answers half of all units."""
    FALL = "fall"
    """A person aborts that rollout; it ends."""
    LOOK = "look"
    """A minute of live evidence is looked at."""
    PROMOTE = "promote"
    """The last look has passed; the champion moves."""
    WATCH = "watch"
    """The promotion is watched, and the rollout ends."""
    BACK = "back"
    """A person puts the generation before back."""


class Break(StrEnum):
    """What is done."""

    FLOW = "the flow run is killed"
    WORKER = "the worker is killed"
    BOTH = "worker and flow run are killed"
    GATEWAY = "the gateway is killed"
    PREFECT = "the Prefect server is killed"
    MLFLOW = "the MLflow server is killed"
    RECEIVER = "the receiver is killed"
    ALL = "all services are killed"
    MLFLOW_PARENT = "the first process of the MLflow server is killed"
    FULL = "the disk is full"
    LOCKED = "the journal's database is locked"
    FAILS = "MLflow answers 500"
    HANGS = "MLflow answers nobody"
    AHEAD = "the clock jumps an hour ahead, and back"
    BEHIND = "the clock jumps an hour back, and ahead"


SERVICES: Final = {
    Break.WORKER: ("worker",),
    Break.BOTH: ("worker",),
    Break.GATEWAY: ("gateway",),
    Break.PREFECT: ("prefect",),
    Break.MLFLOW: ("mlflow",),
    Break.RECEIVER: ("receiver",),
    Break.MLFLOW_PARENT: ("mlflow",),
    Break.ALL: ("mlflow", "prefect", "receiver", "worker", "gateway"),
}
"""The services that are killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One thing that is broken at one instruction.

    Attributes:
        moment: Where a flow run is when it happens; None for before it is asked for.
    """

    stage: Stage
    what: Break
    moment: Moment | None = None

    def __str__(self) -> str:
        at = "before it begins" if self.moment is None else str(self.moment)
        return f"{self.stage}: {self.what} {at}"


When = Literal["before", "after"]
_BOTH: Final[tuple[When, When]] = ("before", "after")


def _calls(stage: Stage, *calls: str, when: tuple[When, ...] = _BOTH) -> Iterator[Point]:
    """The flow run is killed before and after each of these calls; ``append:KIND`` names events."""
    for call in calls:
        name, _, event = call.partition(":")
        for one in when:
            moment = Moment(call=name, when=one, event=event or None)
            yield Point(stage=stage, what=Break.FLOW, moment=moment)


def _at(stage: Stage, call: str, when: When, *breaks: Break) -> Iterator[Point]:
    name, _, event = call.partition(":")
    moment = Moment(call=name, when=when, event=event or None)
    for what in breaks:
        yield Point(stage=stage, what=what, moment=moment)


def all_points() -> tuple[Point, ...]:
    """Every point, in the order of the sweep within its stage."""
    rise, fall, look, back = Stage.RISE, Stage.FALL, Stage.LOOK, Stage.BACK
    return (
        *_calls(
            rise,
            *("append:requested", "begin", "append:planned", "append:contracts_checked"),
            *("append:shadow_measured", "append:canary_planned", "append:step_entered"),
            *("route", "set_alias", "append:confirmed", "record"),
        ),
        *_calls(rise, "keep", "replay", when=("after",)),
        *_calls(rise, "set_tag", "show", "mark", when=("before",)),
        *(Point(stage=rise, what=what) for what in (Break.RECEIVER, Break.WORKER, Break.PREFECT)),
        *_at(rise, "append:shadow_measured", "before", Break.MLFLOW, Break.BOTH, Break.LOCKED),
        *_at(rise, "append:step_entered", "after", Break.GATEWAY, Break.FAILS, Break.ALL),
        *_at(rise, "append:contracts_checked", "after", Break.AHEAD, Break.FULL),
        *_calls(fall, "append:ended", "remove_alias", "append:confirmed"),
        *_calls(fall, "set_tag", when=("after",)),
        *_calls(fall, "record", when=("before",)),
        *_at(fall, "append:ended", "before", Break.WORKER, Break.GATEWAY, Break.PREFECT),
        *_at(fall, "append:ended", "before", Break.HANGS, Break.BEHIND, Break.FULL),
        *_at(fall, "append:ended", "after", Break.MLFLOW, Break.MLFLOW_PARENT, Break.RECEIVER),
        *_at(fall, "append:ended", "after", Break.LOCKED),
        *_calls(look, "append:looked"),
        *_at(look, "append:looked", "before", Break.PREFECT, Break.WORKER),
        *_at(look, "append:looked", "after", Break.MLFLOW, Break.GATEWAY),
        *_calls(Stage.PROMOTE, "move_champion", when=("before",)),
        *_calls(Stage.WATCH, "append:ended", when=("before",)),
        *_at(back, "move_champion", "after", Break.FLOW, Break.ALL),
        *_calls(back, "route", "set_alias", "append:confirmed"),
    )


QUICK: Final = (
    "rise: the flow run is killed after append(requested)",
    "rise: the flow run is killed before append(step_entered)",
    "rise: the gateway is killed after append(step_entered)",
    "fall: the flow run is killed before remove_alias",
    "fall: the Prefect server is killed before append(ended)",
    "fall: the worker is killed before append(ended)",
)
"""A few of them."""
