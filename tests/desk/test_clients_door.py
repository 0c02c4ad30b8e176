"""What a clinic's door tells its clients: an admin sets it, and it says what is missing still."""

from typing import Any

import pytest

from api.domain.door import TEXTS, Unsaid, unsaid
from tests.support.desk import Seat, goes_to, seated
from tests.support.world import World, ok

AT, FORM = "/desk/clinic/door", "/desk/clinic/door/change"
PAGE = "https://weather.example"
SAID: dict[str, str | list[str]] = {f"{text}.en": f"zq {text}" for text in TEXTS}
NOTHING: dict[str, Any] = {text: {"en": None, "es": None} for text in TEXTS}


def missing(text: str) -> list[str]:
    """Give what a page says is missing."""
    _, _, after = text.partition('<h2 id="missing">')
    return [each.partition("</li>")[0] for each in after.partition("</ul>")[0].split("<li>")[1:]]


def test_what_is_unsaid_is_told_language_by_language() -> None:
    clinic = {**NOTHING, "door_languages": ["en"], "door_leave_to": None}
    assert [*unsaid(clinic)] == [*(Unsaid(text, "en") for text in TEXTS), Unsaid("door_leave_to")]
    clinic |= {"door_duty_text": {"en": "zq", "es": None}, "door_leave_to": PAGE}
    assert Unsaid("door_duty_text", "en") not in [*unsaid(clinic)]
    clinic |= {text: {"en": "zq", "es": None} for text in TEXTS}
    assert [*unsaid(clinic)] == []
    # what is said in another language is not said in this one
    clinic |= {"door_languages": ["en", "es"]}
    assert [*unsaid(clinic)] == [Unsaid(text, "es") for text in TEXTS]


async def test_the_page_says_what_is_missing_until_it_is_said(world: World) -> None:
    seat = await seated(world, world.admin)
    assert missing((await seat.open(AT)).text) == [
        "At the door: what to do in an emergency (English)",
        "At the door: what readers may have to pass on (English)",
        "At the door: who else can be asked (English)",
        "Where somebody is led who leaves the door",
    ]
    assert goes_to(await seat.fill(FORM, {"door_emergency_text.en": "Ring 112."})) == AT
    page = await seat.open(AT)
    assert "Ring 112." in page.text
    assert len(missing(page.text)) == 3
    goes_to(await seat.fill(FORM, {**SAID, "door_leave_to": PAGE, "door_offer": ["at_ending"]}))
    page = await seat.open(AT)
    assert missing(page.text) == []
    assert "Nothing is missing" in page.text
    goes_to(await seat.fill(FORM, {"door_languages": ["en", "es"]}))
    assert [each.rpartition(" ")[2] for each in missing((await seat.open(AT)).text)] == [
        "(Spanish)"
    ] * 3
    clinic = ok(await world.admin.get("/v1/clinic"))
    assert clinic["door_languages"] == ["en", "es"]
    assert (clinic["door_leave_to"], clinic["door_offer"]) == (PAGE, ["at_ending"])
    assert {text: clinic[text] for text in TEXTS} == {
        text: {"en": f"zq {text}", "es": None} for text in TEXTS
    }


async def test_a_text_is_changed_alone_and_taken_away_where_it_is_emptied(world: World) -> None:
    seat = await seated(world, world.admin)
    both = {"door_duty_text.en": "in English", "door_duty_text.es": "en español"}
    goes_to(await seat.fill(FORM, {**both, "door_emergency_text.en": "Ring 112."}))
    before = ok(await world.admin.get("/v1/clinic"))
    goes_to(await seat.fill(FORM, {"door_duty_text.en": ""}))
    now = ok(await world.admin.get("/v1/clinic"))
    assert now["door_duty_text"] == {"en": None, "es": "en español"}
    assert now["door_emergency_text"] == before["door_emergency_text"]
    assert now["version"] == before["version"] + 1
    goes_to(await seat.fill(FORM, {"door_emergency_text.en": ""}))
    now = ok(await world.admin.get("/v1/clinic"))
    assert now["door_emergency_text"] == {"en": None, "es": None}
    # what is said in a language that is not offered is shown, and said to be that
    page = await seat.open(AT)
    assert "en español" in page.text
    assert "not offered" in page.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("door_emergency_text.es", "x" * 2_001),
        ("door_leave_to", "http://weather.example"),
        ("door_read_within_days", "31"),
        ("door_languages", []),
    ],
)
async def test_what_is_wrong_is_told_at_its_field(
    world: World, name: str, value: str | list[str]
) -> None:
    seat = await seated(world, world.admin)
    page = await seat.fill(FORM, {"door_duty_text.en": "as it was typed", name: value})
    assert page.status == 422
    field = f"f-{name.replace('.', '-')}"
    assert f"{field}-error" in page.ids
    assert f"{FORM}#{field}" in page.links
    assert page.form[name].values == (value if isinstance(value, list) else [value])
    assert page.form["door_duty_text.en"].values == ["as it was typed"]
    assert ok(await world.admin.get("/v1/clinic"))["door_duty_text"]["en"] is None


async def test_what_another_admin_said_is_not_written_over(world: World) -> None:
    seat = await seated(world, world.admin)
    page = await seat.open(FORM)
    ok(await world.admin.patch("/v1/clinic", {"door_emergency_text": {"en": "Ring 112."}}))
    for _ in range(2):
        page = await seat.submit(page.form, {"door_emergency_text.en": "Ring 911."})
        assert page.status == 412
    assert ok(await world.admin.get("/v1/clinic"))["door_emergency_text"]["en"] == "Ring 112."


async def test_who_reads_the_clinic_sees_it_and_who_writes_it_changes_it(world: World) -> None:
    ok(await world.admin.patch("/v1/clinic", {"door_emergency_text": {"en": "Ring 112."}}))
    for person in (world.clinician, world.supervisor, world.here["privacy_officer"]):
        seat = await seated(world, person)
        page = await seat.open(AT)
        assert "Ring 112." in page.text
        assert FORM not in page.links
        assert AT in (await seat.open("/desk/clinic")).links
        assert (await seat.open(FORM)).status == 403
    assert (await (await seated(world, world.here["consultant"])).open(AT)).status == 403
    assert FORM in (await (await seated(world, world.admin)).open(AT)).links
    # the other clinic's door is its own
    other = await (await seated(world, world.there["admin"])).open(AT)
    assert "Ring 112." not in other.text
    assert (await Seat(world).open(AT)).status == 303
