"""Making serving and registry as the journal wants them, and observing that they are."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from sluiceway.errors import BadInput, SluicewayError
from sluiceway.journal import Event
from sluiceway.ports import (
    Registry,
    UnknownVersion,
    UnloadableVersion,
    UnreadableRouting,
)
from sluiceway.rollouts import by_hand
from sluiceway.rollouts.controls import STREAM, read_controls
from sluiceway.rollouts.events import Confirmed
from sluiceway.rollouts.folding import fold
from sluiceway.rollouts.projection import ALIASES, Projection, project
from sluiceway.rollouts.state import RolloutState
from sluiceway.routing import RoutingTable
from sluiceway.steps import ownership
from sluiceway.steps.site import Site

_STEADY: Final = 20
"""How often the world is brought after a journal that others write to at the same time."""


class NotYetObserved(SluicewayError):
    """The world does not look as wanted yet; look again."""


def reconcile(site: Site, rollout_id: str, *, now: datetime) -> None:
    """Compare, rewrite what differs, observe, and confirm.

    Idempotent: killed anywhere, it is done again from the journal. Routing is one table for all;
    of the registry a rollout brings, and observes, what it reserves: what others do at the same
    time is theirs to observe.

    Raises:
        NotYetObserved: What was written does not show yet; nothing is confirmed.
    """
    state = site.state(rollout_id)
    if site.journal.champion(site.environment) is None:
        # Nothing serves by our doing, so there is nothing to bring about, or to observe.
        site.tell(rollout_id, Confirmed(seq=state.wanted_seq, revision=0), after=state.seq, now=now)
        return
    wanted = _brought(site, _own_models(state))
    if differences := [*differing(site, wanted), *site.router.lagging()]:
        raise NotYetObserved(f"{rollout_id}: {'; '.join(differences)}")
    if state.promoted is not None:
        # Before it is confirmed, so that who dies between them tells the owners the next time.
        ownership.announce(site, site.systems.kept(rollout_id), now=now)
    if state.unconfirmed:
        confirmed = Confirmed(seq=state.wanted_seq, revision=wanted.routing.revision)
        site.tell(rollout_id, confirmed, after=state.seq, now=now)


def restore(site: Site) -> list[str]:
    """Put back what was changed behind the journal's back.

    Returns:
        What did not look as wanted, in words.
    """
    if site.journal.champion(site.environment) is None:
        return []
    found = differing(site, wanted_projection(site))
    if found:
        _brought(site, None)
    return found


def bring_routing(site: Site) -> RoutingTable:
    """Make servers read what the journal wants now, whatever the registry does meanwhile.

    Nothing is confirmed; the next look at whoever wrote to the journal does that.

    Returns:
        What they are to follow.

    Raises:
        LookupError: Nothing serves yet.
    """
    return _brought(site, ()).routing


def _own_models(state: RolloutState) -> Collection[str] | None:
    """Models that nobody but this rollout moves; None where these may be any."""
    return None if state.requested is None else state.requested.reserves


def _brought(site: Site, models: Collection[str] | None) -> Projection:
    """Bring the world to what the journal wants, until it wants that still.

    Whoever writes what the journal has meanwhile left behind would undo what somebody else has
    observed already; so everybody looks again after writing.

    Args:
        models: Whose aliases and tags are brought; None for all.
    """
    wanted = _within(wanted_projection(site), models)
    for _ in range(_STEADY):
        _bring_routing(site, wanted)
        _bring_registry(site.registry, wanted)
        before, wanted = wanted, _within(wanted_projection(site), models)
        if wanted == before:
            break
    return wanted


def _within(wanted: Projection, models: Collection[str] | None) -> Projection:
    if models is None:
        return wanted
    return replace(
        wanted,
        aliases={model: own for model, own in wanted.aliases.items() if model in models},
        tags={version: own for version, own in wanted.tags.items() if version[0] in models},
    )


def _observed(site: Site) -> RoutingTable | None:
    """What is in force; None where nothing is, or nothing that can be read."""
    try:
        return site.router.observed()
    except UnreadableRouting:
        return None


def wanted_projection(site: Site) -> Projection:
    """How the world should look, from the journal alone, as it stands at one moment."""
    while True:
        head = site.journal.head(site.environment)
        wanted = _projected(site)
        if site.journal.head(site.environment) == head:
            return wanted


def _projected(site: Site) -> Projection:
    journal, environment = site.journal, site.environment
    streams: dict[str, list[Event]] = {}
    for event in journal.chain(environment):
        streams.setdefault(event.rollout_id, []).append(event)
    rollouts = []
    for events in streams.values():
        state = fold(events)
        if state.wanted_seq:
            rollouts.append((events[state.wanted_seq - 1].position, state))
    releases = {
        generation: journal.release(environment, generation).members
        for generation in journal.generations(environment)
    }
    controls = read_controls(streams.get(STREAM, ()))
    wanted = project(site.champion(), rollouts, releases, controls)
    moved = streams.get(by_hand.STREAM, ())
    return replace(wanted, aliases=by_hand.as_accepted(wanted.aliases, moved))


def differing(site: Site, wanted: Projection) -> list[str]:
    """What does not look as wanted, in words."""
    found = []
    found.extend(differing_routing(site, wanted))
    for model, aliases in wanted.aliases.items():
        seen = our_aliases(site, model)
        if seen != aliases and seen != obtainable(site.registry, model, aliases):
            found.append(f"{model} has the aliases {seen}, wanted are {dict(aliases)}")
    return found


def differing_routing(site: Site, wanted: Projection) -> list[str]:
    """How what servers read is not what is wanted, in words; empty where it is."""
    found = []
    observed = _observed(site)
    if observed is None or replace(observed, revision=0) != replace(wanted.routing, revision=0):
        at = "none" if observed is None else f"revision {observed.revision}"
        found.append(f"routing is {at}, wanted is revision {wanted.routing.revision}")
    found.extend(site.router.edited_by_hand())
    return found


def our_aliases(site: Site, model: str) -> dict[str, str]:
    """Version by alias of those that belong to us.

    Raises:
        RegistryUnavailable: The registry did not answer.
    """
    return _ours(site.registry.aliases(model))


def obtainable(registry: Registry, model: str, aliases: Mapping[str, str]) -> dict[str, str]:
    """Those of the aliases whose version the registry still has; no other can be borne by anything.

    Raises:
        RegistryUnavailable: The registry did not answer.
    """
    there = {version for version in set(aliases.values()) if _is_there(registry, model, version)}
    return {alias: version for alias, version in aliases.items() if version in there}


def _is_there(registry: Registry, model: str, version: str) -> bool:
    try:
        registry.version(model, version)
    except UnknownVersion:
        return False
    except (UnloadableVersion, BadInput):
        return True  # there it is; what is wrong with it is somebody else's question
    return True


def _bring_routing(site: Site, wanted: Projection) -> None:
    observed = _observed(site)
    differs = observed is None or replace(observed, revision=0) != replace(
        wanted.routing, revision=0
    )
    if differs:
        site.router.apply(wanted.routing)
    elif observed is not None and site.router.edited_by_hand():
        site.router.apply(observed)  # as it is, so that nobody has to follow another revision


def _bring_registry(registry: Registry, wanted: Projection) -> None:
    for model, aliases in wanted.aliases.items():
        seen = _ours(registry.aliases(model))
        if seen == aliases:
            continue
        left = obtainable(registry, model, aliases)
        for alias in seen.keys() - left.keys():
            registry.remove_alias(model, alias)
        for alias, version in left.items():
            if seen.get(alias) != version:
                registry.set_alias(model, alias, version)
    for (model, version), tags in wanted.tags.items():
        try:
            present = registry.version(model, version).tags
        except (UnknownVersion, UnloadableVersion):
            continue  # somebody deleted it; what does not exist needs no tags
        for key, value in tags.items():
            if present.get(key) != value:
                registry.set_tag(model, version, key, value)


def _ours(aliases: Mapping[str, str]) -> dict[str, str]:
    return {alias: version for alias, version in aliases.items() if alias in ALIASES}
