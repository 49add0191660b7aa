"""How answers about releases look: what speaks for them, what against, and what clears it."""

from typing import Any

from sluiceway.cli.rendering import say
from sluiceway.releasing import Answer, Mixture, PromotionAnswer, Reason, ReasonCode
from sluiceway.releasing.wording import (
    clears,
    pick_name,
    reason_sentence,
    seen_sentence,
    where_said,
)
from sluiceway.steps.release_plans import Asked

_MARKS = {Answer.YES: "+", Answer.UNKNOWN: "?", Answer.NO: "x"}
_SPOKEN = {
    Answer.YES: "may go live",
    Answer.UNKNOWN: "whether to go live cannot be told",
    Answer.NO: "may not go live",
}


def answer_json(asked: Asked) -> dict[str, Any]:
    """An answer in plain types."""
    along = asked.proposal.companions if asked.proposal else ()
    return {
        "environment": asked.environment,
        "generation": asked.generation,
        "members": list(asked.answer.members),
        "answer": asked.answer.answer.value,
        "reasons": [_reason_json(one) for one in asked.answer.reasons],
        "must_go_with": [pick_name(pick) for pick in along],
        "possible": asked.proposal is None or asked.proposal.choice is not None,
        "proposed": asked.proposed,
    }


def _reason_json(reason: Reason) -> dict[str, Any]:
    record, ignore = reason.record, reason.ignored or reason.expired
    return {
        "code": reason.code.value,
        "answer": reason.answer.value,
        "counts": reason.counts,
        "mixture": reason.mixture.value,
        "edge": reason.edge,
        "producer": reason.producer,
        "consumer": reason.consumer,
        "relied_on": [one.value for one in reason.relied_on],
        "evidence": None
        if record is None
        else {
            "kind": record.kind.value,
            "rollout": record.rollout_id,
            "at": record.at.isoformat(),
            "until": record.until.isoformat() if record.until else None,
        },
        "ignore": None
        if ignore is None
        else {
            "owner": ignore.owner,
            "reason": ignore.reason,
            "expires": ignore.expires.isoformat(),
            "expired": reason.ignored is None,
        },
        "sentence": reason_sentence(reason),
        "clears": clears(reason),
    }


def say_answer(asked: Asked) -> None:
    """Print an answer with each reason in one sentence."""
    for line in answer_lines(asked):
        say(line)


def answer_lines(asked: Asked) -> list[str]:
    """The answer, what speaks against it, what is ignored, and what speaks for it in numbers."""
    answer = asked.answer
    names = ", ".join(answer.members) or "what serves"
    lines = [
        f"{_MARKS[answer.answer]} {names}: {_SPOKEN[answer.answer]} in {asked.environment}, where "
        f"generation "
        f"{asked.generation} serves"
    ]
    lines += [f"  {_MARKS[one.answer]} {reason_sentence(one)}" for one in answer.against]
    lines += [f"  - {reason_sentence(one)}" for one in answer.reasons if not one.counts]
    lines += [f"  + {line}" for line in _for(answer)]
    if asked.proposed is not None:
        lines.append(f"  {asked.proposed}")
    return lines


def _for(answer: PromotionAnswer) -> list[str]:
    """What was seen to work, a line for each occasion, and how many edges fit."""
    seen: dict[tuple[Mixture, int], list[Reason]] = {}
    for one in answer.reasons:
        if one.code is ReasonCode.SEEN_TOGETHER and one.edge is None and one.record is not None:
            seen.setdefault((one.mixture, one.record.position), []).append(one)
    fits: dict[Mixture, set[str | None]] = {}
    for one in answer.reasons:
        if one.code is ReasonCode.FITS:
            fits.setdefault(one.mixture, set()).add(one.edge)
    lines = [seen_sentence(some) for some in seen.values()]
    told = (ReasonCode.ACKNOWLEDGED, ReasonCode.TEST_PASSED)
    lines += [reason_sentence(one) for one in answer.reasons if one.code in told]
    for mixture, edges in fits.items():
        lines.append(f"{where_said(mixture)}contracts fit on {counted(len(edges), 'edge')}")
    return lines


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 edge``, ``2 edges``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
