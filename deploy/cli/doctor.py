"""What may be wrong with this machine or its mesh, and what mends it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

from deploy.cli.client import Client, Refused, address
from deploy.local import triton
from deploy.local.mesh import ROOT, TRITON_VENV
from deploy.local.state import STATE_FILE
from shared import wiring
from shared.db import migrate
from shared.errors import Unavailable
from shared.flow import parking
from shared.platform import Platform
from shared.settings import Settings
from shared.web.access import KEY_FILE

ENOUGH_DISK_GB = 5.0


@dataclass(frozen=True)
class Finding:
    """One check: whether it is fine, what was found, and the command that mends it."""

    ok: bool
    what: str
    text: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Every check; none changes anything but a small file that it removes again."""
    settings = Settings()
    platform = wiring.build(settings)
    checks: list[Callable[[], Finding]] = [
        _python,
        lambda: _disk(settings),
        lambda: _database(platform),
        lambda: _storage(platform),
        _triton,
        lambda: _global_model(settings),
        lambda: _key_file(settings),
        lambda: _mesh(settings),
        lambda: _parked(platform),
    ]
    return [_safely(check) for check in checks]


def _safely(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a check that breaks is a finding
        return Finding(ok=False, what="check", text=f"{type(error).__name__}: {error}")


def _python() -> Finding:
    named = ("celery", "kombu", "sqlalchemy", "fastapi", "torch", "ultralytics")
    versions = ", ".join(f"{name} {version(name)}" for name in named)
    right = sys.version_info[:2] == (3, 11)
    found = f"Python {sys.version.split()[0]}; {versions}"
    return Finding(
        right, "packages", found, "" if right else "install Python 3.11, then make setup"
    )


def _disk(settings: Settings) -> Finding:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    free_gb = shutil.disk_usage(settings.data_dir).free / 1e9
    fine = free_gb >= ENOUGH_DISK_GB
    return Finding(fine, "disk", f"{free_gb:.1f} GB free", "" if fine else "free some space")


def _database(platform: Platform) -> Finding:
    file = platform.engine.url.database
    if platform.engine.dialect.name == "sqlite" and not Path(str(file)).exists():
        return Finding(ok=True, what="database", text="not made yet; the first `make up` does")
    behind = migrate.pending(platform.engine)
    text = "behind the code" if behind else "at the version of the code"
    return Finding(not behind, "database", text, "make up (it migrates)" if behind else "")


def _storage(platform: Platform) -> Finding:
    key = f"interim/doctor-{uuid4().hex}/probe.txt"
    path = platform.storage.local(key)
    path.write_text("round trip", encoding="utf-8")
    platform.storage.keep(key)
    with platform.storage.open(key) as file:
        back = file.read()
    platform.storage.delete(key.rsplit("/", 1)[0])
    return Finding(back == b"round trip", "storage", platform.settings.storage_url)


def _triton() -> Finding:
    reason = triton.available(TRITON_VENV)
    if reason is None:
        return Finding(ok=True, what="model server", text="Triton from the wheel")
    return Finding(
        ok=False,
        what="model server",
        text=f"ONNX Runtime in the process, because: {reason}",
        remedy="deploy/local/setup.sh triton",
    )


def _global_model(settings: Settings) -> Finding:
    about = ROOT / "triton_models" / "global" / "model.json"
    found = json.loads(about.read_text(encoding="utf-8"))
    weights = settings.global_weights or f"shipped, {found['image_size']} px"
    return Finding(ok=True, what="global model", text=weights)


def _mesh(settings: Settings) -> Finding:
    if not (settings.data_dir / STATE_FILE).exists():
        return Finding(ok=True, what="mesh", text="not running here; `make up` starts it")
    try:
        with Client(*address()) as client:
            health = client.call("GET", "/health")
    except Refused as refused:  # 503: some dependency is away
        return Finding(
            ok=False, what="mesh", text=str(refused), remedy=f"look at {_logs(settings)}"
        )
    except Unavailable as error:
        return Finding(ok=False, what="mesh", text=str(error), remedy="make up")
    busy = [f"{q['name']} {q['pending']}" for q in health["queues"].values() if q["pending"]]
    waiting = f"; waiting: {', '.join(busy)}" if busy else ""
    return Finding(ok=True, what="mesh", text=f"{client.url} is well{waiting}")


def _logs(settings: Settings) -> Path:
    return settings.data_dir / "logs"


def _parked(platform: Platform) -> Finding:
    with platform.reads() as session:
        parked = sum(parking.by_queue(session).values())
    if not parked:
        return Finding(ok=True, what="parked messages", text="none")
    text = f"{parked} messages were given up after too many deliveries"
    return Finding(False, "parked messages", text, "actverse parked list")


def _key_file(settings: Settings) -> Finding:
    path = settings.data_dir / KEY_FILE
    if not path.exists():
        return Finding(ok=True, what="API key", text="not made yet; the first `make up` does")
    open_to_others = bool(path.stat().st_mode & 0o077)
    remedy = f"chmod 600 {path}" if open_to_others else ""
    text = "others on this machine can read it" if open_to_others else f"kept in {path}"
    return Finding(not open_to_others, "API key", text, remedy)
