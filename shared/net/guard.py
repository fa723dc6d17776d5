"""An HTTP client for addresses that users give (downloads, webhooks).

A server that fetches what a stranger names can be made to fetch its own neighbours (SSRF). Here
every connection, the first one and the one after each redirect, goes to an address that was
resolved *and* checked in the same breath: the socket is opened to that address, not to the name, so
a name that changes its answer between check and connect gains nothing. The `Host` header and the
TLS server name stay those of the URL, so certificates are verified as usual.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence

import httpcore
import httpx

from shared.errors import ActverseError, Conflict, Forbidden, Terminal, Unavailable
from shared.net.address import Allowed, spoken
from shared.net.deadline import Deadline, TimedStream

SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


class CheckedBackend(httpcore.SyncBackend):
    """Opens sockets only to addresses that `allowed` permits."""

    def __init__(self, allowed: Allowed, deadline: Deadline | None = None) -> None:
        self._allowed = allowed
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first checked address of `host` that answers."""
        failure: Exception | None = None
        for address in self._allowed.addresses(host, port):
            if self._deadline is not None:
                timeout = self._deadline.left_s(timeout, httpcore.ConnectTimeout)
            try:
                stream = super().connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return TimedStream(stream, self._deadline) if self._deadline else stream
        raise failure or httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        """Never: a local socket is no public address."""
        del timeout, socket_options
        raise Forbidden(f"Local sockets ({path}) are not reachable through this client.")


class GuardedTransport(httpx.HTTPTransport):
    """`httpx.HTTPTransport` over a `CheckedBackend`; it also checks the form of every URL."""

    def __init__(
        self, allowed: Allowed, context: ssl.SSLContext, deadline: Deadline | None = None
    ) -> None:
        super().__init__(verify=context, trust_env=False)
        if not isinstance(getattr(self, "_pool", None), httpcore.ConnectionPool):
            # httpx keeps its connections elsewhere: better no request than an unchecked one.
            raise TypeError("This version of httpx cannot be guarded; install the pinned one.")
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=10,
            max_keepalive_connections=2,
            keepalive_expiry=5.0,
            network_backend=CheckedBackend(allowed, deadline),
        )
        self._allowed = allowed

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Called for the first request and for each redirect."""
        self._allowed.url(request.url)
        return super().handle_request(request)


def guarded_client(
    allow: Sequence[str] = (),
    *,
    timeout_s: float = 30.0,
    connect_timeout_s: float = 10.0,
    total_s: float | None = None,
    max_redirects: int = 5,
    context: ssl.SSLContext | None = None,
) -> httpx.Client:
    """A client that reaches public addresses, and what `allow` names, and nothing else.

    `timeout_s` is the longest wait for the next byte, not for the whole answer; `total_s`, counted
    from now, ends everything that the client does (one exchange a client, then). Proxies of the
    environment are ignored, because a proxy would look names up itself, unchecked.
    Raises (from any request) `Forbidden` for a private address, `BadInput` for an unusable URL,
    `NotFound` for an unknown host; httpx's own errors go through `explained_http`.
    """
    transport = GuardedTransport(
        Allowed.of(allow),
        context or httpx.create_ssl_context(),
        Deadline(total_s) if total_s is not None else None,
    )
    return httpx.Client(
        transport=transport,
        trust_env=False,
        follow_redirects=True,
        max_redirects=max_redirects,
        timeout=httpx.Timeout(timeout_s, connect=connect_timeout_s),
        headers={"User-Agent": "actverse"},
    )


def check_reachable(url: str, allow: Sequence[str] = ()) -> str:
    """`url`, if a guarded client could call it: form, name and address; raises what it would."""
    allowed = Allowed.of(allow)
    parsed = allowed.url(url)
    allowed.addresses(parsed.host, parsed.port or (443 if parsed.scheme == "https" else 80))
    return url


# The first row whose type fits speaks; subclasses stand before their bases.
SENTENCES: tuple[tuple[type[Exception], type[ActverseError], str], ...] = (
    (
        httpx.TooManyRedirects,
        Conflict,
        "{where} redirects in a circle or too often. Use the final address.",
    ),
    (
        httpx.ConnectTimeout,
        Unavailable,
        "{where} did not accept a connection in time.",
    ),
    (
        httpx.TimeoutException,
        Unavailable,
        "{where} stopped answering: no byte arrived within the time-out.",
    ),
    (
        httpx.UnsupportedProtocol,
        Conflict,
        "{where} redirects to something that is not a web address.",
    ),
    (httpx.InvalidURL, Conflict, "{where} redirects to an address that cannot be read."),
    (httpx.DecodingError, Conflict, "{where} answered with an encoding that cannot be read."),
    (httpx.ConnectError, Unavailable, "{where} cannot be reached ({error})."),
    (httpx.TransportError, Unavailable, "The connection to {where} broke ({error})."),
)


def explained_http(error: BaseException, url: str | httpx.URL) -> ActverseError:
    """An error of a guarded request as one of ours, with a sentence; ours stay as they are."""
    if isinstance(error, ActverseError):
        return error
    where = spoken(url)
    if isinstance(error, httpx.ConnectError) and _is_certificate(error):
        return Forbidden(
            f"The certificate of {where} is not valid for it, so nobody knows who answers. "
            "Ask its owner to renew it, or use another link."
        )
    for kind, ours, sentence in SENTENCES:
        if isinstance(error, kind):
            return ours(sentence.format(where=where, error=str(error) or kind.__name__))
    return Terminal(f"{where}: {type(error).__name__}: {error}")


def _is_certificate(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
