"""A feed that stands still is found although every single value is in order."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.replay.profiles import FindingKind, profile_blocks, stuck_or_shifted
from tests.replay import diamond

COLUMN = "goods.weight"


def profiles(values_of, *, blocks=20, rows=1200, seed=0):
    part = diamond.partition(rows, blocks=blocks, seed=seed)
    values = values_of(part.block_codes, np.random.default_rng(seed), rows)
    return profile_blocks(replace(part, columns={COLUMN: values}), [COLUMN])


def lively(_codes, rng, rows):
    return rng.normal(10, 3, rows)


def frozen_by_airport(_codes, rng, rows):
    return rng.choice([4.25, 8.5, 11.0], rows)


def counts(_codes, rng, rows):
    return rng.poisson(9, rows).astype(float)


def frozen_counts(_codes, rng, rows):
    return rng.choice([7.0, 9.0, 12.0], rows)


def test_a_profile_says_what_is_in_each_block():
    values = np.r_[[1.0, 2.0, 2.0], [np.nan, 5.0, 5.0]]
    part = replace(diamond.partition(6, blocks=2), columns={COLUMN: values})
    first, second = profile_blocks(part, [COLUMN])
    assert (first.rows, first.missing, first.distinct, first.median) == (3, 0, 2, 2.0)
    assert (second.missing, second.distinct, second.median) == (1, 1, 5.0)
    assert first.digest != second.digest


@pytest.mark.parametrize(("before", "now"), [(lively, frozen_by_airport), (counts, frozen_counts)])
def test_a_feed_that_repeats_a_constant_for_each_airport_is_stuck(before, now):
    (finding,) = stuck_or_shifted(profiles(now, blocks=14), profiles(before))["goods"]
    assert finding.kind is FindingKind.STUCK
    assert (finding.column, finding.blocks, finding.live_blocks) == ("weight", 14, 14)
    assert (finding.live, finding.reference_blocks) == (3.0, 20)


def test_a_feed_that_froze_half_way_is_stuck_since_then():
    def freezes(codes, rng, rows):
        return np.where(codes < 8, lively(codes, rng, rows), frozen_by_airport(codes, rng, rows))

    (finding,) = stuck_or_shifted(profiles(freezes, blocks=14), profiles(lively))["goods"]
    assert finding.blocks == 6


@pytest.mark.parametrize("kind", [lively, counts])
@given(seed=st.integers(0, 200))
def test_a_feed_that_lives_is_never_found(kind, seed):
    assert stuck_or_shifted(profiles(kind, blocks=14, seed=seed), profiles(kind, seed=999)) == {}


def test_what_was_always_constant_is_not_stuck():
    assert stuck_or_shifted(profiles(frozen_counts), profiles(frozen_counts, seed=5)) == {}


def test_a_feed_in_another_unit_is_shifted():
    def hours(codes, rng, rows):
        return 60 * lively(codes, rng, rows)

    (finding,) = stuck_or_shifted(profiles(hours), profiles(lively))["goods"]
    assert finding.kind is FindingKind.SHIFTED


def test_without_enough_blocks_or_reference_nothing_is_found():
    assert stuck_or_shifted(profiles(frozen_by_airport, blocks=2), profiles(lively)) == {}
    assert stuck_or_shifted(profiles(frozen_by_airport), []) == {}
