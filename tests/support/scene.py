"""The scene on which the matrix is played: every sort of record, in every relation to each role."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from httpx import Response
from sqlmodel import col

from api.commands.worker import seal
from api.domain.vocabulary import Role, Scope
from api.security.door_secrets import parse_door_token
from api.security.tokens import AccessTokens, Claims
from api.storage.database import Database
from api.storage.models.access import AccessNotice, AccessNoticeReader, NoticeKind, Supervision
from api.storage.models.accounts import Account
from api.storage.models.clinical import Case, Consultation, Incident, Note, Promise
from api.storage.models.door import DoorSession, Invitation
from api.storage.models.door import Response as Answered
from api.storage.models.journal import JournalEntry
from api.storage.models.people import User
from api.storage.transaction import Transaction
from tests.support.door import Visitor, open_door, visitor
from tests.support.matrix import (
    ANSWERED,
    ASKED,
    HOOK,
    NOTE,
    QUESTIONNAIRE,
    ROLES,
    SAID,
    DoorRow,
    Row,
)
from tests.support.world import (
    Person,
    World,
    cheap_password_hash,
    incident,
    made,
    ok,
    promise,
    software,
)

ANSWER = {"outcome": "mixed", "advice": "talk it over"}
MOVES = ("request", "accept", "start", "complete")
STATUSES = ("draft", "requested", "accepted", "in_progress", "completed")
NOTES = {
    "note_id": "progress",
    "drafted_note": "supervision",
    "psychotherapy_note": "psychotherapy",
}
TREATING = {"clinician", "supervisor"}
DEFINED = {"definition_id": "extension-due", "happenings": "happening"}
"""What words mean, which is nobody's record and the same everywhere."""


class _CurtainError(Exception):
    """The end of a rehearsal: all that was done is undone."""


@dataclass
class Scene:
    """Two clinics full of people and records, on which every cell of the table is tried."""

    world: World
    here: dict[str, Person] = field(default_factory=dict)
    """By role, somebody with a case of their own; `maker`, `other`, `spare` help."""
    bare: dict[str, Person] = field(default_factory=dict)
    """By role, somebody without one."""
    there: dict[str, Person] = field(default_factory=dict)
    """By role, somebody of the other clinic without one."""
    records: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """The records that stand in a relation to a role."""
    clients: dict[str, Visitor] = field(default_factory=dict)
    """Who is at a door, and who no longer is."""
    notices: dict[UUID, str] = field(default_factory=dict)
    """By clinic, a notice that is told to everybody there."""
    rehearsing: bool = False
    """Nothing that is done now is kept."""

    async def send(self, row: Row, role: str, relation: str, *, unknown: bool = False) -> Response:
        """Try one cell; `unknown`: on records that do not exist."""
        person = self.person(row, role, relation)
        path, options = self._request(row, role, relation, person, unknown=unknown)
        return await person.send(row.method, path, **options)

    async def send_as_stranger(self, row: Row, who: str, relation: str) -> Response:
        """Try one cell with no token, or with one that no longer holds."""
        person = self.here["clinician"]
        path, options = self._request(row, "clinician", relation, person, unknown=False)
        headers = {**options.pop("headers", {}), **self._bad_token(who)}
        return await self.world.http.request(row.method, path, headers=headers, **options)

    async def send_at_door(self, row: DoorRow, who: str, n: str = "2") -> Response:
        """Ask something at the door, as one of its clients, as staff, or as nobody."""
        body = {} if row.body is None else {"json": row.body}
        path = row.path.replace("{n}", n)
        if who == "anonymous":
            return await self.world.http.request(row.method, path, **body)
        by = self.here[who] if who in ROLES else self.clients[who]
        return await by.send(row.method, path, **body)

    def person(self, row: Row, role: str, relation: str) -> Person:
        """Give who asks in a cell."""
        if row.names_a_record or relation == "own":
            return self.here[role]
        return self.there[role] if relation == "elsewhere" else self.bare[role]

    def _request(
        self, row: Row, role: str, relation: str, person: Person, *, unknown: bool
    ) -> tuple[str, dict[str, Any]]:
        records = self.records[role, relation]
        path = row.path
        for name in (part[1:-1] for part in row.path.split("/") if part.startswith("{")):
            value = str(uuid4()) if unknown else {**DEFINED, **records}[row.on.get(name, name)]
            path = path.replace(f"{{{name}}}", value)
        options: dict[str, Any] = {}
        if row.body is not None:
            named = {"case_id": str(uuid4()), "client_ref": uuid4().hex} if unknown else records
            options = self._said(self._body(row.body, person, named))
        if row.form is not None:
            options["data"] = row.form
        if row.method in {"PATCH", "DELETE"}:
            # a request that was sent has been through one change, and a clinic with an open door
            version = 2 if "requested" in row.on.values() or row.path == "/v1/clinic" else 1
            options["headers"] = {"If-Match": f'"{version}"'}
        return path, options

    def _said(self, body: Any) -> dict[str, Any]:
        if isinstance(body, bytes):
            return {"content": body, "headers": {"Content-Type": "application/x-ndjson"}}
        return {"json": body}

    def _body(self, body: Any, person: Person, named: dict[str, str]) -> Any:
        case_id = named["case_id"]
        treats = person.role in {Role.clinician, Role.supervisor}
        people = self.here if person.clinic_id == self.here["maker"].clinic_id else self.there
        maker, spare = str(people["maker"].id), str(people["spare"].id)
        words = {
            "a case": {
                "client_ref": uuid4().hex,
                "clinician_id": str(person.id) if treats else maker,
            },
            "an incident": incident("consent", self.world),
            "what was told": {**incident("consent", self.world), "about_user_id": None},
            "a promise": promise(self.world),
            # a person releases it
            "a question": {**ASKED, "released": person.role != Role.service},
            "a transfer": {"clinician_id": str(people["other"].id), "reason": "leave"},
            "a link": {
                "supervisor_id": spare,
                "clinician_id": maker,
                "starts_on": self.world.day(),
            },
            "a recusal": {"user_id": spare} if person.role == Role.admin else {},
            "a cover": {
                "case_id": case_id,
                "user_id": str(people["other"].id),
                "starts_on": self.world.day(),
                "ends_on": self.world.day(7),
            },
            "an emergency": {"case_id": case_id, "reason": "The clinician cannot be reached."},
            "a hold": {"case_id": case_id, "reason": "A court asked for the record."},
            "a reference": {"client_ref": named["client_ref"]},
            "a notice": {"ids": [self.notices[person.clinic_id]]},
        }
        return words[body] if isinstance(body, str) else body

    def _bad_token(self, who: str) -> dict[str, str]:
        if who == "anonymous":
            return {}
        if who in self.clients:
            return {"Authorization": f"Bearer {self.clients[who].token}"}
        person = self.here["clinician"] if who == "expired" else self.here["revoked"]
        assert person.session_id is not None
        tokens: AccessTokens = self.world.app.state.tokens
        since = self.world.clock.now - timedelta(minutes=11 if who == "expired" else 1)
        token = tokens.issue(Claims(person.clinic_id, person.id, person.session_id), since)
        return {"Authorization": f"Bearer {token}"}

    def rehearse(self) -> None:
        """Undo at the end of each transaction what it did, while `rehearsing`."""
        database: Database = self.world.database
        really = database.transaction

        @asynccontextmanager
        async def transaction(
            request_id: str | None = None, *, looks: bool = False
        ) -> AsyncIterator[Transaction]:
            try:
                async with really(request_id, looks=looks) as tx:
                    yield tx
                    if self.rehearsing:
                        await tx.write_early()
                        raise _CurtainError
            except _CurtainError:
                return

        database.transaction = transaction  # type: ignore[method-assign]


async def set_scene(world: World) -> Scene:
    """Found both clinics, and play every sort of record in each of them."""
    scene = Scene(world)
    here, there = await world.clinic(), await world.clinic()
    scene.there = {**{role: there[role] for role in ROLES[:-1]}, "maker": there["clinician"]}
    scene.there |= {"spare": there["stranger"], "other": there["colleague"]}
    scene.there["service"] = await software(world, *Scope, of=there["admin"])
    scene.here = {role: here[role] for role in ROLES[:-1]}
    scene.here["service"] = await software(world, *Scope, of=here["admin"])
    for part, role in (
        ("maker", Role.clinician),
        ("linked", Role.clinician),
        ("other", Role.clinician),
        ("watcher", Role.supervisor),
        ("spare", Role.supervisor),
        ("opener", Role.supervisor),
        ("revoked", Role.clinician),
    ):
        scene.here[part] = await _person(world, here["admin"], role)
    for name in ROLES[:-1]:
        scene.bare[name] = await _person(world, here["admin"], Role[name])
    scene.bare["service"] = scene.here["service"]
    await _link(scene)
    for admin in (here["admin"], there["admin"]):
        await open_door(world, admin)
    await _play(scene, there)
    await _go_to_doors(scene)
    everyone = (*scene.here.values(), *scene.bare.values(), *scene.there.values())
    for person in everyone:
        if person.session_id is None:
            await world.token_of(person)
    await _own_accounts(scene)
    for people in (everyone[: -len(scene.there)], tuple(scene.there.values())):
        await _tell_everybody(scene, [each for each in people if each.role != Role.service])
    assert (await scene.here["revoked"].post("/v1/auth/revoke")).status_code == 204
    scene.rehearse()
    return scene


async def _person(world: World, admin: Person, role: Role) -> Person:
    async with world.owner.transaction() as tx:
        await tx.enter(admin.clinic_id)
        user = User(
            clinic_id=admin.clinic_id,
            name="Somebody",
            email=f"{uuid4().hex}@clinic.example",
            role=role,
            password_hash=cheap_password_hash(),
            created_at=tx.now,
            updated_at=tx.now,
        )
        tx.add(user)
    return Person(world, admin.clinic_id, user.id, role, user.email)


async def _link(scene: Scene) -> None:
    """Link the watcher to all who make records; and one of each role, supervisor or not, to one."""
    watcher, linked = scene.here["watcher"], scene.here["linked"]
    pairs = [(watcher, scene.here[each]) for each in ("maker", "linked", "other")]
    pairs += [(scene.here[role], linked) for role in ROLES[:-1]]
    async with scene.world.owner.transaction() as tx:
        await tx.enter(watcher.clinic_id)
        for supervisor, clinician in pairs:
            tx.add(
                Supervision(
                    clinic_id=watcher.clinic_id,
                    supervisor_id=supervisor.id,
                    clinician_id=clinician.id,
                    starts_on=scene.world.clock.now.date() - timedelta(days=30),
                    created_at=tx.now,
                    updated_at=tx.now,
                )
            )


async def _play(scene: Scene, there: dict[str, Person]) -> None:
    world, here = scene.world, scene.here
    watcher, opener, admin = here["watcher"], here["opener"], here["admin"]
    for role in ROLES[:-1]:
        mine = await _records(scene, here["maker"], watcher, watcher, opener, admin)
        await _hand_over(world, mine, here[role])
        await _sign(here[role], mine)
        scene.records[role, "own"] = mine
    linked = await _records(scene, here["linked"], watcher, here["supervisor"], opener, admin)
    unrelated = await _records(scene, here["other"], watcher, here["consultant"], opener, admin)
    opener_there = await _person(world, there["admin"], Role.supervisor)
    elsewhere = await _records(
        scene,
        there["clinician"],
        there["supervisor"],
        there["supervisor"],
        opener_there,
        there["admin"],
    )
    await _sign(here["linked"], linked)
    await _sign(here["other"], unrelated)
    await _sign(there["clinician"], elsewhere)
    for role in ROLES:
        scene.records[role, "linked"] = linked
        scene.records[role, "unrelated"] = unrelated
        scene.records[role, "elsewhere"] = elsewhere


async def _records(
    scene: Scene,
    maker: Person,
    supervisor: Person,
    consultant: Person,
    opener: Person,
    admin: Person,
) -> dict[str, str]:
    """Play one case with a record of every sort."""
    world = scene.world
    case = await maker.case()
    words = await maker.incident(case, "hurtful_words")
    await maker.incident(case, "cotreatment", coordinated=False)
    await maker.incident(case, "oversight", available=False)
    await maker.incident(case, "risk", indicator="suicidal_ideation")
    pledge = await maker.promise(case)
    flags = {flag["rule"]: flag["id"] for flag in await maker.flag_list(case)}
    ok(await supervisor.post(f"/v1/flags/{flags['no_oversight']}/resolve", NOTE))
    path = f"/v1/cases/{case['id']}"
    away = await _person(world, admin, Role.supervisor)
    recusal = made(await admin.post(f"{path}/recusals", {"user_id": str(away.id)}))
    stand_in = await _person(world, admin, Role.clinician)
    span = {"starts_on": world.day(), "ends_on": world.day(9)}
    cover = made(
        await maker.post("/v1/covers", {"case_id": case["id"], "user_id": str(stand_in.id), **span})
    )
    emergency = {"case_id": case["id"], "reason": "Nobody else could be reached."}
    opening = made(await opener.post("/v1/break-glass", emergency))
    account = made(
        await admin.post("/v1/service-accounts", {"name": "Diary", "scopes": ["cases:read"]})
    )
    hook, changing = [made(await admin.post("/v1/webhooks", HOOK)) for _ in range(2)]
    second = made(await admin.post(f"/v1/webhooks/{changing['id']}/secrets"))
    sent = ok(await admin.post(f"/v1/webhooks/{hook['id']}/test"))
    people = scene.here if maker.clinic_id == scene.here["maker"].clinic_id else scene.there
    held = {"case_id": case["id"], "reason": "An insurer asked for the record."}
    hold = made(await people["privacy_officer"].post("/v1/legal-holds", held))
    asked = made(await admin.post("/v1/questionnaires", QUESTIONNAIRE))
    answered = made(await maker.post(f"/v1/cases/{case['id']}/responses", ANSWERED))
    await world.token_of(maker)
    (link, *_) = ok(await admin.get("/v1/supervisions", clinician_id=str(maker.id)))["items"]
    records = {
        "case_id": case["id"],
        "incident_id": words["id"],
        "promise_id": pledge["id"],
        "flag_id": flags["hurtful_words"],
        "prompt": flags["clarify_roles"],
        "warning": flags["client_safety"],
        "resolved": flags["no_oversight"],
        "recusal_id": recusal["id"],
        "cover_id": cover["id"],
        "opening_id": opening["id"],
        "account_id": account["id"],
        "hold_id": hold["id"],
        "questionnaire_id": asked["id"],
        "response_id": answered["id"],
        "secret_id": account["secrets"][0]["id"],
        "import_id": await _import(people["service"], maker),
        "webhook_id": hook["id"],
        "changing_webhook": changing["id"],
        "webhook_secret": second["id"],
        "delivery_id": sent["id"],
        "user_id": str(maker.id),
        "session_id": str(maker.session_id),
        "supervision_id": link["id"],
        "entry_id": await _sealed_entry(world, maker, case["id"]),
        "client_ref": case["client_ref"],
    }
    records |= await said_at_door(world, case, maker, people["privacy_officer"])
    records["disclosure_id"] = made(await maker.post(f"{path}/disclosures"))["id"]
    records["version_id"] = "1"
    for name, flag_id in (("flag_version", "flag_id"), ("warning_version", "warning")):
        flag = ok(await maker.get(f"/v1/flags/{records[flag_id]}"))
        records[name] = str(flag["version"])
    for name, note_class in NOTES.items():
        note = {"note_class": note_class, "body": "as it was"}
        records[name] = made(await maker.post(f"{path}/notes", note))["id"]
    for status in STATUSES:
        records[status] = await _consultation(maker, consultant, case, status)
    return records


async def said_at_door(
    world: World, case: dict[str, Any], maker: Person, officer: Person
) -> dict[str, str]:
    """Invite a client twice, who says something to each sort of readers, and shares a third."""
    at = f"/v1/cases/{case['id']}"
    invited = made(await maker.post(f"{at}/invitations"))
    hidden = made(await officer.post("/v1/invitations", {"client_ref": case["client_ref"]}))
    client = await visitor(world, maker.clinic_id, code=invited["code"])
    made(await client.post("/door/v1/accounts", SAID))
    await client.says(to="privacy_officers")
    await client.says(shared="with_therapist")
    of_it = col(Account.case_id) == UUID(case["id"])
    told = sa.select(col(Account.id)).where(of_it).order_by(col(Account.number))
    async with world.owner.transaction() as tx:
        # since today, and not from tomorrow on
        since = sa.update(Account).where(of_it, col(Account.shared_as).is_not(None))
        await tx.exec(since.values(shared_from=tx.now.date()))
        first, second, _ = [str(row[0]) for row in await tx.exec(told)]
        shared = sa.select(col(Account.shared_as)).where(of_it, col(Account.number) == 3)
        shared_as = str((await tx.exec(shared)).one()[0])
    return {
        "invitation_id": invited["id"],
        "invitation_by_an_officer": hidden["id"],
        "client_account_id": first,
        "account_to_officers": second,
        "shared_account": shared_as,
    }


async def _go_to_doors(scene: Scene) -> None:
    """Let clients stand at the doors of both clinics, each with a box of their own."""
    clients = scene.clients
    clients["client with receipt"], clients["client with code"] = await _sent(scene, "here", 2)
    clients["another client"], _ = await _sent(scene, "here", 1)
    clients["client elsewhere"], _ = await _sent(scene, "there", 1)
    clients["thrown away"], other = await _sent(scene, "here", 2, by_receipt=True)
    assert (await other.post("/door/v1/throw-away")).status_code == 204
    for who in ("left", "idle", "too long"):
        clients[who], _ = await _sent(scene, "here", 2)
    assert (await clients["left"].send("DELETE", "/door/v1/session")).status_code == 204
    await _long_ago(scene.world, clients["idle"], updated_at=timedelta(minutes=30))
    await _long_ago(scene.world, clients["too long"], created_at=timedelta(hours=4))


async def _sent(
    scene: Scene, where: str, most: int, *, by_receipt: bool = False
) -> tuple[Visitor, Visitor]:
    """Let a client send something by a code: give them by their receipt, and as they came."""
    maker = (scene.here if where == "here" else scene.there)["maker"]
    case = await maker.case()
    code = made(await maker.post(f"/v1/cases/{case['id']}/invitations"))["code"]
    came = await visitor(scene.world, maker.clinic_id, code=code)
    sent = [await came.says(happened=f"It was so {number}.") for number in range(most)]
    receipt = {"receipt": sent[0]["receipt"]}
    again = await visitor(scene.world, maker.clinic_id, **receipt)
    return again, await visitor(scene.world, maker.clinic_id, **receipt) if by_receipt else came


async def _long_ago(world: World, client: Visitor, **spans: timedelta) -> None:
    """Let a visit have begun, or gone on last, some time ago."""
    token = parse_door_token(client.token)
    assert token is not None
    visit = sa.update(DoorSession).where(col(DoorSession.id) == token.visit_id)
    async with world.owner.transaction() as tx:
        await tx.exec(visit.values({name: tx.now - span for name, span in spans.items()}))


async def _sealed_entry(world: World, maker: Person, case_id: str) -> str:
    """Seal the journal of somebody's clinic; give the entry that tells of a case's beginning."""
    await seal(world.database, maker.clinic_id)
    told = sa.select(col(JournalEntry.id)).where(
        col(JournalEntry.case_id) == UUID(case_id), col(JournalEntry.happening) == "case.opened"
    )
    async with world.owner.transaction() as tx:
        return str((await tx.exec(told)).one()[0])


async def _import(software: Person, maker: Person) -> str:
    """Read one case in, and refuse another line."""
    told = {"client_ref": uuid4().hex}
    line = {"type": "case", "key": uuid4().hex, "clinician": maker.email, "data": told}
    file = json.dumps(line).encode() + b"\nnothing"
    sent = {"content": file, "headers": {"Content-Type": "application/x-ndjson"}}
    import_id: str = made(await software.send("POST", "/v1/imports", **sent))["id"]
    return import_id


async def _consultation(
    maker: Person, consultant: Person, case: dict[str, Any], status: str
) -> str:
    drafted = made(await maker.post(f"/v1/cases/{case['id']}/consultations", ASKED))
    path = f"/v1/consultations/{drafted['id']}"
    for move in MOVES[: STATUSES.index(status)]:
        by = maker if move == "request" else consultant
        ok(await by.post(f"{path}/{move}", ANSWER if move == "complete" else {}))
    consultation_id: str = drafted["id"]
    return consultation_id


async def _hand_over(world: World, records: dict[str, str], to: Person) -> None:
    """Make a case somebody's own, with all that was recorded on it."""
    case_id = UUID(records["case_id"])
    async with world.owner.transaction() as tx:
        case = sa.update(Case).where(col(Case.id) == case_id)
        await tx.exec(case.values(clinician_id=to.id, recorded_by_id=to.id))
        for model in (Incident, Promise, Consultation, Note, Answered):
            theirs = sa.update(model).where(col(model.case_id) == case_id)
            await tx.exec(theirs.values(recorded_by_id=to.id))
        # what an officer made stays theirs
        made_by = sa.update(Invitation).where(col(Invitation.case_id) == case_id)
        await tx.exec(made_by.where(~col(Invitation.restricted)).values(recorded_by_id=to.id))
        shared = sa.update(Account).where(col(Account.case_id) == case_id)
        await tx.exec(
            shared.where(col(Account.shared_as).is_not(None)).values(shared_with_id=to.id)
        )


async def _sign(author: Person, records: dict[str, str]) -> None:
    """Sign the notes that are not to stay drafts; once signed, nobody could hand them over."""
    for name in ("note_id", "psychotherapy_note"):
        ok(await author.post(f"/v1/notes/{records[name]}/sign"))


async def _tell_everybody(scene: Scene, people: Sequence[Person]) -> None:
    """Make a notice that concerns all of these people of one clinic."""
    clinic_id = people[0].clinic_id
    notice = AccessNotice(
        clinic_id=clinic_id,
        at=scene.world.clock.now,
        kind=NoticeKind.supervisor,
        user_id=people[0].id,
        record_id=people[0].id,
        entry_id=uuid4(),
    )
    async with scene.world.owner.transaction() as tx:
        await tx.enter(clinic_id)
        tx.add(notice)
        await tx.flush()
        for user_id in {person.id for person in people}:
            tx.add(AccessNoticeReader(clinic_id=clinic_id, user_id=user_id, notice_id=notice.id))
    scene.notices[clinic_id] = str(notice.id)


async def _own_accounts(scene: Scene) -> None:
    """What is somebody's own beside a case: their user, their session, a link of theirs."""
    for role in ROLES[:-1]:
        person = scene.here[role]
        links = ok(await scene.here["admin"].get("/v1/supervisions", limit=100))["items"]
        scene.records[role, "own"] |= {
            "user_id": str(person.id),
            "session_id": str(person.session_id),
            "supervision_id": next(
                link["id"] for link in links if link["supervisor_id"] == str(person.id)
            ),
        }
    # the link that is nobody's own of those who ask
    watched = next(
        link["id"] for link in links if link["supervisor_id"] == str(scene.here["watcher"].id)
    )
    for relation in ("linked", "unrelated"):
        scene.records["clinician", relation] |= {"supervision_id": watched}
