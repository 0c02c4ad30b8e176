"""desk.

A session may be a browser's, which shows a secret of its own in a cookie. Revision 0015, after
0014.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward: no session is a browser's yet."""
    op.add_column("sessions", sa.Column("cookie_hash", sa.String(64), nullable=True))


def downgrade() -> None:
    """Go back: what browsers hold opens nothing any more."""
    # as it stands: what makes a table anew would lose an index over an expression
    op.execute("ALTER TABLE sessions DROP COLUMN cookie_hash")
