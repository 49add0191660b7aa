"""Files of versions that gateways keep at hand, by their digest."""

import shutil
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

YOUNGEST: Final = timedelta(days=1)
"""What came later may be wanted by somebody whom the journal does not know of yet."""


def drop_unnamed(models: Path, named: Collection[str], *, now: datetime) -> tuple[str, ...]:
    """Throw away the files of versions that nobody names any more, and what a killed copy left.

    Args:
        models: Folder that has a folder for each digest.
        named: Digests that stay.
        now: The time (UTC).

    Returns:
        What was thrown away, by name.
    """
    if not models.is_dir():
        return ()
    gone = []
    for folder in sorted(models.iterdir()):
        try:
            since = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        except OSError:
            continue  # another did it
        if folder.name in named or now - since < YOUNGEST:
            continue
        # Under another name first, so that nobody finds half of it.
        away = folder if folder.name.startswith(".") else models / f".{folder.name}.{uuid4().hex}"
        try:
            folder.rename(away)
        except OSError:
            continue
        shutil.rmtree(away, ignore_errors=True)
        gone.append(folder.name)
    return tuple(gone)
