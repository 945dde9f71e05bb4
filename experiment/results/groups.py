"""Runs in groups: those of one config but for the seed, on the same data and split.

Folds are to be averaged over as seeds are: runs over folds have one split, its config without the fold.
"""

import json
import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from experiment.results.runs import Run
from reports.run_files import at
from schemas.errors import ConfigError

NO_PART = ("seed", "paths", "resume", "repeat", "sweep", "test", "logger")
"""Keys of the config itself that change no figure: where a run lies, how it was asked for, what is opened or shown."""
NO_MATTER = ("datamodule.num_workers", "datamodule.root", "datamodule.source.root", "datamodule.source.path")
NO_MATTER += ("datamodule.origin", "datamodule.split.fold")
"""Further ones; where the data lie is told better by their fingerprint."""
OF_THE_RUN = ("datamodule.seed", "callbacks.seeding.seed")
"""conf/ gives these the run's seed."""
A_SEED = re.compile(r"(^|[._])seed$")
FOLLOWS = "the run's seed"
Flat = dict[str, Hashable]


@dataclass
class Group:
    """Runs that are to be averaged.

    A unit is a seed and a fold (and, where the groups are formed `by` some keys, the other keys). One that ran twice
    is one unit: twice the same is not twice as sure.
    """

    config: Flat
    """The keys that all its runs have in common and that make the group."""
    units: dict[Hashable, list[Run]] = field(default_factory=dict)
    lost: list[Run] = field(default_factory=list)
    """Runs of this config that have no figure."""

    @property
    def runs(self) -> list[Run]:
        return [run for unit in self.units.values() for run in unit]


def group_runs(runs: Sequence[Run], by: Sequence[str] = ()) -> dict[Hashable, list[Group]]:
    """Groups by what can be ranked together: task, data, split and monitor.

    Args:
        by: keys, or unique ends of keys, whose values alone make the groups.

    Raises:
        ConfigError: where no run has such a key, or several keys end so.
    """
    known = [run for run in runs if run.data_fingerprint and run.split_fingerprint and run.config]
    flats = identities(known)
    keys = [full_key(word, flats) for word in by]
    tables: dict[Hashable, dict[Hashable, Group]] = defaultdict(dict)
    for run, flat in zip(known, flats, strict=True):
        own = {key: flat[key] for key in keys if key in flat} if by else flat
        # A run without a result has none to say by which metric it would have been ranked.
        monitor = run.monitor or str(at(run.config, "model.monitor"))
        table = tables[run.task, run.data_fingerprint, _split(run), monitor]
        group = table.setdefault(_frozen(own), Group(own))
        if run.counts:
            rest = _frozen({key: value for key, value in flat.items() if key not in own}) if by else None
            group.units.setdefault((repr(run.seed), repr(run.fold), rest), []).append(run)
        else:
            group.lost.append(run)
    filled = {key: [group for group in table.values() if group.units] for key, table in tables.items()}
    return {key: groups for key, groups in filled.items() if groups}


def identities(runs: Sequence[Run]) -> list[Flat]:
    """What makes each run's group, flat and without its seed.

    A key called seed is the run's own if it equals the run's seed in all runs that are otherwise alike: a split's
    seed of 0 is not that of run 0. What conf/ ties to the seed is told run by run.
    """
    flats, alike = [_flat_config(run) for run in runs], defaultdict(list)
    seeds = {key for key in {key for flat in flats for key in flat} if A_SEED.search(key)}
    for place, (run, flat) in enumerate(zip(runs, flats, strict=True)):
        flat |= {key: FOLLOWS for key in OF_THE_RUN if key in flat and flat[key] == run.seed}
        rest = {key: value for key, value in flat.items() if key not in seeds}
        alike[run.data_fingerprint, _split(run), _frozen(rest), frozenset(seeds & flat.keys())].append(place)
    for places in alike.values():
        for key in seeds if len({repr(runs[place].seed) for place in places}) > 1 else ():
            if all(flats[place].get(key) == runs[place].seed for place in places):
                for place in places:
                    flats[place][key] = FOLLOWS
    return flats


def full_key(word: str, flats: Iterable[Mapping]) -> str:
    """The key that is called so, or the one nearest to the root that ends so."""
    known = sorted({key for flat in flats for key in flat}, key=lambda key: (key.count("."), key))
    if word in known:
        return word
    ending = [key for key in known if key.endswith(f".{word}")]
    nearest = [key for key in ending if key.count(".") == ending[0].count(".")]
    if len(nearest) == 1:
        return nearest[0]
    if nearest:
        remedy = f"Say which: {', '.join(nearest)}."
        raise ConfigError(f"{len(nearest)} keys end in {word!r}", where="by", remedy=remedy)
    remedy = "Name a key of config.yaml or its end, as spatial_dim; seeds and folds are what is averaged over."
    raise ConfigError(f"no run has a key {word!r}", where="by", remedy=remedy)


def _split(run: Run) -> Hashable:
    """What the split of a run is called; all folds of one are the same."""
    if run.fold is None:
        return run.split_fingerprint
    split = _flat(at(run.config, "datamodule.split"))
    return _frozen({key: value for key, value in split.items() if key != "fold"})


def _flat_config(run: Run) -> Flat:
    """{"model.dropout": 0.3, ...}, with the run's own folders as names of them."""
    flat = _flat({key: inner for key, inner in run.config.items() if key not in NO_PART})
    folders = [(f"paths.{name}", at(run.config, f"paths.{name}")) for name in ("run_dir", "log_dir", "data_dir")]
    folders = [(name, place) for name, place in folders if isinstance(place, str) and place]
    for key, value in flat.items():
        if isinstance(value, str) and "/" in value:
            flat[key] = next((n + value[len(p) :] for n, p in folders if f"{value}/".startswith(f"{p}/")), value)
    for key in NO_MATTER:
        flat.pop(key, None)
    return flat


def _flat(node: dict) -> Flat:
    """{"a": {"b": 1}} -> {"a.b": 1}; a list, and an empty mapping, is a value."""
    flat, open_nodes = {}, [("", node)]
    while open_nodes:
        prefix, inner = open_nodes.pop()
        if isinstance(inner, dict) and inner:
            open_nodes += [(f"{prefix}.{key}" if prefix else str(key), value) for key, value in reversed(inner.items())]
        else:
            flat[prefix] = json.dumps(inner, default=str) if isinstance(inner, (list, dict)) else inner
    return flat


def _frozen(flat: Mapping) -> frozenset:
    return frozenset(flat.items())
