"""How the times and the hours of a time-clock event are drawn: the rules that follow those of `timesheet_rules`.

Within a shift every event comes one to six hours after the one before, past midnight where that is so; a new shift
starts at least eight hours after the last event. So the hour tells whether the date advances, and time always rises.
"""

import numpy as np

from datamodules.events import timesheet_world as world
from datamodules.events.timesheet_rules import (
    CLOCK_IN,
    LAST,
    SHIFT,
    Rule,
    by_last_types,
    by_type,
    by_type_named,
    recorder,
)
from datamodules.events.timesheet_world import NONE, PUNCH_IN

CLOCK_RULES: dict[str, Rule] = {}
"""Field -> rule, in the chained order."""
_rule = recorder(CLOCK_RULES)

CHANGES = ((0, 1), (0, 2), (1, 0), (-1, 0), (1, 1))
"""To which shift a person may change: bands and places later."""
HOURS_AFTER_START = (3, 4, 5, 8, 9, 10)
REFERENCE_HOURS = by_type_named(
    "start place1 place2 later before later1 +3 +4 +5 +8 +9 +10 last last-1",
    "start 1",
    PunchIn="start .92 place1 .05 place2 .03",
    BreakStart="+3 .1 +4 .9",
    BreakEnd="+4 .1 +5 .9",
    OvertimeRequest="+9 .6 +10 .4",
    PunchOut="+8 .2 +9 .8",
    Correction="start .3 last .5 last-1 .2",
    ShiftChange="later .5 before .3 later1 .2",
)


@_rule("Time_Reference_Hour", "EventType", past=(("Time_Reference_Hour", SHIFT), ("Time_Event_Hour", LAST)))
def reference_hour(kind, start, last):
    """What the event refers to: start, break, end of the shift; the new shift's start; the punch to be corrected."""
    shifts = (start, *(world.shift_beside(start, bands, places) for bands, places in CHANGES))
    planned = tuple((start + hours) % 24 for hours in HOURS_AFTER_START)
    return (*shifts, *planned, last, (last - 1) % 24), REFERENCE_HOURS[kind]


REFERENCE_MINUTES = by_type(
    (0.85, 0.15, 0, 0, 0),
    PunchIn=(0.94, 0.03, 0.03, 0, 0),
    ShiftChange=(0.6, 0.1, 0.3, 0, 0),
    PunchOut=(0.8, 0, 0.2, 0, 0),
    Correction=(0.4, 0, 0, 0.6, 0),
    Approval=(0.7, 0, 0, 0, 0.3),
)


@_rule("Time_Reference_Minute", "EventType", past=(("Time_Reference_Minute", SHIFT), ("Time_Event_Minute", LAST)))
def reference_minute(kind, start, last):
    return (start, (start + 10) % 60, (start + 30) % 60, last, np.zeros_like(last)), REFERENCE_MINUTES[kind]


# The reference hour and the one after it, then one to six hours after the last event.
HOURS_PASSED = by_last_types(
    {
        "PunchIn": (0.93, 0.07, 0, 0, 0, 0, 0, 0),
        "BreakStart": (0, 0, 0.25, 0.65, 0.1, 0, 0, 0),
        "BreakStart after PunchIn": (0, 0, 0, 0, 0.15, 0.7, 0.15, 0),
        "BreakEnd": (0, 0, 0.9, 0.1, 0, 0, 0, 0),
        "Transfer": (0, 0, 0.3, 0.6, 0.1, 0, 0, 0),
        "Transfer after PunchIn": (0, 0, 0.2, 0.7, 0.1, 0, 0, 0),
        "OvertimeRequest": (0, 0, 0.3, 0.7, 0, 0, 0, 0),
        "OvertimeRequest after PunchIn": (0, 0, 0, 0.4, 0.6, 0, 0, 0),
        "PunchOut": (0, 0, 0.15, 0.65, 0.2, 0, 0, 0),
        "PunchOut after PunchIn": (0, 0, 0, 0, 0, 0.2, 0.6, 0.2),
        "PunchOut after BreakEnd": (0, 0, 0, 0, 0.2, 0.7, 0.1, 0),
        "Correction": (0, 0, 0.7, 0.2, 0.1, 0, 0, 0),
        "Approval": (0, 0, 0.7, 0.2, 0.1, 0, 0, 0),
        "ShiftChange": (0, 0, 0.7, 0.2, 0.1, 0, 0, 0),
    }
)


@_rule("Time_Event_Hour", "EventType", "Time_Reference_Hour", past=(("Time_Event_Hour", LAST), ("EventType", LAST)))
def hour(kind, reference, last, last_kind):
    later = tuple((last + hours) % 24 for hours in range(1, 7))
    return (reference, reference + 1, *later), HOURS_PASSED[kind, last_kind]


MINUTES_LATE = 4
"""From here on a person is late. Three in four of the late are late next time, and one in seven of the others."""
PUNCTUAL = "+0 .45 +1 .25 +2 .15 +4 .08 +6 .05 +9 .02"
LATE = "+0 .08 +1 .08 +2 .08 +4 .26 +6 .25 +9 .25"
AROUND_LAST, MARKS = (0, 1), (0, 10, 20, 30, 40, 50)
MINUTES = np.stack(
    [
        by_type_named(
            "+0 +1 +2 +4 +6 +9 last last+1 :00 :10 :20 :30 :40 :50",
            ":00 .2 :10 .2 :20 .2 :30 .2 :40 .1 :50 .1",
            PunchIn=lateness,
            BreakStart="+0 .6 +1 .2 +4 .2",
            BreakEnd="last .7 last+1 .3",
            Transfer="+0 .6 +1 .2 +2 .2",
            OvertimeRequest="+0 .6 +2 .4",
            PunchOut="+0 .5 +1 .2 +2 .15 +4 .15",
        )
        for lateness in (PUNCTUAL, LATE)
    ]
)


@_rule(
    "Time_Event_Minute",
    "EventType",
    "Time_Reference_Minute",
    past=(("Time_Event_Minute", CLOCK_IN), ("Time_Event_Minute", LAST)),
)
def minute(kind, reference, clocked_in, last):
    """Shifts start at full ten minutes, so the last digit of the latest PunchIn's minute is how late it was."""
    late = (clocked_in % 10 >= MINUTES_LATE).astype(int)
    after = ((reference + minutes) % 60 for minutes in world.LATENESS)
    around = ((last + minutes) % 60 for minutes in AROUND_LAST)
    return (*after, *around, *(np.full_like(last, mark) for mark in MARKS)), MINUTES[late, kind]


HOURS = by_type_named(
    "zero -4 -3 +0 +1 last-2 last last+2 last+4",
    "+0 .75 +1 .25",
    PunchIn="zero 1",
    PunchOut="-4 .65 -3 .2 +0 .15",
    Correction="last-2 .25 last .1 last+2 .4 last+4 .25",
    Approval="last .95 zero .05",
    ShiftChange="zero 1",
)


@_rule("HoursWorked", "EventType", "Time_Event_Hour", past=(("Time_Event_Hour", CLOCK_IN), ("HoursWorked", LAST)))
def hours_worked(kind, hour, clocked_in, last):
    """In quarters: since the punch-in, less a break of an hour when punched out; corrected; as approved."""
    passed = 4 * ((hour - clocked_in) % 24)
    since = tuple(passed + quarters for quarters in (-4, -3, 0, 1))
    return (np.zeros_like(last), *since, *(last + quarters for quarters in (-2, 0, 2, 4))), HOURS[kind]


REST_HOURS, DAYS_OFF = 8, (0, 1, 2, 6)
REST = by_type((1, 0, 0, 0), PunchIn=(0.64, 0.12, 0.18, 0.06))


@_rule(
    "Time_Event_Day",
    "EventType",
    "Time_Event_Hour",
    past=(("Time_Event_Hour", LAST), ("Time_Event_Day", LAST), ("Time_Event_Month", LAST)),
)
def day(kind, hour, last_hour, last_day, last_month):
    rested = last_hour + np.where(kind == PUNCH_IN, REST_HOURS, 0)
    first = (hour < rested).astype(last_day.dtype)
    return tuple(world.days_later(last_day, last_month, first + days) for days in DAYS_OFF), REST[kind]


@_rule("Time_Event_Month", "Time_Event_Day", past=(("Time_Event_Day", LAST), ("Time_Event_Month", LAST)))
def month(day, last_day, last_month):
    """The calendar leaves nothing to chance here."""
    return (world.months_later(last_month, day < last_day),), np.ones((len(day), 1))


REFERENCE_DAYS = by_type(
    (0, 1, 0, 0, 0, 0, 0),
    PunchIn=(1, 0, 0, 0, 0, 0, 0),
    Correction=(0.5, 0, 0.3, 0.2, 0, 0, 0),
    ShiftChange=(0, 0, 0, 0, 0.4, 0.3, 0.3),
    Approval=(0, 0.75, 0, 0, 0, 0, 0.25),
)


@_rule("Time_Reference_Day", "EventType", "Time_Event_Day", "Time_Event_Month", past=(("Time_Reference_Day", LAST),))
def reference_day(kind, day, month, last):
    """The shift's date; a punch of these days is corrected; a new shift is for tomorrow or later, or for good."""
    before = tuple(world.days_before(day, month, days) for days in (1, 2))
    after = tuple(world.days_later(day, month, days) for days in (1, 2))
    return (day, last, *before, *after, np.full_like(day, NONE)), REFERENCE_DAYS[kind]


REFERENCE_MONTHS = by_type(
    (0, 1, 0, 0, 0, 0),
    PunchIn=(1, 0, 0, 0, 0, 0),
    Correction=(0, 0, 1, 0, 0, 0),
    ShiftChange=(0, 0, 0, 1, 0, 0),
)
MONTHS_WITHOUT_DAY = by_type((0, 0, 0, 0, 0, 1), Approval=(0.6, 0, 0, 0, 0.2, 0.2))
"""What is approved without a date is a month's timesheet, or a change for good."""


@_rule(
    "Time_Reference_Month",
    "EventType",
    "Time_Event_Day",
    "Time_Event_Month",
    "Time_Reference_Day",
    past=(("Time_Reference_Month", LAST),),
)
def reference_month(kind, day, month, reference_day, last):
    behind = world.months_later(month, -1 * (reference_day > day))
    ahead = world.months_later(month, reference_day < day)
    dated = (reference_day != NONE)[:, None]
    weights = np.where(dated, REFERENCE_MONTHS[kind], MONTHS_WITHOUT_DAY[kind])
    return (month, last, behind, ahead, world.months_later(month, -1), np.full_like(month, NONE)), weights
