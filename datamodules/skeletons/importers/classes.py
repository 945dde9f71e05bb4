"""The names of classes, where the clips hold numbers."""

from pathlib import Path

from schemas.errors import DataError

CLASSES_LIMIT = 100_000
"""A label says how many classes there are at least; a wild one must not fill the memory with names."""


def class_names(source: Path, labels: int, names: tuple[str, ...] | None) -> tuple[str, ...]:
    """The names of the classes 0 to `labels` - 1, or "class 0" and so on where there are none.

    Raises:
        DataError: when a label has no name, a name is empty or stands twice, or there are too many classes.
    """
    if names is None:
        names = tuple(f"class {label}" for label in range(min(labels, CLASSES_LIMIT)))
    if labels > len(names):
        remedy = "Labels count from 0; name every class."
        raise DataError(f"a label is {labels - 1:,}, with {len(names):,} classes at most", where=source, remedy=remedy)
    if "" in names or len(set(names)) != len(names):
        raise DataError("a class name is empty or stands twice", where=source, remedy="Name each class once.")
    return names


def label_map(path: Path) -> tuple[str, ...]:
    """The class names in a text file, one a line in label order; raises DataError where it cannot be read as text."""
    try:
        names = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        what = f"it cannot be read as text ({type(error).__name__})"
        raise DataError(what, where=path, remedy="Give labels=FILE with a class name a line.") from error
    while names and not names[-1]:
        names.pop()
    return tuple(names)
