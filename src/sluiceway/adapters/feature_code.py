"""The code of a transformation in one canonical form: what it does, and not how it is written.

Comments, docstrings, type annotations of names and layout play no part. What the function calls
inside its own top-level package is followed; what it calls outside of it is named, not read: those
versions are pinned where models are.
"""

import ast
import importlib.util
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from sluiceway.errors import BadInput, Fault
from sluiceway.features.identity import Definitions, definition_sha256
from sluiceway.system.values import System

_Scope = dict[str, ast.stmt]


def definitions_of(system: System) -> Definitions:
    """Hash of every version of every feature of a system.

    Raises:
        BadInput: With every transformation whose code cannot be read.
    """
    found: dict[tuple[str, str], str] = {}
    faults: list[Fault] = []
    for feature in system.features.values():
        for version in feature.versions.values():
            try:
                code = None if version.transformation is None else code_of(version.transformation)
            except (LookupError, OSError, SyntaxError) as error:
                where = f"features.{feature.name}.transformation"
                what = f"the code of {version.transformation} cannot be read: {error}"
                faults.append(Fault(where=where, what=what))
                continue
            key = (feature.name, version.version)
            found[key] = definition_sha256(feature, version.version, code)
    if faults:
        raise BadInput(faults)
    return found


def code_of(name: str) -> str:
    """Canonical code of ``module:function`` and of all it reaches in its own package.

    Raises:
        LookupError: There is no such module or function, or it has no source.
        OSError: The source cannot be read.
        SyntaxError: The source is no Python.
    """
    module, _, function = name.partition(":")
    reached = _Reached(package=module.partition(".")[0])
    reached.follow(module, function, called="")
    return "\n".join(reached.parts)


@dataclass(slots=True)
class _Reached:
    """Everything that was found on the way, each part once, in the order of its first use."""

    package: str
    parts: list[str] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)

    def follow(self, module: str, name: str, *, called: str) -> None:
        if (module, name) in self.seen:
            return
        self.seen.add((module, name))
        scope = _scope(*_source(module))
        if name not in scope:
            raise LookupError(f"{module} has no {name}")
        statement = scope[name]
        if isinstance(statement, ast.Import | ast.ImportFrom):
            self._follow_import(module, statement, name)
            return
        self.parts.append(_canonical(statement, called=called))
        for used in _names(statement):
            if used in scope and used != name:
                self.follow(module, used, called=used)

    def _follow_import(
        self, module: str, statement: ast.Import | ast.ImportFrom, name: str
    ) -> None:
        for alias in statement.names:
            if (alias.asname or alias.name.partition(".")[0]) != name:
                continue
            if isinstance(statement, ast.Import):
                self._whole(alias.name, name)
                continue
            origin = _absolute(module, statement)
            if origin.partition(".")[0] != self.package:
                self.parts.append(f"from {origin} import {alias.name} as {name}")
            elif _is_module(f"{origin}.{alias.name}"):
                self._whole(f"{origin}.{alias.name}", name)
            else:
                self.follow(origin, alias.name, called=alias.name)

    def _whole(self, module: str, name: str) -> None:
        """A module used by its attributes: of our own package all of it counts."""
        if module.partition(".")[0] != self.package:
            self.parts.append(f"import {module} as {name}")
            return
        for one in _scope(*_source(module)):
            self.follow(module, one, called=one)


def _source(module: str) -> tuple[str, int]:
    """Path and time of change, so that an edited module is read anew."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError as error:
        raise LookupError(str(error)) from error
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise LookupError(f"{module} has no Python source")
    return spec.origin, Path(spec.origin).stat().st_mtime_ns


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@cache
def _scope(path: str, _changed: int) -> _Scope:
    """Top-level statement that binds each name, the last one where several do."""
    scope: _Scope = {}
    for statement in ast.parse(Path(path).read_text(encoding="utf-8")).body:
        for name in _bound(statement):
            scope[name] = statement
    return scope


def _bound(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [statement.name]
        case ast.Import() | ast.ImportFrom():
            return [alias.asname or alias.name.partition(".")[0] for alias in statement.names]
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            return [
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            ]
        case ast.If() | ast.Try() | ast.With():
            inner = (node for node in ast.walk(statement) if isinstance(node, ast.stmt))
            return [name for node in inner if node is not statement for name in _bound(node)]
    return []


def _absolute(module: str, statement: ast.ImportFrom) -> str:
    if not statement.level:
        return statement.module or ""
    parts = module.split(".")
    if not _is_package(module):
        parts = parts[:-1]
    base = parts[: len(parts) - (statement.level - 1)]
    return ".".join([*base, *((statement.module or "").split(".") if statement.module else [])])


def _is_package(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.submodule_search_locations is not None


def _names(statement: ast.stmt) -> list[str]:
    """Names it reads outside of annotations, each once, in order."""
    found: dict[str, None] = {}
    for node in ast.walk(_Bare().visit(_copy(statement))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.setdefault(node.id)
    return list(found)


def _canonical(statement: ast.stmt, *, called: str) -> str:
    bare = _Bare().visit(_copy(statement))
    if isinstance(bare, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        bare.name = called or "_"
    return ast.unparse(ast.fix_missing_locations(bare))


def _copy(statement: ast.stmt) -> ast.stmt:
    return ast.parse(ast.unparse(statement)).body[0]


class _Bare(ast.NodeTransformer):
    """Takes away what plays no part in what code does: docstrings and annotations."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._without_docstring(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._without_docstring(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def _without_docstring(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    ) -> ast.AST:
        self.generic_visit(node)
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return node
