"""This machine: packages, disk, the key file."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from deploy.cli.doctor.finding import Finding, fine, wrong
from shared.platform import Platform

ENOUGH_DISK_GB = 5.0
KEY_FILE = "api_key"
NEEDED = ("celery", "kombu", "sqlalchemy", "pydantic")
NAMED = ("fastapi", "torch", "ultralytics", "openvino", "tritonclient")  # where they are
CELERY = (5, 7)


def packages(platform: Platform) -> Iterator[Finding]:
    """Python and the packages whose versions matter."""
    del platform
    found = {name: installed for name in (*NEEDED, *NAMED) if (installed := _version(name))}
    text = f"Python {sys.version.split()[0]}; " + ", ".join(f"{n} {v}" for n, v in found.items())
    absent = [name for name in NEEDED if name not in found]
    if sys.version_info[:2] != (3, 11):
        yield wrong("packages", text, "install Python 3.11, then: make setup")
    elif absent:
        yield wrong("packages", f"{text}; absent: {', '.join(absent)}", "make setup")
    elif tuple(int(n) for n in found["celery"].split(".")[:2]) != CELERY:
        yield wrong("packages", f"{text}; Celery 5.7 is what was tested", "make setup")
    else:
        yield fine("packages", text)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def disk(platform: Platform) -> Iterator[Finding]:
    """Room for the next videos."""
    folder = platform.settings.data_dir
    folder.mkdir(parents=True, exist_ok=True)
    free_gb = shutil.disk_usage(folder).free / 1e9
    text = f"{free_gb:.1f} GB free for {folder}"
    if free_gb < ENOUGH_DISK_GB:
        yield wrong("disk", text, f"free some space: du -xh {folder} | sort -h | tail -30")
    else:
        yield fine("disk", text)


def key_file(platform: Platform) -> Iterator[Finding]:
    """The first API key, as it lies on this disk."""
    path = platform.settings.data_dir / KEY_FILE
    if not path.exists():
        yield fine("API key", f"none in {path}; the gateway makes one at its first start")
    elif path.stat().st_mode & 0o077:
        yield wrong("API key", "others on this machine can read it", f"chmod 600 {path}")
    else:
        yield fine("API key", f"kept in {path}")
