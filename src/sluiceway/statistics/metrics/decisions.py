"""How good the decisions are that follow from a score: "act where the answer is above a threshold".

With `classes` labels and answers are codes of classes, and the decision is the code itself.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from sluiceway.statistics.metrics.additive import AdditiveMetric, DecisionTerm, Term, mean
from sluiceway.statistics.metrics.metric import Rows, written
from sluiceway.statistics.metrics.sums import Domain, Floats, UnitKind

THRESHOLD = 0.5


def _table(number: Callable[[int, int, int], float], threshold: float, name: str) -> DecisionTerm:
    rows = tuple(
        tuple(
            tuple(float(number(label, decided, before)) for before in (0, 1)) for decided in (0, 1)
        )
        for label in (0, 1)
    )
    return DecisionTerm(f"{name} at {threshold!r}", threshold, rows)  # type: ignore[arg-type]


def _parametrised(name: str, threshold: float, classes: int = 2, **more: float) -> str:
    if not np.isfinite(threshold):
        raise ValueError(f"threshold {threshold} must be finite")
    if classes < 2:
        raise ValueError(f"classes {classes} must be at least 2")
    if classes != 2 and threshold != THRESHOLD:
        raise ValueError("classes decide by themselves: there is no threshold with them")
    given = [f"{key}={written(value)}" for key, value in more.items()]
    given += [f"threshold={written(threshold)}"] if threshold != THRESHOLD else []
    given += [f"classes={classes}"] if classes != 2 else []
    return f"{name}({', '.join(given)})" if given else name


def _decision(
    name: str,
    *terms: Term | DecisionTerm,
    worse: Literal["higher", "lower"] = "lower",
    kind: UnitKind = UnitKind.SHARE,
    of_means: Callable[[Floats], Floats] = mean,
    row_range: tuple[float, float] | None = (0.0, 1.0),
    classes: int = 2,
    needs_label: bool = True,
    paired: bool = False,
) -> AdditiveMetric:
    return AdditiveMetric(
        name=name,
        worse=worse,
        unit_kind=kind,
        label_domain=Domain.CODE if classes > 2 else Domain.BINARY,
        answer_domain=Domain.CODE if classes > 2 else _scores(terms),
        classes=classes if classes > 2 else None,
        terms=terms,
        of_means=of_means,
        row_range=row_range if of_means is mean else None,
        needs_label=needs_label,
        paired=paired,
    )


def _scores(terms: Sequence[Term | DecisionTerm]) -> Domain:
    """Probabilities where the threshold is one; where it may lie anywhere, a score may too."""
    cut = [term.threshold for term in terms if isinstance(term, DecisionTerm)]
    return Domain.UNIT if cut and 0 < cut[0] < 1 else Domain.FINITE


def _indicator(name: str, of: Callable[[Rows], np.ndarray]) -> Term:
    return Term(name, lambda rows: of(rows).astype(np.float64))


def _ratio(over: int, under: int) -> Callable[[Floats], Floats]:
    def of_means(means: Floats) -> Floats:
        below = means[..., under]
        return np.asarray(means[..., over] / np.where(below > 0, below, np.nan))

    return of_means


_TRUE_POSITIVE = ("true positive", lambda y, d, _b: y and d)
_FALSE_POSITIVE = ("false positive", lambda y, d, _b: not y and d)
_TRUE_NEGATIVE = ("true negative", lambda y, d, _b: not y and not d)
_POSITIVE = ("positive", lambda y, _d, _b: y)
_NEGATIVE = ("negative", lambda y, _d, _b: not y)
_DECIDED = ("decided", lambda _y, d, _b: d)


def _terms(
    threshold: float, *wanted: tuple[str, Callable[[int, int, int], float]]
) -> list[DecisionTerm]:
    return [_table(number, threshold, name) for name, number in wanted]


def accuracy(threshold: float = THRESHOLD, classes: int = 2) -> AdditiveMetric:
    """Share of rows whose decision is the label."""
    name = _parametrised("accuracy", threshold, classes)
    if classes == 2:
        right = _table(lambda y, d, _: y == d, threshold, "right")
        return _decision(name, right)
    return _decision(name, _indicator("same class", lambda r: r.answer == r.label), classes=classes)


def balanced_accuracy(threshold: float = THRESHOLD, classes: int = 2) -> AdditiveMetric:
    """Mean over classes of the share of the class's rows decided rightly; NaN without a class.

    Source: Brodersen et al. (2010), "The balanced accuracy and its posterior distribution".
    """
    name = _parametrised("balanced_accuracy", threshold, classes)
    if classes == 2:
        terms = _terms(threshold, _TRUE_POSITIVE, _POSITIVE, _TRUE_NEGATIVE, _NEGATIVE)
        return _decision(name, *terms, of_means=_mean_of_ratios)

    return _over_classes(name, classes, _RIGHT, _LABELLED)


_Of = tuple[str, Callable[[Rows, int], np.ndarray]]
_RIGHT: _Of = ("right", lambda r, code: (r.label == code) & (r.answer == code))
_LABELLED: _Of = ("class", lambda r, code: r.label == code)
_ANSWERED: _Of = ("answered", lambda r, code: r.answer == code)
_EITHER: _Of = ("either", lambda r, code: (r.label == code) * 0.5 + (r.answer == code) * 0.5)


def _over_classes(name: str, classes: int, over: _Of, under: _Of) -> AdditiveMetric:
    """The mean over classes of one share of rows by another."""

    def term(of: _Of, code: int) -> Term:
        return _indicator(f"{of[0]} {code}", lambda rows: of[1](rows, code))

    terms = [term(of, code) for code in range(classes) for of in (over, under)]
    return _decision(name, *terms, of_means=_mean_of_ratios, classes=classes)


def _mean_of_ratios(means: Floats) -> Floats:
    over, under = means[..., 0::2], means[..., 1::2]
    return np.asarray((over / np.where(under > 0, under, np.nan)).mean(axis=-1))


def precision(threshold: float = THRESHOLD, classes: int = 2) -> AdditiveMetric:
    """Share of positive decisions that were right; NaN without one.

    With `classes` their mean over classes ("macro"); NaN where a class was never decided for.
    """
    name = _parametrised("precision", threshold, classes)
    if classes > 2:
        return _over_classes(name, classes, _RIGHT, _ANSWERED)
    return _decision(name, *_terms(threshold, _TRUE_POSITIVE, _DECIDED), of_means=_ratio(0, 1))


def recall(threshold: float = THRESHOLD, classes: int = 2) -> AdditiveMetric:
    """Share of positives that were decided so; NaN without one.

    With `classes` their mean over classes ("macro"), which is the balanced accuracy.
    """
    name = _parametrised("recall", threshold, classes)
    if classes > 2:
        return _over_classes(name, classes, _RIGHT, _LABELLED)
    return _decision(name, *_terms(threshold, _TRUE_POSITIVE, _POSITIVE), of_means=_ratio(0, 1))


def specificity(threshold: float = THRESHOLD) -> AdditiveMetric:
    """Share of negatives that were decided so; NaN without one."""
    terms = _terms(threshold, _TRUE_NEGATIVE, _NEGATIVE)
    return _decision(_parametrised("specificity", threshold), *terms, of_means=_ratio(0, 1))


def f1(threshold: float = THRESHOLD, classes: int = 2) -> AdditiveMetric:
    """Harmonic mean of precision and recall, 2 TP / (positives + positive decisions).

    With `classes` their mean over classes ("macro"); NaN where a class is in neither.
    """
    name = _parametrised("f1", threshold, classes)
    if classes > 2:
        return _over_classes(name, classes, _RIGHT, _EITHER)

    def of_means(means: Floats) -> Floats:
        under = means[..., 1] + means[..., 2]
        return np.asarray(2 * means[..., 0] / np.where(under > 0, under, np.nan))

    terms = _terms(threshold, _TRUE_POSITIVE, _POSITIVE, _DECIDED)
    return _decision(name, *terms, of_means=of_means)


def expected_cost(miss: float, false_alarm: float, threshold: float = THRESHOLD) -> AdditiveMetric:
    """Mean cost of a row at the consumer's operating threshold, in the unit of the costs.

    A positive that is not acted on costs `miss`, a negative that is costs `false_alarm`.
    Source: Elkan (2001), "The foundations of cost-sensitive learning", IJCAI.
    """
    if not (np.isfinite([miss, false_alarm]).all() and min(miss, false_alarm) >= 0):
        raise ValueError(f"costs {miss:g} and {false_alarm:g} must be finite and at least 0")
    if max(miss, false_alarm) == 0:
        raise ValueError("one of the costs must be above 0")
    name = _parametrised("expected_cost", threshold, miss=miss, false_alarm=false_alarm)

    def cost(label: int, decided: int, _: int) -> float:
        return miss * label * (1 - decided) + false_alarm * (1 - label) * decided

    term = _table(cost, threshold, f"cost {miss!r} {false_alarm!r}")
    return _decision(
        name, term, worse="higher", kind=UnitKind.COST, row_range=(0.0, max(miss, false_alarm))
    )


def decision_flips(threshold: float = THRESHOLD, classes: int = 2) -> AdditiveMetric:
    """Share of rows decided otherwise than by the baseline. Needs no label."""
    name = _parametrised("decision_flips", threshold, classes)
    if classes == 2:
        flipped: Term | DecisionTerm = _table(lambda _y, d, b: d != b, threshold, "flipped")
    else:
        flipped = _indicator("other class", lambda r: r.answer != r.reference)
    return _decision(name, flipped, worse="higher", classes=classes, needs_label=False, paired=True)


def negative_flips(threshold: float = THRESHOLD, classes: int = 2) -> AdditiveMetric:
    """Share of rows that the baseline decides rightly and the candidate wrongly.

    Source: Yan et al. (2021), "Positive-congruent training: towards regression-free model
    updates", CVPR: acc(candidate) - acc(baseline) = positive flips - negative flips.
    """
    name = _parametrised("negative_flips", threshold, classes)
    if classes == 2:
        lost: Term | DecisionTerm = _table(lambda y, d, b: b == y and d != y, threshold, "lost")
    else:
        lost = _indicator("lost", lambda r: (r.reference == r.label) & (r.answer != r.label))
    return _decision(name, lost, worse="higher", classes=classes, paired=True)


def positive_flips(threshold: float = THRESHOLD, classes: int = 2) -> AdditiveMetric:
    """Share of rows that the baseline decides wrongly and the candidate rightly."""
    name = _parametrised("positive_flips", threshold, classes)
    if classes == 2:
        won: Term | DecisionTerm = _table(lambda y, d, b: b != y and d == y, threshold, "won")
    else:
        won = _indicator("won", lambda r: (r.reference != r.label) & (r.answer == r.label))
    return _decision(name, won, classes=classes, paired=True)


def disagreement(tolerance: float = 0.0) -> AdditiveMetric:
    """Share of rows whose answer is further from the baseline's than the tolerance. No label."""
    if not (np.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance {tolerance:g} must be finite and at least 0")
    name = "disagreement" if tolerance == 0 else f"disagreement(tolerance={written(tolerance)})"
    apart = _indicator(name, lambda r: np.abs(r.answer - r.reference) > tolerance)
    return _decision(name, apart, worse="higher", needs_label=False, paired=True)
