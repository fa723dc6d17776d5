"""Several rows of several tables in one statement, where every statement is a round trip.

A database server takes what one statement writes wholly or not at all, so such a statement can be a
transaction by itself: one round trip instead of one for each row, one to begin and one to commit.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast

from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import Insert

from shared.db.direct import Direct
from shared.db.prepared import Prepared, Rows


class Inserts:
    """Inserts of which none reads what another writes; they may refer to each other's rows.

    Their parameters (`bindparam`) share one set of names. Every column that has a default must be
    given: defaults of Python are not asked for within a larger statement.
    """

    def __init__(self, *inserts: Insert | Prepared) -> None:
        """In an order in which they could be run one by one; the last may return something."""
        self._inserts = [
            cast("Insert", i.statement) if isinstance(i, Prepared) else i for i in inserts
        ]

    def before(self, *others: Insert) -> Inserts:
        """These, and then `others`."""
        return Inserts(*self._inserts, *others)

    @cached_property
    def _each(self) -> list[Prepared]:
        return [Prepared(insert) for insert in self._inserts]

    @cached_property
    def _one(self) -> Prepared:
        *first, last = self._inserts
        parts = [insert.cte(f"part_{number}") for number, insert in enumerate(first)]
        return Prepared(last.add_cte(*parts))

    def run(self, direct: Direct, values: dict[str, Any]) -> Rows:
        """Insert all; what the last one returns. SQLite, which is near, takes them one by one."""
        if not direct.near:
            return direct.run(self._one, **values)
        return [direct.run(insert, **values) for insert in self._each][-1]


def of_one_statement(session: Session) -> None:
    """Promise that the transaction of `session`, not yet begun, is a single statement.

    A server then begins and commits by itself; SQLite begins and commits as ever.
    """
    if session.get_bind().dialect.name != "sqlite":
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
