"""Addresses that open one stored file to whoever has them, until they expire.

A labeling tool shows frames in the browser of a person who has no key of ours, and an analysis
server fetches the audio that it is asked about: the address itself is the permission. Its signature
covers the storage key and the moment of expiry, so neither can be changed, and nothing can be listed
or guessed from an address that one has.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from shared.errors import Forbidden, NotFound
from shared.messages import Sentence
from shared.net import secret_file


@dataclass(frozen=True)
class Links:
    """One kind of such addresses: where they begin, and which files they open."""

    kind: str  # in the names of its sentences
    route: str  # where its paths begin
    root: str  # of its storage keys; what all have in common is not said in the path
    opens: re.Pattern[str]  # the whole of a storage key
    secret_file: str
    purpose: bytes  # the secret may never sign anything else by accident


FRAMES = Links(
    kind="frame",
    route="/frames/",
    root="frames/",
    opens=re.compile(r"frames/.+\.(?:jpg|jpeg|png)", re.IGNORECASE | re.DOTALL),
    secret_file="frame_link_secret",  # noqa: S106 - a name, not a secret
    purpose=b"actverse frame link v1\n",
)
AUDIO = Links(
    kind="audio",
    route="/audio/",
    root="",
    opens=re.compile(r"inputs/[^/]+/recording[^/]*|catalogue/(?:tokens|scripts)/.+", re.DOTALL),
    secret_file="speech_link_secret",  # noqa: S106 - a name, not a secret
    purpose=b"actverse audio link v1\n",
)


def link_path(secret: bytes, key: str, expires_s: float, links: Links = FRAMES) -> str:
    """``/frames/{expiry}-{signature}/{task}/{image}``, valid for so many seconds from now.

    Raises `NotFound` for a key that is none of this kind: such an address would never open.
    """
    _checked(key, links)
    expires = int(time.time() + expires_s)
    token = f"{expires}-{_signature(secret, key, expires, links)}"
    return f"{links.route}{token}/{quote(key.removeprefix(links.root))}"


def checked_link(secret: bytes, token: str, rest: str, links: Links = FRAMES) -> str:
    """The storage key that ``/frames/{token}/{rest}`` opens.

    Raises `Forbidden` for a signature that is not ours or has expired, `NotFound` for anything but
    a file of this kind.
    """
    key = links.root + rest
    expires, _, signature = token.partition("-")
    usable = expires.isascii() and expires.isdigit() and len(expires) <= 12
    expected = _signature(secret, key, int(expires) if usable else 0, links)
    if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")) or not usable:
        raise Forbidden(Sentence(f"error.{links.kind}_link_unsigned"))
    if int(expires) < time.time():
        raise Forbidden(Sentence(f"error.{links.kind}_link_expired"))
    _checked(key, links)
    return key


def _checked(key: str, links: Links) -> None:
    escapes = any(part in {"", ".", ".."} for part in key.split("/")) or "\\" in key or "\0" in key
    if escapes or not links.opens.fullmatch(key):
        raise NotFound(Sentence(f"error.{links.kind}_link_of_what"))


def _signature(secret: bytes, key: str, expires: int, links: Links) -> str:
    signed = links.purpose + f"{expires}\n{key}".encode()
    return hmac.new(secret, signed, hashlib.sha256).hexdigest()


def kept_secret(configured: str | None, data_dir: Path, links: Links = FRAMES) -> bytes:
    """The secret that signs: the configured one, or one made once in the data folder (mode 600).

    Where gateway and workers do not share a data folder it must be configured.
    """
    if configured:
        return configured.encode()
    return secret_file.kept_secret(
        data_dir / links.secret_file, lambda: secrets.token_urlsafe(32)
    ).encode()
