"""What answers break of what was promised, as values, and in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sluiceway.outcomes import Outcome, worst
from sluiceway.system.values import Reliance


class PromiseCode(StrEnum):
    """Which promise a finding is about."""

    WRONG_SHAPE = "wrong_shape"
    DTYPE_BROKEN = "dtype_broken"
    NOT_FINITE = "not_finite"
    NULL_NOT_PROMISED = "null_not_promised"
    PARTLY_MISSING = "partly_missing"
    BELOW_RANGE = "below_range"
    ABOVE_RANGE = "above_range"
    UNKNOWN_CATEGORY = "unknown_category"
    CODE_OUT_OF_RANGE = "code_out_of_range"
    SCALE_BROKEN = "scale_broken"
    QUANTILE_MOVED = "quantile_moved"
    REFERENCE_UNUSABLE = "reference_unusable"
    NOT_REPEATED = "not_repeated"
    DEADLINE_MISSED = "deadline_missed"
    LATENCY_MISSED = "latency_missed"
    INPUTS_TOO_OLD = "inputs_too_old"
    TOO_FEW_ROWS = "too_few_rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One promise that recorded answers do not keep, or cannot be shown to keep.

    Attributes:
        field: Output field; None where the whole answer is meant.
        outcome: FAILED for a broken promise, INCONCLUSIVE where there is too little to tell,
            ERROR where the promise itself cannot be judged.
        observed: What was seen, in `unit`, always finite; None where no number says it.
        promised_low: Smallest promised value, in `unit`.
        promised_high: Largest promised value, in `unit`.
        unit: Unit of `observed` and of the promised bounds.
        reference: Reference of a behavioural promise, in `unit`.
        probability: Of the quantile, 0 to 1; None for anything else.
        rows: Number of rows that break the promise, where rows do so one by one.
        seen: The text that was seen, where it was one.
        promised: The categories that are promised, where it is about them.
    """

    code: PromiseCode
    model: str
    field: str | None
    reliance: Reliance
    outcome: Outcome
    observed: float | None
    promised_low: float | None = None
    promised_high: float | None = None
    unit: str = ""
    reference: float | None = None
    probability: float | None = None
    rows: int | None = None
    seen: str | None = None
    promised: tuple[str, ...] = ()


def outcome_of(findings: Iterable[Finding]) -> Outcome:
    """What all findings of one finished check come to; a check that found nothing is PASSED."""
    found = tuple(findings)
    return worst(finding.outcome for finding in found) if found else Outcome.PASSED


def sentence(finding: Finding) -> str:
    """A finding in words, with what was seen, what was promised, and the unit."""
    subject = finding.model if finding.field is None else f"{finding.model}.{finding.field}"
    return f"{subject}: {_said(finding)}"


def _said(finding: Finding) -> str:
    seen = _amount(finding.observed, finding.unit)
    rows = "" if finding.rows is None else f" in {_count(finding.rows)}"
    bounds = _bounds(finding)
    match finding.code:
        case PromiseCode.WRONG_SHAPE:
            return f"has {seen}, promised {bounds}"
        case PromiseCode.DTYPE_BROKEN:
            return f"is not of the promised type {finding.unit}{rows}"
        case PromiseCode.NOT_FINITE:
            return f"is infinite{rows}"
        case PromiseCode.NULL_NOT_PROMISED:
            return f"is missing{rows}, promised never"
        case PromiseCode.PARTLY_MISSING:
            return f"lacks a part of the vector{rows}, promised whole or missing"
        case PromiseCode.BELOW_RANGE:
            return f"falls to {seen}{rows}, promised {bounds}"
        case PromiseCode.ABOVE_RANGE:
            return f"rises to {seen}{rows}, promised {bounds}"
        case PromiseCode.UNKNOWN_CATEGORY:
            return f"is “{finding.seen}”{rows}, promised one of {', '.join(finding.promised)}"
        case PromiseCode.CODE_OUT_OF_RANGE:
            return f"is {seen}{rows}, promised {bounds} for {', '.join(finding.promised)}"
        case PromiseCode.SCALE_BROKEN:
            return _scale_said(finding, seen)
        case PromiseCode.QUANTILE_MOVED:
            reference = _amount(finding.reference, finding.unit)
            share = _share(finding.probability)
            return f"{share} quantile {seen}, reference {reference}, promised {bounds}"
        case PromiseCode.REFERENCE_UNUSABLE:
            share = _share(finding.probability)
            what = "interquartile range" if finding.probability is None else f"{share} quantile"
            return f"the promised {what} has no usable reference, so nothing can be judged by it"
        case PromiseCode.NOT_REPEATED:
            return f"differs{rows} when asked again, by up to {seen}; promised the same"
        case PromiseCode.DEADLINE_MISSED:
            return f"took {seen}, promised {bounds}"
        case PromiseCode.LATENCY_MISSED:
            return f"answered 99 of 100 requests within {seen}, promised {bounds}"
        case PromiseCode.INPUTS_TOO_OLD:
            return f"rests on inputs {seen} old, promised {bounds}"
        case PromiseCode.TOO_FEW_ROWS:
            return f"{seen} cannot show a promise kept, needed {bounds}"


def _scale_said(finding: Finding, seen: str) -> str:
    reference = finding.reference
    if finding.observed is None or not reference:
        return f"interquartile range {seen}, promised {_bounds(finding)}"
    low, high = (
        "" if bound is None else f"{bound / reference:.3g}"
        for bound in (finding.promised_low, finding.promised_high)
    )
    return (
        f"interquartile range {seen} is {finding.observed / reference:.2g} × the reference "
        f"{_amount(reference, finding.unit)}, promised {low} to {high} ×"
    )


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "no number"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def _bounds(finding: Finding) -> str:
    low, high, unit = finding.promised_low, finding.promised_high, finding.unit
    if low is not None and high is not None:
        return f"{_amount(low, '')} to {_amount(high, unit)}"
    if low is not None:
        return f"at least {_amount(low, unit)}"
    return f"at most {_amount(high, unit)}"


def _share(probability: float | None) -> str:
    return "no" if probability is None else f"{probability * 100:g} %"


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"
