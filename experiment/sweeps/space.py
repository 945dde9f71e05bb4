"""What a search draws from: a range or choices for each searched key of the config.

No torch is imported, and Optuna only where something is drawn.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from experiment.configs.compose import compose_config
from experiment.configs.override_words import quoted
from schemas.errors import ConfigError

SPACE = "hparams_search.space"
OF_A_RANGE = {"low", "high", "log", "step"}
PLAIN_TEXT = re.compile(r"(?!(null|true|false|nan|inf)$)[A-Za-z_][\w./-]*", re.IGNORECASE)
"""What Hydra reads as text without quotes."""


@dataclass(frozen=True)
class Choices:
    """One of a few values."""

    values: tuple

    def distribution(self) -> object:
        """As Optuna takes it."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)


@dataclass(frozen=True)
class Range:
    """A number between two, both included; a whole one where low, high and step are."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def values(self) -> tuple[float, float]:
        """Its ends."""
        return self.low, self.high

    def distribution(self) -> object:
        """As Optuna takes it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if all(isinstance(part, int) for part in (self.low, self.high, self.step or 1)):
            return IntDistribution(self.low, self.high, self.log, self.step or 1)
        return FloatDistribution(self.low, self.high, self.log, self.step)


def read_space(node: object) -> dict[str, Range | Choices]:
    """What `hparams_search.space` says, by dotted key (or group).

    Raises:
        ConfigError: for a range that is none, a choice of nothing, or no key at all.
    """
    space = dict(_read(node, ""))
    if not space:
        raise ConfigError("there is nothing to search", where=SPACE, remedy="Name keys, as in conf/hparams_search/.")
    return space


def _read(node: object, key: str) -> Iterator[tuple[str, Range | Choices]]:
    if isinstance(node, list):
        yield key, _choices(node, key)
    elif isinstance(node, Mapping) and (not OF_A_RANGE & set(node) or not key):
        for name, inner in node.items():
            yield from _read(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(node, Mapping):
        yield key, _range(node, key)
    else:
        remedy = "As {low: 0.1, high: 0.6} or [32, 64]."
        raise ConfigError(f"{node!r} is neither a range nor choices", where=_where(key), remedy=remedy)


def _choices(values: Sequence, key: str) -> Choices:
    if not values:
        raise ConfigError("it has no choices", where=_where(key), remedy="Name some, as [32, 64].")
    if odd := [value for value in values if not (value is None or isinstance(value, bool | int | float | str))]:
        what = f"{odd[0]!r} is no single value"
        raise ConfigError(what, where=_where(key), remedy="Choices are numbers, text, true, false or null.")
    return Choices(tuple(values))


def _range(node: Mapping, key: str) -> Range:
    """The numbers of a range, each tried."""
    if wrong := sorted(set(map(str, node)) - OF_A_RANGE):
        raise ConfigError(f"a range has no {', '.join(wrong)}", where=_where(key), remedy="low, high, log, step.")
    low, high, log, step = (node.get(name) for name in ("low", "high", "log", "step"))
    for name, value in (("low", low), ("high", high), *(() if step is None else (("step", step),))):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigError(f"{value!r} is not a finite number", where=_where(f"{key}.{name}"))
    if log not in (True, False, None):
        raise ConfigError(f"{log!r} is not one of true, false", where=_where(f"{key}.log"))
    if low >= high:
        raise ConfigError(f"low {low} is not below high {high}", where=_where(key))
    if log and (low <= 0 or step is not None):
        what = "has no logarithm" if low <= 0 else "cannot have a step as well"
        subject = f"low {low}" if low <= 0 else "a range by its logarithm"
        raise ConfigError(f"{subject} {what}", where=_where(key), remedy="Set log: false, or change that.")
    if step is not None and not 0 < step <= high - low:
        raise ConfigError(f"a step of {step} does not fit between {low} and {high}", where=_where(key))
    return Range(low, high, bool(log), step)


def check_space(space: Mapping[str, Range | Choices], words: Sequence[str]) -> None:
    """Composes trials that show every choice and both ends of every range.

    A combination that cannot run is the trial's to record; a value that cannot run by itself is refused.

    Raises:
        ConfigError: for a key that the config lacks or a value that it cannot have, or one that `words` give too.
    """
    for key in space:
        if said := [word for word in words if word.lstrip("+~").partition("=")[0] == key]:
            remedy = f"Leave {said[0]} out, or the key out of the search: ~{SPACE}.{key}."
            raise ConfigError("it is searched, and given as well", where=key, remedy=remedy)
    for number in range(max(len(part.values) for part in space.values())):
        trial = {key: part.values[min(number, len(part.values) - 1)] for key, part in space.items()}
        try:
            compose_config([*words, *words_of(trial)])
        except ConfigError:
            _check_one_by_one(trial, words)


def _check_one_by_one(trial: Mapping[str, object], words: Sequence[str]) -> None:
    for word, (key, value) in zip(words_of(trial), trial.items(), strict=True):
        try:
            compose_config([*words, word])
        except ConfigError as error:
            what = f"no trial can run with {value!r}: {error.where}: {error.what}"
            raise ConfigError(what, where=_where(key), remedy=error.remedy) from error


def words_of(values: Mapping[str, object]) -> list[str]:
    """The overrides that give a config these values."""
    return [f"{key}={_written(value)}" for key, value in values.items()]


def _written(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str) and not PLAIN_TEXT.fullmatch(value):
        return quoted(value)
    return str(value)


def _where(key: str) -> str:
    return f"{SPACE}.{key}" if key else SPACE
