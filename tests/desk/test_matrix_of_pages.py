"""Who may look at which page: as the API lets them read what it is about, and no more."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from api.commands.worker import seal
from api.desk import navigation
from api.domain.permissions.table import is_software
from api.domain.vocabulary import Role
from tests.support.cases import full_case, linked
from tests.support.desk import SIGN_IN, Seat, goes_to, placed, routes_of, seated
from tests.support.door import open_door
from tests.support.matrix import ANSWERED, HOOK, PEOPLE, ROLES, TABLE
from tests.support.matrix import QUESTIONNAIRE as ASKED
from tests.support.notes import signed
from tests.support.scene import said_at_door
from tests.support.world import NOON, PASSWORD, Person, Urls, World, made, ok, open_world


class About(NamedTuple):
    """What a page is about at the API; `does`: what its form does there."""

    asks: str
    does: str | None = None


CASE, FLAG = "/v1/cases/{case_id}", "/v1/flags/{flag_id}"
INCIDENT, PROMISE = "/v1/incidents/{incident_id}", "/v1/promises/{promise_id}"
CONSULTATION, NOTE = "/v1/consultations/{consultation_id}", "/v1/notes/{note_id}"
OPENING, HOLD = "/v1/break-glass/{opening_id}", "/v1/legal-holds/{hold_id}"
USER, SESSION, LINK = (
    "/v1/users/{user_id}",
    "/v1/sessions/{session_id}",
    "/v1/supervisions/{supervision_id}",
)
QUESTIONNAIRE, RESPONSE = "/v1/questionnaires/{questionnaire_id}", "/v1/responses/{response_id}"
SAID, INVITATION = "/v1/accounts/{client_account_id}", "/v1/invitations/{invitation_id}"
SHARED, TO_OFFICERS = "/v1/accounts/{shared_account}", "/v1/accounts/{account_to_officers}"
ACCOUNT, WEBHOOK = "/v1/service-accounts/{account_id}", "/v1/webhooks/{webhook_id}"
ME = "/v1/me"
SUPERVISORS_FIRST = "/v1/flagged-cases"


def _ending(of: str) -> About:
    return About(of, f"DELETE {of}")


def _moves(noun: str, of: str, *moves: str) -> Iterator[tuple[str, About]]:
    for move in moves:
        yield f"/desk/{noun}/{move}", About(of, f"POST {of}/{move}")


def _rewrites(noun: str, of: str) -> Iterator[tuple[str, About]]:
    yield f"/desk/{noun}/change", About(of, f"PATCH {of}")
    yield f"/desk/{noun}/void", About(of, f"DELETE {of}")


def _on_case(*nouns: str) -> Iterator[tuple[str, About]]:
    for noun in nouns:
        yield f"/desk/cases/{{case_id}}/{noun}/new", About(CASE, f"POST {CASE}/{noun}")


PAGES: dict[str, About] = {
    "/desk/cases": About("/v1/cases"),
    "/desk/cases/{case_id}": About(CASE),
    "/desk/cases/{case_id}?span=year": About(CASE),
    "/desk/cases/{case_id}/timeline": About(f"{CASE}/timeline"),
    "/desk/cases/{case_id}/readers": About(CASE),
    "/desk/cases/{case_id}/versions": About(f"{CASE}/versions"),
    "/desk/cases/{case_id}/incidents/new": About(CASE),
    "/desk/cases/{case_id}/incidents/new/{kind}": About(CASE, f"POST {CASE}/incidents"),
    "/desk/cases/{case_id}/responses": About(f"{CASE}/responses"),
    "/desk/cases/{case_id}/responses/new": About(CASE),
    "/desk/cases/{case_id}/responses/new/{questionnaire_id}": About(CASE, f"POST {CASE}/responses"),
    "/desk/responses/{response_id}": About(RESPONSE),
    "/desk/responses/{response_id}/void": _ending(RESPONSE),
    "/desk/questionnaires": About("/v1/questionnaires"),
    "/desk/questionnaires/{questionnaire_id}": About(QUESTIONNAIRE),
    "/desk/questionnaires/{questionnaire_id}/retire": _ending(QUESTIONNAIRE),
    "/desk/cases/{case_id}/covers/new": About(CASE, "POST /v1/covers"),
    "/desk/cases/{case_id}/transfer": About(CASE, f"POST {CASE}/transfer"),
    "/desk/cases/new": About("/v1/me", "POST /v1/cases"),
    "/desk/flags/{flag_id}": About(FLAG),
    "/desk/incidents/{incident_id}": About(INCIDENT),
    "/desk/incidents/{incident_id}/versions": About(f"{INCIDENT}/versions"),
    "/desk/promises/{promise_id}": About(PROMISE),
    "/desk/promises/{promise_id}/versions": About(f"{PROMISE}/versions"),
    "/desk/consultations/{consultation_id}": About(CONSULTATION),
    "/desk/consultations/{consultation_id}/versions": About(f"{CONSULTATION}/versions"),
    "/desk/consultations/{consultation_id}/change": About(CONSULTATION, f"PATCH {CONSULTATION}"),
    "/desk/notes/{note_id}": About(NOTE),
    "/desk/notes/{note_id}/amend": About(NOTE, f"POST {NOTE}/amendments"),
    "/desk/incidents": About("/v1/incidents"),
    "/desk/promises": About("/v1/promises"),
    "/desk/consultations": About("/v1/consultations"),
    "/desk/notes": About("/v1/notes"),
    "/desk/agenda": About(SUPERVISORS_FIRST),
    "/desk/summary": About("/v1/summary"),
    "/desk/report": About("/v1/summary"),
    "/desk/patterns": About("/v1/patterns"),
    "/desk/cases/{case_id}/recusals": About(f"{CASE}/recusals"),
    "/desk/cases/{case_id}/recusals/new": About(f"{CASE}/recusals", f"POST {CASE}/recusals"),
    "/desk/cases/{case_id}/recusals/{recusal_id}/end": _ending(f"{CASE}/recusals/{{recusal_id}}"),
    "/desk/covers": About("/v1/covers"),
    "/desk/covers/{cover_id}/end": _ending("/v1/covers/{cover_id}"),
    "/desk/openings": About("/v1/break-glass"),
    "/desk/openings/new": About(ME, "POST /v1/break-glass"),
    "/desk/openings/{opening_id}": About(OPENING),
    "/desk/openings/{opening_id}/review": About(OPENING, f"POST {OPENING}/review"),
    "/desk/holds": About("/v1/legal-holds"),
    "/desk/holds/new": About(ME, "POST /v1/legal-holds"),
    "/desk/holds/{hold_id}/release": About(HOLD, f"POST {HOLD}/release"),
    "/desk/journal": About("/v1/journal"),
    "/desk/journal/heads": About("/v1/journal/heads"),
    "/desk/journal/{entry_id}/proof": About("/v1/journal/{entry_id}/proof"),
    "/desk/notices": About("/v1/me/notices"),
    "/desk/people": About("/v1/users"),
    "/desk/people/new": About(ME, "POST /v1/users"),
    "/desk/people/{user_id}": About(USER),
    "/desk/people/{user_id}/change": About(USER, f"PATCH {USER}"),
    "/desk/people/{user_id}/password-reset": About(USER, f"POST {USER}/password-reset"),
    "/desk/people/{user_id}/sessions/{session_id}/end": About(SESSION, f"PATCH {USER}"),
    "/desk/links": About("/v1/supervisions"),
    "/desk/links/new": About(ME, "POST /v1/supervisions"),
    "/desk/links/{supervision_id}/change": About(LINK, f"PATCH {LINK}"),
    "/desk/links/{supervision_id}/end": _ending(LINK),
    "/desk/software": About("/v1/service-accounts"),
    "/desk/software/new": About(ME, "POST /v1/service-accounts"),
    "/desk/software/{account_id}": About(ACCOUNT),
    "/desk/software/{account_id}/change": About(ACCOUNT, f"PATCH {ACCOUNT}"),
    "/desk/software/{account_id}/secrets/new": About(ACCOUNT, f"POST {ACCOUNT}/secrets"),
    "/desk/software/{account_id}/secrets/{secret_id}/end": About(ACCOUNT, f"PATCH {ACCOUNT}"),
    "/desk/webhooks/new": About(ME, "POST /v1/webhooks"),
    "/desk/webhooks/{webhook_id}": About(WEBHOOK),
    "/desk/webhooks/{webhook_id}/change": About(WEBHOOK, f"PATCH {WEBHOOK}"),
    "/desk/webhooks/{webhook_id}/delete": _ending(WEBHOOK),
    "/desk/webhooks/{webhook_id}/secrets/new": About(WEBHOOK, f"POST {WEBHOOK}/secrets"),
    "/desk/webhooks/{webhook_id}/secrets/{signing_id}/end": About(WEBHOOK, f"PATCH {WEBHOOK}"),
    "/desk/webhooks/{webhook_id}/deliveries": About(f"{WEBHOOK}/deliveries"),
    "/desk/webhooks/{webhook_id}/deliveries/replay": About(WEBHOOK, f"PATCH {WEBHOOK}"),
    "/desk/rules": About("/v1/rules"),
    "/desk/rules/monitored": About("/v1/rules/monitored"),
    "/desk/rules/thresholds": About("/v1/rules/thresholds", "PUT /v1/rules/thresholds"),
    "/desk/rules/modes": About("/v1/rules/modes", "PUT /v1/rules/modes"),
    "/desk/clinic": About("/v1/clinic"),
    "/desk/clinic/change": About("/v1/clinic", "PATCH /v1/clinic"),
    "/desk/clinic/door": About("/v1/clinic"),
    "/desk/clinic/door/change": About("/v1/clinic", "PATCH /v1/clinic"),
    "/desk/me": About(ME),
    "/desk/me/change": About(ME, "PATCH /v1/me"),
    "/desk/me/sessions/{session_id}/end": About(SESSION, f"DELETE {SESSION}"),
    "/desk/me/second-factor": About("/v1/me/totp"),
    "/desk/me/second-factor/begin": About("/v1/me/totp", "POST /v1/me/totp"),
    "/desk/me/second-factor/confirm": About("/v1/me/totp", "POST /v1/me/totp"),
    "/desk/me/second-factor/remove": About("/v1/me/totp", "POST /v1/me/totp"),
    "/desk/accounts": About("/v1/accounts"),
    "/desk/accounts/{client_account_id}": About(SAID),
    "/desk/accounts/{account_to_officers}": About(TO_OFFICERS),
    "/desk/accounts/{shared_account}": About(SHARED),
    "/desk/accounts/{client_account_id}/incidents/new": About(SAID),
    "/desk/accounts/{client_account_id}/incidents/new/{kind}": About(
        SAID, f"POST {SAID}/incidents"
    ),
    "/desk/accounts/{client_account_id}/promises/new": About(SAID, f"POST {SAID}/promises"),
    "/desk/accounts/{account_to_officers}/reply": About(TO_OFFICERS, f"POST {SAID}/reply"),
    **dict(_moves("accounts/{client_account_id}", SAID, "reply", "close", "step-out", "told")),
    "/desk/cases/{case_id}/invitations": About(f"{CASE}/invitations"),
    "/desk/invitations/new": About(ME, "POST /v1/invitations"),
    "/desk/invitations/{invitation_id}": About(INVITATION),
    "/desk/invitations/{invitation_by_an_officer}": About(
        "/v1/invitations/{invitation_by_an_officer}"
    ),
    **dict(_moves("invitations/{invitation_id}", INVITATION, "revoke")),
    **dict(_on_case("promises", "consultations", "notes", "flags", "invitations")),
    **dict(_moves("flags/{flag_id}", FLAG, "acknowledge", "resolve", "reopen")),
    **dict(_moves("incidents/{incident_id}", INCIDENT, "review")),
    **dict(
        _moves(
            "consultations/{consultation_id}",
            CONSULTATION,
            "request",
            "accept",
            "decline",
            "start",
            "complete",
            "cancel",
            "respond",
        )
    ),
    **dict(_moves("notes/{note_id}", NOTE, "sign", "cosign")),
    **dict(_rewrites("cases/{case_id}", CASE)),
    **dict(_rewrites("incidents/{incident_id}", INCIDENT)),
    **dict(_rewrites("promises/{promise_id}", PROMISE)),
    **dict(_rewrites("notes/{note_id}", NOTE)),
}
"""Every page with what it is about."""

FOR_ALL = {
    "/desk",
    "/desk/sign-in",
    "/desk/new-password",
    "/desk/new-password/done",
    "/desk/recusals",
    "/desk/style.css",
    "/desk/icon.svg",
}
"""What is shown to everybody, or to each their own."""


@dataclass
class Cast:
    """Everybody who may stand to a case in another way, each at the desk, and its records."""

    world: World
    records: dict[str, str]
    people: dict[str, Person]
    seats: dict[str, Seat] = field(default_factory=dict)
    _told: dict[tuple[str, str], int] = field(default_factory=dict)

    async def status_of(self, name: str, path: str) -> int:
        """Give what the API answers somebody of whom or what a page is about."""
        if (name, path) not in self._told:
            answer = await self.people[name].get(placed(path, self.records))
            self._told[name, path] = answer.status_code
        return self._told[name, path]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def cast(module_urls: Urls) -> AsyncIterator[Cast]:
    async with open_world(module_urls, NOON) as world:
        at = {noun: path.rpartition("/")[2] for noun, path in (await full_case(world)).items()}
        case = {"id": at["case"]}
        note = await signed(world.clinician, case)
        asked = await _asked_of_a_consultant(world, case)
        records = {f"{noun}_id": value for noun, value in at.items()}
        records |= {"note_id": note["id"], "consultation_id": asked, "kind": "crossing"}
        records |= await _of_the_clinic(world, case)
        await open_door(world)
        told = ok(await world.clinician.get(f"/v1/cases/{case['id']}"))
        officer = world.here["privacy_officer"]
        records |= await said_at_door(world, told, world.clinician, officer)
        people = {
            "whose case it is": world.clinician,
            "another clinician": world.colleague,
            "who stands in": await _standing_in(world, case, records),
            "the supervisor": world.supervisor,
            "a supervisor of nobody": world.stranger,
            "a supervisor in conflict": await _in_conflict(world, case, records),
            "the consultant": world.here["consultant"],
            "another consultant": await hired(world, "consultant"),
            "the privacy officer": world.here["privacy_officer"],
            "the admin": world.admin,
            **{
                f"another clinic's {part}": person
                for part, person in world.there.items()
                if part not in {"colleague", "stranger"}
            },
        }
        cast = Cast(world, records, people)
        for name, person in people.items():
            cast.seats[name] = await seated(world, person)
        cast.seats["nobody"] = Seat(world)
        yield cast


async def hired(world: World, role: str) -> Person:
    """Let the admin make an account."""
    body = {"name": "New", "email": f"{role}-{uuid7().hex}@clinic.example"}
    user = made(await world.admin.post("/v1/users", {**body, "role": role, "password": PASSWORD}))
    person = Person(world, world.admin.clinic_id, UUID(user["id"]), Role[role], user["email"])
    world.here[f"{role} {len(world.here)}"] = person
    return person


async def _standing_in(world: World, case: dict[str, str], records: dict[str, str]) -> Person:
    person = await hired(world, "clinician")
    span = {"starts_on": world.day(), "ends_on": world.day(7)}
    cover = made(
        await world.clinician.post(
            "/v1/covers", {"case_id": case["id"], "user_id": str(person.id), **span}
        )
    )
    records["cover_id"] = cover["id"]
    return person


async def _in_conflict(world: World, case: dict[str, str], records: dict[str, str]) -> Person:
    person = await linked(world, await hired(world, "supervisor"))
    recusal = made(
        await world.admin.post(f"/v1/cases/{case['id']}/recusals", {"user_id": str(person.id)})
    )
    records["recusal_id"] = recusal["id"]
    return person


async def _of_the_clinic(world: World, case: dict[str, str]) -> dict[str, str]:
    """Make what is not on a case's page: exceptions, software, links and sessions."""
    officer, opener = world.here["privacy_officer"], await hired(world, "supervisor")
    why = {"case_id": case["id"], "reason": "Nobody else could be reached."}
    opening = made(await opener.post("/v1/break-glass", why))
    hold = made(await officer.post("/v1/legal-holds", why))
    diary = {"name": "Diary", "scopes": ["cases:read"]}
    account = made(await world.admin.post("/v1/service-accounts", diary))
    hook = made(await world.admin.post("/v1/webhooks", HOOK))
    asked = made(await world.admin.post("/v1/questionnaires", ASKED))
    answered = made(await world.clinician.post(f"/v1/cases/{case['id']}/responses", ANSWERED))
    (link, *_) = ok(await world.admin.get("/v1/supervisions"))["items"]
    await seal(world.database, officer.clinic_id)
    (*_, entry) = ok(await officer.get("/v1/journal", case_id=case["id"]))["items"]
    return {
        "opening_id": opening["id"],
        "hold_id": hold["id"],
        "account_id": account["id"],
        "secret_id": account["secrets"][0]["id"],
        "webhook_id": hook["id"],
        "signing_id": hook["secrets"][0]["id"],
        "questionnaire_id": asked["id"],
        "response_id": answered["id"],
        "supervision_id": link["id"],
        "entry_id": entry["id"],
        "user_id": str(world.clinician.id),
        "session_id": str(world.clinician.session_id),
    }


async def _asked_of_a_consultant(world: World, case: dict[str, str]) -> str:
    consultant = world.here["consultant"]
    body = {"kind": "ethics", "urgency": "routine", "question": "what?", "summary": "in short"}
    asked = {**body, "released": True, "consultant_id": str(consultant.id)}
    drafted = made(await world.clinician.post(f"/v1/cases/{case['id']}/consultations", asked))
    path = f"/v1/consultations/{drafted['id']}"
    ok(await world.clinician.post(f"{path}/request"))
    ok(await consultant.post(f"{path}/accept"))
    return str(drafted["id"])


def ever(does: str, role: Role) -> bool:
    """Tell from the API's own matrix whether somebody of this role ever does this."""
    method, path = does.split(" ", 1)
    rows = [row for row in TABLE if (row.method, row.path) == (method, path)]
    assert rows, f"the matrix has no {does}"
    asked = [cell for row in rows for cell in row.expected() if cell[0] == role]
    # who treats nobody has a case from before they became what they are: no form is for that
    is_theirs = role in {Role.clinician, Role.supervisor} or not _is_on_a_case(path)
    return any(letter not in "FN" for _, by, letter in asked if is_theirs or by != "own")


def _is_on_a_case(path: str) -> bool:
    nouns = ("cases/", "incidents/", "promises/", "consult", "notes/", "responses/", "invitations/")
    return any(noun in path for noun in nouns)


async def test_no_page_is_missing_from_the_table(cast: Cast) -> None:
    served = set(routes_of(cast.world.app, "GET"))
    declared = {_as_it_is_served(path) for path in PAGES}
    assert declared | FOR_ALL == served
    assert len(PEOPLE.split()) == len(ROLES)


NAMESAKES = {
    "signing_id": "secret_id",
    "account_to_officers": "client_account_id",
    "shared_account": "client_account_id",
    "invitation_by_an_officer": "invitation_id",
}
"""What stands in an address for another record of its kind."""


def _as_it_is_served(path: str) -> str:
    served = path.partition("?")[0]
    for name, of in NAMESAKES.items():
        served = served.replace(f"{{{name}}}", f"{{{of}}}")
    return served


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_shown_to_whom_the_api_shows_it(cast: Cast, path: str) -> None:
    about, at = PAGES[path], placed(path, cast.records)
    wrong, seen = [], set()
    for name, person in cast.people.items():
        # whose role never does it is told so, whether there is such a record or not
        expected = 403
        if about.does is None or ever(about.does, person.role):
            expected = await cast.status_of(name, about.asks)
        page = await cast.seats[name].open(at)
        if page.status != expected:
            wrong.append((name, expected, page.status))
        if page.status != 200:
            told = [each for each in cast.records.values() if each in page.text.replace(at, "")]
            assert told == [], name
        seen.add(page.status)
    assert wrong == []
    assert seen <= {200, 403, 404}
    assert goes_to(await cast.seats["nobody"].open(at)).startswith(SIGN_IN)


FIRST = {
    "whose case it is": "Cases",
    "another clinician": "Cases",
    "who stands in": "Cases",
    "the supervisor": "Queue",
    "a supervisor of nobody": "Queue",
    "a supervisor in conflict": "Queue",
    "the privacy officer": "Unwatched cases",
    "the consultant": "/desk/consultations",
    "another consultant": "/desk/consultations",
    "the admin": "/desk/people",
}
"""What each sees first: a heading, or where they are sent on to."""


@pytest.mark.parametrize("who", FIRST)
async def test_each_sees_first_what_is_theirs(cast: Cast, who: str) -> None:
    page = await cast.seats[who].open("/desk")
    if page.status == 303:
        assert goes_to(page) == FIRST[who]
    else:
        assert (page.status, page.heading) == (200, FIRST[who])
    # nobody sees the case who may not read it
    reads = await cast.people[who].get(placed(CASE, cast.records))
    is_hers = reads.status_code == 200 or who == "a supervisor of nobody"
    assert is_hers or cast.records["case_id"] not in page.text


@pytest.mark.parametrize("role", [role for role in Role if not is_software(role)])
async def test_a_page_that_is_not_there_is_as_one_that_is_not_theirs(
    cast: Cast, role: Role
) -> None:
    """What is answered of a record of another clinic is what is answered of none."""
    seat = cast.seats[f"another clinic's {role}"]
    for path in PAGES:
        if "_id}" in path:
            none = dict.fromkeys(cast.records, "01a22d70-0000-7000-8000-000000000000")
            unknown = await seat.open(placed(path, {**none, "kind": "crossing"}))
            theirs = await seat.open(placed(path, cast.records))
            assert theirs.status == unknown.status, path
            assert _plain(theirs.text) == _plain(unknown.text), path


def _plain(text: str) -> str:
    """Give a page without the secrets of its forms."""
    parts = text.split('name="form_token" value="')
    return parts[0] + "".join(part.partition('"')[2] for part in parts[1:])


@pytest.mark.parametrize("who", FIRST)
async def test_what_is_at_hand_is_there(cast: Cast, who: str) -> None:
    """No link at the top of a page leads somebody to a page that is not theirs, or not there."""
    seat = cast.seats[who]
    page = await seat.open("/desk/cases")
    served = routes_of(cast.world.app, "GET")
    # pages that are still written
    coming = {place.path for _, place in navigation.PLACES if place.path not in served}
    gone = []
    for link in dict.fromkeys(page.links):
        if link.startswith("/desk") and not link.endswith("#main") and link not in coming:
            status = (await seat.open(link)).status
            if status not in {200, 303}:
                gone.append((link, status))
    assert gone == []
