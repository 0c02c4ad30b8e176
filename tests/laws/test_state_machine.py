"""Both databases side by side: the same steps on each, the same answers, and those of a model.

The model knows of each record that it exists, its version, its state, and who may see it. It is
written down here from what the interface promises, and asks nothing of the program.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import note as told
from hypothesis import strategies as st

from api.access import guards
from api.domain.permissions.table import Actor
from api.http.entity_tags import check_version
from api.journal.entries import record_shown
from api.routes import cases, consultations, incidents, notes, promises
from api.storage.database import Database
from api.storage.instants import Instants
from api.storage.models.clinical import Note
from tests.support.world import NOON, Clock, Person, Urls, World, open_world

EXAMPLES, STEPS = 25, 25
WIDTH = 8
"""How many bytes of a tape say what one step is: which one, and each of its arguments."""

MANY_EXAMPLES = 300
LAG = timedelta(seconds=1)


class DivergenceError(AssertionError):
    """The two databases did not answer the same."""


class SurpriseError(AssertionError):
    """Both answered the same, and not what the model says."""


# ------------------------------------------------------------------------------- the two databases

UNIQUE = re.compile(
    r'(?<="request_id":")[^"]+|(?<="next":")[^"]+'
    r'|(?<="content_hash":")[^"]+|(?<="content_salt":")[^"]+'
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
"""What is another on each database by its nature."""

NAME = re.compile(r"#\d+|@\w+")


class Answer(NamedTuple):
    """An answer, with names in the place of ids."""

    status: int
    body: Any
    etag: str | None
    location: str | None
    request: str


def differences(one: Any, other: Any, at: str = "") -> Iterator[str]:
    """Say where two answers are not the same, and how."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one:
            yield from differences(one[name], other[name], f"{at}/{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{at}/{number}")
    elif one != other:
        yield f"{at}: {one!r} and {other!r}"


@dataclass
class Side:
    """One database, its people, and how its ids are named: in the order they appeared."""

    name: str
    world: World
    people: dict[str, Person] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    spelled: dict[str, str] = field(default_factory=dict)

    async def begin(self, now: datetime) -> None:
        """Found a clinic of its own for one example."""
        self.world.clock.now = now
        # of another example: this clock goes back, and instants go on where it does
        self.world.database.instants = Instants(self.world.clock)
        self.people = await self.world.clinic()
        self.names = {str(person.id): f"@{part}" for part, person in self.people.items()}
        self.spelled = {name: text for text, name in self.names.items()}

    async def send(self, part: str, method: str, path: str, options: dict[str, Any]) -> Answer:
        """Send what is told with names, and give the answer with names."""
        spelled = json.loads(self._spell(json.dumps(options)))
        got = await self.people[part].send(method, self._spell(path), **spelled)
        request = self._name(got.headers["x-request-id"])
        body = json.loads(UNIQUE.sub(self._named, got.text)) if got.content else None
        location = got.headers.get("location")
        if location is not None:
            location = UNIQUE.sub(self._named, location)
        return Answer(got.status_code, body, got.headers.get("etag"), location, request)

    def _spell(self, text: str) -> str:
        return NAME.sub(lambda found: self.spelled[found[0]], text)

    def _named(self, found: re.Match[str]) -> str:
        return self._name(found[0])

    def _name(self, text: str) -> str:
        name = self.names.setdefault(text, f"#{len(self.names)}")
        self.spelled[name] = text
        return name


@dataclass
class Stage:
    """Both databases, on one event loop, and how far the plays on it went."""

    runner: asyncio.Runner
    sides: tuple[Side, Side]
    playing: str = ""
    """The name of the side that is asked just now."""
    examples: int = 0
    steps: int = 0

    @property
    def now(self) -> datetime:
        """The time on the first of both clocks, which stand alike."""
        return self.sides[0].world.clock.now

    def begin(self) -> None:
        """Found a clinic on each."""
        self.examples += 1
        for side in self.sides:
            self.runner.run(side.begin(NOON))

    def forward(self, span: timedelta) -> None:
        """Let time pass on both."""
        for side in self.sides:
            side.world.clock.now += span

    def send(self, part: str, method: str, path: str, **options: Any) -> Answer:
        """Ask both the same. Raises unless they answer the same."""
        answers = [
            self.runner.run(self._send(side, part, method, path, options)) for side in self.sides
        ]
        one, other = (answer._asdict() for answer in answers)
        if apart := list(differences(one, other)):
            names = " and ".join(side.name for side in self.sides)
            raise DivergenceError(f"{part} {method} {path} {options}: {names} say {apart[:5]}")
        return answers[0]

    async def _send(
        self, side: Side, part: str, method: str, path: str, options: dict[str, Any]
    ) -> Answer:
        self.playing = side.name
        return await side.send(part, method, path, options)


@pytest.fixture(scope="module")
def stage(sqlite_urls: Urls, postgresql_urls: Urls) -> Iterator[Stage]:
    """Both databases, open for as long as this module plays on them."""
    urls = {"sqlite": sqlite_urls, "postgresql": postgresql_urls}
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def side(name: str) -> Side:
            return Side(name, await stack.enter_async_context(open_world(urls[name], NOON)))

        sqlite, postgresql = (runner.run(side(name)) for name in urls)
        try:
            yield Stage(runner, (sqlite, postgresql))
        finally:
            runner.run(stack.aclose())


# --------------------------------------------------------------------------------------- the model

TREATING = ("clinician", "supervisor", "colleague", "stranger")
SUPERVISORS = {
    "case.transfer",
    "incident.review",
    "flag.raise",
    "flag.acknowledge",
    "flag.reopen",
    "note.cosign",
    "consultation.accept",
    "consultation.decline",
    "consultation.start",
    "consultation.complete",
}
"""What the supervisor of a case's clinician does, and the clinician never."""

CLINICIANS = {
    "note.draft",
    "note.change",
    "note.void",
    "note.sign",
    "note.amend",
    "consultation.draft",
    "consultation.change",
    "consultation.request",
    "consultation.cancel",
    "consultation.respond",
}
"""What a case's clinician does, and the supervisor never."""

AUTHORS = {"note.read", "note.change", "note.void", "note.sign", "note.amend"}
"""What somebody does with a note of their own, however they stand to its case."""

CONSULTANTS = {
    "consultation.read",
    "consultation.list",
    "consultation.accept",
    "consultation.decline",
    "consultation.start",
    "consultation.complete",
}
MOVES = {
    "request": ({"draft", "declined"}, "requested"),
    "accept": ({"requested"}, "accepted"),
    "decline": ({"requested"}, "declined"),
    "start": ({"accepted"}, "in_progress"),
    "complete": ({"in_progress"}, "completed"),
    "cancel": ({"draft", "requested", "declined", "accepted", "in_progress"}, "cancelled"),
    "respond": ({"completed"}, "completed"),
}
"""From which states a consultation makes a move, and to which."""

ONWARD = {
    "draft": "request",
    "requested": "accept",
    "declined": "request",
    "accepted": "start",
    "in_progress": "complete",
    "completed": "respond",
    "cancelled": "request",
}
PAST = {
    "request": "requested",
    "accept": "accepted",
    "decline": "declined",
    "start": "started",
    "complete": "completed",
    "cancel": "cancelled",
    "respond": "answered",
    "acknowledge": "acknowledged",
    "resolve": "resolved",
    "reopen": "reopened",
    "sign": "signed",
    "amend": "amended",
    "cosign": "cosigned",
}
WORDS: dict[str, dict[str, Any]] = {
    "accept": {},
    "request": {},
    "start": {},
    "decline": {"reason": "no time this month"},
    "cancel": {"reason": "no longer needed"},
    "complete": {"outcome": "mixed", "advice": "talk it over"},
    "respond": {"response": "accepted"},
    "acknowledge": {},
    "resolve": {"determination": "normal_process", "resolution_note": "looked at together"},
    "reopen": {"reason": "it came up again"},
}
FOR_EVER = ("body", "note_class", "amends_id", "content_hash", "content_salt", "signed_at")
BY_TIME_OR_RULES = {
    f"flag.{word}"
    for word in (
        *("opened", "escalated", "eased", "lapsed", "revived", "updated", "withdrawn"),
        "unassigned",
    )
}
BRIEF_FOR = timedelta(days=30)
ABOUT_THE_CLIENT = {"risk", "outcome", "record_request"}


@dataclass(eq=False)
class Thing:
    """What the model knows of one record."""

    noun: str
    id: str
    by: str
    on: "Thing | None" = None
    """The case it is on; None for a case."""
    version: int = 1
    voided: bool = False
    state: str = ""
    hidden: bool = False
    """An incident or flag: from the case's clinician. A note: it is its author's alone."""
    owner: str = ""
    ref: str = ""
    about: str | None = None
    reviewed: bool = False
    note_class: str = ""
    cosigned: bool = False
    signed: dict[str, Any] = field(default_factory=dict)
    """What a signed note said when it was signed."""
    asked: str | None = None
    released: bool = False
    since: datetime = NOON
    """When it was requested; once it is accepted, when that was."""
    consultant_declined: bool = False
    for_clinician: bool = False
    severity: str = ""
    former: list[tuple[str, str]] = field(default_factory=list)
    """Who had this case before, each with the day on which it was handed on."""
    looker: str = ""
    """Who took this flag on."""

    @property
    def case(self) -> "Thing":
        """The case it is on, or itself."""
        return self.on or self

    @property
    def path(self) -> str:
        """Where it is found."""
        return f"/v1/{self.noun}s/{self.id}"


class Told(NamedTuple):
    """An entry of the journal that an acknowledged write must have left."""

    happening: str
    by: str
    id: str
    case_id: str
    hidden: bool
    about: Thing

    def reaches(self, part: str, case: Thing) -> bool:
        """Tell whether the timeline of a case shows it to somebody who sees the case.

        Of an incident it does so as the incident is now, whenever and by whom the entry was made.
        """
        if self.about.noun == "incident":
            return not self.about.hidden or self.about.by == part or part != case.owner
        if not self.hidden or (self.by == part and self.about.noun == "note"):
            return True
        return part != case.owner and self.about.noun != "note"


class Model:
    """What there is in a clinic, and what each of its people may do with it."""

    def __init__(self) -> None:
        self.things: list[Thing] = []
        self.told: list[Told] = []
        self.refusals = 0
        self.shown: set[str] = set()
        """The requests that showed somebody a record."""

    def of(self, noun: str, case: Thing | None = None) -> list[Thing]:
        """Give the records of one noun, newest first."""
        return [
            thing
            for thing in reversed(self.things)
            if thing.noun == noun and case in {None, thing.case}
        ]

    def sees(self, part: str, case: Thing) -> bool:
        """Its clinician does; and the clinician's supervisor, unless it is about the latter."""
        if part == case.owner:
            return True
        linked = part == "supervisor" and case.owner == "clinician"
        return linked and not self.about(part, case)

    def about(self, part: str, case: Thing, *, openly: bool = False) -> bool:
        """Tell whether something on a case is about somebody; `openly`: its clinician knows."""
        return any(
            each.about == part and not each.voided and not (openly and each.hidden)
            for each in self.of("incident", case)
        )

    def had(self, case: Thing, on: str) -> str:
        """Say who had a case on a day."""
        return next((whose for whose, until in case.former if on < until), case.owner)

    def let_go(self, case: Thing) -> None:
        """Whoever took flags on and does not see the case any more has let go of them."""
        for flag in self.of("flag", case):
            if flag.looker and flag.state in {"open", "acknowledged"}:
                watched = case.owner == "clinician" and flag.looker == "supervisor"
                if not watched or self.about(flag.looker, case, openly=not flag.hidden):
                    flag.looker, flag.state = "", "open"
                    flag.version += 1

    def knows(self, part: str, thing: Thing, now: datetime) -> bool:
        """Tell whether a record exists for somebody."""
        if part == "consultant":
            return thing.noun == "consultation" and self._briefed(thing, now)
        if thing.noun == "note" and thing.by == part:
            return True
        if not self.sees(part, thing.case):
            return False
        own = part == thing.case.owner
        if thing.noun == "incident":
            return not thing.hidden or thing.by == part or not own
        if thing.noun == "note":
            return thing.by == part or not thing.hidden
        if thing.noun == "flag":
            return not (thing.hidden and own) and (own or not thing.for_clinician)
        return True

    def refused(self, part: str, verb: str, thing: Thing, now: datetime) -> int | None:
        """Say with which status somebody may not do this; None: they may."""
        if part not in TREATING and not (part == "consultant" and verb in CONSULTANTS):
            return 403
        if part in {"clinician", "colleague"} and verb in SUPERVISORS:
            return 403
        if not self.knows(part, thing, now):
            return 404
        reads = verb.endswith((".read", ".list"))
        if part != "consultant" and not (thing.by == part and verb in AUTHORS):
            own, sees = part == thing.case.owner, self.sees(part, thing.case)
            if not sees and verb != "note.read":
                return 403
            if sees and verb in (SUPERVISORS if own else CLINICIANS):
                return 403
        if not reads and thing.noun != "flag" and (thing.case.voided or thing.voided):
            return 409
        return None

    def may_rewrite(self, part: str, thing: Thing) -> bool:
        """Supervisors may; others what they wrote themselves, until it is reviewed."""
        return part != thing.case.owner or (thing.by == part and not thing.reviewed)

    def _briefed(self, asked: Thing, now: datetime) -> bool:
        """Tell whether the consultant reads a brief: released, asked or agreed, and not too old."""
        if not asked.released or asked.case.voided or now - asked.since >= BRIEF_FOR:
            return False
        if asked.state == "requested":
            return asked.asked in {None, "consultant"} and not asked.consultant_declined
        return asked.state in {"accepted", "in_progress"} and asked.asked == "consultant"


# -------------------------------------------------------------------------------------- the machine

PARTS = [
    *["whoever may"] * 14,
    "clinician",
    "supervisor",
    "colleague",
    "stranger",
    "consultant",
    "privacy_officer",
]
PEOPLE = ("clinician", "supervisor", "colleague", "stranger", "consultant", "privacy_officer")
WHICH = (0, 0, 0, 0, 1, 1, 1, 2, 3, 5)
MATCH = ["right", "right", "right", "stale", "missing"]
KINDS: list[dict[str, Any]] = [
    {"kind": "hurtful_words"},
    {"kind": "consent"},
    {"kind": "oversight", "available": False},
    {"kind": "cotreatment", "coordinated": False},
    {"kind": "risk", "indicator": "suicidal_ideation_active"},
    {"kind": "risk", "indicator": "self_harm"},
    {"kind": "outcome", "trend": "worse", "months": 14},
    {"kind": "crossing", "area": "money"},
    {"kind": "gift", "direction": "both", "item": "loan"},
    {"kind": "touch", "touch": "hug", "consent": False},
    {"kind": "sexual_conduct", "conduct": "proposal"},
    {"kind": "absence", "absence": "illness", "days": 30},
    {"kind": "record_request", "request": "access"},
    {"kind": "contact", "days_per_week": 7, "weeks": 10, "therapist_participates": True},
]
PROMISED = {
    "wording": "as it was told",
    "made_by": "therapist",
    "source": "explicit",
    "significance": "major",
    "reported_by": "client",
}
ASKED = {"kind": "legal_risk", "question": "what do you see", "summary": "in short"}


def day(now: datetime, offset: int = 0) -> str:
    """Give the date some days from now."""
    return (now + timedelta(days=offset)).date().isoformat()


class Step(NamedTuple):
    """Something that people do, where there is one of the nouns that it needs."""

    name: str
    needs: list[str]
    arguments: dict[str, Sequence[Any]]
    """By name, what each is chosen from."""


CHOICES: list[Step] = []
Method = TypeVar("Method", bound=Callable[..., None])


def step(needs: str, *, often: int = 1, **arguments: Sequence[Any]) -> Callable[[Method], Method]:
    """Let a method be one of the steps; `often`: how much more than others it is taken."""

    def keep(method: Method) -> Method:
        CHOICES.extend([Step(method.__name__, needs.split(), arguments)] * often)
        return method

    return keep


class SideBySide:
    """People of one clinic do what comes into their minds, on both databases."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.model = Model()
        self.stage.begin()

    # what every step is made of

    @property
    def now(self) -> datetime:
        """The time on both clocks."""
        return self.stage.now

    def pick(self, noun: str, which: int) -> Thing:
        """Choose a record; the newest that still stands is number 0."""
        known = sorted(self.model.of(noun), key=lambda each: each.voided or each.case.voided)
        return known[which % len(known)]

    def who(self, part: str, verb: str, thing: Thing) -> str:
        """Give the part, or the first who may do this."""
        if part != "whoever may":
            return part
        may = (p for p in PEOPLE if self.model.refused(p, verb, thing, self.now) is None)
        return next(may, "clinician")

    def ask(
        self,
        part: str,
        request: tuple[str, str],
        expected: int,
        *,
        body: Any = None,
        match: str | None = None,
        **params: Any,
    ) -> Answer:
        """Send one request to both, and compare its status with the model's."""
        method, path = request
        options: dict[str, Any] = {"params": params} if params else {}
        if body is not None:
            options["json"] = body
        if match is not None:
            options["headers"] = {"If-Match": match}
        answer = self.stage.send(part, method, path, **options)
        self.agree((part, method, path, options), "status", answer.status, expected, answer.body)
        self.model.refusals += answer.status >= 400
        return answer

    def agree(self, what: Any, name: str, found: Any, expected: Any, why: Any = None) -> None:
        """Raise unless both answered what the model says."""
        if found != expected:
            raise SurpriseError(f"{what}: {name} is {found}, not {expected}; {why}")

    def write(
        self,
        part: str,
        verb: str,
        thing: Thing,
        method: str = "POST",
        path: str = "",
        *refusals: int | None,
        body: Any = None,
        match: str | None = None,
        late: int | None = None,
    ) -> Answer | None:
        """Try a write; give its answer, or None where it was refused as the model says.

        `refusals` come before the version is compared, `late` after it.
        """
        stands = self.model.refused(part, verb, thing, self.now)
        tag = None
        if match is not None:
            tag = {"right": f'"{thing.version}"', "stale": f'"{thing.version - 1}"'}.get(match)
            refusals += ({"stale": 412, "missing": 428}.get(match),)
        refusals += (late,)
        done = {"DELETE": 204, "PATCH": 200}.get(method, 200)
        if verb.endswith((".draft", ".report", ".record", ".raise", ".amend")):
            done = 201
        expected = next((each for each in (stands, *refusals) if each is not None), done)
        answer = self.ask(part, (method, path or thing.path), expected, body=body, match=tag)
        return answer if expected == done else None

    def tell(self, happening: str, part: str, thing: Thing) -> None:
        """Expect an entry of the journal."""
        entry = Told(happening, part, thing.id, thing.case.id, thing.hidden, thing)
        self.model.told.append(entry)

    def check(self, thing: Thing, shown: dict[str, Any], etag: str | None = None) -> None:
        """Compare a record as it is shown with what the model knows of it."""
        self.agree(thing, "id", shown["id"], thing.id)
        if "version" in shown:
            self.agree(thing, "version", shown["version"], thing.version)
        if etag is not None:
            self.agree(thing, "etag", etag, f'"{thing.version}"')
        if "voided_at" in shown:
            self.agree(thing, "voided", shown["voided_at"] is not None, thing.voided)
        if thing.state:
            self.agree(thing, "status", shown["status"], thing.state)
        for name, said in thing.signed.items():
            self.agree(thing, name, shown[name], said)

    def written(self, happening: str, part: str, thing: Thing, answer: Answer) -> None:
        """A record changed: it steps to its next version, and the journal tells of it."""
        thing.version += 1
        self.tell(happening, part, thing)
        if answer.body is not None:
            self.check(thing, answer.body, answer.etag)

    def begun(self, happening: str, part: str, answer: Answer, **known: Any) -> Thing:
        """There is a new record."""
        noun = happening.split(".", maxsplit=1)[0]
        thing = Thing(noun, answer.body["id"], part, **known)
        self.model.things.append(thing)
        self.tell(happening, part, thing)
        self.check(thing, answer.body, answer.etag)
        self.agree(thing, "location", answer.location, thing.path)
        return thing

    def play(self, tape: bytes) -> None:
        """Take the steps that a tape says, and look at the end whether all is told."""
        self._open("clinician", "clinician", "A")
        for at in range(0, len(tape), WIDTH):
            self._take(*tape[at : at + WIDTH])
        self.play_out()

    def play_out(self) -> None:
        """See that signed notes stand, that pages of lists join, and that the journal tells all."""
        self._signed_notes_stand()
        self._pages_join()
        self._journal_tells_all()

    def _take(self, first: int, *others: int) -> None:
        possible = [each for each in CHOICES if any(map(self.model.of, each.needs))]
        # a zero is a pause, so that a play that failed becomes shorter
        if first == 0:
            return
        chosen = possible[first % len(possible)]
        picked = zip(chosen.arguments.items(), others, strict=False)
        arguments = {name: among[number % len(among)] for (name, among), number in picked}
        told(f"{chosen.name}: {arguments}")
        self.stage.steps += 1
        getattr(self, chosen.name)(**arguments)

    # cases

    @step("case", often=2, part=PEOPLE, to=("self", "self", *PEOPLE), ref="ABCDEF")
    def open_case(self, part: str, to: str, ref: str) -> None:
        self._open(part, part if to == "self" else to, ref)

    def _open(self, part: str, to: str, ref: str) -> None:
        linked = (part, to) == ("supervisor", "clinician")
        taken = ref in {case.ref for case in self.model.of("case") if not case.voided}
        expected = 409 if taken else 201
        if part not in TREATING or not (part == to or linked):
            expected = 403
        body = {"client_ref": ref, "clinician_id": f"@{to}"}
        answer = self.ask(part, ("POST", "/v1/cases"), expected, body=body)
        if expected == 201:
            self.begun("case.opened", part, answer, owner=to, ref=ref)

    @step("case", part=PARTS, which=WHICH, match=MATCH, ref=["", "", "", "A", "B"])
    def change_case(self, part: str, which: int, match: str, ref: str) -> None:
        case = self.pick("case", which)
        part = self.who(part, "case.change", case)
        body = {"client_ref": ref} if ref else {"phase": "hope_awakened"}
        refs = {other.ref for other in self.model.of("case") if not other.voided and other != case}
        taken = 409 if ref in refs else None
        answer = self.write(part, "case.change", case, "PATCH", body=body, match=match, late=taken)
        if answer:
            case.ref = ref or case.ref
            self.written("case.changed", part, case, answer)

    @step("case", part=PARTS, which=range(10), match=MATCH)
    def void_case(self, part: str, which: int, match: str) -> None:
        known = self.model.of("case")
        if len(known) == 1:
            return
        case = known[which % len(known)]
        part = self.who(part, "case.void", case)
        case.reviewed = any(
            each.reviewed and not each.hidden for each in self.model.of("incident", case)
        )
        refusal = None if self.model.may_rewrite(part, case) else 403
        answer = self.write(part, "case.void", case, "DELETE", "", refusal, match=match)
        if answer:
            case.voided = True
            self.written("case.voided", part, case, answer)

    @step("case", part=PARTS, which=WHICH, to=PEOPLE)
    def transfer(self, part: str, which: int, to: str) -> None:
        case = self.pick("case", which)
        part = self.who(part, "case.transfer", case)
        refusal = 409 if to == case.owner else None if to in TREATING else 422
        if refusal is None and self.model.about(to, case):
            refusal = 409
        body = {"clinician_id": f"@{to}", "reason": "long leave"}
        path = f"{case.path}/transfer"
        answer = self.write(part, "case.transfer", case, "POST", path, refusal, body=body)
        if answer:
            case.former.append((case.owner, day(self.now)))
            case.owner = to
            self.model.let_go(case)
            self.written("case.transferred", part, case, answer)

    # incidents and promises

    @step(
        "case",
        often=3,
        part=PARTS,
        which=WHICH,
        details=KINDS,
        ago=range(61),
        initiator=["client", "therapist", "mutual"],
        restricted=[None, None, None, False, True],
        about=[None] * 7 + ["colleague", "supervisor"],
    )
    def report(
        self,
        part: str,
        which: int,
        details: dict[str, Any],
        ago: int,
        initiator: str,
        restricted: bool | None,
        about: str | None,
    ) -> None:
        case = self.pick("case", which)
        part = self.who(part, "incident.report", case)
        body = {
            "occurred_on": day(self.now, -ago),
            "initiator": initiator,
            "reported_by": "client",
            "restricted": restricted,
            "about_user_id": f"@{about}" if about else None,
            "details": details,
        }
        own = part == case.owner
        refusal = 403 if own and restricted else None
        path = f"{case.path}/incidents"
        answer = self.write(part, "incident.report", case, "POST", path, refusal, body=body)
        if answer:
            conduct = initiator != "client" and details["kind"] not in ABOUT_THE_CLIENT
            had = self.model.had(case, day(self.now, -ago))
            whose = about or (had if conduct else None)
            hidden = not own and (whose == case.owner if restricted is None else restricted)
            known = {"on": case, "about": whose, "hidden": hidden, "state": "reported"}
            incident = self.begun("incident.reported", part, answer, **known)
            self.agree(incident, "restricted", answer.body["restricted"], hidden)
            self._let_go(incident)

    def _let_go(self, incident: Thing) -> None:
        if incident.about not in {None, incident.case.owner}:
            self.model.let_go(incident.case)

    @step("incident", part=PARTS, which=WHICH, match=MATCH, hide=[None, None, True, False])
    def change_incident(self, part: str, which: int, match: str, hide: bool | None) -> None:
        incident = self.pick("incident", which)
        part = self.who(part, "incident.change", incident)
        body: dict[str, Any] = {"narrative": "told again"}
        if hide is not None:
            body["restricted"] = hide
        refusal = None if self.model.may_rewrite(part, incident) else 403
        hides = hide not in {None, incident.hidden}
        late = 403 if hides and part == incident.case.owner else None
        answer = self.write(
            part,
            "incident.change",
            incident,
            "PATCH",
            "",
            refusal,
            body=body,
            match=match,
            late=late,
        )
        if answer:
            incident.hidden = incident.hidden if hide is None else hide
            incident.state = "reported"
            self.written("incident.changed", part, incident, answer)
            self._let_go(incident)

    @step("incident", part=PARTS, which=WHICH)
    def review(self, part: str, which: int) -> None:
        incident = self.pick("incident", which)
        part = self.who(part, "incident.review", incident)
        body = {"determination": "crossing_needs_repair", "review_note": "spoken about"}
        path = f"{incident.path}/review"
        answer = self.write(part, "incident.review", incident, "POST", path, body=body)
        if answer:
            incident.state, incident.reviewed = "reviewed", True
            self.written("incident.reviewed", part, incident, answer)
            self._let_go(incident)

    @step("incident promise", part=PARTS, noun=["incident", "promise"], which=WHICH, match=MATCH)
    def void(self, part: str, noun: str, which: int, match: str) -> None:
        known = self.model.of(noun) or self.model.of("incident") or self.model.of("promise")
        thing = known[which % len(known)]
        verb = f"{thing.noun}.void"
        part = self.who(part, verb, thing)
        refusal = None if self.model.may_rewrite(part, thing) else 403
        answer = self.write(part, verb, thing, "DELETE", "", refusal, match=match)
        if answer:
            thing.voided = True
            thing.state = "voided" if thing.noun == "incident" else ""
            self.written(f"{thing.noun}.voided", part, thing, answer)

    @step(
        "case",
        part=PARTS,
        which=WHICH,
        kind=["other", "personal_relationship"],
        keepable=["yes", "no", "unknown"],
        due=[None, -3, 5, 20],
    )
    def promise(self, part: str, which: int, kind: str, keepable: str, due: int | None) -> None:
        case = self.pick("case", which)
        part = self.who(part, "promise.record", case)
        body = {
            **PROMISED,
            "kind": kind,
            "scope": "within_frame",
            "keepable": keepable,
            "made_on": day(self.now, -5),
            "due_on": None if due is None else day(self.now, due),
        }
        path = f"{case.path}/promises"
        answer = self.write(part, "promise.record", case, "POST", path, body=body)
        if answer:
            self.begun("promise.recorded", part, answer, on=case)

    @step(
        "promise",
        part=PARTS,
        which=WHICH,
        match=MATCH,
        body=[{"state": "broken"}, {"state": "kept"}, {"keepable": "no"}],
    )
    def change_promise(self, part: str, which: int, match: str, body: dict[str, str]) -> None:
        promise = self.pick("promise", which)
        part = self.who(part, "promise.change", promise)
        settles = "state" in body
        refusal = None if settles or self.model.may_rewrite(part, promise) else 403
        answer = self.write(
            part, "promise.change", promise, "PATCH", "", refusal, body=body, match=match
        )
        if answer:
            self.written("promise.changed", part, promise, answer)

    # consultations

    def _cannot_answer(self, asked: str | None, case: Thing) -> int | None:
        sees = asked == "supervisor" and asked != case.owner and self.model.sees(asked, case)
        return None if asked in {None, "consultant"} or sees else 422

    @step(
        "case",
        part=PARTS,
        which=WHICH,
        asked=[None, None, "consultant", "supervisor", "colleague"],
        released=[True, True, False],
        urgency=["routine", "urgent"],
    )
    def draft_consultation(
        self, part: str, which: int, asked: str | None, released: bool, urgency: str
    ) -> None:
        case = self.pick("case", which)
        part = self.who(part, "consultation.draft", case)
        body = {**ASKED, "urgency": urgency, "released": released}
        body["consultant_id"] = f"@{asked}" if asked else None
        refusal = self._cannot_answer(asked, case)
        path = f"{case.path}/consultations"
        answer = self.write(part, "consultation.draft", case, "POST", path, refusal, body=body)
        if answer:
            known = {"on": case, "state": "draft", "asked": asked, "released": released}
            self.begun("consultation.drafted", part, answer, **known)

    @step("consultation", part=PARTS, which=WHICH, match=MATCH, released=(False, True))
    def change_consultation(self, part: str, which: int, match: str, released: bool) -> None:
        asked = self.pick("consultation", which)
        part = self.who(part, "consultation.change", asked)
        late = 409 if asked.state not in {"draft", "requested", "declined"} else None
        answer = self.write(
            part,
            "consultation.change",
            asked,
            "PATCH",
            "",
            body={"released": released},
            match=match,
            late=late,
        )
        if answer:
            asked.released = released
            self.written("consultation.changed", part, asked, answer)

    @step("consultation", often=4, part=PARTS, which=WHICH, move=["onward"] * 14 + sorted(MOVES))
    def move_consultation(self, part: str, which: int, move: str) -> None:
        asked = self.pick("consultation", which)
        move = ONWARD[asked.state] if move == "onward" else move
        verb = f"consultation.{move}"
        if part == "whoever may" and asked.asked and verb in SUPERVISORS:
            part = asked.asked
        part = self.who(part, verb, asked)
        refusals: list[int | None] = []
        if move in {"accept", "decline", "start", "complete"}:
            other = asked.by == part or asked.asked not in {None, part}
            refusals.append(403 if other else None)
        if move in {"start", "complete"} and asked.asked is None:
            refusals.append(409)
        before, after = MOVES[move]
        refusals.append(409 if asked.state not in before else None)
        path = f"{asked.path}/{move}"
        answer = self.write(part, verb, asked, "POST", path, *refusals, body=WORDS[move])
        if not answer:
            return
        one_of_several = move == "decline" and part == "consultant" and asked.asked is None
        if one_of_several:
            # for the others it still is requested
            asked.consultant_declined = True
            asked.version -= 1
        else:
            asked.state = after
        if move in {"request", "accept"}:
            asked.since = self.now
        if move == "accept":
            asked.asked = part
        self.written(f"consultation.{PAST[move]}", part, asked, answer)

    # notes

    @step("case", part=PARTS, which=WHICH, note_class=["progress", "psychotherapy", "supervision"])
    def draft_note(self, part: str, which: int, note_class: str) -> None:
        case = self.pick("case", which)
        part = self.who(part, "note.draft", case)
        body = {"note_class": note_class, "body": "as it was"}
        answer = self.write(part, "note.draft", case, "POST", f"{case.path}/notes", body=body)
        if answer:
            known = {"on": case, "state": "draft", "note_class": note_class, "hidden": True}
            self.begun("note.drafted", part, answer, **known)

    @step("note", part=PARTS, which=WHICH, match=MATCH, verb=["change", "change", "void"])
    def rewrite_note(self, part: str, which: int, match: str, verb: str) -> None:
        note = self.pick("note", which)
        part = self.who(part, f"note.{verb}", note)
        refusals = (None if note.by == part else 403, 409 if note.signed else None)
        method = "PATCH" if verb == "change" else "DELETE"
        body = {"body": f"as it was at {self.now}"} if verb == "change" else None
        answer = self.write(
            part, f"note.{verb}", note, method, "", *refusals, body=body, match=match
        )
        if answer:
            note.voided = verb == "void"
            happening = "note.changed" if verb == "change" else "note.voided"
            self.written(happening, part, note, answer)

    @step("note", often=2, part=PARTS, which=WHICH)
    def sign(self, part: str, which: int) -> None:
        note = self.pick("note", which)
        part = self.who(part, "note.sign", note)
        refusals = (None if note.by == part else 403, 409 if note.signed else None)
        answer = self.write(part, "note.sign", note, "POST", f"{note.path}/sign", *refusals)
        if answer:
            self._sign(note, answer)
            self.written("note.signed", part, note, answer)

    def _sign(self, note: Thing, answer: Answer) -> None:
        note.state, note.hidden = "signed", note.note_class == "psychotherapy"
        note.signed = {name: answer.body[name] for name in FOR_EVER}

    @step("note", often=2, part=PARTS, which=WHICH)
    def amend(self, part: str, which: int) -> None:
        note = self.pick("note", which)
        part = self.who(part, "note.amend", note)
        refusals = (None if note.by == part else 403, None if note.signed else 409)
        path = f"{note.path}/amendments"
        body = {"body": "and one thing more"}
        answer = self.write(part, "note.amend", note, "POST", path, *refusals, body=body)
        if answer:
            first = note.signed["amends_id"] or note.id
            self.agree(note, "amends_id", answer.body["amends_id"], first)
            hidden = note.note_class == "psychotherapy"
            known = {"on": note.case, "state": "signed", "note_class": note.note_class}
            added = self.begun("note.amended", part, answer, **known, hidden=hidden)
            self._sign(added, answer)

    @step("note", often=2, part=PARTS, which=WHICH)
    def cosign(self, part: str, which: int) -> None:
        note = self.pick("note", which)
        part = self.who(part, "note.cosign", note)
        refusals = (403 if note.by == part else None, 409 if note.cosigned else None)
        answer = self.write(part, "note.cosign", note, "POST", f"{note.path}/cosign", *refusals)
        if answer:
            note.cosigned = True
            self.tell("note.cosigned", part, note)
            self.check(note, answer.body, answer.etag)

    # flags

    @step(
        "case",
        part=PARTS,
        which=WHICH,
        severity=["low", "high", "critical"],
        restricted=(False, True),
    )
    def raise_flag(self, part: str, which: int, severity: str, restricted: bool) -> None:
        case = self.pick("case", which)
        part = self.who(part, "flag.raise", case)
        body = {"severity": severity, "title": "By hand", "because": "a feeling"}
        path = f"{case.path}/flags"
        answer = self.write(
            part, "flag.raise", case, "POST", path, body={**body, "restricted": restricted}
        )
        if answer:
            known = {"on": case, "hidden": restricted, "severity": severity, "state": "open"}
            self.begun("flag.raised", part, answer, **known)

    @step(
        "case",
        often=2,
        part=PARTS,
        which=WHICH,
        on=WHICH,
        verb=["acknowledge", "resolve", "resolve", "reopen"],
    )
    def settle_flag(self, part: str, which: int, on: int, verb: str) -> None:
        case = self.pick("case", on)
        reader = "supervisor" if self.model.sees("supervisor", case) else case.owner
        shown = self.read_list(reader, "flag", case)
        if not shown:
            return
        shown_flag = shown[which % len(shown)]
        flag = self._flag(shown_flag, case)
        part = self.who(part, f"flag.{verb}", flag)
        open_ones = {"open", "acknowledged"}
        refusals: list[int | None] = []
        if verb == "resolve" and part == case.owner and flag.severity != "info":
            refusals.append(403)
        if verb == "reopen":
            newer = shown_flag["rule"] != "manual" and any(
                (each["rule"], each["restricted"]) == (shown_flag["rule"], shown_flag["restricted"])
                and each["status"] in open_ones
                for each in shown
            )
            refusals.append(409 if newer or flag.state != "resolved" else None)
        else:
            refusals.append(None if flag.state in open_ones else 409)
        path, body = f"{flag.path}/{verb}", WORDS[verb]
        answer = self.write(part, f"flag.{verb}", flag, "POST", path, *refusals, body=body)
        if answer:
            flag.state = {"reopen": "open"}.get(verb, PAST[verb])
            flag.looker = part if verb == "acknowledge" else flag.looker
            if shown_flag["rule"] != "manual":
                # the rules may have had a say in it, too
                flag.version = answer.body["version"] - 1
                flag.state = answer.body["status"]
            self.written(f"flag.{PAST[verb]}", part, flag, answer)

    def _flag(self, shown: dict[str, Any], case: Thing) -> Thing:
        for flag in self.model.of("flag", case):
            if flag.id == shown["id"]:
                return flag
        return Thing(
            "flag",
            shown["id"],
            "",
            on=case,
            version=shown["version"],
            state=shown["status"],
            hidden=shown["restricted"],
            for_clinician=shown["audience"] == "clinician",
            severity=shown["severity"],
        )

    # time, and reading

    @step("case", hours=[1, 5, 30, 50, 24 * 8, 24 * 15, 24 * 32, 24 * 70])
    def wait(self, hours: int) -> None:
        self.stage.forward(timedelta(hours=hours))

    @step("case", often=2, part=PARTS, which=range(100))
    def read(self, part: str, which: int) -> None:
        known = self.model.things[::-1]
        thing = known[which % len(known)]
        verb = f"{thing.noun}.read"
        part = self.who(part, verb, thing)
        expected = self.model.refused(part, verb, thing, self.now) or 200
        answer = self.ask(part, ("GET", thing.path), expected)
        if expected == 200:
            self.check(thing, answer.body, answer.etag)
            self.model.shown.add(answer.request)

    @step(
        "case",
        part=PEOPLE,
        noun=["case", "incident", "promise", "consultation", "note", "flag"],
        on=(None, *WHICH),
    )
    def look_through(self, part: str, noun: str, on: int | None) -> None:
        case = None if on is None or noun == "case" else self.pick("case", on)
        self.read_list(part, noun, case)

    def read_list(self, part: str, noun: str, case: Thing | None) -> list[dict[str, Any]]:
        """Read a list, and find in it what the model says; rules alone know of their flags."""
        path = f"/v1/{noun}s" if case is None else f"{case.path}/{noun}s"
        expected = 200
        if case is not None:
            expected = self.model.refused(part, f"{noun}.list", case, self.now) or 200
        elif part not in TREATING and (part, noun) != ("consultant", "consultation"):
            expected = 403
        answer = self.ask(part, ("GET", path), expected, limit=100)
        if expected != 200:
            return []
        items: list[dict[str, Any]] = answer.body["items"]
        if items:
            self.model.shown.add(answer.request)
        wanted = {thing.id: thing for thing in self._listed(part, noun, case)}
        found = [item for item in items if noun != "flag" or item["rule"] == "manual"]
        self.agree((part, path), "ids", [item["id"] for item in found], list(wanted))
        for item in found:
            self.check(wanted[item["id"]], item)
        return items

    def _listed(self, part: str, noun: str, case: Thing | None) -> list[Thing]:
        flag = noun == "flag"
        return [
            thing
            for thing in self.model.of(noun, case)
            if self.model.knows(part, thing, self.now)
            and (part == "consultant" or self._is_on_their_list(part, thing, case))
            and (flag or not (thing.voided or thing.case.voided))
        ]

    def _is_on_their_list(self, part: str, thing: Thing, case: Thing | None) -> bool:
        """Across cases somebody lists what they see, and of notes what they wrote."""
        if thing.noun == "note" and case is None:
            return thing.by == part
        return self.model.sees(part, thing.case)

    @step("case", part=PARTS, which=WHICH)
    def timeline(self, part: str, which: int) -> None:
        case = self.pick("case", which)
        part = self.who(part, "case.read", case)
        expected = self.model.refused(part, "case.read", case, self.now) or 200
        answer = self.ask(part, ("GET", f"{case.path}/timeline"), expected, limit=100)
        if expected != 200:
            return
        self.model.shown.add(answer.request)
        found = [
            (item["happening"], item["actor_id"], item["record_ids"])
            for item in answer.body["items"]
            if not item["happening"].startswith("flag.")
        ]
        wanted = [
            (entry.happening, f"@{entry.by}", [entry.id])
            for entry in reversed(self.model.told)
            if entry.case_id == case.id
            and entry.reaches(part, case)
            and not entry.happening.startswith("flag.")
        ]
        self.agree((part, case), "timeline", found, wanted)

    @step("case", part=PEOPLE)
    def queue(self, part: str) -> None:
        expected = 200 if part in {"supervisor", "stranger"} else 403
        answer = self.ask(part, ("GET", "/v1/flagged-cases"), expected, limit=100)
        if expected != 200:
            return
        known = {case.id: case for case in self.model.of("case")}
        for item in answer.body["items"]:
            case = known[item["case"]["id"]]
            self.agree(case, "seen", self.model.sees(part, case) and part != case.owner, True)
            self.model.shown.add(answer.request)

    @step("case")
    def unwatched(self) -> None:
        path, part = "/v1/flagged-cases", "privacy_officer"
        answer = self.ask(part, ("GET", path), 200, limit=100, unwatched=True)
        known = {case.id: case for case in self.model.of("case")}
        for item in answer.body["items"]:
            case = known[item["id"]]
            watched = case.owner == "clinician" and self.model.sees("supervisor", case)
            self.agree(case, "watched", watched, False)
            self.model.shown.add(answer.request)

    # at the end

    def _signed_notes_stand(self) -> None:
        """What was signed reads as it did then, for each author who still sees it."""
        for note in self.model.of("note"):
            if note.signed and self.model.knows(note.by, note, self.now):
                self.check(note, self.ask(note.by, ("GET", note.path), 200).body)

    def _pages_join(self) -> None:
        """Lists in pages of two give the rows that lists in one page give."""
        paths = [("supervisor", "/v1/flagged-cases")]
        for part in ("clinician", "supervisor"):
            paths += [(part, f"/v1/{noun}") for noun in ("cases", "incidents", "flags")]
        for part, path in paths:
            whole = self.ask(part, ("GET", path), 200, limit=100).body["items"]
            self.agree((part, path), "pages", self._in_pages(part, path, 2), whole)

    def _in_pages(self, part: str, path: str, limit: int) -> list[Any]:
        rows, cursor = [], None
        while True:
            more: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
            page = self.ask(part, ("GET", path), 200, limit=limit, **more).body
            rows += page["items"]
            if (cursor := page["next"]) is None:
                return rows

    def _journal_tells_all(self) -> None:
        """One entry for each acknowledged write and each refusal, and at least one for a read."""
        refusals = self.model.refusals
        entries = self._in_pages("privacy_officer", "/v1/journal", 100)
        writes = [
            (each["happening"], each["actor_id"], each["record_ids"], each["case_id"])
            for each in reversed(entries)
            if not each["is_read"]
            and each["happening"] not in BY_TIME_OR_RULES | {"request.refused"}
        ]
        wanted = [(t.happening, f"@{t.by}", [t.id], t.case_id) for t in self.model.told]
        self.agree("the journal", "writes", writes, wanted)
        refused = sum(each["happening"] == "request.refused" for each in entries)
        self.agree("the journal", "refusals", refused, refusals)
        reads = {each["request_id"] for each in entries if each["is_read"]}
        self.agree("the journal", "reads not told", self.model.shown - reads, set())


def play(stage: Stage, examples: int, **how: Any) -> None:
    """Play this many examples on the stage."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        **{"derandomize": False, **how},
    )
    @given(tape=st.binary(min_size=WIDTH * STEPS, max_size=WIDTH * STEPS))
    def one(tape: bytes) -> None:
        SideBySide(stage).play(tape)

    one()


# ---------------------------------------------------------------------------------------- the plays


@pytest.mark.timeout(600)  # a play that fails is made shorter before it is told
def test_both_databases_answer_alike_and_as_the_model_says(
    stage: Stage, say: Callable[[str], None]
) -> None:
    play(stage, EXAMPLES)
    say(f"state machine: {stage.examples} examples, {stage.steps} steps, 0 divergences")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_they_do_so_in_many_more_plays(stage: Stage, say: Callable[[str], None]) -> None:
    play(stage, MANY_EXAMPLES)
    say(f"state machine: {stage.examples} examples, {stage.steps} steps, 0 divergences")


# ------------------------------------------------------------------------------------------- twins


def play_until_it_fails(stage: Stage) -> None:
    """Play always the same tapes, and do not make one shorter that failed."""
    play(stage, EXAMPLES, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False)


def forget_versions(stage: Stage, monkeypatch: pytest.MonkeyPatch, *where: str) -> None:
    """Let these databases take every change, whatever it was made from."""

    def unless_forgotten(version: int, if_match: str | None) -> None:
        if stage.playing not in where:
            check_version(version, if_match)

    for door in (cases, incidents, promises, consultations, notes):
        monkeypatch.setattr(door, "check_version", unless_forgotten)


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_it_is_noticed_when_one_database_forgets_to_compare_versions(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    forget_versions(stage, monkeypatch, where)
    with pytest.raises(DivergenceError, match="/status: "):
        play_until_it_fails(stage)


def test_it_is_noticed_when_both_forget_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_versions(stage, monkeypatch, "sqlite", "postgresql")
    with pytest.raises(SurpriseError, match=r"status is 20\d, not 4"):
        play_until_it_fails(stage)


def test_it_is_noticed_when_one_clock_lags(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = stage.sides[1].world.clock
    monkeypatch.setattr(Clock, "__call__", lambda clock: clock.now + LAG * (clock is ahead))
    with pytest.raises(DivergenceError, match="/created_at: "):
        play_until_it_fails(stage)


def test_it_is_noticed_when_one_database_forgets_to_write_down_reads(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unless_forgotten(*args: Any, **named: Any) -> None:
        if stage.playing != "postgresql":
            record_shown(*args, **named)

    monkeypatch.setattr(guards, "record_shown", unless_forgotten)
    with pytest.raises(DivergenceError, match="/v1/journal"):
        rewrite_what_was_signed(SideBySide(stage))


def rewrite_what_was_signed(people: SideBySide) -> None:
    """Sign a note, and try to change it; read a promise."""
    people.play(b"")
    people.draft_note(part="clinician", which=0, note_class="progress")
    people.sign(part="clinician", which=0)
    people.rewrite_note(part="clinician", which=0, match="right", verb="change")
    people.promise(part="clinician", which=0, kind="other", keepable="yes", due=None)
    people.read(part="clinician", which=0)
    people.play_out()


def test_it_is_noticed_when_one_database_lets_a_signed_note_be_changed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite_what_was_signed(SideBySide(stage))
    really = notes._own_draft

    def unless_forgotten(me: Actor, found: notes.Found) -> Note:
        return found.row if stage.playing == "sqlite" else really(me, found)

    monkeypatch.setattr(notes, "_own_draft", unless_forgotten)
    # its trigger still stands
    with pytest.raises(DivergenceError, match="/status: "):
        rewrite_what_was_signed(SideBySide(stage))
    owner = stage.sides[0].world.owner
    triggers = stage.runner.run(_run(owner, TRIGGERS))
    assert len(triggers) == 2
    for name, _ in triggers:
        stage.runner.run(_run(owner, f"DROP TRIGGER {name}"))
    try:
        with pytest.raises(DivergenceError, match="/status: 200 and 409"):
            rewrite_what_was_signed(SideBySide(stage))
    finally:
        for _, made_by in triggers:
            stage.runner.run(_run(owner, made_by))
    assert stage.runner.run(_run(owner, TRIGGERS)) == triggers


TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE name LIKE 'signed_notes_stand%'"


async def _run(owner: Database, statement: str) -> list[Any]:
    async with owner.transaction() as tx:
        done = await (await tx.connection()).exec_driver_sql(statement)
        return list(done) if done.returns_rows else []
