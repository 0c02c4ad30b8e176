"""The copy of a case for its client: all that is theirs, nothing else, and who was given one."""

import base64
import hashlib
import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from api.domain.vocabulary import NoteClass, NoteStatus
from api.records import patient_copy
from api.storage.models.clinical import Incident
from api.storage.models.disclosures import Disclosure
from api.storage.models.journal import JournalEntry
from tests.support.notes import note
from tests.support.signing_in import signed_in_since
from tests.support.world import World, made, ok

GIVEN = "zq7given"
"""Begins every text that a client is given."""
KEPT = "zq7kept"
"""Begins every text that a client is not given."""
MARKUP = "<script>alert('x')</script> & \"so\" <img src=x onerror=y>"


async def full_case(world: World) -> tuple[dict[str, Any], set[str], set[str]]:
    """Open a case with all there can be on one; give it, the ids that are shown, and those not."""
    clinician, supervisor = world.clinician, world.supervisor
    case = await clinician.case(client_ref=f"{GIVEN} ref", started_on="2024-02-29")
    path = f"/v1/cases/{case['id']}"
    texts = {"narrative": f"{GIVEN} narrative {MARKUP}", "rationale": f"{GIVEN} rationale"}
    role = {"role": "institution_employee", "interaction": "regular"}
    texts["precautions"] = f"{GIVEN} precautions"
    incident = await clinician.incident(case, "second_role", **texts, **role)
    pledge = await clinician.promise(case, wording=f"{GIVEN} wording {MARKUP}")
    voided = await clinician.promise(case, wording=f"{KEPT} voided promise")
    await clinician.delete(f"/v1/promises/{voided['id']}", reason="duplicate")
    secret = [
        await supervisor.incident(case, "hurtful_words", narrative=f"{KEPT} restricted"),
        await supervisor.incident(case, "touch", touch="hug", narrative=f"{KEPT} and voided"),
    ]
    assert all(each["restricted"] for each in secret)
    await supervisor.delete(f"/v1/incidents/{secret[1]['id']}")
    review = {"determination": "boundary_violation", "review_note": f"{KEPT} review"}
    ok(await supervisor.post(f"/v1/incidents/{incident['id']}/review", review))
    by_hand = {"severity": "low", "title": f"{KEPT} title", "because": f"{KEPT} because"}
    made(await supervisor.post(f"{path}/flags", by_hand))
    consultations = [await consulted(world, path, declined=declined) for declined in (False, True)]
    question = {"kind": "ethics", "urgency": "routine", "question": f"{KEPT} draft"}
    draft = made(await clinician.post(f"{path}/consultations", question))
    first = await note(world, case, f"{GIVEN} note {MARKUP}")
    amendment = await note(world, case, f"{GIVEN} amendment", amends=first)
    withdrawn = await note(world, case, f"{KEPT} voided note", voided=True)
    others = [
        await note(world, case, f"{KEPT} psychotherapy", of=NoteClass.psychotherapy),
        await note(world, case, f"{KEPT} supervision", of=NoteClass.supervision),
        await note(world, case, f"{KEPT} draft note", status=NoteStatus.draft),
    ]
    shown = [case, incident, pledge, voided, *consultations]
    ids = {each["id"] for each in shown} | {str(first), str(amendment), str(withdrawn)}
    return case, ids, {each["id"] for each in (*secret, draft)} | set(map(str, others))


async def consulted(world: World, path: str, *, declined: bool) -> dict[str, Any]:
    """Ask a supervisor, who declines or answers."""
    texts = {"question": f"{GIVEN} question", "summary": f"{GIVEN} summary"}
    body = {"kind": "ethics", "urgency": "routine", **texts}
    asked = made(await world.clinician.post(f"{path}/consultations", body))
    on = f"/v1/consultations/{asked['id']}"
    ok(await world.clinician.post(f"{on}/request"))
    if declined:
        ok(await world.supervisor.post(f"{on}/decline", {"reason": f"{KEPT} declined"}))
        return asked
    ok(await world.supervisor.post(f"{on}/accept"))
    ok(await world.supervisor.post(f"{on}/start"))
    answer = {"outcome": "mixed", "advice": f"{GIVEN} advice"}
    ok(await world.supervisor.post(f"{on}/complete", answer))
    ok(await world.clinician.post(f"{on}/respond", {"response": "accepted"}))
    return asked


def texts_of(written: str) -> set[str]:
    """Give the marked texts that somebody finds in an answer, by their second word."""
    return set(re.findall(rf"(?:{GIVEN}|{KEPT}) \w+", written))


ALL_GIVEN = {
    f"{GIVEN} {word}"
    for word in (
        "ref", "narrative", "rationale", "precautions", "wording", "question", "summary",
        "advice", "note", "amendment",
    )
}  # fmt: skip


async def test_a_client_is_given_all_that_is_theirs_and_nothing_else(world: World) -> None:
    case, shown, hidden = await full_case(world)
    path = f"/v1/cases/{case['id']}/export"
    for person in (world.clinician, world.supervisor):
        for form in ("json", "html"):
            answer = await person.get(path, format=form)
            assert answer.status_code == 200
            assert texts_of(answer.text) == ALL_GIVEN
            assert not [row_id for row_id in hidden if row_id in answer.text]
            assert not [row_id for row_id in shown if row_id not in answer.text]
            assert "restricted" not in answer.text


async def test_what_it_says(world: World) -> None:
    case, _, _ = await full_case(world)
    copy = ok(await world.clinician.get(f"/v1/cases/{case['id']}/export"))
    her = {"id": str(world.clinician.id), "name": "Clinician"}
    assert (copy["clinic"], copy["exported_at"]) == ("Fictional Clinic", "2026-03-02T12:00:00Z")
    assert copy["case"]["clinician"] == her
    assert "flags" not in copy["case"]
    (incident,) = copy["incidents"]
    assert (incident["recorded_by"], incident["about"]) == (her, her)
    assert incident["details"]["precautions"].startswith(GIVEN)
    assert not {"determination", "review_note"} & incident.keys()
    answered, declined = copy["consultations"]
    assert answered["consultant"]["name"] == "Supervisor"
    assert (answered["outcome"], answered["response"]) == ("mixed", "accepted")
    assert (declined["status"], "reason" in declined) == ("declined", False)
    (progress,) = copy["notes"]
    assert [each["body"] for each in progress["amendments"]] == [f"{GIVEN} amendment"]
    told = [(each["kind"], each["record"], each["why"]) for each in copy["corrections"]]
    assert sorted(told, key=str) == [
        ("amended", "note", None),
        ("voided", "note", "wrong_case"),
        ("voided", "promise", "duplicate"),
    ]


async def test_without_the_look_at_what_is_restricted_it_would_be_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, _, _ = await full_case(world)
    really = patient_copy._of_case

    async def careless(tx: Any, model: Any, case_id: UUID, *wanted: Any) -> list[Any]:
        return await really(tx, model, case_id, *wanted[1:])

    monkeypatch.setattr(patient_copy, "_of_case", careless)
    found = texts_of((await world.clinician.get(f"/v1/cases/{case['id']}/export")).text)
    leaked = {"restricted", "draft", "psychotherapy", "supervision"}
    assert {f"{KEPT} {word}" for word in leaked} <= found


class _Page(HTMLParser):
    """Reads a page, and checks that its elements are nested as they should be."""

    EMPTY = ("meta", "link", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.style = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes |= dict(attrs)
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data


async def test_the_page_runs_nothing_and_loads_nothing(world: World) -> None:
    case, _, _ = await full_case(world)
    answer = await world.clinician.get(f"/v1/cases/{case['id']}/export", format="html")
    page = _Page()
    page.feed(answer.text)
    assert page.open == []
    assert set(page.elements) == {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "table",
        "caption", "tr", "th", "td",
    }  # fmt: skip
    assert page.attributes.keys() == {"lang", "charset", "http-equiv", "content", "name", "scope"}
    assert page.attributes["lang"] == "en"
    assert not re.search(r"url\(|@import|https?:", answer.text)
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    (policy,) = answer.headers.get_list("content-security-policy")
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "frame-ancestors 'none'" in policy
    # and once it is a file on somebody's disk
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    name = f'attachment; filename="case-{case["id"]}.html"'
    assert answer.headers["content-disposition"] == name
    assert answer.headers["cache-control"] == "no-store"


async def test_every_other_answer_keeps_the_strict_policy(world: World) -> None:
    case = await world.clinician.case()
    for path in (f"/v1/cases/{case['id']}/export", "/v1/me", "/nowhere"):
        answer = await world.clinician.get(path)
        policy = answer.headers.get_list("content-security-policy")
        assert policy == ["default-src 'none'; frame-ancestors 'none'"], path


async def test_the_page_says_what_the_document_says(world: World) -> None:
    case, _, _ = await full_case(world)
    path = f"/v1/cases/{case['id']}/export"
    copy = ok(await world.clinician.get(path))
    page = (await world.clinician.get(path, format="html")).text
    said = re.sub(r"<[^>]*>", "\n", page)
    for part in ("incidents", "promises", "consultations", "notes", "corrections"):
        for record in copy[part]:
            assert record["id"] in said
    for words in (
        "second role",
        "institution employee",
        "2024-02-29",
        "2026-03-02 12:00 UTC",
        "wrong case",
        "Supervisor",
    ):
        assert words in said, words
    empty = await world.clinician.case()
    page = (await world.clinician.get(f"/v1/cases/{empty['id']}/export", format="html")).text
    assert page.count("<p>None.</p>") == 6


async def test_each_copy_is_accounted_for(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}"
    first = ok(await world.clinician.get(f"{path}/export"))
    assert len(first["disclosures"]) == 1
    world.clock.forward(days=1)
    asked = {"format": "html", "recipient": "representative", "purpose": "continuity_of_care"}
    assert (await world.supervisor.get(f"{path}/export", **asked)).status_code == 200
    copy = ok(await world.clinician.get(f"{path}/export", purpose="other"))
    fields = ("recipient", "purpose", "form")
    assert [
        (*(each[name] for name in fields), each["given_by"]["name"], each["at"][:10])
        for each in copy["disclosures"]
    ] == [
        ("client", "access_request", "json", "Clinician", "2026-03-02"),
        ("representative", "continuity_of_care", "html", "Supervisor", "2026-03-03"),
        ("client", "other", "json", "Clinician", "2026-03-03"),
    ]
    for person in (world.clinician, world.supervisor):
        listed = ok(await person.get(f"{path}/disclosures"))["items"]
        assert [each["id"] for each in listed] == [e["id"] for e in copy["disclosures"][::-1]]
    assert (await world.colleague.get(f"{path}/disclosures")).status_code == 404
    assert ok(await world.clinician.get(f"{path}/disclosures", limit=1))["next"]


async def entries(world: World, happening: str) -> list[JournalEntry]:
    """Read the journal's entries of one kind."""
    async with world.owner.transaction() as tx:
        told = select(JournalEntry).where(
            JournalEntry.clinic_id == world.clinician.clinic_id,
            JournalEntry.happening == happening,
        )
        return list((await tx.exec(told.order_by(col(JournalEntry.id)))).all())


async def test_the_journal_names_every_record_that_was_given(world: World) -> None:
    case, shown, _ = await full_case(world)
    path = f"/v1/cases/{case['id']}"
    copy = ok(await world.clinician.get(f"{path}/export", purpose="other"))
    (entry,) = await entries(world, "case.exported")
    given = {each["id"] for each in copy["disclosures"]}
    assert (entry.record_ids, entry.is_read) == ([case["id"]], False)
    told = ok(await world.clinician.get("/v1/journal", case_id=case["id"], is_read=True))["items"]
    told = [each for each in told if each["purpose"] == "other"]
    assert {record_id for each in told for record_id in each["record_ids"]} == shown | given
    assert {each["record_type"] for each in told} == {
        *("case", "incident", "promise", "consultation", "note", "disclosure")
    }
    for each in (entry.model_dump(mode="json"), *told):
        about = (each["actor_id"], each["case_id"], each["purpose"])
        assert about == (str(world.clinician.id), case["id"], "other")
    audit = ok(await world.clinician.get("/fhir/AuditEvent", _count=100))["entry"]
    served = [each["resource"] for each in audit if "purposeOfEvent" in each["resource"]]
    assert {each["action"] for each in served} == {"R"}
    for each in (named["what"] for event in served for named in event["entity"]):
        if "reference" in each:
            assert ok(await world.clinician.get(f"/fhir/{each['reference']}"))["resourceType"]
    ok(await world.clinician.get(f"{path}/disclosures"))
    *_, read = await entries(world, "disclosure.read")
    assert (read.is_read, set(read.record_ids)) == (True, given)
    timeline = ok(await world.clinician.get(f"{path}/timeline"))["items"]
    assert timeline[0]["happening"] == "case.exported"


async def test_what_cannot_be_journalled_is_not_given(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, _, _ = await full_case(world)

    async def broken(*_: object) -> None:
        raise OSError

    path = f"/v1/cases/{case['id']}/export"
    with monkeypatch.context() as patch:
        patch.setattr("api.journal.entries._append", broken)
        for form in ("json", "html"):
            refused = await world.clinician.get(path, format=form)
            assert (refused.status_code, texts_of(refused.text)) == (503, set())
    assert len(ok(await world.clinician.get(path))["disclosures"]) == 1


async def test_it_needs_a_recent_sign_in(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/export"
    await signed_in_since(world, world.clinician, timedelta(minutes=15, seconds=1))
    refused = await world.clinician.get(path)
    assert (refused.status_code, refused.json()["type"]) == (
        403,
        "urn:boundary-notes:sign-in-again",
    )
    async with world.owner.transaction() as tx:
        given = select(Disclosure).where(Disclosure.case_id == UUID(case["id"]))
        assert list(await tx.exec(given)) == []
    await signed_in_since(world, world.clinician, timedelta(minutes=15))
    assert (await world.clinician.get(path)).status_code == 200


async def test_who_stands_in_or_opened_it_in_an_emergency_gives_no_copy(world: World) -> None:
    case = await world.clinician.case()
    span = {"starts_on": world.day(), "ends_on": world.day(3)}
    cover = {"case_id": case["id"], "user_id": str(world.colleague.id), **span}
    made(await world.clinician.post("/v1/covers", cover))
    opening = {"case_id": case["id"], "reason": "Nobody could be reached."}
    made(await world.stranger.post("/v1/break-glass", opening))
    for person in (world.colleague, world.stranger):
        refused = await person.get(f"/v1/cases/{case['id']}/export")
        assert (refused.status_code, json.loads(refused.text)["title"]) == (403, "Not allowed")


async def given(world: World, case: dict[str, Any]) -> list[dict[str, Any]]:
    """List the disclosures of a case."""
    items: list[dict[str, Any]] = ok(
        await world.clinician.get(f"/v1/cases/{case['id']}/disclosures")
    )["items"]
    return items


async def test_looking_at_a_copy_gives_none(world: World) -> None:
    case, shown, _ = await full_case(world)
    path = f"/v1/cases/{case['id']}/export"
    for form in ("json", "html"):
        answer = await world.clinician.get(path, preview=True, format=form)
        assert texts_of(answer.text) == ALL_GIVEN
        assert "deprecation" not in answer.headers
    assert await given(world, case) == []
    assert await entries(world, "case.exported") == []
    read = [each for each in await entries(world, "incident.read") if each.purpose == "preview"]
    assert all(each.is_read for each in read)
    assert {row_id for each in read for row_id in each.record_ids} <= shown


async def test_equal_requests_in_the_old_way_within_fifteen_minutes_are_one_disclosure(
    world: World,
) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/export"
    for _ in range(2):
        answer = await world.clinician.get(path)
        assert answer.headers["deprecation"].startswith("@")
    world.clock.forward(minutes=14)
    assert len(ok(await world.clinician.get(path))["disclosures"]) == 1
    assert len(await entries(world, "case.exported")) == 1
    # another person, purpose, recipient or form is another
    ok(await world.supervisor.get(path))
    ok(await world.clinician.get(path, purpose="other"))
    ok(await world.clinician.get(path, recipient="representative"))
    assert (await world.clinician.get(path, format="html")).is_success
    assert len(await given(world, case)) == 5
    world.clock.forward(minutes=1)
    ok(await world.clinician.get(path))
    assert len(await given(world, case)) == 6


async def test_a_copy_that_is_kept_stands_for_none_that_is_given_in_the_old_way(
    world: World,
) -> None:
    case = await world.clinician.case()
    told = await world.clinician.incident(case, "hurtful_words", narrative="first words")
    path = f"/v1/cases/{case['id']}"
    made(await world.clinician.post(f"{path}/disclosures", {}))
    ok(await world.clinician.patch(f"/v1/incidents/{told['id']}", {"narrative": "other words"}))
    assert "other words" in (await world.clinician.get(f"{path}/export")).text
    assert [each["is_kept"] for each in await given(world, case)] == [False, True]


async def test_how_often_a_copy_was_given_tells_nothing_of_what_was_hidden(world: World) -> None:
    case = await world.clinician.case()
    hidden = await world.supervisor.incident(case, "hurtful_words", restricted=True)
    for words in ("some", "more"):
        change = {"narrative": words}
        ok(await world.supervisor.patch(f"/v1/incidents/{hidden['id']}", change))
        ok(await world.clinician.get(f"/v1/cases/{case['id']}/export"))
    assert len(await given(world, case)) == 1


async def test_a_copy_is_given_once_and_kept_as_it_was_given(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}"
    told = await world.clinician.incident(case, "hurtful_words", narrative="first words")
    once = {"headers": {"Idempotency-Key": "given"}}
    body = {"recipient": "representative", "purpose": "other", "format": "json"}
    first = await world.clinician.post(f"{path}/disclosures", body, **once)
    disclosure = made(first)
    assert (disclosure["is_kept"], disclosure["recipient"]) == (True, "representative")
    again = await world.clinician.post(f"{path}/disclosures", body, **once)
    assert (made(again), again.headers["location"]) == (disclosure, first.headers["location"])
    assert ok(await world.clinician.get(first.headers["location"])) == disclosure
    assert [each["id"] for each in await given(world, case)] == [disclosure["id"]]
    ok(await world.clinician.patch(f"/v1/incidents/{told['id']}", {"narrative": "other words"}))
    world.clock.forward(hours=1)
    document = ok(await world.clinician.get(f"{first.headers['location']}/document"))
    assert [each["narrative"] for each in document["incidents"]] == ["first words"]
    assert document["exported_at"] == "2026-03-02T12:00:00Z"
    assert [each["id"] for each in document["disclosures"]] == [disclosure["id"]]
    page = made(await world.clinician.post(f"{path}/disclosures", {"format": "html"}))
    written = await world.clinician.get(f"{path}/disclosures/{page['id']}/document")
    assert written.headers["content-type"].startswith("text/html")
    assert "script" not in written.text
    other = await world.clinician.case()
    elsewhere = f"/v1/cases/{other['id']}/disclosures/{disclosure['id']}"
    assert (await world.clinician.get(elsewhere)).status_code == 404
    assert (await world.clinician.get(f"{elsewhere}/document")).status_code == 404


async def test_a_given_copy_hides_what_was_hidden_since(world: World) -> None:
    case = await world.clinician.case()
    told = await world.clinician.incident(case, "hurtful_words", narrative="first words")
    ok(await world.clinician.patch(f"/v1/incidents/{told['id']}", {"narrative": "other words"}))
    path = f"/v1/cases/{case['id']}/disclosures"
    at = f"{path}/{made(await world.clinician.post(path))['id']}/document"
    async with world.owner.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        row = (await tx.exec(select(Incident).where(Incident.id == UUID(told["id"])))).one()
        row.change({"restricted": True, "recorded_by_id": world.supervisor.id}, tx.now)
    answer = await world.clinician.get(at)
    assert answer.status_code == 200
    assert not [each for each in (told["id"], "words") if each in answer.text]
    assert told["id"] in (await world.supervisor.get(at)).text


async def test_giving_needs_a_recent_sign_in_and_a_text(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}"
    kept_nothing = ok(await world.clinician.get(f"{path}/export"))["disclosures"][0]["id"]
    refused = await world.clinician.get(f"{path}/disclosures/{kept_nothing}/document")
    assert refused.status_code == 409
    disclosure = made(await world.clinician.post(f"{path}/disclosures"))
    await signed_in_since(world, world.clinician, timedelta(minutes=16))
    for refused in (
        await world.clinician.post(f"{path}/disclosures"),
        await world.clinician.get(f"{path}/export", preview=True),
        await world.clinician.get(f"{path}/disclosures/{disclosure['id']}/document"),
    ):
        assert refused.json()["type"] == "urn:boundary-notes:sign-in-again"
    assert (await world.supervisor.delete(path)).status_code == 204
    # of a voided case its client may still have a copy
    made(await world.supervisor.post(f"{path}/disclosures"))
