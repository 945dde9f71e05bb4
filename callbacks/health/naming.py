"""Many names in one sentence."""

from collections.abc import Collection, Sequence

SHOWN = 8
"""Names that one sentence holds."""
FEW = 4
"""Parameters that are named one by one."""


def listed(names: Sequence[str]) -> str:
    """`a, b, c`, and of more than eight how many more there are."""
    rest = len(names) - SHOWN
    return ", ".join(map(str, names[:SHOWN])) + (f" and {rest:,} more" if rest > 0 else "")


def grouped(names: Sequence[str], among: Collection[str]) -> list[str]:
    """Parameters by the modules that hold nothing else of `among`: `encoder.* (12 parameters)`; few by their names."""
    if len(names) <= FEW:
        return list(names)
    chosen, others = set(names), set(among) - set(names)
    groups: dict[str, int] = {}
    for name in names:
        parts = name.split(".")
        modules = (".".join(parts[:depth]) + "." for depth in range(1, len(parts)))
        free = (module for module in modules if not any(other.startswith(module) for other in others))
        module = next(free, None)
        alone = module is None or sum(other.startswith(module) for other in chosen) == 1
        group = name if alone else module
        groups[group] = groups.get(group, 0) + 1
    return [f"{group}* ({count} parameters)" if group.endswith(".") else group for group, count in groups.items()]
