"""the door.

Clients are invited, say what happened, and are answered; nobody else reads it who was not asked to.
Revision 0019, after 0018.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

TABLES = (
    "invitations",
    "boxes",
    "door_sessions",
    "accounts",
    "account_words",
    "account_replies",
    "account_moves",
    "account_exclusions",
)
"""In an order in which each comes after those that it points at."""

_UNRESOLVED = "status IN ('open', 'acknowledged')"
_ONE_OF_A_RULE = f"{_UNRESOLVED} AND rule <> 'manual'"
_OF_NO_ACCOUNT = f"{_ONE_OF_A_RULE} AND account_id IS NULL"
_OF_AN_ACCOUNT = f"{_UNRESOLVED} AND account_id IS NOT NULL"

_OF_A_BOX = {
    "box_id": sa.Uuid(),
    "shared_from": sa.Date(),
    "shared_with_id": sa.Uuid(),
}
"""What a response has that came by the door."""

_SECRETS_AT = (
    "SELECT i.clinic_id, i.id, NULL::uuid FROM {0}.invitations i WHERE i.code_hash = secret"
    " UNION ALL"
    " SELECT b.clinic_id, NULL::uuid, b.id FROM {0}.boxes b WHERE b.receipt_hash = secret"
)


MAIL_BEFORE = (
    "SELECT c.id FROM {0}.clinics c WHERE c.mailed_until IS NULL OR c.digest_due_at <= present "
    "OR EXISTS (SELECT FROM {0}.mails m WHERE m.clinic_id = c.id "
    "AND m.next_attempt_at <= present) "
    "OR EXISTS (SELECT FROM {0}.journal_entries j WHERE j.clinic_id = c.id "
    "AND j.at > c.mailed_until AND NOT j.is_read)"
)
MAIL_OF_DANGER = (
    " OR c.mailed_until <= present AND EXISTS (SELECT FROM {0}.accounts a "
    "WHERE a.clinic_id = c.id AND a.read_at IS NULL "
    "AND a.safe_now IN ('no', 'unsure') AND a.status <> 'closed' "
    "AND a.words_at <= present - interval '4 hours' AND NOT EXISTS (SELECT FROM {0}.mails m "
    "WHERE m.clinic_id = c.id AND m.kind = 'not_safe_unread' AND m.source_id = a.id))"
)


def upgrade() -> None:
    """Go forward: nobody is invited yet, and no flag is about what a client said."""
    _make_tables()
    for table in ("flags", "incidents", "promises"):
        op.add_column(table, sa.Column("account_id", sa.Uuid(), nullable=True))
    for table in ("promises", "disclosures"):
        hidden = sa.Column("restricted", sa.Boolean(), nullable=False, server_default=sa.false())
        op.add_column(table, hidden)
    restricted = sa.text("restricted")
    op.create_index(
        "ix_promises_restricted",
        "promises",
        ["clinic_id", "case_id"],
        postgresql_where=restricted,
        sqlite_where=restricted,
    )
    _one_unresolved(_OF_NO_ACCOUNT)
    where = sa.text(_OF_AN_ACCOUNT)
    op.create_index(
        "uq_flags_one_unresolved_of_an_account",
        "flags",
        ["clinic_id", "account_id", "rule"],
        unique=True,
        postgresql_where=where,
        sqlite_where=where,
    )
    used = sa.Column("door_used", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("cases", used)
    for name, kind, begins in (
        ("concerns", sa.Integer(), sa.text("0")),
        ("by_therapist", sa.Boolean(), sa.true()),
        ("shared", sa.String(40), sa.text("'with_therapist'")),
    ):
        op.add_column("responses", sa.Column(name, kind, nullable=False, server_default=begins))
    for name, type_ in _OF_A_BOX.items():
        op.add_column("responses", sa.Column(name, type_, nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        _build_wall()


def downgrade() -> None:
    """Go back: all that was said at the door is lost, and every flag about it."""
    about = "(SELECT id FROM flags WHERE account_id IS NOT NULL)"
    op.execute(f"DELETE FROM flag_resolutions WHERE flag_id IN {about}")  # noqa: S608 - ours
    op.execute("DELETE FROM flags WHERE account_id IS NOT NULL")
    op.drop_index("uq_flags_one_unresolved_of_an_account", "flags")
    _one_unresolved(_ONE_OF_A_RULE)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION door_secrets_at(text)")
        _mail_to_do(MAIL_BEFORE)
    # as it stands: what makes a table anew would lose an index over an expression
    op.execute("ALTER TABLE cases DROP COLUMN door_used")
    op.execute("DELETE FROM responses WHERE box_id IS NOT NULL")
    for name in ("concerns", "by_therapist", "shared", *_OF_A_BOX):
        op.execute(f"ALTER TABLE responses DROP COLUMN {name}")
    # an incident stays as hidden as it was; a promise could be hidden no more, and would be told
    of_hidden = "(SELECT id FROM promises WHERE restricted)"
    versions = "DELETE FROM record_versions WHERE record_type = 'promise'"
    op.execute(f"{versions} AND record_id IN {of_hidden}")
    op.execute("DELETE FROM promises WHERE restricted")
    op.drop_index("ix_promises_restricted", "promises")
    of_copies = "(SELECT id FROM disclosures WHERE restricted)"
    op.execute(f"DELETE FROM disclosed_documents WHERE disclosure_id IN {of_copies}")  # noqa: S608 - ours
    op.execute("DELETE FROM disclosures WHERE restricted")
    for table in ("promises", "disclosures"):
        op.execute(f"ALTER TABLE {table} DROP COLUMN restricted")
    for table in ("flags", "incidents", "promises"):
        op.execute(f"ALTER TABLE {table} DROP COLUMN account_id")
    for table in reversed(TABLES):
        op.drop_table(table)


def _one_unresolved(condition: str) -> None:
    """Let of each rule one flag wait in the open and one restricted, among those that are meant."""
    op.drop_index("uq_flags_one_unresolved", "flags")
    places = ["clinic_id", "case_id", "rule", "restricted"]
    where = sa.text(condition)
    op.create_index(
        "uq_flags_one_unresolved",
        "flags",
        places,
        unique=True,
        postgresql_where=where,
        sqlite_where=where,
    )


def _build_wall() -> None:
    """Let each role but the owner see and write rows of the clinic it has entered only."""
    inside = "clinic_id = nullif(current_setting('app.clinic_id', true), '')::uuid"
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY clinic_wall ON {table} USING ({inside}) WITH CHECK ({inside})")
        op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    # in PL/pgSQL: a database that spans machines cannot pass on one in SQL that names tables
    op.execute(
        "CREATE FUNCTION door_secrets_at(secret text)"
        " RETURNS TABLE (clinic_id uuid, invitation_id uuid, box_id uuid)"
        " LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
        f" AS $$ BEGIN RETURN QUERY {_SECRETS_AT.format(schema)}; END $$"
    )
    op.execute("REVOKE ALL ON FUNCTION door_secrets_at(text) FROM PUBLIC")
    _mail_to_do(MAIL_BEFORE + MAIL_OF_DANGER)


def _mail_to_do(body: str) -> None:
    """Let these be the clinics that have e-mail to send; whoever may ask for them still may."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(
        "CREATE OR REPLACE FUNCTION clinics_with_mail_to_do(present timestamptz)"
        " RETURNS TABLE (id uuid) LANGUAGE sql STABLE SECURITY DEFINER"
        f" SET search_path = pg_catalog, pg_temp AS $$ {body.format(schema)} $$"
    )


def _make_tables() -> None:
    op.create_table(
        "invitations",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("for_whom", sa.String(length=40), nullable=False),
        sa.Column("questionnaire_id", sa.Uuid(), nullable=True),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("restricted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_invitations_clinic_id_case_id_cases"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_invitations")),
    )
    op.create_index(
        op.f("ix_invitations_clinic_id_case_id_id"), "invitations", ["clinic_id", "case_id", "id"]
    )
    op.create_index(op.f("ix_invitations_code_hash"), "invitations", ["code_hash"])
    op.create_table(
        "boxes",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.Column("receipt_hash", sa.String(length=64), nullable=True),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_boxes_clinic_id_case_id_cases"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_boxes")),
    )
    op.create_index(op.f("ix_boxes_clinic_id_case_id"), "boxes", ["clinic_id", "case_id"])
    op.create_index(op.f("ix_boxes_receipt_hash"), "boxes", ["receipt_hash"])
    op.create_table(
        "door_sessions",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=True),
        sa.Column("box_id", sa.Uuid(), nullable=True),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "box_id"],
            ["boxes.clinic_id", "boxes.id"],
            name=op.f("fk_door_sessions_clinic_id_box_id_boxes"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_door_sessions_clinic_id_case_id_cases"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "invitation_id"],
            ["invitations.clinic_id", "invitations.id"],
            name=op.f("fk_door_sessions_clinic_id_invitation_id_invitations"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_door_sessions")),
    )
    op.create_index(
        op.f("ix_door_sessions_clinic_id_updated_at"), "door_sessions", ["clinic_id", "updated_at"]
    )
    op.create_table(
        "accounts",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("box_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.Column("came_by", sa.String(length=40), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("happened", sa.Text(), nullable=True),
        sa.Column("topics", _JSON, nullable=False),
        sa.Column("happened_on", sa.Date(), nullable=True),
        sa.Column("date_precision", sa.String(length=40), nullable=False),
        sa.Column("wants", _JSON, nullable=False),
        sa.Column("safe_now", sa.String(length=40), nullable=False),
        sa.Column("reach", sa.Text(), nullable=True),
        sa.Column("addressed_to", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("words_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by_id", sa.Uuid(), nullable=True),
        sa.Column("determination", sa.String(length=40), nullable=True),
        sa.Column("closing_note", sa.Text(), nullable=True),
        sa.Column("taken_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shared", sa.String(length=40), nullable=False),
        sa.Column("shared_from", sa.Date(), nullable=True),
        sa.Column("shared_with_id", sa.Uuid(), nullable=True),
        sa.Column("shared_as", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "box_id"],
            ["boxes.clinic_id", "boxes.id"],
            name=op.f("fk_accounts_clinic_id_box_id_boxes"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_accounts_clinic_id_case_id_cases"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "shared_with_id"],
            ["users.clinic_id", "users.id"],
            name=op.f("fk_accounts_clinic_id_shared_with_id_users"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_accounts")),
        sa.UniqueConstraint(
            *["clinic_id", "box_id", "number"], name=op.f("uq_accounts_clinic_id_box_id_number")
        ),
    )
    op.create_index(
        op.f("ix_accounts_clinic_id_case_id_id"), "accounts", ["clinic_id", "case_id", "id"]
    )
    op.create_index(op.f("ix_accounts_clinic_id_shared_as"), "accounts", ["clinic_id", "shared_as"])
    op.create_index(
        op.f("ix_accounts_clinic_id_status"),
        "accounts",
        ["clinic_id", "status"],
        postgresql_where=sa.text("status = 'received'"),
        sqlite_where=sa.text("status = 'received'"),
    )
    op.create_table(
        "account_words",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("words", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "account_id"],
            ["accounts.clinic_id", "accounts.id"],
            name=op.f("fk_account_words_clinic_id_account_id_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_account_words_clinic_id_case_id_cases"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_account_words")),
    )
    op.create_index(
        op.f("ix_account_words_clinic_id_account_id_id"),
        "account_words",
        ["clinic_id", "account_id", "id"],
    )
    op.create_table(
        "account_replies",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "account_id"],
            ["accounts.clinic_id", "accounts.id"],
            name=op.f("fk_account_replies_clinic_id_account_id_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_account_replies_clinic_id_case_id_cases"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_account_replies")),
    )
    op.create_index(
        op.f("ix_account_replies_clinic_id_account_id_id"),
        "account_replies",
        ["clinic_id", "account_id", "id"],
    )
    op.create_table(
        "account_moves",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "account_id"],
            ["accounts.clinic_id", "accounts.id"],
            name=op.f("fk_account_moves_clinic_id_account_id_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_account_moves_clinic_id_case_id_cases"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_account_moves")),
    )
    op.create_index(
        op.f("ix_account_moves_clinic_id_account_id_id"),
        "account_moves",
        ["clinic_id", "account_id", "id"],
    )
    op.create_table(
        "account_exclusions",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("by_client", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "account_id"],
            ["accounts.clinic_id", "accounts.id"],
            name=op.f("fk_account_exclusions_clinic_id_account_id_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "user_id"],
            ["users.clinic_id", "users.id"],
            name=op.f("fk_account_exclusions_clinic_id_user_id_users"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_account_exclusions")),
        sa.UniqueConstraint(
            *["clinic_id", "account_id", "user_id"],
            name=op.f("uq_account_exclusions_clinic_id_account_id_user_id"),
        ),
    )
