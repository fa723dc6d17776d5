"""What docs/production.md promises of upgrades."""

from __future__ import annotations

import ast
from pathlib import Path

from shared.db import migrate

VERSIONS = Path(migrate.FOLDER) / "versions"
FIRST_THAT_ONLY_ADDS = "0004"
TAKING_AWAY = {
    *("drop_table", "drop_column", "drop_constraint", "rename_table", "alter_column"),
    *("execute", "batch_alter_table"),
}


def test_migrations_only_add_so_that_the_version_before_goes_on_working() -> None:
    files = [f for f in sorted(VERSIONS.glob("*.py")) if f.name[:4] >= FIRST_THAT_ONLY_ADDS]
    assert files
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        (upgrade,) = [
            n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "upgrade"
        ]
        calls = {
            node.func.attr
            for node in ast.walk(upgrade)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        assert not calls & TAKING_AWAY, file.name
