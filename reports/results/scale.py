"""Where values lie on an axis of parallel coordinates, from 0 at its foot to 1 at its head."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.ticker import LogLocator, MaxNLocator

DECADE = 10
"""Times the smallest value that the largest must be for a logarithmic axis."""
TICKS = 6
"""Values that an axis names each by itself; of more only round ones."""
CLOSE = 0.045
"""Of an axis: ticks nearer to one another would overlap."""
BAND = 0.07
"""Of an axis: how far runs of one value are spread around it, where there is room."""
FULL = 8
"""Runs of one value, but for the first, that fill the band."""
APART = 0.16
"""Of an axis: the room that a value that is no number has below the numbers."""

Value = int | float | str


@dataclass(frozen=True)
class Scale:
    """The places of some values, and what is written beside them."""

    places: Sequence[float]
    ticks: Sequence[tuple[float, str]]


def scale_of(values: Sequence[Value], ranks: Sequence[float]) -> Scale:
    """Numbers by their size, on a logarithmic axis where they span a decade; text by how well its runs do.

    Args:
        ranks: a run's place among all, from 0 for the worst to 1 for the best.
    """
    numbers = sorted({value for value in values if not isinstance(value, str)})
    if len(numbers) < 2:
        return _of_text([_said(value) for value in values], ranks, 0.0, 1.0)
    texts = [place for place, value in enumerate(values) if isinstance(value, str)]
    foot = min(0.5, APART * len({values[place] for place in texts}))
    scale = of_numbers([value for value in values if not isinstance(value, str)], foot)
    apart = _of_text([values[place] for place in texts], [ranks[place] for place in texts], 0.0, foot - APART)
    mine, theirs = iter(scale.places), iter(apart.places)
    places = [next(theirs) if isinstance(value, str) else next(mine) for value in values]
    return Scale(places, [*apart.ticks, *scale.ticks])


def _of_text(values: Sequence[str], ranks: Sequence[float], foot: float, head: float) -> Scale:
    """Evenly spaced, those with the better runs above."""
    held = {value: [rank for other, rank in zip(values, ranks, strict=True) if other == value] for value in values}
    order = sorted(held, key=lambda value: (sum(held[value]) / len(held[value]), value))
    if len(order) < 2:
        where = dict.fromkeys(order, (foot + head) / 2)
    else:
        where = {value: foot + (head - foot) * number / (len(order) - 1) for number, value in enumerate(order)}
    return Scale([where[value] for value in values], [(where[value], value) for value in order])


def of_numbers(values: Sequence[float], foot: float = 0.0, falls: bool = False) -> Scale:
    """By size between `foot` and 1; `falls`: the smallest is at the head."""
    low, high = min(values), max(values)
    log = low > 0 and high / low >= DECADE

    def place(value: float) -> float:
        if low == high:
            return (1 + foot) / 2
        ends = [math.log(end) if log else end for end in (low, high, value)]
        share = (ends[2] - ends[0]) / (ends[1] - ends[0])
        return foot + (1 - foot) * (1 - share if falls else share)

    return Scale([place(value) for value in values], _ticks(sorted(set(values)), log, place))


def _ticks(numbers: Sequence[float], log: bool, place) -> list[tuple[float, str]]:
    """Each value where there is room for it, else the two ends and round ones between them."""
    if len(numbers) <= TICKS and all(abs(place(one) - place(other)) >= CLOSE for one, other in pairwise(numbers)):
        return [(place(number), _said(number)) for number in numbers]
    locator = LogLocator(subs=(1, 2, 5)) if log else MaxNLocator(5, steps=(1, 2, 2.5, 5, 10))
    if log and numbers[-1] / numbers[0] > DECADE**2.5:
        locator = LogLocator()
    kept = [numbers[0], numbers[-1]]
    for number in locator.tick_values(numbers[0], numbers[-1]):
        inside = numbers[0] < number < numbers[-1]
        if inside and all(abs(place(number) - place(other)) >= CLOSE for other in kept):
            kept.append(float(number))
    return [(place(number), _said(number)) for number in kept]


def _said(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and abs(value) < 10**6:
        return f"{value:,}"
    if value == 0 or 0.001 <= abs(value) < 10**6:
        return f"{value:,.3f}".rstrip("0").rstrip(".") if abs(value) >= 100 else f"{value:.3g}"
    digits, power = f"{value:.2e}".split("e")
    return f"{float(digits):g}e{int(power)}"


def spread(places: Sequence[float], ranks: Sequence[float]) -> list[float]:
    """Runs of one place side by side, the better ones above, so that a line does not hide others."""
    members: dict[float, list[int]] = {}
    for run in sorted(range(len(places)), key=ranks.__getitem__):
        members.setdefault(places[run], []).append(run)
    distinct, moved = sorted(members), list(places)
    for number, there in enumerate(distinct):
        neighbours = distinct[max(0, number - 1) : number] + distinct[number + 1 : number + 2]
        room = 0.7 * min((abs(there - other) for other in neighbours), default=1.0)
        runs = members[there]
        band = min(BAND, room) * min(1.0, (len(runs) - 1) / FULL)
        for step, run in enumerate(runs if len(runs) > 1 else ()):
            moved[run] = there + band * (step / (len(runs) - 1) - 0.5)
    return moved
