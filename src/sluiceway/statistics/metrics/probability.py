"""How good probabilities are."""

import numpy as np

from sluiceway.statistics.metrics.additive import AdditiveMetric, Term
from sluiceway.statistics.metrics.metric import Rows, of_classes
from sluiceway.statistics.metrics.regression import ERROR, SQUARED_ERROR
from sluiceway.statistics.metrics.sums import Domain, Floats, UnitKind

# sklearn clips probabilities at the same place, so that one sure error is not infinite.
_EPSILON = float(np.finfo(np.float64).eps)


def _surprise(probability: Floats) -> Floats:
    clipped = np.clip(probability, _EPSILON, 1 - _EPSILON)
    return np.negative(np.log(clipped, out=clipped), out=clipped)


def _binary_surprise(rows: Rows) -> Floats:
    # The answer where the label is 1, one less the answer where it is 0.
    return _surprise(np.abs(rows.answer - (1 - rows.label)))


def _of_class(rows: Rows) -> Floats:
    """The probability given to the true class."""
    return np.asarray(rows.answer[np.arange(len(rows.label)), rows.label.astype(np.intp)])


def _probability(name: str, kind: UnitKind, *terms: Term, **more: object) -> AdditiveMetric:
    shape: dict[str, object] = {
        "worse": "higher",
        "unit_kind": kind,
        "label_domain": Domain.BINARY,
        "answer_domain": Domain.UNIT,
        **more,
    }
    return AdditiveMetric(name=name, terms=terms, **shape)  # type: ignore[arg-type]


def brier(classes: int = 2) -> AdditiveMetric:
    """Mean of (probability - outcome)², 0 to 1; of more classes their sum, 0 to 2.

    Source: Brier (1950), "Verification of forecasts expressed in terms of probability", Monthly
    Weather Review 78. With `classes` labels are codes and answers ``float64[n, classes]``.
    """
    name = of_classes("brier", classes)
    if classes == 2:
        return _probability(name, UnitKind.SQUARED_SHARE, SQUARED_ERROR, row_range=(0.0, 1.0))
    score = Term(name, lambda r: (r.answer**2).sum(axis=1) - 2 * _of_class(r) + 1)
    return _probability(
        name,
        UnitKind.SQUARED_SHARE,
        score,
        row_range=(0.0, 2.0),
        label_domain=Domain.CODE,
        columns=classes,
        classes=classes,
    )


def log_loss(classes: int = 2) -> AdditiveMetric:
    """Mean of -log of the probability given to what happened, clipped at 2.2e-16, in nats."""
    name = of_classes("log_loss", classes)
    if classes == 2:
        return _probability(name, UnitKind.NATS, Term("surprise", _binary_surprise))
    return _probability(
        name,
        UnitKind.NATS,
        Term(name, lambda r: _surprise(_of_class(r))),
        label_domain=Domain.CODE,
        columns=classes,
        classes=classes,
    )


def calibration_in_the_large() -> AdditiveMetric:
    """|mean probability - share that happened|, 0 to 1.

    Source: Van Calster et al. (2019), "Calibration: the Achilles heel of predictive analytics",
    BMC Medicine 17 (mean calibration).
    """
    size = lambda means: np.asarray(np.abs(means[..., 0]))  # noqa: E731 - a formula, not a function
    return _probability("calibration_in_the_large", UnitKind.SHARE, ERROR, of_means=size)


def calibration_slope() -> AdditiveMetric:
    """|slope - 1| of the least-squares line of outcome on probability; a pure number.

    A calibrated forecast has E[outcome | p] = p, a line of slope 1; overconfident ones have a
    smaller slope. The linear slope cov(p, y)/var(p) is a function of sums; the logistic slope of
    Cox (1958) is 1 in the same case but needs an iteration for every block left out. Source: Murphy
    & Winkler (1987), "A general framework for forecast verification", Monthly Weather Review 115
    (calibration–refinement). NaN where all probabilities are the same.
    """
    return _probability(
        "calibration_slope",
        UnitKind.PURE,
        Term("answer · label", lambda r: r.answer * r.label),
        Term("answer", lambda r: r.answer),
        Term("label", lambda r: r.label),
        Term("squared answer", lambda r: r.answer**2),
        of_means=_distance_from_one,
    )


def _distance_from_one(means: Floats) -> Floats:
    both, answer, label, square = np.moveaxis(means, -1, 0)
    spread = square - answer**2
    spread = np.where(spread > 1e-12 * square, spread, np.nan)
    return np.asarray(np.abs((both - answer * label) / spread - 1))
