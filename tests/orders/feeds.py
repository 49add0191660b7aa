"""A second feed of the signal: right in the backfill, and wrong in several ways when live."""

import pandas as pd

from sluiceway.ports import Window

from .data import day, orders, outcomes, table

STOPS = day(54)
"""From here on the feed that breaks late says the same of every order."""


def scores(window: Window) -> pd.DataFrame:
    """The signal as it should be."""
    return table(window)[["order_id", "placed_at", "signal"]]


def stuck(window: Window) -> pd.DataFrame:
    """The feed has stood still since before the first live order; in range and not null."""
    return scores(window).assign(signal=-3.0)


def stuck_later(window: Window) -> pd.DataFrame:
    """The feed stands still from a day on."""
    rows = scores(window)
    return rows.assign(signal=rows["signal"].where(rows["placed_at"] < STOPS, -3.0))


DRIFTS = day(40)
"""From here on orders go farther, or cost more, than ever before."""


def farther(window: Window) -> pd.DataFrame:
    """Orders that go 700 km farther from a day on; no model is the worse for it."""
    rows = orders(window)
    late = rows["placed_at"] >= DRIFTS
    return rows.assign(distance=rows["distance"].mask(late, rows["distance"] + 700))


def dearer(window: Window) -> pd.DataFrame:
    """Orders that cost more from a day on: each at least 400 EUR."""
    rows = orders(window)
    late = rows["placed_at"] >= DRIFTS
    return rows.assign(amount=rows["amount"].mask(late, 400 + rows["amount"] / 2))


def numbered(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with whole numbers for units."""
    digits = rows["order_id"].str.replace("-", "", regex=False)
    return rows.assign(order_id=digits.astype("int64"))


def numbered_orders(window: Window) -> pd.DataFrame:
    """Orders by number."""
    return numbered(orders(window))


def numbered_outcomes(window: Window) -> pd.DataFrame:
    """Outcomes by number."""
    return numbered(outcomes(window))


def empty(window: Window) -> pd.DataFrame:
    """Nothing was ever recorded."""
    return orders(window).iloc[:0]


def without_amount(window: Window) -> pd.DataFrame:
    """A column is missing."""
    return orders(window).drop(columns="amount")


def infinite(window: Window) -> pd.DataFrame:
    """One amount is infinite."""
    rows = orders(window)
    return rows.assign(amount=rows["amount"].where(rows.index > 0, float("inf")))


def doubled(window: Window) -> pd.DataFrame:
    """The first order stands there twice."""
    rows = orders(window)
    return pd.concat([rows, rows.iloc[:1]], ignore_index=True)


def from_the_future(window: Window) -> pd.DataFrame:
    """Labels that were known before the order was placed."""
    rows = outcomes(window)
    return rows.assign(settled_at=rows["placed_at"] - pd.Timedelta("1h"))


def with_channel(window: Window) -> pd.DataFrame:
    """Orders with the channel they came by, one of which nobody has declared."""
    rows = orders(window)
    return rows.assign(channel=["fax" if n == 3 else "web" for n in range(len(rows))])


def orders_stuck(window: Window) -> pd.DataFrame:
    """Orders whose signal has stood still since before the first live one."""
    return orders(window).assign(signal=-3.0)


def scores_again(window: Window) -> pd.DataFrame:
    """The signal by another way, with the same values."""
    return scores(window)


def nudged(window: Window) -> pd.DataFrame:
    """Every twentieth order has a signal that is a little off; nobody is harmed by it."""
    rows = scores(window)
    off = rows["order_id"].str.slice(-4).astype(int) % 20 == 0
    return rows.assign(signal=rows["signal"] + 0.01 * off)


def unreadable_live(window: Window) -> pd.DataFrame:
    """The live feed cannot be had."""
    raise OSError(f"the feed of {window.start:%Y-%m-%d} is gone")


def routes(window: Window) -> pd.DataFrame:
    """How far each order goes, as another vendor says it."""
    return table(window)[["order_id", "placed_at", "distance"]]
