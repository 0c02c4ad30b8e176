"""Where e-mail is handed over: the operator's mail server, read off one URL."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import unquote

_URL = re.compile(
    r"(?P<scheme>smtps?)://"
    r"(?:(?P<user>[^\s:@/?#]+):(?P<password>[^\s:@/?#]+)@)?"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?/?",
    re.ASCII | re.IGNORECASE,
)
_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server, and how it is spoken to: with TLS from the start, or from STARTTLS on.

    With neither, all is in the clear: only to this machine itself.
    """

    host: str
    port: int
    tls: bool
    starttls: bool
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


def parse_mail_server(url: str) -> MailServer:
    """Read `smtp://user:password@mail.example.org:587`, or `smtps://…:465`.

    What of a name or password stands for something else in an URL is written with `%`. Raises
    ValueError, without the URL: it may hold a password.
    """
    found = _URL.fullmatch(url)
    port = int(found["port"] or _PORTS[found["scheme"].lower()]) if found else 0
    if found is None or port > 65_535:
        raise ValueError("not the URL of a mail server")
    host, tls = found["host"].strip("[]").lower(), found["scheme"].lower() == "smtps"
    user, password = found["user"], found["password"]
    return MailServer(
        host,
        port,
        tls=tls,
        starttls=not (tls or _is_this_machine(host)),
        username=None if user is None else unquote(user),
        password=None if password is None else unquote(password),
    )


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
