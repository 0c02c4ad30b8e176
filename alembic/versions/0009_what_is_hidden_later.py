"""what is hidden later is hidden with its history.

Revision 0009, after 0008.
"""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = ("incidents", "flags")
RESTRICTED = sa.text("restricted")

CASES = sa.table(
    "cases",
    sa.column("clinic_id", sa.Uuid()),
    sa.column("id", sa.Uuid()),
    sa.column("recheck_at", sa.DateTime(timezone=True)),
    sa.column("purged_at", sa.DateTime(timezone=True)),
)
INCIDENTS = sa.table(
    "incidents",
    sa.column("clinic_id", sa.Uuid()),
    sa.column("case_id", sa.Uuid()),
    sa.column("id", sa.Uuid()),
    sa.column("restricted", sa.Boolean()),
)
FLAGS = sa.table(
    "flags",
    sa.column("clinic_id", sa.Uuid()),
    sa.column("case_id", sa.Uuid()),
    sa.column("id", sa.Uuid()),
    sa.column("restricted", sa.Boolean()),
    sa.column("evidence", sa.JSON()),
)


def upgrade() -> None:
    """Go forward: flags of before follow what is hidden now, as soon as each case is looked at."""
    for table in TABLES:
        op.create_index(
            f"ix_{table}_restricted",
            table,
            ["clinic_id", "case_id"],
            postgresql_where=RESTRICTED,
            sqlite_where=RESTRICTED,
        )
    _look_again_at_cases()
    _hide_on_purged_cases()


def downgrade() -> None:
    """Go back: nothing is lost, and flags stay as hidden as they are."""
    for table in TABLES:
        op.drop_index(f"ix_{table}_restricted", table)


def _look_again_at_cases() -> None:
    now = datetime.now(UTC)
    hides = sa.exists().where(
        INCIDENTS.c.clinic_id == CASES.c.clinic_id,
        INCIDENTS.c.case_id == CASES.c.id,
        INCIDENTS.c.restricted,
    )
    # what is due already is looked at anyway, and then as of the instant at which it was due
    later = sa.or_(CASES.c.recheck_at.is_(None), CASES.c.recheck_at > now)
    op.get_bind().execute(
        sa.update(CASES).where(hides, later, CASES.c.purged_at.is_(None)).values(recheck_at=now)
    )


def _hide_on_purged_cases() -> None:
    """Hide what names a restricted incident where no rule is asked any more."""
    connection = op.get_bind()
    hidden: defaultdict[Any, set[UUID]] = defaultdict(set)
    for case_id, row_id in connection.execute(
        sa.select(INCIDENTS.c.case_id, INCIDENTS.c.id)
        .join(CASES, sa.and_(CASES.c.id == INCIDENTS.c.case_id, CASES.c.purged_at.is_not(None)))
        .where(INCIDENTS.c.restricted)
    ):
        hidden[case_id].add(row_id)
    for case_id, ids in hidden.items():
        asked = sa.select(FLAGS.c.id, FLAGS.c.evidence).where(FLAGS.c.case_id == case_id)
        for flag_id, evidence in connection.execute(asked).all():
            if any(UUID(item["id"]) in ids for item in evidence):
                of_row = FLAGS.c.id == flag_id
                connection.execute(sa.update(FLAGS).where(of_row).values(restricted=True))
