"""Which addresses a user may give, and how an address is shown without its secrets."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from urllib.parse import parse_qsl, unquote, urlsplit

from services.notification.errors import AddressUnusable
from shared.net.address import Allowed
from shared.net.connections import Guard, only_to

FIXED_HOST = frozenset({"discord", "slack", "tgram"})  # the service's own, whatever the URL says
NAMED_HOST = frozenset({"form", "forms", "json", "jsons", "mailto", "mailtos", "xml", "xmls"})
MAIL = frozenset({"mailto", "mailtos"})
# What a user may say behind the question mark. Not among them: keys and templates read from files
# of this machine, key servers to be asked, certificates not to be checked.
MAIL_OPTIONS = frozenset(
    {"bcc", "cc", "format", "from", "mode", "name", "pass", "reply", "smtp", "to", "user"}
)
OTHER_OPTIONS = frozenset({"blocks", "footer", "format", "image", "method", "thread"})
FIELD_SIGNS = ("+", "-", ":")  # headers and fields of webhooks
DEFAULT_PORTS = {"mailto": 587, "mailtos": 587, "json": 80, "form": 80, "xml": 80}
SHORTEST_SECRET = 4  # shorter pieces of an address stay readable: they occur in any sentence


def scheme_of(url: str) -> str:
    """The kind of the address."""
    return url.strip().partition(":")[0].lower()


def shown(url: str) -> str:
    """The address as it may appear in sentences: kind, and host where the URL names one."""
    scheme = scheme_of(url)
    if not scheme.isalnum() or "://" not in url:  # without a kind, all of it may be a secret
        return "(an unreadable address)"
    if scheme not in NAMED_HOST:
        return f"{scheme}://..."
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return f"{scheme}://..."
    return f"{scheme}://{host or '...'}" + (f":{port}" if port else "")


def without_secrets(text: str, url: str) -> str:
    """`text` with every piece of the address that is not its host replaced."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return "the other side refused it"
    pieces = [parts.username, parts.password, *parts.path.split("/"), parts.fragment]
    pieces += [value for _, value in parse_qsl(parts.query)]
    if scheme_of(url) not in NAMED_HOST:
        pieces += [parts.hostname, parts.netloc]
    spelled = {form for piece in pieces if piece for form in (piece, unquote(piece))}
    for piece in sorted(spelled, key=len, reverse=True):
        if len(piece) >= SHORTEST_SECRET:
            text = text.replace(piece, "***")
    return text


def check_kind(url: str) -> None:
    """Refuse kinds and options of addresses that could reach into this machine."""
    scheme = scheme_of(url)
    if scheme not in FIXED_HOST | NAMED_HOST:
        known = ", ".join(sorted(FIXED_HOST | NAMED_HOST))
        raise AddressUnusable(shown(url), f"users may give addresses of these kinds: {known}")
    known_options = MAIL_OPTIONS if scheme in MAIL else OTHER_OPTIONS
    unknown = {
        name
        for name in _options(url)
        if name.lower() not in known_options
        and (scheme not in NAMED_HOST - MAIL or not name.startswith(FIELD_SIGNS))
    }
    if unknown:
        raise AddressUnusable(
            shown(url), f"these options are not for users: {', '.join(sorted(unknown))}"
        )


def check_host(url: str, host: str | None, port: int | None, allow: Sequence[str]) -> None:
    """Refuse a private destination that is not in `allow`; `host` is the one that is called.

    The name is looked up again when the message leaves; `held` sees to what is found then.
    """
    scheme = scheme_of(url)
    if scheme in FIXED_HOST:
        return
    if not host:
        raise AddressUnusable(shown(url), "it names no host")
    Allowed.of(allow).addresses(host, port or DEFAULT_PORTS.get(scheme, 443))


def held(url: str, host: str | None, allow: Sequence[str]) -> AbstractContextManager[Guard | None]:
    """Within it, this thread connects only where a message to `url` may go.

    Services with a host of their own are left alone: they may be reached through a proxy.
    """
    if scheme_of(url) in FIXED_HOST:
        return nullcontext()
    return only_to(Allowed.of(allow), host or "")


def _options(url: str) -> set[str]:
    """The names behind the question mark; a plus there is a sign, not a blank."""
    parts = url.partition("?")[2].replace(";", "&").split("&")
    return {unquote(part.partition("=")[0]) for part in parts if part}
