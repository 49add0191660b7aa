"""Keeps resident what the routing table wants, and hands over what answers, whole.

Level-triggered: each turn compares what is wanted with what is there, starts what is missing,
publishes what can be answered by, and frees what nobody follows any more. A turn that fails changes
nothing; the next begins anew.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self

from sluiceway.adapters.flag_file import RoutingFile
from sluiceway.adapters.mlflow_registry import MlflowRegistry
from sluiceway.adapters.trial import ModelFiles
from sluiceway.gateway.alarms import Alarms
from sluiceway.gateway.backends.http import ServedAt
from sluiceway.gateway.backends.worker import WorkerLimits
from sluiceway.gateway.composing import Offer, in_process, offer_of, words
from sluiceway.gateway.following import Follower
from sluiceway.gateway.heartbeat_file import HeartbeatFile
from sluiceway.gateway.loading import Loader, in_thread
from sluiceway.gateway.population import Population, cancelled
from sluiceway.gateway.resident_states import ResidentsState, state_of
from sluiceway.gateway.verified_files import VerifiedFiles
from sluiceway.gateway.wanted import OtherPaths, Resident, Resolver, Wanted
from sluiceway.releases import Release
from sluiceway.serving.heartbeat import Heartbeat
from sluiceway.serving.served import Served, Version
from sluiceway.settings import Settings
from sluiceway.steps.site import Site

_LOG: Final = logging.getLogger("sluiceway.gateway")
_FIRST_WAIT: Final = timedelta(seconds=10)
"""How long a gateway that begins waits for its candidates before it answers without them."""
_BEAT: Final = 1.0
"""Seconds between two heartbeats."""
_SETTLED: Final = 1.0
"""Seconds after a change of what answers, until it is looked up what a rollback would bring back:
that reads the journal, and those who ask right after a change have waited enough. Nobody is freed
before it is known."""


class Residents:
    """Follows the routing table for as long as its block lasts.

    Args:
        routing: The file that the table is read from.
        publish: Takes what answers from now on.
        drained: Waits until no question follows anything but what was published last.
        instance: Name of this gateway, unique among those of its environment.
        heartbeats: Folder of the gateways' heartbeats.
        other_paths: Flags that choose other inference paths; None where there are none.
        poll_seconds: How often the table is looked at.
    """

    def __init__(
        self,
        resolver: Resolver,
        loader: Loader,
        *,
        routing: RoutingFile,
        publish: Callable[[Served], None],
        drained: Callable[[], Awaitable[None]],
        instance: str,
        heartbeats: Path,
        other_paths: OtherPaths | None = None,
        poll_seconds: float = 0.1,
    ) -> None:
        self._loader = loader
        self._publish = publish
        self._drained = drained
        self._other_paths = other_paths
        self._instance = instance
        self._heartbeat_file = HeartbeatFile(heartbeats, instance)
        self._poll_seconds = poll_seconds
        self._started = datetime.now(UTC)
        self._alarms = Alarms()
        self._follower = Follower(resolver, routing, self._alarms)
        self._news, self._changed = asyncio.Event(), asyncio.Event()
        self._population = Population(loader, self._stir)
        self._advanced: Wanted | None = None
        self._is_stirred = False
        self._published: Offer | None = None
        self._publications = 0
        self._revision = 0
        self._said: tuple[object, ...] | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._looking_back: asyncio.Task[None] | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def __aenter__(self) -> Self:
        """Begin to follow the table."""
        self._tasks = (
            asyncio.create_task(self._follow(), name="residents"),
            asyncio.create_task(self._beat(), name="heartbeat"),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Follow it no more, and free everything; nobody may ask any more."""
        aside = (self._sweeping, self._looking_back)
        await cancelled((*self._tasks, *(task for task in aside if task is not None)))
        await self._population.close()
        await in_thread(self._heartbeat_file.remove)

    @property
    def is_ready(self) -> bool:
        """Whether anything answers."""
        return self._published is not None

    @property
    def is_table_broken(self) -> bool:
        """Whether the routing table's file cannot be read, and the last good one is followed."""
        return self._follower.is_broken

    @property
    def wanted_generation(self) -> int:
        """The champion's generation that the newest table wants; 0 before the first."""
        wanted = self._follower.wanted
        return 0 if wanted is None else wanted.table.generation

    def tell(self, concern: str, said: str | None) -> None:
        """Raise an alarm of another part of the gateway, or end it with None."""
        self._alarms.tell(concern, said)

    @property
    def unready(self) -> str | None:
        """Why nothing answers yet, in words that anybody may read; None once something does.

        What a registry or a file said stays in the log and in the heartbeat.
        """
        if self.is_ready:
            return None
        state = self.state
        if state.faults:
            names = ", ".join(sorted(state.faults))
            return f"{names} cannot be loaded; the log and `sluiceway gateways` say why"
        if state.loading:
            return f"{', '.join(state.loading)}: being loaded"
        if self._follower.wanted is None:
            return "there is no routing table that can be followed; `sluiceway gateways` says more"
        return "versions are being looked up"

    @property
    def state(self) -> ResidentsState:
        """How far it is."""
        published, population = self._published, self._population
        pairings = () if published is None else published.pairings
        return ResidentsState(
            revision=self._revision,
            generation=0 if published is None else published.wanted.table.generation,
            loading=tuple(sorted(one.name for one in population.loading)),
            faults={one.name: fault.said for one, fault in population.faults.items()},
            halted={p.rollout_id: p.halted for p in pairings if p.halted is not None},
            alarm=self._alarms.text,
            loads=self._loader.loads,
            unreadable_tables=self._follower.unreadable,
            versions=tuple(state_of(r, one.backend) for r, one in population.there.items()),
        )

    def _stir(self) -> None:
        """Something has moved: the next turn comes at once."""
        self._is_stirred = True
        self._news.set()

    async def _follow(self) -> None:
        while True:
            self._news.clear()
            try:
                await self._turn()
            except Exception as error:  # noqa: BLE001 - nothing may end this loop
                # What is loaded goes on answering, and the next turn begins anew.
                _LOG.exception("a turn of the residents failed")
                self._alarms.tell("residents", f"{type(error).__name__}: {error}")
            else:
                self._alarms.tell("residents", None)
            self._tell_changes()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._news.wait()

    async def _turn(self) -> None:
        follower = self._follower
        await follower.look()
        if follower.wanted is None:
            return
        moved = self._is_stirred or follower.wanted is not self._advanced
        if moved or self._population.faults:  # these are tried again, each in its time
            self._advance(follower.wanted)
        is_looking = self._looking_back is not None and not self._looking_back.done()
        if follower.has_to_look_back and not is_looking:
            self._looking_back = asyncio.create_task(self._look_back(), name="look back")

    async def _look_back(self) -> None:
        if self._published is not None:
            await asyncio.sleep(_SETTLED)
        await self._follower.look_back()
        self._stir()

    def _advance(self, wanted: Wanted) -> None:
        """Start what is missing, publish what can answer, free what nobody follows."""
        self._is_stirred = False
        residents = wanted.residents()
        self._population.bring(residents, wanted.system)
        self._tell_faults("champion", wanted, wanted.champion)
        self._tell_faults("rollback", wanted, wanted.previous)
        offer = offer_of(wanted, self._population)
        if offer is not None:
            self._take(offer)
        if self._sweeping is None or self._sweeping.done():
            kept = self._kept()
            if kept is not None and not self._population.there.keys() <= kept:
                self._sweeping = asyncio.create_task(self._sweep())
        self._advanced = wanted

    def _take(self, offer: Offer) -> None:
        if self._published is None and not offer.is_settled and not self._has_waited():
            return
        if self._published is None or offer.key != self._published.key:
            paths = self._other_paths
            self._publish(offer.served(self._population, paths))
            self._published = offer
            self._publications += 1
            self._alarms.tell("flags", words(paths.alarms) if paths is not None else None)
        if offer.is_settled:
            self._revision = offer.wanted.table.revision

    def _has_waited(self) -> bool:
        """Whether a gateway that begins has waited long enough for its candidates.

        Units that a candidate answered before a restart would else be answered by the champion
        until it is loaded again.
        """
        return datetime.now(UTC) - self._started > _FIRST_WAIT

    def _tell_faults(self, concern: str, wanted: Wanted, release: Release | None) -> None:
        """Raise an alarm for a release that has to be in this process and cannot be."""
        faults = self._population.faults
        members = () if release is None else in_process(wanted, release)
        said = words(faults[one].said for one in members if one in faults)
        self._alarms.tell(concern, said)

    def _kept(self) -> frozenset[Resident] | None:
        """Who has to stay; None while it is not known what a rollback would bring back."""
        wanted = self._follower.wanted
        if wanted is None or not self._follower.knows_previous:
            return None
        answering = () if self._published is None else self._published.chosen.values()
        return frozenset((*wanted.residents(), *answering))

    async def _sweep(self) -> None:
        """Free what neither answers nor is wanted, once no question follows it any more."""
        publications = -1
        while publications != self._publications:
            publications = self._publications
            await self._drained()
        kept = self._kept()
        if kept is not None:
            await self._population.free(kept)
        self._stir()

    def _tell_changes(self) -> None:
        beat = self._heartbeat()
        said = (beat.revision, beat.generation, beat.alarm, beat.halted)
        if said != self._said:
            self._said = said
            self._changed.set()

    def _heartbeat(self) -> Heartbeat:
        state = self.state
        return Heartbeat(
            instance=self._instance,
            pid=os.getpid(),
            host=socket.gethostname(),
            at=datetime.now(UTC),
            revision=state.revision,
            generation=state.generation,
            alarm=state.alarm,
            started=self._started,
            halted=state.halted,
        )

    async def _beat(self) -> None:
        while True:
            self._changed.clear()
            beat = self._heartbeat()
            try:
                await in_thread(partial(self._heartbeat_file.write, beat))
            except OSError as error:
                _LOG.warning("the heartbeat cannot be written: %s", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(_BEAT):
                    await self._changed.wait()


def residents_of(
    site: Site,
    settings: Settings,
    *,
    publish: Callable[[Served], None],
    drained: Callable[[], Awaitable[None]],
    instance: str | None = None,
    files: ModelFiles | None = None,
    served_at: Mapping[Version, ServedAt] = MappingProxyType({}),
    other_paths: OtherPaths | None = None,
    limits: WorkerLimits | None = None,
    poll_seconds: float = 0.1,
) -> Residents:
    """Put together what keeps one environment's versions resident.

    Args:
        instance: Name of this gateway; None for one made of host and process id.
        files: What has the versions' files; None for the settings' registry.
        served_at: Versions that servers which exist answer for.
        other_paths: Flags that choose other inference paths; None where there are none.

    Raises:
        RegistryUnavailable: The registry's address is none.
    """
    held = files or MlflowRegistry(settings.registry_uri)
    kept = VerifiedFiles(settings.serving_folder, held, site.registry, site.journal)
    return Residents(
        Resolver(site, settings.system, other_paths=other_paths, served_at=frozenset(served_at)),
        Loader(kept, served_at=served_at, limits=limits or WorkerLimits()),
        routing=RoutingFile(settings.routing_file),
        publish=publish,
        drained=drained,
        instance=instance or f"{socket.gethostname()}-{os.getpid()}",
        heartbeats=settings.heartbeat_folder,
        other_paths=other_paths,
        poll_seconds=poll_seconds,
    )
