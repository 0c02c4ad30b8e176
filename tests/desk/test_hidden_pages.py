"""No page tells a clinician that something is kept from them: not by a byte.

Two clinics live through the same day, to the same clock; in one of them the supervisor writes down
what the clinician is not to see. Whatever the clinicians open, they see the same.
"""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col

from api.domain.look_back import LOOK_BACK_ID
from api.flags.hiding import Rearranged
from api.records import read_models
from api.routes import client_accounts, incidents, invitations, notes, timeline
from api.storage.models.accounts import Account
from tests.support.desk import Seat, placed, routes_of, seated
from tests.support.door import enter, invite, open_door
from tests.support.matrix import ANSWERED
from tests.support.notes import drafted, signed
from tests.support.world import Person, World, incident, made, ok

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TOKEN = re.compile(r'(name="form_token" value=")[^"]+')
REQUEST = re.compile(r"name this: \S+|cursor=[\w-]+|(?<=<code>…)[0-9a-f]{8}|[0-9a-f]{64}")
"""Ids of requests, how far a list was read, the ends of ids, and what salted texts hash to."""

NOUNS = ("incident", "promise", "consultation", "note", "flag")
KINDS = ("crossing", "expression", "frame_change")
SPANS = ("?span=year", "?span=quarter", "?span=month", "?span=month&until=2026-03-01")
SHOWN_TO_ALL = {"/desk/style.css", "/desk/icon.svg", "/desk/sign-in"}


@dataclass
class Day:
    """One clinic's day: its people, a case, and who reads of it."""

    people: dict[str, Person]
    case: dict[str, Any] = field(default_factory=dict)
    readers: dict[str, Seat] = field(default_factory=dict)

    code: str = ""
    """The code of an invitation to the case's door."""

    async def open(self, world: World) -> None:
        """Let happen what everybody may know of."""
        hers, supervisor = self.people["clinician"], self.people["supervisor"]
        self.case = await hers.case(client_ref="zq-1")
        path = f"/v1/cases/{self.case['id']}"
        crossing = await hers.incident(self.case, "crossing", area="time", narrative="zq")
        await hers.incident(self.case, "hurtful_words", initiator="institution")
        await hers.incident(self.case, "cotreatment", coordinated=False)
        await hers.incident(self.case, "oversight", available=False)
        await supervisor.incident(self.case, "frame_change", direction="tighten", elements=["fee"])
        promise = await hers.promise(self.case, due_on=world.day(-1))
        asked = {
            "kind": "ethics",
            "urgency": "routine",
            "question": "what now?",
            "summary": "in short",
            "released": True,
            "incident_ids": [crossing["id"]],
            "promise_ids": [promise["id"]],
        }
        draft = made(await hers.post(f"{path}/consultations", asked))
        ok(await hers.post(f"/v1/consultations/{draft['id']}/request"))
        made(await hers.post(f"{path}/consultations", asked))
        made(await hers.post(f"{path}/responses", ANSWERED))
        await signed(hers, self.case)
        await drafted(hers, self.case)
        await self._open_door(world)
        span = {"starts_on": world.day(), "ends_on": world.day(9)}
        for part in ("colleague", "stranger"):
            cover = {"case_id": self.case["id"], "user_id": str(self.people[part].id), **span}
            made(await hers.post("/v1/covers", cover))

    async def _open_door(self, world: World) -> None:
        """Let the clinician invite the client, who shares something with them."""
        await open_door(world, self.people["admin"])
        invited = await invite(self.people["clinician"], self.case)
        self.code = invited["code"]
        await (await enter(world, code=self.code)).says(
            shared="with_therapist", happened="zq-shared", topics=["touch"]
        )
        of_it = col(Account.case_id) == UUID(self.case["id"])
        async with world.owner.transaction() as tx:
            # since today, and not from tomorrow on
            await tx.exec(sa.update(Account).where(of_it).values(shared_from=tx.now.date()))

    async def _hide_at_door(self, world: World) -> None:
        """Let the client say what is not shared, or not yet, and its readers act on it."""
        supervisor, officer = self.people["supervisor"], self.people["privacy_officer"]
        client = await enter(world, code=self.code)
        hidden = {"happened": "zq-hidden", "reach": "zq-hidden", "wants": ["somebody_looks"]}
        await client.says(**hidden, safe_now="no")
        await client.says(**hidden, shared="with_therapist")
        (_, line, *_) = ok(await supervisor.get("/v1/accounts"))["items"]
        path = f"/v1/accounts/{line['id']}"
        ok(await supervisor.get(path))
        made(await supervisor.post(f"{path}/reply", {"reply": "zq-hidden"}))
        told = {**incident("consent", world), "about_user_id": None}
        made(await supervisor.post(f"{path}/incidents", told))
        await invite(supervisor, self.case)
        made(await officer.post("/v1/invitations", {"client_ref": self.case["client_ref"]}))

    async def sit_down(self, world: World) -> None:
        for part in ("clinician", "colleague", "consultant"):
            self.readers[part] = await seated(world, self.people[part])

    async def hide(self, world: World) -> None:
        """Let happen what the clinician is not to know of."""
        supervisor, path = self.people["supervisor"], f"/v1/cases/{self.case['id']}"
        words = await supervisor.incident(self.case, "hurtful_words", on=-3, narrative="zq-hidden")
        await supervisor.incident(
            self.case, "sexual_conduct", conduct="contact", restricted=True, on=-2
        )
        gone = await supervisor.incident(self.case, "role_reversal", form="other", restricted=True)
        assert (await supervisor.delete(f"/v1/incidents/{gone['id']}")).status_code == 204
        review = {"determination": "real_danger", "review_note": "zq-hidden"}
        ok(await supervisor.post(f"/v1/incidents/{words['id']}/review", review))
        ok(await supervisor.patch(f"/v1/incidents/{words['id']}", {"repair": "failed"}))
        by_hand = {"severity": "critical", "title": "zq-hidden", "because": "zq-hidden"}
        raised = made(await supervisor.post(f"{path}/flags", {**by_hand, "restricted": True}))
        ok(await supervisor.post(f"/v1/flags/{raised['id']}/acknowledge"))
        hidden = [each for each in await supervisor.flag_list(self.case) if each["restricted"]]
        assert len(hidden) >= 3
        note = {"determination": "normal_process", "resolution_note": "zq-hidden"}
        ok(await supervisor.post(f"/v1/flags/{hidden[0]['id']}/resolve", note))
        ok(await supervisor.post(f"/v1/flags/{hidden[0]['id']}/reopen", {"reason": "zq-hidden"}))
        await drafted(self.people["stranger"], self.case, "psychotherapy", "zq-hidden")
        await self._hide_at_door(world)
        # and what is on a case of somebody else's
        other = await self.people["supervisor"].case(client_ref="zq-hidden")
        await self.people["supervisor"].incident(other, "oversight", available=False)

    async def look(self, world: World, part: str, at_what: str = "") -> dict[str, str]:
        """Read every page that somebody may open, as it is but for ids and secrets.

        `at_what`: what the addresses of pages must match to be read.
        """
        seat, person = self.readers[part], self.people[part]
        pages: dict[str, str] = {}
        found = [each async for each in self._addresses(world, person)]
        for number, at in enumerate(each for each in found if re.search(at_what, each)):
            page = await seat.open(at)
            assert page.status < 500
            name = f"{number} {ID.sub('ID', at)}"
            pages[name] = f"{page.status} {self._plain(page.text)}"
        return pages

    async def _addresses(self, world: World, person: Person) -> AsyncIterator[str]:
        """Give the addresses of all pages, of each record that somebody sees."""
        records: dict[str, list[str]] = {"case_id": [self.case["id"]], "kind": [*KINDS]}
        for noun in NOUNS:
            answer = await person.get(f"/v1/{noun}s", limit=100)
            found = answer.json()["items"] if answer.is_success else []
            records[f"{noun}_id"] = [each["id"] for each in reversed(found)]
        for name, noun in (("invitation", "invitations"), ("client_account", "accounts")):
            answer = await person.get(f"/v1/cases/{self.case['id']}/{noun}")
            found = answer.json()["items"] if answer.is_success else []
            records[f"{name}_id"] = [each["id"] for each in found]
        answer = await person.get(f"/v1/cases/{self.case['id']}/responses")
        answered = answer.json()["items"] if answer.is_success else []
        records["response_id"] = [each["id"] for each in answered]
        records["questionnaire_id"] = [str(LOOK_BACK_ID)]
        for path in routes_of(world.app, "GET"):
            if path not in SHOWN_TO_ALL:
                for at in _filled(path, records):
                    yield at
        for span in SPANS:
            yield f"/desk/cases/{self.case['id']}{span}"
        for noun in NOUNS:
            yield f"/desk/{noun}s?all="

    def _plain(self, text: str) -> str:
        text = text.replace(self.people["admin"].clinic_id.hex, "HEX")
        return REQUEST.sub("", TOKEN.sub(r"\1", ID.sub("ID", text)))


def _filled(path: str, records: dict[str, list[str]]) -> Iterator[str]:
    places = re.findall(r"{(\w+)}", path)
    rows: list[dict[str, str]] = [{}]
    for place in places:
        rows = [{**row, place: each} for row in rows for each in records.get(place, ())]
    for row in rows:
        yield placed(path, row)


async def two_days(world: World) -> tuple[Day, Day]:
    """Let two clinics live through the same day; something is hidden in the second."""
    plain, other = Day(world.here), Day(world.there)
    for day in (plain, other):
        await day.open(world)
    world.clock.forward(hours=1)
    await other.hide(world)
    world.clock.forward(hours=1)
    for day in (plain, other):
        await day.sit_down(world)
    return plain, other


def differing(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Give the pages that are not the same, each with its first line that differs."""
    return [
        f"{name}: {_first(one.get(name, ''), other.get(name, ''))}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def _first(one: str, other: str) -> str:
    lines = zip_longest(one.splitlines(), other.splitlines())
    return next((f"{line} | {beside}" for line, beside in lines if line != beside), "")


LEAST = {"clinician": 60, "colleague": 50, "consultant": 3}
"""How many pages each opens at least."""


async def test_no_page_tells_of_what_is_kept_from_its_reader(world: World) -> None:
    plain, other = await two_days(world)
    for part, least in LEAST.items():
        seen, told = await plain.look(world, part), await other.look(world, part)
        assert sum(text.startswith("200") for text in seen.values()) >= least
        assert "zq-hidden" not in "".join(told.values())
        assert differing(seen, told) == []
    # the supervisor sees all of it, or nothing was hidden
    queue = await seated(world, other.people["supervisor"])
    assert "zq-hidden" in (await queue.open(f"/desk/cases/{other.case['id']}")).text


GUARDS: tuple[tuple[Any, str, Any], ...] = (
    (incidents, "visible_incidents", lambda *_: sa.true()),
    (read_models, "may_see_flag", lambda *_, **__: True),
    (timeline, "hidden_on", None),
    (notes, "visible_notes", lambda *_: sa.true()),
    (invitations, "visible_invitations", lambda *_: sa.true()),
    (client_accounts, "shared_with", lambda *_: col(Account.shared_as).is_not(None)),
)
"""Guards, and what takes their place."""


async def _nothing(*_: object) -> frozenset[Any]:
    return frozenset()


async def _as_it_was(*_: object) -> Rearranged:
    return Rearranged()


WHERE = r"cases/[^/]+(/timeline|/invitations)?$|desk/(incidents|flags|notes)|desk(/cases)?$"
"""Pages on which it must show."""


@pytest.mark.parametrize(("room", "guard", "gone"), GUARDS, ids=[each[1] for each in GUARDS])
async def test_a_guard_that_is_taken_away_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch, room: Any, guard: str, gone: Any
) -> None:
    monkeypatch.setattr(room, guard, gone or _nothing)
    plain, other = await two_days(world)
    seen, told = [await day.look(world, "clinician", WHERE) for day in (plain, other)]
    assert differing(seen, told)
