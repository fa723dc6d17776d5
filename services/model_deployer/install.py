"""Puts the global model on the model server: `python -m services.model_deployer.install`.

Run once at every start of a mesh; quick when nothing has changed.
"""

from __future__ import annotations

import sys
import time

import structlog

from services.model_deployer.engines.global_model import install_global, restore
from shared import log, wiring
from shared.errors import ActverseError, Unavailable
from shared.serving.global_weights import SHIPPED
from shared.serving.repository import ModelRepository
from shared.settings import Settings

PATIENCE_S = 60.0
logger = structlog.get_logger()


def main() -> int:
    """Wait for the server, install, and load what belongs on it; 1 with a sentence when it fails."""
    settings = Settings()
    log.configure(settings.log_level, settings.log_format, service="model_deployer.install")
    server = wiring.build(settings).model_server()
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            server.alive()
            break
        except Unavailable as error:
            if time.monotonic() > deadline:
                logger.error("model_deployer.install.failed", error=str(error))
                return 1
            time.sleep(0.2)
    repository = ModelRepository.from_settings(settings.model)
    try:
        install_global(repository, server, settings.weights_dir, settings.global_weights, SHIPPED)
        for name, reason in restore(repository, server).items():
            if reason:
                logger.warning("model_deployer.install.unserved", model=name, reason=reason)
    except ActverseError as error:
        logger.error("model_deployer.install.failed", error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
