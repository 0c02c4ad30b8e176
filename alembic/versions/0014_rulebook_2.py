"""rulebook 2.

A flag keeps what it tells in a form for any language, people and clinics choose theirs, and every
case is looked at again by the new rules when anybody next asks. Revision 0014, after 0013.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward: flags of earlier rules keep their text; every case that stands is due."""
    says = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
    op.add_column("flags", sa.Column("says", says, nullable=True))
    for table in ("users", "clinics"):
        op.add_column(table, sa.Column("language", sa.String(16), nullable=True))
    op.execute(
        "UPDATE cases SET recheck_at = CURRENT_TIMESTAMP"
        " WHERE voided_at IS NULL AND purged_at IS NULL"
    )


def downgrade() -> None:
    """Go back: what was told stays in English; cases stay due, for the rules of before."""
    for table in ("clinics", "users"):
        # as it stands: what makes a table anew would lose an index over an expression
        op.execute(f"ALTER TABLE {table} DROP COLUMN language")
    op.execute("ALTER TABLE flags DROP COLUMN says")
