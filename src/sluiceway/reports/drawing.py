"""Pictures as inline SVG that takes its colours and letters from the page it stands in.

Drawn with matplotlib on `Figure` objects, measured with the font that comes with it. Each colour
is written as a CSS variable, so one picture serves light, dark and paper.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch
from matplotlib.textpath import text_to_path

from sluiceway.outcomes import Outcome

WIDTH: Final = 860.0
"""Width of a whole-page picture in points."""

INK, MUTED, FAINT, LINE, PANEL, PAPER = (
    "#101828",
    "#667084",
    "#98a1b2",
    "#d0d5dc",
    "#f2f4f6",
    "#fffffe",
)
ACCENT, TINT = "#0b5fa4", "#dcebf8"
GOOD, BAD, OPEN, BROKEN = "#007a5c", "#c23b00", "#8f6a02", "#8e3f75"
GOOD_TINT, BAD_TINT = "#e3f4ee", "#fdeae0"

VARIABLES: Final = {
    INK: "ink",
    MUTED: "muted",
    FAINT: "faint",
    LINE: "line",
    PANEL: "panel",
    PAPER: "paper",
    ACCENT: "accent",
    TINT: "tint",
    GOOD: "good",
    BAD: "bad",
    OPEN: "open",
    BROKEN: "broken",
    GOOD_TINT: "good-tint",
    BAD_TINT: "bad-tint",
}
"""The page's CSS variable of each colour; these colours are used for nothing else."""

OUTCOME_COLOURS: Final = {
    Outcome.PASSED: GOOD,
    Outcome.INCONCLUSIVE: OPEN,
    Outcome.ERROR: BROKEN,
    Outcome.FAILED: BAD,
}
"""Told apart by lightness and hue; every use also has its own marker or word."""
OUTCOME_MARKERS: Final = {
    Outcome.PASSED: "o",
    Outcome.INCONCLUSIVE: "D",
    Outcome.ERROR: "X",
    Outcome.FAILED: "s",
}

_FAMILY = "DejaVu Sans"
_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "sluiceway", "font.family": _FAMILY}


@contextmanager
def drawn_quietly() -> Iterator[None]:
    """Draw with our settings; a letter that the measuring font lacks is no reason for a warning."""
    with warnings.catch_warnings(), matplotlib.rc_context(_SETTINGS):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """How wide a text is drawn, in points."""
    return _width(text, bold) * size / 100


@lru_cache(maxsize=4096)
def _width(text: str, bold: bool) -> float:
    font = FontProperties(family=_FAMILY, size=100, weight="bold" if bold else "normal")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width)


class Sheet:
    """A picture whose coordinates are points from the upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / 72, height / 72))
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_xlim(0, width)
        self.axes.set_ylim(height, 0)
        self.axes.axis("off")
        self._mark: str | None = None

    @contextmanager
    def marked(self, mark: str) -> Iterator[None]:
        """Mark all that is added meanwhile; the SVG has it as ``data-mark``.

        Args:
            mark: Letters and digits.
        """
        self._mark, before = mark, self._mark
        try:
            yield
        finally:
            self._mark = before

    def add(self, patch: Patch) -> None:
        """Add a shape."""
        if self._mark is not None:
            patch.set_gid(f"{_MARKED}{self._mark}")
        self.axes.add_patch(patch)

    def write(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 9,
        colour: str = INK,
        bold: bool = False,
        align: str = "left",
        layer: float = 5,
    ) -> None:
        """Write one line, centred on `y`; never read as mathematics."""
        written = self.axes.text(
            x,
            y,
            text,
            fontsize=size,
            color=colour,
            fontweight="bold" if bold else "normal",
            ha=align,
            va="center_baseline",
            parse_math=False,
            zorder=layer,
        )
        if self._mark is not None:
            written.set_gid(f"{_MARKED}{self._mark}")

    def rule(self, xs: tuple[float, float], ys: tuple[float, float], **style: Any) -> None:
        """Draw a straight line."""
        self.axes.plot(xs, ys, **{"solid_capstyle": "butt", **style})

    def svg(self, name: str, title: str) -> str:
        """The finished picture."""
        return svg(self.figure, name, title)


def svg(figure: Figure, name: str, title: str) -> str:
    """Write a figure as SVG for the inside of an HTML page.

    Args:
        name: Keeps its ids apart from those of other pictures on the page.
        title: What it shows, for those who cannot see it.
    """
    figure.patch.set_visible(False)
    written = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)  # matplotlib leaves its writers untyped
    canvas.print_svg(written, metadata={"Date": None})
    return _inlined(written.getvalue(), name, title)


def svg_file(figure: Figure) -> str:
    """Write a figure as an SVG file of its own, in light colours, for any program to open."""
    figure.patch.set_facecolor(PAPER)
    written = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(written, metadata={"Date": None})
    return written.getvalue()


_MARKED: Final = "mark."
_FONT = re.compile(r"font-family: [^;\"]*")


def _inlined(text: str, name: str, title: str) -> str:
    """Without XML head, metadata and namespaces, which HTML neither needs nor all allows."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    # Groups are numbered within an axes only; ids that something refers to are hashes.
    referred = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    text = re.sub(rf' id="{_MARKED}(\w+)"', r' data-mark="\1"', text)
    text = re.sub(r' id="([^"]+)"', lambda m: m[0] if m[1] in referred else "", text)
    text = re.sub(r'( id=")([^"]+")', rf"\g<1>{name}-\2", text)
    text = re.sub(r'((?:href="|url\()#)', rf"\g<1>{name}-", text)
    text = _FONT.sub("font-family: var(--sans)", text)
    text = re.sub(r' transform="rotate\(-?0 [^"]*"', "", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', text)
    assert size is not None
    points = f'style="max-width:{float(size[1]) * 4 / 3:.0f}px"'
    opened = f'role="img" aria-label="{_attribute(title)}" {points}'
    return text.replace(size[0], opened, 1).strip()


def _attribute(text: str) -> str:
    for letter, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(letter, entity)
    return text
