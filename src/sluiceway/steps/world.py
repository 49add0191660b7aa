"""Making serving and registry as the journal wants them, and observing that they are."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sluiceway.errors import BadInput, SluicewayError
from sluiceway.ports import (
    Registry,
    UnknownVersion,
    UnloadableVersion,
    UnreadableRouting,
)
from sluiceway.rollouts import by_hand
from sluiceway.rollouts.controls import STREAM, read_controls
from sluiceway.rollouts.events import Confirmed
from sluiceway.rollouts.projection import ALIASES, Projection, project
from sluiceway.rollouts.state import fold
from sluiceway.routing import RoutingTable
from sluiceway.steps import ownership
from sluiceway.steps.site import Site


class NotYetObserved(SluicewayError):
    """The world does not look as wanted yet; look again."""


def reconcile(site: Site, rollout_id: str, *, now: datetime) -> None:
    """Compare, rewrite what differs, observe, and confirm.

    Idempotent: killed anywhere, it is done again from the journal.

    Raises:
        NotYetObserved: What was written does not show yet; nothing is confirmed.
    """
    state = site.state(rollout_id)
    if site.journal.champion(site.environment) is None:
        # Nothing serves by our doing, so there is nothing to bring about, or to observe.
        site.tell(rollout_id, Confirmed(seq=state.wanted_seq, revision=0), after=state.seq, now=now)
        return
    wanted = wanted_projection(site)
    _bring_routing(site, wanted)
    _bring_registry(site.registry, wanted)
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
    wanted = wanted_projection(site)
    found = differing(site, wanted)
    if found:
        _bring_routing(site, wanted)
        _bring_registry(site.registry, wanted)
    return found


def bring_routing(site: Site) -> RoutingTable:
    """Make servers read what the journal wants now, whatever the registry does meanwhile.

    Nothing is confirmed; the next look at whoever wrote to the journal does that.

    Returns:
        What they are to follow.

    Raises:
        LookupError: Nothing serves yet.
    """
    wanted = wanted_projection(site)
    _bring_routing(site, wanted)
    return wanted.routing


def _observed(site: Site) -> RoutingTable | None:
    """What is in force; None where nothing is, or nothing that can be read."""
    try:
        return site.router.observed()
    except UnreadableRouting:
        return None


def wanted_projection(site: Site) -> Projection:
    """How the world should look, from the journal alone."""
    journal, environment = site.journal, site.environment
    rollouts = []
    for rollout_id in journal.rollouts(environment):
        events = journal.events(environment, rollout_id)
        state = fold(events)
        if state.wanted_seq:
            rollouts.append((events[state.wanted_seq - 1].position, state))
    releases = {
        generation: journal.release(environment, generation).members
        for generation in journal.generations(environment)
    }
    controls = read_controls(journal.events(environment, STREAM))
    wanted = project(site.champion(), rollouts, releases, controls)
    moved = journal.events(environment, by_hand.STREAM)
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
