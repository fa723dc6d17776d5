"""The environment file of the stack: made once, with secrets of its own."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from shared.net.secret_file import create_secret

EXAMPLE = Path(__file__).resolve().parents[1] / "env.example"
_OPEN = re.compile(r"^([A-Z0-9_]+)=change-me$", re.MULTILINE)
SECRET_BYTES = 24


def make_environment(path: Path, example: Path = EXAMPLE) -> bool:
    """Write `path` from the example, each "change-me" replaced by a random secret; mode 600.

    False when there is one already: it is never touched, the volumes know its passwords.
    """
    filled = _OPEN.sub(
        lambda found: f"{found[1]}={secrets.token_hex(SECRET_BYTES)}",
        example.read_text(encoding="utf-8"),
    )
    return create_secret(path, filled)
