"""What happens when something goes wrong, and who does what: worked out from the system file.

It is made anew from the file whenever it is asked for, so that it never says what was so once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sluiceway.durations import render_duration
from sluiceway.gates import Role
from sluiceway.graph import blast_radius
from sluiceway.rollouts.deciding import ATTEMPTS, ERROR_LIMIT
from sluiceway.rollouts.plan import gates_of
from sluiceway.serving.breaker import BreakerPolicy
from sluiceway.system.notifications import NoticeCode, Tier
from sluiceway.system.rights import Proof
from sluiceway.system.values import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under headings."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of a playbook.

    Attributes:
        steps: Sentences in order; numbered where they are things to do one after the other.
    """

    title: str
    steps: tuple[str, ...] = ()
    numbered: bool = False
    table: Table | None = None


BREAKER: Final = BreakerPolicy()
"""What gateways go by."""


def playbook(system: System) -> tuple[Section, ...]:
    """Criteria for automatic rollback, the steps back, and who is told what and when."""
    return (
        _criteria(system),
        _gates(system),
        _automatic(system),
        _by_hand(),
        _told(system),
        _reached(system),
        _approvals(system),
        _afterwards(),
    )


def _criteria(system: System) -> Section:
    policies = system.policies
    canary = policies.canary
    steps = ", then ".join(f"{s.weight} % for {render_duration(s.bake_time)}" for s in canary.steps)
    drift = (
        "Inputs are not watched for drift (drift: off)."
        if policies.drift is None
        else "Inputs that drift away from shadow's hold the rollout; shadow is replayed up to "
        f"{policies.drift.replays} times, and harm found in it rolls back."
    )
    return Section(
        title="When the candidate goes without anybody's word",
        steps=(
            f"A rollout gives it {steps}; all required gates must have passed within "
            f"{render_duration(canary.deadline)} of the first step (at most "
            f"{render_duration(canary.longest)} where that is too short), else it ends expired "
            "and the champion answers everybody.",
            f"The evidence of all gates, slices and looks together says that harm is above the "
            f"margins (one family, α = {policies.alpha:g}): rolled back.",
            "A hard rule, which no flow and no statistics wait for: the gateway asks a candidate "
            f"no more of which at least {BREAKER.fewest} and {BREAKER.share:.0%} of the last "
            f"{BREAKER.window} rows got no usable answer, or too many of whose answers break the "
            "contract. The champion answers from the next request on; the next look rolls back.",
            f"Evidence cannot be read: no traffic at once; aborted after "
            f"{render_duration(ERROR_LIMIT)}. Contract checks and replays that err are tried "
            f"{ATTEMPTS} times.",
            f"For {render_duration(policies.watch.window)} after a promotion the previous "
            "generation answers a copy; harm that shows then restores it.",
            drift,
            "Files of a version that changed since they were verified, or features that are served "
            f"otherwise to more than {policies.feature_parity:.1%} of units: not promoted.",
        ),
    )


def _gates(system: System) -> Section:
    radius = blast_radius(system, system.models)
    because = {
        (model.name, target.metric, target.field): target.because
        for model in system.models.values()
        for target in model.metrics
    }
    rows = tuple(
        (
            gate.model,
            gate.metric,
            f"{gate.margin:g} {gate.unit}",
            "must pass; harm rolls back" if gate.role is Role.REQUIRED else "harm rolls back",
            because.get((gate.model, gate.metric, gate.field), ""),
        )
        for gate in gates_of(system, radius)
    )
    columns = ("model", "metric", "tolerated harm", "gate", "why")
    return Section(title="Gates and margins", table=Table(columns=columns, rows=rows))


def _automatic(system: System) -> Section:
    return Section(
        title="What Sluiceway does then",
        numbered=True,
        steps=(
            "It writes the decision with its numbers into the journal, and takes the candidate's "
            "traffic away; after a promotion it makes the previous release the champion again, all "
            "models at once.",
            "It makes routing and the registry's aliases agree, and looks until they do.",
            "It replays what happened and finds where the harm entered: a model, a feature or a "
            "source, localised or cascading.",
            "Where the origin alone can go and the rest was seen to fit, what may stay serves.",
            "It opens an incident for the owners of everything that was reached, and ends the "
            "rollout rolled_back. " + _fallbacks(system),
        ),
    )


def _fallbacks(system: System) -> str:
    named = [
        f"{model.name}.{field} {value:g}"
        for model in system.models.values()
        for field, value in model.contract.fallback.items()
    ]
    if not named:
        return "No contract declares an answer that stands in for one that fails."
    return f"Safe defaults stand in for answers that fail: {_joined(named)}."


def _by_hand() -> Section:
    return Section(
        title="What a person can do",
        numbered=True,
        steps=(
            "Look: sluiceway status; then sluiceway explain ROLLOUT, and its report.",
            'Gain time: sluiceway hold ROLLOUT --reason "…" lets it take no further step.',
            'Cut a faulty path: sluiceway isolate EDGE --reason "…" gives its consumer the safe '
            "default; sluiceway restore EDGE ends that.",
            'Stop it: sluiceway abort ROLLOUT --reason "…" sends all traffic to the champion.',
            'After a promotion: sluiceway rollback --reason "…" makes the generation before serve '
            "again (--to GENERATION another one); every open rollout is aborted first.",
            "Where the Prefect server is away: unset PREFECT_API_URL, and the same commands run "
            "their flows in their own process. Gateways need neither Prefect nor MLflow to go on.",
            "Where the journal is not what was written: nothing goes on by it, rollbacks included, "
            "and what serves goes on. End all (sluiceway down), put a copy of the database from "
            "before back, and ask sluiceway journal verify.",
            "Make sure: sluiceway status shows the generation; sluiceway journal verify shows that "
            "nothing was altered.",
            "Tell the owners of what reads it: sluiceway impact MODEL lists them.",
        ),
    )


_WHAT: Final = {
    NoticeCode.ROLLED_BACK: "something is rolled back",
    NoticeCode.HALTED: "a candidate loses its traffic",
    NoticeCode.ISOLATED: "edges are isolated, their consumers receive safe defaults",
    NoticeCode.RESTORED: "isolated edges are restored",
    NoticeCode.UNWATCHED: "a promotion could not be watched",
    NoticeCode.ERRORED: "a rollout ends errored or cannot be measured",
    NoticeCode.APPROVAL_WANTED: "an approval is wanted",
    NoticeCode.APPROVAL_EXPIRED: "nobody approved in time",
    NoticeCode.APPROVER_LOCKED: "somebody fails to prove who they are",
    NoticeCode.APPROVER_CHANGED: "somebody is given a key to approve with, or has none any more",
    NoticeCode.MOVED_BY_HAND: "aliases or routing are changed by hand",
    NoticeCode.VERSION_DELETED: "a version in use is deleted in the registry",
    NoticeCode.JOURNAL_ALTERED: "the journal was altered or has lost events",
    NoticeCode.DRIFT: "inputs have drifted",
    NoticeCode.DEPRECATION: "a field will go",
    NoticeCode.STOPPED: "a rollout is rejected, inconclusive, aborted or expired",
    NoticeCode.PROMOTED: "a release is promoted",
    NoticeCode.CHANNEL_FAILED: "a channel takes no messages",
}
_WHOM: Final = {
    NoticeCode.ISOLATED: "owners of both ends",
    NoticeCode.RESTORED: "owners of both ends",
    NoticeCode.APPROVAL_WANTED: "whoever is asked",
    NoticeCode.MOVED_BY_HAND: "the model's owner; all owners for routing",
    NoticeCode.VERSION_DELETED: "the model's owner",
    NoticeCode.JOURNAL_ALTERED: "all owners",
    NoticeCode.APPROVER_LOCKED: "owners they speak for",
    NoticeCode.APPROVER_CHANGED: "owners they speak for; all owners where there are none",
    NoticeCode.DEPRECATION: "owners of what reads it",
    NoticeCode.CHANNEL_FAILED: "the channels for all others",
    NoticeCode.ERRORED: "owners of the versions",
    NoticeCode.APPROVAL_EXPIRED: "owners of the versions",
    NoticeCode.STOPPED: "owners of the versions",
}
_WHEN: Final = {
    Tier.PAGE: "at once (page)",
    Tier.NOTIFY: "at once (notify)",
    Tier.DIGEST: "in the digest",
}


def _told(system: System) -> Section:
    policy = system.notifications
    rows = tuple(
        (_WHAT[code], _WHEN[policy.tier(code)], _WHOM.get(code, "owners of all that it reaches"))
        for code in NoticeCode
    )
    every = f"A digest comes every {render_duration(policy.digest_every)}."
    none = "No channels are declared (notifications), so nobody is told but by status and reports."
    return Section(
        title="Who is told what, and when",
        steps=(every if policy.channels else none,),
        table=Table(columns=("what happens", "told", "whom"), rows=rows),
    )


def _reached(system: System) -> Section:
    rows = tuple(
        (
            owner.name,
            owner.contact,
            ", ".join(owner.people) or "anybody",
            *(
                ", ".join(system.notifications.channels_of(owner.name, tier)) or "–"
                for tier in Tier
            ),
            ", ".join(_owned(system, owner.name)) or "–",
        )
        for owner in system.owners.values()
        if owner.left is None
    )
    columns = ("owner", "contact", "people", *(tier.value for tier in Tier), "answers for")
    return Section(title="How they are reached", table=Table(columns=columns, rows=rows))


def _owned(system: System, owner: str) -> Iterator[str]:
    for nodes in (system.models, system.consumers, system.features, system.sources):
        for name, node in nodes.items():
            if node.owner == owner:
                yield name


def _approvals(system: System) -> Section:
    policies = system.policies
    rights = policies.rights
    asked = [*(f"always: {name}" for name in policies.approvals)]
    for rule in rights.rules:
        conditions = [
            *([f"risk {rule.risk} or above among {rule.among}"] if rule.risk else []),
            *([f"a change by {rule.change} or more"] if rule.change else []),
        ]
        people = f", {rule.people} people of each" if rule.people > 1 else ""
        asked.append(f"{' and '.join(conditions)}: {_joined(rule.ask)}{people}")
    asked.append("every edge that a change breaks: the owner at its other end")
    own = "may" if rights.own else "may not"
    proof = (
        "Names are taken at their word."
        if rights.proof is Proof.NONE
        else "Who answers proves it with a one-time code."
    )
    expires = (
        "An approval is waited for as long as it takes."
        if rights.expires is None
        else f"No answer within {render_duration(rights.expires)} is a no."
    )
    return Section(
        title="Who must approve before live traffic is touched",
        steps=(*asked, f"Who asked for a rollout {own} approve it. {proof} {expires}"),
    )


def _afterwards() -> Section:
    return Section(
        title="Afterwards",
        numbered=True,
        steps=(
            "Keep the report: it holds the chain's head, by which a lost event shows.",
            "Mend the origin that the diagnosis names, not the model where the harm was seen.",
            "Register the mended version; its rollout replays the window in which it failed.",
            "Where a margin, a deadline or a rule of this playbook was wrong, change the system "
            "file; the next rollout uses it.",
        ),
    )


def _joined(names: Iterable[str]) -> str:
    return ", ".join(names)


def as_markdown(system: System, sections: Iterable[Section]) -> str:
    """The playbook as Markdown."""
    lines = [f"# Playbook of {system.name}", "", f"System file {system.digest[:12]}.", ""]
    for section in sections:
        lines += [f"## {section.title}", ""]
        for number, step in enumerate(section.steps, start=1):
            lines.append(f"{number}. {step}" if section.numbered else f"- {step}")
        if section.steps:
            lines.append("")
        if section.table is not None:
            lines.append(f"| {' | '.join(map(_cell, section.table.columns))} |")
            lines.append("|" + "---|" * len(section.table.columns))
            lines += [f"| {' | '.join(map(_cell, row))} |" for row in section.table.rows]
            lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
