"""Where a class or function is defined, found by its dotted name in source files by `ast`: nothing is imported.

What cannot be known for certain without running code (extension modules, star imports, computed names, several
definitions of a name) is None, never an accusation.
"""

import ast
import importlib.util
import sys
from functools import cache

from experiment.configs.parsed import ROOT, Module, absolute, entries, file_of, parse

TOO_LARGE = {"torch"}
"""Packages whose root takes long to read, and is known not to give its modules' names another meaning."""
DEEPEST = 20
"""Re-exports and base classes that are followed one after another."""


class AbsentError(Exception):
    """A module, class or function that certainly does not exist; holds what is missing of what, and near names."""

    def __init__(self, name: str, inside: str, known: list[str]):
        super().__init__(name)
        self.name, self.inside, self.known = name, inside, known


Found = tuple[Module, ast.ClassDef | ast.FunctionDef]


@cache
def constant_of(dotted: str) -> object:
    """A literal constant of one of this project's modules; raises KeyError where there is none."""
    module_name, name = dotted.rsplit(".", 1)
    module = parse(file_of(tuple(module_name.split("."))), module_name)
    return ast.literal_eval(module.names[name][0].value)


def locate(target: str) -> Found | None:
    """The definition that a dotted name means: the longest beginning that is a module, then a name in it."""
    parts = tuple(target.split("."))
    if file_of(parts[:1]) is None:
        if parts[0] in sys.builtin_module_names or parts[0] in sys.stdlib_module_names or _is_namespace(parts[0]):
            return None
        raise AbsentError(parts[0], "this installation", _own_packages())
    count = next(n for n in range(len(parts), 0, -1) if file_of(parts[:n]) is not None)
    if _shadowed(parts[:count], spared=set() if count == len(parts) else TOO_LARGE):
        return None
    module = parse(file_of(parts[:count]), ".".join(parts[:count]))
    if count == len(parts):
        raise AbsentError(parts[-1], f"{'.'.join(parts[:-1])} (a module, which builds nothing)", [])
    found = _lookup(module, parts[count])
    if found is None or count + 1 == len(parts):
        return found
    return None  # a name inside a class or an object: seldom, and not for the text to say


def _lookup(module: Module, name: str, depth: int = 0) -> Found | None:
    """The class or function that a name in a module means, through re-exports; None where that is not certain."""
    nodes = module.names.get(name)
    if nodes is None:
        if not module.complete:
            return None
        children = entries(module.path)
        if name in children:
            return None
        raise AbsentError(name, module.name, sorted({*module.names, *children}))
    if len(nodes) != 1 or depth > DEEPEST:
        return None
    node = nodes[0]
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return module, node
    if not isinstance(node, ast.ImportFrom):
        return None
    source = absolute(module, node)
    original = next((alias.name for alias in node.names if (alias.asname or alias.name) == name), name)
    path = file_of(tuple(source.split("."))) if source else None
    if path is None or _shadowed(tuple(source.split("."))):
        return None
    try:
        return _lookup(parse(path, source), original, depth + 1)
    except AbsentError:
        return None  # an import that fails is that module's fault, not the config's


def base_of(module: Module, base: ast.AST) -> Found | None:
    """The class that a base's expression means: a name of the module, or `package.Name` of an imported package."""
    if isinstance(base, ast.Subscript):
        base = base.value
    if isinstance(base, ast.Name):
        if base.id not in module.names:
            return None
        found = _lookup(module, base.id)
    elif isinstance(base, ast.Attribute) and isinstance(base.value, ast.Name):
        imported = module.names.get(base.value.id, ())
        if len(imported) != 1:
            return None
        package = _imported_module(module, imported[0], base.value.id)
        try:
            found = locate(f"{package}.{base.attr}") if package else None
        except AbsentError:
            return None
    else:
        return None
    return found if found is not None and isinstance(found[1], ast.ClassDef) else None


def _imported_module(module: Module, node: ast.AST, name: str) -> str | None:
    if isinstance(node, ast.Import):
        alias = next(a for a in node.names if (a.asname or a.name.split(".")[0]) == name)
        return alias.name if alias.asname else name
    if isinstance(node, ast.ImportFrom):
        alias = next((a for a in node.names if (a.asname or a.name) == name), None)
        return f"{absolute(module, node)}.{alias.name}" if alias else None
    return None


def _is_namespace(package: str) -> bool:
    """Whether there is a package that has no source file of its own."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ValueError, ImportError):
        return True


def _shadowed(parts: tuple[str, ...], spared: set[str] = TOO_LARGE) -> bool:
    """Whether a package itself gives a module's name another meaning (`from .foo import foo`)."""
    for count in range(1, len(parts)):
        path = file_of(parts[:count])
        if path is None or path.name != "__init__.py":
            return path is None
        if ".".join(parts[:count]) not in spared and _meant_otherwise(
            parse(path, ".".join(parts[:count])), parts[count]
        ):
            return True
    return False


def _meant_otherwise(module: Module, name: str) -> bool:
    """Whether a name that is also a module's is, or may be, bound to something that is none."""
    if "*" in module.names:
        return True
    for node in module.names.get(name, ()):
        if isinstance(node, ast.Import):
            continue
        if isinstance(node, ast.ImportFrom) and absolute(module, node) == module.name:
            continue
        return True
    return False


def _own_packages() -> list[str]:
    return sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
