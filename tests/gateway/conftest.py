"""Coroutines of tests run on the loop that the gateway runs on."""

from typing import Any

import pytest


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """What `pytest.mark.anyio` runs a test on."""
    return "asyncio", {"use_uvloop": True}
