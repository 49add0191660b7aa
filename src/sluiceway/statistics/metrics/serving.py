"""How answers are served. They need no label; an answer here is what was seen of a request.

Gates on them are read from live answers only (:mod:`sluiceway.steps.served_evidence`).
"""

import numpy as np

from sluiceway.statistics import quantiles
from sluiceway.statistics.metrics.additive import AdditiveMetric, Term
from sluiceway.statistics.metrics.metric import Metric
from sluiceway.statistics.metrics.ranking import RankMetric
from sluiceway.statistics.metrics.sums import Domain, UnitKind


def latency_mean() -> AdditiveMetric:
    """Mean latency, in milliseconds; the answer is the latency of a request."""
    return AdditiveMetric(
        name="latency_mean",
        worse="higher",
        unit_kind=UnitKind.MILLISECONDS,
        label_domain=Domain.ANY,
        answer_domain=Domain.FINITE,
        of_answers=False,
        needs_label=False,
        terms=(Term("answer", lambda r: r.answer),),
    )


def _latency(percent: int) -> RankMetric:
    p = percent / 100
    return RankMetric(
        name=f"latency_p{percent}",
        worse="higher",
        unit_kind=UnitKind.MILLISECONDS,
        label_domain=Domain.ANY,
        answer_domain=Domain.FINITE,
        of_answers=False,
        needs_label=False,
        count=lambda rows, block, blocks, _: quantiles.quantile_block_sums(
            rows.answer, block, blocks, p
        ),
        over_all=quantiles.quantile,
        without_each=quantiles.quantile_without_each,
        inside_each=quantiles.quantile_inside_each,
    )


def latency_p50() -> RankMetric:
    """Median latency, in milliseconds; its error as in :mod:`~sluiceway.statistics.quantiles`."""
    return _latency(50)


def latency_p95() -> RankMetric:
    """Latency that 95 % of requests stay below, in milliseconds."""
    return _latency(95)


def latency_p99() -> RankMetric:
    """Latency that 99 % of requests stay below, in milliseconds."""
    return _latency(99)


def _share(name: str, domain: Domain, term: Term) -> AdditiveMetric:
    return AdditiveMetric(
        name=name,
        worse="higher",
        unit_kind=UnitKind.SHARE,
        label_domain=Domain.ANY,
        answer_domain=domain,
        of_answers=False,
        needs_label=False,
        terms=(term,),
        row_range=(0.0, 1.0),
    )


def error_rate() -> AdditiveMetric:
    """Share of requests that ended in an error; the answer is 1 for those, 0 for others."""
    return _share("error_rate", Domain.BINARY, Term("answer", lambda r: r.answer))


def fallback_rate() -> AdditiveMetric:
    """Share of requests answered with the safe default; the answer is 1 for those."""
    return _share("fallback_rate", Domain.BINARY, Term("answer", lambda r: r.answer))


def null_rate() -> AdditiveMetric:
    """Share of answers that are missing (NaN)."""
    missing = Term("missing", lambda r: np.isnan(r.answer).astype(np.float64))
    return _share("null_rate", Domain.ANY, missing)


def of_a_field(metric: Metric) -> bool:
    """Whether it looks at one output field, which then has to be named, and not at requests."""
    return metric.of_answers or metric.name == "null_rate"
