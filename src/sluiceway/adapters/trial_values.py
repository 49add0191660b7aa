"""What comes of asking a model once."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

Answers = np.ndarray[Any, np.dtype[Any]]


class TrialCode(StrEnum):
    """How a version failed to answer."""

    NOT_THERE = "not_there"
    """There is no module, or no function in it, of the name that a person typed."""
    FILES_CHANGED = "files_changed"
    CANNOT_LOAD = "cannot_load"
    LOAD_DEADLINE_EXCEEDED = "load_deadline_exceeded"
    RAISED = "raised"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    CRASHED = "crashed"
    WRONG_ROWS = "wrong_rows"
    NO_ARRAY = "no_array"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFault:
    """Why there is no answer, with a sentence for people."""

    code: TrialCode
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of asking a version once.

    Attributes:
        answers: Shape (rows,) or (rows, columns); None where there is a fault.
        seconds: Wall time of predict, or how long it was waited for; None where it never began.
        load_seconds: From starting the process to the loaded model; None where it never was.
        fault: None where there is an answer.
    """

    answers: Answers | None
    seconds: float | None
    load_seconds: float | None
    fault: TrialFault | None


def shape_fault(name: str, answers: Answers, *, rows: int) -> TrialFault | None:
    """What is wrong with the shape of an answer of the version `name`; None where nothing is."""
    if answers.ndim in (1, 2) and len(answers) == rows:
        return None
    said = (
        f"{name} answers {rows:,} rows with an array of shape {answers.shape}, "
        f"promised ({rows},) or ({rows}, columns)"
    )
    return TrialFault(code=TrialCode.WRONG_ROWS, sentence=said)
