"""Questionnaires: ours in every clinic, a clinic's own, made anew and never changed."""

from copy import deepcopy
from typing import Any
from uuid import uuid4

import pytest

from api.domain.look_back import LOOK_BACK_ID
from api.routes import questionnaires
from tests.support.matrix import QUESTIONNAIRE
from tests.support.world import World, made, ok

PATH = "/v1/questionnaires"


async def listed(world: World, of: str = "here") -> list[str]:
    people = getattr(world, of)
    return [each["id"] for each in ok(await people["clinician"].get(PATH))["items"]]


async def test_every_clinic_asks_ours_in_two_languages(world: World) -> None:
    (ours,) = ok(await world.clinician.get(PATH))["items"]
    assert (ours["id"], ours["version"], ours["for"]) == (str(LOOK_BACK_ID), 1, "client")
    assert ours["languages"] == ["en", "es"]
    assert (ours["created_at"], ours["recorded_by_id"], ours["retired_at"]) == (None, None, None)
    assert ok(await world.clinician.get(f"{PATH}/{LOOK_BACK_ID}")) == ours
    assert ok(await world.clinician.get(f"{PATH}/{LOOK_BACK_ID}", version=1)) == ours
    assert (await world.clinician.get(f"{PATH}/{LOOK_BACK_ID}", version=2)).status_code == 404


async def test_what_is_made_is_asked_here_alone(world: World) -> None:
    answer = await world.admin.post(PATH, QUESTIONNAIRE)
    one = made(answer)
    assert answer.headers["location"] == f"{PATH}/{one['id']}"
    assert (one["version"], one["recorded_by_id"]) == (1, str(world.admin.id))
    assert one["texts"]["en"]["items"][0]["asks"] == "It goes well."
    assert ok(await world.supervisor.get(f"{PATH}/{one['id']}")) == one
    assert await listed(world) == [str(LOOK_BACK_ID), one["id"]]
    assert await listed(world, "there") == [str(LOOK_BACK_ID)]
    elsewhere = world.there["admin"]
    assert (await elsewhere.get(f"{PATH}/{one['id']}")).status_code == 404
    assert (await elsewhere.delete(f"{PATH}/{one['id']}")).status_code == 404
    another = {**QUESTIONNAIRE, "questionnaire_id": one["id"]}
    assert (await elsewhere.post(PATH, another)).status_code == 422


async def test_a_new_version_leaves_the_one_before_as_it_was(world: World) -> None:
    one = made(await world.admin.post(PATH, QUESTIONNAIRE))
    changed = {**deepcopy(QUESTIONNAIRE), "title": "Otherwise", "questionnaire_id": one["id"]}
    changed["texts"]["en"]["items"][0]["asks"] = "It goes on."
    two = made(await world.admin.post(PATH, changed))
    assert (two["id"], two["version"]) == (one["id"], 2)
    assert ok(await world.clinician.get(f"{PATH}/{one['id']}")) == two
    assert ok(await world.clinician.get(f"{PATH}/{one['id']}", version=1)) == one
    shown = ok(await world.clinician.get(PATH))["items"]
    assert [(each["title"], each["version"]) for each in shown] == [
        ("Looking back", 1),
        ("Otherwise", 2),
    ]


async def test_what_is_retired_is_asked_no_more_and_can_still_be_read(world: World) -> None:
    one = made(await world.admin.post(PATH, QUESTIONNAIRE))
    for row_id in (one["id"], str(LOOK_BACK_ID)):
        for _ in range(2):
            assert (await world.admin.delete(f"{PATH}/{row_id}")).status_code == 204
        assert ok(await world.clinician.get(f"{PATH}/{row_id}"))["retired_at"] is not None
        again = {**QUESTIONNAIRE, "questionnaire_id": row_id}
        assert (await world.admin.post(PATH, again)).status_code == 422
    assert await listed(world) == []
    assert await listed(world, "there") == [str(LOOK_BACK_ID)]


async def test_ours_has_no_version_of_a_clinics_own(world: World) -> None:
    answer = await world.admin.post(PATH, {**QUESTIONNAIRE, "questionnaire_id": str(LOOK_BACK_ID)})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/questionnaire_id"


def _nobody_could_say_no(body: dict[str, Any]) -> None:
    body["parts"][0]["items"][1]["concern"] = ["yes", "no"]


def _of_a_feeling(body: dict[str, Any]) -> None:
    body["parts"][0]["items"][0]["concern"] = ["yes"]


def _without_words(body: dict[str, Any]) -> None:
    del body["texts"]["en"]["items"][0]


@pytest.mark.parametrize("spoil", [_nobody_could_say_no, _of_a_feeling, _without_words])
async def test_what_must_not_be_asked_is_refused_with_a_reason(world: World, spoil: Any) -> None:
    body = deepcopy(QUESTIONNAIRE)
    spoil(body)
    answer = await world.admin.post(PATH, body)
    assert answer.status_code == 422
    assert len(answer.json()["errors"][0]["message"]) > 20
    assert await listed(world) == [str(LOOK_BACK_ID)]


async def test_a_clinic_has_so_many_and_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questionnaires, "MOST", 2)
    one, _ = [made(await world.admin.post(PATH, QUESTIONNAIRE)) for _ in range(2)]
    assert (await world.admin.post(PATH, QUESTIONNAIRE)).status_code == 409
    # a new version is no more of them
    made(await world.admin.post(PATH, {**QUESTIONNAIRE, "questionnaire_id": one["id"]}))
    assert (await world.admin.delete(f"{PATH}/{one['id']}")).status_code == 204
    made(await world.admin.post(PATH, QUESTIONNAIRE))


async def test_what_there_is_not_is_not_found(world: World) -> None:
    for method in ("GET", "DELETE"):
        answer = await world.admin.send(method, f"{PATH}/{uuid4()}")
        assert answer.status_code == 404


async def test_the_journal_tells_who_made_and_who_retired_it(world: World) -> None:
    one = made(await world.admin.post(PATH, QUESTIONNAIRE))
    assert (await world.admin.delete(f"{PATH}/{one['id']}")).status_code == 204
    officer = world.here["privacy_officer"]
    for happening in ("questionnaire.created", "questionnaire.retired"):
        (entry,) = ok(await officer.get("/v1/journal", happening=happening))["items"]
        assert (entry["record_ids"], entry["actor_id"]) == ([one["id"]], str(world.admin.id))


# ---------------------------------------------------------------------- what the door says

NOTHING = {"en": None, "es": None}
TEXTS: dict[str, Any] = {
    "door_emergency_text": {"en": "Call 112."},
    "door_duty_text": {"en": "We may have to tell somebody of a danger to life."},
    "door_elsewhere_text": {"en": "The patients' office of the town."},
}


async def test_a_door_says_nothing_before_an_admin_wrote_it(world: World) -> None:
    clinic = ok(await world.clinician.get("/v1/clinic"))
    assert {name: value for name, value in clinic.items() if name.startswith("door_")} == {
        "door_emergency_text": NOTHING,
        "door_duty_text": NOTHING,
        "door_elsewhere_text": NOTHING,
        "door_leave_to": None,
        "door_read_within_days": 7,
        "door_languages": ["en"],
        "door_offer": [],
    }


async def test_an_admin_says_what_the_door_tells(world: World) -> None:
    told = {
        **TEXTS,
        "door_leave_to": "https://weather.example/",
        "door_read_within_days": 3,
        "door_languages": ["en", "es"],
        "door_offer": ["at_ending"],
    }
    changed = ok(await world.admin.patch("/v1/clinic", told))
    said = {name: {**NOTHING, **value} if name in TEXTS else value for name, value in told.items()}
    assert {name: changed[name] for name in told} == said
    assert ok(await world.clinician.get("/v1/clinic")) == changed
    there = ok(await world.there["clinician"].get("/v1/clinic"))
    assert (there["door_leave_to"], there["door_emergency_text"]) == (None, NOTHING)
    assert (await world.supervisor.patch("/v1/clinic", TEXTS)).status_code == 403


@pytest.mark.parametrize(
    "told",
    [
        {"door_emergency_text": "Call 112."},
        {"door_emergency_text": {"xx": "Call 112."}},
        {"door_emergency_text": {"en": " "}},
        {"door_emergency_text": None},
        {"door_leave_to": "http://weather.example/"},
        {"door_leave_to": "https://somebody@weather.example/"},
        {"door_leave_to": "javascript:alert(1)"},
        {"door_leave_to": "https://localhost/"},
        {"door_read_within_days": 0},
        {"door_read_within_days": 31},
        {"door_read_within_days": True},
        {"door_languages": []},
        {"door_languages": ["xx"]},
        {"door_offer": ["always"]},
    ],
)
async def test_what_a_door_cannot_say_is_refused(world: World, told: dict[str, Any]) -> None:
    before = ok(await world.admin.get("/v1/clinic"))
    assert (await world.admin.patch("/v1/clinic", told)).status_code == 422
    assert ok(await world.admin.get("/v1/clinic")) == before
