"""Composes a run's config and judges it, before torch is imported.

Hydra's own exceptions (four to ten lines and exit code 1) become one readable ConfigError.
"""

import difflib
import re
import uuid
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from schemas.errors import ConfigError

CONF = Path(__file__).resolve().parent.parent / "conf"
_UNIQUE = uuid.uuid4().hex[:8]


class Number:
    """A number, or a whole one, within [low, high] (or without the bounds themselves: `open`)."""

    def __init__(self, *, whole: bool = False, low: float | None = None, high: float | None = None, open: bool = False):
        self.whole, self.low, self.high, self.open = whole, low, high, open

    def accepts(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
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
    """Any text."""

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and bool(value)

    def __str__(self) -> str:
        return "text"


SIZE = Number(whole=True, low=1)
SHARE = Number(low=0, high=1)
RULES: dict[str, Number | Choice | Text] = {
    "seed": Number(whole=True, low=0, high=2**32 - 1),
    "test": Choice(True, False, None),
    "model.spatial_dim": SIZE,
    "model.temporal_dim": SIZE,
    "model.spatial_layers": SIZE,
    "model.temporal_layers": SIZE,
    "model.dropout": Number(low=0, high=0.99),
    "model.loss.label_smoothing": SHARE,
    "model.loss.class_weights": Choice("none", "balanced"),
    "model.temporal_dropout": Number(low=0, high=0.99),
    "model.d_model": SIZE,
    "model.num_heads": SIZE,
    "model.encoder_layers": SIZE,
    "model.decoder_layers": SIZE,
    "model.memory": Choice("last", "full"),
    "model.heads": Choice("independent", "chained"),
    "model.feed_forward": SIZE,
    "model.head_width": Number(whole=True, low=0),
    "model.stream_attention": Number(whole=True, low=0),
    "model.tied": Choice(True, False),
    "optimizer.lr": Number(low=0, open=True),
    "optimizer.weight_decay": Number(low=0),
    "scheduler.interval": Choice("epoch", "step"),
    "scheduler.schedule.warmup": SHARE,
    "precision.mode": Choice("auto", "fp32", "amp_bf16", "amp_fp16"),
    "trainer.max_epochs": SIZE,
    "trainer.accelerator": Choice("auto", "cpu", "gpu", "cuda", "mps", "tpu"),
    "trainer.gradient_clip_val": Number(low=0),
    "trainer.accumulate_grad_batches": SIZE,
    "datamodule.root": Text(),
    "datamodule.batch_size": SIZE,
    "datamodule.num_workers": Number(whole=True, low=0),
    "datamodule.src_seq_len": SIZE,
    "datamodule.tgt_seq_len": Number(whole=True, low=2),
    "datamodule.id_category_size": Number(whole=True, low=3),
    "datamodule.min_sequences": SIZE,
    "datamodule.context_at": Choice("window", "event"),
    "datamodule.sampler": Choice("shuffle", "balanced"),
    "datamodule.split.validation_share": SHARE,
    "datamodule.augment.mixup": Number(low=0),
    "callbacks.every.every_n_epochs": SIZE,
    "paths.log_dir": Text(),
    "paths.data_dir": Text(),
}
"""The keys people know, and what each may hold; `frames` may also be null and is judged apart."""

MONITORS = {
    "clips": Choice("val/accuracy", "val/loss", "val/macro_f1", "val/top5"),
    "events": Choice("val/loss", "val/joint_nll", "val/accuracy", "val/top5"),
}
"""By task, the metrics that may choose the best epoch."""


def register_resolvers() -> None:
    """What the YAML files call.

    `${unique:}`: eight characters that differ in every process, so that run folders never collide.
    `${direction:METRIC}`: min for a loss, max for any other metric.
    """
    OmegaConf.register_new_resolver("unique", lambda: _UNIQUE, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("direction", direction, replace=True)


def direction(metric: str) -> str:
    """Whether less or more of a metric is better."""
    return "min" if metric.endswith(("loss", "nll")) else "max"


def compose_config(overrides: list[str], name: str = "train") -> DictConfig:
    """The config that these overrides make of conf/<name>.yaml, checked.

    Raises:
        ConfigError: one line that names the key and what to do.
    """
    register_resolvers()
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose(name, overrides)
    except HydraException as error:
        raise _readable(error, overrides) from error
    finally:
        GlobalHydra.instance().clear()
    check_config(config)
    return config


def jobs_of_sweep(overrides: list[str]) -> list[list[str]]:
    """Overrides of enough of a sweep's jobs that every value of every axis is among them.

    Raises:
        ConfigError: where the overrides cannot be read.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise _readable(error, overrides) from error
    axes = []
    for override in parsed:
        if override.is_sweep_override():
            axes.append([f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()])
        else:
            axes.append([override.input_line])
    first = [axis[0] for axis in axes]
    return [first] + [
        [*first[:number], word, *first[number + 1 :]] for number, axis in enumerate(axes) for word in axis[1:]
    ]


def check_config(config: DictConfig) -> None:
    """Judges the values of the keys people know; raises ConfigError naming the first that cannot be used."""
    try:
        OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(_one_line(error), where="config") from error
    for key, rule in RULES.items():
        value = OmegaConf.select(config, key, default=...)
        if value is not ... and not rule.accepts(value):
            raise ConfigError(f"{value!r} is not {rule}", where=key)
    if not MONITORS[config.model.task].accepts(config.model.monitor):
        raise ConfigError(f"{config.model.monitor!r} is not {MONITORS[config.model.task]}", where="model.monitor")
    frames = OmegaConf.select(config, "datamodule.frames")
    if frames is not None and not SIZE.accepts(frames):
        raise ConfigError(f"{frames!r} is not {SIZE}, nor null", where="datamodule.frames")
    if missing := OmegaConf.missing_keys(config):
        raise ConfigError("has no value", where=", ".join(sorted(missing)), remedy="Give it one on the command line.")
    if config.model.task != config.datamodule.task:
        raise ConfigError(
            f"model {config.model.name!r} is for {config.model.task}, these data are {config.datamodule.task}",
            where="datamodule",
            remedy="Choose data of the model's task.",
        )


def _readable(error: Exception, overrides: list[str]) -> ConfigError:
    text = _one_line(error)
    if (found := re.search(r"Could not find '(\S+)/([^'/]+)'", text)) is not None:
        group, option = found.groups()
        options = sorted(path.stem for path in (CONF / group).glob("[!_]*.yaml"))
        return ConfigError(
            f"there is no {option!r}",
            where=group,
            remedy=f"{_suggest(option, options)}Known: {', '.join(options) or 'nothing of that kind'}.",
        )
    if (found := re.search(r"Could not override '([^']+)'. (No match in the defaults list)?", text)) is not None:
        key, is_group = found[1], found[2] is not None
        groups = sorted(str(path.relative_to(CONF)) for path in CONF.rglob("*") if path.is_dir())
        if is_group:
            return ConfigError("there is no such group", where=key, remedy=_suggest(key, groups).strip())
        known = _known_keys(overrides)
        if key in known:
            return ConfigError("it has no such entry yet", where=key, remedy=f"Add one with a plus: +{key}.NAME=VALUE.")
        remedy = _suggest(key, known).strip() or f"`+{key}=...` adds a key that a component of your own needs."
        return ConfigError("there is no such key", where=key, remedy=remedy)
    typed = next((o for o in overrides if _unparsable(o)), None)
    return ConfigError(f"cannot be read ({text})", where=typed or "config", remedy="Quote it, or see Hydra's grammar.")


def _unparsable(override: str) -> bool:
    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return True
    return False


def _known_keys(overrides: list[str]) -> list[str]:
    """The keys of the config that the choices of groups alone would make."""
    choices = [word for word in overrides if re.match(r"[a-z_/]+=", word)]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            return _keys(compose("train", choices))
        except HydraException:
            return _keys(compose("train"))


def _keys(node: DictConfig, prefix: str = "") -> list[str]:
    found = []
    for name in node:
        found.append(f"{prefix}{name}")
        inner = node._get_node(name)
        if isinstance(inner, DictConfig):
            found += _keys(inner, f"{prefix}{name}.")
    return found


def _suggest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]}? " if close else ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
