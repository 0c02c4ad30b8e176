"""What people of a clinic do to its records, at random: report, link, hide, hand over, end.

Each deed is tried by somebody who may do it or somebody who may not; what comes of it does not
matter here. Every text holds a word of its own, so that it is known wherever it is shown.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from httpx import Response

from api.domain.look_back import LOOK_BACK_ID
from api.domain.vocabulary import FlagStatus
from api.http.idempotency import REMEMBERED_FOR
from api.storage.models.access import AccessGrant, GrantKind, Supervision
from api.storage.models.clinical import Case, Consultation, Incident, Note, Promise
from api.storage.models.flags import Flag
from tests.support.eyes import Rows
from tests.support.world import Person, World, incident, promise

KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("hurtful_words", {"repeated": True}),
    ("hurtful_words", {"repeated": True, "client_impact": "crisis"}),
    ("disclosure", {"of": "love", "responses": ["shaming"]}),
    ("disclosure", {"of": "difficulty", "responses": ["explored"], "taken_up": False}),
    ("touch", {"touch": "hug", "consent": False}),
    ("second_role", {"role": "business", "timing": "during_therapy", "interaction": "regular"}),
    ("risk", {"indicator": "self_harm"}),
    ("risk", {"indicator": "suicidal_ideation_conditional", "response": "safety_plan"}),
    ("ending", {"stage": "raised"}),
    ("ending", {"stage": "ended", "ending": "ended_without_word"}),
    ("frame_change", {"direction": "tighten", "elements": ["email_replies"], "discussed": False}),
    ("exception", {"exception": "reduced_fee"}),
    ("fitness", {"sign": "overwhelmed", "in_session": True}),
    ("consent", {"process_explained": False}),
    ("expression", {"by": "client", "feelings": ["love"]}),
)
"""Kinds of incident with details, most of which raise a flag or a prompt."""

REPLAYED = 0.15
"""How often something is sent once more with the key of an earlier request."""


@dataclass
class Deeds:
    """A clinic, its nine principals, and what each of them did that can be repeated."""

    world: World
    people: dict[str, Person]
    chance: random.Random
    rows: Rows
    sent: list[tuple[datetime, Person, str, Any, str]] = field(default_factory=list)
    days: int = 0

    async def do_one(self) -> tuple[Person, str, Response]:
        """Do something; give who did it, what it was, and what was answered."""
        # later a key is forgotten, and the same would be done once more
        oldest = self.world.clock.now - REMEMBERED_FOR
        self.sent = [each for each in self.sent if each[0] > oldest]
        if self.sent and self.chance.random() < REPLAYED:
            _, person, path, body, key = self.chance.choice(self.sent)
            answer = await person.post(path, body, headers={"Idempotency-Key": key})
            return person, f"POST {path} once more", answer
        while True:
            deed: Callable[[], Awaitable[Any]] = self.chance.choice(self._deeds())
            done = await deed()
            if done is not None:
                person, what, answer = done
                return person, what, answer

    def _deeds(self) -> Sequence[Callable[[], Awaitable[Any]]]:
        often = [self.report_incident] * 5 + [self.hide] * 4 + [self.consult] * 3
        return (
            *often,
            self.open_case,
            self.record_promise,
            self.link_records,
            self.move_consultation,
            self.review,
            self.edit_incident,
            self.void_incident,
            self.settle_flag,
            self.settle_flag,
            self.raise_flag,
            self.transfer,
            self.cover,
            self.recuse,
            self.end_exception,
            self.break_glass,
            self.supervise,
            self.type_in_answers,
            self.type_in_answers,
            self.write_note,
            self.sign_note,
            self.let_time_pass,
        )

    # -------------------------------------------------------------------------- what is written

    async def open_case(self) -> Any:
        """Open a case, few in all, so that much happens on each."""
        if len(self.rows[Case]) >= 5:
            return None
        return await self._post(self._treats(), "/v1/cases", {"client_ref": self.word()})

    async def report_incident(self) -> Any:
        """Report an incident, hidden or not."""
        kind, fields = self.chance.choice(KINDS)
        self.days = self.days % 300 + 1
        body = incident(kind, self.world, on=-self.days, narrative=self.word(), **fields)
        person = self._treats()
        if self.chance.random() < 0.4:
            body["restricted"] = self.chance.random() < 0.7
        return await self._on_a_case(person, "incidents", body)

    async def record_promise(self) -> Any:
        """Record a promise that cannot be kept, or one that can."""
        body = promise(
            self.world,
            wording=self.word(),
            keepable=self.chance.choice(["no", "yes", "unknown"]),
            kind=self.chance.choice(["personal_relationship", "availability"]),
            made_on=self.world.day(-self.chance.randrange(301, 390)),
        )
        return await self._on_a_case(self._treats(), "promises", body)

    async def consult(self) -> Any:
        """Ask for a consultation about records of a case, hidden ones among them."""
        if not self.rows[Case]:
            return None
        case = self.chance.choice(self.rows[Case])
        body = {
            "kind": "ethics",
            "urgency": "routine",
            "question": self.word(),
            "summary": self.word(),
            "released": True,
            "incident_ids": self._some_of(Incident, case.id),
            "promise_ids": self._some_of(Promise, case.id),
        }
        return await self._post(self._works_on(case), f"/v1/cases/{case.id}/consultations", body)

    async def link_records(self) -> Any:
        """Say anew which records a consultation is about."""
        asked = self._any(Consultation)
        if asked is None:
            return None
        body = {"incident_ids": self._some_of(Incident, asked.case_id)}
        person = self._works_on(self.rows.case(asked.case_id))
        return await self._patch(person, "consultations", asked, body)

    async def move_consultation(self) -> Any:
        """Send, accept, start or complete a consultation."""
        asked = self._any(Consultation)
        if asked is None:
            return None
        move = self.chance.choice(["request", "request", "accept", "start", "complete", "decline"])
        bodies: dict[str, dict[str, str]] = {
            "complete": {"outcome": "mixed", "advice": self.word()},
            "decline": {"reason": self.word()},
        }
        names = ("clinician", "colleague") if move == "request" else ("consultant", "supervisor")
        path = f"/v1/consultations/{asked.id}/{move}"
        return await self._post(self._one_of(*names), path, bodies.get(move, {}))

    # --------------------------------------------------------------------------- what is hidden

    async def hide(self) -> Any:
        """Hide an incident later, or show it again."""
        row = self._any(Incident)
        if row is None:
            return None
        body = {"restricted": not row.restricted}
        return await self._patch(self._one_of("supervisor", "stranger"), "incidents", row, body)

    async def review(self) -> Any:
        """Give a determination."""
        row = self._any(Incident)
        if row is None:
            return None
        found = self.chance.choice(["normal_process", "boundary_crossing", "boundary_violation"])
        body = {"determination": found, "review_note": self.word()}
        who = self._one_of("supervisor", "stranger")
        return await self._post(who, f"/v1/incidents/{row.id}/review", body)

    async def edit_incident(self) -> Any:
        """Change what was said of an incident."""
        row = self._any(Incident)
        body = {"narrative": self.word(), "client_impact": self.chance.choice(["harm", "none"])}
        return None if row is None else await self._patch(self._treats(), "incidents", row, body)

    async def void_incident(self) -> Any:
        """Void an incident."""
        row = self._any(Incident)
        if row is None or self.chance.random() < 0.5:
            return None
        person, path = self._treats(), f"/v1/incidents/{row.id}"
        return person, f"DELETE {path}", await person.delete(path, row.version)

    # ---------------------------------------------------------------------------- what is asked

    async def settle_flag(self) -> Any:
        """Acknowledge, resolve or reopen a flag."""
        flag = self._any(Flag)
        if flag is None:
            return None
        person = self._one_of("supervisor", "stranger", "clinician")
        if flag.status == FlagStatus.resolved:
            return await self._post(person, f"/v1/flags/{flag.id}/reopen", {"reason": self.word()})
        if self.chance.random() < 0.3:
            return await self._post(person, f"/v1/flags/{flag.id}/acknowledge", {})
        body = {"determination": "normal_process", "resolution_note": self.word()}
        return await self._post(person, f"/v1/flags/{flag.id}/resolve", body)

    async def raise_flag(self) -> Any:
        """Raise a flag by hand."""
        body = {"severity": "low", "title": self.word(), "because": self.word()}
        return await self._on_a_case(self._one_of("supervisor", "stranger"), "flags", body)

    # ---------------------------------------------------------------------------------- who sees

    async def transfer(self) -> Any:
        """Hand a case over."""
        to = self._one_of("clinician", "colleague", "supervisor")
        body = {"clinician_id": str(to.id), "reason": self.word()}
        return await self._on_a_case(self._one_of("supervisor", "stranger"), "transfer", body)

    async def cover(self) -> Any:
        """Let somebody stand in."""
        case = self._any(Case)
        if case is None:
            return None
        body = {
            "case_id": str(case.id),
            "user_id": str(self._one_of("clinician", "colleague", "stranger").id),
            "starts_on": self.world.day(),
            "ends_on": self.world.day(3),
            "reason": self.word(),
        }
        return await self._post(self._treats(), "/v1/covers", body)

    async def recuse(self) -> Any:
        """Keep away from a case."""
        if self.chance.random() < 0.6:
            return None
        return await self._on_a_case(self._treats(), "recusals", {})

    async def end_exception(self) -> Any:
        """End a cover or a recusal."""
        grant = self._any(AccessGrant)
        if grant is None or grant.kind == GrantKind.break_glass:
            return None
        covers = grant.kind == GrantKind.cover
        path = f"/v1/cases/{grant.case_id}/recusals/{grant.id}"
        person = self._treats() if covers else self.people["admin"]
        path = f"/v1/covers/{grant.id}" if covers else path
        return person, f"DELETE {path}", await person.delete(path, grant.version)

    async def break_glass(self) -> Any:
        """Open a case in an emergency."""
        case = self._any(Case)
        if case is None or self.chance.random() < 0.5:
            return None
        body = {"case_id": str(case.id), "reason": self.word()}
        return await self._post(self.people["stranger"], "/v1/break-glass", body)

    async def supervise(self) -> Any:
        """Begin or end a supervision link."""
        admin = self.people["admin"]
        link = self._any(Supervision)
        if link is not None and self.chance.random() < 0.6:
            path = f"/v1/supervisions/{link.id}"
            if self.chance.random() < 0.5:
                return admin, f"DELETE {path}", await admin.delete(path, link.version)
            lifted = await admin.patch(path, {"ends_on": None}, link.version)
            return admin, f"PATCH {path}", lifted
        body = {
            "supervisor_id": str(self._one_of("supervisor", "stranger").id),
            "clinician_id": str(self._one_of("clinician", "colleague", "supervisor").id),
            "starts_on": self.world.day(),
        }
        return await self._post(admin, "/v1/supervisions", body)

    # ------------------------------------------------------------------------------------ the rest

    async def write_note(self) -> Any:
        """Draft a note."""
        kinds = ["progress", "supervision", "psychotherapy"]
        body = {"note_class": self.chance.choice(kinds), "body": self.word()}
        return await self._on_a_case(self._one_of("clinician", "colleague"), "notes", body)

    async def type_in_answers(self) -> Any:
        """Type in what was answered on paper."""
        answers = [
            {"link_id": "touch", "value": self.chance.choice(["greeting", "not_asked"])},
            {"link_id": "anything_else", "value": self.word()},
        ]
        case = self._any(Case)
        if case is None:
            return None
        asked = {"questionnaire_id": str(LOOK_BACK_ID), "answered_on": self.world.day(-1)}
        path = f"/v1/cases/{case.id}/responses"
        return await self._post(self._works_on(case), path, {**asked, "answers": answers})

    async def sign_note(self) -> Any:
        """Sign a draft."""
        note = self._any(Note)
        if note is None:
            return None
        return await self._post(self._treats(), f"/v1/notes/{note.id}/sign", {})

    async def let_time_pass(self) -> Any:
        """Let hours or days go by; then somebody looks."""
        self.world.clock.forward(hours=self.chance.choice([1, 9, 30, 200]))
        supervisor = self.people["supervisor"]
        return supervisor, "GET /v1/me", await supervisor.get("/v1/me")

    # ---------------------------------------------------------------------------------- helpers

    def word(self) -> str:
        """Give a text with a word that stands nowhere else."""
        return f"said zq{self.chance.getrandbits(48):012x} here"

    def _one_of(self, *names: str) -> Person:
        return self.people[self.chance.choice(names)]

    def _treats(self) -> Person:
        return self._one_of("clinician", "clinician", "colleague", "supervisor", "supervisor")

    def _works_on(self, case: Case) -> Person:
        """Give a case's clinician, mostly."""
        own = [each for each in self.people.values() if each.id == case.clinician_id]
        return own[0] if own and self.chance.random() < 0.8 else self._treats()

    def _any(self, table: Any) -> Any:
        rows = self.rows[table]
        return self.chance.choice(rows) if rows else None

    def _some_of(self, table: Any, case_id: UUID) -> list[str]:
        rows = [row for row in self.rows[table] if row.case_id == case_id and not row.voided_at]
        # what is hidden already cannot be linked by most: so it is mostly left for later
        most = self.chance.random() < 0.7
        ids = [str(row.id) for row in rows if not (most and getattr(row, "restricted", False))]
        return self.chance.sample(ids, min(len(ids), self.chance.randrange(3)))

    async def _on_a_case(self, person: Person, what: str, body: Any) -> Any:
        case = self._any(Case)
        if case is None:
            return None
        return await self._post(person, f"/v1/cases/{case.id}/{what}", body)

    async def _post(self, person: Person, path: str, body: Any) -> Any:
        key = f"k{self.chance.getrandbits(64):x}"
        answer = await person.post(path, body, headers={"Idempotency-Key": key})
        if answer.is_success:
            self.sent.append((self.world.clock.now, person, path, body, key))
        return person, f"POST {path} {body}", answer

    async def _patch(self, person: Person, noun: str, row: Any, body: Any) -> Any:
        path = f"/v1/{noun}/{row.id}"
        return person, f"PATCH {path} {body}", await person.patch(path, body, row.version)
