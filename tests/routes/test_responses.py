"""Responses on paper: typed in by the version that was asked, read with the mean of each part."""

import json
from copy import deepcopy
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlmodel import select

from api.domain.look_back import LOOK_BACK_ID
from api.domain.vocabulary import Scope
from api.routes import responses
from api.storage.models.disclosures import DisclosedDocument
from api.storage.models.door import Response as Answered
from tests.support.matrix import QUESTIONNAIRE
from tests.support.world import Person, World, made, ok, software

QUESTIONNAIRES = "/v1/questionnaires"


def answers(**values: Any) -> list[dict[str, Any]]:
    return [{"link_id": name, "value": value} for name, value in values.items()]


def answered(world: World, **values: Any) -> dict[str, Any]:
    return {
        "questionnaire_id": str(LOOK_BACK_ID),
        "answered_on": world.day(-1),
        "answers": answers(**(values or {"listened_to": 4})),
    }


async def typed_in(world: World, case: dict[str, Any], **values: Any) -> dict[str, Any]:
    path = f"/v1/cases/{case['id']}/responses"
    return made(await world.clinician.post(path, answered(world, **values)))


async def test_what_was_answered_is_read_item_by_item(world: World) -> None:
    case = await world.clinician.case()
    told = {
        "listened_to": 4,
        "hard_things": 2,
        "put_right": None,
        "outside": "by_chance",
        "touch": "not_asked",
        "recording": "do_not_know",
        "anything_else": "It helps that we laugh, too.",
    }
    one = await typed_in(world, case, **told)
    assert (one["by"], one["came_by"], one["questionnaire_version"]) == ("client", "typed_in", 1)
    shown = {each["link_id"]: each["value"] for each in one["answers"]}
    assert len(shown) == 18
    assert {name: value for name, value in shown.items() if value is not None} == {
        name: value for name, value in told.items() if value is not None
    }
    assert one["parts"] == [
        {"link_id": "between_us", "mean": 3.0, "answered": 2, "scales": 3},
        {"link_id": "our_work", "mean": None, "answered": 0, "scales": 3},
        {"link_id": "safe_here", "mean": None, "answered": 0, "scales": 3},
    ]
    # one is shown, and raises nothing
    assert one["concerns"] == ["touch"]
    assert ok(await world.clinician.get(f"/v1/cases/{case['id']}"))["flags"]["open"] == 0
    for person in (world.clinician, world.supervisor):
        assert ok(await person.get(f"/v1/responses/{one['id']}")) == one
        assert ok(await person.get(f"/v1/cases/{case['id']}/responses"))["items"] == [one]


async def test_what_was_felt_is_sealed_and_what_was_done_is_not(world: World) -> None:
    case = await world.clinician.case()
    one = await typed_in(world, case, listened_to=1, touch="greeting", anything_else="zq-felt")
    async with world.owner.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        connection = await tx.connection()
        kept = (await connection.execute(sa.text("SELECT sealed_answers FROM responses"))).all()
        (row,) = await tx.exec(select(Answered).where(Answered.id == UUID(one["id"])))
    assert row.frame_answers == {"touch": "greeting"}
    assert json.loads(row.sealed_answers or "") == {"listened_to": 1, "anything_else": "zq-felt"}
    assert all("zq-felt" not in str(each) and "listened_to" not in str(each) for each in kept)


async def test_nobody_reads_them_but_who_treats_and_who_answers_for_it(world: World) -> None:
    case = await world.clinician.case()
    one = await typed_in(world, case)
    span = {"starts_on": world.day(), "ends_on": world.day(9)}
    cover = {"case_id": case["id"], "user_id": str(world.colleague.id), **span}
    made(await world.clinician.post("/v1/covers", cover))
    why = {"case_id": case["id"], "reason": "Nobody else could be reached."}
    made(await world.stranger.post("/v1/break-glass", why))
    for person, listed, read in (
        (world.colleague, 403, 404),
        (world.stranger, 403, 404),
        (world.here["consultant"], 403, 403),
        (world.here["privacy_officer"], 403, 403),
        (world.admin, 403, 403),
        (world.there["clinician"], 404, 404),
        (world.there["supervisor"], 404, 404),
    ):
        assert (await person.get(f"/v1/cases/{case['id']}/responses")).status_code == listed
        assert (await person.get(f"/v1/responses/{one['id']}")).status_code == read
        assert (await person.delete(f"/v1/responses/{one['id']}", 1)).status_code == read


async def test_the_timeline_tells_of_it_whom_the_list_tells(world: World) -> None:
    case = await world.clinician.case()
    one = await typed_in(world, case)
    gone = await world.clinician.delete(f"/v1/responses/{one['id']}", 1)
    assert gone.status_code == 204
    span = {"starts_on": world.day(), "ends_on": world.day(9)}
    cover = {"case_id": case["id"], "user_id": str(world.colleague.id), **span}
    made(await world.clinician.post("/v1/covers", cover))
    why = {"case_id": case["id"], "reason": "Nobody else could be reached."}
    made(await world.stranger.post("/v1/break-glass", why))
    program = await software(world, Scope.cases_read)
    both = {"response.recorded", "response.voided"}
    for person, told in (
        (world.clinician, both),
        (world.supervisor, both),
        (world.colleague, set()),
        (world.stranger, set()),
        (program, set()),
    ):
        items = ok(await person.get(f"/v1/cases/{case['id']}/timeline"))["items"]
        assert "case.opened" in {each["happening"] for each in items}
        assert {each["happening"] for each in items} & both == told


async def test_it_is_read_by_the_version_that_was_asked(world: World) -> None:
    first = made(await world.admin.post(QUESTIONNAIRES, QUESTIONNAIRE))
    body = {**deepcopy(QUESTIONNAIRE), "questionnaire_id": first["id"]}
    body["parts"][0]["items"] = body["parts"][0]["items"][1:]
    made(await world.admin.post(QUESTIONNAIRES, body))
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/responses"
    of_first = {
        "questionnaire_id": first["id"],
        "questionnaire_version": 1,
        "answered_on": world.day(-1),
        "answers": answers(how=5, changed=True),
    }
    one = made(await world.clinician.post(path, of_first))
    assert (one["questionnaire_version"], one["concerns"]) == (1, ["changed"])
    # the newest no longer asks how it goes
    newest = {**of_first, "questionnaire_version": None}
    refused = await world.clinician.post(path, newest)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/answers/0"
    assert (await world.admin.delete(f"{QUESTIONNAIRES}/{first['id']}")).status_code == 204
    # it was opened before, and is sent after
    made(await world.clinician.post(path, {**newest, "answers": answers(changed=False)}))
    assert ok(await world.clinician.get(f"/v1/responses/{one['id']}")) == one


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"answers": answers(nothing_of_it=1)}, "/answers/0"),
        ({"answers": answers(listened_to=6)}, "/answers/0"),
        ({"answers": answers(listened_to=True)}, "/answers/0"),
        ({"answers": answers(touch="elsewhere")}, "/answers/0"),
        ({"answers": answers(listened_to=1) * 2}, "/answers/1"),
        ({"answers": []}, "/answers"),
        ({"questionnaire_id": str(uuid4())}, "/questionnaire_id"),
        ({"questionnaire_version": 2}, "/questionnaire_id"),
        ({"answered_on": "2099-01-01"}, "/answered_on"),
    ],
)
async def test_what_is_no_answer_is_refused(
    world: World, change: dict[str, Any], pointer: str
) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/responses"
    answer = await world.clinician.post(path, {**answered(world), **change})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)
    assert ok(await world.clinician.get(path))["items"] == []


async def test_another_clinics_questionnaire_is_none_here(world: World) -> None:
    theirs = made(await world.there["admin"].post(QUESTIONNAIRES, QUESTIONNAIRE))
    case = await world.clinician.case()
    body = {**answered(world), "questionnaire_id": theirs["id"], "answers": answers(how=1)}
    answer = await world.clinician.post(f"/v1/cases/{case['id']}/responses", body)
    assert answer.status_code == 422


async def test_whoever_typed_it_in_and_a_supervisor_void_it(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/responses"

    async def by(person: Person) -> str:
        return str(made(await person.post(path, answered(world)))["id"])

    hers, his, also_hers = [
        await by(each) for each in (world.clinician, world.supervisor, world.clinician)
    ]
    assert (await world.clinician.delete(f"/v1/responses/{his}", 1)).status_code == 403
    assert (await world.clinician.delete(f"/v1/responses/{hers}", 1)).status_code == 204
    assert (await world.supervisor.delete(f"/v1/responses/{also_hers}", 1)).status_code == 204
    assert [each["id"] for each in ok(await world.clinician.get(path))["items"]] == [his]
    voided = ok(await world.clinician.get(f"/v1/responses/{hers}"))
    assert (voided["void_reason"], voided["version"]) == ("entered_in_error", 2)
    assert (await world.clinician.delete(f"/v1/responses/{hers}", 2)).status_code == 409


async def test_what_is_on_a_voided_case_is_listed_no_more(world: World) -> None:
    case = await world.clinician.case()
    one = await typed_in(world, case)
    await world.clinician.promise(case)
    assert (await world.clinician.delete(f"/v1/cases/{case['id']}", 1)).status_code == 204
    for noun in ("promises", "responses"):
        assert ok(await world.clinician.get(f"/v1/cases/{case['id']}/{noun}"))["items"] == []
    ok(await world.clinician.get(f"/v1/responses/{one['id']}"))


async def test_a_case_takes_so_many_and_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "MOST", 1)
    case, other = await world.clinician.case(), await world.clinician.case()
    one = await typed_in(world, case)
    path = f"/v1/cases/{case['id']}/responses"
    assert (await world.clinician.post(path, answered(world))).status_code == 409
    await typed_in(world, other)
    assert (await world.clinician.delete(f"/v1/responses/{one['id']}", 1)).status_code == 204
    await typed_in(world, case)


async def test_the_journal_names_who_recorded_and_who_read_it(world: World) -> None:
    case = await world.clinician.case()
    one = await typed_in(world, case)
    ok(await world.supervisor.get(f"/v1/responses/{one['id']}"))
    ok(await world.supervisor.get(f"/v1/cases/{case['id']}/responses"))
    told = ok(await world.clinician.get("/v1/journal", case_id=case["id"]))["items"]
    mine = [each for each in told if each["record_ids"] == [one["id"]]]
    assert [each["happening"] for each in mine] == [
        "response.read",
        "response.read",
        "response.recorded",
    ]
    assert {each["actor_id"] for each in mine[:2]} == {str(world.supervisor.id)}


async def given(world: World, case: dict[str, Any]) -> str:
    """Give a copy, and where it is read as it was given."""
    path = f"/v1/cases/{case['id']}/disclosures"
    return f"{path}/{made(await world.clinician.post(path, {}))['id']}/document"


async def test_the_clients_copy_says_what_was_asked_and_answered(world: World) -> None:
    case = await world.clinician.case()
    told = {"listened_to": 4, "touch": "greeting", "put_right": None, "anything_else": "zq & words"}
    one = await typed_in(world, case, **told)
    voided = await typed_in(world, case)
    assert (await world.clinician.delete(f"/v1/responses/{voided['id']}", 1)).status_code == 204
    path = f"/v1/cases/{case['id']}/export"
    (copied,) = ok(await world.clinician.get(path))["responses"]
    assert (copied["id"], copied["title"], copied["by"]) == (one["id"], "Looking back", "client")
    assert [(each["asked"], each["answer"]) for each in copied["answers"]] == [
        ("My therapist listens to me.", "4 (from not at all to very much)"),
        ("Touch, such as a hand or a hug:", "We shake hands, or what one does to say hello."),
        ("Is there anything else?", "zq & words"),
    ]
    page = await world.clinician.get(path, format="html")
    assert "zq &amp; words" in page.text
    kept = await world.clinician.get(await given(world, case))
    assert ok(kept)["responses"] == [copied]


async def test_a_copy_that_was_given_before_there_were_responses_is_still_read(
    world: World,
) -> None:
    case = await world.clinician.case()
    path = await given(world, case)
    async with world.owner.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        (kept,) = [
            each
            for each in await tx.exec(select(DisclosedDocument))
            if str(each.case_id) == case["id"]
        ]
        document = json.loads(kept.document or "")
        del document["responses"]
        kept.document = json.dumps(document)
    assert ok(await world.clinician.get(path))["responses"] == []
