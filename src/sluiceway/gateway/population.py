"""The versions that are somewhere, on their way there, or cannot be."""

import asyncio
import logging
import time
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sluiceway.contracts.values import Contract
from sluiceway.gateway.loading import Loader, NotLoaded
from sluiceway.gateway.wanted import Resident
from sluiceway.releases import Member
from sluiceway.serving.ports import Backend
from sluiceway.system.values import System

_LOG: Final = logging.getLogger("sluiceway.gateway")
_FIRST_RETRY: Final = 1.0
"""Seconds until what could not be loaded is tried again; doubled each time after."""
_LONGEST_RETRY: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class There:
    """A version that is where it is wanted."""

    member: Member
    backend: Backend
    contract: Contract


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFault:
    """Why a version is not where it is wanted.

    Attributes:
        tries: How often it was tried.
        again_at: When it is tried again, monotonic seconds.
    """

    said: str
    tries: int
    again_at: float


class Population:
    """Who is there; loads whoever is missing, and frees whoever has to go.

    Args:
        news: Called after each load, whatever came of it.
    """

    def __init__(self, loader: Loader, news: Callable[[], None]) -> None:
        self._loader = loader
        self._news = news
        self._loading: dict[Resident, asyncio.Task[None]] = {}
        self.there: dict[Resident, There] = {}
        self.faults: dict[Resident, LoadFault] = {}

    @property
    def loading(self) -> frozenset[Resident]:
        """Who is on the way."""
        return frozenset(self._loading)

    def lacks(self, resident: Resident) -> str | None:
        """Why a version is not there; None where it is."""
        if resident in self.there:
            return None
        fault = self.faults.get(resident)
        return f"{resident.name} is being loaded" if fault is None else fault.said

    def is_pending(self, resident: Resident) -> bool:
        """Whether nobody knows yet if a version can be there."""
        return resident not in self.there and resident not in self.faults

    def bring(self, wanted: Mapping[Resident, Member], system: System) -> None:
        """Start to load who is missing, and give up on who is not wanted any more."""
        now = time.monotonic()
        for resident in [one for one in self.faults if one not in wanted]:
            del self.faults[resident]
        for resident, task in self._loading.items():
            if resident not in wanted:
                task.cancel()
        for resident, member in wanted.items():
            fault = self.faults.get(resident)
            absent = resident not in self.there and resident not in self._loading
            if absent and (fault is None or now >= fault.again_at):
                task = asyncio.create_task(self._load(resident, member, system))
                self._loading[resident] = task

    async def free(self, kept: Container[Resident]) -> None:
        """Free everybody else; nobody may follow them any more."""
        gone = [resident for resident in self.there if resident not in kept]
        # First all at once, so that nobody finds one that is about to be closed.
        freed = [(resident, self.there.pop(resident)) for resident in gone]
        for resident, one in freed:
            await one.backend.close()
            _LOG.info("%s is freed (%s)", resident.name, resident.place)

    async def close(self) -> None:
        """Load nobody any more, and free everybody."""
        await cancelled(self._loading.values())
        await self.free(())

    async def _load(self, resident: Resident, member: Member, system: System) -> None:
        try:
            backend, contract = await self._loader.load(resident, member, system)
        except NotLoaded as error:
            before = self.faults.get(resident)
            tries = 1 if before is None else before.tries + 1
            pause = min(_LONGEST_RETRY, _FIRST_RETRY * 2.0 ** min(tries - 1, 60))
            self.faults[resident] = LoadFault(
                said=str(error), tries=tries, again_at=time.monotonic() + pause
            )
            _LOG.warning("%s; tried again in %g seconds", error, pause)
        else:
            self.faults.pop(resident, None)
            self.there[resident] = There(member=member, backend=backend, contract=contract)
            _LOG.info("%s is loaded (%s)", resident.name, resident.place)
        finally:
            del self._loading[resident]
            self._news()


async def cancelled(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """End tasks, and wait until they have."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    for task in ending:
        with suppress(asyncio.CancelledError):
            await task
