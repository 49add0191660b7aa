"""Metrics as functions of per-block sums: the one shape every error estimate is made from.

A metric never sees more than its sums, so one partition and many give the same answer, a block
can be deleted without looking at a row again, and a slice is one more set of blocks.
"""

from sluiceway.statistics.metrics.additive import AdditiveMetric, DecisionTerm, Term
from sluiceway.statistics.metrics.metric import Metric, Rows
from sluiceway.statistics.metrics.naming import (
    METRIC_NAMES,
    METRICS,
    at_operating_threshold,
    metric_named,
    needs_threshold,
)
from sluiceway.statistics.metrics.ranking import RankMetric
from sluiceway.statistics.metrics.scorer import ScorerMetric, scorer_metric
from sluiceway.statistics.metrics.serving import of_a_field
from sluiceway.statistics.metrics.sums import (
    BlockSums,
    Codes,
    Domain,
    Floats,
    Ints,
    Mask,
    TwoWaySums,
    UnitKind,
)

__all__ = [
    "METRICS",
    "METRIC_NAMES",
    "AdditiveMetric",
    "BlockSums",
    "Codes",
    "DecisionTerm",
    "Domain",
    "Floats",
    "Ints",
    "Mask",
    "Metric",
    "RankMetric",
    "Rows",
    "ScorerMetric",
    "Term",
    "TwoWaySums",
    "UnitKind",
    "at_operating_threshold",
    "metric_named",
    "needs_threshold",
    "of_a_field",
    "scorer_metric",
]
