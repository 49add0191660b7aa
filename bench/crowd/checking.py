"""What must be true once a crowd is through, read from journal, registry and routing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.crowd.system import is_better
from sluiceway.journal import check_chain
from sluiceway.rollouts.endings import Ending
from sluiceway.steps.site import Site
from sluiceway.steps.world import differing, wanted_projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found; all but the first two are faults, and ought to be nothing.

    Attributes:
        promoted: How many rollouts were promoted.
        rejected: How many were rejected in shadow.
        lost: Rollouts that are not over, or ended otherwise than their evidence says.
        overlaps: Rollouts that began although an earlier one for the same model was not over.
        out_of_order: Rollouts that began before one that was asked for earlier.
        doubled: Events that a rollout has once and that were written again.
        chain: Faults of the hash chain.
        world: What does not look as the journal wants it: routing, aliases, champion.
    """

    promoted: int
    rejected: int
    lost: tuple[str, ...]
    overlaps: tuple[str, ...]
    out_of_order: tuple[str, ...]
    doubled: tuple[str, ...]
    chain: tuple[str, ...]
    world: tuple[str, ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """All that is wrong."""
        several = (self.lost, self.overlaps, self.out_of_order, self.doubled)
        return tuple(fault for part in (*several, self.chain, self.world) for fault in part)


_ONCE = ("requested", "planned", "contracts_checked", "promoted", "ended")


def checked(site: Site, queues: Iterable[Sequence[str]]) -> Checked:
    """Look at everything.

    Args:
        queues: Ids of rollouts for the same model, in the order in which they were asked for.
    """
    queues = [tuple(queue) for queue in queues]
    chain = list(site.journal.chain(site.environment))
    places = {(event.rollout_id, event.kind): event.position for event in reversed(chain)}
    counts = Counter((event.rollout_id, event.kind) for event in chain)
    lost, overlaps, out_of_order, versions = [], [], [], {}
    endings: Counter[Ending] = Counter()
    for queue in queues:
        for rollout_id in queue:
            state = site.state(rollout_id)
            assert state.requested is not None
            ((model, _, version),) = (name.partition("@") for name in state.requested.members)
            wanted = Ending.PROMOTED if is_better(version) else Ending.REJECTED
            ended = state.ended
            if ended is None or ended.ending is not wanted or state.unconfirmed:
                lost.append(f"{rollout_id}: {'is not over' if ended is None else ended.reason}")
                continue
            endings[ended.ending] += 1
            if wanted is Ending.PROMOTED:
                versions[model] = version
        for before, after in pairwise(queue):
            asked = (places[before, "requested"], places[after, "requested"])
            began = (places.get((before, "planned"), 0), places.get((after, "planned"), 0))
            if asked[0] > asked[1] or began[0] > began[1]:
                out_of_order.append(f"{after} began before {before}")
            if began[1] < places.get((before, "ended"), 0):
                overlaps.append(f"{after} began while {before} was not over")
    world = list(differing(site, wanted_projection(site)))
    served = site.champion().release.versions
    world += [f"{m} is served as {served[m]}" for m, v in versions.items() if served[m] != v]
    if site.champion().generation != 1 + endings[Ending.PROMOTED]:
        world.append(f"generation {site.champion().generation} serves")
    return Checked(
        promoted=endings[Ending.PROMOTED],
        rejected=endings[Ending.REJECTED],
        lost=tuple(lost),
        overlaps=tuple(overlaps),
        out_of_order=tuple(out_of_order),
        doubled=tuple(
            f"{rollout_id} has {count} times {kind}"
            for (rollout_id, kind), count in counts.items()
            if kind in _ONCE and count > 1
        ),
        chain=check_chain(chain, known_heads={}).faults,
        world=tuple(world),
    )
