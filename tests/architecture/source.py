"""The project's own Python files, parsed: what they import, when, and how long they are."""

from __future__ import annotations

import ast
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("shared", "services", "deploy")


class Module:
    """One file: its dotted name, and what it imports at load and later (inside functions).

    It is read when somebody asks: every test process lists the files, few look into all of them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = _name_of(path)

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def _imports(self) -> _Imports:
        found = _Imports(self.name)
        found.visit(self.tree)
        return found

    @property
    def at_load(self) -> set[str]:
        return self._imports.at_load

    @property
    def imports(self) -> set[str]:
        return self.at_load | self._imports.later

    @property
    def package(self) -> str:
        return self.name.rpartition(".")[0]


def _name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class _Imports(ast.NodeVisitor):
    def __init__(self, module: str) -> None:
        self._module = module
        self._depth = 0
        self.at_load: set[str] = set()
        self.later: set[str] = set()

    def _inner(self, node: ast.AST) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inner(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._inner(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._inner(node)

    def visit_If(self, node: ast.If) -> None:
        if getattr(node.test, "id", None) == "TYPE_CHECKING":
            self._inner(node)
        else:
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self._add({alias.name for alias in node.names})

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, f"{self._module} imports relatively"
        base = str(node.module)
        for alias in node.names:
            inner = ROOT.joinpath(*base.split("."), alias.name)
            is_module = inner.is_dir() or inner.with_suffix(".py").is_file()
            self._add({f"{base}.{alias.name}" if is_module else base})

    def _add(self, names: set[str]) -> None:
        (self.later if self._depth else self.at_load).update(names)


def modules(*folders: str) -> tuple[Module, ...]:
    """Every module of these folders, by default of the product."""
    return tuple(module for folder in folders or PRODUCT for module in _modules_of(folder))


@cache
def _modules_of(folder: str) -> tuple[Module, ...]:
    return tuple(Module(path) for path in sorted((ROOT / folder).rglob("*.py")))
