"""what is told of who sees more, kept until it is read.

Revision 0006, after 0005.
"""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NEW_TABLES = ("access_notices", "access_notice_readers")
TOLD_FOR = timedelta(days=90)
"""How far back is told of what happened before there were notices."""


def upgrade() -> None:
    """Go forward, and tell of what the rows still show of the last 90 days."""
    op.create_table(
        "access_notices",
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id"], ["clinics.id"], name=op.f("fk_access_notices_clinic_id_clinics")
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_access_notices")),
    )
    with op.batch_alter_table("access_notices", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_access_notices_clinic_id_record_id"),
            ["clinic_id", "record_id"],
            unique=False,
        )

    op.create_table(
        "access_notice_readers",
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("notice_id", sa.Uuid(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "user_id"],
            ["users.clinic_id", "users.id"],
            name=op.f("fk_access_notice_readers_clinic_id_user_id_users"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "notice_id"],
            ["access_notices.clinic_id", "access_notices.id"],
            name=op.f("fk_access_notice_readers_clinic_id_notice_id_access_notices"),
        ),
        sa.PrimaryKeyConstraint(
            "clinic_id", "user_id", "notice_id", name=op.f("pk_access_notice_readers")
        ),
    )
    _tell_what_came_before()
    if op.get_bind().dialect.name == "postgresql":
        _build_wall()


def downgrade() -> None:
    """Go back: what was told is lost, and who had read it; the journal keeps what happened."""
    op.drop_table("access_notice_readers")
    with op.batch_alter_table("access_notices", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_access_notices_clinic_id_record_id"))

    op.drop_table("access_notices")


def _build_wall() -> None:
    """Let each role but the owner see and write rows of the clinic it has entered only."""
    inside = "clinic_id = nullif(current_setting('app.clinic_id', true), '')::uuid"
    for table in NEW_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY clinic_wall ON {table} USING ({inside}) WITH CHECK ({inside})")
        op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")


# ------------------------------------------------------------- what came before there were notices


def _table(name: str, *columns: tuple[str, Any]) -> Any:
    ids = [sa.column(each, sa.Uuid()) for each in ("clinic_id", "id")]
    return sa.table(name, *ids, *(sa.column(each, kind) for each, kind in columns))


_UUID, _TIME, _TEXT = sa.Uuid(), sa.DateTime(timezone=True), sa.String()
_CLINICS = sa.table("clinics", sa.column("id", _UUID), sa.column("time_zone", _TEXT))
_ENTRIES = _table(
    "journal_entries",
    ("at", _TIME),
    ("happening", _TEXT),
    ("actor_id", _UUID),
    ("record_ids", sa.JSON()),
    ("changed", sa.JSON()),
)
_NOTICES = _table(
    "access_notices",
    ("at", _TIME),
    ("kind", _TEXT),
    ("actor_id", _UUID),
    ("user_id", _UUID),
    ("record_id", _UUID),
    ("entry_id", _UUID),
)
_READERS = sa.table(
    "access_notice_readers",
    *(sa.column(each, _UUID) for each in ("clinic_id", "user_id", "notice_id")),
)
_USERS = _table("users", ("role", _TEXT))
_LINKS = _table(
    "supervisions",
    ("supervisor_id", _UUID),
    ("clinician_id", _UUID),
    ("starts_on", sa.Date()),
    ("ends_on", sa.Date()),
)
_GRANTS = _table("access_grants", ("user_id", _UUID), ("case_id", _UUID))
_CASES = _table("cases", ("clinician_id", _UUID))
_ACCOUNTS = _table("service_accounts", ("scopes", sa.JSON()), ("is_active", sa.Boolean()))

_OF_GRANTS = {
    "cover.arranged": "cover",
    "break_glass.opened": "break_glass",
    "recusal.ended": "recusal_ended",
}
_OF_USERS = {
    "user.created": "first_password",
    "user.password_reset_offered": "password_reset_offered",
    "user.password_reset": "password_reset",
    "totp.removed": "second_factor_removed",
}
_OF_LINKS = ("supervision.created", "supervision.changed")
_OF_SOFTWARE = (
    "service_account.created",
    "service_account.changed",
    "service_account.secret_added",
)
_TOLD = (
    *_OF_LINKS,
    *_OF_GRANTS,
    *_OF_USERS,
    *_OF_SOFTWARE,
    "user.changed",
    "case.transferred",
)


def _tell_what_came_before() -> None:
    """Make notices of the entries of the last 90 days, as far as they and the rows tell.

    Earlier entries say that a role or an end was changed, and not to what: then what is so now.
    """
    since = datetime.now(UTC) - TOLD_FOR
    for clinic_id in op.get_bind().execute(sa.select(_CLINICS.c.id)).scalars().all():
        asked = sa.select(_ENTRIES).where(
            _ENTRIES.c.clinic_id == clinic_id,
            # the journal is long; ids grow with time, so older pages need not be turned
            _ENTRIES.c.id > _id_at(since, bytes(10)),
            _ENTRIES.c.at > since,
            _ENTRIES.c.happening.in_(_TOLD),
        )
        for entry in op.get_bind().execute(asked.order_by(_ENTRIES.c.id)).all():
            for record_id in map(UUID, entry.record_ids):
                for told in _what_is_told(entry, record_id):
                    _keep(entry, record_id, *told)


def _what_is_told(entry: Any, record_id: UUID) -> Iterator[tuple[str, UUID, set[UUID], datetime]]:
    """Give the kind of each notice, who sees more, whom it concerns, and when it came about."""
    clinic_id, happening, by = entry.clinic_id, entry.happening, {entry.actor_id}
    if happening in _OF_LINKS:
        for link in _rows(_LINKS, clinic_id, record_id):
            today, ends_on = datetime.now(UTC).date(), link.ends_on or date.max
            if happening == "supervision.created" or ends_on > today:
                yield "supervision", link.supervisor_id, {link.clinician_id}, entry.at
            if happening == "supervision.created" and today < link.starts_on < ends_on:
                begins = _midnight(clinic_id, link.starts_on)
                yield "supervision_begins", link.supervisor_id, {link.clinician_id}, begins
    elif happening in _OF_GRANTS:
        for grant in _rows(_GRANTS, clinic_id, record_id):
            for case in _rows(_CASES, clinic_id, grant.case_id):
                yield _OF_GRANTS[happening], grant.user_id, {case.clinician_id} - by, entry.at
    elif happening in _OF_SOFTWARE:
        for account in _rows(_ACCOUNTS, clinic_id, record_id):
            if account.is_active and "narrative:read" in account.scopes:
                yield "software", record_id, _keepers(clinic_id) - by, entry.at
    elif happening == "case.transferred":
        for case in _rows(_CASES, clinic_id, record_id):
            yield "transfer", case.clinician_id, {case.clinician_id} - by, entry.at
    else:
        for user in _rows(_USERS, clinic_id, record_id):
            for kind in _of_user(entry, user.role):
                yield kind, user.id, {user.id}, entry.at


def _of_user(entry: Any, role: str) -> Iterator[str]:
    if entry.happening in _OF_USERS:
        yield _OF_USERS[entry.happening]
    if entry.happening == "user.created" and role != "clinician":
        yield role
    if "role" in entry.changed:
        yield role
    if "email" in entry.changed:
        yield "email_changed"


def _keepers(clinic_id: UUID) -> set[UUID]:
    kept = sa.select(_CASES.c.clinician_id).where(_CASES.c.clinic_id == clinic_id)
    return set(op.get_bind().execute(kept.distinct()).scalars())


def _rows(table: Any, clinic_id: UUID, row_id: UUID) -> Any:
    wanted = sa.select(table).where(table.c.clinic_id == clinic_id, table.c.id == row_id)
    return op.get_bind().execute(wanted).all()


def _midnight(clinic_id: UUID, day: date) -> datetime:
    asked = sa.select(_CLINICS.c.time_zone).where(_CLINICS.c.id == clinic_id)
    zone = ZoneInfo(op.get_bind().execute(asked).scalar_one())
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _keep(
    entry: Any,
    record_id: UUID,
    kind: str,
    user_id: UUID,
    concerned: set[UUID],
    at: datetime,
) -> None:
    notice = {
        "clinic_id": entry.clinic_id,
        "id": _id_at(at, os.urandom(10)),
        "at": at,
        "kind": kind,
        "actor_id": entry.actor_id,
        "user_id": user_id,
        "record_id": record_id,
        "entry_id": entry.id,
    }
    op.get_bind().execute(_NOTICES.insert().values(notice))
    for reader in sorted(concerned):
        told = {"clinic_id": entry.clinic_id, "user_id": reader, "notice_id": notice["id"]}
        op.get_bind().execute(_READERS.insert().values(told))


def _id_at(instant: datetime, rest: bytes) -> UUID:
    """Give a UUIDv7 of an instant (RFC 9562)."""
    at = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    number = int(at.timestamp() * 1000) << 80 | int.from_bytes(rest)
    return UUID(int=number & ~(0xF << 76) & ~(0b11 << 62) | 7 << 76 | 0b10 << 62)
