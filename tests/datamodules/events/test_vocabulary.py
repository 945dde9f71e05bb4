"""Frames to tables: against the same rules written as plain loops, hand-made tables, and bad input of every kind."""

import os
import re
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.events.moments import NEVER
from datamodules.events.reading import read_source
from datamodules.events.table import SPLITS, EventTable
from datamodules.events.vocabulary import TableSpec, build_table
from datamodules.splits import ChronologicalSplit, ColumnSplit, SequenceHashSplit
from schemas.errors import ConfigError, DataError

REPOSITORY = Path(__file__).parents[3]
REAL = Path(os.environ.get("ASSAY_DATA") or REPOSITORY / "../shared/data") / "events"
BY_COLUMN = ColumnSplit("split")


def log(rows: list[tuple], columns: str = "case time what split") -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns.split())


def table_of(frame: pd.DataFrame, fields: dict | None = None, split=BY_COLUMN, **settings) -> EventTable:
    """Without the warnings that every toy table earns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec = TableSpec("case", "time", fields or {"what": {}}, **settings)
        return build_table(frame, spec, split, "log", "checksum")


def names_of(table: EventTable, field: int = 0) -> list[str]:
    return [table.fields[field].name_of(value) for value in table.values[:, field]]


def cases(values: list[str | None], split: str = "train") -> pd.DataFrame:
    """Two cases with the same values, an event an hour."""
    moments = pd.date_range("2024-01-01", periods=len(values), freq="h").astype(str)
    return log([(case, moment, value, split) for case in "ab" for moment, value in zip(moments, values, strict=True)])


@st.composite
def logs(draw) -> pd.DataFrame:
    row = st.tuples(
        st.sampled_from("abcd"),
        st.integers(0, 4).map(lambda hour: f"2024-01-01 0{hour}:00:00"),
        st.sampled_from(["x", "y", "10", "9", "z", None]),
        st.integers(0, 2).map(str),
        st.sampled_from(SPLITS),
    )
    frame = log(draw(st.lists(row, min_size=1, max_size=25)), "case time what tie split")
    frame.loc[0, "split"] = "train"
    return frame


def is_number(text: str) -> bool:
    return text.lstrip("-").isdigit()


def in_order(names: set[str]) -> list[str]:
    plain = names - {"(missing)"}
    key = float if all(map(is_number, plain)) else str
    return sorted(plain, key=key) + sorted(names & {"(missing)"})


@settings(max_examples=100, deadline=None)
@given(logs(), st.integers(1, 3), st.sampled_from([None, 3, 4]))
def test_a_table_is_what_plain_loops_make_of_it(frame, min_sequences, cap):
    kind = "category" if cap is None else "id"
    table = table_of(
        frame, {"what": {"kind": kind}}, order_by=["tie"], min_sequences=min_sequences, id_category_size=cap or 9
    )
    rows = frame.fillna({"what": "(missing)"}).itertuples(index=False, name=None)
    rows = sorted(rows, key=lambda row: (row[0], row[1], int(row[3])))
    seen, events = defaultdict(set), Counter()
    for case, _, what, _, split in rows:
        if split == "train":
            seen[what].add(case)
            events[what] += 1
    known = in_order({what for what in seen if len(seen[what]) >= min_sequences})
    kept, other = known, []
    if cap is not None and len(known) + 1 > cap:
        most = sorted(known, key=lambda what: -events[what])[: cap - 2]
        kept, other = [what for what in known if what in most], ["(other)"]

    assert table.fields[0].values == (*kept, *other)
    expected = [w if w in kept else "(other)" if w in known else "(unknown)" for _, _, w, _, _ in rows]
    assert names_of(table) == expected
    assert [table.sequence_names[number] for number in table.sequence] == [row[0] for row in rows]
    assert [SPLITS[number] for number in table.split] == [row[4] for row in rows]
    assert [str(moment)[:19].replace("T", " ") for moment in table.time.astype("M8[us]")] == [row[1] for row in rows]
    ranks = pd.Series([row[0] for row in rows])
    assert table.rank.tolist() == ranks.groupby(ranks).cumcount().tolist()
    assert cap is None or table.fields[0].cardinality <= cap
    assert (table.values.dtype, table.sequence.dtype, table.split.dtype) == (np.int32, np.int32, np.int8)
    assert (table.time.dtype, table.starts.dtype, table.fingerprint) == (np.int64, np.int64, "checksum")


def test_ties_in_time_fall_to_numbers_then_to_the_place_in_the_source():
    rows = [("a", "2024-01-01", what, tie, "train") for what, tie in (("4", "10"), ("1", "9"), ("5", ""), ("2", "9"))]
    frame = log(rows, "case time what tie split").replace("", None)
    assert names_of(table_of(frame, min_sequences=1, order_by=["tie"])) == ["1", "2", "4", "5"]
    assert names_of(table_of(frame, min_sequences=1)) == ["4", "1", "5", "2"]


def test_only_training_events_make_a_vocabulary():
    frame = cases(["old", "old", "new", "new"])
    table = table_of(frame, split=ChronologicalSplit("2024-01-01 02:00", "2024-01-01 03:00"))
    assert table.fields[0].values == ("old",)
    assert names_of(table) == ["old", "old", "(unknown)", "(unknown)"] * 2
    assert table.targets("test").tolist() == [3, 7]
    assert "what: V = 2; train 0.00% unknown, val 100.00% unknown, test 100.00% unknown" in table.notes


def test_a_fixed_vocabulary_is_taken_as_it_is():
    table = table_of(cases(["3", "1", "7", None]), {"what": {"values": [3, 2, "1"]}})
    assert table.fields[0].values == ("3", "2", "1")
    assert names_of(table)[:4] == ["3", "1", "(unknown)", "(unknown)"]


def test_an_ordered_categorical_keeps_its_order():
    frame = cases(["low", "high", "mid", "high"])
    frame["what"] = pd.Categorical(frame["what"], ["low", "mid", "high", "never"], ordered=True)
    assert table_of(frame).fields[0].values == ("low", "mid", "high")


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([2.0, 10.0, None, 2.0]),
        pd.Series([2, 10, None, 2], dtype="Int64"),
        pd.Series(["2", "10", "", "2"]),
        pd.Series([2, "10", "(missing)", "2"], dtype=object),
        pd.Series(["2", "10", None, "2"], dtype="category"),
        pd.Series(["2", "10", "", "2"], dtype="category"),
        pd.Series([2, 10, None, 2], dtype="category"),
    ],
)
def test_a_value_has_the_same_name_whatever_the_column_holds(column):
    frame = cases(["", "", "", ""]).assign(what=pd.concat([column, column], ignore_index=True))
    table = table_of(frame)
    assert table.fields[0].values == ("2", "10", "(missing)")
    assert names_of(table)[:4] == ["2", "10", "(missing)", "2"]


def test_fields_may_derive_from_time():
    moments = ["2024-01-31 23:59:30", "2024-01-31 23:59:50", "2024-02-01 04:00:00", "2024-03-04 04:00:00"]
    frame = log([(case, moment, moment, "train") for case in "ab" for moment in moments], "case time due split")
    frame.loc[[1, 5], "due"] = None
    kinds = ("month", "day", "weekday", "hour", "minute")
    fields = {kind: {"kind": kind} for kind in kinds}
    fields |= {"gap": {"kind": "gap", "edges": [0, 60, 3600, 86400]}, "due_day": {"kind": "day", "column": "due"}}
    table = table_of(frame, fields)
    columns = [names_of(table, number)[:4] for number in range(7)]
    assert columns == [
        ["1", "1", "2", "3"],
        ["31", "31", "1", "4"],
        ["Wednesday", "Wednesday", "Thursday", "Monday"],
        ["23", "23", "4", "4"],
        ["59", "59", "0", "0"],
        ["START", "0-60 s", "1-24 h", "1 d or more"],
        ["31", "(missing)", "1", "4"],
    ]
    assert table.fields[2].values == ("Monday", "Wednesday", "Thursday")
    assert table.fields[5].values == ("0-60 s", "1-24 h", "1 d or more", "START")


def test_a_value_that_is_known_later_carries_its_moment():
    frame = cases(["x", "y"]).assign(closed=["2024-02-01", "2024-03-01", None, "2024-05-01"])
    table = table_of(frame.iloc[::-1], {"what": {"known_at": "closed"}, "split": {}})
    closed = table.known_at[0]
    assert closed[[0, 1, 3]].astype("M8[us]").astype("M8[M]").astype(str).tolist() == ["2024-02", "2024-03", "2024-05"]
    assert closed[2] == NEVER
    assert [field.known_later for field in table.fields] == [True, False] and list(table.known_at) == [0]


def test_time_zones_become_utc_before_anything_derives_from_them():
    frame = log([(case, "2024-01-01T00:30:00+02:00", "x", "train") for case in "ab"])
    assert names_of(table_of(frame, {"hour": {"kind": "hour"}, "weekday": {"kind": "weekday"}}), 1)[0] == "Sunday"
    frame["time"] = pd.to_datetime(frame["time"])
    assert names_of(table_of(frame, {"hour": {"kind": "hour"}}))[0] == "22"


# What may be a mistake is warned of


def warned(match: str, frame: pd.DataFrame, fields: dict | None = None, **settings) -> EventTable:
    """Every warning is a note as well."""
    spec = TableSpec("case", "time", fields or {"what": {}}, **settings)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = build_table(frame, spec, BY_COLUMN, "log", "")
    messages = [str(warning.message) for warning in caught if warning.category is UserWarning]
    assert any(re.search(f"log: {match}", message) for message in messages), messages
    assert set(messages) <= {f"log: {note}" for note in table.notes}
    return table


def test_rows_without_a_sequence_are_left_out_and_counted():
    frame = log([("a", "2024-01-01", "x", "train"), (None, "no time", "y", "?"), ("b", "2024-01-01", "x", "train")])
    table = table_of(frame)
    assert len(table.time) == 2 and "1 of 3 rows have no case and are left out" in table.notes


def test_unsorted_rows_are_sorted_and_counted():
    frame = cases(["1", "2", "3", "4"]).iloc[[4, 0, 2, 1, 5, 3, 6, 7]]
    table = table_of(frame)
    assert names_of(table)[:4] == ["1", "2", "3", "4"]
    assert "1 rows stood after a later event of their sequence: sorted by time" in table.notes
    assert not any("sorted" in note for note in table_of(frame.sort_values("time")).notes)


@settings(max_examples=50, deadline=None)
@given(logs())
def test_repeated_rows_are_kept_and_counted(frame):
    table = table_of(frame)
    repeats = frame.duplicated(subset=["case", "time", "what"]).sum()
    assert len(table.time) == len(frame)
    assert any(note.startswith(f"{repeats} of {len(frame)} rows repeat") for note in table.notes) == (repeats > 0)


def test_repeated_rows_are_warned_of():
    frame = cases(["x", "y"])
    warned(r"1 of 5 rows repeat another .*they are kept", pd.concat([frame, frame[:1]]))


def test_a_constant_field_is_warned_of():
    warned("what is 'x' in every training event: nothing can be learned", cases(["x", "x"]))
    warned("what is unknown in every training event", cases(["x", "y"]), min_sequences=3)


def test_sequences_of_one_event_leave_nothing_to_predict():
    table = warned("no sequence has two events", cases(["x"]))
    assert len(table.targets("train")) == 0


def test_a_split_without_targets_is_warned_of():
    frame = pd.concat([cases(["x", "y"]), log([("c", "2024-01-01", "x", "val")])])
    warned("the val split has no event with a predecessor", frame)
    assert len(table_of(frame).targets("train")) == 2


def test_what_the_cap_and_unseen_values_cost_is_told_by_split():
    train, test = cases(list("xxxyz")), cases(list("xyzw"), "test")
    table = table_of(pd.concat([train, test.replace({"case": {"a": "c", "b": "d"}})]), {"what": {"kind": "id"}})
    assert "what: V = 4; train 0.00% unknown, test 25.00% unknown" in table.notes
    capped = table_of(pd.concat([train, test]), {"what": {"kind": "id"}}, id_category_size=3)
    assert capped.fields[0].values == ("x", "(other)") and capped.fields[0].cardinality == 3
    note = "what: V = 3; train 0.00% unknown and 40.00% (other), test 25.00% unknown and 50.00% (other)"
    assert note in capped.notes


# What cannot be used is an error that names the place


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("a,3 May 2024,x,train,", r"two\.csv, row 4: time is '3 May 2024', which is no moment as ISO 8601 \(1 of 4"),
        ("a,1704067200,x,train,", r"two\.csv, row 4: time is '1704067200'.*s, ms, us or ns for numbers since 1970"),
        ("a,,x,train,", r"two\.csv, row 4: time is empty \(1 of 4 rows\)"),
        ("a,2024-01-01,x,dev,", r"two\.csv, row 4, column 'split': 'dev'"),
        ("0,2024-01-01,x,train,soon", r"two\.csv, row 4: seen is 'soon', which is no moment"),
    ],
)
def test_a_bad_cell_is_named_with_its_file_and_its_row(tmp_path, cells, message):
    head = "case,time,what,split,seen\n"
    (tmp_path / "one.csv").write_text(f"{head}b,2024-01-02,x,train,\n\n,,,,\na,2024-01-01,x,train,\n")
    (tmp_path / "two.csv").write_text(f"{head}b,2024-01-01,x,train,2024-01-01\n\n{cells}\n")
    frame = read_source(tmp_path, ["case", "time", "what", "seen", "split"])
    with pytest.raises(DataError, match=message):
        table_of(frame, {"what": {"known_at": "seen"}})


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (cases(["x"]).rename(columns={"what": "What"}), r"log: it has no column 'what'. Do you mean 'What'\?"),
        (cases(["x"]).drop(columns="split"), "log: it has no column 'split'"),
        (cases(["x"])[:0], "log: it has no rows"),
        (cases(["x"]).assign(case=None), "log: no row has a case"),
        (cases(["x"], split="test"), "log: no event is in the train split"),
        (cases(["x"]).assign(time=pd.NaT), r"log, row 1: time is empty \(2 of 2 rows\)"),
        (cases(["x"]).assign(time=1.5), r"log, row 1: time is '1.5', which is no moment"),
    ],
)
def test_a_frame_that_is_no_event_log_is_refused(frame, message):
    with pytest.raises(DataError, match=message):
        table_of(frame)


def test_a_category_of_very_many_values_is_no_category():
    """Seconds at this size; ten million distinct values take some twenty, in about 4 GB."""
    count = 200_000
    frame = pd.DataFrame({"case": np.arange(count) // 4, "what": np.random.default_rng(0).permutation(count)})
    frame["time"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame.index, unit="s")
    split = SequenceHashSplit(0.1, 0.1, 0)
    with pytest.raises(DataError, match=r"column 'what': it has 1\d\d,\d{3} values.*`kind: id`"):
        table_of(frame, split=split, min_sequences=1)
    rare = table_of(frame, split=split)
    assert rare.fields[0].values == () and (rare.values == 1).all()
    ids = table_of(frame, {"what": {"kind": "id"}}, split=split, min_sequences=1)
    assert ids.fields[0].cardinality == 100


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"what": {"kid": "id"}}, r"datamodule\.fields\.what\.kid: there is no such key. Do you mean kind\?"),
        ({"what": {"kind": "ids"}}, "what: 'ids' is no kind of field"),
        ({"what": {"role": "target"}}, "what: 'target' is no role"),
        ({"what": {"role": "static"}}, "no field is dynamic"),
        ({"gap": {"kind": "gap"}}, r"gap\.edges: edges belong to the kind gap"),
        ({"gap": {"kind": "hour", "edges": [0, 60]}}, r"gap\.edges: edges belong to the kind gap"),
        ({"gap": {"kind": "gap", "edges": [0, 60, 60]}}, "not seconds that rise from 0"),
        ({"gap": {"kind": "gap", "edges": [60, 90]}}, "not seconds that rise from 0"),
        ({"gap": {"kind": "gap", "edges": []}}, "not seconds that rise from 0"),
        ({"gap": {"kind": "gap", "edges": [0], "column": "time"}}, r"gap\.column: a gap is"),
        ({"what": {"values": [True, False]}}, r"what\.values: .* is not a list of different texts.*quote it"),
        ({"what": {"values": ["a", "a"]}}, "is not a list of different texts"),
        ({"what": {"values": []}}, "is not a list of different texts"),
    ],
)
def test_a_description_that_makes_no_sense_is_a_config_error(fields, message):
    with pytest.raises(ConfigError, match=message):
        TableSpec("case", "time", fields)


@pytest.mark.parametrize("settings", [{"min_sequences": 0}, {"id_category_size": 2}])
def test_sizes_too_small_are_config_errors(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        TableSpec("case", "time", {"what": {}}, **settings)


# Real logs


@pytest.mark.parametrize(
    ("name", "events", "sequences", "targets"),
    [("bpic2013_incidents", 65_533, 7_554, 7_224), ("helpdesk", 21_348, 4_580, None)],
)
def test_the_real_logs_are_read_whole(name, events, sequences, targets):
    path = REAL / f"{name}.csv.gz"
    if not path.exists():
        pytest.skip(f"needs the real data: {path} is not there; set ASSAY_DATA to the folder of the data sets")
    spec = TableSpec("case", "time", {"activity": {}, "resource": {"kind": "id"}, "product": {"role": "static"}})
    table = table_of(read_source(path, [*spec.columns, *BY_COLUMN.columns]), spec.fields)
    raw = pd.read_csv(path, keep_default_na=False).sort_values(["case", "time"], kind="stable")
    assert (len(table.time), len(table.sequence_names)) == (events, sequences)
    later = raw["case"].duplicated() & (raw["split"] == "test")
    assert len(table.targets("test")) == later.sum()
    assert targets is None or later.sum() == targets
    known = raw[raw["split"] == "train"].groupby("activity")["case"].nunique() >= 2
    assert table.fields[0].values == tuple(sorted(known.index[known]))
    assert names_of(table) == [what if known.get(what, False) else "(unknown)" for what in raw["activity"]]
    assert table.fields[1].cardinality <= 100
