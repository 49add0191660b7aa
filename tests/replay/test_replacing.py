"""Other values for a source keep what they are said to keep."""

from dataclasses import replace

import numpy as np
import pytest

from sluiceway.replay.profiles import differing_sources, profile_blocks
from sluiceway.replay.replacing import ReferenceRows, Treatment, replaced
from tests.replay import diamond

COLUMN = "goods.weight"


def reference(seed=5):
    part = diamond.partition(2000, blocks=20, seed=seed)
    return ReferenceRows.of([part], [COLUMN, "visits.clicks", "visits.at"])


def given(values, how, part=None):
    part = part or diamond.partition(600, blocks=20)
    part = replace(part, columns={**part.columns, COLUMN: values})
    return replaced(part, (("goods", how),), reference()).columns[COLUMN]


def test_matched_values_undo_a_slip_of_unit_and_keep_the_order():
    part = diamond.partition(600, blocks=20)
    true = part.columns[COLUMN]
    back = given(true / 60 + 3, Treatment.MATCHED)
    assert np.corrcoef(back, true)[0, 1] > 0.95
    assert abs(back.mean() - true.mean()) < 0.3
    for block in range(20):
        mine = part.block_codes == block
        assert (np.diff(back[mine][np.argsort(true[mine])]) >= 0).all()


def test_a_feed_that_stands_still_is_spread_and_says_nothing():
    part = diamond.partition(600, blocks=20)
    back = given(np.full(600, 4.0), Treatment.MATCHED)
    assert back.std() == pytest.approx(part.columns[COLUMN].std(), rel=0.1)
    assert abs(np.corrcoef(back, part.columns[COLUMN])[0, 1]) < 0.15


def test_drawn_rows_are_whole_rows_of_the_reference():
    part = diamond.partition(600, blocks=20)
    past = reference()
    new = replaced(part, (("visits", Treatment.DRAWN),), past)
    assert set(new.columns["visits.clicks"]) <= set(past.columns["visits.clicks"])
    assert new.columns["visits.at"] is part.columns["visits.at"]
    assert new.columns[COLUMN] is part.columns[COLUMN]


def test_missing_values_stay_missing_and_nothing_is_made_of_nothing():
    values = np.full(600, np.nan)
    assert np.isnan(given(values, Treatment.MATCHED)).all()


def test_a_source_gets_the_same_values_whatever_else_is_replaced():
    part, past = diamond.partition(600, blocks=20), reference()
    one = (("goods", Treatment.DRAWN),)
    both = (("visits", Treatment.DRAWN), *one)
    alone, together = (replaced(part, some, past).columns[COLUMN] for some in (one, both))
    assert np.array_equal(alone, together)


def test_only_sources_that_look_otherwise_differ():
    columns = [COLUMN, "visits.clicks"]
    past = diamond.partition(2000, blocks=25, seed=1)
    now = diamond.partition(1200, blocks=20, seed=2)
    usual = profile_blocks(past, columns)
    assert differing_sources(profile_blocks(now, columns), usual) == ()
    slipped = replace(now, columns={**now.columns, COLUMN: now.columns[COLUMN] / 60})
    assert differing_sources(profile_blocks(slipped, columns), usual) == ("goods",)
    assert differing_sources(profile_blocks(slipped, columns)[:2], usual) == ()
