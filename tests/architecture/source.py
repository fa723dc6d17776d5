"""The project's own Python files, parsed: what they import, when, and how long they are."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("shared", "services", "deploy")


@dataclass
class Module:
    """One file: its dotted name, and what it imports at load and later (inside functions)."""

    name: str
    path: Path
    tree: ast.Module
    at_load: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)

    @property
    def imports(self) -> set[str]:
        return self.at_load | self.later

    @property
    def package(self) -> str:
        return self.name.rpartition(".")[0]


def _name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class _Imports(ast.NodeVisitor):
    def __init__(self, module: Module) -> None:
        self._module = module
        self._depth = 0

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
        assert node.level == 0, f"{self._module.name} imports relatively"
        base = str(node.module)
        for alias in node.names:
            inner = ROOT.joinpath(*base.split("."), alias.name)
            is_module = inner.is_dir() or inner.with_suffix(".py").is_file()
            self._add({f"{base}.{alias.name}" if is_module else base})

    def _add(self, names: set[str]) -> None:
        (self._module.later if self._depth else self._module.at_load).update(names)


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Every module of these folders, by default of the product."""
    found = []
    for folder in folders or PRODUCT:
        for path in sorted((ROOT / folder).rglob("*.py")):
            module = Module(_name_of(path), path, ast.parse(path.read_text(encoding="utf-8")))
            _Imports(module).visit(module.tree)
            found.append(module)
    return tuple(found)
