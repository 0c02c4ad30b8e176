"""Cases with a record of each kind, and who is linked to whom."""

from typing import Any

from tests.support.world import Person, World, incident, made, ok, promise

QUESTION = {"kind": "ethics", "urgency": "routine", "question": "what do you see"}
NOTE = {"determination": "normal_process", "resolution_note": "looked at together"}


async def linked(world: World, supervisor: Person) -> Person:
    """Link another supervisor to the clinician."""
    body = {
        "supervisor_id": str(supervisor.id),
        "clinician_id": str(world.clinician.id),
        "starts_on": world.day(),
    }
    made(await world.admin.post("/v1/supervisions", body))
    return supervisor


async def full_case(world: World) -> dict[str, str]:
    """Open a case with one of each, and give their paths."""
    case = await world.clinician.case()
    report = await world.clinician.incident(case, "hurtful_words", initiator="institution")
    pledge = await world.clinician.promise(case)
    path = f"/v1/cases/{case['id']}"
    asked = made(await world.clinician.post(f"{path}/consultations", QUESTION))
    ok(await world.clinician.post(f"/v1/consultations/{asked['id']}/request"))
    (flag,) = report["flags_raised"]
    return {
        "case": path,
        "incident": f"/v1/incidents/{report['id']}",
        "promise": f"/v1/promises/{pledge['id']}",
        "consultation": f"/v1/consultations/{asked['id']}",
        "flag": f"/v1/flags/{flag['id']}",
    }


async def reads(person: Person, at: dict[str, str]) -> set[int]:
    """Read the case wherever it shows; the statuses, with 404 for a list that lacks it."""
    case_id = at["case"].rpartition("/")[2]
    paths = [*at.values()]
    paths += [
        f"{at['case']}/{each}"
        for each in ("incidents", "promises", "consultations", "flags", "timeline")
    ]
    statuses = {(await person.get(path)).status_code for path in paths}
    for listing in ("cases", "incidents", "promises", "consultations", "flags", "flagged-cases"):
        answer = await person.get(f"/v1/{listing}", limit=100)
        statuses.add(answer.status_code if case_id in answer.text else 404)
    return statuses


async def writes(world: World, person: Person, at: dict[str, str]) -> set[int]:
    """Try every write a supervisor has; the statuses."""
    review = {"determination": "real_danger", "review_note": "seen"}
    by_hand = {"severity": "low", "title": "look", "because": "of this"}
    transfer = {"clinician_id": str(world.colleague.id), "reason": "leave"}
    answers = [
        await person.patch(at["case"], {"phase": "acceptance"}, 1),
        await person.delete(at["case"], 1),
        await person.post(f"{at['case']}/transfer", transfer),
        await person.post(f"{at['case']}/incidents", incident("consent", world)),
        await person.post(f"{at['case']}/promises", promise(world)),
        await person.post(f"{at['case']}/flags", by_hand),
        await person.patch(at["incident"], {"repair": "failed"}, 1),
        await person.delete(at["incident"], 1),
        await person.post(f"{at['incident']}/review", review),
        await person.patch(at["promise"], {"state": "kept"}, 1),
        await person.delete(at["promise"], 1),
        await person.post(f"{at['consultation']}/accept"),
        await person.post(f"{at['consultation']}/decline", {"reason": "no"}),
        await person.post(f"{at['flag']}/acknowledge"),
        await person.post(f"{at['flag']}/resolve", NOTE),
        await person.post(f"{at['flag']}/reopen", {"reason": "again"}),
    ]
    return {answer.status_code for answer in answers}


async def link(world: World, supervisor: Person, clinician: Person) -> dict[str, Any]:
    """Let a supervisor answer for a clinician, from today on."""
    body = {"supervisor_id": str(supervisor.id), "clinician_id": str(clinician.id)}
    return made(await world.admin.post("/v1/supervisions", {**body, "starts_on": world.day()}))
