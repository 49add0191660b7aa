"""Metrics of the order of all rows: their sums need a second pass with global ranks."""

from dataclasses import dataclass

from sluiceway.statistics import ranks
from sluiceway.statistics.metrics.metric import Metric, Rows
from sluiceway.statistics.metrics.sums import BlockSums, Codes, Domain, Floats, Mask, UnitKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RocAuc(Metric):
    """Probability that a positive row scores above a negative one, ties one half."""

    @property
    def additive(self) -> bool:
        """Never: a row's rank depends on all other rows."""
        return False

    def _sums(self, rows: Rows, block: Codes, blocks: int, weight: Floats | None) -> Floats:
        del weight
        return ranks.roc_auc_block_sums(rows.label == 1, rows.answer, block, blocks)

    def value(self, sums: BlockSums) -> float:
        """The AUC over all rows; NaN with one class only."""
        return float(ranks.roc_auc(sums.sums.sum(axis=0)))

    def leave_one_block_out(self, sums: BlockSums) -> Floats:
        """The AUC with each block deleted, ``float64[G]``."""
        return ranks.roc_auc_without_each(sums.sums)

    def per_block(self, sums: BlockSums) -> Floats:
        """The AUC inside each block, ``float64[G]``, NaN with one class only."""
        return ranks.roc_auc_inside_each(sums.sums)

    def defined(self, sums: BlockSums) -> Mask:
        """Blocks with both classes."""
        return (sums.sums[:, 3] > 0) & (sums.sums[:, 4] > 0)


def roc_auc() -> RocAuc:
    """Area under the ROC curve. Source: Hanley & McNeil (1982), Radiology 143."""
    return RocAuc(
        name="roc_auc",
        worse="lower",
        unit_kind=UnitKind.SHARE,
        label_domain=Domain.BINARY,
        answer_domain=Domain.FINITE,
    )
