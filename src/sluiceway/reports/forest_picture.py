"""Harm of every gate of one phase, each on the scale of its own margin."""

import math
from collections.abc import Sequence

from sluiceway.gates import Reason, Role, Verdict
from sluiceway.outcomes import Outcome
from sluiceway.reports.drawing import (
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
    text_width,
)
from sluiceway.reports.figures import (
    interval,
    metric_name,
    places_for,
    shortened,
    signed,
    spoken,
)

_LEFT, _RIGHT = 168.0, 540.0
_ROW, _GROUP, _TOP, _BOTTOM = 22.0, 24.0, 36.0, 34.0
_WORST, _BEST = 20.0, 4.5
"""Margins of harm and of gain beyond which an arrow stands for the rest."""


def draw_forest(name: str, verdicts: Sequence[Verdict], title: str) -> str:
    """Draw point, interval and margin of each gate, grouped by model, as inline SVG."""
    with drawn_quietly():
        return forest_sheet(verdicts).svg(name, title)


def forest_sheet(verdicts: Sequence[Verdict]) -> Sheet:
    """The same, before it is written."""
    models = list(dict.fromkeys(one.gate.model for one in verdicts))
    height = _TOP + _BOTTOM + len(models) * _GROUP + len(verdicts) * _ROW
    with drawn_quietly():
        sheet = Sheet(WIDTH, height)
        scale = _Scale(verdicts)
        floor = height - _BOTTOM
        _ground(sheet, scale, floor)
        y = _TOP
        for model in models:
            sheet.write(0, y + _GROUP / 2 + 2, shortened(model, 24), size=9.5, bold=True)
            y += _GROUP
            for verdict in (one for one in verdicts if one.gate.model == model):
                _row(sheet, scale, y + _ROW / 2, verdict)
                y += _ROW
        return sheet


class _Scale:
    """From margins to points."""

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        ends = [end for one in verdicts for end in _in_margins(one) if math.isfinite(end)]
        self.high = min(_WORST, max(2.2, 1.08 * max(ends, default=0.0)))
        self.low = max(-_BEST, min(-1.2, 1.08 * min(ends, default=0.0)))

    def x(self, margins: float) -> float:
        inside = min(max(margins, self.low), self.high)
        return _LEFT + (inside - self.low) / (self.high - self.low) * (_RIGHT - _LEFT)

    @property
    def ticks(self) -> list[int]:
        span = self.high - self.low
        step = next(s for s in (1, 2, 5, 10) if span / s <= 14)
        first = math.ceil(self.low / step) * step
        return sorted({*range(first, math.floor(self.high) + 1, step), 0, 1})


def _unit_size(verdict: Verdict) -> float:
    """The margin; where none is tolerated, the half-width of the interval."""
    estimate = verdict.estimate
    if verdict.gate.margin > 0 or estimate is None:
        return verdict.gate.margin or 1.0
    width = 0.0 if estimate.high is None else estimate.high - estimate.harm
    return width or abs(estimate.harm) or 1.0


def _in_margins(verdict: Verdict) -> tuple[float, float, float]:
    """Harm and both ends of its interval, by margin; NaN without an estimate."""
    estimate, size = verdict.estimate, _unit_size(verdict)
    if estimate is None:
        return math.nan, math.nan, math.nan
    low = -math.inf if estimate.low is None else estimate.low / size
    high = math.inf if estimate.high is None else estimate.high / size
    return estimate.harm / size, low, high


def _ground(sheet: Sheet, scale: _Scale, floor: float) -> None:
    top, axes = _TOP - 4, sheet.axes
    zero, margin = scale.x(0), scale.x(1)
    axes.fill_between([_LEFT, margin], top, floor, color=GOOD_TINT, lw=0, zorder=0)
    axes.fill_between([margin, _RIGHT], top, floor, color=BAD_TINT, lw=0, zorder=0)
    sheet.rule((zero, zero), (top, floor), color=FAINT, lw=0.9, zorder=1)
    crowded = margin - zero < 52
    sheet.write((_LEFT + zero) / 2, 10, "← better", size=8.5, colour=MUTED, align="center")
    sheet.write(
        (margin + _RIGHT) / 2,
        10,
        "harm beyond the margin →",
        size=8.5,
        colour=MUTED,
        align="center",
    )
    if not crowded:
        sheet.write(zero, 24, "no change", size=7.5, colour=MUTED, align="center")
    sheet.write(margin, 24, "margin", size=7.5, bold=True, align="left" if crowded else "center")
    sheet.write(_RIGHT + 14, 24, "harm [interval]", size=7.5, colour=MUTED)
    sheet.write(WIDTH, 24, "outcome", size=7.5, colour=MUTED, align="right")
    sheet.write(0, 24, "gate", size=7.5, colour=MUTED)
    shown = -math.inf
    for tick in scale.ticks:
        x = scale.x(tick)
        sheet.rule((x, x), (floor, floor + 3), color=FAINT, lw=0.8)
        if x - shown >= 18:
            label = f"{tick}".replace("-", "−")
            sheet.write(x, floor + 11, label, size=7.5, colour=MUTED, align="center")
            shown = x
    middle = (_LEFT + _RIGHT) / 2
    sheet.write(
        middle,
        floor + 25,
        "harm in units of the gate's own margin",
        size=7.5,
        colour=MUTED,
        align="center",
    )


def _row(sheet: Sheet, scale: _Scale, y: float, verdict: Verdict) -> None:
    gate, estimate, axes = verdict.gate, verdict.estimate, sheet.axes
    colour = OUTCOME_COLOURS[verdict.outcome]
    guard = gate.role is Role.GUARD
    if gate.slice is not None:
        said = f"{metric_name(gate.metric)}, {gate.slice.name}"
        sheet.write(10, y, _fitting(said, _LEFT - 20, size=8), size=8)
    else:
        sheet.write(10, y, shortened(metric_name(gate.metric), 20), size=9)
        role = "guard" if guard else "required"
        sheet.write(_LEFT - 12, y, role, size=7.5, colour=MUTED, align="right")
    sheet.rule((_LEFT, _RIGHT), (y + _ROW / 2, y + _ROW / 2), color=LINE, lw=0.4, zorder=1)
    limit = scale.x(1 if gate.margin > 0 else 0)
    sheet.rule((limit, limit), (y - _ROW / 2 + 1, y + _ROW / 2 - 1), color=INK, lw=1.6, zorder=2)
    _outcome(sheet, y, verdict.outcome, colour)
    if estimate is None:
        sheet.write(_RIGHT + 14, y, spoken(verdict.reason.value), size=8.5, colour=MUTED)
        return
    _whisker(sheet, scale, y, verdict, colour)
    point = _in_margins(verdict)[0]
    if scale.low <= point <= scale.high:
        axes.plot(
            scale.x(point),
            y,
            marker=OUTCOME_MARKERS[verdict.outcome],
            ms=6.5,
            mfc=PAPER if verdict.outcome is Outcome.INCONCLUSIVE else colour,
            mec=colour,
            mew=1.4,
            zorder=4,
        )
    half = None if estimate.high is None else estimate.high - estimate.harm
    places = places_for((gate.margin, half))
    harm = signed(estimate.harm, places)
    ends = interval(estimate.low, estimate.high, places)
    sheet.write(_RIGHT + 14, y - 0.5, f"{harm} {ends}", size=8.5)
    at = _RIGHT + 19 + text_width(f"{harm} {ends}", 8.5)
    said = _fitting(_unit_and_reason(verdict), WIDTH - 76 - at)
    sheet.write(at, y, said, size=7.5, colour=MUTED)


def _unit_and_reason(verdict: Verdict) -> str:
    """The unit, and why a harm that is drawn decides nothing; a margin crossed is seen."""
    parts = [verdict.gate.unit] if verdict.gate.unit else []
    seen = (Reason.WITHIN_MARGIN, Reason.HARM_BEYOND_MARGIN, Reason.MARGIN_NOT_EXCLUDED)
    if verdict.reason not in seen:
        parts.append(spoken(verdict.reason.value))
    return ", ".join(parts)


def _fitting(text: str, room: float, size: float = 7.5) -> str:
    if text_width(text, size) <= room:
        return text
    while text and text_width(f"{text}…", size) > room:
        text = text[:-1]
    return f"{text}…" if text else ""


def _whisker(sheet: Sheet, scale: _Scale, y: float, verdict: Verdict, colour: str) -> None:
    _, low, high = _in_margins(verdict)
    left, right = scale.x(low), scale.x(high)
    # An interval that lies wholly beyond the axis still gets an arrow long enough to be seen.
    left, right = min(left, _RIGHT - 16), max(right, _LEFT + 16)
    sheet.rule((left, right), (y, y), color=colour, lw=2.2, zorder=3)
    for x, marker, beyond in (
        (left, "<", low < scale.low),
        (right, ">", high > scale.high),
    ):
        if beyond:
            inside = x + 3 if marker == "<" else x - 3
            sheet.axes.plot(inside, y, marker=marker, ms=7.5, color=colour, mew=0, zorder=4)
        elif _LEFT + 16 != x != _RIGHT - 16:
            sheet.rule((x, x), (y - 3.5, y + 3.5), color=colour, lw=1.4, zorder=3)
    point = _in_margins(verdict)[0]
    if point > scale.high:
        # Beside the arrow; above it, where the arrow comes from the other side of the margin.
        above = 0.0 if low > scale.high else 7.0
        times = f"{point:,.0f} × margin"
        sheet.write(_RIGHT - 21, y - above, times, size=7.5, colour=colour, align="right")


def _outcome(sheet: Sheet, y: float, outcome: Outcome, colour: str) -> None:
    sheet.write(WIDTH, y, spoken(outcome.value), size=8.5, colour=colour, bold=True, align="right")
