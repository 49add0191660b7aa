"""A clock that can be wrong: that of flow runs, as if they ran on another machine.

It is by `datetime.now` that the product reads the time. What only grows, and what Prefect and
MLflow read, stays right.
"""

import sys
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from functools import wraps
from pathlib import Path
from typing import Any, Final

FILE: Final = "clock"
"""Says by how many seconds the clock is off."""
_OURS: Final = ("flows", "tasks", "sluiceway")


class _Alike(type):
    """Every moment is one of the wrong clock's too."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


def _wrong(folder: Path) -> type[datetime]:
    class Wrong(datetime, metaclass=_Alike):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            try:
                off = timedelta(seconds=float((folder / FILE).read_text(encoding="utf-8")))
            except (OSError, ValueError):
                off = timedelta(0)
            return datetime.now(tz) + off

    return Wrong


def begun_by(folder: Path, begin: Callable[[], None]) -> Callable[[], None]:
    """What every flow calls first, with the clock of all that is ours in its process exchanged."""
    wrong = _wrong(folder)

    @wraps(begin)
    def beginning() -> None:
        # Prefect loads a flow's file under a name of its own, so its names are found by the call.
        named: list[dict[str, Any]] = [sys._getframe(1).f_globals]
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in _OURS:
                named.append(vars(module))
        for names in named:
            if names.get("datetime") is datetime:
                names["datetime"] = wrong
        begin()

    return beginning
