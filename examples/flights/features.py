"""Transformations that system.yaml names: a frame of read columns in, one column out."""

import numpy as np
import numpy.typing as npt
import pandas as pd

TIMEZONE = "America/New_York"


def local_hour(read: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Hour of the day of the scheduled departure in New York, with its fraction, 0 <= hour < 24."""
    there = read["schedule.scheduled_departure"].dt.tz_convert(TIMEZONE)
    return (there.dt.hour + there.dt.minute / 60).to_numpy(dtype=float)


def weekday(read: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Day of the week of the scheduled departure in New York: Monday 0 to Sunday 6."""
    there = read["schedule.scheduled_departure"].dt.tz_convert(TIMEZONE)
    return there.dt.day_of_week.to_numpy(dtype=float)
