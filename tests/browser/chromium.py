"""A real browser: Debian's Chromium, installed when it is missing, driven by Playwright."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

_LOCK_S = 300  # how long we wait for another apt-get
NAMES = ("chromium", "chromium-browser", "google-chrome")


class Missing(Exception):
    """There is no browser, and nothing can bring one."""


def _found() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@cache
def chromium() -> str:
    """The browser's program; `Missing` says what to install."""
    return _found() or _installed()


def _installed() -> str:
    why = "this is not root on a Debian-like system"
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        options = ["-qq", "-o", f"DPkg::Lock::Timeout={_LOCK_S}"]
        packages = ["chromium", "fonts-nanum"]  # without the font, Korean is a row of boxes
        for verb in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", *options, *verb],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        why = f"apt-get install failed: {done.stderr.strip()[-300:]}"
        if found := _found():
            return found
    raise Missing(f"The tests of the pages need Chromium; {why}. `apt-get install chromium`.")
