"""Answers about releases in words, each reason with what would clear it."""

from collections.abc import Iterable, Mapping, Sequence

from sluiceway.releasing.conflicts import Rule, RuleKind
from sluiceway.releasing.evidence import EvidenceKind, EvidenceRecord
from sluiceway.releasing.ordering import Step, StepRole
from sluiceway.releasing.problems import Pick
from sluiceway.releasing.promoting import Mixture, Reason, ReasonCode
from sluiceway.releasing.proposing import Proposal
from sluiceway.releasing.returning import WayBack
from sluiceway.system.values import Ignore

Why = Mapping[tuple[Pick, Pick], str]
"""Why a producer's version and a consumer's version do not fit, in words; of one that must not
serve at all, why, under itself twice."""

MOST_RULES = 12
"""Rules of a conflict that are told; a longer chain nobody reads."""

_SEEN = {
    EvidenceKind.CONTRACT_TEST: "passed a contract test",
    EvidenceKind.EDGE_CASES: "passed a contract test on edge cases",
    EvidenceKind.SHADOW_REPLAY: "passed a shadow replay",
    EvidenceKind.COUNTERFACTUAL: "was within every margin in a counterfactual replay",
    EvidenceKind.CANARY: "passed in canary",
    EvidenceKind.SERVED: "served",
}

_FAILED = {
    EvidenceKind.CONTRACT_TEST: "broke its contract",
    EvidenceKind.EDGE_CASES: "broke its contract on edge cases",
    EvidenceKind.SHADOW_REPLAY: "failed a shadow replay",
    EvidenceKind.COUNTERFACTUAL: "failed a counterfactual replay",
    EvidenceKind.CANARY: "failed on live traffic",
    EvidenceKind.SERVED: "was taken back",
}


CONTRACT_AS_IT_WAS = (
    "the text of that contract as it was: put the file back, or tag the version sluiceway.contract "
    "with it; the next rollout keeps it in the journal"
)
"""What gives back a contract that nobody has any more."""


_WHERE = {
    Mixture.RELEASE: "",
    Mixture.HOPS: "where hops choose by themselves, ",
    Mixture.WAY_BACK: "on the way back, ",
}


def reason_sentence(reason: Reason) -> str:
    """A reason in one sentence, with what would clear it.

    What is ignored is said with its owner, its reason and its last day.
    """
    said = _said(reason)
    if reason.ignored is not None:
        return f"{said}; ignored by {_ignore(reason.ignored)}"
    if reason.expired is not None:
        said += f"; the ignore by {_ignore(reason.expired)} has expired"
    cleared = clears(reason)
    return f"{said}; to clear it: {cleared}" if cleared else said


def where_said(mixture: Mixture) -> str:
    """How a sentence about a mixture begins; nothing of the release itself."""
    return _WHERE[mixture]


def seen_sentence(reasons: Sequence[Reason]) -> str:
    """What one record says of several models on one mixture, each with what feeds it."""
    names = listed([one.consumer or "" for one in reasons])
    where = _WHERE[reasons[0].mixture]
    return f"{where}{names}, with what feeds them: {_seen(reasons[0].record, _SEEN)}"


def _ignore(ignore: Ignore) -> str:
    return f"{ignore.owner} until {ignore.expires} ({ignore.reason})"


def _said(reason: Reason) -> str:
    return f"{_WHERE[reason.mixture]}{_fact(reason)}"


def _fact(reason: Reason) -> str:
    both = f"{reason.producer} and {reason.consumer}"
    of = f"{both} together" if reason.producer else f"{reason.consumer} with what feeds it"
    match reason.code:
        case ReasonCode.FITS:
            return f"{both} fit on {reason.edge}"
        case ReasonCode.ACKNOWLEDGED:
            said = "; ".join(reason.said)
            return (
                f"what {reason.producer} breaks on {reason.edge} is agreed to by its owner: {said}"
            )
        case ReasonCode.SERVES_ALREADY:
            return "every version serves already"
        case ReasonCode.SEEN_TOGETHER:
            return f"{of} {_seen(reason.record, _SEEN)}"
        case ReasonCode.TEST_PASSED:
            return f"{_tested(reason, 'kept its contract', 'bore')}"
        case ReasonCode.TEST_FAILED:
            why = f": {reason.record.said}" if reason.record and reason.record.said else ""
            return f"{_tested(reason, 'broke its contract', 'did not bear')}{why}"
        case ReasonCode.NO_EVIDENCE:
            return (
                f"{of} was never replayed, and never served, with its present contract and features"
            )
        case ReasonCode.EVIDENCE_EXPIRED:
            return f"{of} {_seen(reason.record, _SEEN)}, which is too long ago"
        case ReasonCode.FAILED_TOGETHER:
            return f"{of} {_seen(reason.record, _FAILED)}"
        case ReasonCode.RELIANCE_BROKEN:
            relied = ", ".join(reason.relied_on)
            return f"{both} do not fit: {'; '.join(reason.said)} ({reason.edge} relies on {relied})"
        case ReasonCode.UNDETERMINED:
            return f"whether {both} fit cannot be told: {'; '.join(reason.said)}"
        case ReasonCode.DEMAND_NOT_MET | ReasonCode.FIELD_NOT_PROMISED:
            return f"{both} do not fit: {'; '.join(reason.said)}"
        case ReasonCode.PRODUCER_MISSING | ReasonCode.CONTRACT_UNKNOWN:
            return "; ".join(reason.said)
        case ReasonCode.TIMES_NOT_KEPT | ReasonCode.TIMES_UNKNOWN:
            return f"with {reason.producer}, {reason.edge} needs: {'; '.join(reason.said)}"
        case ReasonCode.NOT_REPLAYABLE:
            return f"{of} cannot be replayed: {'; '.join(reason.said)}"


def _tested(reason: Reason, alone: str, fed: str) -> str:
    told = f"{fed} all that {reason.producer} promises" if reason.producer else alone
    on = f" on {reason.record.at:%Y-%m-%d}" if reason.record else ""
    return f"{reason.consumer} {told} in a contract test{on}"


def _seen(record: EvidenceRecord | None, words: Mapping[EvidenceKind, str]) -> str:
    if record is None:
        return ""
    if record.kind is EvidenceKind.SERVED and words is _SEEN:
        return _served(record)
    return f"{words[record.kind]} ({record.rollout_id}, {record.at:%Y-%m-%d})"


def _served(record: EvidenceRecord) -> str:
    since = f"{record.at:%Y-%m-%d}"
    if record.until is None:
        return f"serves since {since} ({record.rollout_id})"
    return f"served from {since} to {record.until:%Y-%m-%d} ({record.rollout_id})"


def clears(reason: Reason) -> str | None:
    """What would turn a reason against a release into none; None where it is none."""
    match reason.code:
        case ReasonCode.NO_EVIDENCE | ReasonCode.EVIDENCE_EXPIRED:
            return "a shadow replay of this release that passes"
        case ReasonCode.FAILED_TOGETHER:
            return "another version, or a replay of the very same ones that passes"
        case ReasonCode.RELIANCE_BROKEN if reason.consumer and "@" not in reason.consumer:
            # An outside application: nothing of ours can be retrained, and its owner knows.
            return (
                "its owner's word (sluiceway acknowledge "
                f'"{(reason.edge or "").replace(" → ", " -> ")}" --version {reason.producer}), or '
                "an ignore that somebody answers for"
            )
        case ReasonCode.RELIANCE_BROKEN:
            return f"{reason.cleared_by}, or an ignore that somebody answers for"
        case ReasonCode.UNDETERMINED:
            return (
                f"a version of {_model(reason.consumer)} that demands what is promised, or a "
                "replay of both together that passes"
            )
        case ReasonCode.DEMAND_NOT_MET:
            return f"a version of {_model(reason.producer)} or {_model(reason.consumer)} that fits"
        case ReasonCode.FIELD_NOT_PROMISED:
            return f"a version of {_model(reason.producer)} that promises it, or no such edge"
        case ReasonCode.PRODUCER_MISSING:
            return "a release that has it"
        case ReasonCode.TIMES_NOT_KEPT | ReasonCode.TIMES_UNKNOWN:
            return (
                f"a contract of {_model(reason.producer)} that promises no more time, or a reader "
                "that needs no less"
            )
        case ReasonCode.NOT_REPLAYABLE:
            return "a system file in which nothing upstream reads an earlier answer"
        case ReasonCode.CONTRACT_UNKNOWN:
            return CONTRACT_AS_IT_WAS
        case ReasonCode.TEST_FAILED:
            return "another version, or a contract test of the very same that passes"
        case (
            ReasonCode.FITS
            | ReasonCode.ACKNOWLEDGED
            | ReasonCode.SEEN_TOGETHER
            | ReasonCode.SERVES_ALREADY
        ):
            return None
        case ReasonCode.TEST_PASSED:
            return None


def _model(member: str | None) -> str:
    return (member or "").partition("@")[0]


def pick_name(pick: Pick) -> str:
    """A version as people call it: ``dep_delay@2``."""
    return f"{pick[0]}@{pick[1]}"


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def rule_sentence(rule: Rule, why: Why) -> str:
    """One rule of a conflict."""
    names = [pick_name(pick) for pick in rule.picks]
    match rule.kind:
        case RuleKind.WANTED:
            return f"{names[0]} is wanted"
        case RuleKind.FORBIDDEN:
            said = why.get((rule.picks[0], rule.picks[0]))
            return f"{names[0]} must not serve" + (f": {said}" if said else "")
        case RuleKind.UNFIT:
            said = why.get((rule.picks[0], rule.picks[1]))
            return f"{names[0]} and {names[1]} do not fit" + (f": {said}" if said else "")
        case RuleKind.FAILED:
            return f"{listed(names)} failed" + (" together" if len(names) > 1 else "")
        case RuleKind.UNPROVEN:
            return f"{listed(names)} were never seen to work together"


def conflict_sentence(rules: Iterable[Rule], why: Why) -> str:
    """A conflict in words: everything that cannot hold at once, the first of many."""
    told = [rule_sentence(rule, why) for rule in rules]
    more = len(told) - MOST_RULES
    return "; ".join([*told[:MOST_RULES], *([f"and {more} more"] if more > 0 else [])])


def proposal_sentence(proposal: Proposal, why: Why) -> str:
    """What may go, what must go along and why, or why nothing may."""
    wanted = listed([pick_name(pick) for pick in proposal.wanted])
    if proposal.choice is None:
        return f"{wanted} cannot go live: {conflict_sentence(proposal.conflict, why)}"
    if not proposal.companions:
        return f"{wanted} may go without others"
    along = ", ".join(pick_name(pick) for pick in proposal.companions)
    because = f" ({conflict_sentence(proposal.alone, why)})" if proposal.alone else ""
    return f"{wanted} must go with: {along}{because}"


_ROLES = {
    StepRole.EXPAND: "expand: promises more, so that readers can move",
    StepRole.MIGRATE: "migrate: moves readers to what is promised now",
    StepRole.REMOVE: "remove: takes away what nobody reads any more",
    StepRole.SWITCH: "switch: changes all of it at once",
}


def step_sentence(step: Step) -> str:
    """One release of a plan of several."""
    names = ", ".join(pick_name(pick) for pick in step.moves)
    alone = step.role is StepRole.SWITCH and len(step.moves) == 1
    return names if alone else f"{names} ({_ROLES[step.role]})"


def way_back_sentence(back: WayBack, why: Why) -> str:
    """What goes back, what stays, and why more goes back than what is bad."""
    stays = f"; {listed(back.stays)} {_verb(back.stays, 'stays', 'stay')}" if back.stays else ""
    alone = listed(back.back)
    if not back.is_partial and len(back.back) > len(back.bad):
        said = f"the whole release goes back ({alone})"
    else:
        said = f"{alone} {_verb(back.back, 'goes', 'go')} back{stays}"
    for one in back.kept_out:
        told = [r for r in one.rules if r.kind not in (RuleKind.WANTED, RuleKind.FORBIDDEN)]
        if told:
            said += f"; {one.model} goes along because {conflict_sentence(told, why)}"
        else:
            said += f"; {one.model} could stay only if others went back in its place"
    return said


def _verb(names: Sequence[str], one: str, many: str) -> str:
    return one if len(names) == 1 else many
