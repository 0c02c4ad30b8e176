"""What an EHR asks, and what makes an answer valid FHIR."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from fhir.resources.R4B import get_fhir_model_class
from httpx import Response

from api.domain.look_back import LOOK_BACK_ID
from api.domain.vocabulary import PromiseState
from tests.support.world import NOON, Person, Urls, World, made, ok, open_world

CANARY = "zqfhircanary"

REQUIRED = {
    "EpisodeOfCare.status": "planned waitlist active onhold finished cancelled entered-in-error",
    "Observation.status": "registered preliminary final amended corrected cancelled "
    "entered-in-error unknown",
    "Task.status": "draft requested received accepted rejected ready cancelled in-progress on-hold "
    "failed completed entered-in-error",
    "Task.intent": "unknown proposal plan order original-order reflex-order filler-order "
    "instance-order option",
    "ServiceRequest.status": "draft active on-hold revoked completed entered-in-error unknown",
    "ServiceRequest.intent": "proposal plan directive order original-order reflex-order "
    "filler-order instance-order option",
    "ServiceRequest.priority": "routine urgent asap stat",
    "DetectedIssue.status": "registered preliminary final amended corrected cancelled "
    "entered-in-error unknown",
    "DetectedIssue.severity": "high moderate low",
    "Flag.status": "active inactive entered-in-error",
    "QuestionnaireResponse.status": "in-progress completed amended entered-in-error stopped",
    "Questionnaire.status": "draft active retired unknown",
    "AuditEvent.action": "C R U D E",
    "AuditEvent.outcome": "0 4 8 12",
    "Bundle.type": "document message transaction transaction-response batch batch-response history "
    "searchset collection",
    "CapabilityStatement.status": "draft active retired unknown",
    "CapabilityStatement.kind": "instance capability requirements",
}
"""The codes of R4 (4.0.1) where it lets no others stand."""

R4_ISSUES = {
    "invalid", "structure", "required", "value", "invariant", "security", "login", "unknown",
    "expired", "forbidden", "suppressed", "processing", "not-supported", "duplicate",
    "multiple-matches", "not-found", "deleted", "too-long", "code-invalid", "extension",
    "too-costly", "business-rule", "conflict", "transient", "lock-error", "no-store", "exception",
    "timeout", "incomplete", "throttled", "informational",
}  # fmt: skip

KINDS: dict[str, dict[str, Any]] = {
    "expression": {"by": "client", "feelings": ["love", "anger"]},
    "disclosure": {"of": "attachment", "responses": ["hostile"], "taken_up": False},
    "crossing": {"area": "time"},
    "second_role": {"role": "friend", "interaction": "regular", "precautions": CANARY},
    "contact": {"therapist_participates": True, "days_per_week": 3},
    "exception": {"exception": "home_visit"},
    "gift": {"direction": "both", "item": "loan"},
    "touch": {"touch": "handshake", "times": 2},
    "sexual_conduct": {"conduct": "remark"},
    "role_reversal": {"form": "other"},
    "frame_change": {"direction": "tighten", "elements": ["email_replies"], "discussed": False},
    "ending": {"stage": "raised", "plan": CANARY},
    "absence": {"absence": "illness", "days": 3},
    "risk": {"indicator": "suicide_attempt", "responded_on": "2026-03-01"},
    "coercive_measure": {"measures": ["police_called"], "stated_reason": CANARY},
    "record_conflict": {"issue": "account_conflict"},
    "record_request": {"request": "access"},
    "third_party_contact": {"party": "friend", "basis": "none"},
    "hurtful_words": {"repeated": True},
    "competence_gap": {},
    "consent": {"process_explained": False},
    "outcome": {"trend": "worse", "months": 4},
    "oversight": {"available": False},
    "cotreatment": {"coordinated": False},
    "safeguarding": {"concern": "child", "present": True},
    "fitness": {"sign": "ill"},
    "recording": {"means": "audio", "consent": True},
}
ASKED = {"kind": "ethics", "urgency": "urgent", "question": CANARY, "summary": CANARY}
ANSWERED = {
    "questionnaire_id": str(LOOK_BACK_ID),
    "answered_on": "2026-03-01",
    "answers": [
        {"link_id": "listened_to", "value": 4},
        {"link_id": "put_right", "value": None},
        {"link_id": "touch", "value": "greeting"},
        {"link_id": "anything_else", "value": CANARY},
    ],
}
LOOKED = {"determination": "normal_process", "resolution_note": CANARY}


@pytest.fixture
async def one_world(sqlite_urls: Urls) -> AsyncIterator[World]:
    """A world for what is the same whichever database it stands on."""
    async with open_world(sqlite_urls, NOON) as opened:
        yield opened


async def search(person: Person, kind: str, **asked: Any) -> list[dict[str, Any]]:
    """Find resources of a type, page after page to the end."""
    found: list[dict[str, Any]] = []
    answer = await person.get(f"/fhir/{kind}", **{"_count": 50, **asked})
    while True:
        assert answer.headers["content-type"] == "application/fhir+json"
        bundle = ok(answer)
        check(bundle)
        found += [entry["resource"] for entry in bundle.get("entry", ())]
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        if not following:
            return found
        answer = await person.send("GET", following[0])


def check(resource: dict[str, Any]) -> None:
    """Hold a resource against the library's classes, and R4's lists of codes."""
    kind = resource["resourceType"]
    get_fhir_model_class(kind).model_validate(resource)
    for where, codes in REQUIRED.items():
        of, _, name = where.partition(".")
        if of == kind and name in resource:
            assert resource[name] in codes.split(), (where, resource[name])
    assert_nothing_empty(resource)
    times = re.findall(r'"(\d{4}-\d\d-\d\dT[^"]*)"', json.dumps(resource))
    assert [each for each in times if not IN_MILLISECONDS(each)] == []


IN_MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z").fullmatch


def assert_nothing_empty(value: Any) -> None:
    assert value not in (None, "", [], {})
    inside = value.values() if isinstance(value, dict) else value
    for each in inside if isinstance(value, dict | list) else ():
        assert_nothing_empty(each)


def refused(answer: Response, status: int) -> str:
    """Give what a refusal says; it is an OperationOutcome."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/fhir+json"
    check(answer.json())
    assert {issue["code"] for issue in answer.json()["issue"]} <= R4_ISSUES
    return answer.text


async def rich(world: World, me: Person, supervisor: Person) -> dict[str, Any]:
    """Play a case on which there is something of everything, and a canary in every text."""
    case = await me.case(
        client_ref=f"{CANARY}-{uuid4().hex}", setting="clinic", started_on="2024-01-02"
    )
    for kind, details in KINDS.items():
        texts = {"narrative": CANARY, "rationale": CANARY}
        precision = {"gift": "month", "touch": "year"}.get(kind, "day")
        await me.incident(case, kind, date_precision=precision, **texts, **details)
    wrong = await me.incident(case, "consent")
    assert (await me.delete(f"/v1/incidents/{wrong['id']}")).status_code == 204
    for state in PromiseState:
        await me.promise(
            case,
            wording=CANARY,
            state=state,
            keepable="no",
            due_on=world.day(9),
            made_on=world.day(-40),
        )
    for move in (None, "request", "cancel"):
        asked = made(await me.post(f"/v1/cases/{case['id']}/consultations", ASKED))
        if move:
            path = f"/v1/consultations/{asked['id']}/{move}"
            ok(await me.post(path, {"reason": CANARY} if move == "cancel" else {}))
    made(await me.post(f"/v1/cases/{case['id']}/responses", ANSWERED))
    by_hand = {"severity": "critical", "title": "Please look", "because": "It was told twice."}
    made(await supervisor.post(f"/v1/cases/{case['id']}/flags", by_hand))
    hidden = await supervisor.incident(case, "hurtful_words", repeated=True)
    assert hidden["restricted"]
    first, second, *_ = await supervisor.flag_list(case)
    ok(await supervisor.post(f"/v1/flags/{first['id']}/resolve", LOOKED))
    ok(await supervisor.post(f"/v1/flags/{second['id']}/acknowledge", {}))
    return case


async def ids_found(person: Person, kind: str) -> set[str] | int:
    """Give the ids that a search finds, or the status it is refused with."""
    answer = await person.get(f"/fhir/{kind}", _count=100)
    if answer.status_code != 200:
        return answer.status_code
    return {entry["resource"]["id"] for entry in answer.json().get("entry", ())}
