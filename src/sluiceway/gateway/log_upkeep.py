"""What a gateway's log needs while it is written: to be counted, and to be kept small."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from sluiceway.adapters.live_log.recorder import LiveRecorder
from sluiceway.gateway.metrics import Metrics
from sluiceway.settings import Settings

_LOG: Final = logging.getLogger("sluiceway.gateway.log")
_COUNTED_EVERY: Final = 1.0
"""Seconds between two looks at how the log does."""
_COMPACTED_EVERY: Final = 300.0
"""Seconds between two compactions."""


@asynccontextmanager
async def kept_up(
    settings: Settings, writing: LiveRecorder, metrics: Metrics
) -> AsyncIterator[None]:
    """Count how the log does, and keep it small, for as long as the block lasts."""
    tasks = (
        asyncio.create_task(_count(writing, metrics), name="log counts"),
        asyncio.create_task(_compact(settings), name="log compaction"),
    )
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _count(writing: LiveRecorder, metrics: Metrics) -> None:
    lost = 0
    while True:
        counts = writing.counts()
        metrics.log_queue(counts.waiting)
        metrics.log_lost(counts.lost - lost)
        lost = counts.lost
        await asyncio.sleep(_COUNTED_EVERY)


async def _compact(settings: Settings) -> None:
    """Compact in a process of its own: it unpacks every row, which answers would wait for."""
    environment = {
        **os.environ,
        "SLUICEWAY_HOME": str(settings.home),
        "SLUICEWAY_SYSTEM": str(settings.system),
        "SLUICEWAY_ENVIRONMENT": settings.environment,
    }
    while True:
        await asyncio.sleep(_COMPACTED_EVERY)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sluiceway", "log", "compact"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        try:
            _, said = await process.communicate()
        except asyncio.CancelledError:
            process.kill()  # it may be killed anywhere
            await process.wait()
            raise
        if process.returncode:
            why = said.decode(errors="replace").strip()
            _LOG.warning("the log was not compacted, it is tried again: %s", why)
