"""What somebody moved in the registry by hand, as the journal keeps it."""

from collections.abc import Iterable, Mapping
from typing import Final

from sluiceway.journal import Event
from sluiceway.rollouts.events import AliasesMoved, happening

STREAM: Final = "registry"
"""Under which the journal keeps what was changed behind its back."""

Aliases = Mapping[str, Mapping[str, str]]
"""Version by model and alias."""


def as_accepted(wanted: Aliases, events: Iterable[Event]) -> dict[str, Mapping[str, str]]:
    """What is wanted once it is granted what somebody moved and a policy accepted.

    What was accepted holds as long as the journal wants of that model what it wanted then.

    Args:
        wanted: What the journal wants of itself.
        events: Of the stream, from the first.
    """
    moves = [one for one in map(happening, events) if isinstance(one, AliasesMoved)]
    last = {one.model: one for one in moves}
    granted = {
        model: one.seen
        for model, one in last.items()
        if one.accepted and dict(one.wanted) == dict(wanted.get(model, {}))
    }
    return {**wanted, **granted}
