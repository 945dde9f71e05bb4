"""What is asked of `predict.py`: its words, read before torch is imported."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datamodules.skeletons.importers import PERSONS, Options, load_importer
from schemas.errors import ConfigError

OF_CLIPS = ("format", "layout", "labels", "split", "persons", "temperature")
OF_EVENTS = ("n", "seed")
KEYS = ("run", "input", "output", "top", "batch_size", "checkpoint", "trust", *OF_CLIPS, *OF_EVENTS)
ENDINGS = (".parquet", ".csv")
MOST, MOST_OF_SEEDS = 1_000_000, 2**32 - 1
"""Far beyond use: a number of more digits than this would end in a traceback, or in no memory."""


@dataclass(frozen=True)
class Request:
    """Checked as far as that is possible without opening anything.

    Raises:
        ConfigError: for a word that cannot be used.
    """

    run: Path
    input: Path
    output: Path
    given: frozenset[str]
    """The keys that were typed."""
    top: int = 5
    batch_size: int = 64
    checkpoint: str = "best"
    trust: tuple[str, ...] = ()
    format: str | None = None
    """None: guessed from the input's name."""
    options: Options = field(default_factory=Options)
    temperature: float | None = None
    """None: that of the run's own evaluation."""
    n: int = 1
    seed: int | None = None
    """None: the likeliest value of every field is taken."""

    @classmethod
    def from_words(cls, words: Sequence[str]) -> "Request":
        """Reads `key=value` words; a value is taken as it stands, a path may hold `=`, `,` and brackets."""
        given: dict[str, str] = {}
        for word in words:
            key, equals, value = word.partition("=")
            if not equals or not value or key not in KEYS:
                raise ConfigError(f"{word!r} cannot be used", remedy=f"Keys: {', '.join(KEYS)}.")
            if key in given:
                raise ConfigError("it is given twice", where=key)
            given[key] = value
        if missing := [key for key in ("run", "input", "output") if key not in given]:
            remedy = "As run=logs/clips/runs/RUN input=FILE_OR_FOLDER output=predictions.parquet."
            raise ConfigError(f"{' and '.join(missing)} must be given", remedy=remedy)
        paths = {key: Path(given[key]).expanduser() for key in ("run", "input", "output", "labels") if key in given}
        _check_paths(paths)
        numbers = {key: _whole(key, given[key]) for key in ("top", "batch_size", "n") if key in given}
        if "format" in given:
            load_importer(given["format"])  # refuses one that there is not
        if given.get("persons", PERSONS[0]) not in PERSONS:
            remedy = f"Use {', '.join(PERSONS)}."
            raise ConfigError(f"there is no policy {given['persons']!r}", where="persons", remedy=remedy)
        layout = str(Path(given["layout"]).expanduser()) if "layout" in given else None
        return cls(
            run=paths["run"],
            input=paths["input"],
            output=paths["output"],
            given=frozenset(given),
            checkpoint=given.get("checkpoint", "best"),
            trust=tuple(given["trust"].split(",")) if "trust" in given else (),
            format=given.get("format"),
            options=Options(layout, paths.get("labels"), given.get("split"), given.get("persons")),
            temperature=_above_0(given["temperature"]) if "temperature" in given else None,
            seed=_whole("seed", given["seed"], least=0, most=MOST_OF_SEEDS) if "seed" in given else None,
            **numbers,
        )

    def refuse(self, keys: Sequence[str], of: str) -> None:
        """Raises ConfigError for a key that a run of `of` does not heed."""
        if unused := sorted(self.given & set(keys)):
            raise ConfigError(f"{', '.join(unused)} has no meaning for a run of {of}", where=self.run)


def _check_paths(paths: dict[str, Path]) -> None:
    if not paths["run"].exists():
        raise ConfigError("there is no run here", where=paths["run"], remedy="Name a run's folder, or a .ckpt file.")
    if not paths["input"].exists():
        raise ConfigError("there is no such file or folder", where=paths["input"])
    output = paths["output"]
    if output.suffix.lower() not in ENDINGS:
        raise ConfigError(f"{output.name!r} does not end in {' or '.join(ENDINGS)}", where="output")
    if not output.parent.is_dir():
        raise ConfigError("there is no such folder", where=output.parent, remedy="Make it, or write elsewhere.")
    if output.exists():
        raise ConfigError("there is something here already", where=output, remedy="Name a new file, or move it away.")


def _whole(key: str, text: str, least: int = 1, most: int = MOST) -> int:
    # The length first: Python reads no number of thousands of digits.
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most):
        shown = text if len(text) < 20 else f"{text[:20]}..."
        raise ConfigError(f"{shown!r} is no whole number from {least} to {most}", where=key)
    return int(text)


def _above_0(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ConfigError(f"{text!r} is no number above 0", where="temperature", remedy="As temperature=1.5.")
    return value
