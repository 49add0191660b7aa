"""How far numbers are from the truth.

Labels and answers of several outputs, ``float64[n, outputs]``, give the mean over outputs of the
metric of each, as sklearn's ``uniform_average`` does: nothing of one output makes up for another.
"""

import numpy as np

from sluiceway.statistics.metrics.additive import AdditiveMetric, Term
from sluiceway.statistics.metrics.metric import written
from sluiceway.statistics.metrics.sums import Domain, Floats, UnitKind

ERROR = Term("error", lambda rows: rows.answer - rows.label)
SQUARED_ERROR = Term("squared error", lambda rows: (rows.answer - rows.label) ** 2)


def _root(means: Floats) -> Floats:
    return np.asarray(np.sqrt(means[..., 0]))


def _size(means: Floats) -> Floats:
    return np.asarray(np.abs(means[..., 0]))


def _explained(means: Floats) -> Floats:
    error, square, label = means[..., 0], means[..., 1], means[..., 2]
    spread = square - label**2
    # What is left after cancellation is no spread.
    spread = np.where(spread > 1e-12 * square, spread, np.nan)
    return 1 - error / spread


def _regression(name: str, *terms: Term, **more: object) -> AdditiveMetric:
    shape: dict[str, object] = {
        "worse": "higher",
        "unit_kind": UnitKind.LABEL,
        "label_domain": Domain.FINITE,
        "answer_domain": Domain.FINITE,
        "outputs": True,
        **more,
    }
    return AdditiveMetric(name=name, terms=terms, **shape)  # type: ignore[arg-type]


def mae() -> AdditiveMetric:
    """Mean of |answer - label|, in the label's unit."""
    return _regression("mae", Term("absolute error", lambda r: np.abs(r.answer - r.label)))


def rmse() -> AdditiveMetric:
    """Root of the mean of (answer - label)², in the label's unit."""
    return _regression("rmse", SQUARED_ERROR, of_means=_root)


def bias() -> AdditiveMetric:
    """|mean of (answer - label)|: over- and under-answering are equally bad. Label's unit."""
    return _regression("bias", ERROR, of_means=_size)


def quantile_loss(quantile: float) -> AdditiveMetric:
    """Mean of max(q (label - answer), (q - 1)(label - answer)), in the label's unit.

    Source: Koenker & Bassett (1978), "Regression quantiles", Econometrica 46.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"quantile {written(quantile)} must lie between 0 and 1")
    name = f"quantile_loss(quantile={written(quantile)})"
    loss = Term(
        name,
        lambda r: np.maximum(
            quantile * (r.label - r.answer), (quantile - 1) * (r.label - r.answer)
        ),
    )
    return _regression(name, loss)


def r2() -> AdditiveMetric:
    """1 - mean (answer - label)² / variance of the label; a pure number, NaN without variance.

    NaN too where one of several outputs has none: sklearn gives that output 0 or 1. Computed from
    mean squares, which is exact to about 1e-12 of the labels' mean square.
    """
    return _regression(
        "r2",
        SQUARED_ERROR,
        Term("squared label", lambda r: r.label**2),
        Term("label", lambda r: r.label),
        of_means=_explained,
        worse="lower",
        unit_kind=UnitKind.PURE,
    )
