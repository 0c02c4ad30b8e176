"""Signing in, out and in again, in all its ways."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pyotp
import pytest
import sqlalchemy as sa
from httpx import Response
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlmodel import col, select

from api.storage.models.journal import JournalEntry
from api.storage.models.people import SignIn
from tests.support.world import PASSWORD, Person, World, made, ok


async def signed_in_since(world: World, person: Person, ago: timedelta) -> None:
    """Let somebody's last proof of who they are lie so far back."""
    await world.token_of(person)
    async with world.owner.transaction() as tx:
        since = sa.update(SignIn).where(col(SignIn.id) == person.session_id)
        await tx.exec(since.values(authenticated_at=world.clock.now - ago))


async def refresh(world: World, token: str) -> Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return await world.http.post("/v1/auth/token", data=form)


async def begin(world: World, person: Person | None = None) -> dict[str, Any]:
    return ok(await sign_in(world, (person or world.clinician).email))


async def entries_of(world: World, person: Person) -> list[str]:
    async with world.database.transaction() as tx:
        await tx.enter(person.clinic_id)
        said = select(JournalEntry.happening).where(JournalEntry.actor_id == person.id)
        return list(await tx.exec(said))


NEW = "another long and fictional password"


async def offer(world: World, person: Person) -> dict[str, Any]:
    return made(await world.admin.post(f"/v1/users/{person.id}/password-reset"))


async def reset(world: World, person: Person, code: str, **fields: Any) -> Response:
    body = {"username": person.email, "code": code, "password": NEW, **fields}
    return await world.http.post("/v1/auth/password", json=body)


class Checks:
    """Counts the Argon2 verifications, whoever asks for them."""

    def __init__(self) -> None:
        self.done = 0

    def since(self) -> int:
        """Give how many there were since this was last asked."""
        done, self.done = self.done, 0
        return done


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    """A spy on every verification of a password."""
    counted, verify = Checks(), Argon2Hasher.verify

    def spy(hasher: Argon2Hasher, *arguments: Any, **named: Any) -> bool:
        counted.done += 1
        return verify(hasher, *arguments, **named)

    monkeypatch.setattr(Argon2Hasher, "verify", spy)
    return counted


class Asked:
    """Counts the statements that the database of a world was sent."""

    def __init__(self) -> None:
        self.statements = 0


@pytest.fixture
def asked(world: World) -> Iterator[Asked]:
    """A spy on every statement."""
    counted, engine = Asked(), world.database.engine.sync_engine

    def spy(*_: Any) -> None:
        counted.statements += 1

    sa.event.listen(engine, "before_cursor_execute", spy)
    yield counted
    sa.event.remove(engine, "before_cursor_execute", spy)


async def sign_in(world: World, email: str, password: str = PASSWORD, **more: Any) -> Response:
    form = {"grant_type": "password", "username": email, "password": password, **more}
    return await world.http.post("/v1/auth/token", data=form)


async def me_with(world: World, token: str) -> Response:
    return await world.http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})


def same_body(response: Response) -> str:
    """Give a refusal without what differs from request to request."""
    return json.dumps({**response.json(), "request_id": ""}, sort_keys=True)


def plainly(answer: Response) -> tuple[int, str, tuple[tuple[str, str], ...]]:
    """Give all that an answer tells, but for the id of its request."""
    headers = [(name, value) for name, value in answer.headers.items() if name != "x-request-id"]
    return answer.status_code, same_body(answer), tuple(sorted(headers))


def shown(world: World, secret: str, steps: int = 0) -> str:
    """Give what the authenticator shows, some steps from now."""
    return pyotp.TOTP(secret).generate_otp(int(world.clock.now.timestamp()) // 30 + steps)


async def enrol(world: World, person: Person) -> tuple[str, list[str]]:
    """Give somebody a second factor; give its secret and the recovery codes."""
    secret = ok(await person.post("/v1/me/totp"))["secret"]
    body = {"code": shown(world, secret)}
    codes = ok(await person.post("/v1/me/totp/confirm", body))["recovery_codes"]
    world.clock.forward(seconds=60)
    return secret, codes
