"""Blocks are cut where the system's own days begin."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.blocks import BlockCalendar

NEW_YORK = BlockCalendar(timezone="America/New_York", length=timedelta(days=1))
MOMENTS = st.datetimes(datetime(2012, 1, 1), datetime(2014, 1, 1), timezones=st.just(UTC))
LENGTHS = st.sampled_from([timedelta(minutes=1), timedelta(hours=6), timedelta(1), timedelta(7)])


def test_a_day_begins_at_local_midnight_also_when_the_clocks_change() -> None:
    assert NEW_YORK.name(datetime(2013, 9, 1, 3, 59, tzinfo=UTC)) == "2013-08-31"
    assert NEW_YORK.name(datetime(2013, 9, 1, 4, tzinfo=UTC)) == "2013-09-01"
    assert NEW_YORK.end("2013-11-03") - NEW_YORK.start("2013-11-03") == timedelta(hours=25)


@given(MOMENTS, LENGTHS)
def test_every_moment_lies_in_its_block(moment: datetime, length: timedelta) -> None:
    calendar = BlockCalendar(timezone="America/New_York", length=length)
    name = calendar.name(moment)
    assert calendar.start(name) <= moment < calendar.end(name)
    assert calendar.name(calendar.end(name)) > name
    assert calendar.next_start(calendar.start(name)) == calendar.start(name)
    assert calendar.next_start(moment) >= moment


@given(st.lists(MOMENTS, min_size=1), LENGTHS)
def test_many_names_are_the_same_as_one_by_one(moments: list[datetime], length: timedelta) -> None:
    calendar = BlockCalendar(timezone="America/New_York", length=length)
    names = calendar.names(pd.DatetimeIndex(moments))
    assert names.tolist() == [calendar.name(moment) for moment in moments]


def test_a_block_that_does_not_fit_into_a_day_is_refused() -> None:
    with pytest.raises(ValueError, match="neither divides a day"):
        BlockCalendar(timezone="UTC", length=timedelta(hours=7))


def test_blocks_that_would_share_a_name_are_refused() -> None:
    with pytest.raises(ValueError, match="no whole number of minutes"):
        BlockCalendar(timezone="UTC", length=timedelta(seconds=30))
