"""The true probabilities of every field of a time-clock event, and the entropies that no predictor can beat.

Chained: given the sequence's past and the event's earlier fields, the rule's own table row. Independent: given the past
alone; the fields that it depends on are summed out by enumerating all their values, so both are exact.
Legend: n events, F = 17 fields, N the values of a field.
"""

from collections.abc import Iterator

import numpy as np

from datamodules.events.timesheet_clock import CLOCK_RULES
from datamodules.events.timesheet_rules import CLOCK_IN, LAST, SECOND, SHIFT, START, WORK_RULES, Past, Proposal, Rule
from datamodules.events.timesheet_world import FIELDS, PUNCH_IN, SHIFT_CHANGE

RULES: dict[str, Rule] = WORK_RULES | CLOCK_RULES
"""Field -> rule, in the chained order."""
NUMBER = {name: number for number, name in enumerate(FIELDS)}
_CONTEXTS_AT_ONCE = 4096


def _ancestors(field: str) -> tuple[str, ...]:
    """The earlier fields that it depends on, at any remove, in the chained order."""
    found: set[str] = set()
    for name in reversed(RULES):
        if name == field or name in found:
            found |= set(RULES[name].earlier)
    return tuple(name for name in RULES if name in found)


ANCESTORS = {field: _ancestors(field) for field in RULES}


def past_of(values: np.ndarray, first: np.ndarray, events: np.ndarray) -> Past:
    """What the rules see of the past of some events.

    Args:
        values: [all, F] value numbers, sequence after sequence, in time order; every sequence opens with a PunchIn.
        first: [all] the number of the first event of each event's sequence.
        events: [n] numbers of events that have a predecessor.
    """
    kind, order = values[:, NUMBER["EventType"]], np.arange(len(values))

    def latest(wanted: np.ndarray) -> np.ndarray:
        return np.maximum.accumulate(np.where(wanted, order, 0))[events - 1]

    second = values[events - 2]
    second[events - 2 < first[events]] = START
    return {
        LAST: values[events - 1],
        SECOND: second,
        CLOCK_IN: values[latest(kind == PUNCH_IN)],
        SHIFT: values[latest((kind == PUNCH_IN) | (kind == SHIFT_CHANGE))],
    }


def proposed(rule: Rule, earlier: dict[str, np.ndarray], past: Past) -> Proposal:
    """[n, k] the values that a rule proposes, and [n, k] their probabilities."""
    parents = [earlier[name] for name in rule.earlier]
    choices, weights = rule.propose(*parents, *(past[which][:, NUMBER[name]] for name, which in rule.history))
    return np.stack(choices, axis=1), weights


def chained(field: str, event: np.ndarray, past: Past) -> np.ndarray:
    """[n, N] probabilities of a field given the past and the earlier fields of `event` [n, F]."""
    rule = RULES[field]
    values, weights = proposed(rule, {name: event[:, NUMBER[name]] for name in rule.earlier}, past)
    return _table(field, len(event), np.arange(len(event))[:, None], values, weights)


def independent(field: str, past: Past) -> np.ndarray:
    """[n, N] probabilities of a field given the past alone."""
    contexts, which = _distinct(field, past)
    count = len(contexts[LAST])
    tables = [
        _summed_out(field, {key: rows[start : start + _CONTEXTS_AT_ONCE] for key, rows in contexts.items()})
        for start in range(0, count, _CONTEXTS_AT_ONCE)
    ]
    return np.concatenate(tables)[which]


def _distinct(field: str, past: Past) -> tuple[Past, np.ndarray]:
    """The pasts that differ in what the field depends on, and [n] which of them each event has."""
    features = {feature for name in (field, *ANCESTORS[field]) for feature in RULES[name].history}
    code = np.zeros(len(past[LAST]), np.int64)
    for name, which in sorted(features):
        code = code * (len(FIELDS[name]) + 1) + past[which][:, NUMBER[name]] + 1
    _, example, number = np.unique(code, return_index=True, return_inverse=True)
    return {key: rows[example] for key, rows in past.items()}, number


def _summed_out(field: str, past: Past) -> np.ndarray:
    """`independent`, by following every value that the ancestors may have from every one of [n] pasts."""
    count = len(past[LAST])
    origin, weight, earlier = np.arange(count), np.ones(count), {}
    for name in ANCESTORS[field]:
        values, weights = proposed(RULES[name], earlier, {key: rows[origin] for key, rows in past.items()})
        row, choice = np.nonzero(weights)
        weight, origin = weight[row] * weights[row, choice], origin[row]
        earlier = {key: rows[row] for key, rows in earlier.items()} | {name: values[row, choice]}
    values, weights = proposed(RULES[field], earlier, {key: rows[origin] for key, rows in past.items()})
    return _table(field, count, origin[:, None], values, weight[:, None] * weights)


def _table(field: str, count: int, row: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[count, N] the sum of all weights with the same row and value."""
    width, possible = len(FIELDS[field]), weights > 0
    cells = (row * width + values)[possible]
    return np.bincount(cells, weights[possible], minlength=count * width).reshape(count, width)


def conditionals(event: np.ndarray, past: Past) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """For each field in the chained order: its name and the [n, N] chained and independent probabilities."""
    for field in RULES:
        yield field, chained(field, event, past), independent(field, past)


def mean_entropy(probabilities: np.ndarray) -> float:
    """In nats, over [n, N]."""
    logs = np.log(probabilities, where=probabilities > 0, out=np.zeros_like(probabilities))
    return max(0.0, float(-(probabilities * logs).sum(axis=1).mean()))
