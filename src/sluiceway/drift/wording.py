"""The one place where a finding of drift becomes a sentence."""

from sluiceway.drift.findings import Distance, DriftFinding, DriftReason, DriftReport, Method, Side
from sluiceway.drift.profiles import Aspect

_DISTANCES = {
    Distance.KS: "KS D",
    Distance.CRAMERS_V: "Cramér's V",
    Distance.NULL_RATE: "null rate differs by",
    Distance.PSI: "PSI",
}


def render(finding: DriftFinding, report: DriftReport) -> str:
    """One line with numbers, threshold, method, sample and blocks.

    For example: ``weather.wind: KS D 0.112 > threshold 0.071, p 0.0010, 0.31 IQR apart, median
    10.4 → 12.7 (55,312 and 9,120 rows in 62 and 10 days, worth about 2,100 and 350 independent
    ones; 999 permutations of whole days, false discovery rate 5 % over 20 comparisons)``.
    """
    return f"{finding.name}: {_claim(finding, report)} ({_sample(finding, report)})"


def render_short(finding: DriftFinding) -> str:
    """Column, distance and threshold alone: ``temperature KS D 0.334 > 0.214``."""
    if finding.distance is None or finding.distance_kind is None:
        return f"{finding.name} {finding.reason.value.replace('_', ' ')}"
    said = f"{finding.name} {_DISTANCES[finding.distance_kind]} {_number(finding.distance)}"
    if finding.threshold is None:
        return said
    beyond = finding.reason is DriftReason.BEYOND_THRESHOLD
    return f"{said} {'>' if beyond else 'of'} {_number(finding.threshold)}"


def _claim(finding: DriftFinding, report: DriftReport) -> str:
    if finding.distance is None or finding.distance_kind is None:
        return _trouble(finding, report)
    parts = [f"{_DISTANCES[finding.distance_kind]} {_number(finding.distance)}"]
    if finding.error >= 0.0005:
        parts[0] += f" ± {_number(finding.error)}"
    threshold = "" if finding.threshold is None else f"threshold {_number(finding.threshold)}"
    match finding.reason:
        case DriftReason.BEYOND_THRESHOLD:
            parts[0] += f" > {threshold}"
        case DriftReason.WITHIN_THRESHOLD | DriftReason.UNSEEN_CATEGORIES:
            parts[0] += f", {threshold}"
        case DriftReason.BLIND:
            parts[0] += f", {threshold}: too high to see a change by"
        case DriftReason.NOT_DISTINGUISHED:
            parts[0] += f", {threshold}: may be chance"
        case _:
            parts[0] += f": {_trouble(finding, report)}"
    if finding.p_value is not None:
        parts.append(f"p {finding.p_value:.4f}")
    if finding.wasserstein_iqr is not None:
        parts.append(f"{finding.wasserstein_iqr:.2g} IQR apart")
    parts += _moved(finding)
    if finding.unseen:
        parts.append(f"{_count(finding.unseen_rows, 'row')} of unseen {', '.join(finding.unseen)}")
    return ", ".join(parts)


def _moved(finding: DriftFinding) -> list[str]:
    before, now = finding.reference.typical, finding.current.typical
    if before is None or now is None:
        return []
    if finding.aspect is Aspect.NULLS:
        return [f"{100 * before:.3g} % → {100 * now:.3g} % missing"]
    unit = " s" if finding.aspect in (Aspect.LAG, Aspect.CADENCE) else ""
    return [f"median {before:.4g} → {now:.4g}{unit}"]


def _trouble(finding: DriftFinding, report: DriftReport) -> str:
    what = " and ".join(finding.what)
    match finding.reason:
        case DriftReason.TOO_FEW_BLOCKS:
            fewest = min(finding.reference.blocks, finding.current.blocks)
            needed = report.policy.min_blocks
            return f"only {_count(fewest, report.block)} on a side, {needed} needed"
        case DriftReason.NO_ROWS:
            return "a window without rows"
        case DriftReason.NO_VALUES if what:
            return f"not in the {what} window"
        case DriftReason.NO_VALUES:
            return "a window without values"
        case DriftReason.NO_HISTORY:
            return "not in every window of history"
        case DriftReason.CONSTANT:
            return "one value everywhere, so nothing could be seen"
        case DriftReason.INFINITE_VALUES:
            return f"{_count(finding.faulty_rows, 'infinite value')}"
        case DriftReason.MIXED_TYPES:
            return f"numbers, text or times mixed in the {what} window"
        case DriftReason.KIND_CHANGED:
            return f"{finding.what[0]} in the reference, {finding.what[1]} now"
        case DriftReason.COLUMN_MISSING:
            return "missing from the current window"
        case DriftReason.BLOCK_IN_BOTH_WINDOWS:
            return f"blocks {', '.join(finding.what)} are in both windows"
        case _:
            return finding.reason.value.replace("_", " ")


def _sample(finding: DriftFinding, report: DriftReport) -> str:
    before, now = finding.reference, finding.current
    if not before.rows and not now.rows:
        return "not compared"
    sample = (
        f"{before.rows:,} and {_count(now.rows, 'row')} in "
        f"{before.blocks:,} and {_count(now.blocks, report.block)}"
    )
    if before.effective_rows is not None and now.effective_rows is not None:
        sample += f", worth about {_worth(before)} and {_worth(now)} independent ones"
    return f"{sample}; {method_in_words(report)}"


def method_in_words(report: DriftReport) -> str:
    """How thresholds were found, with its numbers."""
    match report.method:
        case Method.HISTORY:
            return (
                f"rank among {_count(report.history, 'window')} of history, largest of "
                f"{_count(report.tests, 'comparison')}, level {_percent(report.policy.alpha)}"
            )
        case Method.BLOCKS if report.permutations:
            return (
                f"{report.permutations:,} permutations of whole {report.block}s, false discovery "
                f"rate {_percent(report.policy.alpha)} over {_count(report.tests, 'comparison')}"
            )
        case Method.BLOCKS:
            return "nothing tested"
        case Method.FOLKLORE:
            return "customary limit, error rate unknown"


def _worth(side: Side) -> str:
    return f"{side.effective_rows:,}"


def _number(value: float) -> str:
    return f"{value:.3f}" if value >= 0.0005 else f"{value:.2g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
