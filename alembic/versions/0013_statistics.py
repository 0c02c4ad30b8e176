"""statistics.

Revision 0013, after 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward: whoever writes many rows may have statistics of them renewed."""
    if op.get_bind().dialect.name != "postgresql":
        return
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    tables = ("cases", "incidents", "promises", "consultations", "imported_records")
    named = ", ".join(f"{schema}.{table}" for table in tables)
    # only the owner may do it, and nobody waits for it who finds that it is being done
    op.execute(
        "CREATE FUNCTION renew_statistics() RETURNS void LANGUAGE plpgsql VOLATILE "
        "SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS "
        f"$$ BEGIN ANALYZE (SKIP_LOCKED) {named}; END $$"
    )
    op.execute("REVOKE ALL ON FUNCTION renew_statistics() FROM PUBLIC")


def downgrade() -> None:
    """Go back; nothing is lost."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION renew_statistics()")
