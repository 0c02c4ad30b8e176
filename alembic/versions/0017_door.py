"""door.

A clinic sets what is told at its clients' door, and what is asked there. Revision 0017, after 0016.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_OF_CLINIC = {
    "door_emergency_text": (_JSON, "{}"),
    "door_duty_text": (_JSON, "{}"),
    "door_elsewhere_text": (_JSON, "{}"),
    "door_leave_to": (sa.String(500), None),
    "door_read_within_days": (sa.Integer(), "7"),
    "door_languages": (_JSON, '["en"]'),
    "door_offer": (_JSON, "[]"),
}
"""What a clinic sets: of which type, and as what it begins; None: nothing."""


def upgrade() -> None:
    """Go forward: nothing is told yet at the door of any clinic, so nobody is invited."""
    for name, (kind, begins) in _OF_CLINIC.items():
        column = sa.Column(name, kind, nullable=begins is None, server_default=begins)
        op.add_column("clinics", column)
    op.create_table(
        "questionnaires",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("questionnaire_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", _JSON, nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id"], ["clinics.id"], name=op.f("fk_questionnaires_clinic_id_clinics")
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_questionnaires")),
        sa.UniqueConstraint(
            "clinic_id",
            "questionnaire_id",
            "number",
            name=op.f("uq_questionnaires_clinic_id_questionnaire_id_number"),
        ),
    )
    if op.get_bind().dialect.name == "postgresql":
        _build_wall()


def downgrade() -> None:
    """Go back: what clinics set for their door is lost, and every questionnaire of their own."""
    op.drop_table("questionnaires")
    for name in _OF_CLINIC:
        # as it stands: what makes a table anew would lose an index over an expression
        op.execute(f"ALTER TABLE clinics DROP COLUMN {name}")


def _build_wall() -> None:
    """Let each role but the owner see and write rows of the clinic it has entered only."""
    inside = "clinic_id = nullif(current_setting('app.clinic_id', true), '')::uuid"
    op.execute("ALTER TABLE questionnaires ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE questionnaires FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY clinic_wall ON questionnaires USING ({inside}) WITH CHECK ({inside})"
    )
    op.execute(
        "CREATE POLICY owner ON questionnaires TO CURRENT_USER USING (true) WITH CHECK (true)"
    )
