"""What a user asks of results.py: folders and `key=value` words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from schemas.errors import ConfigError

FILES = {
    "csv": (".csv",),
    "markdown": (".md", ".markdown"),
    "html": (".html", ".htm"),
    "latex": (".tex",),
    "plot": (".png",),
    "parallel": (".png",),
}
"""What can be written, and how such a file's name ends."""
KEYS = ("by", "compare", *FILES)


@dataclass
class Options:
    """What a user asks for."""

    folders: list[str] = field(default_factory=list)
    by: list[str] = field(default_factory=list)
    compare: tuple[int, int] | None = None
    files: dict[str, Path] = field(default_factory=dict)


def read_options(words: Sequence[str]) -> Options:
    """Folders and `key=value` words, in any order; raises ConfigError for what is neither."""
    options, given = Options(), set()
    for word in words:
        key, equals, value = word.partition("=")
        if key not in KEYS and (not equals or Path(word).exists()):
            options.folders.append(word)
            continue
        if key not in KEYS or not value or key in given:
            fault = "is given twice" if key in given else "cannot be used"
            raise ConfigError(f"{word!r} {fault}", remedy=f"Name folders, and {', '.join(f'{k}=' for k in KEYS)} once.")
        given.add(key)
        if key == "by":
            options.by = value.split(",")
        elif key == "compare":
            options.compare = _read_pair(value)
        else:
            path = _read_target(key, value)
            if path in options.files.values():
                raise ConfigError(f"{value!r} is named twice", where=key, remedy="A file of its own for each.")
            options.files[key] = path
    if not options.folders:
        raise ConfigError("no folder is named", remedy="As in `python results.py logs`.")
    return options


def _read_pair(text: str) -> tuple[int, int]:
    numbers = [int(part) for part in text.split(",") if part.isdecimal()]
    if len(numbers) != 2 or text.count(",") != 1 or numbers[0] == numbers[1]:
        raise ConfigError(f"{text!r} is not two groups", where="compare", remedy="By their numbers, as compare=1,2.")
    return numbers[0], numbers[1]


def _read_target(key: str, text: str) -> Path:
    path = Path(text).expanduser()
    if path.suffix.lower() not in FILES[key] or not path.parent.is_dir() or path.is_dir():
        raise ConfigError(f"{text!r} is no {FILES[key][0]} file in a folder that exists", where=key)
    return path
