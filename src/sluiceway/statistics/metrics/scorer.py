"""Any sklearn-style scorer as a metric, by recomputing it without each block."""

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sluiceway.statistics.metrics.metric import Metric, Rows, written
from sluiceway.statistics.metrics.sums import BlockSums, Codes, Domain, Floats, UnitKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerMetric(Metric):
    """A function of labels and answers that nothing is known of.

    What it leaves behind for each block is its value without the block, inside it, and over all
    rows: 2 G + 1 calls, which is why metrics with sums of their own are to be preferred.

    Attributes:
        score: ``(label[n], answer[n]) -> float``, as in :mod:`sklearn.metrics`; labels and answers
            may have several columns, for functions that take them. Where it raises or gives no
            finite number, the metric is undefined.
        threshold: Where answers are cut into decisions first; None where scores are wanted.
    """

    score: Callable[..., float]
    threshold: float | None = None

    @property
    def additive(self) -> bool:
        """Never: nothing is known of its form."""
        return False

    @property
    def weighable(self) -> bool:
        """Whether the function takes weights of rows, as ``sample_weight``."""
        return _takes_weights(self.score)

    def _sums(self, rows: Rows, block: Codes, blocks: int, weight: Floats | None) -> Floats:
        answer = rows.answer
        if self.threshold is not None:
            answer = (answer > self.threshold).astype(np.float64)
        sums = np.empty((blocks, 3))
        sums[:, 2] = self._scored(rows.label, answer, weight)
        for code in range(blocks):
            inside = block == code
            for column, which in enumerate((~inside, inside)):
                theirs = None if weight is None else weight[which]
                sums[code, column] = self._scored(rows.label[which], answer[which], theirs)
        return sums

    def _scored(self, label: Floats, answer: Floats, weight: Floats | None) -> float:
        if not len(label):
            return float("nan")
        weights = {} if weight is None else {"sample_weight": weight}
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                found = float(self.score(label, answer, **weights))
        except Exception:  # noqa: BLE001 - a foreign function; it has no value here, and that counts
            return float("nan")
        return found if np.isfinite(found) else float("nan")

    def value(self, sums: BlockSums) -> float:
        """The score over all rows; NaN where it is undefined."""
        return float(sums.sums[0, 2]) if len(sums.blocks) and sums.rows.sum() else float("nan")

    def leave_one_block_out(self, sums: BlockSums) -> Floats:
        """The score with each block deleted, ``float64[G]``."""
        return sums.sums[:, 0]

    def per_block(self, sums: BlockSums) -> Floats:
        """The score inside each block, ``float64[G]``."""
        return sums.sums[:, 1]


def _takes_weights(score: Callable[..., float]) -> bool:
    try:
        return "sample_weight" in inspect.signature(score).parameters
    except ValueError:  # Some functions of compiled modules do not tell.
        return False


def scorer_metric(
    name: str,
    score: Callable[..., float],
    *,
    worse: Literal["higher", "lower"],
    threshold: float | None = None,
    unit_kind: UnitKind = UnitKind.PURE,
) -> ScorerMetric:
    """Make a metric of any function that sklearn would take for one."""
    return ScorerMetric(
        name=name,
        worse=worse,
        unit_kind=unit_kind,
        label_domain=Domain.FINITE,
        answer_domain=Domain.FINITE,
        outputs=True,
        score=score,
        threshold=threshold,
    )


def scorer(function: str, worse: str, threshold: float | None = None) -> ScorerMetric:
    """A function of :mod:`sklearn.metrics`, by its name.

    Raises:
        ValueError: There is no such function, or `worse` is neither ``higher`` nor ``lower``.
    """
    import sklearn.metrics

    found = getattr(sklearn.metrics, function, None)
    if function.startswith("_") or not callable(found):
        raise ValueError(f"sklearn.metrics has no {function}")
    if worse not in ("higher", "lower"):
        raise ValueError(f"worse={worse} must be higher or lower")
    if threshold is not None and not np.isfinite(threshold):
        raise ValueError(f"threshold {threshold} must be finite")
    given = f"function={function}, worse={worse}"
    given += "" if threshold is None else f", threshold={written(threshold)}"
    return scorer_metric(
        f"scorer({given})",
        found,
        worse="higher" if worse == "higher" else "lower",
        threshold=threshold,
    )
