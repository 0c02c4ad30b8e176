"""The two walls between clinics, each with the other taken away."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_cursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import aliased
from sqlmodel import SQLModel, col, select

import api.storage.autocommit
import api.storage.engine
from api.access.authentication import _WHICH_SOFTWARE, _WHO_IS_SIGNED_IN
from api.commands.runtime_role import grant_to_runtime_role, why_unsafe
from api.domain.vocabulary import Role
from api.storage.autocommit import Autocommit
from api.storage.compiled_queries import Prepared
from api.storage.database import Database
from api.storage.models.clinical import Case
from api.storage.models.flags import Flag
from api.storage.models.journal import JournalEntry
from api.storage.models.people import Clinic, SignIn, User
from api.storage.tenancy import ENTER, WalledConnection
from api.storage.transaction import Transaction
from tests.support.door import visitor
from tests.support.guards import made_anew
from tests.support.mail import owe_in_vain
from tests.support.matrix import TABLE, letter_of
from tests.support.patience import PATIENCE
from tests.support.receivers import try_in_vain
from tests.support.scene import Scene, set_scene
from tests.support.world import NOON, SETTINGS, Person, Urls, World, incident, made, ok, open_world

pytestmark = pytest.mark.both_databases

MODELS = [mapper.class_ for mapper in SQLModel._sa_registry.mappers]
UTC = ZoneInfo("UTC")
WALL = "= nullif(current_setting('app.clinic_id', true), '')::uuid"
CHECKOUTS = 10_000


def of(model: Any) -> Any:
    """Give the column that says whose a row is."""
    return model.id if model is Clinic else model.clinic_id


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def scene(module_urls: Urls) -> AsyncIterator[Scene]:
    """Two clinics with every sort of record."""
    async with open_world(module_urls, NOON) as world:
        yield await _with_every_table(await set_scene(world))


@pytest.fixture(scope="module")
async def postgres_scene(postgresql_urls: Urls) -> AsyncIterator[tuple[Scene, Urls]]:
    """The same where there is a second wall."""
    async with open_world(postgresql_urls, NOON) as world:
        yield await _with_every_table(await set_scene(world)), postgresql_urls


async def _with_every_table(scene: Scene) -> Scene:
    """Let both clinics have rows in the tables that no record of the scene needs."""
    for people in (scene.here, scene.there):
        admin, colleague = people["admin"], people["maker"]
        assert (await admin.post(f"/v1/users/{colleague.id}/password-reset")).is_success
        released = {"kind": "ethics", "urgency": "routine", "question": "?", "released": True}
        case = await colleague.case()
        asked = (await colleague.post(f"/v1/cases/{case['id']}/consultations", released)).json()
        path = f"/v1/consultations/{asked['id']}"
        once = {"Idempotency-Key": "once"}
        assert (await colleague.post(f"{path}/request", headers=once)).is_success
        assert (await people["consultant"].post(f"{path}/decline", {"reason": "no"})).is_success
        words = {"note_class": "progress", "body": "as it was"}
        note = (await colleague.post(f"/v1/cases/{case['id']}/notes", words)).json()
        assert (await colleague.post(f"/v1/notes/{note['id']}/sign")).is_success
        watcher = people.get("watcher", people["supervisor"])
        assert (await watcher.post(f"/v1/notes/{note['id']}/cosign")).is_success
        assert (await colleague.post(f"/v1/cases/{case['id']}/disclosures")).is_success
        by_hand = {"severity": "low", "title": "Look", "because": "It was told."}
        flag = (await watcher.post(f"/v1/cases/{case['id']}/flags", by_hand)).json()
        seen = {"determination": "normal_process", "resolution_note": "talked over"}
        assert (await watcher.post(f"/v1/flags/{flag['id']}/resolve", seen)).is_success
        again = {"reason": "look again"}
        assert (await watcher.post(f"/v1/flags/{flag['id']}/reopen", again)).is_success
        silent = {"frame_drift": "monitor", "hurtful_words": "monitor"}
        assert (await admin.send("PUT", "/v1/rules/modes", json=silent)).is_success
        await colleague.incident(case, "hurtful_words")
        await _at_door(scene.world, case, colleague, watcher)
        handed = {"clinician_id": str(people["other"].id), "reason": "leave"}
        assert (await watcher.post(f"/v1/cases/{case['id']}/transfer", handed)).is_success
        await try_in_vain(scene.world, admin)
        await owe_in_vain(scene.world, admin)
    return scene


async def _at_door(world: World, case: dict[str, Any], maker: Person, watcher: Person) -> None:
    """Let a client say something twice, who is read and answered, and names who is not to read."""
    code = made(await maker.post(f"/v1/cases/{case['id']}/invitations"))["code"]
    client = await visitor(world, maker.clinic_id, code=code)
    receipt = (await client.says())["receipt"]
    (line,) = ok(await watcher.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    made(await watcher.post(f"/v1/accounts/{line['id']}/reply", {"reply": "Thank you."}))
    again = await visitor(world, maker.clinic_id, receipt=receipt)
    made(await again.post("/door/v1/accounts/1/words", {"words": "There is more."}))
    await again.says(happened="Not her.", not_to=[str(watcher.id)])


@asynccontextmanager
async def reaching(url: str, *, walled: bool) -> AsyncIterator[Database]:
    """Reach a database with the first wall up, or down."""
    database = Database(url, keys=SETTINGS.data_keys, pool_size=2, walled=walled)
    try:
        yield database
    finally:
        await database.dispose()


async def foreign_rows(database: Database, clinic_id: UUID | None) -> dict[str, tuple[int, int]]:
    """Read every table from within a clinic; count its own rows, and those of others."""
    counts = {}
    async with database.transaction() as tx:
        if clinic_id is not None:
            await tx.enter(clinic_id, UTC)
        for model in MODELS:
            found = list(await tx.exec(select(of(model))))
            own = sum(1 for each in found if each == clinic_id)
            counts[model.__tablename__] = (own, len(found) - own)
    return counts


# ------------------------------------------------------------------------------ the first wall


async def test_the_first_wall_alone_lets_no_foreign_row_through(
    scene: Scene, module_urls: Urls
) -> None:
    # the owner: no second wall stands behind
    async with reaching(module_urls.owner, walled=True) as database:
        counts = await foreign_rows(database, scene.here["admin"].clinic_id)
    assert {foreign for _, foreign in counts.values()} == {0}
    assert all(own for own, _ in counts.values()), counts


async def test_without_it_they_come_through(scene: Scene, module_urls: Urls) -> None:
    async with reaching(module_urls.owner, walled=False) as database:
        counts = await foreign_rows(database, scene.here["admin"].clinic_id)
    assert all(foreign for _, foreign in counts.values()), counts


async def test_nothing_is_read_or_written_before_a_clinic_is_entered(scene: Scene) -> None:
    async with scene.world.database.transaction() as tx:
        with pytest.raises(RuntimeError, match="no clinic"):
            await tx.exec(select(Case))
    with pytest.raises(RuntimeError, match="another clinic"):
        await _write(scene.world.database, None, _user(scene.here["admin"].clinic_id))


async def test_no_row_of_another_clinic_is_written(scene: Scene) -> None:
    here, there = scene.here["admin"].clinic_id, scene.there["admin"].clinic_id
    with pytest.raises(RuntimeError, match="another clinic"):
        await _write(scene.world.database, here, _user(there))
    table = SQLModel.metadata.tables[JournalEntry.__tablename__]
    async with scene.world.database.transaction() as tx:
        await tx.enter(here, UTC)
        with pytest.raises(RuntimeError, match="another clinic"):
            await tx.insert(table, [{"clinic_id": there, "id": uuid4()}])


async def _write(database: Database, entered: UUID | None, row: Any) -> None:
    async with database.transaction() as tx:
        if entered is not None:
            await tx.enter(entered, UTC)
        tx.add(row)
        await tx.flush()


def _user(clinic_id: UUID) -> User:
    return User(
        clinic_id=clinic_id,
        name="Nobody",
        email=f"{uuid4().hex}@x.example",
        role=Role.clinician,
        password_hash="x",
        created_at=NOON,
        updated_at=NOON,
    )


SHAPES: dict[str, Callable[[UUID], Any]] = {
    "a column": lambda there: select(col(Case.id)).where(Case.clinic_id == there),
    "an alias": lambda there: select(other := aliased(Case)).where(other.clinic_id == there),
    "a count": lambda there: (
        select(sa.func.count())
        .select_from(Case)
        .where(Case.clinic_id == there)
        .having(sa.func.count() > 0)
    ),
    "an outer join": lambda there: (
        select(Case.id, Flag.id)
        .outerjoin(Flag, col(Flag.clinic_id) == there)
        .where(col(Flag.id).is_not(None))
    ),
    "a subquery": lambda there: select(User.id).where(
        col(User.id).in_(select(Case.clinician_id)), User.clinic_id == there
    ),
    "an exists": lambda there: select(Clinic.id).where(
        sa.exists().where(col(Case.clinic_id) == there)
    ),
    "a union": lambda there: (
        select(Case.id)
        .where(Case.clinic_id == there)
        .union(select(Flag.id).where(Flag.clinic_id == there))
    ),
    "two tables side by side": lambda there: select(Case.id, SignIn.id).where(
        Case.id != SignIn.id, SignIn.clinic_id == there
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_whatever_shape_a_statement_has_it_is_confined(
    scene: Scene, module_urls: Urls, shape: str
) -> None:
    here, there = scene.here["admin"].clinic_id, scene.there["admin"].clinic_id
    for walled in (True, False):
        async with (
            reaching(module_urls.owner, walled=walled) as database,
            database.transaction() as tx,
        ):
            await tx.enter(here, UTC)
            assert (list(await tx.exec(SHAPES[shape](there))) == []) is walled


async def test_an_update_stays_within_the_clinic(scene: Scene, module_urls: Urls) -> None:
    async with reaching(module_urls.owner, walled=True) as database, database.transaction() as tx:
        await tx.enter(scene.here["admin"].clinic_id, UTC)
        changed = await tx.exec(
            sa.update(Clinic)
            .where(col(Clinic.id) == scene.there["admin"].clinic_id)
            .values(name="Taken over")
            .execution_options(synchronize_session=False)
        )
        assert changed.rowcount == 0


async def test_a_statement_that_cannot_be_confined_is_refused(scene: Scene) -> None:
    async with scene.world.database.transaction() as tx:
        await tx.enter(scene.here["admin"].clinic_id, UTC)
        for bare in (sa.select(SQLModel.metadata.tables["cases"]), sa.text("SELECT 1")):
            with pytest.raises(RuntimeError, match="confined"):
                await tx.exec(bare)


# ----------------------------------------------------------------------------- the second wall


async def test_the_second_wall_alone_lets_no_foreign_row_through(
    postgres_scene: tuple[Scene, Urls],
) -> None:
    scene, urls = postgres_scene
    async with reaching(urls.runtime, walled=False) as database:
        for people in (scene.here, scene.there):
            counts = await foreign_rows(database, people["admin"].clinic_id)
            assert {foreign for _, foreign in counts.values()} == {0}
            assert all(own for own, _ in counts.values()), counts
        nothing = await foreign_rows(database, None)
        assert set(nothing.values()) == {(0, 0)}


async def foreign_rows_asked_alone(database: Database, clinic_id: UUID) -> dict[str, int]:
    """Read every table as who only looks does; count the rows of others."""
    # what was written last is known: nothing has to begin for that
    database.instants.followed.add(clinic_id)
    counts = {}
    async with database.transaction(looks=True) as tx:
        await tx.enter(clinic_id, UTC)
        for model in MODELS:
            found = list(await tx.exec(Prepared(select(of(model)))))
            assert clinic_id in found, model
            counts[model.__tablename__] = sum(1 for each in found if each != clinic_id)
        assert not tx._has_begun
    return counts


async def test_what_is_asked_alone_stands_behind_each_wall_by_itself(
    postgres_scene: tuple[Scene, Urls],
) -> None:
    scene, urls = postgres_scene
    here = scene.here["admin"].clinic_id
    for url, walled in ((urls.owner, True), (urls.runtime, False)):
        async with reaching(url, walled=walled) as database:
            assert set((await foreign_rows_asked_alone(database, here)).values()) == {0}
    async with reaching(urls.owner, walled=False) as database:
        assert all((await foreign_rows_asked_alone(database, here)).values())


async def test_who_asks_alone_without_entering_is_shown_and_writes_nothing(
    postgres_scene: tuple[Scene, Urls],
) -> None:
    scene, urls = postgres_scene
    here = scene.here["admin"].clinic_id
    async with reaching(urls.runtime, walled=True) as database:
        async with database.transaction(looks=True) as tx:
            with pytest.raises(RuntimeError, match="no clinic"):
                await tx.exec(Prepared(select(Case.id)))
        alone = Autocommit(database.engine)
        assert await alone.fetch("SELECT 1 FROM cases", []) == []
        entry = {"clinic_id": here, "id": uuid4(), "at": NOON, "happening": "case.read"}
        table = SQLModel.metadata.tables[JournalEntry.__tablename__]
        row = {**dict.fromkeys(table.columns.keys()), **entry, "record_ids": [], "changed": []}
        row |= dict.fromkeys(("restricted", "prompt", "is_read"), False)
        await alone.insert(table, here, [row])
        # entered elsewhere, the policy refuses it; and so one row of several
        there = scene.there["admin"].clinic_id
        with pytest.raises(DBAPIError):
            await alone.insert(table, there, [row | {"id": uuid4()}])
        several = [row | {"id": uuid4(), "clinic_id": each} for each in (here, there)]
        with pytest.raises(DBAPIError):
            await alone.insert(table, here, several)
        alone.give_back()


async def test_each_policy_that_is_opened_or_dropped_is_noticed(
    postgres_scene: tuple[Scene, Urls],
) -> None:
    scene, urls = postgres_scene
    here = scene.here["admin"].clinic_id
    async with reaching(urls.runtime, walled=False) as database:
        for model in MODELS:
            table = model.__tablename__
            wall = f"{of(model).key} {WALL}"
            await _as_owner(urls, f"ALTER POLICY clinic_wall ON {table} USING (true)")
            try:
                assert (await foreign_rows(database, here))[table][1] > 0, table
                await _as_owner(urls, f"DROP POLICY clinic_wall ON {table}")
                assert (await foreign_rows(database, here))[table] == (0, 0), table
            finally:
                await _as_owner(urls, f"DROP POLICY IF EXISTS clinic_wall ON {table}")
                await _as_owner(
                    urls,
                    f"CREATE POLICY clinic_wall ON {table} USING ({wall}) WITH CHECK ({wall})",
                )
        assert {foreign for _, foreign in (await foreign_rows(database, here)).values()} == {0}


async def test_every_table_stands_behind_the_second_wall(postgresql_urls: Urls) -> None:
    walls = await _as_owner(
        postgresql_urls,
        "SELECT relname FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid "
        "WHERE polname = 'clinic_wall' AND relrowsecurity AND relforcerowsecurity",
    )
    assert {name for (name,) in walls} == set(SQLModel.metadata.tables)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO users SELECT * FROM users WHERE false RETURNING id; DELETE FROM users",
        "DELETE FROM cases",
        "TRUNCATE flags",
        "UPDATE journal_entries SET happening = 'x'",
        "DELETE FROM journal_entries",
        "DELETE FROM notes",
        "UPDATE cosignatures SET version = 2",
        "DELETE FROM cosignatures",
        "INSERT INTO clinics SELECT * FROM clinics",
        "ALTER TABLE cases DISABLE ROW LEVEL SECURITY",
        "DROP POLICY clinic_wall ON cases",
        "SET SESSION AUTHORIZATION postgres",
        "CREATE TABLE mine (id int)",
        "UPDATE alembic_version SET version_num = '0'",
    ],
)
async def test_the_role_that_serves_cannot(
    postgres_scene: tuple[Scene, Urls], statement: str
) -> None:
    scene, urls = postgres_scene
    async with reaching(urls.runtime, walled=False) as database:
        with pytest.raises(DBAPIError):
            await _run(database, scene.here["admin"].clinic_id, statement)


async def _run(database: Database, clinic_id: UUID, statements: str) -> None:
    async with database.transaction() as tx:
        await tx.enter(clinic_id, UTC)
        connection = await tx.connection()
        for each in statements.split(";"):
            await connection.exec_driver_sql(each)


async def test_the_second_wall_lets_no_row_of_another_clinic_be_written(
    postgres_scene: tuple[Scene, Urls],
) -> None:
    scene, urls = postgres_scene
    here, there = scene.here["admin"].clinic_id, scene.there["admin"].clinic_id
    async with reaching(urls.runtime, walled=False) as database:
        with pytest.raises(DBAPIError, match="row-level security"):
            await _write(database, here, _user(there))


async def test_the_api_shows_the_same_with_the_second_wall_alone(
    postgres_scene: tuple[Scene, Urls],
) -> None:
    scene, urls = postgres_scene
    state = scene.world.app.state
    walled = state.database
    async with reaching(urls.runtime, walled=False) as database:
        database.clock = scene.world.clock
        state.database = database
        try:
            await _read_everything(scene)
        finally:
            state.database = walled


async def _read_everything(scene: Scene) -> None:
    # the number of a version is no record's alone
    records = scene.records["clinician", "elsewhere"].values()
    foreign = {each for each in records if not each.isdecimal()}
    here = scene.here["admin"].clinic_id
    for row in TABLE:
        if row.method != "GET":
            continue
        for role, relation, letter in row.expected():
            answer = await scene.send(row, role, relation)
            assert letter_of(answer) == letter, (row, role, relation)
            if scene.person(row, role, relation).clinic_id == here:
                shown = answer.text
                if row.path == "/v1/journal":
                    # what they asked for and were refused is told to them as they asked
                    shown = str(
                        [each for each in answer.json().get("items", ()) if each["case_id"]]
                    )
                if row.path == "/fhir/AuditEvent":
                    # the same
                    told = [entry["resource"] for entry in answer.json().get("entry", ())]
                    shown = str([each for each in told if each["outcome"] == "0"])
                assert not [each for each in foreign if each in shown], row


async def _as_owner(urls: Urls, statement: str) -> list[Any]:
    async with reaching(urls.owner, walled=False) as database, database.transaction() as tx:
        done = await (await tx.connection()).exec_driver_sql(statement)
        return list(done) if done.returns_rows else []


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep every message that goes to PostgreSQL."""
    kept: list[str] = []
    sends: Any = asyncpg.Connection.execute
    fetches: Any = asyncpg.Connection.fetch
    executes: Any = AsyncAdapt_asyncpg_cursor.execute

    async def send(self: WalledConnection, query: str, *args: Any, **options: Any) -> str:
        kept.append(query)
        status: str = await sends(self, query, *args, **options)
        return status

    async def fetch(self: WalledConnection, query: str, *args: Any, **options: Any) -> Any:
        kept.append(query)
        return await fetches(self, query, *args, **options)

    def execute(self: AsyncAdapt_asyncpg_cursor, operation: Any, *args: Any) -> None:
        kept.append(str(operation))
        executes(self, operation, *args)

    monkeypatch.setattr(asyncpg.Connection, "execute", send)
    monkeypatch.setattr(asyncpg.Connection, "fetch", fetch)
    monkeypatch.setattr(AsyncAdapt_asyncpg_cursor, "execute", execute)
    return kept


async def test_a_read_is_one_question_and_one_entry(
    postgres_scene: tuple[Scene, Urls], sent: list[str]
) -> None:
    scene, _ = postgres_scene
    case_id = scene.records["clinician", "own"]["case_id"]
    # the first who reads asks for more: whether time has moved flags, and the clinic's last instant
    assert (await scene.here["clinician"].get(f"/v1/cases/{case_id}")).is_success
    sent.clear()
    assert (await scene.here["clinician"].get(f"/v1/cases/{case_id}")).is_success
    question, entry = sent
    for message in (question, entry):
        assert message.startswith("WITH gate AS MATERIALIZED (SELECT set_config('app.clinic_id'")
    assert "FROM sessions" in question
    assert "FROM cases" in question
    assert "INSERT INTO journal_entries" in entry


async def test_where_a_statement_cannot_enter_by_itself_requests_begin_a_transaction(
    postgres_scene: tuple[Scene, Urls], sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, _ = postgres_scene
    case_id = scene.records["clinician", "own"]["case_id"]
    shown = ok(await scene.here["clinician"].get(f"/v1/cases/{case_id}"))
    with made_anew(), monkeypatch.context() as patch:
        # as where other machines are not told of it
        patch.setattr(api.storage.autocommit, "ENTER", "app.elsewhere")
        for prepared in (_WHO_IS_SIGNED_IN, _WHICH_SOFTWARE):
            patch.setattr(prepared, "_of", {})
        sent.clear()
        assert ok(await scene.here["clinician"].get(f"/v1/cases/{case_id}")) == shown
    assert any(each.startswith("BEGIN; SET LOCAL") for each in sent)
    assert sent[-1].endswith("; COMMIT;")


async def test_walls_and_journal_cost_a_write_no_round_trip(
    postgres_scene: tuple[Scene, Urls], sent: list[str]
) -> None:
    scene, _ = postgres_scene
    case_id = scene.records["clinician", "own"]["case_id"]
    sent.clear()
    said = incident("crossing", scene.world, area="time")
    assert (await scene.here["clinician"].post(f"/v1/cases/{case_id}/incidents", said)).is_success
    # BEGIN goes out with the first statement, so it is noted after it
    session, begin, *_, commit = sent
    assert begin.startswith("BEGIN; SET LOCAL")
    assert "pg_advisory_xact_lock_shared" in begin
    assert "FROM sessions" in session
    assert commit.startswith("INSERT INTO journal_entries")
    assert commit.endswith("; COMMIT;")


async def test_an_incident_is_reported_in_six_messages(
    postgresql_urls: Urls, sent: list[str]
) -> None:
    async with open_world(postgresql_urls, NOON) as world:
        case = await world.clinician.case()
        reports: list[tuple[str, dict[str, Any]]] = [
            ("hurtful_words", {}),
            ("crossing", {"area": "self_disclosure"}),
            ("touch", {"touch": "holding", "rationale": "A reason."}),
        ]
        raised = []
        for kind, said in reports:
            sent.clear()
            written = await world.clinician.incident(case, kind, **said)
            _is_a_report(sent, flags=bool(written["flags_raised"]))
            raised += written["flags_raised"]
    assert raised


def _is_a_report(sent: list[str], *, flags: bool) -> None:
    session, begin, lock, file, written, commit = sent
    assert "FROM sessions" in session
    assert begin.startswith("BEGIN; SET LOCAL")
    assert "FOR UPDATE OF cases" in lock
    tables = ("incidents", "promises", "consultations", "flags", "clinics", "case_tenures")
    assert all(f"FROM {table}" in file for table in tables)
    assert "INSERT INTO incidents" in written
    assert ("INSERT INTO flags" in written) == flags
    assert commit.startswith("INSERT INTO journal_entries")
    assert commit.endswith("; COMMIT;")


# --------------------------------------------------------------------- connections are shared


async def _one_use(database: Database, clinic_id: UUID | None, chance: random.Random) -> None:
    """Use a pooled connection as requests do: rightly, or broken off somewhere."""
    how = chance.random()
    with suppress(ZeroDivisionError, DBAPIError):
        async with database.transaction() as tx:
            await _was_left(tx)
            if clinic_id is not None and how > 0.1:
                await tx.enter(clinic_id, UTC)
            if how < 0.3:
                # taken, and nothing was sent on it
                await tx._session.connection()
                return
            connection = await tx.connection()
            if how < 0.4:
                await connection.exec_driver_sql("SELECT 1 / 0")
            await connection.exec_driver_sql("SELECT pg_sleep(0.002)" if how < 0.5 else "SELECT 1")
            if how < 0.6:
                raise ZeroDivisionError


async def _was_left(tx: Transaction) -> None:
    """Check that whoever had this connection before has left their clinic; half of the time."""
    if random.random() < 0.5:
        connection = await tx.connection()
        found = await connection.exec_driver_sql(f"SELECT current_setting('{ENTER}', true)")
        left = found.scalar()
        assert left in {None, ""}, "a connection came with somebody's clinic"


async def _use_up(database: Database, clinics: list[UUID], times: int) -> None:
    chance = random.Random(7)
    for _ in range(times // 20):
        uses = [
            asyncio.create_task(_one_use(database, chance.choice([*clinics, None]), chance))
            for _ in range(20)
        ]
        # some callers hang up while they wait
        await asyncio.sleep(chance.choice((0, 0.001)))
        for use in chance.sample(uses, 3):
            use.cancel()
        for done in await asyncio.gather(*uses, return_exceptions=True):
            if not isinstance(done, asyncio.CancelledError | None):
                raise done
    # connections that were given up close a little later
    await asyncio.sleep(0.2)


async def test_no_connection_remembers_the_clinic_it_was_in(
    postgres_scene: tuple[Scene, Urls], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, urls = postgres_scene
    # how soon a busy machine opens five at once is nothing that this tells
    monkeypatch.setattr(api.storage.engine, "CONNECT_TIMEOUT", PATIENCE)
    clinics = [people["admin"].clinic_id for people in (scene.here, scene.there)]
    database = Database(urls.runtime, pool_size=5)
    try:
        await _use_up(database, clinics, CHECKOUTS)
    finally:
        await database.dispose()


async def test_a_connection_that_remembered_would_be_noticed(
    postgres_scene: tuple[Scene, Urls], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, urls = postgres_scene
    monkeypatch.setattr(api.storage.engine, "leave", lambda *_: None)
    database = Database(urls.runtime, pool_size=5)
    try:
        with pytest.raises(AssertionError, match="somebody's clinic"):
            await _use_up(database, [scene.here["admin"].clinic_id], CHECKOUTS)
    finally:
        await database.dispose()


# ---------------------------------------------------------------------- who may not serve at all


async def test_a_role_that_could_pass_the_wall_does_not_serve(postgresql_urls: Urls) -> None:
    urls = postgresql_urls
    assert await why_unsafe(urls.runtime) is None
    assert "superuser" in str(await why_unsafe(urls.owner))
    role = sa.make_url(urls.runtime).username
    for statement, undo, reason in (
        (f"ALTER ROLE {role} BYPASSRLS", f"ALTER ROLE {role} NOBYPASSRLS", "bypasses"),
        (f"ALTER TABLE flags OWNER TO {role}", "ALTER TABLE flags OWNER TO postgres", "owns"),
        (f"GRANT postgres TO {role}", f"REVOKE postgres FROM {role}", "superuser"),
        (
            "ALTER TABLE flags DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE flags ENABLE ROW LEVEL SECURITY",
            "not on for every table",
        ),
        (
            "ALTER TABLE flags NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE flags FORCE ROW LEVEL SECURITY",
            "not on for every table",
        ),
    ):
        await _as_owner(urls, statement)
        try:
            assert reason in str(await why_unsafe(urls.runtime)), statement
        finally:
            await _as_owner(urls, undo)
            # with the ownership of a table go its grants
            await grant_to_runtime_role(urls.owner, urls.runtime)
    assert await why_unsafe(urls.runtime) is None
