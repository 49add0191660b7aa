"""What one arm answered, as somebody receives it or as it is written down."""

import numpy as np
from numpy.typing import NDArray

from sluiceway.gateway.paths import Way
from sluiceway.serving.evaluating import Evaluation
from sluiceway.serving.served import Served
from sluiceway.serving.values import CHAMPION, ArmAnswers, Path


def arm_answers(
    served: Served,
    way: Way,
    evaluation: Evaluation,
    rows: slice,
    path: Path,
    paired: NDArray[np.bool_],
) -> ArmAnswers:
    """The answers to a way's rows, which are some rows of a pass."""
    pairing = way.paths.pairing
    whole = rows.stop - rows.start == len(evaluation.units)
    stand_ins = {}
    for name, reasons in evaluation.stand_ins.items():
        part = reasons if whole else reasons[rows]
        if part.any():
            stand_ins[name] = part
    return ArmAnswers(
        rollout_id=pairing.rollout_id if pairing is not None and way.is_evidence else CHAMPION,
        arm=way.arm,
        path=path,
        release=way.layout.release,
        generation=served.table.generation,
        revision=served.table.revision,
        weight=pairing.weight if pairing is not None and pairing.halted is None else 0,
        rows=way.rows,
        paired=paired,
        fields=evaluation.fields
        if whole
        else {name: values[rows] for name, values in evaluation.fields.items()},
        stand_ins=stand_ins,
        seconds=evaluation.seconds,
        together=len(evaluation.units),
        withheld=way.withheld,
    )
