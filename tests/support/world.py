"""A small world to test in: two clinics, their people, a movable clock, and plain HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from api.domain.bodies import IncidentCreate
from api.domain.vocabulary import Role, Scope
from api.main import create_app, furnish
from api.runtime.settings import Settings, new_data_key, random_secret
from api.security.tokens import AccessTokens, Claims
from api.storage.database import Database
from api.storage.models.access import Supervision
from api.storage.models.people import Clinic, ServiceAccount, SignIn, User
from tests.support.patience import PATIENCE


class Urls(NamedTuple):
    """How one database is reached: by the role that serves, and by the owner of the tables."""

    runtime: str
    owner: str


NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""When tests begin: a Monday."""
PASSWORD = "a long and fictional password"
SETTINGS_SECRET = random_secret()
DATA_KEY = SecretStr(new_data_key())
SETTINGS = Settings(secret_key=SETTINGS_SECRET, data_key=DATA_KEY)

PEOPLE = {
    "clinician": Role.clinician,
    "colleague": Role.clinician,
    "supervisor": Role.supervisor,
    "stranger": Role.supervisor,
    "consultant": Role.consultant,
    "privacy_officer": Role.privacy_officer,
    "admin": Role.admin,
}
"""Who is in each clinic. `supervisor` is linked to `clinician`; `stranger` to nobody."""


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        """Move on by a `timedelta`'s arguments."""
        self.now += timedelta(**span)


@dataclass
class Person:
    """Somebody of a clinic, who speaks HTTP with a token of their own."""

    world: "World"
    clinic_id: UUID
    id: UUID
    role: Role
    email: str
    session_id: UUID | None = None

    async def send(self, method: str, path: str, **options: Any) -> Response:
        """Send one request with a fresh token of this person."""
        token = await self.world.token_of(self)
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        return await self.world.http.request(method, path, headers=headers, **options)

    async def get(self, path: str, **params: Any) -> Response:
        """GET."""
        return await self.send("GET", path, params=params or None)

    async def post(self, path: str, body: Any = None, **options: Any) -> Response:
        """POST a JSON body."""
        return await self.send("POST", path, json={} if body is None else body, **options)

    async def patch(self, path: str, body: Any, version: int | None = None) -> Response:
        """PATCH with `If-Match`: the version given, or the present one."""
        return await self.send("PATCH", path, json=body, headers=await self._match(path, version))

    async def delete(self, path: str, version: int | None = None, **params: Any) -> Response:
        """DELETE with `If-Match`: the version given, or the present one."""
        headers = await self._match(path, version)
        return await self.send("DELETE", path, params=params or None, headers=headers)

    async def _match(self, path: str, version: int | None) -> dict[str, str]:
        if version is None:
            shown = await self.get(path)
            return {"If-Match": shown.headers.get("etag", '"0"')}
        return {"If-Match": f'"{version}"'}

    # the shortest ways to a record

    async def case(self, **fields: Any) -> dict[str, Any]:
        """Open a case."""
        body = {"client_ref": f"ref-{uuid7().hex}", **fields}
        return made(await self.post("/v1/cases", body))

    async def incident(self, case: dict[str, Any], kind: str, **fields: Any) -> dict[str, Any]:
        """Report an incident; `details` holds what its kind needs, the rest are its fields."""
        return made(
            await self.post(
                f"/v1/cases/{case['id']}/incidents", incident(kind, self.world, **fields)
            )
        )

    async def promise(self, case: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Record a promise."""
        return made(
            await self.post(f"/v1/cases/{case['id']}/promises", promise(self.world, **fields))
        )

    async def flags(self, case: dict[str, Any], *, live: bool = True) -> dict[str, str]:
        """Give rule → severity of the flags of a case that this person sees."""
        return {flag["rule"]: flag["severity"] for flag in await self.flag_list(case, live=live)}

    async def flag_list(self, case: dict[str, Any], *, live: bool = True) -> list[dict[str, Any]]:
        """Give the flags of a case that this person sees; `live`: unresolved and still holding."""
        shown = ok(await self.get(f"/v1/cases/{case['id']}/flags", limit=100))["items"]
        return [
            flag
            for flag in shown
            if not live or (flag["status"] in {"open", "acknowledged"} and flag["condition_holds"])
        ]

    async def queue(self, **filters: Any) -> list[dict[str, Any]]:
        """Give this supervisor's queue."""
        items: list[dict[str, Any]] = ok(await self.get("/v1/flagged-cases", **filters))["items"]
        return items


@dataclass
class World:
    """Two clinics on one server. `here` and `there` map a part to its person."""

    app: FastAPI
    http: AsyncClient
    clock: Clock
    owner: Database
    """The database as the owner of the tables reaches it, who founds clinics and sees all."""
    here: dict[str, Person] = field(default_factory=dict)
    there: dict[str, Person] = field(default_factory=dict)

    @property
    def clinician(self) -> Person:
        """The clinician here; `supervisor` answers for her."""
        return self.here["clinician"]

    @property
    def colleague(self) -> Person:
        """Another clinician here, supervised by nobody."""
        return self.here["colleague"]

    @property
    def supervisor(self) -> Person:
        """The clinician's supervisor."""
        return self.here["supervisor"]

    @property
    def stranger(self) -> Person:
        """A supervisor here who is linked to nobody."""
        return self.here["stranger"]

    @property
    def admin(self) -> Person:
        """The admin here."""
        return self.here["admin"]

    @property
    def database(self) -> Database:
        """The application's database."""
        database: Database = self.app.state.database
        return database

    def day(self, offset: int = 0) -> str:
        """Give the UTC date some days from the world's today."""
        return (self.clock.now + timedelta(days=offset)).date().isoformat()

    async def token_of(self, person: Person) -> str:
        """Issue a token for a session that is always open."""
        tokens: AccessTokens = self.app.state.tokens
        if person.session_id is None:
            await self._sign_in(person)
        assert person.session_id is not None
        return tokens.issue(Claims(person.clinic_id, person.id, person.session_id), self.clock.now)

    async def _sign_in(self, person: Person) -> None:
        async with self.database.transaction() as tx:
            await tx.enter(person.clinic_id)
            for_ever = tx.now + timedelta(days=4000)
            session = SignIn(
                clinic_id=person.clinic_id,
                user_id=person.id,
                created_at=tx.now,
                updated_at=tx.now,
                authenticated_at=for_ever,
                expires_at=for_ever,
                idle_at=for_ever,
            )
            tx.add(session)
        # known to others only once it is committed: they may be asking at the same moment
        person.session_id = session.id

    async def clinic(self, time_zone: str = "UTC") -> dict[str, Person]:
        """Found another clinic with all its people."""
        async with self.owner.transaction() as tx:
            founded = Clinic(
                name="Fictional Clinic", time_zone=time_zone, created_at=tx.now, updated_at=tx.now
            )
            await tx.enter(founded.id, ZoneInfo(time_zone))
            tx.add(founded)
            await tx.flush()
            for key in self.owner.keyring.forge(founded.id, tx.now):
                tx.add(key)
            people = {}
            for part, role in PEOPLE.items():
                user = User(
                    clinic_id=founded.id,
                    name=part.replace("_", " ").title(),
                    email=f"{part}-{founded.id.hex}@clinic.example",
                    role=role,
                    password_hash=cheap_password_hash(),
                    created_at=tx.now,
                    updated_at=tx.now,
                )
                tx.add(user)
                people[part] = Person(self, founded.id, user.id, role, user.email)
            await tx.flush()
            tx.add(
                Supervision(
                    clinic_id=founded.id,
                    supervisor_id=people["supervisor"].id,
                    clinician_id=people["clinician"].id,
                    starts_on=tx.today - timedelta(days=365),
                    created_at=tx.now,
                    updated_at=tx.now,
                )
            )
        return people


_idle: list[FastAPI] = []
"""Applications that no world uses just now. Building one takes longer than most tests."""


_engines: dict[str, AsyncEngine] = {}
"""Each database's engine: a new one would compile every statement anew."""


def _engine_of(database: Database) -> AsyncEngine:
    address = str(database.engine.url)
    if address not in _engines:
        _engines[address] = database.engine
        if database.engine.dialect.name == "sqlite":
            event.listen(database.engine.sync_engine, "connect", _wait_for_no_disk)
        else:
            event.listen(database.engine.sync_engine, "do_connect", _be_patient)
    return _engines[address]


def _be_patient(_dialect: object, _record: object, _args: object, options: dict[str, Any]) -> None:
    # how long a busy machine takes to connect, or to answer, is nothing that a test tells
    options["timeout"] = PATIENCE
    settings = {"statement_timeout": str(PATIENCE * 1000)}
    options["server_settings"] = options["server_settings"] | settings


def _wait_for_no_disk(connection: Any, _record: object) -> None:
    # as the tests' PostgreSQL does; what a crash leaves is tried on servers of their own
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()


@asynccontextmanager
async def open_world(urls: Urls, now: datetime) -> AsyncIterator[World]:
    """Open a world on a migrated database."""
    clock = Clock(now)
    owner = Database(urls.owner, keys=SETTINGS.data_keys, pool_size=1, clock=clock, walled=False)
    app = _idle.pop() if _idle else create_app(SETTINGS)
    furnish(app, SETTINGS.model_copy(update={"database_url": urls.runtime}), clock)
    for database in (app.state.database, owner):
        database.engine = _engine_of(database)
    transport = ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://notes.test") as http:
        world = World(app, http, clock, owner)
        world.here, world.there = await world.clinic(), await world.clinic()
        try:
            yield world
        finally:
            await world.database.dispose()
            await owner.dispose()
            _idle.append(app)


def ok(response: Response, status: int = 200) -> dict[str, Any]:
    """Give the JSON of an answer that must have this status."""
    assert response.status_code == status, (response.status_code, response.text)
    body: dict[str, Any] = response.json()
    return body


def made(response: Response) -> dict[str, Any]:
    """Give the JSON of a 201."""
    return ok(response, 201)


_COMMON = set(IncidentCreate.model_fields) - {"details"}


def incident(kind: str, world: World, **fields: Any) -> dict[str, Any]:
    """Write the body of an incident: `on` days from today, common fields by name, else details."""
    common = {
        "occurred_on": world.day(fields.pop("on", -1)),
        "initiator": "therapist",
        "reported_by": "client",
    }
    common |= {name: fields.pop(name) for name in _COMMON & fields.keys()}
    return {**common, "details": {"kind": kind, **fields}}


def promise(world: World, **fields: Any) -> dict[str, Any]:
    """Write the body of a promise that asks nothing of anyone, changed by `fields`."""
    return {
        "wording": "as it was told",
        "made_by": "therapist",
        "source": "explicit",
        "kind": "other",
        "scope": "within_frame",
        "keepable": "yes",
        "significance": "major",
        "made_on": world.day(-5),
        "reported_by": "client",
        **fields,
    }


@cache
def cheap_password_hash() -> str:
    """Give a hash of PASSWORD that costs next to nothing to check."""
    hasher = PasswordHash((Argon2Hasher(memory_cost=8, time_cost=1, parallelism=1),))
    return hasher.hash(PASSWORD)


async def software(world: World, *scopes: Scope | str, of: Person | None = None) -> Person:
    """Let software of this person's clinic (default: the one here) sign in with these scopes."""
    clinic_id = (of or world.admin).clinic_id
    async with world.owner.transaction() as tx:
        await tx.enter(clinic_id)
        for_ever = tx.now + timedelta(days=4000)
        account = ServiceAccount(
            clinic_id=clinic_id,
            name="Fictional Software",
            scopes=list(map(str, scopes)),
            created_at=tx.now,
            updated_at=tx.now,
        )
        tx.add(account)
        await tx.flush()
        session = SignIn(
            clinic_id=clinic_id,
            account_id=account.id,
            authenticated_at=tx.now,
            expires_at=for_ever,
            idle_at=for_ever,
            created_at=tx.now,
            updated_at=tx.now,
        )
        tx.add(session)
    return Person(world, clinic_id, account.id, Role.service, "", session.id)
