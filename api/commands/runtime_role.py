"""The role that serves on PostgreSQL: what it is given, and the check that no wall lets it pass."""

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import Connection, make_url, pool
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

import api.storage.models  # noqa: F401 - fills the metadata

_WRITES = "SELECT, INSERT, UPDATE"
_OTHERS = {
    # what was entered stays as it was
    "journal_entries": "SELECT, INSERT",
    "seal_heads": "SELECT, INSERT",
    "seal_leaves": "SELECT, INSERT",
    "cosignatures": "SELECT, INSERT",
    "disclosures": "SELECT, INSERT",
    "disclosed_documents": "SELECT, INSERT",
    "record_versions": "SELECT, INSERT",
    "flag_resolutions": "SELECT, INSERT",
    "case_tenures": "SELECT, INSERT",
    "webhook_events": "SELECT, INSERT",
    "webhook_attempts": "SELECT, INSERT",
    "import_refusals": "SELECT, INSERT",
    # clinics are founded by the owner
    "clinics": "SELECT, UPDATE",
    # of a visit that has ended nothing is kept
    "door_sessions": "SELECT, INSERT, UPDATE, DELETE",
}
"""What the role that serves may do with some tables, where it is not what it may with most."""
FUNCTIONS = (
    "accounts_at(text)",
    "clinics_with_due_cases(timestamptz)",
    "clinics_with_deliveries_due(timestamptz)",
    "clinics_with_mail_to_do(timestamptz)",
    "clinics_with_unsealed_entries()",
    "data_key_names()",
    "door_secrets_at(text)",
    "renew_statistics()",
    "standing_counts()",
)


async def grant_to_runtime_role(owner_url: str, runtime_url: str) -> None:
    """Give the role that serves what it needs of the tables, and nothing it could break.

    May run again, and does after each migration. Nothing happens where both are one role, or on
    SQLite. Raises DBAPIError where the role does not exist.
    """
    role = make_url(runtime_url).username
    if not _is_postgresql(owner_url) or role in {None, make_url(owner_url).username}:
        return
    await _run(owner_url, lambda connection: _grant(connection, str(role)))


async def why_unsafe(url: str) -> str | None:
    """Say why this role must not serve: it could pass row-level security. None: it may."""
    if not _is_postgresql(url):
        return None
    reasons: list[str] = []
    await _run(url, lambda connection: reasons.extend(_ways_past_the_wall(connection)))
    return " ".join(reasons) or None


def _is_postgresql(url: str) -> bool:
    return make_url(url).get_backend_name() == "postgresql"


def _grant(connection: Connection, role: str) -> None:
    name = connection.dialect.identifier_preparer.quote_identifier(role)
    schema = connection.scalar(sa.text("SELECT quote_ident(current_schema())"))
    connection.execute(sa.text(f"GRANT USAGE ON SCHEMA {schema} TO {name}"))
    for table in SQLModel.metadata.tables:
        rights = _OTHERS.get(table, _WRITES)
        connection.execute(sa.text(f"REVOKE ALL ON {schema}.{table} FROM {name}"))
        connection.execute(sa.text(f"GRANT {rights} ON {schema}.{table} TO {name}"))
    connection.execute(sa.text(f"GRANT SELECT ON {schema}.alembic_version TO {name}"))
    for function in FUNCTIONS:
        connection.execute(sa.text(f"GRANT EXECUTE ON FUNCTION {schema}.{function} TO {name}"))


def _ways_past_the_wall(connection: Connection) -> list[str]:
    tables = {"tables": list(SQLModel.metadata.tables)}
    ways = []
    if connection.scalar(_BYPASSES):
        ways.append("The role in BN_DATABASE_URL is a superuser or bypasses row-level security.")
    if connection.scalar(_OWNS, tables):
        ways.append("The role in BN_DATABASE_URL owns the tables, or may become their owner.")
    if connection.scalar(_OPEN, tables):
        ways.append("Row-level security is not on for every table; run: python -m api migrate")
    return ways


_BYPASSES = sa.text(
    "SELECT EXISTS (SELECT FROM pg_roles WHERE (rolsuper OR rolbypassrls) "
    "AND pg_has_role(current_user, oid, 'MEMBER'))"
)
_TABLES = (
    "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
    "AND relname = ANY(:tables) AND "
)
_OWNS = sa.text(f"{_TABLES} pg_has_role(current_user, relowner, 'MEMBER'))")
_OPEN = sa.text(f"{_TABLES} NOT (relrowsecurity AND relforcerowsecurity))")


async def _run(url: str, do: Callable[[Connection], None]) -> None:
    engine = create_async_engine(url, poolclass=pool.NullPool, hide_parameters=True)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(do)
    finally:
        await engine.dispose()
