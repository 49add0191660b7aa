"""One :class:`Served` with all that was worked out of it, and who still follows it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from sluiceway.gateway.lanes import Finish, Lane
from sluiceway.releases import Release
from sluiceway.serving.evaluating import Evaluation
from sluiceway.serving.inputs import Features, Reader
from sluiceway.serving.judging import Judge
from sluiceway.serving.layout import Layout, lay_out
from sluiceway.serving.refusals import Refused
from sluiceway.serving.served import Detour, Pairing, Served
from sluiceway.serving.unmet import Demands, Unmet
from sluiceway.serving.values import ArmName, Withheld, WithheldBecause

_MIRROR_LINGER: Final = 0.25
"""Seconds for which mirrored rows wait for company."""


Begin = Callable[["Standing", bool, Layout, Features, Sequence[str]], Evaluation]
"""Starts an evaluation for one who stands, with what is known of its versions by now; the second
says whether it is one of mirrors."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paths:
    """How one model's answers are made, on one detour.

    Attributes:
        reader: Reads the questions.
        pairing: Who shares the rows out; None where the champion alone answers.
        layouts: By arm of the pairing; without one the champion is the baseline.
        releases: By arm, likewise.
        champion: The arm whose release is the champion's.
        demands: What the other arm demands beyond the champion; without one there is none.
        withheld: Why no row is evidence for the rollout that compares these models; None where
            rows are, or there is no such rollout.
    """

    reader: Reader
    pairing: Pairing | None
    layouts: Mapping[ArmName, Layout]
    releases: Mapping[ArmName, Release]
    champion: ArmName = ArmName.BASELINE
    demands: Demands | None = None
    withheld: Withheld | None = None

    def unmet_by(self, features: Features, rows: int) -> Unmet | None:
        """Rows that the arm which is not the champion cannot be asked about, wherever they go."""
        if self.demands is None or self.pairing is None or self.pairing.halted is not None:
            return None
        return self.demands.unmet_by(features, rows)

    def withheld_for(self, unmet: Unmet) -> Withheld:
        """What becomes of such rows: the rollout learns nothing of them."""
        assert self.pairing is not None
        return Withheld(
            rollout_id=self.pairing.rollout_id,
            because=WithheldBecause.UNMET_DEMAND,
            model=unmet.model,
            version=unmet.version,
            what=unmet.what,
        )


class Standing:
    """What answers, laid out as questions come.

    Args:
        served: What answers.
        begin: Starts each pass through a layout.
        finish: Is told of each pass.

    Attributes:
        questions: Questions that are under way.
        mirroring: Parts of questions that the other arm is still to answer.
    """

    def __init__(self, served: Served, *, begin: Begin, finish: Finish) -> None:
        self.served = served
        self.questions = 0
        self.judges = {key: Judge(contract) for key, contract in served.contracts.items()}
        self._begin = begin
        self._finish = finish
        self.mirroring = 0
        self._paths: dict[tuple[str, tuple[tuple[str, str], ...], frozenset[str]], Paths] = {}
        self._lanes: dict[tuple[int, bool], Lane] = {}
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

    def lane(self, layout: Layout, *, mirrors: bool = False) -> Lane:
        """Where the questions of a layout wait; mirrors have a lane of their own."""
        key = (id(layout), mirrors)
        known = self._lanes.get(key)
        if known is None:
            known = self._lanes[key] = Lane(
                layout,
                begin=partial(self._begin, self, mirrors),
                finish=self._finish,
                linger=_MIRROR_LINGER if mirrors else 0.0,
            )
        return known

    def enter(self) -> None:
        """A question begins."""
        self.questions += 1

    def leave(self) -> None:
        """A question is over."""
        self.questions -= 1
        self._end_if_idle()

    def mirrors(self) -> None:
        """Rows begin to be mirrored."""
        self.mirroring += 1

    def mirrored(self) -> None:
        """Rows have been mirrored."""
        self.mirroring -= 1
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
        if not self._is_retired or self.questions or self.mirroring or self._drained.is_set():
            return
        for lane in self._lanes.values():
            lane.close()
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
