"""Blocks of time: the unit of independent evidence, cut in the system's own timezone."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCalendar:
    """Cuts time into blocks and names them.

    Blocks of whole days begin at local midnight and are named by their first date
    (``2013-09-01``); shorter ones are counted from midnight UTC and named by their start
    (``2013-09-01T05:30Z``). Names sort as the blocks do.

    Attributes:
        timezone: IANA name.
        length: A whole number of days, or whole minutes that divide a day.
    """

    timezone: str
    length: timedelta

    def __post_init__(self) -> None:
        whole = self.length % _DAY if self.length >= _DAY else _DAY % self.length
        if whole:
            raise ValueError(f"a block of {self.length} neither divides a day nor is whole days")
        if self.length % _MINUTE:
            raise ValueError(f"a block of {self.length} is no whole number of minutes")

    def longer(self, times: int) -> "BlockCalendar":
        """The calendar of the shortest blocks that hold at least so many of these.

        They are whole multiples of these blocks, and days as soon as no part of a day is enough.
        """
        length = self.length * times
        while length < _DAY and _DAY % length:
            length += self.length
        if length > _DAY and length % _DAY:
            length += _DAY - length % _DAY
        return BlockCalendar(timezone=self.timezone, length=length)

    def name(self, moment: datetime) -> str:
        """Name of the block that holds a moment (any timezone)."""
        if self.length >= _DAY:
            local = moment.astimezone(ZoneInfo(self.timezone)).date()
            return (local - (local - _EPOCH) % self.length).isoformat()
        midnight = datetime.combine(moment.astimezone(UTC).date(), time(), tzinfo=UTC)
        start = moment - (moment - midnight) % self.length
        return start.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")

    def names(self, moments: pd.DatetimeIndex) -> np.ndarray:
        """Names of many moments (UTC); array of str objects, shape (moments,)."""
        if self.length >= _DAY:
            local = moments.tz_convert(self.timezone).tz_localize(None).normalize()
            codes, days = pd.factorize(local)
            cut = [(d.date() - (d.date() - _EPOCH) % self.length).isoformat() for d in days]
        else:
            codes, starts = pd.factorize(moments.tz_convert("UTC").floor(self.length))
            cut = [start.strftime("%Y-%m-%dT%H:%MZ") for start in starts]
        return np.asarray(cut, dtype=object)[codes]

    def start(self, name: str) -> datetime:
        """First moment of a block, in UTC."""
        if self.length >= _DAY:
            midnight = datetime.combine(date.fromisoformat(name), time(), ZoneInfo(self.timezone))
            return midnight.astimezone(UTC)
        return datetime.strptime(name, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)

    def end(self, name: str) -> datetime:
        """First moment after a block, in UTC."""
        if self.length >= _DAY:
            following = date.fromisoformat(name) + self.length
            return self.start(following.isoformat())
        return self.start(name) + self.length

    def next_start(self, moment: datetime) -> datetime:
        """Start of the first block that begins at or after a moment, in UTC."""
        start = self.start(self.name(moment))
        return start if start == moment else self.end(self.name(moment))
