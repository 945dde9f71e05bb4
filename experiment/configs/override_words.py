"""Words of a command line in Hydra's grammar: what a sweep makes of them, and text in its quotes."""

import re
from itertools import islice

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override
from hydra.errors import HydraException

from experiment.configs.compose import one_line, options_of, readable
from schemas.errors import ConfigError

VALUES_AT_MOST = 1000
"""Of one key in a sweep: each is composed and judged before the first job begins."""


def quoted(text: str) -> str:
    """A text in Hydra's single quotes, where a backslash means itself but before a quote."""
    inner = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text)
    return f"'{inner}'"


def jobs_of_sweep(overrides: list[str]) -> list[list[str]]:
    """Overrides of enough of a sweep's jobs that every value of every axis is among them.

    Raises:
        ConfigError: where the overrides cannot be read, or an axis has no values or too many.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise readable(error, overrides) from error
    other_sweeper = any(override.key_or_group == "hydra/sweeper" for override in parsed)
    axes = [_axis(override, other_sweeper) for override in parsed]
    first = [axis[0] for axis in axes]
    return [first] + [
        [*first[:number], word, *first[number + 1 :]] for number, axis in enumerate(axes) for word in axis[1:]
    ]


def _axis(override: Override, other_sweeper: bool) -> list[str]:
    """The words that a sweep makes of one; of an interval, which only another sweeper can draw from, an end."""
    if not override.is_sweep_override():
        return [override.input_line]
    key, value = override.get_key_element(), override.value()
    if getattr(value, "shuffle", False):
        what = "a sweep in another order each time could not go on where it was cut off"
        raise ConfigError(what, where=override.input_line, remedy="Leave out shuffle.")
    if isinstance(value, Glob):
        options = value.filter(options_of(override.key_or_group))
    elif isinstance(value, IntervalSweep):
        if not other_sweeper:
            what = "an interval has no end of values"
            raise ConfigError(what, where=override.input_line, remedy="Name them, as 1,2,3 or range(1,4).")
        options = [value.start]
    else:
        try:
            options = list(islice(override.sweep_string_iterator(), VALUES_AT_MOST + 1))
        except (HydraException, ValueError) as error:
            what = f"cannot be swept ({one_line(error)})"
            raise ConfigError(what, where=override.input_line, remedy="Name the values, as 1,2,3.") from error
    if not options:
        raise ConfigError("it has no values", where=override.input_line, remedy="Name some, as 1,2,3.")
    if len(options) > VALUES_AT_MOST:
        what = f"it has more than {VALUES_AT_MOST:,} values"
        raise ConfigError(what, where=override.input_line, remedy="Sweep over fewer at a time.")
    return [f"{key}={option}" for option in options]
