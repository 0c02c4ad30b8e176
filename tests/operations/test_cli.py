"""The command line, as somebody who runs a clinic's server uses it."""

import json
import secrets
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr, ValidationError

from api.domain.time_zones import RELEASE
from api.runtime.settings import Settings, new_data_key, random_secret
from tests.support.checkout import ROOT
from tests.support.patience import get, post
from tests.support.processes import PASSWORD, READY_WITHIN, environment, run, serving
from tests.support.world import Urls


@pytest.mark.parametrize(
    ("command", "secret"),
    [("serve", ""), ("serve", "short"), ("serve", "a" * 64), ("migrate", ""), ("worker", "")],
)
def test_a_missing_or_weak_secret_refuses_to_start(command: str, secret: str) -> None:
    refused = run(command, secret_key=secret)
    assert refused.returncode == 2
    assert "BN_SECRET_KEY" in refused.stderr
    assert not secret or secret not in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_clinic_is_set_up_served_stopped_and_served_again(settings: dict[str, str]) -> None:
    assert run("migrate", **settings).returncode == 0
    who = ("--clinic", "Harbour", "--admin", "Admin@Harbour.example")
    founded = run("bootstrap", *who, **settings)
    ids = json.loads(founded.stdout.splitlines()[-1])
    assert {UUID(ids["clinic_id"]), UUID(ids["user_id"])}
    with serving(settings) as url:
        person = {"name": "Ada", "email": "ada@harbour.example", "role": "clinician"}
        body = {**person, "password": PASSWORD}
        made = post(f"{url}/v1/users", json=body, headers=_bearer(url, "admin"))
        assert made.status_code == 201
    with serving(settings, "--workers", "2") as url:
        me = get(f"{url}/v1/me", headers=_bearer(url, "ada"))
        assert me.json()["name"] == "Ada"
        assert "server" not in me.headers


def _bearer(url: str, who: str) -> dict[str, str]:
    form = {"grant_type": "password", "username": f"{who}@harbour.example", "password": PASSWORD}
    token = post(f"{url}/v1/auth/token", data=form).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def test_a_second_clinic_may_be_founded_and_a_short_password_may_not(
    settings: dict[str, str],
) -> None:
    run("migrate", **settings)
    for clinic in ("Harbour", "Hill"):
        founded = run("bootstrap", "--clinic", clinic, "--admin", "admin@x.example", **settings)
        assert founded.returncode == 0
    short = run(
        "bootstrap",
        "--clinic",
        "C",
        "--admin",
        "a@x.example",
        **settings | {"bootstrap_password": "short"},
    )
    assert short.returncode == 2
    assert "short" not in short.stdout


def test_what_the_api_would_not_take_founds_no_clinic(settings: dict[str, str]) -> None:
    run("migrate", **settings)
    taken = {"--clinic": "Harbour", "--admin": "admin@x.example", "--time-zone": "UTC"}
    for option, given in (
        ("--clinic", "x" * 201),
        ("--admin", "nobody"),
        ("--time-zone", "Mars/Olympus"),
    ):
        words = [word for pair in {**taken, option: given}.items() for word in pair]
        refused = run("bootstrap", *words, **settings)
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"{option} is ")
        assert len(refused.stderr.splitlines()) == 1
    assert "No clinic is seen" in run("journal-heads", **settings).stderr


def test_a_server_before_its_migration_is_alive_but_not_ready(settings: dict[str, str]) -> None:
    with serving(settings, until="/healthz") as url:
        not_ready = get(f"{url}/readyz")
        assert not_ready.status_code == 503
        assert not_ready.headers["content-type"] == "application/problem+json"


def test_the_worker_works_and_stops_when_told(settings: dict[str, str]) -> None:
    run("migrate", **settings)
    command = [sys.executable, "-m", "api", "worker"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(settings), stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        said = [json.loads(worker.stdout.readline()) for _ in range(2)]
        assert [line["event"] for line in said] == ["started", "worked"]
        assert said[0]["time_zones"] == RELEASE
        worker.terminate()
        worker.communicate(timeout=READY_WITHIN)
        assert worker.returncode == 0


@pytest.mark.parametrize("key", [None, "short"])
def test_without_a_data_key_it_refuses_to_start(settings: dict[str, str], key: str | None) -> None:
    others = {name: value for name, value in settings.items() if name != "data_key"}
    refused = run("serve", **others | ({} if key is None else {"data_key": key}))
    assert refused.returncode == 2
    assert "BN_DATA_KEY" in refused.stderr
    assert key is None or key not in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("key", ["", "A" * 42, "=" * 43, "é" * 43, "A" * 43 + ",x", "A" * 44])
def test_a_data_key_is_32_bytes_in_base64url(key: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(secret_key=random_secret(), data_key=SecretStr(key))
    assert "BN_DATA_KEY" in refused.value.errors()[0]["msg"]


def test_a_data_key_is_set_once(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    secret, key = random_secret(), SecretStr(new_data_key())
    with pytest.raises(ValidationError, match="cannot be read"):
        Settings(secret_key=secret, data_key_file=path)
    path.write_text(f"{new_data_key()}\n{new_data_key()}\n")
    kept = Settings(secret_key=secret, data_key_file=path).data_keys
    assert kept is not None
    assert len(kept.names) == 2
    with pytest.raises(ValidationError, match="leave one out"):
        Settings(secret_key=secret, data_key_file=path, data_key=key)


def test_keys_are_changed_and_the_wrong_one_refuses_to_start(
    settings: dict[str, str], tmp_path: Path
) -> None:
    run("migrate", **settings)
    run("bootstrap", "--clinic", "Harbour", "--admin", "admin@harbour.example", **settings)
    old, new = settings.pop("data_key"), run("new-data-key").stdout.strip()
    for command in ("serve", "worker", "bootstrap --clinic X --admin x@x.example"):
        wrong = run(*command.split(), **settings, data_key=new)
        assert wrong.returncode == 2, command
        assert "not the key" in wrong.stderr
        assert new not in wrong.stderr
    path = tmp_path / "data-keys"
    path.write_text(f"{new}\n{old}\n")
    with serving({**settings, "data_key_file": str(path)}) as url:
        assert _bearer(url, "admin")
    more = {**settings, "data_key_file": str(path)}
    rotated = run("rotate-keys", "--clinic-keys", **more)
    assert rotated.returncode == 0, rotated.stderr
    assert "clinics" in rotated.stderr
    with serving({**settings, "data_key": new}) as url:
        assert _bearer(url, "admin")
    assert run("serve", **settings, data_key=old).returncode == 2


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_role_that_could_pass_the_walls_refuses_to_start(
    command: str, postgresql_urls: Urls
) -> None:
    secret = secrets.token_urlsafe(48)
    refused = run(command, secret_key=secret, database_url=postgresql_urls.owner)
    assert refused.returncode == 2
    assert "superuser" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_that_cannot_be_reached_is_said_without_its_address() -> None:
    url = "postgresql+asyncpg://somebody:a-password@127.0.0.1:1/notes"
    refused = run("serve", secret_key=secrets.token_urlsafe(48), database_url=url)
    assert refused.returncode == 2
    assert "cannot be reached" in refused.stderr
    assert "a-password" not in refused.stderr
    assert "Traceback" not in refused.stderr
