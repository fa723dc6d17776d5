"""Flower in the embedded mesh: on loopback, with a password that is made once and kept."""

from __future__ import annotations

import secrets

from deploy.local.ports import any_free, is_free
from shared.net.secret_file import kept_secret
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
    return kept_secret(settings.data_dir / PASSWORD_FILE, lambda: secrets.token_urlsafe(18))
