"""Flower in the embedded mesh: on loopback, with a password that is made once and kept."""

from __future__ import annotations

import os
import secrets

from deploy.local.ports import any_free, is_free
from shared.settings import Settings

PASSWORD_FILE = "flower_password"  # noqa: S105 - a name, not a password
LOOPBACK = "127.0.0.1"


class LocalFlower:
    """Its address and its credentials."""

    def __init__(self, settings: Settings) -> None:
        wanted = settings.flower.port
        self.port = wanted if is_free(LOOPBACK, wanted) else any_free(LOOPBACK)
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.user = settings.flower.user
        self.password = settings.flower.password or _kept(settings)

    @property
    def env(self) -> dict[str, str]:
        """What its process is given."""
        return {
            "ACTVERSE_FLOWER__HOST": LOOPBACK,
            "ACTVERSE_FLOWER__PORT": str(self.port),
            "ACTVERSE_FLOWER__USER": self.user,
            "ACTVERSE_FLOWER__PASSWORD": self.password,
        }

    @property
    def told(self) -> str:
        """Where it is, for the person at the terminal."""
        return f"{self.url}   (user {self.user}, password {self.password})"


def _kept(settings: Settings) -> str:
    """The password in the data folder (mode 600), made when there is none."""
    path = settings.data_dir / PASSWORD_FILE
    if path.is_file() and (kept := path.read_text(encoding="utf-8").strip()):
        path.chmod(0o600)
        return kept
    password = secrets.token_urlsafe(18)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # one that is there keeps its mode
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(password + "\n")
    return password
