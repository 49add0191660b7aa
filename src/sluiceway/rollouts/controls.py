"""What people have cut and switched, beside all rollouts, as the journal keeps it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from sluiceway.journal import Event
from sluiceway.rollouts.events import (
    EdgesIsolated,
    EdgesRestored,
    FlagsDeclared,
    FlagSet,
    FlagUnset,
    happening,
)
from sluiceway.routing import FlagRoute
from sluiceway.system.flags import Flag

STREAM: Final = "controls"
"""Under which the journal keeps what people cut and switch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """Who did something, why, and when (UTC)."""

    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The variant of a flag that a person chose for everybody."""

    variant: str
    by: ByHand


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What is cut and switched now.

    Attributes:
        seq: How many events were read.
        isolations: Who cut an edge, by its name.
        flags: The flags that are declared, by name.
        chosen: What people chose of them, by name.
    """

    seq: int = 0
    isolations: Mapping[str, ByHand] = field(default_factory=dict)
    flags: Mapping[str, Flag] = field(default_factory=dict)
    chosen: Mapping[str, Choice] = field(default_factory=dict)

    @property
    def routes(self) -> tuple[FlagRoute, ...]:
        """The flags with what was chosen, in the order of their names."""
        return tuple(
            FlagRoute(flag=flag, chosen=self.chosen[name].variant if name in self.chosen else None)
            for name, flag in sorted(self.flags.items())
        )


UNTOUCHED: Final = Controls()
"""Nothing is cut, and no flag is declared."""


def read_controls(events: Iterable[Event]) -> Controls:
    """Read the events of the stream, from the first."""
    controls = UNTOUCHED
    for event in events:
        controls = _after(replace(controls, seq=event.seq), event)
    return controls


def _after(controls: Controls, event: Event) -> Controls:
    match happened := happening(event):
        case EdgesIsolated():
            cut = dict.fromkeys(happened.edges, _by(event, happened.reason))
            return replace(controls, isolations={**cut, **controls.isolations})
        case EdgesRestored():
            left = {n: by for n, by in controls.isolations.items() if n not in happened.edges}
            return replace(controls, isolations=left)
        case FlagsDeclared():
            flags = {flag.name: flag for flag in happened.flags}
            chosen = {
                name: choice
                for name, choice in controls.chosen.items()
                if name in flags and choice.variant in flags[name].variants
            }
            return replace(controls, flags=flags, chosen=chosen)
        case FlagSet():
            choice = Choice(variant=happened.variant, by=_by(event, happened.reason))
            return replace(controls, chosen={**controls.chosen, happened.flag: choice})
        case FlagUnset():
            left_chosen = {n: c for n, c in controls.chosen.items() if n != happened.flag}
            return replace(controls, chosen=left_chosen)
    return controls


def _by(event: Event, reason: str) -> ByHand:
    return ByHand(actor=event.actor, reason=reason, at=event.at)
