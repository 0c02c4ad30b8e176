"""mail.

People say when they are written to, and each e-mail is owed once. Revision 0016, after 0015.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# numbers of all clinics together: none tells of one. Seconds since 1970 for instants. A clinic's
# entries below its floor are sealed, and are not read: hence the OFFSET
COUNTS_BEFORE = (
    "WITH waiting AS (SELECT e.at FROM {0}.clinics c CROSS JOIN LATERAL (SELECT j.at "
    "FROM {0}.journal_entries j WHERE j.clinic_id = c.id AND j.id >= coalesce((SELECT "
    "h.floor_id FROM {0}.seal_heads h WHERE h.clinic_id = c.id ORDER BY h.number DESC "
    "LIMIT 1), '00000000-0000-0000-0000-000000000000') AND NOT EXISTS (SELECT FROM "
    "{0}.seal_leaves l WHERE l.clinic_id = j.clinic_id AND l.entry_id = j.id) OFFSET 0) e) "
    "SELECT 'flags', f.severity, count(*) FROM {0}.flags f "
    "WHERE f.status IN ('open', 'acknowledged') GROUP BY f.severity "
    "UNION ALL SELECT 'entries', 'waiting', count(*) FROM waiting "
    "UNION ALL SELECT 'entries', 'since', extract(epoch FROM min(w.at))::bigint "
    "FROM waiting w "
    "UNION ALL SELECT 'deliveries', 'waiting', count(*) FROM {0}.webhook_deliveries d "
    "WHERE d.next_attempt_at IS NOT NULL "
    "UNION ALL SELECT 'deliveries', 'since', extract(epoch FROM min(d.next_attempt_at))"
    "::bigint FROM {0}.webhook_deliveries d WHERE d.next_attempt_at IS NOT NULL "
    "UNION ALL SELECT 'cases', 'since', extract(epoch FROM min(k.recheck_at))::bigint "
    "FROM {0}.cases k WHERE k.recheck_at IS NOT NULL"
)
COUNTS_OF_MAIL = (
    " UNION ALL SELECT 'mails', m.status, count(*) FROM {0}.mails m GROUP BY m.status"
    " UNION ALL SELECT 'mails', 'failing', count(*) FROM {0}.mails m"
    " WHERE m.next_attempt_at IS NOT NULL AND m.attempts > 0"
    " UNION ALL SELECT 'mails', 'since', extract(epoch FROM min(m.next_attempt_at))::bigint"
    " FROM {0}.mails m WHERE m.next_attempt_at IS NOT NULL"
)
# one look into an index for each clinic and each reason, however much was written
TO_DO = (
    "SELECT c.id FROM {0}.clinics c WHERE c.mailed_until IS NULL OR c.digest_due_at <= present "
    "OR EXISTS (SELECT FROM {0}.mails m WHERE m.clinic_id = c.id "
    "AND m.next_attempt_at <= present) "
    "OR EXISTS (SELECT FROM {0}.journal_entries j WHERE j.clinic_id = c.id "
    "AND j.at > c.mailed_until AND NOT j.is_read)"
)


def upgrade() -> None:
    """Go forward: everybody is written to once a day, once a server sends e-mail at all."""
    op.create_table(
        "mails",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "user_id"],
            ["users.clinic_id", "users.id"],
            name=op.f("fk_mails_clinic_id_user_id_users"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_mails")),
        sa.UniqueConstraint(
            "clinic_id",
            "user_id",
            "kind",
            "source_id",
            name=op.f("uq_mails_clinic_id_user_id_kind_source_id"),
        ),
    )
    op.create_index(op.f("ix_mails_clinic_id_status"), "mails", ["clinic_id", "status"])
    due = sa.text("next_attempt_at IS NOT NULL")
    places = ["clinic_id", "next_attempt_at"]
    op.create_index("ix_mails_due", "mails", places, postgresql_where=due, sqlite_where=due)
    op.create_index(op.f("ix_access_notices_clinic_id_at"), "access_notices", ["clinic_id", "at"])
    op.add_column(
        "users",
        sa.Column("email_notices", sa.String(40), nullable=False, server_default="daily"),
    )
    for column in ("mailed_until", "digest_due_at"):
        op.add_column("clinics", sa.Column(column, sa.DateTime(timezone=True), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        _build_wall()
        _count(COUNTS_BEFORE + COUNTS_OF_MAIL)


def downgrade() -> None:
    """Go back: who wanted to be written to when is lost, and what was sent and is still owed."""
    if op.get_bind().dialect.name == "postgresql":
        _count(COUNTS_BEFORE)
        op.execute("DROP FUNCTION clinics_with_mail_to_do(timestamptz)")
    for table, columns in (
        ("clinics", ("digest_due_at", "mailed_until")),
        ("users", ("email_notices",)),
    ):
        for column in columns:
            # as it stands: what makes a table anew would lose an index over an expression
            op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    op.drop_index(op.f("ix_access_notices_clinic_id_at"), "access_notices")
    op.drop_table("mails")


def _build_wall() -> None:
    """Let each role but the owner see and write rows of the clinic it has entered only."""
    inside = "clinic_id = nullif(current_setting('app.clinic_id', true), '')::uuid"
    op.execute("ALTER TABLE mails ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE mails FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY clinic_wall ON mails USING ({inside}) WITH CHECK ({inside})")
    op.execute("CREATE POLICY owner ON mails TO CURRENT_USER USING (true) WITH CHECK (true)")
    name = "clinics_with_mail_to_do(present timestamptz)"
    op.execute(f"CREATE FUNCTION {name} RETURNS TABLE (id uuid) {_as(TO_DO)}")
    op.execute("REVOKE ALL ON FUNCTION clinics_with_mail_to_do(timestamptz) FROM PUBLIC")


def _count(body: str) -> None:
    """Let the numbers for a scrape be these; whoever may ask for them still may."""
    result = "TABLE (what text, kind text, number bigint)"
    op.execute(f"CREATE OR REPLACE FUNCTION standing_counts() RETURNS {result} {_as(body)}")


def _as(body: str) -> str:
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    how = "LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
    return f"{how} AS $$ {body.format(schema)} $$"
