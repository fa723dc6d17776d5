"""What the model server is to have, seen to again and again: nothing deleted, and all the rest."""

from __future__ import annotations

import structlog

from services.model_deployer import repository
from shared.errors import Retryable
from shared.platform import Platform
from shared.serving.repository import ModelRepository

log = structlog.get_logger()


def forget_deleted(platform: Platform) -> None:
    """The models of tasks that are being deleted; what is left of those tasks goes afterwards.

    One version after the other: off the server, out of its repository, out of the tables. A server
    that is away is asked again the next time.
    """
    from services.model_deployer.engines.deployment import forget

    with platform.reads() as session:
        found = repository.to_forget(session)
    models = ModelRepository.from_settings(platform.settings.model)
    for task_id, name, version in found:
        try:
            forget(models, platform.model_server(), name, version)
        except Retryable as error:
            log.warning("model_deployer.deletion.postponed", model=name, error=str(error))
            return
        with platform.sessions.begin() as session:
            repository.forgotten(session, task_id, name, version)
        log.info("model_deployer.model.forgotten", model=name, version=version)


def restore_lost(platform: Platform) -> None:
    """Load what a server that was restarted has lost."""
    from services.model_deployer.engines.global_model import restore

    try:
        outcome = restore(
            ModelRepository.from_settings(platform.settings.model), platform.model_server()
        )
    except Retryable as error:
        log.warning("model_deployer.restore.postponed", error=str(error))
        return
    for name, reason in outcome.items():
        if reason:
            log.warning("model_deployer.restore.refused", model=name, reason=reason)
        else:
            log.info("model_deployer.restore.loaded", model=name)
