"""What the parts of one gateway tell of each other: in its heartbeat, and in its metrics."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from sluiceway.gateway.metrics import ResidentsSeen
from sluiceway.gateway.residents import Residents
from sluiceway.serving.served import Version

_EVERY: Final = 1.0
"""Seconds between two looks at what other parts complain of."""


@asynccontextmanager
async def alarms_told(
    residents: Residents, others: Mapping[str, Callable[[], str | None]]
) -> AsyncIterator[None]:
    """Put what other parts of the gateway complain of into its heartbeat, while the block lasts.

    Args:
        others: What each complains of now, by what it concerns; None where all is well.
    """

    async def tell() -> None:
        while True:
            for concern, said in others.items():
                residents.tell(concern, said())
            await asyncio.sleep(_EVERY)

    task = asyncio.create_task(tell(), name="alarms")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def seen_of(residents: Residents) -> ResidentsSeen:
    """What is resident here, as metrics have it."""
    state = residents.state
    found: dict[Version, str] = {}
    for names, what in (
        (state.loading, "loading"),
        (state.faults, "failed"),
        ([f"{one.model}@{one.version}" for one in state.versions], "loaded"),
    ):
        for name in names:
            model, _, version = name.partition("@")
            found[model, version] = what
    wanted = residents.wanted_generation
    failed = bool(state.faults) and state.generation != wanted
    return ResidentsSeen(
        versions=found, failed_generation=wanted if failed else 0, alarm=state.alarm
    )
