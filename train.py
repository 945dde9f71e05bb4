"""Trains one model on one data set: `python train.py model=gcn_lstm`, or many with `-m` or `hparams_search=`."""

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from experiment.configs.compose import check_config, compose_config, register_resolvers
from experiment.configs.override_words import quoted
from experiment.front_door import EXIT_ERROR, readable_errors
from experiment.repeat import repeated_config
from experiment.resume import run_to_resume, spelled_out
from experiment.run_folder import make_log_dir
from experiment.signals import ended_by_signals
from experiment.sweeps.search import asks_for_search, run_search
from experiment.sweeps.sweep import check_sweep, conclude, folder_of_sweep, run_job, words_of_sweep
from schemas.errors import ConfigError

FLAGS = ("-m", "--multirun", "-h", "--help", "--hydra-help", "--version", "-c", "--cfg", "-p", "--package", "--resolve")
FLAGS += ("-i", "--info")
"""Of Hydra; those that change where the config comes from would pass by its checks."""


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def train(config: DictConfig) -> float:
    """One job: returns the best validation value."""
    register_resolvers()  # a launcher may have put this job into a process of its own
    with readable_errors():
        job = HydraConfig.get()
        if job.mode == RunMode.MULTIRUN:
            return run_job(config, Path(job.runtime.output_dir), list(job.overrides.task))
        if config.repeat is not None:
            config = repeated_config(config, job.overrides.task)
        check_config(config)
        from experiment.training import run_training

        return run_training(config, job.runtime.output_dir, list(job.overrides.task), False)


def main() -> None:
    """Composes and judges the config before Hydra starts and torch is imported."""
    register_resolvers()
    with readable_errors():
        sys.argv[1:] = words_of_sweep(spelled_out(sys.argv[1:]))
        overrides = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
        flags = [argument for argument in sys.argv[1:] if argument.startswith("-")]
        if unknown := [flag for flag in flags if flag.split("=")[0] not in FLAGS]:
            what, remedy = f"there is no flag {', '.join(unknown)}", f"Flags: {', '.join(FLAGS)}."
            raise ConfigError(what, where="command line", remedy=remedy)
        if not set(flags) <= {"-m", "--multirun"}:
            return train()
        if asks_for_search(overrides):
            sys.exit(0 if run_search(flags + overrides) else EXIT_ERROR)
        sys.argv[1:] = flags + overrides  # Hydra's parser loses words on both sides of a flag
        config = check_sweep(overrides) if flags else compose_config(overrides)
        make_log_dir(config.paths.log_dir)
        if not flags:
            sys.argv += folder_of_run(config, overrides)
            return train()
        if config.resume.source is not None or config.repeat is not None:
            raise ConfigError("one run is resumed or repeated at a time", where="command line", remedy="Leave out -m.")
        sweep(config, overrides)


def sweep(config: DictConfig, overrides: list[str]) -> None:
    """All jobs, and a line on each at the end, however the sweep ends."""
    folder = folder_of_sweep(config, overrides)
    sys.argv.append(f"hydra.sweep.dir={quoted(str(folder))}")
    try:
        with ended_by_signals():
            train()
    finally:
        missing = conclude(folder)
    if missing:
        sys.exit(EXIT_ERROR)


def folder_of_run(config: DictConfig, overrides: list[str]) -> list[str]:
    """The override that makes Hydra take the folder of the run that goes on, or of one that is repeated."""
    if config.resume.source is None and config.repeat is None:
        return []
    if config.repeat is not None:
        config = repeated_config(config, overrides)
    if (folder := run_to_resume(config)) is not None:
        return [f"hydra.run.dir={quoted(str(folder))}"]
    if config.resume.source is not None:
        print("No unfinished run of this config: a new one begins.")
    names = f"{config.model.task}/runs/${{now:%Y-%m-%d_%H-%M-%S}}_{config.model.name}_${{unique:}}"
    return [f"hydra.run.dir='${{paths.log_dir}}/{names}'"]


if __name__ == "__main__":
    main()
