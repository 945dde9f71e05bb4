"""Trains one model on one data set: `python train.py model=gcn_lstm`, or many with `-m` and comma-separated values."""

import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from experiment.config import check_config, compose_config, first_of_sweep, register_resolvers
from experiment.front_door import readable_errors


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def train(config: DictConfig) -> float:
    """One job: returns the best validation value."""
    with readable_errors():
        check_config(config)
        from experiment.training import run_training

        job = HydraConfig.get()
        return run_training(config, job.runtime.output_dir, list(job.overrides.task), job.mode == RunMode.MULTIRUN)


def main() -> None:
    """Composes and judges the config before Hydra starts and torch is imported."""
    overrides = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    flags = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    register_resolvers()
    with readable_errors():
        if not flags:
            compose_config(overrides)
        elif set(flags) <= {"-m", "--multirun"}:
            compose_config(first_of_sweep(overrides))
    train()


if __name__ == "__main__":
    main()
