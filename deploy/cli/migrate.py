"""`actverse migrate`: database and broker at the version of the code."""

from __future__ import annotations


def migrate() -> None:
    """Run missing migrations and declare missing queues; harmless when nothing is missing."""
    from shared import wiring
    from shared.db.migrate import upgrade
    from shared.settings import Settings

    platform = wiring.build(Settings())
    upgrade(platform.engine)
    platform.broker.apply()
    print("database and broker are at the version of the code")
