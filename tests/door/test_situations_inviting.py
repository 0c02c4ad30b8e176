"""Who invites a client to the door, how often, until when; and what the clinic sets before."""

from typing import Any

from api.domain.vocabulary import Scope
from tests.support.cases import link
from tests.support.door import TEXTS, invite, knock, open_door
from tests.support.signing_in import same_body
from tests.support.world import Person, World, made, ok, software


async def asks(maker: Person, case: dict[str, Any], **fields: Any) -> int:
    answer = await maker.post(f"/v1/cases/{case['id']}/invitations", fields)
    return answer.status_code


async def opens(world: World, code: str) -> bool:
    answer = await knock(world, code=code)
    assert answer.status_code in (201, 401)
    return answer.status_code == 201


async def test_nobody_is_invited_until_the_clinic_has_said_all_that_is_told(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/invitations"
    for name, said in TEXTS.items():
        refused = await world.clinician.post(path)
        assert (refused.status_code, name in refused.json()["detail"]) == (409, True)
        ok(await world.admin.patch("/v1/clinic", {name: said}))
    made(await world.clinician.post(path))
    # and that in each language that it is offered in
    ok(await world.admin.patch("/v1/clinic", {"door_languages": ["en", "es"]}))
    refused = await world.clinician.post(path)
    assert (refused.status_code, "(es)" in refused.json()["detail"]) == (409, True)
    asked = {"client_ref": case["client_ref"]}
    officer = world.here["privacy_officer"]
    assert (await officer.post("/v1/invitations", asked)).status_code == 409


async def test_each_maker_has_five_live_invitations_of_a_case(world: World) -> None:
    await open_door(world)
    case, other = await world.clinician.case(), await world.clinician.case()
    five = [await invite(world.clinician, case) for _ in range(5)]
    assert await asks(world.clinician, case) == 409
    # nobody learns from a refusal what others made
    assert await asks(world.supervisor, case) == 201
    assert await asks(world.clinician, other) == 201
    ok(await world.clinician.post(f"/v1/invitations/{five[0]['id']}/revoke"))
    assert await asks(world.clinician, case) == 201
    assert await asks(world.clinician, case) == 409
    world.clock.forward(days=91)
    assert await asks(world.clinician, case) == 201


async def test_an_invitation_opens_the_door_through_its_last_day(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case()
    made_today = await invite(world.clinician, case)
    assert made_today["expires_on"] == world.day(90)
    short = await invite(world.clinician, case, expires_on=world.day())
    await invite(world.clinician, case, expires_on=world.day(366))
    for wrong in (world.day(-1), world.day(367)):
        assert await asks(world.clinician, case, expires_on=wrong) == 422
    assert await opens(world, short["code"])
    world.clock.forward(days=1)
    assert not await opens(world, short["code"])
    world.clock.forward(days=89)
    assert await opens(world, made_today["code"])
    world.clock.forward(days=1)
    assert not await opens(world, made_today["code"])


async def test_an_invitation_is_revoked_by_whoever_made_it(world: World) -> None:
    await open_door(world)
    await link(world, world.stranger, world.clinician)
    case = await world.clinician.case()
    hers, theirs = await invite(world.clinician, case), await invite(world.supervisor, case)
    for other in (world.supervisor, world.stranger):
        refused = await other.post(f"/v1/invitations/{hers['id']}/revoke")
        assert refused.status_code == 403
    for nobody in (world.colleague, world.there["clinician"], world.here["privacy_officer"]):
        refused = await nobody.post(f"/v1/invitations/{hers['id']}/revoke")
        assert refused.status_code in (403, 404)
    assert await opens(world, hers["code"])
    first = ok(await world.clinician.post(f"/v1/invitations/{hers['id']}/revoke"))
    again = ok(await world.clinician.post(f"/v1/invitations/{hers['id']}/revoke"))
    assert first == again
    assert not await opens(world, hers["code"])
    assert await opens(world, theirs["code"])


async def test_a_code_is_read_as_people_write_it_and_shown_once(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case()
    answer = await world.clinician.post(f"/v1/cases/{case['id']}/invitations", {})
    invited = made(answer)
    code = invited["code"]
    assert answer.headers["cache-control"] == "no-store"
    assert code not in answer.headers["location"]
    assert (invited["address"].endswith("/door"), code in invited["address"]) == (True, False)
    letters = code.replace("-", "")
    assert (len(letters), set(letters) & set("ILOU")) == (16, set())
    misread = letters.lower().replace("0", "o").replace("1", "l")
    for typed in (letters, code.lower(), f" {code} ", misread, " ".join(letters)):
        assert await opens(world, typed), typed
    assert not await opens(world, letters[:-1])
    shown = await world.clinician.get(f"/v1/invitations/{invited['id']}")
    assert code not in shown.text
    assert "code" not in ok(shown)


async def test_a_privacy_officer_invites_by_the_exact_reference_and_learns_nothing(
    world: World,
) -> None:
    await open_door(world)
    officer, started = world.here["privacy_officer"], "2025-11-03"
    case = await world.clinician.case(client_ref="ref-7", started_on=started)
    for wrong in ("ref-", "ref-70", "REF-7x"):
        refused = await officer.post("/v1/invitations", {"client_ref": wrong})
        assert refused.status_code == 404
    invited = made(await officer.post("/v1/invitations", {"client_ref": "ref-7"}))
    assert await opens(world, invited["code"])
    assert ok(await officer.get(f"/v1/invitations/{invited['id']}"))["id"] == invited["id"]
    assert (await officer.get(f"/v1/cases/{case['id']}")).status_code in (403, 404)
    assert (await officer.get(f"/v1/cases/{case['id']}/invitations")).status_code in (403, 404)
    await world.colleague.case(client_ref="ref-7", started_on="2026-01-05")
    several = await officer.post("/v1/invitations", {"client_ref": "ref-7"})
    assert (several.status_code, "started_on" in several.json()["detail"]) == (409, True)
    made(await officer.post("/v1/invitations", {"client_ref": "ref-7", "started_on": started}))
    # what is theirs alone to do, and only at their clinic
    for other in (world.clinician, world.supervisor, world.admin):
        assert (await other.post("/v1/invitations", {"client_ref": "ref-7"})).status_code == 403
    neighbour = world.there["privacy_officer"]
    await open_door(world, world.there["admin"])
    assert (await neighbour.post("/v1/invitations", {"client_ref": "ref-7"})).status_code == 404
    ok(await officer.post(f"/v1/invitations/{invited['id']}/revoke"))
    assert not await opens(world, invited["code"])


async def test_software_invites_with_its_scope_and_with_that_alone(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case()
    may = await software(world, Scope.invitations_create)
    others = [each for each in Scope if each != Scope.invitations_create]
    may_not = await software(world, *others)
    asked = {"client_ref": case["client_ref"]}
    by_reference = made(await may.post("/v1/invitations", asked))
    on_the_case = await invite(may, case)
    for invited in (by_reference, on_the_case):
        assert await opens(world, invited["code"])
    assert (await may_not.post("/v1/invitations", asked)).status_code == 403
    assert await asks(may_not, case) == 403
    assert (await may.get(f"/v1/cases/{case['id']}")).status_code == 403
    # the therapist knows of neither
    assert ok(await world.clinician.get(f"/v1/cases/{case['id']}/invitations"))["items"] == []


async def test_consultants_admins_and_colleagues_invite_nobody(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case()
    for part in ("colleague", "stranger", "consultant", "admin", "privacy_officer"):
        assert await asks(world.here[part], case) in (403, 404)
    assert await asks(world.there["clinician"], case) == 404
    span = {"starts_on": world.day(), "ends_on": world.day(9)}
    cover = {"case_id": case["id"], "user_id": str(world.colleague.id), **span}
    made(await world.clinician.post("/v1/covers", cover))
    assert await asks(world.colleague, case) == 403


async def test_what_does_not_open_the_door_is_one_answer(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case()
    revoked = await invite(world.clinician, case)
    expired = await invite(world.clinician, case, expires_on=world.day())
    ok(await world.clinician.post(f"/v1/invitations/{revoked['id']}/revoke"))
    world.clock.forward(days=1)
    never = await knock(world, code="ZZZZ-ZZZZ-ZZZZ-ZZZZ")
    for each in (revoked, expired):
        assert same_body(await knock(world, code=each["code"])) == same_body(never)
