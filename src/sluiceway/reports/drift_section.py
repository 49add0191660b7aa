"""The section about the live inputs: what drifted from shadow's, how far, and what was done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from sluiceway.drift import WindowProfile, render
from sluiceway.reports.drift_picture import draw_drift
from sluiceway.reports.figures import moment
from sluiceway.reports.sentences import sentence
from sluiceway.rollouts.events import DriftFound

_SECTION = Markup(
    '<section id="drift">\n<h2>Live inputs against shadow\'s</h2>\n'
    '<p class="lead">Shadow\'s verdicts hold for inputs like its own. Where live ones differ by '
    "more than whole blocks differ by chance, they are stale: the canary holds, and shadow is "
    "replayed on newer history.</p>\n{drifts}</section>\n"
)
_DRIFT = Markup("<h3>{at} UTC</h3>\n<p>{said}.</p>\n{figure}<ul>\n{rows}</ul>\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftShown:
    """One drift with what it takes to draw it.

    Attributes:
        at: When it was found (UTC).
        reference: Profile of shadow's window; None where it is gone.
        live: Profile of the live blocks; None likewise.
    """

    at: datetime
    found: DriftFound
    reference: WindowProfile | None
    live: WindowProfile | None


def drift_section(drifts: Sequence[DriftShown]) -> Markup:
    """Every drift of a rollout, the latest first; nothing where there is none."""
    if not drifts:
        return Markup("")
    shown = [_drift(place, one) for place, one in enumerate(drifts)]
    return _SECTION.format(drifts=Markup("").join(reversed(shown)))


def _drift(place: int, one: DriftShown) -> Markup:
    report = one.found.report
    figure = Markup("")
    if one.reference is not None and one.live is not None:
        drawn = draw_drift(
            f"drift-{place}", report, one.reference, one.live, "Live inputs against shadow's"
        )
        figure = Markup("<figure>{}</figure>\n").format(Markup(drawn))
    rows = Markup("").join(
        Markup("<li>{}</li>\n").format(render(found, report)) for found in report.drifted
    )
    return _DRIFT.format(at=moment(one.at), said=sentence(one.found), figure=figure, rows=rows)
