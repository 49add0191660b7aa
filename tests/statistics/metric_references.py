"""Every metric with rows that suit it and a computation of it that knows nothing of ours."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from sklearn import metrics as sk

from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.metrics import BlockSums, metric_named


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Rows of one arm; `reference` are the baseline's answers to them."""

    label: np.ndarray
    answer: np.ndarray
    reference: np.ndarray
    block: np.ndarray
    weight: np.ndarray | None = None

    def at(self, which: np.ndarray) -> "Sample":
        """Some of the rows."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{k: v[which] for k, v in columns.items() if v is not None})


def _mean(of: Callable[[Sample], np.ndarray]) -> Callable[[Sample], float]:
    return lambda s: float(np.average(of(s), weights=s.weight))


def _scored(function: Callable[..., float], cut: float | None = None, **options):
    """A function of sklearn.metrics over answers, or over decisions where they are cut."""

    def of(s: Sample) -> float:
        answer = s.answer if cut is None else (s.answer > cut).astype(float)
        weighted = {} if s.weight is None else {"sample_weight": s.weight}
        return float(function(s.label, answer, **options, **weighted))

    return of


def _flips(won: bool, cut: float | None = None):
    def of(s: Sample) -> np.ndarray:
        after, before = s.answer, s.reference
        if cut is not None:
            after, before = after > cut, before > cut
        right, was_right = after == s.label, before == s.label
        return right & ~was_right if won else was_right & ~right

    return _mean(of)


def _cost(miss: float, false_alarm: float, cut: float):
    def of(s: Sample) -> float:
        matrix = sk.confusion_matrix(
            s.label, s.answer > cut, labels=[0, 1], sample_weight=s.weight, normalize="all"
        )
        return float(miss * matrix[1, 0] + false_alarm * matrix[0, 1])

    return of


def _slope(s: Sample) -> float:
    weight = np.ones(len(s.label)) if s.weight is None else s.weight
    return abs(np.polyfit(s.answer, s.label, 1, w=np.sqrt(weight))[0] - 1)


def _decided(cut: float) -> dict[str, Callable[[Sample], float]]:
    undefined = {"zero_division": np.nan}
    return {
        "accuracy": _scored(sk.accuracy_score, cut),
        "balanced_accuracy": _scored(sk.balanced_accuracy_score, cut),
        "precision": _scored(sk.precision_score, cut, **undefined),
        "recall": _scored(sk.recall_score, cut, **undefined),
        "specificity": _scored(sk.recall_score, cut, pos_label=0, **undefined),
        "f1": _scored(sk.f1_score, cut, **undefined),
        "decision_flips": _mean(lambda s: (s.answer > cut) != (s.reference > cut)),
        "negative_flips": _flips(won=False, cut=cut),
        "positive_flips": _flips(won=True, cut=cut),
    }


def _with(parameters: str, found: dict[str, Callable[[Sample], float]]):
    return {f"{name}({parameters})": of for name, of in found.items()}


_ANSWER = _mean(lambda s: s.answer)
_MCC = _scored(sk.matthews_corrcoef, 0.5)
_BIAS = _mean(lambda s: s.answer - s.label)

# By the rows they are computed over.
REFERENCES: dict[str, dict[str, Callable[[Sample], float]]] = {
    "numbers": {
        "mae": _scored(sk.mean_absolute_error),
        "rmse": _scored(sk.root_mean_squared_error),
        "bias": lambda s: abs(_BIAS(s)),
        "quantile_loss(quantile=0.9)": _scored(sk.mean_pinball_loss, alpha=0.9),
        "quantile_loss(quantile=0.25)": _scored(sk.mean_pinball_loss, alpha=0.25),
        "r2": _scored(sk.r2_score),
        "disagreement": _mean(lambda s: s.answer != s.reference),
        "disagreement(tolerance=20)": _mean(lambda s: np.abs(s.answer - s.reference) > 20),
        "scorer(function=mean_squared_log_error, worse=higher)": _mean(
            lambda s: (np.log1p(s.label) - np.log1p(s.answer)) ** 2
        ),
        "scorer(function=max_error, worse=higher)": lambda s: float(
            np.abs(s.label - s.answer).max()
        ),
    },
    "outputs": {
        "mae": _scored(sk.mean_absolute_error),
        "rmse": _scored(sk.root_mean_squared_error),
        "bias": lambda s: float(
            np.abs(np.average(s.answer - s.label, axis=0, weights=s.weight)).mean()
        ),
        "quantile_loss(quantile=0.9)": _scored(sk.mean_pinball_loss, alpha=0.9),
        "r2": _scored(sk.r2_score),
        "scorer(function=explained_variance_score, worse=lower)": _scored(
            sk.explained_variance_score
        ),
    },
    "probabilities": {
        "brier": _scored(sk.brier_score_loss, pos_label=1),
        "log_loss": _scored(sk.log_loss, labels=[0, 1]),
        "calibration_in_the_large": lambda s: abs(_BIAS(s)),
        "calibration_slope": _slope,
        "roc_auc": _scored(sk.roc_auc_score),
        "average_precision": _scored(sk.average_precision_score),
        **_decided(0.5),
        **_with("threshold=0.3", _decided(0.3)),
        "expected_cost(miss=5, false_alarm=1)": _cost(5, 1, 0.5),
        "expected_cost(miss=1, false_alarm=0.25, threshold=0.3)": _cost(1, 0.25, 0.3),
        "scorer(function=matthews_corrcoef, worse=lower, threshold=0.5)": _MCC,
    },
    "codes": _with(
        "classes=4",
        {
            "accuracy": _scored(sk.accuracy_score),
            "balanced_accuracy": _scored(sk.balanced_accuracy_score),
            "precision": _scored(sk.precision_score, average="macro"),
            "recall": _scored(sk.recall_score, average="macro"),
            "f1": _scored(sk.f1_score, average="macro"),
            "decision_flips": _mean(lambda s: s.answer != s.reference),
            "negative_flips": _flips(won=False),
            "positive_flips": _flips(won=True),
        },
    ),
    "matrices": {
        "brier(classes=3)": _scored(
            sk.brier_score_loss, labels=[0.0, 1.0, 2.0], scale_by_half=False
        ),
        "log_loss(classes=3)": _scored(sk.log_loss, labels=[0, 1, 2]),
        "roc_auc(classes=3)": _scored(sk.roc_auc_score, multi_class="ovr", average="macro"),
        "average_precision(classes=3)": _scored(sk.average_precision_score, average="macro"),
    },
    "latencies": {"latency_mean": _ANSWER},
    "events": {"error_rate": _ANSWER, "fallback_rate": _ANSWER},
    "gaps": {"null_rate": _mean(lambda s: np.isnan(s.answer))},
}

CASES = [(rows, name) for rows, found in REFERENCES.items() for name in found]
# Without a block they are linearised, so they are compared elsewhere: `test_rank_metrics`.
LINEARISED = {"latency_p50", "latency_p95", "latency_p99"}
WEIGHABLE = [(rows, name) for rows, name in CASES if metric_named(name).weighable]


def sample_of(rows: str, seed: int, n: int = 400, blocks: int = 8) -> Sample:
    """Rows with ties, zeros and ones among them, in blocks named 0, 1, …."""
    draw = np.random.default_rng(seed)
    first, second = _ANSWERS[rows](draw, n), _ANSWERS[rows](draw, n)
    # A candidate that mostly answers as the baseline does.
    same = draw.random(n) < 0.6
    reference = np.where(same if first.ndim == 1 else same[:, None], first, second)
    return Sample(
        label=_label(rows, draw, first),
        answer=first,
        reference=reference,
        block=draw.integers(0, blocks, n),
    )


_ANSWERS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "numbers": lambda draw, n: draw.gamma(2, 20, n),
    "outputs": lambda draw, n: draw.normal(30, 40, (n, 3)),
    "probabilities": lambda draw, n: np.round(draw.random(n), 2),
    "codes": lambda draw, n: draw.integers(0, 4, n).astype(float),
    "matrices": lambda draw, n: draw.dirichlet([1, 2, 0.5], n),
    "latencies": lambda draw, n: draw.gamma(2, 8, n),
    "events": lambda draw, n: (draw.random(n) < 0.2).astype(float),
    "gaps": lambda draw, n: np.where(draw.random(n) < 0.2, np.nan, draw.random(n)),
}


def _label(rows: str, draw: np.random.Generator, answer: np.ndarray) -> np.ndarray:
    n = len(answer)
    if rows == "numbers":
        return answer * draw.gamma(4, 0.25, n)
    if rows == "outputs":
        return answer + draw.normal(1, 10, answer.shape)
    if rows == "probabilities":
        return (draw.random(n) < 0.1 + 0.6 * answer).astype(float)
    if rows == "codes":
        return np.where(draw.random(n) < 0.5, answer, draw.integers(0, 4, n)).astype(float)
    if rows == "matrices":
        return (draw.random((n, 1)) > answer.cumsum(axis=1)[:, :2]).sum(axis=1).astype(float)
    return np.full(n, np.nan)  # needs none


def weighted(sample: Sample, seed: int) -> Sample:
    """The rows with weights, a fifth of them 0."""
    weight = np.random.default_rng(seed).integers(0, 5, len(sample.block)) / 2
    return replace(sample, weight=weight)


def sums_of(name: str, sample: Sample, *, itself: bool = False) -> BlockSums:
    """Its sums, added at once; `itself` leaves out the baseline's answers, as for the baseline."""
    metric = metric_named(name)
    collected = MetricAccumulator(metric)
    other = sample.reference if metric.paired and not itself else None
    collected.add(sample.label, sample.answer, sample.block, reference=other, weight=sample.weight)
    return collected.finish()
