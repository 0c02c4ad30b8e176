"""The second factor: enrolled, asked for, never accepted twice, and replaced by recovery codes."""

from typing import Any
from uuid import UUID

import anyio
import pyotp
from httpx import Response
from sqlmodel import select

from api.security.totp import new_secret, step_of, uri_of
from api.storage.models.people import OneTimeCode, User
from tests.support.requests import refused, tolerant
from tests.support.signing_in import Checks, checks, enrol, same_body, shown, sign_in
from tests.support.world import NOON, PASSWORD, Person, World, ok

__all__ = ["checks"]


async def stored(world: World, person: Person) -> tuple[User, list[OneTimeCode]]:
    async with world.database.transaction() as tx:
        await tx.enter(person.clinic_id)
        user = (await tx.exec(select(User).where(User.id == person.id))).one()
        codes = select(OneTimeCode).where(OneTimeCode.user_id == person.id)
        return user, list(await tx.exec(codes))


def test_a_code_holds_for_its_step_and_one_on_either_side() -> None:
    secret = new_secret()
    present = int(NOON.timestamp()) // 30
    totp = pyotp.TOTP(secret)
    for away in range(-5, 6):
        step = step_of(secret, totp.generate_otp(present + away), NOON)
        assert step == (present + away if abs(away) <= 1 else None), away
    for other in (
        "",
        "12345",
        "1234567",
        " 123456",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "abcdef",
        "-12345",
        "12345\n",
    ):
        assert step_of(secret, other, NOON) is None


def test_the_address_for_the_authenticator_is_one() -> None:
    parsed = pyotp.parse_uri(uri_of("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "a@clinic.example"))
    assert (parsed.name, parsed.issuer) == ("a@clinic.example", "Boundary Notes")


async def test_enrolling_takes_two_steps_and_shows_each_secret_once(world: World) -> None:
    me = world.clinician
    empty = {"enrolled": False, "confirmed_at": None, "recovery_codes_left": 0}
    assert ok(await me.get("/v1/me/totp")) == empty
    begun = ok(await me.post("/v1/me/totp"))
    assert begun["uri"].startswith("otpauth://totp/")
    assert begun["secret"] in begun["uri"]
    # not before it is confirmed is it asked for
    assert ok(await me.get("/v1/me/totp")) == empty
    ok(await sign_in(world, me.email))
    body = {"code": shown(world, begun["secret"])}
    confirmed = await me.post("/v1/me/totp/confirm", body)
    codes = ok(confirmed)["recovery_codes"]
    assert len(set(codes)) == 10
    assert all(len(code.replace("-", "")) == 16 for code in codes)
    answer = await me.get("/v1/me/totp")
    assert ok(answer)["enrolled"]
    assert ok(answer)["recovery_codes_left"] == 10
    assert begun["secret"] not in answer.text + confirmed.text
    _, rows = await stored(world, me)
    assert not {row.code_hash for row in rows} & {*codes}


async def test_beginning_again_replaces_what_was_not_confirmed(world: World) -> None:
    me = tolerant(world).clinician
    old, new = [ok(await me.post("/v1/me/totp"))["secret"] for _ in range(2)]
    refused(await me.post("/v1/me/totp/confirm", {"code": shown(world, old)}), 422)
    ok(await me.post("/v1/me/totp/confirm", {"code": shown(world, new)}))
    refused(await me.post("/v1/me/totp/confirm", {"code": shown(world, new)}), 409)
    refused(await me.post("/v1/me/totp"), 409)
    refused(await world.colleague.post("/v1/me/totp/confirm", {"code": "123456"}), 409)


async def test_the_code_that_confirms_is_not_guessed_for_ever(world: World) -> None:
    me = tolerant(world).clinician
    secret = ok(await me.post("/v1/me/totp"))["secret"]
    wrong = f"{(int(shown(world, secret)) + 1) % 1_000_000:06}"
    statuses = [
        (await me.post("/v1/me/totp/confirm", {"code": wrong})).status_code for _ in range(12)
    ]
    assert statuses == [422] * 10 + [429] * 2
    answer = await me.post("/v1/me/totp/confirm", {"code": shown(world, secret)})
    assert 3_000 < int(answer.headers["retry-after"]) <= 3_600
    assert ok(await me.get("/v1/me/totp"))["enrolled"] is False
    # somebody else's are counted apart
    await enrol(world, world.colleague)


async def test_a_right_password_without_the_code_looks_like_a_wrong_password(
    world: World, checks: Checks
) -> None:
    me = tolerant(world).clinician
    secret, _ = await enrol(world, me)
    code = shown(world, secret)
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    checks.since()
    bodies = set()
    for password, otp in (
        ("not the password at all", None),
        ("not the password at all", code),
        (PASSWORD, None),
        (PASSWORD, ""),
        (PASSWORD, wrong),
        (PASSWORD, "A" * 16),
        (PASSWORD, shown(world, secret, 3)),
    ):
        answer = await sign_in(world, me.email, password, **({} if otp is None else {"otp": otp}))
        refused(answer, 400, why=(password, otp))
        assert checks.since() == 1
        bodies.add(same_body(answer))
    refused(await sign_in(world, f"nobody-{me.email}"), 400)
    assert len(bodies) == 1
    ok(await sign_in(world, me.email, otp=code))


async def test_a_code_is_accepted_once_and_none_before_it_any_more(world: World) -> None:
    me = tolerant(world).clinician
    secret, _ = await enrol(world, me)
    ok(await sign_in(world, me.email, otp=shown(world, secret)))
    refused(await sign_in(world, me.email, otp=shown(world, secret)), 400)
    refused(await sign_in(world, me.email, otp=shown(world, secret, -1)), 400)
    ok(await sign_in(world, me.email, otp=shown(world, secret, 1)))
    world.clock.forward(seconds=30)
    refused(await sign_in(world, me.email, otp=shown(world, secret)), 400)


async def test_the_code_that_confirmed_signs_nobody_in(world: World) -> None:
    me = tolerant(world).clinician
    secret = ok(await me.post("/v1/me/totp"))["secret"]
    code = shown(world, secret)
    ok(await me.post("/v1/me/totp/confirm", {"code": code}))
    refused(await sign_in(world, me.email, otp=code), 400)


async def together(world: World, person: Person, otp: str) -> list[int]:
    statuses: list[int] = []

    async def one() -> None:
        statuses.append((await sign_in(world, person.email, otp=otp)).status_code)

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(one)
    return sorted(statuses)


async def test_of_many_at_once_with_one_code_one_gets_in(world: World) -> None:
    me = tolerant(world).clinician
    secret, codes = await enrol(world, me)
    assert await together(world, me, shown(world, secret)) == [200] + [400] * 7
    assert await together(world, me, codes[0]) == [200] + [400] * 7


async def test_a_recovery_code_stands_in_once(world: World) -> None:
    me = tolerant(world).clinician
    _, codes = await enrol(world, me)
    _, others = await enrol(world, world.colleague)
    ok(await sign_in(world, me.email, otp=codes[0].lower().replace("-", " ")))
    refused(await sign_in(world, me.email, otp=codes[0]), 400)
    refused(await sign_in(world, me.email, otp=others[0]), 400)
    refused(await sign_in(world, me.email, "a wrong password again", otp=codes[1]), 400)
    assert ok(await me.get("/v1/me/totp"))["recovery_codes_left"] == 9
    ok(await sign_in(world, me.email, otp=codes[1]))


async def test_a_removed_factor_is_not_asked_for_and_its_codes_are_dead(world: World) -> None:
    me = tolerant(world).clinician
    _, codes = await enrol(world, me)
    refused(await me.send("DELETE", "/v1/me/totp"), 428)
    refused(await me.delete("/v1/me/totp", version=1), 412)
    assert (await me.delete("/v1/me/totp")).status_code == 204
    ok(await sign_in(world, me.email))
    user, rows = await stored(world, me)
    assert user.totp_secret is None
    assert all(row.used_at is not None for row in rows)
    refused(await me.delete("/v1/me/totp"), 409)
    await enrol(world, me)
    refused(await sign_in(world, me.email, otp=codes[0]), 400)
    assert ok(await me.get("/v1/me/totp"))["recovery_codes_left"] == 10


async def require(world: World) -> Response:
    return await world.admin.patch("/v1/clinic", {"requires_totp": True})


async def test_where_a_clinic_asks_for_it_nothing_opens_before_enrolment(world: World) -> None:
    me, foreign = tolerant(world).clinician, world.there["clinician"]
    assert ok(await require(world))["requires_totp"] is True
    refused(await me.get("/v1/cases"), 403)
    refused(await me.get("/v1/sessions"), 403)
    ok(await me.get("/v1/me"))
    ok(await foreign.get("/v1/cases"))
    secret, _ = await enrol(world, me)
    ok(await me.get("/v1/cases"))
    refused(await me.delete("/v1/me/totp"), 403)
    ok(await sign_in(world, me.email, otp=shown(world, secret)))
    refused(await world.colleague.get("/v1/cases"), 403)


async def test_only_an_admin_asks_for_it_and_the_rest_of_the_clinic_stays(world: World) -> None:
    before = ok(await world.admin.get("/v1/clinic"))
    assert before["requires_totp"] is False
    refused(await world.clinician.patch("/v1/clinic", {"requires_totp": True}), 403)
    for odd in (None, 1, "true"):
        refused(await world.admin.patch("/v1/clinic", {"requires_totp": odd}), 422)
    after = ok(await require(world))
    assert (after["name"], after["time_zone"]) == (before["name"], before["time_zone"])


async def test_without_the_step_kept_a_code_would_be_replayed(world: World) -> None:
    me = world.clinician
    secret, _ = await enrol(world, me)
    ok(await sign_in(world, me.email, otp=shown(world, secret)))
    await _forget_step(world, me.clinic_id, me.id)
    ok(await sign_in(world, me.email, otp=shown(world, secret)))


async def _forget_step(world: World, clinic_id: UUID, user_id: UUID) -> None:
    async with world.database.transaction() as tx:
        await tx.enter(clinic_id)
        user: Any = (await tx.exec(select(User).where(User.id == user_id))).one()
        user.totp_last_step = None
        tx.add(user)
