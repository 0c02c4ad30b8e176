"""Situations told over HTTP, in whatever order, come to the same flags as the rules alone give."""

import random
from datetime import timedelta
from typing import Any

import pytest

from api.domain.rules.facts import ConsultationFact, Facts, IncidentFact, PromiseFact
from tests.domain.builders import NOW
from tests.support.stories import STORIES, Story
from tests.support.world import World, made, ok

TOLD_BY_THE_CLINICIAN = {
    name: story
    for name, story in STORIES.items()
    if not any(incident.restricted for incident in story.told().incidents)
}


@pytest.mark.parametrize("order", ["as it happened", "backwards", "at random"])
@pytest.mark.parametrize("name", TOLD_BY_THE_CLINICIAN)
async def test_a_story_told_in_any_order_raises_just_its_flags(
    world: World, name: str, order: str
) -> None:
    story = TOLD_BY_THE_CLINICIAN[name]
    world.clock.now = NOW
    case = await tell(world, story, order)
    assert await world.supervisor.flags(case) == story.flags
    seen = await world.clinician.flags(case)
    prompts = sorted(rule for rule, severity in seen.items() if severity == "info")
    assert prompts == sorted(story.prompts)


async def tell(world: World, story: Story, order: str) -> dict[str, Any]:
    """Write a story's records as its clinician and supervisor would."""
    facts: Facts = story.told()
    case = await world.clinician.case(
        status=facts.case.status,
        started_on=None if facts.case.started_on is None else facts.case.started_on.isoformat(),
        sessions_per_week=facts.case.sessions_per_week,
        is_minor=facts.case.is_minor,
    )
    tellings: list[IncidentFact | PromiseFact] = [*facts.incidents, *facts.promises]
    if order == "backwards":
        tellings.reverse()
    elif order == "at random":
        random.Random(name_of(case)).shuffle(tellings)
    for telling in tellings:
        if isinstance(telling, IncidentFact):
            await tell_incident(world, case, telling)
        else:
            path = f"/v1/cases/{case['id']}/promises"
            made(await world.clinician.post(path, promise_body(telling)))
    for consultation in facts.consultations:
        await consult(world, case, consultation)
    world.clock.now = NOW
    return case


def name_of(case: dict[str, Any]) -> str:
    """Give something that differs from case to case."""
    return str(case["id"])


async def tell_incident(world: World, case: dict[str, Any], fact: IncidentFact) -> None:
    """Report an incident, and review it where the story says so."""
    details = fact.details.model_dump(mode="json", exclude_none=True)
    if fact.has_sealed_detail:
        assert fact.details.sealed_field is not None
        details[fact.details.sealed_field] = "written down"
    body = {
        "occurred_on": fact.occurred_on.isoformat(),
        "date_precision": fact.date_precision,
        "initiator": fact.initiator,
        "reported_by": fact.reported_by,
        "client_impact": fact.client_impact,
        "discussed_with_client": fact.discussed_with_client,
        "rationale": "for a reason" if fact.documented else None,
        "details": details,
    }
    report = made(await world.clinician.post(f"/v1/cases/{case['id']}/incidents", body))
    if fact.determination is not None:
        review = {"determination": fact.determination, "review_note": "with both accounts"}
        ok(await world.supervisor.post(f"/v1/incidents/{report['id']}/review", review))


def promise_body(fact: PromiseFact) -> dict[str, Any]:
    """Write a promise as its body."""
    return {
        "wording": "as it was told",
        "made_by": "therapist",
        "source": "explicit",
        "kind": fact.kind,
        "scope": fact.scope,
        "keepable": fact.keepable,
        "significance": fact.significance,
        "state": fact.state,
        "made_on": fact.made_on.isoformat(),
        "due_on": None if fact.due_on is None else fact.due_on.isoformat(),
        "open_ended": fact.open_ended,
        "discussed_with_client": fact.discussed_with_client,
        "client_impact": fact.client_impact,
        "reported_by": fact.reported_by,
    }


async def consult(world: World, case: dict[str, Any], fact: ConsultationFact) -> None:
    """Ask, accept, start and complete a consultation at the time of the story."""
    assert fact.completed_at is not None
    world.clock.now = fact.completed_at - timedelta(seconds=1)
    question = {"kind": fact.kind, "urgency": "routine", "question": "What do you see here?"}
    draft = made(await world.clinician.post(f"/v1/cases/{case['id']}/consultations", question))
    path = f"/v1/consultations/{draft['id']}"
    ok(await world.clinician.post(f"{path}/request"))
    ok(await world.supervisor.post(f"{path}/accept"))
    ok(await world.supervisor.post(f"{path}/start"))
    world.clock.now = fact.completed_at
    advice = {"outcome": "mixed", "advice": "Look at it together."}
    ok(await world.supervisor.post(f"{path}/complete", advice))
