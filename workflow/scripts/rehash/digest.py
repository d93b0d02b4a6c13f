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
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

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
        for node in _imports(tree.body):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    target = alias.name if alias.asname else alias.name.split(".")[0]
                    self._bind(alias.asname or target, (target, None), node)
            else:
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
        self.read = cache(self._read)  # a definition is part of dozens of scripts' digests

    def _read(self, name: str) -> list[_Reading]:
        """Read a definition, or the statements outside definitions."""
        return [_Reading(node, self) for node in (self.loose if name == _EVERYTHING else self.definitions[name])]

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
    package = _Package(Path(scripts))
    path = package.scripts / f"{script}.py"
    if not path.is_file():
        raise InputError(f"{path}: no such script")
    entry = _Module("", path)
    whole = [part for name in (_EVERYTHING, *entry.definitions) for part in entry.read(name)]
    reached = {("", _EVERYTHING): "\n".join(sorted({part.text for part in whole}))}
    todo = [*also, *package.meant(whole)]
    while todo:
        module_name, name = todo.pop()
        if (module_name, name) in reached or module_name in _BOOKKEEPING:
            continue
        module = package.load(module_name)
        if parent := module_name.rpartition(".")[0]:
            todo.append((parent, _EVERYTHING))  # a package's own statements run when a module of it is imported
        if name != _EVERYTHING and name not in module.definitions:
            if name not in module.imports:
                raise InputError(f"{module.path}: has no '{name}', which {script}.py reaches")
            todo.extend(package.imported(module.imports[name]))
            continue
        todo.append((module_name, _EVERYTHING))
        read = module.read(name)
        reached[module_name, name] = "\n".join(part.text for part in read)
        todo.extend(package.meant(read))
    return reached


class _Mention(NamedTuple):
    """A name in the code of a module: one that the module defines, or an import, perhaps with attributes after it."""

    own: str | None = None
    imported: tuple[str, str | None] | None = None
    attributes: tuple[str, ...] | None = None


class _Reading:
    """One pass over the syntax tree of code of a module: its text, and what it mentions.

    text: the tree without positions, comments and docstrings, the same in Python 3.11 and later, and what the imported
    names in it stand for. mentions: names of the package, or of others, each once.
    """

    def __init__(self, node: ast.AST, module: _Module) -> None:
        self.module, self.mentions, self._imported = module, dict[_Mention, None](), set[str]()
        text = self._text(node)
        aliases = sorted(f"{name}={module.imports[name]}" for name in self._imported)
        self.text = "\n".join([text, *aliases])

    def _text(self, node: object, chained: bool = False) -> str:
        """Return the text of a part of the tree; `chained` is whether it is what an attribute belongs to."""
        if isinstance(node, list):
            return f"[{','.join([self._text(each) for each in node])}]"
        if not isinstance(node, ast.AST):
            return repr(node)
        kind, fields = type(node), []
        if kind is ast.Name:
            self._name(node.id, chained)
        elif kind is ast.Attribute and (chain := _chain(node)) and chain[0] in self.module.imports:
            chained = True
            self.mentions[_Mention(imported=self.module.imports[chain[0]], attributes=tuple(chain[1:]))] = None
        else:
            chained = False
        for name in node._fields:
            value = getattr(node, name, None)
            if name == "body" and kind in _DOCUMENTED and _is_docstring(value[0]):
                value = value[1:]
            if value is not None and value != []:  # newer Pythons have more fields, empty where they are not used
                fields.append(f"{name}={self._text(value, chained)}")
        return f"{kind.__name__}({','.join(fields)})"

    def _name(self, name: str, chained: bool) -> None:
        module = self.module
        if name in module.imports:
            self._imported.add(name)
        if not chained:
            if name in module.definitions and module.name:
                self.mentions[_Mention(own=name)] = None
            elif name in module.imports:
                self.mentions[_Mention(imported=module.imports[name])] = None


class _Package:
    """The modules below a folder, as they are while one digest is computed: each is looked for once."""

    def __init__(self, scripts: Path) -> None:
        self.scripts = scripts
        self.source, self.load = cache(self._source), cache(self._load)

    def meant(self, read: Iterable[_Reading]) -> Iterator[tuple[str, str]]:
        """Yield the package's definitions that the names in code refer to."""
        for part in read:
            for own, imported, attributes in part.mentions:
                if own:
                    yield part.module.name, own
                else:
                    yield from self.imported(imported) if attributes is None else self._along(imported, attributes)

    def imported(self, imported: tuple[str, str | None]) -> list[tuple[str, str]]:
        """List what an import used as a bare name reaches; nothing if it is not of the package."""
        module, name = imported
        if name and name != "*" and self.source(f"{module}.{name}"):
            module, name = f"{module}.{name}", None
        if not self.source(module):
            return []
        if name and name != "*":
            return [(module, name)]
        return [(module, each) for each in [_EVERYTHING, *self.load(module).definitions]]

    def _along(self, imported: tuple[str, str | None], attributes: Sequence[str]) -> list[tuple[str, str]]:
        """Follow `alias.part.part` through submodules to a definition; a module used otherwise counts as a whole."""
        module, name = imported
        if name and self.source(f"{module}.{name}"):
            module, name = f"{module}.{name}", None
        if name or not self.source(module):
            return self.imported(imported)
        for attribute in attributes:
            if not self.source(f"{module}.{attribute}"):
                return [(module, attribute)]
            module = f"{module}.{attribute}"
        return self.imported((module, None))

    def _source(self, module: str) -> Path | None:
        base = self.scripts.joinpath(*module.split("."))
        return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)

    def _load(self, module: str) -> _Module:
        path = self.source(module)
        return _parse(module, path, path.stat().st_mtime_ns)


@cache
def _parse(module: str, path: Path, mtime_ns: int) -> _Module:
    return _Module(module, path)


def _imports(statements: Iterable[ast.AST]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield all imports, those within functions included, without a look at expressions, which are most of a tree."""
    for node in statements:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from _imports(getattr(node, part, ()))


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
