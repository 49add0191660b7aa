"""Drift as a picture: every distance on the scale of its own threshold, and what moved most."""

import math

import numpy as np

from sluiceway.drift import Aspect, Distance, DriftFinding, DriftReport, WindowProfile
from sluiceway.drift.profiles import CategorySummary, Floats, NumericSummary, alike
from sluiceway.drift.wording import method_in_words
from sluiceway.outcomes import Outcome
from sluiceway.reports.drawing import (
    ACCENT,
    BAD,
    BAD_TINT,
    FAINT,
    GOOD_TINT,
    INK,
    LINE,
    MUTED,
    OUTCOME_COLOURS,
    OUTCOME_MARKERS,
    PAPER,
    WIDTH,
    Sheet,
    drawn_quietly,
)
from sluiceway.reports.figures import count, plain, shortened, spoken

_LEFT, _RIGHT = 210.0, 540.0
_ROW, _TOP, _FOOT = 20.0, 40.0, 46.0
_PANEL, _GAP = 128.0, 30.0
_FARTHEST = 6.0
"""Thresholds beyond which an arrow stands for the rest."""
_MOST_ROWS, _PANELS, _BARS = 30, 3, 6
_NAMES = {
    Distance.KS: "KS D",
    Distance.CRAMERS_V: "V",
    Distance.NULL_RATE: "Δ null",
    Distance.PSI: "PSI",
}


def draw_drift(
    name: str,
    report: DriftReport,
    reference: WindowProfile,
    current: WindowProfile,
    title: str,
) -> str:
    """Draw distances against thresholds, and the farthest columns' distributions, as inline SVG.

    Args:
        name: Keeps its ids apart from those of other pictures on the page.
        report: What was found.
        reference: The reference the report is about.
        current: The current window the report is about.
        title: What it shows, for those who cannot see it.
    """
    with drawn_quietly():
        return drift_sheet(report, reference, current).svg(name, title)


def drift_sheet(report: DriftReport, reference: WindowProfile, current: WindowProfile) -> Sheet:
    """The drawing before it is written."""
    rows = report.findings[:_MOST_ROWS]
    shown = _farthest(report)
    floor = _TOP + max(len(rows), 1) * _ROW
    height = floor + _FOOT + (_PANEL + 46 if shown else 0)
    with drawn_quietly():
        sheet = Sheet(WIDTH, height)
        scale = _Scale(rows)
        _ground(sheet, scale, floor, report)
        for place, finding in enumerate(rows):
            _finding(sheet, scale, _TOP + (place + 0.5) * _ROW, finding)
        if not rows:
            sheet.write(0, _TOP + _ROW / 2, "nothing was compared", colour=MUTED)
        width = (WIDTH - _GAP * (_PANELS - 1)) / _PANELS
        for place, finding in enumerate(shown):
            left = place * (width + _GAP)
            _distribution(sheet, finding, reference, current, left, floor + _FOOT + 24, width)
    return sheet


class _Scale:
    """From thresholds to points."""

    def __init__(self, rows: tuple[DriftFinding, ...]) -> None:
        ends = [ratio for one in rows if (ratio := _ratio(one)) is not None]
        self.high = min(_FARTHEST, max(1.6, 1.1 * max(ends, default=0.0)))

    def x(self, ratio: float) -> float:
        return _LEFT + min(ratio, self.high) / self.high * (_RIGHT - _LEFT)


def _ratio(finding: DriftFinding) -> float | None:
    if finding.distance is None or not finding.threshold:
        return None
    return finding.distance / finding.threshold


def _farthest(report: DriftReport) -> list[DriftFinding]:
    """Findings whose distributions say most: drifted ones, then the nearest to their threshold."""
    drawable = [
        one
        for one in report.findings
        if one.distance is not None and one.aspect is not Aspect.NULLS
    ]
    return drawable[:_PANELS]


def _ground(sheet: Sheet, scale: _Scale, floor: float, report: DriftReport) -> None:
    top, limit = _TOP - 4, scale.x(1)
    sheet.axes.fill_between([_LEFT, limit], top, floor, color=GOOD_TINT, lw=0, zorder=0)
    sheet.axes.fill_between([limit, _RIGHT], top, floor, color=BAD_TINT, lw=0, zorder=0)
    sheet.rule((limit, limit), (top, floor), color=INK, lw=1.6, zorder=2)
    sheet.write(limit, 26, "threshold", size=7.5, bold=True, align="center")
    for x, words, align in (
        (0, "column", "left"),
        (_RIGHT + 14, "distance / threshold", "left"),
        (_RIGHT + 190, "p", "right"),
        (WIDTH, "outcome", "right"),
    ):
        sheet.write(x, 26, words, size=7.5, colour=MUTED, align=align)
    sheet.write(0, 9, shortened(_heading(report), 150), size=8.5, colour=MUTED)
    for tick in range(math.floor(scale.high) + 1):
        x = scale.x(tick)
        sheet.rule((x, x), (floor, floor + 3), color=FAINT, lw=0.8)
        sheet.write(x, floor + 11, f"{tick}", size=7.5, colour=MUTED, align="center")
    words = "distance in units of the column's own threshold"
    middle = (_LEFT + _RIGHT) / 2
    sheet.write(middle, floor + 25, words, size=7.5, colour=MUTED, align="center")
    hidden = len(report.findings) - _MOST_ROWS
    if hidden > 0:
        said = f"and {count(hidden, 'finding')} more, none of them worse"
        sheet.write(0, floor + 11, said, size=7.5, colour=MUTED)


def _heading(report: DriftReport) -> str:
    windows = [
        " – ".join(ends) for ends in (report.reference_blocks, report.current_blocks) if ends
    ]
    return "; ".join((" against ".join(reversed(windows)), method_in_words(report)))


def _finding(sheet: Sheet, scale: _Scale, y: float, finding: DriftFinding) -> None:
    colour = OUTCOME_COLOURS[finding.outcome]
    sheet.write(0, y, shortened(finding.name, 32), size=9)
    edge = y + _ROW / 2
    sheet.rule((_LEFT, _RIGHT), (edge, edge), color=LINE, lw=0.4, zorder=1)
    outcome = spoken(finding.outcome.value)
    sheet.write(WIDTH, y, outcome, size=8.5, colour=colour, bold=True, align="right")
    ratio = _ratio(finding)
    if ratio is None or finding.distance is None or finding.distance_kind is None:
        sheet.write(_RIGHT + 14, y, spoken(finding.reason.value), size=8.5, colour=MUTED)
        return
    x = scale.x(ratio)
    sheet.rule((_LEFT, x), (y, y), color=colour, lw=2.2, zorder=3)
    beyond = ratio > scale.high
    sheet.axes.plot(
        x - 3 if beyond else x,
        y,
        marker=">" if beyond else OUTCOME_MARKERS[finding.outcome],
        ms=6.5,
        mfc=PAPER if finding.outcome is Outcome.INCONCLUSIVE else colour,
        mec=colour,
        mew=1.4,
        zorder=4,
    )
    if beyond:
        times = f"{ratio:,.0f} × threshold"
        sheet.write(x - 12, y - 6.5, times, size=7, colour=colour, align="right")
    said = f"{_NAMES[finding.distance_kind]} {plain(finding.distance, 3)}"
    sheet.write(_RIGHT + 14, y, f"{said} / {plain(finding.threshold, 3)}", size=8.5)
    if finding.p_value is not None:
        sheet.write(_RIGHT + 190, y, f"{finding.p_value:.4f}", size=8.5, align="right")
    elif finding.outcome is Outcome.INCONCLUSIVE:
        why = spoken(finding.reason.value)
        sheet.write(_RIGHT + 190, y, why, size=7.5, colour=MUTED, align="right")


def _distribution(
    sheet: Sheet,
    finding: DriftFinding,
    reference: WindowProfile,
    current: WindowProfile,
    left: float,
    top: float,
    width: float,
) -> None:
    before = reference.columns[finding.column].parts[finding.aspect]
    now = current.columns[finding.column].parts[finding.aspect]
    sheet.write(left, top - 10, shortened(finding.name, 30), size=9, bold=True)
    bottom = top + _PANEL
    sheet.rule((left, left + width), (bottom, bottom), color=FAINT, lw=0.8)
    if isinstance(before, NumericSummary) and isinstance(now, NumericSummary):
        unit = " s" if finding.aspect in (Aspect.LAG, Aspect.CADENCE) else ""
        _steps(sheet, before, now, left, top, width, unit)
    elif isinstance(before, CategorySummary) and isinstance(now, CategorySummary):
        _bars(sheet, before, now, left, top, width)


def _key(sheet: Sheet, right: float, top: float) -> None:
    sheet.write(right - 52, top - 10, "reference", size=7.5, colour=MUTED, align="right")
    sheet.rule((right - 49, right - 37), (top - 10, top - 10), color=FAINT, lw=2.2)
    sheet.write(right - 15, top - 10, "now", size=7.5, colour=ACCENT, align="right")
    sheet.rule((right - 12, right), (top - 10, top - 10), color=ACCENT, lw=2.2)


def _steps(
    sheet: Sheet,
    before: NumericSummary,
    now: NumericSummary,
    left: float,
    top: float,
    width: float,
    unit: str,
) -> None:
    """Both distribution functions, and where they are farthest apart."""
    curves = [_curve(one) for one in (before, now)]
    low, high = _range(curves)
    at = np.linspace(low, high, 200)
    shares = [
        np.append(0.0, reached)[np.searchsorted(values, at, side="right")]
        for values, reached in curves
    ]
    x = left + np.linspace(0, 1, 200) * width
    ys = [top + _PANEL * (1 - one) for one in shares]
    sheet.axes.plot(x, ys[0], color=FAINT, lw=2.2, zorder=3)
    sheet.axes.plot(x, ys[1], color=ACCENT, lw=1.6, zorder=4)
    widest = int(np.argmax(np.abs(shares[0] - shares[1])))
    gap = (float(ys[0][widest]), float(ys[1][widest]))
    sheet.rule((float(x[widest]), float(x[widest])), gap, color=BAD, lw=1.6, zorder=5)
    _key(sheet, left + width, top)
    for share in (0, 1):
        align = "right" if share else "left"
        label = f"{low + share * (high - low):.4g}{unit}"
        where = left + share * width
        sheet.write(where, top + _PANEL + 10, label.replace("-", "−"), size=7.5, colour=MUTED,
                    align=align)  # fmt: skip
    words = "share of rows up to a value"
    sheet.write(left + width / 2, top + _PANEL + 10, words, size=7.5, colour=MUTED, align="center")


def _percent(share: float) -> str:
    """Two digits, or three where two would need an exponent."""
    return f"{100 * share:.3g}" if share >= 0.095 else f"{100 * share:.2g}"


def _curve(summary: NumericSummary) -> tuple[Floats, Floats]:
    order = np.argsort(summary.kept)
    reached = np.cumsum(np.repeat(summary.weights, summary.points)[order])
    return summary.kept[order], reached / reached[-1]


def _range(curves: list[tuple[Floats, Floats]]) -> tuple[float, float]:
    """Where the middle 99 % of both lie, so that one outlier does not flatten the rest."""
    ends = [
        float(values[min(int(np.searchsorted(reached, share)), len(values) - 1)])
        for values, reached in curves
        for share in (0.005, 0.995)
    ]
    # Halves, because the difference of two large numbers may overflow.
    low, high = min(ends), max(ends)
    return (low, high) if high / 2 - low / 2 > 0 and high / 2 - low / 2 < 8e307 else (-1.0, 1.0)


def _bars(
    sheet: Sheet,
    before: CategorySummary,
    now: CategorySummary,
    left: float,
    top: float,
    width: float,
) -> None:
    """Shares of the categories that changed most."""
    first, second = alike(before, now)
    shares = [one.table.sum(axis=0) / one.total for one in (first, second)]
    changed = np.argsort(-np.abs(shares[0] - shares[1]), kind="stable")[:_BARS]
    most = max(float(one[changed].max()) for one in shares) or 1.0
    room, step = width - 136, _PANEL / max(len(changed), 1)
    _key(sheet, left + width, top)
    for place, category in enumerate(changed.tolist()):
        y = top + (place + 0.5) * step
        sheet.write(left, y, shortened(first.labels[category], 14), size=8)
        for one, colour, offset in ((shares[0], FAINT, -2.6), (shares[1], ACCENT, 2.6)):
            end = left + 76 + one[category] / most * room
            sheet.rule((left + 76, end), (y + offset, y + offset), color=colour, lw=3.6)
        said = " → ".join(_percent(float(one[category])) for one in shares) + " %"
        longest = left + 76 + max(one[category] for one in shares) / most * room
        sheet.write(longest + 3, y, said, size=7, colour=MUTED)
    words = "share of rows, most changed first"
    sheet.write(left + width / 2, top + _PANEL + 10, words, size=7.5, colour=MUTED, align="center")
