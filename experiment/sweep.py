"""Many runs of one command: each is recorded however it ends, and a sweep that was cut off goes on.

No torch is imported. Hydra makes the jobs and their folders (`DIR/0`, `DIR/1`, ...) and keeps the command's words in
`DIR/multirun.yaml`, so that the same words make the same jobs again.
"""

import json
import multiprocessing
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from omegaconf import DictConfig, OmegaConf
from rich import box, get_console
from rich.markup import escape
from rich.table import Table

from experiment.config import check_config, compose_config, jobs_of_sweep
from experiment.run_folder import FAILED, FINISHED, PRUNED, RunFolder
from schemas.errors import ConfigError, ExperimentError

RESUME = "sweep.resume="
SEARCH_WORDS = "search.yaml"
"""In a search's folder, what multirun.yaml is in a sweep's."""
NOT_KEPT = ("hydra.sweep.dir=", "hydra.mode=")
"""Words of Hydra's that say where and how a sweep runs, and are given anew."""


def words_of_sweep(words: list[str]) -> list[str]:
    """Command-line words, with `sweep.resume=DIR` as the words that DIR, of a sweep or a search, was made with.

    Raises:
        ConfigError: where DIR holds no sweep, or other words stand beside it.
    """
    if not (named := [word for word in words if word.startswith(RESUME)]) or named == [f"{RESUME}null"]:
        return words
    if others := [word for word in words if word not in named and word not in ("-m", "--multirun")] + named[1:]:
        what = f"a sweep goes on with the words that it was made with; {', '.join(others)} would change it"
        raise ConfigError(what, where="sweep.resume", remedy="Leave them out, or make a new sweep.")
    folder = Path(named[0].removeprefix(RESUME)).expanduser().resolve()
    search = folder / SEARCH_WORDS
    try:
        if search.is_file():
            return [*OmegaConf.to_container(OmegaConf.load(search)), *folder_word(folder, RESUME)]
        said = OmegaConf.load(folder / "multirun.yaml").hydra.overrides
        kept = [*said.task, *(word for word in said.hydra if not word.startswith(NOT_KEPT))]
    except FileNotFoundError as error:
        remedy = f"Name the folder that holds its jobs 0, 1, ... and multirun.yaml, or {SEARCH_WORDS} of a search."
        raise ConfigError(f"there is no sweep in {folder}", where="sweep.resume", remedy=remedy) from error
    except Exception as error:  # PyYAML and OmegaConf raise many kinds for a damaged file
        what = f"it cannot be read ({type(error).__name__})"
        where = search if search.is_file() else folder / "multirun.yaml"
        raise ConfigError(what, where=where, remedy="Run its words again as a new sweep.") from error
    return [*kept, *folder_word(folder), "-m"]


def check_sweep(overrides: list[str]) -> DictConfig:
    """The config of one job, after as many were judged as show every value of every axis.

    A value that is wrong in some jobs only is theirs to record.

    Raises:
        ConfigError: for words that cannot be composed, or where none of those jobs could run.
    """
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


def folder_word(folder: Path, key: str = "hydra.sweep.dir=") -> list[str]:
    """The override that names a folder; of the default key, it makes Hydra put a sweep's jobs there."""
    quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    return [f"{key}'{quoted}'"]


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
    status = RunFolder.read_status(folder)
    words = " ".join(overrides)
    if status.get("state") in (FINISHED, PRUNED):
        get_console().print(f"job {folder.name} had {status['state']}: {words}", markup=False, soft_wrap=True)
        value = status["result"]["best_value"]
        return float("nan") if value is None else value
    get_console().print(f"\n[bold]job {folder.name}[/] {escape(words)}", highlight=False, soft_wrap=True)
    if (folder / "config.yaml").is_file():
        config.resume.source = str(folder)
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
    if RunFolder.read_status(folder).get("state") == FAILED:
        return
    run = RunFolder(folder)
    try:
        run.write_config(config, overrides)
        run.write_status({"state": FAILED, "why": _said(error)})
    finally:
        run.release()


def jobs(folder: Path) -> Iterator[tuple[str, list[str], dict]]:
    """Number, overrides and status of each job that has begun."""
    begun = [path for path in folder.glob("*/overrides.yaml") if path.parent.name.isdigit()]
    for path in sorted(begun, key=lambda path: int(path.parent.name)):
        yield path.parent.name, list(OmegaConf.load(path)), RunFolder.read_status(path.parent)


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
    console.print(f"table        python results.py {folder}", highlight=False, soft_wrap=True)
    if missing:
        console.print(f"go on        python train.py sweep.resume={folder}", highlight=False, soft_wrap=True)
    return missing


def why(status: dict) -> str:
    """In a line, why a run did not finish."""
    said = status.get("why") or json.dumps(status.get("epoch", 0)) + " epochs done"
    return " ".join(said.split())[:200]
