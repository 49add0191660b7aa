"""Moving the champion pointer, forward and back: one transaction each."""

from datetime import datetime

from sluiceway.ports import UnknownVersion, UnloadableVersion
from sluiceway.rollouts.actions import OpenIncident, Promote, RestoreChampion
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import ChampionRestored, Ended, IncidentOpened, Promoted, draft
from sluiceway.rollouts.plan import Plan
from sluiceway.rollouts.reasons import look_reason
from sluiceway.rollouts.state import RolloutState
from sluiceway.steps.chain import refuse_altered
from sluiceway.steps.members import changed_features, keep_contracts
from sluiceway.steps.site import Site


def changed_artifacts(site: Site, plan: Plan) -> list[str]:
    """Candidate versions whose files are not those that were verified, in words."""
    found = []
    for member in plan.members:
        try:
            now = site.registry.artifact_sha256(member.model, member.version)
        except (UnknownVersion, UnloadableVersion) as error:
            found.append(f"{member.name}: {error}")
            continue
        if now != member.artifact_sha256:
            seen = f"{now[:12]}…, verified were {member.artifact_sha256[:12]}…"
            found.append(f"{member.name}: its files are {seen}")
    return found


def end_if_changed(
    site: Site, rollout_id: str, state: RolloutState, phase: Phase, *, now: datetime
) -> bool:
    """End the rollout where what would be served is not what was tested."""
    assert state.plan is not None
    system = site.systems.kept(rollout_id)
    code, changed = ReasonCode.ARTIFACT_CHANGED, changed_artifacts(site, state.plan)
    if not changed:
        members = site.candidate_release(state.plan).members.values()
        code, changed = ReasonCode.FEATURE_CHANGED, changed_features(site, system, members)
    if not changed:
        return False
    ended = Ended(ending=Ending.REJECTED, phase=phase, code=code, reason="; ".join(changed))
    site.tell(rollout_id, ended, after=state.seq, now=now)
    return True


def promote(site: Site, rollout_id: str, *, now: datetime) -> None:
    """Make the candidate release the champion, all its models at once.

    Other rollouts of disjoint nodes may have promoted meanwhile; theirs is kept.

    Raises:
        JournalConflict: Pointer or rollout moved just now; decide again.
    """
    refuse_altered(site)
    state = site.state_for(rollout_id, Promote(), now=now)
    if end_if_changed(site, rollout_id, state, Phase.PROMOTION, now=now):
        return
    assert state.plan is not None
    champion = site.champion()
    release = champion.release.with_members(state.plan.members)
    keep_contracts(site, site.systems.kept(rollout_id), release)  # of plans older than keeping them
    promoted = Promoted(
        release=release.content_hash, previous_release=champion.release.content_hash
    )
    site.journal.move_champion(
        site.environment,
        release,
        rollout_id,
        [draft(promoted, at=now)],
        after=state.seq,
        revision=champion.revision,
    )


def restore_champion(site: Site, rollout_id: str, *, now: datetime) -> None:
    """Put the versions back that served before a promotion that turned out harmful.

    Raises:
        JournalConflict: Pointer or rollout moved just now; decide again.
        JournalAltered: The journal is not what was written.
    """
    refuse_altered(site)
    state = site.state_for(rollout_id, RestoreChampion(), now=now)
    assert state.plan is not None
    before = site.journal.release(site.environment, state.plan.baseline)
    champion = site.champion()
    release = champion.release.with_members(
        before.members[member.model] for member in state.plan.members
    )
    site.journal.move_champion(
        site.environment,
        release,
        rollout_id,
        [draft(ChampionRestored(release=release.content_hash), at=now)],
        after=state.seq,
        revision=champion.revision,
    )


def open_incident(site: Site, rollout_id: str, *, now: datetime) -> None:
    """Write down an incident for the owners of everything that was affected.

    Raises:
        JournalConflict: The rollout has moved on since; decide again.
    """
    state = site.state_for(rollout_id, OpenIncident(), now=now)
    assert state.plan is not None
    if state.rollback is not None:
        title = f"{rollout_id} was rolled back: {state.rollback.reason}"
    else:
        title = f"{rollout_id} serves and could not be watched: {look_reason(state.look)}"
    opened = IncidentOpened(title=title, owners=state.plan.radius.owners)
    site.tell(rollout_id, opened, after=state.seq, now=now)
