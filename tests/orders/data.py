"""A made-up shop: every day's orders follow from the date alone, so any window can be made."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd

from sluiceway.ports import Window

ROWS_A_DAY = 120
FIRST_DAY = date(2026, 1, 1)


def _day(day: date) -> pd.DataFrame:
    draw = np.random.default_rng((day - FIRST_DAY).days + 1000)
    signal = np.clip(draw.normal(size=ROWS_A_DAY), -4, 4)
    amount = draw.gamma(2.0, 40.0, ROWS_A_DAY).clip(1, 999)
    hour = draw.integers(0, 24, ROWS_A_DAY).astype(float)
    distance = draw.uniform(10, 2000, ROWS_A_DAY)
    probability = 1 / (1 + np.exp(1.0 - 1.6 * signal - 0.004 * amount))
    fraud = (draw.random(ROWS_A_DAY) < probability).astype(float)
    days = 2 + distance / 500 + draw.normal(0, 0.5, ROWS_A_DAY)
    euros = 5 + 60 * probability + 0.02 * amount + draw.normal(0, 3, ROWS_A_DAY)
    score = 0.5 * days + 0.25 * euros + draw.normal(0, 0.5, ROWS_A_DAY)
    midnight = pd.Timestamp(day, tz="UTC")
    placed = midnight + pd.to_timedelta(hour * 3600 + draw.uniform(0, 3599, ROWS_A_DAY), unit="s")
    return pd.DataFrame(
        {
            "order_id": [f"{day.isoformat()}-{n:04d}" for n in range(ROWS_A_DAY)],
            "placed_at": placed,
            "signal": signal,
            "amount": amount,
            "hour": hour,
            "distance": distance,
            "fraud": fraud,
            "days": days,
            "euros": euros,
            "score": score,
            "settled_at": placed + pd.Timedelta("20h"),
        }
    )


def table(window: Window) -> pd.DataFrame:
    """All columns of the orders placed in the window."""
    days = pd.date_range(window.start.date(), window.end.date(), freq="D")
    rows = pd.concat([_day(day.date()) for day in days], ignore_index=True)
    inside = (rows["placed_at"] >= window.start) & (rows["placed_at"] < window.end)
    return rows[inside].reset_index(drop=True)


def orders(window: Window) -> pd.DataFrame:
    """What is known when an order is placed."""
    return table(window)[["order_id", "placed_at", "signal", "amount", "hour", "distance"]]


def outcomes(window: Window) -> pd.DataFrame:
    """What became of the orders."""
    return table(window)[["order_id", "placed_at", "fraud", "days", "euros", "score", "settled_at"]]


def signal_2(columns: pd.DataFrame) -> np.ndarray:
    """The signal, corrected for the hour (by nothing much)."""
    return columns["orders.signal"].to_numpy() + 0.001 * columns["orders.hour"].to_numpy()


def day(number: int) -> datetime:
    """Midnight UTC so many days after the shop's first day."""
    return datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC) + timedelta(number)
