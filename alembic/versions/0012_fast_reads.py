"""fast reads.

A case keeps where it stands in the queue of flagged cases, and the journal is found by time with an
index that costs its writers little. Revision 0012, after 0011.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

LEVELS = {"critical": 1, "high": 2, "moderate": 3, "low": 4, "info": 5}
BY_TIME = "ix_journal_entries_clinic_id_at"
CHANGES_BY_TIME = "ix_journal_entries_changes_at"
TRIAGES = ("triage", "unrestricted_triage")
INDEXES = {
    "ix_cases_triage": ("triage", ["clinic_id"]),
    "ix_cases_triage_by_clinician_id": ("triage", ["clinic_id", "clinician_id"]),
    "ix_cases_unrestricted_triage": ("unrestricted_triage", ["clinic_id"]),
}


def upgrade() -> None:
    """Go forward: cases with flags that wait are given their places."""
    for triage in TRIAGES:
        level, due_at = f"{triage}_level", f"{triage}_due_at"
        op.add_column("cases", sa.Column(level, sa.Integer(), nullable=True))
        op.add_column("cases", sa.Column(due_at, sa.DateTime(timezone=True), nullable=True))
        _give_places(triage)
    for name, (triage, of) in INDEXES.items():
        level, due_at = f"{triage}_level", f"{triage}_due_at"
        waits = sa.text(f"{level} IS NOT NULL")
        places = [*of, level, due_at, "id"]
        op.create_index(name, "cases", places, postgresql_where=waits, sqlite_where=waits)
    op.drop_index(BY_TIME, "journal_entries")
    op.create_index(
        BY_TIME,
        "journal_entries",
        ["clinic_id", "at"],
        postgresql_using="brin",
        postgresql_with={"autosummarize": "true"},
    )
    changes = sa.text("NOT is_read")
    op.create_index(
        CHANGES_BY_TIME,
        "journal_entries",
        ["clinic_id", "at"],
        postgresql_where=changes,
        sqlite_where=changes,
    )


def downgrade() -> None:
    """Go back: the queue is found by the flags themselves."""
    op.drop_index(CHANGES_BY_TIME, "journal_entries")
    op.drop_index(BY_TIME, "journal_entries")
    op.create_index(BY_TIME, "journal_entries", ["clinic_id", "at"])
    for name in INDEXES:
        op.drop_index(name, "cases")
    for triage in TRIAGES:
        for column in (f"{triage}_due_at", f"{triage}_level"):
            # as it stands: what makes a table anew would lose an index over an expression
            op.execute(f"ALTER TABLE cases DROP COLUMN {column}")


def _give_places(triage: str) -> None:
    """Sum up what waits for supervisors on each case: how grave, and which is due first."""
    levels = " ".join(f"WHEN '{word}' THEN {level}" for word, level in LEVELS.items())
    waits = (
        "flags.clinic_id = cases.clinic_id AND flags.case_id = cases.id"
        " AND flags.status IN ('open', 'acknowledged') AND flags.audience = 'supervisor'"
    )
    if triage != "triage":
        waits += " AND NOT flags.restricted"
    op.execute(
        f"UPDATE cases SET {triage}_level ="  # noqa: S608 - words of this file
        f" (SELECT min(CASE flags.severity {levels} END) FROM flags WHERE {waits}),"
        f" {triage}_due_at = (SELECT min(flags.due_at) FROM flags WHERE {waits})"
        f" WHERE EXISTS (SELECT 1 FROM flags WHERE {waits})"
    )
