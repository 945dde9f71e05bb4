"""A fact, how it is known, and a page of them."""

from dataclasses import dataclass, field
from enum import StrEnum

LONGEST = 300
"""Characters of one value that a page shows: a file may hold a text of any length."""


class Known(StrEnum):
    """How a fact is known, from the surest to the least sure."""

    STORED = "stored"
    COMPUTED = "computed"
    """From what is stored, without a guess."""
    SHAPES = "from shapes"
    NAMES = "names and shapes"
    GUESS = "guess"
    NOT = "not in the file"


@dataclass(frozen=True)
class Fact:
    """One line of the page."""

    what: str
    value: object
    known: Known

    @property
    def text(self) -> str:
        """The value as a reader sees it: whole numbers with commas, floats in full, no control characters."""
        return plain(self.value)


@dataclass(frozen=True)
class Section:
    """Facts under one heading."""

    title: str
    facts: list[Fact]


@dataclass(frozen=True)
class LayerRow:
    """Layers that differ in their number alone, as one row."""

    name: str
    kind: str
    sizes: str
    count: int
    known: Known


@dataclass
class Page:
    """All that is said of one file."""

    title: str
    sections: list[Section]
    layers: list[LayerRow]
    disagreements: list[str] = field(default_factory=list)

    def fact(self, section: str, what: str) -> Fact:
        """The fact of that name; raises KeyError where the page has none."""
        for found in self.sections:
            for fact in found.facts if found.title == section else ():
                if fact.what == what:
                    return fact
        raise KeyError(f"{section}: {what}")


def plain(value: object) -> str:
    """A value from any file as one printable line."""
    if isinstance(value, bool) or value is None:
        text = {True: "yes", False: "no", None: "none"}[value]
    elif isinstance(value, int):
        text = f"{value:,}"
    elif isinstance(value, list | tuple):
        text = ", ".join(plain(inner) for inner in value[:LONGEST])
    else:
        text = str(value)
    text = "".join(letter if letter.isprintable() else " " for letter in text[: LONGEST + 1])
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
