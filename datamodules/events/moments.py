"""Moments: read from any column into microseconds since 1970, and what fields derive from them."""

import numpy as np
import pandas as pd

from schemas.errors import ConfigError

EPOCHS = {"s": 1_000_000, "ms": 1_000, "us": 1}
"""Time formats of columns of numbers: microseconds in one unit of the time since 1970; `ns` is the other one."""
NEVER = 253_402_300_800_000_000
"""The end of the year 9999: no moment of a table lies there or later."""
_FIRST = -62_135_596_800_000_000
"""The beginning of the year 1."""
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
START = "START"
"""The gap of a sequence's first event."""
NAMES = {
    "month": [str(month) for month in range(1, 13)],
    "day": [str(day) for day in range(1, 32)],
    "weekday": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "hour": [str(hour) for hour in range(24)],
    "minute": [str(minute) for minute in range(60)],
}
"""Every value of what is derived from a moment."""


def parse_moments(column: pd.Series, time_format: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reads moments; those without a time zone count as UTC, those with one are turned into it.

    Args:
        column: text, datetimes or numbers.
        time_format: as in strptime; `s`, `ms`, `us` or `ns` for numbers since 1970; None for ISO 8601.

    Returns:
        [N] int64 microseconds since 1970, NEVER where there is none; [N] bool, which cells are empty; [N] bool, which
        are no moment of the years 1 to 9999 in that format. Plain numbers without a format are not guessed at.

    Raises:
        ConfigError: for a format that is none.
    """
    missing = column.isna().to_numpy(dtype=bool) | (column == "").to_numpy(dtype=bool, na_value=False)
    if column.dtype.kind == "M":
        moments = _microseconds(pd.to_datetime(column, utc=True))
    elif time_format in (*EPOCHS, "ns"):
        moments = _since_1970(column, time_format)
    elif time_format is None and pd.api.types.is_numeric_dtype(column.dtype):
        moments = np.full(len(column), NEVER)
    else:
        if pd.api.types.is_numeric_dtype(column.dtype):
            column = column.astype("Int64").astype(str)
        try:
            parsed = pd.to_datetime(column, format=time_format or "ISO8601", utc=True, errors="coerce")
        except ValueError as error:
            remedy = 'Write it as strptime does ("%d/%m/%Y %H:%M"), or s, ms, us or ns for numbers since 1970.'
            raise ConfigError(str(error), where="datamodule.time_format", remedy=remedy) from error
        moments = _microseconds(parsed)
    moments[missing] = NEVER
    unreadable = ~missing & ((moments >= NEVER) | (moments < _FIRST))
    return np.where(unreadable, NEVER, moments), missing, unreadable


def _microseconds(moments: pd.Series) -> np.ndarray:
    plain = moments.dt.tz_localize(None)
    microseconds = plain.astype("datetime64[us]").to_numpy().astype(np.int64)
    return np.where(plain.isna().to_numpy(), NEVER, microseconds)


def _since_1970(column: pd.Series, unit: str) -> np.ndarray:
    numbers = pd.to_numeric(column, errors="coerce")
    given = numbers.notna().to_numpy(dtype=bool)
    kind = np.int64 if pd.api.types.is_integer_dtype(numbers.dtype) else np.float64
    numbers = numbers.fillna(0).to_numpy(dtype=kind)
    # what is below this does not overflow, whatever the unit
    valid = given & (np.abs(numbers.astype(np.float64)) < (2.0**63 if unit == "ns" else NEVER / EPOCHS[unit]))
    numbers = np.where(valid, numbers, 0)
    moments = numbers // 1000 if unit == "ns" else numbers * EPOCHS[unit]
    return np.where(valid, np.round(moments).astype(np.int64), NEVER)


def derive(kind: str, moments: np.ndarray) -> np.ndarray:
    """[N] number of each moment's month, day, weekday, hour or minute among `NAMES`; -1 where there is none."""
    index = pd.DatetimeIndex(moments.astype("datetime64[us]"))
    number = np.asarray(getattr(index, {"weekday": "day_of_week"}.get(kind, kind)), dtype=np.int64)
    return np.where(moments == NEVER, -1, number - 1 if kind in ("month", "day") else number)


def gap_bins(time: np.ndarray, first: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    """[N] bin of the time since the previous event; the bin after the last one (START) at every `first` event.

    Bin i holds edges[i] <= seconds < edges[i + 1].
    """
    seconds = np.diff(time, prepend=time[:1]) / 1_000_000
    return np.where(first, len(edges), np.searchsorted(edges, seconds, side="right") - 1)


def gap_names(edges: tuple[float, ...]) -> list[str]:
    """A name a bin in the largest unit that fits both ends ("0-60 s", "1-4 h", "30 d or more"), then START."""
    names = []
    for low, high in zip(edges, [*edges[1:], None], strict=True):
        size, unit = next(
            ((size, unit) for size, unit in _UNITS if low % size == 0 and _fits(size, low, high)), _UNITS[-1]
        )
        names.append(
            f"{low / size:.12g} {unit} or more" if high is None else f"{low / size:.12g}-{high / size:.12g} {unit}"
        )
    return [*names, START]


def _fits(size: int, low: float, high: float | None) -> bool:
    return (high is None and low > 0) or (high is not None and high % size == 0 and high > size)
