"""Digests of the code that a script depends on, so that a job reruns only if the meaning of that code changes.

`code_digest("train_mlps")` covers the script and every definition (function, class, constant) of the package that it
reaches by name, as normalised syntax trees without docstrings and comments. So a changed loss changes the digest of
what trains with it; a comment, or a new helper that nobody on the path uses, changes nothing. Definitions that
are reached through a name computed at run time (importlib, getattr on a string) are not seen, so registries are plain
dictionaries here. Modules that only record the circumstances of a result (logs, provenance) do not count.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

from rehash.errors import InputError

SCRIPTS = Path(__file__).resolve().parent.parent
_EVERYTHING = "*"
_BOOKKEEPING = ("rehash.job", "rehash.progress", "rehash.provenance")
_DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class _Module:
    """One source file: its top-level definitions, its imports, and statements that run on import."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        self.imports: dict[str, tuple[str, str | None]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    target = alias.name if alias.asname else alias.name.split(".")[0]
                    self._bind(alias.asname or target, (target, None), node)
            elif isinstance(node, ast.ImportFrom):
                if node.level:
                    raise InputError(f"{path}:{node.lineno}: relative import; write it in full")
                for alias in node.names:
                    self._bind(alias.asname or alias.name, (node.module or "", alias.name), node)
        self.definitions: dict[str, list[ast.AST]] = {}
        self.loose: list[ast.AST] = []
        for node in tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)) or _is_docstring(node):
                continue
            names = _bound_names(node)
            for name in names:
                self.definitions.setdefault(name, []).append(node)
            if not names:
                self.loose.append(node)

    def _bind(self, name: str, target: tuple[str, str | None], node: ast.AST) -> None:
        if self.imports.setdefault(name, target) != target:
            raise InputError(f"{self.path}:{node.lineno}: '{name}' is imported from two places; give one another name")


def code_digest(script: str, scripts: str | Path = SCRIPTS, also: tuple[tuple[str, str], ...] = ()) -> str:
    """Compute the digest (16 hexadecimal digits) of `scripts/{script}.py` and of the definitions that it reaches.

    `also` names further definitions, (module, name), which the script finds while it runs.

    Raises:
        InputError: there is no such script, or it imports a name that the package does not have.
    """
    reached = reached_definitions(script, scripts, also)
    text = "\n".join(f"{module}:{name}\n{source}" for (module, name), source in sorted(reached.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def reached_definitions(
    script: str, scripts: str | Path = SCRIPTS, also: tuple[tuple[str, str], ...] = ()
) -> dict[tuple[str, str], str]:
    """Return the normalised source of all that `script` reaches, by (module, name).

    The name '*' stands for a module's statements outside definitions; module '' is the script itself, under '*' as a
    whole.
    """
    scripts = Path(scripts)
    path = scripts / f"{script}.py"
    if not path.is_file():
        raise InputError(f"{path}: no such script")
    entry = _Module("", path)
    reached: dict[tuple[str, str], str] = {}
    nodes = [*entry.loose, *(node for group in entry.definitions.values() for node in group)]
    reached["", _EVERYTHING] = "\n".join(sorted({_meaning(node, entry) for node in nodes}))
    todo = [*also, *(target for node in nodes for target in _references(node, entry, scripts))]
    while todo:
        module_name, name = todo.pop()
        if (module_name, name) in reached or module_name in _BOOKKEEPING:
            continue
        module = _load(module_name, scripts)
        if parent := module_name.rpartition(".")[0]:
            todo.append((parent, _EVERYTHING))  # a package's own statements run when a module of it is imported
        if name == _EVERYTHING:
            nodes = module.loose
        elif name in module.definitions:
            nodes = module.definitions[name]
            todo.append((module_name, _EVERYTHING))
        elif name in module.imports:
            todo.extend(_imported(module.imports[name], scripts))
            continue
        else:
            raise InputError(f"{module.path}: has no '{name}', which {script}.py reaches")
        reached[module_name, name] = "\n".join(_meaning(node, module) for node in nodes)
        todo.extend(target for node in nodes for target in _references(node, module, scripts))
    return reached


def _meaning(node: ast.AST, module: _Module) -> str:
    """Return the normalised tree of a node, and what the imported names in it stand for."""
    names = {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}
    aliases = sorted(f"{name}={module.imports[name]}" for name in names if name in module.imports)
    return "\n".join([_normalised(node), *aliases])


def _references(node: ast.AST, module: _Module, scripts: Path) -> list[tuple[str, str]]:
    """List the package's definitions that the names in `node` refer to, seen from `module`."""
    found: list[tuple[str, str]] = []
    chained = set()
    for child in ast.walk(node):
        if isinstance(child, ast.Attribute):
            chain = _chain(child)
            if chain and chain[0] in module.imports:
                resolved = _along(module.imports[chain[0]], chain[1:], scripts)
                found.extend(resolved)
                chained.update(id(part) for part in ast.walk(child) if isinstance(part, ast.Name))
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and id(child) not in chained:
            if child.id in module.definitions and module.name:
                found.append((module.name, child.id))
            elif child.id in module.imports:
                found.extend(_imported(module.imports[child.id], scripts))
    return found


def _along(imported: tuple[str, str | None], attributes: list[str], scripts: Path) -> list[tuple[str, str]]:
    """Follow `alias.part.part` through submodules to a definition; a module used otherwise counts as a whole."""
    module, name = imported
    if name and _source(f"{module}.{name}", scripts):
        module, name = f"{module}.{name}", None
    if name or not _source(module, scripts):
        return _imported(imported, scripts)
    for attribute in attributes:
        if not _source(f"{module}.{attribute}", scripts):
            return [(module, attribute)]
        module = f"{module}.{attribute}"
    return _imported((module, None), scripts)


def _imported(imported: tuple[str, str | None], scripts: Path) -> list[tuple[str, str]]:
    """List what an import used as a bare name reaches; nothing if it is not of the package."""
    module, name = imported
    if name and name != "*" and _source(f"{module}.{name}", scripts):
        module, name = f"{module}.{name}", None
    if not _source(module, scripts):
        return []
    if name and name != "*":
        return [(module, name)]
    return [(module, each) for each in [_EVERYTHING, *_load(module, scripts).definitions]]


def _source(module: str, scripts: Path) -> Path | None:
    base = scripts.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _load(module: str, scripts: Path) -> _Module:
    path = _source(module, scripts)
    return _parse(module, path, path.stat().st_mtime_ns)


@cache
def _parse(module: str, path: Path, mtime_ns: int) -> _Module:
    return _Module(module, path)


def _chain(node: ast.Attribute) -> list[str] | None:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else None


def _bound_names(node: ast.AST) -> list[str]:
    """List the names that a top-level statement defines, compound statements (if, try, with, for) included."""
    if isinstance(node, _DOCUMENTED):
        return [node.name]
    names: list[str] = []
    for child in ast.walk(node):
        if isinstance(child, _DOCUMENTED):
            names.append(child.name)
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            names.append(child.id)
    if isinstance(node, (ast.Assign, ast.AugAssign)):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            while isinstance(target, (ast.Subscript, ast.Attribute)):  # REGISTRY["x"] = f changes REGISTRY
                target = target.value
            if isinstance(target, ast.Name):
                names.append(target.id)
    return list(dict.fromkeys(names))


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _normalised(node: object) -> str:
    """Return a syntax tree as text, without positions, comments and docstrings; the same in Python 3.11 and later."""
    if isinstance(node, list):
        return f"[{','.join(map(_normalised, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, _DOCUMENTED) and _is_docstring(value[0]):
            value = value[1:]
        if value is not None and value != []:  # newer Pythons have more fields, empty where they are not used
            fields.append(f"{name}={_normalised(value)}")
    return f"{type(node).__name__}({','.join(fields)})"
