"""A stage where every operation has one valid use."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from httpx import Response
from pyotp import TOTP
from sqlmodel import SQLModel

from api.commands.worker import seal
from api.domain.vocabulary import Scope
from tests.support.door import Visitor, open_door, visitor
from tests.support.matrix import ANSWERED, QUESTIONNAIRE
from tests.support.requests import JSON, tolerant
from tests.support.world import (
    NOON,
    PASSWORD,
    Person,
    Urls,
    World,
    incident,
    made,
    ok,
    open_world,
    promise,
    software,
)

Key = tuple[str, str]


async def snapshot(world: World) -> list[tuple[str, int, int]]:
    """Count the rows, and sum up their versions, of every table but the journal and visits.

    A visit at a client's door goes on with whatever is asked in it.
    """
    nothing = sa.literal(0)
    counts = [
        sa.select(
            sa.literal(table.name), sa.func.count(), sa.func.sum(table.c.get("version", nothing))
        ).select_from(table)
        for table in SQLModel.metadata.sorted_tables
        if "version" in table.c and table.name != "door_sessions"
    ]
    async with world.owner.transaction() as tx:
        rows = await (await tx.connection()).execute(sa.union_all(*counts))
        return sorted((name, count, versions or 0) for name, count, versions in rows)


@dataclass(frozen=True)
class Call:
    """How an operation is used rightly: by whom, on which records, with which body."""

    by: Person
    method: str
    template: str
    ids: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return self.template.format(**self.ids)

    async def rightly(self) -> Response:
        """Send it as it should be."""
        if self.body is None:
            return await self.by.send(self.method, self.path, headers=self.headers)
        return await self.sends(json.dumps(self.body))

    async def sends(self, content: Any, **headers: str) -> Response:
        """Send it with another body, written out."""
        headers = {**JSON, **self.headers, **headers}
        return await self.by.send(self.method, self.path, content=content, headers=headers)


async def staged(world: World, people: dict[str, Person]) -> dict[Key, Call]:
    """Write records for every operation that changes something, and say how it is used."""
    stage = _Stage(world, people)
    await stage.set_up()
    return stage.calls


class _Stage:
    def __init__(self, world: World, people: dict[str, Person]) -> None:
        self.world = world
        self.people = people
        self.calls: dict[Key, Call] = {}

    async def call(
        self,
        part: str,
        method: str,
        template: str,
        body: Any = None,
        match: bool = False,
        **ids: Any,
    ) -> None:
        by = self.people[part]
        known = {name: str(value) for name, value in ids.items()}
        headers = await by._match(template.format(**known), None) if match else {}
        self.calls[method, template] = Call(by, method, template, known, body, headers)

    async def set_up(self) -> None:
        for person in self.people.values():
            await self.world.token_of(person)
        await open_door(self.world, self.people["admin"])
        await self._people()
        # two heads of the journal
        await self._seal()
        await self._cases()
        await self._records()
        await self._consultations()
        await self._notes()
        await self._flags()
        await self._exceptions()
        await self._holds()
        await self._software()
        await self._import()
        await self._webhooks()
        await self._questionnaires()
        await self._accounts()
        await self._at_door()
        await self._sign_in()
        await self._seal()

    async def _seal(self) -> None:
        await seal(self.world.database, self.people["admin"].clinic_id)

    async def _link(self, supervisor: str, clinician: str) -> dict[str, Any]:
        return made(
            await self.people["admin"].post(
                "/v1/supervisions", self._link_of(supervisor, clinician)
            )
        )

    def _link_of(self, supervisor: str, clinician: str) -> dict[str, Any]:
        return {
            "supervisor_id": str(self.people[supervisor].id),
            "clinician_id": str(self.people[clinician].id),
            "starts_on": self.world.day(-3),
        }

    async def _people(self) -> None:
        one = await self._link("stranger", "colleague")
        other = await self._link("stranger", "supervisor")
        new = {"name": "New", "email": f"{uuid4().hex}@clinic.example", "role": "clinician"}
        change = {"name": "Another name"}
        await self.call("consultant", "PATCH", "/v1/me", _password_change(), match=True)
        await self.call("admin", "POST", "/v1/users", {**new, "password": PASSWORD})
        user_id = self.people["colleague"].id
        await self.call("admin", "PATCH", "/v1/users/{user_id}", change, True, user_id=user_id)
        await self.call(
            "admin", "POST", "/v1/supervisions", self._link_of("supervisor", "colleague")
        )
        path = "/v1/supervisions/{supervision_id}"
        until = {"ends_on": self.world.day(9)}
        await self.call("admin", "PATCH", path, until, True, supervision_id=one["id"])
        await self.call("admin", "DELETE", path, None, True, supervision_id=other["id"])
        await self.call("admin", "PATCH", "/v1/clinic", {"name": "Another clinic"}, match=True)
        await self.call("admin", "PUT", "/v1/rules/thresholds", {"touch_times": 4})
        modes = {"frame_drift": "monitor"}
        await self.call("admin", "PUT", "/v1/rules/modes", modes)
        looked_at = {"thresholds": {"touch_times": 4}, "modes": modes}
        await self.call("admin", "POST", "/v1/rules/preview", looked_at)

    async def _cases(self) -> None:
        clinician = self.people["clinician"]
        self.case, handed_over, voided = [
            await clinician.case(started_on=self.world.day(-90)) for _ in range(3)
        ]
        # both reach the supervisor's queue
        self.report = await clinician.incident(self.case, "hurtful_words", repeated=True)
        await clinician.incident(handed_over, "hurtful_words", repeated=True)
        self.case_id = self.case["id"]
        await self.call("clinician", "POST", "/v1/cases", {"client_ref": "another"})
        await self.call(
            "clinician",
            "PATCH",
            "/v1/cases/{case_id}",
            {"phase": "beginning"},
            True,
            case_id=self.case_id,
        )
        await self.call(
            "clinician", "DELETE", "/v1/cases/{case_id}", None, True, case_id=voided["id"]
        )
        to = {"clinician_id": str(self.people["colleague"].id), "reason": "on leave"}
        await self.call(
            "supervisor", "POST", "/v1/cases/{case_id}/transfer", to, case_id=handed_over["id"]
        )

    async def _records(self) -> None:
        clinician, case_id = self.people["clinician"], self.case_id
        crossing = {"initiator": "client", "area": "time"}
        incidents = [await clinician.incident(self.case, "crossing", **crossing) for _ in range(2)]
        promises = [await clinician.promise(self.case) for _ in range(2)]
        whole = {
            "occurred_on": self.world.day(-1),
            "initiator": "client",
            "reported_by": "client",
            "details": {"kind": "crossing", "area": "time"},
        }
        review = {"determination": "benign_crossing", "review_note": "seen"}
        await self.call(
            "clinician", "POST", "/v1/cases/{case_id}/incidents", whole, case_id=case_id
        )
        path = "/v1/incidents/{incident_id}"
        changed = {"repair": "unknown", "details": whole["details"]}
        await self.call("clinician", "PATCH", path, changed, True, incident_id=incidents[0]["id"])
        await self.call("clinician", "DELETE", path, None, True, incident_id=incidents[1]["id"])
        await self.call(
            "supervisor", "POST", f"{path}/review", review, incident_id=self.report["id"]
        )
        ledger = "/v1/cases/{case_id}/promises"
        await self.call("clinician", "POST", ledger, promise(self.world), case_id=case_id)
        path = "/v1/promises/{promise_id}"
        await self.call(
            "clinician", "PATCH", path, {"state": "kept"}, True, promise_id=promises[0]["id"]
        )
        await self.call("clinician", "DELETE", path, None, True, promise_id=promises[1]["id"])

    async def _consultations(self) -> None:
        asking, answering = "clinician", "supervisor"
        path = "/v1/consultations/{consultation_id}"
        question = {"kind": "supervision", "urgency": "routine", "question": "What now?"}
        reason = {"reason": "so it is"}
        advice = {"outcome": "mixed", "advice": "Talk it over."}
        moves: list[tuple[str, str, dict[str, Any]]] = [
            (asking, "request", {}),
            (answering, "accept", {}),
            (answering, "start", {}),
            (answering, "complete", advice),
        ]

        async def consultation(steps: int) -> str:
            asked = await self.people[asking].post(
                f"/v1/cases/{self.case_id}/consultations", question
            )
            row_id: str = made(asked)["id"]
            for part, move, body in moves[:steps]:
                ok(await self.people[part].post(f"/v1/consultations/{row_id}/{move}", body))
            return row_id

        await self.call(
            asking, "POST", "/v1/cases/{case_id}/consultations", question, case_id=self.case_id
        )
        row_id = await consultation(0)
        await self.call(asking, "PATCH", path, {"released": True}, True, consultation_id=row_id)
        for part, steps, move, body in (
            (asking, 0, "request", {}),
            (asking, 0, "cancel", reason),
            (answering, 1, "accept", {}),
            (answering, 1, "decline", reason),
            (answering, 2, "start", {}),
            (answering, 3, "complete", advice),
            (asking, 4, "respond", {"response": "accepted"}),
        ):
            row_id = await consultation(steps)
            await self.call(part, "POST", f"{path}/{move}", body, consultation_id=row_id)

    async def _notes(self) -> None:
        author, path = self.people["clinician"], "/v1/notes/{note_id}"
        of_case = "/v1/cases/{case_id}/notes"
        body = {"note_class": "progress", "body": "They came, and spoke."}

        async def note(*, signed: bool = False) -> str:
            note_id: str = made(await author.post(of_case.format(case_id=self.case_id), body))["id"]
            if signed:
                ok(await author.post(f"{path.format(note_id=note_id)}/sign"))
            return note_id

        await self.call("clinician", "POST", of_case, body, case_id=self.case_id)
        await self.call("clinician", "PATCH", path, body, True, note_id=await note())
        await self.call("clinician", "DELETE", path, None, True, note_id=await note())
        await self.call("clinician", "POST", f"{path}/sign", note_id=await note())
        signed, more = await note(signed=True), {"body": "They came late."}
        await self.call("clinician", "POST", f"{path}/amendments", more, note_id=signed)
        await self.call("supervisor", "POST", f"{path}/cosign", note_id=signed)

    async def _flags(self) -> None:
        supervisor = self.people["supervisor"]
        by_hand = {"severity": "low", "title": "A look", "because": "It seems wise."}
        resolution = {"determination": "benign_crossing", "resolution_note": "seen"}
        path = "/v1/flags/{flag_id}"

        async def flag() -> str:
            raised = await supervisor.post(f"/v1/cases/{self.case_id}/flags", by_hand)
            return str(made(raised)["id"])

        await self.call(
            "supervisor", "POST", "/v1/cases/{case_id}/flags", by_hand, case_id=self.case_id
        )
        await self.call("supervisor", "POST", f"{path}/acknowledge", {}, flag_id=await flag())
        await self.call("supervisor", "POST", f"{path}/resolve", resolution, flag_id=await flag())
        resolved = await flag()
        ok(await supervisor.post(f"/v1/flags/{resolved}/resolve", resolution))
        await self.call("supervisor", "POST", f"{path}/reopen", {"reason": "new"}, flag_id=resolved)

    async def _exceptions(self) -> None:
        clinician, admin = self.people["clinician"], self.people["admin"]
        path = "/v1/cases/{case_id}/recusals"
        held = [
            made(await admin.post(f"/v1/cases/{self.case_id}/recusals", {"user_id": str(who.id)}))
            for who in (self.people["consultant"], self.people["privacy_officer"])
        ]
        away = {"user_id": str(self.people["colleague"].id)}
        await self.call("admin", "POST", path, away, case_id=self.case_id)
        ids = {"case_id": self.case_id, "recusal_id": held[0]["id"]}
        await self.call("admin", "DELETE", f"{path}/{{recusal_id}}", None, True, **ids)
        cover = {
            "case_id": self.case_id,
            "user_id": str(self.people["supervisor"].id),
            "starts_on": self.world.day(),
            "ends_on": self.world.day(5),
        }
        covers = [made(await clinician.post("/v1/covers", cover)) for _ in range(2)]
        await self.call("clinician", "POST", "/v1/covers", cover)
        await self.call(
            "clinician", "DELETE", "/v1/covers/{cover_id}", None, True, cover_id=covers[0]["id"]
        )
        opened = []
        for _ in range(3):
            case = await clinician.case()
            emergency = {"case_id": case["id"], "reason": "Nobody could be reached."}
            opened.append((emergency, case))
        for emergency, _ in opened[:2]:
            self.opening = made(await self.people["stranger"].post("/v1/break-glass", emergency))
        await self.call("stranger", "POST", "/v1/break-glass", opened[2][0])
        await self.call(
            "privacy_officer",
            "POST",
            "/v1/break-glass/{opening_id}/review",
            {"review_note": "It was needed."},
            opening_id=self.opening["id"],
        )

    async def _holds(self) -> None:
        officer, path = self.people["privacy_officer"], "/v1/legal-holds"
        body = {"case_id": self.case_id, "reason": "A court asked for the record."}
        hold, _ = [made(await officer.post(path, body)) for _ in range(2)]
        given = f"/v1/cases/{self.case_id}/disclosures"
        one, _ = [made(await self.people["clinician"].post(given)) for _ in range(2)]
        await self.call(
            "clinician",
            "POST",
            "/v1/cases/{case_id}/disclosures",
            {"recipient": "representative", "purpose": "other", "format": "html"},
            case_id=self.case_id,
            disclosure_id=one["id"],
        )
        await self.call("privacy_officer", "POST", path, body)
        await self.call(
            "privacy_officer", "POST", f"{path}/{{hold_id}}/release", None, hold_id=hold["id"]
        )

    async def _software(self) -> None:
        admin, path = self.people["admin"], "/v1/service-accounts"
        body = {"name": "Diary", "scopes": ["cases:read"]}
        one, _ = [made(await admin.post(path, body)) for _ in range(2)]
        await self.call("admin", "POST", path, {**body, "secret_days": 30})
        path = f"{path}/{{account_id}}"
        await self.call("admin", "PATCH", path, {"name": "Another"}, True, account_id=one["id"])
        await self.call("admin", "POST", f"{path}/secrets", {"days": 30}, account_id=one["id"])
        ids = {"account_id": one["id"], "secret_id": one["secrets"][0]["id"]}
        await self.call("admin", "DELETE", f"{path}/secrets/{{secret_id}}", None, **ids)
        call = self.calls["DELETE", f"{path}/secrets/{{secret_id}}"]
        call.headers["If-Match"] = '"1"'

    async def _import(self) -> None:
        diary = await software(self.world, Scope.cases_write, of=self.people["admin"])
        self.people["software"] = diary
        sent = {"content": b"{}\n{}", "headers": {"Content-Type": "application/x-ndjson"}}
        for _ in range(2):
            done = made(await diary.send("POST", "/v1/imports", **sent))
        # only to be read: a file has no body that the tests below could spoil
        self.calls["POST", "/v1/service-accounts"].ids["import_id"] = done["id"]

    async def _webhooks(self) -> None:
        admin, path = self.people["admin"], "/v1/webhooks"
        body = {"name": "Diary", "url": "https://diary.example/x", "events": ["flag.*"]}
        one, two, three = [made(await admin.post(path, body)) for _ in range(3)]
        await self.call("admin", "POST", path, body)
        path = f"{path}/{{webhook_id}}"
        await self.call("admin", "PATCH", path, body, True, webhook_id=one["id"])
        await self.call("admin", "DELETE", path, None, True, webhook_id=three["id"])
        hours = {"overlap_hours": 1}
        await self.call("admin", "POST", f"{path}/secrets", hours, webhook_id=one["id"])
        added = made(await admin.post(f"/v1/webhooks/{two['id']}/secrets", hours))
        ids = {"webhook_id": two["id"], "secret_id": added["id"]}
        secret = f"{path}/secrets/{{secret_id}}"
        await self.call("admin", "DELETE", secret, None, **ids)
        self.calls["DELETE", secret].headers["If-Match"] = '"1"'
        await self.call("admin", "POST", f"{path}/test", None, webhook_id=one["id"])
        for _ in range(2):
            sent = ok(await admin.post(f"/v1/webhooks/{one['id']}/test"))
        ids = {"webhook_id": one["id"], "delivery_id": sent["id"]}
        await self.call("admin", "POST", f"{path}/deliveries/{{delivery_id}}/resend", None, **ids)
        since = {"since": self.world.clock.now.isoformat()}
        replay = f"{path}/deliveries/replay"
        await self.call("admin", "POST", replay, since, webhook_id=one["id"])

    async def _questionnaires(self) -> None:
        admin, path = self.people["admin"], "/v1/questionnaires"
        one, _ = [made(await admin.post(path, QUESTIONNAIRE)) for _ in range(2)]
        await self.call("admin", "POST", path, QUESTIONNAIRE)
        of_case = "/v1/cases/{case_id}/responses"
        answered = {**ANSWERED, "answered_on": self.world.day(-1)}
        await self.call("clinician", "POST", of_case, answered, case_id=self.case_id)
        to = of_case.format(case_id=self.case_id)
        several = [made(await self.people["clinician"].post(to, answered)) for _ in range(3)]
        at, response_id = "/v1/responses/{response_id}", several[0]["id"]
        await self.call("clinician", "DELETE", at, None, True, response_id=response_id)
        path = f"{path}/{{questionnaire_id}}"
        await self.call("admin", "DELETE", path, None, True, questionnaire_id=one["id"])

    async def _accounts(self) -> None:
        """Invitations, and what was said by one of them to the supervisor."""
        clinician, supervisor = self.people["clinician"], self.people["supervisor"]
        case_id, path = self.case_id, "/v1/cases/{case_id}/invitations"
        to = path.format(case_id=case_id)
        invited, revoked = [made(await clinician.post(to)) for _ in range(2)]
        self.code: str = invited["code"]
        await self.call("clinician", "POST", path, {"for": "client"}, case_id=case_id)
        # of that case an officer is kept away
        by_reference = {"client_ref": (await clinician.case())["client_ref"]}
        await self.call("privacy_officer", "POST", "/v1/invitations", by_reference)
        path = "/v1/invitations/{invitation_id}"
        await self.call("clinician", "POST", f"{path}/revoke", invitation_id=revoked["id"])
        client = await self._visitor("teller", code=self.code)
        for number in range(5):
            await client.says(happened=f"He said it {number} times.")
        lines = ok(await supervisor.get(f"/v1/cases/{case_id}/accounts"))["items"]
        # who has read them is known from the first time on
        for line in lines:
            ok(await supervisor.get(f"/v1/accounts/{line['id']}"))
        reported = {**incident("consent", self.world), "about_user_id": None}
        moves: tuple[tuple[str, dict[str, Any]], ...] = (
            ("incidents", reported),
            ("promises", promise(self.world)),
            ("reply", {"reply": "Thank you for telling us."}),
            ("told", {"reason": "A life was in danger."}),
            ("close", {"determination": "normal_process", "note": "Talked over."}),
            ("step-out", {"reason": "They are friends of mine."}),
        )
        path = "/v1/accounts/{client_account_id}"
        for (move, body), line in zip(moves, (*lines, lines[0]), strict=True):
            at = line["id"] if move != "step-out" else await self._another_account()
            await self.call("supervisor", "POST", f"{path}/{move}", body, client_account_id=at)

    async def _another_account(self) -> str:
        """Give an account on another case, which the supervisor has not read yet."""
        clinician, supervisor = self.people["clinician"], self.people["supervisor"]
        case = await clinician.case()
        to = f"/v1/cases/{case['id']}"
        code = made(await clinician.post(f"{to}/invitations"))["code"]
        await (await self._visitor("another_teller", code=code)).says()
        (line,) = ok(await supervisor.get(f"{to}/accounts"))["items"]
        account_id: str = line["id"]
        return account_id

    async def _at_door(self) -> None:
        """Who is at the door: by their receipt, and by a code, to leave or to throw it away."""
        came = await self._visitor("comer", code=self.code)
        sent = await came.says()
        client = await self._visitor("client", receipt=sent["receipt"])
        for number in range(3):
            await client.says(happened=f"There was more: {number}.")
        answered = {"answers": ANSWERED["answers"]}
        for _ in range(2):
            made(await client.post("/door/v1/responses", answered))
        path = "/door/v1/accounts"
        await self.call("client", "POST", "/door/v1/session", {"code": self.code})
        await self.call("client", "POST", path, {"happened": "And there is this."})
        await self.call("client", "POST", "/door/v1/responses", answered)
        words, shared = {"words": "And this."}, {"shared": "with_therapist"}
        await self.call("client", "POST", f"{path}/{{n}}/words", words, n=2)
        await self.call("client", "PATCH", f"{path}/{{n}}", shared, n=3)
        await self.call("client", "POST", f"{path}/{{n}}/take-back", None, n=4)
        await self._visitor("leaving", code=self.code)
        await self.call("leaving", "DELETE", "/door/v1/session")
        thrower = await self._visitor("thrower", code=self.code)
        receipt = (await thrower.says())["receipt"]
        await self._visitor("thrower", receipt=receipt)
        await self.call("thrower", "POST", "/door/v1/throw-away")

    async def _visitor(self, part: str, **secret: str) -> Visitor:
        by = await visitor(self.world, self.people["admin"].clinic_id, **secret)
        self.people[part] = by
        return by

    async def _sign_in(self) -> None:
        clinician, path = self.people["clinician"], "/v1/sessions/{session_id}"
        form = {"grant_type": "password", "username": clinician.email, "password": PASSWORD}
        for _ in range(2):
            ok(await self.world.http.post("/v1/auth/token", data=form))
        session = ok(await clinician.get("/v1/sessions"))["items"][0]
        await self.call("clinician", "DELETE", path, None, True, session_id=session["id"])
        notices = ok(await clinician.get("/v1/me/notices"))["items"]
        await self.call("clinician", "POST", "/v1/me/notices/read", {"ids": [notices[0]["id"]]})
        factor = "/v1/me/totp"
        await self.call("colleague", "POST", factor)
        for part, confirmed in (("stranger", False), ("privacy_officer", True)):
            secret = ok(await self.people[part].post(factor))["secret"]
            code = {"code": TOTP(secret).at(self.world.clock.now)}
            if confirmed:
                ok(await self.people[part].post(f"{factor}/confirm", code))
            else:
                await self.call(part, "POST", f"{factor}/confirm", code)
        await self.call("privacy_officer", "DELETE", factor, None, True)
        lost = self.people["colleague"]
        offer = "/v1/users/{user_id}/password-reset"
        code = made(await self.people["admin"].post(offer.format(user_id=lost.id)))["code"]
        new = {"username": lost.email, "code": code, "password": "another long and fictional one"}
        await self.call("colleague", "POST", "/v1/auth/password", new)
        other = self.people["privacy_officer"].id
        await self.call("admin", "POST", offer, None, user_id=other)


def _password_change() -> dict[str, Any]:
    return {"current_password": PASSWORD, "password": "another long and fictional one"}


@pytest.fixture(scope="module")
async def stage(module_urls: Urls) -> AsyncIterator[tuple[World, dict[Key, Call]]]:
    """One world for all tests that write nothing, with the valid uses of each operation."""
    async with open_world(module_urls, NOON) as opened:
        yield tolerant(opened), await staged(opened, opened.here)


@pytest.fixture
async def calls(stage: tuple[World, dict[Key, Call]]) -> AsyncIterator[dict[Key, Call]]:
    """The valid uses of every operation that writes; the test must write nothing."""
    before = await snapshot(stage[0])
    yield stage[1]
    assert await snapshot(stage[0]) == before, "a refused request wrote something"
