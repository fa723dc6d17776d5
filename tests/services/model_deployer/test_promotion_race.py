"""Who decides at the same moment on PostgreSQL, where transactions really run side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.orm import sessionmaker

from services.model_deployer import repository
from shared.db import migrate
from shared.db.engine import open_engine
from shared.db.models import Model
from shared.errors import Conflict

VERSIONS = 6


def test_many_who_promote_at_once_leave_one_current(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    try:
        migrate.upgrade(engine)
        sessions = sessionmaker(engine)
        with sessions.begin() as session:
            for version in range(1, VERSIONS + 1):
                session.add(
                    Model(
                        name="task-a",
                        version=version,
                        path=f"models/task-a/{version}",
                        weights_sha256="0" * 64,
                        classes=["mouse"],
                        image_size=64,
                        metrics={},
                        lineage={},
                    )
                )

        def promote(version: int) -> bool:
            try:
                with sessions.begin() as session:
                    repository.lock_versions(session, "task-a")
                    chosen = repository.version(session, "task-a", version)
                    repository.make_current(session, chosen, "a race", retired_because="lost")
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(VERSIONS) as pool:
            won = list(pool.map(promote, [*range(1, VERSIONS + 1)] * 3))
        assert all(won), "who waited for the lock saw what holds, so nobody was overtaken"
        with sessions() as session:
            states = [model.state for model in repository.versions(session, "task-a")]
            assert states.count("CURRENT") == 1
            assert states.count("RETIRED") == VERSIONS - 1
            assert repository.before_current(session, "task-a") is not None
    finally:
        engine.dispose()
