"""The table: which event is told to whom, and as what."""

from collections.abc import Iterable
from typing import Final

from sluiceway.journal import Event
from sluiceway.notices import Notice
from sluiceway.rights import ProofFault, proof_sentence, waits_for
from sluiceway.rights.proof import MOST_FAILURES
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import (
    AliasesMoved,
    ApprovalRequested,
    ApproverEnrolled,
    ApproverRemoved,
    CandidateHalted,
    CodeTried,
    DeprecationAnnounced,
    DriftFound,
    EdgesIsolated,
    EdgesRestored,
    Ended,
    Happening,
    IncidentOpened,
    RollbackDecided,
    RoutingMoved,
    TrafficStopped,
    VersionDeleted,
)
from sluiceway.rollouts.reasons import drift_reason
from sluiceway.rollouts.state import RolloutState
from sluiceway.system.notifications import NoticeCode
from sluiceway.system.values import System

TOLD_OF: Final = frozenset(
    {
        "aliases_moved",
        "approval_requested",
        "approver_enrolled",
        "approver_removed",
        "candidate_halted",
        "code_tried",
        "deprecation_announced",
        "drift_found",
        "edges_isolated",
        "edges_restored",
        "ended",
        "incident_opened",
        "rollback_decided",
        "routing_moved",
        "traffic_stopped",
        "version_deleted",
    }
)
"""Kinds of events that people may be told of; no other has to be read."""

_STOPPED: Final = (Ending.REJECTED, Ending.INCONCLUSIVE, Ending.ABORTED, Ending.EXPIRED)


def notices_of(
    event: Event, happened: Happening, system: System, state: RolloutState
) -> tuple[Notice, ...]:
    """What people are told of an event; nothing where they need not know.

    Args:
        system: The system file that the rollout began with.
        state: What the rollout's events come to, this one and later ones included.
    """
    rollout = event.rollout_id
    everybody = _reached(system, state)
    match happened:
        case RollbackDecided():
            title = f"{rollout} is rolled back"
            body = f"{happened.reason}.\nThe champion answers. See: sluiceway explain {rollout}"
            return (_notice(event, NoticeCode.ROLLED_BACK, everybody, title, body),)
        case TrafficStopped() | CandidateHalted():
            title = f"{rollout} has lost its traffic"
            then = "the rollout is held" if isinstance(happened, TrafficStopped) else "it goes back"
            body = f"{happened.reason}.\nThe champion answers everybody; {then}."
            return (_notice(event, NoticeCode.HALTED, everybody, title, body),)
        case EdgesIsolated() | EdgesRestored():
            return (_cut(event, happened, system),)
        case IncidentOpened() if state.rollback is None:
            said = _notice(
                event, NoticeCode.UNWATCHED, happened.owners, happened.title, happened.title
            )
            return (said,)
        case ApprovalRequested():
            return _approval(event, happened)
        case DriftFound():
            title = f"{rollout} is held: its inputs have drifted"
            return (_notice(event, NoticeCode.DRIFT, everybody, title, drift_reason(happened)),)
        case DeprecationAnnounced(announcement=told):
            gone = told.deprecation
            title = f"{told.model}.{gone.field} will go, from {gone.remove_after} on"
            about = f"{told.model}.{gone.field}:{gone.remove_after}:{told.owner}"
            return (_notice(event, NoticeCode.DEPRECATION, (told.owner,), title, told.text, about),)
        case CodeTried(tried=tried) if tried.fault is ProofFault.LOCKED:
            speaks = _spoken_for(system, tried.approver)
            title = f"somebody fails to prove that they are {tried.approver}"
            about = f"{tried.approver}:{event.at:%Y-%m-%dT%H}"
            body = f"{proof_sentence(tried)}; {MOST_FAILURES} wrong codes, the last for "
            body += f"{tried.rollout_id}. If that was not {tried.approver}, give them a new key."
            return (_notice(event, NoticeCode.APPROVER_LOCKED, speaks, title, body, about),)
        case ApproverEnrolled() | ApproverRemoved():
            return (_keys(event, happened, system),)
        case AliasesMoved() | RoutingMoved():
            return (_by_hand(event, happened, system),)
        case VersionDeleted():
            return (_deleted(event, happened, system),)
        case Ended():
            return _ended(event, happened, system, state)
    return ()


def _spoken_for(system: System, approver: str) -> tuple[str, ...]:
    """Names of the owners for whom somebody may approve."""
    return tuple(owner.name for owner in system.owners.values() if approver in owner.people)


def _keys(event: Event, changed: ApproverEnrolled | ApproverRemoved, system: System) -> Notice:
    """To the owners they speak for; to all where they speak for nobody (yet)."""
    who = changed.approver
    if isinstance(changed, ApproverRemoved):
        title, then = f"{who} has no key to approve with any more", "Their codes prove nothing now."
    else:
        title = f"{who} was given {'another' if changed.replaced else 'a'} key to approve with"
        then = f"If nobody wanted that, take it away: sluiceway approvers remove {who}."
    body = f"{event.actor} did it; keys are kept in {changed.kept_in}. {then}"
    owners = _spoken_for(system, who) or tuple(system.owners)
    about = f"{who}:{event.seq}"
    return _notice(event, NoticeCode.APPROVER_CHANGED, owners, title, body, about)


def _by_hand(event: Event, moved: AliasesMoved | RoutingMoved, system: System) -> Notice:
    """To the model's owner; to all where it is what gateways read."""
    if isinstance(moved, RoutingMoved):
        owners, title = tuple(system.owners), "what gateways read was changed by hand"
        body = f"{moved.what}. It is put back: use sluiceway isolate, flag, rollout or rollback."
    else:
        known = moved.model in system.models
        owners = (system.owner_of(moved.model).name,) if known else tuple(system.owners)
        title = f"aliases of {moved.model} were moved by hand in the registry"
        became = "They stay so" if moved.accepted else "They are put back"
        body = f"They were {dict(moved.seen)}, and the journal wants {dict(moved.wanted)}. "
        body += f"{became}. What serves is the journal's champion: use sluiceway rollout."
    about = f"{event.rollout_id}:{event.seq}"
    return _notice(event, NoticeCode.MOVED_BY_HAND, owners, title, body, about)


def _deleted(event: Event, gone: VersionDeleted, system: System) -> Notice:
    """To the model's owner: what gateways have of it goes on, and nothing new can be had."""
    owners = (
        (system.owner_of(gone.model).name,) if gone.model in system.models else tuple(system.owners)
    )
    name, bore = f"{gone.model}@{gone.version}", ", ".join(gone.aliases)
    body = f"It bore {bore}. Gateways that have its files go on with them; a new machine has none. "
    body += "A candidate ends rejected. Register what serves again, and take it live: "
    body += f"sluiceway rollout {gone.model}@NEW."
    title = f"{name} was deleted in the registry"
    return _notice(event, NoticeCode.VERSION_DELETED, owners, title, body, name)


def _approval(event: Event, asked: ApprovalRequested) -> tuple[Notice, ...]:
    """Each question to those who may answer it."""
    rollout = event.rollout_id
    until = f" No answer by {asked.expires:%Y-%m-%d %H:%M} UTC is a no." if asked.expires else ""
    return tuple(
        _notice(
            event,
            NoticeCode.APPROVAL_WANTED,
            need.by,
            f"{rollout} waits for {need.name} to approve",
            f"{waits_for([need])}.{until}\nAnswer in the Prefect UI, or: sluiceway approve "
            f"{rollout} --as {need.by[0]} --reason WHY",
            f"{rollout}:{need.name}",
        )
        for need in asked.needed
        if need.by
    )


def _cut(event: Event, cut: EdgesIsolated | EdgesRestored, system: System) -> Notice:
    """To the owners of both ends of every edge: one receives safe defaults, or no more."""
    ends = [edge for edge in system.edges if edge.name in cut.edges]
    owners = [system.owner_of(end).name for edge in ends for end in (edge.consumer, edge.producer)]
    edges, who = ", ".join(cut.edges), event.actor
    if isinstance(cut, EdgesIsolated):
        code, title = NoticeCode.ISOLATED, f"{who} isolated {edges}"
        body = f"{cut.reason}.\nConsumers receive the safe default until somebody restores it."
    else:
        code, title = NoticeCode.RESTORED, f"{who} restored {edges}"
        body = f"{cut.reason}.\nConsumers receive what their producers answer again."
    told = tuple(dict.fromkeys(owners)) or tuple(system.owners)
    return _notice(event, code, told, title, body, f"{edges}:{event.seq}")


def _ended(event: Event, ended: Ended, system: System, state: RolloutState) -> tuple[Notice, ...]:
    rollout = event.rollout_id
    body = f"{ended.reason}.\nSee: sluiceway explain {rollout}"
    title = f"{rollout} ended {ended.ending.replace('_', ' ')} in {ended.phase}"
    if ended.ending is Ending.PROMOTED:
        code, owners = NoticeCode.PROMOTED, _reached(system, state)
    elif ended.ending is Ending.ERRORED or ended.code is ReasonCode.CANARY_UNMEASURABLE:
        code, owners = NoticeCode.ERRORED, _changed(system, state)
    elif ended.code is ReasonCode.APPROVAL_EXPIRED:
        code, owners = NoticeCode.APPROVAL_EXPIRED, _changed(system, state)
    elif ended.ending in _STOPPED or (ended.phase is Phase.WATCH and state.rollback is None):
        code, owners = NoticeCode.STOPPED, _changed(system, state)
    else:
        return ()  # rolled back, which was told when it was decided
    return (_notice(event, code, owners, title, body),)


def _reached(system: System, state: RolloutState) -> tuple[str, ...]:
    """Owners of everything that a rollout reaches; all owners where that is not known."""
    return state.plan.radius.owners if state.plan else tuple(system.owners)


def _changed(system: System, state: RolloutState) -> tuple[str, ...]:
    """Owners of the versions that were to go live."""
    names = state.requested.members if state.requested else ()
    models = [name.partition("@")[0] for name in names]
    owners = (system.models[model].owner for model in models if model in system.models)
    return tuple(dict.fromkeys(owners)) or tuple(system.owners)


def _notice(
    event: Event,
    code: NoticeCode,
    owners: Iterable[str],
    title: str,
    body: str,
    about: str | None = None,
) -> Notice:
    """One a rollout and code, where nothing narrower is said."""
    return Notice(
        key=f"{code}:{about or event.rollout_id}",
        code=code,
        owners=tuple(owners),
        at=event.at,
        title=title,
        body=body,
    )
