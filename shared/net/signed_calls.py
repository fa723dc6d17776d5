"""Calls that prove who makes them: signed as the Standard Webhooks specification has it.

Both ways, so that what one mesh sends another can check, and any library of the standard as well.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping

from shared.errors import Unauthorised
from shared.messages import Sentence

SECRET_PREFIX = "whsec_"  # noqa: S105 - the mark by which the standard's libraries know one
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
WINDOW_S = 300  # a call is good for so long, for clocks that differ; recorded ones are not, later
MAX_ID = 255  # characters
MAX_SIGNATURES = 8  # of one call: a sender that changes its secret signs with the old one too


def new_secret() -> str:
    """32 random bytes, in the form that the standard's libraries take."""
    return _written(secrets.token_bytes(32))


def derived_secret(root: bytes, purpose: str, subject: str) -> str:
    """A secret for `subject` alone, which nobody has to keep: `root` gives the same one again."""
    return _written(hmac.digest(root, f"{purpose}\n{subject}".encode(), hashlib.sha256))


def _written(key: bytes) -> str:
    return SECRET_PREFIX + base64.b64encode(key).decode()


def usable(secret: str) -> bool:
    """Whether `secret` has the form of the standard: the mark, and base64 of 24 to 64 bytes."""
    try:
        return secret.startswith(SECRET_PREFIX) and 24 <= len(_key(secret)) <= 64
    except (binascii.Error, ValueError):
        return False


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)


def signature(secret: str, call_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the base64 of the HMAC-SHA256 of `<id>.<unix seconds>.<body>`."""
    signed = f"{call_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()


def signed_headers(secret: str, call_id: str, body: bytes) -> dict[str, str]:
    """The same id on every try, a fresh moment, and the signature over both and the body."""
    timestamp = int(time.time())
    return {
        ID: call_id,
        TIMESTAMP: str(timestamp),
        SIGNATURE: signature(secret, call_id, timestamp, body),
    }


def check_call(secret: str, headers: Mapping[str, str], body: bytes) -> None:
    """Raise `Unauthorised` unless the call was signed with `secret` within the last minutes."""
    call_id, moment = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    given = headers.get(SIGNATURE, "").split()[:MAX_SIGNATURES]
    readable = moment.isascii() and moment.isdigit() and len(moment) <= 12
    if not given or not readable or not 0 < len(call_id) <= MAX_ID:
        raise Unauthorised(Sentence("error.call_unsigned"))
    expected = signature(secret, call_id, int(moment), body).encode()
    if not any(hmac.compare_digest(expected, s.encode(errors="replace")) for s in given):
        raise Unauthorised(Sentence("error.call_forged"))
    if abs(time.time() - int(moment)) > WINDOW_S:
        raise Unauthorised(Sentence("error.call_too_old", window_s=WINDOW_S))
