"""How far long operations are, for whoever watches."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from sluiceway import ports


def unwatched(words: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@contextmanager
def watched(bars: bool) -> Iterator[ports.Progress]:
    """Draw a bar on standard error for each operation, or nothing.

    A terminal sees the bar move; a log gets one line when the operation is done.
    """
    if not bars:
        yield unwatched
        return
    console = Console(stderr=True)
    columns = (
        TextColumn("    {task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    progress = Progress(*columns, console=console)
    drawn: dict[str, TaskID] = {}

    def tell(words: str, done: int, total: int) -> None:
        progress.start()
        if words not in drawn:
            drawn[words] = progress.add_task(words, total=total)
        progress.update(drawn[words], completed=done, total=total)

    try:
        yield tell
    finally:
        if drawn:
            progress.stop()
