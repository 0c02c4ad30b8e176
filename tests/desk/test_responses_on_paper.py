"""Questionnaires and what was answered on paper, at the desk."""

from copy import deepcopy
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from api.domain.look_back import LOOK_BACK_ID, look_back
from api.domain.vocabulary import Role
from tests.support.desk import Seat, Shown, goes_to, seated
from tests.support.matrix import ANSWERED, QUESTIONNAIRE
from tests.support.world import World, made, ok

OURS = f"/desk/questionnaires/{LOOK_BACK_ID}"
Told = dict[str, str | list[str]]


def new(case: dict[str, Any], questionnaire_id: object = "") -> str:
    """Give where what was answered on paper is recorded."""
    at = f"/desk/cases/{case['id']}/responses/new"
    return f"{at}/{questionnaire_id}" if questionnaire_id else at


def rows(page: Shown) -> dict[str, str]:
    """Give what a page tells of each item, without its marks of language."""
    found = {}
    for row in page.text.split('<tr><th scope="row">')[1:]:
        asks, _, rest = row.partition("</th><td>")
        found[_plain(asks)] = _plain(rest.partition("</td>")[0])
    return found


def _plain(text: str) -> str:
    parts = text.split("<")
    shown = parts[0] + "".join(part.partition(">")[2] for part in parts[1:])
    return " ".join(shown.replace("&#39;", "'").split())


async def typed_in(world: World, case: dict[str, Any], **values: Any) -> dict[str, Any]:
    answers = [{"link_id": name, "value": value} for name, value in values.items()]
    body = {**ANSWERED, **({"answers": answers} if values else {})}
    return made(await world.clinician.post(f"/v1/cases/{case['id']}/responses", body))


# ------------------------------------------------------------------------------- on paper


async def test_what_was_answered_on_paper_is_recorded_and_read(world: World) -> None:
    case = await world.clinician.case()
    seat = await seated(world, world.clinician)
    assert new(case) in (await seat.open(f"/desk/cases/{case['id']}")).links
    # there is one questionnaire alone
    at = goes_to(await seat.open(new(case)))
    assert at == new(case, LOOK_BACK_ID)
    page = await seat.open(at)
    said = {item.link_id for item in look_back().items()}
    assert {f"{each}.value" for each in said} | {"by", "answered_on"} == {*page.form.names}
    # nothing has to be answered
    assert [each.name for each in page.form.controls if each.required] == ["answered_on"]
    assert page.form["listened_to.value"].options == ["1", "2", "3", "4", "5", ""]
    told: Told = {
        "answered_on": "2026-02-27",
        "by": "guardian",
        "listened_to.value": "4",
        "touch.value": "not_asked",
        "anything_else.value": "We laugh, too.\nOften.",
    }
    shown = goes_to(await seat.submit(page.form, told))
    kept = ok(await world.clinician.get(shown.replace("/desk/", "/v1/")))
    assert (kept["by"], kept["answered_on"], kept["came_by"]) == (
        "guardian",
        "2026-02-27",
        "typed_in",
    )
    assert {each["link_id"]: each["value"] for each in kept["answers"] if each["value"]} == {
        "listened_to": 4,
        "touch": "not_asked",
        "anything_else": "We laugh, too.\nOften.",
    }
    page = await seat.open(shown)
    assert page.heading == "Looking back"
    answers = rows(page)
    texts = look_back().texts.said()["en"].items
    asks = {each.link_id: each.asks for each in texts}
    assert list(answers) == [asks[item.link_id] for item in look_back().items()]
    assert answers[asks["listened_to"]] == "4 (1: not at all · 5: very much)"
    assert answers[asks["anything_else"]] == "We laugh, too. Often."
    assert answers[asks["hard_things"]] == "no answer"
    (touch,) = [each for each in texts if each.link_id == "touch"]
    (says,) = [each.says for each in touch.choices if each.choice == "not_asked"]
    # it is marked where somebody said what was done, and nothing is concluded
    assert answers[asks["touch"]] == f"{says} a concern"
    assert sum(each.endswith("a concern") for each in answers.values()) == 1
    assert "Mean of the scales: 4.0; answered: 1 of 3." in page.text
    assert page.text.count("No scale was answered, of 3.") == 2
    listed = await seat.open(f"/desk/cases/{case['id']}")
    assert shown in listed.links
    assert shown in (await seat.open(f"/desk/cases/{case['id']}/responses")).links


async def test_a_form_that_is_sent_twice_records_once(world: World) -> None:
    case = await world.clinician.case()
    seat = await seated(world, world.clinician)
    page = await seat.open(new(case, LOOK_BACK_ID))
    told: Told = {"answered_on": "2026-03-01", "touch.value": "greeting"}
    first, second = [goes_to(await seat.submit(page.form, told)) for _ in range(2)]
    assert first == second
    listed = ok(await world.clinician.get(f"/v1/cases/{case['id']}/responses"))["items"]
    assert len(listed) == 1


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"listened_to.value": "6"}, "listened_to.value"),
        ({"listened_to.value": "4.5"}, "listened_to.value"),
        ({"touch.value": "zq"}, "touch.value"),
        ({"anything_else.value": "x" * 5_001}, "anything_else.value"),
        ({"listened_to.value": "4", "answered_on": "2026-03-09"}, "answered_on"),
        ({"listened_to.value": "4", "answered_on": ""}, "answered_on"),
        ({"listened_to.value": "4", "by": "zq"}, "by"),
    ],
)
async def test_what_is_wrong_is_told_at_its_item(world: World, told: Told, field: str) -> None:
    case = await world.clinician.case()
    seat, at = await seated(world, world.clinician), new(case, LOOK_BACK_ID)
    page = await seat.open(at)
    right: Told = {"answered_on": "2026-03-01", "helps.value": "2", "touch.value": "greeting"}
    page = await seat.submit(page.form, {**right, **told})
    assert page.status == 422
    place = f"f-{field.replace('.', '-')}"
    assert f"{place}-error" in page.ids
    assert f"{at}#{place}" in page.links
    assert page.form["helps.value"].values == ["2"]
    assert ok(await world.clinician.get(f"/v1/cases/{case['id']}/responses"))["items"] == []
    mended: Told = {"by": "client", "anything_else.value": ""}
    goes_to(await seat.submit(page.form, {**right, **mended}))


async def test_a_paper_on_which_nothing_is_answered_is_not_recorded(world: World) -> None:
    case = await world.clinician.case()
    seat = await seated(world, world.clinician)
    page = await seat.fill(new(case, LOOK_BACK_ID), {"answered_on": "2026-03-01"})
    assert page.status == 422
    assert "Nothing is answered yet: give one answer at least." in page.text
    assert f"{new(case, LOOK_BACK_ID)}#f-listened_to-value" in page.links
    assert ok(await world.clinician.get(f"/v1/cases/{case['id']}/responses"))["items"] == []


async def test_an_item_that_is_called_as_a_field_is_kept_apart(world: World) -> None:
    """Whatever the clinic calls its items, no field of the form is taken for another."""
    asked = deepcopy(QUESTIONNAIRE)
    names = ("by", "answered_on", "dress_code", "form_token")
    asked["parts"][0]["items"] = [
        {"link_id": name, "type": "words", "reads_as": "experience"} for name in names
    ]
    asked["texts"]["en"]["items"] = [{"link_id": name, "asks": f"zq {name}"} for name in names]
    own = made(await world.admin.post("/v1/questionnaires", asked))
    case = await world.clinician.case()
    seat, at = await seated(world, world.clinician), new(case, own["id"])
    told: Told = {f"{name}.value": f"said of {name}" for name in names}
    page = await seat.open(at)
    assert len({*page.ids}) == len(page.ids)
    filled = page.form.filled({**told, "answered_on": "2026-03-01"})
    # what was typed is there still where somebody was signed out meanwhile
    out = await Seat(world).send(at, filled)
    assert out.status in {401, 403}
    shown = goes_to(await seat.send(at, filled))
    kept = ok(await world.clinician.get(shown.replace("/desk/", "/v1/")))
    assert {each["link_id"]: each["value"] for each in kept["answers"]} == {
        name: f"said of {name}" for name in names
    }


async def test_what_was_typed_survives_a_sign_out(world: World) -> None:
    asked = deepcopy(QUESTIONNAIRE)
    asked["parts"][0]["items"][0] = {
        "link_id": "dress_code",
        "type": "words",
        "reads_as": "experience",
    }
    asked["texts"]["en"]["items"][0] = {"link_id": "dress_code", "asks": "zq"}
    own = made(await world.admin.post("/v1/questionnaires", asked))
    case = await world.clinician.case()
    seat = await seated(world, world.clinician)
    page = await seat.open(new(case, own["id"]))
    ended = await world.clinician.delete(f"/v1/sessions/{seat.session_id}")
    assert ended.status_code == 204
    out = await seat.submit(page.form, {"dress_code.value": "zq kept", "changed.value": "true"})
    assert out.status == 401
    assert "zq kept" in out.text


# -------------------------------------------------------------------------- whose it is to see


async def test_who_stands_in_or_opened_the_case_is_told_of_no_response(world: World) -> None:
    case = await world.clinician.case()
    one = await typed_in(world, case)
    span = {"starts_on": world.day(), "ends_on": world.day(9)}
    cover = {"case_id": case["id"], "user_id": str(world.colleague.id), **span}
    made(await world.clinician.post("/v1/covers", cover))
    why = {"case_id": case["id"], "reason": "Nobody else could be reached."}
    made(await world.stranger.post("/v1/break-glass", why))
    for person in (world.clinician, world.supervisor):
        page = await (await seated(world, person)).open(f"/desk/cases/{case['id']}")
        assert {f"/desk/responses/{one['id']}", new(case)} <= {*page.links}
    for person in (world.colleague, world.stranger):
        seat = await seated(world, person)
        page = await seat.open(f"/desk/cases/{case['id']}")
        assert page.status == 200
        assert one["id"] not in page.text
        assert 'id="responses"' not in page.text
        assert new(case) not in page.links
        assert (await seat.open(f"/desk/cases/{case['id']}/responses")).status == 403
        told = await seat.open(f"/desk/cases/{case['id']}/timeline")
        assert (told.status, "response:" in told.text) == (200, False)
        for end in ("", "/void"):
            shown = await seat.open(f"/desk/responses/{one['id']}{end}")
            assert shown.status == 404
        sent = await seat.fill(
            new(case, LOOK_BACK_ID), {"answered_on": "2026-03-01", "touch.value": "greeting"}
        )
        assert sent.status == 403
    assert ok(await world.clinician.get(f"/v1/cases/{case['id']}/responses"))["items"] == [one]


async def test_a_cases_own_clinician_reads_it_whatever_their_role_became(world: World) -> None:
    """Who may read no questionnaire any more reads what was answered, item by item."""
    case = await world.clinician.case()
    one = await typed_in(world, case, listened_to=4, touch="not_asked", helps=None)
    ok(await world.admin.patch(f"/v1/users/{world.clinician.id}", {"role": Role.consultant}))
    seat = await seated(world, world.clinician)
    page = await seat.open(f"/desk/cases/{case['id']}")
    assert f"/desk/responses/{one['id']}" in page.links
    assert new(case) not in page.links
    shown = await seat.open(f"/desk/responses/{one['id']}")
    assert shown.status == 200
    assert "<code>listened_to</code>" in shown.text
    assert "a concern" in shown.text
    assert (await seat.open(OURS)).status == 403


async def test_it_is_voided_with_a_reason_and_leaves_the_list(world: World) -> None:
    case = await world.clinician.case()
    one = await typed_in(world, case)
    at = f"/desk/responses/{one['id']}"
    seat = await seated(world, world.clinician)
    assert f"{at}/void" in (await seat.open(at)).links
    page = await seat.open(f"{at}/void")
    last = page.form["reason"].options[-1]
    assert goes_to(await seat.submit(page.form, {"reason": last})) == at
    assert ok(await world.clinician.get(f"/v1/responses/{one['id']}"))["void_reason"] == last
    gone = await seat.open(at)
    assert "voided" in gone.text
    assert f"{at}/void" not in gone.links
    assert at not in (await seat.open(f"/desk/cases/{case['id']}")).links


async def test_whoever_did_not_record_it_voids_it_only_as_supervisor(world: World) -> None:
    case = await world.clinician.case()
    body = {**ANSWERED}
    by_him = made(await world.supervisor.post(f"/v1/cases/{case['id']}/responses", body))
    seat = await seated(world, world.clinician)
    refused = await seat.fill(f"/desk/responses/{by_him['id']}/void")
    assert refused.status == 403
    one = await typed_in(world, case)
    his = await seated(world, world.supervisor)
    goes_to(await his.fill(f"/desk/responses/{one['id']}/void"))
    (left,) = ok(await world.clinician.get(f"/v1/cases/{case['id']}/responses"))["items"]
    assert left["id"] == by_him["id"]


# ------------------------------------------------------------------------------ questionnaires


async def test_which_was_answered_is_chosen_where_there_are_several(world: World) -> None:
    own = made(await world.admin.post("/v1/questionnaires", QUESTIONNAIRE))
    case = await world.clinician.case()
    seat = await seated(world, world.clinician)
    page = await seat.open(new(case))
    assert {new(case, LOOK_BACK_ID), new(case, own["id"])} <= {*page.links}
    told: Told = {"answered_on": "2026-03-01", "changed.value": "false"}
    shown = goes_to(await seat.fill(new(case, own["id"]), told))
    assert rows(await seat.open(shown))["Was something changed without a word?"] == "no"
    # another clinic's is none here
    other = made(await world.there["admin"].post("/v1/questionnaires", QUESTIONNAIRE))
    assert (await seat.open(new(case, other["id"]))).status == 404
    assert (await seat.open(f"/desk/questionnaires/{other['id']}")).status == 404
    assert (await seat.open(new(case, uuid7()))).status == 404


async def test_it_is_read_by_the_version_that_was_asked(world: World) -> None:
    own = made(await world.admin.post("/v1/questionnaires", QUESTIONNAIRE))
    case = await world.clinician.case()
    seat, at = await seated(world, world.clinician), new(case, own["id"])
    page = await seat.open(at)
    later = deepcopy(QUESTIONNAIRE)
    later["texts"]["en"]["items"][0]["asks"] = "It goes on."
    later |= {"title": "How it goes on", "questionnaire_id": own["id"]}
    made(await world.admin.post("/v1/questionnaires", later))
    # what was shown is what is recorded, whatever was made meanwhile
    told: Told = {"answered_on": "2026-03-01", "how.value": "3"}
    first = goes_to(await seat.submit(page.form, told))
    newest = goes_to(await seat.fill(at, told))
    earlier = goes_to(await seat.fill(f"{at}?version=1", told))
    assert f"{at}?version=1" in (await seat.open(at)).links
    for shown, heading, asks in (
        (first, "How it goes", "It goes well."),
        (newest, "How it goes on", "It goes on."),
        (earlier, "How it goes", "It goes well."),
    ):
        page = await seat.open(shown)
        assert page.heading == heading
        assert rows(page)[asks] == "3 (1: no · 5: yes)"
    titles = await seat.open(f"/desk/cases/{case['id']}/responses")
    assert titles.text.count("<bdi>How it goes</bdi>") == 2
    for number, asks in ((1, "It goes well."), (2, "It goes on.")):
        page = await seat.open(f"/desk/questionnaires/{own['id']}?version={number}")
        assert asks in page.text
    assert (await seat.open(f"/desk/questionnaires/{own['id']}?version=3")).status == 404
    assert (await seat.open(f"{at}?version=3")).status == 404


async def test_a_version_shows_what_is_asked_and_which_answers_are_a_concern(world: World) -> None:
    seat = await seated(world, world.supervisor)
    assert OURS in (await seat.open("/desk/questionnaires")).links
    page = await seat.open(OURS)
    said = look_back().texts.said()
    for language, other in (("en", "es"), ("es", "en")):
        page = await seat.open(f"{OURS}?language={language}")
        text = page.text.replace("&#39;", "'")
        assert all(each.asks in text for each in said[language].items)
        assert said[other].items[0].asks not in text
    assert page.text.count(">a concern<") == sum(len(each.concern) for each in look_back().items())
    assert f"{OURS}/retire" not in page.links


async def test_an_admin_retires_it_and_what_was_answered_stays(world: World) -> None:
    own = made(await world.admin.post("/v1/questionnaires", QUESTIONNAIRE))
    case = await world.clinician.case()
    hers = await seated(world, world.clinician)
    told: Told = {"answered_on": "2026-03-01", "how.value": "3"}
    shown = goes_to(await hers.fill(new(case, own["id"]), told))
    at = f"/desk/questionnaires/{own['id']}"
    seat = await seated(world, world.admin)
    assert f"{at}/retire" in (await seat.open(at)).links
    assert (await hers.open(f"{at}/retire")).status == 403
    assert goes_to(await seat.fill(f"{at}/retire")) == "/desk/questionnaires"
    assert at not in (await seat.open("/desk/questionnaires")).links
    gone = await seat.open(at)
    assert "asked no more" in gone.text
    assert f"{at}/retire" not in gone.links
    assert rows(await hers.open(shown))["It goes well."] == "3 (1: no · 5: yes)"
    # once nothing is asked any more, there is nothing to choose from
    goes_to(await seat.fill(f"{OURS}/retire"))
    page = await hers.open(new(case))
    assert (page.status, "There are none to show." in page.text) == (200, True)
