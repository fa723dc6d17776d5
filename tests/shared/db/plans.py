"""Collects the statements of a test and asks the database how it would run them."""

from __future__ import annotations

from typing import Any, Self

from sqlalchemy import Connection, Engine, event


class Plans:
    """Every statement that is sent while it listens; a subclass reads the plans of its database."""

    def __init__(self, engine: Engine) -> None:
        self.statements: list[tuple[str, Any]] = []
        self._engine = engine

    def __enter__(self) -> Self:
        event.listen(self._engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._note)

    def _note(self, connection, cursor, statement, parameters, context, many) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE")):
            self.statements.append((statement, parameters[0] if many else parameters))

    def scans(self) -> list[str]:
        """Statements that read a growing table from end to end, with the line that says so."""
        with self._engine.connect() as connection:
            return [
                found
                for statement, parameters in self.statements
                for found in self.scans_of(connection, statement, parameters)
            ]

    def scans_of(self, connection: Connection, statement: str, parameters: Any) -> list[str]:
        raise NotImplementedError
