"""Every fault is planted in a small sound log, found and named; what is sound is not accused."""

import warnings

import numpy as np
import pandas as pd
import pytest

from datamodules.events.checks import CHECKS, check_events
from datamodules.events.vocabulary import TableSpec, build_table
from datamodules.splits import ChronologicalSplit, ColumnSplit
from schemas.findings import DATA_CHECKS, Severity

FIELDS = {"kind": {}, "user": {}, "country": {"role": "static"}}
BY_COLUMN = ColumnSplit("split")


def sound_log(cases: int = 40) -> pd.DataFrame:
    rng, rows = np.random.default_rng(0), []
    for case in range(cases):
        moment = pd.Timestamp("2024-01-01") + pd.Timedelta(minutes=int(rng.integers(10**6)))
        country = rng.choice(["de", "in", "jp"])
        for _ in range(int(rng.integers(3, 12))):
            moment += pd.Timedelta(seconds=int(rng.integers(1, 10**5)))
            split = ("train", "train", "val", "test")[case % 4]
            rows.append((f"case {case}", moment, rng.choice(["a", "b", "c"]), rng.choice(["x", "y"]), country, split))
    return pd.DataFrame(rows, columns=["case", "time", "kind", "user", "country", "split"])


def found(frame: pd.DataFrame, split=BY_COLUMN, fields=FIELDS, whole_sequences=True, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # toy tables earn some while they are built
        table = build_table(frame, TableSpec("case", "time", fields, **settings), split, "log", "checksum")
    findings = check_events(table, whole_sequences)
    assert len({finding.key for finding in findings}) == len(findings)
    assert all(finding.epoch is None and finding.check in CHECKS for finding in findings)
    return findings


def only(findings, check: str, severity: Severity = Severity.WARNING) -> str:
    """The words of the one finding that there is."""
    assert [(finding.check, finding.severity) for finding in findings] == [(check, severity)]
    return findings[0].saw


def with_copy(frame: pd.DataFrame, source: str, name: str, split: str) -> pd.DataFrame:
    return pd.concat([frame, frame[frame["case"] == source].assign(case=name, split=split)], ignore_index=True)


def test_a_sound_log_has_no_findings():
    assert found(sound_log()) == []


def test_every_name_can_be_switched_off():
    assert set(CHECKS) <= set(DATA_CHECKS)


def test_a_copied_case_is_named_with_both_names():
    said = only(found(with_copy(sound_log(), "case 4", "again", "test")), "duplicates")
    assert "1 of 11 test sequences stand in train" in said and "again (test) is case 4 (train)" in said


def test_another_moment_or_value_is_another_case():
    for column, value in (("time", pd.Timestamp("2030-01-01")), ("kind", "c")):
        frame = sound_log()
        frame.loc[frame.index[frame["case"] == "case 4"][-1], "kind"] = "a"
        frame = with_copy(frame, "case 4", "again", "test")
        frame.loc[frame.index[-1], column] = value
        assert found(frame) == []


def test_cases_of_one_event_are_no_copies():
    """Nothing is predicted in them, and many a log opens cases by the batch."""
    first = sound_log().groupby("case").head(1)
    frame = with_copy(sound_log(), "case 4", "again", "test")
    alone = frame[frame["case"] == "again"].index[1:]
    frame = frame.drop(index=alone)
    frame = pd.concat([frame, first[first["case"] == "case 4"].assign(case="once", split="train")])
    assert found(frame) == []


def test_copies_under_a_cut_in_time_do_not_leak():
    """Both fall to the same sides, event by event."""
    frame = with_copy(sound_log(), "case 4", "again", "train")
    split = ChronologicalSplit("2024-07-01", "2024-10-01")
    assert found(frame, split, whole_sequences=split.whole_sequences) == []


def test_a_case_that_only_begins_in_train_has_no_copy_there():
    frame = with_copy(sound_log(), "case 7", "again", "test")
    frame.loc[frame.index[frame["case"] == "case 7"][0], "split"] = "train"
    assert found(frame) == []


def test_validation_on_the_test_cases_is_refused():
    frame = sound_log()
    test = frame[frame["split"] == "test"]
    frame = pd.concat([frame[frame["split"] != "val"], test.assign(case="again " + test["case"], split="val")])
    said = only(found(frame), "test_as_validation", Severity.STOP)
    assert said.startswith("10 of 10 test sequences") and "case 11 (test) is again case 11 (val)" in said


def test_a_case_on_both_sides_is_named_where_the_split_claims_whole_ones():
    frame = sound_log()
    frame.loc[frame.index[frame["case"] == "case 7"][:2], "split"] = "train"
    said = only(found(frame), "groups")
    assert said.startswith("1 of 10 sequences of test have targets in train too") and said.endswith(": case 7.")
    assert found(frame, whole_sequences=False) == []


def test_a_first_event_on_another_side_is_no_target():
    """It is read by whatever follows, and predicted by nothing."""
    frame = sound_log()
    frame.loc[frame.index[frame["case"] == "case 7"][0], "split"] = "train"
    assert found(frame) == []


@pytest.mark.parametrize(("role", "severity"), [("dynamic", Severity.WARNING), ("static", Severity.NOTE)])
def test_a_field_with_one_value_is_named(role, severity):
    frame = sound_log().assign(tenant="acme")
    said = only(found(frame, fields=FIELDS | {"tenant": {"role": role}}), "constant", severity)
    assert said.startswith("tenant is 'acme' in 100.0% of")


def test_a_field_that_is_all_unknown_is_named_once():
    frame = sound_log()
    frame["ticket"] = [f"number {number}" for number in range(len(frame))]
    said = only(found(frame, fields=FIELDS | {"ticket": {}}), "constant")
    assert said.startswith("ticket is unknown in 100.0% of")


@pytest.mark.parametrize(("share", "severity"), [(0.5, Severity.WARNING), (0.12, Severity.NOTE), (0.02, None)])
def test_targets_that_train_does_not_know_are_counted(share, severity):
    frame = sound_log(400)
    new = (frame["split"] == "test") & (np.random.default_rng(1).random(len(frame)) < share)
    frame.loc[new, "user"] = "newcomer"
    findings = found(frame)
    if severity is None:
        assert findings == []
        return
    said = only(findings, "absent_labels", severity)
    targets = frame[(frame["split"] == "test") & (frame.groupby("case").cumcount() > 0)]
    expected = (targets["user"] == "newcomer").mean()
    assert f"and {expected:.1%} of {len(targets):,} test targets" in said and "user is unknown in 0.0% of" in said


def test_a_static_field_that_is_new_in_test_is_not_predicted():
    frame = sound_log()
    frame.loc[frame["split"] == "test", "country"] = "fr"
    assert found(frame) == []
