"""What was trained: the architecture with its two counts, and the settings."""

from reports.markdown_text import code, details, escape, figure, table
from reports.run_files import RunFiles, at, mapping, number, sequence

OPEN = 40
"""Modules that stand open; a deeper tree is folded to this many and unfolds."""
INDENT = "&emsp;"
TRAINER = {
    "epochs": "trainer.max_epochs",
    "batch": "datamodule.batch_size",
    "accumulation": "trainer.accumulate_grad_batches",
    "gradient clipping (norm)": "trainer.gradient_clip_val",
    "precision": "precision.mode",
    "devices": "trainer.devices",
    "seed": "seed",
}
NOT_A_SETTING = ("_target_", "_partial_", "name", "task", "net", "spatial", "temporal", "classifier", "loss", "monitor")


def architecture(run: RunFiles) -> str:
    """Modules in their order with widths and counts; without architecture.json the model's settings only."""
    known = run.architecture
    modules = [mapping(module) for module in sequence(known.get("modules"))]
    if not known:
        return f"There is no architecture.json: modules and parameter counts are not known.\n\n{_model_settings(run)}"
    text = f"**{figure(known.get('state_dict'))}** numbers in the state dict, "
    text += f"**{figure(known.get('trainable'))}** of them trainable parameters."
    whole, trained = number(known.get("state_dict")), number(known.get("trainable"))
    if whole is not None and trained is not None and whole > trained:
        text += f" The other {figure(whole - trained)} are buffers or frozen."
    if modules:
        shown = _folded(modules)
        text += f"\n\n{_modules(shown)}"
        if len(shown) < len(modules):
            text += "\n\n" + details(f"all {len(modules)} modules", _modules(modules))
    return f"{text}\n\n{_model_settings(run)}"


def settings(run: RunFiles) -> str:
    """How it was trained, a row a setting; what the config does not have is left out."""
    rows = [["optimizer", _component(run.config.get("optimizer"))], ["schedule", _schedule(run)]]
    for label, path in TRAINER.items():
        value = at(run.config, path)
        rows.append([label, "" if value is None else escape(_short(value))])
    batch, steps = (number(at(run.config, TRAINER[name])) for name in ("batch", "accumulation"))
    if batch and steps and steps > 1:
        rows.append(["batch of a step", figure(batch * steps)])
    rows += [["loss", _pairs(at(run.config, "model.loss"))], ["best epoch by", code(run.monitor)]]
    rows.append(["augmentation", _augmentation(at(run.config, "datamodule.augment"))])
    return table(["setting", "value"], [row for row in rows if row[1]], left=2)


def _modules(modules: list[dict]) -> str:
    rows = []
    for module in modules:
        depth = min(int(number(module.get("depth")) or 0), 12)
        cells = [figure(module.get(key)) for key in ("numbers", "trainable")]
        name = INDENT * depth + code(module.get("name") or "net", 80)
        rows.append([name, *(escape(module.get(key) or "") for key in ("type", "widths")), *cells])
    return table(["module", "type", "widths", "numbers", "trainable"], rows, left=3)


def _folded(modules: list[dict]) -> list[dict]:
    """The deepest view that has no more rows than stand open."""
    depths = sorted({int(number(module.get("depth")) or 0) for module in modules}, reverse=True)
    for depth in depths:
        shown = [module for module in modules if (number(module.get("depth")) or 0) <= depth]
        if len(shown) <= OPEN:
            return shown
    return modules[:OPEN]


def _model_settings(run: RunFiles) -> str:
    """The model's own keys in the config; of its parts, which were chosen."""
    rows = []
    for key, value in mapping(run.config.get("model")).items():
        if key in NOT_A_SETTING:
            continue
        if not isinstance(value, dict):
            rows.append([code(key), "" if value is None or value == [] else escape(_short(value))])
        elif "_target_" in value:
            rows.append([code(key), _component(value)])
        elif value:
            rows.append([code(key), _pairs(value)])
    rows = [row for row in rows if row[1]]
    return table(["model setting", "value"], rows, left=2) if rows else ""


def _component(config: object) -> str:
    """`AdamW (lr 0.001, weight_decay 0.01)`: a class and its plain arguments, its parts by name."""
    config = mapping(config)
    if "_target_" not in config:
        return _pairs(config)
    given = _pairs({k: v for k, v in config.items() if k not in ("_target_", "_partial_")})
    return f"{escape(_name(config))}{f' ({given})' if given else ''}"


def _schedule(run: RunFiles) -> str:
    config = mapping(run.config.get("scheduler"))
    inner = mapping(config.get("schedule"))
    if not inner:
        return _component(config)
    return f"{_component(inner)}, by {escape(config.get('interval', 'step'))}"


def _augmentation(config: object) -> str:
    """Each transform with its arguments, in brief."""
    config = mapping(config)
    parts = [_component(part) for part in mapping(config.get("joints")).values() if isinstance(part, dict)]
    rest = {key: value for key, value in config.items() if key not in ("joints", "_target_", "_partial_")}
    return "; ".join([*parts, *([_pairs(rest)] if rest else [])])


def _pairs(config: object) -> str:
    """`key value, key value`; a part is named by its class, and what is empty or unset is left out."""
    pairs = []
    for key, value in mapping(config).items():
        if key == "_partial_" or value is None or value == {} or value == []:
            continue
        if isinstance(value, dict):
            value = _name(value) if "_target_" in value else ", ".join(f"{k} {_short(v)}" for k, v in value.items())
        pairs.append(escape(f"{key} {_short(value)}"))
    return ", ".join(pairs)


def _name(config: dict) -> str:
    return str(config["_target_"]).split(".")[-1]


def _short(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "[" + ", ".join(map(_short, value)) + "]" if isinstance(value, list) else str(value)
