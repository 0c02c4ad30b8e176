"""Earlier versions: what stood in a record, who wrote it and when, and who may read that."""

import json
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from fhir.resources.R4B import get_fhir_model_class
from sqlmodel import SQLModel, col, select

from api.domain.vocabulary import Scope
from api.storage.models.clinical import Case, Consultation, Incident, RecordVersion
from api.storage.models.columns import sealed_columns
from api.storage.models.journal import JournalEntry
from api.storage.record_versions import MACHINERY, OF_THE_ROW, TYPES, fields_of
from tests.support.world import Person, World, made, ok, software

pytestmark = pytest.mark.both_databases

REVIEW = {"determination": "normal_process", "review_note": "seen together"}
ASKED = {"kind": "ethics", "urgency": "routine", "question": "first words"}


async def versions(person: Person, path: str, **query: Any) -> list[dict[str, Any]]:
    """Give the versions of a record, the present one first."""
    items: list[dict[str, Any]] = ok(await person.get(f"{path}/versions", **query))["items"]
    return items


async def told(world: World) -> tuple[dict[str, Any], str]:
    """Report an incident and change it once; give its case and where it is read."""
    case = await world.clinician.case()
    incident = await world.clinician.incident(case, "hurtful_words", narrative="first words")
    path = f"/v1/incidents/{incident['id']}"
    ok(await world.clinician.patch(path, {"narrative": "other words", "repair": "attempted"}))
    return case, path


async def test_what_stood_there_who_wrote_it_and_when(world: World) -> None:
    clinician, supervisor = world.clinician, world.supervisor
    case = await clinician.case()
    incident = await clinician.incident(case, "hurtful_words", narrative="first words")
    path = f"/v1/incidents/{incident['id']}"
    before = ok(await clinician.get(path))
    world.clock.forward(hours=1)
    ok(await clinician.patch(path, {"narrative": "other words", "repair": "attempted"}))
    world.clock.forward(hours=1)
    ok(await supervisor.post(f"{path}/review", REVIEW))
    world.clock.forward(hours=1)
    assert (await supervisor.delete(path, reason="duplicate")).status_code == 204
    now = ok(await clinician.get(path))
    shown = await versions(clinician, path)
    assert [each["version"] for each in shown] == [4, 3, 2, 1]
    assert [each["written_at"][11:16] for each in shown] == ["15:00", "14:00", "13:00", "12:00"]
    by = [str(supervisor.id)] * 2 + [str(clinician.id)] * 2
    assert [each["written_by_id"] for each in shown] == by
    assert shown[3]["record"] == before
    assert shown[0]["record"] == now
    assert [each["record"]["narrative"] for each in shown[1:]] == [
        "other words", "other words", "first words",
    ]  # fmt: skip
    assert [each["changed"] for each in shown] == [
        ["status", "void_reason", "voided_at"],
        ["determination", "review_note", "reviewed_at", "reviewed_by_id", "status"],
        ["narrative", "repair"],
        [],
    ]


async def test_a_case_a_promise_and_a_consultation_keep_theirs(world: World) -> None:
    clinician, supervisor = world.clinician, world.supervisor
    case = await clinician.case(client_ref="first words")
    pledge = await clinician.promise(case, wording="first words")
    asked = made(await clinician.post(f"/v1/cases/{case['id']}/consultations", ASKED))
    on = f"/v1/consultations/{asked['id']}"
    ok(await clinician.post(f"{on}/request"))
    ok(await supervisor.post(f"{on}/decline", {"reason": "no time"}))
    again = ok(await clinician.post(f"{on}/request"))
    assert again["reason"] is None
    ok(await clinician.patch(on, {"question": "other words"}))
    ok(await clinician.patch(f"/v1/promises/{pledge['id']}", {"wording": "other words"}))
    ok(await clinician.patch(f"/v1/cases/{case['id']}", {"client_ref": "other words"}))
    to = {"clinician_id": str(world.colleague.id), "reason": "on leave"}
    ok(await supervisor.post(f"/v1/cases/{case['id']}/transfer", to))
    of_case = await versions(world.colleague, f"/v1/cases/{case['id']}")
    assert [each["record"]["client_ref"] for each in of_case][1:] == ["other words", "first words"]
    assert [each["record"]["clinician_id"] for each in of_case] == [
        str(world.colleague.id), str(clinician.id), str(clinician.id),
    ]  # fmt: skip
    assert of_case[0]["written_by_id"] == str(supervisor.id)
    assert "flags" not in of_case[0]["record"]
    of_promise = await versions(world.colleague, f"/v1/promises/{pledge['id']}")
    assert [each["record"]["wording"] for each in of_promise] == ["other words", "first words"]
    of_question = await versions(world.colleague, on)
    assert [each["record"]["status"] for each in of_question] == [
        "requested", "requested", "declined", "requested", "draft",
    ]  # fmt: skip
    assert [each["record"]["reason"] for each in of_question] == [None, None, "no time", None, None]
    assert of_question[-1]["record"]["question"] == "first words"


async def test_they_are_read_page_by_page(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}"
    for number in range(2, 6):
        ok(await world.clinician.patch(path, {"agreed_sessions": number}))
    whole = await versions(world.clinician, path)
    assert [each["version"] for each in whole] == [5, 4, 3, 2, 1]
    found: list[Any] = []
    following: dict[str, str] = {}
    while True:
        page = ok(await world.clinician.get(f"{path}/versions", limit=2, **following))
        found += page["items"]
        # a version that is written meanwhile moves none of the others
        ok(await world.clinician.patch(path, {"agreed_sessions": 50 + len(found)}))
        if page["next"] is None:
            break
        following = {"cursor": page["next"]}
    assert found == whole
    assert (await world.clinician.get(f"{path}/versions", cursor="x")).status_code == 422


async def test_hidden_as_its_record_is(world: World) -> None:
    case, path = await told(world)
    for person in (world.clinician, world.supervisor):
        assert len(await versions(person, path)) == 2
    for person in (world.colleague, world.stranger, world.there["clinician"]):
        assert (await person.get(f"{path}/versions")).status_code == 404
    for person in (world.here["consultant"], world.admin):
        assert (await person.get(f"{path}/versions")).status_code == 403
    ok(await world.supervisor.patch(path, {"restricted": True}))
    assert len(await versions(world.supervisor, path)) == 3
    secret = await world.supervisor.incident(case, "hurtful_words", narrative="kept apart")
    hidden = f"/v1/incidents/{secret['id']}"
    ok(await world.supervisor.patch(hidden, {"narrative": "kept apart still"}))
    assert (await world.clinician.get(f"{hidden}/versions")).status_code == 404
    assert (await world.clinician.get(f"/fhir/Observation/{secret['id']}/_history/1")).is_error


async def test_a_consultant_outside_reads_no_versions(world: World) -> None:
    case = await world.clinician.case()
    body = {**ASKED, "released": True}
    asked = made(await world.clinician.post(f"/v1/cases/{case['id']}/consultations", body))
    path = f"/v1/consultations/{asked['id']}"
    ok(await world.clinician.post(f"{path}/request"))
    consultant = world.here["consultant"]
    assert ok(await consultant.get(path))["question"] == "first words"
    refused = await consultant.get(f"{path}/versions")
    assert (refused.status_code, "first words" in refused.text) == (403, False)


async def test_links_in_a_version_are_told_as_far_as_they_are_seen(world: World) -> None:
    case = await world.clinician.case()
    seen = await world.clinician.incident(case, "hurtful_words")
    hidden = await world.supervisor.incident(case, "hurtful_words")
    asked = made(
        await world.clinician.post(
            f"/v1/cases/{case['id']}/consultations", {**ASKED, "incident_ids": [seen["id"]]}
        )
    )
    path = f"/v1/consultations/{asked['id']}"
    async with world.owner.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        model = Consultation
        row = (await tx.exec(select(model).where(model.id == UUID(asked["id"])))).one()
        row.change({"incident_ids": [seen["id"], hidden["id"]]}, tx.now)
    ok(await world.clinician.patch(path, {"urgency": "urgent"}))
    answer = await world.clinician.get(f"{path}/versions")
    assert hidden["id"] not in answer.text
    history = await world.clinician.get(f"/fhir/ServiceRequest/{asked['id']}/_history")
    assert hidden["id"] not in history.text
    assert seen["id"] in history.text
    # nor is it told that something was changed there that is not seen
    assert [each["changed"] for each in answer.json()["items"]] == [["urgency"], [], []]
    told_to_her = await versions(world.supervisor, path)
    assert told_to_her[1]["changed"] == ["incident_ids"]
    assert hidden["id"] in told_to_her[1]["record"]["incident_ids"]


async def test_software_without_the_scope_reads_no_words_and_loses_none(world: World) -> None:
    _, path = await told(world)
    blind = await software(world, Scope.cases_read, Scope.cases_write)
    reads = await software(world, Scope.cases_read, Scope.narrative_read)
    shown = await versions(blind, path)
    assert [each["record"]["narrative"] for each in shown] == [None, None]
    assert "narrative" not in shown[0]["changed"]
    assert [each["record"]["narrative"] for each in await versions(reads, path)] == [
        "other words", "first words",
    ]  # fmt: skip
    case = made(await blind.post("/v1/cases", {
        "client_ref": "as it came", "clinician_id": str(world.clinician.id)
    }))  # fmt: skip
    made_by_it = made(
        await blind.post(
            f"/v1/cases/{case['id']}/incidents",
            {
                "occurred_on": world.day(-1),
                "initiator": "client",
                "reported_by": "client",
                "narrative": "as it came",
                "details": {"kind": "hurtful_words"},
            },
        )
    )
    its = f"/v1/incidents/{made_by_it['id']}"
    ok(await blind.patch(its, {"repair": "attempted"}))
    ok(await world.supervisor.patch(its, {"narrative": "put right"}))
    shown = await versions(world.clinician, its)
    assert [each["record"]["narrative"] for each in shown] == [
        "put right", "as it came", "as it came",
    ]  # fmt: skip
    assert shown[1]["written_by_id"] == str(blind.id)


async def test_reading_them_is_an_entry(world: World) -> None:
    case, path = await told(world)
    answer = await world.supervisor.get(f"{path}/versions")
    asked = select(JournalEntry).where(
        JournalEntry.request_id == answer.headers["x-request-id"],
        col(JournalEntry.happening) == "version.read",
    )
    async with world.owner.transaction() as tx:
        (entry,) = (await tx.exec(asked)).all()
    assert (entry.is_read, entry.record_type) == (True, "incident")
    assert entry.record_ids == [path.rpartition("/")[2]]
    assert str(entry.case_id) == case["id"]


async def test_no_change_of_a_record_can_pass_by_its_versions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: with the copying taken away, or around it, nothing is written at all."""
    case, path = await told(world)
    row_id = UUID(path.rpartition("/")[2])
    async with world.database.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        row = (await tx.exec(select(Incident).where(Incident.id == row_id))).one()
        row.narrative = "behind its back"
        with pytest.raises(RuntimeError, match="counts its version up"):
            await tx.flush()
        tx._session.expunge_all()

    async def nothing(*_: object) -> None:
        """Keep nothing."""

    with monkeypatch.context() as patch:
        patch.setattr("api.storage.questions.keep_versions", nothing)
        async with world.database.transaction() as tx:
            await tx.enter(world.clinician.clinic_id)
            found = (await tx.exec(select(Case).where(Case.id == UUID(case["id"])))).one()
            found.change({"agreed_sessions": 3}, tx.now)
            with pytest.raises(RuntimeError, match="was not kept"):
                await tx.flush()
            tx._session.expunge_all()
    assert ok(await world.clinician.get(path))["narrative"] == "other words"


def test_every_column_of_a_record_is_kept_or_named_as_left_out() -> None:
    """A key that lay in a version would outlive its own destruction."""
    for model in TYPES:
        columns = {column.key for column in SQLModel.metadata.tables[model.__tablename__].c}
        sealed = set(sealed_columns(model))
        assert columns == set(fields_of(model)) | sealed | OF_THE_ROW & columns | (
            MACHINERY & columns
        )
        assert not [name for name in fields_of(model) if name.endswith(("_key", "_hash"))]


async def test_what_is_kept_is_sealed_and_never_changed(world: World) -> None:
    _, path = await told(world)
    async with world.owner.transaction() as tx:
        table = SQLModel.metadata.tables["record_versions"]
        texts = sa.type_coerce(table.c.texts, sa.Text)
        wanted = sa.select(table.c.fields, texts).where(
            table.c.record_id == UUID(path.rpartition("/")[2])
        )
        ((fields, sealed),) = (await (await tx.connection()).execute(wanted)).all()
    assert sealed.startswith("1.")
    assert "first words" not in json.dumps(fields)
    assert not {"narrative", "text_key"} & fields.keys()
    if world.database.engine.dialect.name == "postgresql":
        async with world.database.transaction() as tx:
            await tx.enter(world.clinician.clinic_id)
            with pytest.raises(Exception, match="permission denied"):
                await tx.exec(sa.update(RecordVersion).values(version=9))
            tx._session.expunge_all()
            await tx._session.rollback()


# --------------------------------------------------------------------------------------- FHIR


async def test_an_ehr_reads_the_history_of_a_record(world: World) -> None:
    _, path = await told(world)
    at = f"/fhir/Observation/{path.rpartition('/')[2]}"
    bundle = ok(await world.clinician.get(f"{at}/_history"))
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "history")
    get_fhir_model_class("Bundle").model_validate(bundle)
    entries = bundle["entry"]
    assert [each["resource"]["meta"]["versionId"] for each in entries] == ["2", "1"]
    assert [each["resource"]["note"][0]["text"] for each in entries] == [
        "other words", "first words",
    ]  # fmt: skip
    assert [each["request"]["method"] for each in entries] == ["PUT", "POST"]
    assert [each["response"]["etag"] for each in entries] == ['W/"2"', 'W/"1"']
    first = await world.clinician.get(f"{at}/_history/1")
    assert (first.status_code, first.headers["etag"]) == (200, 'W/"1"')
    assert first.json() == entries[1]["resource"]
    assert ok(await world.clinician.get(f"{at}/_history/2")) == ok(await world.clinician.get(at))
    for none in ("0", "3", "01", "x", "-1", "9" * 40):
        refused = await world.clinician.get(f"{at}/_history/{none}")
        assert (refused.status_code, refused.json()["resourceType"]) == (404, "OperationOutcome")
    page = ok(await world.clinician.get(f"{at}/_history", _count=1))
    following = next(link["url"] for link in page["link"] if link["relation"] == "next")
    rest = ok(await world.clinician.get(following.removeprefix("http://notes.test")))
    assert [each["resource"] for each in rest["entry"]] == [entries[1]["resource"]]


async def test_of_what_keeps_no_versions_the_present_one_is_read(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words", repeated=True)
    (flag, *_) = await world.clinician.flag_list(case)
    at = f"/fhir/DetectedIssue/{flag['id']}/_history"
    assert ok(await world.clinician.get(f"{at}/{flag['version']}"))["id"] == flag["id"]
    assert (await world.clinician.get(f"{at}/{flag['version'] + 1}")).status_code == 404
    assert (await world.clinician.get(at)).status_code == 404
    served = ok(await world.clinician.get("/fhir/metadata"))["rest"][0]["resource"]
    can = {
        each["type"]: (each["readHistory"], {one["code"] for one in each["interaction"]})
        for each in served
    }
    assert can["Observation"] == (True, {"read", "vread", "history-instance", "search-type"})
    assert can["DetectedIssue"] == (False, {"read", "vread", "search-type"})


# ------------------------------------------------------------------------ in the client's copy


async def copied(world: World, case: dict[str, Any]) -> dict[str, Any]:
    """Look at the client's copy."""
    path = f"/v1/cases/{case['id']}/export"
    return ok(await world.clinician.get(path, preview=True))


async def test_a_client_reads_what_stood_there_before_it_was_corrected(world: World) -> None:
    case, path = await told(world)
    pledge = await world.clinician.promise(case, wording="first words")
    world.clock.forward(hours=1)
    ok(await world.clinician.patch(f"/v1/promises/{pledge['id']}", {"wording": "other words"}))
    # what only clinicians see corrects nothing, and what was only added neither
    ok(await world.supervisor.post(f"{path}/review", REVIEW))
    ok(await world.supervisor.patch(path, {"rationale": "added"}))
    copy = await copied(world, case)
    (incident,), (promise,) = copy["incidents"], copy["promises"]
    assert [each["narrative"] for each in incident["earlier"]] == ["first words"]
    (before,) = promise["earlier"]
    assert (before["wording"], before["corrected_at"][:13]) == ("first words", "2026-03-02T13")
    assert "review_note" not in json.dumps(copy)
    told_of = [(each["kind"], each["record"], each["id"]) for each in copy["corrections"]]
    assert told_of == [
        ("changed", "incident", incident["id"]),
        ("changed", "promise", pledge["id"]),
    ]
    page = await world.clinician.get(f"/v1/cases/{case['id']}/export", preview=True, format="html")
    assert "earlier 1: wording" in page.text


async def test_what_was_restricted_when_it_stood_there_stays_out_of_the_copy(world: World) -> None:
    case = await world.clinician.case()
    secret = await world.supervisor.incident(case, "hurtful_words", narrative="kept apart")
    path = f"/v1/incidents/{secret['id']}"
    ok(await world.supervisor.patch(path, {"narrative": "kept apart, too"}))
    ok(await world.supervisor.patch(path, {"restricted": False, "narrative": "to be read"}))
    copy = await copied(world, case)
    assert [each["narrative"] for each in copy["incidents"]] == ["to be read"]
    assert "kept apart" not in json.dumps(copy)
    draft = made(await world.clinician.post(f"/v1/cases/{case['id']}/consultations", ASKED))
    on = f"/v1/consultations/{draft['id']}"
    ok(await world.clinician.patch(on, {"question": "as it was asked"}))
    ok(await world.clinician.post(f"{on}/request"))
    ok(await world.supervisor.post(f"{on}/accept"))
    (asked,) = (await copied(world, case))["consultations"]
    assert (asked["question"], asked["earlier"]) == ("as it was asked", [])


async def test_without_that_look_it_would_be_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.records.corrections._was_told", lambda _: True)
    with pytest.raises(AssertionError):
        await test_what_was_restricted_when_it_stood_there_stays_out_of_the_copy(world)
