"""`timesheets`: a simulated firm whose people punch in and out, so that the entropy of every field is known.

Every employee's record runs for some weeks from a day of 2025 of their own; employees, not events, belong to a split.
Each event is drawn field by field from the tables of `timesheet_rules` and `timesheet_clock`.
Legend: E employees, N events, F = 17 fields.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from datamodules.events import timesheet_world as world
from datamodules.events.table import SPLITS
from datamodules.events.timesheet_floors import NUMBER, RULES, conditionals, mean_entropy, past_of, proposed
from datamodules.events.timesheet_rules import CLOCK_IN, LAST, SECOND, SHIFT, START, Past
from datamodules.events.timesheet_world import FIELDS, PUNCH_IN, SHIFT_CHANGE
from schemas.errors import ConfigError
from storage.atomic import new_folder

VERSION = 1
PURPOSE = 4
"""Keeps the random streams apart from those of other generated sets."""
SPLIT_OF_TEN = ("train", "train", "test", "train", "val", "train", "train", "test", "train", "train")
"""Of every ten employees in turn."""
YEAR = 2025


@dataclass(frozen=True)
class Records:
    """All events, employee after employee, each in time order."""

    employee: np.ndarray
    """[N] numbers from 0."""
    values: np.ndarray
    """[N, F] value numbers, in the order of FIELDS."""

    def targets(self, split: str) -> np.ndarray:
        """[n] events of that split that have a predecessor."""
        later = np.flatnonzero(self.employee[1:] == self.employee[:-1]) + 1
        return later[np.array(SPLIT_OF_TEN)[self.employee[later] % 10] == split]

    def past(self, events: np.ndarray) -> Past:
        return past_of(self.values, np.searchsorted(self.employee, self.employee), events)

    @property
    def time(self) -> np.ndarray:
        """[N] datetime64[m], by the event's own fields; a record that falls back to January is in its next year."""
        units = ("Month", "Day", "Hour", "Minute")
        month, day, hour, minute = (self.values[:, NUMBER[f"Time_Event_{unit}"]] for unit in units)
        turned = np.diff(month, prepend=0) < 0
        turned &= np.diff(self.employee, prepend=-1) == 0
        years = np.cumsum(turned)
        years -= years[np.searchsorted(self.employee, self.employee)]
        months = (YEAR - 1970 + years) * 12 + month - 1
        minutes = (24 * (day - 1) + hour) * 60 + minute
        return months.astype("datetime64[M]").astype("datetime64[m]") + minutes.astype("timedelta64[m]")


def simulated(seed: int, employees: int, weeks: int) -> Records:
    """The world's events; the same seed gives the same, and fewer employees or weeks a part of the same.

    A record ends with the first event after its weeks: whether an event is there depends on its past alone, so what
    is there follows the tables.
    """
    event = _first_events(_uniform(seed, 0, employees))
    past = {LAST: event, SECOND: np.full_like(event, START), CLOCK_IN: event, SHIFT: event}
    steps, lasting, days = [event], [np.ones(employees, bool)], np.zeros(employees, np.int64)
    while (running := days < 7 * weeks).any():
        event = next_events(_uniform(seed, len(steps), employees), past)
        month = past[LAST][:, NUMBER["Time_Event_Month"]]
        days += (event - past[LAST])[:, NUMBER["Time_Event_Day"]] % world.MONTH_DAYS[month]
        kind = event[:, NUMBER["EventType"], None]
        past = {
            LAST: event,
            SECOND: past[LAST],
            CLOCK_IN: np.where(kind == PUNCH_IN, event, past[CLOCK_IN]),
            SHIFT: np.where((kind == PUNCH_IN) | (kind == SHIFT_CHANGE), event, past[SHIFT]),
        }
        steps.append(event)
        lasting.append(running)
    employee, step = np.nonzero(np.stack(lasting, axis=1))
    return Records(employee, np.stack(steps, axis=1)[employee, step])


def _uniform(seed: int, step: int, employees: int) -> np.ndarray:
    """[E, F] numbers in [0, 1); the first employees have the same ones however many there are."""
    return np.random.default_rng([seed, PURPOSE, step]).random((employees, len(FIELDS)))


def next_events(uniform: np.ndarray, past: Past) -> np.ndarray:
    """[E, F] each field drawn by its rule, in the chained order."""
    drawn: dict[str, np.ndarray] = {}
    for (field, rule), number in zip(RULES.items(), uniform.T, strict=True):
        values, weights = proposed(rule, drawn, past)
        bounds = np.cumsum(weights, axis=1)
        choice = np.argmax(bounds > (number * bounds[:, -1])[:, None], axis=1)
        drawn[field] = values[np.arange(len(values)), choice]
    return np.stack([drawn[field] for field in FIELDS], axis=1)


def _first_events(uniform: np.ndarray) -> np.ndarray:
    """[E, F] everybody's first PunchIn, in their own place and shift; never a target."""

    def any_of(column: int, count: int) -> np.ndarray:
        return (uniform[:, column] * count).astype(np.int64)

    home, calendar_day = any_of(0, len(FIELDS["LocationRecordId"])), any_of(1, 365)
    month_ends = np.cumsum(world.MONTH_DAYS[1:])
    month = np.searchsorted(month_ends, calendar_day, side="right") + 1
    date = {
        "Month": month,
        "Day": calendar_day - month_ends[month - 1] + world.MONTH_DAYS[month] + 1,
        "Hour": world.SHIFT_STARTS[any_of(2, len(world.SHIFT_STARTS))],
        "Minute": world.START_MINUTES[any_of(3, len(world.START_MINUTES))],
    }
    job = world.jobs_of(home)[0]
    event = {
        "EventType": np.full_like(home, PUNCH_IN),
        "ActorRecordId": world.kiosks_of(home)[0],
        "RecipientRecordId": world.FIRST_BADGE + any_of(4, world.BADGES),
        "LocationRecordId": home,
        "CostCodeRecordId": world.costs_of(job)[0],
        "JobCodeRecordId": job,
        "ApprovedByManagerUserRecordId": world.managers_of(home)[0],
        "IsTimesheet": any_of(5, 2),
        "HoursWorked": np.zeros_like(home),
        **{f"Time_{of}_{unit}": value for of in ("Event", "Reference") for unit, value in date.items()},
    }
    event["Time_Event_Minute"] = event["Time_Event_Minute"] + world.LATENESS[any_of(6, len(world.LATENESS))]
    return np.stack([event[field] for field in FIELDS], axis=1)


def write_timesheets(folder: Path, seed: int = 0, employees: int = 2000, weeks: int = 7) -> None:
    """Writes `events.parquet` (employee, time, split and the 17 fields, in time order) and `facts.json`.

    The facts: version and seed, the chained order with each field's parents, the values of every field, and the entropy
    floors in nats over all events of the test split that have a predecessor. The same seed gives the same bytes.

    Raises:
        ConfigError: with fewer than ten employees some split has nobody.
    """
    if employees < len(SPLIT_OF_TEN):
        problem = f"{employees} employees are too few for three splits"
        raise ConfigError(problem, where="timesheets", remedy="Take 10 or more.")
    records = simulated(seed, employees, weeks)
    with new_folder(folder) as new:
        pq.write_table(_table(records), new / "events.parquet")
        facts = {"version": VERSION, "seed": seed, "employees": employees, "weeks": weeks, "order": list(RULES)}
        facts |= {"parents": {name: _parents(name) for name in RULES}, "floors": _floors(records), "values": FIELDS}
        (new / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")


def _parents(field: str) -> dict[str, list[str]]:
    rule = RULES[field]
    return {"earlier": list(rule.earlier), "history": [f"{name} of the {which}" for name, which in rule.history]}


def _table(records: Records) -> pa.Table:
    time = records.time
    order = np.lexsort((records.employee, time))
    employees = [f"E{number:05}" for number in range(records.employee[-1] + 1)]
    named = {
        "employee": (employees, records.employee),
        "split": (SPLITS, np.array([SPLITS.index(split) for split in SPLIT_OF_TEN])[records.employee % 10]),
        **{name: (values, records.values[:, NUMBER[name]]) for name, values in FIELDS.items()},
    }
    columns = {
        name: pa.DictionaryArray.from_arrays(numbers[order], list(names)).cast(pa.string())
        for name, (names, numbers) in named.items()
    }
    return pa.table({"employee": columns.pop("employee"), "time": time[order].astype("datetime64[us]"), **columns})


def _floors(records: Records) -> dict[str, dict[str, float]]:
    events = records.targets("test")
    return {
        name: {"chained": mean_entropy(chained), "independent": mean_entropy(independent), "standard_error": 0.0}
        for name, chained, independent in conditionals(records.values[events], records.past(events))
    }


def read_records(folder: Path) -> Records:
    """The events of a written folder."""
    frame = pd.read_parquet(Path(folder) / "events.parquet").sort_values(["employee", "time"], kind="stable")
    columns = [pd.Index(values).get_indexer(frame[name]) for name, values in FIELDS.items()]
    return Records(frame["employee"].str[1:].astype(int).to_numpy(), np.stack(columns, axis=1))


def true_conditionals(folder: Path, split: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each field the [n, N] chained and independent probabilities of its N values, in the order of `FIELDS`.

    The n events are those of the split that have a predecessor, by employee, then time.
    """
    records = read_records(folder)
    events = records.targets(split)
    return {
        name: (chained.astype(np.float32), independent.astype(np.float32))
        for name, chained, independent in conditionals(records.values[events], records.past(events))
    }
