"""Sealed text: nothing of it is found anywhere but in the answers to those who may read it."""

import base64
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.exc import StatementError
from sqlmodel import SQLModel, col, select

from api.journal.outbox import FAMILIES
from api.security.crypto import Place, SealableText, Sealed, WrongKeyError, new_key
from api.storage.models.clinical import Case, Incident, Promise
from api.storage.models.columns import SealedText, sealed_columns
from api.storage.models.integration import WebhookSecret
from tests.support.door import enter, invite, open_door
from tests.support.imports import case_line, line, read_in
from tests.support.matrix import ANSWERED
from tests.support.receivers import allow, deliver, forget_what_is_owed, receiver, status, subscribe
from tests.support.requests import tolerant
from tests.support.stored import CANARY, hits, spellings, stored
from tests.support.world import PASSWORD, Person, Urls, World, made, ok, promise, software

pytestmark = pytest.mark.both_databases

PLANTED = "zqplanted4kestrel"
SEALED = [
    (model.__tablename__, column)
    for model in (mapper.class_ for mapper in SQLModel._sa_registry.mappers)
    for column in sealed_columns(model)
]


def canary(number: int) -> str:
    """Give a word that stands nowhere else."""
    return f"{CANARY}{number:03}é"


def place(**changes: Any) -> Place:
    """Give a place, or another one that differs a little."""
    fixed = UUID(int=1)
    return Place(
        **{"clinic_id": fixed, "table": "cases", "column": "x", "row_id": fixed, **changes}
    )


def test_a_text_opens_with_its_key_at_its_place_only() -> None:
    key, other = AESGCM(new_key()), AESGCM(new_key())
    stored = SealableText.at(place(), key, "what she said").sealed()
    assert Sealed(stored).open(place(), key) == "what she said"
    elsewhere = [
        place(clinic_id=uuid4()),
        place(table="notes"),
        place(column="y"),
        place(row_id=uuid4()),
    ]
    for read in (Sealed.open, Sealed.read):
        for where, by in [*((each, key) for each in elsewhere), (place(), other)]:
            with pytest.raises(WrongKeyError):
                read(Sealed(stored), where, by)
        for changed in (stored[:-2] + "AA", stored[2:], "1.", "1.%%", "what she said"):
            with pytest.raises(WrongKeyError):
                read(Sealed(changed), place(), key)
    assert Sealed(stored).read(place(), key) == "what she said"


def test_the_same_text_is_never_stored_the_same_way_twice() -> None:
    key = AESGCM(new_key())
    stored = {SealableText.at(place(), key, "again").sealed() for _ in range(100)}
    assert len(stored) == 100


async def test_what_was_not_bound_to_its_place_is_not_written(world: World) -> None:
    """Whoever goes around the session that seals gets an error, never a text in the open."""
    case = await world.clinician.case()
    async with world.database.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        found = col(Case.id) == UUID(case["id"])
        with pytest.raises(StatementError, match="bound to its place"):
            await tx.exec(sa.update(Case).where(found).values(transfer_reason=CANARY))
        with pytest.raises(StatementError, match="none is searched for"):
            await tx.exec(select(Case).where(Case.client_ref == CANARY))
        shown = (await tx.exec(select(Case.client_ref).where(found))).one()
        assert isinstance(shown, Sealed)
        assert case["client_ref"] not in repr(shown)


MOVES = {
    "between rows": "UPDATE promises SET wording = (SELECT wording FROM promises WHERE id = :b) "
    "WHERE id = :a",
    "between columns": "UPDATE incidents SET rationale = narrative, narrative = rationale "
    "WHERE id = :i",
    "between tables": "UPDATE promises SET wording = (SELECT narrative FROM incidents "
    "WHERE id = :i) WHERE id = :a",
    "between cases": "UPDATE promises SET wording = (SELECT wording FROM promises WHERE id = :o) "
    "WHERE id = :a",
    "between clinics": "UPDATE promises SET wording = (SELECT wording FROM promises "
    "WHERE id = :t) WHERE id = :a",
    "between versions": "UPDATE record_versions SET texts = (SELECT texts FROM record_versions "
    "WHERE record_id = :i AND version = 1) WHERE record_id = :i AND version = 2",
    "from a version": "UPDATE incidents SET narrative = (SELECT texts FROM record_versions "
    "WHERE record_id = :i AND version = 1) WHERE id = :i",
    "with its case's key": "UPDATE cases SET text_key = (SELECT text_key FROM cases "
    "WHERE id = :oc) WHERE id = :c",
}


@pytest.mark.parametrize("move", MOVES)
async def test_a_sealed_text_that_was_moved_does_not_open(world: World, move: str) -> None:
    me, them = tolerant(world).clinician, world.there["clinician"]
    case, other = await me.case(), await me.case()
    one, two = await me.promise(case), await me.promise(case)
    told = await me.incident(case, "hurtful_words", narrative="n", rationale="r")
    for words in ("n2", "n3"):
        ok(await me.patch(f"/v1/incidents/{told['id']}", {"narrative": words}))
    moved = {
        "a": one["id"],
        "b": two["id"],
        "i": told["id"],
        "o": (await me.promise(other))["id"],
        "t": (await them.promise(await them.case()))["id"],
        "c": case["id"],
        "oc": other["id"],
    }
    paths = [f"/v1/promises/{one['id']}", f"/v1/incidents/{told['id']}"]
    paths.append(f"{paths[1]}/versions")
    before = [(await me.get(path)).status_code for path in paths]
    assert before == [200, 200, 200]
    async with world.owner.transaction() as tx:
        names = set(re.findall(r":(\w+)", MOVES[move]))
        of = {name: moved[name] for name in names}
        statement = sa.text(MOVES[move]).bindparams(
            *(sa.bindparam(name, UUID(value), sa.Uuid()) for name, value in of.items())
        )
        await (await tx.connection()).execute(statement)
    after = [(await me.get(path)).status_code for path in paths]
    assert 500 in after
    assert all(each in (200, 500) for each in after)


async def fill(world: World) -> None:
    """Put a canary of its own into every sealed field there is."""
    numbers = iter(range(1, 1_000))

    def word() -> str:
        return canary(next(numbers))

    me, supervisor = tolerant(world).clinician, world.supervisor
    case = await me.case(client_ref=word())
    path = f"/v1/cases/{case['id']}"
    told = await me.incident(
        case,
        "ending",
        narrative=word(),
        rationale=word(),
        stage="raised",
        plan=word(),
    )
    review = {"determination": "normal_process", "review_note": word()}
    ok(await supervisor.post(f"/v1/incidents/{told['id']}/review", review))
    await me.promise(case, wording=word())
    await _consult(world, me, path, word)
    by_hand = {"severity": "low", "title": "Look", "because": "It was told."}
    for is_reopened in (True, False):
        flag = made(await supervisor.post(f"{path}/flags", by_hand))
        note = {"determination": "normal_process", "resolution_note": word()}
        ok(await supervisor.post(f"/v1/flags/{flag['id']}/resolve", note))
        if is_reopened:
            ok(await supervisor.post(f"/v1/flags/{flag['id']}/reopen", {"reason": word()}))
    answers = [{"link_id": "anything_else", "value": word()}]
    answered = {**ANSWERED, "answered_on": world.day(-1), "answers": answers}
    made(await me.post(f"{path}/responses", answered))
    await _say_at_door(world, case, word)
    ok(await me.patch(path, {"client_ref": word()}))
    ok(await supervisor.patch(f"/v1/incidents/{told['id']}", {"narrative": word()}))
    made(await me.post(f"{path}/disclosures"))
    opened = {"case_id": case["id"], "reason": word()}
    opening = made(await world.stranger.post("/v1/break-glass", opened))
    officer = world.here["privacy_officer"]
    seen = {"review_note": word()}
    ok(await officer.post(f"/v1/break-glass/{opening['id']}/review", seen))
    ok(await me.post("/v1/me/totp"))
    written = {"note_class": "progress", "body": word()}
    written_note = made(await me.post(f"{path}/notes", written))
    ok(await me.post(f"/v1/notes/{written_note['id']}/sign"))
    held = {"case_id": case["id"], "reason": word()}
    made(await officer.post("/v1/legal-holds", held))
    lines = [case_line(word(), me, client_ref=word())]
    lines.append(line("promise", word(), lines[0]["key"], promise(world, wording=word())))
    # a line that is refused leaves no word either
    lines.append(line(word(), word(), word(), {word(): word()}))
    assert made(await read_in(world, lines))["created"] == 2
    await _sign_with(world, word())
    to = {"clinician_id": str(world.colleague.id), "reason": word()}
    ok(await supervisor.post(f"{path}/transfer", to))


async def _say_at_door(world: World, case: dict[str, Any], word: Callable[[], str]) -> None:
    """Say a word of each sort at the door of a case, and to whoever said it."""
    await open_door(world)
    client = await enter(world, code=(await invite(world.clinician, case))["code"])
    sent = await client.says(happened=word(), reach=word())
    by_receipt = await enter(world, receipt=sent["receipt"])
    made(await by_receipt.send("POST", "/accounts/1/words", {"words": word()}))
    answers = [{"link_id": "anything_else", "value": word()}]
    made(await by_receipt.send("POST", "/responses", {"answers": answers}))
    (line,) = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    of_it = f"/v1/accounts/{line['id']}"
    for move, body in (
        ("told", {"reason": word()}),
        ("reply", {"reply": word()}),
        ("close", {"determination": "normal_process", "note": word()}),
    ):
        assert (await world.supervisor.post(f"{of_it}/{move}", body)).is_success, move


async def _sign_with(world: World, word: str) -> None:
    """Give the newest webhook a secret that says a word; where there is none, make one."""
    body = {"name": "Diary", "url": "https://diary.example/events", "events": ["flag.*"]}
    hooks = ok(await world.admin.get("/v1/webhooks"))["items"]
    hook = hooks[0] if hooks else made(await world.admin.post("/v1/webhooks", body))
    async with world.database.transaction() as tx:
        await tx.enter(world.admin.clinic_id)
        secret = WebhookSecret(
            clinic_id=world.admin.clinic_id,
            webhook_id=UUID(hook["id"]),
            secret=f"whsec_{base64.b64encode(word.encode() * 2).decode()}",
            created_at=tx.now,
            updated_at=tx.now,
        )
        tx.add(secret)


async def _consult(world: World, me: Person, path: str, word: Any) -> None:
    consultant = world.here["consultant"]
    question = {"kind": "ethics", "urgency": "routine", "question": word(), "summary": word()}
    for end in ("declined", "completed"):
        asked = made(await me.post(f"{path}/consultations", {**question, "released": True}))
        at = f"/v1/consultations/{asked['id']}"
        ok(await me.post(f"{at}/request"))
        if end == "declined":
            ok(await consultant.post(f"{at}/decline", {"reason": word()}))
            ok(await me.post(f"{at}/cancel", {"reason": word()}))
            continue
        ok(await consultant.post(f"{at}/accept"))
        ok(await consultant.post(f"{at}/start"))
        ok(await consultant.post(f"{at}/complete", {"outcome": "mixed", "advice": word()}))
        ok(await me.post(f"{at}/respond", {"response": "not_followed", "reason": word()}))


async def test_no_word_is_found_in_the_database_or_the_logs(
    world: World, urls: Urls, capfd: pytest.CaptureFixture[str], say: Callable[[str], None]
) -> None:
    await forget_what_is_owed(world)
    # a careless receiver says more than it should, and nothing of it is kept
    async with receiver(status(500, body=canary(0))) as to:
        allow(world, to)
        hook = await subscribe(world.admin, to, *FAMILIES)
        await fill(world)
        while await deliver(world):
            pass
    log = await world.admin.get(f"/v1/webhooks/{hook['id']}/deliveries", limit=100)
    sent = "".join(f"{each.target}{each.headers}{each.body}" for each in to.received)
    assert len(to.received) == len(ok(log)["items"]) > 15
    assert hits(sent.encode() + log.content) == []
    async with world.owner.transaction() as tx:
        connection = await tx.connection()
        for table, column in SEALED:
            here = f"SELECT count(*) FROM {table} WHERE {column} LIKE '1.%'"
            assert (await connection.exec_driver_sql(here)).scalar_one(), f"{table}.{column}"
    refused = await world.clinician.post("/v1/cases", {"client_ref": [CANARY], CANARY: CANARY})
    missing = await world.clinician.get("/v1/cases", client_ref=CANARY)
    assert hits(refused.content + missing.content) == []
    kept = await stored(urls, world)
    assert hits(kept) == []
    scraped = await _scraped(world)
    assert b'bn_requests_total{method="POST",route="/v1/cases",status="201"}' in scraped
    assert hits(scraped) == []
    said = capfd.readouterr()
    assert said.out.count("milliseconds=")
    assert hits((said.out + said.err).encode()) == []
    name = world.owner.engine.dialect.name
    say(
        f"canaries ({name}): one in each of {len(SEALED)} sealed columns, "
        f"0 found in {len(kept):,} bytes of database files, the log, metrics and refusals"
    )


async def _scraped(world: World) -> bytes:
    world.app.state.metrics_token = b"metrics"
    answer = await world.http.get("/metrics", headers={"Authorization": "Bearer metrics"})
    world.app.state.metrics_token = None
    assert answer.status_code == 200
    return answer.content


async def test_a_word_in_the_open_is_found(world: World, urls: Urls) -> None:
    """The twin of the test above: were a word stored plainly, it would be seen."""
    case = await world.clinician.case()
    told = {"severity": "low", "title": f"Look: {PLANTED}", "because": "It is not sealed."}
    made(await world.supervisor.post(f"/v1/cases/{case['id']}/flags", told))
    assert hits(await stored(urls, world), PLANTED)
    for spelled in spellings(CANARY):
        assert hits(b"before" + spelled + b"after")


async def test_a_reference_is_found_exactly_and_only_in_its_clinic(world: World) -> None:
    me, them = world.clinician, world.there["clinician"]
    case = await me.case(client_ref="B-17")
    await them.case(client_ref="B-17")
    for asked, found in (("B-17", 1), ("b-17", 0), ("B-1", 0), ("%", 0)):
        assert len(ok(await me.get("/v1/cases", client_ref=asked))["items"]) == found
    renamed = ok(await me.patch(f"/v1/cases/{case['id']}", {"client_ref": "B-18"}))
    assert renamed["client_ref"] == "B-18"
    assert ok(await me.get("/v1/cases", client_ref="B-17"))["items"] == []
    assert len(ok(await me.get("/v1/cases", client_ref="B-18"))["items"]) == 1
    async with world.owner.transaction() as tx:
        hashes = select(Case.client_ref_hash, Case.clinic_id)
        found_by = {clinic: text for text, clinic in (await tx.exec(hashes)).all()}
    assert found_by[me.clinic_id] != found_by[them.clinic_id]


async def test_two_cases_may_not_share_a_reference_and_a_start(world: World) -> None:
    await world.clinician.case(client_ref="same", started_on=world.day(-9))
    await world.clinician.case(client_ref="same", started_on=world.day(-8))
    again = {"client_ref": "same", "started_on": world.day(-9)}
    assert (await world.clinician.post("/v1/cases", again)).status_code == 409


async def test_without_the_key_of_its_case_no_word_is_read_or_written(world: World) -> None:
    me = tolerant(world).clinician
    case = await me.case()
    told = await me.promise(case)
    async with world.owner.transaction() as tx:
        of = col(Case.id) == UUID(case["id"])
        await tx.exec(sa.update(Case).where(of).values(text_key=None, purged_at=tx.now))
    assert ok(await me.get(f"/v1/promises/{told['id']}"))["wording"] is None
    assert ok(await me.get(f"/v1/cases/{case['id']}"))["client_ref"] is None
    assert not (await me.patch(f"/v1/promises/{told['id']}", {"wording": "anew"})).is_success


async def test_software_without_the_scope_reads_no_word_and_writes_none_back(world: World) -> None:
    case = await world.clinician.case(client_ref="C-1")
    diary = await software(world, "cases:read", "cases:write")
    shown = ok(await diary.get(f"/v1/cases/{case['id']}"))
    assert shown["client_ref"] is None
    mine = made(
        await diary.post(
            "/v1/cases", {"client_ref": "D-1", "clinician_id": str(world.clinician.id)}
        )
    )
    ok(await diary.patch(f"/v1/cases/{mine['id']}", {"phase": "acceptance"}))
    assert ok(await world.clinician.get(f"/v1/cases/{mine['id']}"))["client_ref"] == "D-1"


def test_every_field_the_contract_seals_has_the_sealed_type() -> None:
    """The list is the contract's; a column that loses its type would fall out of all the above."""
    assert {
        ("cases", "client_ref"),
        ("incidents", "rationale"),
        ("incidents", "narrative"),
        ("incidents", "sealed_detail"),
        ("incidents", "review_note"),
        ("promises", "wording"),
        ("consultations", "question"),
        ("consultations", "summary"),
        ("consultations", "reason"),
        ("consultations", "advice"),
        ("flags", "resolution_note"),
        ("notes", "body"),
    } <= set(SEALED)
    assert isinstance(Incident.__table__.c.narrative.type, SealedText)  # type: ignore[attr-defined]
    assert isinstance(Promise.__table__.c.wording.type, SealedText)  # type: ignore[attr-defined]
    assert PASSWORD
