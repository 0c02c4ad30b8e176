"""who had a case, and when.

Revision 0007, after 0006.
"""

import uuid
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward; of cases that were handed over before, keep what the journal tells of it."""
    op.create_table(
        "case_tenures",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("clinician_id", sa.Uuid(), nullable=True),
        sa.Column("since_on", sa.Date(), nullable=True),
        sa.Column("until_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_case_tenures_clinic_id_case_id_cases"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "clinician_id"],
            ["users.clinic_id", "users.id"],
            name=op.f("fk_case_tenures_clinic_id_clinician_id_users"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_case_tenures")),
    )
    with op.batch_alter_table("case_tenures", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_case_tenures_clinic_id_case_id_until_on"),
            ["clinic_id", "case_id", "until_on"],
            unique=False,
        )
    with op.batch_alter_table("notes", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_notes_clinic_id_recorded_by_id_id"),
            ["clinic_id", "recorded_by_id", "id"],
            unique=False,
        )
    _keep_what_is_known()
    if op.get_bind().dialect.name == "postgresql":
        _build_wall()


def downgrade() -> None:
    """Go back: who had a case before is forgotten."""
    with op.batch_alter_table("notes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_notes_clinic_id_recorded_by_id_id"))
    with op.batch_alter_table("case_tenures", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_case_tenures_clinic_id_case_id_until_on"))
    op.drop_table("case_tenures")


def _keep_what_is_known() -> None:
    """Write down who had each case that was handed over, as far as its entries tell.

    They tell when, and not from whom. Of the first it is known where a clinician opened the case,
    who can have opened none but their own; of those between nothing is.
    """
    connection = op.get_bind()
    clinics = sa.table("clinics", sa.column("id", sa.Uuid()), sa.column("time_zone", sa.String()))
    zones = {row.id: ZoneInfo(row.time_zone) for row in connection.execute(sa.select(clinics))}
    last: dict[tuple[uuid.UUID, uuid.UUID], date] = {}
    rows = []
    for entry in connection.execute(_handed_over()):
        case = (entry.clinic_id, entry.case_id)
        at = entry.at if entry.at.tzinfo else entry.at.replace(tzinfo=UTC)
        day = at.astimezone(zones[entry.clinic_id]).date()
        rows.append(_tenure(entry, at, day, last.get(case)))
        last[case] = day
    if rows:
        connection.execute(sa.insert(_TENURES), rows)


_TENURES = sa.table(
    "case_tenures",
    *(sa.column(name, sa.Uuid()) for name in ("clinic_id", "id", "case_id", "clinician_id")),
    sa.column("recorded_by_id", sa.Uuid()),
    *(sa.column(name, sa.DateTime(timezone=True)) for name in ("created_at", "updated_at")),
    sa.column("version", sa.Integer()),
    *(sa.column(name, sa.Date()) for name in ("since_on", "until_on")),
)


def _tenure(entry: Any, at: datetime, day: date, since: date | None) -> dict[str, Any]:
    return {
        "clinic_id": entry.clinic_id,
        # of one transfer there is one entry and one tenure that it ended
        "id": entry.id,
        "case_id": entry.case_id,
        "clinician_id": entry.opened_by if since is None else None,
        "recorded_by_id": entry.actor_id,
        "created_at": at,
        "updated_at": at,
        "version": 1,
        "since_on": since,
        "until_on": day,
    }


def _handed_over() -> Any:
    def entries(name: str) -> Any:
        columns = ("clinic_id", "id", "case_id", "actor_id")
        return sa.table(
            "journal_entries",
            *(sa.column(each, sa.Uuid()) for each in columns),
            sa.column("at", sa.DateTime(timezone=True)),
            sa.column("happening", sa.String()),
        ).alias(name)

    handed, opened = entries("handed"), entries("opened")
    users = sa.table(
        "users",
        *(sa.column(name, sa.Uuid()) for name in ("clinic_id", "id")),
        sa.column("role", sa.String()),
    )
    cases = sa.table("cases", *(sa.column(name, sa.Uuid()) for name in ("clinic_id", "id")))
    opened_by = (
        sa.select(users.c.id)
        .join(
            opened,
            sa.and_(opened.c.clinic_id == users.c.clinic_id, opened.c.actor_id == users.c.id),
        )
        .where(
            opened.c.clinic_id == handed.c.clinic_id,
            opened.c.case_id == handed.c.case_id,
            opened.c.happening == "case.opened",
            users.c.role == "clinician",
        )
        .limit(1)
        .correlate(handed)
        .scalar_subquery()
    )
    return (
        sa.select(
            handed.c.clinic_id,
            handed.c.id,
            handed.c.case_id,
            handed.c.actor_id,
            handed.c.at,
            opened_by.label("opened_by"),
        )
        .join(
            cases, sa.and_(cases.c.clinic_id == handed.c.clinic_id, cases.c.id == handed.c.case_id)
        )
        .where(handed.c.happening == "case.transferred")
        .order_by(handed.c.id)
    )


def _build_wall() -> None:
    """Let each role but the owner see and write rows of the clinic it has entered only."""
    inside = "clinic_id = nullif(current_setting('app.clinic_id', true), '')::uuid"
    op.execute("ALTER TABLE case_tenures ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE case_tenures FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY clinic_wall ON case_tenures USING ({inside}) WITH CHECK ({inside})")
    op.execute("CREATE POLICY owner ON case_tenures TO CURRENT_USER USING (true) WITH CHECK (true)")
