"""Answering live rows in batches, by the routing table in force.

One routing decision a unit, carried through the whole chain, so that versions never mix inside
an answer. What a consumer receives is the row on the ``primary`` path; a ``mirror`` row is the
other arm's answer to the same unit, which nobody receives and evidence is paired with.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

from sluiceway.blocks import BlockCalendar
from sluiceway.contracts.values import Contract
from sluiceway.errors import SluicewayError
from sluiceway.ports import Predictor, UnknownVersion, UnloadableVersion, Window
from sluiceway.releases import Member, Release
from sluiceway.replay.evaluate import Arm, Evaluator
from sluiceway.replay.faults import FaultyAnswers
from sluiceway.replay.partitions import Floats, Partition, needs_of_models
from sluiceway.routing import RoutingTable, in_canary
from sluiceway.serving.rows import SESSION
from sluiceway.steps.members import contract_of, verified_contract
from sluiceway.steps.site import Site
from sluiceway.system.values import System

SAFE_DEFAULT = "safe default"
"""Stands for a version, while its model's answers are the contract's safe defaults."""


class NoRouting(SluicewayError):
    """No routing table is in force; nothing can be answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Two releases that answer the same units for one rollout.

    Attributes:
        rollout_id: Whose evidence it is; empty where only the champion answers.
        baseline: What the candidate is compared with.
        candidate: The candidate; None where only the champion answers.
        weight: Percent of units whose consumer receives the candidate's answer.
        mirror: Percent of the other units that the arm nobody asked answers too.
    """

    rollout_id: str
    baseline: Release
    candidate: Release | None
    weight: int
    mirror: int


class BatchServer:
    """Serves one environment from a file of rows instead of a socket.

    Models are loaded once a version and stay loaded, the champion's and the previous ones, so
    that a rollback needs no load.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._predictors: dict[tuple[str, str], Predictor] = {}
        self._contracts: dict[str, Contract] = {}

    def answer(self, window: Window, *, now: datetime) -> int:
        """Answer the live rows of a window and log them; a unit answered again is replaced.

        Returns:
            How many units were answered.

        Raises:
            NoRouting: No routing table is in force.
            FaultyAnswers: The champion itself gave no usable answer.
        """
        table = self._site.router.observed()
        if table is None:
            raise NoRouting(f"{self._site.environment} has no routing table")
        system = self._site.systems.current()
        pairings = self._pairings(table)
        members = [
            member
            for pairing in pairings
            for release in (pairing.baseline, pairing.candidate)
            if release is not None
            for member in release.members.values()
        ]
        answered = 0
        record = self._site.systems.recorded(system)
        needs = needs_of_models(system, members)
        for part in record.partitions(window, world="live", needs=needs, as_of=now):
            frames = [self._answer(system, table, pairing, part) for pairing in pairings]
            for pairing, rows in zip(pairings, frames, strict=True):
                self._write(system, window, pairing.rollout_id, part, rows)
            answered += part.rows
        return answered

    def _pairings(self, table: RoutingTable) -> list[Pairing]:
        champion = self._site.release_by_hash(table.release)
        pairings = [
            Pairing(
                rollout_id=route.rollout_id,
                baseline=champion,
                candidate=champion.with_members(self._site.plan(route.rollout_id).members),
                weight=route.weight,
                mirror=route.mirror,
            )
            for route in table.canaries
        ]
        for watch in table.watches:
            before = self._site.release_by_hash(watch.release)
            replaced = [before.members[m.model] for m in self._site.plan(watch.rollout_id).members]
            pairings.append(
                Pairing(
                    rollout_id=watch.rollout_id,
                    baseline=champion.with_members(replaced),
                    candidate=champion,
                    weight=100,
                    mirror=watch.mirror,
                )
            )
        alone = Pairing(rollout_id="", baseline=champion, candidate=None, weight=0, mirror=0)
        return pairings or [alone]

    def _answer(
        self, system: System, table: RoutingTable, pairing: Pairing, part: Partition
    ) -> pd.DataFrame:
        units = [str(unit) for unit in part.units]
        chosen = in_canary(pairing.rollout_id, units, pairing.weight)
        mirrored = in_canary(f"{pairing.rollout_id}/mirror", units, pairing.mirror)
        both = mirrored | (chosen if pairing.weight < 100 else False)
        values, fallback = self._values(system, pairing, part)
        releases = {"baseline": pairing.baseline, "candidate": pairing.candidate}
        frames = []
        for arm, answers in values.items():
            release = releases[arm]
            assert release is not None
            primary = chosen if arm == "candidate" else ~chosen
            frame = pd.DataFrame(
                {
                    "unit": units,
                    "event_time": pd.DatetimeIndex(part.event_time, tz="UTC"),
                    "rollout_id": pairing.rollout_id,
                    "arm": arm,
                    "path": np.where(primary, "primary", "mirror"),
                    "paired": both & (pairing.candidate is not None),
                    "weight": pairing.weight,
                    "generation": table.generation,
                    "release": release.content_hash,
                    "routing_revision": table.revision,
                    "fallback": arm in fallback,
                    **answers,
                }
            )
            frames.append(frame[primary | both])
        return pd.concat(frames, ignore_index=True)

    def _values(
        self, system: System, pairing: Pairing, part: Partition
    ) -> tuple[dict[str, dict[str, Floats]], set[str]]:
        """Answers by arm, and the arms in whose answers safe defaults stand.

        Only a model that gives the candidate no usable answer is replaced by its contract's safe
        default; whatever reads it is asked with that default, so no answer mixes two releases.
        """
        self._load(system, pairing.baseline)
        baseline = Arm(name="baseline", release=pairing.baseline)
        if pairing.candidate is None:
            return self._evaluate(system, [baseline], part, set()), set()
        candidate = Arm(name="candidate", release=pairing.candidate)
        lost = self._not_loaded(system, pairing.candidate)
        while True:
            try:
                values = self._evaluate(system, [baseline, candidate], part, lost)
            except FaultyAnswers as error:
                failed = {fault.model for fault in error.faults}
                blameless = all("baseline" not in fault.arms for fault in error.faults)
                if not blameless or failed <= lost:
                    raise
                lost |= failed
            else:
                return values, {"candidate"} if lost else set()

    def _load(self, system: System, release: Release) -> None:
        for member in release.members.values():
            self._load_member(system, member)

    def _not_loaded(self, system: System, release: Release) -> set[str]:
        """Load a release; names of the models of which it cannot be done."""
        lost = set()
        for member in release.members.values():
            try:
                self._load_member(system, member)
            except (UnknownVersion, UnloadableVersion):
                lost.add(member.model)
        return lost

    def _load_member(self, system: System, member: Member) -> None:
        """What is loaded goes on answering where the registry does not."""
        key = (member.model, member.version)
        registry = self._site.registry
        if member.contract_hash not in self._contracts:
            known = verified_contract(self._site, system, member)
            self._contracts[member.contract_hash] = known or contract_of(
                registry.version(*key), system
            )
        if key not in self._predictors:
            self._predictors[key] = registry.load(*key, artifact_sha256=member.artifact_sha256)

    def _evaluate(
        self, system: System, arms: list[Arm], part: Partition, lost: Collection[str]
    ) -> dict[str, dict[str, Floats]]:
        """Ask all arms; in the last one safe defaults stand for the lost models."""
        predictors, contracts = dict(self._predictors), dict(self._contracts)
        stand_ins = []
        for member in (arms[-1].release.members[model] for model in lost):
            contract = self._contracts.get(
                member.contract_hash, system.models[member.model].contract
            )
            free = _without_demands(contract)
            stand_in = replace(member, version=SAFE_DEFAULT, contract_hash=free.content_hash)
            predictors[member.model, SAFE_DEFAULT] = _SafeDefault(contract=contract, rows=part.rows)
            contracts[free.content_hash] = free
            stand_ins.append(stand_in)
        arms = [*arms[:-1], replace(arms[-1], release=arms[-1].release.with_members(stand_ins))]
        evaluator = Evaluator(
            system,
            arms,
            baseline="baseline",
            predictors=predictors,
            transformations=self._site.systems.transformations(system),
            contracts=contracts,
        )
        answers = evaluator.evaluate(part)
        return {arm: dict(fields) for arm, fields in answers.values.items()}

    def _write(
        self, system: System, window: Window, rollout_id: str, part: Partition, rows: pd.DataFrame
    ) -> None:
        """Log one batch for each block and rollout, so that a unit answered again is replaced."""
        calendar = BlockCalendar(timezone=system.timezone, length=system.policies.canary.block)
        names = calendar.names(pd.DatetimeIndex(rows["event_time"]))
        for block in part.block_names:
            batch = rows[names == block]
            whole = Window(start=calendar.start(block), end=calendar.end(block))
            if whole.start < window.start or window.end < whole.end:
                batch = _joined(self._others(whole, rollout_id, batch), batch)
            self._site.predictions.write(f"{block}-{rollout_id or 'champion'}", batch)

    def _others(self, block: Window, rollout_id: str, rows: pd.DataFrame) -> pd.DataFrame:
        """What the log has of other units of this block, when only a part of it is answered."""
        log = self._site.predictions.read(block)
        if log.empty:
            return log
        log = log[(log["rollout_id"] == rollout_id) & ~log["unit"].isin(set(rows["unit"]))]
        # Rows that the gateway logged are not this batch's to write again.
        return log if SESSION not in log else log[log[SESSION].isna()]


@dataclass(frozen=True, slots=True, kw_only=True)
class _SafeDefault:
    """Answers every row of a partition with what a contract names for when there is no answer."""

    contract: Contract
    rows: int

    @property
    def inputs(self) -> tuple[str, ...]:
        return ()

    def predict(self, _columns: Mapping[str, np.ndarray]) -> np.ndarray:
        width = 1 + max(field.position for field in self.contract.output)
        answer = np.full((self.rows, width), np.nan)
        for field in self.contract.output:
            answer[:, field.position] = self.contract.fallback.get(field.name, np.nan)
        return answer


def _without_demands(contract: Contract) -> Contract:
    """The same fields with nothing to break: a default that is refused would answer nobody."""
    free = (replace(field, low=None, high=None, nullable=True) for field in contract.output)
    return replace(contract, output=tuple(free))


def _joined(earlier: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    if earlier.empty:
        return rows
    # Read back, a column without any value has lost its type.
    types = {name: kind for name, kind in rows.dtypes.items() if name in earlier.columns}
    return pd.concat([earlier.astype(types), rows], ignore_index=True)
