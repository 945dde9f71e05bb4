"""What a person sweeps, as flat values: a run's columns in a table of runs."""

from collections.abc import Iterator, Mapping, Sequence

from reports.run_files import at, mapping

COLUMNS = {
    "optimizer.lr": "lr",
    "datamodule.batch_size": "batch_size",
    "datamodule.split.fold": "fold",
    "seed": "seed",
}
"""Key -> its column, there whether it was typed or not, as are the model's own options. TensorBoard shows the first
five columns by name (those that differ before the others): these names put them beside `model`."""
CLASSES = {"optimizer": "optimizer", "scheduler": "scheduler.schedule"}
"""Column -> the component whose class it names."""
NO_CHOICE = ("name", "task", "monitor")
"""Of a model's keys: the name is the column `model`, the others are no choice."""
ABOUT_THE_RUN = ("paths", "hydra", "resume", "repeat", "sweep", "logger", "test", "hparams_search", "local")
ABOUT_THE_RUN += ("callbacks",)
"""Words below these change where, how much and what is shown, not what is trained."""
PLACES = ("root", "path", "num_workers", "accelerator", "devices")
"""Ends of keys that say the same of one value."""
Value = bool | int | float | str


def hyperparameters(config: Mapping, typed: Sequence[str], data: str) -> dict[str, Value]:
    """Model options, optimizer, schedule, data, batch size, fold and seed, and every other word that the user typed;
    without mappings, such as the fields of a table, which are descriptions.

    Args:
        config: resolved, as plain values.
        typed: the overrides.
        data: the data set's name.
    """
    values = {"model": at(config, "model.name"), "datamodule": data}
    values |= {name: _class_of(at(config, f"{place}._target_")) for name, place in CLASSES.items()}
    values |= {name: at(config, key) for key, name in COLUMNS.items()} | dict(_options(mapping(config.get("model"))))
    values = {name: value for name, value in values.items() if isinstance(value, Value)}
    for key, text in dict(_words(typed)).items():
        held = at(config, key)
        if isinstance(held, Value) or not text.startswith("{"):
            values.setdefault(_column(key, values), held if isinstance(held, Value) else text)
    return values


def _column(key: str, values: Mapping[str, Value]) -> str:
    """Of a word about the data without `datamodule`, as far as nothing else is called so."""
    if key in COLUMNS:
        return COLUMNS[key]
    short = key.removeprefix("datamodule.")
    return key if short in values else short


def _options(model: Mapping) -> Iterator[tuple[str, object]]:
    """A model's own options and those of its loss; components are built from them."""
    for name, value in model.items():
        if name == "loss":
            yield from ((f"model.loss.{inner}", held) for inner, held in mapping(value).items())
        elif name not in NO_CHOICE:
            yield f"model.{name}", value


def _class_of(target: object) -> str | None:
    return None if target is None else str(target).rpartition(".")[2]


def _words(typed: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Key and text of every override but those that take something away; a group's key is a place in the config."""
    for word in typed:
        key, equals, text = word.lstrip("+").partition("=")
        is_group = "/" in key  # callbacks/ema=weights is another net, callbacks.stalled=null is not
        key = key.partition("@")[0].replace("/", ".")
        parts = key.split(".")
        is_aside = parts[0] in ABOUT_THE_RUN and not (is_group and parts[0] == "callbacks")
        if equals and not key.startswith("~") and not is_aside and parts[-1] not in PLACES:
            yield key, text
