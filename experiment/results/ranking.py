"""Groups of runs ranked on validation, in a table for each data set, split and monitor, and two of them in pairs."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace

from experiment.configs.rules import direction
from experiment.results.group_names import group_names
from experiment.results.groups import Group, group_runs
from experiment.results.runs import Run
from experiment.results.student import mean_of, p_value
from reports.results.content import Difference, LeftOut, Page, Row, Section
from schemas.errors import ConfigError

Value = Callable[[Run], float | None]


def results_page(runs: Sequence[Run], by: Sequence[str] = (), compare: tuple[int, int] | None = None) -> Page:
    """Tables of all runs, those that no figure is of, and the paired difference of two groups.

    Args:
        by: keys whose values make the groups; none: the whole config but for the seed.
        compare: the numbers of two groups; where a table has just two, they are compared unasked.

    Raises:
        ConfigError: for a key that no run has, or groups that cannot be compared.
    """
    sections, numbered = [], {}
    for groups in _in_order(group_runs(runs, by)):
        ranked = _ranked(groups)
        numbers = range(len(numbered) + 1, len(numbered) + len(ranked) + 1)
        numbered |= dict(zip(numbers, ranked, strict=True))
        sections.append(_section(dict(zip(numbers, ranked, strict=True)), runs, by))
    pairs = [_pair_of(compare, sections)] if compare else []
    pairs += [pair for s in sections if len(s.rows) == 2 and (pair := tuple(r.number for r in s.rows)) not in pairs]
    for place, section in enumerate(sections):
        own = [pair for pair in pairs if pair[0] in {row.number for row in section.rows}]
        found = [d for a, b in own for d in _differences((a, numbered[a]), (b, numbered[b]))]
        sections[place] = replace(section, differences=found)
    left_out = [LeftOut(str(run.path), run.state, run.why) for run in runs if not run.counts]
    return Page(sections, len(runs), sorted(left_out, key=lambda left: (left.state, left.run)))


def _in_order(tables: Mapping[Hashable, list[Group]]) -> list[list[Group]]:
    def place(groups: list[Group]) -> tuple:
        first = groups[0].runs[0]
        return first.task, first.data, first.data_fingerprint, first.fold is not None, first.split_fingerprint

    return sorted(tables.values(), key=place)


def _ranked(groups: Sequence[Group]) -> list[Group]:
    sign = 1 if direction(groups[0].runs[0].monitor) == "min" else -1
    return sorted(groups, key=lambda group: sign * mean_of(_figures(group, validation)).value)


def validation(run: Run) -> float | None:
    """By which runs are ranked."""
    return run.value


def on_test(run: Run) -> float | None:
    """Shown beside it, of runs that opened the test split."""
    return run.test


def _by_unit(group: Group, value: Value) -> dict[Hashable, float]:
    """A figure a unit: the mean where it ran more than once."""
    found = {unit: [value(run) for run in runs if value(run) is not None] for unit, runs in group.units.items()}
    return {unit: mean_of(values).value for unit, values in found.items() if values}


def _figures(group: Group, value: Value) -> list[float]:
    return list(_by_unit(group, value).values())


def _section(groups: Mapping[int, Group], runs: Sequence[Run], by: Sequence[str]) -> Section:
    members = [run for group in groups.values() for run in group.runs]
    one, folds = members[0], {repr(run.fold) for run in members if run.fold is not None}
    splits = sorted({run.split_fingerprint for run in members})
    names = group_names([group.config for group in groups.values()], [key for key in _keys(groups, by)])
    return Section(
        task=one.task,
        data=one.data,
        data_fingerprint=one.data_fingerprint,
        splits=splits,
        folds=len(folds),
        monitor=one.monitor,
        monitor_falls=direction(one.monitor) == "min",
        headline=one.headline,
        headline_falls=direction(one.headline) == "min",
        opened=sum(run.opened for run in runs if run.split_fingerprint in splits)
        + sum(split in splits for run in runs for split in run.evaluated),
        rows=[_row(number, name, groups[number]) for number, name in zip(groups, names, strict=True)],
        baselines=_baselines(members),
        notes=_notes(groups, folds),
    )


def _keys(groups: Mapping[int, Group], by: Sequence[str]) -> list[str]:
    """With `by`, every key that the groups were made of."""
    return list(dict.fromkeys(key for group in groups.values() for key in group.config)) if by else []


def _row(number: int, name: str, group: Group) -> Row:
    runs, tests = group.runs, _figures(group, on_test)
    judged = [run.above_chance for run in runs if run.above_chance is not None]
    best = (min if direction(runs[0].monitor) == "min" else max)(runs, key=validation)
    points = _figures(group, validation)
    return Row(
        number=number,
        name=name,
        val=mean_of(points),
        test=mean_of(tests) if tests else None,
        runs=len(runs),
        above_chance=sum(judged),
        judged=len(judged),
        lost=Counter(run.state if run.state != "finished" else "without a figure" for run in group.lost),
        best_run=str(best.path),
        val_points=points,
        test_points=tests,
    )


def _baselines(runs: Sequence[Run]) -> dict[str, tuple[str, float]]:
    """The best of each split by its mean over the folds; where runs had other inputs, by the best that it reached."""
    known: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    better = min if direction(runs[0].headline) == "min" else max
    for run in runs:
        for split, levels in run.baselines.items():
            for name, value in levels.items():
                found = known[f"{split}/{run.headline}", name]
                found[run.split_fingerprint] = better(value, found.get(run.split_fingerprint, value))
    means = {key: mean_of(list(found.values())).value for key, found in known.items()}
    chosen = {}
    for metric in {metric for metric, _ in means}:
        name = better((name for other, name in means if other == metric), key=lambda name: means[metric, name])
        chosen[metric] = (name, means[metric, name])
    return chosen


def _notes(groups: Mapping[int, Group], folds: set) -> list[str]:
    """What a reader of the table should know, a sentence each."""
    notes = []
    units = [set(group.units) for group in groups.values()]
    if any(own != units[0] for own in units):
        notes.append("The groups are not all over the same seeds or folds; compare=A,B takes those that two share.")
    if twice := [n for n, group in groups.items() if len(group.runs) > len(group.units)]:
        notes.append(f"{_called(twice)}: a seed that ran more than once is one value, the mean of its runs.")
    if mixed := [n for n, group in groups.items() if len({run.commit for run in group.runs}) > 1]:
        notes.append(f"{_called(mixed)}: runs of more than one commit of the code are averaged.")
    if folds:
        notes.append("Folds share training data: the interval of their mean is narrower than the truth.")
    return notes


def _called(numbers: Sequence[int]) -> str:
    return f"Group{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def _pair_of(numbers: tuple[int, int], sections: Sequence[Section]) -> tuple[int, int]:
    places = [next((s for s in sections if any(row.number == n for row in s.rows)), None) for n in numbers]
    last = sum(len(section.rows) for section in sections)
    for number, place in zip(numbers, places, strict=True):
        if place is None:
            raise ConfigError(f"there is no group {number}", where="compare", remedy=f"Groups are 1 to {last}.")
    if places[0] is not places[1]:
        what = f"groups {numbers[0]} and {numbers[1]} are not comparable: other data, split or monitor"
        raise ConfigError(what, where="compare", remedy="Name two groups of one table.")
    return numbers


def _differences(first: tuple[int, Group], second: tuple[int, Group]) -> list[Difference]:
    """First minus second on validation and, where both opened it, on test, over the units that they share."""
    run = first[1].runs[0]
    found = [_difference(first, second, run.monitor, validation)]
    on_tests = _difference(first, second, f"test/{run.headline}", on_test)
    return found + [on_tests] * (on_tests.mean is not None)


def _difference(first: tuple[int, Group], second: tuple[int, Group], metric: str, value: Value) -> Difference:
    (number, group), (other, against) = first, second
    mine, theirs = _by_unit(group, value), _by_unit(against, value)
    pairs = [mine[unit] - theirs[unit] for unit in mine if unit in theirs]
    mean = mean_of(pairs) if pairs else None
    return Difference(number, other, metric, direction(metric) == "min", mean, p_value(mean) if mean else None)
