"""What two or more keys of a config must be to each other, whatever each may be by itself.

A rule reads the resolved config as plain dicts, after `rules` has judged each key; it raises a ConfigError
that names the keys, both values and what to do. A key that the config lacks is not judged.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from experiment.configs.definitions import constant_of
from experiment.configs.event_rules import EVENT_RULES
from experiment.configs.rules import MEASURED, MONITORS, direction
from experiment.configs.task_rules import FOLDS, parts_are_of_one_task
from schemas.errors import ConfigError

EVENT_DATA = "datamodules.events.datamodule.EventDataModule"
OWN_LOGGING = ("callbacks.", "lightning.", "pytorch_lightning.")
"""Callbacks that are known to log no figures of their own making."""


def check_together(config: Mapping) -> None:
    """Judges a resolved config by all rules; raises ConfigError for the first that does not hold."""
    for rule in RULES:
        rule(config)
    if config["datamodule"].get("_target_") == EVENT_DATA:
        for rule in EVENT_RULES:
            rule(config)


def heads_divide_the_width(config: Mapping) -> None:
    """Each attention head takes an equal part of the width."""
    model = config["model"]
    branch = model.get("attention") or {}
    pairs = [
        ("model.num_heads", model.get("num_heads"), "model.d_model", model.get("d_model")),
        ("model.attention.heads", branch.get("heads"), "model.temporal_dim", branch.get("width")),
    ]
    for heads_key, heads, width_key, width in pairs:
        if heads and width and width % heads:
            fitting = [number for number in range(1, min(width, 32) + 1) if width % number == 0]
            raise ConfigError(
                f"{heads} heads do not divide {width_key} {width}",
                where=heads_key,
                remedy=f"Heads of {width}: {', '.join(map(str, fitting))}; or a width of {-(-width // heads) * heads}.",
            )


def monitors_exist(config: Mapping) -> None:
    """What a callback or the scheduler watches is measured; a callback of the user's own may measure anything."""
    watched = {f"callbacks.{name}": node for name, node in config["callbacks"].items() if node is not None}
    if any(not str(node["_target_"]).startswith(OWN_LOGGING) for node in watched.values()):
        return
    task = config["model"]["task"]
    for where, node in (watched | {"scheduler": config["scheduler"]}).items():
        if (monitor := node.get("monitor")) is None or _is_measured(monitor, task, config["datamodule"]):
            continue
        remedy = f"Measured in validation: {', '.join(MONITORS[task].values)}."
        raise ConfigError(f"{monitor!r} is no metric of {task}", where=f"{where}.monitor", remedy=remedy)


def _is_measured(monitor: str, task: str, data: Mapping) -> bool:
    split, _, figure = monitor.partition("/")
    by_field = task == "events" and figure.partition("/")[2] in (data.get("fields") or {})
    return monitor in ("lr", "train/objective") or figure in MEASURED[task].get(split, ()) or by_field


def modes_fit_their_monitors(config: Mapping) -> None:
    """Less of a loss is better, more of anything else; the other way round would keep the worst epoch."""
    nodes = {f"callbacks.{name}": node for name, node in config["callbacks"].items() if node is not None}
    scheduler = config["scheduler"]
    nodes["scheduler.schedule"] = {**scheduler["schedule"], "monitor": scheduler.get("monitor")}
    for where, node in nodes.items():
        monitor, mode = node.get("monitor"), node.get("mode")
        if (
            monitor in MONITORS[config["model"]["task"]].values
            and mode in ("min", "max")
            and mode != direction(monitor)
        ):
            what = f"{mode} of {monitor} is its worst value"
            remedy = f"Use {where}.mode={direction(monitor)}."
            raise ConfigError(what, where=f"{where}.mode", remedy=remedy)


def plateau_watches_epochs(config: Mapping) -> None:
    """ReduceLROnPlateau needs a metric, which is there once an epoch."""
    scheduler = config["scheduler"]
    if scheduler["schedule"].get("_target_") != "lightning_modules.schedules.plateau":
        return
    if scheduler.get("monitor") is None:
        raise ConfigError("a plateau needs a metric to watch", where="scheduler.monitor", remedy="As val/loss.")
    if scheduler.get("interval") != "epoch":
        what = f"a plateau watches {scheduler['monitor']}, which no single step has"
        raise ConfigError(what, where="scheduler.interval", remedy="Use scheduler.interval=epoch.")


def warmup_is_shorter_than_the_run(config: Mapping) -> None:
    """A rate that rises to the end has not been at its height for one step."""
    scheduler, epochs = config["scheduler"], config["trainer"].get("max_epochs")
    warmup = scheduler["schedule"].get("warmup")
    if warmup is None:
        return
    key, remedy = "scheduler.schedule.warmup", "It is a share of the run: 0.05 is its first twentieth."
    if warmup >= 1:
        raise ConfigError(f"a warm-up of {warmup} is as long as the run", where=key, remedy=remedy)
    total = scheduler.get("total_steps")
    total = epochs if total in (None, "auto") else total
    if scheduler.get("interval") == "epoch" and epochs and round(warmup * total) >= epochs:
        what = f"a warm-up of {warmup} is {round(warmup * total)} epochs, and trainer.max_epochs is {epochs}"
        raise ConfigError(what, where=key, remedy=f"{remedy} Or use scheduler.interval=step.")


def one_cycle_lasts_the_run(config: Mapping) -> None:
    """OneCycleLR refuses to go on after its last step."""
    scheduler, epochs = config["scheduler"], config["trainer"].get("max_epochs")
    total = scheduler.get("total_steps")
    one_cycle = scheduler["schedule"].get("_target_") == "lightning_modules.schedules.one_cycle"
    if one_cycle and scheduler.get("interval") == "epoch" and isinstance(total, int) and epochs and total < epochs:
        what = f"a cycle of {total} epochs ends before trainer.max_epochs {epochs}"
        raise ConfigError(what, where="scheduler.total_steps", remedy="Use scheduler.total_steps=auto.")


def there_is_a_validation(config: Mapping) -> None:
    """The best epoch is chosen by validation."""
    trainer = config["trainer"]
    every, epochs = trainer.get("check_val_every_n_epoch"), trainer.get("max_epochs")
    watching = [
        name
        for name, node in config["callbacks"].items()
        if node is not None and str(node.get("monitor") or "").startswith("val/")
    ]
    if not watching or trainer.get("fast_dev_run"):
        return
    if every and epochs and every > epochs:
        raise ConfigError(
            f"a validation every {every} epochs is none in trainer.max_epochs {epochs}",
            where="trainer.check_val_every_n_epoch",
            remedy=f"callbacks.{watching[0]} chooses by one: {epochs} at most.",
        )
    if trainer.get("limit_val_batches") == 0:
        raise ConfigError(
            f"without validation batches callbacks.{watching[0]} has nothing to choose by",
            where="trainer.limit_val_batches",
            remedy="Take 1 or more.",
        )


def there_is_training(config: Mapping) -> None:
    """A run of no batches would be called finished."""
    if config["trainer"].get("limit_train_batches") in (0, 0.0):
        raise ConfigError(
            "there are no training batches", where="trainer.limit_train_batches", remedy="Take 1 or more."
        )


def half_precision_has_its_device(config: Mapping) -> None:
    """float16 with gradient scaling is CUDA's; whether `auto` finds CUDA is seen later."""
    mode, accelerator = (config.get("precision") or {}).get("mode"), config["trainer"].get("accelerator")
    if mode == "amp_fp16" and accelerator in ("cpu", "mps", "tpu"):
        what = f"amp_fp16 needs a CUDA device, and trainer.accelerator is {accelerator}"
        raise ConfigError(what, where="precision.mode", remedy="Use precision=amp_bf16, fp32 or auto.")


def nesterov_has_momentum(config: Mapping) -> None:
    """Nesterov's step looks ahead along the momentum."""
    optimizer = config["optimizer"]
    if optimizer.get("nesterov") and (not optimizer.get("momentum", 0) or optimizer.get("dampening", 0)):
        what = f"it needs momentum above 0 and no dampening; momentum is {optimizer.get('momentum', 0)}"
        raise ConfigError(
            what, where="optimizer.nesterov", remedy="Set optimizer.nesterov=false, or a momentum of 0.9."
        )


def one_device_trains(config: Mapping) -> None:
    """Each process of DDP would judge its own share of validation, and write a run's folder of its own."""
    trainer = config["trainer"]
    for key in ("devices", "num_nodes"):
        value = trainer.get(key, 1)
        if value not in (1, "1") and not (isinstance(value, list) and len(value) == 1):
            what = f"{value!r} may train in several processes, whose figures nobody brings together yet"
            remedy = f"Use trainer.{key}=1{', or [NUMBER] for a certain one' * (key == 'devices')}."
            raise ConfigError(what, where=f"trainer.{key}", remedy=remedy)


def rates_are_of_what_trains(config: Mapping) -> None:
    """A factor on the rate of a part that is frozen changes nothing."""
    model = config["model"]
    for prefix in model.get("lr_scale") or {}:
        for frozen in model.get("freeze") or ():
            if f"{prefix}.".startswith(f"{frozen}."):
                what = f"{prefix} does not learn: model.freeze has {frozen}"
                raise ConfigError(what, where="model.lr_scale", remedy="Leave out one of the two.")


def augmentation_is_in_order(config: Mapping) -> None:
    """A crop goes from less to more, and mixing needs two clips."""
    data = config["datamodule"]
    augment = data.get("augment") or {}
    crop = augment.get("crop")
    if crop is not None and not 0 < crop[0] <= crop[1]:
        what = f"{crop} is no lowest and highest share of a clip"
        raise ConfigError(what, where="datamodule.augment.crop", remedy="As [0.8, 1.0].")
    if augment.get("mixup") and data.get("batch_size") == 1:
        what = f"mixup {augment['mixup']} mixes clips of a batch, and datamodule.batch_size is 1"
        raise ConfigError(what, where="datamodule.augment.mixup", remedy="Use mixup=0, or larger batches.")


def names_are_known(config: Mapping) -> None:
    """Channels of a node, and checks that are skipped; read off the code that knows them."""
    channels = config["datamodule"].get("channels")
    skipped = (config["callbacks"].get("data") or {}).get("skip")
    for key, names, where in (
        ("datamodule.channels", channels, "datamodules.skeletons.features.CHANNELS"),
        ("callbacks.data.skip", skipped, "schemas.findings.DATA_CHECKS"),
    ):
        if names is None:
            continue
        known = constant_of(where)
        if unknown := [name for name in names if name not in known]:
            raise ConfigError(f"there is no {unknown[0]!r}", where=key, remedy=f"Known: {', '.join(known)}.")
    if channels is not None and (not channels or len(set(channels)) < len(channels)):
        raise ConfigError(f"{channels} is empty or names one twice", where="datamodule.channels")


def shares_leave_training(config: Mapping) -> None:
    """Validation and test take less than everything."""
    split = config["datamodule"].get("split") or {}
    val, test = split.get("val_share"), split.get("test_share")
    if val is not None and test is not None and val + test >= 1:
        what = f"val_share {val} and test_share {test} leave no share for training"
        raise ConfigError(what, where="datamodule.split", remedy="Together below 1.")


def fold_is_one_of_the_folds(config: Mapping) -> None:
    """One fold tests, the next one validates, the rest train; how many one left out makes is the data's to say."""
    split = config["datamodule"].get("split") or {}
    if split.get("_target_") != FOLDS:
        return
    folds, fold = split.get("folds"), split.get("fold")
    if folds is None and split.get("by") is None:
        what, key, remedy = "single clips (by=null) need a number of folds", "folds", "As datamodule.split.folds=5."
    elif folds is not None and folds < 3:
        what, key, remedy = f"{folds} leave none to train: one tests, the next one validates", "folds", "3 or more."
    elif folds is not None and fold is not None and fold >= folds:
        what, key, remedy = f"there is no fold {fold} of {folds}, counted from 0", "fold", f"From 0 to {folds - 1}."
    else:
        return
    raise ConfigError(what, where=f"datamodule.split.{key}", remedy=remedy)


def folders_are_folders(config: Mapping) -> None:
    """Where data are, or are generated to, no file is in the way."""
    keys = {"paths.data_dir": config["paths"].get("data_dir"), "datamodule.root": config["datamodule"].get("root")}
    keys["datamodule.source.root"] = (config["datamodule"].get("source") or {}).get("root")
    for key, text in keys.items():
        if text is None:
            continue
        try:
            path = Path(text).expanduser()
            file = next((place for place in (path, *path.parents) if place.is_file()), None)
        except (OSError, ValueError, RuntimeError) as error:
            raise ConfigError(f"{text!r} is no path ({error})", where=key, remedy="Name a folder.") from error
        if file is not None:
            raise ConfigError(f"{file} is a file", where=key, remedy="Name a folder.")


RULES: tuple[Callable[[Mapping], None], ...] = (
    parts_are_of_one_task,
    heads_divide_the_width,
    monitors_exist,
    modes_fit_their_monitors,
    plateau_watches_epochs,
    warmup_is_shorter_than_the_run,
    one_cycle_lasts_the_run,
    there_is_a_validation,
    there_is_training,
    half_precision_has_its_device,
    one_device_trains,
    nesterov_has_momentum,
    rates_are_of_what_trains,
    augmentation_is_in_order,
    names_are_known,
    shares_leave_training,
    fold_is_one_of_the_folds,
    folders_are_folders,
)
"""In the order in which they are judged."""
