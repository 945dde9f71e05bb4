"""Kinds of values that a key of a config may hold; the text of each completes the sentence \"3 is not ...\"."""

import math
from collections.abc import Mapping
from typing import Protocol


class Kind(Protocol):
    """What a value may be; its text completes the sentence "3 is not ..."."""

    def accepts(self, value: object) -> bool: ...


class Number:
    """A finite number, or a whole one, within [low, high] (or without the bounds themselves: `open`)."""

    def __init__(self, *, whole: bool = False, low: float | None = None, high: float | None = None, open: bool = False):
        self.whole, self.low, self.high, self.open = whole, low, high, open

    def accepts(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        if not math.isfinite(value):
            return False
        if self.open:
            return (self.low is None or value > self.low) and (self.high is None or value < self.high)
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        low = "" if self.low is None else f" {'above' if self.open else 'from'} {self.low}"
        high = "" if self.high is None else f" {'below' if self.open else 'up to'} {self.high}"
        return f"a {'whole ' if self.whole else ''}number{low}{high}"


class Choice:
    """One of a few values."""

    def __init__(self, *values: object):
        self.values = values

    def accepts(self, value: object) -> bool:
        return any(value is known or (type(value) is type(known) and value == known) for known in self.values)

    def __str__(self) -> str:
        return "one of " + ", ".join("null" if v is None else str(v).lower() for v in self.values)


class Text:
    """Any text, or any that holds none of some characters."""

    def __init__(self, without: str = ""):
        self.without = without

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and bool(value) and not set(value) & set(self.without)

    def __str__(self) -> str:
        return f"text without {' or '.join(self.without)}" if self.without else "text"


class Several:
    """A list of values of one kind, of a certain length or of any."""

    def __init__(self, kind: Kind, length: int | None = None):
        self.kind, self.length = kind, length

    def accepts(self, value: object) -> bool:
        fits = isinstance(value, list) and self.length in (None, len(value))
        return fits and all(self.kind.accepts(item) for item in value)

    def __str__(self) -> str:
        return f"a list{'' if self.length is None else f' of {self.length}'}, each {self.kind}"


class Either:
    """A value of any of some kinds."""

    def __init__(self, *kinds: Kind):
        self.kinds = kinds

    def accepts(self, value: object) -> bool:
        return any(kind.accepts(value) for kind in self.kinds)

    def __str__(self) -> str:
        return ", nor ".join(map(str, self.kinds))


class OrNull(Either):
    """A value of a kind, or null."""

    def __init__(self, kind: Kind):
        super().__init__(kind, Choice(None))

    def __str__(self) -> str:
        return f"{self.kinds[0]}, nor null"


class Component:
    """A mapping that says what it builds."""

    def accepts(self, value: object) -> bool:
        return isinstance(value, Mapping) and "_target_" in value

    def __str__(self) -> str:
        return "a component: {_target_: module.Class, ...}"


class Names:
    """A mapping of names to anything."""

    def accepts(self, value: object) -> bool:
        return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)

    def __str__(self) -> str:
        return "a mapping of names: {name: ...}"
