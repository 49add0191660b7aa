"""What a person should look at."""

import logging
from typing import Final

_LOG: Final = logging.getLogger("sluiceway.gateway")


class Alarms:
    """What is not in order now, each thing under what it concerns."""

    def __init__(self) -> None:
        """Nothing is amiss yet."""
        self._said: dict[str, str] = {}

    def tell(self, concern: str, said: str | None) -> None:
        """Raise an alarm, or end it with None; only what is new is logged."""
        if said is None:
            if self._said.pop(concern, None) is not None:
                _LOG.info("%s: in order again", concern)
        elif self._said.get(concern) != said:
            self._said[concern] = said
            _LOG.warning("%s: %s", concern, said)

    @property
    def text(self) -> str | None:
        """All of them; None where everything is in order."""
        return "; ".join(self._said.values()) or None
