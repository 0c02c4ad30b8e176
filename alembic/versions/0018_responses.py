"""responses.

What clients answered is kept with their case. Revision 0018, after 0017.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward: answers given on paper can be kept."""
    op.create_table(
        "responses",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("void_reason", sa.String(length=40), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("questionnaire_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.Column("came_by", sa.String(length=40), nullable=False),
        sa.Column("answered_on", sa.Date(), nullable=False),
        sa.Column(
            "frame_answers",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            nullable=False,
        ),
        sa.Column("sealed_answers", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_responses_clinic_id_case_id_cases"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_responses")),
    )
    op.create_index(
        op.f("ix_responses_clinic_id_case_id_id"), "responses", ["clinic_id", "case_id", "id"]
    )
    if op.get_bind().dialect.name == "postgresql":
        _build_wall()


def downgrade() -> None:
    """Go back: every answer is lost."""
    op.drop_table("responses")


def _build_wall() -> None:
    """Let each role but the owner see and write rows of the clinic it has entered only."""
    inside = "clinic_id = nullif(current_setting('app.clinic_id', true), '')::uuid"
    op.execute("ALTER TABLE responses ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE responses FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY clinic_wall ON responses USING ({inside}) WITH CHECK ({inside})")
    op.execute("CREATE POLICY owner ON responses TO CURRENT_USER USING (true) WITH CHECK (true)")
