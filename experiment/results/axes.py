"""The runs of a table one by one, with the keys of the config in which they differ."""

import math
from collections.abc import Hashable, Sequence

from experiment.results.group_names import ABSENT, MODEL, telling, titles_of
from experiment.results.groups import Group, group_runs
from experiment.results.runs import Run
from reports.results.content import Axis, Bundle, Page, Section


def bundles_of(page: Page, runs: Sequence[Run], by: Sequence[str] = ()) -> list[Bundle]:
    """The runs of each of the page's tables; the keys are those that name its groups."""
    found = [group for table in group_runs(runs, by).values() for group in table]
    groups = {str(run.path): group for group in found for run in group.runs}
    return [_bundle(section, [groups[row.best_run] for row in section.rows], by) for section in page.sections]


def _bundle(section: Section, groups: Sequence[Group], by: Sequence[str]) -> Bundle:
    members = [(group.config, run.value) for group in groups for run in group.runs]
    every = list(dict.fromkeys(key for config, _ in members for key in config))
    held = {key: tuple(config.get(key, ABSENT) for config, _ in members) for key in every}
    keys = every if by else telling({key: values for key, values in held.items() if len(set(values)) > 1})
    titles = dict(zip(keys, titles_of(keys), strict=True)) | {MODEL: "model"}
    axes = [Axis(titles[key], [_said(key, value) for value in held[key]]) for key in keys]
    return Bundle(section, axes, [figure for _, figure in members])


def _said(key: str, value: Hashable) -> int | float | str:
    """Numbers as they are, a component by its class, anything else as YAML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float) and math.isfinite(value):
        return value
    if key.endswith("_target_") and isinstance(value, str):
        return value.rpartition(".")[2]
    return {ABSENT: "(none)", None: "null"}.get(value, str(value))
