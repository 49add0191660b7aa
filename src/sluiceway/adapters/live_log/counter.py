"""How many rows a process has answered, in a file that a killed process leaves as it was."""

import fcntl
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sluiceway.serving.rows import micros, moment

_MAGIC: Final = 0x31_51_45_53_4C_53  # "SLSEQ1": of this layout
_CELLS: Final = 8
_SIZE: Final = 4096
_NEVER_LOW: Final = 2**63 - 1
_NEVER_HIGH: Final = -(2**63)
SUFFIX: Final = ".seq"

# Cells of 64 bits. Rows that are not committed yet have their event times within one of two
# bounds: those that wait, and those that are being committed. The last turn from one to the
# other is twice the rows numbered before it, plus the side of those after it; 0 before any.
_KIND, _ISSUED, _TURNED, _BEGAN, _LOW, _HIGH = 0, 1, 2, 3, 4, 6
EARLIEST: Final = micros(moment(0).replace(year=1))
LATEST: Final = micros(moment(0).replace(year=9999))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a counter says.

    Attributes:
        issued: Rows that were numbered, from 0.
        began: When the process began, in microseconds since 1970.
        turned: Rows that were numbered before the last turn; None before any.
        before: Earliest and latest event time of the rows from before the last turn, in
            microseconds since 1970; None where it is settled that they are committed.
        after: The same of the rows since; None where there are none.
    """

    issued: int
    began: int
    turned: int | None
    before: tuple[int, int] | None
    after: tuple[int, int] | None

    def bounds(self, committed: int) -> tuple[int, int] | None:
        """Earliest and latest event time of the rows that may not be committed.

        A process that was killed after a commit could not settle it any more: its rows are
        left out where the log says that they are written down.

        Args:
            committed: Rows that are written down, or told to be missing.
        """
        written = self.turned is not None and self.turned <= committed
        sides = [side for side in (None if written else self.before, self.after) if side]
        if not sides:
            return None
        return min(low for low, _ in sides), max(high for _, high in sides)


class Counter:
    """Numbers the rows of one session.

    The file is mapped and shared, so that what was written stays however the process ends, and
    is locked for as long as the process lives. Its blocks are allocated beforehand: a full disk
    cannot take them away.

    Args:
        folder: Of all sessions' counters; made when it is not there.
        session: The session's id.
        began: When it begins, in microseconds since 1970.

    Raises:
        OSError: The disk is full or may not be written to.
    """

    def __init__(self, folder: Path, session: str, *, began: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{session}{SUFFIX}"
        # Nobody looks at it, and takes it for a dead process's, before it is locked.
        hidden = folder / f".{session}.tmp"
        self._descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(self._descriptor, 0, _SIZE)
            self._map = mmap.mmap(self._descriptor, _SIZE)
            self._cells = memoryview(self._map).cast("q")
            self._cells[_BEGAN] = began
            for side in (0, 1):
                self._forget(side)
            self._cells[_KIND] = _MAGIC
            self._map.flush()
            hidden.replace(self._path)
        except BaseException:
            hidden.unlink(missing_ok=True)
            os.close(self._descriptor)
            raise
        self._side = 0

    def issue(self, rows: int, low: int, high: int) -> int:
        """Number so many rows with event times from `low` to `high`; the number of the first.

        Killed at any instruction, the file never says fewer rows, or narrower bounds, than were
        numbered: bounds grow first.
        """
        cells, side = self._cells, self._side
        if low < cells[_LOW + side]:
            cells[_LOW + side] = low
        if high > cells[_HIGH + side]:
            cells[_HIGH + side] = high
        first = cells[_ISSUED]
        cells[_ISSUED] = first + rows
        return first

    @property
    def issued(self) -> int:
        """Rows that were numbered."""
        return self._cells[_ISSUED]

    def turn(self) -> None:
        """From now on rows are bounded apart from those before, which are to be committed."""
        self._side = 1 - self._side
        self._cells[_TURNED] = 2 * self._cells[_ISSUED] + self._side

    def settle(self) -> None:
        """All rows from before the last turn are committed."""
        self._forget(1 - self._side)

    def _forget(self, side: int) -> None:
        self._cells[_LOW + side] = _NEVER_LOW
        self._cells[_HIGH + side] = _NEVER_HIGH

    def close(self, *, remove: bool) -> None:
        """Let go of the file; removed where nothing is left to be known of it."""
        if remove:
            self._path.unlink(missing_ok=True)
        self._cells.release()
        self._map.close()
        os.close(self._descriptor)


def counted(path: Path) -> Counted | None:
    """What a session's counter says; None where there is none or it is damaged."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(content) < 8 * _CELLS:
        return None
    cells = memoryview(content[: 8 * _CELLS]).cast("q")
    if cells[_KIND] != _MAGIC:
        return None
    turned, side = divmod(cells[_TURNED], 2)
    return Counted(
        issued=cells[_ISSUED],
        began=cells[_BEGAN],
        turned=turned if cells[_TURNED] else None,
        before=_side_of(cells, 1 - side),
        after=_side_of(cells, side),
    )


def _side_of(cells: "memoryview[int]", side: int) -> tuple[int, int] | None:
    low, high = cells[_LOW + side], cells[_HIGH + side]
    return (max(low, EARLIEST), min(high, LATEST)) if low <= high else None


def lives(path: Path) -> bool:
    """Whether the process that counts there lives; one that left no file does not."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
