"""Moments of every form against Python's own datetime, and bins against their names."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.events.moments import NAMES, NEVER, derive, gap_bins, gap_names, parse_moments
from schemas.errors import ConfigError

EDGES = (0.0, 60, 300, 1800, 3600, 14400, 43200, 86400, 259200, 604800, 2592000)
ORIGIN = datetime(1970, 1, 1, tzinfo=UTC)
ALL_TIME = st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1))


def microseconds(moment: datetime) -> int:
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - ORIGIN) // timedelta(microseconds=1)


@settings(max_examples=50, deadline=None)
@given(st.lists(ALL_TIME, min_size=1, max_size=8))
def test_a_moment_is_the_same_in_every_form(moments):
    expected = [microseconds(moment) for moment in moments]
    rome = [pd.Timestamp(moment, tz="UTC").tz_convert("Europe/Rome") for moment in moments]
    forms = [
        (pd.Series([moment.isoformat(" ") for moment in moments]), None),
        (pd.Series([moment.isoformat() + "Z" for moment in moments]), None),
        (pd.Series([moment.strftime("%d/%m/%Y %H:%M:%S.%f") for moment in moments]), "%d/%m/%Y %H:%M:%S.%f"),
        (pd.Series(moments, dtype="datetime64[us]"), None),
        (pd.Series(moments, dtype="datetime64[ns]"), None),
        (pd.Series(rome), None),
        (pd.Series(expected), "us"),
        (pd.Series([str(number) for number in expected]), "us"),
        (pd.Series([str(1000 * number) for number in expected]), "ns"),
    ]
    for column, time_format in forms:
        found, missing, unreadable = parse_moments(column, time_format)
        assert found.dtype == np.int64 and found.tolist() == expected, (column, time_format)
        assert not missing.any() and not unreadable.any()


@pytest.mark.parametrize(
    ("cells", "time_format", "expected"),
    [
        (["1700000000", "1700000000.25"], "s", [1_700_000_000_000_000, 1_700_000_000_250_000]),
        ([1_700_000_000_123], "ms", [1_700_000_000_123_000]),
        (["2024-03-31T02:30:00+02:00"], None, [microseconds(datetime(2024, 3, 31, 0, 30))]),
        ([-62_135_596_800, 253_402_300_799], "s", [-62_135_596_800_000_000, NEVER - 1_000_000]),
        (
            ["1700-01-01", "2250-12-31"],
            "%Y-%m-%d",
            [microseconds(datetime(1700, 1, 1)), microseconds(datetime(2250, 12, 31))],
        ),
        (["202401310815"], "%Y%m%d%H%M", [microseconds(datetime(2024, 1, 31, 8, 15))]),
        ([202401310815], "%Y%m%d%H%M", [microseconds(datetime(2024, 1, 31, 8, 15))]),
    ],
)
def test_formats_and_units(cells, time_format, expected):
    found, _, unreadable = parse_moments(pd.Series(cells), time_format)
    assert found.tolist() == expected and not unreadable.any()


@pytest.mark.parametrize(
    ("cells", "time_format"),
    [
        (["2024-13-01", "soon", "01/02/2024"], None),
        (["1700000000", "1700000000.5", "12"], None),
        ([1_700_000_000, 12], None),
        (["2024-01-01"], "%d/%m/%Y"),
        (["now", "inf", "nan"], "s"),
        ([1_700_000_000_000], "s"),
        ([1e300, float("inf")], "ns"),
        ([2**62, -(2**62)], "us"),
    ],
)
def test_what_is_no_moment_is_told_from_what_is_missing(cells, time_format):
    found, missing, unreadable = parse_moments(pd.Series([*cells, None]), time_format)
    assert unreadable.tolist() == [True] * len(cells) + [False]
    assert missing.tolist() == [False] * len(cells) + [True]
    assert (found == NEVER).all()


def test_a_format_that_is_none_is_a_config_error():
    with pytest.raises(ConfigError, match=r"datamodule\.time_format.*strptime"):
        parse_moments(pd.Series(["2024"]), "%Q")


@settings(max_examples=50, deadline=None)
@given(ALL_TIME)
def test_what_derives_from_a_moment_is_what_the_calendar_says(moment):
    expected = {
        "month": str(moment.month),
        "day": str(moment.day),
        "weekday": moment.strftime("%A"),
        "hour": str(moment.hour),
        "minute": str(moment.minute),
    }
    numbers = np.array([microseconds(moment)])
    assert {kind: NAMES[kind][derive(kind, numbers)[0]] for kind in NAMES} == expected
    assert all(derive(kind, np.array([NEVER])) == [-1] for kind in NAMES)


def test_bins_have_names_that_a_person_reads():
    assert gap_names(EDGES) == [
        *("0-60 s", "1-5 min", "5-30 min", "30-60 min", "1-4 h", "4-12 h", "12-24 h"),
        *("1-3 d", "3-7 d", "7-30 d", "30 d or more", "START"),
    ]
    assert gap_names((0.0,)) == ["0 s or more", "START"]
    assert gap_names((0.0, 0.5, 90, 7200)) == ["0-0.5 s", "0.5-90 s", "90-7200 s", "2 h or more", "START"]


def test_a_bin_holds_its_lower_edge_and_the_first_event_none():
    seconds = [0, 0, 59.999999, 60, 299, 300, 2591999, 2592000, 10**8]
    time = np.cumsum(np.array(seconds) * 1e6).astype(np.int64)
    first = np.arange(len(time)) == 0
    names = [gap_names(EDGES)[number] for number in gap_bins(time, first, EDGES)]
    assert names == [
        *("START", "0-60 s", "0-60 s", "1-5 min", "1-5 min", "5-30 min", "7-30 d", "30 d or more", "30 d or more")
    ]
