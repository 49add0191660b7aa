"""Answers questions by what serves now, through whole chains, with one decision a unit."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sluiceway.gateway.answers import arm_answers
from sluiceway.gateway.paths import Way
from sluiceway.gateway.standing import Standing
from sluiceway.gateway.watching import HardRule, Limits, Observer
from sluiceway.gateway.ways import ways_of
from sluiceway.releases import Release
from sluiceway.serving.breaker import Breaker
from sluiceway.serving.evaluating import Evaluation, isolated_for
from sluiceway.serving.inputs import Features
from sluiceway.serving.layout import Layout
from sluiceway.serving.ports import Recorder
from sluiceway.serving.refusals import RefusalCode, Refused
from sluiceway.serving.served import Pairing, Served, Version
from sluiceway.serving.stand_ins import LastKnownGood
from sluiceway.serving.values import ArmAnswers, ArmName, Path, Question, Reply

_LOG: Final = logging.getLogger("sluiceway.gateway")
_LOOK_AGAIN: Final = 0.005
"""Seconds between two looks at what is still under way."""


class Engine:
    """Implements :class:`sluiceway.serving.ports.Answering`.

    Lives on one event loop; everything is called there.

    Args:
        recorder: Who writes down what was answered.
        observer: Who is told what happens behind the answers.
        limits: What it takes on at once.
    """

    def __init__(
        self, recorder: Recorder, observer: Observer, limits: Limits | None = None
    ) -> None:
        self._recorder = recorder
        self._observer = observer
        self._limits = limits or Limits()
        self._standing: Standing | None = None
        self._retired: dict[int, Standing] = {}
        self._breakers: dict[Version, Breaker] = {}
        self._halted: dict[tuple[str, str], str] = {}
        self._last = LastKnownGood()
        self._is_over = False
        self._loop = asyncio.get_running_loop()

    @property
    def served(self) -> Served | None:
        """What answers now; None before anything does."""
        return None if self._standing is None else self._standing.served

    @property
    def breakers(self) -> Mapping[Version, Breaker]:
        """The breaker of every version that may be asked."""
        return self._breakers

    def serve(self, served: Served) -> None:
        """Follow another :class:`Served` from the next question on.

        A candidate that lost its traffic here stays without it, for as long as it is in canary.
        """
        present = {(p.rollout_id, p.candidate.content_hash) for p in served.pairings}
        self._halted = {key: why for key, why in self._halted.items() if key in present}
        pairings = tuple(self._with_halt(pairing) for pairing in served.pairings)
        before = self._standing
        self._standing = Standing(
            replace(served, pairings=pairings),
            begin=self._begin,
            finish=self._finished,
            record=self._recorder.record_together,
            limits=self._limits,
        )
        self._breakers = {
            key: self._breakers.get(key) or Breaker(self._limits.breaker) for key in served.backends
        }
        if before is not None:
            self._retired = {key: one for key, one in self._retired.items() if not one.is_drained}
            self._retired[id(before)] = before
            before.retire()

    async def drained(self) -> None:
        """Wait until no question follows anything but what answers now."""
        for key, standing in list(self._retired.items()):
            await standing.drained()
            self._retired.pop(key, None)

    async def end(self, patience: float = 5.0) -> None:
        """Before the versions go: mirrored rows are answered, and nobody is blamed any more.

        A candidate whose process ends with ours would else be halted for all that still waits.

        Args:
            patience: Longest wait in seconds.
        """
        await self.settled(patience)
        self._is_over = True

    async def settled(self, patience: float = 30.0) -> bool:
        """Wait until every row that is to be mirrored by now is; False where it takes longer.

        Args:
            patience: Longest wait in seconds.
        """
        until = self._loop.time() + patience
        standing = [one for one in (self._standing, *self._retired.values()) if one]
        awaited = [(mirrors, mirrors.taken) for one in standing for mirrors in one.mirroring]
        for mirrors, _ in awaited:
            mirrors.hurry()
        while any(mirrors.is_behind(taken) for mirrors, taken in awaited):
            if self._loop.time() > until:
                return False
            await asyncio.sleep(_LOOK_AGAIN)
        return True

    def halt(self, rollout_id: str, why: str) -> None:
        """Take a candidate's traffic away at once."""
        if self._standing is None:
            return
        served = self._standing.served
        for pairing in served.pairings:
            if pairing.rollout_id == rollout_id:
                self._halted.setdefault((rollout_id, pairing.candidate.content_hash), why)
        self.serve(served)

    async def answer(self, question: Question) -> Reply:
        """Answer a question, through the whole chain that its model needs.

        Raises:
            Refused: It is not answered; the refusal says why.
        """
        standing = self._standing
        if standing is None:
            raise Refused(RefusalCode.NOT_READY, "nothing is loaded yet", retry_after=1)
        if question.model not in standing.served.system.models:
            known = ", ".join(standing.served.system.models)
            what = f"there is no model {question.model}; there are: {known}"
            raise Refused(RefusalCode.UNKNOWN_MODEL, what)
        if standing.questions >= self._limits.questions:
            what = f"{standing.questions} questions are under way; ask again in a second"
            raise Refused(RefusalCode.OVERLOADED, what, retry_after=1)
        ways = ways_of(standing, question)
        standing.enter()
        try:
            futures = [self._asked(standing, way) for way in ways]
            answers = [
                self._told(standing, question, way, *await future)
                for way, future in zip(ways, futures, strict=True)
            ]
        finally:
            standing.leave()
        for one in answers:
            self._recorder.record(question, one)
        return Reply(question=question, arms=tuple(answers), answered=datetime.now(UTC))

    # -- one way through one arm -----------------------------------------------------------------

    def _asked(self, standing: Standing, way: Way) -> "asyncio.Future[tuple[Evaluation, slice]]":
        future: asyncio.Future[tuple[Evaluation, slice]] = self._loop.create_future()

        def done(evaluation: Evaluation, rows: slice) -> None:
            if not future.done():
                future.set_result((evaluation, rows))

        def failed(error: Exception) -> None:
            if not future.done():
                future.set_exception(error)

        lane = standing.lane(way.layout)
        lane.put(lane.job(way.features, way.units, done, failed))
        return future

    def _told(
        self, standing: Standing, question: Question, way: Way, evaluation: Evaluation, rows: slice
    ) -> ArmAnswers:
        """One arm's answers, once the other arm has been asked to answer them too."""
        paired = self._mirrored(standing, question, way)
        answers = arm_answers(standing.served, way, evaluation, rows, Path.PRIMARY, paired)
        return self._isolated(standing.served, way, question, answers)

    def _mirrored(self, standing: Standing, question: Question, way: Way) -> NDArray[np.bool_]:
        """Have the other arm answer what it is to; the rows that it will answer."""
        if not way.mirrored.any():
            return way.mirrored
        other = ArmName.BASELINE if way.arm is ArmName.CANDIDATE else ArmName.CANDIDATE
        if standing.mirrors(way.paths, other).take(question, way):
            return way.mirrored
        self._observer.mirror_dropped(int(way.mirrored.sum()))
        return np.zeros_like(way.mirrored)

    def _isolated(
        self, served: Served, way: Way, question: Question, answers: ArmAnswers
    ) -> ArmAnswers:
        """What an outside consumer receives, some of whose edges may be cut."""
        if not served.cut or question.consumer is None:
            return answers
        model = question.model
        prefix, suffix = f"{model}.", f" → {question.consumer}"
        lost = {
            name
            for name in answers.fields
            if name.startswith(prefix) and f"{name}{suffix}" in served.cut
        }
        if not lost:
            return answers
        contract = way.layout.steps[-1].contract  # that of the version which answered
        units = [question.units[row] for row in answers.rows.tolist()]
        instead = isolated_for(contract, units, self._last, self._loop.time())
        marks = np.full(len(units), "isolated", dtype=object)
        return replace(
            answers,
            fields={
                name: instead[name.removeprefix(prefix)] if name in lost else values
                for name, values in answers.fields.items()
            },
            stand_ins={**answers.stand_ins, model: marks},
        )

    # -- passes ----------------------------------------------------------------------------------

    def _begin(
        self,
        standing: Standing,
        is_mirror: bool,
        layout: Layout,
        features: Features,
        units: Sequence[str],
    ) -> Evaluation:
        now = self._loop.time()
        breakers = self._breakers
        return Evaluation(
            layout,
            features,
            units,
            judges=standing.judges,
            last=self._last,
            blocked={
                step.key
                for step in layout.steps
                if step.key in breakers and not breakers[step.key].lets_through(now)
            },
            now=now,
            is_mirror=is_mirror,
        )

    def _finished(self, evaluation: Evaluation) -> None:
        if self._is_over:
            return
        now = self._loop.time()
        for version, (rows, broken) in evaluation.tallies.items():
            breaker = self._breakers.get(version)
            if breaker is None:
                continue
            before = breaker.state
            opened = breaker.tell(rows, broken, now)
            if breaker.state is not before:
                self._observer.breaker_moved(version, breaker.state)
            if broken:
                self._hold_to_rules(version, breaker, evaluation.words.get(version, ""), opened)

    def _hold_to_rules(self, version: Version, breaker: Breaker, what: str, opened: bool) -> None:
        """Take a candidate's traffic away where it breaks a rule that needs no statistics."""
        broken, rows = breaker.opened_on if opened else breaker.recent
        limits = self._limits
        if not opened and (broken < limits.broken_fewest or broken < limits.broken_share * rows):
            return
        standing = self._standing
        assert standing is not None
        for pairing in standing.served.pairings:
            if pairing.halted is not None or not _is_candidate(pairing, version):
                continue
            rule = HardRule(
                rollout_id=pairing.rollout_id,
                model=version[0],
                version=version[1],
                code="breaker_open" if opened else "contract_broken",
                broken=broken,
                rows=rows,
                what=what,
                revision=standing.served.table.revision,
            )
            self.halt(pairing.rollout_id, f"{rule.code}: {version[0]}@{version[1]} {what}")
            self._observer.halted(rule)

    def _with_halt(self, pairing: Pairing) -> Pairing:
        why = self._halted.get((pairing.rollout_id, pairing.candidate.content_hash))
        return pairing if pairing.halted or why is None else replace(pairing, halted=why)


def _is_candidate(pairing: Pairing, version: Version) -> bool:
    """Whether a version answers for a pairing's candidate and not for its baseline."""
    model, number = version

    def has(release: Release) -> bool:
        member = release.members.get(model)
        return member is not None and member.version == number

    return has(pairing.candidate) and not has(pairing.baseline)
