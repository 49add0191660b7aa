"""Finding what somebody changed behind the journal's back; written down, and put back or left."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from sluiceway.errors import BadInput
from sluiceway.journal import JournalConflict
from sluiceway.rollouts.by_hand import STREAM
from sluiceway.rollouts.events import AliasesMoved, RoutingMoved, VersionDeleted, happening
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


Moved = AliasesMoved | RoutingMoved | VersionDeleted
"""What somebody else did."""


def _moved(site: Site, wanted: Projection) -> list[Moved]:
    found: list[Moved] = [RoutingMoved(what=what) for what in world.differing_routing(site, wanted)]
    for model, aliases in wanted.aliases.items():
        seen = world.our_aliases(site, model)
        if seen == aliases:
            continue
        left = world.obtainable(site.registry, model, aliases)
        found += _deleted(site, model, aliases, left)
        if seen != left:
            accepted = _accepts(site)
            found.append(AliasesMoved(model=model, wanted=aliases, seen=seen, accepted=accepted))
    return found


def _accepts(site: Site) -> bool:
    """Whether policy leaves aliases as they were moved; a file that cannot be read accepts none."""
    try:
        return site.systems.current().policies.arrivals.by_hand is ByHand.ACCEPT
    except BadInput:
        return False


def _deleted(
    site: Site, model: str, wanted: Mapping[str, str], left: Mapping[str, str]
) -> Iterator[VersionDeleted]:
    """Versions that are gone and of which nothing is written yet."""
    known = {
        (one.model, one.version)
        for one in map(happening, site.journal.events(site.environment, STREAM))
        if isinstance(one, VersionDeleted)
    }
    gone = {wanted[alias] for alias in wanted.keys() - left.keys()}
    for version in sorted(gone, key=_number):
        if (model, version) not in known:
            bore = sorted(alias for alias, number in wanted.items() if number == version)
            yield VersionDeleted(model=model, version=version, aliases=tuple(bore))


def _number(version: str) -> tuple[int, str]:
    return (int(version) if version.isdecimal() else 0, version)


def _words(moved: Moved) -> str:
    match moved:
        case RoutingMoved():
            return moved.what
        case VersionDeleted():
            bore = ", ".join(moved.aliases)
            return f"{moved.model}@{moved.version} ({bore}) was deleted in the registry"
        case AliasesMoved():
            became = "is left so" if moved.accepted else "is put back"
            wanted = dict(moved.wanted)
            return f"{moved.model} has the aliases {dict(moved.seen)}, wanted {wanted}: {became}"
