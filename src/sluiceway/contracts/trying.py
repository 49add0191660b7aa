"""Edge cases of a version's own inputs, each held against what the version promises."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from hypothesis import strategies as st

from sluiceway.contracts.cases import CaseCode, CaseResult, CounterExample, Why
from sluiceway.contracts.promises import Answers, check_answers
from sluiceway.contracts.questioning import GivenUp, NotLoaded, Questioner, first_difference
from sluiceway.contracts.regions import (
    NEVER_SEEN,
    Column,
    Region,
    Row,
    Scalar,
    drawn,
    ends,
    interior,
    just_inside,
    outside,
    rows_of,
)
from sluiceway.outcomes import Outcome

SAMPLE: Final = 200
"""Recorded rows on which order, batches and repetition are tried."""
ONE_BY_ONE: Final = 20
"""Of these, how many are asked one by one."""
MOST_AT_ONCE: Final = 100_000
"""Rows of the largest batch that is tried, however large a one is promised."""
_GRID: Final = 5
"""Values between the ends from which mixed rows are drawn."""
_TIMED: Final = 200
"""Single rows over which the time of an answer is measured."""


def own_cases(version: Questioner, recorded: Mapping[str, Column] | None) -> Iterator[CaseResult]:
    """Everything that can be tried on a version alone.

    Args:
        recorded: Rows as they were, one array an input; None or no row where there is no record.
    """
    rows = 0 if recorded is None else max((len(values) for values in recorded.values()), default=0)
    try:
        if recorded is not None and rows:
            yield _recorded(version, recorded, rows)
        yield from _edges(version)
        yield _drawn(version)
        sample = _sample(version, recorded, rows)
        yield from _batches(version, sample)
        if version.contract.latency_p99 is not None:
            yield _latency(version, sample)
    except GivenUp:
        yield given_up(version)
    except NotLoaded as error:
        yield not_loaded(version, error)


def not_loaded(version: Questioner, error: NotLoaded, edge: str | None = None) -> CaseResult:
    """Nobody could serve it, so it is told once and nothing more is tried."""
    example = CounterExample(why=Why.NO_ANSWER, said=str(error))
    return version.result(CaseCode.LOADED, 0, [example], edge=edge)


def given_up(version: Questioner, edge: str | None = None) -> CaseResult:
    """The rest could not be tried."""
    said = "ended its process, or hung, so often that it was asked nothing more"
    example = CounterExample(why=Why.NOT_TRIED, said=f"{version.name} {said}")
    return version.result(CaseCode.DRAWN, 0, [example], edge=edge, outcome=Outcome.ERROR)


def _recorded(version: Questioner, recorded: Mapping[str, Column], rows: int) -> CaseResult:
    answered = version.asked({name: recorded[name] for name in version.regions})
    if answered.answers is None:
        said = answered.fault.sentence if answered.fault else "gave no answer"
        return version.result(
            CaseCode.RECORDED, rows, [CounterExample(why=Why.NO_ANSWER, said=said)]
        )
    findings = check_answers(version.contract, answered.answers, seconds=answered.seconds or 0.0)
    outcomes = [finding.outcome for finding in findings]
    worst = max(outcomes, key=lambda one: one.severity, default=Outcome.PASSED)
    examples = [CounterExample(why=Why.OUT_OF_CONTRACT, finding=one) for one in findings]
    return version.result(CaseCode.RECORDED, rows, examples, outcome=worst)


def edge_rows(regions: Mapping[str, Region]) -> dict[CaseCode, list[Row]]:
    """Rows that differ from the typical one in one input, or in all of them together, by case."""
    typical = {name: region.typical for name, region in regions.items()}
    groups: dict[CaseCode, list[Row]] = {}

    def add(code: CaseCode, changed: Row) -> None:
        groups.setdefault(code, []).append({**typical, **changed})

    for name, region in regions.items():
        for value in ends(region):
            add(CaseCode.ENDS, {name: value})
        for value in just_inside(region):
            add(CaseCode.INSIDE, {name: value})
        if region.nullable:
            add(CaseCode.NULLS, {name: None})
        for text in region.categories or ():
            add(CaseCode.CATEGORIES, {name: text})
        if region.admits_new:
            add(CaseCode.NEW_CATEGORY, {name: NEVER_SEEN})
        if region.fallback is not None:
            add(CaseCode.FALLBACK, {name: region.fallback})
    if CaseCode.ENDS in groups:
        for side in (0, -1):
            add(CaseCode.ENDS, {name: ends(r)[side] for name, r in regions.items() if ends(r)})
    if CaseCode.NULLS in groups:
        add(CaseCode.NULLS, {name: None for name, region in regions.items() if region.nullable})
    if CaseCode.FALLBACK in groups:
        fed = {n: r.fallback for n, r in regions.items() if r.fallback is not None}
        add(CaseCode.FALLBACK, fed)
    return groups


def mixed_rows(regions: Mapping[str, Region], rows: int) -> list[Row]:
    """Rows of which each input is drawn by itself, from its special values and between its ends."""
    draw = np.random.default_rng(1)
    choices: dict[str, list[Scalar]] = {
        name: [
            region.typical,
            *ends(region),
            *interior(region, steps=_GRID),
            *(region.categories or ()),
            *([None] if region.nullable else ()),
        ]
        for name, region in regions.items()
    }
    return [
        {name: values[int(draw.integers(len(values)))] for name, values in choices.items()}
        for _ in range(rows)
    ]


def _edges(version: Questioner) -> Iterator[CaseResult]:
    for code, rows in edge_rows(version.regions).items():
        broken = [example for _, example in version.broken_rows(rows)]
        yield version.result(code, len(rows), broken)
    beyond: list[Row] = [
        {**version.typical, name: value}
        for name, region in version.regions.items()
        for value in outside(region)
    ]
    if beyond:
        deadly = version.deadly_row(beyond)
        yield version.result(CaseCode.OUTSIDE, len(beyond), [deadly] if deadly else ())


def _drawn(version: Questioner) -> CaseResult:
    rows = st.fixed_dictionaries({name: drawn(region) for name, region in version.regions.items()})
    asked, example = version.drawn(rows)
    return version.result(CaseCode.DRAWN, asked, [example] if example else ())


def _sample(
    version: Questioner, recorded: Mapping[str, Column] | None, rows: int
) -> dict[str, Column]:
    """Recorded rows spread over the record, or where there is none the typical row and ends."""
    if recorded is not None and rows:
        places = np.linspace(0, rows - 1, min(rows, SAMPLE)).astype(int)
        return version.columns(rows_of(recorded, [int(place) for place in places]))
    made: list[Row] = [version.typical]
    for name, region in version.regions.items():
        made += [{**version.typical, name: value} for value in ends(region)]
    return version.columns(made)


def _batches(version: Questioner, sample: Mapping[str, Column]) -> Iterator[CaseResult]:
    """Order, size and repetition; nothing of it where the version does not answer at all."""
    rows = len(next(iter(sample.values()), ()))
    first = version.asked(sample)
    if first.answers is None or not rows:
        return
    again = version.asked(sample)
    steady = again.answers is not None and (
        first_difference(version.contract, first.answers, again.answers, exactly=True) is None
    )
    if version.contract.deterministic:
        yield _compared(
            version, CaseCode.REPEATED, first.answers, again.answers, exactly=True,
            said="the same rows, asked twice",
        )  # fmt: skip
    yield _empty(version, sample)
    if steady:
        # Of a version that answers at random, and never promised not to, no order can be asked.
        yield _permuted(version, sample, first.answers)
        yield _row_by_row(version, sample, first.answers)
        whole = _as_integers(sample, version.regions)
        if whole:
            answers = version.asked({**sample, **whole}).answers
            said = f"{', '.join(whole)} as integers"
            yield _compared(version, CaseCode.WHOLE_NUMBERS, first.answers, answers, said=said)
    if version.contract.max_batch is not None:
        yield _largest(version, sample, version.contract.max_batch)


def _compared(
    version: Questioner,
    code: CaseCode,
    expected: Answers,
    answers: Answers | None,
    *,
    said: str,
    exactly: bool = False,
) -> CaseResult:
    """Two answers that have to be equal."""
    if answers is None:
        example = CounterExample(why=Why.NO_ANSWER, said=f"{said}: no answer")
        return version.result(code, len(expected), [example])
    differs = first_difference(version.contract, expected, answers, exactly=exactly)
    if differs is None:
        return version.result(code, len(expected))
    row, field, before, after = differs
    told = f"{said}: {field} of row {row + 1} is {after} instead of {before}"
    return version.result(code, len(expected), [CounterExample(why=Why.ANSWER_DIFFERS, said=told)])


def _permuted(version: Questioner, sample: Mapping[str, Column], expected: Answers) -> CaseResult:
    order = np.random.default_rng(0).permutation(len(expected))
    answers = version.asked({name: values[order] for name, values in sample.items()}).answers
    back = None if answers is None else answers[np.argsort(order)]
    return _compared(version, CaseCode.PERMUTED, expected, back, said="in another order")


def _row_by_row(version: Questioner, sample: Mapping[str, Column], expected: Answers) -> CaseResult:
    places = np.linspace(0, len(expected) - 1, min(len(expected), ONE_BY_ONE)).astype(int)
    answers = []
    for place in places:
        answer = version.asked({n: v[place : place + 1] for n, v in sample.items()})
        if answer.answers is None:
            said = answer.fault.sentence if answer.fault else "one row: no answer"
            example = CounterExample(why=Why.NO_ANSWER, said=said)
            return version.result(CaseCode.ROW_BY_ROW, len(places), [example])
        answers.append(answer.answers.reshape(1, -1))
    widths = {answer.shape[1] for answer in answers}
    if len(widths) > 1:
        said = f"single rows are answered with {sorted(widths)} columns"
        example = CounterExample(why=Why.ANSWER_DIFFERS, said=said)
        return version.result(CaseCode.ROW_BY_ROW, len(places), [example])
    return _compared(
        version,
        CaseCode.ROW_BY_ROW,
        expected[places].reshape(len(places), -1),
        np.concatenate(answers),
        said="alone instead of in a batch",
    )


def _empty(version: Questioner, sample: Mapping[str, Column]) -> CaseResult:
    """No row: an error is a clear answer too; ending the process or making rows up is not."""
    deaths = version.deaths
    answered = version.asked({name: values[:0] for name, values in sample.items()})
    if version.deaths > deaths or (answered.fault and str(answered.fault.code) == "wrong_rows"):
        said = answered.fault.sentence if answered.fault else ""
        example = CounterExample(why=Why.WRONG_ROWS, said=f"asked nothing: {said}")
        return version.result(CaseCode.EMPTY_BATCH, 0, [example])
    return version.result(CaseCode.EMPTY_BATCH, 0)


def _largest(version: Questioner, sample: Mapping[str, Column], promised: int) -> CaseResult:
    rows = min(promised, MOST_AT_ONCE)
    batch = {name: np.resize(values, rows) for name, values in sample.items()}
    answered = version.asked(batch)
    limit = version.contract.deadline.total_seconds()
    examples = []
    if answered.answers is None:
        said = answered.fault.sentence if answered.fault else f"{rows:,} rows: no answer"
        examples = [CounterExample(why=Why.NO_ANSWER, said=said)]
    elif (answered.seconds or 0.0) > limit:
        said = f"{rows:,} rows took {answered.seconds:.3g} s, promised at most {limit:g} s"
        examples = [CounterExample(why=Why.TOO_SLOW, said=said)]
    return version.result(CaseCode.MAX_BATCH, rows, examples)


def _latency(version: Questioner, sample: Mapping[str, Column]) -> CaseResult:
    """Single rows against the promised 99 % quantile of time.

    This machine is not the one that serves: only where even the median is late is the promise
    broken; where the quantile alone is late, nothing is known.
    """
    rows = len(next(iter(sample.values())))
    taken = []
    for turn in range(_TIMED):
        place = turn % rows
        answered = version.asked({n: v[place : place + 1] for n, v in sample.items()})
        if answered.answers is not None and answered.seconds is not None:
            taken.append(answered.seconds)
    promised = version.contract.latency_p99
    assert promised is not None
    limit = promised.total_seconds()
    if not taken:
        example = CounterExample(why=Why.NO_ANSWER, said="no single row was answered")
        return version.result(CaseCode.LATENCY, _TIMED, [example])
    middle, late = (float(np.quantile(taken, p)) for p in (0.5, 0.99))
    if late <= limit:
        return version.result(CaseCode.LATENCY, len(taken))
    said = (
        f"99 of 100 rows are answered within {late * 1e3:.3g} ms and half within "
        f"{middle * 1e3:.3g} ms on this machine, promised {limit * 1e3:.3g} ms"
    )
    outcome = Outcome.FAILED if middle > limit else Outcome.INCONCLUSIVE
    return version.result(
        CaseCode.LATENCY,
        len(taken),
        [CounterExample(why=Why.TOO_SLOW, said=said)],
        outcome=outcome,
    )


def _as_integers(sample: Mapping[str, Column], regions: Mapping[str, Region]) -> dict[str, Column]:
    """The numeric columns that hold whole numbers alone, as integers."""
    found = {}
    for name, values in sample.items():
        numeric = regions[name].dtype in ("double", "long") and values.dtype.kind == "f"
        if numeric and np.isfinite(values).all() and np.array_equal(values, np.trunc(values)):
            found[name] = values.astype(np.int64)
    return found


def spread(rows: int, most: int) -> Sequence[int]:
    """Places spread evenly over so many rows."""
    return [int(place) for place in np.linspace(0, rows - 1, min(rows, most))] if rows else []
