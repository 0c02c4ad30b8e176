"""Two clinics live through the same days; at the door of one of them somebody speaks."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from httpx import Response

from api.domain.vocabulary import Scope
from tests.support.desk import Seat, placed, routes_of, seated
from tests.support.door import TEXTS, enter, invite, knock
from tests.support.door_scene import CLOSING, LATER_WORDS, WHY, lines
from tests.support.notes import drafted, signed
from tests.support.requests import document
from tests.support.world import Person, World, made, ok, promise, software

HIDDEN = "zq-hidden"
"""It stands in all that the client wrote, and in what was written of it."""

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_CHANCE = re.compile(
    r'(?<=name="form_token" value=")[^"]+|name this: \S+|cursor=[\w-]+|(?<="next":")[^"]+'
    r'|(?<=<code>…)[0-9a-f]{8}|[0-9a-f]{64}|(?<="token":")[^"]+|[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}'
    r'|(?<="content_salt":")[^"]+'
    r"|(?<=,)'?[\w-]{22}(?=,)"
    r'|(?<=W/")[^"]+|"[0-9a-f]{32}"'
    r"|[\w+/-]{43}="
)
"""What chance alone makes: tokens, how far a list was read, what salted texts hash to."""
_PLACES = {
    "case_id": "cases",
    "incident_id": "incidents",
    "promise_id": "promises",
    "consultation_id": "consultations",
    "note_id": "notes",
    "flag_id": "flags",
    "invitation_id": "invitations",
    "response_id": "responses",
    "client_account_id": "accounts",
    "cover_id": "covers",
}
_ELSEWHERE = ("/v1/sessions", "/v1/me/totp", "/v1/users", "/v1/imports")
"""What tells of who signed in, and of nothing on a case."""
_SAME_TO_ALL = {"/v1/rules", "/desk/rules", "/desk/style.css", "/desk/icon.svg"}
_LISTS = re.compile(r"^/v1/(cases/{case_id}/)?[a-z-]+s$")

CONCERNS = {"feelings": "held_against_me", "touch": "not_asked", "anything_else": HIDDEN}


@dataclass
class Clinic:
    """One clinic with a case, and those who read of it without being told of its door."""

    world: World
    people: dict[str, Person]
    case: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    seat: Seat | None = None

    async def open(self) -> None:
        """Let happen what everybody may know of."""
        hers, supervisor = self.people["clinician"], self.people["supervisor"]
        ok(await self.people["admin"].patch("/v1/clinic", TEXTS))
        self.case = await hers.case(client_ref="zq-1", is_minor=True)
        path = f"/v1/cases/{self.case['id']}"
        await hers.incident(self.case, "crossing", area="time", narrative="zq")
        await hers.incident(self.case, "hurtful_words", initiator="institution")
        await hers.incident(self.case, "record_request", request="access")
        await supervisor.incident(self.case, "oversight", available=False)
        promise = await hers.promise(self.case, due_on=self.world.day(-1))
        asked: dict[str, Any] = {"kind": "ethics", "urgency": "routine", "question": "what now?"}
        asked |= {"summary": "in short", "released": True, "promise_ids": [promise["id"]]}
        draft = made(await hers.post(f"{path}/consultations", asked))
        ok(await hers.post(f"/v1/consultations/{draft['id']}/request"))
        await signed(hers, self.case)
        await drafted(hers, self.case)
        typed = [{"link_id": "listened_to", "value": 4}, {"link_id": "touch", "value": "none"}]
        paper = {"questionnaire_id": await self._look_back(), "answered_on": self.world.day(-1)}
        made(await hers.post(f"{path}/responses", {**paper, "answers": typed}))
        span = {"starts_on": self.world.day(), "ends_on": self.world.day(9)}
        cover = {"case_id": self.case["id"], "user_id": str(self.people["colleague"].id), **span}
        made(await hers.post("/v1/covers", cover))
        self.code = (await invite(hers, self.case))["code"]
        of = self.people["admin"]
        self.people["software"] = await software(self.world, *Scope, of=of)

    async def _look_back(self) -> str:
        listed = ok(await self.people["clinician"].get("/v1/questionnaires"))["items"]
        first: str = listed[0]["id"]
        return first

    async def speak(self) -> None:
        """Let the client, and a guardian, say what there is; nothing of it is shared."""
        officer, hers = self.people["privacy_officer"], self.people["clinician"]
        client = await enter(self.world, code=self.code)
        wants = ["somebody_looks", "an_answer", "a_copy", "a_correction"]
        told = {"happened": HIDDEN, "topics": ["sexual", "promise"], "reach": HIDDEN}
        sent = await client.says(**told, wants=wants, safe_now="no")
        await client.says(**told, to="privacy_officers", wants=wants)
        await client.says(**told, not_to=[str(self.people["supervisor"].id)], safe_now="unsure")
        other = {**told, "happened": f"{HIDDEN} and again"}
        await client.says(**other, shared="not_with_therapist")
        answers = [{"link_id": name, "value": value} for name, value in CONCERNS.items()]
        made(await client.send("POST", "/responses", {"answers": answers}))
        again = await enter(self.world, receipt=sent["receipt"])
        made(await again.send("POST", "/accounts/1/words", {"words": f"{HIDDEN} {LATER_WORDS}"}))
        ok(await again.send("POST", "/accounts/4/take-back"))
        shared = {"shared": "with_therapist"}
        ok(await again.send("PATCH", "/accounts/1", shared))
        ok(await again.send("PATCH", "/accounts/1", {"shared": "not_yet"}))
        for maker, whom in ((officer, "guardian"), (self.people["software"], "client")):
            asked = {"client_ref": "zq-1", "for": whom}
            invited = made(await maker.post("/v1/invitations", asked))
            came = await enter(self.world, code=invited["code"])
            sent = await came.says(**told, wants=["somebody_looks"])
        gone = await enter(self.world, receipt=sent["receipt"])
        assert (await gone.send("POST", "/throw-away")).status_code == 204
        mine = await hers.get(f"/v1/cases/{self.case['id']}/accounts")
        assert mine.json()["items"] == []

    async def look_into_it(self) -> None:
        """Let the readers do all that they may, and read the case on the way."""
        supervisor, officer = self.people["supervisor"], self.people["privacy_officer"]
        path = f"/v1/cases/{self.case['id']}"
        queued = ok(await supervisor.get("/v1/flagged-cases"))["items"]
        assert [each["case"]["id"] for each in queued] == [self.case["id"]]
        found = [each for each in await lines(supervisor, self.case) if each["wants"]]
        account = next(each for each in found if each["safe_now"] == "no")
        at = f"/v1/accounts/{account['id']}"
        ok(await supervisor.get(at))
        for each in ("", "/timeline", "/incidents", "/flags", "/notes", "/responses", "/promises"):
            ok(await supervisor.get(f"{path}{each}"))
        reply = {"reply": HIDDEN}
        made(await supervisor.post(f"{at}/reply", reply))
        body = {"occurred_on": self.world.day(-2), "initiator": "therapist", "narrative": HIDDEN}
        about = {"about_user_id": str(self.people["clinician"].id), "reported_by": "client"}
        kind = {"kind": "sexual_conduct", "conduct": "contact"}
        made(await supervisor.post(f"{at}/incidents", {**body, **about, "details": kind}))
        promised = promise(self.world, wording=HIDDEN, keepable="no", reported_by="client")
        made(await supervisor.post(f"{at}/promises", promised))
        made(await supervisor.post(f"{path}/disclosures", {}))
        made(await supervisor.post(f"{at}/told", WHY))
        for flag in await supervisor.flag_list(self.case):
            if flag["rule"] in ("client_not_safe", "look_back_concern", "sexual_conduct"):
                ok(await supervisor.post(f"/v1/flags/{flag['id']}/acknowledge"))
        ok(await supervisor.post(f"{at}/close", {**CLOSING, "note": HIDDEN}))
        theirs = [each for each in await lines(officer, self.case) if each["to"] != "supervisors"]
        ok(await officer.get(f"/v1/accounts/{theirs[0]['id']}"))
        made(await officer.post(f"/v1/accounts/{theirs[0]['id']}/reply", reply))
        named = made(await supervisor.post(f"{path}/invitations", {}))
        ok(await supervisor.post(f"/v1/invitations/{named['id']}/revoke"))

    async def share(self) -> str:
        """Let the client share one account, by a new visit; give the id it has for its readers."""
        client = await enter(self.world, code=self.code)
        told = {"happened": "zq-shared", "topics": ["promise"], "wants": ["an_answer"]}
        await client.says(**told, reach=HIDDEN, shared="with_therapist")
        others = await lines(self.people["supervisor"], self.case)
        assert others[0]["wants"] == ["an_answer"]
        newest: str = others[0]["id"]
        return newest

    # ----------------------------------------------------------------------- what is looked at

    async def seen_by(self, part: str, at_what: str = "") -> dict[str, str]:
        """Give all that somebody is answered, as it is but for what chance made.

        `at_what`: what the addresses must match to be asked.
        """
        views = dict[str, str]()
        person = self.people[part]
        for path, headers in [each async for each in self._paths(person)]:
            if re.search(at_what, path):
                answer = await person.send("GET", path, headers=headers)
                _keep(views, f"{path} {headers.get('Accept', '')}", self._plain(answer))
        if part == "clinician":
            await self._see_pages(views, at_what)
        return views

    async def at_the_door(self) -> dict[str, str]:
        """Give what the invitation's code opens, whoever tries it."""
        came = await knock(self.world, code=self.code)
        views = {"session": self._plain(came)}
        token = {"Authorization": f"Bearer {came.json()['token']}"}
        for path in ("who-reads", "mine", "questionnaire", "responses"):
            views[path] = self._plain(await self.world.http.get(f"/door/v1/{path}", headers=token))
        left = await self.world.http.delete("/door/v1/session", headers=token)
        return {**views, "left": self._plain(left)}

    async def _paths(self, person: Person) -> AsyncIterator[tuple[str, dict[str, str]]]:
        records = await self._records(person)
        for path, operations in document()["paths"].items():
            if "get" not in operations or not path.startswith(("/v1", "/fhir")):
                continue
            if path.startswith(_ELSEWHERE) or path in _SAME_TO_ALL:
                continue
            for at in _filled(path, records):
                yield at, {}
                if _LISTS.match(path):
                    yield at, {"Accept": "text/csv"}
        case = f"/v1/cases/{self.case['id']}"
        yield f"{case}/export?format=html", {}
        yield f"{case}/export?preview=true", {}
        yield f"/v1/journal?case_id={self.case['id']}", {}
        yield "/v1/flagged-cases?unwatched=true", {}

    async def _see_pages(self, views: dict[str, str], at_what: str) -> None:
        person = self.people["clinician"]
        if self.seat is None:
            self.seat = await seated(self.world, person)
        records = await self._records(person)
        records["kind"] = ["crossing", "expression"]
        for path in routes_of(self.world.app, "GET"):
            for at in _filled(path, records):
                if re.search(at_what, at) and at not in _SAME_TO_ALL:
                    _keep(views, at, self._plain((await self.seat.open(at)).answer))

    async def _records(self, person: Person) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        here = f"/v1/cases/{self.case['id']}"
        for place, noun in _PLACES.items():
            own = noun in ("invitations", "responses", "accounts")
            answer = await person.get(f"{here}/{noun}" if own else f"/v1/{noun}", limit=100)
            items = answer.json()["items"] if answer.is_success else []
            found[place] = [each["id"] for each in reversed(items)]
        found["record_id"] = found["incident_id"]
        found["version_id"] = ["1"]
        return found

    def _plain(self, answer: Response) -> str:
        assert answer.status_code < 500, answer.text
        headers = {**answer.headers}
        for name in ("x-request-id", "content-length", "set-cookie"):
            headers.pop(name, None)
        text = f"{answer.status_code} {sorted(headers.items())}\n{answer.text}"
        text = _CHANCE.sub("CHANCE", _ID.sub("ID", text))
        return text.replace(self.people["admin"].clinic_id.hex, "HEX")


def _keep(views: dict[str, str], path: str, view: str) -> None:
    name = _ID.sub("ID", path)
    alike = sum(each.startswith(f"{name} #") for each in views)
    views[f"{name} #{alike + 1}"] = view


def _filled(path: str, records: dict[str, list[str]]) -> Iterator[str]:
    rows: list[dict[str, str]] = [{}]
    for place in re.findall(r"{(\w+)}", path):
        rows = [{**row, place: each} for row in rows for each in records.get(place, ())]
    for row in rows:
        yield placed(path, row)


def differing(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Give the views that are not the same, each with what differs first."""
    return [
        f"{name}: {_first(one.get(name, ''), other.get(name, ''))}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def _first(one: str, other: str) -> str:
    pairs = enumerate(zip(one, other, strict=False))
    place = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
    return f"{one[max(0, place - 60) : place + 80]!r} | {other[max(0, place - 60) : place + 80]!r}"


async def two_clinics(world: World, *, share: bool = False) -> tuple[Clinic, Clinic]:
    """Let the same happen in two clinics, but that the door is used in the second."""
    plain, other = Clinic(world, world.here), Clinic(world, world.there)
    for clinic in (plain, other):
        await clinic.open()
    world.clock.forward(hours=1)
    await other.speak()
    world.clock.forward(hours=1)
    await other.look_into_it()
    if share:
        await other.share()
        world.clock.forward(days=1)
    world.clock.forward(hours=1)
    return plain, other
