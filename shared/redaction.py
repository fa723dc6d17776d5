"""Taking out of a text what must not be read: passwords in addresses, signatures, API keys."""

from __future__ import annotations

import re

_SECRETS = (
    (re.compile(r"(?<=://)[^\s/?#@'\"]*@"), "***@"),  # user:password@
    (
        re.compile(
            r"(?i)\b(x-amz-(?:signature|security-token|credential)|signature|sig|token|key"
            r"|access_token|api_key|password)=[^&\s'\"]+"
        ),
        r"\1=***",
    ),
    (re.compile(r"\b(avr?_)[A-Za-z0-9_-]{20,}"), r"\1***"),  # our own keys and refresh tokens
    (re.compile(r"\b(whsec_)[A-Za-z0-9+/=_-]{16,}"), r"\1***"),  # of webhooks
    (re.compile(r"(/(?:audio|frames)/)\d{9,12}-[0-9a-f]{64}"), r"\1***"),  # our signed addresses
    (re.compile(r"\beyJ[\w-]+\.eyJ[\w-]+\.[\w-]*"), "eyJ***"),  # JSON Web Tokens
)


def without_secrets(text: str) -> str:
    """`text` as it may be logged or shown to others."""
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text
