"""The world of `timesheets`: the values of the 17 documented fields, and who works where, on what, for whom and when.

Nine sites, each with eleven locations, job codes, cost codes, managers and actors (eight kiosks, three supervisors).
The structure is arithmetic on value numbers, the same for every seed; all functions take and give integer arrays [n].
A value's number is its place in `FIELDS`; months and days are numbered as in the calendar, 0 being "none".
"""

import numpy as np

SITES, PER_SITE = 9, 11
KIOSKS = 8
"""Of the eleven actors of a site; the other three are its supervisors."""
EVENT_TYPES = (
    "PunchIn",
    "BreakStart",
    "BreakEnd",
    "Transfer",
    "OvertimeRequest",
    "PunchOut",
    "Correction",
    "Approval",
    "ShiftChange",
)
PUNCH_IN, SHIFT_CHANGE = 0, 8
YES, NO, NOT_APPLICABLE = 0, 1, 2
NONE = 0
"""The month and the day of a reference time that refers to no date."""


def _ids(prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}{site + 1}-{number + 1:02}" for site in range(SITES) for number in range(PER_SITE))


_MONTHS = ("none", *(str(month) for month in range(1, 13)))
_DAYS = ("none", *(str(day) for day in range(1, 32)))
_HOURS = tuple(str(hour) for hour in range(24))
_MINUTES = tuple(str(minute) for minute in range(60))
FIELDS: dict[str, tuple[str, ...]] = {
    "EventType": EVENT_TYPES,
    "ActorRecordId": _ids("ACT"),
    "RecipientRecordId": _ids("REC"),
    "LocationRecordId": _ids("LOC"),
    "CostCodeRecordId": _ids("COST"),
    "JobCodeRecordId": _ids("JOB"),
    "ApprovedByManagerUserRecordId": _ids("MGR"),
    "IsTimesheet": ("yes", "no", "not applicable"),
    "HoursWorked": tuple(f"{quarters / 4:.2f}" for quarters in range(99)),
    "Time_Event_Month": _MONTHS,
    "Time_Event_Day": _DAYS,
    "Time_Event_Hour": _HOURS,
    "Time_Event_Minute": _MINUTES,
    "Time_Reference_Month": _MONTHS,
    "Time_Reference_Day": _DAYS,
    "Time_Reference_Hour": _HOURS,
    "Time_Reference_Minute": _MINUTES,
}
"""The documented fields in the documented order, each with the names of its values; V is one more (UNK)."""

SHIFT_STARTS = np.array((5, 6, 7, 8, 9, 10, 13, 14, 15, 20, 21, 22))
"""Hours at which shifts start: early, day, late and night, three starts each."""
SHIFT_OF_HOUR = np.searchsorted(SHIFT_STARTS, np.arange(24))
START_MINUTES = np.arange(0, 60, 10)
"""Shifts are staggered, so that nobody queues at the clock."""
LATENESS = np.array((0, 1, 2, 4, 6, 9))
"""Minutes after the shift's start at which people punch in; the clock takes nobody in early."""
MONTH_DAYS = np.array((31, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31))
"""[13] of 2025 and 2026; month 0 does not occur."""
FIRST_BADGE, BADGES = SITES, 90
"""Recipients 0-8 are the sites' payroll clerks, all others badges, handed on from one employee to the next."""


def _at_site(place: np.ndarray, number: np.ndarray) -> np.ndarray:
    """The site's own item of that number, counted round."""
    return place // PER_SITE * PER_SITE + number % PER_SITE


def beside(location: np.ndarray, steps: int) -> np.ndarray:
    """A neighbour at the same site."""
    return _at_site(location, location % PER_SITE + steps)


def gate_of(location: np.ndarray) -> np.ndarray:
    """The site's gate and canteen: its first location."""
    return _at_site(location, location * 0)


def next_site(location: np.ndarray) -> np.ndarray:
    """The like location of the next site."""
    return (location + PER_SITE) % (SITES * PER_SITE)


def jobs_of(location: np.ndarray) -> tuple[np.ndarray, ...]:
    """The three jobs that are done there, the main one first."""
    return tuple(_at_site(location, location % PER_SITE + step) for step in (0, 4, 7))


def costs_of(job: np.ndarray) -> tuple[np.ndarray, ...]:
    """The three cost codes that a job is booked on."""
    return tuple(_at_site(job, 3 * (job % PER_SITE) + step) for step in range(3))


def managers_of(location: np.ndarray) -> tuple[np.ndarray, ...]:
    """The location's manager and deputy."""
    return tuple(_at_site(location, 2 * (location % PER_SITE) + step) for step in range(2))


def kiosks_of(location: np.ndarray) -> tuple[np.ndarray, ...]:
    """The nearest kiosk and another."""
    return tuple(_at_site(location, (location % PER_SITE + step) % KIOSKS) for step in (0, 3))


def supervisors_of(location: np.ndarray) -> tuple[np.ndarray, ...]:
    """The site's three supervisors, the one in charge first."""
    others = PER_SITE - KIOSKS
    return tuple(_at_site(location, KIOSKS + (location + step) % others) for step in range(others))


def clerk_of(location: np.ndarray) -> np.ndarray:
    """The site's payroll clerk."""
    return location // PER_SITE


def replacement(badge: np.ndarray, step: int) -> np.ndarray:
    """The badge that replaces a lost one."""
    return FIRST_BADGE + (badge - FIRST_BADGE + step) % BADGES


def shift_beside(hour: np.ndarray, bands: int, places: int) -> np.ndarray:
    """The start of the shift that many bands (early, day, late, night) and places within the band later."""
    shift = SHIFT_OF_HOUR[hour]
    return SHIFT_STARTS[(shift // 3 + bands) % 4 * 3 + (shift % 3 + places) % 3]


def days_later(day: np.ndarray, month: np.ndarray, days: np.ndarray | int) -> np.ndarray:
    """The day of the month that many days (0 to 27) after a date."""
    later = day + days
    return np.where(later > MONTH_DAYS[month], later - MONTH_DAYS[month], later)


def days_before(day: np.ndarray, month: np.ndarray, days: int) -> np.ndarray:
    """The day of the month that many days (0 to 27) before a date."""
    earlier = day - days
    return np.where(earlier < 1, earlier + MONTH_DAYS[months_later(month, -1)], earlier)


def months_later(month: np.ndarray, months: np.ndarray | int) -> np.ndarray:
    return (month - 1 + months) % 12 + 1
