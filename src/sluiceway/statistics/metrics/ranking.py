"""Metrics of the order of all rows: their sums need a second pass with global ranks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sluiceway.statistics import ranks, weighted_ranks
from sluiceway.statistics.metrics.metric import Metric, Rows, of_classes
from sluiceway.statistics.metrics.sums import BlockSums, Codes, Domain, Floats, Mask, UnitKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RankMetric(Metric):
    """A function of sums that are counted once all rows are ranked together.

    Attributes:
        count: Rows, codes, number of blocks and weights, if any, to sums, ``float64[G, k]``.
        over_all: The metric from ``float64[G, k]``.
        without_each: The metric without each block, ``float64[G]``.
        inside_each: The metric in each block alone, ``float64[G]``.
        takes_weights: Whether rows may have weights.
    """

    count: Callable[[Rows, Codes, int, Floats | None], Floats]
    over_all: Callable[[Floats], float]
    without_each: Callable[[Floats], Floats]
    inside_each: Callable[[Floats], Floats]
    takes_weights: bool = False

    @property
    def additive(self) -> bool:
        """Never: a row's rank depends on all other rows."""
        return False

    @property
    def weighable(self) -> bool:
        """Whether rows may have weights: not where no definition is agreed, as of quantiles."""
        return self.takes_weights

    def _sums(self, rows: Rows, block: Codes, blocks: int, weight: Floats | None) -> Floats:
        return self.count(rows, block, blocks, weight)

    def value(self, sums: BlockSums) -> float:
        """The metric over all rows; NaN where it is undefined, such as with one class only."""
        return self.over_all(sums.sums)

    def leave_one_block_out(self, sums: BlockSums) -> Floats:
        """The metric with each block deleted, ``float64[G]``."""
        return self.without_each(sums.sums)

    def per_block(self, sums: BlockSums) -> Floats:
        """The metric inside each block, ``float64[G]``, NaN where it is undefined."""
        return self.inside_each(sums.sums)


_OneAgainstRest = Callable[[Mask, Floats, Codes, int, Floats | None], Floats]
"""Positive rows, scores, codes, number of blocks and weights to sums, ``float64[G, k]``."""


def _of_order(
    name: str,
    classes: int,
    one: _OneAgainstRest,
    *,
    over_all: Callable[[Floats], Floats],
    without_each: Callable[[Floats], Floats],
    inside_each: Callable[[Floats], Floats],
) -> RankMetric:
    """A metric of one class against the rest, or its mean over classes."""
    if classes == 2:
        return RankMetric(
            name=name,
            worse="lower",
            unit_kind=UnitKind.SHARE,
            label_domain=Domain.BINARY,
            answer_domain=Domain.FINITE,
            count=lambda rows, block, blocks, weight: one(
                rows.label == 1, rows.answer, block, blocks, weight
            ),
            over_all=lambda sums: float(over_all(sums.sum(axis=0))),
            without_each=without_each,
            inside_each=inside_each,
            takes_weights=True,
        )

    def count(rows: Rows, block: Codes, blocks: int, weight: Floats | None) -> Floats:
        sums = [
            one(rows.label == code, rows.answer[:, code], block, blocks, weight)
            for code in range(classes)
        ]
        return np.concatenate(sums, axis=1)

    def mean_of(of: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
        # NaN of any class is NaN of all: a mean over fewer classes is another metric.
        return lambda sums: np.mean([of(part) for part in np.split(sums, classes, axis=1)], axis=0)

    return RankMetric(
        name=name,
        worse="lower",
        unit_kind=UnitKind.SHARE,
        label_domain=Domain.CODE,
        answer_domain=Domain.UNIT,
        columns=classes,
        classes=classes,
        count=count,
        over_all=lambda sums: float(mean_of(lambda part: over_all(part.sum(axis=0)))(sums)),
        without_each=mean_of(without_each),
        inside_each=mean_of(inside_each),
        takes_weights=True,
    )


def _pairs(
    positive: Mask, score: Floats, block: Codes, blocks: int, weight: Floats | None
) -> Floats:
    if weight is None:
        return ranks.roc_auc_block_sums(positive, score, block, blocks)
    return weighted_ranks.roc_auc_block_sums(positive, score, block, blocks, weight)


def _precisions(
    positive: Mask, score: Floats, block: Codes, blocks: int, weight: Floats | None
) -> Floats:
    if weight is None:
        return ranks.average_precision_block_sums(positive, score, block, blocks)
    return weighted_ranks.average_precision_block_sums(positive, score, block, blocks, weight)


def roc_auc(classes: int = 2) -> RankMetric:
    """Probability that a positive row scores above a negative one, ties one half; a share.

    With `classes` labels are codes and answers probabilities ``float64[n, classes]``: the mean over
    classes of the AUC of the class's probability for the class against all others, as sklearn's
    ``roc_auc_score(multi_class="ovr", average="macro")``; NaN without rows of a class. With
    weights, a pair weighs the product of both.

    Sources: Hanley & McNeil (1982), "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", Radiology 143; of more classes Provost & Domingos (2000),
    "Well-trained PETs: improving probability estimation trees", there weighted by the classes'
    shares, here alike.
    """
    return _of_order(
        of_classes("roc_auc", classes),
        classes,
        _pairs,
        over_all=ranks.roc_auc,
        without_each=ranks.roc_auc_without_each,
        inside_each=ranks.roc_auc_inside_each,
    )


def average_precision(classes: int = 2) -> RankMetric:
    """Mean over positives of the precision at their score, without interpolation; a share.

    Ties come together. With `classes` labels are codes and answers probabilities ``float64[n,
    classes]``: the mean over classes of that of each class against all others; NaN without rows of
    a class. Source: Zhu (2004), "Recall, precision and average precision"; as sklearn's
    ``average_precision_score``, but undefined without negatives.
    """
    return _of_order(
        of_classes("average_precision", classes),
        classes,
        _precisions,
        over_all=ranks.average_precision,
        without_each=ranks.average_precision_without_each,
        inside_each=ranks.average_precision_inside_each,
    )
