"""The broker: its version, its queues, and the one limit of RabbitMQ that ends long work."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from deploy.cli.doctor.finding import Finding, fine, unseen, wrong
from shared import wiring
from shared.platform import Platform

OLDEST_RABBITMQ = (3, 10)  # at-least-once dead-lettering of quorum queues
LONGEST_WORK = timedelta(hours=72)
LIMIT = "application:get_env(rabbit, consumer_timeout)"
LISTENERS = "rabbit_networking:active_listeners()"
ASK = f"rabbitmqctl eval '{LIMIT}.'"
SET = "put `consumer_timeout = 259200000` into rabbitmq.conf and restart RabbitMQ"
APPLY = "actverse topology apply"
PATIENCE_S = 15.0
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def is_rabbitmq(platform: Platform) -> bool:
    """Whether the broker is RabbitMQ and not a file."""
    return urlsplit(platform.settings.broker_url).scheme in {"amqp", "amqps"}


def version(platform: Platform) -> Iterator[Finding]:
    """Which broker answers."""
    if not is_rabbitmq(platform):
        yield fine("broker", "a file of this machine")
        return
    told: dict[str, Any] = platform.broker.server()  # type: ignore[attr-defined]
    found = str(told.get("version", "?"))
    text = f"{told.get('product', 'RabbitMQ')} {found}"
    numbers = tuple(int(n) for n in re.findall(r"\d+", found)[:2])
    if numbers < OLDEST_RABBITMQ:
        yield wrong(
            "broker", f"{text} has no at-least-once dead-lettering", "upgrade to 3.10 or newer"
        )
    else:
        yield fine("broker", text)


def topology(platform: Platform) -> Iterator[Finding]:
    """Every queue, with its arguments."""
    if not is_rabbitmq(platform) and not _file_exists(platform):
        yield fine("topology", "not made yet; the first `make up` does")
        return
    differences = list(platform.broker.verify())
    for difference in differences:
        yield wrong("topology", difference, _mended(platform, difference))
    if not differences:
        count = len(wiring.topology(platform.settings).queues)
        yield fine("topology", f"{count} queues are in place")


def _mended(platform: Platform, difference: str) -> str:
    """What to type; where a queue has other arguments, only its end makes room for the right one."""
    other = re.match(r"Queue (\S+) exists with other arguments", difference)
    if other is None:
        return APPLY
    host = unquote(urlsplit(platform.settings.broker_url).path[1:]) or "/"
    delete = f"rabbitmqctl -p {shlex.quote(host)} delete_queue {other[1]}"
    return f"once the queue is empty: {delete} && {APPLY}"


def _file_exists(platform: Platform) -> bool:
    from shared.bus.sqlite_database import BrokerUrl

    return BrokerUrl.parse(platform.settings.broker_url).path.exists()


def consumer_timeout(platform: Platform) -> Iterator[Finding]:
    """Whether a worker may hold a message for as long as the longest work takes.

    A message that is held for longer closes the channel of its worker: 30 minutes unless it was
    set. Only `rabbitmqctl` tells the limit, where the broker runs; the management interface does not.
    """
    what = "consumer_timeout"
    if not is_rabbitmq(platform):
        return
    told = _by_rabbitmqctl(platform.settings.broker_url)
    if told is None:
        yield unseen(
            what,
            "cannot be read from here; it ends work that takes longer (30 minutes unless set)",
            f"on the broker's machine: {ASK}  must print {{ok,259200000}} or more; else {SET}",
        )
    elif told is False:
        yield fine(what, "switched off")
    else:
        held = timedelta(milliseconds=told)
        text = str(held)
        short = held < LONGEST_WORK
        yield wrong(what, f"{text}; training may take 72 hours", SET) if short else fine(what, text)


def _by_rabbitmqctl(url: str) -> int | bool | None:
    """Milliseconds; False for no limit; None where it cannot be asked.

    Only for a broker on this machine: elsewhere `rabbitmqctl` would ask another one.
    """
    program = shutil.which("rabbitmqctl")
    if program is None or urlsplit(url).hostname not in LOOPBACK:
        return None
    try:
        done = subprocess.run(
            [program, "-q", "eval", f"{{{LISTENERS}, {LIMIT}}}."],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    port = urlsplit(url).port or 5672
    if done.returncode or not re.search(rf",\s*{port}\s*,", done.stdout):  # another broker's
        return None
    if re.search(r"\{ok,\s*undefined\}|,\s*undefined\}\s*$", done.stdout):
        return False
    found = re.search(r"\{ok,\s*(\d+)\}\s*\}\s*$", done.stdout)
    return int(found[1]) if found else None
