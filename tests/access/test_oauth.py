"""Signing in with the libraries that programs use for OAuth, against a real server.

What they cannot read they refuse, or take for something else: a null, a refusal without a word of
theirs. So they are asked themselves.
"""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import (
    BackendApplicationClient,
    InvalidClientError,
    InvalidGrantError,
    InvalidScopeError,
    LegacyApplicationClient,
    OAuth2Error,
    UnsupportedGrantTypeError,
    WebApplicationClient,
)
from requests_oauthlib import OAuth2Session

from api.runtime.settings import new_data_key
from tests.support.checkout import ROOT
from tests.support.patience import get, post
from tests.support.processes import run, serving

ADMIN, PASSWORD = "admin@library.example", "a password only for these libraries"
SCOPES = ["cases:read", "consultations:read", "flags:read"]
SOME = "cases:read flags:read"
NO_MATCH = "Address and password do not match, the second factor (otp) is missing or wrong, or "


@dataclass
class Served:
    """A clinic's server, and software that may sign in there."""

    url: str
    client_id: str
    client_secret: str

    @property
    def token_url(self) -> str:
        return f"{self.url}/v1/auth/token"

    def may(self, token: dict[str, Any]) -> list[int]:
        """Read cases, consultations and flags; give what came of each."""
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        paths = ("cases", "consultations", "flags")
        return [get(f"{self.url}/v1/{path}", headers=headers).status_code for path in paths]

    def name_of(self, token: dict[str, Any]) -> str:
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        told = get(f"{self.url}/v1/me", headers=headers).raise_for_status().json()
        return str(told["email"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all of this."""
    folder: Path = tmp_path_factory.mktemp("oauth")
    settings = {
        "database_url": f"sqlite+aiosqlite:///{folder / 'clinic.db'}",
        "secret_key": secrets.token_urlsafe(48),
        "data_key": new_data_key(),
        "bootstrap_password": PASSWORD,
    }
    for command in (("migrate",), ("bootstrap", "--clinic", "Library", "--admin", ADMIN)):
        assert run(*command, **settings).returncode == 0
    with serving(settings) as url:
        form = {"grant_type": "password", "username": ADMIN, "password": PASSWORD}
        token = post(f"{url}/v1/auth/token", data=form).raise_for_status().json()["access_token"]
        made = post(
            f"{url}/v1/service-accounts",
            json={"name": "Diary", "scopes": SCOPES},
            headers={"Authorization": f"Bearer {token}"},
        )
        named = made.raise_for_status().json()
        yield Served(url, named["client_id"], named["client_secret"])


@pytest.fixture(autouse=True)
def _plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the libraries speak to a server on this machine without TLS."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


@dataclass
class Programs:
    """Programs that sign in with a library; their connections are closed in the end."""

    served: Served
    open: ExitStack

    def persons(self, scope: list[str] | None = None) -> OAuth2Session:
        # a person's program is not registered: by which name it goes does not matter
        client = LegacyApplicationClient(client_id="a diary", scope=scope)
        return self.open.enter_context(OAuth2Session(client=client))

    def software(self, scope: str | None = None) -> OAuth2Session:
        client = BackendApplicationClient(client_id=self.served.client_id, scope=scope)
        return self.open.enter_context(OAuth2Session(client=client))

    def others(self) -> OAuth2Session:
        client = WebApplicationClient(client_id="a diary")
        return self.open.enter_context(OAuth2Session(client=client))

    def authlibs(self, **options: Any) -> Any:
        return self.open.enter_context(AuthlibSession(**options))

    def authlibs_persons(self) -> Any:
        return self.authlibs(client_id="a diary", token_endpoint_auth_method="none")


@pytest.fixture
def programs(served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Programs]:
    """Programs that may speak to a server on this machine without TLS."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    with ExitStack() as stack:
        yield Programs(served, stack)


# ----------------------------------------------------------- oauthlib, by requests-oauthlib


@pytest.mark.parametrize("more", [{}, {"include_client_id": True}, {"include_client_id": False}])
def test_a_person_signs_in_and_stays_signed_in_with_oauthlib(
    served: Served, programs: Programs, more: dict[str, Any]
) -> None:
    session = programs.persons()
    first = session.fetch_token(served.token_url, username=ADMIN, password=PASSWORD, **more)
    assert served.name_of(first) == ADMIN
    assert session.get(f"{served.url}/v1/users").status_code == 200
    again = session.refresh_token(served.token_url)
    assert again["refresh_token"] != first["refresh_token"]
    assert served.name_of(again) == ADMIN
    with pytest.raises(InvalidGrantError, match="no longer valid"):
        session.refresh_token(served.token_url, refresh_token=first["refresh_token"])


Way = Callable[[OAuth2Session, Served, str], dict[str, Any]]


def by_post(session: OAuth2Session, served: Served, secret: str) -> dict[str, Any]:
    token: dict[str, Any] = session.fetch_token(
        served.token_url, client_secret=secret, include_client_id=True
    )
    return token


def by_basic(session: OAuth2Session, served: Served, secret: str) -> dict[str, Any]:
    token: dict[str, Any] = session.fetch_token(served.token_url, client_secret=secret)
    return token


def by_basic_and_its_id(session: OAuth2Session, served: Served, secret: str) -> dict[str, Any]:
    token: dict[str, Any] = session.fetch_token(
        served.token_url, auth=(served.client_id, secret), include_client_id=True
    )
    return token


each_way = pytest.mark.parametrize("way", [by_post, by_basic, by_basic_and_its_id])


@each_way
def test_software_signs_in_with_oauthlib_and_may_ask_for_less(
    served: Served, programs: Programs, way: Way
) -> None:
    token = way(programs.software(), served, served.client_secret)
    assert token["scope"] == SCOPES
    assert "refresh_token" not in token
    assert served.may(token) == [200, 200, 200]
    # it warns, which fails here, where other scopes are answered than it asked for
    token = way(programs.software(SOME), served, served.client_secret)
    assert token["scope"] == SOME.split()
    assert served.may(token) == [200, 403, 200]


@each_way
def test_software_that_is_refused_is_told_so_by_oauthlib(
    served: Served, programs: Programs, way: Way
) -> None:
    with pytest.raises(InvalidClientError, match="do not match") as refused:
        way(programs.software(), served, "wrong")
    assert refused.value.status_code == 401
    with pytest.raises(InvalidScopeError, match="not given every scope"):
        way(programs.software("cases:write"), served, served.client_secret)


def test_a_person_who_is_refused_is_told_so_by_oauthlib(served: Served, programs: Programs) -> None:
    described = set()
    for username, password in ((ADMIN, "wrong"), ("nobody@library.example", PASSWORD)):
        session = programs.persons()
        with pytest.raises(InvalidGrantError) as refused:
            session.fetch_token(served.token_url, username=username, password=password)
        described.add((refused.value.status_code, refused.value.description))
    ((status, said),) = described
    assert status == 400
    assert said.startswith(NO_MATCH)
    session = programs.persons(["openid"])
    with pytest.raises(InvalidScopeError, match="Send no scope"):
        session.fetch_token(served.token_url, username=ADMIN, password=PASSWORD)


def test_what_is_not_done_here_oauthlib_tells_too(served: Served, programs: Programs) -> None:
    with pytest.raises(UnsupportedGrantTypeError, match="Send password, refresh_token or"):
        programs.others().fetch_token(served.token_url, code="x")
    session, named = programs.persons(), {"username": ADMIN, "password": PASSWORD}
    with pytest.raises(OAuth2Error, match="/clinic: This must be an id") as refused:
        session.fetch_token(served.token_url, **named, clinic="x")
    assert refused.value.error == "invalid_request"
    # what is not known here is left alone
    told = {"audience": "notes", "resource": "https://notes.example"}
    assert served.name_of(session.fetch_token(served.token_url, **named, **told)) == ADMIN


@pytest.mark.usefixtures("programs")
def test_the_program_in_the_pages_does_what_it_says(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "integrating.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (example,) = (each for each in examples if "requests_oauthlib" in each)
    told = []
    for secret in (served.client_secret, "wrong"):
        program = example.replace("https://notes.example", served.url)
        program = program.replace('client_id="…"', f'client_id="{served.client_id}"')
        program = program.replace('client_secret="…"', f'client_secret="{secret}"')
        exec(compile(program, "integrating.md", "exec"), {})  # noqa: S102 - as it is printed
        told.append(capsys.readouterr().out)
    assert told[0] == "[]\n"
    assert told[1].startswith("invalid_client This client id and secret do not match")


# ------------------------------------------------------------------------------------ Authlib


def test_a_person_signs_in_and_stays_signed_in_with_authlib(
    served: Served, programs: Programs
) -> None:
    session = programs.authlibs_persons()
    first = session.fetch_token(served.token_url, username=ADMIN, password=PASSWORD)
    assert served.name_of(first) == ADMIN
    assert session.get(f"{served.url}/v1/users").status_code == 200
    again = session.refresh_token(served.token_url)
    assert again["refresh_token"] != first["refresh_token"]
    assert served.name_of(again) == ADMIN
    with pytest.raises(OAuthError) as refused:
        session.refresh_token(served.token_url, refresh_token=first["refresh_token"])
    assert refused.value.error == "invalid_grant"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_software_signs_in_with_authlib_and_may_ask_for_less(
    served: Served, programs: Programs, method: str
) -> None:
    named = {"client_id": served.client_id, "token_endpoint_auth_method": method}
    for scope, told, statuses in (
        (None, " ".join(SCOPES), [200, 200, 200]),
        (SOME, SOME, [200, 403, 200]),
    ):
        named["client_secret"] = served.client_secret
        session = programs.authlibs(**named, scope=scope)
        token = session.fetch_token(served.token_url, grant_type="client_credentials")
        assert token["scope"] == told
        assert served.may(token) == statuses
    for secret, scope, error in (
        ("wrong", None, "invalid_client"),
        (served.client_secret, "cases:write", "invalid_scope"),
    ):
        session = programs.authlibs(**{**named, "client_secret": secret}, scope=scope)
        with pytest.raises(OAuthError) as refused:
            session.fetch_token(served.token_url, grant_type="client_credentials")
        assert refused.value.error == error
        assert not session.token


def test_authlib_takes_no_refusal_for_a_token(served: Served, programs: Programs) -> None:
    named = {"username": ADMIN, "password": PASSWORD}
    for more, error in (
        ({**named, "password": "wrong"}, "invalid_grant"),
        ({**named, "scope": "openid"}, "invalid_scope"),
        ({**named, "otp": "x" * 100}, "invalid_request"),
        ({"grant_type": "password", "username": ADMIN}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "x"}, "unsupported_grant_type"),
    ):
        session = programs.authlibs_persons()
        with pytest.raises(OAuthError) as refused:
            session.fetch_token(served.token_url, **more)
        assert refused.value.error == error
        assert refused.value.description
        assert not session.token


# ------------------------------------------------------- the last: it uses up what is allowed


def test_too_many_guesses_are_no_token_either(served: Served, programs: Programs) -> None:
    other = {"username": "somebody@library.example", "password": "wrong"}
    oauthlibs, authlibs = programs.persons(), programs.authlibs_persons()
    seen: set[str] = set()
    for number in range(52):
        other["username"] = f"{number}@library.example"
        with pytest.raises(OAuth2Error) as refused:
            oauthlibs.fetch_token(served.token_url, **other)
        seen.add(refused.value.error)
    assert seen == {"invalid_grant", "temporarily_unavailable"}
    with pytest.raises(OAuthError) as too_many:
        authlibs.fetch_token(served.token_url, **other)
    assert too_many.value.error == "temporarily_unavailable"
