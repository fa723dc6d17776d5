"""Addresses that open one stored file to whoever has them, until they expire.

A labeling tool shows frames in the browser of a person who has no key of ours: the address itself
is the permission. Its signature covers the storage key and the moment of expiry, so neither can be
changed, and nothing can be listed or guessed from an address that one has.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from pathlib import Path
from urllib.parse import quote

from shared.errors import Forbidden, NotFound
from shared.net import secret_file

FRAMES = "frames/"
IMAGES = (".jpg", ".jpeg", ".png")
SECRET_FILE = "frame_link_secret"  # noqa: S105 - a name, not a secret
PURPOSE = b"actverse frame link v1\n"  # the secret may never sign anything else by accident


def link_path(secret: bytes, key: str, expires_s: float) -> str:
    """``/frames/{expiry}-{signature}/{task}/{image}``, valid for so many seconds from now.

    Raises `NotFound` for a key that is no image of a frame: such an address would never open.
    """
    _checked(key)
    expires = int(time.time() + expires_s)
    return f"/frames/{expires}-{_signature(secret, key, expires)}/{quote(key.removeprefix(FRAMES))}"


def checked_link(secret: bytes, token: str, rest: str) -> str:
    """The storage key that ``/frames/{token}/{rest}`` opens.

    Raises `Forbidden` for a signature that is not ours or has expired, `NotFound` for anything but
    an image of a frame.
    """
    key = FRAMES + rest
    expires, _, signature = token.partition("-")
    usable = expires.isascii() and expires.isdigit() and len(expires) <= 12
    expected = _signature(secret, key, int(expires) if usable else 0)
    if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")) or not usable:
        raise Forbidden("This address of a frame is not signed by this mesh.")
    if int(expires) < time.time():
        raise Forbidden(
            "This address of a frame has expired. Open the labeling again, or have addresses live "
            "longer with ACTVERSE_LABELING__FRAME_LINK_S."
        )
    _checked(key)
    return key


def _checked(key: str) -> None:
    parts = key.split("/")
    image = key.startswith(FRAMES) and key.lower().endswith(IMAGES)
    escapes = any(part in {"", ".", ".."} for part in parts) or "\\" in key or "\0" in key
    if not image or escapes:
        raise NotFound("Only images of frames have such addresses.")


def _signature(secret: bytes, key: str, expires: int) -> str:
    return hmac.new(secret, PURPOSE + f"{expires}\n{key}".encode(), hashlib.sha256).hexdigest()


def kept_secret(configured: str | None, data_dir: Path) -> bytes:
    """The secret that signs: the configured one, or one made once in the data folder (mode 600).

    Where gateway and workers do not share a data folder it must be configured.
    """
    if configured:
        return configured.encode()
    return secret_file.kept_secret(
        data_dir / SECRET_FILE, lambda: secrets.token_urlsafe(32)
    ).encode()
