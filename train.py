"""Trains one model on one data set: `python train.py model=gcn_lstm`, or many with `-m` and comma-separated values."""

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from experiment.config import check_config, compose_config, jobs_of_sweep, register_resolvers
from experiment.front_door import readable_errors
from experiment.repeat import repeated_config
from experiment.resume import run_to_resume, spelled_out
from schemas.errors import ConfigError

FLAGS = ("-m", "--multirun", "-h", "--help", "--hydra-help", "--version", "-c", "--cfg", "-p", "--package", "--resolve")
FLAGS += ("-i", "--info")
"""Of Hydra; those that change where the config comes from would pass by its checks."""


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def train(config: DictConfig) -> float:
    """One job: returns the best validation value."""
    with readable_errors():
        job = HydraConfig.get()
        if config.repeat is not None:
            config = repeated_config(config, job.overrides.task)
        check_config(config)
        from experiment.training import run_training

        return run_training(config, job.runtime.output_dir, list(job.overrides.task), job.mode == RunMode.MULTIRUN)


def make_folder(log_dir: str) -> None:
    """Makes the folder of all runs, which Hydra would fail on with a traceback."""
    try:
        Path(log_dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{log_dir} cannot be made ({error.strerror})", where="paths.log_dir") from error


def main() -> None:
    """Composes and judges the config before Hydra starts and torch is imported."""
    sys.argv[1:] = spelled_out(sys.argv[1:])
    overrides = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    flags = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    register_resolvers()
    with readable_errors():
        if unknown := [flag for flag in flags if flag.split("=")[0] not in FLAGS]:
            what, remedy = f"there is no flag {', '.join(unknown)}", f"Flags: {', '.join(FLAGS)}."
            raise ConfigError(what, where="command line", remedy=remedy)
        if set(flags) <= {"-m", "--multirun"}:
            for job in jobs_of_sweep(overrides) if flags else [overrides]:
                config = compose_config(job)
            make_folder(config.paths.log_dir)
            sys.argv += folder_of_run(config, overrides, multirun=bool(flags))
    train()


def folder_of_run(config: DictConfig, overrides: list[str], multirun: bool) -> list[str]:
    """The override that makes Hydra take the folder of the run that goes on, or of one that is repeated."""
    if config.resume.source is None and config.repeat is None:
        return []
    if multirun:
        raise ConfigError("one run is resumed or repeated at a time", where="command line", remedy="Leave out -m.")
    if config.repeat is not None:
        config = repeated_config(config, overrides)
    if (folder := run_to_resume(config)) is not None:
        quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
        return [f"hydra.run.dir='{quoted}'"]
    if config.resume.source is not None:
        print("No unfinished run of this config: a new one begins.")
    names = f"{config.model.task}/runs/${{now:%Y-%m-%d_%H-%M-%S}}_{config.model.name}_${{unique:}}"
    return [f"hydra.run.dir='${{paths.log_dir}}/{names}'"]


if __name__ == "__main__":
    main()
