"""Every run and sweep under some folders as tables: grouped by config, ranked on validation, the test beside it.

python results.py DIR [DIR ...] [by=KEY,...] [compare=A,B] [csv=FILE] [markdown=FILE] [plot=FILE.png]

DIR       a folder under which runs lie, such as logs
by        keys (or their ends, such as spatial_dim) whose values make the groups; else the whole config but for the seed
compare   the numbers of two groups: their difference over the same seeds and folds
csv       writes a row a group, in full precision
markdown  writes the tables as Markdown
plot      draws the groups with their intervals
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from experiment.front_door import readable_errors
from schemas.errors import ConfigError
from storage import atomic

FILES = {"csv": (".csv",), "markdown": (".md", ".markdown"), "plot": (".png",)}
KEYS = ("by", "compare", *FILES)


@dataclass
class Options:
    """What a user asks for."""

    folders: list[str] = field(default_factory=list)
    by: list[str] = field(default_factory=list)
    compare: tuple[int, int] | None = None
    files: dict[str, Path] = field(default_factory=dict)


def read_options(words: list[str]) -> Options:
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
            options.compare = read_pair(value)
        else:
            options.files[key] = read_target(key, value)
    if not options.folders:
        raise ConfigError("no folder is named", remedy="As in `python results.py logs`.")
    return options


def read_pair(text: str) -> tuple[int, int]:
    numbers = [int(part) for part in text.split(",") if part.isdecimal()]
    if len(numbers) != 2 or text.count(",") != 1 or numbers[0] == numbers[1]:
        raise ConfigError(f"{text!r} is not two groups", where="compare", remedy="By their numbers, as compare=1,2.")
    return numbers[0], numbers[1]


def read_target(key: str, text: str) -> Path:
    path = Path(text).expanduser()
    if path.suffix.lower() not in FILES[key] or not path.parent.is_dir() or path.is_dir():
        raise ConfigError(f"{text!r} is no {FILES[key][0]} file in a folder that exists", where=key)
    return path


def main(words: list[str]) -> int:
    """Prints and writes the tables; exits with 2 for folders or options that cannot be used."""
    console = Console(highlight=False)
    if not words or words[0] in ("-h", "--help"):
        console.print(__doc__.strip(), markup=False)
        return 0 if words else 2
    with readable_errors():
        options = read_options(words)
        from experiment.ranking import results_page
        from experiment.runs import read_runs
        from reports.results import table

        page = results_page(read_runs(options.folders), options.by, options.compare)
        for key, path in options.files.items():
            if key == "plot":
                from reports.results.plot import as_png

                atomic.write_bytes(path, as_png(page))
            else:
                atomic.write_text(path, table.as_csv(page) if key == "csv" else table.as_markdown(page))
        table.print_page(page, console)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
