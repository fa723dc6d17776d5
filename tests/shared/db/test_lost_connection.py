"""A database that goes away in the middle of a transaction is told as what it is."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from shared.db.at_commit import announce
from shared.db.direct import Direct, transaction
from shared.db.engine import open_engine


def test_the_caller_hears_of_it_and_the_next_transaction_works(postgres_url: str) -> None:
    told: list[str] = []
    engine = open_engine(postgres_url)
    announce(engine, told.extend)
    killer = open_engine(postgres_url)
    me = text("SELECT pg_backend_pid()")
    with pytest.raises(OperationalError), transaction(engine) as direct:
        pid = _connection(direct).execute(me).scalar()
        with killer.begin() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        _connection(direct).execute(me)
    with transaction(engine) as direct:
        assert _connection(direct).execute(me).scalar() != pid
    engine.dispose()
    killer.dispose()


def _connection(direct: Direct):
    assert direct.connection is not None
    return direct.connection
