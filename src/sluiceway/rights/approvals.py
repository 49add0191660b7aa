"""Who must approve a rollout, worked out from what it changes, and each with its reason."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sluiceway.contracts.change_kinds import Change, ChangeKind, Side
from sluiceway.contracts.changes import broken_edges, required_bump
from sluiceway.graph import BlastRadius
from sluiceway.releases import Member
from sluiceway.system.rights import Among, ApprovalRule, ChangeClass, Risk
from sluiceway.system.values import System


class WhyCode(StrEnum):
    """Why somebody is asked."""

    LISTED = "listed"
    RISK = "risk"
    CHANGE = "change"
    BREAKS_EDGE = "breaks_edge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """One reason for asking somebody.

    Attributes:
        models: The models that it is about.
        risk: The highest risk among them; None unless `code` is RISK.
        change: How much they change; None unless `code` is CHANGE.
        kind: What breaks the edge; None unless `code` is BREAKS_EDGE.
        edge: The edge that breaks, by its name; None unless `code` is BREAKS_EDGE.
    """

    code: WhyCode
    models: tuple[str, ...] = ()
    risk: Risk | None = None
    change: ChangeClass | None = None
    kind: ChangeKind | None = None
    edge: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededApproval:
    """One approval without which nothing live is touched.

    Attributes:
        name: Of the owner or the role that is asked.
        by: Owners any one of whom may give it: the owner itself, or those who hold the role.
        people: How many different people must.
        why: Every reason for asking. Never empty.
    """

    name: str
    by: tuple[str, ...]
    people: int
    why: tuple[Why, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenApproval:
    """One approval as somebody gave it.

    Attributes:
        owners: In whose name; empty in journals older than decision rights, where one approval
            by anybody was the answer to all.
        actor: Who it was.
    """

    owners: tuple[str, ...]
    actor: str


def approvals_needed(
    system: System,
    radius: BlastRadius,
    changes: Iterable[Change],
    members: Iterable[Member],
    *,
    acknowledged: Collection[str] = (),
) -> tuple[NeededApproval, ...]:
    """Who must approve that these versions go live.

    Those whom the policy always asks; those whom its rules ask for the risk of what is touched and
    for how much is changed; and the owner at the other end of every edge that a change breaks,
    also where that end moves along in the same release: it is theirs to say that it fits.

    Args:
        changes: How the members' contracts differ from those of what serves.
        members: The versions that are to go live; one whose contract changes nothing is a patch.
        acknowledged: Names of edges whose readers' owners have agreed to what breaks them.

    Returns:
        In the order of the policy, then of the changes; nobody is named twice.
    """
    changed = tuple(changes)
    models = tuple(member.model for member in members)
    asked = [
        *((name, 1, Why(code=WhyCode.LISTED)) for name in system.policies.approvals),
        *_by_rules(system, radius, _classes(changed, models)),
        *_by_edges(system, changed, acknowledged),
    ]
    whys: dict[str, dict[Why, None]] = {}
    most: dict[str, int] = {}
    for name, people, why in asked:
        whys.setdefault(name, {})[why] = None
        most[name] = max(people, most.get(name, 1))
    return tuple(
        NeededApproval(
            name=name, by=_holders(system, name), people=most[name], why=tuple(whys[name])
        )
        for name in whys
    )


def listed_approvals(owners: Iterable[str]) -> tuple[NeededApproval, ...]:
    """The approvals of owners who are always asked."""
    return tuple(
        NeededApproval(name=owner, by=(owner,), people=1, why=(Why(code=WhyCode.LISTED),))
        for owner in dict.fromkeys(owners)
    )


def still_open(
    needed: Iterable[NeededApproval], given: Iterable[GivenApproval]
) -> tuple[NeededApproval, ...]:
    """The approvals that are not given yet. Whoever approves twice counts once."""
    said = tuple(given)
    return tuple(need for need in needed if len(_who_gave(need, said)) < need.people)


def _who_gave(need: NeededApproval, given: Iterable[GivenApproval]) -> set[str]:
    return {one.actor for one in given if not one.owners or set(one.owners) & set(need.by)}


def _classes(changes: Iterable[Change], models: Iterable[str]) -> dict[str, ChangeClass]:
    by_model: dict[str, list[Change]] = {model: [] for model in models}
    for change in changes:
        by_model.setdefault(change.model, []).append(change)
    return {
        model: ChangeClass(bump.value) if (bump := required_bump(found)) else ChangeClass.PATCH
        for model, found in by_model.items()
    }


_Asked = tuple[str, int, Why]


def _by_rules(
    system: System, radius: BlastRadius, classes: Mapping[str, ChangeClass]
) -> Iterator[_Asked]:
    for rule in system.policies.rights.rules:
        for why in _met(rule, system, radius, classes):
            for name in rule.ask:
                yield name, rule.people, why


def _met(
    rule: ApprovalRule, system: System, radius: BlastRadius, classes: Mapping[str, ChangeClass]
) -> tuple[Why, ...]:
    """What meets a rule's conditions; nothing where one of them is not met."""
    wanted_change, wanted_risk = rule.change, rule.risk
    changing = tuple(
        model
        for model, found in classes.items()
        if wanted_change is None or found.size >= wanted_change.size
    )
    counted = (
        changing
        if rule.among is Among.MEMBERS
        else tuple(dict.fromkeys((*radius.models, *classes)))
    )
    risky = tuple(
        model
        for model in counted
        if wanted_risk is None or system.models[model].risk.size >= wanted_risk.size
    )
    if not changing or not risky:
        return ()
    if rule.among is Among.MEMBERS:
        changing = risky
    whys = []
    if wanted_risk is not None:
        highest = max((system.models[model].risk for model in risky), key=lambda risk: risk.size)
        whys.append(Why(code=WhyCode.RISK, models=risky, risk=highest))
    if wanted_change is not None:
        most = max((classes[model] for model in changing), key=lambda one: one.size)
        whys.append(Why(code=WhyCode.CHANGE, models=changing, change=most))
    return tuple(whys)


def _by_edges(
    system: System, changes: Iterable[Change], acknowledged: Collection[str]
) -> Iterator[_Asked]:
    for broken in broken_edges(changes, system.edges):
        edge, change = broken.edge, broken.change
        if change.side is Side.OUTPUT and edge.name in acknowledged:
            continue
        # A promise that loosens is the reader's matter, a demand that tightens the feeder's.
        other = edge.consumer if change.side is Side.OUTPUT else edge.producer
        why = Why(code=WhyCode.BREAKS_EDGE, models=(other,), kind=change.kind, edge=edge.name)
        yield system.owner_of(other).name, 1, why


def _holders(system: System, name: str) -> tuple[str, ...]:
    if name in system.owners:
        return (name,)
    return tuple(owner.name for owner in system.owners.values() if name in owner.roles)


def why_sentence(why: Why) -> str:
    """A reason in words."""
    models = _joined(why.models)
    match why.code:
        case WhyCode.LISTED:
            return "the policy always asks for it"
        case WhyCode.RISK:
            verb = "is" if len(why.models) == 1 else "are up to"
            return f"{models} {verb} {why.risk} risk"
        case WhyCode.CHANGE:
            verb = "changes" if len(why.models) == 1 else "change"
            return f"{models} {verb} by {why.change}"
        case WhyCode.BREAKS_EDGE:
            return f"breaking change {why.kind} on {why.edge}: its owner must acknowledge"


def _joined(names: tuple[str, ...]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
