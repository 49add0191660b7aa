"""Windows made for the tests."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sluiceway.drift import WindowProfile, profile_window


def window(
    columns: Mapping[str, Any], blocks: int, name: str = "b", **options: Any
) -> WindowProfile:
    """Rows cut into equal blocks, named after `name`."""
    rows = len(next(iter(columns.values())))
    codes = np.sort(np.arange(rows) % blocks)
    return profile_window(columns, [f"{name}{one:03d}" for one in range(blocks)], codes, **options)
