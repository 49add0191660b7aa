"""Which way each row of a question goes: through which arm, on which detour."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sluiceway.gateway.paths import Paths, Way, rows_of
from sluiceway.gateway.standing import Standing
from sluiceway.serving.layout import NO_DETOUR
from sluiceway.serving.refusals import RefusalCode, Refused
from sluiceway.serving.served import Detour
from sluiceway.serving.sharing import Share, shares_of
from sluiceway.serving.values import ArmName, Question


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
