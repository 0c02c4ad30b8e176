#!/usr/bin/env bash
# SQLModel 0.0.50 with SQLAlchemy 2.1.9, on SQLite: who asks for a column with a time zone loses
# it.
#
# A plain `datetime` field of SQLModel is stored in UTC, read back with its zone, and refused
# without one. A field that says `DateTime(timezone=True)`, as PostgreSQL wants it and as one
# would write to be on the safe side, takes the place of that: SQLite keeps the figures of the
# clock on the wall, gives them back without a zone, and compares them as figures. One would guess
# that asking for more gives no less. What was written in the evening in New York is found as of
# five hours earlier, a naive datetime is taken, and nothing is raised, until code that compares
# what it reads meets both kinds. On PostgreSQL nothing of it is seen. What helps: leave the type
# to SQLModel.
#
# Seen with Python 3.11, 19:30 in New York being 00:30 in UTC:
#   plain: back as 2026-03-02T00:30:00+00:00, found up to midnight UTC: no, naive: refused
#   timezone=True: back as 2026-03-01T19:30:00, found up to midnight UTC: yes, naive: taken
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT
python3 -m venv . && bin/pip install -qq --disable-pip-version-check \
    sqlmodel==0.0.50 pydantic==2.14.3 'sqlalchemy[asyncio]==2.1.9'
cat > zones.py <<'PYTHON'
from datetime import UTC, datetime, timedelta, timezone

from sqlalchemy import DateTime
from sqlalchemy.exc import StatementError
from sqlmodel import Field, Session, SQLModel, create_engine, select


class Plain(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    at: datetime


class Asked(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=DateTime(timezone=True))


engine = create_engine("sqlite://")
SQLModel.metadata.create_all(engine)
evening = datetime(2026, 3, 1, 19, 30, tzinfo=timezone(timedelta(hours=-5)))
midnight = datetime(2026, 3, 2, tzinfo=UTC)
for name, kind in (("plain", Plain), ("timezone=True", Asked)):
    with Session(engine) as session:
        session.add(kind(at=evening))
        session.commit()
    with Session(engine) as session:
        back = session.exec(select(kind)).one().at.isoformat()
        found = session.exec(select(kind).where(kind.at <= midnight)).all()
        session.add(kind(at=datetime(2026, 3, 1)))
        try:
            session.commit()
            naive = "taken"
        except StatementError:
            naive = "refused"
    found = "yes" if found else "no"
    print(f"{name}: back as {back}, found up to midnight UTC: {found}, naive: {naive}")
PYTHON
bin/python zones.py | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
plain: back as 2026-03-02T00:30:00+00:00, found up to midnight UTC: no, naive: refused
timezone=True: back as 2026-03-01T19:30:00, found up to midnight UTC: yes, naive: taken
SEEN
echo holds
