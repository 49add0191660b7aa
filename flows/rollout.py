"""The flow that takes a candidate release live, as far as it can go now."""

from datetime import UTC, datetime

from prefect import flow
from prefect.runtime import flow_run

from sluiceway.journal import JournalConflict
from sluiceway.rollouts.actions import (
    Action,
    AuditFeatures,
    CheckContracts,
    Diagnose,
    End,
    EnterStep,
    LengthenDeadline,
    Look,
    MakePlan,
    NarrowCanary,
    OpenIncident,
    PlanCanary,
    PlanWayBack,
    Promote,
    Reconcile,
    ReplayShadow,
    RequestApproval,
    Rest,
    RestoreChampion,
    RollBack,
    ServePart,
    StopTraffic,
    Wait,
)
from sluiceway.settings import Settings
from tasks import approvals, flow_runs, notifications, rollouts


def _named() -> str:
    """A rollout's flow runs are called by its id, or by its versions where it has none yet."""
    given = flow_run.parameters
    return f"rollout {given.get('rollout_id') or ', '.join(given['members'])}"


@flow(name="rollout", flow_run_name=_named, persist_result=False)
def rollout(
    members: list[str],
    as_of: datetime | None = None,
    actor: str = "sluiceway",
    rollout_id: str | None = None,
) -> str:
    """Roll these versions out as one release.

    Run it again for the same versions at any time: it goes on where the journal says.

    Args:
        members: ``MODEL@VERSION`` of each.
        as_of: The time to take as now; None for the clock. For replays of the past.
        actor: Who asked.
        rollout_id: The rollout, where it was asked for already.

    Returns:
        The rollout's id.
    """
    flow_runs.sign_on()
    settings = Settings()
    if rollout_id is None:
        rollout_id = rollouts.request_rollout(settings, members, as_of, actor)
    advance(settings, rollout_id, as_of)
    approvals.ask_approvers(settings, as_of)
    notifications.tell_people(settings, as_of)
    return rollout_id


def advance(settings: Settings, rollout_id: str, as_of: datetime | None) -> Action:
    """Do what there is to do for one rollout, until it rests or waits."""
    notifications.check_journal(settings)
    rollouts.tag_flow_run(flow_runs.tags_of(settings, rollout_id))
    while True:
        now = as_of or datetime.now(UTC)
        try:
            action = rollouts.decide(settings, rollout_id, now)
            match action:
                case Rest() | Wait():
                    rollouts.publish(settings, rollout_id)
                    return action
            _perform(settings, rollout_id, action, now)
        except JournalConflict:
            # Somebody else was faster, and what they wrote decides; or rows are missing, and
            # nobody could ever write after them.
            notifications.check_journal(settings)


def _perform(settings: Settings, rollout_id: str, action: Action, now: datetime) -> None:
    match action:
        case Reconcile():
            rollouts.reconcile(settings, rollout_id, now)
        case MakePlan():
            rollouts.plan_rollout(settings, rollout_id, now)
        case CheckContracts():
            rollouts.check_contracts(settings, rollout_id, now)
        case ReplayShadow():
            rollouts.replay_shadow(settings, rollout_id, action, now)
        case PlanCanary():
            rollouts.plan_canary(settings, rollout_id, now)
        case Look():
            rollouts.look(settings, rollout_id, action, now)
        case AuditFeatures():
            rollouts.audit_features(settings, rollout_id, now)
        case Promote():
            rollouts.promote(settings, rollout_id, now)
        case RestoreChampion():
            rollouts.restore_champion(settings, rollout_id, now)
        case Diagnose():
            rollouts.diagnose(settings, rollout_id, now)
        case PlanWayBack():
            rollouts.plan_way_back(settings, rollout_id, now)
        case ServePart():
            rollouts.serve_part(settings, rollout_id, now)
        case NarrowCanary():
            rollouts.narrow_canary(settings, rollout_id, now)
        case OpenIncident():
            rollouts.open_incident(settings, rollout_id, now)
        case (
            LengthenDeadline()
            | EnterStep()
            | RequestApproval()
            | StopTraffic()
            | RollBack()
            | End()
        ):
            rollouts.write_decision(settings, rollout_id, action, now)
