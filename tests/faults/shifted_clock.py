"""Lets the clock of a process jump while it runs, without touching that of the machine.

Everything that the mesh writes down or compares (leases, deadlines, what is due) comes from one
function, `shared.db.base.now`. A file that the test writes says by how much it is wrong. The timers
of Celery and of the broker are not moved: they wait by the monotonic clock.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from shared.db import base

VARIABLE = "SMALL_MESH_CLOCK_OFFSET"


def install() -> None:
    """Read the offset, in seconds, from the file that the variable names; no file: no offset."""
    name = os.environ.get(VARIABLE)
    if name is None:
        return
    file = Path(name)

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            try:
                offset_s = float(file.read_text() or 0)
            except FileNotFoundError:
                offset_s = 0.0
            return datetime.now(tz) + timedelta(seconds=offset_s)

    base.datetime = Shifted  # type: ignore[misc]
