"""Runs migrations on either database, with an address given by the caller or the environment."""

import asyncio
import os
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection, TypeDecorator, pool
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

import api.storage.models  # noqa: F401 - fills the metadata

config = context.config


def database_url() -> str:
    """Give the caller's address, else the owner's, else the application's."""
    given: str | None = config.attributes.get("url")
    if given is not None:
        return given
    default = "sqlite+aiosqlite:///./boundary-notes.db"
    return os.environ.get("BN_MIGRATE_DATABASE_URL") or os.environ.get("BN_DATABASE_URL", default)


def render_plain_type(kind: str, item: Any, autogen_context: Any) -> str | Literal[False]:
    """Write our column types as the plain types beneath them: migrations import nothing of ours."""
    if kind == "type" and isinstance(item, TypeDecorator):
        plain = item.impl if not isinstance(item.impl, type) else item.impl()
        autogen_context.imports.add("import sqlalchemy as sa")
        return f"sa.{plain!r}"
    return False


def run(connection: Connection) -> None:
    """Run the migrations on an open connection."""
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=True,
        render_item=render_plain_type,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_online() -> None:
    """Open a connection of our own and run the migrations on it."""
    engine = create_async_engine(database_url(), poolclass=pool.NullPool, hide_parameters=True)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


if (given := config.attributes.get("connection")) is not None:
    run(given)
else:
    asyncio.run(run_online())
