"""Pictures in the Markdown that other programs show: PNG files that stand in the text itself.

So a page needs nothing but itself, and a browser need not have our letters.
"""

import io
from base64 import b64encode
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from sluiceway.reports.drawing import PAPER, drawn_quietly

DOTS: Final = 144
"""Dots an inch: sharp where a page shows them at half their size."""
_COLOURS: Final = 64
"""Of the picture's palette; lines and letters need no more, and the file is a quarter."""
_EDGE: Final = 24
"""Dots of white around, since pages may be dark."""


def png(figure: Figure) -> bytes:
    """Write a figure as a PNG file in light colours."""
    with drawn_quietly():
        figure.set_dpi(DOTS)
        figure.patch.set_facecolor(PAPER)
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    framed = ImageOps.expand(drawn, _EDGE, PAPER)
    written = io.BytesIO()
    framed.quantize(_COLOURS, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
    return written.getvalue()


def in_markdown(figure: Figure, shows: str) -> list[str]:
    """The lines of a picture.

    Args:
        shows: What it shows, for those who cannot see it; no brackets.
    """
    return [f"![{shows}](data:image/png;base64,{b64encode(png(figure)).decode()})", ""]
