"""Effects on one gate's harm, in its own unit: whose share it is, or what a replacement leaves."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sluiceway.attribution import Attribution, Effect
from sluiceway.reports.drawing import (
    ACCENT,
    BAD_TINT,
    FAINT,
    GOOD_TINT,
    INK,
    LINE,
    MUTED,
    WIDTH,
    Sheet,
    drawn_quietly,
)
from sluiceway.reports.figures import interval, joined, places_for, shortened, signed

_LEFT, _RIGHT = 220.0, 600.0
_ROW, _GROUP, _BOTTOM = 20.0, 30.0, 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRow:
    """One bar.

    Attributes:
        name: What it is about.
        effect: In the gate's unit.
        strong: Whether it is the one that counts.
    """

    name: str
    effect: Effect
    strong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectGroup:
    """The bars of one gate, with the margin that they are held against."""

    gate: str
    unit: str
    margin: float
    rows: tuple[EffectRow, ...]


def share_groups(found: Attribution | None) -> tuple[EffectGroup, ...]:
    """Each change's share in each harmed gate; none where one change has all of it."""
    if found is None or len({one.node for one in found.shapley}) < 2:
        return ()
    return tuple(
        EffectGroup(
            gate=harmed.gate,
            unit=harmed.unit,
            margin=harmed.margin,
            rows=(
                EffectRow(name="all of its harm", effect=harmed.harm, strong=True),
                *(
                    EffectRow(name=one.node, effect=one.share)
                    for one in found.shapley
                    if one.gate == harmed.gate
                ),
            ),
        )
        for harmed in found.harmed
    )


def source_groups(found: Attribution | None) -> tuple[EffectGroup, ...]:
    """What each replacement of sources leaves of each harmed gate's harm."""
    sources = found.sources if found else None
    if sources is None:
        return ()
    return tuple(
        EffectGroup(
            gate=harmed.gate,
            unit=harmed.unit,
            margin=harmed.margin,
            rows=(
                EffectRow(name="as it came", effect=harmed.harm, strong=True),
                *(
                    EffectRow(
                        name=f"{joined(one.sources)}, {joined(t.value for t in one.treatments)}",
                        effect=one.harms[harmed.gate],
                    )
                    for one in sources.replacements
                    if harmed.gate in one.harms
                ),
            ),
        )
        for harmed in sources.harmed
    )


def draw_effects(name: str, groups: Sequence[EffectGroup], title: str) -> str | None:
    """Draw the bars from 0, gate by gate, each gate on its own scale; None where there are none."""
    if not groups:
        return None
    rows = sum(len(one.rows) for one in groups)
    with drawn_quietly():
        sheet = Sheet(WIDTH, len(groups) * _GROUP + rows * _ROW + _BOTTOM)
        y = 0.0
        for group in groups:
            _group(sheet, y, group)
            y += _GROUP + len(group.rows) * _ROW
        return sheet.svg(name, title)


def _group(sheet: Sheet, top: float, group: EffectGroup) -> None:
    ends = [end for row in group.rows for end in _ends(row.effect)]
    low, high = min(0.0, *ends), max(0.0, group.margin, *ends)
    low, high = low - 0.04 * (high - low), high + 0.04 * (high - low)
    span = (high - low) or 1.0

    def x(harm: float) -> float:
        return _LEFT + (harm - low) / span * (_RIGHT - _LEFT)

    first, last = top + _GROUP, top + _GROUP + len(group.rows) * _ROW
    sheet.write(0, top + _GROUP / 2 + 3, shortened(group.gate, 40), size=9.5, bold=True)
    axes = sheet.axes
    axes.fill_between([_LEFT, x(group.margin)], first, last, color=GOOD_TINT, lw=0, zorder=0)
    axes.fill_between([x(group.margin), _RIGHT], first, last, color=BAD_TINT, lw=0, zorder=0)
    sheet.rule((x(0), x(0)), (first, last), color=FAINT, lw=0.9, zorder=2)
    limit = x(group.margin)
    sheet.rule((limit, limit), (first, last), color=INK, lw=1.4, zorder=2)
    sheet.write(limit, top + _GROUP / 2 + 6, "margin", size=7.5, bold=True, align="center")
    widths = [_half_width(row.effect) for row in group.rows]
    places = places_for((group.margin, *widths))
    for place, row in enumerate(group.rows):
        y = first + (place + 0.5) * _ROW
        sheet.write(10, y, shortened(row.name, 36), size=8.5, bold=row.strong)
        sheet.rule((_LEFT, _RIGHT), (y + _ROW / 2, y + _ROW / 2), color=LINE, lw=0.4, zorder=1)
        _bar(sheet, y, x, row, group.unit, places)


def _bar(
    sheet: Sheet,
    y: float,
    x: Callable[[float], float],
    row: EffectRow,
    unit: str,
    places: int | None,
) -> None:
    effect = row.effect
    if effect.harm is None:
        sheet.write(_RIGHT + 14, y, "unknown", size=8.5, colour=MUTED)
        return
    colour = INK if row.strong else ACCENT
    sheet.rule((x(0), x(effect.harm)), (y, y), color=colour, lw=7, alpha=0.55, zorder=3)
    if effect.low is not None and effect.high is not None:
        sheet.rule((x(effect.low), x(effect.high)), (y, y), color=colour, lw=1.4, zorder=4)
        for end in (effect.low, effect.high):
            sheet.rule((x(end), x(end)), (y - 3.5, y + 3.5), color=colour, lw=1.4, zorder=4)
    said = f"{signed(effect.harm, places)} {interval(effect.low, effect.high, places)} {unit}"
    sheet.write(_RIGHT + 14, y, said.rstrip(), size=8.5, bold=row.strong)


def _half_width(effect: Effect) -> float | None:
    if effect.harm is None or effect.high is None:
        return None
    return effect.high - effect.harm


def _ends(effect: Effect) -> list[float]:
    known = (effect.harm, effect.low, effect.high)
    return [one for one in known if one is not None and math.isfinite(one)]
