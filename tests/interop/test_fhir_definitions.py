"""What our extensions and codes mean is served, of all that stands in any answer."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, get_args

import pytest

from api.domain.incident_kinds import IncidentKind
from api.domain.look_back import LOOK_BACK_ID
from api.domain.permissions.case_rules import Standing, purpose_of
from api.domain.vocabulary import VOCABULARY, PromptName, RuleName, Scope
from api.flags.lifecycle import MANUAL
from api.interop.fhir.codes import HAPPENING, KIND, PURPOSE, SYSTEMS, coding_of, rule_coding
from api.interop.fhir.extensions import EXTENSIONS, WORKFLOW_EPISODE, of_episode
from api.interop.fhir.outcome import SERVED
from api.journal.entries import Happening
from api.records.patient_copy_schemas import Purpose
from tests.support.fhir import check, one_world, refused, rich, search
from tests.support.world import NOON, Person, Urls, World, made, ok, open_world, software

__all__ = ["one_world"]

OURS = "urn:boundary-notes:"
R4 = "http://hl7.org/fhir/StructureDefinition/"
CONTEXTS = {
    f"{R4}workflow-episodeOfCare": {
        "Observation",
        "DiagnosticReport",
        "Media",
        "DeviceRequest",
        "ServiceRequest",
        "NutritionOrder",
        "DeviceUseStatement",
        "AdverseEvent",
        "CarePlan",
        "CareTeam",
        "ClinicalImpression",
        "Communication",
        "CommunicationRequest",
        "Condition",
        "Procedure",
        "QuestionnaireResponse",
    },
    f"{R4}flag-detail": {"Flag"},
    f"{R4}minValue": {"Questionnaire.item"},
    f"{R4}maxValue": {"Questionnaire.item"},
    f"{R4}questionnaire-itemControl": {"Questionnaire.item"},
}
"""Where R4 (4.0.1) lets its own extensions stand."""

Found = dict[str, Any]
SHOWN = [kind for kind in SERVED if kind not in {"StructureDefinition", "CodeSystem"}]
"""The types whose resources say something of a clinic."""


def inside(value: Any) -> Iterator[Found]:
    """Give every element of a resource, the resource too."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            yield from inside(each)


def extended(resource: Found) -> Iterator[tuple[Found, str]]:
    """Give each extension, and where it stands."""
    kind = resource["resourceType"]
    for element in inside(resource):
        place = kind if element is resource else f"{kind}.item"
        for extension in element.get("extension", ()):
            yield extension, place if element is resource or "linkId" in element else "elsewhere"


def undefined(resource: Found, defined: dict[str, Found]) -> Iterator[str]:
    """Name what stands in a resource and is defined nowhere, or otherwise."""
    for extension, place in extended(resource):
        url = extension["url"]
        if not url.startswith(OURS):
            if place not in CONTEXTS.get(url, ()):
                yield f"{url} may not stand on {place}"
        elif url not in defined:
            yield f"{url} is not defined"
        else:
            yield from misused(extension, place, defined[url])
    for element in inside(resource):
        if str(element.get("system", "")).startswith(OURS) and "code" in element:
            yield from unknown(element, defined)


def misused(extension: Found, kind: str, definition: Found) -> Iterator[str]:
    """Tell where an extension is not as its definition has it."""
    if kind not in {each["expression"] for each in definition["context"]}:
        yield f"{extension['url']} may not stand on {kind}"
    for part in ("snapshot", "differential"):
        named = {each["id"]: each for each in definition[part]["element"]}
        assert named["Extension.url"]["fixedUri"] == definition["url"] == extension["url"]
        (of,) = named["Extension.value[x]"]["type"]
        code = of["code"]
        if set(extension) != {"url", f"value{code[0].upper()}{code[1:]}"}:
            yield f"{extension['url']} has another value"
        for profile in of.get("targetProfile", ()):
            if extension["valueReference"]["type"] != profile.removeprefix(R4):
                yield f"{extension['url']} refers to another type"


def unknown(coding: Found, defined: dict[str, Found]) -> Iterator[str]:
    """Tell where a code is not in its list, or is said to mean something else."""
    system, code = coding["system"], coding["code"]
    meant = {each["code"]: each for each in defined.get(system, {}).get("concept", ())}
    if code not in meant:
        yield f"{system} has no {code}"
    elif coding.get("display", meant[code]["display"]) != meant[code]["display"]:
        yield f"{code} means something else"


async def all_defined(by: Person) -> dict[str, Found]:
    """Give all definitions by what they are called, some on each page."""
    found = [
        *await search(by, "StructureDefinition", _count=2),
        *await search(by, "CodeSystem", _count=30),
    ]
    named = {each["url"]: each for each in found}
    assert len(named) == len(found)
    return named


async def all_choices(by: Person) -> dict[str, Found]:
    """Give what choices mean, which the questionnaire says that has them, as if it were a list."""
    listed: dict[str, Found] = {}
    for asked in await search(by, "Questionnaire"):
        for element in inside(asked):
            for option in element.get("answerOption", ()):
                coding = option["valueCoding"]
                listed.setdefault(coding["system"], {"concept": []})["concept"].append(coding)
    return listed


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def played(sqlite_urls: Urls) -> AsyncIterator[tuple[World, list[Found]]]:
    """A world with something of everything, and all resources that anybody is shown."""
    async with open_world(sqlite_urls, NOON) as world:
        case = await rich(world, world.clinician, world.supervisor)
        made(await world.clinician.post(f"/v1/cases/{case['id']}/disclosures"))
        emergency = {"case_id": case["id"], "reason": "She cannot be reached."}
        made(await world.stranger.post("/v1/break-glass", emergency))
        ok(await world.stranger.get(f"/v1/cases/{case['id']}"))
        (noted, *_) = await search(world.clinician, "Observation")
        readers = {
            "clinician": world.clinician,
            "supervisor": world.supervisor,
            "privacy officer": world.here["privacy_officer"],
            "software": await software(world, *Scope),
        }
        shown = [ok(await world.clinician.get(f"/fhir/Observation/{noted['id']}"))]
        for by in readers.values():
            for kind in SHOWN:
                if (await by.get(f"/fhir/{kind}")).status_code == 200:
                    shown += await search(by, kind)
        yield world, shown


async def test_all_that_stands_in_any_answer_is_defined(
    played: tuple[World, list[Found]],
) -> None:
    world, shown = played
    defined = await all_defined(world.clinician) | await all_choices(world.clinician)
    assert {each["resourceType"] for each in shown} == set(SHOWN)
    assert [why for each in shown for why in undefined(each, defined)] == []
    # every extension of the table was there to be looked at, and many codes of each sort
    seen = {(e["url"], place) for r in shown for e, place in extended(r)}
    assert seen == {(each.url, kind) for each in EXTENSIONS for kind in each.on}
    systems = {each.get("system") for r in shown for each in inside(r) if "code" in each}
    assert {
        HAPPENING, KIND, PURPOSE, f"{OURS}flag", f"{OURS}incident-field", f"{OURS}promise-field",
        f"{OURS}vocabulary:rule", f"{OURS}vocabulary:prompt", f"{OURS}vocabulary:role",
    } <= systems  # fmt: skip


async def test_what_is_not_defined_is_found(played: tuple[World, list[Found]]) -> None:
    """The twin of the test above: each definition taken away, and each spoiled, is missed."""
    world, shown = played
    choices = await all_choices(world.clinician)
    defined = await all_defined(world.clinician) | choices
    used = {e["url"] for r in shown for e in r.get("extension", ()) if e["url"].startswith(OURS)}
    touched = f"{OURS}questionnaire:{LOOK_BACK_ID}:touch"
    assert len(choices) == 7
    for url in {*used, HAPPENING, KIND, f"{OURS}vocabulary:touch", touched}:
        without = {name: each for name, each in defined.items() if name != url}
        assert any([*undefined(each, without)] for each in shown), url
    for url in used:
        elsewhere = {**defined[url], "context": [{"type": "element", "expression": "Patient"}]}
        assert any([*undefined(each, {**defined, url: elsewhere})] for each in shown), url
    task = next(each for each in shown if each["resourceType"] == "Task")
    wrong = {**task, "extension": [{**task["extension"][0], "url": WORKFLOW_EPISODE.url}]}
    assert [*undefined(wrong, defined)] == [f"{WORKFLOW_EPISODE.url} may not stand on Task"]


async def test_the_words_of_extensions_are_in_their_lists(
    played: tuple[World, list[Found]],
) -> None:
    _, shown = played
    of = {each.url: each for each in EXTENSIONS if each.value == "code"}
    assert all(each.words for each in of.values())
    said = {
        (e["url"], e["valueCode"]) for r in shown for e in r.get("extension", ()) if e["url"] in of
    }
    assert len(said) > len(of)
    assert all(code in {str(word) for word in of[url].words or ()} for url, code in said)


async def test_every_code_that_could_be_written_is_defined(one_world: World) -> None:
    defined = await all_defined(one_world.clinician)
    for words in VOCABULARY.values():
        for word in words:
            coding = coding_of(word).model_dump(exclude_none=True)
            assert [*unknown(coding, defined)] == []
        assert len(defined[SYSTEMS[words]]["concept"]) == len(words)
    for rule in (*RuleName, *PromptName, MANUAL):
        assert [*unknown(rule_coding(rule).model_dump(exclude_none=True), defined)] == []

    def codes(system: str) -> set[str]:
        return {each["code"] for each in defined[system]["concept"]}

    assert codes(KIND) == set(get_args(IncidentKind))
    assert codes(HAPPENING) == {str(each) for each in Happening}
    standings = (
        Standing(**{name: True}) for name in ("own", "linked", "opened", "covering", "consulting")
    )
    purposes = {purpose_of(each) for each in standings} - {None}
    assert codes(PURPOSE) == purposes | {str(each) for each in Purpose}
    assert {
        each["count"] - len(each["concept"]) for each in defined.values() if "count" in each
    } == {0}


async def test_whoever_is_signed_in_reads_definitions_and_nobody_else(one_world: World) -> None:
    world = one_world
    me = world.clinician
    defined = await all_defined(me)
    for url, definition in defined.items():
        check(definition)
        kind, row_id = definition["resourceType"], definition["id"]
        assert re.fullmatch(r"[A-Za-z0-9.-]{1,64}", row_id)
        assert re.fullmatch(r"[A-Z][A-Za-z0-9_]{0,254}", definition["name"])
        assert ok(await me.get(f"/fhir/{kind}/{row_id}")) == definition
        assert await search(me, kind, url=url) == [definition]
        assert await search(me, kind, _id=row_id) == [definition]
    assert len({each["id"] for each in defined.values()}) == len(defined) > 60
    officers = await all_defined(world.here["privacy_officer"])
    assert officers == await all_defined(world.admin) == await all_defined(await software(world))
    assert officers == defined
    several = {"url": f"{HAPPENING},{KIND},urn:other", "_id": "happening,incident-kind,abc"}
    assert [each["url"] for each in await search(me, "CodeSystem", **several)] == [HAPPENING, KIND]
    for nothing in ({"url": "urn:other"}, {"url": HAPPENING.upper()}, {"_id": "abc"}):
        assert await search(me, "CodeSystem", **nothing) == []
    for path in ("/fhir/CodeSystem", "/fhir/CodeSystem/happening", "/fhir/StructureDefinition"):
        refused(await world.http.get(path), 401)
    refused(await me.get("/fhir/CodeSystem/abc"), 404)
    refused(await me.get("/fhir/StructureDefinition/happening"), 404)
    for wrong in ({"_id": "*"}, {"_lastUpdated": "2026"}, {"name": "Role"}, {"url:below": "urn"}):
        refused(await me.get("/fhir/CodeSystem", **wrong), 400)
    cursor = (await me.get("/fhir/CodeSystem", _count=1)).json()["link"][1]["url"]
    asked = cursor.partition("_cursor=")[2]
    refused(await me.get("/fhir/StructureDefinition", _cursor=asked), 400)
    # nobody's records are shown, so there is no entry of it
    (last, *_) = ok(await world.here["privacy_officer"].get("/v1/journal", limit=1))["items"]
    assert last["happening"] == "request.refused"


def test_fhirs_own_extensions_stand_where_r4_lets_them() -> None:
    for each in EXTENSIONS:
        assert each.is_ours or set(each.on) <= CONTEXTS[each.url]
        assert each.is_ours == each.url.startswith(f"{OURS}extension:")
    allowed = CONTEXTS[WORKFLOW_EPISODE.url]
    for kind in (
        "Observation",
        "ServiceRequest",
        "QuestionnaireResponse",
        "Task",
        "DetectedIssue",
        "Flag",
    ):
        said = of_episode(NO_CASE, kind)
        assert (said.url == WORKFLOW_EPISODE.url) == (kind in allowed)


NO_CASE: Any = "00000000-0000-0000-0000-000000000000"
