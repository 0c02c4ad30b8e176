"""Nobody learns by asking what they may not see: the same answer, the same work, and an entry."""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import process_time
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from httpx import Response
from sqlalchemy import event, orm
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from api.access import journalled_refusals
from api.access.visibility import colleagues
from api.access.visibility.links_and_grants import conflicted
from api.domain.vocabulary import Scope
from api.interop.bulk.export import records_of
from api.storage.autocommit import Autocommit
from api.storage.compiled_queries import Prepared, Question
from api.storage.models.clinical import Incident
from api.storage.models.journal import JournalEntry
from tests.support.guards import unwalled
from tests.support.imports import as_operator, case_line, counts, line, ndjson, question, send
from tests.support.world import Person, World, incident, made, ok, promise, software

ASKED = {"kind": "ethics", "urgency": "routine", "question": "what do you see"}
RESTRICTED = {"repeated": True, "restricted": True}
LOOKED = {"determination": "normal_process", "resolution_note": "looked at together"}

# ------------------------------------------------------- who may be asked, in conflict by something


async def link(world: World, supervisor: Person, clinician: Person) -> None:
    """Let somebody answer for a clinician, too."""
    body = {
        "supervisor_id": str(supervisor.id),
        "clinician_id": str(clinician.id),
        "starts_on": world.day(),
    }
    made(await world.admin.post("/v1/supervisions", body))


async def concerned(world: World, *, restricted: bool) -> dict[str, Any]:
    """Open a case with an incident about a linked supervisor's conduct."""
    await link(world, world.stranger, world.clinician)
    case = await world.clinician.case()
    await world.supervisor.incident(
        case,
        "hurtful_words",
        repeated=True,
        restricted=restricted,
        about_user_id=str(world.stranger.id),
    )
    return case


async def asking(person: Person, case: dict[str, Any], whom: Person) -> int:
    """Ask somebody for a consultation; give the status."""
    body = {**ASKED, "consultant_id": str(whom.id)}
    return (await person.post(f"/v1/cases/{case['id']}/consultations", body)).status_code


async def test_asking_a_supervisor_whom_something_hidden_concerns_is_like_asking_any(
    world: World,
) -> None:
    case = await concerned(world, restricted=True)
    program = await software(world, "consultations:create")
    for person in (world.clinician, program):
        assert await asking(person, case, world.stranger) == 201
    drafted = made(await world.clinician.post(f"/v1/cases/{case['id']}/consultations", ASKED))
    path = f"/v1/consultations/{drafted['id']}"
    ok(await world.clinician.patch(path, {"consultant_id": str(world.stranger.id)}))
    ok(await world.clinician.post(f"{path}/request"))
    # it just does not reach them
    assert (await world.stranger.get(path)).status_code == 404
    assert (await world.stranger.post(f"{path}/accept")).status_code == 404
    assert ok(await world.stranger.get("/v1/consultations"))["items"] == []


async def test_asking_a_supervisor_whom_something_seen_concerns_is_refused(world: World) -> None:
    case = await concerned(world, restricted=False)
    assert await asking(world.clinician, case, world.stranger) == 422
    assert await asking(world.clinician, case, world.supervisor) == 201


async def test_who_keeps_away_is_refused_to_people_and_not_told_to_software(world: World) -> None:
    await link(world, world.stranger, world.clinician)
    case = await world.clinician.case()
    made(await world.stranger.post(f"/v1/cases/{case['id']}/recusals"))
    program = await software(world, "consultations:create")
    assert await asking(world.clinician, case, world.stranger) == 422
    assert await asking(program, case, world.stranger) == 201


async def test_an_import_asks_a_supervisor_as_its_door_does(world: World) -> None:
    case = await concerned(world, restricted=True)
    asked = line("consultation", "q", case["id"], question(), consultant=world.stranger.email)
    program = await software(world, *set(Scope))
    done = made(await send(program, ndjson([asked]), dry_run=True))
    assert counts(done) == (1, 0, 0)
    # from the operator nothing is hidden
    said = await as_operator(world, world.clinician, ndjson([asked]), dry_run=True)
    assert (said.created, said.refused) == (0, 1)


# ------------------------------------------------------------------------ what an import is told of


async def brought_in(world: World, *lines: dict[str, Any]) -> None:
    """Let the operator bring a case in, and these records on it."""
    case = case_line("c", world.clinician)
    done = await as_operator(world, world.clinician, ndjson([case, *lines]))
    assert (done.created, done.refused) == (1 + len(lines), 0)


async def told(program: Person, *lines: dict[str, Any], dry_run: bool = True) -> Any:
    """Give what an import of these lines is answered with, but for its own id and times."""
    done = made(await send(program, ndjson(lines), dry_run=dry_run))
    return counts(done), done["refusals"], done["flags"]


async def test_an_import_answers_alike_for_a_hidden_record_and_for_none(world: World) -> None:
    hidden = line("incident", "h", "c", incident("hurtful_words", world, **RESTRICTED))
    asked = line("consultation", "q", "c", question(), incidents=["h"])
    await brought_in(world, hidden)
    async with world.owner.transaction() as tx:
        here = select(col(Incident.id)).where(Incident.clinic_id == world.clinician.clinic_id)
        hidden_id = str((await tx.exec(here)).one())
    program = await software(world, *set(Scope) - {Scope.restricted_write})
    writer = await software(world, *set(Scope))
    plain = incident("oversight", world)
    for dry_run in (True, False):
        for by in (program, writer):
            known = await told(by, line("incident", "h", "c", plain), dry_run=True)
            assert known == await told(by, line("incident", "n", "c", plain), dry_run=True)
            named = await told(by, line("incident", hidden_id, "c", plain), dry_run=True)
            assert named == await told(by, line("incident", str(uuid7()), "c", plain))
            same = await told(by, hidden, dry_run=dry_run)
            new = await told(by, {**hidden, "key": f"{uuid4()}"}, dry_run=True)
            assert same == new
    assert await told(program, asked) == await told(program, {**asked, "incidents": ["n"]})


async def test_what_is_hidden_is_not_taken_twice_and_known_when_it_is_sent_again(
    world: World,
) -> None:
    hidden = line("incident", "h", "c", incident("hurtful_words", world, **RESTRICTED))
    await brought_in(world, hidden)
    program = await software(world, *set(Scope))
    said = [(await told(program, hidden, dry_run=False))[0] for _ in range(2)]
    assert said == [(1, 0, 0), (0, 1, 0)]
    # other content under the same key is another record of theirs, from then on
    other = line("incident", "h", "c", incident("oversight", world))
    stranger = await software(world, *set(Scope))
    said = [(await told(stranger, other, dry_run=False))[0] for _ in range(2)]
    assert said == [(1, 0, 0), (0, 1, 0)]
    assert (await told(stranger, hidden, dry_run=False))[0] == (0, 0, 1)
    async with world.owner.transaction() as tx:
        here = select(col(Incident.kind)).where(Incident.clinic_id == world.clinician.clinic_id)
        assert sorted((await tx.exec(here)).all()) == ["hurtful_words", "oversight"]
    # what the operator writes out has each key once, and goes in elsewhere as it is
    written = await written_out(world)
    assert len({each["key"] for each in written}) == len(written) == 3
    done = await as_operator(world, world.there["clinician"], ndjson(as_there(world, written)))
    assert (done.created, done.refused) == (3, 0)


async def written_out(world: World) -> list[dict[str, Any]]:
    """Give what the operator writes out of the clinic here."""
    async with world.database.transaction() as tx:
        await tx.enter_for_work(world.clinician.clinic_id)
        clinic = tx.clinic
    some = [each async for each in records_of(world.database, clinic, actor_id=None)]
    return [each for written in some for each in written.lines]


def as_there(world: World, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Name the same people as they are called in the other clinic."""
    there = {person.email: world.there[part].email for part, person in world.here.items()}
    said = json.dumps(lines)
    for ours, theirs in there.items():
        said = said.replace(ours, theirs)
    return list(json.loads(said))


async def test_what_an_account_brought_in_itself_it_knows(world: World) -> None:
    hidden = line("incident", "h", "c", incident("hurtful_words", world, **RESTRICTED))
    program = await software(world, *set(Scope))
    said = [
        counts(made(await send(program, ndjson([case_line("c", world.clinician), hidden]))))
        for _ in range(2)
    ]
    assert said == [(2, 0, 0), (0, 2, 0)]


async def test_a_request_is_no_different_for_software_without_the_scope(world: World) -> None:
    asked = line("consultation", "q", "c", question())
    await brought_in(world, asked)
    program = await software(world, "cases:write")
    assert await told(program, asked) == await told(program, {**asked, "key": "n"})


# ---------------------------------------------------------------- the same work for hidden and none


@contextmanager
def watched(world: World) -> Iterator[list[str]]:
    """Keep every statement that is run, prepared ones too."""
    ran: list[str] = []
    engine = world.database.engine.sync_engine
    run, run_alone, run_with = Prepared.run, Prepared.run_alone, Prepared.run_with

    def sees(_c: object, _d: object, statement: str, *_: object) -> None:
        ran.append(statement)

    def note(prepared: Prepared, found: list[Any]) -> None:
        # what is found is opened and shown: that costs, too
        ran.append(f"{prepared.statement} found {len(found)}")

    def in_session(self: Prepared, session: orm.Session, asked: Question) -> list[Any]:
        found = run(self, session, asked)
        note(self, found)
        return found

    async def alone(self: Prepared, by: Autocommit, here: UUID, asked: Question) -> list[Any]:
        found = await run_alone(self, by, here, asked)
        note(self, found)
        return found

    async def both(
        self: Prepared, by: Autocommit, here: UUID, asked: Question, following: Question
    ) -> tuple[list[Any], list[Any]]:
        found = await run_with(self, by, here, asked, following)
        note(self, found[0])
        note(following.prepared, found[1])
        return found

    event.listen(engine, "before_cursor_execute", sees)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Prepared, "run", in_session)
        patch.setattr(Prepared, "run_alone", alone)
        patch.setattr(Prepared, "run_with", both)
        try:
            yield ran
        finally:
            event.remove(engine, "before_cursor_execute", sees)


Asked = Callable[[str], Awaitable[Response]]


async def hidden_rows(world: World) -> Iterator[tuple[str, Asked, str]]:
    """Give requests that name a row, and a row of each that is hidden from who asks."""
    case = await world.clinician.case()
    found = await world.supervisor.incident(case, "hurtful_words", **RESTRICTED)
    flag = found["flags_raised"][0]["id"]
    kept = (await world.clinician.promise(case))["id"]
    consulted = made(await world.clinician.post(f"/v1/cases/{case['id']}/consultations", ASKED))
    body = {"note_class": "psychotherapy", "body": "words"}
    note = made(await world.clinician.post(f"/v1/cases/{case['id']}/notes", body))["id"]
    days = {"starts_on": world.day(), "ends_on": world.day(9)}
    cover = made(
        await world.clinician.post(
            "/v1/covers", {"case_id": case["id"], "user_id": str(world.colleague.id), **days}
        )
    )["id"]
    recusal = made(await world.supervisor.post(f"/v1/cases/{case['id']}/recusals"))["id"]
    links = ok(await world.clinician.get("/v1/supervisions"))["items"][0]["id"]
    by, far, off = world.clinician, world.stranger, world.supervisor

    def get(person: Person, path: str) -> Asked:
        return lambda row_id: person.get(path.format(row_id))

    def post(person: Person, path: str, body: Any = None) -> Asked:
        return lambda row_id: person.post(path.format(row_id), body)

    def patch(person: Person, path: str, body: Any) -> Asked:
        return lambda row_id: person.patch(path.format(row_id), body, version=1)

    def naming(person: Person, path: str, **fields: Any) -> Asked:
        return lambda row_id: person.post(path, {"case_id": row_id, **fields})

    return iter(
        [
            ("a restricted incident", get(by, "/v1/incidents/{}"), found["id"]),
            ("to change it", patch(by, "/v1/incidents/{}", {"repair": "none"}), found["id"]),
            ("in FHIR", get(by, "/fhir/Observation/{}"), found["id"]),
            ("its provenance", get(by, "/fhir/Provenance/{}"), found["id"]),
            ("a restricted flag", get(by, "/v1/flags/{}"), flag),
            ("to resolve it", post(by, "/v1/flags/{}/resolve", LOOKED), flag),
            ("it in FHIR", get(by, "/fhir/DetectedIssue/{}"), flag),
            ("a note", get(off, "/v1/notes/{}"), note),
            ("to sign it", post(off, "/v1/notes/{}/sign"), note),
            ("a case", get(far, "/v1/cases/{}"), case["id"]),
            ("to change the case", patch(far, "/v1/cases/{}", {"is_minor": True}), case["id"]),
            ("its incidents", get(far, "/v1/cases/{}/incidents"), case["id"]),
            ("whose supervisor keeps away", get(off, "/v1/cases/{}"), case["id"]),
            ("its timeline", get(far, "/v1/cases/{}/timeline"), case["id"]),
            ("its recusals", get(far, "/v1/cases/{}/recusals"), case["id"]),
            ("to cover it", naming(far, "/v1/covers", user_id=str(by.id), **days), case["id"]),
            ("an emergency", naming(off, "/v1/break-glass", reason="now"), case["id"]),
            ("a promise", get(far, "/v1/promises/{}"), kept),
            ("a consultation", get(far, "/v1/consultations/{}"), consulted["id"]),
            ("to accept it", post(far, "/v1/consultations/{}/accept"), consulted["id"]),
            ("a cover", get(far, "/v1/covers/{}"), cover),
            ("a recusal", get(far, f"/v1/cases/{case['id']}/recusals/{{}}"), recusal),
            ("a link of others", get(far, "/v1/supervisions/{}"), links),
            ("a session of others", get(far, "/v1/sessions/{}"), str(by.session_id)),
        ]
    )


async def entries(world: World) -> list[dict[str, Any]]:
    """Give what is told of each refusal here, but for when and which."""
    async with world.owner.transaction() as tx:
        asked = select(JournalEntry).where(
            JournalEntry.clinic_id == world.clinician.clinic_id,
            JournalEntry.happening == "request.refused",
        )
        rows = (await tx.exec(asked.order_by(col(JournalEntry.id)))).all()
    own = {"id", "at", "request_id"}
    return [row.model_dump(exclude=own) for row in rows]


async def assert_alike(world: World) -> int:
    """Ask for each hidden row, and for none, and compare; count the ways of asking."""
    ways = [*await hidden_rows(world)]
    for what, ask, row_id in ways:
        unknown = str(uuid7())
        for each in (row_id, unknown):
            # the first time, who asks is signed in and statements are made
            assert (await ask(each)).status_code == 404, what
        with watched(world) as for_hidden:
            hidden = await ask(row_id)
        with watched(world) as for_none:
            none = await ask(unknown)
        assert for_hidden == for_none, what
        assert {**hidden.json(), "request_id": 0} == {**none.json(), "request_id": 0}, what
        of_hidden, of_none = (await entries(world))[-2:]
        assert row_id in of_hidden["record_ids"] or what in NAMED_IN_BODY, what
        of_none["record_ids"] = [
            row_id if each == unknown else each for each in of_none["record_ids"]
        ]
        assert of_hidden == of_none, what
    return len(ways)


async def test_what_is_hidden_costs_what_nothing_costs_and_leaves_the_same_behind(
    world: World, say: Callable[[str], None]
) -> None:
    ways = await assert_alike(world)
    say(f"oracles: {ways} ways to ask for what is hidden, each answered as for what is not there")


NAMED_IN_BODY = {"to cover it", "an emergency"}
"""Of what a body says an entry tells nothing."""


async def test_a_row_that_is_found_and_hidden_only_then_would_be_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the walls in SQL the guards in Python still refuse, and that shows in the work."""
    with unwalled(monkeypatch), pytest.raises(AssertionError):
        await assert_alike(world)


async def test_how_long_hidden_and_none_take(world: World, say: Callable[[str], None]) -> None:
    case = await world.clinician.case()
    found = await world.supervisor.incident(case, "hurtful_words", **RESTRICTED)
    took: dict[str, list[float]] = {"hidden": [], "none": []}
    for _ in range(60):
        for what, row_id in (("hidden", found["id"]), ("none", str(uuid7()))):
            began = process_time()
            answer = await world.clinician.get(f"/v1/incidents/{row_id}")
            took[what].append((process_time() - began) * 1000)
            assert answer.status_code == 404
    hidden, none = (sorted(each)[len(each) // 2] for each in took.values())
    say(f"a 404 takes {hidden:.2f} ms of processor for what is hidden, {none:.2f} for nothing")


# ------------------------------------------------------------------ every refusal is in the journal


async def refused(world: World, answer: Response, status: int) -> dict[str, Any]:
    """Give the entry of a refusal, which must be there."""
    assert answer.status_code == status, answer.text
    async with world.owner.transaction() as tx:
        asked = select(JournalEntry).where(
            JournalEntry.request_id == answer.headers["x-request-id"],
            JournalEntry.happening == "request.refused",
        )
        (entry,) = (await tx.exec(asked)).all()
        return dict(entry.model_dump())


async def test_every_kind_of_refusal_to_somebody_signed_in_is_an_entry(world: World) -> None:
    by = world.clinician
    case = await by.case(client_ref="the same", started_on=world.day(-9))
    kept = await by.promise(case)
    here, case_id, promise_id = f"/v1/cases/{case['id']}", UUID(case["id"]), UUID(kept["id"])
    same = {"client_ref": "the same", "started_on": world.day(-9)}
    key = {"Idempotency-Key": "once"}
    made(await by.post(f"{here}/promises", promise(world), headers=key))
    other = promise(world, made_on=world.day(-6))
    unheard_of = await by.patch(here, {"is_minor": True}, version=7)
    ok(await by.patch(f"/v1/promises/{kept['id']}", {"kind": "other"}, version=1))
    bare = await by.send("PATCH", here, json={"is_minor": True})
    expected = [
        (await by.post("/v1/cases", same), 409, "conflict", "case:open", []),
        (unheard_of, 412, "no-such-version", "case:change", [case_id]),
        (bare, 428, "precondition-required", "case:change", [case_id]),
        (await by.post(f"{here}/promises", {}), 422, "invalid", "promise:record", [case_id]),
        (
            await by.post(f"{here}/promises", other, headers=key),
            422,
            "invalid",
            "promise:record",
            [case_id],
        ),
        (
            await by.post(f"{here}/promises", promise(world, made_on=world.day(9))),
            422,
            "invalid",
            "promise:record",
            [case_id],
        ),
        (await by.get(here, nonsense="1"), 422, "invalid", "case:read", [case_id]),
        (await by.get("/v1/cases", limit="0"), 422, "invalid", "case:list", []),
        (await by.get("/v1/cases/nonsense"), 422, "invalid", "case:read", []),
        (
            await by.send("POST", "/v1/cases", content=b"{", headers={"Content-Type": "text/x"}),
            415,
            "unsupported-media-type",
            "case:open",
            [],
        ),
        (
            await by.send(
                "POST", "/v1/cases", content=b"{", headers={"Content-Type": "application/json"}
            ),
            422,
            "invalid",
            "case:open",
            [],
        ),
        (
            await by.send(
                "PATCH", here, content=b" " * 300_000, headers={"Content-Type": "application/json"}
            ),
            413,
            "too-large",
            None,
            [],
        ),
        (
            await by.patch(f"/v1/promises/{kept['id']}", {"kind": "other"}, version=1),
            412,
            "stale",
            "promise:change",
            [promise_id],
        ),
        (await by.get("/v1/users"), 403, "forbidden", "user:list", []),
        (await by.get(f"/v1/cases/{uuid4()}"), 404, "not-found", "case:read", None),
        (await by.get("/v1/nothing"), 404, "not-found", None, []),
        (await by.send("PUT", here), 405, "method-not-allowed", None, None),
        (
            await by.send("GET", "/fhir/Task", headers={"Accept": "application/xml"}),
            406,
            "not-acceptable",
            "promise:list",
            [],
        ),
        (await by.get("/fhir/Task", nonsense="1"), 400, "invalid", "promise:list", []),
    ]
    for answer, status, kind, action, ids in expected:
        entry = await refused(world, answer, status)
        assert (entry["purpose"], entry["record_type"]) == (kind, action), answer.text
        assert entry["actor_id"] == by.id
        assert (entry["case_id"], entry["restricted"]) == (None, False)
        if ids is not None:
            assert entry["record_ids"] == list(map(str, ids))


async def test_software_too_and_a_person_who_must_enrol_first(world: World) -> None:
    program = await software(world, "cases:read")
    entry = await refused(world, await program.get("/v1/cases", nonsense="1"), 422)
    assert entry["actor_id"] == program.id
    ok(await world.admin.patch("/v1/clinic", {"requires_totp": True}))
    entry = await refused(world, await world.clinician.get("/v1/cases"), 403)
    assert entry["actor_id"] == world.clinician.id


async def test_a_refusal_to_nobody_is_no_entry(world: World) -> None:
    before = len(await entries(world))
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}):
        for path in ("/v1/cases", "/v1/cases?nonsense=1", "/v1/nothing"):
            answer = await world.http.get(path, headers=headers)
            assert answer.status_code in {401, 404, 422}
    assert len(await entries(world)) == before


async def test_a_refusal_on_a_restricted_record_is_hidden_as_that_is(world: World) -> None:
    case = await world.clinician.case()
    found = await world.supervisor.incident(case, "hurtful_words", **RESTRICTED)
    path = f"/v1/incidents/{found['id']}"
    stale = await world.supervisor.patch(path, {"repair": "none"}, version=7)
    entry = await refused(world, stale, 412)
    assert entry["restricted"]
    officer = world.here["privacy_officer"]
    for person, sees in ((world.supervisor, True), (officer, True), (world.clinician, False)):
        shown = ok(await person.get("/v1/journal", limit=100))["items"]
        assert (str(entry["id"]) in {each["id"] for each in shown}) is sees
        assert (found["id"] in json.dumps(shown)) is sees
    for person in (world.supervisor, world.clinician):
        timeline = await person.get(f"/v1/cases/{case['id']}/timeline", limit=100)
        assert "request.refused" not in timeline.text
    # a privacy officer who has the case reads of it what its clinician reads
    body = {"clinician_id": str(world.colleague.id), "reason": "handed over"}
    ok(await world.supervisor.post(f"/v1/cases/{case['id']}/transfer", body))
    ok(await world.admin.patch(f"/v1/users/{world.colleague.id}", {"role": "privacy_officer"}))
    shown = ok(await world.colleague.get("/v1/journal", limit=100))["items"]
    assert str(entry["id"]) not in {each["id"] for each in shown}


@pytest.mark.parametrize("path", ["/v1/cases?nonsense=1", "/v1/nothing", "/v1/cases?limit=0"])
async def test_a_refusal_that_cannot_be_written_down_is_not_answered(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("", None, Exception())

    monkeypatch.setattr(journalled_refusals, "record", fails)
    answer = await world.clinician.send("GET", path)
    assert answer.status_code == 503


async def test_each_wall_of_this_room_is_missed_when_it_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What asks as far as the caller may know, asked without that, tells of what is hidden."""
    monkeypatch.setattr(
        colleagues,
        "_conflict_known_to",
        lambda tx, _, user: conflicted(tx.clinic.id, user, tx.now),
    )
    case = await concerned(world, restricted=True)
    assert await asking(world.clinician, case, world.stranger) == 422
