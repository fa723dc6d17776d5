"""Transactions on a server: one that goes away, one that waits for another."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, func, select, text
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


def test_a_thread_that_waits_for_a_row_holds_up_no_other(postgres_url: str) -> None:
    engine, blocker = open_engine(postgres_url), open_engine(postgres_url)
    lock = Prepared(select(func.pg_advisory_xact_lock(7).label("locked")))
    look = Prepared(select(func.pg_backend_pid().label("pid")))
    waits = threading.Event()

    def wait_for_it() -> None:
        with transaction(engine) as direct:
            waiting = direct.run(lock)
            waits.set()
            assert waiting.all

    with blocker.begin() as holder:
        holder.execute(text("SELECT pg_advisory_xact_lock(7)"))
        thread = threading.Thread(target=wait_for_it, daemon=True)
        thread.start()
        assert waits.wait(10)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(_pid, engine, look).result(timeout=10)
    thread.join(10)
    assert not thread.is_alive()
    engine.dispose()
    blocker.dispose()


def _pid(engine: Engine, look: Prepared) -> int:
    with transaction(engine) as direct:
        return int(direct.run(look).all[0].pid)
