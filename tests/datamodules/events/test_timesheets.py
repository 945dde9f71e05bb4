"""What `timesheets` promises: the documented fields, a credible clock, and entropy floors that its own tables reach."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from datamodules.events.timesheet_floors import (
    ANCESTORS,
    NUMBER,
    RULES,
    chained,
    conditionals,
    independent,
    past_of,
    proposed,
)
from datamodules.events.timesheet_world import FIELDS, SHIFT_STARTS
from datamodules.events.timesheets import (
    VERSION,
    Records,
    next_events,
    read_records,
    simulated,
    true_conditionals,
    write_timesheets,
)
from experiment.build import build_datamodule
from experiment.configs.compose import compose_config
from lightning_modules.field_metrics import FieldMetrics
from schemas.batches import EventOutput
from schemas.errors import ConfigError

IDS = ("ActorRecordId", "RecipientRecordId", "LocationRecordId", "CostCodeRecordId", "JobCodeRecordId")
CALENDAR = {"Month": 14, "Day": 33, "Hour": 25, "Minute": 61}
DOCUMENTED = {"EventType": 10, "ApprovedByManagerUserRecordId": 100, "IsTimesheet": 4, "HoursWorked": 100}
DOCUMENTED |= dict.fromkeys(IDS, 100)
DOCUMENTED |= {f"Time_{of}_{unit}": size for of in ("Event", "Reference") for unit, size in CALENDAR.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("events") / "timesheets"
    write_timesheets(target, seed=3, employees=60, weeks=5)
    return target


@pytest.fixture(scope="module")
def facts(folder) -> dict:
    return json.loads((folder / "facts.json").read_text())


@pytest.fixture(scope="module")
def frame(folder) -> pd.DataFrame:
    return pd.read_parquet(folder / "events.parquet")


@pytest.fixture(scope="module")
def records(folder) -> Records:
    return read_records(folder)


@pytest.fixture(scope="module")
def targets(records) -> np.ndarray:
    return np.concatenate([records.targets(split) for split in ("train", "val", "test")])


def column(records: Records, events: np.ndarray, field: str) -> np.ndarray:
    return records.values[events, NUMBER[field]]


def test_fields_have_the_documented_cardinalities(facts):
    assert {name: len(values) + 1 for name, values in FIELDS.items()} == DOCUMENTED
    assert facts["values"] == {name: list(values) for name, values in FIELDS.items()}
    assert all(len(set(values)) == len(values) for values in FIELDS.values())


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    for name, seed in (("again", 3), ("other", 4)):
        write_timesheets(tmp_path / name, seed=seed, employees=60, weeks=5)
    for file in ("events.parquet", "facts.json"):
        assert (tmp_path / "again" / file).read_bytes() == (folder / file).read_bytes()
        assert (tmp_path / "other" / file).read_bytes() != (folder / file).read_bytes()


def test_fewer_employees_and_weeks_are_a_part_of_the_same_world(records):
    small = simulated(3, employees=20, weeks=2)
    for employee in range(20):
        of_small = small.values[small.employee == employee]
        of_large = records.values[records.employee == employee]
        assert len(of_small) < len(of_large)
        assert (of_small == of_large[: len(of_small)]).all()


def test_the_facts_say_what_was_made(facts, frame):
    assert (facts["version"], facts["seed"]) == (VERSION, 3)
    assert facts["order"] == list(RULES)
    assert set(facts["floors"]) == set(FIELDS)
    assert list(frame.columns) == ["employee", "time", "split", *FIELDS]
    assert frame["time"].is_monotonic_increasing


def test_time_is_that_of_the_event_fields(frame):
    for unit in CALENDAR:
        assert (getattr(frame["time"].dt, unit.lower()) == frame[f"Time_Event_{unit}"].astype(int)).all()


def test_time_rises_within_a_record_and_goes_round_the_year(frame):
    gaps = frame.groupby("employee")["time"].diff().dropna()
    assert gaps.min() > pd.Timedelta(0)
    assert gaps.max() < pd.Timedelta(days=9)
    assert frame["time"].dt.year.isin((2025, 2026)).all()
    assert frame["Time_Event_Month"].nunique() == 12


def test_a_record_lasts_its_weeks(frame):
    spans = frame.groupby("employee")["time"].agg(lambda times: times.max() - times.min())
    assert spans.between(pd.Timedelta(days=33), pd.Timedelta(days=44)).all()


def test_employees_belong_to_one_split(frame):
    assert (frame.groupby("employee")["split"].nunique() == 1).all()
    people = frame.groupby("split")["employee"].nunique()
    assert people.to_dict() == {"train": 42, "val": 6, "test": 12}


def test_people_work_credible_days(frame):
    hours = frame["HoursWorked"].astype(float)
    assert 6 < hours[frame["EventType"] == "PunchOut"].mean() < 9
    punched = frame[frame["EventType"] == "PunchIn"]
    late = (punched["time"].dt.minute - punched["Time_Reference_Minute"].astype(int)) % 60
    assert late.max() < 10
    assert set(punched["Time_Reference_Hour"].astype(int)) <= set(SHIFT_STARTS)
    share = frame["EventType"].value_counts(normalize=True)
    assert set(share.index) == set(FIELDS["EventType"])
    assert share.max() < 0.25


def test_rules_see_earlier_fields_and_at_most_three_history_features():
    assert set(RULES) == set(FIELDS)
    order = list(RULES)
    for field, rule in RULES.items():
        assert all(order.index(name) < order.index(field) for name in rule.earlier)
        assert len(rule.history) <= 3
    assert ANCESTORS["Time_Event_Day"] == ("EventType", "Time_Reference_Hour", "Time_Event_Hour")


def test_proposals_are_probabilities_of_values_that_exist(records, targets):
    past = records.past(targets)
    event = {name: column(records, targets, name) for name in FIELDS}
    for field, rule in RULES.items():
        values, weights = proposed(rule, event, past)
        assert np.allclose(weights.sum(axis=1), 1)
        assert weights.min() >= 0
        possible = values[weights > 0]
        assert possible.min() >= 0
        assert possible.max() < len(FIELDS[field])


def test_history_reaches_back_at_most_ten_events(records, targets):
    """Sequences of which all but the ten events before the target is cut off have the same probabilities."""
    rank = targets - np.searchsorted(records.employee, records.employee[targets])
    targets = targets[rank > 10]
    windows = targets[:, None] + np.arange(-10, 1)
    cut = np.arange(len(targets)) * 11
    past = past_of(records.values[windows.ravel()], np.repeat(cut, 11), cut + 10)
    whole = records.past(targets)
    assert all((past[which] == whole[which]).all() for which in whole)
    assert (whole["latest PunchIn"] == records.values[targets - 9]).all(axis=1).any()


def test_a_sequence_starts_with_nothing_before_it(records):
    second = records.past(np.flatnonzero(np.diff(records.employee, prepend=-1)) + 1)
    assert (second["event before last"] == -1).all()
    assert (second["last event"] == second["latest PunchIn"]).all()


def test_summing_out_agrees_with_sampling(records, targets):
    """A handful of pasts, one after each type of event: 40,000 drawn events have the independent probabilities."""
    kinds = records.values[targets - 1, NUMBER["EventType"]]
    some = np.array([targets[kinds == kind][-1] for kind in range(9)])
    for number, past in enumerate({key: rows[[i]] for key, rows in records.past(some).items()} for i in range(9)):
        uniform = np.random.default_rng(number).random((40_000, len(FIELDS)))
        drawn = next_events(uniform, {key: np.repeat(rows, len(uniform), axis=0) for key, rows in past.items()})
        for field in RULES:
            shares = np.bincount(drawn[:, NUMBER[field]], minlength=len(FIELDS[field])) / len(uniform)
            assert np.abs(shares - independent(field, past)[0]).max() < 0.013, field


def test_summing_out_is_the_same_for_repeated_and_single_contexts(records, targets):
    some = records.past(targets[:200])
    for field in ("CostCodeRecordId", "Time_Reference_Month"):
        together = independent(field, some)
        alone = [independent(field, {key: rows[[i]] for key, rows in some.items()})[0] for i in range(0, 200, 20)]
        assert np.allclose(together[::20], alone)


def test_what_happens_is_probable_and_what_cannot_happen_is_not(records, targets):
    past, event = records.past(targets), records.values[targets]
    rows = np.arange(len(targets))
    for field in RULES:
        probabilities = chained(field, event, past)
        assert np.allclose(probabilities.sum(axis=1), 1)
        assert probabilities[rows, column(records, targets, field)].min() > 0
    assert chained("Time_Event_Month", event, past)[:, 0].max() == 0


def test_floors_are_ordered_and_far_below_the_unigram(facts, records):
    train = records.targets("train")
    for field, floor in facts["floors"].items():
        assert 0 <= floor["chained"] <= floor["independent"] + 1e-9
        shares = np.bincount(column(records, train, field), minlength=len(FIELDS[field])) / len(train)
        unigram = -(shares[shares > 0] * np.log(shares[shares > 0])).sum()
        assert unigram - floor["independent"] > 0.3, field


def test_cross_entropy_of_the_true_conditionals_is_the_floor_within_its_error(folder, facts, records):
    test = records.targets("test")
    rows = np.arange(len(test))
    for field, both in true_conditionals(folder, "test").items():
        for kind, probabilities in zip(("chained", "independent"), both, strict=True):
            surprise = -np.log(probabilities[rows, column(records, test, field)])
            error = surprise.std() / np.sqrt(len(test))
            assert abs(surprise.mean() - facts["floors"][field][kind]) < 3.5 * error + 1e-6, (field, kind)


@pytest.mark.slow
def test_the_true_conditionals_hit_the_floors_through_the_evaluator_of_the_models(tmp_path):
    """The whole world: what no model can beat, scored by the loader and the metric that score the models."""
    write_timesheets(tmp_path / "timesheets")
    facts = json.loads((tmp_path / "timesheets" / "facts.json").read_text())
    records = read_records(tmp_path / "timesheets")
    datamodule = build_datamodule(compose_config(["experiment=timesheets", f"paths.data_dir={tmp_path}"]))
    loader, test = datamodule.test_dataloader(), records.targets("test")
    assert np.array_equal(datamodule.table.targets("test"), test)
    nll, hit, confidence = (torch.zeros(2, len(records.values), len(FIELDS)) for _ in range(3))
    for field, *both in conditionals(records.values[test], records.past(test)):
        place, true = list(FIELDS).index(field), column(records, test, field)
        for kind, probabilities in enumerate(both):
            nll[kind, test, place] = -torch.from_numpy(np.log(probabilities[np.arange(len(test)), true])).float()
            hit[kind, test, place] = torch.from_numpy(probabilities.argmax(axis=1) == true).float()
            confidence[kind, test, place] = torch.from_numpy(probabilities.max(axis=1)).float()
    metrics = [FieldMetrics(list(FIELDS), chained=False) for _ in range(2)]
    seen = 0
    for batch in loader:
        first = torch.from_numpy(loader.dataset.first[seen : seen + batch.size])
        rows = (first[:, None] + 1 + torch.arange(batch.scored.shape[1])).clamp(max=len(records.values) - 1)
        seen += batch.size
        for kind, metric in enumerate(metrics):
            of_kind = nll[kind][rows], hit[kind][rows].bool(), hit[kind][rows].bool(), confidence[kind][rows]
            metric.update(EventOutput(*of_kind, batch.scored, batch.sequence_id))
    for kind, metric in zip(("chained", "independent"), metrics, strict=True):
        figures = metric.compute()
        for field, floor in facts["floors"].items():
            assert float(figures[f"ce/{field}"]) == pytest.approx(floor[kind], abs=0.01), (field, kind)
            assert float(figures[f"calibration_error/{field}"]) < 0.02, (field, kind)


def test_too_few_employees_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="too few for three splits"):
        write_timesheets(tmp_path / "timesheets", seed=0, employees=9)
    assert not list(tmp_path.iterdir())
