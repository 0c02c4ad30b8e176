"""Serve the API on SQLite and on PostgreSQL, and play the acceptance stories against each.

    .venv/bin/python .ci/play_stories.py PLAYER STORIES [sqlite] [postgresql]

Exits 1 if any story differs on any database; then the server's last lines are printed as well.
"""

import asyncio
import base64
import importlib.util
import json
import os
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from tests.support.postgres import postgres  # noqa: E402  (the checkout is not installed)

ADMIN = "admin@stories.example"
STARTS_WITHIN = STOPS_WITHIN = 60.0  # seconds
PLAYS_WITHIN = 900.0
API = (sys.executable, "-m", "api")


@contextmanager
def sqlite() -> Iterator[dict[str, str]]:
    """Give the settings of a database file that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="bn-stories-") as folder:
        yield {"BN_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/stories.db"}


@contextmanager
def postgresql() -> Iterator[dict[str, str]]:
    """Give the settings of a new database, with an owner and a role that serves, as in use."""
    name, password = f"stories_{secrets.token_hex(4)}", secrets.token_urlsafe(24)
    owner, serves = f"{name}_owner", f"{name}_app"
    with postgres() as superuser:
        server = make_url(superuser)
        execute(
            server,
            *(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'" for role in (owner, serves)),
            f"CREATE DATABASE {name} OWNER {owner}",
        )
        try:
            urls = [
                server.set(username=role, password=password, database=name).render_as_string(
                    hide_password=False
                )
                for role in (serves, owner)
            ]
            yield dict(zip(("BN_DATABASE_URL", "BN_MIGRATE_DATABASE_URL"), urls, strict=True))
        finally:
            execute(
                server,
                f"DROP DATABASE {name} WITH (FORCE)",
                f"DROP ROLE {serves}",
                f"DROP ROLE {owner}",
            )


def execute(server: URL, *statements: str) -> None:
    """Run statements as the superuser, outside any transaction."""

    async def run() -> None:
        engine = create_async_engine(server, isolation_level="AUTOCOMMIT", hide_parameters=True)
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
        await engine.dispose()

    try:
        asyncio.run(run())
    except DBAPIError as error:  # without the statement: one holds a password
        raise RuntimeError(str(error.orig)) from None


def settings(database: dict[str, str]) -> dict[str, str]:
    """Give an environment with new secrets and none of the caller's own settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("BN_")}
    return inherited | {
        **database,
        "BN_SECRET_KEY": secrets.token_urlsafe(48),
        "BN_DATA_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("="),
        "BN_BOOTSTRAP_PASSWORD": secrets.token_urlsafe(24),
    }


def api(*command: str, env: dict[str, str]) -> str:
    """Run one command to its end and give what it printed; its errors are shown as they come."""
    done = subprocess.run(
        [*API, *command],
        cwd=CHECKOUT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=STARTS_WITHIN,
        check=True,
    )
    return done.stdout


@contextmanager
def served(env: dict[str, str]) -> Iterator[str]:
    """Serve on a free port, wait until ready, and stop that one process at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [*API, "serve", "--host", "127.0.0.1", "--port", str(port)],
            cwd=CHECKOUT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_ready(url, server)
            yield url
        except Exception:
            log.seek(0)
            print(*log.read().decode(errors="replace").splitlines()[-60:], sep="\n", flush=True)
            raise
        finally:
            server.terminate()
            try:
                server.wait(STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    """Return once /readyz answers 200; raise if the server ends or takes too long."""
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        answer = "no answer"
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):  # noqa: S310  (our own server)
                return
        except urllib.error.HTTPError as refusal:
            with refusal:
                answer = f"{refusal.code} {refusal.read()[:300]!r}"
        except OSError as error:
            answer = str(error)
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"/readyz: {answer}; the server's exit code: {server.poll()}")
        time.sleep(0.1)


def play(database: dict[str, str], player: Path, stories: Path) -> None:
    """Migrate, make a clinic, serve, and run the player. Raises when a story differs."""
    env = settings(database)
    api("migrate", env=env)
    made = api("bootstrap", "--clinic", "Stories", "--admin", ADMIN, env=env)
    ids = json.loads(made.splitlines()[-1])
    if not {"clinic_id", "user_id"} <= ids.keys():
        raise RuntimeError("bootstrap must end with a JSON object of clinic_id and user_id")
    with served(env) as url:
        # Never in an exception's words: the command holds the password.
        command = [sys.executable, player, "--url", url, "--stories", stories]
        command += ["--admin", ADMIN, "--password", env["BN_BOOTSTRAP_PASSWORD"]]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, timeout=PLAYS_WITHIN, check=False
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"the stories took more than {PLAYS_WITHIN:.0f} s") from None
        if done.returncode:
            raise RuntimeError("not every story is right")
        told_in_other_orders(player, stories, url, env["BN_BOOTSTRAP_PASSWORD"])


def told_in_other_orders(player: Path, stories: Path, url: str, password: str) -> None:
    """Play each story backwards and at random, too. Raises when one differs."""
    spec = importlib.util.spec_from_file_location("player", player)
    if spec is None or spec.loader is None:
        raise RuntimeError("the player is no program of Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    world, told, wrong = module.World(url, ADMIN, password), module.load(stories), 0
    for story in told:
        places = list(range(len(story["incidents"])))
        at_random = random.Random(story["id"]).sample(places, len(places))  # noqa: S311 - no secret
        for order in (places[::-1], at_random):
            _, flags, prompts = module.play(world, story, order)
            if (flags, prompts) != (story["expect"]["flags"], story["expect"]["prompts"]):
                print(f"{story['id']} in the order {order}: {flags} {prompts}", flush=True)
                wrong += 1
    print(f"backwards and at random: {2 * len(told) - wrong} of {2 * len(told)} right", flush=True)
    if wrong:
        raise RuntimeError("not every story is right in every order")


def main(player: str, stories: str, *chosen: str) -> int:
    """Play on each database, also when one fails; give the exit code."""
    databases = {"sqlite": sqlite, "postgresql": postgresql}
    failed = 0
    for name in chosen or databases:
        print(f"{name}:", flush=True)
        try:
            with databases[name]() as database:
                play(database, Path(player).resolve(), Path(stories).resolve())
        except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
            print(f"{name}: {error}", flush=True)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
