"""Staying signed in: a refresh token is used once, and a stolen one ends the session."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import anyio
import pytest
import sqlalchemy as sa
from httpx import Response
from sqlmodel import select

import api.access.sessions
from api.security.opaque_tokens import RefreshToken, RefreshTokens
from api.security.tokens import AccessTokens, Claims
from api.storage.models.people import SignIn
from api.storage.transaction import Transaction
from tests.support.requests import document, refused, tolerant
from tests.support.signing_in import begin, entries_of, me_with, refresh, same_body
from tests.support.world import Clock, Person, World, made, ok

pytestmark = pytest.mark.both_databases

AT_ONCE = 50


async def test_a_refresh_token_gives_the_next_pair(world: World) -> None:
    first = await begin(world)
    assert "." not in first["refresh_token"]
    second = ok(await refresh(world, first["refresh_token"]))
    assert second["refresh_token"] != first["refresh_token"]
    assert (second["token_type"], second["expires_in"]) == ("bearer", 600)
    for pair in (first, second):
        assert ok(await me_with(world, pair["access_token"]))["id"] == str(world.clinician.id)
    assert "session.refreshed" in await entries_of(world, world.clinician)


async def test_only_the_hash_of_a_refresh_token_is_kept(world: World) -> None:
    text = (await begin(world))["refresh_token"]
    async with world.database.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        rows = str((await (await tx.connection()).execute(sa.select(SignIn))).all())
    assert text not in rows
    assert base64.urlsafe_b64decode(text + "==")[-32:].hex() not in rows


async def test_the_second_of_two_requests_at_once_is_refused_and_nothing_ends(world: World) -> None:
    first = await begin(tolerant(world))
    second = ok(await refresh(world, first["refresh_token"]))
    world.clock.forward(seconds=9)
    refused(await refresh(world, first["refresh_token"]), 400)
    ok(await me_with(world, second["access_token"]))
    ok(await refresh(world, second["refresh_token"]))


async def test_a_token_used_again_later_ends_the_session(world: World) -> None:
    me = tolerant(world).clinician
    first, bystander = await begin(world), await begin(world)
    second = ok(await refresh(world, first["refresh_token"]))
    world.clock.forward(seconds=11)
    refused(await refresh(world, first["refresh_token"]), 400)
    refused(await me_with(world, second["access_token"]), 401)
    refused(await refresh(world, second["refresh_token"]), 400)
    assert (await entries_of(world, me)).count("session.token_reused") == 1
    ok(await refresh(world, bystander["refresh_token"]))


async def test_a_token_two_generations_old_ends_the_session_even_at_once(world: World) -> None:
    first = await begin(tolerant(world))
    second = ok(await refresh(world, first["refresh_token"]))
    third = ok(await refresh(world, second["refresh_token"]))
    refused(await refresh(world, first["refresh_token"]), 400)
    refused(await refresh(world, third["refresh_token"]), 400)


def mutants_of(token: str, other: str) -> Iterator[str]:
    """Change a refresh token in each character, and cut and paste it."""
    yield from ("", ".", "A" * 86, "é" * 86, token[:-1], token + "=", f" {token}", token * 2)
    yield from (token[:place] + "~" + token[place + 1 :] for place in range(0, len(token), 5))
    raw, others = (base64.urlsafe_b64decode(each + "==") for each in (token, other))
    for odd in (raw[:32], raw + b"\x00", others[:16] + raw[16:], raw[::-1], uuid4().bytes * 4):
        yield base64.urlsafe_b64encode(odd).rstrip(b"=").decode()
    # the bits of the last character that a decoder drops
    yield from (token[:-1] + last for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if last != token[-1])


async def test_every_other_text_gets_the_same_refusal(world: World) -> None:
    mine = await begin(tolerant(world))
    theirs = await begin(world, world.there["clinician"])
    bodies = set()
    for mutant in mutants_of(mine["refresh_token"], theirs["refresh_token"]):
        answer = await refresh(world, mutant)
        refused(answer, 400, why=mutant)
        if answer.json()["error"] == "invalid_grant":
            bodies.add(same_body(answer))
    assert len(bodies) == 1
    ok(await refresh(world, theirs["refresh_token"]))


def test_a_refresh_token_has_one_spelling() -> None:
    clinic, session = uuid4(), uuid4()
    tokens = RefreshTokens("a secret")
    token = tokens.new(clinic, session)
    assert tokens.parse(token.text) == token == RefreshToken(clinic, session, token.text, ours=True)
    assert len(base64.urlsafe_b64decode(token.text + "==")) == 64
    other = tokens.new(uuid4(), uuid4()).text
    for mutant in mutants_of(token.text, other):
        read = tokens.parse(mutant)
        assert read is None or read.text == other or not read.ours
    assert RefreshTokens("another").parse(token.text) == token._replace(ours=False)


async def test_a_token_that_was_never_given_to_anybody_ends_no_session(world: World) -> None:
    """The ids in it stand in every access token, also in one that has expired."""
    mine = await begin(tolerant(world))
    raw = base64.urlsafe_b64decode(mine["refresh_token"] + "==")
    for part in (bytes(32), raw[32:48] + bytes(16), bytes(16) + raw[48:]):
        forged = base64.urlsafe_b64encode(raw[:32] + part).rstrip(b"=").decode()
        refused(await refresh(world, forged), 400)
    assert "session.token_reused" not in await entries_of(world, world.clinician)
    ok(await refresh(world, mine["refresh_token"]))


async def test_a_session_ends_after_half_an_hour_in_which_nobody_refreshes_it(world: World) -> None:
    pair = await begin(tolerant(world))
    world.clock.forward(minutes=29, seconds=59)
    pair = ok(await refresh(world, pair["refresh_token"]))
    world.clock.forward(minutes=30)
    refused(await refresh(world, pair["refresh_token"]), 400)


async def test_a_session_ends_after_twelve_hours_however_often_it_is_refreshed(
    world: World,
) -> None:
    pair = await begin(tolerant(world))
    for _ in range(28):
        world.clock.forward(minutes=25)
        pair = ok(await refresh(world, pair["refresh_token"]))
    assert pair["expires_in"] == 600
    world.clock.forward(minutes=15)  # 11 h 55 min
    pair = ok(await refresh(world, pair["refresh_token"]))
    assert pair["expires_in"] == 300
    world.clock.forward(minutes=4, seconds=59)
    ok(await me_with(world, pair["access_token"]))
    pair = ok(await refresh(world, pair["refresh_token"]))
    assert pair["expires_in"] == 1
    world.clock.forward(seconds=1)
    refused(await me_with(world, pair["access_token"]), 401)
    refused(await refresh(world, pair["refresh_token"]), 400)


async def test_who_is_shut_out_or_signed_out_does_not_refresh(world: World) -> None:
    me = tolerant(world).clinician
    out, pair = await begin(world), await begin(world)
    headers = {"Authorization": f"Bearer {out['access_token']}"}
    assert (await world.http.post("/v1/auth/revoke", headers=headers)).status_code == 204
    refused(await refresh(world, out["refresh_token"]), 400)
    ok(await world.admin.patch(f"/v1/users/{me.id}", {"is_active": False}))
    refused(await refresh(world, pair["refresh_token"]), 400)
    ok(await world.admin.patch(f"/v1/users/{me.id}", {"is_active": True}))
    refused(await refresh(world, pair["refresh_token"]), 400)


async def test_each_grant_says_which_field_it_needs(world: World) -> None:
    for form, pointer in (
        ({"grant_type": "refresh_token"}, "/refresh_token"),
        ({"grant_type": "refresh_token", "username": "x", "password": "y"}, "/refresh_token"),
        ({"grant_type": "password", "password": "y"}, "/username"),
        ({"grant_type": "password", "username": "x", "refresh_token": "z"}, "/password"),
    ):
        answer = await world.http.post("/v1/auth/token", data=form)
        refused(answer, 400)
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    grants = document()["components"]["schemas"]["TokenForm"]["oneOf"]
    assert ["grant_type", "refresh_token"] in [grant["required"] for grant in grants]


async def race(world: World, token: str) -> list[Response]:
    """Present one refresh token many times at once."""
    answers: list[Response] = []

    async def one() -> None:
        answers.append(await refresh(world, token))

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(one)
    return answers


@pytest.mark.parametrize("rounds", [10, pytest.param(100, marks=pytest.mark.long)])
async def test_of_fifty_refreshes_at_once_one_wins_and_its_successor_lives(
    world: World, rounds: int
) -> None:
    tolerant(world)
    for _ in range(rounds):
        answers = await race(world, (await begin(world))["refresh_token"])
        won = [answer.json() for answer in answers if answer.status_code == 200]
        assert len(won) == 1
        # whoever waited too long for their turn is told so
        assert {answer.status_code for answer in answers} - {503} == {200, 400}
        ok(await me_with(world, won[0]["access_token"]))
        last = ok(await refresh(world, won[0]["refresh_token"]))
        world.clock.forward(seconds=11)
        refused(await refresh(world, won[0]["refresh_token"]), 400)
        refused(await refresh(world, last["refresh_token"]), 400)


async def test_without_compare_and_set_many_would_win(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def always(tx: Transaction, *_: Any) -> bool:
        return True

    monkeypatch.setattr(api.access.sessions, "_replace", always)
    answers = await race(world, (await begin(world))["refresh_token"])
    assert [answer.status_code for answer in answers].count(200) > 1


async def test_a_clock_set_back_an_hour_breaks_no_token_within_its_life(world: World) -> None:
    me = world.clinician
    pair = await begin(world)
    world.clock.forward(minutes=20)
    pair = ok(await refresh(world, pair["refresh_token"]))
    world.clock.forward(hours=-1)
    ok(await me_with(world, pair["access_token"]))
    following = ok(await refresh(world, pair["refresh_token"]))
    # the earlier one has not ended by it
    for token in (pair["access_token"], following["access_token"]):
        assert ok(await me_with(world, token))["id"] == str(me.id)
    # nor does it when the clock is put right again
    world.clock.forward(hours=1, minutes=5)
    ok(await me_with(world, pair["access_token"]))
    ok(await refresh(world, following["refresh_token"]))


async def test_a_session_that_was_carried_on_while_the_clock_was_back_lives_on_after(
    world: World,
) -> None:
    pair = await begin(world)
    world.clock.forward(hours=-1)
    pair = ok(await refresh(world, pair["refresh_token"]))
    world.clock.forward(hours=1, minutes=29)
    ok(await refresh(world, pair["refresh_token"]))


async def test_a_clock_set_back_brings_no_token_back(world: World) -> None:
    ended, late = await begin(tolerant(world)), await begin(world)
    headers = {"Authorization": f"Bearer {ended['access_token']}"}
    assert (await world.http.post("/v1/auth/revoke", headers=headers)).status_code == 204
    used = ok(await refresh(world, late["refresh_token"]))
    world.clock.forward(seconds=30, hours=-1)
    refused(await me_with(world, ended["access_token"]), 401)
    refused(await refresh(world, ended["refresh_token"]), 400)
    refused(await refresh(world, late["refresh_token"]), 400)
    ok(await me_with(world, used["access_token"]))


async def test_an_instant_ahead_is_believed_only_where_the_session_was_there(
    world: World,
) -> None:
    me = tolerant(world).clinician
    pair = await begin(world)
    session = (await sessions_of(world, me))[0]
    tokens: AccessTokens = world.app.state.tokens
    claims = Claims(me.clinic_id, me.id, session.id)
    for ahead in (timedelta(seconds=1), timedelta(hours=1), timedelta(days=3_000)):
        forged = tokens.issue(claims, world.clock.now + ahead)
        refused(await me_with(world, forged), 401, why=ahead)
    ok(await me_with(world, pair["access_token"]))


async def test_a_server_whose_clock_is_behind_takes_what_another_issued(world: World) -> None:
    # two servers, or one that was started again after its clock had been put right
    pair = await begin(world)
    behind = Clock(world.clock.now - timedelta(seconds=2))
    world.database.clock = behind
    ok(await me_with(world, pair["access_token"]))
    pair = ok(await refresh(world, pair["refresh_token"]))
    world.database.clock = world.clock
    ok(await me_with(world, pair["access_token"]))


async def test_software_keeps_its_token_too_where_the_clock_is_set_back(world: World) -> None:
    account = made(
        await world.admin.post("/v1/service-accounts", {"name": "D", "scopes": ["cases:read"]})
    )
    form = {name: account[name] for name in ("client_id", "client_secret")}
    form["grant_type"] = "client_credentials"
    token = ok(await world.http.post("/v1/auth/token", data=form))["access_token"]
    world.clock.forward(hours=-1)
    headers = {"Authorization": f"Bearer {token}"}
    ok(await world.http.get("/v1/cases", headers=headers))
    ok(await world.http.post("/v1/auth/token", data=form))


async def test_a_code_for_a_new_password_holds_though_the_clock_was_set_back(
    world: World,
) -> None:
    me = world.clinician
    code = made(await world.admin.post(f"/v1/users/{me.id}/password-reset"))["code"]
    world.clock.forward(hours=-1)
    body = {"username": me.email, "code": code, "password": "a new and fictional password"}
    assert (await world.http.post("/v1/auth/password", json=body)).status_code == 204


async def sessions_of(world: World, person: Person) -> list[SignIn]:
    async with world.database.transaction() as tx:
        await tx.enter(person.clinic_id)
        mine = select(SignIn).where(SignIn.user_id == person.id)
        return list(await tx.exec(mine))
