"""Keeps `deploy/requirements/pins.txt` in agreement with the lock.

    python -m deploy.stack.pins           writes the file; `make manifests` does too
    python -m deploy.stack.pins --check   fails when it is not what the lock says

The images install names (`services/<service>/requirements.txt`, and the layers' files here) under the
constraint of one file with versions. That file holds what the images need and nothing else of the
lock: another version of a tool for tests must not make every image anew.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.stack.deployment import ROOT, requirements_of

FOLDER = ROOT / "deploy" / "requirements"
LOCK = FOLDER / "lock.txt"
PINS = FOLDER / "pins.txt"
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ \\;]+)", re.MULTILINE)
HEAD = "# Versions of everything in the images; `python -m deploy.stack.pins` takes them from lock.txt.\n"


def image_files() -> list[Path]:
    """The requirement files of the images: of layers and of those without a service, and services'."""
    others = {PINS.name, LOCK.name}
    here = [p for p in FOLDER.glob("*.txt") if p.name not in others and ".lock." not in p.name]
    return sorted([*here, *ROOT.glob("services/*/requirements.txt")])


def locked() -> dict[str, str]:
    """Canonical name -> version, as the lock says."""
    text = LOCK.read_text(encoding="utf-8")
    return {canonicalize_name(name): version for name, version in _LOCKED.findall(text)}


def pins() -> str:
    """The whole file, as it should be.

    The needs of a package are read from what is installed here, so this runs in the locked
    environment; a package that the lock does not have (another system's, or one that
    `overrides.in` takes out) is not pinned.
    """
    versions = locked()
    todo = [need for path in image_files() for need in requirements_of(path)]
    seen: set[tuple[str, str]] = set()
    while todo:
        need = todo.pop()
        name = canonicalize_name(need.name)
        for extra in ("", *sorted(need.extras)):
            if (name, extra) in seen or name not in versions:
                continue
            seen.add((name, extra))
            todo += _needs(name, extra)
    return HEAD + "".join(f"{n}=={versions[n]}\n" for n in sorted({name for name, _ in seen}))


def _needs(name: str, extra: str) -> list[Requirement]:
    try:
        told = [Requirement(line) for line in requires(name) or []]
    except PackageNotFoundError:
        return []
    return [r for r in told if r.marker is None or r.marker.evaluate({"extra": extra})]


def main(arguments: list[str]) -> int:
    """Write, or only compare; 1 when they differ."""
    right = pins()
    if "--check" not in arguments:
        PINS.write_text(right, encoding="utf-8")
        return 0
    if PINS.exists() and PINS.read_text(encoding="utf-8") == right:
        return 0
    print(f"{PINS} is not what the lock says; run: python -m deploy.stack.pins", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
