"""Many runs of one command: each is recorded however it ends, and a sweep that was cut off goes on.

No torch is imported. Hydra makes the jobs and their folders (`DIR/0`, `DIR/1`, ...); the command's words are kept in
`DIR/sweep.yaml`, so that the same words make the same jobs again.
"""

import json
import multiprocessing
import shlex
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich import box, get_console
from rich.markup import escape
from rich.table import Table

from experiment.configs.compose import check_config, compose_config
from experiment.configs.override_words import jobs_of_sweep, quoted
from experiment.run_folder import FAILED, FINISHED, PRUNED, RunFolder
from schemas.errors import ConfigError, ExperimentError
from storage import atomic

RESUME = "sweep.resume="
SEARCH_WORDS, SWEEP_WORDS = "search.yaml", "sweep.yaml"
"""What a search, and a sweep, was asked for, in its folder."""


def words_of_sweep(words: list[str]) -> list[str]:
    """Command-line words; with `sweep.resume=DIR`, the words that DIR, of a sweep or a search, was made with, and it.

    Raises:
        ConfigError: where DIR holds no sweep, or other words stand beside it.
    """
    if not (named := [word for word in words if word.startswith(RESUME)]) or named == [f"{RESUME}null"]:
        return words
    if others := [word for word in words if word not in named and word not in ("-m", "--multirun")] + named[1:]:
        what = f"a sweep goes on with the words that it was made with; {', '.join(others)} would change it"
        raise ConfigError(what, where="sweep.resume", remedy="Leave them out, or make a new sweep.")
    folder = Path(named[0].removeprefix(RESUME)).expanduser().resolve()
    for name, flags in ((SEARCH_WORDS, []), (SWEEP_WORDS, ["-m"])):
        if (folder / name).is_file():
            return [*flags, *_read_words(folder / name), f"{RESUME}{quoted(str(folder))}"]
    remedy = f"Name the folder that holds its jobs 0, 1, ... and {SWEEP_WORDS}, or {SEARCH_WORDS} of a search."
    raise ConfigError(f"there is no sweep in {folder}", where="sweep.resume", remedy=remedy)


def _read_words(path: Path) -> list[str]:
    try:
        words = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, OSError, UnicodeError) as error:
        what = f"it cannot be read ({type(error).__name__})"
        raise ConfigError(what, where=path, remedy="Run its words again as a new sweep.") from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ConfigError("it is no list of words", where=path, remedy="Run its words again as a new sweep.")
    return words


def write_words(path: Path, words: list[str]) -> None:
    """Keeps a command's words as they were typed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, yaml.safe_dump(words, allow_unicode=True, width=10_000))


def folder_of_sweep(config: DictConfig, overrides: list[str]) -> Path:
    """The folder of the sweep that goes on, or a new one with its words in it."""
    if config.sweep.resume is not None:
        return Path(config.sweep.resume)
    folder = new_folder(config)
    write_words(folder / SWEEP_WORDS, overrides)
    return folder


def check_sweep(overrides: list[str]) -> DictConfig:
    """The config of one job, after as many were judged as show every value of every axis.

    A value that is wrong in some jobs only is theirs to record.

    Raises:
        ConfigError: for words that cannot be composed, or where none of those jobs could run.
    """
    if placed := [word for word in overrides if word.lstrip("+~").startswith("hydra.sweep.")]:
        remedy = "Name paths.log_dir; every sweep gets a folder of its own under it."
        raise ConfigError("a sweep's folders are assay's to name", where=placed[0].partition("=")[0], remedy=remedy)
    configs = [compose_config(job, judged=False) for job in jobs_of_sweep(overrides)]
    wrong = []
    for config in configs:
        try:
            check_config(config)
        except ConfigError as error:
            wrong.append(error)
    if len(wrong) == len(configs):
        raise wrong[0]
    for said in dict.fromkeys(map(str, wrong)):
        get_console().print(f"[bold]some jobs cannot run[/] {escape(said)}", highlight=False, soft_wrap=True)
    return configs[0]


def new_folder(config: DictConfig, kind: str = "multiruns") -> Path:
    """Where a sweep's jobs or a search's trials go, a folder for each of either."""
    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{uuid4().hex[:8]}"
    return Path(config.paths.log_dir).resolve() / config.model.task / kind / name


def run_job(
    config: DictConfig, folder: Path, overrides: list[str], hopeless: Callable[[dict[int, float]], bool] | None = None
) -> float:
    """One job: the best validation value, NaN where it failed. A finished one is not repeated, a cut-off one goes on.

    Whatever it fails of is written to its status.json, and the sweep goes on; Ctrl-C ends the sweep. What `hopeless`
    is told, `callbacks.pruning` says.
    """
    if multiprocessing.get_start_method() not in multiprocessing.get_all_start_methods():
        # joblib's own way of starting processes, which the workers of a DataLoader cannot use
        multiprocessing.set_start_method(None, force=True)
    overrides = [word for word in overrides if not word.startswith(RESUME)]
    status, said = RunFolder.read_status(folder), escape(" ".join(overrides))
    if (kept := _overrides(folder)) is not None and kept != overrides:
        what = f"it holds another job, {' '.join(kept)}"
        raise ConfigError(what, where=folder, remedy="What the words mean has changed since: make a new sweep.")
    if status.get("state") in (FINISHED, PRUNED) and "result" in status:
        get_console().print(f"job {folder.name} had {status['state']}: {said}", highlight=False, soft_wrap=True)
        value = status["result"]["best_value"]
        return float("nan") if value is None else value
    get_console().print(f"\n[bold]job {folder.name}[/] {said}", highlight=False, soft_wrap=True)
    if RunFolder.is_held(folder):
        get_console().print("[bold red]left out[/] another process is at it", highlight=False)
        return float("nan")
    if (folder / "provenance.json").is_file():
        config.resume.source = str(folder)
    else:
        (folder / "config.yaml").unlink(missing_ok=True)  # of a job that ended before its run began
    try:
        check_config(config)
        from experiment.training import run_training

        return run_training(config, str(folder), overrides, True, hopeless)
    except Exception as error:
        _record(config, folder, overrides, error)
        if not isinstance(error, ExperimentError):
            traceback.print_exc()  # a fault of ours, or of a component of the user's
        get_console().print(f"[bold red]failed[/] {escape(_said(error))}", highlight=False, soft_wrap=True)
        return float("nan")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _record(config: DictConfig, folder: Path, overrides: list[str], error: Exception) -> None:
    """Writes what the job was and why it failed, where it failed before its run could."""
    if RunFolder.read_status(folder).get("state") == FAILED and (folder / "config.yaml").is_file():
        return
    run = RunFolder(folder)
    try:
        try:
            run.write_config(config, overrides)
        except OmegaConfBaseException:  # a value that refers to nothing: the config as it stands
            atomic.write_text(folder / "config.yaml", OmegaConf.to_yaml(config))
            write_words(folder / "overrides.yaml", overrides)
        run.write_status({"state": FAILED, "why": _said(error)})
    finally:
        run.release()


def _overrides(folder: Path) -> list[str] | None:
    """What made the job in this folder; None where none has begun or nobody can tell."""
    try:
        return [str(word) for word in yaml.safe_load((folder / "overrides.yaml").read_text())]
    except (OSError, TypeError, UnicodeError, yaml.YAMLError):
        return None


def jobs(folder: Path) -> Iterator[tuple[str, list[str], dict]]:
    """Number, overrides and status of each job that has begun."""
    begun = [path.parent for path in folder.glob("*/overrides.yaml") if path.parent.name.isdigit()]
    for path in sorted(begun, key=lambda path: int(path.name)):
        yield path.name, _overrides(path) or ["(overrides.yaml is damaged)"], RunFolder.read_status(path)


def conclude(folder: Path) -> int:
    """Prints a line a job, by the overrides that not all have, and where to look; returns how many did not finish."""
    table = Table(box=box.SIMPLE_HEAD)
    for title in ("job", "overrides", "best on validation", "what"):
        table.add_column(title, justify="right" if title in ("job", "best on validation") else "left")
    states, begun = [], list(jobs(folder))
    common = set.intersection(*(set(overrides) for _, overrides, _ in begun)) if len(begun) > 1 else set()
    for number, overrides, status in begun:
        states.append(state := status.get("state", "unknown"))
        result = status.get("result") or {}
        value = result.get("best_value") if state == FINISHED else None
        what = (status.get("verdict") or {}).get("words", "") if state == FINISHED else f"{state}: {why(status)}"
        shown = "" if value is None else f"{result.get('monitor')} {value:.4f}"
        own = [word for word in overrides if word not in common]
        table.add_row(number, escape(" ".join(own)), shown, escape(what))
    console = get_console()
    console.print(table)
    missing = len(states) - states.count(FINISHED)
    console.print(f"{states.count(FINISHED)} of the {len(states)} jobs that began have finished.", highlight=False)
    console.print(f"table        python results.py {shlex.quote(str(folder))}", markup=False, soft_wrap=True)
    if missing:
        console.print(f"go on        python train.py {shlex.quote(f'{RESUME}{folder}')}", markup=False, soft_wrap=True)
    return missing


def why(status: dict) -> str:
    """In a line, why a run did not finish."""
    said = status.get("why") or json.dumps(status.get("epoch", 0)) + " epochs done"
    return " ".join(said.split())[:200]
