"""What a prediction may see, and that every target is scored once."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.events.windows import EventWindows, evaluation_windows, scored_here, scoring_windows, training_windows
from schemas.errors import ConfigError
from schemas.events import UNK, Stream
from tests.datamodules.events.conftest import CARDINALITY, FIELDS, make_table, random_events

STREAMS = (
    Stream("own", None),
    Stream("colour", "colour"),
    Stream("shape", "shape", groups="all"),
)
LENGTH = 4
worlds = st.tuples(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 5), st.integers(1, 15))


def seen(table, context_at: str, row: int) -> list[tuple]:
    """All inputs from which the event after `row` is predicted, in every window that holds it as a target."""
    windows, start = EventWindows(table, STREAMS, 3, context_at), table.starts[table.sequence[row]]
    inputs = []
    for first in range(max(start, row - LENGTH + 1), row + 1):
        targets = min(LENGTH, table.starts[table.sequence[row] + 1] - 1 - first)
        batch = windows.gather(np.array([first]), np.array([targets]), np.ones(len(table.time), dtype=bool))
        t = row - first
        cut = 0 if context_at == "window" else t
        inputs += [
            batch.source[0, cut],
            batch.source_age[0, cut],
            batch.source_length[0, cut],
            batch.target[0, : t + 1],
            batch.target_gap[0, : t + 1],
        ]
    return inputs


@pytest.mark.parametrize("context_at", ["window", "event"])
@given(world=worlds, choice=st.integers(0, 10_000))
@settings(max_examples=300, deadline=None)
def test_nothing_after_the_cut_off_is_seen(context_at, world, choice):
    """The next event and all that is later may change in value, move in time or vanish: the inputs stay the same."""
    rng = np.random.default_rng(world[0])
    events = random_events(rng, *world[1:])
    table = make_table(**events)
    candidates = np.flatnonzero(np.append(table.rank[1:] > 0, False))
    if len(candidates) == 0:
        return
    row = int(candidates[choice % len(candidates)])
    before = seen(table, context_at, row)

    # The same event among the columns, which are in order of time; columns of one sequence are its rows in order.
    own = events["sequence"] == np.unique(events["sequence"])[table.sequence[row]]
    column = np.flatnonzero(own)[table.rank[row]]
    now, index = events["time"][column], np.arange(len(own))
    later = np.where(own, index > column, events["time"] >= now)
    changed = {name: column_values.copy() for name, column_values in events.items()}
    changed["values"][later] = rng.integers(1, CARDINALITY + 1, (int(later.sum()), len(FIELDS)))
    # What an earlier event of another sequence will be known for only later may be anything.
    unknown = ~own & ~later & (events["known_at"] > now)
    changed["values"][unknown, 2] = rng.integers(1, CARDINALITY + 1, int(unknown.sum()))
    changed["time"][later] = now + rng.integers(0, 9, int(later.sum()))
    changed["known_at"][later] = changed["time"][later] + rng.integers(0, 9, int(later.sum()))
    changed["known_at"][unknown] = now + rng.integers(1, 9, int(unknown.sum()))
    successor = np.flatnonzero(own)[table.rank[row] + 1]
    kept = ~later | (rng.random(len(own)) < 0.7) | (index == successor)
    other = make_table(**{name: column_values[kept] for name, column_values in changed.items()})
    moved = int(other.starts[np.flatnonzero(np.unique(changed["sequence"][kept]) == changed["sequence"][column])[0]])
    after = seen(other, context_at, moved + int(table.rank[row]))
    assert len(before) == len(after)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@given(world=worlds)
@settings(max_examples=100, deadline=None)
def test_sources_are_what_a_loop_over_all_events_finds(world):
    rng = np.random.default_rng(world[0])
    table = make_table(**random_events(rng, *world[1:]))
    windows = EventWindows(table, STREAMS, 3, "event")
    first, targets = evaluation_windows(table, "train", LENGTH)
    if len(first) == 0:
        return
    batch = windows.gather(first, targets, np.ones(len(table.time), dtype=bool))
    assert batch.stream.tolist() == [0, 1, 2, 2, 2, 2]
    for b, t in np.ndindex(*batch.scored.shape):
        if not batch.scored[b, t]:
            continue
        cut = first[b] + t
        for r, (stream, value) in enumerate([(0, None), (1, None), *((2, v) for v in range(1, CARDINALITY + 1))]):
            if stream == 0:
                members = [e for e in range(cut) if table.sequence[e] == table.sequence[cut]]
            else:
                field = stream - 1
                value = table.values[cut, field] if value is None else value
                same = np.flatnonzero((table.values[:, field] == value) & (table.time < table.time[cut]))
                members = sorted(same, key=lambda e: (table.time[e], e))
            members = members[-3:]
            assert batch.source_length[b, t, r] == len(members)
            expected = table.values[members].copy()
            for place, event in enumerate(members):
                if table.known_at[2][event] > table.time[cut] and table.sequence[event] != table.sequence[cut]:
                    expected[place, 2] = UNK
            padded = np.concatenate([np.zeros((3 - len(members), 3), int), expected])
            assert batch.source[b, t, r].tolist() == padded.tolist()
            age = np.log1p((table.time[cut] - table.time[members]) / 1e6)
            np.testing.assert_allclose(batch.source_age[b, t, r, 3 - len(members) :], age, rtol=1e-6)


@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=8), length=st.integers(1, 17), seed=st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_every_target_is_scored_exactly_once_with_enough_before_it(lengths, length, seed):
    rng = np.random.default_rng(seed)
    sequence = np.repeat(np.arange(len(lengths)), lengths)
    n = len(sequence)
    events = {"sequence": sequence, "time": np.arange(n), "values": np.ones((n, 3), int), "known_at": np.arange(n)}
    table = make_table(**events, split=rng.integers(0, 3, n))
    windows = EventWindows(table, [], 3, "window")
    for split in ("train", "val", "test"):
        first, targets = evaluation_windows(table, split, length)
        count, preceding = np.zeros(n, int), np.zeros(n, int)
        if len(first):
            home = scoring_windows(table, split, length)
            batch = windows.gather(first, targets, scored_here(home, first, targets))
            b, t = np.nonzero(batch.scored.numpy())
            np.add.at(count, first[b] + t + 1, 1)
            preceding[first[b] + t + 1] = t + 1
        expected = np.isin(np.arange(n), table.targets(split))
        assert count.tolist() == expected.astype(int).tolist()
        assert (preceding[expected] >= np.minimum(table.rank[expected], length // 2)).all()


@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=8), length=st.integers(1, 17), seed=st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_training_windows_tile_the_training_part(lengths, length, seed):
    sequence = np.repeat(np.arange(len(lengths)), lengths)
    n = len(sequence)
    events = {"sequence": sequence, "time": np.arange(n), "values": np.ones((n, 3), int), "known_at": np.arange(n)}
    table = make_table(**events, split=(np.arange(n) > 0.7 * n).astype(int))
    first, targets = training_windows(table, length, np.random.default_rng(seed))
    rows = np.concatenate([f + np.arange(1, c + 1) for f, c in zip(first, targets, strict=True)] or [np.zeros(0, int)])
    assert sorted(rows.tolist()) == table.targets("train").tolist()
    assert (targets >= 1).all() and (targets <= length).all()
    again, _ = training_windows(table, length, np.random.default_rng(seed + 1))
    assert len(again) == len(first)


@pytest.mark.parametrize(("key", "message"), [("delay", "known only later"), ("size", "Fields: colour, shape, delay")])
def test_a_stream_needs_a_field_that_is_known_at_once(key, message):
    table = make_table(**random_events(np.random.default_rng(0), 20, 3, 9))
    with pytest.raises(ConfigError, match=message):
        EventWindows(table, [Stream("bad", key)], 3, "window")
