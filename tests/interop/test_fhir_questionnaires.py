"""What clients are asked and what they answered, as an EHR reads it: by our own API's walls."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlmodel import col

from api.access.visibility import records
from api.domain.look_back import LOOK_BACK_ID, look_back
from api.domain.vocabulary import ItemType, ResponseBy, Scope
from api.interop.fhir import visible_rows
from api.interop.fhir.questionnaires import QUESTION_TYPE
from api.storage.models.door import Response as Answered
from tests.support.fhir import check, ids_found, refused, search
from tests.support.guards import made_anew
from tests.support.matrix import QUESTIONNAIRE
from tests.support.world import Person, World, made, ok, software

pytestmark = pytest.mark.both_databases

OURS = "urn:boundary-notes:questionnaire"
Found = dict[str, Any]


def of_every_type() -> Found:
    """Give a questionnaire that asks in each way there is."""
    asked = deepcopy(QUESTIONNAIRE)
    asked["parts"][0]["items"] += [
        {"link_id": "why", "type": "words", "reads_as": "experience"},
        {
            "link_id": "often",
            "type": "choice",
            "reads_as": "experience",
            "choices": ["never", "now_and_then"],
        },
    ]
    asked["texts"]["en"]["items"] += [
        {"link_id": "why", "asks": "Why?"},
        {
            "link_id": "often",
            "asks": "How often?",
            "choices": [
                {"choice": "never", "says": "Never."},
                {"choice": "now_and_then", "says": "Now and then."},
            ],
        },
    ]
    return asked


async def answer(by: Person, case: Found, asked: Found | None = None, **values: Any) -> Found:
    """Type in what was answered on paper, by default to what every clinic asks."""
    body = {
        "questionnaire_id": str(LOOK_BACK_ID) if asked is None else asked["id"],
        "answered_on": "2026-03-01",
        "answers": [{"link_id": name, "value": value} for name, value in values.items()],
    }
    return made(await by.post(f"/v1/cases/{case['id']}/responses", body))


async def answered(by: Person, case: Found) -> Found:
    return await answer(by, case, listened_to=4, touch="greeting", anything_else="zq-words")


def items(resource: Found) -> Iterator[Found]:
    """Give the questions of either type, in their order."""
    for part in resource.get("item", ()):
        yield from part["item"]


def values(response: Found) -> Found:
    """Give what was answered, by question."""
    found: Found = {}
    for item in items(response):
        (answer,) = item["answer"]
        (found[item["linkId"]],) = answer.items()
    return found


async def test_what_every_clinic_asks_is_told_question_by_question(world: World) -> None:
    (asked,) = await search(world.clinician, "Questionnaire")
    answer = await world.clinician.get(f"/fhir/Questionnaire/{LOOK_BACK_ID}")
    assert ok(answer) == asked
    assert answer.headers["etag"] == 'W/"1"'
    check(asked)
    assert {name: asked[name] for name in ("url", "version", "status", "language", "title")} == {
        "url": f"{OURS}:{LOOK_BACK_ID}",
        "version": "1",
        "status": "active",
        "language": "en",
        "title": "Looking back",
    }
    # nobody made it, so nobody knows since when it is so
    assert asked["meta"] == {"versionId": "1"}
    assert [part["text"] for part in asked["item"]] == [
        "How it is between us",
        "What we work on",
        "Am I safe here",
    ]
    ours = {item.link_id: item for item in look_back().items()}
    told = {item["linkId"]: item for item in items(asked)}
    assert list(told) == list(ours)
    for name, item in told.items():
        assert item["type"] == QUESTION_TYPE[ours[name].type], name
        codes = [each["valueCoding"]["code"] for each in item.get("answerOption", ())]
        assert codes == ours[name].choices
    scale = told["listened_to"]
    assert [each["valueInteger"] for each in scale["extension"]] == [1, 5]
    assert [(each["linkId"], each["text"], each["type"]) for each in scale["item"]] == [
        ("listened_to-lower", "not at all", "display"),
        ("listened_to-upper", "very much", "display"),
    ]
    # which answers ask for a look is on no form
    assert "concern" not in answer.text
    assert "experience" not in answer.text


async def test_each_type_of_answer_is_told_as_r4_has_it(world: World) -> None:
    asked = made(await world.admin.post("/v1/questionnaires", of_every_type()))
    case = await world.clinician.case()
    one = await answer(
        world.clinician, case, asked, how=3, changed=False, why="zq-why", often="now_and_then"
    )
    # a list tells of whole milliseconds alone
    world.clock.forward(seconds=1)
    shown = ok(await world.supervisor.get(f"/fhir/QuestionnaireResponse/{one['id']}"))
    check(shown)
    assert await search(world.clinician, "QuestionnaireResponse") == [shown]
    coding = {
        "system": f"{OURS}:{asked['id']}:often",
        "code": "now_and_then",
        "display": "Now and then.",
    }
    assert values(shown) == {
        "how": ("valueInteger", 3),
        "changed": ("valueBoolean", False),
        "why": ("valueString", "zq-why"),
        "often": ("valueCoding", coding),
    }
    assert {item.type for item in look_back().items()} | {ItemType.yes_no} == set(ItemType)
    (questionnaire,) = await search(
        world.clinician, "Questionnaire", url=shown["questionnaire"].partition("|")[0]
    )
    assert shown["questionnaire"] == f"{questionnaire['url']}|{questionnaire['version']}"
    questions = {item["linkId"]: item for item in items(questionnaire)}
    assert {name: question["type"] for name, question in questions.items()} == {
        "how": "integer",
        "changed": "boolean",
        "why": "text",
        "often": "choice",
    }
    assert {item["linkId"]: item["text"] for item in items(shown)} == {
        name: question["text"] for name, question in questions.items()
    }
    assert coding in [each["valueCoding"] for each in questions["often"]["answerOption"]]
    assert (shown["status"], shown["authored"]) == ("completed", "2026-03-01")
    assert shown["author"]["identifier"]["value"] == str(world.clinician.id)
    assert shown["subject"] == shown["source"]
    assert shown["subject"]["identifier"]["value"] == case["client_ref"]
    assert shown["extension"][0]["valueReference"]["reference"] == f"EpisodeOfCare/{case['id']}"


async def test_what_was_not_answered_is_left_out(world: World) -> None:
    case = await world.clinician.case()
    one = await answer(world.clinician, case, listened_to=None, touch="greeting")
    path = f"/fhir/QuestionnaireResponse/{one['id']}"
    shown = ok(await world.clinician.get(path))
    assert [part["linkId"] for part in shown["item"]] == ["safe_here"]
    assert [*values(shown)] == ["touch"]
    nothing = await answer(world.clinician, case, listened_to=None)
    shown = ok(await world.clinician.get(f"/fhir/QuestionnaireResponse/{nothing['id']}"))
    check(shown)
    assert "item" not in shown


async def test_what_was_destroyed_is_left_out_and_what_was_done_stays(world: World) -> None:
    one = await answered(world.clinician, await world.clinician.case())
    async with world.owner.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        destroyed = sa.update(Answered).where(col(Answered.id) == UUID(one["id"]))
        await tx.exec(destroyed.values(sealed_answers=None))
    world.clock.forward(seconds=1)
    (shown,) = await search(world.clinician, "QuestionnaireResponse")
    assert [*values(shown)] == ["touch"]
    assert ok(await world.clinician.get(f"/fhir/QuestionnaireResponse/{one['id']}")) == shown


async def test_a_guardian_who_answered_is_not_the_client(world: World) -> None:
    case = await world.clinician.case()
    one = await answered(world.clinician, case)
    async with world.owner.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        theirs = sa.update(Answered).where(col(Answered.id) == UUID(one["id"]))
        await tx.exec(theirs.values(by=ResponseBy.guardian))
    shown = ok(await world.clinician.get(f"/fhir/QuestionnaireResponse/{one['id']}"))
    check(shown)
    assert shown["source"] == {"type": "RelatedPerson", "display": "a parent or guardian"}
    assert shown["subject"]["type"] == "Patient"


async def test_it_is_told_in_the_language_of_who_reads_where_nothing_is_missing(
    world: World,
) -> None:
    me = world.clinician
    own = made(await world.admin.post("/v1/questionnaires", QUESTIONNAIRE))
    case = await me.case()
    one = await answered(me, case)
    spanish = {"headers": {"Accept-Language": "es"}}
    for path, says in (
        (f"/fhir/Questionnaire/{LOOK_BACK_ID}", "Mi terapeuta me escucha."),
        (f"/fhir/QuestionnaireResponse/{one['id']}", "Nos damos la mano, o lo que se hace"),
    ):
        told = await me.send("GET", path, **spanish)
        assert ok(told)["language"] == "es"
        assert says in told.text
        assert ok(await me.get(path))["language"] == "en"
    bundle = ok(await me.send("GET", "/fhir/Questionnaire", **spanish))
    assert {each["resource"]["id"]: each["resource"]["language"] for each in bundle["entry"]} == {
        str(LOOK_BACK_ID): "es",
        # of this there is English alone
        own["id"]: "en",
    }
    # codes and names of items are the same in each
    shown = ok(await me.send("GET", f"/fhir/QuestionnaireResponse/{one['id']}", **spanish))
    assert values(shown)["touch"][1]["code"] == "greeting"


async def test_who_reads_a_response_by_our_own_api_reads_it_here_and_nobody_else(
    world: World,
) -> None:
    me = world.clinician
    case = await me.case()
    one = await answered(me, case)
    span = {"starts_on": world.day(), "ends_on": world.day(9)}
    cover = {"case_id": case["id"], "user_id": str(world.colleague.id), **span}
    made(await me.post("/v1/covers", cover))
    why = {"case_id": case["id"], "reason": "Nobody else could be reached."}
    made(await world.stranger.post("/v1/break-glass", why))
    theirs = await answered(world.there["clinician"], await world.there["clinician"].case())
    everything = await software(world, *Scope)
    for person, read, found in (
        (me, 200, {one["id"]}),
        (world.supervisor, 200, {one["id"]}),
        (world.colleague, 404, set()),
        (world.stranger, 404, set()),
        (world.here["consultant"], 403, 403),
        (world.here["privacy_officer"], 403, 403),
        (world.admin, 403, 403),
        (everything, 403, 403),
        (world.there["clinician"], 404, {theirs["id"]}),
        (world.there["supervisor"], 404, {theirs["id"]}),
    ):
        for path in ("", "/_history/1"):
            at = f"/fhir/QuestionnaireResponse/{one['id']}{path}"
            answer = await person.get(at)
            assert answer.status_code == read, (person.role, at)
            assert ("zq-words" in answer.text) is (read == 200)
        assert (await person.get(f"/v1/responses/{one['id']}")).status_code == read
        assert await ids_found(person, "QuestionnaireResponse") == found
        for named in ({"patient": case["id"]}, {"_id": one["id"]}):
            asked = await person.get("/fhir/QuestionnaireResponse", **named)
            assert ("zq-words" in asked.text) is (read == 200)
    # what nothing has, and what is somebody else's, are answered alike
    nothing = await world.colleague.get(f"/fhir/QuestionnaireResponse/{uuid4()}")
    hidden = await world.colleague.get(f"/fhir/QuestionnaireResponse/{one['id']}")
    assert nothing.json() == hidden.json()
    refused(await me.get(f"/fhir/QuestionnaireResponse/{one['id']}/_history/2"), 404)
    refused(await me.get(f"/fhir/QuestionnaireResponse/{one['id']}/_history"), 404)


async def test_what_the_walls_of_our_own_api_hide_is_hidden_here(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both answers, of one and of several, come from where the other API asks."""
    me = world.clinician
    one = await answered(me, await me.case())
    with monkeypatch.context() as patch:
        patch.setitem(records.SEEN, Answered, lambda _: sa.false())
        patch.setattr(visible_rows.RESPONSES.standing, "_of_all", {})
        assert await ids_found(me, "QuestionnaireResponse") == set()
        assert await search(me, "QuestionnaireResponse", status="completed") == []
    with made_anew(), monkeypatch.context() as patch:
        patch.setitem(records.SEEN, Answered, lambda _: sa.false())
        refused(await me.get(f"/fhir/QuestionnaireResponse/{one['id']}"), 404)
    monkeypatch.setattr(visible_rows.RESPONSES.standing, "_of_all", {})
    assert await ids_found(me, "QuestionnaireResponse") == {one["id"]}


async def test_what_was_voided_is_in_no_search_and_an_error_by_its_id(world: World) -> None:
    me = world.clinician
    case, other = await me.case(), await me.case()
    stays, wrong = await answered(me, case), await answered(me, case)
    on_voided = await answered(me, other)
    assert (await me.delete(f"/v1/responses/{wrong['id']}", 1)).status_code == 204
    assert (await me.delete(f"/v1/cases/{other['id']}", 1)).status_code == 204
    for asked in ({}, {"status": "completed"}, {"status": "completed,entered-in-error"}):
        found = await search(me, "QuestionnaireResponse", **asked)
        assert [each["id"] for each in found] == [stays["id"]]
    assert await search(me, "QuestionnaireResponse", status="entered-in-error") == []
    assert await search(me, "QuestionnaireResponse", status="in-progress,amended") == []
    for each in (wrong, on_voided):
        shown = ok(await me.get(f"/fhir/QuestionnaireResponse/{each['id']}"))
        check(shown)
        assert shown["status"] == "entered-in-error"


async def test_every_version_that_was_asked_is_found_by_what_a_response_calls_it(
    world: World,
) -> None:
    me = world.clinician
    first = made(await world.admin.post("/v1/questionnaires", QUESTIONNAIRE))
    before = await answer(me, await me.case(), first, how=5, changed=True)
    body = {**deepcopy(QUESTIONNAIRE), "questionnaire_id": first["id"]}
    body["texts"]["en"]["items"][0]["asks"] = "It goes on."
    made(await world.admin.post("/v1/questionnaires", body))
    at = f"/fhir/Questionnaire/{first['id']}"
    newest = ok(await me.get(at))
    assert (newest["version"], next(items(newest))["text"]) == ("2", "It goes on.")
    shown = ok(await me.get(f"/fhir/QuestionnaireResponse/{before['id']}"))
    url, _, version = shown["questionnaire"].partition("|")
    assert next(items(shown))["text"] == "It goes well."
    (asked,) = await search(me, "Questionnaire", url=url, version=version)
    assert ok(await me.get(f"{at}/_history/{version}")) == asked
    assert next(items(asked))["text"] == "It goes well."
    assert await search(me, "Questionnaire", url=url) == [newest]
    assert await search(me, "Questionnaire", url=url, version="1,2") == [newest]
    for none in ("3", "0", "01", "x", "1" * 10):
        refused(await me.get(f"{at}/_history/{none}"), 404)
        assert await search(me, "Questionnaire", url=url, version=none) == []
    for theirs in (at, f"{at}/_history/1"):
        refused(await world.there["clinician"].get(theirs), 404)
    assert await search(world.there["clinician"], "Questionnaire", url=url) == []
    assert await search(world.there["admin"], "Questionnaire", version="1,2") == await search(
        world.there["clinician"], "Questionnaire"
    )


async def test_what_is_retired_is_found_by_its_status_and_by_its_version(world: World) -> None:
    me, path = world.clinician, "/v1/questionnaires"
    one = made(await world.admin.post(path, QUESTIONNAIRE))
    for row_id in (one["id"], str(LOOK_BACK_ID)):
        assert (await world.admin.delete(f"{path}/{row_id}")).status_code == 204
    assert await search(me, "Questionnaire") == []
    assert await search(me, "Questionnaire", status="active", version="1") == []
    both = [one["id"], str(LOOK_BACK_ID)]
    for asked in (
        {"status": "retired"},
        {"status": "draft,retired,active"},
        {"status": "http://hl7.org/fhir/publication-status|retired"},
        {"status": "http://hl7.org/fhir/publication-status|"},
        {"version": "1"},
    ):
        found = await search(me, "Questionnaire", **asked)
        assert [each["id"] for each in found] == both, asked
        assert {each["status"] for each in found} == {"retired"}
    assert await search(me, "Questionnaire", status="urn:other|retired") == []
    shown = ok(await me.get(f"/fhir/Questionnaire/{LOOK_BACK_ID}"))
    assert (shown["status"], "lastUpdated" in shown["meta"]) == ("retired", True)
    # the other clinic still asks it
    (theirs,) = await search(world.there["clinician"], "Questionnaire")
    assert (theirs["id"], theirs["status"]) == (str(LOOK_BACK_ID), "active")


async def test_questionnaires_come_a_page_at_a_time(world: World) -> None:
    me = world.clinician
    several = [made(await world.admin.post("/v1/questionnaires", QUESTIONNAIRE)) for _ in range(3)]
    every = await search(me, "Questionnaire")
    assert [each["id"] for each in every] == sorted(each["id"] for each in every)
    assert {each["id"] for each in every} == {each["id"] for each in several} | {str(LOOK_BACK_ID)}
    assert await search(me, "Questionnaire", _count=1) == every
    for person in (world.here["consultant"], await software(world, *Scope)):
        refused(await person.get("/fhir/Questionnaire"), 403)
        refused(await person.get(f"/fhir/Questionnaire/{LOOK_BACK_ID}"), 403)
    for wrong in ({"_id": "*"}, {"_lastUpdated": "2026"}, {"title": "x"}, {"_cursor": "x"}):
        refused(await me.get("/fhir/Questionnaire", **wrong), 400)


async def test_each_response_that_is_shown_is_in_the_journal(world: World) -> None:
    me, supervisor = world.clinician, world.supervisor
    case = await me.case()
    one, two = await answered(me, case), await answered(me, case)
    ok(await supervisor.get(f"/fhir/QuestionnaireResponse/{one['id']}"))
    ok(await supervisor.get("/fhir/QuestionnaireResponse"))
    ok(await me.get(f"/fhir/Questionnaire/{LOOK_BACK_ID}"))
    told = ok(await me.get("/v1/journal", case_id=case["id"], is_read="true"))["items"]
    seen, opened = [each for each in told if each["happening"] == "response.read"]
    assert opened["record_ids"] == [one["id"]]
    assert set(seen["record_ids"]) == {one["id"], two["id"]}
    assert {seen["actor_id"], opened["actor_id"]} == {str(supervisor.id)}
    event = ok(await me.get(f"/fhir/AuditEvent/{opened['id']}"))
    assert {"reference": f"QuestionnaireResponse/{one['id']}", "type": "QuestionnaireResponse"} in [
        each["what"] for each in event["entity"]
    ]
