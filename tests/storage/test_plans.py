"""What a list looks at grows with what it shows, and not with what the clinic has ever stored."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import httpx
import pytest
from anyio import to_thread
from pydantic import SecretStr
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_cursor

from api.access.visibility import listings, newest
from api.main import create_app
from api.runtime.settings import Settings
from api.security.base64url import decode
from api.security.crypto import KeyEncryptionKeys
from api.storage.database import utc_now
from api.storage.keyring import Keyring
from api.storage.migrations import migrate
from bench.seed import Seeded, Worker, open_connection, seed_clinic
from bench.servers import settle
from tests.support.postgres import create_database, make_runtime_role
from tests.support.world import DATA_KEY, SETTINGS_SECRET, Urls

CASES, SHOWN = 100_000, 51
MOST = 50 * SHOWN
"""Rows that one scan may look at."""
LISTS = (
    "/v1/cases",
    "/v1/incidents",
    "/v1/promises",
    "/v1/flags",
    "/v1/consultations",
    "/v1/flagged-cases",
    "/fhir/EpisodeOfCare",
    "/fhir/Observation",
    "/fhir/Task",
    "/fhir/DetectedIssue",
    "/fhir/Provenance",
)


class Asked(NamedTuple):
    """A statement that was sent, and its values."""

    sql: str
    values: tuple[Any, ...]


class Large(NamedTuple):
    """A clinic with many cases, and the application that serves it."""

    url: str
    seeded: Seeded
    http: httpx.AsyncClient
    app: Any

    async def get(self, path: str, who: Worker) -> None:
        token = self.app.state.tokens.issue(who.claims, utc_now())
        answer = await self.http.get(path, headers={"Authorization": f"Bearer {token}"})
        assert answer.is_success, answer.text


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def large(postgresql_urls: Urls) -> AsyncIterator[Large]:
    """A clinic of 100,000 cases, of which each clinician has a hundred of the oldest."""
    url = await create_database(postgresql_urls.owner)
    await to_thread.run_sync(migrate, url)
    connection = await open_connection(url)
    keyring = Keyring(KeyEncryptionKeys([decode(DATA_KEY.get_secret_value())]))
    seeded = await seed_clinic(connection, keyring, cases=CASES, flagged=200)
    await settle(connection)
    await connection.close()
    serving = await make_runtime_role(url)
    secret = SecretStr(SETTINGS_SECRET.get_secret_value())
    app = create_app(Settings(secret_key=secret, data_key=DATA_KEY, database_url=serving))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://clinic.example") as http:
        yield Large(serving, seeded, http, app)
    await app.state.database.dispose()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Keep every statement that is sent with its values."""
    kept: list[Asked] = []
    fetches: Any = asyncpg.Connection.fetch
    executes: Any = AsyncAdapt_asyncpg_cursor.execute

    async def fetch(self: Any, query: str, *values: Any, **options: Any) -> Any:
        kept.append(Asked(query, values))
        return await fetches(self, query, *values, **options)

    def execute(self: Any, operation: Any, values: Any = None) -> None:
        kept.append(Asked(str(operation), tuple(values or ())))
        executes(self, operation, values)

    monkeypatch.setattr(asyncpg.Connection, "fetch", fetch)
    monkeypatch.setattr(AsyncAdapt_asyncpg_cursor, "execute", execute)
    return kept


async def most_looked_at(large: Large, asked: list[Asked], clinic_id: UUID) -> dict[str, int]:
    """Run what was asked once more, and tell how many rows the busiest scan of each looked at."""
    connection = await open_connection(large.url)
    looked_at = {}
    for sql, values in {each.sql: each for each in asked}.values():
        if not sql.lstrip().startswith(("SELECT", "WITH")) or "INSERT INTO" in sql:
            continue
        alone = sql.startswith("WITH gate")
        async with connection.transaction():
            await connection.execute(f"SET LOCAL app.clinic_id = '{clinic_id}'")
            # as the server does: what is asked alone is planned without knowing its values
            mode = "force_generic_plan" if alone else "auto"
            await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
            told = await connection.fetchval(await _explained(connection, sql, values))
        looked_at[sql] = max((each for each in _scans(json.loads(told)[0]["Plan"])), default=0)
    await connection.close()
    return looked_at


async def _explained(connection: Any, sql: str, values: tuple[Any, ...]) -> str:
    await connection.execute("DEALLOCATE ALL")
    await connection.execute(f"PREPARE again AS {sql}")
    given = ", ".join(_literal(value) for value in values)
    return (
        f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE again{f'({given})' if given else ''}"
    )


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list | tuple):
        return f"'{{{','.join(map(str, value))}}}'"
    return f"'{value}'"


def _scans(plan: dict[str, Any]) -> Iterator[int]:
    """Give how many rows each scan of a table or an index has looked at."""
    if "Relation Name" in plan or "Index Name" in plan:
        each = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        yield round(each * plan["Actual Loops"])
    for inner in plan.get("Plans", ()):
        yield from _scans(inner)


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_looks_at_no_more_than_fifty_times_what_it_shows(
    large: Large, asked: list[Asked], path: str
) -> None:
    here = large.seeded.supervisor.claims.clinic_id
    readers = (large.seeded.clinicians[0], large.seeded.of_a_few, large.seeded.supervisor)
    for who in readers if path != "/v1/flagged-cases" else readers[1:]:
        asked.clear()
        await large.get(path, who)
        looked_at = await most_looked_at(large, list(asked), here)
        assert len(looked_at) > 1
        assert max(looked_at.values()) <= MOST, max(looked_at.items(), key=lambda each: each[1])


async def test_one_that_goes_by_every_case_is_found_out(
    large: Large, asked: list[Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_every_case(model: Any, who: Any, wanted: Any, **_: Any) -> Any:
        return newest.newest_ids(model, who, wanted, laterally=False)

    monkeypatch.setattr(listings, "newest_ids", by_every_case)
    monkeypatch.setattr(listings.Listing, "_made_once", lambda self, how: self._statement(how, ()))
    await large.get("/v1/cases", large.seeded.clinicians[0])
    here = large.seeded.supervisor.claims.clinic_id
    assert max((await most_looked_at(large, list(asked), here)).values()) > MOST
