"""How each field of a time-clock event is drawn: a probability table over earlier fields of the event and its history.

A rule proposes k values, made of its parents, and weights them by a table, mostly one row for each event type. It sees
the parents that it names and nothing else: earlier fields in the chained order, and at most three features of the
sequence's past, none of which reaches back more than ten events: a working day has at most nine (PunchIn, Transfer,
BreakStart, BreakEnd, Transfer, OvertimeRequest, PunchOut, Correction, Approval).

Here are what happens, where, on what and by whom; `timesheet_clock` has the times and hours, which come after.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from datamodules.events import timesheet_world as world
from datamodules.events.timesheet_world import EVENT_TYPES, NO, NOT_APPLICABLE, YES

LAST, SECOND, CLOCK_IN, SHIFT = "last event", "event before last", "latest PunchIn", "latest PunchIn or ShiftChange"
START = -1
"""What the event before last is where there is none."""

Past = dict[str, np.ndarray]
"""LAST, SECOND, CLOCK_IN, SHIFT -> [n, 17] the fields of that event, in the order of FIELDS."""
Proposal = tuple[tuple[np.ndarray, ...], np.ndarray]
"""k arrays [n] of values, and weights [n, k] that sum to one; a value of weight 0 may be out of range."""


@dataclass(frozen=True)
class Rule:
    """The table of one field; `propose` takes the parents as arrays [n]: earlier fields first, then history."""

    field: str
    earlier: tuple[str, ...]
    history: tuple[tuple[str, str], ...]
    """(field, LAST | SECOND | CLOCK_IN | SHIFT)"""
    propose: Callable[..., Proposal]


def recorder(rules: dict[str, Rule]):
    """A decorator `rule(field, *earlier, past=...)` that adds a rule to `rules`."""

    def rule(field: str, *earlier: str, past: tuple[tuple[str, str], ...]):
        def keep(propose: Callable[..., Proposal]) -> Callable[..., Proposal]:
            rules[field] = Rule(field, earlier, past, propose)
            return propose

        return keep

    return rule


def by_type(otherwise: tuple[float, ...], **rows: tuple[float, ...]) -> np.ndarray:
    """[9, k] weights for each event type."""
    return np.array([rows.get(name, otherwise) for name in EVENT_TYPES])


def by_type_named(choices: str, otherwise: str, **rows: str) -> np.ndarray:
    """As `by_type`, each row written as the choices that it has, each with its weight: "start .3 last .7"."""
    names = choices.split()

    def row(text: str) -> tuple[float, ...]:
        words = text.split()
        return tuple(float(words[words.index(name) + 1]) if name in words[::2] else 0 for name in names)

    return by_type(row(otherwise), **{kind: row(text) for kind, text in rows.items()})


def by_last_types(rows: dict[str, tuple[float, ...]]) -> np.ndarray:
    """[9, 10, k] weights for each event type and the one before it, the last row for START: "B", or "B after A"."""
    table = np.zeros((len(EVENT_TYPES), len(EVENT_TYPES) + 1, len(next(iter(rows.values())))))
    for types, row in rows.items():
        kind, _, before = types.partition(" after ")
        table[EVENT_TYPES.index(kind), EVENT_TYPES.index(before) if before else slice(None)] = row
    return table


WORK_RULES: dict[str, Rule] = {}
"""Field -> rule, in the chained order."""
_rule = recorder(WORK_RULES)


NEXT_TYPES = by_last_types(
    {
        "PunchIn": (0, 0.52, 0, 0.26, 0.1, 0.12, 0, 0, 0),
        "BreakStart": (0, 0, 0.92, 0, 0, 0.08, 0, 0, 0),
        "BreakEnd": (0, 0, 0, 0.34, 0.22, 0.44, 0, 0, 0),
        "Transfer": (0, 0, 0, 0, 0.3, 0.7, 0, 0, 0),
        "Transfer after PunchIn": (0, 0.8, 0, 0, 0, 0.2, 0, 0, 0),
        "OvertimeRequest": (0, 0, 0, 0, 0, 1, 0, 0, 0),
        "OvertimeRequest after PunchIn": (0, 0.7, 0, 0, 0, 0.3, 0, 0, 0),
        "PunchOut": (0.52, 0, 0, 0, 0, 0, 0.22, 0.16, 0.1),
        "Correction": (0.3, 0, 0, 0, 0, 0, 0, 0.7, 0),
        "Approval": (1, 0, 0, 0, 0, 0, 0, 0, 0),
        "ShiftChange": (0.25, 0, 0, 0, 0, 0, 0, 0.75, 0),
    }
)
"""[9 last, 10 before last, 9] in the order of EVENT_TYPES."""


@_rule("EventType", past=(("EventType", LAST), ("EventType", SECOND)))
def event_type(last, second):
    return tuple(np.full_like(last, number) for number in range(len(EVENT_TYPES))), NEXT_TYPES[last, second]


LOCATIONS = by_type(
    (0.97, 0.03, 0, 0, 0, 0, 0, 0),
    PunchIn=(0, 0.84, 0.06, 0.06, 0, 0, 0, 0.04),
    Transfer=(0.15, 0.2, 0, 0, 0.25, 0.25, 0.1, 0.05),
    BreakStart=(0.8, 0, 0, 0, 0, 0, 0.2, 0),
    BreakEnd=(0.7, 0.3, 0, 0, 0, 0, 0, 0),
    PunchOut=(0.85, 0, 0, 0, 0, 0, 0.15, 0),
)


@_rule("LocationRecordId", "EventType", past=(("LocationRecordId", LAST), ("LocationRecordId", CLOCK_IN)))
def location(kind, here, base):
    moves = (world.beside(base, 1), world.beside(base, -1), world.beside(here, 1), world.beside(here, -1))
    return (here, base, *moves, world.gate_of(here), world.next_site(base)), LOCATIONS[kind]


JOBS = by_type((0.96, 0.04, 0, 0, 0), PunchIn=(0, 0.8, 0.12, 0.06, 0.02), Transfer=(0.2, 0, 0.5, 0.2, 0.1))


@_rule(
    "JobCodeRecordId",
    "EventType",
    "LocationRecordId",
    past=(("JobCodeRecordId", LAST), ("JobCodeRecordId", CLOCK_IN)),
)
def job(kind, place, last, base):
    return (last, base, *world.jobs_of(place)), JOBS[kind]


COSTS = by_type(
    (0.96, 0, 0.02, 0.01, 0.01),
    PunchIn=(0, 0.5, 0.3, 0.15, 0.05),
    Transfer=(0.1, 0, 0.6, 0.2, 0.1),
    Correction=(0.6, 0, 0.2, 0.1, 0.1),
)


@_rule(
    "CostCodeRecordId",
    "EventType",
    "JobCodeRecordId",
    past=(("CostCodeRecordId", LAST), ("CostCodeRecordId", CLOCK_IN)),
)
def cost(kind, work, last, base):
    return (last, base, *world.costs_of(work)), COSTS[kind]


MANAGERS = by_type((0.97, 0.03, 0), PunchIn=(0.6, 0.3, 0.1), Transfer=(0.3, 0.5, 0.2), Approval=(0.6, 0.1, 0.3))


@_rule(
    "ApprovedByManagerUserRecordId",
    "EventType",
    "LocationRecordId",
    past=(("ApprovedByManagerUserRecordId", LAST),),
)
def manager(kind, place, last):
    return (last, *world.managers_of(place)), MANAGERS[kind]


ACTORS = by_type(
    (0.6, 0, 0.3, 0.1, 0, 0, 0),
    PunchIn=(0, 0.3, 0.5, 0.2, 0, 0, 0),
    Transfer=(0, 0, 0.7, 0.3, 0, 0, 0),
    Correction=(0, 0, 0, 0, 0.6, 0.3, 0.1),
    Approval=(0, 0, 0, 0, 0.5, 0.3, 0.2),
)


@_rule("ActorRecordId", "EventType", "LocationRecordId", past=(("ActorRecordId", LAST), ("ActorRecordId", CLOCK_IN)))
def actor(kind, place, last, base):
    return (last, base, *world.kiosks_of(place), *world.supervisors_of(place)), ACTORS[kind]


OWN_BADGE = (0.97, 0, 0, 0.03)
RECIPIENTS = by_type(OWN_BADGE, PunchIn=(0.94, 0.04, 0.02, 0), Correction=(0.3, 0, 0, 0.7), Approval=(0.6, 0, 0, 0.4))


@_rule("RecipientRecordId", "EventType", "LocationRecordId", past=(("RecipientRecordId", CLOCK_IN),))
def recipient(kind, place, badge):
    lost = world.replacement(badge, 1), world.replacement(badge, 7)
    return (badge, *lost, world.clerk_of(place)), RECIPIENTS[kind]


TIMESHEETS = by_type(
    (0.96, 0.02, 0.02),
    PunchIn=(0.98, 0.02, 0),
    OvertimeRequest=(0.6, 0, 0.4),
    Approval=(0.15, 0, 0.85),
    ShiftChange=(0.05, 0, 0.95),
)


@_rule("IsTimesheet", "EventType", past=(("IsTimesheet", CLOCK_IN),))
def is_timesheet(kind, usual):
    return (usual, np.where(usual == YES, NO, YES), np.full_like(usual, NOT_APPLICABLE)), TIMESHEETS[kind]
