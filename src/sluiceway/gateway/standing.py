"""One :class:`Served` with all that was worked out of it, and who still follows it."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

from sluiceway.gateway.lanes import Lane, Tell
from sluiceway.gateway.mirroring import Mirrors, Record
from sluiceway.gateway.paths import Paths
from sluiceway.gateway.watching import Limits
from sluiceway.serving.evaluating import Evaluation
from sluiceway.serving.inputs import Features, Reader
from sluiceway.serving.judging import Judge
from sluiceway.serving.layout import Layout, lay_out
from sluiceway.serving.refusals import Refused
from sluiceway.serving.served import Detour, Pairing, Served
from sluiceway.serving.unmet import Demands
from sluiceway.serving.values import ArmName, Withheld, WithheldBecause

Begin = Callable[["Standing", bool, Layout, Features, Sequence[str]], Evaluation]
"""Starts an evaluation for one who stands, with what is known of its versions by now; the second
says whether it is one of mirrors."""


class Standing:
    """What answers, laid out as questions come.

    Args:
        served: What answers.
        begin: Starts each pass through a layout.
        finish: Is told of each pass.
        record: Is given mirrored answers.
        limits: What is taken on at once.

    Attributes:
        questions: Questions that are under way.
    """

    def __init__(
        self, served: Served, *, begin: Begin, finish: Tell, record: Record, limits: Limits
    ) -> None:
        self.served = served
        self.questions = 0
        self.judges = {key: Judge(contract) for key, contract in served.contracts.items()}
        self._begin = begin
        self._finish = finish
        self._record = record
        self._limits = limits
        self._paths: dict[tuple[str, tuple[tuple[str, str], ...], frozenset[str]], Paths] = {}
        self._lanes: dict[int, Lane] = {}
        self._mirrors: dict[int, Mirrors] = {}
        self._drained = asyncio.Event()
        self._is_retired = False

    def paths(self, model: str, detour: Detour) -> Paths:
        """How a model's answers are made.

        Raises:
            Refused: The champion lacks a version that is needed.
        """
        key = (model, tuple(sorted(detour.versions.items())), detour.cut)
        known = self._paths.get(key)
        if known is None:
            known = self._paths[key] = self._laid_out(model, detour)
        return known

    def lane(self, layout: Layout) -> Lane:
        """Where the questions of a layout wait."""
        known = self._lanes.get(id(layout))
        if known is None:
            known = self._lanes[id(layout)] = Lane(
                layout,
                longest=self._limits.longest,
                begin=partial(self._begin, self, False),
                finish=self._finish,
            )
        return known

    def mirrors(self, paths: Paths, arm: ArmName) -> Mirrors:
        """Who has an arm answer what the other one has answered."""
        key = id(paths.layouts[arm])
        known = self._mirrors.get(key)
        if known is None:
            known = self._mirrors[key] = Mirrors(
                self.served,
                paths,
                arm,
                begin=partial(self._begin, self, True),
                finish=self._finish,
                record=self._record,
                limits=self._limits,
                drained=self._end_if_idle,
            )
        return known

    @property
    def mirroring(self) -> Collection[Mirrors]:
        """All who have an arm answer what the other one has answered."""
        return self._mirrors.values()

    def enter(self) -> None:
        """A question begins."""
        self.questions += 1

    def leave(self) -> None:
        """A question is over."""
        self.questions -= 1
        self._end_if_idle()

    def retire(self) -> None:
        """No further question follows it."""
        self._is_retired = True
        self._end_if_idle()

    @property
    def is_drained(self) -> bool:
        """Whether nobody follows it any more."""
        return self._drained.is_set()

    async def drained(self) -> None:
        """Wait until nobody follows it any more."""
        await self._drained.wait()

    def _end_if_idle(self) -> None:
        if not self._is_retired or self.questions or self.is_drained:
            return
        if not all(one.is_idle for one in self.mirroring):
            return
        for lane in self._lanes.values():
            lane.close()
        for mirrors in self._mirrors.values():
            mirrors.close()
        self._drained.set()

    def _laid_out(self, model: str, detour: Detour) -> Paths:
        served = self.served
        # A version that a flag pins and that is not loaded (yet) is no reason to answer nobody.
        there = {m: v for m, v in detour.versions.items() if (m, v) in served.backends}
        detour = replace(detour, versions=there)
        champion = lay_out(served, model, served.champion, detour)
        pairing = served.pairing_of(model)
        withheld = None
        if pairing is not None and (pinned := detour.versions.keys() & pairing.models):
            withheld = _pinned(pairing, min(pinned), detour)
            pairing = None  # what the flag pins is not what the rollout compares
        releases = {ArmName.BASELINE: served.champion}
        layouts = {ArmName.BASELINE: champion}
        if pairing is not None:
            arms = {ArmName.BASELINE: pairing.baseline, ArmName.CANDIDATE: pairing.candidate}
            try:
                layouts = {
                    arm: champion
                    if release.content_hash == served.champion.content_hash
                    else lay_out(served, model, release, detour)
                    for arm, release in arms.items()
                }
                releases = arms
            except Refused:
                pairing = None  # a version of it is not loaded; the champion answers
        reader = Reader(
            served.system,
            champion,
            [layout for layout in layouts.values() if layout is not champion],
            served.transformations,
        )
        other = next((arm for arm, one in layouts.items() if one is not champion), None)
        return Paths(
            reader=reader,
            pairing=pairing,
            layouts=layouts,
            releases=releases,
            champion=next(
                (arm for arm, one in layouts.items() if one is champion), ArmName.BASELINE
            ),
            demands=None if other is None else Demands(served.system, champion, layouts[other]),
            withheld=withheld,
        )


def _pinned(pairing: Pairing, model: str, detour: Detour) -> Withheld:
    version = detour.versions[model]
    return Withheld(
        rollout_id=pairing.rollout_id,
        because=WithheldBecause.FLAG,
        model=model,
        version=version,
        what=f"a flag pins {model}@{version}, a model that the rollout compares",
    )
