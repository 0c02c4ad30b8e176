"""Languages: what a flag says, the rules and the words, in the language of who reads them."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from httpx import Response
from sqlmodel import col, select, update

from api.domain.vocabulary import Scope, served_vocabulary
from api.http.strict_route import KEY
from api.journal.entries import Happening
from api.languages.messages import messages
from api.languages.spoken import KNOWN, language_of, vocabulary_in
from api.storage.models.flags import Flag
from api.storage.models.journal import JournalEntry
from tests.support.imports_of_packages import rooms
from tests.support.world import PASSWORD, Person, World, made, ok, promise, software

NEW_PASSWORD = "another long and fictional password"

IN_ENGLISH = "By the client's account, words reported as hurtful are recorded on 1 March 2026."
IN_SPANISH = {
    "language": "es",
    "title": "Palabras de las que se cuenta que hirieron",
    "because": "Según el relato de la persona en terapia, constan el 1 de marzo de 2026 palabras "
    "que se vivieron como hirientes.",
}


class Wish(NamedTuple):
    """What somebody and their clinic like, and what a request asks for."""

    clinic: str | None = None
    own: str | None = None
    header: str | None = None


async def likes(world: World, person: Person, wish: Wish) -> None:
    """Let a clinic and somebody of it have these languages."""
    ok(await world.admin.patch("/v1/clinic", {"language": wish.clinic}))
    ok(await person.patch("/v1/me", {"language": wish.own}))


def asking(header: str | None, **more: str) -> dict[str, Any]:
    """Send this `Accept-Language`, or none."""
    return {"headers": {**more, **({} if header is None else {"Accept-Language": header})}}


async def hurt(person: Person, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Open a case on which a flag was raised; give the case and the flag."""
    case = await person.case()
    details = {"kind": "hurtful_words"}
    body = {
        "occurred_on": person.world.day(-1),
        "initiator": "therapist",
        "reported_by": "client",
        "details": details,
    }
    answer = await person.post(f"/v1/cases/{case['id']}/incidents", body, **options)
    (flag,) = made(answer)["flags_raised"]
    return case, flag


def flags_in(shown: Any) -> Iterator[dict[str, Any]]:
    """Give every flag that stands anywhere in an answer."""
    if isinstance(shown, dict):
        if "because" in shown and "evidence" in shown:
            yield shown
        for each in shown.values():
            yield from flags_in(each)
    elif isinstance(shown, list):
        for each in shown:
            yield from flags_in(each)


async def test_a_flag_is_told_to_each_reader_in_their_language_and_because_stays_english(
    world: World,
) -> None:
    ok(await world.clinician.patch("/v1/me", {"language": "es"}))
    case, raised = await hurt(world.clinician)
    assert (raised["because"], raised["says"]) == (IN_ENGLISH, IN_SPANISH)
    assert raised["title"] == "Words reported as hurtful"
    path = f"/v1/flags/{raised['id']}"
    assert ok(await world.clinician.get(path)) == raised
    # what a Spanish reader's write raised is English to an English reader
    shown = ok(await world.supervisor.get(path))
    assert shown == {**raised, "says": None}
    (queued,) = (
        each for each in await world.supervisor.queue() if each["case"]["id"] == case["id"]
    )
    assert queued["flags"] == [shown]
    # and the other way round
    _, raised = await hurt(world.supervisor)
    assert (raised["because"], raised["says"]) == (IN_ENGLISH, None)
    answer = await world.supervisor.send("GET", f"/v1/flags/{raised['id']}", **asking("es"))
    assert ok(answer) == {**raised, "says": IN_SPANISH}


CHOSEN = {
    Wish(): None,
    Wish(clinic="es"): "es",
    Wish(own="es"): "es",
    Wish(header="es"): "es",
    Wish(clinic="es", own="en"): None,
    Wish(clinic="en", own="es"): "es",
    Wish(clinic="es", own="es", header="en"): None,
    Wish(clinic="en", own="en", header="es"): "es",
    Wish(own="en", header="es-MX, en;q=0.9"): "es",
    Wish(own="es", header="en-GB, es;q=0.9"): None,
    Wish(own="es", header="*"): "es",
    Wish(header="*"): None,
    Wish(own="es", header="fr, de;q=0.9"): "es",
    Wish(header="fr"): None,
    Wish(own="es", header="es;q=zero, ;;, =é"): "es",
    Wish(header="\t ,;q=9"): None,
}


async def test_a_request_comes_before_its_person_and_a_person_before_their_clinic(
    world: World,
) -> None:
    _, flag = await hurt(world.clinician)
    for wish, language in CHOSEN.items():
        await likes(world, world.clinician, wish)
        sent = asking(wish.header)
        if wish.header is not None:
            sent["headers"]["Accept-Language"] = wish.header.encode()
        shown = ok(await world.clinician.send("GET", f"/v1/flags/{flag['id']}", **sent))
        assert shown["says"] == (IN_SPANISH if language == "es" else None), wish
        words = await world.clinician.send("GET", "/v1/vocabulary", **sent)
        assert words.headers["content-language"] == (language or "en"), wish


async def test_two_headers_are_one_list(world: World) -> None:
    _, flag = await hurt(world.clinician)
    token = await world.token_of(world.clinician)
    for second, says in (("es;q=0.9", IN_SPANISH), ("en;q=0.9", None)):
        headers = [
            ("Authorization", f"Bearer {token}"),
            ("Accept-Language", "fr"),
            ("Accept-Language", second),
        ]
        shown = ok(await world.http.get(f"/v1/flags/{flag['id']}", headers=headers))
        assert shown["says"] == says


async def test_one_clinics_language_is_not_anothers(world: World) -> None:
    ok(await world.admin.patch("/v1/clinic", {"language": "es"}))
    _, here = await hurt(world.clinician)
    _, there = await hurt(world.there["clinician"])
    assert (here["says"], there["says"]) == (IN_SPANISH, None)


async def test_software_is_told_in_its_clinics_language_unless_it_asks(world: World) -> None:
    _, flag = await hurt(world.clinician)
    reader = await software(world, Scope.flags_read)
    path = f"/v1/flags/{flag['id']}"
    assert ok(await reader.get(path))["says"] is None
    assert ok(await reader.send("GET", path, **asking("es")))["says"] == IN_SPANISH
    ok(await world.admin.patch("/v1/clinic", {"language": "es"}))
    assert ok(await reader.get(path))["says"] == IN_SPANISH
    assert ok(await reader.send("GET", path, **asking("en")))["says"] is None


async def test_every_answer_with_flags_tells_them_in_the_readers_language(world: World) -> None:
    for person in (world.clinician, world.supervisor):
        ok(await person.patch("/v1/me", {"language": "es"}))
    case, flag = await hurt(world.clinician)
    about, path = f"/v1/cases/{case['id']}", f"/v1/flags/{flag['id']}"
    (incident,) = ok(await world.clinician.get(f"{about}/incidents"))["items"]
    unkept = promise(world, keepable="no", kind="family_role", scope="outside_frame")
    graver = {"details": {"kind": "hurtful_words", "repeated": True}}
    asked = {"kind": "ethics", "urgency": "routine", "question": "What now?", "released": True}
    answers = [
        await world.clinician.get(f"{about}/flags"),
        await world.clinician.get("/v1/flags"),
        await world.supervisor.get("/v1/flagged-cases"),
        await world.supervisor.get("/v1/flagged-cases", rule="hurtful_words"),
        await world.supervisor.post(f"{path}/acknowledge"),
        await world.clinician.patch(f"/v1/incidents/{incident['id']}", graver),
        await world.clinician.post(f"{about}/promises", unkept),
        await world.supervisor.post(
            f"{path}/resolve", {"determination": "duplicate", "resolution_note": "Seen."}
        ),
        await world.supervisor.post(f"{path}/reopen", {"reason": "It happened again."}),
        await world.clinician.get(path),
        await world.clinician.post(f"{about}/consultations", asked),
        await world.clinician.patch(about, {"status": "paused"}),
    ]
    told = [[*flags_in(answer.json())] for answer in answers]
    assert [bool(flags) for flags in told[:10]] == [True] * 10, told
    for flag in (each for flags in told for each in flags):
        assert flag["says"]["language"] == "es", flag
        assert flag["says"]["title"] != flag["title"]
        assert flag["says"]["because"] not in ("", flag["because"])


def test_flags_are_shown_in_one_room() -> None:
    showing = {
        room
        for room, path in rooms()
        if any(way in path.read_text() for way in ("FlagRead.model_", "FlagRead(**", "FlagRead(id"))
    }
    assert showing == {"records.read_models"}


async def test_what_is_sent_again_is_told_as_it_was(world: World) -> None:
    for header, says in (("es-AR", IN_SPANISH), (None, None)):
        case, flag = await hurt(world.clinician, **asking(header, **{KEY: f"report-{header}"}))
        assert flag["says"] == says
        (incident,) = ok(await world.clinician.get(f"/v1/cases/{case['id']}/incidents"))["items"]
        body = {name: incident[name] for name in ("occurred_on", "initiator", "reported_by")}
        body["details"] = {"kind": "hurtful_words"}
        path = f"/v1/cases/{case['id']}/incidents"
        sent = asking(header, **{KEY: f"report-{header}"})
        assert made(await world.clinician.post(path, body, **sent))["flags_raised"] == [flag]
        path, sent = f"/v1/flags/{flag['id']}/acknowledge", asking(header, **{KEY: f"ack-{header}"})
        first = await world.supervisor.post(path, **sent)
        assert ok(first)["says"] == says
        assert ok(await world.supervisor.post(path, **sent)) == ok(first)


async def test_what_a_person_wrote_or_other_rules_said_is_told_as_it_stands(world: World) -> None:
    case, flag = await hurt(world.clinician)
    by_hand = {"severity": "high", "title": "Please look", "because": "A colleague called."}
    raised = made(
        await world.supervisor.post(f"/v1/cases/{case['id']}/flags", by_hand, **asking("es"))
    )
    assert (raised["because"], raised["says"]) == ("A colleague called.", None)
    unknown = (
        None,
        [{"id": "gone", "args": {}}],
        [{"account": "by_nobody", "told": []}],
        [{"account": "by_client", "told": [{"id": "touch", "args": {}}]}],
        [
            {
                "account": "by_client",
                "told": [{"id": "trend", "args": {"trend": {"words": ["a.b"]}}}],
            }
        ],
    )
    for says in unknown:
        async with world.owner.transaction() as tx:
            await tx.enter(world.admin.clinic_id)
            await tx.exec(update(Flag).where(col(Flag.id) == UUID(flag["id"])).values(says=says))
        shown = ok(await world.clinician.send("GET", f"/v1/flags/{flag['id']}", **asking("es")))
        assert (shown["because"], shown["says"]) == (IN_ENGLISH, None), says


async def test_a_list_of_flags_has_them_in_csv_too_behind_all_other_columns(world: World) -> None:
    case, _ = await hurt(world.clinician)
    path = f"/v1/cases/{case['id']}/flags"
    for header, cell in (("es", IN_SPANISH), (None, None)):
        sent = asking(header, Accept="text/csv")
        names, row = (await world.clinician.send("GET", path, **sent)).text.splitlines()
        assert names.endswith(",rule_version,says")
        if cell is None:
            assert row.endswith(",")
        else:
            assert json.loads(row[row.index('"{') + 1 : -1].replace('""', '"')) == cell


def in_order(answer: Response) -> str:
    """Write an answer's JSON with its names in their order."""
    return json.dumps(answer.json(), ensure_ascii=False)


async def test_the_words_are_read_in_every_language(world: World) -> None:
    english = await world.clinician.get("/v1/vocabulary")
    assert in_order(english) == json.dumps(served_vocabulary(), ensure_ascii=False)
    for code in KNOWN:
        answer = await world.clinician.send("GET", "/v1/vocabulary", **asking(code))
        assert answer.headers["content-language"] == code
        assert answer.headers["vary"] == "Accept-Language"
        assert ok(answer) == vocabulary_in(language_of(code))
        assert [*map(list, answer.json().values())] == [*map(list, english.json().values())]
    assert english.headers["content-language"] == "en"
    assert english.headers["vary"] == "Accept-Language"
    spanish = ok(await world.clinician.send("GET", "/v1/vocabulary", **asking("es")))
    assert spanish["client_impact"]["severe"] == "vida cotidiana muy alterada"


async def test_the_rules_are_read_in_every_language(world: World) -> None:
    english = ok(await world.clinician.get("/v1/rules"))["items"]
    for code in KNOWN:
        answer = await world.clinician.send("GET", "/v1/rules", **asking(code))
        assert answer.headers["content-language"] == code
        assert answer.headers["vary"] == "Accept, Accept-Language"
        words = vocabulary_in(language_of(code))
        titles = {**words["rule"], **words["prompt"]}
        assert ok(answer)["items"] == [
            {
                **rule,
                "title": titles[rule["rule"]],
                "asks": language_of(code).text(f"asks:{rule['rule']}"),
            }
            for rule in english
        ]
        csv = await world.clinician.send("GET", "/v1/rules", **asking(code, Accept="text/csv"))
        assert csv.headers["content-language"] == code
        assert csv.headers["vary"] == "Accept, Accept-Language"
        assert titles["no_oversight"] in csv.text
    assert {rule["asks"] for rule in english} <= {*messages().values()}


async def test_everybody_chooses_their_own_language_and_nobody_elses(world: World) -> None:
    for part, person in world.here.items():
        shown = ok(await person.get("/v1/me"))
        assert (shown["language"], shown["clinic"]["language"]) == (None, None)
        for language in (*KNOWN, None):
            changed = ok(await person.patch("/v1/me", {"language": language}))
            assert changed["language"] == language, part
            shown = ok(await person.get("/v1/me"))
            assert (shown["language"], shown["version"]) == (language, changed["version"])
        assert shown["version"] == 1 + len(KNOWN) + 1
    path = f"/v1/users/{world.clinician.id}"
    assert "language" not in ok(await world.admin.get(path))
    assert (await world.admin.patch(path, {"language": "es"})).status_code == 422
    unread = {"language": "es"}
    assert (await world.clinician.send("PATCH", "/v1/me", json=unread)).status_code == 428
    assert (await world.clinician.patch("/v1/me", unread, 1)).status_code == 412
    assert ok(await world.clinician.patch("/v1/me", {}))["language"] is None


async def test_a_clinics_language_is_chosen_by_its_admin(world: World) -> None:
    for part, person in world.here.items():
        if part != "admin":
            refused = await person.patch("/v1/clinic", {"language": "es"}, 1)
            assert refused.status_code == 403, part
    for language in ("es", "en", None):
        assert (
            ok(await world.admin.patch("/v1/clinic", {"language": language}))["language"]
            == language
        )
        assert ok(await world.clinician.get("/v1/clinic"))["language"] == language
        assert ok(await world.clinician.get("/v1/me"))["clinic"]["language"] == language
    assert ok(await world.there["admin"].get("/v1/clinic"))["language"] is None


@pytest.mark.parametrize("wrong", ["fr", "ES", "es-MX", "es ", "", "*", 1, True, ["es"], "e" * 17])
async def test_only_a_known_language_is_chosen(world: World, wrong: Any) -> None:
    for person, path in ((world.clinician, "/v1/me"), (world.admin, "/v1/clinic")):
        refused = ok(await person.patch(path, {"language": wrong}), 422)
        assert [error["pointer"] for error in refused["errors"]] == ["/language"], path
        assert ok(await person.get(path))["language"] is None
    told = ok(await world.clinician.patch("/v1/me", {"language": "fr"}), 422)
    (error,) = told["errors"]
    assert error["message"] == f"This language is not known here; known are {', '.join(KNOWN)}."


async def test_a_language_is_changed_beside_a_password_or_without(world: World) -> None:
    me = world.clinician
    for missing, sent in (
        ("/current_password", {"password": NEW_PASSWORD}),
        ("/password", {"current_password": PASSWORD}),
    ):
        refused = ok(await me.patch("/v1/me", {**sent, "language": "es"}), 422)
        assert [error["pointer"] for error in refused["errors"]] == [missing]
    wrong = {"current_password": NEW_PASSWORD, "password": NEW_PASSWORD, "language": "es"}
    assert (await me.patch("/v1/me", wrong)).status_code == 403
    for null in ("current_password", "password"):
        assert (await me.patch("/v1/me", {null: None})).status_code == 422
    assert ok(await me.get("/v1/me"))["language"] is None
    both = {"current_password": PASSWORD, "password": NEW_PASSWORD, "language": "es"}
    changed = ok(await me.patch("/v1/me", both))
    assert (changed["language"], changed["version"]) == ("es", 2)
    again = {"current_password": NEW_PASSWORD, "password": PASSWORD}
    assert ok(await me.patch("/v1/me", again))["language"] == "es"


async def test_a_change_of_language_is_journalled(world: World) -> None:
    ok(await world.clinician.patch("/v1/me", {"language": "es"}))
    ok(await world.admin.patch("/v1/clinic", {"language": "es"}))
    async with world.owner.transaction() as tx:
        await tx.enter(world.admin.clinic_id)
        entries = await tx.exec(
            select(JournalEntry).where(
                JournalEntry.clinic_id == world.admin.clinic_id,
                col(JournalEntry.happening).in_(
                    [Happening.user_changed, Happening.clinic_changed, Happening.password_changed]
                ),
            )
        )
        told = {(each.happening, each.actor_id, *each.changed) for each in entries}
    assert told == {
        ("user.changed", world.clinician.id, "language"),
        ("clinic.changed", world.admin.id, "language"),
    }
