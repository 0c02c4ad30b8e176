"""Access tokens: only what we signed, as we spelled it, while it holds; all else is one 401."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from jose import jws

import api.security.tokens
from api.security.opaque_tokens import client_id_of
from api.security.token_keys import SigningKeys, published
from api.security.tokens import (
    AccessTokens,
    AheadOfTheClock,
    Claims,
    InvalidToken,
    _Verified,
    _with_the_smaller_s,
)
from tests.support.requests import refused, tolerant
from tests.support.tokens import (
    CLAIMS,
    LIFETIME,
    NOW,
    OTHERS,
    SECRET,
    opened,
    parts_of,
    pem_of,
    written,
)
from tests.support.world import World, made, ok

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Deployment(NamedTuple):
    """One way to sign tokens: by which algorithm, and with which key."""

    algorithm: str
    key: str
    tokens: AccessTokens

    def signed(
        self, header: Any, payload: Any, key: str | None = None, algorithm: str | None = None
    ) -> str:
        """Sign a token of any content with the library's own signature, with our key or another."""
        body = f"{written(header)}.{written(payload)}"
        signer = jws.jwk.construct(self.key if key is None else key, algorithm or self.algorithm)
        token = f"{body}.{written(signer.sign(body.encode()))}"
        ours = key is None and self.algorithm == "ES256"
        return _with_the_smaller_s(token) if ours else token


PRIVATE = ec.generate_private_key(ec.SECP256R1())
KEYS = SigningKeys(PRIVATE, (published(PRIVATE.public_key()),))


def deployment(algorithm: str) -> Deployment:
    if algorithm == "HS256":
        return Deployment(algorithm, SECRET, AccessTokens(SECRET, LIFETIME))
    return Deployment(algorithm, pem_of(PRIVATE), AccessTokens(SECRET, LIFETIME, KEYS))


HERE = deployment("HS256")
TOKENS = HERE.tokens
both = pytest.mark.parametrize("here", [HERE, deployment("ES256")], ids=["HS256", "ES256"])


def one_character_away(token: str, here: Deployment) -> Iterator[str]:
    """Change, drop, double or insert each character."""
    for place, character in enumerate(token):
        before, after = token[:place], token[place + 1 :]
        number = ALPHABET.find(character)
        if number >= 0:
            for bit in range(6):
                yield before + ALPHABET[number ^ (1 << bit)] + after
        if character.swapcase() != character:
            yield before + character.swapcase() + after
        yield before + after
        yield before + character * 2 + after
        yield from (before + odd + character + after for odd in ("=", ".", " ", "\n", "+", "é"))
    yield from (token + odd for odd in ("=", "==", ".", ".x", "A", "\x00", "é", "\u0661", "💥"))


def spelled_otherwise(token: str, here: Deployment) -> Iterator[str]:
    """Write the same bytes, or the same parts, in another way."""
    header, payload, signature = token.split(".")
    for part, others in ((header, (payload, signature)), (payload, (header, signature))):
        padded = part + "=" * (-len(part) % 4)
        for spelling in (padded, part + "=", part + "====", part + "\n", " " + part, "=" + part):
            if spelling != part:
                yield ".".join(
                    [spelling, *others] if part == header else [others[0], spelling, others[1]]
                )
    # the bits of the last character that a decoder drops
    for last in ALPHABET:
        if last != signature[-1]:
            yield f"{header}.{payload}.{signature[:-1]}{last}"
    standard = token.replace("-", "+").replace("_", "/")
    yield from (other for other in (standard,) if other != token)
    yield from (f"{header}.{payload}", f"{header}.{payload}.", f"..{signature}", "..", "...", "")
    yield from (
        f".{payload}.{signature}",
        f"{header}..{signature}",
        f"{payload}.{header}.{signature}",
    )
    yield from (
        f"{token}.{signature}",
        f"{header}.{payload}.{signature}.",
        f".{token}",
        f"{token}..",
    )
    yield from (f"Bearer {token}", f"{token} {token}", token[::-1], token.upper(), token.lower())
    yield from (f'"{token}"', f"'{token}'", f"{token},{token}", f"{token};{token}", f"%20{token}")


def otherwise_signed(token: str, here: Deployment) -> Iterator[str]:
    """Sign with another algorithm, another key, or with none."""
    header, payload, signature = parts_of(token)
    for algorithm in (
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "HS384",
        "HS512",
        "RS256",
        "ES256",
        "HS256",
        "hs256",
    ):
        if algorithm == here.algorithm:
            continue
        other = {**header, "alg": algorithm}
        yield f"{written(other)}.{written(payload)}."
        yield f"{written(other)}.{written(payload)}.{signature}"
        yield here.signed(other, payload)
    for algorithm in ("HS384", "HS512"):
        yield here.signed({**header, "alg": algorithm}, payload, SECRET, algorithm)
        yield here.signed(header, payload, SECRET, algorithm)
    public = PRIVATE.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    secrets = ["", " ", "secret", SECRET[:-1], SECRET + " ", SECRET.swapcase(), header["kid"]]
    for secret in [*secrets, public.hex(), written(public), *[SECRET] * (here is not HERE)]:
        for head in (header, {**header, "alg": "HS256"}):
            yield here.signed(head, payload, secret, "HS256")
    for private, other_algorithm in (
        (rsa.generate_private_key(65_537, 2048), "RS256"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES256"),
    ):
        pem = pem_of(private)
        for head in (header, {**header, "alg": other_algorithm}):
            yield here.signed(head, payload, pem, other_algorithm)
    yield from signatures_of_another_form(token)


def signatures_of_another_form(token: str) -> Iterator[str]:
    """Write a signature as other programs might: as DER, with the other s, or with none at all."""
    content, _, part = token.rpartition(".")
    raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    half = len(raw) // 2
    r, s = int.from_bytes(raw[:half]), int.from_bytes(raw[half:])
    yield f"{content}.{written(encode_dss_signature(r, s))}"
    for numbers in ((r, ORDER - s), (r, s + ORDER), (0, 0), (0, s), (r, 0), (ORDER, ORDER), (1, 1)):
        if all(0 <= number < 2**256 for number in numbers):
            yield f"{content}.{written(b''.join(each.to_bytes(32) for each in numbers))}"
    for other in (
        b"\x00" + raw,
        raw + b"\x00",
        raw[:-1],
        raw[half:] + raw[:half],
        raw[:half],
        b"\0",
    ):
        yield f"{content}.{written(other)}"


def otherwise_headed(token: str, here: Deployment) -> Iterator[str]:
    """Sign with the right key under another header."""
    header, payload, _ = parts_of(token)
    extras: list[dict[str, Any]] = [
        {"crit": ["exp"]},
        {"crit": []},
        {"jku": "https://keys.example/jwks.json"},
        {"jwk": {"kty": "oct", "k": written(SECRET.encode())}},
        {"x5u": "https://keys.example/x5u"},
        {"x5c": ["MIIB"]},
        {"b64": False},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"enc": "A128GCM"},
        {"": ""},
        {"kid": "other"},
        {"kid": ""},
        {"kid": None},
        {"kid": [header["kid"]]},
        {"kid": "../../dev/null"},
        {"kid": header["kid"].upper() + "x"},
        {"kid": "' OR 1=1 --"},
        {"typ": "JWT"},
        {"typ": "AT+JWT"},
        {"typ": "application/at+jwt"},
        {"typ": None},
        {"typ": ["at+jwt"]},
        {"alg": None},
        {"alg": ["HS256"]},
        {"alg": {"HS256": 1}},
        {"alg": True},
    ]
    for extra in extras:
        yield here.signed({**header, **extra}, payload)
    for name in header:
        yield here.signed({key: value for key, value in header.items() if key != name}, payload)
    others: list[Any] = [{}, [], None, 1, "HS256", [header], True]
    for other in others:
        yield here.signed(other, payload)
    for raw in (
        b"",
        b"{",
        b"\xff",
        b"{}{}",
        b"[" * 2_900,
        b'{"a":' * 500,
        json.dumps(header).encode("utf-16"),
    ):
        yield here.signed(raw, payload)


WRONG: dict[str, list[Any]] = {
    "iss": [
        "",
        "other",
        None,
        1,
        True,
        ["boundary-notes"],
        {},
        "Boundary-Notes",
        "boundary-notes ",
    ],
    "aud": [
        "",
        "other",
        None,
        1,
        [],
        {},
        ["other"],
        "boundary-notes-api ",
    ],
    "sub": ["", "x", None, 1, True, [], {}, [str(CLAIMS.user_id)], "0" * 5],
    "sid": ["", "x", None, 1, True, [], {}, [str(CLAIMS.session_id)], "' OR 1=1 --"],
    "cid": ["", "x", None, 1, True, [], {}, [str(CLAIMS.clinic_id)], "\x00" * 16],
    "client_id": ["", "x", None, 1, True, [], {}, "Boundary-Notes", client_id_of(uuid4(), uuid4())],
    "jti": [None, 1, True, [], {}],
}
DAY = 86_400


def wrong_times(issued: int) -> Iterator[dict[str, Any]]:
    """Give times that do not hold, or that are no times."""
    no_times: list[Any] = [None, "", str(issued), True, False, [], {}, issued + 0.5, 1e308]
    for name in ("iat", "nbf", "exp"):
        yield from ({name: value} for value in [*no_times, float(issued)])
    for ahead in (1, 60, DAY, 3650 * DAY, 10**12, 10**30, 10**400):
        yield {"iat": issued + ahead}
        yield {"nbf": issued + ahead}
        yield {"iat": issued + ahead, "nbf": issued + ahead, "exp": issued + ahead + 600}
        yield {"exp": issued + 600 + ahead}
        yield {"iat": issued - ahead}
    for ago in (0, 1, 601, DAY, 10**10, 10**400):
        yield {"exp": issued - ago}
        yield {"iat": issued - ago - 600, "nbf": issued - ago - 600, "exp": issued - ago}
    yield {"iat": 0, "nbf": 0, "exp": 2**31}
    yield {"iat": -1, "nbf": -1, "exp": 2**63}


def otherwise_claimed(token: str, here: Deployment) -> Iterator[str]:
    """Sign other claims with the right key under the right header."""
    header, payload, _ = parts_of(token)
    for name in payload:
        # an earlier token, which does not name its client, is none that was changed
        if name != "client_id":
            yield here.signed(header, {key: value for key, value in payload.items() if key != name})
        yield here.signed(header, {name: payload[name]})
    for name, values in WRONG.items():
        for value in values:
            yield here.signed(header, {**payload, name: value})
    for times in wrong_times(payload["iat"]):
        yield here.signed(header, {**payload, **times})
    for extra in ("role", "scope", "admin", "azp", "", "client", "Sub"):
        yield here.signed(header, {**payload, extra: "admin"})
    others: list[Any] = [{}, [], None, 1, "x", [payload], True]
    for other in others:
        yield here.signed(header, other)
    whole = json.dumps(payload, separators=(",", ":")).encode()
    for raw in (
        b"",
        b"{",
        b"\xff",
        whole[:-1],
        whole + b"x",
        whole.replace(b"{", b'{"iat": Infinity, ', 1).replace(b'"iat":1', b'"tai":1'),
        b"[" * 2_500,
        b'{"a":' * 400,
        whole.decode().encode("utf-16"),
        whole[:-1] + b', "x": "' + b"y" * 4_000 + b'"}',
    ):
        yield here.signed(header, raw)
    yield here.signed(header, payload) + "A" * 1_000_000


def every_mutant(token: str, here: Deployment = HERE) -> Iterator[str]:
    for family in (
        one_character_away,
        spelled_otherwise,
        otherwise_signed,
        otherwise_headed,
        otherwise_claimed,
    ):
        yield from family(token, here)


@both
def test_a_token_of_ours_says_whose_session_it_is_for_ten_minutes(here: Deployment) -> None:
    token = here.tokens.issue(CLAIMS, NOW)
    assert here.tokens.verify(token, NOW) == CLAIMS
    assert here.tokens.verify(token, NOW + LIFETIME - timedelta(seconds=1)) == CLAIMS
    for away in (
        LIFETIME,
        LIFETIME + timedelta(seconds=1),
        timedelta(days=9),
        timedelta(seconds=-1),
    ):
        with pytest.raises(InvalidToken):
            here.tokens.verify(token, NOW + away)


@both
def test_a_token_of_an_instant_ahead_says_so_and_is_refused_unless_somebody_saw_it(
    here: Deployment,
) -> None:
    token = here.tokens.issue(CLAIMS, NOW)
    with pytest.raises(AheadOfTheClock) as caught:
        here.tokens.verify(token, NOW - timedelta(hours=1))
    assert caught.value.claims == CLAIMS
    assert caught.value.issued_at == NOW.replace(microsecond=0)
    header, payload, _ = parts_of(token)
    for times in ({"exp": payload["exp"] + 1}, {"nbf": payload["iat"] + 1}):
        forged = here.signed(header, {**payload, **times})
        with pytest.raises(InvalidToken) as refusal:
            here.tokens.verify(forged, NOW - timedelta(hours=1))
        assert not isinstance(refusal.value, AheadOfTheClock)


def test_a_token_lives_no_longer_because_the_clock_was_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens = deployment("HS256").tokens
    elapsed = 1_000.0
    monkeypatch.setattr(api.security.tokens, "monotonic", lambda: elapsed)
    token = tokens.issue(CLAIMS, NOW)
    assert tokens.verify(token, NOW) == CLAIMS
    elapsed += 599
    assert tokens.verify(token, NOW) == CLAIMS
    elapsed += 1
    with pytest.raises(InvalidToken):
        tokens.verify(token, NOW)


@both
def test_what_is_signed_here_is_what_the_mutants_differ_from(here: Deployment) -> None:
    header, payload, _ = parts_of(here.tokens.issue(CLAIMS, NOW))
    assert here.tokens.verify(here.signed(header, payload), NOW) == CLAIMS


@both
def test_a_token_holds_ids_and_times_and_nothing_else(here: Deployment) -> None:
    header, payload, _ = parts_of(here.tokens.issue(CLAIMS, NOW))
    assert header.keys() == {"alg", "kid", "typ"}
    ids = {"iss", "aud", "sub", "sid", "cid", "client_id", "jti"}
    assert payload.keys() == {*ids, "iat", "nbf", "exp"}
    assert payload["exp"] - payload["iat"] == 600
    assert len({parts_of(here.tokens.issue(CLAIMS, NOW))[1]["jti"] for _ in range(20)}) == 20


@both
def test_a_token_names_the_client_that_was_signed_in_by(here: Deployment) -> None:
    # RFC 9068, 2.2
    software = replace(CLAIMS, is_software=True)
    for claims, client in (
        (CLAIMS, "boundary-notes"),
        (software, client_id_of(CLAIMS.clinic_id, CLAIMS.user_id)),
    ):
        token = here.tokens.issue(claims, NOW)
        assert parts_of(token)[1]["client_id"] == client
        assert here.tokens.verify(token, NOW) == claims


@both
async def test_a_token_of_before_tokens_named_their_client_holds(
    world: World, here: Deployment
) -> None:
    world.app.state.tokens = here.tokens
    header, payload, _ = parts_of(await world.token_of(world.clinician))
    assert payload.pop("client_id") == "boundary-notes"
    earlier = here.signed(header, payload)
    ok(await world.http.get("/v1/me", headers={"Authorization": f"Bearer {earlier}"}))


async def test_what_is_issued_names_the_client_and_no_scope(world: World) -> None:
    account = made(
        await world.admin.post("/v1/service-accounts", {"name": "D", "scopes": ["cases:read"]})
    )
    named = {name: account[name] for name in ("client_id", "client_secret")}
    form = {"grant_type": "client_credentials", "scope": "cases:read", **named}
    answer = ok(await world.http.post("/v1/auth/token", data=form))
    payload = parts_of(answer["access_token"])[1]
    assert payload["client_id"] == account["client_id"]
    assert "scope" not in payload


def test_no_mutant_of_a_token_is_accepted_and_each_is_refused_alike(
    say: Callable[[str], None],
) -> None:
    tried = 0
    for here in (HERE, deployment("ES256")):
        for token in (here.tokens.issue(CLAIMS, NOW), here.tokens.issue(OTHERS, NOW)):
            mutants = set(every_mutant(token, here)) - {token}
            tried += len(mutants)
            # any other exception would end this test
            accepted = [mutant for mutant in mutants if _reads(here, mutant)]
            assert [parts_of(mutant) for mutant in accepted] == []
            assert _reads(here, token)
    assert tried >= 20_000
    say(f"tokens: {tried:,} mutants of real ones, 0 accepted")


def _reads(here: Deployment, token: str) -> bool:
    try:
        here.tokens.verify(token, NOW)
    except InvalidToken:
        return False
    return True


def _leniently(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _any_header(tokens: AccessTokens, token: str) -> Any:
    return next(iter(tokens._accepted.values()))


def _any_claims(payload: dict[str, Any]) -> _Verified:
    claims = Claims(*(UUID(payload[name]) for name in ("cid", "sub", "sid")))
    issued, not_before, expires = (int(payload[name]) for name in ("iat", "nbf", "exp"))
    return _Verified(claims, issued, not_before, expires, monotonic())


def _any_time(tokens: AccessTokens, token: _Verified, now: datetime) -> Claims:
    return token.claims


@pytest.mark.parametrize(
    ("where", "what", "instead", "algorithms"),
    [
        (api.security.tokens, "_canonical", _leniently, {"HS256", "ES256"}),
        (AccessTokens, "_key_of", _any_header, {"HS256", "ES256"}),
        (api.security.tokens, "_checked", _any_claims, {"HS256", "ES256"}),
        (AccessTokens, "_check_times", _any_time, {"HS256", "ES256"}),
        (api.security.tokens, "_is_plain", lambda signature: True, {"ES256"}),
    ],
)
def test_each_check_taken_away_lets_mutants_through(
    monkeypatch: pytest.MonkeyPatch, where: Any, what: str, instead: Any, algorithms: set[str]
) -> None:
    mutants = {
        algorithm: set(every_mutant(token, here)) - {token}
        for algorithm in algorithms
        for here in [deployment(algorithm)]
        for token in [here.tokens.issue(CLAIMS, NOW)]
    }
    monkeypatch.setattr(where, what, instead)
    for algorithm, tried in mutants.items():
        lenient = deployment(algorithm)
        assert any(_reads(lenient, mutant) for mutant in tried), algorithm


@both
def test_the_content_of_a_token_has_one_spelling(here: Deployment) -> None:
    header, payload, _ = parts_of(here.tokens.issue(CLAIMS, NOW))
    user = CLAIMS.user_id
    others: list[dict[str, Any]] = [
        *({"aud": value} for value in (["boundary-notes-api"], ["boundary-notes-api", "other"])),
        *({"sub": value} for value in (user.hex, str(user).upper(), user.urn, f"{{{user}}}")),
        {"sub": "\u0661" * 32},
        {"jti": ""},
    ]
    mutants = [here.signed(header, {**payload, **other}) for other in others]
    twice = json.dumps(payload, separators=(",", ":")).encode().replace(b"{", b'{"exp":1,', 1)
    accepted = [opened(each.split(".")[1]) for each in mutants if _reads(here, each)]
    assert accepted == []
    assert not _reads(here, here.signed(header, twice)), "a claim was given twice"


def test_a_token_of_another_deployment_is_refused() -> None:
    theirs = AccessTokens(SECRET[::-1], LIFETIME)
    with pytest.raises(InvalidToken):
        TOKENS.verify(theirs.issue(CLAIMS, NOW), NOW)
    with pytest.raises(InvalidToken):
        theirs.verify(TOKENS.issue(CLAIMS, NOW), NOW)


def test_a_token_that_lives_longer_than_this_deployment_allows_is_refused() -> None:
    longer = AccessTokens(SECRET, LIFETIME + timedelta(seconds=1))
    with pytest.raises(InvalidToken):
        TOKENS.verify(longer.issue(CLAIMS, NOW), NOW)


@both
async def test_every_bad_token_gets_the_same_401(world: World, here: Deployment) -> None:
    person = tolerant(world).clinician
    world.app.state.tokens = here.tokens
    token = await world.token_of(person)
    answers = set()
    headers: list[dict[str, Any]] = [
        {"Authorization": f"Bearer {mutant}".encode()}
        for number, mutant in enumerate(every_mutant(token, here))
        # a header may have more than one blank before a token
        if mutant.strip() != token and number % 67 == 0
    ]
    headers += [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {token}"},
        {"Authorization": token},
        {"Authorization": f"Token {token}"},
        {"Authorization": f"Bearer Bearer {token}"},
        {"Authorization": b"Bearer \xff\xfe"},
        {"Authorization": f"Bearer {'A' * 100_000}"},
        {"Cookie": f"access_token={token}"},
        {"X-Authorization": f"Bearer {token}"},
    ]
    for sent in headers:
        answer = await world.http.get("/v1/me", headers=sent)
        document = refused(answer, 401, why=sent)
        assert answer.headers["www-authenticate"] == "Bearer", sent
        assert token not in answer.text
        document.pop("request_id")
        answers.add(json.dumps(document, sort_keys=True))
    assert len(headers) > 60
    assert len(answers) == 1
    refused(await world.http.get(f"/v1/me?access_token={token}"), 401, 422)
    ok(await world.http.get("/v1/me", headers={"Authorization": f"Bearer {token}"}))


async def test_a_token_for_somebody_elses_session_or_clinic_is_refused(world: World) -> None:
    me, other, foreign = tolerant(world).clinician, world.colleague, world.there["clinician"]
    for person in (me, other, foreign):
        await world.token_of(person)
    tokens: AccessTokens = world.app.state.tokens
    assert me.session_id
    assert other.session_id
    assert foreign.session_id
    for claims in (
        Claims(me.clinic_id, other.id, me.session_id),
        Claims(me.clinic_id, me.id, other.session_id),
        Claims(foreign.clinic_id, me.id, me.session_id),
        Claims(me.clinic_id, foreign.id, foreign.session_id),
        Claims(me.clinic_id, me.id, uuid4()),
        Claims(uuid4(), me.id, me.session_id),
    ):
        token = tokens.issue(claims, world.clock.now)
        answer = await world.http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
        refused(answer, 401, why=claims)


async def test_a_token_is_refused_once_ten_minutes_have_passed(world: World) -> None:
    token = await world.token_of(tolerant(world).clinician)
    sent = {"Authorization": f"Bearer {token}"}
    world.clock.forward(minutes=9, seconds=59)
    ok(await world.http.get("/v1/me", headers=sent))
    world.clock.forward(seconds=1)
    refused(await world.http.get("/v1/me", headers=sent), 401)


SIGNS_AND_READS = """
import sys
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import api.commands.cli, api.main
import jose.backends as backends
from cryptography.hazmat.primitives.asymmetric import ec
from api.runtime.settings import Settings, random_secret
from api.security.token_keys import SigningKeys, published
from api.security.tokens import AccessTokens, Claims

api.main.create_app(Settings(secret_key=random_secret()))
private = ec.generate_private_key(ec.SECP256R1())
claims, now = Claims(uuid4(), uuid4(), uuid4()), datetime.now(UTC)
for keys in (None, SigningKeys(private, (published(private.public_key()),))):
    tokens = AccessTokens("x" * 40, timedelta(minutes=10), keys)
    assert tokens.verify(tokens.issue(claims, now), now) == claims
assert not {"ecdsa", "rsa"} & sys.modules.keys(), "imported"
for key in (backends.HMACKey, backends.ECKey):
    assert key.__module__ == "jose.backends.cryptography_backend"
"""


def test_python_jose_signs_with_cryptography_and_ecdsa_is_never_imported() -> None:
    subprocess.run([sys.executable, "-c", SIGNS_AND_READS], check=True, timeout=60)
    broken = SIGNS_AND_READS.replace("import sys", "import sys, ecdsa", 1)
    done = subprocess.run(
        [sys.executable, "-c", broken], check=False, timeout=60, capture_output=True, text=True
    )
    assert done.stderr.endswith("AssertionError: imported\n")
