"""The canary over time: each gate's harm with its confidence sequence, and all gates together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sluiceway.gates import Gate, Role
from sluiceway.outcomes import Outcome
from sluiceway.reports.drawing import (
    ACCENT,
    BAD,
    FAINT,
    GOOD,
    INK,
    LINE,
    MUTED,
    PAPER,
    TINT,
    WIDTH,
    drawn_quietly,
    svg,
)
from sluiceway.reports.figures import metric_name, shortened
from sluiceway.reports.story import Story
from sluiceway.rollouts.events import Looked, Promoted, RollbackDecided
from sluiceway.rollouts.plan import Plan
from sluiceway.statistics.sequential import SequentialState

# matplotlib leaves these untyped.
_Locator: Any = AutoDateLocator
_Formatter: Any = ConciseDateFormatter

_COLUMNS = 2
_PANEL_HEIGHT = 168.0
_TOP, _BOTTOM, _LEFT, _RIGHT = 40.0, 30.0, 58.0, 14.0
_GAP = 62.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One look: the end of its last block, and what it saw."""

    at: datetime
    look: Looked


def draw_canary(story: Story) -> str | None:
    """Draw a panel for each gate that counts, and one for the family, as inline SVG.

    Returns:
        None while no block has entered the evidence.
    """
    with drawn_quietly():
        figure = canary_figure(story)
        if figure is None:
            return None
        return svg(figure, "canary", "Harm of each gate over the canary's looks")


def canary_figure(story: Story) -> Figure | None:
    """The same, before it is written."""
    plan = story.plan
    if plan is None:
        return None
    seen = [
        _Seen(at=plan.calendar.end(look.watermark), look=look)
        for _, look in story.looks
        if look.watermark is not None
    ]
    gates = _drawn_gates(plan, seen)
    if not seen or not gates:
        return None
    rows = math.ceil((len(gates) + 1) / _COLUMNS)
    height = rows * (_PANEL_HEIGHT + _TOP + _BOTTOM)
    with drawn_quietly():
        figure = Figure(figsize=(WIDTH / 72, height / 72))
        for place, gate in enumerate([*gates, None]):
            axes = _axes(figure, place, height)
            _steps(axes, story, seen)
            if gate is None:
                _family(axes, plan, seen)
            else:
                _gate(axes, gate, plan, seen)
            _endings(axes, story)
        return figure


def _drawn_gates(plan: Plan, seen: Sequence[_Seen]) -> list[Gate]:
    """Required gates, and guards that ever failed."""
    failed = {
        verdict.gate.name
        for one in seen
        for verdict in one.look.verdicts
        if verdict.outcome is Outcome.FAILED
    }
    return [gate for gate in plan.gates if gate.role is Role.REQUIRED or gate.name in failed]


def _axes(figure: Figure, place: int, height: float) -> Axes:
    row, column = divmod(place, _COLUMNS)
    wide = (WIDTH - _COLUMNS * (_LEFT + _RIGHT)) / _COLUMNS
    left = column * (wide + _LEFT + _RIGHT) + _LEFT
    top = row * (_PANEL_HEIGHT + _TOP + _BOTTOM) + _TOP
    bottom = height - top - _PANEL_HEIGHT
    axes = figure.add_axes((left / WIDTH, bottom / height, wide / WIDTH, _PANEL_HEIGHT / height))
    axes.patch.set_visible(False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LINE)
    axes.tick_params(colors=MUTED, labelsize=7.5, length=3, width=0.8)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=3))
    locator: Any = _Locator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(_Formatter(locator))
    axes.xaxis.get_offset_text().set(color=MUTED, size=7.5)
    return axes


def _number(at: datetime) -> float:
    return float(date2num(at))  # type: ignore[no-untyped-call]


def _steps(axes: Axes, story: Story, seen: Sequence[_Seen]) -> None:
    """Shade the canary's steps, darker with more traffic."""
    start = _number(story.steps[0][0]) if story.steps else _number(seen[0].at)
    traffic_ends = [
        told.event.at for told in story.told if isinstance(told.what, Promoted | RollbackDecided)
    ]
    end = max(_number(seen[-1].at), *(_number(at) for at in traffic_ends or [seen[-1].at]))
    pad = max((end - start) * 0.03, 0.02)
    axes.set_xlim(start, end + pad)
    stop = _number(traffic_ends[0]) if traffic_ends else end + pad
    bounds = [_number(at) for at, _ in story.steps] + [stop]
    for (_, step), left, right in zip(story.steps, bounds, bounds[1:], strict=False):
        strength = 0.25 + 0.75 * min(step.weight, 50) / 50
        axes.axvspan(left, right, color=TINT, alpha=strength, lw=0, zorder=0)
        if right - left > (end - start) * 0.06:
            axes.text(
                (left + right) / 2,
                1.02,
                f"{step.weight} %",
                transform=axes.get_xaxis_transform(),
                ha="center",
                va="bottom",
                fontsize=7.5,
                color=ACCENT,
            )


def _endings(axes: Axes, story: Story) -> None:
    for told in story.told:
        if isinstance(told.what, Promoted):
            word, colour = "promoted", GOOD
        elif isinstance(told.what, RollbackDecided):
            word, colour = "rolled back", BAD
        else:
            continue
        at = _number(told.event.at)
        axes.axvline(at, color=colour, lw=1.6, zorder=4)
        axes.text(
            at,
            0.97,
            f"{word} ",
            transform=axes.get_xaxis_transform(),
            ha="right",
            va="top",
            fontsize=8,
            fontweight="bold",
            color=colour,
            zorder=6,
        )


def _title(axes: Axes, text: str) -> None:
    axes.set_title(
        text, loc="left", fontsize=9.5, fontweight="bold", color=INK, pad=19, parse_math=False
    )


def _gate(axes: Axes, gate: Gate, plan: Plan, seen: Sequence[_Seen]) -> None:
    states = [one.look.states.get(gate.name, gate.evidence.begin(gate.margin)) for one in seen]
    xs = [_number(one.at) for one in seen]
    bands = [state.confidence_sequence(plan.alpha) for state in states]
    bottom, top = _limits(gate, states, bands)
    far = 10 * (top - bottom)  # the axes cut what is beyond them
    lows = [bottom - far if low is None else low for low, _ in bands]
    highs = [top + far if high is None else high for _, high in bands]
    means = [state.mean if state.n else math.nan for state in states]
    axes.fill_between(xs, lows, highs, color=ACCENT, alpha=0.22, lw=0, zorder=2)
    for edge in (lows, highs):
        axes.plot(xs, edge, color=ACCENT, lw=0.9, alpha=0.7, zorder=2)
    axes.plot(xs, means, color=ACCENT, lw=1.8, marker="o", ms=4, mec=PAPER, mew=0.8, zorder=5)
    axes.axhline(0, color=FAINT, lw=0.9, zorder=1)
    axes.axhline(gate.margin, color=INK, lw=1.5, ls=(0, (5, 2)), zorder=3)
    axes.set_ylim(bottom, top)
    _at_left(axes, gate.margin, "margin", INK)
    name = f"{shortened(gate.model, 26)} · {metric_name(gate.metric)}"
    _title(axes, name)
    axes.set_ylabel(
        f"harm, {shortened(gate.unit, 20)}" if gate.unit else "harm",
        fontsize=7.5,
        color=MUTED,
        parse_math=False,
    )


def _at_left(axes: Axes, y: float, text: str, colour: str) -> None:
    axes.annotate(
        text,
        (0, y),
        xycoords=axes.get_yaxis_transform(),
        xytext=(5, 3),
        textcoords="offset points",
        fontsize=7.5,
        color=colour,
        zorder=6,
    )


def _limits(
    gate: Gate,
    states: Sequence[SequentialState],
    bands: Sequence[tuple[float | None, float | None]],
) -> tuple[float, float]:
    """Room for every mean, the margin and the last band; wide early bands are cut."""
    shown = [0.0, gate.margin, *(state.mean for state in states if state.n)]
    last = bands[-1]
    shown += [end for end in last if end is not None]
    bottom, top = min(shown), max(shown)
    room = (top - bottom) * 0.18 or abs(top) or 1.0
    return bottom - room, top + room


def _family(axes: Axes, plan: Plan, seen: Sequence[_Seen]) -> None:
    xs = [_number(one.at) for one in seen]
    level = math.log10(1 / plan.alpha)
    evidence = [max(one.look.log_e / math.log(10), -4.0) for one in seen]
    axes.plot(xs, evidence, color=INK, lw=1.8, marker="o", ms=4, mec=PAPER, mew=0.8, zorder=5)
    axes.axhline(level, color=BAD, lw=1.5, ls=(0, (5, 2)), zorder=3)
    axes.axhline(0, color=FAINT, lw=0.9, zorder=1)
    top = max(*evidence, level) + 0.6
    axes.set_ylim(min(*evidence, -0.5) - 0.3, top)
    _at_left(axes, level, f"rolls back: {1 / plan.alpha:g}", BAD)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_formatter(lambda tick, _: f"{10.0**tick:g}")
    _title(axes, "All gates together")
    axes.set_ylabel("evidence for harm (e-value)", fontsize=7.5, color=MUTED)
