"""narrowed sessions.

Revision 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Go forward: every session of before may do what its account may."""
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("scopes", JSON, nullable=True))


def downgrade() -> None:
    """Go back; a session that was narrowed would be wider then, so it ends."""
    op.execute(
        "UPDATE sessions SET revoked_at = updated_at"
        " WHERE scopes IS NOT NULL AND revoked_at IS NULL"
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_column("scopes")
