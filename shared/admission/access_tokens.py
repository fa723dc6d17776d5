"""Access tokens: signed, short-lived proofs of a login (JSON Web Tokens, RFC 7519, HS256).

A token says who logged in and in which session; what that person may do, and whether the session still
goes on, is asked of the database each time.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

import jwt

from shared.errors import Unauthorised
from shared.messages import Sentence
from shared.net.secret_file import kept_secret
from shared.settings import Settings, revealed

SECRET_FILE = "access_token_secret"  # noqa: S105 - a name, not a secret
ALGORITHM = "HS256"
AUDIENCE = "actverse"  # a token that the same secret signed for something else is none of ours
NEEDED = ("exp", "iat", "sub", "sid", "aud")


@dataclass(frozen=True)
class Claims:
    """What a token that we signed says."""

    user_id: str
    session: str  # the login that it belongs to


def is_token(key: str) -> bool:
    """Whether `key` has the form of a token; API keys have no dots."""
    return key.count(".") == 2


def sign(settings: Settings, claims: Claims) -> str:
    """A token that is good for `accounts.access_token_s` from now."""
    issued = int(time.time())
    told: dict[str, Any] = {
        "sub": claims.user_id,
        "sid": claims.session,
        "aud": AUDIENCE,
        "iat": issued,
        "exp": issued + settings.accounts.access_token_s,
    }
    return jwt.encode(told, _secret(settings), ALGORITHM)


def claims_of(settings: Settings, token: str) -> Claims:
    """What the token says; `Unauthorised` for one that we did not sign, or that is too old."""
    try:
        told = jwt.decode(
            token,
            _secret(settings),
            algorithms=[ALGORITHM],  # never the one that the token itself names
            audience=AUDIENCE,
            options={"require": list(NEEDED)},
        )
    except jwt.ExpiredSignatureError:
        raise Unauthorised(Sentence("error.token_expired")) from None
    except jwt.PyJWTError:
        raise Unauthorised(Sentence("error.key_unknown")) from None
    return Claims(str(told["sub"]), str(told["sid"]))


def _secret(settings: Settings) -> str:
    configured = revealed(settings.accounts.token_secret)
    path = settings.data_dir / SECRET_FILE
    return configured or kept_secret(path, lambda: secrets.token_urlsafe(48))
