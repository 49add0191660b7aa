"""Finding what somebody changed behind the journal's back; written down, and put back or left."""

from datetime import datetime

from sluiceway.journal import JournalConflict
from sluiceway.rollouts.by_hand import STREAM
from sluiceway.rollouts.events import AliasesMoved, RoutingMoved
from sluiceway.rollouts.projection import Projection
from sluiceway.steps import world
from sluiceway.steps.site import Site
from sluiceway.system.arriving import ByHand


def settle(site: Site, *, now: datetime) -> list[str]:
    """Write down what was moved by hand, and put back what policy does not accept.

    While a rollout is about to change the world nobody can tell its change from somebody's; then
    the world is only made as the journal wants it.

    Returns:
        What did not look as wanted, in words.

    Raises:
        RegistryUnavailable: The registry did not answer.
    """
    if site.journal.champion(site.environment) is None:
        return []
    head = site.journal.head(site.environment)
    if _is_moving(site):
        return world.restore(site)
    moved = _moved(site, world.wanted_projection(site))
    if not moved:
        return world.restore(site)
    seq = len(site.journal.events(site.environment, STREAM))
    try:
        site.tell(STREAM, *moved, after=seq, now=now, actor="somebody", head=head)
    except JournalConflict:
        return []  # the journal has moved meanwhile, and perhaps the world for that; look again
    words = [_words(one) for one in moved]
    world.restore(site)
    return words


def _is_moving(site: Site) -> bool:
    """Whether something is wanted that was not yet observed."""
    known = site.journal.rollouts(site.environment)
    return any(site.state(rollout_id).unconfirmed for rollout_id in known)


def _moved(site: Site, wanted: Projection) -> list[AliasesMoved | RoutingMoved]:
    accepts = site.systems.current().policies.arrivals.by_hand is ByHand.ACCEPT
    found: list[AliasesMoved | RoutingMoved] = [
        RoutingMoved(what=what) for what in world.differing_routing(site, wanted)
    ]
    for model, aliases in wanted.aliases.items():
        seen = world.our_aliases(site, model)
        if seen != aliases:
            moved = AliasesMoved(model=model, wanted=aliases, seen=seen, accepted=accepts)
            found.append(moved)
    return found


def _words(moved: AliasesMoved | RoutingMoved) -> str:
    match moved:
        case RoutingMoved():
            return moved.what
        case AliasesMoved():
            became = "is left so" if moved.accepted else "is put back"
            wanted = dict(moved.wanted)
            return f"{moved.model} has the aliases {dict(moved.seen)}, wanted {wanted}: {became}"
