"""What people ask for: rollouts, adoption, holds, aborts, approvals."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sluiceway.errors import BadInput, Fault
from sluiceway.graph import blast_radius
from sluiceway.journal import Champion, JournalConflict
from sluiceway.releases import Release, parse_member_name
from sluiceway.rights import NotTheirs, Offered, answers_for, is_theirs
from sluiceway.rollouts.events import (
    AbortRequested,
    Adopted,
    ApprovalRefused,
    Approved,
    Happening,
    Held,
    Requested,
    Resumed,
    draft,
)
from sluiceway.rollouts.state import RolloutState
from sluiceway.steps.chain import refuse_altered
from sluiceway.steps.members import keep_contracts, member_of
from sluiceway.steps.ownership import today_of
from sluiceway.steps.proving import prove
from sluiceway.steps.site import Site
from sluiceway.steps.world import bring_routing
from sluiceway.system.values import System


def parse_members(
    system: System, names: Sequence[str], *, asked: str = "rollout"
) -> dict[str, str]:
    """Read ``MODEL@VERSION`` names.

    Args:
        asked: What was asked for by these names, for the faults.

    Raises:
        BadInput: One is not written so, names no model of the system, or names a model twice.
    """
    faults: list[Fault] = []
    members: dict[str, str] = {}
    for name in names:
        try:
            model, version = parse_member_name(name)
        except ValueError as error:
            faults.append(Fault(where=asked, what=str(error)))
            continue
        if model not in system.models:
            have = ", ".join(system.models)
            what = f"{model} is no model of {system.name} (there are: {have})"
            faults.append(Fault(where=f"{asked} {name}", what=what))
        if model in members:
            faults.append(Fault(where=f"{asked} {name}", what=f"{model} is named twice"))
        members[model] = version
    if not names:
        faults.append(Fault(where=asked, what="names no version; write MODEL@VERSION"))
    if faults:
        raise BadInput(faults)
    return members


def request_rollout(
    site: Site, names: Sequence[str], *, now: datetime, actor: str, replayed: bool = False
) -> str:
    """Ask for a rollout; it takes its place in the queue.

    Asking again for the same versions while their rollout is not over gives that rollout.

    Args:
        replayed: Whether `now` is another time than the clock's.

    Returns:
        Its id.

    Raises:
        BadInput: The names are not members of the system.
    """
    system = site.systems.current()
    members = parse_members(system, names)
    while True:
        # Nobody may take the same number, or ask for the same, between the look and the request.
        head = site.journal.head(site.environment)
        written = _written(members)
        for other in site.journal.rollouts(site.environment):
            state = site.state(other)
            if state.requested and not state.ended and state.requested.members == written:
                return other
        try:
            return place(site, system, members, now=now, actor=actor, head=head, replayed=replayed)
        except JournalConflict:
            continue


def place(
    site: Site,
    system: System,
    members: Mapping[str, str],
    *,
    now: datetime,
    actor: str,
    head: str,
    replayed: bool = False,
) -> str:
    """Give these versions a place in the queue.

    Args:
        members: Version by model.
        head: The environment's head on which it rests that they have none yet.
        replayed: Whether `now` is another time than the clock's.

    Returns:
        The rollout's id.

    Raises:
        JournalConflict: Somebody has written since that head; look again.
        JournalAltered: The journal is not what was written.
    """
    refuse_altered(site)
    written = _written(members)
    radius = blast_radius(system, members)
    wanted = Requested(
        members=written,
        reserves=(*radius.models, *radius.consumers),
        system_digest=system.digest,
        replayed=replayed,
    )
    slug = "-".join(name.replace("@", "") for name in written)
    known = site.journal.rollouts(site.environment)
    rollout_id = f"r{_next_number(known):04d}-{slug}"[:120]
    site.tell(rollout_id, wanted, after=0, now=now, actor=actor, head=head)
    site.systems.kept(rollout_id)
    return rollout_id


def _written(members: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{model}@{version}" for model, version in sorted(members.items()))


def _next_number(known: Sequence[str]) -> int:
    """The number after the highest; an adoption and a rollback by hand have none."""
    numbers = (_NUMBERED.match(rollout_id) for rollout_id in known)
    return 1 + max((int(found[1]) for found in numbers if found), default=0)


_NUMBERED = re.compile(r"r(\d{4,})-")


def behind(site: Site, rollout_id: str) -> str | None:
    """The first earlier rollout, not yet ended, that reserves a node of this one."""
    mine: set[str] | None = None
    others: list[tuple[str, set[str]]] = []
    for other in site.journal.rollouts(site.environment):
        state = site.state(other)
        if state.requested is None:
            continue
        if other == rollout_id:
            mine = set(state.requested.reserves)
            break
        if state.ended is None:
            others.append((other, set(state.requested.reserves)))
    if mine is None:
        raise LookupError(f"there is no rollout {rollout_id}")
    return next((other for other, reserves in others if reserves & mine), None)


def adopt(site: Site, names: Sequence[str], *, now: datetime, actor: str) -> Champion:
    """Declare what serves already to be generation 1, without a rollout.

    Raises:
        BadInput: A model of the system is missing, or there is a champion already.
    """
    system = site.systems.current()
    where = "adopt"
    members = parse_members(system, names, asked=where)
    if missing := [model for model in system.models if model not in members]:
        what = f"a release holds every model; missing: {', '.join(missing)}"
        raise BadInput([Fault(where=where, what=what)])
    current = site.journal.champion(site.environment)
    if current is not None:
        what = f"{site.environment} has champion generation {current.generation}; use a rollout"
        raise BadInput([Fault(where=where, what=what)])
    release = Release(members={m: member_of(site, system, m, v) for m, v in members.items()})
    keep_contracts(site, system, release)
    adopted = Adopted(release=release.content_hash)
    return site.journal.move_champion(
        site.environment,
        release,
        "adoption",
        [draft(adopted, at=now, actor=actor)],
        after=0,
        revision=0,
    )


def hold(site: Site, rollout_id: str, *, reason: str, now: datetime, actor: str) -> None:
    """Let a canary take no further step."""
    _ask(site, rollout_id, Held(reason=reason), now=now, actor=actor)


def resume(site: Site, rollout_id: str, *, reason: str, now: datetime, actor: str) -> None:
    """End a hold.

    Raises:
        BadInput: The rollout is not held.
        JournalAltered: The journal is not what was written; what only stops is taken even then.
    """
    refuse_altered(site)

    def unfit(state: RolloutState) -> str | None:
        return "is not held" if state.held is None else None

    _ask(site, rollout_id, Resumed(reason=reason), unfit, now=now, actor=actor)


def abort(site: Site, rollout_id: str, *, reason: str, now: datetime, actor: str) -> None:
    """Stop a rollout; all traffic goes to the champion.

    Raises:
        BadInput: It was promoted already; that takes a rollback.
    """

    def unfit(state: RolloutState) -> str | None:
        promoted = state.promoted is not None
        return "was promoted already; use: sluiceway rollback" if promoted else None

    _ask(site, rollout_id, AbortRequested(reason=reason), unfit, now=now, actor=actor)
    if site.journal.champion(site.environment) is not None:
        bring_routing(site)  # at once; that it is so is confirmed with the next look


def approve(
    site: Site,
    rollout_id: str,
    *,
    reason: str,
    now: datetime,
    actor: str,
    owner: str | None = None,
    offered: Offered | None = None,
) -> None:
    """Give an approval that a rollout waits for.

    Args:
        owner: In whose name; None for all who are waited for and have named the actor.
        offered: The actor's one-time code, where the policy asks for one.

    Raises:
        BadInput: It waits for none, the actor speaks for nobody it waits for, did not prove who
            they are, or asked for it and may not approve what is their own.
        JournalAltered: The journal is not what was written; a refusal is taken even then.
    """
    refuse_altered(site)

    def given(state: RolloutState) -> Approved:
        system = site.systems.kept(rollout_id)
        own = is_theirs(actor, state.requested_by)
        if own and not system.policies.rights.own:
            what = f"{actor} asked for it, and policies.approvals.own forbids to approve one's own"
            raise NotTheirs(what)
        owners = _in_whose_name(system, state, actor, owner, now)
        proven = prove(site, system, rollout_id, offered, actor=actor)
        return Approved(reason=reason, owners=owners, proven=proven)

    _ask(site, rollout_id, given, _no_approval(now), now=now, actor=actor)


def refuse(
    site: Site,
    rollout_id: str,
    *,
    reason: str,
    now: datetime,
    actor: str,
    owner: str | None = None,
    offered: Offered | None = None,
) -> None:
    """Refuse an approval that a rollout waits for; that ends it.

    Args:
        owner: In whose name; None for all who are waited for and have named the actor.
        offered: The actor's one-time code, where the policy asks for one.

    Raises:
        BadInput: It waits for none, or the actor speaks for nobody it waits for or did not prove
            who they are.
    """

    def given(state: RolloutState) -> ApprovalRefused:
        system = site.systems.kept(rollout_id)
        owners = _in_whose_name(system, state, actor, owner, now)
        proven = prove(site, system, rollout_id, offered, actor=actor)
        return ApprovalRefused(reason=reason, owners=owners, proven=proven)

    _ask(site, rollout_id, given, _no_approval(now), now=now, actor=actor)


def _in_whose_name(
    system: System, state: RolloutState, actor: str, owner: str | None, now: datetime
) -> tuple[str, ...]:
    return answers_for(
        state.needed,
        state.given,
        system.owners,
        actor=actor,
        owner=owner,
        today=today_of(system, now),
    )


def _ask(
    site: Site,
    rollout_id: str,
    wanted: Happening | Callable[[RolloutState], Happening],
    unfit: Callable[[RolloutState], str | None] = lambda _: None,
    *,
    now: datetime,
    actor: str,
) -> None:
    """Write down what a person wants, where it fits the rollout at that very moment."""
    while True:
        state = site.state(rollout_id)
        if state.requested is None:
            have = ", ".join(site.journal.rollouts(site.environment)) or "none"
            raise BadInput([Fault(where=rollout_id, what=f"is no rollout (there are: {have})")])
        if state.ended is not None:
            raise BadInput([Fault(where=rollout_id, what=f"has ended: {state.ended.ending}")])
        if what := unfit(state):
            raise BadInput([Fault(where=rollout_id, what=what)])
        try:
            told = wanted(state) if callable(wanted) else wanted
            site.tell(rollout_id, told, after=state.seq, now=now, actor=actor)
        except NotTheirs as error:
            raise BadInput([Fault(where=rollout_id, what=str(error))]) from error
        except JournalConflict:
            continue
        return


def _no_approval(now: datetime) -> Callable[[RolloutState], str | None]:
    def unfit(state: RolloutState) -> str | None:
        asked = state.approval_requested
        if asked is None or state.approved or state.refused is not None:
            return "does not wait for an approval"
        if asked.expires is not None and now >= asked.expires:
            return f"waited for an approval until {asked.expires:%Y-%m-%d %H:%M} UTC"
        return None

    return unfit
