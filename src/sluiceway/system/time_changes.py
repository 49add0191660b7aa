"""What new contracts do to the latency and freshness that consumers further down need."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sluiceway.contracts.values import Contract
from sluiceway.durations import render_duration
from sluiceway.system.timing import (
    Shortfall,
    TimeNeed,
    TimePart,
    Timing,
    own_time,
    reads_of,
)
from sluiceway.system.values import System


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBudget:
    """One declared need, what was promised of it, and what will be.

    Attributes:
        edge: Name of the edge whose consumer needs it.
        needed: What the consumer declares.
        before: Sum along the critical path of what serves.
        after: The same of the candidate.
        parts: The candidate's critical path with each part's time.
        unknown: Models upstream that promise nothing, so that `after` is the least it may be.
    """

    edge: str
    need: TimeNeed
    needed: timedelta
    before: timedelta
    after: timedelta
    parts: tuple[TimePart, ...]
    unknown: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """In words, with every part's number."""
        named = f"{self.edge}: {self.need} {render_duration(self.needed)}"
        parts = " + ".join(part.sentence for part in self.parts)
        summed = f"{render_duration(self.after)}{f': {parts}' if parts else ''}"
        was = "" if self.before == self.after else f" (was {render_duration(self.before)})"
        if self.after > self.needed:
            return f"{named} is not kept{was}, {summed}"
        if self.unknown:
            lacking = ", ".join(self.unknown)
            return f"{named} cannot be known to be kept{was}, at least {summed}; nothing is " + (
                f"promised by {lacking}"
            )
        return f"{named} is kept{was}, {summed}"


def time_budgets(
    system: System,
    before: Mapping[str, Contract],
    after: Mapping[str, Contract],
    reached: Collection[str],
) -> tuple[TimeBudget, ...]:
    """Every declared need of what a change reaches, with the sums before and after it.

    Args:
        before: Contract of every model.
        after: The same with the candidate's.
        reached: Models and outside consumers.
    """
    reads = reads_of(system)
    then, now = Timing(reads, before), Timing(reads, after)
    found = []
    for edge in (edge for name, edges in reads.items() if name in reached for edge in edges):
        if edge.producer not in reached or edge.producer not in after:
            continue
        for need, needed, earlier, later in (
            (TimeNeed.LATENCY_P99, edge.needs.latency_p99, then.latency, now.latency),
            (TimeNeed.FRESHNESS, edge.needs.freshness, then.freshness, now.freshness),
        ):
            if needed is None:
                continue
            summed = later(edge)
            found.append(
                TimeBudget(
                    edge=edge.name,
                    need=need,
                    needed=needed,
                    before=earlier(edge).total,
                    after=summed.total,
                    parts=summed.parts,
                    unknown=summed.unknown,
                )
            )
    return tuple(found)


def shortfalls_by_model(
    system: System, before: Mapping[str, Contract], after: Mapping[str, Contract]
) -> dict[str, tuple[Shortfall, ...]]:
    """Needs that are kept no more, or missed by more, by the models whose contracts do that.

    A model is told a shortfall where its own part on the critical path grew, or where it promises
    nothing itself; so two models that grew together are both told.

    Args:
        before: Contract of every model.
        after: The same with the candidate's.
    """
    reads = reads_of(system)
    missed = {(short.edge, short.need): short for short in Timing(reads, before).shortfalls()}
    told: dict[str, list[Shortfall]] = {}
    for short in Timing(reads, after).shortfalls():
        earlier = missed.get((short.edge, short.need))
        grew = earlier is None or short.total > earlier.total
        for model in after:
            longer = grew and short.certain and _grew_in(short, before[model], after[model])
            silent = not short.certain and model in short.unknown
            if longer or (silent and after[model] != before[model]):
                told.setdefault(model, []).append(short)
    return {model: tuple(shorts) for model, shorts in told.items()}


def _grew_in(short: Shortfall, before: Contract, after: Contract) -> bool:
    """Whether the path leads through this model, and its part of it is longer than before."""
    on_path = any(part.name == after.model for part in short.parts)
    earlier, later = own_time(before, short.need), own_time(after, short.need)
    return on_path and later is not None and (earlier is None or later > earlier)
