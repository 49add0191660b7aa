"""How serving and registry should look, worked out from the journal alone.

MLflow's aliases and tags and the routing table are projections: they are compared with these
values and rewritten, never trusted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sluiceway.journal import Champion
from sluiceway.outcomes import Outcome
from sluiceway.releases import Member
from sluiceway.rollouts.controls import UNTOUCHED, Controls
from sluiceway.rollouts.endings import Ending, Phase
from sluiceway.rollouts.state import RolloutState
from sluiceway.routing import CanaryRoute, RoutingTable, WatchRoute

ALIASES = ("champion", "canary", "shadow", "previous")
"""The registry aliases that belong to Sluiceway; all others are left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """The wanted look of the world.

    Attributes:
        aliases: Wanted version by model and alias; an alias that is not named is to be unset.
        tags: Wanted tags by (model, version).
    """

    routing: RoutingTable
    aliases: Mapping[str, Mapping[str, str]]
    tags: Mapping[tuple[str, str], Mapping[str, str]]


def project(
    champion: Champion,
    rollouts: Sequence[tuple[int, RolloutState]],
    releases: Mapping[int, Mapping[str, Member]],
    controls: Controls = UNTOUCHED,
) -> Projection:
    """Work out the wanted look of one environment.

    Args:
        champion: What serves.
        rollouts: Every rollout in order, with the chain position of the last of its events
            after which the world must look different.
        releases: Members by generation, of every generation.
        controls: What people have cut and switched.
    """
    aliases: dict[str, dict[str, str]] = {
        model: {"champion": member.version} for model, member in champion.release.members.items()
    }
    serving = champion.release.versions
    tags: dict[tuple[str, str], dict[str, str]] = {}
    for _, state in rollouts:
        if state.plan is None:
            continue
        for gone in (member for one in state.narrowed for member in one.back):
            tags[gone.model, gone.version] = {"sluiceway.stage": "rolled_back", **_verified(gone)}
        for member in state.plan.members:
            tags[member.model, member.version] = {
                "sluiceway.stage": stage_of(state),
                "sluiceway.release": state.plan.release,
                **_verified(member),
            }
            wanted = aliases.setdefault(member.model, {})
            if state.ended is None and state.phase is Phase.SHADOW:
                wanted["shadow"] = member.version
            if _in_canary(state):
                wanted["canary"] = member.version
            gone_back = state.restored is not None and state.part_served is None
            if state.promoted is None or gone_back:
                continue
            serves = serving.get(member.model) == member.version
            if not serves:  # gone back from by hand, unless a later promotion retires it below
                tags[member.model, member.version]["sluiceway.stage"] = "rolled_back"
            before = releases[state.plan.baseline].get(member.model)
            if before is not None:
                if serves:
                    wanted["previous"] = before.version
                retired = tags.setdefault((before.model, before.version), {})
                retired["sluiceway.stage"] = "retired"
    for member in champion.release.members.values():
        stage = tags.setdefault((member.model, member.version), {})
        stage["sluiceway.stage"] = "champion"
        stage["sluiceway.release"] = champion.release.content_hash
        stage |= _verified(member)
    routing = _routing(champion, rollouts, controls)
    return Projection(routing=routing, aliases=aliases, tags=tags)


def _verified(member: Member) -> dict[str, str]:
    """What a version's checks hold for; its own contract, if it has one, is another tag."""
    found = {
        "sluiceway.artifact_sha256": member.artifact_sha256,
        "sluiceway.contract_hash": member.contract_hash,
    }
    if member.contract_version is not None:
        found["sluiceway.contract_version"] = member.contract_version
    return found


def stage_of(state: RolloutState) -> str:
    """The stage of a rollout's own versions, in the registry's words."""
    if state.ended is not None:
        match state.ended.ending:
            case Ending.PROMOTED:
                return "champion"
            case Ending.REJECTED | Ending.ROLLED_BACK:
                return state.ended.ending.value
    elif state.promoted is not None:
        return "champion" if state.restored is None else "rolled_back"
    elif _in_canary(state):
        return "canary"
    elif state.rollback is not None:
        return "rolled_back"
    elif state.phase is Phase.SHADOW:
        return "shadow"
    verified = state.contracts is not None and state.contracts.outcome is Outcome.PASSED
    return "verified" if verified else "registered"


def _in_canary(state: RolloutState) -> bool:
    over = state.ended or state.rollback or state.abort or state.promoted
    return state.step is not None and over is None


def _routing(
    champion: Champion, rollouts: Sequence[tuple[int, RolloutState]], controls: Controls
) -> RoutingTable:
    canaries, watches = [], []
    for _, state in rollouts:
        plan = state.plan
        if plan is None:
            continue
        if _in_canary(state):
            canaries.append(
                CanaryRoute(
                    rollout_id=plan.rollout_id,
                    release=plan.release,
                    weight=state.weight,
                    mirror=plan.canary.mirror,
                    halted=state.halted.reason if state.halted else None,
                )
            )
        elif _is_watched(state):
            assert state.promoted is not None
            watches.append(
                WatchRoute(
                    rollout_id=plan.rollout_id,
                    release=state.promoted.previous_release,
                    mirror=plan.canary.mirror,
                    halted=state.halted.reason if state.halted else None,
                )
            )
    return RoutingTable(
        revision=max((position for position, _ in rollouts), default=champion.revision),
        generation=champion.generation,
        release=champion.release.content_hash,
        canaries=tuple(canaries),
        watches=tuple(watches),
        cut=tuple(sorted(controls.isolations)),
        flags=controls.routes,
    )


def _is_watched(state: RolloutState) -> bool:
    """Whether what was promoted is watched.

    What broke a hard rule is, until the champion pointer has moved back: the release before it
    answers in its place meanwhile.
    """
    if state.promoted is None or state.ended is not None or state.restored is not None:
        return False
    return state.rollback is None or state.halted is not None
