"""walls and tokens.

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = (
    "clinics",
    "users",
    "sessions",
    "one_time_codes",
    "service_accounts",
    "service_secrets",
    "supervisions",
    "cases",
    "access_grants",
    "incidents",
    "promises",
    "consultations",
    "declines",
    "flags",
    "journal_entries",
)


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "service_accounts",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column(
            "scopes",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id"], ["clinics.id"], name=op.f("fk_service_accounts_clinic_id_clinics")
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_service_accounts")),
    )
    op.create_table(
        "one_time_codes",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "user_id"],
            ["users.clinic_id", "users.id"],
            name=op.f("fk_one_time_codes_clinic_id_user_id_users"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_one_time_codes")),
    )
    with op.batch_alter_table("one_time_codes", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_one_time_codes_clinic_id_user_id"),
            ["clinic_id", "user_id"],
            unique=False,
        )

    op.create_table(
        "service_secrets",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "account_id"],
            ["service_accounts.clinic_id", "service_accounts.id"],
            name=op.f("fk_service_secrets_clinic_id_account_id_service_accounts"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_service_secrets")),
    )
    with op.batch_alter_table("service_secrets", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_service_secrets_clinic_id_account_id"),
            ["clinic_id", "account_id"],
            unique=False,
        )

    op.create_table(
        "access_grants",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("review_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reviewed_by_id", sa.Uuid(), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("review_note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_access_grants_clinic_id_case_id_cases"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "user_id"],
            ["users.clinic_id", "users.id"],
            name=op.f("fk_access_grants_clinic_id_user_id_users"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_access_grants")),
    )
    with op.batch_alter_table("access_grants", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_access_grants_clinic_id_case_id_user_id"),
            ["clinic_id", "case_id", "user_id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_access_grants_clinic_id_user_id_case_id"),
            ["clinic_id", "user_id", "case_id"],
            unique=False,
        )

    op.create_table(
        "declines",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("consultation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "consultation_id"],
            ["consultations.clinic_id", "consultations.id"],
            name=op.f("fk_declines_clinic_id_consultation_id_consultations"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "user_id"],
            ["users.clinic_id", "users.id"],
            name=op.f("fk_declines_clinic_id_user_id_users"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_declines")),
        sa.UniqueConstraint(
            "clinic_id",
            "consultation_id",
            "user_id",
            name=op.f("uq_declines_clinic_id_consultation_id_user_id"),
        ),
    )
    with op.batch_alter_table("clinics", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("requires_totp", sa.Boolean(), nullable=False, server_default=sa.false())
        )

    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("account_id", sa.Uuid(), nullable=True))
        batch_op.add_column(
            sa.Column("authenticated_at", sa.DateTime(timezone=True), nullable=True)
        )
        batch_op.add_column(sa.Column("idle_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("refresh_hash", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("former_refresh_hash", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("network", sa.String(length=64), nullable=True))
        batch_op.alter_column("user_id", existing_type=sa.UUID(), nullable=True)
        batch_op.create_index(
            batch_op.f("ix_sessions_clinic_id_account_id"),
            ["clinic_id", "account_id"],
            unique=False,
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_sessions_clinic_id_account_id_service_accounts"),
            "service_accounts",
            ["clinic_id", "account_id"],
            ["clinic_id", "id"],
        )
    op.execute("UPDATE sessions SET authenticated_at = created_at, idle_at = expires_at")
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        for column in ("authenticated_at", "idle_at"):
            batch_op.alter_column(column, existing_type=sa.DateTime(timezone=True), nullable=False)

    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(sa.Column("totp_secret", sa.Text(), nullable=True))
        batch_op.add_column(
            sa.Column("totp_confirmed_at", sa.DateTime(timezone=True), nullable=True)
        )
        batch_op.add_column(sa.Column("totp_last_step", sa.Integer(), nullable=True))

    if op.get_bind().dialect.name == "postgresql":
        _build_wall()


def downgrade() -> None:
    """Go back."""
    if op.get_bind().dialect.name == "postgresql":
        _remove_wall()
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_column("totp_last_step")
        batch_op.drop_column("totp_confirmed_at")
        batch_op.drop_column("totp_secret")

    # before this, every session was a user's
    op.execute("DELETE FROM sessions WHERE user_id IS NULL")
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_constraint(
            batch_op.f("fk_sessions_clinic_id_account_id_service_accounts"), type_="foreignkey"
        )
        batch_op.drop_index(batch_op.f("ix_sessions_clinic_id_account_id"))
        batch_op.alter_column("user_id", existing_type=sa.UUID(), nullable=False)
        batch_op.drop_column("network")
        batch_op.drop_column("refreshed_at")
        batch_op.drop_column("former_refresh_hash")
        batch_op.drop_column("refresh_hash")
        batch_op.drop_column("idle_at")
        batch_op.drop_column("authenticated_at")
        batch_op.drop_column("account_id")

    with op.batch_alter_table("clinics", schema=None) as batch_op:
        batch_op.drop_column("requires_totp")

    op.drop_table("declines")
    with op.batch_alter_table("access_grants", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_access_grants_clinic_id_user_id_case_id"))
        batch_op.drop_index(batch_op.f("ix_access_grants_clinic_id_case_id_user_id"))

    op.drop_table("access_grants")
    with op.batch_alter_table("service_secrets", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_service_secrets_clinic_id_account_id"))

    op.drop_table("service_secrets")
    with op.batch_alter_table("one_time_codes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_one_time_codes_clinic_id_user_id"))

    op.drop_table("one_time_codes")
    op.drop_table("service_accounts")


def _build_wall() -> None:
    """Let each role but the owner see and write rows of the clinic it has entered only."""
    for table in TABLES:
        clinic = "id" if table == "clinics" else "clinic_id"
        # a setting that was local to an earlier transaction is left behind as ''
        inside = f"{clinic} = nullif(current_setting('app.clinic_id', true), '')::uuid"
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        # also where the tables' ownership is passed on one day
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY clinic_wall ON {table} USING ({inside}) WITH CHECK ({inside})")
        op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    for name, result, body in (
        (
            "accounts_at(address text)",
            "TABLE (clinic_id uuid, id uuid)",
            "SELECT u.clinic_id, u.id FROM {}.users u WHERE u.email = address AND u.is_active",
        ),
        (
            "clinics_with_due_cases(present timestamptz)",
            "TABLE (id uuid)",
            "SELECT DISTINCT c.clinic_id FROM {}.cases c WHERE c.recheck_at <= present",
        ),
    ):
        op.execute(
            f"CREATE FUNCTION {name} RETURNS {result} LANGUAGE sql STABLE SECURITY DEFINER "
            f"SET search_path = pg_catalog, pg_temp AS $$ {body.format(schema)} $$"
        )
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")


def _remove_wall() -> None:
    op.execute("DROP FUNCTION accounts_at(text)")
    op.execute("DROP FUNCTION clinics_with_due_cases(timestamptz)")
    for table in TABLES:
        op.execute(f"DROP POLICY clinic_wall ON {table}")
        op.execute(f"DROP POLICY owner ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
