"""What an EHR reads: valid FHIR R4, and to each the very rows that our own API shows them."""

import json
import random
from typing import Any, get_args
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from httpx import Response
from sqlalchemy import ColumnElement, true

from api.access.visibility import listings
from api.access.visibility.cases import on_its_case
from api.access.visibility.newest import Wanted
from api.access.visibility.reader import Reader
from api.access.visibility.records import SEEN
from api.domain.look_back import LOOK_BACK_ID
from api.domain.permissions.table import TREATING
from api.domain.vocabulary import (
    VOCABULARY,
    CaseStatus,
    ConsultationStatus,
    ConsultationUrgency,
    FlagStatus,
    IncidentStatus,
    PromiseState,
    Role,
    Scope,
    Severity,
    TouchKind,
)
from api.interop.fhir import care, flags, requests, resource_types, visible_rows
from api.interop.fhir.codes import coded, coding_of
from api.interop.fhir.definitions import DEFINING
from api.interop.fhir.outcome import NOT_ANSWERED, NOT_SERVED, SERVED, IssueType
from api.storage.models.clinical import Case
from api.storage.transaction import Transaction
from tests.support.fhir import (
    ANSWERED,
    ASKED,
    CANARY,
    KINDS,
    R4_ISSUES,
    REQUIRED,
    check,
    ids_found,
    refused,
    rich,
    search,
)
from tests.support.requests import document, tolerant
from tests.support.world import Person, World, incident, made, ok, software

pytestmark = pytest.mark.both_databases

TYPES = {
    "EpisodeOfCare": "/v1/cases",
    "Observation": "/v1/incidents",
    "Task": "/v1/promises",
    "ServiceRequest": "/v1/consultations",
    "DetectedIssue": "/v1/flags",
    "Flag": "/v1/flags",
    "QuestionnaireResponse": "/v1/cases/{case_id}/responses",
    "AuditEvent": "/v1/journal",
}
"""Each type, and the list of our own API that shows the same rows."""


async def test_everything_is_valid_and_says_no_more_than_r4_has_codes_for(one_world: World) -> None:
    world = one_world
    me, supervisor = world.clinician, world.supervisor
    case = await rich(world, me, supervisor)
    for person in (me, supervisor):
        for kind in (*TYPES, "Provenance"):
            found = await search(person, kind)
            assert found, (kind, person.role)
            for resource in found:
                assert resource["resourceType"] == kind
                check(resource)
            one = await person.get(f"/fhir/{kind}/{found[-1]['id']}")
            shown = {"meta": 0, **ok(one)}
            assert {**shown, "meta": 0} == {**found[-1], "meta": 0}
            assert one.headers["etag"] == f'W/"{found[-1]["meta"]["versionId"]}"'
            assert one.headers["last-modified"].endswith("GMT")
    observations = await search(me, "Observation")
    kinds_told = {each["code"]["coding"][0]["code"]: each for each in observations}
    assert kinds_told.keys() == KINDS.keys()
    assert kinds_told["gift"]["effectiveDateTime"] == "2026-03"
    assert kinds_told["touch"]["effectiveDateTime"] == "2026"
    told = {each["code"]["coding"][0]["code"]: each for each in kinds_told["touch"]["component"]}
    assert told["times"]["valueInteger"] == 2
    (touch,) = told["touch"]["valueCodeableConcept"]["coding"]
    assert touch == {
        "system": "urn:boundary-notes:vocabulary:touch",
        "code": "handshake",
        "display": TouchKind.handshake.definition,
    }
    assert "consent" not in told  # not known
    assert kinds_told["risk"]["subject"]["identifier"]["value"] == case["client_ref"]
    (flag,) = await search(me, "Flag", status="active")
    assert flag["code"]["coding"][0]["code"] == "client_safety"
    assert flag["category"][0]["coding"][0]["code"] == "safety"
    by_hand = await search(supervisor, "DetectedIssue", code="manual")
    assert [each["severity"] for each in by_hand] == ["high"]
    assert any(each.get("valueCode") == "critical" for each in by_hand[0]["extension"])
    prompts = [each for each in await search(me, "DetectedIssue") if "severity" not in each]
    assert prompts
    assert not [e for e in await search(supervisor, "DetectedIssue") if "severity" not in e]


def test_words_of_two_lists_that_are_spelled_alike_have_codes_of_their_own() -> None:
    words = [word for listed in VOCABULARY.values() for word in listed]
    assert len({str(word) for word in words}) < len(words)
    for word in words:
        assert coded(word).coding == [coding_of(word)]


def test_every_word_of_ours_has_a_code_of_r4() -> None:
    for words, codes, where in (
        (CaseStatus, care.EPISODE_STATUS, "EpisodeOfCare.status"),
        (IncidentStatus, care.OBSERVATION_STATUS, "Observation.status"),
        (PromiseState, requests.TASK_STATUS, "Task.status"),
        (ConsultationStatus, requests.REQUEST_STATUS, "ServiceRequest.status"),
        (ConsultationUrgency, requests.PRIORITY, "ServiceRequest.priority"),
        (FlagStatus, flags.ISSUE_STATUS, "DetectedIssue.status"),
        (FlagStatus, flags.ACTIVITY, "Flag.status"),
    ):
        assert set(codes) == set(words), where
        assert set(codes.values()) <= set(REQUIRED[where].split())
    assert set(flags.ISSUE_SEVERITY) == set(Severity) - {Severity.info}
    assert set(get_args(IssueType)) <= R4_ISSUES


async def peopled(world: World) -> dict[str, Person]:
    """Let there be all that hides or opens a record; give everyone who might look."""
    me, colleague, supervisor = world.clinician, world.colleague, world.supervisor
    case = await me.case()
    for each in ("hurtful_words", "cotreatment", "risk"):
        await me.incident(case, each, **KINDS[each])
    await me.promise(case, keepable="no")
    made(await me.post(f"/v1/cases/{case['id']}/responses", ANSWERED))
    asked = made(
        await me.post(f"/v1/cases/{case['id']}/consultations", {**ASKED, "released": True})
    )
    ok(await me.post(f"/v1/consultations/{asked['id']}/request"))
    await supervisor.incident(case, "touch", touch="handshake")
    # about the supervisor's own conduct: she does not see this case at all
    conflicted = await me.case()
    await me.incident(conflicted, "hurtful_words", about_user_id=str(supervisor.id))
    made(await me.post(f"/v1/cases/{conflicted['id']}/responses", ANSWERED))
    # a colleague stands in for a while
    covered = await me.case()
    await me.incident(covered, "oversight", available=False)
    made(await me.post(f"/v1/cases/{covered['id']}/responses", ANSWERED))
    span = {"starts_on": world.day(), "ends_on": world.day(9)}
    cover = {"case_id": covered["id"], "user_id": str(colleague.id), **span}
    made(await me.post("/v1/covers", cover))
    # opened in an emergency
    opened = {"case_id": covered["id"], "reason": "She cannot be reached."}
    made(await world.stranger.post("/v1/break-glass", opened))
    voided = await me.case()
    await me.incident(voided, "hurtful_words")
    await me.promise(voided)
    made(await me.post(f"/v1/cases/{voided['id']}/responses", ANSWERED))
    assert (await me.delete(f"/v1/cases/{voided['id']}")).status_code == 204
    wrong = await me.promise(case)
    assert (await me.delete(f"/v1/promises/{wrong['id']}")).status_code == 204
    wrong = made(await me.post(f"/v1/cases/{case['id']}/responses", ANSWERED))
    assert (await me.delete(f"/v1/responses/{wrong['id']}")).status_code == 204
    theirs = await world.there["clinician"].case()
    await world.there["clinician"].incident(theirs, "risk", **KINDS["risk"])
    await world.there["clinician"].promise(theirs)
    made(await world.there["clinician"].post(f"/v1/cases/{theirs['id']}/responses", ANSWERED))
    people = {f"{part} here": person for part, person in world.here.items()}
    people |= {each: world.there[each] for each in ("clinician", "privacy_officer")}
    for scopes in ((Scope.cases_read,), (Scope.flags_read,), (Scope.consultations_read,), Scope):
        people["+".join(scopes)] = await software(world, *scopes)
    return people


async def listed(person: Person, path: str) -> set[str] | int:
    """Give the ids of a list of our own API, or the status it refuses with.

    A list of each case is refused where no case has one for them.
    """
    if "{case_id}" in path:
        cases = await listed(person, "/v1/cases")
        each = [] if isinstance(cases, int) else [path.format(case_id=case) for case in cases]
        found = [await listed(person, of_case) for of_case in each]
        shown = [ids for ids in found if isinstance(ids, set)]
        return set[str]().union(*shown) if shown else 403
    answer = await person.get(path, limit=100)
    if answer.status_code != 200:
        return answer.status_code
    return {item["id"] for item in answer.json()["items"]}


async def difference(person: Person, kind: str) -> Any:
    """Say what somebody sees by our own API and by FHIR, where that is not the same."""
    ours, theirs = await listed(person, TYPES[kind]), await ids_found(person, kind)
    if kind == "DetectedIssue" and isinstance(theirs, set):
        more = await ids_found(person, "Flag")
        assert isinstance(more, set)
        assert theirs.isdisjoint(more)
        theirs |= more
    if kind == "AuditEvent" and isinstance(ours, set) and isinstance(theirs, set):
        # that somebody looked at the journal is in the journal by now; the first page is enough
        theirs = {each for each in theirs if each <= max(ours, default="")}
        ours = {each for each in ours if each >= min(theirs, default="")}
    if kind == "QuestionnaireResponse" and ours == 403 and person.role in TREATING:
        # who treats others may search, and finds none
        ours = set()
    return None if ours == theirs else (person.role, kind, ours, theirs)


async def test_everybody_sees_by_fhir_what_they_see_by_our_own_api(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = await peopled(world)
    for person in people.values():
        for kind in (each for each in TYPES if each != "Flag"):
            different = await difference(person, kind)
            if kind == "ServiceRequest" and person.role == Role.consultant:
                # who is asked from outside reads a brief, and there is none in FHIR
                assert different is not None
                assert different[3] == 403
            else:
                assert different is None
    seen = await ids_found(world.supervisor, "EpisodeOfCare")
    assert isinstance(seen, set)
    assert len(seen) == len(ok(await world.clinician.get("/v1/cases"))["items"]) - 1
    # what is opened in an emergency is read by its id, and in no list
    for path, kind in (("/v1/cases", "EpisodeOfCare"), ("/v1/incidents", "Observation")):
        for item in ok(await world.clinician.get(path))["items"]:
            for person in (world.stranger, world.supervisor):
                ours = await person.get(f"{path}/{item['id']}")
                theirs = await person.get(f"/fhir/{kind}/{item['id']}")
                assert ours.status_code == theirs.status_code

    # and where a wall is missing, it shows
    async def whatever(*_: Any) -> ColumnElement[bool]:
        return true()

    def every_row(model: Any, who: Reader, wanted: Wanted, **_: Any) -> Any:
        rows = sa.select(model.id).join(Case, on_its_case(model)).order_by(model.id.desc())
        return rows.where(model.clinic_id == who.clinic, *wanted.filters).limit(wanted.most)

    def take_all(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(visible_rows.TASKS.standing, "_of_all", {})
        patch.setattr(listings, "newest_ids", every_row)

    def take_seen(patch: pytest.MonkeyPatch, sort: visible_rows.Sort) -> None:
        # what our own API asks was made before
        patch.setattr(sort.standing, "_of_all", {})
        patch.setitem(SEEN, sort.model, lambda _: true())

    for kind, person, take_away in (
        ("Task", world.colleague, take_all),
        ("Observation", world.clinician, lambda by: take_seen(by, visible_rows.OBSERVATIONS)),
        ("DetectedIssue", world.supervisor, lambda by: take_seen(by, visible_rows.ISSUES)),
        (
            "QuestionnaireResponse",
            world.colleague,
            lambda by: take_seen(by, visible_rows.RESPONSES),
        ),
        (
            "AuditEvent",
            world.clinician,
            lambda by: by.setattr(visible_rows, "entries_for", whatever),
        ),
    ):
        with monkeypatch.context() as patch:
            take_away(patch)
            assert await difference(person, kind), kind


async def test_a_flag_is_of_one_type_and_who_recorded_what_is_told_of_three(
    one_world: World,
) -> None:
    world = one_world
    me = world.clinician
    case = await me.case()
    noted = await me.incident(case, "risk", **KINDS["risk"])
    pledge = await me.promise(case, keepable="no")
    # a list tells of whole milliseconds alone
    world.clock.forward(seconds=1)
    (warning,) = await search(me, "Flag")
    issue, *_ = await search(me, "DetectedIssue")
    refused(await me.get(f"/fhir/DetectedIssue/{warning['id']}"), 404)
    refused(await me.get(f"/fhir/Flag/{issue['id']}"), 404)
    assert warning["extension"][-1]["valueReference"]["reference"] == f"Observation/{noted['id']}"
    told = {each["target"][0]["reference"]: each for each in await search(me, "Provenance")}
    assert told.keys() == {
        f"EpisodeOfCare/{case['id']}",
        f"Observation/{noted['id']}",
        f"Task/{pledge['id']}",
    }
    for target, each in told.items():
        assert each["agent"][0]["who"]["identifier"]["value"] == str(me.id)
        assert await search(me, "Provenance", target=target) == [each]
        assert ok(await me.get(f"/fhir/Provenance/{each['id']}")) == each
    several = await search(me, "Provenance", target=", ".join(told))
    assert [each["id"] for each in several] == [pledge["id"], noted["id"], case["id"]]
    refused(await world.colleague.get(f"/fhir/Provenance/{noted['id']}"), 404)
    # voided: in no search, and said to be an error by its id
    assert (await me.delete(f"/v1/promises/{pledge['id']}")).status_code == 204
    assert await search(me, "Task") == []
    assert await search(me, "Task", status="entered-in-error") == []
    assert ok(await me.get(f"/fhir/Task/{pledge['id']}"))["status"] == "entered-in-error"
    assert (await me.delete(f"/v1/incidents/{noted['id']}")).status_code == 204
    assert [e["id"] for e in await search(me, "Observation", status="entered-in-error")] == [
        noted["id"]
    ]


async def spoken(person: Person) -> set[str]:
    """Give the types in which a canary stands, and every key under which a client is known."""
    shown = set()
    for kind in (*TYPES, "Provenance"):
        answer = await person.get(f"/fhir/{kind}")
        if answer.status_code == 200 and CANARY in answer.text:
            shown.add(kind)
        for entry in answer.json().get("entry", ())[:2]:
            one = await person.get(f"/fhir/{kind}/{entry['resource']['id']}")
            if CANARY in one.text:
                shown.add(kind)
    return shown


async def test_software_without_the_scope_for_words_is_shown_none(
    one_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = one_world
    case = await rich(world, world.clinician, world.supervisor)
    silent = await software(world, *(set(Scope) - {Scope.narrative_read}))
    assert await spoken(silent) == set()
    (episode,) = await search(silent, "EpisodeOfCare")
    assert episode["patient"]["identifier"] == {
        "system": "urn:boundary-notes:case",
        "value": case["id"],
    }
    # with all but cases:read it reads words, and still learns no reference
    heard = await software(world, *(set(Scope) - {Scope.cases_read}))
    assert "EpisodeOfCare" not in await spoken(heard)
    (request, *_) = await search(heard, "ServiceRequest")
    assert request["subject"]["identifier"]["value"] == case["id"]
    refused(await heard.get("/fhir/Flag", patient=case["client_ref"]), 403)
    everything = await software(world, *Scope)
    words = {"EpisodeOfCare", "Observation", "Task", "ServiceRequest", "DetectedIssue", "Flag"}
    assert await spoken(everything) == words
    # the twin: were nothing withheld, it would be seen here
    monkeypatch.setattr(Transaction, "withhold_sealed_text", lambda *_, **__: None)
    assert await spoken(silent) == words


async def test_a_client_is_found_by_reference_and_the_reference_stands_in_no_link(
    world: World,
) -> None:
    me = world.clinician
    first = await me.case(client_ref="HL-0007", started_on="2024-01-01")
    again = await me.case(client_ref="HL-0007", started_on="2025-01-01")
    other = await me.case(client_ref="HL-0008")
    for case in (first, again, other):
        await me.incident(case, "consent")
        await me.incident(case, "outcome")
    mine = {first["id"], again["id"]}
    system = "urn:boundary-notes:client-ref"
    for asked in (
        {"patient": "HL-0007"},
        {"patient": f"Patient/{first['id']},{again['id']}"},
        {"patient:identifier": "HL-0007"},
        {"patient:identifier": f"{system}|HL-0007"},
    ):
        assert {each["id"] for each in await search(me, "EpisodeOfCare", **asked)} == mine, asked
        assert len(await search(me, "Observation", **asked, _count=3)) == 4
    address = "http://notes.test/fhir/Patient/HL-0007"
    for asked in ({"subject": "HL-0007"}, {"patient": address}, {"subject": f"x,{address}"}):
        assert len(await search(me, "Observation", **asked)) == 4
    for nobody in ("HL-00", "hl-0007x", str(uuid4())):
        assert await search(me, "EpisodeOfCare", patient=nobody) == []
        bundle = ok(await me.get("/fhir/EpisodeOfCare", patient=nobody))
        # whoever checks what was searched for sees that it was not everybody
        assert f"patient={UUID(int=0)}" in bundle["link"][0]["url"]
    assert await search(me, "Task", **{"patient:identifier": "urn:other|HL-0007"}) == []
    assert await search(world.colleague, "EpisodeOfCare", patient="HL-0007") == []
    form = {"patient:identifier": f"{system}|HL-0007", "_count": "1"}
    answer = await me.send("POST", "/fhir/Observation/_search", data=form)
    seen = []
    while True:
        bundle = ok(answer)
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        assert not any("HL-0007" in url for url in links.values())
        if "next" not in links:
            break
        answer = await me.send("GET", links["next"])
    assert len(seen) == len(set(seen)) == 4
    nothing = ok(await me.send("POST", "/fhir/Task/_search", data={"patient": "HL-0007"}))
    assert "entry" not in nothing
    assert "HL-0007" not in json.dumps(nothing)
    assert first["id"] not in json.dumps(nothing)


async def test_what_parts_values_may_stand_in_one(world: World) -> None:
    me = world.clinician
    system = "urn:boundary-notes:client-ref"
    ids = {
        text: (await me.case(client_ref=text))["id"] for text in ("X,1", "X", "1", "P|1", "a\\b")
    }
    for asked, found in (
        ({"patient": "X\\,1"}, "X,1"),
        ({"patient": "P|1"}, "P|1"),
        ({"patient:identifier": f"{system}|P|1"}, "P|1"),
        ({"patient:identifier": f"{system}|P\\|1"}, "P|1"),
        ({"patient:identifier": f"{system}|X\\,1"}, "X,1"),
        ({"patient": "a\\\\b"}, "a\\b"),
        ({"patient": "a\\b"}, "a\\b"),
    ):
        assert [each["id"] for each in await search(me, "EpisodeOfCare", **asked)] == [ids[found]]
    both = await search(me, "EpisodeOfCare", patient="X,1")
    assert {each["id"] for each in both} == {ids["X"], ids["1"]}


async def test_a_code_of_another_system_is_not_ours(world: World) -> None:
    me = world.clinician
    case = await me.case()
    await me.incident(case, "consent")
    await me.incident(case, "hurtful_words")
    await me.incident(case, "cotreatment", coordinated=False)
    kinds = "urn:boundary-notes:incident-kind"
    rules, prompts = (f"urn:boundary-notes:vocabulary:{name}" for name in ("rule", "prompt"))
    status = "http://hl7.org/fhir/observation-status"
    for kind, asked, number in (
        ("Observation", {"code": "consent"}, 1),
        ("Observation", {"code": f"{kinds}|consent"}, 1),
        ("Observation", {"code": f"{kinds}|consent,{kinds}|hurtful_words"}, 2),
        ("Observation", {"code": f"{kinds}|"}, 3),
        ("Observation", {"code": "|consent"}, 0),
        ("Observation", {"code": "http://loinc.org|consent"}, 0),
        ("Observation", {"status": f"{status}|preliminary"}, 3),
        ("Observation", {"status": f"{status}|"}, 3),
        ("Observation", {"status": "urn:other|preliminary"}, 0),
        ("DetectedIssue", {"code": f"{rules}|hurtful_words"}, 1),
        ("DetectedIssue", {"code": f"{prompts}|hurtful_words"}, 0),
        ("DetectedIssue", {"code": f"{rules}|"}, 1),
        ("DetectedIssue", {"code": f"{prompts}|"}, 1),
    ):
        assert len(await search(me, kind, **asked)) == number, asked


async def test_who_reads_of_all_does_not_find_clients_by_their_reference(world: World) -> None:
    case = await world.clinician.case(client_ref="HL-0007")
    officer = world.here["privacy_officer"]
    assert await search(officer, "AuditEvent", patient=case["id"])
    for asked in ({"patient": "HL-0007"}, {"patient:identifier": "HL-0007"}):
        refused(await officer.get("/fhir/AuditEvent", **asked), 403)


async def test_what_stands_on_a_voided_case_is_in_error_too(world: World) -> None:
    me = world.clinician
    case = await me.case()
    noted = await me.incident(case, "consent")
    pledge = await me.promise(case)
    asked = made(await me.post(f"/v1/cases/{case['id']}/consultations", ASKED))
    told = made(await me.post(f"/v1/cases/{case['id']}/responses", ANSWERED))
    assert (await me.delete(f"/v1/cases/{case['id']}")).status_code == 204
    for kind, row in (
        ("Observation", noted),
        ("Task", pledge),
        ("ServiceRequest", asked),
        ("QuestionnaireResponse", told),
    ):
        shown = ok(await me.get(f"/fhir/{kind}/{row['id']}"))
        assert shown["status"] == "entered-in-error"
        check(shown)


async def test_it_answers_as_an_ehr_asks(world: World) -> None:
    me = world.clinician
    case = await me.case()
    for _ in range(3):
        await me.incident(case, "consent")
    bundle = ok(await me.get("/fhir/Observation", _count=5_000))
    assert len(bundle["entry"]) == 3
    assert "_count=100" in bundle["link"][0]["url"]
    for path in ("/fhir/metadata", f"/fhir/EpisodeOfCare/{case['id']}", "/fhir/Observation"):
        plain, pretty = [await me.get(path, _pretty=each) for each in ("false", "true")]
        assert plain.text.count("\n") == 0
        assert pretty.text.count("\n") > 5
        leave = {"link": None}
        assert ok(plain) | leave == ok(pretty) | leave
    assert ok(await me.get("/fhir/metadata", mode="terminology"))["kind"] == "instance"
    wanted = {"Accept": "application/xml"}
    assert ok(await me.send("GET", "/fhir/Observation?_format=json", headers=wanted))
    answer = await me.send("POST", "/fhir/Observation/_search?_format=json", data={"_count": "1"})
    assert len(ok(answer)["entry"]) == 1


async def test_dates_are_compared_as_far_as_they_are_known(world: World) -> None:
    me = world.clinician
    case = await me.case()
    days = {"day": "2026-02-10", "month": "2026-02-01", "year": "2026-01-01"}
    ids = {
        (await me.incident(case, "consent", occurred_on=day, date_precision=precision))[
            "id"
        ]: precision
        for precision, day in days.items()
    }

    async def known_to(*dates: str) -> set[str]:
        return {ids[each["id"]] for each in await search(me, "Observation", date=list(dates))}

    assert await known_to("2026-02-10") == {"day"}
    assert await known_to("2026-02") == {"day", "month"}
    assert await known_to("2026") == {"day", "month", "year"}
    assert await known_to("2025") == set()
    assert await known_to("ge2026-02-10") == {"day", "month", "year"}
    assert await known_to("gt2026-02-10") == {"month", "year"}
    assert await known_to("lt2026-02-10") == {"month", "year"}
    assert await known_to("le2026-02-10") == {"day", "month", "year"}
    assert await known_to("gt2026-02-28") == {"year"}
    assert await known_to("lt2026-02-01") == {"year"}
    assert await known_to("lt2026") == set()
    assert await known_to("ge2026-02-01", "le2026-02-28") == {"day", "month", "year"}
    assert await known_to("ge2026-02-11", "lt2026-02-12") == {"month", "year"}
    assert await known_to("ne2026-02-10") == {"month", "year"}
    assert await known_to("ne2026-02") == {"year"}
    assert await known_to("sa2026-02-09") == {"day"}
    assert await known_to("sa2026-01-31") == {"day", "month"}
    assert await known_to("sa2026-02-10") == await known_to("eb2026-02-10") == set()
    assert await known_to("eb2026-02-11") == {"day"}
    assert await known_to("eb2026-03") == {"day", "month"}
    # a time falls into a day, and does not hold it
    for prefix in ("ge", "gt", "le", "lt", "ne"):
        assert await known_to(f"{prefix}2026-02-10T10:00") == {"day", "month", "year"}
    for prefix in ("eq", "sa", "eb"):
        assert await known_to(f"{prefix}2026-02-10T10:00:00") == set()
    assert await known_to("gt2026-02-11T10:00") == {"month", "year"}
    assert await known_to("lt2026-02-09T10:00") == {"month", "year"}
    assert await known_to("sa2026-02-09T10:00") == await known_to("eb2026-02-11T00:00") == {"day"}
    assert await known_to("lt2026-02-10T00:00") == {"month", "year"}


async def test_what_changed_since_is_found(world: World) -> None:
    me = world.clinician
    old = await me.case()
    world.clock.forward(days=1)
    new = await me.case()

    async def since(*dates: str) -> list[str]:
        return [each["id"] for each in await search(me, "EpisodeOfCare", _lastUpdated=list(dates))]

    assert await since("ge2026-03-02") == [new["id"], old["id"]]
    assert await since("gt2026-03-02") == await since("2026-03-03") == [new["id"]]
    assert await since("le2026-03-02T12:00Z") == await since("lt2026-03-03") == [old["id"]]
    assert await since("lt2026-03-02T13:00:00+01:00") == []
    assert await since("eq2026-03-02T13:00:00.0+01:00") == [old["id"]]
    assert await since("eq2026-03-02T13:00:00.000000000+01:00") == [old["id"]]
    assert await since("ne2026-03-02") == await since("sa2026-03-02") == [new["id"]]
    assert await since("eb2026-03-03T00:00") == [old["id"]]
    assert await since("ge2026-03-02T00:00:00", "lt2026-03-03T00:00:00") == [old["id"]]
    assert await since("gt2026-03-02T12:00:00Z", "le2026-03") == [new["id"]]
    entries = await search(me, "AuditEvent", date="lt2026-03-03T00:00:00Z", patient=old["id"])
    assert [each["subtype"][0]["code"] for each in entries] == ["case.opened"]
    assert await search(me, "EpisodeOfCare", _id=f"{old['id']},{uuid4()}", status="active") != []
    assert await search(me, "EpisodeOfCare", status="onhold,finished") == []


async def test_each_is_found_once_while_others_are_added(world: World) -> None:
    me = world.clinician
    case = await me.case()
    for _ in range(3):
        await me.incident(case, "risk", **KINDS["risk"])
        await me.promise(case)
    for kind in ("Task", "Provenance"):
        before = [each["id"] for each in await search(me, kind)]
        answer, seen = await me.get(f"/fhir/{kind}", _count=2), []
        while True:
            bundle = ok(answer)
            seen += [entry["resource"]["id"] for entry in bundle["entry"]]
            await me.incident(case, "consent")
            await me.promise(case)
            following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
            if not following:
                break
            answer = await me.send("GET", following[0])
        assert seen == before
    # a cursor is of one search
    asked = dict(parse_qsl(urlsplit(links(await me.get("/fhir/Task", _count=1))["next"]).query))
    refused(await me.get("/fhir/Task", _cursor=asked["_cursor"], status="failed"), 400)
    refused(await me.get("/fhir/Observation", _cursor=asked["_cursor"]), 400)


def links(answer: Response) -> dict[str, str]:
    return {link["relation"]: link["url"] for link in ok(answer)["link"]}


async def test_what_is_not_served_is_refused_as_fhir_does(one_world: World) -> None:
    world = one_world
    me = tolerant(world).clinician
    case = await me.case()
    here = f"/fhir/EpisodeOfCare/{case['id']}"
    for query in (
        "_sort=_lastUpdated", "_include=EpisodeOfCare:patient", "_total=accurate", "_summary=count",
        "patient.identifier=x", "status:not=active", "status=", "_count=0",
        "_count=x", "_id=x%20y", "_id=*", "_lastUpdated=2026-13", "_lastUpdated=ap2026",
        "_lastUpdated=2026-3-2", "mode=full", "_pretty=x", "subject=x",
        "_lastUpdated=2026-03-02T25:00Z", "_cursor=x", f"{CANARY}=1", "status=active&status=x",
        "patient=a%00b", "patient=a&patient=b",
    ):  # fmt: skip
        said = refused(await me.send("GET", f"/fhir/EpisodeOfCare?{query}"), 400)
        assert CANARY not in said
    for target in ("Task/", "Task/a b", "*", f"Task/{uuid4()}/x", "Task/a\\,b", "task/1"):
        refused(await me.get("/fhir/Provenance", target=target), 400)
    for query in ("_lastUpdated=2026", "date=ge2026"):
        refused(await me.send("GET", f"/fhir/AuditEvent?{'&'.join([query] * 5)}"), 400)
    for nowhere in (
        "/fhir",
        "/fhir/",
        "/fhir/Patient",
        f"/fhir/Patient/{uuid4()}",
        f"/fhir/DetectedIssue/{uuid4()}/_history",
        "/fhir/EpisodeOfCare/_history",
    ):
        refused(await me.send("GET", nowhere), 404)
    for bad in ("x", "1", str(uuid4())):
        refused(await me.get(f"/fhir/EpisodeOfCare/{bad}"), 404)
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        answer = await me.send(method, here, json={})
        refused(answer, 405)
        assert answer.headers["allow"] == "GET, HEAD"
    refused(await world.http.get(here), 401)
    refused(await world.here["admin"].get(here), 403)
    form = {"data": {"_count": "1"}, "headers": {"Idempotency-Key": "again"}}
    refused(await me.send("POST", "/fhir/Task/_search", **form), 400)
    refused(await me.send("POST", "/fhir/Task/_search", json={}), 415)
    refused(await me.send("POST", "/fhir/Task/_search", data={"_sort": "x"}), 400)
    refused(await me.send("POST", "/fhir/Task/_search", data={"patient": ""}), 400)
    refused(await me.get("/fhir/Task", patient=""), 400)
    refused(await me.send("POST", "/fhir/Task/_search", data={"_format": "xml"}), 406)
    for accept, status in (
        ("application/fhir+xml", 406),
        ("text/html", 406),
        ("application/fhir+json; fhirVersion=4.0", 200),
        ("application/json", 200),
        ("text/html, */*;q=0.1", 200),
    ):
        assert (await me.send("GET", here, headers={"Accept": accept})).status_code == status
    for wanted, status in (("json", 200), ("application/fhir+json", 200), ("xml", 406)):
        assert (await me.get(here, _format=wanted)).status_code == status
        assert (await me.get("/fhir/Task", _format=wanted)).status_code == status
        assert (await world.http.get("/fhir/metadata", params={"_format": wanted})).status_code == (
            status
        )
    assert (await me.send("GET", f"{here}?_format=application/fhir+json")).status_code == 200


BATCH = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET"}}]}


async def test_what_is_not_served_says_what_is_and_where_to_read_on(one_world: World) -> None:
    world = one_world
    me = tolerant(world).clinician
    noted = await me.incident(await me.case(), "consent")
    for method, path in (
        ("GET", "/fhir"),
        ("GET", "/fhir/"),
        ("POST", "/fhir"),
        ("POST", "/fhir/"),
        ("POST", "/fhir/_search"),
        ("GET", "/fhir/_history"),
        ("GET", "/fhir/Patient"),
        ("POST", "/fhir/Patient"),
        ("POST", "/fhir/Patient/_search"),
        ("GET", "/fhir/Practitioner/1"),
        ("PUT", "/fhir/Practitioner/1"),
        ("GET", "/fhir/Condition?patient=1&_count=x"),
        ("GET", f"/fhir/{CANARY}"),
        ("GET", "/fhir/observation"),
        ("GET", "/fhir/Observation/"),
        ("GET", "/fhir/Observation/$lastn"),
        ("POST", "/fhir/Observation/$validate"),
        ("GET", f"/fhir/EpisodeOfCare/{uuid4()}/$everything"),
        ("GET", "/fhir/Observation/_history"),
        ("GET", "/fhir/Observation/a%20b"),
        ("GET", f"/fhir/Observation/{'x' * 65}"),
        ("GET", f"/fhir/DetectedIssue/{uuid4()}/_history"),
        ("GET", "/fhir/CodeSystem/happening/_history/1"),
        ("GET", f"/fhir/Observation/{noted['id']}/subject"),
    ):
        answer = await me.send(method, path, **({"json": BATCH} if method == "POST" else {}))
        said = refused(answer, 404)
        (issue,) = answer.json()["issue"]
        assert issue["code"] == "not-supported", path
        assert issue["details"]["text"] == NOT_SERVED, path
        assert CANARY not in said
    assert all(name in NOT_SERVED for name in (*SERVED, "/fhir/metadata"))
    for method, path, answered in (
        ("POST", "/fhir/Observation", "GET, HEAD"),
        ("PUT", "/fhir/Observation?status=final", "GET, HEAD"),
        ("DELETE", "/fhir/Task", "GET, HEAD"),
        ("PATCH", f"/fhir/Observation/{noted['id']}", "GET, HEAD"),
        ("POST", f"/fhir/Observation/{noted['id']}/_history", "GET, HEAD"),
        ("POST", "/fhir/metadata", "GET, HEAD"),
        ("POST", "/fhir/CodeSystem", "GET, HEAD"),
        # no id: it is searched there, by POST
        ("GET", "/fhir/Observation/_search?status=final", "POST"),
        ("GET", "/fhir/CodeSystem/_search", "POST"),
        ("DELETE", "/fhir/AuditEvent/_search", "POST"),
    ):
        answer = await me.send(method, path, **({} if method == "GET" else {"json": BATCH}))
        refused(answer, 405)
        assert answer.headers["allow"] == answered, (method, path)
        (issue,) = answer.json()["issue"]
        assert (issue["code"], issue["details"]["text"]) == ("not-supported", NOT_ANSWERED)
    # and an id that nothing has is no path that is not served
    nothing = [await me.get(f"/fhir/Observation/{each}") for each in ("abc", str(uuid4()), "A.b-1")]
    assert len({refused(each, 404) for each in nothing}) == 1
    assert "not-found" in nothing[0].text


async def test_a_code_that_no_row_has_is_of_no_row(one_world: World) -> None:
    world = one_world
    me, supervisor = world.clinician, world.supervisor
    await rich(world, me, supervisor)
    for where, of_r4 in REQUIRED.items():
        kind, _, name = where.partition(".")
        if name != "status" or kind not in TYPES:
            continue
        codes = [*of_r4.split(), "ended", CANARY, "a b", "*"]
        found = {code: len(await search(supervisor, kind, status=code)) for code in codes}
        every = await search(supervisor, kind)
        voided = found["entered-in-error"]
        assert sum(found.values()) - voided == len(every) > 0, kind
        together = await search(supervisor, kind, status=",".join(codes))
        assert len(together) == len(every) + voided
        assert found[CANARY] == found["a b"] == found["*"] == found["ended"] == 0
    asked = {"status": "registered,preliminary,final,amended"}
    assert await search(me, "Observation", **asked) == await search(me, "Observation")


async def test_dates_go_from_the_beginning_of_the_calendar_to_its_end(world: World) -> None:
    chance = random.Random(18)
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        here = await world.clinic(zone)
        me = here["clinician"]
        case = await me.case()
        for precision in ("day", "month", "year"):
            await me.incident(case, "consent", occurred_on="2026-02-10", date_precision=precision)
        world.clock.forward(seconds=1)
        for kind, parameter, by in (
            # the others leave entries about the case
            ("AuditEvent", "_lastUpdated", here["privacy_officer"]),
            ("AuditEvent", "date", here["privacy_officer"]),
            ("Observation", "date", me),
            ("Observation", "_lastUpdated", me),
            ("Provenance", "_lastUpdated", me),
        ):
            about = {"patient": case["id"]} if kind == "AuditEvent" else {}

            async def ids_found(
                date: str, *, of: str = kind, by: Person = by, asked: Any = (about, parameter)
            ) -> set[str]:
                answer = await by.get(f"/fhir/{of}", **asked[0], **{asked[1]: date})
                return {entry["resource"]["id"] for entry in ok(answer).get("entry", ())}

            all_there = {each["id"] for each in await search(by, kind, **about)}
            assert all_there
            for early in (
                "0001", "0001-01", "0001-01-01", "0001-01-01T00:00Z", "0001-01-01T00:00:00+14:00",
                "0001-01-01T00:00:00.000-14:00", "1799-12-31", "1800", "1800-01-01", "1899-12",
            ):  # fmt: skip
                for prefix in chance.sample(["ge", "gt", "sa", "ne"], 2):
                    assert await ids_found(prefix + early) == all_there, (prefix, early)
                for prefix in chance.sample(["", "eq", "le", "lt", "eb"], 2):
                    assert await ids_found(prefix + early) == set(), (prefix, early)
            for late in (
                "9999", "9999-12", "9999-12-31", "9999-12-31T23:59:59.999+14:00",
                "9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999-14:00", "2300-01-01",
                "2299-12-31", "2200", "9999-12-31T23:59:60Z",
            ):  # fmt: skip
                for prefix in chance.sample(["le", "lt", "eb", "ne"], 2):
                    assert await ids_found(prefix + late) == all_there, (prefix, late)
                for prefix in chance.sample(["", "eq", "ge", "gt", "sa"], 2):
                    assert await ids_found(prefix + late) == set(), (prefix, late)
            span = {parameter: ["ge0001-01-01", "le9999-12-31"]}
            assert {each["id"] for each in await search(by, kind, **about, **span)} == all_there


async def test_what_is_no_date_is_refused(one_world: World) -> None:
    me, officer = one_world.clinician, one_world.here["privacy_officer"]
    for none in (
        "0000", "0000-01-01", "10000", "99999-01-01", "201111111-03-04T10:45:33", "0-03-04T10:45",
        "2011jasdlka-03-04", "2026-02-30", "2026-13", "2026-00", "2026-01-00", "2026-1", "26",
        "2026-03-15T24:61", "2026-03-15T24:00", "2026-03-15T10", "2026-03-15T10:60", "2026-03-",
        "2026-03-15T10:00:61", "2026-03-15T10:00:00.", "2026-03-15T10:00+15:00", "2026-03-15T",
        "2026-03-15T10:00+14:30", "2026-03-15T10:00+10:60", "2026-03-15 10:00", "ap2026", "xx2026",
        "ge", "9999-12-32", "0001-02-29", "2026-03-15T10:00:00z", "\u0662026", "now",
    ):  # fmt: skip
        for by, kind, parameter in (
            (me, "Observation", "date"),
            (me, "Task", "_lastUpdated"),
            (officer, "AuditEvent", "date"),
            (officer, "AuditEvent", "_lastUpdated"),
        ):
            said = refused(await by.get(f"/fhir/{kind}", **{parameter: none}), 400)
            # what is shorter stands in the sentence that says how a date is written
            assert none not in said or len(none) < 9


async def test_what_could_be_an_id_and_is_none_here_finds_nothing(one_world: World) -> None:
    world = one_world
    me, officer = world.clinician, world.here["privacy_officer"]
    case = await me.case()
    noted = await me.incident(case, "risk", **KINDS["risk"])
    await me.promise(case, keepable="no")
    made(await me.post(f"/v1/cases/{case['id']}/consultations", ASKED))
    made(await me.post(f"/v1/cases/{case['id']}/responses", ANSWERED))
    base = "http://notes.test/fhir"
    unknown = ("abc", "A-1.b", "1", "x" * 64, str(uuid4()), uuid4().urn)
    for kind in (*TYPES, "Provenance"):
        by = officer if kind == "AuditEvent" else me
        asked_for = case["id"] if kind == "AuditEvent" else None
        (one, *_) = await search(by, kind, **({"patient": asked_for} if asked_for else {}))
        for each in unknown:
            assert await search(by, kind, _id=each) == []
        for each in (one["id"], one["id"].upper(), f"abc,{one['id']}", f"urn:uuid:{one['id']}"):
            assert [row["id"] for row in await search(by, kind, _id=each)] == [one["id"]]
        for malformed in ("a b", "*", "a/b", "é", "x" * 65, f"{one['id']},", "urn:oid:1.2", "a_b"):
            refused(await by.get(f"/fhir/{kind}", _id=malformed), 400)
        for typed in ("EpisodeOfCare", "Observation", "AuditEvent", "CodeSystem"):
            for prefix in ("", f"{base}/"):
                asked = {"patient": f"{prefix}{typed}/{case['id']}"}
                assert await search(by, kind, **asked) == [], asked
        known = len(await search(by, kind, patient=case["id"]))
        for each in (
            case["id"].upper(),
            f"Patient/{case['id'].upper()}",
            f"{base}/Patient/{case['id']}",
            f"urn:uuid:{case['id']}",
        ):
            # who only reads of a case by its journal leaves a trace there
            found = [row for row in await search(by, kind, patient=each) if row]
            assert len(found) == known > 0, (kind, each)
        for each in ("Patient/abc", f"Patient/{uuid4()}", "abc", f"{base}/Patient/abc"):
            if kind != "AuditEvent":
                assert await search(by, kind, patient=each) == []
        refused_as_case = {"patient:identifier": "urn:boundary-notes:case|abc"}
        assert await search(by, kind, **refused_as_case) == []
    for subject in ("Patient/abc", "Group/1", f"Device/{case['id']}", "Observation/abc"):
        assert await search(me, "Observation", subject=subject) == []
    for target in (
        "Observation/abc", "abc", "Patient/1", f"Patient/{noted['id']}", f"Task/{noted['id']}",
        f"Observation/{noted['id']}/_history/1", f"{base}/Observation/abc", uuid4().urn,
        f"https://elsewhere.example/fhir/Observation/{noted['id']}",
    ):  # fmt: skip
        assert await search(me, "Provenance", target=target) == [], target
    for target in (
        noted["id"], f"Observation/{noted['id'].upper()}", f"{base}/Observation/{noted['id']}",
        f"urn:uuid:{noted['id']}", f"Patient/1,Observation/{noted['id']}",
    ):  # fmt: skip
        assert [each["id"] for each in await search(me, "Provenance", target=target)] == [
            noted["id"]
        ], target


async def test_every_type_is_searched_by_post_too(one_world: World) -> None:
    world = one_world
    me, officer = world.clinician, world.here["privacy_officer"]
    case = await me.case(client_ref="HL-0007")
    await me.incident(case, "risk", **KINDS["risk"])
    await me.promise(case, keepable="no")
    made(await me.post(f"/v1/cases/{case['id']}/consultations", ASKED))
    made(await me.post(f"/v1/cases/{case['id']}/responses", ANSWERED))
    await me.incident(await me.case(client_ref="HL-0008"), "consent")
    world.clock.forward(seconds=1)
    for kind in SERVED:
        by = officer if kind == "AuditEvent" else me
        asked = {"url": "urn:boundary-notes:extension:due"}
        if kind == "Questionnaire":
            asked = {"url": f"urn:boundary-notes:questionnaire:{LOOK_BACK_ID}", "version": "1"}
        elif kind not in {"StructureDefinition", "CodeSystem"}:
            asked = {"patient": case["id"], "_lastUpdated": "le9999", "_count": "100"}
        path = f"/fhir/{kind}/_search"
        found = [each["id"] for each in await search(by, kind, **asked)]
        assert found or kind == "CodeSystem"
        (first, *_), last = asked.items(), dict(list(asked.items())[1:])
        for query, form in ((asked, {}), ({}, asked), (dict([first]), last), (last, dict([first]))):
            answer = await by.send("POST", path, params=query, data=form or None)
            bundle = ok(answer)
            check(bundle)
            ids = [entry["resource"]["id"] for entry in bundle.get("entry", ())]
            # what is read of the journal is in it, too
            assert [each for each in ids if each in found] == found, (kind, query, form)
        twice = await by.send("POST", path, params={"_count": "5"}, data={"_count": "5"})
        refused(twice, 400)
        refused(await by.send("POST", path, params={"_sort": "x"}), 400)
        refused(await by.send("POST", path, params={"_id": "*"}), 400)
        refused(await by.send("POST", path, json={}), 415)
        refused(await world.http.post(path), 401)
    # several ends of a span, one here and one there
    since, until = {"_lastUpdated": "ge2026-03-02"}, {"_lastUpdated": "lt2026-03-02"}
    answer = await me.send("POST", "/fhir/Task/_search", params=since, data=until)
    assert "entry" not in ok(answer)
    assert ok(await me.send("POST", "/fhir/Task/_search", params=since))["entry"]


async def test_the_journal_is_journalled_however_it_is_searched(world: World) -> None:
    officer = world.here["privacy_officer"]
    await world.clinician.case()
    for ask in (
        officer.get("/fhir/AuditEvent"),
        officer.send("POST", "/fhir/AuditEvent/_search", data={"_count": "50"}),
        officer.send("POST", "/fhir/AuditEvent/_search?_count=50"),
    ):
        answer = await ask
        shown = {entry["resource"]["id"] for entry in ok(answer)["entry"]}
        (last, *_) = ok(await officer.get("/v1/journal", limit=1))["items"]
        assert (last["happening"], last["request_id"]) == (
            "journal.read",
            answer.headers["x-request-id"],
        )
        assert set(last["record_ids"]) == shown
    refused(await world.admin.send("POST", "/fhir/Task/_search"), 403)


SAMPLES = {
    "_id": str(UUID(int=0)),
    "_lastUpdated": "ge2026-01-01",
    "patient": "HL-0007",
    "subject": "HL-0008",
    "status": "entered-in-error",
    "code": "consent",
    "date": "le2026-12",
    "target": f"Task/{UUID(int=0)}",
    "url": "urn:boundary-notes:extension:due",
    "version": "1",
}


async def test_the_capability_statement_tells_what_is_served(one_world: World) -> None:
    world = one_world
    answer = await world.http.get("/fhir/metadata")
    statement = ok(answer)
    check(statement)
    assert answer.headers["content-type"] == "application/fhir+json"
    assert statement["fhirVersion"] == "4.0.1"
    (rest,) = statement["rest"]
    told = {each["type"]: each for each in rest["resource"]}
    paths = document()["paths"]
    with_history = {path.split("/")[2] for path in paths if path.endswith("/_history")}
    served = {path.split("/")[2] for path in paths if path.startswith("/fhir/")} - {"metadata"}
    records, defining = ([each.name for each in of] for of in (resource_types.KINDS, DEFINING))
    assert list(told) == [*records, "Questionnaire", *defining] == list(SERVED)
    assert told.keys() == served
    me = world.clinician
    for kind, each in told.items():
        keeps = kind in with_history
        versions = {"vread"} if each["versioning"] == "versioned" else set()
        history = {"history-instance"} if keeps else set()
        done = {one["code"] for one in each["interaction"]}
        assert done == {"read", "search-type"} | versions | history
        assert (f"/fhir/{kind}/_search" in paths) is True
        assert bool(versions) is any(
            path.startswith(f"/fhir/{kind}/") and "version" in path for path in paths
        )
        assert each["readHistory"] is keeps
        taken = {one["name"] for one in each["searchParam"]}
        # all of them together
        ok(await me.get(f"/fhir/{kind}", **{name: SAMPLES[name] for name in taken}))
        known = {one["name"] for one in paths[f"/fhir/{kind}"]["get"]["parameters"]}
        about = {"_count", "_cursor", "_format", "_pretty", "patient:identifier"}
        assert known - about == taken


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def test_of_dates_with_commas_between_them_one_must_hold(one_world: World) -> None:
    me = one_world.clinician
    case = await me.case()
    path = f"/v1/cases/{case['id']}/incidents"
    ids = {}
    for day in ("2025-05-02", "2025-07-02", "2025-10-02"):
        told = {**incident("crossing", one_world, area="role"), "occurred_on": day}
        ids[day] = made(await me.post(path, told))["id"]
    for asked, found in (
        ("2025-05,2025-10", {"2025-05-02", "2025-10-02"}),
        ("lt2025-06,gt2025-09", {"2025-05-02", "2025-10-02"}),
        ("2025-05-02", {"2025-05-02"}),
        ("ge2025-06,2024", {"2025-07-02", "2025-10-02"}),
    ):
        resources = await search(me, "Observation", patient=case["id"], date=asked)
        assert {each["id"] for each in resources} == {ids[day] for day in found}, asked
    wrong = await me.get("/fhir/Observation", date="2025-05,nonsense")
    assert wrong.status_code == 400
