"""Comparisons of one growing window share one level, and history is cut without overlap."""

import numpy as np

from sluiceway.drift import (
    DriftPolicy,
    WindowProfile,
    compared_sizes,
    drift_report,
    history_windows,
    is_due,
    next_size,
    shared,
)

from .windows import window


def test_a_window_is_compared_each_time_it_has_grown_by_a_quarter() -> None:
    assert compared_sizes(35, 0, DriftPolicy()) == (10, 13, 17, 22, 28, 35)
    assert compared_sizes(9, 0, DriftPolicy()) == ()
    assert len(compared_sizes(1440, 0, DriftPolicy())) < 25


def test_single_blocks_are_compared_where_history_reaches_the_shared_level() -> None:
    early = compared_sizes(35, 10_000, DriftPolicy())
    assert early == (1, 2, 3, 4, 5, 7, 9, 10, 13, 17, 22, 28, 35)
    needed = shared(DriftPolicy(), early).min_history
    assert needed == 20 * len(early) - 1
    assert compared_sizes(35, needed, DriftPolicy()) == early
    assert compared_sizes(35, needed - 1, DriftPolicy())[0] == 10
    assert compared_sizes(35, 10_000, DriftPolicy(psi_limit=0.2))[0] == 10


def test_a_comparison_that_was_missed_is_made_at_the_next_look() -> None:
    sizes = (10, 13, 17)
    assert not is_due(sizes, compared=0, blocks=9)
    assert is_due(sizes, compared=0, blocks=12)
    assert not is_due(sizes, compared=12, blocks=12)
    assert is_due(sizes, compared=12, blocks=19)
    assert next_size(sizes, 12) == 13
    assert next_size(sizes, 17) is None


def test_history_is_cut_from_its_newest_block_into_disjoint_windows() -> None:
    rng = np.random.default_rng(0)
    history = window({"x": rng.normal(size=700), "c": rng.choice(list("ab"), 700)}, 7, "h")
    cut = history_windows(history, 3)
    assert [one.blocks for one in cut] == [("h004", "h005", "h006"), ("h001", "h002", "h003")]
    assert [int(one.rows.sum()) for one in cut] == [300, 300]
    assert cut[1].merged(cut[0]).columns["x"].parts == {
        aspect: part.selected(np.arange(1, 7))
        for aspect, part in history.columns["x"].parts.items()
    }
    assert history_windows(history, 8) == ()
    assert history_windows(history, 0) == ()


def quiet_canary(seed: int, columns: int = 4) -> bool:
    """Whether inputs with day effects (ICC .05) are ever called drifted in 35 quiet days."""
    rng = np.random.default_rng(seed)
    days = 0.23 * rng.normal(size=(55, columns))
    rows = days[np.repeat(np.arange(55), 60)] + rng.normal(size=(55 * 60, columns))

    def days_of(first: int, after: int, name: str) -> WindowProfile:
        part = rows[60 * first : 60 * after]
        return window({f"x{n}": part[:, n] for n in range(columns)}, after - first, name)

    before = days_of(0, 20, "a")
    sizes = compared_sizes(35, 0, DriftPolicy())
    policy = shared(DriftPolicy(), sizes)
    return any(
        drift_report(before, days_of(20, 20 + size, "b"), (), policy).drifted for size in sizes
    )


def test_quiet_inputs_seldom_drift_in_a_whole_canary() -> None:
    """At most 5 % of canaries are wanted; 4 or more of 20 have a probability below 2 % then."""
    assert sum(map(quiet_canary, range(20))) < 4
