"""The rollout over time: preparation in order, then traffic, looks and decisions to scale."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

from sluiceway.outcomes import Outcome
from sluiceway.reports.drawing import (
    ACCENT,
    BAD,
    BROKEN,
    FAINT,
    GOOD,
    INK,
    LINE,
    MUTED,
    OPEN,
    OUTCOME_COLOURS,
    OUTCOME_MARKERS,
    PAPER,
    TINT,
    WIDTH,
    Sheet,
    drawn_quietly,
    text_width,
)
from sluiceway.reports.figures import duration, moment, shortened, spoken
from sluiceway.reports.story import Story
from sluiceway.reports.timeline import Mark, Tone, decisions, holds, preparation, runs, traffic

# matplotlib leaves these untyped.
_Locator: Any = AutoDateLocator
_Formatter: Any = ConciseDateFormatter

_COLOURS: Final = {
    Tone.PLAIN: INK,
    Tone.GOOD: GOOD,
    Tone.OPEN: OPEN,
    Tone.BROKEN: BROKEN,
    Tone.BAD: BAD,
}
_COLUMNS, _STEP_HEIGHT = 6, 62.0
_LEFT, _RIGHT = 74.0, WIDTH - 178
"""The axis ends early, so that the last flags have room to its right."""
_FLAG, _MOST_FLAGS = 15.0, 9
_TRAFFIC, _LOOKS, _AXIS, _LEGEND = 64.0, 30.0, 30.0, 18.0
# Years, months, days, hours, minutes, seconds: each tick can be read by itself.
_TICKS: Final = ["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
_FIRST_TICKS: Final = ["%Y", "%b %Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]
_MOST_MARKERS = 120
"""More looks than these are drawn as bars of equal outcomes; a marker each would be a smear."""


def draw_timeline(story: Story) -> str | None:
    """Draw what happened as inline SVG; None where there is no more than one thing to show."""
    prepared, shares = preparation(story), traffic(story)
    if not shares and len(prepared) < 2:
        return None
    rows = -(-len(prepared) // _COLUMNS)
    strip = rows * _STEP_HEIGHT + 6
    flags = _Flags(story, decisions(story)) if shares else None
    live = 0.0 if flags is None else flags.height + _TRAFFIC + _LOOKS + _AXIS + _LEGEND + 14
    with drawn_quietly():
        sheet = Sheet(WIDTH, strip + live)
        _prepare(sheet, prepared)
        if flags is not None:
            _live(sheet, story, flags, strip + 14)
        return sheet.svg("timeline", "The rollout over time")


def _prepare(sheet: Sheet, marks: Sequence[Mark]) -> None:
    """A row of dots in order; time stands beneath each, for it is not to scale."""
    wide = WIDTH / _COLUMNS
    for place, mark in enumerate(marks):
        row, column = divmod(place, _COLUMNS)
        x, y = column * wide + 8, row * _STEP_HEIGHT + 10
        if place + 1 < len(marks):
            sheet.rule((x, x + wide), (y, y), color=LINE, lw=1.6, zorder=1)
        sheet.axes.plot(
            [x], [y], marker="o", ms=8, color=_COLOURS[mark.tone], mec=PAPER, mew=1.2, zorder=4
        )
        times = f" ×{mark.times}" if mark.times > 1 else ""
        most = int(wide / 5.4)
        sheet.write(x - 5, y + 17, shortened(mark.word + times, most), size=9, bold=True)
        sheet.write(x - 5, y + 29, shortened(mark.detail, most), size=8, colour=_COLOURS[mark.tone])
        when = moment(mark.at)[:16]
        if place:
            gap = mark.at - marks[place - 1].at
            when = f"+ {duration(gap)}" if gap >= timedelta(seconds=1) else "at once"
        sheet.write(x - 5, y + 41, when, size=7.5, colour=MUTED)


class _Scale:
    """From moments to points."""

    def __init__(self, story: Story) -> None:
        self.start = traffic(story)[0][0]
        self.end = max(story.latest, self.start + timedelta(minutes=1))

    def x(self, at: datetime) -> float:
        return _LEFT + (at - self.start) / (self.end - self.start) * (_RIGHT - _LEFT)


class _Flags:
    """Decisions as flags over the axis, each in a row that no earlier flag reaches into.

    A flag hangs below all that still stand where its stem comes down, so no stem crosses a word.
    """

    def __init__(self, story: Story, marks: Sequence[Mark]) -> None:
        scale, ends = _Scale(story), list[float]()
        self.placed: list[tuple[Mark, float, int]] = []
        for mark in marks:
            x = scale.x(mark.at)
            standing = [row for row, end in enumerate(ends) if end > x - 5]
            row = max(standing) + 1 if standing else 0
            if row >= _MOST_FLAGS:
                continue  # the events below the picture have it
            width = text_width(mark.word, 8.5, bold=True) + 14
            width += text_width(shortened(mark.detail, 24), 8) if mark.detail else 0
            ends[row:] = [x + width]
            self.placed.append((mark, x, row))
        self.rows = max((row for _, _, row in self.placed), default=-1) + 1

    @property
    def height(self) -> float:
        return self.rows * _FLAG


def _live(sheet: Sheet, story: Story, flags: _Flags, top: float) -> None:
    scale = _Scale(story)
    ceiling = top + flags.height
    floor = ceiling + _TRAFFIC
    _traffic(sheet, story, scale, ceiling, floor)
    looks_at = floor + _LOOKS / 2 + 4
    _looks(sheet, story, scale, looks_at)
    for mark, x, row in flags.placed:
        y, colour = top + row * _FLAG + 4, _COLOURS[mark.tone]
        sheet.rule((x, x), (y, floor), color=colour, lw=1.1, zorder=6)
        sheet.write(x + 4, y, mark.word, size=8.5, colour=colour, bold=True)
        if mark.detail:
            after = x + 10 + text_width(mark.word, 8.5, bold=True)
            sheet.write(after, y, shortened(mark.detail, 24), size=8, colour=MUTED)
    _axis(sheet, scale, floor + _LOOKS + 8)
    _legend(sheet, floor + _LOOKS + _AXIS + 12)


def _traffic(sheet: Sheet, story: Story, scale: _Scale, ceiling: float, floor: float) -> None:
    high = floor - ceiling - 12
    sheet.write(0, floor - high / 2, "candidate's", size=8.5, colour=MUTED)
    sheet.write(0, floor - high / 2 + 11, "units", size=8.5, colour=MUTED)
    for share in (0, 100):
        y = floor - share / 100 * high
        sheet.rule((_LEFT, _RIGHT), (y, y), color=LINE, lw=0.8, zorder=1)
        sheet.write(_LEFT - 5, y, f"{share} %", size=7.5, colour=MUTED, align="right")
    for start, end in holds(story):
        left, right = (min(max(scale.x(at), _LEFT), _RIGHT) for at in (start, end))
        if right > _LEFT:
            # A short hold is still seen.
            span = [left, max(right, left + 2)]
            sheet.axes.fill_between(span, ceiling, floor, color=OPEN, alpha=0.14, lw=0, zorder=2)
    shares = traffic(story)
    bounds = [*(at for at, _ in shares[1:]), scale.end]
    for (at, share), until in zip(shares, bounds, strict=True):
        left, right = scale.x(at), scale.x(until)
        y = floor - share / 100 * high
        sheet.axes.fill_between([left, right], y, floor, color=TINT, lw=0, zorder=1.5)
        sheet.rule((left, right), (y, y), color=ACCENT, lw=1.8, zorder=3)
        text = f"{share} %"
        if share and right - left > text_width(text, 8) + 4:
            middle, above = (left + right) / 2, y - 7 if share < 85 else y + 8
            sheet.write(middle, above, text, size=8, colour=ACCENT, align="center")


def _looks(sheet: Sheet, story: Story, scale: _Scale, y: float) -> None:
    sheet.write(0, y, "looks", size=8.5, colour=MUTED)
    sheet.rule((_LEFT, _RIGHT), (y, y), color=LINE, lw=0.8, zorder=1)
    found = [(scale.x(at), look.outcome) for at, look in story.looks]
    if len(found) <= _MOST_MARKERS:
        size = 7.0 if len(found) <= 40 else 4.5
        for x, outcome in found:
            _look(sheet, x, y, outcome, size)
        return
    for first, last in runs([outcome for _, outcome in found]):
        (left, outcome), (right, _) = found[first], found[last]
        sheet.rule((left, right), (y, y), color=OUTCOME_COLOURS[outcome], lw=5, zorder=3)
        for x in {left, right}:
            _look(sheet, x, y, outcome, 6.0)


def _look(sheet: Sheet, x: float, y: float, outcome: Outcome, size: float) -> None:
    sheet.axes.plot(
        [x],
        [y],
        marker=OUTCOME_MARKERS[outcome],
        ms=size,
        color=OUTCOME_COLOURS[outcome],
        mec=PAPER,
        mew=0.7,
        zorder=5,
    )


def _axis(sheet: Sheet, scale: _Scale, y: float) -> None:
    locator = _Locator(minticks=3, maxticks=8)
    ticks = [
        tick
        for tick in locator.tick_values(scale.start, scale.end)
        if _number(scale.start) <= tick <= _number(scale.end)
    ]
    formatter = _Formatter(locator, show_offset=False)
    formatter.formats, formatter.zero_formats = _TICKS, _FIRST_TICKS
    sheet.rule((_LEFT, _RIGHT), (y, y), color=FAINT, lw=0.9, zorder=1)
    span = _number(scale.end) - _number(scale.start)
    for tick, text in zip(ticks, formatter.format_ticks(ticks), strict=True):
        x = _LEFT + (tick - _number(scale.start)) / span * (_RIGHT - _LEFT)
        sheet.rule((x, x), (y, y + 4), color=FAINT, lw=0.9, zorder=1)
        sheet.write(x, y + 11, text, size=7.5, colour=MUTED, align="center")
    sheet.write(_RIGHT + 12, y, f"UTC, {scale.end:%Y}", size=7.5, colour=MUTED)


def _number(at: datetime) -> float:
    return float(date2num(at))  # type: ignore[no-untyped-call]


def _legend(sheet: Sheet, y: float) -> None:
    x = _LEFT
    sheet.write(0, y, "a look was", size=7.5, colour=MUTED)
    for outcome in Outcome:
        _look(sheet, x, y, outcome, 6.0)
        sheet.write(x + 8, y, spoken(outcome.value), size=7.5, colour=MUTED)
        x += text_width(spoken(outcome.value), 7.5) + 28
