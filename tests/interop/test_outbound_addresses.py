"""Where events may be sent: nothing is ever sent to an address that is not public."""

import asyncio
import re
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from api.interop.webhooks import host_lookup, signed_request
from api.interop.webhooks.signed_request import Answer, Letter, send
from api.runtime.settings import Settings
from api.security import outbound_addresses
from api.security.outbound_addresses import Destinations, NotPublicError, is_public, parse_address
from api.storage.models.integration import Outcome
from tests.support.certificates import certificate_for
from tests.support.receivers import receiver, status
from tests.support.world import SETTINGS_SECRET

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PUBLIC = "93.184.215.14"

NEVER_RIGHT = """
http://diary.example/
ftp://diary.example/
file:///etc/passwd
gopher://127.0.0.1:{port}/
//diary.example/
diary.example
https:diary.example
https:/diary.example
https:///diary.example
https://
https://:{port}/
https://diary
https://localhost:{port}/
https://LOCALHOST:{port}/
https://localhost.:{port}/
https://diary.localhost:{port}/
https://printer.local/
https://metadata.google.internal/
https://router.home.arpa/
https://diary.example./
https://.diary.example/
https://diary..example/
https://-diary.example/
https://diary_one.example/
https://user@diary.example/
https://user:word@diary.example/
https://diary.example@127.0.0.1:{port}/
https://127.0.0.1:{port}@diary.example/
https://127.0.0.1:{port}#@diary.example/
https://127.0.0.1:{port}\\@diary.example/
https://diary.example\\@127.0.0.1:{port}/
https://diary.example#there
https://diary.example:22/
https://diary.example:25/
https://diary.example:0/
https://diary.example:65536/
https://diary.example:443:{port}/
https://diary.example: {port}/
https:// diary.example/
https://diary.example/a b
https://diary.example/\r\nHost: other.example
https://diary.example/\té
https://127.0.0.1:{port}/
https://127.0.0.1./
https://127.1:{port}/
https://127.0.1:{port}/
https://2130706433:{port}/
https://0x7f000001:{port}/
https://0x7f.1:{port}/
https://0x7f.0.0.0x1:{port}/
https://017700000001:{port}/
https://0177.0.0.1:{port}/
https://127.0.0.01:{port}/
https://0:{port}/
https://0.0.0.0:{port}/
https://1.1:{port}/
https://127.0.0.1%00.diary.example:{port}/
https://%31%32%37.0.0.1:{port}/
https://127。0。0。1:{port}/
https://①②⑦.⓪.⓪.①:{port}/
https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/
https://diary.example。/
https://d\u0131ary.example/
https://10.0.0.1:{port}/
https://100.64.0.1:{port}/
https://100.100.100.200/
https://168.63.129.16/
https://169.254.169.254/latest/meta-data/
https://172.16.0.1:{port}/
https://172.31.255.255/
https://192.0.0.192/
https://192.0.2.1/
https://192.88.99.1/
https://192.168.0.1:{port}/
https://198.18.0.1/
https://198.51.100.1/
https://203.0.113.1/
https://224.0.0.1/
https://239.255.255.250/
https://240.0.0.1/
https://255.255.255.255/
https://[::1]:{port}/
https://[0:0:0:0:0:0:0:1]:{port}/
https://[::]:{port}/
https://[::ffff:127.0.0.1]:{port}/
https://[::ffff:7f00:1]:{port}/
https://[0:0:0:0:0:ffff:7f00:1]:{port}/
https://[::127.0.0.1]:{port}/
https://[64:ff9b::7f00:1]:{port}/
https://[64:ff9b:1::a9fe:a9fe]/
https://[2002:7f00:1::]/
https://[2002:c0a8:1::1]/
https://[2001:0:7f00:1::]/
https://[2001:db8::1]/
https://[3fff::1]/
https://[100::1]/
https://[5f00::1]/
https://[fc00::1]/
https://[fd00:ec2::254]/
https://[fe80::1]/
https://[fe80::1%25lo]:{port}/
https://[::1%25lo]:{port}/
https://[fec0::1]/
https://[ff02::1]/
https://[::1/
https://::1:{port}/
https://[127.0.0.1]:{port}/
https://[v1.fe80::a]/
""".strip("\n").split("\n")
"""What no webhook can ever point at. `{port}` is where somebody listens."""

NAMES = re.compile("diary|metadata|router|printer")

PRIVATE = (
    "127.0.0.1",
    "10.1.2.3",
    "100.64.9.9",
    "169.254.169.254",
    "172.20.0.1",
    "192.168.1.1",
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "168.63.129.16",
    "224.0.0.5",
    "::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
    "2001:0:a00:1::1",
    "fd12::1",
    "fe80::1%2",
    "fec0::1",
    "::",
)
"""What a name may turn out to stand for."""


def letter(url: str) -> Letter:
    """Write a letter to an address."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    return Letter(uuid4(), uuid4(), uuid4(), uuid4(), url, "{}", (secret,))


async def post(url: str, destinations: Destinations | None = None) -> Answer:
    """Try to deliver something to an address."""
    return await send(letter(url), destinations or Destinations(), NOW)


class Tripwire:
    """Notes every connection over the network that this process begins, and lets none through.

    `leads_to` is where a connection to a public address ends up instead.
    """

    def __init__(self) -> None:
        self.tripped: list[tuple[str, int]] = []
        self.leads_to: dict[str, int] = {}

    def connect(self, really: Callable[..., None]) -> Callable[..., None]:
        """Stand in for the method that every connection goes through."""

        def watched(one: socket.socket, address: Any) -> None:
            if one.family not in {socket.AF_INET, socket.AF_INET6}:
                return really(one, address)
            self.tripped.append(address[:2])
            if address[0] in self.leads_to:
                return really(one, ("127.0.0.1", self.leads_to[address[0]]))
            raise ConnectionRefusedError

        return watched

    @property
    def hosts(self) -> list[str]:
        """Where connections were begun to."""
        return [host for host, _ in self.tripped]


@pytest.fixture
def tripwire(monkeypatch: pytest.MonkeyPatch) -> Tripwire:
    """Watch where connections are begun to."""
    wire = Tripwire()
    monkeypatch.setattr(socket.socket, "connect", wire.connect(socket.socket.connect))
    return wire


class Names:
    """Stands in for the name servers, and counts what it is asked."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self._answers: Iterator[tuple[str, ...]] = iter(answers)
        self.asked = 0

    def __call__(self, host: str, port: int, *_: object, **__: object) -> list[Any]:
        self.asked += 1
        found = next(self._answers)
        if not found:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Names]:
    """Let names stand for what a test says, one answer for each time they are looked up."""

    def stand_for(*answers: tuple[str, ...]) -> Names:
        served = Names(*answers)
        monkeypatch.setattr(host_lookup.socket, "getaddrinfo", served)  # type: ignore[attr-defined]
        return served

    return stand_for


# --------------------------------------------------------------------------------- what is refused


async def test_no_connection_is_begun_to_what_is_not_public(tripwire: Tripwire) -> None:
    async with receiver() as listener:
        urls = [each.format(port=listener.port) for each in NEVER_RIGHT]
        # it is asked at the door, and again at every try
        for url in urls:
            with pytest.raises(NotPublicError):
                Destinations().parse_url(url)
        answers = [await post(url) for url in urls]
        assert listener.connections == 0
    assert len(urls) > 100
    assert [each for each in answers if each.outcome != Outcome.not_public] == []
    assert tripwire.tripped == []


async def test_without_the_guard_connections_are_begun(
    tripwire: Tripwire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the wire would be tripped, also by spellings that only the system understands."""
    monkeypatch.setattr(outbound_addresses, "_refuse_what_is_never_right", lambda *_: None)
    monkeypatch.setattr(outbound_addresses, "is_public", lambda _: True)
    async with receiver() as listener:
        tripwire.leads_to = {"127.0.0.1": listener.port}
        urls = [each.format(port=listener.port) for each in NEVER_RIGHT]
        # by plain http: nobody here has a certificate; names would be asked of the network
        urls = [url.replace("https:", "http:") for url in urls if NAMES.search(url) is None]
        for url in urls:
            await post(url)
        assert listener.connections > 10
    assert len(tripwire.tripped) > 50
    reached = {"127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.0.1", "::1", "fd00:ec2::254"}
    assert reached <= set(tripwire.hosts)


@pytest.mark.parametrize("private", PRIVATE)
async def test_a_name_that_stands_for_a_private_address_is_not_connected_to(
    tripwire: Tripwire, names: Callable[..., Names], private: str
) -> None:
    names((private,), (PUBLIC, private), (private, PUBLIC))
    for _ in range(3):
        answer = await post("https://diary.example/events")
        assert answer.outcome == Outcome.not_public
    assert tripwire.tripped == []


async def test_a_name_is_looked_up_once_and_connected_to_as_it_was_looked_up(
    tripwire: Tripwire, names: Callable[..., Names]
) -> None:
    """Rebinding: what the name stands for a moment later does not matter."""
    served = names((PUBLIC,), ("127.0.0.1",), ())
    first = await post("https://diary.example/events")
    assert (first.outcome, served.asked) == (Outcome.not_connected, 1)
    assert tripwire.tripped == [(PUBLIC, 443)]
    assert (await post("https://diary.example/events")).outcome == Outcome.not_public
    assert (await post("https://diary.example/events")).outcome == Outcome.not_resolved
    assert tripwire.tripped == [(PUBLIC, 443)]


async def test_the_next_address_is_tried_where_nobody_answers_at_the_first(
    tripwire: Tripwire, names: Callable[..., Names]
) -> None:
    names((PUBLIC, "93.184.215.15", "93.184.215.16", "93.184.215.17"))
    assert (await post("https://diary.example:8443/")).outcome == Outcome.not_connected
    assert tripwire.tripped == [(f"93.184.215.{last}", 8443) for last in (14, 15, 16)]


async def test_no_proxy_is_asked_whatever_the_environment_says(
    tripwire: Tripwire, names: Callable[..., Names], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:3128")
    names((PUBLIC,))
    await post("https://diary.example/")
    assert tripwire.hosts == [PUBLIC]


async def test_a_redirect_into_the_house_is_not_followed(tripwire: Tripwire) -> None:
    async with receiver() as inside:
        there = f"Location: http://127.0.0.1:{inside.port}/"
        for code in (301, 302, 303, 307, 308):
            async with receiver(status(code, there)) as outside:
                tripwire.leads_to = {"127.0.0.1": outside.port}
                allowed = Destinations([outside.address])
                answer = await post(f"http://{outside.address}/", allowed)
                assert answer == Answer(Outcome.redirected, code)
                assert outside.connections == 1
        assert inside.connections == 0
    assert len(tripwire.tripped) == 5


# ------------------------------------------------------------------------------ what is let through


def test_public_addresses_and_plain_urls_are_fine() -> None:
    for public in (PUBLIC, "8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::1"):
        assert is_public(ip_address(public)), public
    parse = Destinations().parse_url
    assert parse("https://Diary.Example/a?b=c&d=%20e")[:4] == (
        "https",
        "diary.example",
        443,
        "/a?b=c&d=%20e",
    )
    assert parse("https://diary.example")[3] == "/"
    assert parse("https://diary.example?x=1")[3] == "/?x=1"
    assert parse("https://xn--dary-epa.example:8443/")[1:3] == ("xn--dary-epa.example", 8443)
    assert parse(f"https://{PUBLIC}/").literal == ip_address(PUBLIC)
    assert parse("https://[2606:4700::1111]:1024/")[1:3] == ("2606:4700::1111", 1024)
    with pytest.raises(NotPublicError):
        parse(f"https://diary.example/{'x' * 2_000}")


def test_an_address_for_tests_is_allowed_exactly_as_it_stands() -> None:
    parse = Destinations(["127.0.0.1:9000", "[::1]:9001"]).parse_url
    for url in ("http://127.0.0.1:9000/x", "https://127.0.0.1:9000", "http://[::1]:9001/"):
        assert parse(url).is_for_tests
    for url in (
        "http://127.0.0.1:9001/",
        "http://127.0.0.2:9000/",
        "http://127.1:9000/",
        "http://localhost:9000/",
        "http://user@127.0.0.1:9000/",
        "http://[::ffff:127.0.0.1]:9000/",
    ):
        with pytest.raises(NotPublicError):
            parse(url)
    for text in ("127.0.0.1", "localhost:9000", "127.0.0.1:0", "127.0.0.1:x", "*:9000", ":9000"):
        with pytest.raises(ValueError, match="written as in"):
            parse_address(text)


def test_no_address_is_for_tests_unless_one_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BN_WEBHOOK_TEST_ADDRESSES", raising=False)
    assert Settings(secret_key=SETTINGS_SECRET).test_addresses == []
    monkeypatch.setenv("BN_WEBHOOK_TEST_ADDRESSES", "127.0.0.1:9000, [::1]:9000")
    assert Settings(secret_key=SETTINGS_SECRET).test_addresses == ["127.0.0.1:9000", "[::1]:9000"]
    for wrong in ("10.0.0.0/8", "*", "localhost:9000"):
        monkeypatch.setenv("BN_WEBHOOK_TEST_ADDRESSES", wrong)
        with pytest.raises(ValueError, match="BN_WEBHOOK_TEST_ADDRESSES"):
            Settings(secret_key=SETTINGS_SECRET)


# ----------------------------------------------------------------------------------- certificates


async def test_a_certificate_is_checked_for_the_name_whatever_address_is_connected_to(
    tripwire: Tripwire,
    names: Callable[..., Names],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    serving, trusting = certificate_for("diary.example", tmp_path)
    asked_for: list[Any] = []
    serving.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    async with receiver(tls=serving) as there:
        tripwire.leads_to = {PUBLIC: there.port}
        names(*[(PUBLIC,)] * 3)
        # nobody vouches for it
        assert (await post("https://diary.example/")).outcome == Outcome.not_trusted
        monkeypatch.setattr(signed_request, "_trust", lambda: trusting)
        assert (await post("https://other.example/")).outcome == Outcome.not_trusted
        assert there.received == []
        assert (await post("https://diary.example/")) == Answer(Outcome.delivered, 204)
        assert there.received[0].headers["host"] == "diary.example"
    assert asked_for == ["diary.example", "other.example", "diary.example"]
    assert tripwire.hosts == [PUBLIC] * 3


async def test_a_name_that_is_looked_up_for_long_takes_no_longer_than_a_try(
    tripwire: Tripwire, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slowly(*_: object) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr(signed_request, "look_up", slowly)
    monkeypatch.setattr(signed_request, "TIME_LIMIT", 0.05)
    assert (await post("https://diary.example/")).outcome == Outcome.timed_out
    assert tripwire.tripped == []
