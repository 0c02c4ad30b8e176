"""How clinic software signs in: by client id and secret, for ten minutes at a time."""

import base64
from typing import Any
from urllib.parse import quote_plus
from uuid import UUID

import pytest
from httpx import Response
from limits import RateLimitItemPerHour, RateLimitItemPerMinute
from sqlmodel import select

from api.access.authentication import software_now
from api.domain.permissions.table import Actor
from api.domain.vocabulary import Role, Scope
from api.storage.models.journal import JournalEntry
from tests.support.canary import CANARY
from tests.support.requests import refused
from tests.support.world import PASSWORD, World, made, ok


async def account(world: World, **fields: Any) -> dict[str, Any]:
    """Let software sign in that may read cases."""
    body = {"name": "Diary", "scopes": ["cases:read"], **fields}
    return made(await world.admin.post("/v1/service-accounts", body))


async def sign_in(world: World, client_id: str, client_secret: str) -> Response:
    """Ask for a token as software does."""
    form = {"grant_type": "client_credentials", "client_id": client_id}
    return await world.http.post("/v1/auth/token", data={**form, "client_secret": client_secret})


async def sign_in_by_header(
    world: World, client_id: str, client_secret: str, also: dict[str, str] | None = None
) -> Response:
    """Ask for a token with id and secret in the header, as RFC 6749 has it."""
    said = f"{quote_plus(client_id)}:{quote_plus(client_secret)}".encode()
    headers = {"Authorization": f"Basic {base64.b64encode(said).decode()}"}
    form = {"grant_type": "client_credentials", **(also or {})}
    return await world.http.post("/v1/auth/token", data=form, headers=headers)


SIGN_IN_WAYS = [sign_in, sign_in_by_header]


async def cases_with(world: World, token: str) -> Response:
    """Read the cases with a token."""
    return await world.http.get("/v1/cases", headers={"Authorization": f"Bearer {token}"})


async def token_of(world: World, software: dict[str, Any]) -> str:
    """Sign software in; give its token."""
    answer = ok(await sign_in(world, software["client_id"], software["client_secret"]))
    assert "refresh_token" not in answer
    assert 0 < answer["expires_in"] <= 600
    token: str = answer["access_token"]
    return token


async def test_software_signs_in_and_its_last_use_is_shown(world: World) -> None:
    software = await account(world)
    assert software["last_used_at"] is None
    token = await token_of(world, software)
    assert ok(await cases_with(world, token))["items"] == []
    shown = ok(await world.admin.get(f"/v1/service-accounts/{software['id']}"))
    now = world.clock.now.isoformat().replace("+00:00", "Z")
    assert shown["last_used_at"] == shown["secrets"][0]["last_used_at"] == now
    world.clock.forward(minutes=10)
    assert (await cases_with(world, token)).status_code == 401


async def test_every_failure_is_the_same_401_in_either_way(world: World) -> None:
    software, other = await account(world), await account(world)
    ended = await account(world, secret_days=1)
    shut_out = await account(world)
    path = f"/v1/service-accounts/{shut_out['id']}"
    ok(await world.admin.patch(path, {"is_active": False}))
    world.clock.forward(days=1)
    answers = [
        await way(world, client_id, secret)
        for way in SIGN_IN_WAYS
        for client_id, secret in (
            (software["client_id"], "not the secret"),
            (software["client_id"], other["client_secret"]),
            (software["id"], software["client_secret"]),
            ("\u00e9", "x"),
            (software["client_id"][:-1], software["client_secret"]),
            (ended["client_id"], ended["client_secret"]),
            (shut_out["client_id"], shut_out["client_secret"]),
        )
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({repr({**answer.json(), "request_id": 0}) for answer in answers}) == 1
    by_form, by_header = answers[: len(answers) // 2], answers[len(answers) // 2 :]
    assert {answer.headers["www-authenticate"] for answer in by_form} == {"Bearer"}
    basic = 'Basic realm="Boundary Notes", charset="UTF-8"'
    assert {answer.headers["www-authenticate"] for answer in by_header} == {basic}
    for way in SIGN_IN_WAYS:
        assert (await way(world, software["client_id"], software["client_secret"])).is_success


async def test_software_may_sign_in_with_a_header_and_other_grants_do_not_look_at_it(
    world: World,
) -> None:
    software = await account(world)
    named = software["client_id"], software["client_secret"]
    answer = ok(await sign_in_by_header(world, *named, {"scope": "cases:read"}))
    assert ok(await cases_with(world, answer["access_token"]))["items"] == []
    # any spelling of it; and what is no secret of anybody says nothing else than a wrong one
    plain = base64.b64encode(":".join(named).encode()).decode()
    letters = ["".join(f"%{ord(letter):02X}" for letter in each) for each in named]
    escaped = base64.b64encode(":".join(letters).encode()).decode()
    person = {"grant_type": "password", "username": world.clinician.email, "password": PASSWORD}
    form = {"grant_type": "client_credentials"}
    for said, sent, status in (
        (f"basic {plain}", form, 200),
        (f"Basic   {plain}", form, 200),
        (f"Basic {escaped}", form, 200),
        ("Basic", form, 401),
        ("Basic not base64", form, 401),
        (f"Basic {base64.b64encode(b'no colon').decode()}", form, 401),
        (f"Basic {base64.b64encode(bytes([255, 58, 255])).decode()}", form, 401),
        (f"Basic {base64.b64encode(b'%00:%00%ff').decode()}", form, 401),
        (f"Bearer {plain}", form, 401),
        # the others go by their form
        ("Basic not base64", person, 200),
        (f"Basic {plain}", {**person, "client_id": "somebody", "client_secret": "else"}, 200),
        (f"Basic {plain}", {"grant_type": "refresh_token"}, 400),
        (f"Basic {plain}", {"grant_type": "password"}, 400),
    ):
        headers = {"Authorization": said}
        answered = await world.http.post("/v1/auth/token", data=sent, headers=headers)
        assert answered.status_code == status, (said, sent, answered.text)
    refused = {"grant_type": "refresh_token", "refresh_token": "x"}
    headers = {"Authorization": f"Basic {plain}"}
    answered = await world.http.post("/v1/auth/token", data=refused, headers=headers)
    assert answered.status_code == 400
    assert "www-authenticate" not in answered.headers


async def test_a_secret_is_sent_in_one_way_and_the_id_may_be_repeated(world: World) -> None:
    software, other = await account(world), await account(world)
    named = software["client_id"], software["client_secret"]
    ok(await sign_in_by_header(world, *named, {"client_id": software["client_id"]}))
    for also, pointer in (
        ({"client_secret": software["client_secret"]}, "/client_secret"),
        ({"client_id": other["client_id"]}, "/client_id"),
        ({name: software[name] for name in ("client_id", "client_secret")}, "/client_secret"),
    ):
        told = refused(await sign_in_by_header(world, *named, also), 400)
        assert told["error"] == "invalid_request"
        assert [error["pointer"] for error in told["errors"]] == [pointer]


async def test_software_that_does_not_show_who_it_is_is_told_how(world: World) -> None:
    software = await account(world)
    for also in ({}, {"client_id": software["client_id"]}, {"client_id": "", "client_secret": ""}):
        form = {"grant_type": "client_credentials", **also}
        told = refused(await world.http.post("/v1/auth/token", data=form), 401)
        assert told["error"] == "invalid_client"
        assert "send client_id and client_secret" in told["detail"]


# ---------------------------------------------------------------------------- scopes


async def narrowed(world: World, software: dict[str, Any], scope: str) -> Response:
    """Ask for a token for some of the scopes."""
    named = {name: software[name] for name in ("client_id", "client_secret")}
    form = {"grant_type": "client_credentials", **named, "scope": scope}
    return await world.http.post("/v1/auth/token", data=form)


async def statuses_with(world: World, token: str) -> list[int]:
    """Read cases, flags and consultations; give what came of each."""
    headers = {"Authorization": f"Bearer {token}"}
    paths = ("/v1/cases", "/v1/flags", "/v1/consultations")
    return [(await world.http.get(path, headers=headers)).status_code for path in paths]


ALL_READS = ["cases:read", "consultations:read", "flags:read"]


async def test_a_token_is_for_all_scopes_or_for_those_that_are_asked_for(world: World) -> None:
    software = await account(world, scopes=ALL_READS)
    for asked, told, statuses in (
        ("", " ".join(ALL_READS), [200, 200, 200]),
        ("flags:read", "flags:read", [403, 200, 403]),
        ("flags:read  cases:read flags:read", "cases:read flags:read", [200, 200, 403]),
        (" ".join(ALL_READS), " ".join(ALL_READS), [200, 200, 200]),
    ):
        answer = ok(await narrowed(world, software, asked))
        assert answer["scope"] == told
        assert await statuses_with(world, answer["access_token"]) == statuses, asked


async def test_a_scope_that_was_not_given_gets_no_token(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    software = await account(world, scopes=["cases:read"])
    monkeypatch.setattr(
        "api.access.rate_limits.SENSELESS", RateLimitItemPerHour(1, namespace="one")
    )
    for asked in (
        "cases:write",
        "cases:read flags:read",
        "openid",
        CANARY,
        "cases:read,flags:read",
    ):
        told = refused(await narrowed(world, software, asked), 400, why=asked)
        assert (told["type"], told["error"]) == (
            "urn:boundary-notes:invalid-scope",
            "invalid_scope",
        )
    # whoever does not have the secret learns nothing of the scopes
    for asked in ("cases:write", "cases:read"):
        wrong = {**software, "client_secret": "wrong"}
        assert (await narrowed(world, wrong, asked)).status_code in {401, 429}
    shown = ok(await world.admin.get(f"/v1/service-accounts/{software['id']}"))
    assert shown["last_used_at"] is None


async def test_a_scope_that_is_taken_or_given_later_acts_on_narrowed_tokens_too(
    world: World,
) -> None:
    software = await account(world, scopes=ALL_READS)
    some = ok(await narrowed(world, software, "cases:read flags:read"))["access_token"]
    whole = ok(await narrowed(world, software, ""))["access_token"]
    path = f"/v1/service-accounts/{software['id']}"
    ok(await world.admin.patch(path, {"scopes": ["cases:read", "consultations:read"]}))
    assert await statuses_with(world, some) == [200, 403, 403]
    assert await statuses_with(world, whole) == [200, 403, 200]
    ok(await world.admin.patch(path, {"scopes": ["flags:read"]}))
    assert await statuses_with(world, some) == [403, 200, 403]
    ok(await world.admin.patch(path, {"scopes": ["consultations:read"]}))
    assert await statuses_with(world, some) == [403, 403, 403]


async def test_words_stay_sealed_for_a_token_that_did_not_ask_for_them(world: World) -> None:
    case = await world.clinician.case(client_ref="B-18")
    software = await account(world, scopes=["cases:read", "narrative:read"])
    for asked, sees in (("cases:read", None), ("cases:read narrative:read", "B-18")):
        token = ok(await narrowed(world, software, asked))["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        shown = ok(await world.http.get(f"/v1/cases/{case['id']}", headers=headers))
        assert shown["client_ref"] == sees


async def test_a_long_request_that_began_with_a_narrowed_token_stays_narrow(world: World) -> None:
    """An import asks anew for each batch what its software may."""
    software = await account(world, scopes=["cases:read", "cases:write"])
    some = ok(await narrowed(world, software, "cases:read"))["access_token"]
    async with world.database.transaction() as tx:
        claims = world.app.state.tokens.verify(some, tx.now)
        await tx.enter(claims.clinic_id)
        me = Actor(claims.user_id, Role.service, claims.session_id, scopes=frozenset(Scope))
        assert (await software_now(tx, me)).scopes == {Scope.cases_read}


async def test_failures_are_counted_together_whichever_way_they_came(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    software = await account(world)
    few = RateLimitItemPerHour(4, namespace="few failures")
    monkeypatch.setattr("api.access.rate_limits.SENSELESS", few)
    answers = [
        await way(world, client_id, "wrong")
        for client_id in (software["client_id"], "nobody")
        for way in SIGN_IN_WAYS
    ]
    assert [answer.status_code for answer in answers] == [401] * 4
    for way in SIGN_IN_WAYS:
        answer = await way(world, software["client_id"], "wrong")
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 3600
        # who shows a right one is not held up by what others sent
        assert (await way(world, software["client_id"], software["client_secret"])).is_success


async def test_the_journal_tells_the_same_of_either_way(world: World) -> None:
    told = []
    for way in SIGN_IN_WAYS:
        software = await account(world)
        ok(await way(world, software["client_id"], software["client_secret"]))
        assert (await way(world, software["client_id"], "wrong")).status_code == 401
        by_it = select(JournalEntry).where(JournalEntry.actor_id == UUID(software["id"]))
        async with world.owner.transaction() as tx:
            entries = list(await tx.exec(by_it))
        told.append([(each.happening, each.record_type) for each in entries])
    assert told[0] == told[1] != []


async def test_two_secrets_overlap_and_the_ended_one_takes_its_sessions_along(
    world: World,
) -> None:
    software = await account(world)
    path = f"/v1/service-accounts/{software['id']}/secrets"
    second = made(await world.admin.post(path, {}))
    old = await token_of(world, software)
    new = await token_of(world, {**software, "client_secret": second["client_secret"]})
    assert (await cases_with(world, old)).is_success
    first = software["secrets"][0]["id"]
    headers = {"If-Match": '"1"'}
    gone = await world.admin.send("DELETE", f"{path}/{first}", headers=headers)
    assert gone.status_code == 204
    for token in (old, new):
        assert (await cases_with(world, token)).status_code == 401
    assert (await sign_in(world, software["client_id"], software["client_secret"])).is_error
    await token_of(world, {**software, "client_secret": second["client_secret"]})


async def test_software_that_is_shut_out_or_changed_is_so_on_its_next_request(
    world: World,
) -> None:
    software = await account(world)
    token = await token_of(world, software)
    path = f"/v1/service-accounts/{software['id']}"
    ok(await world.admin.patch(path, {"scopes": ["flags:read"]}))
    assert (await cases_with(world, token)).status_code == 403
    ok(await world.admin.patch(path, {"is_active": False}))
    assert (await cases_with(world, token)).status_code == 401
    ok(await world.admin.patch(path, {"is_active": True}))
    assert (await cases_with(world, token)).status_code == 401


async def test_software_may_sign_out(world: World) -> None:
    token = await token_of(world, await account(world))
    headers = {"Authorization": f"Bearer {token}"}
    assert (await world.http.post("/v1/auth/revoke", headers=headers)).status_code == 204
    assert (await cases_with(world, token)).status_code == 401


async def test_software_has_a_pace_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = RateLimitItemPerMinute(3, namespace="few")
    monkeypatch.setattr(world.app.state.throttle, "of_software", few)
    quick, other = await account(world), await account(world)
    token = await token_of(world, quick)
    answers = [await cases_with(world, token) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert (await cases_with(world, await token_of(world, other))).is_success
    assert (await world.clinician.get("/v1/cases")).is_success
