"""What a routing table wants to be resident, resolved with the journal and the system file."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from sluiceway.graph import SystemGraph
from sluiceway.releases import Member, Release
from sluiceway.replay.features import Transformation
from sluiceway.routing import CanaryRoute, RoutingTable, WatchRoute
from sluiceway.serving.served import Detours, Pairing, Version
from sluiceway.steps.site import Site
from sluiceway.system.values import System


class Place(StrEnum):
    """Where a version lives."""

    IN_PROCESS = "in_process"
    WORKER = "worker"
    HTTP = "http"


class Resident(NamedTuple):
    """A version in a place. Other files under the same number are another resident."""

    model: str
    version: str
    artifact_sha256: str
    place: Place

    @property
    def name(self) -> str:
        """How people call the version: ``dep_delay@2``."""
        return f"{self.model}@{self.version}"


class OtherPaths(Protocol):
    """Flags that choose other inference paths, and the versions that these need."""

    @property
    def alarms(self) -> Sequence[str]:
        """Paths of the newest detours that cannot be taken, in words."""

    def members(
        self, table: RoutingTable, system: System
    ) -> tuple[Sequence[Member], Sequence[str]]:
        """Versions that some path needs beside those of the releases.

        Returns:
            Those that could be looked up, and why others could not.
        """

    def detours(self, table: RoutingTable, *, resident: Collection[Version]) -> Detours | None:
        """Who takes which path, from the moment on at which this is asked.

        Args:
            resident: Versions that can be asked; a path that needs another is not taken.

        Returns:
            None where everybody takes the declared path.
        """


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wanted:
    """What a table comes to.

    Attributes:
        transformations: By the ``module:function`` that feature versions name.
        watched: Ids of the rollouts whose candidate is the champion already.
        previous: What a rollback would bring back; None where nothing served before.
        others: Versions that flags may choose.
        amiss: What could not be read, in words; what was read last is used instead.
        served_at: Versions that servers which exist answer for.
    """

    table: RoutingTable
    system: System
    transformations: Mapping[str, Transformation]
    champion: Release
    pairings: tuple[Pairing, ...]
    watched: frozenset[str]
    previous: Release | None
    others: tuple[Member, ...] = ()
    amiss: tuple[str, ...] = ()
    served_at: frozenset[Version] = field(default_factory=frozenset)

    def residents(self) -> dict[Resident, Member]:
        """Every version with its place, the most important first.

        The champion and whatever may follow it without warning live in this process; candidates
        live in processes of their own.
        """
        found: dict[Resident, Member] = {}
        for release in self.in_process():
            for member in release.members.values():
                found.setdefault(self.place_of(member, Place.IN_PROCESS), member)
        apart = [m for pairing in self.pairings for m in pairing.candidate.members.values()]
        for member in (*apart, *self.others):
            if self.place_of(member, Place.IN_PROCESS) not in found:
                found.setdefault(self.place_of(member, Place.WORKER), member)
        return found

    def in_process(self) -> Iterator[Release]:
        """Releases whose versions live in this process, the champion first."""
        yield self.champion
        for pairing in self.pairings:
            yield pairing.baseline
        if self.previous is not None:
            yield self.previous

    def place_of(self, member: Member, place: Place) -> Resident:
        """A version in this place, unless a server that exists answers for it."""
        where = Place.HTTP if (member.model, member.version) in self.served_at else place
        return Resident(member.model, member.version, member.artifact_sha256, where)


class Resolver:
    """Reads what a table names; what cannot change is read once.

    Args:
        site: The environment.
        system_file: Where its system file is.
        other_paths: Flags; None where there are none.
        served_at: Versions that servers which exist answer for.
    """

    def __init__(
        self,
        site: Site,
        system_file: Path,
        *,
        other_paths: OtherPaths | None = None,
        served_at: frozenset[Version] = frozenset(),
    ) -> None:
        self._site = site
        self._system_file = system_file
        self._other_paths = other_paths
        self._served_at = served_at
        self._system: System | None = None
        self._graph: SystemGraph | None = None
        self._transformations: Mapping[str, Transformation] = {}
        self._read: tuple[tuple[int, int, int], ...] | None = None
        self._releases: dict[str, Release] = {}
        # By rollout and the release of its route: a plan may be narrowed, and then has another.
        self._members: dict[tuple[str, str], tuple[Member, ...]] = {}
        self._models: dict[tuple[str, str], frozenset[str]] = {}

    @property
    def is_system_edited(self) -> bool:
        """Whether the system file, or a contract that it names, is not as it was read last."""
        return self._read is not None and self._read != self._stamps(self._system)

    def resolve(self, table: RoutingTable) -> Wanted:
        """Read what a table names, but for what served before.

        Raises:
            BadInput: The system file cannot be read, and never could.
            LookupError: The journal knows no such release or rollout.
            JournalUnavailable: The journal did not answer.
        """
        system, graph, amiss = self._current_system()
        champion = self._release(table.release)
        pairings = [self._canary(graph, champion, route) for route in table.canaries]
        pairings += [self._watch(graph, champion, watch) for watch in table.watches]
        paths = self._other_paths
        others, unknown = paths.members(table, system) if paths else ((), ())
        return Wanted(
            table=table,
            system=system,
            transformations=self._transformations,
            champion=champion,
            pairings=tuple(pairings),
            watched=frozenset(watch.rollout_id for watch in table.watches),
            previous=None,
            others=tuple(others),
            amiss=(*amiss, *unknown),
            served_at=self._served_at,
        )

    def previous(self, table: RoutingTable) -> Release | None:
        """What served before the table's champion, and a rollback would bring back.

        Raises:
            LookupError: The journal knows no such release.
            JournalUnavailable: The journal did not answer.
        """
        site = self._site
        for rollout_id in reversed(site.journal.rollouts(site.environment)):
            state = site.state(rollout_id)
            promoted = state.promoted
            if promoted is not None and promoted.release == table.release and not state.restored:
                return self._release(promoted.previous_release)
        generations = site.journal.generations(site.environment)
        earlier = [number for number in generations if number < table.generation]
        return self._release(generations[max(earlier)]) if earlier else None

    def _canary(self, graph: SystemGraph, champion: Release, route: CanaryRoute) -> Pairing:
        candidate = champion.with_members(self._members_of(route))
        return Pairing(
            rollout_id=route.rollout_id,
            baseline=champion,
            candidate=candidate,
            weight=route.weight,
            mirror=route.mirror,
            halted=route.halted,
            models=self._touched(graph, champion, candidate),
        )

    def _watch(self, graph: SystemGraph, champion: Release, watch: WatchRoute) -> Pairing:
        before = self._release(watch.release)
        key = (watch.rollout_id, watch.release)
        if key not in self._members:
            self._members[key] = self._site.plan(watch.rollout_id).members
        members = self._members[key]
        baseline = champion.with_members(before.members[member.model] for member in members)
        return Pairing(
            rollout_id=watch.rollout_id,
            baseline=baseline,
            candidate=champion,
            weight=100,
            mirror=watch.mirror,
            halted=watch.halted,
            models=self._touched(graph, baseline, champion),
        )

    def _members_of(self, route: CanaryRoute) -> tuple[Member, ...]:
        """A candidate's own versions, as the table means them: a plan may have changed since."""
        key = (route.rollout_id, route.release)
        if key not in self._members:
            site = self._site
            plan = site.plan(route.rollout_id)
            members = plan.members
            if plan.release != route.release:
                release = self._release(route.release)
                base = site.journal.release(site.environment, plan.baseline)
                members = tuple(release.members[name] for name in release.changed_from(base))
            self._members[key] = members
        return self._members[key]

    def _touched(self, graph: SystemGraph, baseline: Release, candidate: Release) -> frozenset[str]:
        """Models in which two releases differ, and all that read them."""
        key = (baseline.content_hash, candidate.content_hash)
        if key not in self._models:
            changed = candidate.changed_from(baseline)
            self._models[key] = frozenset(graph.blast_radius(changed).models)
        return self._models[key]

    def _release(self, content_hash: str) -> Release:
        if content_hash not in self._releases:
            self._releases[content_hash] = self._site.release_by_hash(content_hash)
        return self._releases[content_hash]

    def _current_system(self) -> tuple[System, SystemGraph, tuple[str, ...]]:
        """The system file as it is, or as it was: no rollback waits until somebody mends it."""
        system, graph = self._system, self._graph
        if system is not None and graph is not None and not self.is_system_edited:
            return system, graph, ()
        before = self._stamps(system)
        try:
            current = self._site.systems.current()
            transformations = self._site.systems.transformations(current)
        except Exception as error:  # any code may run while transformations are imported
            if system is None or graph is None:
                raise
            said = " ".join(f"{type(error).__name__}: {error}".split())
            return system, graph, (f"the system file as it was is followed: {said}",)
        same = system is not None and system.contract_files == current.contract_files
        # Of before the reading: what was edited meanwhile is read again.
        self._read = before if same else self._stamps(current)
        self._system, self._transformations = current, transformations
        self._graph = graph = SystemGraph(current)
        self._models.clear()
        return current, graph, ()

    def _stamps(self, system: System | None) -> tuple[tuple[int, int, int], ...]:
        """Others as soon as one of the files was written or replaced; zeros where there is none."""
        contracts = () if system is None else system.contract_files
        files = (self._system_file, *(self._system_file.parent / name for name in contracts))
        return tuple(_stamp_of(file) for file in files)


def _stamp_of(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_ino, found.st_size)
