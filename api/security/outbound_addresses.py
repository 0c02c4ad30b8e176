"""Where this server may send something on somebody else's word: to public addresses only.

Whoever names an address could otherwise let the server ask what only it can reach: itself, the
machines beside it, and the place where a cloud keeps its keys.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

Address = IPv4Address | IPv6Address

LONGEST_URL = 2_000
_HTTPS_PORT = 443
_FIRST_OPEN_PORT = 1024

# One pattern for all of it, so that nothing is left that another reader of the same text could
# take for a host: no credentials, no fragment, no blank, no backslash, ASCII only.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<target>[/?][!$-;=?-Z_a-z~%&]*)?",
    re.ASCII | re.IGNORECASE,
)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_NEVER_PUBLIC = ("localhost", "local", "internal", "home.arpa", "onion")
_LONGEST_HOST = 253

# What the registries of special addresses list (RFC 6890 and after), and two that are not there:
# what Python's own `is_global` says depends on its version, so it is asked as well, not instead.
_SPECIAL_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "168.63.129.16/32",  # a cloud's own, for its machines
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
# Outside of this there are loopback, private, link-local, site-local and multicast addresses, and
# those that stand for an address of IPv4: mapped, compatible, translated (64:ff9b::/96).
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # Teredo among them, which carries an address of IPv4
            "2001:db8::/32",
            "2002::/16",  # 6to4, which does so too
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)


class NotPublicError(Exception):
    """Nothing may be sent there; the text says why, in a sentence without the address."""


class Destination(NamedTuple):
    """Where something is sent: an URL in its parts, of which nothing is read a second time."""

    scheme: str
    host: str
    port: int
    target: str
    literal: Address | None
    """The host, where it is an address itself."""
    is_for_tests: bool
    """It is on the list of addresses allowed although they are not public."""


class Destinations:
    """Tells where something may be sent; what a host stands for is looked up by who sends.

    `test_addresses`, as `127.0.0.1:9000`, are allowed although they are not public, by plain http
    too: for trying things out on one machine.
    """

    def __init__(self, test_addresses: Iterable[str] = ()) -> None:
        self._test_addresses = frozenset(map(parse_address, test_addresses))

    def parse_url(self, url: str) -> Destination:
        """Take an URL apart. Raises NotPublicError where it can never be right."""
        found = _URL.fullmatch(url) if len(url) <= LONGEST_URL else None
        if found is None:
            raise NotPublicError(
                "This is not a plain URL: https, a host, perhaps a port and a path, in ASCII."
            )
        scheme, host = found["scheme"].lower(), found["host"].lower()
        port = int(found["port"] or (_HTTPS_PORT if scheme == "https" else 80))
        target = found["target"] or "/"
        literal = _literal(host)
        is_for_tests = (literal, port) in self._test_addresses
        if not is_for_tests:
            _refuse_what_is_never_right(scheme, host, port, literal)
        return Destination(
            scheme,
            host.strip("[]"),
            port,
            target if target.startswith("/") else f"/{target}",
            literal,
            is_for_tests,
        )


def refuse_private(destination: Destination, found: Iterable[Address]) -> None:
    """Raise NotPublicError where any of the addresses that its host has is not public."""
    if not destination.is_for_tests and not all(map(is_public, found)):
        raise NotPublicError("Its host has an address that is not public.")


def is_public(address: Address) -> bool:
    """Tell whether an address is one host's of the public internet, whoever asks."""
    if isinstance(address, IPv4Address):
        is_special = any(address in network for network in _SPECIAL_V4)
    else:
        is_special = address not in _GLOBAL_V6 or any(address in each for each in _SPECIAL_V6)
    return not is_special and address.is_global and not address.is_multicast


def parse_address(text: str) -> tuple[Address, int]:
    """Take `127.0.0.1:9000` or `[::1]:9000` apart. Raises ValueError for anything else."""
    host, _, port = text.rpartition(":")
    address = _literal(host.lower())
    if address is None or not port.isdecimal() or not 0 < int(port) <= 65_535:
        raise ValueError("an address is written as in 127.0.0.1:9000 or [::1]:9000")
    return address, int(port)


def _refuse_what_is_never_right(scheme: str, host: str, port: int, literal: Address | None) -> None:
    if scheme != "https":
        raise NotPublicError("Only https is allowed.")
    if port != _HTTPS_PORT and not _FIRST_OPEN_PORT <= port <= 65_535:
        raise NotPublicError("Only port 443, or one from 1024 on, is allowed.")
    if literal is not None:
        if not is_public(literal):
            raise NotPublicError("This is not a public address.")
    elif not _is_a_public_name(host):
        raise NotPublicError("This is not the name of a public host.")


def _literal(host: str) -> Address | None:
    """Read a host that is an address in its one usual spelling; None for any other."""
    try:
        if host.startswith("["):
            return IPv6Address(host[1:-1])
        return IPv4Address(host)
    except ValueError:
        return None


def _is_a_public_name(host: str) -> bool:
    labels = host.split(".")
    return (
        len(host) <= _LONGEST_HOST
        and len(labels) > 1
        and all(_LABEL.fullmatch(label) for label in labels)
        # some readers take such a host for an address: 2130706433, 0x7f.1, 127.1
        and not _NUMBER.fullmatch(labels[-1])
        and not any(host == each or host.endswith(f".{each}") for each in _NEVER_PUBLIC)
    )
