"""The tasks of a rollout: each opens the site, runs one step, and closes it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from sluiceway.errors import BadInput
from sluiceway.rollouts.actions import Action, Look, ReplayShadow
from sluiceway.settings import Settings
from sluiceway.steps import (
    auditing,
    by_hand,
    chain,
    contracts,
    controlling,
    deciding,
    going_back,
    looking,
    planning,
    promotion,
    publishing,
    requests,
    returning,
    shadow,
    world,
)
from sluiceway.wiring import opened
from tasks.retrying import side_effect


@side_effect("request rollout")
def request_rollout(
    settings: Settings, members: Sequence[str], as_of: datetime | None, actor: str
) -> str:
    """Take a place in the queue; asking twice gives the same rollout."""
    now, replayed = as_of or datetime.now(UTC), as_of is not None
    with opened(settings) as site:
        return requests.request_rollout(site, members, now=now, actor=actor, replayed=replayed)


@side_effect("request rollback")
def request_rollback(
    settings: Settings, to: int | None, reason: str, now: datetime, actor: str
) -> str:
    """Move the champion pointer back to an earlier generation."""
    with opened(settings) as site:
        return going_back.request_rollback(site, to=to, reason=reason, now=now, actor=actor)


@side_effect("check the journal")
def check_journal(settings: Settings) -> None:
    """Refuse to go on by a journal that is not what was written.

    Raises:
        JournalAltered: Rows were changed or are missing.
    """
    with opened(settings) as site:
        chain.refuse_altered(site)


@side_effect("list unfinished rollouts")
def unfinished(settings: Settings, *, by_clock: bool = False) -> tuple[str, ...]:
    """Ids of all rollouts that have something left to do, first come first.

    Args:
        by_clock: Leave out those that were asked for as of another time than the clock's.
    """
    with opened(settings) as site:
        return deciding.unfinished(site, by_clock=by_clock)


@side_effect("decide")
def decide(settings: Settings, rollout_id: str, now: datetime) -> Action:
    """Ask the core what comes next."""
    with opened(settings) as site:
        return deciding.decide(site, rollout_id, now=now)


@side_effect("write decision")
def write_decision(
    settings: Settings, rollout_id: str, decision: deciding.Decision, now: datetime
) -> None:
    """Write down a decision whose whole effect is one event."""
    with opened(settings) as site:
        deciding.write_decision(site, rollout_id, decision, now=now)


@side_effect("plan")
def plan_rollout(settings: Settings, rollout_id: str, now: datetime) -> None:
    """Look the candidate up and fix the plan."""
    with opened(settings) as site:
        planning.plan_rollout(site, rollout_id, now=now)


@side_effect("check contracts")
def check_contracts(settings: Settings, rollout_id: str, now: datetime) -> None:
    """Hold each candidate version against its contract."""
    with opened(settings) as site:
        contracts.check_contracts(site, rollout_id, now=now)


@side_effect("replay shadow")
def replay_shadow(settings: Settings, rollout_id: str, replay: ReplayShadow, now: datetime) -> None:
    """Replay recorded traffic through both chains."""
    with opened(settings) as site:
        shadow.replay_shadow(site, rollout_id, start=replay.start, end=replay.end, now=now)


@side_effect("plan canary")
def plan_canary(settings: Settings, rollout_id: str, now: datetime) -> None:
    """Simulate what the canary needs to finish."""
    with opened(settings) as site:
        planning.plan_canary(site, rollout_id, now=now)


@side_effect("look")
def look(settings: Settings, rollout_id: str, due: Look, now: datetime) -> None:
    """Enter closed, mature blocks into the live evidence."""
    with opened(settings) as site:
        looking.look(site, rollout_id, first=due.first, last=due.last, now=now)


@side_effect("audit features")
def audit_features(settings: Settings, rollout_id: str, now: datetime) -> None:
    """Hold served features against recorded ones and against what training had."""
    with opened(settings) as site:
        auditing.audit_rollout(site, rollout_id, now=now)


@side_effect("promote")
def promote(settings: Settings, rollout_id: str, now: datetime) -> None:
    """Move the champion pointer to the candidate release."""
    with opened(settings) as site:
        promotion.promote(site, rollout_id, now=now)


@side_effect("restore champion")
def restore_champion(settings: Settings, rollout_id: str, now: datetime) -> None:
    """Move the champion pointer back."""
    with opened(settings) as site:
        promotion.restore_champion(site, rollout_id, now=now)


@side_effect("diagnose")
def diagnose(settings: Settings, rollout_id: str, now: datetime) -> None:
    """Find where live harm came from."""
    with opened(settings) as site:
        shadow.diagnose(site, rollout_id, now=now)


@side_effect("plan way back")
def plan_way_back(settings: Settings, rollout_id: str, now: datetime) -> None:
    """Work out whether only the origin of the harm has to go."""
    with opened(settings) as site:
        returning.plan_way_back(site, rollout_id, now=now)


@side_effect("serve part")
def serve_part(settings: Settings, rollout_id: str, now: datetime) -> None:
    """Move the champion pointer to what may stay of the release."""
    with opened(settings) as site:
        returning.serve_part(site, rollout_id, now=now)


@side_effect("narrow canary")
def narrow_canary(settings: Settings, rollout_id: str, now: datetime) -> None:
    """Let what may stay of the release go on in canary by itself."""
    with opened(settings) as site:
        returning.narrow_canary(site, rollout_id, now=now)


@side_effect("open incident")
def open_incident(settings: Settings, rollout_id: str, now: datetime) -> None:
    """Write down an incident for the owners."""
    with opened(settings) as site:
        promotion.open_incident(site, rollout_id, now=now)


@side_effect("reconcile")
def reconcile(settings: Settings, rollout_id: str, now: datetime) -> None:
    """Make serving and registry as the journal wants them, and observe it."""
    with opened(settings) as site:
        world.reconcile(site, rollout_id, now=now)


@side_effect("restore")
def restore(settings: Settings, now: datetime) -> None:
    """Write down, and put back, aliases and routing that were changed behind the journal's back.

    Flags that the system file has declared anew are taken over first.
    """
    with opened(settings) as site:
        try:
            controlling.declare_flags(site, now=now)
        except BadInput as error:
            get_run_logger().warning("flags stay as they were declared last: %s", error)
        for found in by_hand.settle(site, now=now):
            get_run_logger().warning("not as wanted: %s", found)


@side_effect("publish")
def publish(settings: Settings, rollout_id: str) -> None:
    """Write the report, the MLflow run and the Prefect artifact, where something has moved."""
    with opened(settings) as site:
        published = publishing.publish(site, rollout_id)
        if published is None:
            return
        create_markdown_artifact(
            published.markdown,
            key=artifact_key(rollout_id),
            description=f"where {rollout_id} is, with its evidence",
        )
        publishing.mark_published(site, rollout_id, published)


@side_effect("list unpublished rollouts")
def unpublished(settings: Settings) -> tuple[str, ...]:
    """Ids of the rollouts that have moved since they were shown last."""
    with opened(settings) as site:
        return publishing.unpublished(site)


@side_effect("tag flow run")
def tag_flow_run(tags: Sequence[str]) -> None:
    """Let the flow run that calls this be found by tags which it did not know when it began."""
    run_id = UUID(flow_run.id)
    with get_client(sync_client=True) as client:
        known = client.read_flow_run(run_id).tags
        if new := [tag for tag in tags if tag not in known]:
            client.update_flow_run(run_id, tags=[*known, *new])


def artifact_key(name: str, *, kind: str = "rollout") -> str:
    """Artifact keys hold lower-case letters, digits and dashes only."""
    letters = (c if c.isascii() and c.isalnum() else "-" for c in name.lower())
    return f"{kind}-{''.join(letters)}"
