"""The file with the signing keys: what is refused, what is published, and how keys are rotated."""

import base64
import hashlib
import json
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from httpx import ASGITransport, AsyncClient
from jose import jwt
from pydantic import ValidationError

from api.main import create_app
from api.runtime.key_files import read_private_pem
from api.runtime.settings import Settings
from api.security.token_keys import parse_signing_keys
from api.security.tokens import AccessTokens, InvalidToken
from tests.support.tokens import CLAIMS, LIFETIME, NOW, SECRET, parts_of, pem_of, written
from tests.support.world import SETTINGS_SECRET, World, ok


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public_pem(private: Any) -> str:
    pem: bytes = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem.decode()


def key_file(folder: Path, *blocks: str, mode: int = 0o600) -> Path:
    path = folder / "keys.pem"
    path.unlink(missing_ok=True)
    path.write_text("".join(blocks))
    path.chmod(mode)
    return path


def tokens_of(path: Path) -> AccessTokens:
    return AccessTokens(SECRET, LIFETIME, parse_signing_keys(read_private_pem(path)))


def test_the_first_key_signs_and_all_are_accepted_and_published(tmp_path: Path) -> None:
    first, second, third = new_key(), new_key(), new_key()
    both = tokens_of(key_file(tmp_path, pem_of(first), pem_of(second), public_pem(third)))
    assert len(both.published) == 3
    header, _, _ = parts_of(both.issue(CLAIMS, NOW))
    assert header == {"alg": "ES256", "kid": both.published[0].kid, "typ": "at+jwt"}
    for signer in (first, second, third):
        alone = tokens_of(key_file(tmp_path, pem_of(signer)))
        assert both.verify(alone.issue(CLAIMS, NOW), NOW) == CLAIMS
    stranger = tokens_of(key_file(tmp_path, pem_of(new_key())))
    with pytest.raises(InvalidToken):
        both.verify(stranger.issue(CLAIMS, NOW), NOW)


def test_a_key_is_rotated_without_a_gap_and_then_refused(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    before = tokens_of(key_file(tmp_path, pem_of(old)))
    announced = tokens_of(key_file(tmp_path, pem_of(old), public_pem(new)))
    signing = tokens_of(key_file(tmp_path, pem_of(new), public_pem(old)))
    retired = tokens_of(key_file(tmp_path, pem_of(new)))
    for issuer, readers in (
        (before, (announced, signing)),
        (announced, (before, signing)),
        (signing, (announced, retired)),
    ):
        for reader in readers:
            assert reader.verify(issuer.issue(CLAIMS, NOW), NOW) == CLAIMS
    with pytest.raises(InvalidToken):
        retired.verify(before.issue(CLAIMS, NOW), NOW)


def test_the_id_of_a_key_is_its_thumbprint(tmp_path: Path) -> None:
    [key] = tokens_of(key_file(tmp_path, pem_of(new_key()))).published
    members = json.dumps({"crv": "P-256", "kty": "EC", "x": key.x, "y": key.y})
    spelled = members.replace(" ", "").encode()
    assert key.kid == written(hashlib.sha256(spelled).digest())


def test_each_signature_is_64_bytes_and_the_smaller_of_two(tmp_path: Path) -> None:
    tokens = tokens_of(key_file(tmp_path, pem_of(new_key())))
    half = 0x7FFFFFFF800000007FFFFFFFFFFFFFFFDE737D56D38BCF4279DCE5617E3192A8
    for _ in range(50):
        token = tokens.issue(CLAIMS, NOW)
        signature = base64.urlsafe_b64decode(token.rpartition(".")[2] + "==")
        assert len(signature) == 64
        assert int.from_bytes(signature[32:]) <= half
        assert tokens.verify(token, NOW) == CLAIMS


def test_a_secret_no_longer_signs_where_there_are_keys(tmp_path: Path) -> None:
    keys = tokens_of(key_file(tmp_path, pem_of(new_key())))
    secret = AccessTokens(SECRET, LIFETIME)
    for issuer, reader in ((secret, keys), (keys, secret)):
        with pytest.raises(InvalidToken):
            reader.verify(issuer.issue(CLAIMS, NOW), NOW)


def test_spelling_of_the_file_does_not_matter(tmp_path: Path) -> None:
    private = new_key()
    pem: bytes = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    path = key_file(tmp_path, "# ours\n", parameters, pem.decode(), public_pem(private))
    assert len(tokens_of(path).published) == 1


def wrong_files(folder: Path) -> dict[str, Path]:
    encrypted: bytes = new_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    body = pem_of(new_key())
    contents = {
        "empty": "",
        "text": "no key at all",
        "public half only": public_pem(new_key()),
        "another curve": pem_of(ec.generate_private_key(ec.SECP384R1())),
        "another curve beside ours": body + public_pem(ec.generate_private_key(ec.SECP384R1())),
        "RSA": pem_of(rsa.generate_private_key(65_537, 2048)),
        "RSA beside ours": body + public_pem(rsa.generate_private_key(65_537, 2048)),
        "encrypted": encrypted.decode(),
        "broken": body.replace("A", "B"),
        "a certificate": body.replace("PRIVATE KEY", "CERTIFICATE"),
        "not ASCII": body + "é",
    }
    files = {}
    for name, content in contents.items():
        files[name] = folder / name
        files[name].write_text(content)
        files[name].chmod(0o600)
    for mode in (0o640, 0o604, 0o660, 0o644):
        files[oct(mode)] = folder / oct(mode)
        files[oct(mode)].write_text(body)
        files[oct(mode)].chmod(mode)
    return {**files, "missing": folder / "nothing here", "a folder": folder}


def test_a_wrong_file_refuses_to_start_in_a_sentence_without_any_of_it(tmp_path: Path) -> None:
    for name, path in wrong_files(tmp_path).items():
        with pytest.raises(ValidationError) as refused:
            Settings(secret_key=SETTINGS_SECRET, signing_key_file=path)
        [problem] = refused.value.errors(include_input=False)
        assert "BN_SIGNING_KEY_FILE" in problem["msg"], name
        said = "".join(traceback.format_exception(refused.value))
        content = path.read_text().splitlines() if path.is_file() else []
        assert not [line for line in content if len(line) > 40 and line in said], name


async def served(settings: Settings) -> dict[str, Any]:
    app = create_app(settings)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://notes.test") as http:
        answer = await http.get("/.well-known/jwks.json")
    await app.state.database.dispose()
    return ok(answer)


async def test_the_public_halves_are_served_and_nothing_else(tmp_path: Path) -> None:
    private = new_key()
    path = key_file(tmp_path, pem_of(private), public_pem(new_key()))
    settings = Settings(secret_key=SETTINGS_SECRET, signing_key_file=path)
    keys = (await served(settings))["keys"]
    assert [set(key) for key in keys] == [{"kty", "crv", "x", "y", "kid", "use", "alg"}] * 2
    token = AccessTokens(SECRET, timedelta(minutes=10), settings.signing_keys).issue(CLAIMS, NOW)
    for key, holds in zip(keys, (True, False), strict=True):
        # what somebody else would do with them, in this library's own ordinary way
        assert (key["use"], key["alg"]) == ("sig", "ES256")
        try:
            jwt.decode(
                token,
                key,
                algorithms=["ES256"],
                audience="boundary-notes-api",
                options={"verify_exp": False, "verify_nbf": False},
            )
        except jwt.JWTError:
            assert not holds
        else:
            assert holds


async def test_with_a_secret_no_key_is_published() -> None:
    assert await served(Settings(secret_key=SETTINGS_SECRET)) == {"keys": []}


async def test_a_whole_deployment_runs_on_keys(world: World, tmp_path: Path) -> None:
    world.app.state.tokens = tokens_of(key_file(tmp_path, pem_of(new_key())))
    assert ok(await world.clinician.get("/v1/me"))["id"] == str(world.clinician.id)
