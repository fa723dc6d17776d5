"""A database that goes away in the middle of a transaction is told as what it is."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from shared.db.at_commit import announce
from shared.db.direct import transaction
from shared.db.engine import open_engine
from shared.db.prepared import Prepared


def test_the_caller_hears_of_it_and_the_next_transaction_works(postgres_url: str) -> None:
    told: list[str] = []
    engine = open_engine(postgres_url)
    announce(engine, told.extend)
    killer = open_engine(postgres_url)
    me = Prepared(select(func.pg_backend_pid().label("pid")))
    with pytest.raises(OperationalError), transaction(engine) as direct:
        pid = direct.run(me).all[0].pid
        with killer.begin() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        assert direct.run(me).first
    with transaction(engine) as direct:
        assert direct.run(me).all[0].pid != pid
    engine.dispose()
    killer.dispose()
