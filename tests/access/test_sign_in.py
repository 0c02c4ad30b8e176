"""Signing in and out: one answer to every failure, and every change acts at once."""

import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError
from httpx import Response
from limits import RateLimitItemPerHour
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import BaseModel, ValidationError
from sqlmodel import select

from api.domain.errors import Refusal
from api.http.oauth_refusals import token_body_of
from api.routes.users import MePatch, UserCreate
from api.security.tokens import Passwords
from api.storage.models.journal import JournalEntry
from api.storage.models.people import User
from tests.support.canary import CANARY
from tests.support.requests import refused, tolerant
from tests.support.signing_in import Asked, Checks, me_with, same_body, sign_in
from tests.support.world import PASSWORD, Person, World, ok

NEW = "another long and fictional password"


async def session_of(world: World, person: Person) -> str:
    token: str = ok(await sign_in(world, person.email))["access_token"]
    return token


async def add_user(world: World, person: Person, email: str, **fields: Any) -> None:
    """Give another clinic or person an address."""
    async with world.database.transaction() as tx:
        await tx.enter(person.clinic_id)
        user = (await tx.exec(select(User).where(User.id == person.id))).one()
        for name, value in {"email": email, **fields}.items():
            setattr(user, name, value)
        tx.add(user)


async def test_address_and_password_give_a_token_for_ten_minutes(world: World) -> None:
    for person in world.here.values():
        answer = await sign_in(world, person.email)
        token = ok(answer)
        assert token.keys() >= {"access_token", "token_type", "expires_in"}
        assert (token["token_type"], token["expires_in"]) == ("bearer", 600)
        assert answer.headers["cache-control"] == "no-store"
        me = ok(await me_with(world, token["access_token"]))
        assert (me["id"], me["role"], me["email"]) == (str(person.id), person.role, person.email)


async def test_case_and_spaces_around_an_address_do_not_matter(world: World) -> None:
    email = world.clinician.email
    for spelling in (email.upper(), f"  {email} ", email.title(), f"\t{email}\n"):
        ok(await sign_in(world, spelling))
    for password in (PASSWORD.upper(), f" {PASSWORD}", f"{PASSWORD} ", PASSWORD[:-1], ""):
        refused(await sign_in(world, email, password), 400)


async def test_every_failure_to_sign_in_gives_the_same_answer_for_the_same_work(
    world: World, checks: Checks, asked: Asked
) -> None:
    tolerant(world)
    email = world.clinician.email
    shared, inactive = f"{uuid4().hex}@clinic.example", world.here["consultant"].email
    await add_user(world, world.colleague, shared)
    await add_user(world, world.there["colleague"], shared)
    await add_user(world, world.here["consultant"], inactive, is_active=False)
    # the last instant of a clinic, and of none, is asked for once in a process
    for each in (email, f"{CANARY}@clinic.example"):
        refused(await sign_in(world, each, CANARY), 400)
    checks.since()
    answers: dict[str, set[str]] = {}
    statements: dict[int, set[str]] = {}
    for why, username, password, more in (
        ("unknown user", f"{CANARY}@clinic.example", PASSWORD, {}),
        ("no address at all", CANARY, PASSWORD, {}),
        ("wrong password", email, f"{CANARY} and some more", {}),
        ("long wrong password", email, CANARY * 80, {}),
        ("half characters replaced", email, "\ufffd" * 20, {}),
        ("inactive user", inactive, PASSWORD, {}),
        ("inactive user, wrong password", inactive, CANARY, {}),
        ("address in two clinics", shared, PASSWORD, {}),
        ("address in two clinics, wrong password", shared, CANARY, {}),
        ("unknown clinic", shared, PASSWORD, {"clinic": str(uuid4())}),
        ("another clinic", email, PASSWORD, {"clinic": str(world.there["clinician"].clinic_id)}),
        ("wildcards", "%", PASSWORD, {}),
        ("SQL", "' OR 1=1 --", PASSWORD, {}),
    ):
        asked.statements = 0
        answer = await sign_in(world, username, password, **more)
        refused(answer, 400, why=why)
        assert answer.json()["error"] == "invalid_grant", why
        assert "www-authenticate" not in answer.headers, why
        assert checks.since() == 1, why
        answers.setdefault(same_body(answer), set()).add(why)
        statements.setdefault(asked.statements, set()).add(why)
    assert len(answers) == 1, answers
    assert len(statements) == 1, statements
    ok(await sign_in(world, email))
    assert checks.since() == 1


async def test_what_an_unknown_name_is_compared_with_is_no_less_work_and_none_at_a_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = await Passwords(1).hash(PASSWORD)
    with monkeypatch.context() as patch:
        patch.delattr(Argon2Hasher, "hash")
        one, other = Passwords(1)._nobody, Passwords(1)._nobody
    assert one != other
    assert len(one) == len(real)
    assert extract_parameters(one) == extract_parameters(real)
    # it is compared to its end: a hash that cannot be read would be refused at once
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(one, PASSWORD)


async def test_an_address_in_two_clinics_signs_in_with_the_clinics_id(world: World) -> None:
    shared = f"{uuid4().hex}@clinic.example"
    both = (world.colleague, world.there["colleague"])
    for person in both:
        await add_user(world, person, shared)
    for person in both:
        token = ok(await sign_in(world, shared, clinic=str(person.clinic_id)))["access_token"]
        assert ok(await me_with(world, token))["id"] == str(person.id)
    # once it is known in one clinic only, the address is enough
    await add_user(world, both[1], shared, is_active=False)
    token = ok(await sign_in(world, shared))["access_token"]
    assert ok(await me_with(world, token))["id"] == str(both[0].id)


def hostile_forms(email: str) -> Iterator[tuple[str, bytes, str]]:
    """Write forms that are none: what, the body, its type."""
    form = "application/x-www-form-urlencoded"
    good = f"grant_type=password&username={email}&password={PASSWORD}".replace(" ", "+").encode()
    yield "nothing", b"", form
    yield "NUL in the address", good.replace(b"&password", b"%00&password"), form
    yield "NUL before the address", good.replace(b"username=", b"username=%00"), form
    yield "NUL in an unknown field", good + b"&x=%00", form
    yield "an unknown field, twice", good + b"&x=1&x=2", form
    yield "an unknown grant", good.replace(b"=password", b"=" + CANARY.encode(), 1), form
    yield "a clinic that is no id", good + b"&clinic=" + CANARY.encode(), form
    yield "a NUL as clinic", good + b"&clinic=%00", form
    yield "no password", good.rpartition(b"&")[0], form
    yield "too long an address", good.replace(b"username=", b"username=" + b"a" * 300), form
    yield "too long a password", good + CANARY.encode() * 200, form
    yield "very many fields", good + b"".join(b"&a%d=1" % n for n in range(2_000)), form
    yield "JSON", json.dumps({"grant_type": CANARY}).encode(), "application/json"
    yield "JSON called a form", json.dumps({"grant_type": CANARY}).encode(), form
    yield "a text", good, "text/plain"
    yield "no boundary", b"x", "multipart/form-data"
    yield "no part", b"x", "multipart/form-data; boundary=B"
    for charset in ("unicode_escape", "utf-7", "utf-16", "rot13", CANARY):
        parts = [
            b'--B\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name, value)
            for name, value in (
                (b"grant_type", b"password"),
                (b"username", b"\\ud800+2AA-\\x00"),
                (b"password", b"\\ud800+2AA-\\x00"),
            )
        ]
        media = f"multipart/form-data; boundary=B; charset={charset}"
        yield charset, b"".join(parts) + b"--B--\r\n", media
    file = b'--B\r\nContent-Disposition: form-data; name="password"; filename="x"\r\n\r\ny\r\n--B--'
    yield "a file", file, "multipart/form-data; boundary=B"
    yield "too much", good + b"&scope=" + b"x" * 300_000, form


async def test_a_form_that_is_none_is_refused_and_not_repeated(world: World) -> None:
    tolerant(world)
    for what, content, media in hostile_forms(world.clinician.email):
        answer = await world.http.post(
            "/v1/auth/token", content=content, headers={"Content-Type": media}
        )
        refused(answer, 400, 413, 415, why=what)


async def test_a_field_of_the_form_is_given_once(world: World) -> None:
    # RFC 6749, 3.2: parameters must not be included more than once
    tolerant(world)
    form = {"grant_type": "password", "username": world.clinician.email, "password": PASSWORD}
    for name, value in form.items():
        answer = await world.http.post("/v1/auth/token", data={**form, name: [value, value]})
        refused(answer, 400, why=name)


async def test_what_is_not_known_or_has_no_value_is_as_if_it_were_left_out(world: World) -> None:
    # RFC 6749, 3.2
    form = {"grant_type": "password", "username": world.clinician.email, "password": PASSWORD}
    names = ("scope", "clinic", "otp", "device_token", "refresh_token", "client_id")
    for also in (
        {"audience": CANARY, "resource": "https://elsewhere.example", "client_assertion": "x"},
        dict.fromkeys((*names, "client_secret", "state"), ""),
        {"scope": "  "},
    ):
        answer = ok(await world.http.post("/v1/auth/token", data={**form, **also}))
        assert CANARY not in str(answer)
    for name in form:
        refusal = await world.http.post("/v1/auth/token", data={**form, name: ""})
        assert refused(refusal, 400)["errors"][0]["pointer"] == f"/{name}"


async def test_nothing_is_null_in_an_answer_that_gives_a_token(world: World) -> None:
    first = ok(await sign_in(world, world.clinician.email))
    everywhere = {"access_token", "token_type", "expires_in"}
    assert first.keys() == {*everywhere, "refresh_token", "device_token"}
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    again = ok(await world.http.post("/v1/auth/token", data=form))
    assert again.keys() == {*everywhere, "refresh_token"}
    assert None not in {**first, **again}.values()


async def test_a_persons_token_is_not_narrowed_and_nobody_is_told_that_it_was(
    world: World, checks: Checks
) -> None:
    email = tolerant(world).clinician.email
    pair = ok(await sign_in(world, email))
    checks.since()
    for scope in ("openid", "cases:read", "openid profile offline_access", CANARY):
        by_token = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
        for answer in (
            await sign_in(world, email, scope=scope),
            await sign_in(world, email, "wrong", scope=scope),
            await world.http.post("/v1/auth/token", data={**by_token, "scope": scope}),
        ):
            told = refused(answer, 400)
            assert (told["error"], told["status"]) == ("invalid_scope", 400)
            assert told["detail"].endswith("Send no scope.")
    assert checks.since() == 0
    # none of it used the token up
    ok(await world.http.post("/v1/auth/token", data={**by_token, "scope": ""}))


async def test_every_refusal_is_told_in_the_words_of_oauth_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tolerant(world)
    person = {"grant_type": "password", "username": world.clinician.email}
    path, form = "/v1/auth/token", "application/x-www-form-urlencoded"
    odd = {"Content-Type": "application/json"}
    for sent, status, error in (
        ({"data": {**person, "password": "wrong"}}, 400, "invalid_grant"),
        ({"data": {"grant_type": "refresh_token", "refresh_token": "x"}}, 400, "invalid_grant"),
        ({"data": {"grant_type": "authorization_code"}}, 400, "unsupported_grant_type"),
        ({"data": {"grant_type": CANARY}}, 400, "unsupported_grant_type"),
        ({"data": person}, 400, "invalid_request"),
        ({"data": {"x": "y"}}, 400, "invalid_request"),
        ({"data": {**person, "password": "wrong"}, "params": {"x": "y"}}, 400, "invalid_request"),
        ({"data": {**person, "clinic": "x"}}, 400, "invalid_request"),
        ({"data": {**person, "password": ["x", "y"]}}, 400, "invalid_request"),
        ({"headers": {"Idempotency-Key": "x"}, "data": person}, 400, "invalid_request"),
        ({"data": {"grant_type": "client_credentials"}}, 401, "invalid_client"),
        ({"content": b"x" * 300_000, "headers": {"Content-Type": form}}, 413, "invalid_request"),
        ({"content": b"{}", "headers": odd}, 415, "invalid_request"),
    ):
        told = refused(await world.http.post(path, **sent), status, why=sent)
        assert told["error"] == error, (sent, told)
        assert told["error_description"].startswith(told["detail"]), told
        for each in told.get("errors", ()):
            assert each["message"] in told["error_description"]
    monkeypatch.setattr(
        "api.access.rate_limits.SENSELESS", RateLimitItemPerHour(0, namespace="none")
    )
    token = {"grant_type": "refresh_token", "refresh_token": "x"}
    told = refused(await world.http.post(path, data=token), 429)
    assert told["error"] == "temporarily_unavailable"
    await assert_told_by_what_fails(world, monkeypatch)
    # and nowhere else
    told = refused(await world.http.get("/v1/me"), 401)
    assert not {"error", "error_description"} & told.keys()


async def test_a_refusal_of_a_token_is_plain_json_for_who_reads_nothing_else(world: World) -> None:
    problem, plain = "application/problem+json", "application/json"
    for accept, media in (
        (None, problem),
        ("*/*", problem),
        ("application/json", plain),
        ("application/json, text/plain, */*", problem),
        ("application/json;q=0.5, application/problem+json", problem),
        ("text/html", problem),
    ):
        headers = {} if accept is None else {"Accept": accept}
        form = {"grant_type": "refresh_token", "refresh_token": "x"}
        answer = await world.http.post("/v1/auth/token", data=form, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (400, media), accept
        assert answer.headers["vary"] == "Accept"
        assert answer.json()["error"] == "invalid_grant"
    # of anything else it is asked as ever
    answer = await world.http.get("/v1/me", headers={"Accept": "application/json"})
    assert answer.headers["content-type"] == problem


def test_a_description_holds_no_more_than_oauth_lets_it() -> None:
    odd = Refusal('Say "please" \\ or \u201cthank you\u201d\n.')
    told = token_body_of(odd, "an id")
    assert told["detail"] == odd.detail
    assert told["error_description"] == "Say 'please' ' or 'thank you''."


async def assert_told_by_what_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    form = {"grant_type": "password", "username": world.clinician.email, "password": PASSWORD}
    for failure, status, error in (
        (OSError("lost"), 503, "temporarily_unavailable"),
        (KeyError("ours"), 500, "server_error"),
    ):

        async def fail(*_: Any, failure: Exception = failure, **__: Any) -> bool:
            raise failure

        monkeypatch.setattr(Passwords, "check", fail)
        answer = await world.http.post("/v1/auth/token", data=form)
        assert (answer.status_code, answer.json()["error"]) == (status, error)


async def change(by: Person, token: str, current: str, new: str) -> Response:
    headers = {"Authorization": f"Bearer {token}"}
    shown = await by.world.http.get("/v1/me", headers=headers)
    headers["If-Match"] = shown.headers["etag"]
    body = {"current_password": current, "password": new}
    return await by.world.http.patch("/v1/me", json=body, headers=headers)


async def test_a_new_password_ends_the_other_sessions_and_the_old_password(world: World) -> None:
    me = tolerant(world).clinician
    others = [await session_of(world, me) for _ in range(2)]
    bystander = await session_of(world, world.colleague)
    mine = await session_of(world, me)
    answer = await change(me, mine, PASSWORD, NEW)
    shown = ok(answer)
    assert not {"password", "password_hash", "current_password"} & shown.keys()
    assert NEW not in answer.text
    for ended in others:
        refused(await me_with(world, ended), 401)
    ok(await me_with(world, mine))
    ok(await me_with(world, bystander))
    refused(await sign_in(world, me.email, PASSWORD), 400)
    ok(await sign_in(world, me.email, NEW))


async def test_the_current_password_is_asked_for(world: World, checks: Checks) -> None:
    me = tolerant(world).clinician
    mine, other = await session_of(world, me), await session_of(world, me)
    for wrong in (CANARY, "", PASSWORD.upper(), f"{PASSWORD} ", NEW):
        checks.since()
        answer = await change(me, mine, wrong, f"{CANARY} but long enough")
        refused(answer, 403, why=wrong)
        assert checks.since() == 1
    ok(await me_with(world, other))
    ok(await sign_in(world, me.email, PASSWORD))


@pytest.mark.parametrize(
    ("password", "status"),
    [
        ("a" * 14, 422),
        ("a" * 15, 200),
        ("a" * 128, 200),
        ("a" * 129, 422),
        ("é" * 15, 200),
        ("é" * 14, 422),
        ("💥" * 128, 200),
        ("💥" * 129, 422),
        (" " * 20, 200),
        ("a" * 14 + "\x00", 422),
        ("", 422),
    ],
)
def test_a_password_has_15_to_128_characters(password: str, status: int) -> None:
    bodies: list[tuple[type[BaseModel], dict[str, str]]] = [
        (MePatch, {"current_password": PASSWORD, "password": password}),
        (UserCreate, {"name": "x", "email": "a@b", "role": "admin", "password": password}),
    ]
    for model, body in bodies:
        try:
            model.model_validate(body)
        except ValidationError:
            assert status == 422
        else:
            assert status == 200 or "\x00" in password  # refused when the JSON is read


async def test_the_bounds_of_a_password_hold_over_http(world: World) -> None:
    me = tolerant(world).clinician
    mine, current = await session_of(world, me), PASSWORD
    for length, status in ((14, 422), (15, 200), (129, 422), (128, 200)):
        new = "é" * length
        answer = await change(me, mine, current, new)
        assert answer.status_code == status, length
        if status == 200:
            current = new
            ok(await sign_in(world, me.email, new))
        else:
            refused(answer, 422)
            assert [error["pointer"] for error in answer.json()["errors"]] == ["/password"]
    answer = await change(me, mine, current, "a" * 20 + "\x00")
    refused(answer, 400, 422)


async def test_a_user_made_by_an_admin_can_sign_in_at_once(world: World) -> None:
    email = f"New.{uuid4().hex}@Clinic.example"
    body = {"name": "New", "email": email, "role": "clinician", "password": NEW}
    answer = await world.admin.post("/v1/users", body)
    assert answer.status_code == 201
    assert NEW not in answer.text
    assert "argon2" not in answer.text
    ok(await sign_in(world, email.upper(), NEW))


async def test_what_an_admin_changes_acts_on_the_very_next_request(world: World) -> None:
    me, admin = tolerant(world).clinician, world.admin
    token = await session_of(world, me)
    path = f"/v1/users/{me.id}"
    sent = {"Authorization": f"Bearer {token}"}
    assert (await world.http.get("/v1/cases", headers=sent)).status_code == 200
    ok(await admin.patch(path, {"role": "privacy_officer"}))
    refused(await world.http.get("/v1/cases", headers=sent), 403)
    assert (await world.http.get("/v1/users", headers=sent)).status_code == 200
    ok(await admin.patch(path, {"role": "clinician"}))
    refused(await world.http.get("/v1/users", headers=sent), 403)
    ok(await admin.patch(path, {"is_active": False}))
    refused(await me_with(world, token), 401)
    refused(await sign_in(world, me.email), 400)
    # a session that ended stays ended
    ok(await admin.patch(path, {"is_active": True}))
    refused(await me_with(world, token), 401)
    ok(await me_with(world, await session_of(world, me)))


async def test_signing_out_ends_this_session_at_once_and_no_other(world: World) -> None:
    me = tolerant(world).clinician
    mine, other = await session_of(world, me), await session_of(world, me)
    answer = await world.http.post("/v1/auth/revoke", headers={"Authorization": f"Bearer {mine}"})
    assert (answer.status_code, answer.content) == (204, b"")
    refused(await me_with(world, mine), 401)
    again = await world.http.post("/v1/auth/revoke", headers={"Authorization": f"Bearer {mine}"})
    refused(again, 401)
    ok(await me_with(world, other))


async def test_an_access_token_ends_after_ten_minutes(world: World) -> None:
    token = await session_of(tolerant(world), world.clinician)
    world.clock.forward(minutes=9, seconds=59)
    ok(await me_with(world, token))
    world.clock.forward(seconds=1)
    refused(await me_with(world, token), 401)
    world.clock.forward(days=400)
    refused(await me_with(world, token), 401)


async def test_a_password_changed_while_the_old_one_is_checked_wins(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = tolerant(world).clinician
    mine, check = await session_of(world, me), Passwords.check
    meanwhile: list[int] = []

    async def slowly(self: Passwords, password: str, password_hash: str | None, **as_: Any) -> bool:
        matches = await check(self, password, password_hash, **as_)
        if not meanwhile:
            meanwhile.append(1)
            meanwhile[0] = (await change(me, mine, PASSWORD, NEW)).status_code
        return matches

    monkeypatch.setattr(Passwords, "check", slowly)
    answer = await sign_in(world, me.email, PASSWORD)
    assert meanwhile == [200]
    if answer.status_code == 200:
        refused(await me_with(world, answer.json()["access_token"]), 401)
    else:
        refused(answer, 400)


async def test_a_user_shut_out_while_signing_in_stays_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, check = tolerant(world).clinician, Passwords.check

    async def slowly(self: Passwords, password: str, password_hash: str | None, **as_: Any) -> bool:
        ok(await world.admin.patch(f"/v1/users/{me.id}", {"is_active": False}))
        return await check(self, password, password_hash, **as_)

    monkeypatch.setattr(Passwords, "check", slowly)
    answer = await sign_in(world, me.email, PASSWORD)
    if answer.status_code == 200:
        refused(await me_with(world, answer.json()["access_token"]), 401)


async def test_no_password_and_no_token_is_ever_logged_or_journalled(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.WARNING, "httpx")  # the test's own client
    me, admin = tolerant(world).clinician, world.admin
    token = await session_of(world, me)
    wrong = f"{CANARY} wrong password"
    refused(await sign_in(world, me.email, wrong), 400)
    refused(await sign_in(world, f"{CANARY}@clinic.example"), 400)
    refused(await change(me, token, wrong, NEW), 403)
    ok(await change(me, token, PASSWORD, NEW))
    email = f"{uuid4().hex}@clinic.example"
    body = {"name": "New", "email": email, "role": "admin", "password": f"{NEW} of another"}
    assert (await admin.post("/v1/users", body)).status_code == 201
    assert (await admin.post("/v1/users", body)).status_code == 409
    refused(await me_with(world, f"{token[:-2]}{CANARY}"), 401)
    refused(await world.http.get(f"/v1/me?token={token}"), 422)
    refused(await world.http.get(f"/v1/{CANARY}/{token}"), 404)
    spoken = capfd.readouterr()
    logged = spoken.out + spoken.err + caplog.text
    assert "/v1/auth/token" in logged  # something is logged, and captured here
    async with world.database.transaction() as tx:
        await tx.enter(me.clinic_id)
        connection = await tx.connection()
        entries = (await connection.execute(sa.select(JournalEntry))).all()
        users = (await tx.exec(select(User.password_hash))).all()
    journal = str(entries)
    assert "user.password_changed" in journal
    for secret in (
        PASSWORD,
        NEW,
        CANARY,
        token,
        token.split(".")[2],
        token.split(".")[1],
        "$argon2",
    ):
        assert secret not in logged
        assert secret not in journal
    assert all(stored.startswith("$argon2id$") for stored in users)


async def test_whoever_has_a_stolen_session_does_not_guess_the_password_by_it(
    world: World, checks: Checks
) -> None:
    me = tolerant(world).clinician
    stolen, mine = await session_of(world, me), await session_of(world, me)
    wrong = [await change(me, stolen, f"{CANARY} {number}", NEW) for number in range(10)]
    assert {answer.status_code for answer in wrong} == {403}
    checks.since()
    answer = await change(me, stolen, PASSWORD, NEW)
    assert refused(answer, 429)["type"].endswith("too-many-requests")
    assert 3_000 < int(answer.headers["retry-after"]) <= 3_600
    assert checks.since() == 0
    # who is signed in elsewhere, and who signs in, is not held up by it
    ok(await sign_in(world, me.email))
    ok(await change(me, mine, PASSWORD, NEW))


async def test_a_right_current_password_forgives_the_wrong_ones_before_it(world: World) -> None:
    me = tolerant(world).clinician
    mine, now, new = await session_of(world, me), PASSWORD, NEW
    for _ in range(2):
        for _ in range(9):
            refused(await change(me, mine, CANARY, new), 403)
        ok(await change(me, mine, now, new))
        now, new = new, now


async def test_what_is_refused_before_the_password_is_looked_at_is_no_guess(
    world: World, checks: Checks
) -> None:
    me = tolerant(world).clinician
    mine = await session_of(world, me)
    sent = {"Authorization": f"Bearer {mine}"}
    body = {"current_password": CANARY, "password": NEW}
    checks.since()
    for _ in range(11):
        refused(await world.http.patch("/v1/me", json=body, headers=sent), 428)
        stale = {**sent, "If-Match": '"7"'}
        refused(await world.http.patch("/v1/me", json=body, headers=stale), 412)
    assert checks.since() == 0
    ok(await change(me, mine, PASSWORD, NEW))


async def test_no_connection_waits_while_a_password_is_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = tolerant(world).clinician
    mine, check, make = await session_of(world, me), Passwords.check, Passwords.hash
    meanwhile: list[int] = []

    async def read_meanwhile() -> None:
        # on SQLite there is one connection, on PostgreSQL the row would be locked
        ok(await me_with(world, await session_of(world, world.colleague)))
        ok(await world.admin.patch(f"/v1/users/{world.colleague.id}", {"name": "Renamed"}))
        meanwhile.append(world.database.engine.pool.checkedout())  # type: ignore[attr-defined]

    async def slowly(self: Passwords, password: str, password_hash: str | None, **as_: Any) -> bool:
        matches = await check(self, password, password_hash, **as_)
        monkeypatch.setattr(Passwords, "check", check)
        await read_meanwhile()
        return matches

    async def slowly_made(self: Passwords, password: str) -> str:
        await read_meanwhile()
        return await make(self, password)

    monkeypatch.setattr(Passwords, "check", slowly)
    monkeypatch.setattr(Passwords, "hash", slowly_made)
    ok(await change(me, mine, PASSWORD, NEW))
    assert meanwhile == [0, 0]


async def test_of_two_new_passwords_at_once_one_is_told_that_the_other_was_faster(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = tolerant(world).clinician
    one, other = await session_of(world, me), await session_of(world, me)
    sent, check = {"Authorization": f"Bearer {one}", "If-Match": '"1"'}, Passwords.check
    faster: list[int] = []

    async def slowly(self: Passwords, password: str, password_hash: str | None, **as_: Any) -> bool:
        matches = await check(self, password, password_hash, **as_)
        if not faster:
            faster.append(0)
            faster[0] = (await change(me, one, PASSWORD, NEW)).status_code
        return matches

    monkeypatch.setattr(Passwords, "check", slowly)
    body = {"current_password": PASSWORD, "password": f"{NEW}, but later"}
    refused(await world.http.patch("/v1/me", json=body, headers=sent), 412)
    assert faster == [200]
    ok(await sign_in(world, me.email, NEW))
    refused(await me_with(world, other), 401)


@pytest.mark.parametrize("how", ["signed out", "shut out"])
async def test_who_is_signed_out_while_the_password_is_looked_at_changes_none(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    me = tolerant(world).clinician
    mine, check = await session_of(world, me), Passwords.check

    async def slowly(self: Passwords, password: str, password_hash: str | None, **as_: Any) -> bool:
        monkeypatch.setattr(Passwords, "check", check)
        if how == "signed out":
            headers = {"Authorization": f"Bearer {mine}"}
            await world.http.post("/v1/auth/revoke", headers=headers)
        else:
            ok(await world.admin.patch(f"/v1/users/{me.id}", {"is_active": False}))
        return await check(self, password, password_hash, **as_)

    monkeypatch.setattr(Passwords, "check", slowly)
    refused(await change(me, mine, PASSWORD, NEW), 401, 412)
    ok(await world.admin.patch(f"/v1/users/{me.id}", {"is_active": True, "name": "Back"}))
    ok(await sign_in(world, me.email, PASSWORD))
