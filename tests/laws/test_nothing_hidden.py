"""No answer of any door tells anybody of what they may not see, whatever was done before.

Nine principals do random things to the records of a clinic, and read at random through every door
there is. Of each answer it is asked whether it holds an id, a word, a day, an instant or a number
of a row that `domain.permissions` would not show to its reader.
"""

import calendar
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from httpx import Response
from sqlalchemy import ColumnElement

from api.domain.vocabulary import FlagStatus, Role, Scope, severity_rank
from api.flags import reconcile
from api.flags.hiding import Rearranged
from api.records import consultations_shown, read_models
from api.routes import incidents, timeline
from api.storage.models.access import AccessGrant, GrantKind, Supervision
from api.storage.models.accounts import Account
from api.storage.models.clinical import Case, Consultation, Incident, LegalHold, Note, Promise
from api.storage.models.columns import Named
from api.storage.models.disclosures import Disclosure
from api.storage.models.door import Invitation
from api.storage.models.door import Response as Answered
from api.storage.models.flags import Flag
from tests.support.deeds import Deeds
from tests.support.desk import SIGN_IN, Seat, routes_of, seated
from tests.support.eyes import WORD, Eyes, Rows, own_refusals
from tests.support.requests import document
from tests.support.world import NOON, PEOPLE, Person, Urls, World, made, ok, open_world, software

STEPS, LOOKS, PLAY = 250, 4, 50
"""Deeds in all, answers read after each, and deeds in one clinic before another is founded."""
MANY_STEPS = 10_000

READS = frozenset({Scope.cases_read, Scope.flags_read, Scope.consultations_read, Scope.cases_write})
PRINCIPALS: dict[str, frozenset[Scope]] = {
    **dict.fromkeys(PEOPLE, frozenset()),
    "software": READS,
    "reading software": READS | {Scope.narrative_read},
}
"""Who reads, and what software may do."""

ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
DAY = re.compile(r"\d{4}-\d\d-\d\d(?!T)")
MONTHS = {month: number for number, month in enumerate(calendar.month_name) if month} | {
    "enero": 1,
    "febrero": 2,
    "marzo": 3,
    "abril": 4,
    "mayo": 5,
    "junio": 6,
    "julio": 7,
    "agosto": 8,
    "septiembre": 9,
    "octubre": 10,
    "noviembre": 11,
    "diciembre": 12,
}
DAY_IN_WORDS = re.compile(rf"(\d{{1,2}}) (?:de )?({'|'.join(MONTHS)}) (?:de )?(\d{{4}})")

JOURNALS = ("/v1/journal", "/fhir/AuditEvent", "/fhir/Provenance", "/desk/journal")
"""Doors at which privacy officers are told everything, and others what they did themselves."""
PAGES_ELSEWHERE = (
    "/desk/sign-in",
    "/desk/new-password",
    "/desk/style.css",
    "/desk/icon.svg",
    # when its reader signed in, as at /v1/sessions
    "/desk/me",
)
"""Pages that show no clinical record."""
ELSEWHERE = (
    "/v1/webhooks",
    "/v1/imports",
    "/v1/sessions",
    "/v1/service-accounts",
    "/v1/users",
    "/v1/vocabulary",
    "/v1/journal/",
    "/v1/rules",
    "/v1/clinic",
    "/v1/questionnaires",
    "/fhir/metadata",
    "/fhir/Questionnaire/",
    "/fhir/StructureDefinition",
    "/fhir/CodeSystem",
)
"""Doors that show no clinical record; those of webhooks and imports have tests of their own."""

GRANTS = {
    "cover_id": GrantKind.cover,
    "recusal_id": GrantKind.recusal,
    "opening_id": GrantKind.break_glass,
}
RECORDS = {
    "case_id": Case,
    "incident_id": Incident,
    "promise_id": Promise,
    "consultation_id": Consultation,
    "flag_id": Flag,
    "note_id": Note,
    "hold_id": LegalHold,
    "disclosure_id": Disclosure,
    "supervision_id": Supervision,
    "response_id": Answered,
    "invitation_id": Invitation,
    "client_account_id": Account,
}
SHOWN_TO_ALL = {"/v1/vocabulary"}


def days_in(said: str) -> set[str]:
    """Give the days that an answer holds, in figures or in words."""
    in_words = (
        f"{year}-{MONTHS[month]:02}-{int(day):02}"
        for day, month, year in DAY_IN_WORDS.findall(said)
    )
    return {*DAY.findall(said), *in_words}


class LeakError(AssertionError):
    """An answer told somebody of what they may not see."""


@dataclass
class Look:
    """One request to read, by one principal."""

    name: str
    path: str
    params: dict[str, str]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Play:
    """One clinic in which deeds and looks take turns."""

    world: World
    people: dict[str, Person]
    chance: random.Random
    deeds: Deeds
    doors: list[str]
    trail: list[str] = field(default_factory=list)
    seats: dict[str, Seat] = field(default_factory=dict)
    """The browsers of those who are at the desk."""

    async def step(self) -> None:
        """Do one thing, then let some principals read; raise LeakError for what they must not."""
        self.world.clock.forward(seconds=self.chance.randrange(1, 900))
        before = self.deeds.rows
        person, what, answer = await self.deeds.do_one()
        name = next(name for name, each in self.people.items() if each is person)
        self.trail.append(f"{name}: {what[:200]} -> {answer.status_code}")
        await self._look_around()
        looks = [self._look() for _ in range(LOOKS)]
        answers = [(look, await self._ask(look)) for look in looks]
        self.deeds.rows = await Rows.read(self.world, person.clinic_id, before.words)
        # who hands a case over is shown it as they saw it a moment ago
        sees = before if "/transfer" in what else self.deeds.rows
        if not self._steps_back_by(answer, person):
            await self._examine(Look(name, what, {}), answer, sees)
        for look, got in answers:
            await self._examine(look, got, self.deeds.rows)

    def _steps_back_by(self, answer: Response, person: Person) -> bool:
        """Tell whether somebody said that it is about themself, in whose place they stand in.

        They see the case no more from then on, and were answered with what they wrote themselves.
        """
        if f'"about_user_id":"{person.id}"' not in answer.text:
            return False
        case = self.deeds.rows.case(UUID(answer.json()["case_id"]))
        return case.clinician_id != person.id

    async def _look_around(self) -> None:
        """Let time alone move flags before anybody reads, so that all read the same."""
        for name in ("supervisor", "clinician"):
            await self.people[name].get("/v1/flags", limit=1)

    def _look(self) -> Look:
        path = self.chance.choice(self.doors)
        # software reads no pages
        name = self.chance.choice(list(PEOPLE if path.startswith("/desk") else PRINCIPALS))
        for place in re.findall(r"{(\w+)}", path):
            path = path.replace(f"{{{place}}}", self._something(place))
        params, headers = {}, {}
        if path.endswith("s") and path.startswith("/v1") and self.chance.random() < 0.2:
            headers = {"Accept": "text/csv"}
        elif self.chance.random() < 0.2:
            headers = {"Accept-Language": "es"}
        if path == "/v1/flagged-cases" and name == "privacy_officer":
            params = {"unwatched": "true"}
        return Look(name, path, params, headers)

    def _something(self, place: str) -> str:
        if place == "version_id":
            return self.chance.choice("123")
        rows: list[Any] = []
        if place in GRANTS:
            rows = [row for row in self.deeds.rows[AccessGrant] if row.kind == GRANTS[place]]
        elif place in RECORDS:
            rows = self.deeds.rows[RECORDS[place]]
        elif place == "record_id":
            rows = [row for model in (Incident, Promise, Flag) for row in self.deeds.rows[model]]
        return str(self.chance.choice(rows).id) if rows else str(uuid4())

    async def _ask(self, look: Look) -> Response:
        person = self.people[look.name]
        if look.path.startswith("/desk"):
            return await self._look_at(look, person)
        return await person.send("GET", look.path, params=look.params or None, headers=look.headers)

    async def _look_at(self, look: Look, person: Person) -> Response:
        """Look at a page in a browser, having signed in where its session has ended."""
        if look.name in self.seats:
            shown = await self.seats[look.name].open(look.path, **look.headers)
            if not shown.answer.headers.get("location", "").startswith(SIGN_IN):
                return shown.answer
        self.seats[look.name] = seat = await seated(self.world, person)
        return (await seat.open(look.path, **look.headers)).answer

    # ------------------------------------------------------------------------- what was answered

    async def _examine(self, look: Look, answer: Response, rows: Rows) -> None:
        eyes = Eyes(self.people[look.name], PRINCIPALS[look.name], rows)
        said = await self._without_own_refusals(look, answer)
        for what in self._told(eyes, look, said):
            self._leak(look, answer, what)
        if answer.content and answer.headers["content-type"].startswith("application/json"):
            for what in self._miscounted(eyes, answer.json()):
                self._leak(look, answer, what)
        if answer.is_success and not look.path.startswith(("POST", "PATCH", "DELETE")):
            for what in self._opened(eyes, look):
                self._leak(look, answer, what)
        await self._compare_with_none(eyes, look, answer)

    def _leak(self, look: Look, answer: Response, what: str) -> None:
        story = "\n".join(self.trail[-12:])
        raise LeakError(
            f"{look.name} asked {look.path} {look.headers or ''} ({answer.status_code}): {what}\n"
            f"{answer.text[:3000]}\nbefore:\n{story}"
        )

    def _told(self, eyes: Eyes, look: Look, said: str) -> Iterator[str]:
        """Say which ids, words, days and instants an answer holds that are hidden."""
        hidden = eyes.hidden - self._also_known(eyes, look)
        yield from (f"the id {each}" for each in sorted(set(ID.findall(said)) & hidden))
        words = set(WORD.findall(said)) & eyes.hidden_words()
        yield from (f"the word {each} of {eyes.rows.words[each]}" for each in sorted(words))
        if self._is_journal(look):
            return
        days = days_in(said) & eyes.hidden_days()
        yield from (f"the day {each}" for each in sorted(days))
        if eyes.actor.role in (Role.privacy_officer, Role.admin):
            return
        instants = {datetime.fromisoformat(each) for each in INSTANT.findall(said)}
        found = instants & eyes.hidden_instants() - {eyes.rows.now} - self._noticed(eyes, look)
        yield from (f"the instant {each}" for each in sorted(found))

    def _also_known(self, eyes: Eyes, look: Look) -> set[str]:
        """Give the ids that somebody may know beside those of the records they see."""
        # what stands in the path they sent themselves
        known = set(ID.findall(look.path))
        cases = {str(case.id) for case in eyes.rows[Case]}
        if eyes.actor.role == Role.privacy_officer:
            return known | cases | (eyes.hidden if self._is_journal(look) else set())
        if eyes.actor.role == Role.admin and "recusals" in look.path:
            known |= cases
        # an exception is told with its case to those it concerns, and a notice with it
        for grant in eyes.rows[AccessGrant]:
            if grant.user_id == eyes.actor.id:
                known |= {str(grant.id), str(grant.case_id)}
        # whoever keeps a note knows whose it is
        known |= {str(note.case_id) for note in eyes.rows[Note] if note.id in eyes.seen[Note]}
        known |= self._noticed(eyes, look)
        if self._is_journal(look):
            known |= self._of_days_gone_by(eyes)
        return known

    def _noticed(self, eyes: Eyes, look: Look) -> set[Any]:
        """Give what notices tell: whose case was handed over is told which one, and when."""
        is_told = look.path.endswith(("/me", "/notices"))
        return eyes.rows.noticed.get(eyes.actor.id, set()) if is_told else set()

    def _of_days_gone_by(self, eyes: Eyes) -> set[str]:
        """Give what one's own accesses may name: what one no longer sees, and is not restricted.

        What one recorded oneself is told whoever it is hidden from, and a supervisor what they read
        of a flag that another one now asks for, so that nobody sees it any more.
        """
        restricted = {
            str(row.id)
            for table in (Incident, Flag)
            for row in eyes.rows[table]
            if row.restricted and (table is Flag or row.recorded_by_id != eyes.actor.id)
        }
        if eyes.actor.role == Role.supervisor:
            restricted -= {
                str(flag.id) for flag in eyes.rows[Flag] if flag.status == FlagStatus.withdrawn
            }
        return eyes.hidden - restricted

    def _is_journal(self, look: Look) -> bool:
        return look.path.startswith(JOURNALS) or look.path.endswith("/readers")

    async def _without_own_refusals(self, look: Look, answer: Response) -> str:
        """Leave out the entries about what the reader themself asked for and was refused."""
        if not self._is_journal(look):
            headers = "\n".join(
                f"{k}: {v}" for k, v in answer.headers.items() if k != "x-request-id"
            )
            return f"{headers}\n{answer.text}"
        refused = await own_refusals(self.world, self.people[look.name])
        if look.headers.get("Accept") == "text/csv" or look.path.startswith("/desk"):
            return "\n".join(
                line for line in answer.text.splitlines() if not refused & set(ID.findall(line))
            )
        body = answer.json()
        rows = body.get("items", body.get("entry", [body]))
        return "\n".join(
            text for text in map(json.dumps, rows) if not refused & set(ID.findall(text))
        )

    def _miscounted(self, eyes: Eyes, body: Any) -> Iterator[str]:
        """Say which numbers of flags are not those of the flags that the reader sees."""
        if isinstance(body, list):
            for each in body:
                yield from self._miscounted(eyes, each)
        if not isinstance(body, dict):
            return
        told = body.get("flags")
        if isinstance(told, dict) and "next_due_at" in told and "clinician_id" in body:
            waiting = eyes.waiting_on(UUID(body["id"]))
            top = max((flag.severity for flag in waiting), key=severity_rank, default=None)
            if (told["open"], told["top_severity"]) != (len(waiting), top):
                yield f"{told}, where {len(waiting)} wait, {top} at most"
        for each in body.values():
            yield from self._miscounted(eyes, each)

    def _opened(self, eyes: Eyes, look: Look) -> Iterator[str]:
        """Say what was answered at all of a record that does not exist for the reader."""
        if look.path.startswith(JOURNALS) or eyes.actor.role in (Role.privacy_officer, Role.admin):
            return
        for each in set(ID.findall(look.path)) & eyes.hidden - self._of_grants(eyes):
            yield f"an answer about {each}"

    def _of_grants(self, eyes: Eyes) -> set[str]:
        mine = (row for row in eyes.rows[AccessGrant] if row.user_id == eyes.actor.id)
        return {str(known) for row in mine for known in (row.id, row.case_id)}

    async def _compare_with_none(self, eyes: Eyes, look: Look, answer: Response) -> None:
        """Ask for what does not exist: it must be answered as what is hidden was."""
        hidden = set(ID.findall(look.path)) & eyes.hidden
        if not hidden or look.path.startswith(("POST", "PATCH", "DELETE")) or answer.is_success:
            return
        path = look.path
        for each in hidden:
            path = path.replace(each, str(uuid4()))
        none = await self._ask(Look(look.name, path, look.params, look.headers))
        if _plain(none, path) != _plain(answer, look.path):
            self._leak(look, answer, f"none is answered {none.status_code} {none.text[:300]}")


def _plain(answer: Response, path: str) -> tuple[int, str]:
    """Give an answer without what is another each time."""
    text = re.sub(r'"request_id": ?"[^"]+"|name="form_token" value="[^"]+"', "", answer.text)
    return answer.status_code, ID.sub("", text.replace(path, ""))


def test_a_day_is_found_however_it_is_written() -> None:
    assert days_in("on 2 March 2026; el 12 de marzo de 2026; 2026-03-04") == {
        "2026-03-02",
        "2026-03-12",
        "2026-03-04",
    }


def doors_of(world: World) -> list[str]:
    """Give every door that is read from, as the document names it."""
    paths = document()["paths"]
    doors = [
        path
        for path, operations in paths.items()
        if "get" in operations and path.startswith(("/v1", "/fhir"))
        if not path.startswith(ELSEWHERE)
    ]
    places = {place for path in doors for place in re.findall(r"{(\w+)}", path)}
    assert places <= {*GRANTS, *RECORDS, "record_id", "entry_id", "version_id"}, (
        "a door with a place unknown here"
    )
    pages = [
        path
        for path in routes_of(world.app, "GET")
        if not path.startswith(PAGES_ELSEWHERE)
        and {*re.findall(r"{(\w+)}", path)} <= {*GRANTS, *RECORDS}
    ]
    assert len(pages) > 60
    return doors + pages


async def clinic_of(world: World, seed: int) -> Play:
    """Found a clinic with its nine principals."""
    people = await world.clinic()
    for name in ("software", "reading software"):
        people[name] = await software(world, *PRINCIPALS[name], of=people["admin"])
    chance = random.Random(seed)
    rows = await Rows.read(world, people["admin"].clinic_id, {})
    return Play(world, people, chance, Deeds(world, people, chance, rows), doors_of(world))


async def play(world: World, seed: int, steps: int, doors: str = "") -> int:
    """Play that many deeds, in one clinic after the other; give how many answers were read.

    `doors`: what a door's path must match to be looked through.
    """
    for number in range(0, steps, PLAY):
        clinic = await clinic_of(world, seed + number)
        clinic.doors = [path for path in clinic.doors if re.search(doors, path)]
        await _name_what_is_hidden(clinic)
        for _ in range(min(PLAY, steps - number)):
            await clinic.step()
    return steps * (LOOKS + 1)


async def _name_what_is_hidden(clinic: Play) -> None:
    """Let a question to a consultant name an incident that its case's clinician may not see."""
    clinician, supervisor = clinic.people["clinician"], clinic.people["supervisor"]
    case = await clinician.case()
    hidden = await clinician.incident(case, "hurtful_words")
    question = {"kind": "supervision", "urgency": "routine", "question": "What now?"}
    asked = {**question, "incident_ids": [hidden["id"]]}
    made(await clinician.post(f"/v1/cases/{case['id']}/consultations", asked))
    ok(await supervisor.patch(f"/v1/incidents/{hidden['id']}", {"restricted": True}))
    clinic.deeds.rows = await Rows.read(clinic.world, supervisor.clinic_id, clinic.deeds.rows.words)


async def test_no_answer_tells_of_what_is_hidden(world: World, say: Callable[[str], None]) -> None:
    answers = await play(world, 20_260_302, STEPS)
    say(f"nothing hidden is seen: {STEPS} deeds, {answers} answers read, 0 leaks")


@pytest.mark.long
@pytest.mark.timeout(7200)
async def test_no_answer_tells_of_what_is_hidden_for_long(
    world: World, say: Callable[[str], None]
) -> None:
    answers = await play(world, 1, MANY_STEPS)
    say(f"nothing hidden is seen: {MANY_STEPS} deeds, {answers} answers read, 0 leaks")


# ------------------------------------------------------------------- guards that are taken away


def everything(*_: object) -> ColumnElement[bool]:
    return sa.true()


async def all_that_is_named(_tx: object, _me: object, named: Iterable[Named]) -> frozenset[Named]:
    return frozenset(named)


async def nothing(*_: object) -> frozenset[UUID]:
    return frozenset()


async def as_it_was(*_: object) -> Rearranged:
    return Rearranged()


def always(*_: object, **__: object) -> bool:
    return True


GUARDS: tuple[tuple[Any, str, Any, str], ...] = (
    (incidents, "visible_incidents", everything, "/incidents$"),
    (consultations_shown, "seen_of", all_that_is_named, "^/v1.*consultations"),
    (timeline, "hidden_on", nothing, "/timeline$"),
    (reconcile, "_rearrange", as_it_was, "flags|DetectedIssue"),
    (read_models, "may_see_flag", always, "^/v1/cases"),
)
"""Guards, what takes their place, and through which doors it must show."""


@pytest.mark.parametrize(("room", "guard", "gone", "doors"), GUARDS, ids=[g[1] for g in GUARDS])
async def test_a_guard_that_is_taken_away_is_noticed(
    sqlite_urls: Urls,
    monkeypatch: pytest.MonkeyPatch,
    room: Any,
    guard: str,
    gone: Any,
    doors: str,
) -> None:
    async with open_world(sqlite_urls, NOON) as world:
        monkeypatch.setattr(room, guard, gone)
        with pytest.raises(LeakError):
            await play(world, 7, STEPS, doors)
