"""The file of a Python module, found without importing anything, and the names that its text defines."""

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DYNAMIC = {"globals", "vars", "exec", "setattr", "__getattr__", "__dict__", "modules"}
"""Names whose use in a module means that it may hold what its text does not show."""


@dataclass(frozen=True)
class Module:
    """A parsed file: top-level name -> its definitions."""

    path: Path
    name: str
    names: Mapping[str, tuple[ast.AST, ...]]
    complete: bool
    """Whether the text shows every name that there is."""


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """The full name of the module that is imported from."""
    if not node.level:
        return node.module or ""
    package = module.name.split(".")
    package = package if module.path.name == "__init__.py" else package[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])


@cache
def parse(path: Path, name: str, follow_stars: bool = True) -> Module:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return Module(path, name, {"*": ()}, complete=False)
    names: dict[str, list[ast.AST]] = {}
    for statement in _statements(tree.body):
        bound = _bound(statement)
        if "*" in bound and follow_stars:
            bound = _exports(absolute(Module(path, name, {}, False), statement))
        for key in bound if not is_overload(statement) else ():
            names.setdefault(key, []).append(statement)
    complete = not {"*", "__getattr__"} & names.keys() and not _is_dynamic(tree)
    if "*" in names:
        names = {"*": names["*"]}  # it may give any other name another meaning
    return Module(path, name, {key: tuple(nodes) for key, nodes in names.items()}, complete)


def _exports(source: str) -> set[str]:
    """The names that `from source import *` gives; `*` where that is not certain."""
    parts = tuple(source.split("."))
    path = file_of(parts) if source else None
    if path is None:
        # Where there is no such module the statement cannot be one that runs.
        package = file_of(parts[:-1]) if len(parts) > 1 else None
        return {"*"} if package is None or parts[-1] in entries(package) else set()
    module = parse(path, source, follow_stars=False)
    listed = module.names.get("__all__", ())
    if len(listed) == 1 and isinstance(listed[0], ast.Assign):
        try:
            return set(ast.literal_eval(listed[0].value))
        except (ValueError, TypeError):
            return {"*"}
    certain = module.complete and not listed
    return {name for name in module.names if not name.startswith("_")} if certain else {"*"}


def _is_dynamic(tree: ast.Module) -> bool:
    return any(
        (isinstance(node, ast.Name) and node.id in DYNAMIC)
        or (isinstance(node, ast.Attribute) and node.attr in DYNAMIC)
        for node in ast.walk(tree)
    )


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements that run when a module is imported, those of if, try, with and loops too."""
    for statement in body:
        if isinstance(statement, ast.If) and last_name(statement.test) == "TYPE_CHECKING":
            yield from _statements(statement.orelse)
            continue
        yield statement
        if not isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(statement, field, []))
            for handler in getattr(statement, "handlers", []):
                yield from _statements(handler.body)
            for case in getattr(statement, "cases", []):
                yield from _statements(case.body)


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement gives a value."""
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.split(".")[0] for alias in statement.names}
    return assigned(statement)


def assigned(statement: ast.stmt) -> set[str]:
    """The names that stand on the left anywhere in a statement (of its own, not of statements inside)."""
    inner = [node for node in ast.iter_child_nodes(statement) if not isinstance(node, ast.stmt)]
    return {
        node.id
        for part in inner
        for node in ast.walk(part)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def last_name(node: ast.AST) -> str:
    """The last name of `a.b.c`, `a.b.c(...)` or `c[...]`."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def is_overload(item: ast.stmt) -> bool:
    return any(last_name(decorator) == "overload" for decorator in getattr(item, "decorator_list", []))


@cache
def file_of(parts: tuple[str, ...]) -> Path | None:
    """The source file of a module or a package by its dotted name, looked for in the folders, not imported."""
    folder = _folder_of(parts[0])
    if folder is None:
        return None
    place = folder.joinpath(*parts)
    for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
        if path.is_file():
            return path
    return None


@cache
def _folder_of(package: str) -> Path | None:
    """The folder in which a top-level module lies."""
    if (ROOT / package / "__init__.py").is_file() or (ROOT / f"{package}.py").is_file():
        return ROOT
    try:
        spec = importlib.util.find_spec(package)
    except (ValueError, ImportError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    origin = Path(spec.origin)
    return origin.parent.parent if origin.name == "__init__.py" else origin.parent


def entries(path: Path) -> set[str]:
    """The modules and packages in a package's folder, extension modules too."""
    if path.name != "__init__.py":
        return set()
    entries = list(path.parent.iterdir())
    return {entry.name.split(".")[0] for entry in entries if entry.is_dir() or entry.suffix in (".py", ".so", ".pyd")}
