"""What `actverse login` leaves on this machine: where to, and the key that was made for it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from shared.net.secret_file import replace_secret
from shared.settings import Settings

FILE = "login"


@dataclass(frozen=True)
class Login:
    """A key of this machine's own."""

    url: str
    key: str
    key_id: str
    name: str  # of the user


def kept() -> Login | None:
    """The login in force; None when there is none that can be read."""
    try:
        return Login(**json.loads(_path().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def keep(login: Login) -> Path:
    """Write it down (mode 600), in place of an earlier one."""
    replace_secret(_path(), json.dumps(asdict(login)))
    return _path()


def forget() -> None:
    """Remove what was kept."""
    _path().unlink(missing_ok=True)


def _path() -> Path:
    return Settings().data_dir / FILE
