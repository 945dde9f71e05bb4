"""A search for better values: `python train.py hparams_search=gcn_lstm datamodule=natops`.

The command's words without those of the search are a trial's, to which the values that it draws are added. They are
kept in `search.yaml`, so that the same words make the same trials again. No torch is imported.
"""

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich import box, get_console
from rich.markup import escape
from rich.table import Table

from experiment.configs.compose import compose_config
from experiment.run_folder import FINISHED, RunFolder, make_log_dir
from experiment.sweeps.space import Choices, Range, check_space, read_space
from experiment.sweeps.sweep import SEARCH_WORDS, new_folder, why, write_words
from experiment.sweeps.trials import Trials, load_optuna
from schemas.errors import ConfigError

GROUP = "hparams_search"
SETTINGS = {"model", "trials", "seed", "startup", "space", "prune"}
PRUNE_SETTINGS = {"warmup_epochs", "startup"}
REFUSED = ("-", "hydra.", "hydra/", "resume.", "repeat=")
"""Words of a sweep or of one run, which mean nothing to a search."""


def asks_for_search(words: list[str]) -> bool:
    """Whether command-line words choose a search, or set something of one."""
    return any(_is_of_the_search(word) and word != f"{GROUP}=null" for word in words)


def _is_of_the_search(word: str) -> bool:
    return word.lstrip("+~").startswith((f"{GROUP}=", f"{GROUP}."))


def run_search(words: list[str]) -> bool:
    """Runs a search to its end, or goes on with the one that `sweep.resume` names; whether any trial finished.

    Raises:
        ConfigError: Optuna is missing, or the words or a value of the space cannot be used; torch is not loaded then.
    """
    search = read_search(words)
    check_space(search.space, search.words)
    resumed = search.config.sweep.resume
    make_log_dir(search.config.paths.log_dir)
    folder = Path(resumed) if resumed else new_folder(search.config, "searches")
    held = RunFolder(folder)  # two processes at one search would draw the same trials
    try:
        if not resumed:
            write_words(folder / SEARCH_WORDS, words)
        trials = Trials(folder, search.words, search.space, search.settings, search.config.model.monitor)
        try:
            trials.run()
        finally:
            conclude(trials)
        return bool(trials.ranked())
    finally:
        held.release()


@dataclass(frozen=True)
class Search:
    """What command-line words ask for."""

    words: list[str]
    """Every trial's, but for its own values."""
    config: DictConfig
    """What they make, with the search itself."""
    settings: Mapping
    """What stands under `hparams_search`, as plain values."""
    space: dict[str, Range | Choices]


def read_search(words: list[str]) -> Search:
    """The search that command-line words ask for, judged but for the values of its space.

    Raises:
        ConfigError: Optuna is missing, or the words cannot be used.
    """
    load_optuna()
    if refused := [word for word in words if word.lstrip("+~").startswith(REFUSED)]:
        remedy = "A search is one process, with a folder a trial under paths.log_dir; `sweep.resume=DIR` goes on."
        raise ConfigError(f"{', '.join(refused)} cannot stand beside a search", where="command line", remedy=remedy)
    own = [word for word in words if _is_of_the_search(word)]
    where = [word for word in words if word.startswith("sweep.")]
    trial = [word for word in words if word not in own and word not in where]
    section = OmegaConf.to_container(compose_config(own, judged=False)[GROUP], resolve=True)
    _check_keys(section)
    if not any(word.startswith(("model=", "experiment=")) for word in trial):
        trial = [f"model={section['model']}", *trial]
    return Search(trial, compose_config([*own, *where, *trial]), section, read_space(section["space"]))


def _check_keys(section: object) -> None:
    """Exactly the settings that there are; their values are judged with the rest of the config."""
    parts = {GROUP: (section, SETTINGS)}
    if isinstance(section, Mapping) and section.get("prune") is not None:
        parts[f"{GROUP}.prune"] = (section["prune"], PRUNE_SETTINGS)
    for where, (node, known) in parts.items():
        if not isinstance(node, Mapping) or set(node) != known:
            what = f"it holds exactly {', '.join(sorted(known))}"
            raise ConfigError(what, where=where, remedy="Begin with a file of conf/hparams_search/.")


def conclude(trials: Trials) -> None:
    """Prints the trials by rank, the best one's folder, and the command that trains it with the test split opened."""
    ranked, ended = trials.ranked(), trials.ended()
    places = {trial.number: place for place, trial in enumerate(ranked, 1)}
    table = Table(box=box.SIMPLE_HEAD)
    for title in ("rank", "trial", "values", trials.monitor, "what"):
        text = title in ("values", "what")
        table.add_column(title, justify="left" if text else "right", no_wrap=not text)
    for trial in sorted(ended, key=lambda trial: (places.get(trial.number, math.inf), trial.number)):
        value = "" if trial.value is None else f"{trial.value:.4f}"
        what = _what(RunFolder.read_status(trials.folder / str(trial.number)))
        rank = str(places.get(trial.number, ""))
        table.add_row(rank, str(trial.number), escape(_values(trial.params)), value, escape(what))
    get_console().print(table)
    lines = {"trials": _tally(ended, trials.wanted)}
    if ranked:
        lines["best"] = str(trials.folder / str(ranked[0].number))
        lines["train it"] = f"python train.py {shlex.join(trials.words_of(ranked[0].params))}"
    lines["table"] = f"python results.py {trials.folder}"
    if len(ended) < trials.wanted:
        lines["go on"] = f"python train.py sweep.resume={trials.folder}"
    for title, line in lines.items():
        get_console().print(f"{title:<12} {line}", markup=False, highlight=False, soft_wrap=True)


def _tally(ended: list, wanted: int) -> str:
    states = [trial.state.name for trial in ended]
    words = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}
    parts = ", ".join(f"{states.count(state)} {word}" for state, word in words.items())
    return f"{len(ended)} of {wanted} have ended: {parts}"


def _what(status: Mapping) -> str:
    if status.get("state") == FINISHED:
        return (status.get("verdict") or {}).get("words", "")
    return f"{status.get('state', 'unknown')}: {why(status)}"


def _values(params: Mapping[str, object]) -> str:
    """In short: three digits, and of a key its last name where no other has the same."""
    names = [re.split("[./]", key)[-1] for key in params]
    short = names if len(set(names)) == len(names) else params
    values = (f"{value:.3g}" if isinstance(value, float) else str(value) for value in params.values())
    return " ".join(f"{name}={value}" for name, value in zip(short, values, strict=True))
