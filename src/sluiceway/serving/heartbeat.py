"""What a gateway says of itself, again and again: that it lives, and which table it follows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import TypeAdapter

from sluiceway.canonical import as_json, canonical_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """One gateway at one moment.

    Attributes:
        instance: Name of the gateway, unique among those of its environment.
        pid: Id of its process on its host.
        host: The machine it runs on.
        at: When it said so (UTC).
        revision: Newest revision of the routing table that it answers by in full: its champion is
            loaded, and each candidate is too, or is halted. 0 before the first.
        generation: Generation of the champion that it answers with; 0 before the first.
        alarm: What a person should look at, such as a table that cannot be read; None where there
            is nothing.
        started: When its process began (UTC); None where that was not said.
        halted: By rollout whose candidate answers nobody here, whatever its weight: why.
    """

    instance: str
    pid: int
    host: str
    at: datetime
    revision: int
    generation: int
    alarm: str | None
    started: datetime | None = None
    halted: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """As canonical text; :meth:`from_json` reads it back."""
        return canonical_text(as_json(_ADAPTER, self))

    @staticmethod
    def from_json(text: str | bytes) -> "Heartbeat":
        """Read what :meth:`to_json` wrote.

        Raises:
            pydantic.ValidationError: The text is no heartbeat.
        """
        return _ADAPTER.validate_json(text)


_ADAPTER: TypeAdapter[Heartbeat] = TypeAdapter(Heartbeat)
