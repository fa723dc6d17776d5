"""One process that serves REST: `python -m shared.web.serve`, the routes of the whole mesh.

With names of services after it, only theirs: `python -m shared.web.serve api_gateway`.
"""

from __future__ import annotations

import gc
import sys
from importlib.util import find_spec
from typing import Any

import uvicorn

from shared import log, wiring
from shared.admission.callers import ensure_first_key
from shared.db import migrate
from shared.pipelines import atlas
from shared.process import allow_many_files
from shared.settings import Settings
from shared.telemetry import tracing
from shared.telemetry.process import watch
from shared.web.app import create_app

SERVER: dict[str, Any] = {"log_config": None, "access_log": False, "timeout_graceful_shutdown": 5}
"""How uvicorn runs: logs are ours, and who is told to stop has seconds for what is under way."""
GARBAGE = (20_000, 20, 20)
"""So many new objects before a look for cycles, and so many looks before a wider one: few requests leave
any, and fifty at one moment make some hundred looks with Python's own figures."""


def everybody() -> list[str]:
    """The gateway, and every service of the map that has routes of its own."""
    found = [name for name in atlas.services() if find_spec(f"services.{name}.api")]
    return ["api_gateway", *found]


def main(services: list[str]) -> None:
    """Serve the routes of `services` until told to stop; the first of them names the process."""
    settings = Settings()
    log.configure(settings.log_level, settings.log_format, service=services[0])
    watch(settings, services[0])
    platform = wiring.build(settings)
    platform.bus.leave_to_relay()
    allow_many_files()  # one for each open stream
    migrate.upgrade(platform.engine)
    ensure_first_key(platform)
    app = create_app(platform, services)
    gc.collect()
    gc.freeze()  # what serves is not looked through: it stays
    gc.set_threshold(*GARBAGE)
    uvicorn.run(
        app,
        host=settings.gateway.host,
        port=settings.gateway.port,
        **SERVER,
    )
    tracing.flush()


if __name__ == "__main__":
    main(sys.argv[1:] or everybody())
