"""what an integrator needs.

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NEW_TABLES = (
    "imports",
    "import_refusals",
    "imported_records",
    "monitored_findings",
    "webhooks",
    "webhook_secrets",
    "webhook_events",
    "webhook_deliveries",
    "webhook_attempts",
)
WHAT_WAITS = (
    (
        "ix_consultations_waiting",
        "consultations",
        "status IN ('requested', 'accepted', 'in_progress')",
    ),
    ("ix_promises_open", "promises", "state = 'open' AND voided_at IS NULL"),
)


def upgrade() -> None:
    """Go forward."""
    # first of all, because every request reads its clinic: who waits for this lock holds no other,
    # so that a server which goes on serving meanwhile meets no deadlock
    with op.batch_alter_table("clinics", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "rule_modes",
                sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
                nullable=False,
                server_default="{}",
            )
        )
        batch_op.add_column(
            sa.Column(
                "watched_events",
                sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
                nullable=False,
                server_default="[]",
            )
        )

    op.create_table(
        "imports",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("form", sa.String(length=10), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("created", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id"], ["clinics.id"], name=op.f("fk_imports_clinic_id_clinics")
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_imports")),
    )
    op.create_table(
        "webhook_events",
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.String(length=60), nullable=False),
        sa.Column("record_type", sa.String(length=40), nullable=True),
        sa.Column("record_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id"], ["clinics.id"], name=op.f("fk_webhook_events_clinic_id_clinics")
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_webhook_events")),
    )
    op.create_table(
        "webhooks",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column(
            "events",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id"], ["clinics.id"], name=op.f("fk_webhooks_clinic_id_clinics")
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "import_refusals",
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("pointer", sa.String(length=200), nullable=False),
        sa.Column("message", sa.String(length=400), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "import_id"],
            ["imports.clinic_id", "imports.id"],
            name=op.f("fk_import_refusals_clinic_id_import_id_imports"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_import_refusals")),
    )
    with op.batch_alter_table("import_refusals", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_import_refusals_clinic_id_import_id_id"),
            ["clinic_id", "import_id", "id"],
            unique=False,
        )

    op.create_table(
        "webhook_deliveries",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "event_id"],
            ["webhook_events.clinic_id", "webhook_events.id"],
            name=op.f("fk_webhook_deliveries_clinic_id_event_id_webhook_events"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "webhook_id"],
            ["webhooks.clinic_id", "webhooks.id"],
            name=op.f("fk_webhook_deliveries_clinic_id_webhook_id_webhooks"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_webhook_deliveries")),
    )
    with op.batch_alter_table("webhook_deliveries", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_webhook_deliveries_clinic_id_webhook_id_id"),
            ["clinic_id", "webhook_id", "id"],
            unique=False,
        )
        batch_op.create_index(
            "ix_webhook_deliveries_due",
            ["clinic_id", "next_attempt_at"],
            unique=False,
            postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
            sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_webhook_deliveries_due_to_one",
            ["clinic_id", "webhook_id", "next_attempt_at"],
            unique=False,
            postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
            sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
        )

    op.create_table(
        "webhook_secrets",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "webhook_id"],
            ["webhooks.clinic_id", "webhooks.id"],
            name=op.f("fk_webhook_secrets_clinic_id_webhook_id_webhooks"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_webhook_secrets")),
    )
    with op.batch_alter_table("webhook_secrets", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_webhook_secrets_clinic_id_webhook_id"),
            ["clinic_id", "webhook_id"],
            unique=False,
        )

    op.create_table(
        "imported_records",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("record_type", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("source_key", sa.Text(), nullable=True),
        sa.Column("source_hash", sa.String(length=64), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_imported_records_clinic_id_case_id_cases"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "import_id"],
            ["imports.clinic_id", "imports.id"],
            name=op.f("fk_imported_records_clinic_id_import_id_imports"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_imported_records")),
        sa.UniqueConstraint(
            "clinic_id",
            "record_type",
            "source_hash",
            name=op.f("uq_imported_records_clinic_id_record_type_source_hash"),
        ),
    )
    with op.batch_alter_table("imported_records", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_imported_records_clinic_id_case_id"),
            ["clinic_id", "case_id"],
            unique=False,
        )

    op.create_table(
        "monitored_findings",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.Column("severity", sa.String(length=40), nullable=False),
        sa.Column("restricted", sa.Boolean(), nullable=False),
        sa.Column(
            "evidence",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_monitored_findings_clinic_id_case_id_cases"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_monitored_findings")),
    )
    with op.batch_alter_table("monitored_findings", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_monitored_findings_clinic_id_effective_at"),
            ["clinic_id", "effective_at"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_monitored_findings_clinic_id_case_id_id"),
            ["clinic_id", "case_id", "id"],
            unique=False,
        )
        batch_op.create_index(
            "uq_monitored_findings_one_standing",
            ["clinic_id", "case_id", "rule", "restricted"],
            unique=True,
            postgresql_where=sa.text("ended_at IS NULL"),
            sqlite_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "webhook_attempts",
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=40), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "delivery_id"],
            ["webhook_deliveries.clinic_id", "webhook_deliveries.id"],
            name=op.f("fk_webhook_attempts_clinic_id_delivery_id_webhook_deliveries"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_webhook_attempts")),
    )
    with op.batch_alter_table("webhook_attempts", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_webhook_attempts_clinic_id_delivery_id_id"),
            ["clinic_id", "delivery_id", "id"],
            unique=False,
        )

    for name, table, condition in WHAT_WAITS:
        where = sa.text(condition)
        op.create_index(
            name, table, ["clinic_id", "case_id"], postgresql_where=where, sqlite_where=where
        )

    if op.get_bind().dialect.name == "postgresql":
        _build_wall()


def downgrade() -> None:
    """Go back: webhooks, what imported records were called, and silent findings are lost."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION standing_counts()")
        op.execute("DROP FUNCTION clinics_with_deliveries_due(timestamptz)")
    for name, table, _ in WHAT_WAITS:
        op.drop_index(name, table)
    with op.batch_alter_table("clinics", schema=None) as batch_op:
        batch_op.drop_column("watched_events")
        batch_op.drop_column("rule_modes")

    with op.batch_alter_table("webhook_attempts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webhook_attempts_clinic_id_delivery_id_id"))

    op.drop_table("webhook_attempts")
    with op.batch_alter_table("monitored_findings", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_monitored_findings_one_standing",
            postgresql_where=sa.text("ended_at IS NULL"),
            sqlite_where=sa.text("ended_at IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_monitored_findings_clinic_id_effective_at"))
        batch_op.drop_index(batch_op.f("ix_monitored_findings_clinic_id_case_id_id"))

    op.drop_table("monitored_findings")
    with op.batch_alter_table("imported_records", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_imported_records_clinic_id_case_id"))

    op.drop_table("imported_records")
    with op.batch_alter_table("webhook_secrets", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webhook_secrets_clinic_id_webhook_id"))

    op.drop_table("webhook_secrets")
    with op.batch_alter_table("webhook_deliveries", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_webhook_deliveries_due_to_one",
            postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
            sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_webhook_deliveries_due",
            postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
            sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_webhook_deliveries_clinic_id_webhook_id_id"))

    op.drop_table("webhook_deliveries")
    with op.batch_alter_table("import_refusals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_import_refusals_clinic_id_import_id_id"))

    op.drop_table("import_refusals")
    op.drop_table("webhooks")
    op.drop_table("webhook_events")
    op.drop_table("imports")


def _build_wall() -> None:
    """Let each role but the owner see and write rows of the clinic it has entered only."""
    inside = "clinic_id = nullif(current_setting('app.clinic_id', true), '')::uuid"
    for table in NEW_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY clinic_wall ON {table} USING ({inside}) WITH CHECK ({inside})")
        op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    for name, result, body in (
        (
            "clinics_with_deliveries_due(present timestamptz)",
            "TABLE (id uuid)",
            # one look into the index for each clinic, however much is due
            "SELECT c.id FROM {0}.clinics c WHERE EXISTS (SELECT FROM {0}.webhook_deliveries d "
            "WHERE d.clinic_id = c.id AND d.next_attempt_at <= present)",
        ),
        (
            # numbers of all clinics together: none tells of one. Seconds since 1970 for instants.
            # A clinic's entries below its floor are sealed, and are not read: hence the OFFSET
            "standing_counts()",
            "TABLE (what text, kind text, number bigint)",
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
            "FROM {0}.cases k WHERE k.recheck_at IS NOT NULL",
        ),
    ):
        op.execute(
            f"CREATE FUNCTION {name} RETURNS {result} LANGUAGE sql STABLE SECURITY DEFINER "
            f"SET search_path = pg_catalog, pg_temp AS $$ {body.format(schema)} $$"
        )
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
