"""The parts of a checkpoint, under whichever of the common names they were saved."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from schemas.errors import CheckpointError

WEIGHTS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "net_state_dict", "weights")
SETTINGS = ("hyper_parameters", "args", "config", "cfg", "hparams", "opt", "options", "settings", "hyperparameters")
HISTORY = ("history", "training_history", "train_history", "log", "logs")
EPOCH = ("epoch", "current_epoch", "epochs_trained", "epoch_num")
NOT_METRICS = {*EPOCH, "global_step", "pytorch-lightning_version"}
OF_TRAINING = ("", "train", "training", "trainer", "optimizer", "optim", "optimization", "solver")
WRAPPERS = ("module.", "_orig_mod.", "net.", "model.", "network.")
"""DataParallel, torch.compile, and what people name the attribute that holds the net."""
DEEPEST = 6
"""Levels of nested settings that are read; a pickle may also contain itself."""
LARGEST = 2**63
"""A whole number beyond it is none of training's, and may be too large for a float."""


@dataclass
class Saved:
    """What was found in a file; None or empty where it holds nothing of the kind."""

    tensors: dict[str, Tensor]
    """The weights by name, wrappers stripped."""
    found_under: str = ""
    """The key they lay under; empty for a bare state dict."""
    stripped: str = ""
    others: list[str] = field(default_factory=list)
    """Keys of further state dicts, which are not described."""
    optimizers: list[Mapping] = field(default_factory=list)
    schedulers: list[Mapping] = field(default_factory=list)
    epoch: int | None = None
    lightning: bool = False
    """Saved by Lightning, which counts epochs from 0."""
    facts: dict[str, object] = field(default_factory=dict)
    """Single numbers and texts at the top: metrics, names, dates."""
    history: list[dict[str, float | None]] = field(default_factory=list)
    settings: dict[str, object] = field(default_factory=dict)
    """Config or arguments, nested keys joined by dots."""
    record: Mapping = field(default_factory=dict)
    """What assay itself writes: config, schema, provenance, history."""


def take_apart(content: object, where: Path) -> Saved:
    """Sorts the content of a file into its parts.

    Raises:
        CheckpointError: where there are no named tensors in it.
    """
    saved = _weights(content, where)
    if saved.found_under:
        _training(saved, content)
    saved.tensors, saved.stripped = _strip(saved.tensors)
    return saved


def number_of(value: object) -> float | int | None:
    """A plain number, or a tensor of one; None for anything else."""
    if isinstance(value, Tensor) and value.numel() == 1 and not value.is_meta and not value.is_complex():
        value = value.item()
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) > LARGEST):
        return None
    return value if isinstance(value, int | float) else None


def flat(value: Mapping, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    """Plain values of nested dicts, as "outer.inner" and value."""
    for name, inner in value.items():
        if isinstance(inner, Mapping) and depth < DEEPEST:
            yield from flat(inner, f"{prefix}{name}.", depth + 1)
        elif isinstance(inner, str | bool) or inner is None:
            yield f"{prefix}{name}", inner
        elif (number := number_of(inner)) is not None:
            yield f"{prefix}{name}", number
        elif isinstance(inner, list | tuple) and all(isinstance(one, str | int | float) for one in inner):
            yield f"{prefix}{name}", list(inner)


def last_named(settings: Mapping[str, object], names: tuple[str, ...]) -> dict[str, float | int]:
    """Settings whose last word is one of these, and that are numbers."""
    return {k: v for k, v in settings.items() if k.rpartition(".")[2] in names and number_of(v) is not None}


def of_training(settings: Mapping[str, object], names: tuple[str, ...]) -> dict[str, float | int]:
    """Those of them that stand at the top or in a group of training's own: a callback has epochs of its own too."""
    return {k: v for k, v in last_named(settings, names).items() if k.rpartition(".")[0].lower() in OF_TRAINING}


def is_state_dict(value: object) -> bool:
    """Whether it is names with tensors; modules may add `_extra_state` of any kind."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        return False
    rest = [inner for name, inner in value.items() if not name.endswith("_extra_state")]
    return bool(rest) and all(isinstance(inner, Tensor) for inner in rest)


def _weights(content: object, where: Path) -> Saved:
    if is_state_dict(content):
        return Saved(_only_tensors(content))
    if not isinstance(content, Mapping):
        raise CheckpointError(f"holds {_kind(content)}, not named weights", where=where)
    found = [key for key, value in content.items() if is_state_dict(value)]
    if not found:
        # one level deeper: {"model": {"state_dict": ...}}
        for outer, value in content.items():
            if isinstance(value, Mapping):
                inner = next((key for key in value if is_state_dict(value[key])), None)
                if inner is not None:
                    return Saved(_only_tensors(value[inner]), f"{outer}.{inner}")
        keys = ", ".join(str(key)[:40] for key in list(content)[:10])
        raise CheckpointError(f"holds no named weights (keys: {keys or 'none'})", where=where)
    chosen = next((key for key in WEIGHTS if key in found), found[0])
    return Saved(_only_tensors(content[chosen]), str(chosen), others=[str(key) for key in found if key != chosen])


def _only_tensors(state: Mapping) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def _kind(content: object) -> str:
    return f"a single tensor {list(content.shape)}" if isinstance(content, Tensor) else f"a {type(content).__name__}"


def _strip(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Names without what wraps the whole net."""
    stripped = ""
    while prefix := next((w for w in WRAPPERS if all(n.startswith(w) and n != w for n in tensors)), ""):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
        stripped += prefix
    return tensors, stripped


def _training(saved: Saved, content: Mapping) -> None:
    """Whatever lies beside the weights."""
    for key, value in content.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, Mapping) and isinstance(one.get("param_groups"), list):
                saved.optimizers.append(one)
            elif isinstance(one, Mapping) and {"last_epoch", "_last_lr", "T_max"} & one.keys():
                saved.schedulers.append(one)
        if isinstance(value, str) or number_of(value) is not None:
            saved.facts[str(key)] = value if isinstance(value, str) else number_of(value)
        elif isinstance(value, Mapping) and "metric" in str(key).lower():
            saved.facts |= {f"{key}.{name}": inner for name, inner in flat(value)}
        elif key == "callbacks" and isinstance(value, Mapping):
            saved.facts |= _best_scores(value)
    saved.lightning = "pytorch-lightning_version" in content
    saved.epoch = next((e for key in EPOCH if isinstance(e := saved.facts.get(key), int)), None)
    saved.record = content["assay"] if isinstance(content.get("assay"), Mapping) else {}
    saved.history = _rows(content, saved.record)
    source = [saved.record.get("config")] + [content.get(key) for key in SETTINGS]
    saved.settings = next((dict(flat(found)) for found in source if isinstance(found, Mapping)), {})


def _best_scores(callbacks: Mapping) -> dict[str, object]:
    """What Lightning's ModelCheckpoint remembers."""
    states = [state for state in callbacks.values() if isinstance(state, Mapping)]
    scores = [(state.get("monitor"), number_of(state.get("best_model_score"))) for state in states]
    return {f"best {monitor} so far": score for monitor, score in scores if score is not None}


def _rows(content: Mapping, record: Mapping) -> list[dict[str, float | None]]:
    """One row an epoch: from rows, or from a list a metric, in a dict of their own or at the top."""
    for found in [record.get("history")] + [content.get(key) for key in HISTORY]:
        if isinstance(found, list) and found and all(isinstance(row, Mapping) for row in found):
            return [{str(n): number_of(value) for n, value in row.items()} for row in found]
        if isinstance(found, Mapping) and (rows := _by_columns(found)):
            return rows
    return _by_columns(content)


def _by_columns(value: Mapping) -> list[dict[str, float | None]]:
    columns = {}
    for name, numbers in value.items():
        numbers = numbers.tolist() if isinstance(numbers, Tensor) and _is_short_list(numbers) else numbers
        if isinstance(numbers, list) and len(numbers) > 1 and all(number_of(one) is not None for one in numbers):
            columns[str(name)] = [number_of(one) for one in numbers]
    longest = max(map(len, columns.values()), default=0)
    return [{n: column[row] for n, column in columns.items() if row < len(column)} for row in range(longest)]


def _is_short_list(tensor: Tensor) -> bool:
    return tensor.ndim == 1 and tensor.numel() < 10**5 and not tensor.is_meta and not tensor.is_complex()
