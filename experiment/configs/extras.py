"""Loggers that need a package of their own, which not everybody has: said before torch is loaded. None is imported."""

from collections.abc import Mapping
from importlib.util import find_spec

from schemas.errors import ConfigError

PACKAGES = {"WandbLogger": "wandb", "MLFlowLogger": "mlflow"}
"""Lightning's class -> the package, which is called as our extra is."""


def check_extras(config: Mapping) -> None:
    """Whether every logger's package is there; raises ConfigError with the command that installs it."""
    for name, node in config["logger"].items():
        package = PACKAGES.get(str(node["_target_"]).rpartition(".")[2])
        if package is not None and find_spec(package) is None:
            remedy = f'pip install -e ".[{package}]"'
            raise ConfigError(f"{package} is not installed", where=f"logger.{name}", remedy=remedy)
