"""Recorded traffic answered again: partitions, arms, and the sums that gates are judged by."""

from sluiceway.replay.evaluate import Answers, Arm, Evaluator
from sluiceway.replay.faults import (
    AnswerFault,
    AnswerFaultCode,
    FaultyAnswers,
    HistoryFault,
    HistoryFaultCode,
    UnusableHistory,
)
from sluiceway.replay.measure import Measurement, measure, measure_all
from sluiceway.replay.partitions import Needs, Partition, needs_of_models

__all__ = [
    "AnswerFault",
    "AnswerFaultCode",
    "Answers",
    "Arm",
    "Evaluator",
    "FaultyAnswers",
    "HistoryFault",
    "HistoryFaultCode",
    "Measurement",
    "Needs",
    "Partition",
    "UnusableHistory",
    "measure",
    "measure_all",
    "needs_of_models",
]
