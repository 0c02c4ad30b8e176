"""The template's way: as the full-stack template of FastAPI writes it, on the same tables.

Endpoints that block, each in a thread; a session for each request; the signed-in user read anew;
a page with the count of all. It gets the pool of the other apps.
"""

import os
from collections.abc import Generator
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException, status
from fastapi.security import OAuth2PasswordBearer
from jose import JWTError, jwt
from pydantic import ValidationError
from sqlmodel import Session, SQLModel, col, create_engine, func, select

from bench.tables import Case, User

SECRET = os.environ["BN_SECRET_KEY"]
ALGORITHM = "HS256"

engine = create_engine(
    os.environ["BN_DATABASE_URL"].replace("+asyncpg", "+psycopg"), pool_size=10, max_overflow=0
)
reusable_oauth2 = OAuth2PasswordBearer(tokenUrl="token")
app = FastAPI()


class TokenPayload(SQLModel):
    sub: UUID
    cid: UUID


class CasePublic(SQLModel):
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


class CasesPublic(SQLModel):
    data: list[CasePublic]
    count: int


def get_db() -> Generator[Session]:
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_db)]
TokenDep = Annotated[str, Depends(reusable_oauth2)]


def get_current_user(session: SessionDep, token: TokenDep) -> User:
    try:
        payload = jwt.decode(token, SECRET, algorithms=[ALGORITHM])
        token_data = TokenPayload.model_validate(payload)
    except (JWTError, ValidationError) as error:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "Could not validate credentials") from error
    user = session.get(User, (token_data.cid, token_data.sub))
    if not user:
        raise HTTPException(404, "User not found")
    if not user.is_active:
        raise HTTPException(400, "Inactive user")
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


@app.get("/cases", response_model=CasesPublic)
def read_cases(
    session: SessionDep, current_user: CurrentUser, skip: int = 0, limit: int = 100
) -> Any:
    own = (Case.clinic_id == current_user.clinic_id, Case.clinician_id == current_user.id)
    count = session.exec(select(func.count()).select_from(Case).where(*own)).one()
    statement = select(Case).where(*own).order_by(col(Case.id).desc()).offset(skip).limit(limit)
    return CasesPublic.model_validate(
        {"data": session.exec(statement).all(), "count": count}, from_attributes=True
    )


@app.get("/cases/{case_id}", response_model=CasePublic)
def read_case(session: SessionDep, current_user: CurrentUser, case_id: UUID) -> Any:
    case = session.get(Case, (current_user.clinic_id, case_id))
    if not case:
        raise HTTPException(404, "Case not found")
    if case.clinician_id != current_user.id:
        raise HTTPException(403, "Not enough permissions")
    return case
