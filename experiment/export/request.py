"""What is asked of `export.py`: its words, read before torch is imported."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import isfinite
from pathlib import Path

from schemas.errors import CheckpointError, ConfigError

KEYS = ("run", "format", "output", "checkpoint", "temperature", "coordinates", "trust")
OF_CLIPS = ("temperature", "coordinates")
PACKAGES = ("onnx", "onnxruntime")


@dataclass(frozen=True)
class Request:
    """Checked as far as that is possible without opening the checkpoint."""

    run: Path
    output: Path
    checkpoint: str = "best"
    temperature: float | None = None
    coordinates: int | None = None
    trust: tuple[str, ...] = ()

    @classmethod
    def from_words(cls, words: Sequence[str]) -> "Request":
        """Reads `key=value` words, each value as it stands; of a path nothing is parsed.

        Raises:
            ConfigError: for a word that cannot be used, or where a package is not installed.
            CheckpointError: there is no such run.
        """
        given = _split(words)
        if given.get("format", "onnx") != "onnx":
            raise ConfigError(f"there is no format {given['format']!r}", where="format", remedy="Use format=onnx.")
        if missing := [name for name in PACKAGES if find_spec(name) is None]:
            what = f"{' and '.join(missing)} must be installed"
            raise ConfigError(what, where="format=onnx", remedy='pip install -e ".[onnx]"')
        run, checkpoint = Path(given["run"]).expanduser(), given.get("checkpoint", "best")
        if not run.exists():
            raise CheckpointError("there is no such run", where=run, remedy="Give a run's folder, or a .ckpt file.")
        temperature = _number("temperature", given) if "temperature" in given else None
        coordinates = int(_number("coordinates", given, whole=True)) if "coordinates" in given else None
        trust = tuple(given["trust"].split(",")) if "trust" in given else ()
        return cls(run, _output(given, run, checkpoint), checkpoint, temperature, coordinates, trust)

    def refuse(self, keys: Sequence[str], task: str) -> None:
        """Raises ConfigError where one of the keys was given, which has no meaning for runs of that task."""
        if given := [key for key in keys if getattr(self, key) is not None]:
            what = f"{', '.join(given)} has no meaning for a run of {task}"
            raise ConfigError(what, where=self.run, remedy="Leave it out.")


def _split(words: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if key not in KEYS or not equals or not value or key in given:
            raise ConfigError(f"{word!r} cannot be used", remedy=f"Keys, each once: {', '.join(KEYS)}.")
        given[key] = value
    if "run" not in given:
        raise ConfigError("no run is named", where="run", remedy="As run=logs/clips/runs/RUN, or run=FILE.ckpt.")
    return given


def _number(key: str, given: dict[str, str], whole: bool = False) -> float:
    text = given[key]
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if number <= 0 or not isfinite(number) or (whole and not text.isdecimal()):
        raise ConfigError(f"{text!r} is no {'whole ' * whole}number above 0", where=key)
    return number


def _output(given: dict[str, str], run: Path, checkpoint: str) -> Path:
    """The file that is asked for, or one in the run's folder, or one beside the lone checkpoint."""
    default = run / f"{checkpoint}.onnx" if run.is_dir() else run.with_suffix(".onnx")
    output = Path(given["output"]).expanduser() if "output" in given else default
    if output.suffix != ".onnx" or not output.parent.is_dir():
        raise ConfigError(f"'{output}' is no .onnx file in a folder that exists", where="output")
    if output.is_dir():
        raise ConfigError(f"'{output}' is a folder", where="output", remedy="Name a file, as output=FILE.onnx.")
    return output
