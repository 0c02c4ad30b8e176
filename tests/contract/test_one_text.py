"""One text in two Unicode forms is one text, through every door that finds something by it."""

import json
from time import process_time
from typing import Any
from unicodedata import normalize
from uuid import UUID, uuid4

import pytest
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import update
from sqlmodel import col, select

from api.interop.bulk import source_keys
from api.security import normalization
from api.security.normalization import one_address, one_password, password_spellings, spellings
from api.security.tokens import _fits
from api.storage.models.clinical import Case
from api.storage.models.integration import ImportedRecord
from api.storage.models.people import User
from tests.support.imports import CSV, as_operator, counts, diary_of, ndjson, send
from tests.support.patience import slowness
from tests.support.requests import tolerant
from tests.support.signing_in import offer, reset, sign_in
from tests.support.world import Person, World, incident, made, ok, promise

pytestmark = pytest.mark.both_databases

Record = dict[str, Any]
WORD = "Gr\u00fc\u00dfe-aus-\u00c5rhus-\u00e9t\u00e9"
HALF = "Vi\u00ea\u0323t"
"""Half composed, as some keyboards write it: neither of the two forms."""
FORMS = ("NFC", "NFD")


def in_form(form: str, text: str) -> str:
    return normalize(form, text)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------- how it is spelled


def test_a_text_has_one_spelling_and_is_known_by_those_of_before() -> None:
    for text in (WORD, HALF, "\u212b", "plain"):
        one = normalization.one_text(text)
        for form in FORMS:
            assert normalization.one_text(in_form(form, text)) == one
        assert spellings(text)[0] == one
        assert set(spellings(text)) == {one, text, in_form("NFD", text)}
    assert spellings("plain") == password_spellings("plain") == ("plain",)
    # what is only like it is another reference, and the same password
    assert normalization.one_text("C\u00b2") != "C2" == one_password("C\u00b2")
    assert one_address(" Zo\u00cb@Reports.Example ") == "zo\u00eb@reports.example"
    for odd in ("\u0130x@a.example", "I\u0307x@a.example", "\u1e9e@a.example"):
        assert one_address(one_address(odd)) == one_address(in_form("NFD", odd))


# ---------------------------------------------------------------------------------------- passwords


@pytest.mark.parametrize("form", [*FORMS, "NFKD"])
async def test_a_password_is_the_same_however_it_was_typed(world: World, form: str) -> None:
    email = f"zoe-{uuid4().hex}@reports.example"
    body = {"name": "Zoe", "email": email, "role": "clinician", "password": in_form(form, WORD)}
    zoe = made(await tolerant(world).admin.post("/v1/users", body))
    for typed in (*FORMS, "NFKC"):
        ok(await sign_in(world, email, in_form(typed, WORD)))
    assert (await sign_in(world, email, WORD + "x")).status_code != 200
    # changed, and reset
    me = Person(world, world.admin.clinic_id, UUID(zoe["id"]), world.clinician.role, email)
    new = in_form(form, "L\u00fcge-nie-wieder-\u00fcber-\u00c9t\u00e9")
    change = {"current_password": in_form("NFD", WORD), "password": new}
    ok(await me.patch("/v1/me", change, zoe["version"]))
    ok(await sign_in(world, email, in_form("NFC", new)))
    code = (await offer(world, me))["code"]
    assert (await reset(world, me, code, password=in_form(form, WORD))).status_code == 204
    ok(await sign_in(world, email, in_form("NFD", WORD)))


@pytest.mark.parametrize("hashed", FORMS)
async def test_what_was_hashed_as_it_was_typed_still_opens(world: World, hashed: str) -> None:
    cheap = Argon2Hasher(memory_cost=8, time_cost=1, parallelism=1)
    me = tolerant(world).clinician
    async with world.owner.transaction() as tx:
        await tx.enter(me.clinic_id)
        as_before = cheap.hash(in_form(hashed, WORD))
        await tx.exec(update(User).where(col(User.id) == me.id).values(password_hash=as_before))
    for typed in FORMS:
        ok(await sign_in(world, me.email, in_form(typed, WORD)))


def test_each_form_is_tried_against_a_hash_of_before() -> None:
    cheap = Argon2Hasher(memory_cost=8, time_cost=1, parallelism=1)
    for hashed in (*FORMS, "NFKC"):
        for typed in FORMS:
            forms = password_spellings(in_form(typed, WORD))
            assert _fits(forms, cheap.hash(in_form(hashed, WORD)))
            assert not _fits(forms, cheap.hash(in_form(hashed, WORD) + "x"))


async def test_a_password_is_as_long_as_it_is_hashed(world: World) -> None:
    fourteen = "\u00fc" * 14
    for form in FORMS:
        body = {"name": "Z", "email": "z@z.example", "role": "clinician"}
        answer = await world.admin.post("/v1/users", {**body, "password": in_form(form, fourteen)})
        assert ok(answer, 422)["errors"][0]["pointer"] == "/password"


# ---------------------------------------------------------------------------------------- addresses


async def test_an_address_is_one_person_in_either_form(world: World) -> None:
    address = "Andr\u00e9@Reports.Example"
    body = {"name": "A", "role": "clinician", "password": "a long and fictional password"}
    ok(
        await tolerant(world).admin.post("/v1/users", {**body, "email": in_form("NFD", address)}),
        201,
    )
    for form in FORMS:
        again = {**body, "email": in_form(form, address)}
        assert (await world.admin.post("/v1/users", again)).status_code == 409
        ok(await sign_in(world, in_form(form, address), body["password"]))
        diary = await diary_of(world, world.clinician)
        line = {"type": "case", "key": form, "clinician": in_form(form, address)}
        told = ndjson([{**line, "data": {"client_ref": f"of {form}"}}])
        assert counts(made(await send(diary, told))) == (1, 0, 0)


# --------------------------------------------------------------------------------------- references


@pytest.mark.parametrize("form", FORMS)
async def test_a_reference_is_found_and_taken_in_either_form(world: World, form: str) -> None:
    by, other = world.clinician, in_form({"NFC": "NFD", "NFD": "NFC"}[form], WORD)
    case = await by.case(client_ref=in_form(form, WORD))
    assert case["client_ref"] == in_form("NFC", WORD)
    assert (await by.post("/v1/cases", {"client_ref": other})).status_code == 409
    for asked in (other, in_form(form, WORD)):
        (found,) = ok(await by.get("/v1/cases", client_ref=asked))["items"]
        assert found["id"] == case["id"]
        for name, value in (
            ("patient", asked),
            ("patient:identifier", f"urn:boundary-notes:client-ref|{asked}"),
        ):
            bundle = ok(await by.get("/fhir/EpisodeOfCare", **{name: value}))
            assert [each["resource"]["id"] for each in bundle["entry"]] == [case["id"]], name
    # changed to the other form it is the same, and another case cannot take it by a change
    assert ok(await by.patch(f"/v1/cases/{case['id']}", {"client_ref": other}))["client_ref"] == (
        in_form("NFC", WORD)
    )
    second = await by.case()
    taken = await by.patch(f"/v1/cases/{second['id']}", {"client_ref": other})
    assert taken.status_code == 409
    # nor by a file, nor in the other clinic's way
    diary = await diary_of(world, by)
    line = {"type": "case", "key": "k", "clinician": by.email, "data": {"client_ref": other}}
    assert counts(made(await send(diary, ndjson([line])))) == (0, 0, 1)
    ok(await world.there["clinician"].post("/v1/cases", {"client_ref": other}), 201)


# ------------------------------------------------------------------------------------------- keys


def lines_in(form: str, world: World, of: Person) -> list[Record]:
    """Write a file whose keys, references and words are in one form."""
    key = f"k {WORD} {HALF}"
    told = incident("crossing", world, area="role", narrative=WORD)
    lines = [
        {"type": "case", "key": key, "clinician": of.email, "data": {"client_ref": key}},
        {"type": "incident", "key": key, "case": key, "data": told},
        {"type": "promise", "key": key, "case": key, "data": promise(world, wording=WORD)},
        {
            "type": "consultation",
            "key": key,
            "case": key,
            "incidents": [key],
            "promises": [key],
            "data": {"kind": "ethics", "urgency": "routine", "question": WORD},
        },
    ]
    written = json.dumps(lines, ensure_ascii=False)
    read: list[Record] = json.loads(written if form == "half" else in_form(form, written))
    return read


@pytest.mark.parametrize("first", [*FORMS, "half"])
async def test_a_file_sent_again_in_another_form_changes_nothing(world: World, first: str) -> None:
    diary = await diary_of(world, world.clinician)
    of = world.clinician
    assert counts(made(await send(diary, ndjson(lines_in(first, world, of))))) == (4, 0, 0)
    for form in (*FORMS, "half"):
        again = made(await send(diary, ndjson(lines_in(form, world, of))))
        assert counts(again) == (0, 4, 0), form
        other = [{**lines_in(form, world, of)[0], "data": {"client_ref": "another"}}]
        (refused,) = made(await send(diary, ndjson(other)))["refusals"]
        assert refused["pointer"] == "/key"
    # and in the other form of a file
    sheet = f"key,clinician,client_ref\r\nk {WORD} {HALF},{of.email},k {WORD} {HALF}\r\n"
    for form in FORMS:
        body = in_form(form, sheet).encode()
        done = made(await send(diary, body, CSV, type="case"))
        assert counts(done) == (0, 1, 0), form


@pytest.mark.parametrize("before", ["NFD", "half"])
async def test_what_was_taken_under_another_form_before_is_known_again(
    world: World, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was read in when each form was a text of its own."""
    of = world.clinician
    diary = await diary_of(world, of)
    with monkeypatch.context() as then:
        then.setattr(source_keys, "spellings", lambda text: (text,))
        assert counts(made(await send(diary, ndjson(lines_in(before, world, of))))) == (4, 0, 0)
    # sent again as it is, and by the system that it was exported to since
    for form in {before, "NFC", "NFD"} - ({"NFC", "NFD"} if before == "half" else set()):
        again = made(await send(diary, ndjson(lines_in(form, world, of))))
        assert counts(again) == (0, 4, 0), form
    async with world.owner.transaction() as tx:
        await tx.enter(of.clinic_id)
        here = select(ImportedRecord).where(col(ImportedRecord.clinic_id) == of.clinic_id)
        assert len(list(await tx.exec(here))) == 4


async def test_what_others_brought_in_is_hidden_in_either_form(world: World) -> None:
    """A key that is taken by a hidden record tells of it in no form."""
    of = world.clinician
    case = {"type": "case", "key": "c", "clinician": of.email, "data": {"client_ref": "c"}}
    hidden = {
        "type": "incident",
        "key": in_form("NFD", WORD),
        "case": "c",
        "data": incident("crossing", world, area="role", restricted=True),
    }
    done = await as_operator(world, of, ndjson([case, hidden]))
    assert (done.created, done.refused) == (2, 0)
    diary = await diary_of(world, of)
    mine = {**hidden, "key": WORD, "data": incident("crossing", world, area="time")}
    assert counts(made(await send(diary, ndjson([mine])))) == (1, 0, 0)
    mine["key"] = in_form("NFD", WORD)
    assert counts(made(await send(diary, ndjson([mine])))) == (0, 1, 0)


async def test_a_reference_of_an_earlier_release_is_found_and_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While servers are replaced, an old one writes it as it was typed, after the migration."""
    by = world.clinician
    with monkeypatch.context() as then:
        then.setattr("api.storage.encryption.one_text", str)
        case = await by.case(client_ref=in_form("NFD", WORD))
    for form in FORMS:
        typed = in_form(form, WORD)
        (found,) = ok(await by.get("/v1/cases", client_ref=typed))["items"]
        assert found["id"] == case["id"]
        bundle = ok(await by.get("/fhir/EpisodeOfCare", patient=typed))
        assert [each["resource"]["id"] for each in bundle["entry"]] == [case["id"]]
        assert (await by.post("/v1/cases", {"client_ref": typed})).status_code == 409
        line = {"type": "case", "key": form, "clinician": by.email, "data": {"client_ref": typed}}
        diary = await diary_of(world, by)
        assert counts(made(await send(diary, ndjson([line])))) == (0, 0, 1)
    other = await by.case()
    taken = await by.patch(f"/v1/cases/{other['id']}", {"client_ref": WORD})
    assert taken.status_code == 409
    # what it has is written to, and spelled anew once it is said again
    ok(await by.patch(f"/v1/cases/{case['id']}", {"phase": "unknown"}))
    said = ok(await by.patch(f"/v1/cases/{case['id']}", {"client_ref": in_form("NFD", WORD)}))
    assert said["client_ref"] == in_form("NFC", WORD)


async def test_a_reference_is_as_long_as_it_is_kept(world: World) -> None:
    """Some characters become two or three where they are spelled in one form."""
    answer = await world.clinician.post("/v1/cases", {"client_ref": "\u0958" * 101})
    (wrong,) = ok(answer, 422)["errors"]
    assert wrong["pointer"] == "/client_ref"
    kept = await world.clinician.case(client_ref="\u0958" * 100)
    shown = ok(await world.clinician.get(f"/v1/cases/{kept['id']}"))
    ok(await world.clinician.patch(f"/v1/cases/{kept['id']}", {"client_ref": shown["client_ref"]}))


async def test_thousands_of_marks_on_a_letter_hold_nobody_up(world: World) -> None:
    """To order them would take time that grows with the square of their number."""
    piled = "a" + "\u0301\u0316" * 30_000
    begun = process_time()
    for path, body in (
        ("/v1/auth/password", {"username": "x@x.example", "code": "x", "password": piled}),
        ("/v1/auth/password", {"username": piled, "code": "x", "password": "x" * 20}),
    ):
        assert (await world.http.post(path, json=body)).status_code == 422
    form = {"grant_type": "password", "username": "x@x.example", "password": piled[:1_000]}
    assert (await tolerant(world).http.post("/v1/auth/token", data=form)).status_code != 200
    diary = await diary_of(world, world.clinician)
    lines = lines_in("NFD", world, world.clinician)[:1]
    key = lines[0]["key"]
    for number in range(5):
        words = promise(world, wording=piled[:19_000])
        lines.append({"type": "promise", "key": f"{number}", "case": key, "data": words})
    for expected in ((6, 0, 0), (0, 6, 0)):
        assert counts(made(await send(diary, ndjson(lines)))) == expected
    assert process_time() - begun < 3 * slowness()
    assert normalization.one_text(piled) == one_password(piled) == piled


async def test_a_reference_stands_in_one_form_in_its_row(world: World) -> None:
    case = await world.clinician.case(client_ref=in_form("NFD", WORD))
    async with world.owner.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        row = (await tx.exec(select(Case).where(col(Case.id) == UUID(case["id"])))).one()
        assert str(row.client_ref) == in_form("NFC", WORD)
        assert row.client_ref_hash == (await tx.lookup_hashes(in_form("NFD", WORD)))[0]
