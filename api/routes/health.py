"""Whether the process lives, and whether it is ready to answer."""

from typing import Literal

from fastapi import APIRouter, Request
from sqlalchemy.exc import SQLAlchemyError

from api.db import Database
from api.domain.values import Output
from api.errors import Unavailable
from api.intake import StrictRoute

router = APIRouter(tags=["health"], route_class=StrictRoute)


class Health(Output):
    """All is well."""

    status: Literal["ok"]


@router.get("/healthz")
async def is_alive() -> Health:
    """Tell that the process answers."""
    return Health(status="ok")


@router.get("/readyz")
async def is_ready(request: Request) -> Health:
    """Tell that the database answers and has the tables this program expects; else 503."""
    database: Database = request.app.state.database
    try:
        async with database.transaction() as tx:
            connection = await tx.connection()
            found = await connection.exec_driver_sql("SELECT version_num FROM alembic_version")
            revision = found.scalar()
    except (SQLAlchemyError, OSError) as error:
        raise Unavailable from error
    if revision != request.app.state.migration_head:
        raise Unavailable
    return Health(status="ok")
