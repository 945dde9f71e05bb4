"""What the components that a config names take, read off their source by `ast`: nothing is imported.

What cannot be known for certain without running code is taken as it is: a config is never accused of what may be right.
"""

import ast
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from experiment.configs.definitions import DEEPEST, AbsentError, base_of, locate
from experiment.configs.parsed import Module, assigned, is_overload, last_name
from schemas.errors import ConfigError

RESERVED = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_"}
"""Hydra's own keys."""
HANDED = {"trainer": {"callbacks", "logger", "precision", "default_root_dir", "enable_progress_bar"}}
"""Node -> arguments that `experiment.build` hands over itself, so that a config cannot."""
UNUSED = {"datamodule": {"task"}}
"""Node -> keys that are not handed to the component."""
FAITHFUL = {"_defaults_from_env_vars", "override"}
"""Decorators known to leave a signature as it is written."""
PLAIN_BASES = {"object", "Protocol", "Generic", "ABC"}


@dataclass(frozen=True)
class Signature:
    """The arguments that can be given by name: name -> whether it must be; `open`: others are taken too."""

    arguments: Mapping[str, bool]
    open: bool = False


def check_targets(raw: object, config: object, where: str = "") -> None:
    """Judges every node with a `_target_`, however deep; raises ConfigError naming the full key.

    Args:
        raw: plain dicts and lists with interpolations as text, so that each node is met where it is written.
        config: the same, resolved.
    """
    if isinstance(raw, list) and isinstance(config, list):
        for number, (inner, resolved) in enumerate(zip(raw, config, strict=True)):
            check_targets(inner, resolved, f"{where}[{number}]")
    if not isinstance(raw, dict) or not isinstance(config, dict):
        return
    if "_target_" in config:
        _check_node(config, where)
    for name, inner in raw.items():
        check_targets(inner, config[name], f"{where}.{name}" if where else str(name))


def _check_node(node: dict, where: str) -> None:
    target, key = node["_target_"], f"{where}._target_"
    if not isinstance(target, str) or not all(part.isidentifier() for part in target.split(".")) or "." not in target:
        raise ConfigError(f"{target!r} is no dotted name of a class or function", where=key, remedy="As torch.nn.ReLU.")
    try:
        signature = signature_of(target)
    except AbsentError as absent:
        raise ConfigError(
            f"{target}: {absent.inside} has no {absent.name!r}",
            where=key,
            remedy=_did_you_mean(absent.name, absent.known).strip() or None,
        ) from None
    given = {str(name) for name in node} - RESERVED - UNUSED.get(where, set())
    if handed := sorted(given & HANDED.get(where, set())):
        raise ConfigError(
            "the run hands this argument over itself",
            where=f"{where}.{handed[0]}",
            remedy="Use the groups callbacks, logger and precision, and paths.log_dir.",
        )
    if signature is None:
        return
    if not signature.open and (unknown := [name for name in node if name in given - set(signature.arguments)]):
        what = f"{target} got an unexpected keyword argument {unknown[0]!r}"
        known = sorted(set(signature.arguments) - set(node))
        remedy = _did_you_mean(unknown[0], known) or f"It takes {', '.join(sorted(signature.arguments)) or 'none'}."
        raise ConfigError(what, where=f"{where}.{unknown[0]}", remedy=remedy.strip())
    if node.get("_partial_") or node.get("_args_"):
        return
    needed = [name for name, required in signature.arguments.items() if required]
    if missing := [name for name in needed if name not in given | HANDED.get(where, set())]:
        what = f"{target} needs {', '.join(missing)}"
        raise ConfigError(what, where=where, remedy=f"Add +{where}.{missing[0]}=VALUE, or name another _target_.")


def _did_you_mean(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]}? " if close else ""


@cache
def signature_of(target: str) -> Signature | None:
    """The signature of a class or function by its dotted name; None where it cannot be told without running code.

    Raises:
        AbsentError: when the module or the name in it certainly does not exist.
    """
    found = locate(target)
    if found is None:
        return None
    module, node = found
    return _of_class(module, node) if isinstance(node, ast.ClassDef) else _of_function(node, skip=0)


def _of_class(module: Module, node: ast.ClassDef, depth: int = 0) -> Signature | None:
    if depth > DEEPEST or any(
        keyword.arg == "metaclass" and last_name(keyword.value) != "ABCMeta" for keyword in node.keywords
    ):
        return None
    if any(getattr(item, "name", "") == "__new__" for item in node.body):
        return None
    decorators = {last_name(decorator) for decorator in node.decorator_list}
    if decorators - FAITHFUL - {"dataclass"}:
        return None
    if any(isinstance(item, ast.Assign) and "__init__" in assigned(item) for item in node.body):
        return None
    own = [item for item in node.body if getattr(item, "name", "") == "__init__" and not is_overload(item)]
    if own:
        return _of_function(own[0], skip=1) if len(own) == 1 else None
    if "dataclass" in decorators:
        fields = _dataclass_fields(module, node, depth)
        return None if fields is None else Signature(fields)
    bases = [base for base in node.bases if last_name(base) not in PLAIN_BASES]
    if len(bases) > 1:
        return None
    if not bases:
        return None if any(last_name(base) == "Protocol" for base in node.bases) else Signature({})
    found = base_of(module, bases[0])
    return None if found is None else _of_class(*found, depth + 1)


def _dataclass_fields(module: Module, node: ast.ClassDef, depth: int) -> dict[str, bool] | None:
    """Field -> whether it must be given, those of dataclass bases first."""
    if any(keyword.arg == "init" for d in node.decorator_list if isinstance(d, ast.Call) for keyword in d.keywords):
        return None
    fields: dict[str, bool] = {}
    for base in reversed([base for base in node.bases if last_name(base) not in PLAIN_BASES]):
        found = base_of(module, base)
        if found is None or depth > DEEPEST:
            return None
        if any(last_name(decorator) == "dataclass" for decorator in found[1].decorator_list):
            inherited = _dataclass_fields(*found, depth + 1)
            if inherited is None:
                return None
            fields |= inherited
    for item in node.body:
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        annotation = ast.unparse(item.annotation)
        if annotation.split("[")[0].split(".")[-1] in ("ClassVar", "KW_ONLY"):
            continue
        options = {k.arg: k.value for k in item.value.keywords} if _is_field(item.value) else None
        if options is not None and "init" in options:
            fields.pop(item.target.id, None)
            if getattr(options["init"], "value", None) is not False:
                fields[item.target.id] = False
            continue
        fields[item.target.id] = item.value is None or (
            options is not None and not options.keys() & {"default", "default_factory"}
        )
    return fields


def _of_function(node: ast.FunctionDef, skip: int) -> Signature | None:
    """The named arguments after the first `skip`, which Python fills itself."""
    if {last_name(decorator) for decorator in node.decorator_list} - FAITHFUL:
        return None
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    needed = len(positional) - len(arguments.defaults)
    named = {
        argument.arg: number < needed
        for number, argument in enumerate(positional)
        if number >= max(skip, len(arguments.posonlyargs))
    }
    if len(arguments.posonlyargs) > skip:
        return None  # what can be given by position only is not for a config
    pairs = list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    named |= {argument.arg: default is None for argument, default in pairs}
    return Signature(named, arguments.kwarg is not None)


def _is_field(value: ast.AST | None) -> bool:
    return isinstance(value, ast.Call) and last_name(value) == "field"
