"""Hard rules that were broken, written into the journal behind the answers.

The engine has taken the candidate's traffic away before anybody is told. What remains is to say so
where every other gateway and the rollout read it, for as long as the journal is away too.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Final

from sluiceway.gateway.watching import HardRule
from sluiceway.steps.halting import halt
from sluiceway.steps.site import Site
from sluiceway.steps.world import bring_routing

_LOG = logging.getLogger(__name__)

_AGAIN: Final = 1.0
"""Seconds between two looks at what could not be written."""


class HaltReporter:
    """Writes broken rules down in a thread of its own; whoever reports never waits.

    Args:
        opened: Opens the site; called in the thread, for each round of writing.
        instance: Name of this gateway.
    """

    def __init__(
        self, opened: Callable[[], AbstractContextManager[Site]], *, instance: str
    ) -> None:
        self._opened = opened
        self._instance = instance
        self._waiting: dict[tuple[str, str], HardRule] = {}
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._over = threading.Event()
        self._faults: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="halt reporter", daemon=True)
        self._thread.start()

    @property
    def alarm(self) -> str | None:
        """What could not be written down yet, and why; None where all was."""
        with self._lock:
            waiting = {rollout for rollout, _ in self._waiting}
            faults = [(one, said) for one, said in sorted(self._faults.items()) if one in waiting]
        told = [f"the halt of {one} is not in the journal yet: {said}" for one, said in faults]
        return "; ".join(told) or None

    def report(self, rule: HardRule) -> None:
        """Take a broken rule to be written down; never waits and never raises."""
        with self._lock:
            self._waiting.setdefault((rule.rollout_id, rule.model), rule)
        self._news.set()

    def close(self, *, patience: float = 5.0) -> None:
        """End the thread, after one more try of what is left.

        Args:
            patience: Longest time in seconds to wait for it.
        """
        self._over.set()
        self._news.set()
        self._thread.join(patience)

    def _run(self) -> None:
        while True:
            self._news.wait(_AGAIN if self._waiting else None)
            self._news.clear()
            is_last = self._over.is_set()
            self._write()
            if is_last:
                return

    def _write(self) -> None:
        with self._lock:
            waiting = dict(self._waiting)
        if not waiting:
            return
        faults: dict[str, str] = {}
        try:
            with self._opened() as site:
                for rule in waiting.values():
                    try:
                        if halt(site, rule, instance=self._instance, now=datetime.now(UTC)):
                            _LOG.warning("%s was halted: %s", rule.rollout_id, rule.code)
                    except Exception as error:  # noqa: BLE001 - the others are still to be told
                        faults[rule.rollout_id] = _said(error)
                bring_routing(site)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            faults = {rollout: _said(error) for rollout, _ in waiting} | faults
        for rollout, said in faults.items():
            _LOG.warning("the halt of %s cannot be written down yet: %s", rollout, said)
        with self._lock:
            self._faults = faults
            for key in waiting:
                if key[0] not in faults:
                    self._waiting.pop(key, None)


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
