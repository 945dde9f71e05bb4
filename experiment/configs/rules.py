"""What each key of the config that people know may hold, by itself.

A key that a config lacks is not judged; `*` stands for any name. What two keys must be to each other is in
`cross_rules`, what a component takes in `signatures`.
"""

from collections.abc import Iterator, Mapping

from experiment.configs.kinds import Choice, Component, Either, Kind, Names, Number, OrNull, Several, Text
from schemas.errors import ConfigError

SIZE = Number(whole=True, low=1)
COUNT = Number(whole=True, low=0)
SHARE = Number(low=0, high=1)
PART = Number(low=0, high=0.99)
"""A share that leaves something."""
AMOUNT = Number(low=0)
SWITCH = Choice(True, False)
BATCHES = Either(COUNT, SHARE)
"""How many batches, or which share of them."""
SEED = Number(whole=True, low=0, high=2**32 - 1)
METRIC = Text()

LONGEST_SHOWN = 120
"""Characters of a value that a message repeats."""

RULES: dict[str, Kind] = {
    "seed": SEED,
    "test": Choice(True, False, None),
    "repeat": OrNull(Text()),
    "resume": Names(),
    "resume.source": OrNull(Text()),
    "resume.allow_changes": SWITCH,
    "hparams_search": Names(),
    "hparams_search.model": Text(without="/"),
    "hparams_search.trials": SIZE,
    "hparams_search.seed": SEED,
    "hparams_search.startup": SIZE,
    "hparams_search.space": Names(),
    "hparams_search.prune": OrNull(Names()),
    "hparams_search.prune.warmup_epochs": COUNT,
    "hparams_search.prune.startup": COUNT,
    "model.name": Text(without="/"),
    "model.monitor": METRIC,
    "model.net": Component(),
    "model.init_from": OrNull(Text()),
    "model.freeze": OrNull(Several(Text())),
    "model.lr_scale": OrNull(Names()),
    "model.lr_scale.*": Number(low=0, open=True),
    "model.spatial_dim": SIZE,
    "model.temporal_dim": SIZE,
    "model.spatial_layers": SIZE,
    "model.temporal_layers": SIZE,
    "model.dropout": PART,
    "model.temporal_dropout": PART,
    "model.unused_norm": SWITCH,
    "model.adjacency": Component(),
    "model.adjacency.sparse_above": COUNT,
    "model.block": Component(),
    "model.pooling": Component(),
    "model.pooling.width": SIZE,
    "model.readout": Component(),
    "model.spatial": Component(),
    "model.temporal": Component(),
    "model.classifier": Component(),
    "model.attention": Component(),
    "model.attention.width": SIZE,
    "model.attention.layers": SIZE,
    "model.attention.heads": SIZE,
    "model.attention.feed_forward": SIZE,
    "model.attention.positions": SWITCH,
    "model.convolution": Component(),
    "model.convolution.width": SIZE,
    "model.fusion": Component(),
    "model.fusion.dim": SIZE,
    "model.loss": Names(),
    "model.loss.label_smoothing": SHARE,
    "model.loss.class_weights": Choice("none", "balanced"),
    "model.loss.weights": Names(),
    "model.loss.weights.*": AMOUNT,
    "model.d_model": SIZE,
    "model.num_heads": SIZE,
    "model.encoder_layers": SIZE,
    "model.decoder_layers": SIZE,
    "model.feed_forward": SIZE,
    "model.memory": Choice("last", "full"),
    "model.heads": Choice("independent", "chained"),
    "model.head_width": COUNT,
    "model.impossible": Names(),
    "model.stream_attention": COUNT,
    "model.tied": SWITCH,
    "optimizer": Component(),
    "optimizer.lr": Number(low=0, open=True),
    "optimizer.weight_decay": AMOUNT,
    "optimizer.betas": Several(Number(low=0, high=0.9999999), 2),
    "optimizer.momentum": Number(low=0),
    "optimizer.nesterov": SWITCH,
    "optimizer.fused": SWITCH,
    "scheduler": Component(),
    "scheduler.interval": Choice("epoch", "step"),
    "scheduler.monitor": OrNull(METRIC),
    "scheduler.total_steps": Either(SIZE, Choice("auto")),
    "scheduler.schedule": Component(),
    "scheduler.schedule.warmup": SHARE,
    "scheduler.schedule.start": Number(low=0, open=True),
    "scheduler.schedule.final": AMOUNT,
    "scheduler.schedule.parts": SIZE,
    "scheduler.schedule.factor": Number(low=0, high=1, open=True),
    "scheduler.schedule.patience": COUNT,
    "scheduler.schedule.mode": Choice("min", "max"),
    "precision.mode": Choice("auto", "fp32", "amp_bf16", "amp_fp16"),
    "trainer": Component(),
    "trainer.max_epochs": OrNull(Either(SIZE, Choice(-1))),
    "trainer.max_steps": Number(whole=True, low=-1),
    "trainer.accelerator": Choice("auto", "cpu", "gpu", "cuda", "mps", "tpu", "hpu"),
    "trainer.gradient_clip_val": OrNull(AMOUNT),
    "trainer.accumulate_grad_batches": SIZE,
    "trainer.check_val_every_n_epoch": OrNull(SIZE),
    "trainer.log_every_n_steps": OrNull(COUNT),
    "trainer.num_sanity_val_steps": OrNull(Number(whole=True, low=-1)),
    "trainer.enable_model_summary": SWITCH,
    "trainer.deterministic": Choice(True, False, "warn", None),
    "trainer.fast_dev_run": Either(SWITCH, COUNT),
    "trainer.limit_train_batches": OrNull(BATCHES),
    "trainer.limit_val_batches": OrNull(BATCHES),
    "trainer.limit_test_batches": OrNull(BATCHES),
    "trainer.overfit_batches": BATCHES,
    "datamodule": Component(),
    "datamodule.root": Text(),
    "datamodule.generate": OrNull(Component()),
    "datamodule.generate.seed": SEED,
    "datamodule.origin": OrNull(Text()),
    "datamodule.batch_size": SIZE,
    "datamodule.steps_per_epoch": OrNull(SIZE),
    "datamodule.num_workers": COUNT,
    "datamodule.seed": SEED,
    "datamodule.frames": OrNull(SIZE),
    "datamodule.channels": Several(Text()),
    "datamodule.sampler": Choice("shuffle", "balanced"),
    "datamodule.split": Component(),
    "datamodule.split.seed": COUNT,
    "datamodule.split.validation_by": OrNull(Text()),
    "datamodule.split.test_apart_by": OrNull(Text()),
    "datamodule.split.validation_share": PART,
    "datamodule.split.val_share": PART,
    "datamodule.split.test_share": PART,
    "datamodule.split.by": OrNull(Text()),
    "datamodule.split.folds": OrNull(SIZE),
    "datamodule.split.fold": COUNT,
    "datamodule.split.column": Text(),
    "datamodule.split.names": OrNull(Names()),
    "datamodule.split.whole_sequences": SWITCH,
    "datamodule.augment": Component(),
    "datamodule.augment.crop": Several(Number(low=0, high=1), 2),
    "datamodule.augment.mixup": AMOUNT,
    "datamodule.augment.joints": Names(),
    "datamodule.augment.joints.*": Component(),
    "datamodule.augment.joints.flip.probability": SHARE,
    "datamodule.augment.joints.affine.rotate": Several(Number(low=0, high=180), 3),
    "datamodule.augment.joints.affine.scale": PART,
    "datamodule.augment.joints.affine.shear": AMOUNT,
    "datamodule.augment.joints.affine.shift": AMOUNT,
    "datamodule.augment.joints.noise.deviation": AMOUNT,
    "datamodule.augment.joints.drop.joint": PART,
    "datamodule.augment.joints.drop.frame": PART,
    "datamodule.source": Component(),
    "datamodule.source.path": Text(),
    "datamodule.source.encoding": OrNull(Text()),
    "datamodule.source.root": Text(),
    "datamodule.source.seed": COUNT,
    "datamodule.sequence": Text(),
    "datamodule.time": Text(),
    "datamodule.time_format": OrNull(Text()),
    "datamodule.order_by": Several(Text()),
    "datamodule.fields": Names(),
    "datamodule.fields.*": OrNull(Names()),
    "datamodule.streams": Names(),
    "datamodule.min_sequences": SIZE,
    "datamodule.id_category_size": Number(whole=True, low=3),
    "datamodule.src_seq_len": SIZE,
    "datamodule.tgt_seq_len": Number(whole=True, low=2),
    "datamodule.context_at": Choice("window", "event"),
    "callbacks.*": OrNull(Component()),
    "callbacks.*.monitor": OrNull(METRIC),
    "callbacks.best.mode": Choice("min", "max"),
    "callbacks.overfit.mode": Choice("min", "max"),
    "callbacks.*.every_n_epochs": OrNull(SIZE),
    "callbacks.data.skip": Several(Text()),
    "callbacks.gradients.known": Several(Text()),
    "callbacks.stalled.epochs": SIZE,
    "callbacks.clip_grid.clips": SIZE,
    "callbacks.clips.clips": SIZE,
    "callbacks.mistakes.clips": SIZE,
    "callbacks.mistakes.path": OrNull(Text()),
    "callbacks.pr_curves.classes": SIZE,
    "callbacks.projector.clips": COUNT,
    "logger.*": Component(),
    # Where the end of the run, results and dashboard.py look for it.
    "logger.tensorboard.version": Choice("tensorboard"),
    "logger.tensorboard.name": Choice(""),
    "logger.wandb.mode": Choice("offline", "online", "disabled"),
    "paths.log_dir": Text(),
    "paths.data_dir": Text(),
    "paths.run_dir": OrNull(Text()),
}
"""The keys people know, and what each may hold."""

MONITORS = {
    "clips": Choice("val/accuracy", "val/loss", "val/macro_f1", "val/top5"),
    "events": Choice("val/loss", "val/joint_nll", "val/accuracy", "val/top5"),
}
"""By task, the metrics that may choose the best epoch."""


MEASURED = {
    "clips": {"val": ("accuracy", "loss", "macro_f1", "top5"), "train": ("accuracy", "loss", "macro_f1", "top5")},
    "events": {"val": ("loss", "joint_nll", "accuracy", "top5", "calibration_error"), "train": ("loss",)},
}
"""By task and split, what is measured after every epoch; of events also of every field, and train/objective."""
NEEDED = (
    *("seed", "test", "model.name", "model.task", "model.monitor", "model.net", "datamodule.task", "precision.mode"),
    *("optimizer", "scheduler.schedule", "trainer.accelerator", "callbacks", "logger"),
    *("paths.log_dir", "paths.data_dir", "paths.run_dir"),
)
NEEDED_BY = {
    "clips": ("model.loss.label_smoothing", "model.loss.class_weights"),
    "events": ("model.loss.weights", "model.heads", "model.impossible"),
}
"""What no run can do without."""


def direction(metric: str | None) -> str:
    """Whether less or more of a metric is better."""
    return "min" if str(metric).endswith(("loss", "nll")) else "max"


def check_parts(config: Mapping) -> None:
    """Judges whether the parts of a run are all there and of one task; raises ConfigError for the first that is not."""
    for key in NEEDED:
        _check_is_there(config, key)
    model, data = config["model"], config["datamodule"]
    if model["task"] not in list(MONITORS):
        raise ConfigError(f"{_shown(model['task'])} is not one of {', '.join(MONITORS)}", where="model.task")
    if model["task"] != data["task"]:
        raise ConfigError(
            f"model {model['name']!r} is for {model['task']}, these data are {data['task']}",
            where="datamodule",
            remedy="Choose data of the model's task.",
        )
    for key in NEEDED_BY[model["task"]]:
        _check_is_there(config, key)
    for key in ("callbacks", "logger"):
        if not isinstance(config[key], Mapping):
            raise ConfigError(f"{config[key]!r} is not {Names()}", where=key)


def _check_is_there(config: Mapping, key: str) -> None:
    node: object = config
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            raise ConfigError("no run can do without it", where=key, remedy="Leave it as conf/ has it, or set it.")
        node = node[name]


def check_values(config: Mapping) -> None:
    """Judges every known key of a resolved config by itself; raises ConfigError for the first that cannot be used."""
    foreign = _foreign(config)
    for key, rule in RULES.items():
        if key.startswith(foreign) and not key.startswith(COMMON):
            continue
        for found, value in values_of(config, key):
            if not rule.accepts(value):
                raise ConfigError(f"{_shown(value)} is not {rule}", where=found)
    monitor, known = config["model"].get("monitor"), MONITORS[config["model"]["task"]]
    if not known.accepts(monitor):
        raise ConfigError(f"{_shown(monitor)} is not {known}", where="model.monitor")


COMMON = ("model.loss", "model.init_from", "model.freeze", "model.lr_scale")
COMMON += ("datamodule.batch_size", "datamodule.num_workers", "datamodule.seed")
"""Of a model or a DataModule that is not ours, what is still read by us."""


def _foreign(config: Mapping) -> tuple[str, ...]:
    """The parts of a config that belong to components of a user's own, which may call a thing what they like."""
    targets = {"model.": (config["model"].get("net") or {}), "datamodule.": config["datamodule"]}
    homes = {"model.": "models.", "datamodule.": "datamodules."}
    return tuple(
        part
        for part, node in targets.items()
        if isinstance(node, Mapping) and not str(node.get("_target_", homes[part])).startswith(homes[part])
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} ..."


def values_of(config: Mapping, key: str) -> Iterator[tuple[str, object]]:
    """The full keys and values that a dotted key with `*` for any name means; nothing where it is not there."""
    found: list[tuple[str, object]] = [("", config)]
    for name in key.split("."):
        found = [
            (f"{place}.{inner}" if place else str(inner), node[inner])
            for place, node in found
            if isinstance(node, Mapping)
            for inner in (node if name == "*" else (name,))
            if inner in node
        ]
    yield from found
