"""The plain app: the same stack and tables, written as tutorials do; no rules, no journal.

It gets the pool of the other app, because the default one would reconnect all the time with
sixteen clients.
"""

import os
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from jose import JWTError, jwt
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.tables import Case, Incident, User

SECRET = os.environ["BN_SECRET_KEY"]
ALGORITHM = "HS256"

engine = create_async_engine(os.environ["BN_DATABASE_URL"], pool_size=10, max_overflow=0)
oauth2_scheme = OAuth2PasswordBearer(tokenUrl="token")
app = FastAPI()


async def get_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine) as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]


async def get_current_user(
    session: SessionDep, token: Annotated[str, Depends(oauth2_scheme)]
) -> User:
    try:
        payload = jwt.decode(token, SECRET, algorithms=[ALGORITHM])
        key = (UUID(payload["cid"]), UUID(payload["sub"]))
    except (JWTError, KeyError, ValueError) as error:
        raise HTTPException(401, "Could not validate credentials") from error
    user = await session.get(User, key)
    if user is None or not user.is_active:
        raise HTTPException(401, "Could not validate credentials")
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


class CaseOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    created_at: datetime
    updated_at: datetime
    recorded_by_id: UUID | None
    version: int
    client_ref: str
    clinician_id: UUID
    status: str
    setting: str | None
    started_on: date | None
    ended_on: date | None
    phase: str
    attachment_roles: list[str]
    sessions_per_week: float | None
    agreed_sessions: int | None
    is_minor: bool | None
    voided_at: datetime | None
    void_reason: str | None


class IncidentIn(BaseModel):
    occurred_on: date
    date_precision: str = "day"
    initiator: str
    reported_by: str
    classification: str = "unclassified"
    client_impact: str = "unknown"
    rationale: str | None = None
    narrative: str | None = None
    discussed_with_client: bool | None = None
    repair: str = "unknown"
    details: dict[str, Any]


class IncidentOut(IncidentIn):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    created_at: datetime
    updated_at: datetime
    recorded_by_id: UUID | None
    version: int
    case_id: UUID
    about_user_id: UUID | None
    restricted: bool
    status: str


@app.get("/cases", response_model=list[CaseOut])
async def list_cases(session: SessionDep, user: CurrentUser, limit: int = 50) -> Sequence[Case]:
    found = await session.exec(select(Case).where(Case.clinic_id == user.clinic_id).limit(limit))
    return found.all()


@app.get("/cases/{case_id}", response_model=CaseOut)
async def read_case(case_id: UUID, session: SessionDep, user: CurrentUser) -> Case:
    case = await session.get(Case, (user.clinic_id, case_id))
    if case is None:
        raise HTTPException(404, "Case not found")
    return case


@app.post("/cases/{case_id}/incidents", response_model=IncidentOut, status_code=201)
async def create_incident(
    case_id: UUID, body: IncidentIn, session: SessionDep, user: CurrentUser
) -> Incident:
    now = datetime.now(UTC)
    incident = Incident(
        **body.model_dump(),
        clinic_id=user.clinic_id,
        case_id=case_id,
        kind=body.details["kind"],
        recorded_by_id=user.id,
        created_at=now,
        updated_at=now,
    )
    session.add(incident)
    await session.commit()
    await session.refresh(incident)
    return incident
