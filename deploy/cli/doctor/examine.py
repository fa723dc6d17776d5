"""Every check by its name, in the order in which one thing needs the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from deploy.cli.doctor import broker, cache, database, machine, mail, models, processes, stored
from deploy.cli.doctor.finding import Check, Finding, safely
from shared import wiring
from shared.errors import BadInput
from shared.platform import Platform
from shared.settings import Settings

CHECKS: dict[str, Check] = {
    "packages": machine.packages,
    "disk": machine.disk,
    "key": machine.key_file,
    "database": database.version,
    "migrations": database.migrations,
    "broker": broker.version,
    "topology": broker.topology,
    "consumer_timeout": broker.consumer_timeout,
    "cache": cache.redis,
    "storage": stored.round_trip,
    "clock": stored.clocks,
    "model_server": models.server,
    "global_model": models.global_model,
    "mail": mail.servers,
    "workers": processes.workers,
    "beat": processes.beat,
    "relay": processes.relay,
    "mesh": processes.mesh,
    "parked": processes.parked,
}
_DATABASE = "start the database, or correct ACTVERSE_DATABASE"
_BROKER = "start RabbitMQ, or correct ACTVERSE_BROKER"
_MODELS = "start the model server, or correct ACTVERSE_MODEL_SERVER"
AWAY = {  # what mends a check that could not even be made
    **dict.fromkeys(("database", "migrations", "clock", "beat", "relay", "parked"), _DATABASE),
    **dict.fromkeys(("broker", "topology", "workers"), _BROKER),
    **dict.fromkeys(("model_server", "global_model"), _MODELS),
    "cache": "start Redis, or correct ACTVERSE_CACHE",
    "storage": "start the storage, or correct ACTVERSE_STORAGE and its keys",
    "disk": "give ACTVERSE_DATA_DIR a folder that can be written",
}
WAIT_S = 2.0  # between two rounds of `--wait`


def examine(
    settings: Settings | None = None, only: Sequence[str] = (), *, mail_to: str | None = None
) -> list[Finding]:
    """Run the checks, all of them or those named; none changes more than a file that it removes.

    `mail_to` is an address that a message is really sent to. Raises `BadInput` for an unknown name.
    """
    if unknown := set(only) - CHECKS.keys():
        raise BadInput(
            f"There is no check {', '.join(sorted(unknown))}; there are: {', '.join(CHECKS)}."
        )
    chosen = {name: CHECKS[name] for name in CHECKS if not only or name in only}
    if mail_to is not None:
        chosen["mail"] = partial(mail.servers, to=mail_to)
    platform = wiring.build(settings or Settings())
    try:
        return [
            finding
            for name, check in chosen.items()
            for finding in safely(name, check, platform, AWAY.get(name, "make setup"))
        ]
    finally:
        platform.engine.dispose()


def wait(look: Callable[[], list[Finding]], patience_s: float) -> list[Finding]:
    """Look again until all is well, for `patience_s` at most; the last findings."""
    deadline = time.monotonic() + patience_s
    while True:
        findings = look()
        if all(finding.ok for finding in findings) or time.monotonic() >= deadline:
            return findings
        time.sleep(WAIT_S)


def embedded(platform: Platform) -> bool:
    """Whether the broker is a file of this machine, and so all processes are here."""
    return platform.settings.broker_url.startswith("actverse+sqlite:")
