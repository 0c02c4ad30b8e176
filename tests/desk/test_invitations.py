"""Invitations at the desk: made, shown once on a sheet to print, listed and revoked."""

import html
import re
from typing import Any

import pytest
import segno

from tests.support.desk import OURS, Seat, Shown, goes_to, seated
from tests.support.door import TEXTS, invite, knock, open_door
from tests.support.world import Person, World, made, ok

CODE = re.compile(r"\b(?:[0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}\b")
BY_REFERENCE = "/desk/invitations/new"


def codes_in(text: str) -> list[str]:
    """Give the codes that stand in a text."""
    return CODE.findall(text)


def of(case: dict[str, Any]) -> str:
    """Give where a case's invitations are."""
    return f"/desk/cases/{case['id']}/invitations"


def drawn(address: str) -> str:
    """Give the picture of an address, as it stands in a page."""
    return segno.make_qr(address).svg_inline(light="#fff", omitsize=True)


async def made_at_desk(world: World, case: dict[str, Any]) -> tuple[Seat, Shown]:
    seat = await seated(world, world.clinician)
    return seat, await seat.fill(f"{of(case)}/new")


async def test_an_invitation_is_made_and_its_code_shown_this_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await open_door(world)
    case = await world.clinician.case(client_ref="zq-client")
    seat = await seated(world, world.clinician)
    assert of(case) in (await seat.open(f"/desk/cases/{case['id']}")).links
    assert f"{of(case)}/new" in (await seat.open(of(case))).links
    page = await seat.fill(f"{of(case)}/new", {"expires_on": "2026-03-20"})
    assert page.status == 200
    assert page.answer.headers["cache-control"] == "no-store"
    (code,) = codes_in(page.text)
    # it opens the door
    assert (await knock(world, code=code)).status_code == 201
    assert code not in page.title
    assert code not in str(page.answer.url) + str(page.answer.headers)
    for told in (
        "Call the emergency number of where you are.",
        "20 March 2026",
        "An empty door.",
        "Who reads what you send",
        f"{OURS}/door",
    ):
        assert told in page.text, told
    # who holds the sheet learns nothing of the case
    assert "zq-client" not in page.text
    again = [of(case), f"{of(case)}/new", f"/desk/cases/{case['id']}"]
    (invited,) = ok(await world.clinician.get(f"/v1/cases/{case['id']}/invitations"))["items"]
    again.append(f"/desk/invitations/{invited['id']}")
    for path in again:
        assert codes_in((await seat.open(path)).text) == [], path
    # nor does the log know it
    logged = capsys.readouterr()
    assert "/invitations/new" in logged.out + logged.err
    assert codes_in(logged.out + logged.err) == []


async def test_the_picture_holds_the_address_alone(world: World) -> None:
    await open_door(world)
    _, page = await made_at_desk(world, await world.clinician.case())
    assert drawn(f"{OURS}/door") in page.text
    assert page.text.count("<svg") == 1
    (code,) = codes_in(page.text)
    assert drawn(f"{OURS}/door#{code}") not in page.text
    # a browser draws it by its attributes: styles would be blocked
    assert "style=" not in page.text


async def test_an_address_is_the_public_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await open_door(world)
    case = await world.clinician.case()
    monkeypatch.setattr(world.app.state, "public_url", "https://clinic.example/notes")
    _, page = await made_at_desk(world, case)
    assert "https://clinic.example/notes/door<" in page.text
    assert drawn("https://clinic.example/notes/door") in page.text


async def test_there_is_a_sheet_in_each_language_of_the_door(world: World) -> None:
    told: dict[str, Any] = {
        name: {"en": f"en {name}", "es": f"zq {name}"} for name in TEXTS if name.endswith("_text")
    }
    await open_door(world, None, **told, door_languages=["es", "en"])
    _, page = await made_at_desk(world, await world.clinician.case())
    spanish, english = page.text.split('<section class="card invitation" ')[1:]
    assert spanish.startswith('lang="es"')
    assert english.startswith('lang="en"')
    assert "Una puerta vacía." in spanish
    assert "zq door_emergency_text" in spanish
    assert "An empty door." in english
    (code,) = {*codes_in(page.text)}
    assert code in spanish
    assert code in english


async def test_nobody_is_invited_before_the_door_is_told_of(world: World) -> None:
    _, page = await made_at_desk(world, await world.clinician.case())
    assert page.status == 409
    assert "door_emergency_text" in page.text
    assert codes_in(page.text) == []


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"for": "guardian"}, "f-for"),
        ({"expires_on": "2029-01-01"}, "f-expires_on"),
        ({"expires_on": "soon"}, "f-expires_on"),
    ],
)
async def test_what_is_wrong_is_told_at_its_field(
    world: World, told: dict[str, str | list[str]], field: str
) -> None:
    await open_door(world)
    case = await world.clinician.case()
    seat = await seated(world, world.clinician)
    page = await seat.fill(f"{of(case)}/new", told)
    assert page.status == 422
    assert f'href="#{field}"' in page.text
    assert f'id="{field}-error"' in page.text
    for name, value in told.items():
        assert page.form[name].values == [value]


async def test_what_they_may_look_back_with_is_chosen(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case()
    seat = await seated(world, world.clinician)
    page = await seat.open(f"{of(case)}/new")
    (usual, *known) = page.form["questionnaire_id"].options
    assert usual == ""
    listed = ok(await world.clinician.get("/v1/questionnaires"))["items"]
    assert {*known} == {each["id"] for each in listed}
    assert (await seat.submit(page.form, {"questionnaire_id": known[0]})).status == 200
    (invited,) = ok(await world.clinician.get(f"/v1/cases/{case['id']}/invitations"))["items"]
    assert invited["questionnaire_id"] == known[0]


# ------------------------------------------------------------------------------------ revoked


async def test_who_made_an_invitation_revokes_it(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case()
    invited = await invite(world.clinician, case)
    at = f"/desk/invitations/{invited['id']}"
    seat = await seated(world, world.clinician)
    assert f"{at}/revoke" in (await seat.open(of(case))).links
    assert f"{at}/revoke" in (await seat.open(at)).links
    assert goes_to(await seat.fill(f"{at}/revoke")) == at
    assert (await knock(world, code=invited["code"])).status_code != 201
    for path in (at, of(case)):
        page = await seat.open(path)
        assert "revoked" in page.text
        assert f"{at}/revoke" not in page.links


async def test_a_supervisor_sees_all_of_them_and_revokes_none_of_others(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case()
    theirs = await invite(world.clinician, case)
    own = await invite(world.supervisor, case)
    seat = await seated(world, world.supervisor)
    page = await seat.open(of(case))
    assert {f"/desk/invitations/{each['id']}" for each in (theirs, own)} <= {*page.links}
    assert f"/desk/invitations/{own['id']}/revoke" in page.links
    at = f"/desk/invitations/{theirs['id']}"
    assert f"{at}/revoke" not in [*page.links, *(await seat.open(at)).links]
    assert (await seat.fill(f"{at}/revoke")).status == 403
    # and what a supervisor made is hidden from the clinician
    hers = await seated(world, world.clinician)
    assert own["id"] not in (await hers.open(of(case))).text
    assert (await hers.open(f"/desk/invitations/{own['id']}")).status == 404


@pytest.mark.parametrize("part", ["colleague", "stranger", "privacy_officer", "admin"])
async def test_nobody_else_sees_them(world: World, part: str) -> None:
    await open_door(world)
    case = await world.clinician.case()
    invited = await invite(world.clinician, case)
    seat = await seated(world, world.here[part])
    for path in (of(case), f"{of(case)}/new", f"/desk/invitations/{invited['id']}"):
        assert (await seat.open(path)).status in {403, 404}, path


# ------------------------------------------------------------------------------ by a reference


def officer_of(world: World) -> Person:
    return world.here["privacy_officer"]


async def test_a_privacy_officer_invites_by_a_reference(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case(client_ref="zq-client")
    seat = await seated(world, officer_of(world))
    assert BY_REFERENCE in (await seat.open("/desk/accounts")).links
    page = await seat.fill(BY_REFERENCE, {"client_ref": "zq-client"})
    assert page.status == 200
    (code,) = codes_in(page.text)
    assert case["id"] not in page.text
    assert (await knock(world, code=code)).status_code == 201
    (at,) = [link for link in page.links if re.search(r"/desk/invitations/[\w-]+$", link)]
    shown = await seat.open(at)
    assert codes_in(shown.text) == []
    assert case["id"] not in shown.text
    assert goes_to(await seat.fill(f"{at}/revoke")) == at
    assert (await knock(world, code=code)).status_code != 201
    # for the case's clinician it does not exist
    hers = await seated(world, world.clinician)
    assert (await hers.open(at)).status == 404


async def test_what_fits_no_case_or_several_comes_back_into_the_form(world: World) -> None:
    await open_door(world)
    for started in ("2025-01-01", "2025-06-01"):
        await world.clinician.case(client_ref="zq-twice", started_on=started)
    seat = await seated(world, officer_of(world))
    for reference, status in (("zq-twice", 409), ("zq-nobody", 404)):
        page = await seat.fill(BY_REFERENCE, {"client_ref": reference})
        assert (page.status, page.form["client_ref"].values) == (status, [reference])
        assert codes_in(page.text) == []
    told: dict[str, str | list[str]] = {"client_ref": "zq-twice", "started_on": "2025-06-01"}
    assert (await seat.fill(BY_REFERENCE, told)).status == 200


async def test_a_name_of_a_clinic_stays_a_name(world: World) -> None:
    await open_door(world)
    ok(await world.admin.patch("/v1/clinic", {"name": "<b>Zq & co</b>"}))
    case = made(await world.clinician.post("/v1/cases", {"client_ref": "zq"}))
    _, page = await made_at_desk(world, case)
    assert f"<bdi>{html.escape('<b>Zq & co</b>')}</bdi>" in page.text
