"""What groups of runs are called: by the keys in which they differ, each as short as it can be told apart."""

from collections.abc import Hashable, Mapping, Sequence

ABSENT = object()
TARGET = "_target_"
MODEL = "model.name"
NET = "model.net."
"""Under it, conf/model/ puts a net together from keys that stand nearer to the root."""
Values = tuple[Hashable, ...]
"""What a key holds in each of the groups."""


def group_names(configs: Sequence[Mapping[str, Hashable]], keys: Sequence[str] = ()) -> list[str]:
    """A name a group, such as `gcn_lstm spatial_dim=64`; the model's where nothing differs.

    Args:
        configs: flat, one a group.
        keys: named whether they differ or not; none: those that differ, and of those that follow from one another
            the one nearest to the root.
    """
    every = list(dict.fromkeys(key for config in configs for key in config))
    values = {key: tuple(config.get(key, ABSENT) for config in configs) for key in keys or every}
    shown = list(keys) or telling({key: held for key, held in values.items() if len(set(held)) > 1})
    if not shown:
        return [str(config.get(MODEL, "all runs")) for config in configs]
    # The model's name, which explains most of the rest, stands first and by itself.
    shown.sort(key=lambda key: key != MODEL)
    titles = dict(zip(shown, titles_of(shown), strict=True))
    alone = {key for key in shown if _alone(values[key])}
    names = []
    for place in range(len(configs)):
        held = {key: values[key][place] for key in shown}
        told = [(key, value) for key, value in held.items() if value is not ABSENT or key in alone]
        names.append(" ".join(_said(key, titles[key], value) for key, value in told) or "none of these")
    return names


def telling(varied: Mapping[str, Values]) -> list[str]:
    """Without keys that only repeat one nearer to the root, and those that came with another component."""
    kept: dict[str, Values] = {}
    for key in sorted(varied, key=lambda key: key.count(".")):
        if not _came_along(key, varied) and not any(_repeats(varied[key], key, kept[near], near) for near in kept):
            kept[key] = varied[key]
    return [key for key in varied if key in kept]


def _repeats(held: Values, key: str, nearer: Values, near: str) -> bool:
    """Whether a key takes its value from one nearer to the root; keys side by side were set each by itself."""
    if key.count(".") <= near.count("."):
        return False
    return all(mine is ABSENT or mine == theirs for mine, theirs in zip(held, nearer, strict=True))


def _came_along(key: str, varied: Mapping[str, Values]) -> bool:
    """Whether a key, the class of a part or a value within a net is there because a component around it is another."""
    held, alone = varied[key], _alone(varied[key])
    if not alone and not key.endswith(f".{TARGET}") and not key.startswith(NET):
        return False
    parts = key.split(".")[:-1]
    around = [f"{'.'.join(parts[:end])}.{name}" for end in range(1, len(parts) + 1) for name in ("name", TARGET)]
    told = [value is ABSENT for value in held] if alone else held
    # The class of a part may have come with one nearer to the root only, not with its neighbour.
    others = [other for other in around if other != key and (alone or other.count(".") < key.count("."))]
    return any(_determined(told, varied[other]) for other in others if other in varied)


def _alone(held: Values) -> bool:
    """Whether a key is there in some groups only, with one value."""
    return ABSENT in held and len(set(held)) == 2


def _determined(told: Sequence[Hashable], by: Values) -> bool:
    """Whether groups with the same `by` have the same `told`."""
    return len(set(zip(by, told, strict=True))) == len(set(by))


def titles_of(keys: Sequence[str]) -> list[str]:
    """The shortest ends that tell the keys apart; a component is called as its place is."""
    places = [key.removesuffix(f".{TARGET}") for key in keys]
    # `seed` by itself would be the run's.
    return [_end(place, [*places, "seed"]) for place in places]


def _end(place: str, places: Sequence[str]) -> str:
    parts = place.split(".")
    for length in range(1, len(parts)):
        end = ".".join(parts[-length:])
        if sum(other == end or other.endswith(f".{end}") for other in places) == 1:
            return end
    return place


def _said(key: str, title: str, value: Hashable) -> str:
    if value is ABSENT:
        return f"{title}=(none)"
    if key == MODEL:
        return str(value)
    if key.endswith(f".{TARGET}"):
        value = str(value).rsplit(".", 1)[-1]
    return f"{title}={_plain(value)}"


def _plain(value: Hashable) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
