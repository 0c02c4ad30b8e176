"""Whatever is refused when a record is made is refused when it is changed, too."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import anyio
import pytest
from sqlmodel import col, update

from api.domain.vocabulary import Scope
from api.storage.models.people import SignIn
from tests.support.requests import document
from tests.support.world import PASSWORD, Person, World, incident, made, ok, promise, software

Body = dict[str, Any]


@dataclass
class Stage:
    """One record of each sort that can be changed, and how another is made."""

    world: World
    kinds: dict[str, "Kind"] = field(default_factory=dict)
    spare: dict[str, Any] = field(default_factory=dict)

    async def make(self, kind: str, **fields: Any) -> int:
        """Try to make a record that differs so from a good one; give the status."""
        of = self.kinds[kind]
        return (await of.by.post(of.where, {**of.good(), **fields})).status_code

    async def change(self, kind: str, **fields: Any) -> int:
        """Try to change the one that stands; give the status."""
        of = self.kinds[kind]
        return (await of.by.patch(of.path, fields)).status_code


class Kind(NamedTuple):
    """A sort of record: who makes it, where, of what, and where one stands."""

    by: Person
    where: str
    good: Callable[[], Body]
    path: str


async def set_stage(world: World) -> Stage:
    """Make one record of each sort that has a PATCH."""
    stage = Stage(world)
    admin, me = world.admin, world.clinician
    case = await me.case(started_on=world.day(-30))
    of_case = f"/v1/cases/{case['id']}"
    app = await software(world, *set(Scope) - {Scope.restricted_write})
    stage.spare = {
        "case": await me.case(started_on=world.day(-30), client_ref="taken"),
        "elsewhere": await world.colleague.incident(await world.colleague.case(), "consent"),
    }
    for kind, by, where, good in (
        ("user", admin, "/v1/users", _user),
        ("software", admin, "/v1/service-accounts", _software),
        ("webhook", admin, "/v1/webhooks", _webhook),
        ("case", me, "/v1/cases", lambda: {"client_ref": uuid4().hex, "started_on": world.day(-9)}),
        ("incident", me, f"{of_case}/incidents", lambda: incident("consent", world)),
        ("incident of software", app, f"{of_case}/incidents", lambda: incident("consent", world)),
        ("promise", me, f"{of_case}/promises", lambda: promise(world)),
        ("consultation", me, f"{of_case}/consultations", _question),
        ("consultation of software", app, f"{of_case}/consultations", _question),
        ("note", me, f"{of_case}/notes", lambda: {"note_class": "progress", "body": "x"}),
    ):
        answer = await by.post(where, good())
        made(answer)
        stage.kinds[kind] = Kind(by, where, good, answer.headers["location"])
    return stage


def _user() -> Body:
    email = f"{uuid4().hex}@clinic.example"
    return {"name": "New", "email": email, "role": "clinician", "password": PASSWORD}


def _software() -> Body:
    return {"name": "Diary", "scopes": ["cases:read"]}


def _webhook() -> Body:
    return {"name": "Diary", "url": "https://diary.example/x", "events": ["flag.*"]}


def _question() -> Body:
    return {"kind": "ethics", "urgency": "routine", "question": "What now?"}


class Rule(NamedTuple):
    """What is refused, of which sort of record, with which status, and what is said to break it."""

    kind: str
    status: int
    said: Callable[[Stage], Body]


RULES: dict[str, Rule] = {
    "an address is known once": Rule("user", 409, lambda s: {"email": s.world.clinician.email}),
    "an address is one": Rule("user", 422, lambda _: {"email": "nobody"}),
    "a person has a name": Rule("user", 422, lambda _: {"name": " "}),
    "a person is no software": Rule("user", 422, lambda _: {"role": "service"}),
    "a person has a role": Rule("user", 422, lambda _: {"role": None}),
    "software has a scope": Rule("software", 422, lambda _: {"scopes": []}),
    "a scope is one": Rule("software", 422, lambda _: {"scopes": ["all:read"]}),
    "software has a name": Rule("software", 422, lambda _: {"name": ""}),
    "an address is public": Rule("webhook", 422, lambda _: {"url": "https://127.0.0.1/x"}),
    "an address is sealed": Rule("webhook", 422, lambda _: {"url": "http://diary.example/x"}),
    "a webhook is told of something": Rule("webhook", 422, lambda _: {"events": []}),
    "an event is one": Rule("webhook", 422, lambda _: {"events": ["flag.read"]}),
    "a case is kept once": Rule(
        "case", 409, lambda s: {"client_ref": "taken", "started_on": s.world.day(-30)}
    ),
    "a case begins by today": Rule("case", 422, lambda s: {"started_on": s.world.day(1)}),
    "a case ends by today": Rule("case", 422, lambda s: {"ended_on": s.world.day(1)}),
    "a case ends after it began": Rule(
        "case", 422, lambda s: {"started_on": s.world.day(-5), "ended_on": s.world.day(-6)}
    ),
    "a case has a reference": Rule("case", 422, lambda _: {"client_ref": ""}),
    "a case is not asked three times a day": Rule("case", 422, lambda _: {"sessions_per_week": -1}),
    "what happened is not ahead": Rule("incident", 422, lambda s: {"occurred_on": s.world.day(1)}),
    "details are of a kind": Rule("incident", 422, lambda _: {"details": {"kind": "other"}}),
    "nobody restricts on their own case": Rule("incident", 403, lambda _: {"restricted": True}),
    "software restricts by a scope": Rule(
        "incident of software", 403, lambda _: {"restricted": True}
    ),
    "a promise was made by today": Rule("promise", 422, lambda s: {"made_on": s.world.day(1)}),
    "a talk was by today": Rule("promise", 422, lambda s: {"discussed_on": s.world.day(1)}),
    "a promise has words": Rule("promise", 422, lambda _: {"wording": ""}),
    "a link is to this case": Rule(
        "consultation", 422, lambda s: {"incident_ids": [s.spare["elsewhere"]["id"]]}
    ),
    "a consultant is one": Rule(
        "consultation", 422, lambda s: {"consultant_id": str(s.world.colleague.id)}
    ),
    "a consultant sees the case": Rule(
        "consultation", 422, lambda s: {"consultant_id": str(s.world.stranger.id)}
    ),
    "a question is asked": Rule("consultation", 422, lambda _: {"question": ""}),
    "a person releases": Rule("consultation of software", 403, lambda _: {"released": True}),
    "a note has a text": Rule("note", 422, lambda _: {"body": ""}),
}
"""Each rule of making a record that a change could break; links have tests of their own below."""


async def test_what_is_refused_at_the_beginning_is_refused_of_a_change(world: World) -> None:
    stage = await set_stage(world)
    for kind in stage.kinds:
        assert await stage.make(kind) == 201, kind
    wrong = {}
    for sentence, rule in RULES.items():
        said = rule.said(stage)
        had = await stage.make(rule.kind, **said), await stage.change(rule.kind, **said)
        if had != (rule.status, rule.status):
            wrong[sentence] = had
    assert wrong == {}


async def test_every_record_that_can_be_changed_is_tried(world: World) -> None:
    changed = {path for path, on in document()["paths"].items() if "patch" in on}
    tried = {
        "/v1/users/{user_id}",
        "/v1/service-accounts/{account_id}",
        "/v1/webhooks/{webhook_id}",
        "/v1/cases/{case_id}",
        "/v1/incidents/{incident_id}",
        "/v1/promises/{promise_id}",
        "/v1/consultations/{consultation_id}",
        "/v1/notes/{note_id}",
        "/v1/supervisions/{supervision_id}",
        # a password is as long as a first one: below
        "/v1/me",
        # founded on the command line, which takes what this takes
        "/v1/clinic",
        # a word of a list, which sending it takes as well
        "/door/v1/accounts/{n}",
    }
    assert changed == tried


async def test_a_new_password_is_as_long_as_a_first_one(world: World) -> None:
    for password in ("short", "x" * 129):
        first = await world.admin.post("/v1/users", {**_user(), "password": password})
        mine = {"current_password": PASSWORD, "password": password}
        changed = await world.clinician.patch("/v1/me", mine)
        assert (first.status_code, changed.status_code) == (422, 422)


async def test_what_needs_a_recent_sign_in_to_be_made_needs_one_to_be_changed(
    world: World,
) -> None:
    stage = await set_stage(world)
    await _sign_in_long_ago(world)
    for kind, changes in (
        ("user", {"role": "supervisor"}),
        ("user", {"email": "other@x.example"}),
        ("user", {"is_active": True}),
        ("software", {"scopes": ["narrative:read"]}),
        ("software", {"is_active": True}),
        ("webhook", {"url": "https://other.example/x"}),
        ("webhook", {"events": ["case.*"]}),
        ("webhook", {"is_active": True}),
    ):
        assert await stage.make(kind) == 403
        assert await stage.change(kind, **changes) == 403, changes
    # to shut somebody out, nobody has to look for their second factor
    assert await stage.change("user", is_active=False) == 200
    assert await stage.change("webhook", is_active=False) == 200


async def _sign_in_long_ago(world: World) -> None:
    async with world.owner.transaction() as tx:
        await tx.enter(world.admin.clinic_id)
        hour_ago = datetime(2020, 1, 1, tzinfo=UTC) - timedelta(hours=1)
        mine = update(SignIn).where(col(SignIn.user_id) == world.admin.id)
        await tx.exec(mine.values(authenticated_at=hour_ago))


# ----------------------------------------------------------------------------------- links


async def link(world: World, **fields: Any) -> Any:
    """Link the stranger to the colleague."""
    body = {
        "supervisor_id": str(world.stranger.id),
        "clinician_id": str(world.colleague.id),
        "starts_on": world.day(),
        **fields,
    }
    return await world.admin.post("/v1/supervisions", body)


async def test_an_end_is_not_moved_over_another_link(world: World) -> None:
    spring, summer = world.day(-30), world.day(10)
    first = made(await link(world, starts_on=spring, ends_on=world.day()))
    second = made(await link(world, starts_on=summer))
    path = f"/v1/supervisions/{first['id']}"
    for ends_on in (None, world.day(11), world.day(400)):
        assert (await link(world, ends_on=ends_on)).status_code == 409
        assert (await world.admin.patch(path, {"ends_on": ends_on})).status_code == 409, ends_on
    ok(await world.admin.patch(path, {"ends_on": summer}))
    # and ending one ends what it gave
    case = await world.colleague.case()
    assert (await world.admin.delete(path)).status_code == 204
    assert (await world.stranger.get(f"/v1/cases/{case['id']}")).status_code == 404
    # a link that never held leaves its days to others
    assert (await world.admin.delete(f"/v1/supervisions/{second['id']}")).status_code == 204
    ok(await world.admin.patch(path, {"ends_on": None}))


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("stranger", {"role": "clinician"}),
        ("stranger", {"is_active": False}),
        ("colleague", {"role": "consultant"}),
        ("colleague", {"is_active": False}),
    ],
)
async def test_a_link_is_made_no_longer_for_who_could_not_be_linked(
    world: World, part: str, change: dict[str, Any]
) -> None:
    row = made(await link(world, ends_on=world.day(5)))
    path = f"/v1/supervisions/{row['id']}"
    ok(await world.admin.patch(f"/v1/users/{world.here[part].id}", change))
    later = await link(world, starts_on=world.day(5))
    assert later.status_code == 422
    for ends_on in (world.day(6), None):
        assert ok(await world.admin.patch(path, {"ends_on": ends_on}), 409)["detail"].endswith(
            "this link can end sooner, and not later."
        )
    for ends_on in (world.day(5), world.day(1)):
        ok(await world.admin.patch(path, {"ends_on": ends_on}))
    assert (await world.admin.delete(path)).status_code == 204


async def test_a_role_may_change_while_links_stand_and_takes_their_sight(world: World) -> None:
    made(await link(world))
    case = await world.colleague.case()
    user = f"/v1/users/{world.stranger.id}"
    for role, status in (("clinician", 404), ("supervisor", 200)):
        ok(await world.admin.patch(user, {"role": role}))
        assert (await world.stranger.get(f"/v1/cases/{case['id']}")).status_code == status


async def test_of_two_links_at_once_one_is_made_or_made_longer(world: World) -> None:
    former = made(await link(world, starts_on=world.day(-30), ends_on=world.day(-20)))
    other = made(await link(world, starts_on=world.day(-15), ends_on=world.day(-10)))
    statuses: list[int] = []

    async def make() -> None:
        statuses.append((await link(world, starts_on=world.day(-5))).status_code)

    async def lift(row: dict[str, Any]) -> None:
        path = f"/v1/supervisions/{row['id']}"
        answer = await world.admin.patch(path, {"ends_on": None}, row["version"])
        statuses.append(answer.status_code)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(make)
            group.start_soon(lift, former)
            group.start_soon(lift, other)
    assert len([each for each in statuses if each < 300]) == 1, statuses
    assert set(statuses) <= {200, 201, 409, 412}, statuses
    links = ok(await world.admin.get("/v1/supervisions", supervisor_id=str(world.stranger.id)))
    assert sum(each["ends_on"] is None for each in links["items"]) == 1
