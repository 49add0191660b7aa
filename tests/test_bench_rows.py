"""A bench of many claims simulates while there is time, and tells noise from a missed bar."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bench import decision_quality
from bench.rows import Bar, Effort, Measured, Row, against, at_most, in_processes, measured, rate


def draws(sims: int, seed: np.random.SeedSequence) -> list[float]:
    return np.random.default_rng(seed).random(sims).tolist()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def simulated(pool: ThreadPoolExecutor, sims: int, until: float | None) -> tuple[list[float], int]:
    effort = Effort(sims=sims, at_once=4, until=until, pool=pool)
    parts, counted = in_processes(draws, effort, np.random.SeedSequence(7))
    return [one for part in parts for one in part], counted


def test_something_is_simulated_even_when_the_time_is_over(pool: ThreadPoolExecutor) -> None:
    found, sims = simulated(pool, 1_000, until=time.perf_counter() - 1)
    assert (len(found), sims) == (4, 4)


def test_while_there_is_time_it_goes_on_until_all_are_done(pool: ThreadPoolExecutor) -> None:
    found, sims = simulated(pool, 42, until=time.perf_counter() + 600)
    assert (len(found), sims) == (42, 42)
    assert len(set(found)) == 42  # each chunk has a seed of its own
    fewer, _ = simulated(pool, 1_000, until=time.perf_counter() - 1)
    assert found[:4] == fewer  # of the same seed, as many as there was time for


def test_the_time_is_shared_and_what_one_leaves_is_the_others(pool: ThreadPoolExecutor) -> None:
    end = time.perf_counter() + 600
    first, second, third = Effort(sims=1, at_once=1, until=end, pool=pool).shared(3)
    assert first.until == pytest.approx(end - 400, abs=60)
    assert second.until == pytest.approx(end - 300, abs=60)  # the first took no time at all
    assert third.until == pytest.approx(end)


@pytest.mark.parametrize(
    ("bar", "value", "met", "clear"),
    [
        (Bar(least=0.7), 0.7, True, False),
        (Bar(least=0.7), 0.65, False, False),
        (Bar(least=0.7), 0.39, False, True),
        (Bar(least=0.93, most=0.97), 0.99, False, False),
        (Bar(most=4_400.0), 4_401.0, False, True),
        (at_most(0.05), 0.2, True, False),
        (at_most(0.05), 0.36, False, True),
    ],
)
def test_a_bar_is_missed_clearly_or_within_the_noise(
    bar: Bar, value: float, met: bool, clear: bool
) -> None:
    found = against(bar, value, 0.1, 100)
    assert (found.met, found.clear) == (met, clear)


def counted(key: str, share: float) -> Row:
    def measure(effort: Effort, seed: np.random.SeedSequence) -> dict[str, Measured]:
        parts, sims = in_processes(_drawn, effort, seed)
        assert (effort.until is None) == (sims == 6)
        return {key: rate(sum(parts), sims, at_most(1.0))}

    return Row(keys=(key,), claim=key, bar="≤ 1", sims=6, at_once=2, share=share, measure=measure)


def _drawn(sims: int, seed: np.random.SeedSequence) -> int:
    return int((np.random.default_rng(seed).random(sims) < 0.5).sum())


def test_long_rows_begin_a_quick_run_and_the_order_told_is_the_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of no time at all each row still has its least."""
    rows = [counted("short", 1.0), counted("long", 3.0)]
    whole, quick = measured(rows), measured(rows, seconds=0.0)
    assert list(whole) == list(quick) == ["short", "long"]
    assert [one.sims for one in whole.values()] == [6, 6]
    assert [one.sims for one in quick.values()] == [2, 2]
    said = [line.split()[0] for line in capsys.readouterr().err.splitlines()]
    assert said == ["short", "long", "long", "short"]


def test_a_share_of_none_has_an_error_too() -> None:
    assert rate(0, 10, at_most(0.05)).standard_error == pytest.approx(0.066, abs=0.001)
    assert rate(0, 10, at_most(0.05)).met


def test_the_line_says_what_each_figure_rests_on(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {
        "good": Measured(value=0.9, standard_error=0.1, sims=40, met=True, clear=False),
        "unsure": against(Bar(least=0.8), 0.7, 0.1, 30),
        "bad": against(Bar(least=0.8), 0.1, 0.1, 20),
        "never": Measured(value=None, standard_error=None, sims=10, met=False),
    }
    monkeypatch.setattr(decision_quality, "measured", lambda *_a, **_k: figures)
    line = decision_quality.run(quick=True)
    assert line["sims"] == 10
    assert line["simulations"] == {"good": 40, "unsure": 30, "bad": 20, "never": 10}
    assert line["bars_not_met"] == ["unsure", "bad", "never"]
    assert line["bars_missed_by_more_than_3_standard_errors"] == ["bad", "never"]
