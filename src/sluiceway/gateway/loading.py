"""Bringing a version to where it is wanted, until it has answered its first questions."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from sluiceway.adapters.model_files import load_verified
from sluiceway.contracts.values import Contract
from sluiceway.errors import SluicewayError
from sluiceway.gateway.backends.http import HttpBackend, ServedAt
from sluiceway.gateway.backends.in_process import InProcessBackend
from sluiceway.gateway.backends.worker import WorkerBackend, WorkerLimits
from sluiceway.gateway.verified_files import VerifiedFiles
from sluiceway.gateway.wanted import Place, Resident
from sluiceway.ports import Predictor
from sluiceway.releases import Member
from sluiceway.serving.first_questions import first_questions
from sluiceway.serving.ports import Backend
from sluiceway.serving.served import Version
from sluiceway.serving.values import Values
from sluiceway.system.values import System

Anything = TypeVar("Anything")


class NotLoaded(SluicewayError):
    """A version is not where it is wanted; the message says why."""


class Loader:
    """Loads versions, off the event loop.

    Args:
        files: Where their files and contracts are.
        served_at: Versions that servers which exist answer for.
        limits: What a worker may take; the time to load and to warm counts everywhere.

    Attributes:
        loads: How many versions were loaded so far.
    """

    def __init__(
        self,
        files: VerifiedFiles,
        *,
        served_at: Mapping[Version, ServedAt],
        limits: WorkerLimits,
    ) -> None:
        self._files = files
        self._served_at = served_at
        self._limits = limits
        self.loads = 0

    async def load(
        self, resident: Resident, member: Member, system: System
    ) -> tuple[Backend, Contract]:
        """Load a version and let it answer its first questions.

        Raises:
            NotLoaded: It cannot be.
        """
        try:
            contract = await in_thread(lambda: self._files.contract_of(member, system))
            questions = first_questions(system, member.model, contract)
            match resident.place:
                case Place.IN_PROCESS:
                    backend: Backend = await self._in_process(member, questions)
                case Place.WORKER:
                    folder = await in_thread(lambda: self._files.folder_of(member))
                    backend = await WorkerBackend.started(
                        member.name,
                        folder,
                        member.artifact_sha256,
                        warm=questions,
                        limits=self._limits,
                    )
                case Place.HTTP:
                    backend = await self._elsewhere(member, questions)
        except Exception as error:  # any code may run while a model is loaded
            raise NotLoaded(_said(member, error)) from error
        self.loads += 1
        return backend, contract

    async def _in_process(
        self, member: Member, questions: tuple[Mapping[str, Values], ...]
    ) -> InProcessBackend:
        def load() -> Predictor:
            folder = self._files.folder_of(member)
            predictor = load_verified(folder, member.artifact_sha256)
            for columns in questions:
                predictor.predict(columns)
            return predictor

        try:
            async with asyncio.timeout(self._limits.load_seconds):
                return InProcessBackend(member.name, await in_thread(load))
        except TimeoutError:
            said = f"{member.name} is not loaded after {self._limits.load_seconds:g} seconds"
            raise NotLoaded(said) from None

    async def _elsewhere(
        self, member: Member, questions: tuple[Mapping[str, Values], ...]
    ) -> HttpBackend:
        inputs = await in_thread(lambda: self._files.inputs_of(member))
        served_at = self._served_at[member.model, member.version]
        backend = HttpBackend(member.name, served_at, inputs)
        try:
            for columns in questions:
                await backend.predict(columns, deadline=self._limits.warm_seconds)
        except BaseException:
            await backend.close()
            raise
        return backend


def _said(member: Member, error: Exception) -> str:
    words = " ".join(str(error).split())
    if not isinstance(error, SluicewayError):
        words = f"{type(error).__name__}: {words}"
    return words if words.startswith(member.name) else f"{member.name}: {words}"


async def in_thread(call: Callable[[], Anything]) -> Anything:
    """Call something that blocks, in a thread of its own.

    A daemon, unlike those of the loop's pool: one that hangs must neither hold up the next call
    nor keep the process from ending.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Anything] = loop.create_future()

    def settle(result: Anything | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: Anything | None = None
        error: BaseException | None = None
        try:
            result = call()
        except BaseException as raised:  # noqa: BLE001 - it is raised where it was called
            # What ends a thread or an iteration must not end the loop.
            stops = not isinstance(raised, Exception) or isinstance(raised, StopIteration)
            error = RuntimeError(repr(raised)) if stops else raised
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="sluiceway-blocking", daemon=True).start()
    return await future
