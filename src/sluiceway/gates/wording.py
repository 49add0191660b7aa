"""The one place where a verdict becomes a sentence."""

import math
from dataclasses import replace

from sluiceway.gates.cross_check import CONTRADICTION_LEVEL, CrossCheck
from sluiceway.gates.declared import Gate
from sluiceway.gates.verdicts import HarmEstimate, Reason, Verdict


def render(verdict: Verdict) -> str:
    """One line with numbers, units, interval, margin, sample and method.

    For example: ``arr_delay.mae: harm +2.86 min [+2.01, +3.70] > margin 0.20 min (62 days,
    55,312 rows, paired delete-a-day jackknife)``.
    """
    return f"{verdict.gate.name}: {_claim(verdict)} ({_sample(verdict)})"


def render_cross_check(verdict: Verdict, check: CrossCheck) -> str:
    """The paired and the unpaired estimate of one harm, in one line; empty before there are both.

    For example: ``cost.mae: paired +0.12 EUR [-0.30, +0.54], by each arm's own units +0.10 EUR
    [-1.90, +2.10] (12 days, 1,440 rows)``.
    """
    estimate, own = verdict.estimate, check.own
    if estimate is None or not own.n:
        return ""
    low, high = own.confidence_sequence(verdict.alpha)
    by_own = replace(estimate, harm=own.mean, low=low, high=high)
    places = _decimals(verdict.gate.margin, estimate)
    unit = f" {verdict.gate.unit}" if verdict.gate.unit else ""
    paired, unpaired = (
        f"{_signed(one.harm, places)}{unit} {_interval(one, places)}" for one in (estimate, by_own)
    )
    sample = f"{_count(own.n, verdict.gate.block)}, {_count(own.rows, 'row')}"
    return f"{verdict.gate.name}: paired {paired}, by each arm's own units {unpaired} ({sample})"


def render_contradiction(gate: Gate, check: CrossCheck) -> str:
    """That two estimates of one harm contradict each other, with the numbers that say so."""
    parted = check.parted
    sizes = (abs(parted.mean), parted.standard_error or 0.0, gate.margin)
    small = min(size for size in (*sizes, 1.0) if size > 0)
    places = _two_digits(small, max(abs(parted.mean_baseline), abs(parted.mean_candidate), small))
    unit = f" {gate.unit}" if gate.unit else ""
    paired, own, apart = (
        f"{_signed(number, places)}{unit}"
        for number in (parted.mean_baseline, parted.mean_candidate, parted.mean)
    )
    said = f"harm by pairs {paired}, by each arm's own units {own}, in the same"
    how = f"t-mixture, e-value {math.exp(min(check.log_e, 600.0)):.2g}"
    level = f"level {CONTRADICTION_LEVEL:g} over all gates and looks"
    return (
        f"{gate.name}: its two estimates contradict each other: {said} "
        f"{_count(parted.n, gate.block)}; they lie {apart} apart ({how}, {level})"
    )


def _claim(verdict: Verdict) -> str:
    gate, estimate = verdict.gate, verdict.estimate
    unit = f" {gate.unit}" if gate.unit else ""
    if estimate is None or verdict.reason in _WITHOUT_HARM:
        return f"{_trouble(verdict)}; margin {_plain(gate.margin, _two_digits(gate.margin))}{unit}"
    places = _decimals(gate.margin, estimate)
    harm = f"harm {_signed(estimate.harm, places)}{unit} {_interval(estimate, places)}"
    margin = f"margin {_plain(gate.margin, places)}{unit}"
    match verdict.reason:
        case Reason.WITHIN_MARGIN:
            return f"{harm} < {margin}"
        case Reason.HARM_BEYOND_MARGIN:
            return f"{harm} > {margin}"
        case Reason.FAMILY_HARM:
            return f"{harm} > {margin}, the worst of {verdict.family_size} gates judged together"
        case Reason.MARGIN_NOT_EXCLUDED if estimate.low is not None and estimate.low > gate.margin:
            return f"{harm} > {margin}, but not at the rollback level"
        case Reason.MARGIN_NOT_EXCLUDED:
            return f"{harm}, {margin} not excluded"
        case _:
            return f"{harm}, {margin}: {_trouble(verdict)}"


_WITHOUT_HARM = frozenset(
    {
        Reason.NO_EVIDENCE,
        Reason.LABELS_OUT_OF_DOMAIN,
        Reason.ANSWERS_OUT_OF_DOMAIN,
        Reason.FAULTY_ROWS,
        Reason.BASELINE_SILENT,
        Reason.NOT_PAIRED,
        Reason.WRONG_METRIC,
        Reason.NOT_FINITE,
    }
)


def _trouble(verdict: Verdict) -> str:
    block = verdict.gate.block
    faulty = f"{_count(verdict.faulty_rows, 'row')}"
    arm = f" of the {verdict.faulty_arm}" if verdict.faulty_arm in ("baseline", "candidate") else ""
    arm = " of both arms" if verdict.faulty_arm == "both" else arm
    match verdict.reason:
        case Reason.TOO_FEW_BLOCKS:
            return f"only {_count(verdict.blocks, block)}, {verdict.blocks_needed} needed"
        case Reason.NO_EVIDENCE:
            if not verdict.gate.label:
                return "no row to measure yet"
            if verdict.unlabelled:
                return f"none of {_count(verdict.unlabelled, 'row')} has a label yet"
            return "no labelled row yet"
        case Reason.LABELS_MISSING:
            seen = verdict.rows + verdict.unlabelled
            return f"{verdict.unlabelled:,} of {seen:,} rows have no label"
        case Reason.LABELS_UNEQUAL if verdict.arms is not None:
            baseline, candidate = (f"{100 * share:.1f} %" for share in verdict.arms.shares)
            return (
                f"{candidate} of the candidate's rows have no label, {baseline} of the baseline's"
            )
        case Reason.METRIC_UNDEFINED:
            return (
                f"{verdict.gate.metric} or its error is undefined on these rows (too few of them, "
                "one class only, or all alike)"
            )
        case Reason.SHADOW_STALE:
            return f"shadow evidence stale: drift in {', '.join(verdict.drifted)}"
        case Reason.LABELS_OUT_OF_DOMAIN:
            rows = _count(verdict.faulty_rows, "row")
            return f"labels of {rows} are not what {verdict.gate.metric} needs"
        case Reason.ANSWERS_OUT_OF_DOMAIN:
            verb = "is" if verdict.faulty_rows == 1 else "are"
            answers = _count(verdict.faulty_rows, "answer")
            return f"{answers}{arm} {verb} NaN, infinite or out of range"
        case Reason.FAULTY_ROWS:
            return f"{faulty} with a label or answer that is NaN, infinite or out of range"
        case Reason.BASELINE_SILENT:
            return "the baseline gave no usable answer to these rows"
        case Reason.NOT_PAIRED:
            return "baseline and candidate did not answer the same rows"
        case Reason.WRONG_METRIC:
            return f"the evidence is not of {verdict.gate.metric}"
        case Reason.NOT_FINITE:
            return f"{verdict.gate.metric} overflows"
        case _:
            return verdict.reason.value.replace("_", " ")


def _sample(verdict: Verdict) -> str:
    parts = [_count(verdict.blocks, verdict.gate.block), _count(verdict.rows, "row")]
    if verdict.unlabelled:
        parts.append(f"{verdict.unlabelled:,} unlabelled")
    if verdict.unmeasured:
        nothing = _count(verdict.unmeasured, verdict.gate.block)
        parts.append(f"{nothing} more with nothing to measure")
    if verdict.estimate is not None:
        parts.append(verdict.estimate.method)
    return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _interval(estimate: HarmEstimate, places: int | None) -> str:
    low = "-∞" if estimate.low is None else _signed(estimate.low, places)
    high = "+∞" if estimate.high is None else _signed(estimate.high, places)
    return f"[{low}, {high}]"


def _decimals(margin: float, estimate: HarmEstimate) -> int | None:
    """Decimals that show two digits of the smaller of margin and half-width; None: exponents."""
    ends = (estimate.low, estimate.high)
    widths = [abs(end - estimate.harm) for end in ends if end is not None]
    sizes = [size for size in (margin, *widths) if size > 0] or [abs(estimate.harm)]
    return _two_digits(min(sizes), max(abs(estimate.harm), *sizes))


def _two_digits(smallest: float, largest: float | None = None) -> int | None:
    if smallest == 0:
        return 0
    places = max(0, 1 - math.floor(math.log10(smallest)))
    return places if places <= 8 and (largest or smallest) < 1e9 else None


def _signed(number: float, places: int | None) -> str:
    number += 0.0  # nothing has no sign: it is not to read as -0.00
    return f"{number:+.2e}" if places is None else f"{number:+,.{places}f}"


def _plain(number: float, places: int | None) -> str:
    return f"{number:.2e}" if places is None else f"{number:,.{places}f}"
