"""Who was told of what the journal cannot keep: that it is broken itself."""

import json
from pathlib import Path
from uuid import uuid4


class ToldBeside:
    """Remembers by channel what was told, in a file.

    Args:
        file: Where; one that cannot be read counts as empty, so that people are told again.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def __contains__(self, told: tuple[str, str]) -> bool:
        return list(told) in self._read()

    def add(self, key: str, channel: str) -> None:
        """Remember that a channel was told."""
        known = [*self._read(), [key, channel]]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        written = self._file.with_name(f".{self._file.name}.{uuid4().hex}")
        written.write_text(json.dumps(known, indent=1), encoding="utf-8")
        written.replace(self._file)

    def _read(self) -> list[list[str]]:
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return content if isinstance(content, list) else []
