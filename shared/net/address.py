"""Which network addresses a URL given by a user may lead to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import httpx

from shared.errors import BadInput, Forbidden, Invalid, NotFound, Unavailable

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SCHEMES = ("http", "https")

# `is_global` follows the IANA registries of the running Python's patch release, and those lists
# changed within 3.11; what must never be reached is therefore also written out here.
NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local: the metadata service of every cloud lives here
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",  # unspecified, loopback, IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64: leads to any IPv4 address, private ones included
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",  # Teredo, ORCHID, benchmarks
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)


def spoken(url: str | httpx.URL) -> str:
    """The URL as it may appear in a message or a log: no user, no password, no query (signatures)."""
    try:
        plain = httpx.URL(url).copy_with(username=None, password=None, query=None, fragment=None)
    except (httpx.InvalidURL, ValueError, TypeError):
        return "(an unreadable address)"
    return str(plain)


def neighbourhood(address: str) -> str:
    """What counts as one sender: an IPv4 address, or the /64 that every IPv6 host has all of."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((found, 64), strict=False))


def is_public(address: Address) -> bool:
    """True for an address of the open internet."""
    if any(address.version == network.version and address in network for network in NEVER):
        return False
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or address.is_loopback
        or address.is_link_local
    )


@dataclass(frozen=True)
class Allowed:
    """Public addresses, and the exceptions an operator made."""

    names: frozenset[str]  # host names, lower case; whatever they resolve to is allowed
    networks: tuple[Network, ...]

    @classmethod
    def of(cls, allow: Sequence[str]) -> Allowed:
        """From a setting: host names ("storage.internal"), addresses, or networks ("10.1.0.0/16")."""
        names: set[str] = set()
        networks: list[Network] = []
        for raw in allow:
            entry = raw.strip().strip("[]").rstrip(".").lower()
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                if not entry or any(sign in entry for sign in "/:@ *"):
                    raise Invalid(
                        f"The allow-list entry {raw!r} is neither a host name nor an address nor a network. "
                        'Write for example "storage.internal", "10.1.2.3" or "10.1.0.0/16".'
                    ) from None
                names.add(entry)
        return cls(frozenset(names), tuple(networks))

    def url(self, url: str | httpx.URL) -> httpx.URL:
        """`url` if its form is acceptable; no name is resolved here.

        Raises `BadInput` for another scheme, credentials in the URL, or no host.
        """
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError, TypeError):
            raise BadInput(
                "The address cannot be read as a URL. Check it for typing errors."
            ) from None
        if parsed.scheme not in SCHEMES:
            raise BadInput(
                f"The scheme {parsed.scheme or '(none)'!r} cannot be fetched over HTTP. Use http:// or https://."
            )
        if parsed.userinfo:
            raise BadInput(
                f"The address {spoken(parsed)} carries a user name or password, which would end up in logs. "
                "Remove it and use a signed link instead."
            )
        if not parsed.host:
            raise BadInput(f"The address {spoken(parsed)} names no host.")
        return parsed

    def permits(self, host: str, address: Address) -> bool:
        """True if a connection to `address`, found under the name `host`, may be made."""
        if host.rstrip(".").lower() in self.names or is_public(address):
            return True
        inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any(
            candidate.version == network.version and candidate in network
            for candidate in (address, inner)
            if candidate is not None
            for network in self.networks
        )

    def addresses(self, host: str, port: int) -> list[Address]:
        """Every address of `host`, each of them permitted.

        One forbidden address among several refuses the host: names that mix public and private
        addresses are how a second look-up is tricked into another answer.
        """
        found = resolve(host, port)
        for address in found:
            if not self.permits(host, address):
                # The address itself stays unsaid: it would draw a map of the inner network.
                raise Forbidden(
                    f"{host} leads into a private or reserved network. Only public addresses are "
                    "fetched; an operator can allow more with ACTVERSE_NETWORK__ALLOW."
                )
        return found


def resolve(host: str, port: int) -> list[Address]:
    """The addresses of `host` in the order of the system, without duplicates."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            raise NotFound(
                f"No server named {host} is known. Check the address for typing errors."
            ) from None
        raise Unavailable(
            f"The name {host} could not be looked up just now ({error.strerror})."
        ) from None
    except (UnicodeError, ValueError):
        raise BadInput(f"{host!r} is not a host name.") from None
    plain = (str(answer[4][0]).partition("%")[0] for answer in answers)
    return list(dict.fromkeys(ipaddress.ip_address(text) for text in plain))
