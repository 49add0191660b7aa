"""Metrics of the order of all rows: their sums need a second pass with global ranks."""

from collections.abc import Callable
from dataclasses import dataclass

from sluiceway.statistics import ranks
from sluiceway.statistics.metrics.metric import Metric, Rows
from sluiceway.statistics.metrics.sums import BlockSums, Codes, Domain, Floats, UnitKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RankMetric(Metric):
    """A function of sums that are counted once all rows are ranked together.

    Attributes:
        count: Rows, codes and number of blocks to sums, ``float64[G, k]``.
        over_all: The metric from ``float64[G, k]``.
        without_each: The metric without each block, ``float64[G]``.
        inside_each: The metric in each block alone, ``float64[G]``.
    """

    count: Callable[[Rows, Codes, int], Floats]
    over_all: Callable[[Floats], float]
    without_each: Callable[[Floats], Floats]
    inside_each: Callable[[Floats], Floats]

    @property
    def additive(self) -> bool:
        """Never: a row's rank depends on all other rows."""
        return False

    def _sums(self, rows: Rows, block: Codes, blocks: int, weight: Floats | None) -> Floats:
        del weight
        return self.count(rows, block, blocks)

    def value(self, sums: BlockSums) -> float:
        """The metric over all rows; NaN where it is undefined, such as with one class only."""
        return self.over_all(sums.sums)

    def leave_one_block_out(self, sums: BlockSums) -> Floats:
        """The metric with each block deleted, ``float64[G]``."""
        return self.without_each(sums.sums)

    def per_block(self, sums: BlockSums) -> Floats:
        """The metric inside each block, ``float64[G]``, NaN where it is undefined."""
        return self.inside_each(sums.sums)


def roc_auc() -> RankMetric:
    """Probability that a positive row scores above a negative one, ties one half.

    Source: Hanley & McNeil (1982), "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", Radiology 143.
    """
    return RankMetric(
        name="roc_auc",
        worse="lower",
        unit_kind=UnitKind.SHARE,
        label_domain=Domain.BINARY,
        answer_domain=Domain.FINITE,
        count=lambda rows, block, blocks: ranks.roc_auc_block_sums(
            rows.label == 1, rows.answer, block, blocks
        ),
        over_all=lambda sums: float(ranks.roc_auc(sums.sum(axis=0))),
        without_each=ranks.roc_auc_without_each,
        inside_each=ranks.roc_auc_inside_each,
    )


def average_precision() -> RankMetric:
    """Mean over positives of the precision at their score, without interpolation; ties together.

    Source: Zhu (2004), "Recall, precision and average precision"; as sklearn's
    ``average_precision_score``, but undefined without negatives.
    """
    return RankMetric(
        name="average_precision",
        worse="lower",
        unit_kind=UnitKind.SHARE,
        label_domain=Domain.BINARY,
        answer_domain=Domain.FINITE,
        count=lambda rows, block, blocks: ranks.average_precision_block_sums(
            rows.label == 1, rows.answer, block, blocks
        ),
        over_all=lambda sums: float(ranks.average_precision(sums.sum(axis=0))),
        without_each=ranks.average_precision_without_each,
        inside_each=ranks.average_precision_inside_each,
    )
