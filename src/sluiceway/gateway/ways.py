"""Which way each row of a question goes: through which arm, on which detour."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sluiceway.gateway.standing import Paths, Standing
from sluiceway.serving.inputs import Features
from sluiceway.serving.layout import NO_DETOUR, Layout
from sluiceway.serving.refusals import RefusalCode, Refused
from sluiceway.serving.served import Detour
from sluiceway.serving.sharing import Share, shares_of
from sluiceway.serving.values import ArmName, Question, Withheld


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Way:
    """Rows of a question on their way through one arm.

    Attributes:
        rows: Which rows of the question, ``intp``, ascending.
        mirrored: Whether the other arm is to answer each of them too.
        features: Their features, and those only.
        units: Their units.
        is_evidence: Whether their answers tell anything about a rollout.
        withheld: Why they are none, where a rollout has a say in them and nobody chose the arm.
    """

    paths: Paths
    arm: ArmName
    rows: NDArray[np.intp]
    mirrored: NDArray[np.bool_]
    features: Features
    units: Sequence[str]
    is_evidence: bool
    withheld: Withheld | None = None

    @property
    def layout(self) -> Layout:
        """What is asked for them."""
        return self.paths.layouts[self.arm]


def ways_of(standing: Standing, question: Question) -> list[Way]:
    """Share the rows of a question out: each goes one way.

    Raises:
        Refused: The rows are not what they have to be, or nobody can answer them.
    """
    served = standing.served
    if question.version is not None:
        return [_pinned(standing, question, question.version)]
    if served.detours is None:
        return _shared(standing, question, NO_DETOUR, None)
    ways: list[Way] = []
    left = np.ones(question.rows, dtype=bool)
    for rows, detour in served.detours(question):
        left[rows] = False
        ways += _shared(standing, question, detour, rows)
    if left.any():
        ways += _shared(standing, question, NO_DETOUR, None if left.all() else np.flatnonzero(left))
    return ways


def _shared(
    standing: Standing, question: Question, detour: Detour, rows: NDArray[np.intp] | None
) -> list[Way]:
    """The ways of some rows, or of all, on one detour."""
    if rows is not None:
        question = _part_of(question, rows)
    paths = standing.paths(question.model, detour)
    _hold_batch(paths, question.rows)
    features = paths.reader.read(question)
    whole = np.arange(question.rows) if rows is None else rows
    way = Way(
        paths=paths,
        arm=ArmName.BASELINE,
        rows=whole,
        mirrored=np.zeros(question.rows, dtype=bool),
        features=features,
        units=question.units,
        is_evidence=paths.pairing is not None and question.forced is None,
        withheld=paths.withheld,
    )
    unmet = paths.unmet_by(features, question.rows)
    if unmet is None:
        return _by_share(way, question.forced)
    if question.forced is not None:
        if question.forced is not paths.champion:
            raise Refused(RefusalCode.OUT_OF_CONTRACT, unmet.what, faults=unmet.faults)
        return _by_share(way, question.forced)
    kept = paths.withheld_for(unmet)
    lacking = replace(way, arm=paths.champion, is_evidence=False, withheld=kept)
    met = np.flatnonzero(~unmet.rows)
    ways = [rows_of(lacking, np.flatnonzero(unmet.rows))]
    return ways if not len(met) else ways + _by_share(rows_of(way, met), None)


def _by_share(way: Way, forced: ArmName | None) -> list[Way]:
    """A way's rows, each on the arm that is to answer it."""
    pairing = way.paths.pairing
    if pairing is None:
        return [way]
    shares: tuple[Share, ...] = shares_of(pairing, way.units, forced=forced)
    if len(shares) == 1:
        return [replace(way, arm=shares[0].arm, mirrored=shares[0].mirrored)]
    return [
        replace(rows_of(way, share.rows), arm=share.arm, mirrored=share.mirrored)
        for share in shares
    ]


def _pinned(standing: Standing, question: Question, version: str) -> Way:
    """The way through whichever release holds one version; such answers are no evidence."""
    paths = standing.paths(question.model, NO_DETOUR)
    _hold_batch(paths, question.rows)
    for arm, release in paths.releases.items():
        member = release.members.get(question.model)
        if member is None or member.version != version:
            continue
        halted = paths.pairing is not None and paths.pairing.halted is not None
        if arm is ArmName.CANDIDATE and halted:
            continue
        features = paths.reader.read(question)
        unmet = None if arm is paths.champion else paths.unmet_by(features, question.rows)
        if unmet is not None:
            raise Refused(RefusalCode.OUT_OF_CONTRACT, unmet.what, faults=unmet.faults)
        return Way(
            paths=paths,
            arm=arm,
            rows=np.arange(question.rows),
            mirrored=np.zeros(question.rows, dtype=bool),
            features=features,
            units=question.units,
            is_evidence=False,
        )
    serving = {r.members[question.model].version for r in paths.releases.values()}
    what = f"{question.model}@{version} does not serve; there is: {', '.join(sorted(serving))}"
    raise Refused(RefusalCode.UNKNOWN_VERSION, what)


def rows_of(way: Way, kept: NDArray[np.intp]) -> Way:
    """A part of a way's rows, by their places in it (``intp``, ascending)."""
    if len(kept) == len(way.rows):
        return way
    return replace(
        way,
        rows=way.rows[kept],
        mirrored=way.mirrored[kept],
        features={key: values[kept] for key, values in way.features.items()},
        units=[way.units[place] for place in kept.tolist()],
    )


def _part_of(question: Question, rows: NDArray[np.intp]) -> Question:
    times = question.event_time
    return replace(
        question,
        columns={name: values[rows] for name, values in question.columns.items()},
        units=tuple(question.units[row] for row in rows.tolist()),
        event_time=None if times is None else times[rows],
    )


def _hold_batch(paths: Paths, rows: int) -> None:
    for layout in paths.layouts.values():
        for step in layout.steps:
            most = step.contract.max_batch
            if most is not None and rows > most:
                what = f"{rows} rows at once; {step.model} promises answers to at most {most}"
                raise Refused(RefusalCode.TOO_LARGE, what)
